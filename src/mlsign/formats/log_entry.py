"""Entries of a transparency log as they stand in a bundle (``sigstore_rekor.proto``, ``TransparencyLogEntry``).

Numbers of 64 bits are strings in the JSON form of protobuf messages, and fields of default value may be missing.
Nothing here is checked; what the log says was signed is read by ``log_body``.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Final

from mlsign.strict import Fields, JsonValue, decode_decimal

MAX_BODY_BYTES: Final = 48 * 1024 * 1024
MAX_HASHES: Final = 64
"""A path through a tree of 2**63 leaves has 63 hashes."""
MAX_CHECKPOINT_CHARS: Final = 64 * 1024
MAX_PROMISE_BYTES: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """The claim that a leaf is in a tree (RFC 9162, section 2.1.3); hashes of 32 bytes, ``checkpoint`` a signed note."""

    log_index: int
    root_hash: bytes
    tree_size: int
    hashes: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One entry: ``body`` is what was logged, ``promise`` the log's signature over entry and time (version 1 only).

    ``integrated_time`` is in seconds since 1970, or 0 where the log gives none (version 2).
    """

    log_id: bytes
    log_index: int
    kind: str
    version: str
    integrated_time: int
    promise: bytes | None
    proof: InclusionProof | None
    body: bytes


def decode_log_entry(fields: Fields) -> LogEntry:
    """The entry in ``fields``; the caller refuses what is left. Raises ``InputError`` (``bundle.…``, ``integer.…``)."""
    log = fields.fields("logId")
    log_id = log.base64("keyId", maximum=64)
    log.done()
    kind = fields.fields("kindVersion")
    name, version = kind.text("kind", maximum=64), kind.text("version", maximum=16)
    kind.done()
    promise: bytes | None = None
    if _is_there(fields, "inclusionPromise"):
        given = fields.fields("inclusionPromise")
        promise = given.base64("signedEntryTimestamp", maximum=MAX_PROMISE_BYTES)
        given.done()
    proof: InclusionProof | None = None
    if _is_there(fields, "inclusionProof"):
        proof = _decode_proof(fields.fields("inclusionProof"))
    return LogEntry(
        log_id=log_id,
        log_index=_take_number(fields, "logIndex"),
        kind=name,
        version=version,
        integrated_time=_take_number(fields, "integratedTime"),
        promise=promise,
        proof=proof,
        body=fields.base64("canonicalizedBody", maximum=MAX_BODY_BYTES),
    )


def _decode_proof(fields: Fields) -> InclusionProof:
    hashes: list[bytes] = []
    if fields.has("hashes"):
        hashes = [fields.base64_item(item, where, maximum=32) for item, where in fields.items("hashes", maximum=MAX_HASHES)]
    checkpoint = ""
    if _is_there(fields, "checkpoint"):
        note = fields.fields("checkpoint")
        checkpoint = note.text("envelope", maximum=MAX_CHECKPOINT_CHARS)
        note.done()
    proof = InclusionProof(
        log_index=_take_number(fields, "logIndex"),
        root_hash=fields.base64("rootHash", maximum=32),
        tree_size=_take_number(fields, "treeSize"),
        hashes=tuple(hashes),
        checkpoint=checkpoint,
    )
    fields.done()
    return proof


def _is_there(fields: Fields, name: str) -> bool:
    """Whether a message field has a value; ``null`` is the same as its absence (ProtoJSON)."""
    if fields.is_null(name):
        fields.take(name)
    return fields.has(name)


def _take_number(fields: Fields, name: str) -> int:
    """A non-negative integer of 63 bits, as a string or a number; 0 when it is absent."""
    if not _is_there(fields, name):
        return 0
    value = fields.take(name)
    if isinstance(value, str):
        return decode_decimal(value, where=f"{fields.where}.{name}")
    if type(value) is not int or value < 0:
        raise fields.wrong("is not a non-negative integer", code="range", name=name, found=value)
    return value


def encode_log_entry(entry: LogEntry) -> JsonValue:
    """The entry as a JSON object."""
    out: dict[str, JsonValue] = {
        "logIndex": str(entry.log_index),
        "logId": {"keyId": _base64(entry.log_id)},
        "kindVersion": {"kind": entry.kind, "version": entry.version},
        "integratedTime": str(entry.integrated_time),
        "canonicalizedBody": _base64(entry.body),
    }
    if entry.promise is not None:
        out["inclusionPromise"] = {"signedEntryTimestamp": _base64(entry.promise)}
    if entry.proof is not None:
        out["inclusionProof"] = {
            "logIndex": str(entry.proof.log_index),
            "rootHash": _base64(entry.proof.root_hash),
            "treeSize": str(entry.proof.tree_size),
            "hashes": [_base64(value) for value in entry.proof.hashes],
            "checkpoint": {"envelope": entry.proof.checkpoint},
        }
    return out


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
