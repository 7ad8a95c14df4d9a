"""Fuzz target: the strict JSON reader. Only ``InputError`` may escape, and what it takes every reader takes the same way."""

import json
import random

from json_tree import bent
from oracles import check_refusal, plain_json

from mlsign.errors import InputError
from mlsign.limits import Limits
from mlsign.strict import JsonValue, decode_json, encode_json

MAX_BYTES = 1 << 20
TIGHT = Limits(max_json_depth=4, max_json_values=16, max_json_integer_digits=5)


def measured(value: JsonValue) -> tuple[int, int]:
    """How deep containers stand in one another, and how many values there are."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    below = [measured(item) for item in inner]
    return isinstance(value, dict | list) + max((depth for depth, _ in below), default=0), 1 + sum(count for _, count in below)


def check_limits(data: bytes, value: JsonValue) -> None:
    """The bounds, which are taken off the bytes before there are values, hold for the values, and refuse nothing else."""
    depth, count = measured(value)
    try:
        assert decode_json(data, max_bytes=MAX_BYTES, limits=TIGHT) == value
    except InputError as err:
        assert err.code in ("json.depth", "json.values", "json.integer")
        assert err.code != "json.depth" or depth > TIGHT.max_json_depth
    else:
        assert depth <= TIGHT.max_json_depth
        assert count <= TIGHT.max_json_values + 1


def check(data: bytes) -> None:
    """Reads ``data`` as JSON; holds the value against Python's own reader and against its canonical spelling."""
    try:
        value = decode_json(data, max_bytes=MAX_BYTES)
    except InputError as err:
        check_refusal(err)
        assert err.code.startswith("json.")
        return
    check_limits(data, value)
    assert plain_json(data) == value
    try:
        canonical = encode_json(value)
    except InputError as err:
        # Integers that not every reader keeps: read, but never written.
        assert err.code == "json.canonical"
        return
    # JSON has one kind of number: RFC 8785 writes large doubles as long integers, so both are held as doubles here.
    assert json.loads(canonical, parse_int=float) == json.loads(data, parse_int=float)


def mutate(data: bytes, rng: random.Random) -> bytes:
    return bent(data, rng)


if __name__ == "__main__":
    from engine import fuzz

    fuzz("json")
