"""The transparency log, version 2: ``hashedRekordRequestV002`` and ``dsseRequestV002``; no promises and no times.

The log signs checkpoints with Ed25519; its identity is the key hash of signed notes, over name and key.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fake_http import LoopbackServer, RefusedError, Reply, Request, reply_json
from fake_log import Entry, TransparencyLog, decode_envelope
from fake_pki import Clock, PublicKey, b64, check_digest, check_message, hash_for, known, sha256, unb64

VERSION = "0.0.2"
HASH_NAMES = {"sha256": "SHA2_256", "sha384": "SHA2_384", "sha512": "SHA2_512"}


class FakeRekorV2:
    def __init__(self, server: LoopbackServer, *, now: Clock, name: str, older: int):
        self.now = now
        self.key = ed25519.Ed25519PrivateKey.generate()
        raw = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.log_id = sha256(f"{name}\n".encode() + b"\x01" + raw)
        self.log = TransparencyLog(name=name, origin=name, hint=self.log_id[:4], sign=self.key.sign, older=older)
        server.route("rekor", "POST", "/api/v2/log/entries", self._propose)
        server.route("rekor", "GET", "/api/v2/checkpoint", self._head)

    def _head(self, _: Request) -> Reply:
        return Reply(body=self.log.head(time=self.now())[2].encode(), type="text/plain; charset=utf-8")

    def _propose(self, request: Request) -> Reply:
        entry, _ = self.log.append(canonical_entry(request.json()), time=self.now())
        return reply_json(self._shown(entry), status=201)

    def record(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Logs a canonical body without checking it, as an honest log never does; gives back what a client would get."""
        entry, _ = self.log.append(body, time=self.now())
        return self._shown(entry)

    def _shown(self, entry: Entry) -> dict[str, Any]:
        proof = self.log.prove(entry, time=self.now())
        kind = "dsse" if b'"dsseV002"' in entry.body else "hashedrekord"
        return {
            "logIndex": str(entry.index),
            "logId": {"keyId": b64(self.log_id)},
            "kindVersion": {"kind": kind, "version": VERSION},
            "integratedTime": "0",
            "inclusionPromise": None,
            "inclusionProof": {
                "logIndex": str(proof.index),
                "rootHash": b64(proof.root),
                "treeSize": str(proof.size),
                "hashes": [b64(node) for node in proof.hashes],
                "checkpoint": {"envelope": proof.checkpoint},
            },
            "canonicalizedBody": b64(entry.body),
        }


def canonical_entry(value: Mapping[str, Any]) -> dict[str, Any]:
    """What the log keeps of a request, once its signatures have been checked."""
    if value.keys() == {"hashedRekordRequestV002"}:
        return {
            "apiVersion": VERSION,
            "kind": "hashedrekord",
            "spec": {"hashedRekordV002": _hashed(value["hashedRekordRequestV002"])},
        }
    if value.keys() == {"dsseRequestV002"}:
        return {"apiVersion": VERSION, "kind": "dsse", "spec": {"dsseV002": _dsse(value["dsseRequestV002"])}}
    raise RefusedError(f"not one request of a known kind: {sorted(value)}")


def _hashed(request: Mapping[str, Any]) -> dict[str, Any]:
    digest = unb64(request["digest"], what="digest")
    signature = unb64(request["signature"]["content"], what="signature")
    key, verifier = _verifier(request["signature"]["verifier"])
    algorithm = hash_for(key)
    check_digest(key, signature, digest, algorithm=algorithm)
    return {
        "data": {"algorithm": HASH_NAMES[algorithm.name], "digest": b64(digest)},
        "signature": {"content": b64(signature), "verifier": verifier},
    }


def _dsse(request: Mapping[str, Any]) -> dict[str, Any]:
    message, payload, signatures = decode_envelope(request["envelope"])
    verifiers = [_verifier(value) for value in request["verifiers"]]
    if not signatures or len(signatures) != len(verifiers):
        raise RefusedError(f"{len(signatures)} signatures and {len(verifiers)} verifiers do not pair")
    signed = []
    for signature, (key, verifier) in zip(signatures, verifiers, strict=True):
        check_message(key, signature, message)
        signed.append({"content": b64(signature), "verifier": verifier})
    digest = hashlib.sha256(payload).digest()
    return {"payloadHash": {"algorithm": "SHA2_256", "digest": b64(digest)}, "signatures": signed}


def _verifier(value: Mapping[str, Any]) -> tuple[PublicKey, dict[str, Any]]:
    """The key of a verifier and the verifier as it is logged; the details it states must be those of its key."""
    try:
        if "x509Certificate" in value:
            raw = unb64(value["x509Certificate"]["rawBytes"], what="certificate")
            key = known(x509.load_der_x509_certificate(raw).public_key())
            shown = {"x509Certificate": {"rawBytes": b64(raw)}}
        else:
            raw = unb64(value["publicKey"]["rawBytes"], what="public key")
            key = known(serialization.load_der_public_key(raw))
            shown = {"publicKey": {"rawBytes": b64(raw)}}
    except (ValueError, UnsupportedAlgorithm) as err:
        raise RefusedError(f"verifier could not be read: {err}") from err
    if value["keyDetails"] != key_details(key):
        raise RefusedError(f"key details {value['keyDetails']} are not those of the key: {key_details(key)}")
    return key, {"keyDetails": value["keyDetails"], **shown}


def key_details(key: PublicKey) -> str:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "PKIX_ED25519"
    if isinstance(key, rsa.RSAPublicKey):
        return f"PKIX_RSA_PKCS1V15_{key.key_size}_SHA256"
    algorithm: hashes.HashAlgorithm = hash_for(key)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return f"PKIX_ECDSA_P{key.key_size}_SHA_{algorithm.digest_size * 8}"
