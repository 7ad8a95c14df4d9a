"""What the ONNX specification says an operator takes, gives and is told: counts of values, names and types of attributes.

A node that does not keep to the signature of its operator means nothing, so every runtime makes its own of it: missing
inputs have been read past the end of a list, and attributes of another type read as memory. Owns the lookup in
``signature_table``; domains that the table does not have are left to policies.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mlsign.onnx.signature_table import NEWEST, TABLE

_ANY: Final = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """How many inputs, or outputs: at least ``least``, at most ``most``; the first ones in ``required`` cannot be left out."""

    least: int
    most: int
    required: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One version of one operator. ``attributes`` are types (``AttributeProto.AttributeType``) by name."""

    inputs: Values
    outputs: Values
    attributes: MappingProxyType[bytes, int]
    needed: frozenset[bytes]


def is_specified(domain: str) -> bool:
    """Whether the operators of this domain are those of the ONNX specification."""
    return domain in NEWEST


@functools.cache
def signature(domain: str, name: str, version: int) -> Signature | None:
    """The signature of an operator at a version of its domain; None where there is none, not yet or no more."""
    row = _rows().get(f"{domain}:{name}")
    if row is None:
        return None
    found = None
    for part in row.split("|"):
        since, _, rest = part.partition(" ")
        if int(since) <= version:
            found = rest or found
    return None if found is None or found == "-" else _decode(found)


@functools.cache
def since(domain: str, name: str, version: int) -> int:
    """The version at which the operator came to mean what it means at ``version`` of its domain; 0 where there is none."""
    versions = (int(part.partition(" ")[0]) for part in _rows().get(f"{domain}:{name}", "0").split("|"))
    return max((found for found in versions if found <= version), default=0)


@functools.cache
def _rows() -> dict[str, str]:
    out = {}
    for line in TABLE.splitlines():
        name, _, versions = line.partition("|")
        out[name] = versions
    return out


@functools.cache
def _decode(text: str) -> Signature:
    inputs, outputs, *rest = text.split(" ")
    attributes: dict[bytes, int] = {}
    needed: set[bytes] = set()
    for item in rest[0].split(",") if rest else ():
        name, _, kind = item.partition(":")
        if kind.endswith("!"):
            needed.add(name.encode())
        attributes[name.encode()] = int(kind.removesuffix("!"))
    return Signature(
        inputs=_values(inputs),
        outputs=_values(outputs),
        attributes=MappingProxyType(attributes),
        needed=frozenset(needed),
    )


def _values(text: str) -> Values:
    letters = text.rstrip("0123456789")
    return Values(
        least=int(text[len(letters) :]),
        most=_ANY if letters.endswith("V") else len(letters),
        required=tuple(letter == "S" for letter in letters),
    )
