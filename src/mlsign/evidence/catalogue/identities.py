"""MLS212 to MLS219: certificates, logs, times and trust data."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.catalogue.entry import CodeEntry

ENTRIES: Final[tuple[CodeEntry, ...]] = (
    CodeEntry(
        code="MLS212",
        title="a certificate that is not to be trusted",
        meaning="The certificate of the signer does not chain to a trusted authority, was not valid when the signature was made, "
        "has been revoked, or is not one to sign with. The time that counts is a trusted one (a timestamp, a log) or, "
        "where there is none, now; never the start of the certificate's own validity.",
        abuse="A certificate that expired years ago, whose key leaked since, is used to sign today: a verifier that "
        "checks the chain at the certificate's own start date accepts it. Or an authority of somebody else, or the "
        "certificate of a web server.",
        action="Look at the cause in the report. For an expired certificate, have the package signed again, with a "
        "timestamp so that it stays good; for an unknown authority, add its root to the policy after checking its fingerprint.",
    ),
    CodeEntry(
        code="MLS213",
        title="a log entry that does not hold",
        meaning="The proof that the signature is in a transparency log, or that its certificate is in a certificate log, is wrong: "
        "another entry, an unknown log, a broken path, a checkpoint that the log did not sign.",
        abuse="A stolen identity is used in secret: the log is what lets its owner see it. An entry about something "
        "else passes where nobody compares it with the signature (CVE-2022-36056).",
        action="Fetch the bundle again. If it stays that way, do not use the package and ask its signer.",
    ),
    CodeEntry(
        code="MLS214",
        title="a signature without a trusted time, or from the future",
        meaning="A keyless certificate is good for minutes, so somebody trusted must say when the signature was made; nobody "
        "does, or the timestamp is not by a trusted authority, or the time has not come yet.",
        abuse="A key that was thrown away, or should have been, is used again later with a date of the attacker's choice.",
        action="Check the clock of this machine. Sign again with a tool that asks for a timestamp, or with a log that signs the time.",
    ),
    CodeEntry(
        code="MLS215",
        title="a genuine signature by somebody else",
        meaning="The signature is good and over this content, but whoever made it is not in the policy. The report shows who "
        "was found beside who was wanted.",
        abuse="Anybody can get a keyless certificate in their own name, or for a repository or workflow whose name looks like yours.",
        action="Read the found identity letter by letter. If it is the right one, correct the policy; if not, do not use the package.",
    ),
    CodeEntry(
        code="MLS216",
        title="a signature that is too old",
        meaning="The policy limits the age of signatures (age.max), and this one is older, or nobody trusted says how old it is. "
        "Age counts from the earliest trusted time that the bundle shows. A certificate of minutes bounds it; of a signature by key "
        "or by a long-lived certificate somebody who serves it can take the old timestamp out and get a new one, which "
        "age.proof: bounded does not accept.",
        abuse="A release with a known flaw, properly signed years ago, is put back.",
        action="Have the package checked and signed again; signatures by key need a timestamp (--timestamp-url) for this rule.",
    ),
    CodeEntry(
        code="MLS217",
        title="a signature without the log entry or timestamp that is asked for",
        meaning="The policy asks for a transparency log or a timestamp (transparency), and this signature has none that holds.",
        abuse="A signature that its victim can never see, or that can be given any date.",
        action="Sign keyless, or by key with --timestamp-url; or do not ask for it.",
    ),
    CodeEntry(
        code="MLS218",
        title="how fresh the trust data is",
        meaning="Logs, certificate authorities and timestamp authorities are named by a trust root. This says where it is from "
        "and when it was last confirmed. It is unknown, and denies, when the metadata it rests on has expired or is older "
        "than the policy allows.",
        abuse="Somebody who can keep you from updating goes on using an authority that was struck off the list since.",
        action="Run mlsign trust update, or mlsign trust import FILE where there is no network. A policy can take expired data "
        "with trust.stale: allow.",
    ),
    CodeEntry(
        code="MLS219",
        title="genuine provenance that does not count",
        meaning="A SLSA provenance statement is signed by somebody who is trusted for something, but it is about another package, or "
        "its signer is not among those that the policy names to attest (provenance.attested.signed_by). It is told where no other "
        "statement meets the policy.",
        abuse="The provenance of a clean build put beside a package that was built elsewhere; or a signer of releases who vouches "
        "for a build that nobody ran.",
        action="Fetch the statement that belongs to this package. If the signer is the right one, name it under signed_by.",
    ),
    CodeEntry(
        code="MLS221",
        title="a genuine golden run that does not count",
        meaning="A golden run is signed by somebody who is trusted for something, but it is of another package or manifest, its signer "
        "is not among those that the policy names (golden.run_by), it failed, it was over other sets than those of the manifest, or it "
        "took wider tolerances. It is told where a platform that the policy asks for has no run that counts.",
        abuse="The passed run of a good release put beside one that was exchanged; a signer of releases who vouches for a run that never "
        "was; a run that took any answer, or left the set out that would have failed.",
        action="Fetch the statement that belongs to this package, or run it again with mlsign replay --attest. If the signer is the right "
        "one, name it under golden.run_by.",
    ),
)
