"""MLS2xx: signatures, identities, time and trust."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.catalogue.entry import CodeEntry

ENTRIES: Final[tuple[CodeEntry, ...]] = (
    CodeEntry(
        code="MLS201",
        title="unsigned",
        meaning="There is no signature: nothing under signatures/ and none given with --signature.",
        abuse="Removing a signature is the simplest attack on a verifier that only complains about bad ones.",
        action="Sign the package (mlsign sign), or pass the signature file if it lies elsewhere (--signature).",
    ),
    CodeEntry(
        code="MLS202",
        title="a bundle that cannot be read",
        meaning="A signature file is not a Sigstore bundle v0.3 with one DSSE signature, in its one exact spelling.",
        abuse="An envelope with two signatures of which only the first is checked, repeated JSON keys, or base64 that decodes in "
        "two ways lets a verifier check one thing and a reader see another.",
        action="Fetch the signature again, or sign again.",
    ),
    CodeEntry(
        code="MLS203",
        title="a signature that is not by the key it names",
        meaning="The signature does not verify with the trusted key it claims, over the bytes it comes with.",
        abuse="A statement edited after it was signed, or a forged one with a real key's name on it.",
        action="Do not use the package. Fetch it again, and ask the signer if it stays that way.",
    ),
    CodeEntry(
        code="MLS204",
        title="signed by a key the policy does not name",
        meaning="The bundle names a key that is none of the policy's.",
        abuse="Anybody can sign anything with a key of their own.",
        action="If this signer should be trusted, add the public key to the policy, after checking its fingerprint by another way.",
    ),
    CodeEntry(
        code="MLS205",
        title="a group of signers is met, or not",
        meaning="The policy asks for a number of different signers out of a group, and fewer have validly signed this content. "
        "The same key counts once, under however many names.",
        abuse="One stolen key signing twice, or one person under two names, passing for two reviewers.",
        action="Get the missing signatures (mlsign sign adds one), or check why the present ones were not counted: each is listed "
        "with its reason.",
    ),
    CodeEntry(
        code="MLS206",
        title="a genuine signature over something that is no model statement",
        meaning="The key is trusted and the signature good, but what was signed is not an OMS model signature that can be read exactly.",
        abuse="A signature that the same key made over another kind of document, replayed as one over a model.",
        action="Check what the signer signed and with which tool; sign the package with mlsign sign or an OMS signer of version 1.0 or newer.",
    ),
    CodeEntry(
        code="MLS207",
        title="a statement whose digest is not that of its files",
        meaning="The subject digest of the statement is not the digest over the files it lists.",
        abuse="Systems that compare only the subject digest would take one package for another.",
        action="Do not use the package; whatever signed it is broken or hostile.",
    ),
    CodeEntry(
        code="MLS208",
        title="a signature that leaves out what is loaded",
        meaning="The signed statement itself ignores the model, its weights or the manifest (ignore_paths), or the policy lists "
        "one of them as an unsigned file.",
        abuse="A perfectly valid signature over a README, with the model ignored.",
        action="Sign again without ignoring these files.",
    ),
    CodeEntry(
        code="MLS209",
        title="a signing method that was not verified",
        meaning="The bundle is signed by certificate or keyless, and there is nothing to hold that against: the policy names no "
        "authority for certificates, or asks for nothing that needs a Sigstore trust root. What was not verified does not count.",
        abuse="A verifier that waves through what it does not understand.",
        action="If such signers should count, name them in the policy (keyless: or certificate:); else add a signature by key.",
    ),
    CodeEntry(
        code="MLS210",
        title="a genuine signature over other content",
        meaning="A trusted signer made this signature, but about other bytes than the ones in this package.",
        abuse="The signature of an older or another release put beside new weights, so that it looks signed.",
        action="Fetch package and signature together from one place. If the content was changed on purpose, sign it again.",
    ),
    CodeEntry(
        code="MLS211",
        title="a statement in a format that the policy does not accept",
        meaning="A trusted signer signed a list of files in a format that the policy does not list under formats: large files in "
        "pieces (oms-1.0-shards), or the list from before the specification (oms-0.2). It was not read any further.",
        abuse="An old or rare format that nobody looks at any more is where a verifier reads something else than the signer meant.",
        action="Sign again with mlsign sign or in the default way of another OMS signer, or list the format under formats.",
    ),
    CodeEntry(
        code="MLS220",
        title="a verification summary that stands in for signatures, or does not",
        meaning="Somebody whom the policy names under vsa says in a signed summary that they verified a package, and the caller asked "
        "for it (--accept-vsa). It is accepted when it says PASSED, is about exactly this package and manifest, this policy and the keys "
        "and certificates that it names, and is not too old. Otherwise the signatures decide, as if it were not there.",
        abuse="The summary of another package, of a laxer policy, of last year or of somebody else, put beside weights that nobody "
        "verified; files that change their names while their digests stay.",
        action="Verify again under the policy in force, where the signatures are: mlsign verify --attest. If the summary should "
        "not have been refused, compare what was expected with what was found.",
    ),
)
