"""Keyless signatures as a client would make them, put together by hand from the services of a local Sigstore.

Every part can be another one: that is what tests of the verifier need, and no client offers.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fake_pki import b64, der, pae
from local_sigstore import LocalSigstore

from mlsign.formats.bundle import Bundle, Material
from mlsign.formats.dsse import IN_TOTO_TYPE, Envelope
from mlsign.formats.log_entry import InclusionProof, LogEntry
from mlsign.formats.trusted_root import TrustedRoot, decode_trusted_root
from mlsign.identity import Method
from mlsign.strict import encode_json
from mlsign.trust.log import SignedFacts

EMAIL = "dev@example.com"
PAYLOAD = b'{"a":1}'


def root_of(sigstore: LocalSigstore, *, end: datetime | None = None) -> TrustedRoot:
    return decode_trusted_root(encode_json(sigstore.trusted_root(end=end)))


def pem_of(verifier: bytes) -> bytes:
    """PEM of a certificate or a public key in DER."""
    try:
        return x509.load_der_x509_certificate(verifier).public_bytes(serialization.Encoding.PEM)
    except ValueError:
        key = serialization.load_der_public_key(verifier)
        return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def hashed_body(facts: SignedFacts, *, algorithm: str = "sha256") -> dict[str, Any]:
    digest = hashlib.new(algorithm, facts.message).hexdigest()
    return {
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "data": {"hash": {"algorithm": algorithm, "value": digest}},
            "signature": {"content": b64(facts.signature), "publicKey": {"content": b64(pem_of(facts.verifier))}},
        },
    }


def dsse_body(facts: SignedFacts) -> dict[str, Any]:
    return {
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {
            "envelopeHash": {"algorithm": "sha256", "value": "00" * 32},
            "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(facts.payload).hexdigest()},
            "signatures": [{"signature": b64(facts.signature), "verifier": b64(pem_of(facts.verifier))}],
        },
    }


def intoto_body(facts: SignedFacts) -> dict[str, Any]:
    signed = {"publicKey": b64(pem_of(facts.verifier)), "sig": b64(b64(facts.signature).encode())}
    return {
        "apiVersion": "0.0.2",
        "kind": "intoto",
        "spec": {
            "content": {
                "envelope": {"payloadType": IN_TOTO_TYPE, "signatures": [signed]},
                "hash": {"algorithm": "sha256", "value": "00" * 32},
                "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(facts.payload).hexdigest()},
            }
        },
    }


def hashed_body_2(facts: SignedFacts) -> dict[str, Any]:
    return {
        "apiVersion": "0.0.2",
        "kind": "hashedrekord",
        "spec": {
            "hashedRekordV002": {
                "data": {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(facts.message).digest())},
                "signature": signature_2(facts),
            }
        },
    }


def dsse_body_2(facts: SignedFacts) -> dict[str, Any]:
    digest = b64(hashlib.sha256(facts.payload).digest())
    record = {"payloadHash": {"algorithm": "SHA2_256", "digest": digest}, "signatures": [signature_2(facts)]}
    return {"apiVersion": "0.0.2", "kind": "dsse", "spec": {"dsseV002": record}}


def signature_2(facts: SignedFacts) -> dict[str, Any]:
    name = "publicKey"
    try:
        x509.load_der_x509_certificate(facts.verifier)
        name = "x509Certificate"
    except ValueError:
        pass
    verifier = {"keyDetails": "PKIX_ECDSA_P256_SHA_256", name: {"rawBytes": b64(facts.verifier)}}
    return {"content": b64(facts.signature), "verifier": verifier}


BODIES: dict[str, tuple[int, Callable[..., dict[str, Any]]]] = {
    "hashedrekord": (1, hashed_body),
    "dsse": (1, dsse_body),
    "intoto": (1, intoto_body),
    "hashedrekord 2": (2, hashed_body_2),
    "dsse 2": (2, dsse_body_2),
}
"""By kind: the version of the log that takes it, and what makes it."""
ENVELOPES = tuple(kind for kind in BODIES if kind != "hashedrekord")
"""Those in which a log holds an envelope; version 1 has a kind of its own for files."""


def log_1(sigstore: LocalSigstore, body: Mapping[str, Any]) -> LogEntry:
    """What version 1 of the log answers to a body, as it stands in a bundle."""
    ((_, shown),) = sigstore.rekor1.record(body).items()
    proof = shown["verification"]["inclusionProof"]
    return LogEntry(
        log_id=bytes.fromhex(shown["logID"]),
        log_index=shown["logIndex"],
        kind=body["kind"],
        version=body["apiVersion"],
        integrated_time=shown["integratedTime"],
        promise=base64.b64decode(shown["verification"]["signedEntryTimestamp"]),
        proof=InclusionProof(
            log_index=proof["logIndex"],
            root_hash=bytes.fromhex(proof["rootHash"]),
            tree_size=proof["treeSize"],
            hashes=tuple(map(bytes.fromhex, proof["hashes"])),
            checkpoint=proof["checkpoint"],
        ),
        body=base64.b64decode(shown["body"]),
    )


def log_2(sigstore: LocalSigstore, body: Mapping[str, Any]) -> LogEntry:
    """The same of version 2, which knows no times."""
    shown = sigstore.rekor2.record(body)
    proof = shown["inclusionProof"]
    return LogEntry(
        log_id=base64.b64decode(shown["logId"]["keyId"]),
        log_index=int(shown["logIndex"]),
        kind=body["kind"],
        version=body["apiVersion"],
        integrated_time=0,
        promise=None,
        proof=InclusionProof(
            log_index=int(proof["logIndex"]),
            root_hash=base64.b64decode(proof["rootHash"]),
            tree_size=int(proof["treeSize"]),
            hashes=tuple(map(base64.b64decode, proof["hashes"])),
            checkpoint=proof["checkpoint"]["envelope"],
        ),
        body=base64.b64decode(shown["canonicalizedBody"]),
    )


def enter(sigstore: LocalSigstore, facts: SignedFacts, *, kind: str = "dsse") -> LogEntry:
    """An entry of a log about a signature; ``kind`` is one of ``BODIES``."""
    version, make = BODIES[kind]
    return (log_1 if version == 1 else log_2)(sigstore, make(facts))


def issue_identity(
    sigstore: LocalSigstore,
    key: ec.EllipticCurvePrivateKey,
    *,
    name: x509.GeneralName | None = None,
    claims: Mapping[str, Any] | None = None,
) -> x509.Certificate:
    return sigstore.fulcio.issue(
        key.public_key(), name=name or x509.RFC822Name(EMAIL), claims={"iss": sigstore.issuer} | dict(claims or {})
    )


def sign_keyless(
    sigstore: LocalSigstore,
    *,
    payload: bytes = PAYLOAD,
    kind: str = "dsse",
    timestamps: int | None = None,
    certificate: x509.Certificate | None = None,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Bundle:
    """A good bundle; with version 2 of the log it gets a timestamp unless told otherwise."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    leaf = der(certificate or issue_identity(sigstore, key))
    facts = sign_facts(key, verifier=leaf, payload=payload)
    count = (BODIES[kind][0] - 1) if timestamps is None else timestamps
    return Bundle(
        method=Method.KEYLESS,
        key_hint="",
        envelope=Envelope(payload_type=IN_TOTO_TYPE, unauthenticated_payload=payload, signature=facts.signature),
        material=Material(
            certificates=(leaf,),
            entries=(enter(sigstore, facts, kind=kind),),
            timestamps=tuple(sigstore.timestamps.stamp_message(facts.signature) for _ in range(count)),
        ),
    )


def sign_facts(key: ec.EllipticCurvePrivateKey, *, verifier: bytes, payload: bytes = PAYLOAD) -> SignedFacts:
    """A signature over an envelope with ``payload``, and all there is to know of it."""
    message = pae(IN_TOTO_TYPE, payload)
    signature = key.sign(message, ec.ECDSA(hashes.SHA256()))
    return SignedFacts(signature=signature, verifier=verifier, message=message, payload=payload)
