"""Verification summaries before a policy: one that holds in every way stands in for signatures, and no other."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlsign.digest import Algorithm, Digest, sha256
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence, KnownBy, SignatureRecord, Standing, UnreadFile
from mlsign.formats.verification_summary import Judged, ResourceReference, Result, VerificationSummary
from mlsign.identity import CertificateIdentity, Identity, KeyIdentity, KeylessIdentity, Method
from mlsign.paths import PackagePath
from mlsign.policy.decide import decide
from mlsign.policy.freshness import Freshness, LogDemand, TimeDemand, Transparency
from mlsign.policy.model import Mode, Policy, Verdict
from mlsign.policy.patterns import PatternKind, TextPattern
from mlsign.policy.requirements import CertificateRequirement, KeylessRequirement, KeyRequirement
from mlsign.policy.summaries import Store, SummarySettings
from mlsign.times import TimeSource, TrustedTime
from mlsign.version import decode_version

Key = Callable[[str], KeyIdentity]
NOW = datetime(2026, 1, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
MANIFEST = sha256(b"manifest")
TRUSTED = sha256(b"trusted")


@pytest.fixture
def settled(policy: Policy, key: Key) -> Policy:
    """A policy that takes summaries by g, whom the caller asked for."""
    accept = (KeyRequirement(reference="keys/g.pub", identity=key("g")),)
    vsa = SummarySettings(accept=accept, max_age=24 * HOUR, chosen=frozenset({"keys/g.pub"}), trusted=TRUSTED)
    return replace(policy, vsa=vsa)


@pytest.fixture
def summary(settled: Policy, evidence: Evidence) -> VerificationSummary:
    assert evidence.digest is not None
    return VerificationSummary(
        name="fraud-1.2.0",
        subject=evidence.digest,
        verifier="https://mlsign/verifier/v1",
        version="0.1.0",
        verified=NOW - HOUR,
        resource=f"pkg:generic/{evidence.manifest.name}@{evidence.manifest.version}",
        policy=ResourceReference(digest=settled.digest),
        inputs=(),
        result=Result.PASSED,
        levels=("SLSA_BUILD_LEVEL_UNEVALUATED",),
        judged=Judged(manifest=MANIFEST, trusted=TRUSTED),
    )


@pytest.fixture
def record(summary: VerificationSummary, key: Key) -> SignatureRecord:
    return SignatureRecord(
        bundle="signatures/g.json",
        method=Method.KEY,
        standing=Standing.SUMMARY,
        identity=key("g"),
        times=(),
        algorithms=frozenset(),
        reasons=(),
        summary=summary,
    )


@pytest.fixture
def unsigned(evidence: Evidence, record: SignatureRecord) -> Evidence:
    """A package with nothing but a summary."""
    return replace(evidence, signatures=(record,), manifest_digest=MANIFEST)


def judged(policy: Policy, evidence: Evidence, now: datetime = NOW) -> tuple[Verdict, list[Finding]]:
    decision = decide(policy, evidence, now=now)
    return decision.verdict, [finding for finding in decision.findings if finding.code == "MLS220"]


def test_one_that_holds_stands_in_for_every_signature(settled: Policy, unsigned: Evidence, record: SignatureRecord) -> None:
    decision = decide(settled, unsigned, now=NOW)
    assert decision.verdict is Verdict.ALLOW
    assert decision.summary == record
    assert decision.met == ()
    (finding,) = [f for f in decision.findings if f.code == "MLS220"]
    assert (finding.outcome, finding.where, finding.found) == (Outcome.PASS, record.bundle, record.identity.unique)
    assert "every byte was hashed again" in finding.message
    unread = (UnreadFile(path=PackagePath("w.bin"), size=9, known_by=KnownBy.SEALED_MEMORY),)
    (finding,) = [f for f in decide(settled, replace(unsigned, unread=unread), now=NOW).findings if f.code == "MLS220"]
    assert finding.message.endswith("every byte that was not known was hashed")
    assert not {"MLS201", "MLS205"} & {f.code for f in decision.findings}


def test_signatures_come_first(settled: Policy, unsigned: Evidence, evidence: Evidence) -> None:
    both = replace(unsigned, signatures=(*unsigned.signatures, *evidence.signatures))
    decision = decide(settled, both, now=NOW)
    assert (decision.verdict, decision.summary) == (Verdict.ALLOW, None)
    assert len(decision.met) == 1
    assert "would do as well" in judged(settled, both)[1][0].message


def test_a_signature_over_digests_that_are_not_accepted_beside_it_does_no_harm(
    settled: Policy, unsigned: Evidence, evidence: Evidence
) -> None:
    """Taking that signature away would allow the package, so leaving it there must not deny it."""
    odd = tuple(replace(r, algorithms=frozenset({Algorithm.BLAKE2B})) for r in evidence.signatures)
    decision = decide(settled, replace(unsigned, signatures=(*unsigned.signatures, *odd)), now=NOW)
    assert (decision.verdict, decision.summary) == (Verdict.ALLOW, unsigned.signatures[0])
    assert decide(replace(settled, vsa=None), replace(unsigned, signatures=odd), now=NOW).verdict is Verdict.DENY


def test_nobody_asked_so_there_is_none(settled: Policy, unsigned: Evidence, policy: Policy) -> None:
    assert settled.vsa is not None
    for quiet in (policy, replace(settled, vsa=replace(settled.vsa, chosen=frozenset()))):
        assert judged(quiet, unsigned) == (Verdict.DENY, [])


def test_it_stands_in_for_nothing_else(settled: Policy, unsigned: Evidence) -> None:
    assert unsigned.digest is not None
    revoked = decide(settled, replace(unsigned, digest=Digest(algorithm=Algorithm.SHA256, value=b"\xee" * 32)), now=NOW)
    assert revoked.verdict is Verdict.DENY
    for spoiled in (
        replace(unsigned, findings=(Finding(code="MLS101", outcome=Outcome.FAIL, message="changed"),)),
        replace(unsigned, findings=(Finding(code="MLS115", outcome=Outcome.UNKNOWN, message="not read"),)),
        replace(unsigned, summary=None),
        replace(unsigned, digests=frozenset({Digest(algorithm=Algorithm.SHA256, value=b"\xee" * 32)})),
    ):
        decision = decide(settled, spoiled, now=NOW)
        assert decision.summary is not None
        assert decision.verdict is Verdict.DENY
    newer = replace(settled, minimum_version=decode_version("1.2.1"))
    assert decide(newer, unsigned, now=NOW).summary is not None
    assert decide(newer, unsigned, now=NOW).verdict is Verdict.DENY


def test_a_policy_without_signers_denies_whatever_is_shown(settled: Policy, unsigned: Evidence) -> None:
    assert decide(replace(settled, signers=()), unsigned, now=NOW).verdict is Verdict.DENY


def test_the_verdict_is_the_same_in_audit_mode(settled: Policy, unsigned: Evidence) -> None:
    late = decide(replace(settled, mode=Mode.AUDIT), unsigned, now=NOW + 48 * HOUR)
    assert (late.verdict, late.enforced_verdict, late.summary) == (Verdict.DENY, Verdict.ALLOW, None)


def other(letter: str) -> Digest:
    return sha256(letter.encode())


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "failed": ({"result": Result.FAILED}, "its verdict is a refusal"),
    "another package": ({"subject": other("x")}, "another package"),
    "another name": ({"resource": "pkg:generic/credit@1.2.0"}, "calls the package otherwise"),
    "another policy": ({"policy": ResourceReference(digest=other("x"))}, "another policy"),
    "no policy": ({"policy": ResourceReference(uri="mlsign:policy/production")}, "another policy"),
    "no manifest": ({"judged": None}, "which manifest"),
    "another manifest": ({"judged": Judged(manifest=other("x"), trusted=TRUSTED)}, "another manifest"),
    "other keys": ({"judged": Judged(manifest=MANIFEST, trusted=other("x"))}, "the keys, certificates or revocations"),
    "old": ({"verified": NOW - 24 * HOUR - timedelta(seconds=1)}, "it is 1 day old"),
    "future": ({"verified": NOW + timedelta(minutes=5, seconds=1)}, "has not come yet"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_one_that_is_wrong_in_one_way_is_as_if_it_were_not_there(
    settled: Policy, unsigned: Evidence, record: SignatureRecord, summary: VerificationSummary, evidence: Evidence, name: str
) -> None:
    change, words = CHANGES[name]
    bad = replace(record, summary=replace(summary, **change))
    verdict, findings = judged(settled, replace(unsigned, signatures=(bad,)))
    assert verdict is Verdict.DENY
    assert [f.outcome for f in findings] == [Outcome.FAIL]
    assert words in findings[0].message
    # beside signatures that suffice it is told, and costs nothing
    verdict, findings = judged(settled, replace(unsigned, signatures=(bad, *evidence.signatures)))
    assert verdict is Verdict.ALLOW
    assert [f.outcome for f in findings] == [Outcome.PASS]
    assert findings[0].message.endswith("; the signatures suffice")
    # and beside one that holds it does no harm either
    good = replace(record, bundle="signatures/h.json")
    assert decide(settled, replace(unsigned, signatures=(bad, good)), now=NOW).summary == good


def test_the_edges_of_time(settled: Policy, unsigned: Evidence, record: SignatureRecord, summary: VerificationSummary) -> None:
    for verified in (NOW - 24 * HOUR, NOW + timedelta(minutes=5)):
        at = replace(record, summary=replace(summary, verified=verified))
        assert judged(settled, replace(unsigned, signatures=(at,)))[0] is Verdict.ALLOW


def test_nobody_binds_the_keys(settled: Policy, unsigned: Evidence) -> None:
    assert settled.vsa is not None
    loose = replace(settled, vsa=replace(settled.vsa, trusted=None))
    assert judged(loose, unsigned)[0] is Verdict.DENY


def test_a_package_without_a_manifest_or_a_digest(settled: Policy, unsigned: Evidence) -> None:
    for spoiled in (
        replace(unsigned, manifest=None),
        replace(unsigned, manifest_digest=None),
        replace(unsigned, digest=None),
    ):
        decision = decide(settled, spoiled, now=NOW)
        assert (decision.verdict, decision.summary) == (Verdict.DENY, None)


def test_a_manifest_by_digests_that_the_policy_does_not_take(settled: Policy, unsigned: Evidence) -> None:
    verdict, findings = judged(replace(settled, digests=frozenset({Algorithm.BLAKE3})), unsigned)
    assert verdict is Verdict.DENY
    assert "by sha256, which the policy does not accept" in findings[0].message


def test_bytes_that_were_hashed_earlier_count_where_the_policy_trusts_their_store(settled: Policy, unsigned: Evidence) -> None:
    stored = replace(unsigned, sealed_since=NOW - HOUR)
    decision = decide(settled, stored, now=NOW)
    assert (decision.verdict, decision.summary) == (Verdict.DENY, None)
    (finding,) = [f for f in decision.findings if f.code == "MLS220"]
    assert "were not hashed for this decision, and the policy trusts no store" in finding.message
    assert settled.vsa is not None
    trusting = replace(settled, vsa=replace(settled.vsa, stores=frozenset({Store.SEALED_MEMORY})))
    verdict, (finding,) = judged(trusting, stored)
    assert verdict is Verdict.ALLOW
    assert "every byte was hashed again" not in finding.message


def test_somebody_else_is_not_asked(settled: Policy, unsigned: Evidence, record: SignatureRecord, key: Key) -> None:
    for stranger in (
        replace(record, identity=key("x")),
        replace(record, identity=key("a")),  # who signs releases
        replace(record, identity=None),
        replace(record, summary=None),
        replace(record, standing=Standing.REJECTED),
        replace(record, standing=Standing.COUNTED),
    ):
        verdict, findings = judged(settled, replace(unsigned, signatures=(stranger,)))
        assert verdict is Verdict.DENY
        assert "there is no verification summary" in findings[0].message
        assert "keys/g.pub" in findings[0].expected


def test_none_is_there_and_the_signatures_suffice(settled: Policy, evidence: Evidence) -> None:
    verdict, findings = judged(settled, evidence)
    assert verdict is Verdict.ALLOW
    assert [(f.outcome, f.hint) for f in findings] == [(Outcome.PASS, "")]


def at(moment: datetime) -> TrustedTime:
    return TrustedTime(time=moment, source=TimeSource.TIMESTAMP)


def test_a_trusted_time_makes_it_older_and_never_younger(settled: Policy, unsigned: Evidence, record: SignatureRecord) -> None:
    for times, words in (
        ((NOW - 30 * HOUR,), "claims to be from after it was signed"),
        ((NOW - HOUR - timedelta(minutes=5, seconds=1),), "claims to be from after it was signed"),
        ((NOW - HOUR - timedelta(minutes=5),), ""),
        ((NOW, NOW - HOUR), ""),
    ):
        stamped = replace(record, times=tuple(map(at, times)))
        verdict, findings = judged(settled, replace(unsigned, signatures=(stamped,)))
        assert (verdict is Verdict.ALLOW) == (not words)
        assert words in findings[0].message


def test_age_counts_from_the_earlier_of_the_two(
    settled: Policy, unsigned: Evidence, record: SignatureRecord, summary: VerificationSummary
) -> None:
    edge = replace(summary, verified=NOW - 24 * HOUR + timedelta(minutes=1))
    stamped = replace(record, summary=edge, times=(at(NOW - 24 * HOUR - timedelta(minutes=1)),))
    verdict, findings = judged(settled, replace(unsigned, signatures=(stamped,)))
    assert verdict is Verdict.DENY
    assert "it is 1 day old" in findings[0].message


def test_what_is_asked_of_signatures_is_asked_of_it(settled: Policy, unsigned: Evidence, record: SignatureRecord) -> None:
    asked = Freshness(transparency=Transparency(log=LogDemand.REQUIRED, timestamp=TimeDemand.EITHER))
    verdict, findings = judged(replace(settled, freshness=asked), unsigned)
    assert verdict is Verdict.DENY
    assert len(findings) == 2
    logged = replace(record, logged=True, times=(at(NOW - HOUR),))
    assert judged(replace(settled, freshness=asked), replace(unsigned, signatures=(logged,)))[0] is Verdict.ALLOW


def test_the_signatures_behind_it_grow_old_as_well(
    settled: Policy, unsigned: Evidence, record: SignatureRecord, summary: VerificationSummary
) -> None:
    aging = replace(settled, freshness=Freshness(max_age=timedelta(days=10)))
    verdict, findings = judged(aging, unsigned)
    assert verdict is Verdict.DENY
    assert "does not say how old the signatures are" in findings[0].message
    for days, verdict_then in ((10, Verdict.ALLOW), (11, Verdict.DENY)):
        judgement = Judged(manifest=MANIFEST, trusted=TRUSTED, signed=NOW - timedelta(days=days))
        dated = replace(record, summary=replace(summary, judged=judgement))
        assert judged(aging, replace(unsigned, signatures=(dated,)))[0] is verdict_then
    bare = replace(record, summary=replace(summary, judged=None))
    assert judged(aging, replace(unsigned, signatures=(bare,)))[0] is Verdict.DENY


def test_what_a_signer_may_be_called(key: Key) -> None:
    exact = TextPattern(kind=PatternKind.EXACT, text="gate@acme.example")
    issuer = TextPattern(kind=PatternKind.EXACT, text="https://id.example")
    keyless = KeylessIdentity(subject="gate@acme.example", issuer="https://id.example", spki=sha256(b"k"))
    held = CertificateIdentity(
        subject="CN=gate",
        issuer="CN=ca",
        names=("email:gate@acme.example",),
        fingerprint=sha256(b"c"),
        spki=sha256(b"k"),
        anchor=sha256(b"r"),
    )
    requirements = (
        KeyRequirement(reference="keys/g.pub", identity=key("g")),
        KeylessRequirement(issuer=issuer, subject=exact),
        CertificateRequirement(
            reference="ca.pem", anchors=frozenset({sha256(b"r")}), subject=TextPattern(kind=PatternKind.EXACT, text="CN=gate")
        ),
    )
    settings = SummarySettings(accept=requirements, max_age=HOUR)

    def called(name: str, identity: Identity) -> bool:
        return replace(settings, chosen=frozenset({name, "somebody else"})).names(identity)

    good: list[tuple[Identity, tuple[str, ...]]] = [
        (key("g"), ("keys/g.pub", str(key("g").spki), key("g").unique)),
        (keyless, ("gate@acme.example", keyless.unique)),
        (held, ("CN=gate", "email:gate@acme.example", str(sha256(b"c")), held.unique)),
    ]
    for identity, names in good:
        assert all(called(name, identity) for name in names)
        assert not called("", identity)
        assert not called("keys/other.pub", identity)
        assert not settings.names(identity)
    # the name of a key is a name of that key alone, and a name never makes somebody acceptable
    assert not called("keys/g.pub", keyless)
    assert not called(str(key("x").spki), key("x"))
    assert not called("CN=gate", replace(held, anchor=sha256(b"another authority")))
    assert not called("gate@acme.example", replace(keyless, issuer="https://stranger.invalid"))
