"""Fuzz target: the strict JSON reader. Only ``InputError`` may escape, and what it takes every reader takes the same way."""

import json

from mlsign.errors import InputError
from mlsign.strict import decode_json, encode_json

MAX_BYTES = 1 << 20


def check(data: bytes) -> None:
    """Reads ``data`` as JSON; holds the value against Python's own reader and against its canonical spelling."""
    try:
        value = decode_json(data, max_bytes=MAX_BYTES)
    except InputError as err:
        assert err.code.startswith("json.")
        return
    assert json.loads(data) == value
    try:
        canonical = encode_json(value)
    except InputError as err:
        # Integers that not every reader keeps: read, but never written.
        assert err.code == "json.canonical"
        return
    # JSON has one kind of number: RFC 8785 writes large doubles as long integers, so both are held as doubles here.
    assert json.loads(canonical, parse_int=float) == json.loads(data, parse_int=float)


if __name__ == "__main__":
    from engine import fuzz

    fuzz("json")
