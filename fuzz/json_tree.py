"""JSON bent as JSON: fields dropped, doubled, renamed and moved, values replaced, and written canonically again.

Bytes turned at random hardly ever pass a reader that takes one spelling only. Objects are lists of pairs here, so
that a key can stand twice.
"""

from __future__ import annotations

import copy
import json
import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import rfc8785

STRINGS: Sequence[str] = (
    *(
        "",
        "a",
        "A",
        ".",
        "..",
        "../a",
        "/a",
        "a/",
        "a//b",
        "./a",
        "a\\b",
        "C:a",
        "con",
        "NUL.txt",
        "a.",
        " a",
        "a b",
        "signatures",
    ),
    *(
        "signatures/x",
        "Signatures",
        "mlsign.json",
        "MLSIGN.JSON",
        "\u00e9",
        "e\u0301",
        "\u212a",
        "\u017f",
        "\u0130",
        "\ud800",
        "\x00",
    ),
    *("\x1b[0m", "\u202e", "\u200b", "\ufeff", "\U0001f600", "\ue000", "\uffff", "ai.onnx", "ai.onnx.ml", "0" * 64, "f" * 128),
    *(
        "sha256:" + "0" * 64,
        "blake3:" + "0" * 64,
        "blake2b:" + "0" * 128,
        "sha256",
        "blake3",
        "blake2b",
        "1.0.0-rc.1+b",
        "AAAA",
        "=",
    ),
    *("2026-01-31T12:00:00Z", "deadbeef", "float", "float8e4m3fn", "tensor", "sparse_tensor", "sequence", "map", "optional"),
)
NUMBERS: Sequence[float] = (
    0,
    1,
    -1,
    2,
    63,
    64,
    2**31,
    2**31 + 1,
    2**53 - 1,
    2**53,
    2**63,
    10**19,
    0.0,
    -0.0,
    0.5,
    1e-7,
    1e21,
    1e308,
    5e-324,
)
_EDITS = (1, 1, 1, 2, 2, 4)
_LIKELY = 0.9
_SURROGATE = re.compile("[\ud800-\udfff]")
_CANONICAL = 0.85


class Object(list[list[Any]]):
    """A JSON object as a list of key and value."""

    def get(self, key: str) -> Any:
        return next((value for name, value in self if name == key), None)

    def put(self, key: str, value: Any) -> None:
        for pair in self:
            if pair[0] == key:
                pair[1] = value


def parsed(data: bytes) -> Any:
    """The tree, or None where there is none to bend."""
    try:
        return json.loads(data, object_pairs_hook=lambda pairs: Object([list(pair) for pair in pairs]))
    except (ValueError, RecursionError):
        return None


def written(value: Any, *, escaped: bool = False) -> str:
    """As RFC 8785 writes it, but for the order of keys and what it could not write at all."""
    if isinstance(value, Object):
        return "{" + ",".join(f"{written(k, escaped=escaped)}:{written(item, escaped=escaped)}" for k, item in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(item, escaped=escaped) for item in value) + "]"
    if isinstance(value, float):
        try:
            return rfc8785.dumps(value).decode()
        except rfc8785.CanonicalizationError:
            return "1e999"
    # Half of a surrogate pair cannot be written in UTF-8 at all.
    return json.dumps(value, ensure_ascii=escaped or (isinstance(value, str) and _SURROGATE.search(value) is not None))


def ordered(value: Any) -> Any:
    """The same tree with the keys of every object in canonical order."""
    if isinstance(value, Object):
        pairs = [[key, ordered(item)] for key, item in value]
        return Object(sorted(pairs, key=lambda pair: pair[0].encode("utf-16-be", "surrogatepass")))
    if isinstance(value, list):
        return [ordered(item) for item in value]
    return value


def bent(
    data: bytes,
    rng: random.Random,
    *,
    words: Sequence[str] = (),
    settle: Callable[[Any, random.Random], None] = lambda _tree, _rng: None,
) -> bytes:
    """A few edits of the tree in ``data``; ``settle`` then restores what the format ties together, most of the time."""
    tree = parsed(data)
    if not isinstance(tree, list):
        return b""
    for _ in range(rng.choice(_EDITS)):
        _edit(tree, rng, words or STRINGS)
    canonical = rng.random() < _CANONICAL
    if canonical:
        settle(tree, rng)
        tree = ordered(tree)
    return written(tree, escaped=not canonical and rng.random() < 0.5).encode()


def _slots(tree: list[Any]) -> list[tuple[list[Any], int]]:
    """Every place in the tree that holds something: the list and the index in it."""
    out: list[tuple[list[Any], int]] = []
    stack = [tree]
    while stack:
        item = stack.pop()
        for index, value in enumerate(item):
            out.append((item, index))
            inner = value[1] if isinstance(item, Object) else value
            if isinstance(inner, list):
                stack.append(inner)
    return out


def _held(place: list[Any], index: int) -> Any:
    return place[index][1] if isinstance(place, Object) else place[index]


def _hold(place: list[Any], index: int, value: Any) -> None:
    if isinstance(place, Object):
        place[index][1] = value
    else:
        place[index] = value


def _edit(tree: list[Any], rng: random.Random, words: Sequence[str]) -> None:
    slots = _slots(tree)
    if not slots:
        tree.append(["", None] if isinstance(tree, Object) else None)
        return
    place, index = rng.choice(slots)
    held = _held(place, index)
    match rng.randint(0, 15):
        case 0:
            del place[index]
        case 1 | 2:
            copies = copy.deepcopy([place[index]] * rng.choice((1, 1, 1, 2, 3, 17)))
            if isinstance(place, Object) and rng.random() < _LIKELY:
                for pair in copies:
                    pair[0] = rng.choice(words)
            place[index:index] = copies
        case 3:
            other = rng.randrange(len(place))
            place[index], place[other] = place[other], place[index]
        case 4:
            _hold(place, index, _value(rng, words))
        case 5 | 6:
            _hold(place, index, copy.deepcopy(_held(*_like(held, slots, rng))))
        case 7 if isinstance(place, Object):
            place[index][0] = _text(place[index][0], rng, words)
        case 8:
            from_place, from_index = _like(held, slots, rng)
            item = copy.deepcopy(from_place[from_index])
            if isinstance(place, Object) and not isinstance(from_place, Object):
                item = [rng.choice(words), item]
            elif not isinstance(place, Object) and isinstance(from_place, Object):
                item = item[1]
            place.insert(index, item)
        case 9:
            _hold(place, index, [held] if rng.random() < 0.5 else Object([[rng.choice(words), held]]))
        case 10 if isinstance(held, list):
            rng.shuffle(held)
        case _:
            _hold(place, index, _scalar(held, rng, words))


def _like(value: Any, slots: list[tuple[list[Any], int]], rng: random.Random) -> tuple[list[Any], int]:
    """A place in the tree that mostly holds the same kind of value."""
    same = [slot for slot in slots if type(_held(*slot)) is type(value)]
    return rng.choice(same if rng.random() < _LIKELY else slots)


def _value(rng: random.Random, words: Sequence[str]) -> Any:
    match rng.randint(0, 5):
        case 0:
            return rng.choice(NUMBERS)
        case 1:
            return rng.choice((None, True, False))
        case 2:
            return [] if rng.random() < 0.5 else Object()
        case 3:
            return rng.choice(STRINGS)
        case _:
            return rng.choice(words)


def _scalar(value: Any, rng: random.Random, words: Sequence[str]) -> Any:
    if isinstance(value, bool) or value is None:
        return rng.choice((None, True, False, 0, 1, ""))
    if isinstance(value, str):
        return _text(value, rng, words)
    if isinstance(value, int | float):
        return rng.choice(
            (value + 1, value - 1, value * 2, -value, float(value) / 3 if abs(value) < 2**64 else 0, rng.choice(NUMBERS))
        )
    value = copy.copy(value)
    value[:] = value[: rng.randint(0, len(value))]
    return value


def _text(value: str, rng: random.Random, words: Sequence[str]) -> str:
    at = rng.randint(0, len(value))
    end = min(len(value), at + rng.randint(1, 8))
    match rng.randint(0, 9):
        case 0:
            return value[:at] + value[end:]
        case 1:
            return value[:at] + value[at:end] * 2 + value[end:]
        case 2:
            return value[:at] + rng.choice(STRINGS) + value[at:]
        case 3:
            return (
                value[:at] + chr(rng.choice((rng.randrange(0x80), rng.randrange(0x800), rng.randrange(0x110000)))) + value[end:]
            )
        case 4:
            return value.swapcase()
        case 5:
            return unicodedata.normalize(rng.choice(("NFC", "NFD", "NFKC")), value)
        case 6:
            return value * rng.choice((2, 3, 20))
        case 7:
            return value[:at]
        case 8:
            return rng.choice(words)
        case _:
            return value[:at] + "".join(rng.choices("0123456789abcdef", k=end - at)) + value[end:]
