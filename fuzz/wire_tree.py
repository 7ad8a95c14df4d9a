"""Protobuf bent as protobuf: fields dropped, doubled, moved, grafted and changed, every length above them made to fit.

Needs no schema: what reads as a message and is written back as the same bytes is taken for one.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass

NUMBERS: Sequence[int] = (
    *(0, 1, 2, 3, 7, 8, 10, 13, 14, 15, 16, 17, 20, 22, 127, 128, 255, 1 << 14, (1 << 31) - 1, 1 << 31, (1 << 32) - 1),
    *((1 << 53), (1 << 63) - 1, 1 << 63, (1 << 64) - 2, (1 << 64) - 1),
)
_EDITS = (1, 1, 1, 2, 2, 4)
_MAX_NUMBER = 64
_MAX_DEPTH = 16
_FIXED = {1: 8, 5: 4}


@dataclass
class Field:
    """One field: ``value`` is an integer (wire type 0), bytes, or the fields of a message."""

    number: int
    wire: int
    value: int | bytes | list[Field]


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def integer(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        shift += 7
        if byte < 128:
            return value, at


def shallow(data: bytes) -> list[Field] | None:
    """The fields of a message, none of them taken for a message, or None where the bytes are none."""
    return parsed(data, depth=_MAX_DEPTH)


def parsed(data: bytes, *, depth: int = 0) -> list[Field] | None:
    """The fields of a message, or None where the bytes are none."""
    out: list[Field] = []
    at = 0
    try:
        while at < len(data):
            key, at = integer(data, at)
            number, wire = key >> 3, key & 7
            if not 0 < number <= _MAX_NUMBER:
                return None
            value: int | bytes | list[Field]
            if wire == 0:
                value, at = integer(data, at)
            elif wire == 2 or wire in _FIXED:
                size = _FIXED.get(wire, 0)
                if wire == 2:
                    size, at = integer(data, at)
                if at + size > len(data):
                    return None
                raw = data[at : at + size]
                inner = parsed(raw, depth=depth + 1) if wire == 2 and size > 1 and depth < _MAX_DEPTH else None
                value = inner if inner is not None and written(inner) == raw else raw
                at += size
            else:
                return None
            out.append(Field(number, wire, value))
    except IndexError:
        return None
    return out


def written(fields: list[Field]) -> bytes:
    out = bytearray()
    for field in fields:
        out += varint(field.number << 3 | field.wire)
        if isinstance(field.value, int):
            out += varint(field.value)
            continue
        raw = field.value if isinstance(field.value, bytes) else written(field.value)
        out += varint(len(raw)) + raw if field.wire == 2 else raw
    return bytes(out)


def bent(data: bytes, rng: random.Random, *, words: Sequence[bytes]) -> bytes:
    """A few edits of the message in ``data``; nothing where there is none."""
    tree = parsed(data)
    if not tree:
        return b""
    for _ in range(rng.choice(_EDITS)):
        _edit(tree, rng, words)
    return written(tree)


def _messages(tree: list[Field]) -> list[list[Field]]:
    out, stack = [], [tree]
    while stack:
        fields = stack.pop()
        out.append(fields)
        stack.extend(field.value for field in fields if isinstance(field.value, list))
    return out


def _edit(tree: list[Field], rng: random.Random, words: Sequence[bytes]) -> None:
    messages = _messages(tree)
    fields = rng.choice(messages)
    if not fields:
        fields.append(Field(rng.randint(1, 30), 2, rng.choice(words)))
        return
    at = rng.randrange(len(fields))
    field = fields[at]
    match rng.randint(0, 11):
        case 0:
            del fields[at]
        case 1:
            fields[at:at] = copy.deepcopy([field] * rng.choice((1, 1, 1, 2, 15, 16, 40)))
        case 2:
            other = rng.randrange(len(fields))
            fields[at], fields[other] = fields[other], fields[at]
        case 3:
            field.number = rng.choice((field.number + 1, max(1, field.number - 1), rng.randint(1, 30), rng.randint(1, 1 << 29)))
        case 4:  # the same message, or another, from elsewhere
            donor = rng.choice([inner for inner in messages if inner] or [fields])
            fields.insert(at, copy.deepcopy(rng.choice(donor)))
        case 5:
            if isinstance(field.value, list):
                field.value = copy.deepcopy(rng.choice(messages))
            else:
                _change(field, rng, words)
        case 6:
            field.value, field.wire = [copy.deepcopy(field)], 2
        case 7:
            field.wire = rng.choice((0, 1, 2, 5))
            field.value = _fresh(field.wire, rng, words)
        case 8:
            wire = rng.choice((0, 0, 1, 2, 2, 2, 5))
            fields.insert(at, Field(rng.randint(1, 30), wire, _fresh(wire, rng, words)))
        case _:
            _change(field, rng, words)


def _fresh(wire: int, rng: random.Random, words: Sequence[bytes]) -> int | bytes | list[Field]:
    if wire == 0:
        return rng.choice(NUMBERS)
    if wire in _FIXED:
        return rng.randbytes(_FIXED[wire])
    return rng.choice(
        (b"", rng.choice(words), rng.randbytes(rng.randint(1, 9)), [Field(rng.randint(1, 30), 0, rng.choice(NUMBERS))])
    )


def _change(field: Field, rng: random.Random, words: Sequence[bytes]) -> None:
    """Another value of the same kind."""
    if isinstance(field.value, int):
        near = rng.choice((field.value + 1, field.value - 1, field.value ^ 1 << rng.randrange(64)))
        field.value = (near if rng.random() < 0.5 else rng.choice(NUMBERS)) % (1 << 64)
    elif isinstance(field.value, list):
        rng.shuffle(field.value)
    elif field.wire in _FIXED:
        field.value = rng.randbytes(_FIXED[field.wire])
    else:
        raw = bytearray(field.value)
        at = rng.randint(0, len(raw))
        match rng.randint(0, 4):
            case 0:
                raw[at : at + rng.randint(1, 8)] = b""
            case 1:
                raw[at:at] = raw[at : at + rng.randint(1, 16)]
            case 2:
                raw[at:at] = varint(rng.choice(NUMBERS))
            case 3:
                raw[at : at + 1] = rng.randbytes(1)
            case _:
                raw[:] = rng.choice(words)
        field.value = bytes(raw)
