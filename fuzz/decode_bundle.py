"""Fuzz target: a bundle from anybody. Only ``MlsignError`` may escape, and none is authentic but the one that was signed."""

import base64
import hashlib
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import decode_statement
from json_tree import STRINGS, Object, bent
from oracles import check_refusal, plain_json

from mlsign.errors import InputError, MlsignError
from mlsign.formats.bundle import Bundle, decode_bundle, encode_bundle
from mlsign.formats.trusted_root import decode_trusted_root
from mlsign.identity import Method
from mlsign.limits import Limits
from mlsign.trust.authenticate import authenticate
from mlsign.trust.keys import decode_public_key
from mlsign.trust.root import TrustRoot

NOW = datetime(2026, 12, 1, tzinfo=UTC)

# The public half of a key whose private half was thrown away after it had signed the seed of this corpus.
PUBLIC_KEY = b"""\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE7zzTaV38X8j0sxdXvPbNXOaOwc83
qbnfCAQjKPeK8eoP+3KJ/TuxeBCfq5BCslslqU+S0fN2epgSHhyF9BUjsg==
-----END PUBLIC KEY-----
"""
SIGNED_PAYLOADS = frozenset(
    {
        "15da1f3560cc89c8245e887796538dbdd8565c866274239d04637d1c016322b3",  # by the key
        "6af13a28f709ba64421aed68e9ffa390a62ae62dd3ead24f5f4f8b2449f79459",  # keyless, by seed_bundles.py
    }
)
ROOT = TrustRoot(
    keys=(decode_public_key(PUBLIC_KEY),),
    sigstore=decode_trusted_root((Path(__file__).resolve().parent / "bundle_root.json").read_bytes()),
)
FIELDS = (
    *(
        "certificate",
        "dsseEnvelope",
        "hint",
        "keyDetails",
        "keyid",
        "mediaType",
        "payload",
        "payloadType",
        "publicKey",
        "rawBytes",
    ),
    *("sig", "signatures", "timestampVerificationData", "tlogEntries", "verificationMaterial", "x509CertificateChain"),
)
VALUES = (
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/vnd.in-toto+json",
    "PKIX_ECDSA_P256_SHA_256",
    "AA==",
    "AB==",
)
WORDS = tuple(f'"{word}"'.encode() for word in (*FIELDS, *VALUES, *STRINGS) if word.isascii() and word.isprintable())
WORDS_OF_LOGS = (
    *FIELDS,
    *("apiVersion", "kind", "spec", "hashedrekord", "dsse", "intoto", "0.0.1", "0.0.2", "payloadHash", "sha256"),
)
TIGHT = Limits(max_bundle_bytes=1900, max_bundle_values=24, max_json_depth=4)


def decoded(data: bytes, *, limits: Limits) -> Bundle | None:
    try:
        return decode_bundle(data, limits=limits)
    except InputError as err:
        check_refusal(err)
        return None


def check_fields(data: bytes, bundle: Bundle) -> None:
    """Nothing is in the bytes beside what was read, and what was read is spelled in the one way."""
    top = plain_json(data)
    material, envelope = top["verificationMaterial"], top["dsseEnvelope"]
    (signature,) = envelope["signatures"]
    assert set(top) == {"mediaType", "verificationMaterial", "dsseEnvelope"}
    assert set(material) - {"tlogEntries", "timestampVerificationData"} in (
        {"publicKey"},
        {"certificate"},
        {"x509CertificateChain"},
    )
    assert set(envelope) == {"payload", "payloadType", "signatures"}
    assert set(signature) in ({"sig"}, {"sig", "keyid"})
    assert base64.b64encode(bundle.envelope.unauthenticated_payload).decode() == envelope["payload"]
    assert base64.b64encode(bundle.envelope.signature).decode() == signature["sig"]


def check(data: bytes) -> None:
    """Decodes and authenticates ``data``; whatever is authentic carries the payload that was signed."""
    bundle = decoded(data, limits=Limits())
    tight = decoded(data, limits=TIGHT)
    if bundle is None:
        assert tight is None
        return
    assert tight in (None, bundle)
    if bundle.method is not Method.KEY or bundle.key_hint:
        written = encode_bundle(bundle)
        assert decode_bundle(written) == bundle
        assert encode_bundle(decode_bundle(written)) == written
    check_fields(data, bundle)
    # What is not signed must still be read, or refused, by whoever would look into it before.
    decode_statement.check(bundle.envelope.unauthenticated_payload)
    try:
        authentic = authenticate(bundle, root=ROOT, now=NOW)
    except MlsignError as err:
        assert err.code
        return
    assert hashlib.sha256(authentic.payload).hexdigest() in SIGNED_PAYLOADS
    assert (authentic.identity.method is Method.KEYLESS) == authentic.signer.logged
    assert bundle.method is not Method.KEYLESS or authentic.identity.unique.startswith("keyless:alice@acme.example by ")


def settle(tree: Any, rng: random.Random) -> None:
    """Now and then bends what lies beneath base64: the payload, the signature, what a log says was signed, its checkpoint."""
    material = tree.get("verificationMaterial") if isinstance(tree, Object) else None
    if isinstance(material, Object) and rng.random() < 0.3:
        bend_log(material, rng)
    envelope = tree.get("dsseEnvelope") if isinstance(tree, Object) else None
    if not isinstance(envelope, Object) or rng.random() < 0.5:
        return
    try:
        payload = base64.b64decode(envelope.get("payload"))
    except (TypeError, ValueError):
        return
    envelope.put("payload", base64.b64encode(decode_statement.mutate(payload, rng) or payload).decode())
    signatures = envelope.get("signatures")
    for item in signatures if isinstance(signatures, list) else ():
        if isinstance(item, Object) and rng.random() < 0.3:
            raw = rng.randbytes(rng.choice((0, 1, 2, 8, 70, 71, 72)))
            item.put("sig", base64.b64encode(raw).decode())


def bend_log(material: Object, rng: random.Random) -> None:
    entries = material.get("tlogEntries")
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, Object):
            continue
        try:
            body = base64.b64decode(entry.get("canonicalizedBody"))
        except (TypeError, ValueError):
            continue
        entry.put("canonicalizedBody", base64.b64encode(bent(body, rng, words=WORDS_OF_LOGS)).decode())
        proof = entry.get("inclusionProof")
        note = proof.get("checkpoint") if isinstance(proof, Object) else None
        text = note.get("envelope") if isinstance(note, Object) else None
        if isinstance(text, str) and text:
            at = rng.randrange(len(text))
            note.put("envelope", text[:at] + rng.choice(("", "\n", "\u2014 ", "0", "=")) + text[at + rng.randrange(2) :])


def mutate(data: bytes, rng: random.Random) -> bytes:
    return bent(data, rng, words=(*FIELDS, *VALUES, *STRINGS), settle=settle)


if __name__ == "__main__":
    from engine import fuzz

    fuzz("bundle")
