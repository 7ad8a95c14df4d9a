"""Inclusion in a transparency log: a hash path to a root, and the signed note that says the root is the log's.

RFC 9162, sections 2.1.1 and 2.1.3.2; checkpoints as C2SP ``tlog-checkpoint`` and ``signed-note`` define them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from mlsign.errors import InputError, TrustError
from mlsign.formats.log_entry import InclusionProof
from mlsign.formats.trusted_root import Log
from mlsign.strict import decode_base64, decode_decimal
from mlsign.trust.log_keys import verify_by_log

_SIGNATURE_LINE: Final = re.compile(r"\u2014 (\S+) (\S+)")
_HINT_BYTES: Final = 4
_HASH_BYTES: Final = 32
_MAX_SIGNATURES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The head of a log at one size, with the log's own signatures over it: four bytes that hint at a key, and the signature."""

    note: bytes
    size: int
    root_hash: bytes
    signatures: tuple[tuple[bytes, bytes], ...]


def leaf_hash(body: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\x00" + body).digest()


def root_from_path(leaf: bytes, *, index: int, size: int, path: tuple[bytes, ...]) -> bytes:
    """The root that a path leads to. Raises ``TrustError`` (``log.inclusion``) for a path of another length."""
    if not 0 <= index < size:
        raise TrustError(f"the entry {index} is not in a log of {size}", code="log.inclusion")
    node, last = index, size - 1
    current = leaf
    for sibling in path:
        if len(sibling) != _HASH_BYTES or last == 0:
            raise TrustError("the proof of inclusion has a path of another length", code="log.inclusion")
        if node & 1 or node == last:
            current = sha256(b"\x01" + sibling + current).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            current = sha256(b"\x01" + current + sibling).digest()
        node, last = node >> 1, last >> 1
    if last != 0:
        raise TrustError("the proof of inclusion has a path of another length", code="log.inclusion")
    return current


def decode_checkpoint(text: str) -> Checkpoint:
    """A signed note with a checkpoint. Raises ``InputError`` (``log.checkpoint``)."""
    note, blank, rest = text.partition("\n\n")
    lines = note.split("\n")
    if not blank or len(lines) < 3 or not rest.endswith("\n"):
        raise InputError("is not a signed note with a checkpoint", code="log.checkpoint", where="checkpoint")
    origin, size, root = lines[:3]
    if not origin or any(not line for line in lines):
        raise InputError("has an empty line or no origin", code="log.checkpoint", where="checkpoint")
    signatures: list[tuple[bytes, bytes]] = []
    given = rest.removesuffix("\n").split("\n")
    if len(given) > _MAX_SIGNATURES:
        raise InputError(f"has {len(given)} signatures", code="log.checkpoint", where="checkpoint")
    for line in given:
        match = _SIGNATURE_LINE.fullmatch(line)
        if match is None:
            raise InputError("has a line that is no signature", code="log.checkpoint", where="checkpoint")
        raw = decode_base64(match[2], where="checkpoint")
        # Witnesses sign as well, under names of their own; theirs say nothing that is asked here. Version 1 of the log adds
        # the number of its tree to the origin.
        if match[1] in (origin, origin.partition(" - ")[0]):
            signatures.append((raw[:_HINT_BYTES], raw[_HINT_BYTES:]))
    root_hash = decode_base64(root, where="checkpoint.root")
    if len(root_hash) != _HASH_BYTES:
        raise InputError("has a root that is no sha256", code="log.checkpoint", where="checkpoint.root")
    return Checkpoint(
        note=f"{note}\n".encode(),
        size=decode_decimal(size, where="checkpoint.size"),
        root_hash=root_hash,
        signatures=tuple(signatures),
    )


def verify_inclusion(body: bytes, proof: InclusionProof, *, log: Log) -> None:
    """Returns when ``body`` is in the log, by its own signed word.

    Raises ``TrustError`` (``log.inclusion``, ``log.checkpoint``, ``log.signature``) and ``InputError`` (``log.checkpoint``).
    """
    root = root_from_path(leaf_hash(body), index=proof.log_index, size=proof.tree_size, path=proof.hashes)
    if root != proof.root_hash:
        raise TrustError("the proof of inclusion does not lead to its root", code="log.inclusion")
    checkpoint = decode_checkpoint(proof.checkpoint)
    if (checkpoint.root_hash, checkpoint.size) != (proof.root_hash, proof.tree_size):
        raise TrustError("the checkpoint is of another tree than the proof of inclusion", code="log.checkpoint")
    # A hint of four bytes can fit two keys: any true signature does.
    mine = [signature for hint, signature in checkpoint.signatures if hint == log.log_id[:_HINT_BYTES]]
    failure: TrustError | None = None
    for signature in mine:
        try:
            verify_by_log(log, message=checkpoint.note, signature=signature, what="the checkpoint")
        except TrustError as err:
            failure = err
        else:
            return
    raise failure or TrustError("the checkpoint has no signature by the log of the entry", code="log.signature")
