"""The transparency log, version 1: kinds ``dsse`` and ``hashedrekord``, signed promises, inclusion proofs, checkpoints.

Every signature in a proposed entry is checked with the verifier beside it before anything is logged.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import rfc8785
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fake_http import LoopbackServer, RefusedError, Reply, Request, decode_json, reply_json
from fake_log import Entry, TransparencyLog, decode_envelope
from fake_pki import P256, Clock, PublicKey, b64, check_digest, check_message, key_of_pem, pem, sha256, spki, unb64

VERSION = "0.0.1"
HASHES: dict[str, hashes.HashAlgorithm] = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


class FakeRekorV1:
    """Its log index counts over all shards, so that it is not the index in the tree: that one starts at 0."""

    def __init__(self, server: LoopbackServer, *, now: Clock, name: str, older: int, first_index: int = 4_200):
        self.now = now
        self.first_index = first_index
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.log_id = sha256(spki(self.key.public_key()))
        self.tree_id = int.from_bytes(self.log_id[:7], "big")
        self.log = TransparencyLog(
            name=name,
            origin=f"{name} - {self.tree_id}",
            hint=self.log_id[:4],
            sign=lambda message: self.key.sign(message, P256),
            older=older,
            extra=lambda: f"Timestamp: {int(self.now().timestamp() * 1e9)}\n",
        )
        for method, path, handler in (
            ("GET", "/api/v1/log", self._info),
            ("GET", "/api/v1/log/publicKey", self._public_key),
            ("GET", "/api/v1/log/entries", self._by_index),
            ("GET", "/api/v1/log/entries/", self._by_id),
            ("POST", "/api/v1/log/entries", self._propose),
            ("POST", "/api/v1/log/entries/retrieve", self._retrieve),
            ("POST", "/api/v1/log/entries/retrieve/", self._retrieve),
        ):
            server.route("rekor", method, path, handler)

    def entry_id(self, entry: Entry) -> str:
        return f"{self.tree_id:016x}{entry.leaf.hex()}"

    def _info(self, _: Request) -> Reply:
        size, root, checkpoint = self.log.head(time=self.now())
        return reply_json(
            {
                "rootHash": root.hex(),
                "treeSize": size,
                "signedTreeHead": checkpoint,
                "treeID": str(self.tree_id),
                "inactiveShards": [],
            }
        )

    def _public_key(self, _: Request) -> Reply:
        return Reply(body=pem(self.key.public_key()), type="application/x-pem-file")

    def _by_index(self, request: Request) -> Reply:
        entry = self.log.at(int(request.query["logIndex"]) - self.first_index)
        if entry is None:
            raise RefusedError("no such entry", status=404)
        return reply_json(self._shown(entry))

    def _by_id(self, request: Request) -> Reply:
        wanted = request.path.rsplit("/", 1)[1]
        entry = self.log.find(bytes.fromhex(wanted[-64:]))
        if entry is None or self.entry_id(entry)[-len(wanted) :] != wanted:
            raise RefusedError("no such entry", status=404)
        return reply_json(self._shown(entry))

    def _retrieve(self, request: Request) -> Reply:
        wanted = [rfc8785.dumps(canonical_entry(value)) for value in request.json()["entries"]]
        return reply_json([self._shown(entry) for entry in self.log.entries if entry.body in wanted])

    def _propose(self, request: Request) -> Reply:
        entry, new = self.log.append(canonical_entry(request.json()), time=self.now())
        if not new:
            where = f"/api/v1/log/entries/{self.entry_id(entry)}"
            raise RefusedError("an equivalent entry already exists", status=409, headers={"Location": where})
        return reply_json(self._shown(entry), status=201)

    def record(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Logs a canonical body without checking it, as an honest log never does; gives back what a client would get."""
        entry, _ = self.log.append(body, time=self.now())
        return self._shown(entry)

    def _shown(self, entry: Entry) -> dict[str, Any]:
        proof = self.log.prove(entry, time=self.now())
        promised = {
            "body": b64(entry.body),
            "integratedTime": int(entry.time.timestamp()),
            "logID": self.log_id.hex(),
            "logIndex": entry.index + self.first_index,
        }
        verification = {
            "signedEntryTimestamp": b64(self.key.sign(rfc8785.dumps(promised), P256)),
            "inclusionProof": {
                "logIndex": proof.index,
                "rootHash": proof.root.hex(),
                "treeSize": proof.size,
                "hashes": [node.hex() for node in proof.hashes],
                "checkpoint": proof.checkpoint,
            },
        }
        return {self.entry_id(entry): {**promised, "verification": verification}}


def canonical_entry(value: Mapping[str, Any]) -> dict[str, Any]:
    """What the log keeps of a proposed entry, once its signatures have been checked."""
    if value["apiVersion"] != VERSION:
        raise RefusedError(f"version {value['apiVersion']} is not supported")
    if value["kind"] == "dsse":
        spec = _dsse(value["spec"]["proposedContent"])
    elif value["kind"] == "hashedrekord":
        spec = _hashed(value["spec"])
    else:
        raise RefusedError(f"kind {value['kind']} is not supported")
    return {"apiVersion": VERSION, "kind": value["kind"], "spec": spec}


def _dsse(content: Mapping[str, Any]) -> dict[str, Any]:
    envelope = content["envelope"]
    message, payload, signatures = decode_envelope(decode_json(envelope.encode()))
    verifiers = {text: key_of_pem(unb64(text, what="verifier")) for text in content["verifiers"]}
    if not signatures or len(verifiers) != len(content["verifiers"]):
        raise RefusedError("no signatures, or the same verifier twice")
    signed = []
    for signature in signatures:
        verifier = _verifier_of(signature, message, verifiers=verifiers)
        signed.append({"signature": b64(signature), "verifier": verifier})
    unused = verifiers.keys() - {one["verifier"] for one in signed}
    if unused:
        raise RefusedError("a verifier has no signature in the envelope")
    return {
        "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(envelope.encode()).hexdigest()},
        "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
        "signatures": signed,
    }


def _verifier_of(signature: bytes, message: bytes, *, verifiers: Mapping[str, PublicKey]) -> str:
    for text, key in verifiers.items():
        try:
            check_message(key, signature, message)
        except RefusedError:
            continue
        return text
    raise RefusedError("signature could not be verified by any of the verifiers")


def _hashed(spec: Mapping[str, Any]) -> dict[str, Any]:
    hashed, signature = spec["data"]["hash"], spec["signature"]
    algorithm = HASHES[hashed["algorithm"]]
    verifier = unb64(signature["publicKey"]["content"], what="verifier")
    raw = unb64(signature["content"], what="signature")
    check_digest(key_of_pem(verifier), raw, bytes.fromhex(hashed["value"]), algorithm=algorithm)
    return {
        "data": {"hash": {"algorithm": hashed["algorithm"], "value": hashed["value"].lower()}},
        "signature": {"content": b64(raw), "publicKey": {"content": b64(verifier)}},
    }
