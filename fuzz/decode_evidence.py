"""Fuzz target: recorded evidence. Only ``InputError`` may escape, and what decodes encodes to the very same bytes."""

import random

from json_tree import STRINGS, bent
from oracles import check_refusal

from mlsign.errors import InputError
from mlsign.policy.recorded import SCHEMA, decode_recording, encode_recording

FIELDS = (
    *("schema", "now", "conditions", "evidence", "policy", "formats", "unsigned_files", "digests", "every_digest", "limits"),
    *("manifest", "summary", "signatures", "findings", "unverified", "model", "trust", "seen", "identity", "method", "standing"),
    *("times", "algorithms", "reasons", "logged", "about", "bounds", "peak_bytes", "unknown", "integer", "shape", "inner"),
)
VALUES = (SCHEMA, "counted", "rejected", "stranger", "key", "keyless", "certificate", "pass", "fail", "unknown", "present")
WORDS = tuple(f'"{word}"'.encode() for word in (*FIELDS, *VALUES, *STRINGS) if word.isascii() and word.isprintable())


def check(data: bytes) -> None:
    """Decodes ``data`` as a recording; raises ``AssertionError`` on one with two spellings."""
    try:
        recording = decode_recording(data, where="evidence")
    except InputError as err:
        check_refusal(err)
        return
    assert encode_recording(recording) == data
    assert recording == decode_recording(data, where="evidence")


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Another record of the same shape, in canonical form wherever it can be."""
    return bent(data, rng)


if __name__ == "__main__":
    from engine import fuzz

    fuzz("evidence")
