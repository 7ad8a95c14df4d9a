"""The fields of one map of a policy, taken out by name and type; every refusal names the line and the nearest name.

The counterpart of ``strict.Fields`` for YAML: there the writer is a program and ``where`` is a path, here it is
a person with an editor who wants the line, the field and what they probably meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from enum import Enum
from typing import Final, TypeVar

from mlsign.errors import InputError, shown
from mlsign.limits import GIB, KIB, MIB
from mlsign.policy.decoding.yaml_source import Mapping, Node, Place, Scalar, Sequence, is_decimal, scalar_kind
from mlsign.version import Version, decode_version

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

_SIZE: Final = re.compile(r"([1-9][0-9]{0,17})(B|KiB|MiB|GiB|TiB)", re.ASCII)
_SIZE_UNITS: Final = {"B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 1024 * GIB}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,8})(ms|s|m|h)", re.ASCII)
_DURATION_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
MAX_INTEGER: Final = 2**53 - 1


def nearest(name: str, names: Iterable[str]) -> str:
    """The known name that was probably meant, or an empty string."""
    found = get_close_matches(name[:80], list(names), n=1, cutoff=0.6)
    return found[0] if found else ""


def refusal(
    message: str,
    place: Place,
    path: str,
    /,
    *,
    code: str,
    expected: str = "",
    found: str = "",
    hint: str = "",
    near: str = "",
) -> InputError:
    """An error at a place of the policy, ready to raise: ``policy.yaml:12:7 operators.allow``.

    ``near`` is the name that was probably meant; the message says it.
    """
    meant = f"did you mean {near}" if near else ""
    return InputError(
        f"{message}, line {place.line} column {place.column}{meant and ': '}{meant}",
        code=f"policy.{code}",
        where=f"{place} {path}" if path else str(place),
        expected=expected,
        found=shown(found) if found else "",
        hint="" if near else hint,
    )


def kind_of(node: Node) -> str:
    """What a node is, for messages."""
    if isinstance(node, Scalar):
        return scalar_kind(node)
    return "a list" if isinstance(node, Sequence) else "a map"


def read_text(node: Node, path: str, *, maximum: int = 1024) -> str:
    """A string. A plain scalar that YAML reads as a number, boolean or null is refused: quotes say what is meant."""
    if not isinstance(node, Scalar) or scalar_kind(node) != "a string":
        hint = f"write it in quotes: '{shown(node.text, limit=40)}'" if isinstance(node, Scalar) and node.text else ""
        raise refusal(f"is {kind_of(node)}, expected a string", node.place, path, code="type", hint=hint)
    if not 1 <= len(node.text) <= maximum:
        found = len(node.text)
        raise refusal(f"has {found} characters, allowed are 1 to {maximum}", node.place, path, code="length")
    return node.text


def read_integer(node: Node, path: str, *, minimum: int, maximum: int = MAX_INTEGER) -> int:
    """An integer in plain decimal: ``1_0``, ``0x1f``, ``0o17`` and ``017`` are other numbers to other readers."""
    if not isinstance(node, Scalar) or not is_decimal(node):
        text = f"{shown(node.text, limit=40)}" if isinstance(node, Scalar) else kind_of(node)
        raise refusal(f"is {text}, expected an integer in plain decimal", node.place, path, code="type", found=text)
    value = int(node.text) if len(node.text) <= 20 else maximum + 1
    if not minimum <= value <= maximum:
        text = shown(node.text, limit=40)
        raise refusal(f"is {text}, expected {minimum} to {maximum}", node.place, path, code="range", found=text)
    return value


def read_bytes(node: Node, path: str, *, minimum: int = 1) -> int:
    """A number of bytes: an integer, or one with a unit of 1024 (``20GiB``)."""
    match = _SIZE.fullmatch(node.text) if isinstance(node, Scalar) else None
    if match is None:
        if isinstance(node, Scalar) and scalar_kind(node) == "a string":
            raise refusal(
                f"is {shown(node.text, limit=40)}, expected bytes as 512MiB or 20GiB",
                node.place,
                path,
                code="unit",
                expected="a number with B, KiB, MiB, GiB or TiB",
                found=node.text,
            )
        return read_integer(node, path, minimum=minimum)
    value = int(match.group(1)) * _SIZE_UNITS[match.group(2)]
    if not minimum <= value <= MAX_INTEGER:
        raise refusal(f"is {value} bytes, expected {minimum} to {MAX_INTEGER}", node.place, path, code="range")
    return value


def read_seconds(node: Node, path: str, *, maximum: float) -> float:
    """A duration in seconds from a number with a unit (``500ms``, ``10s``, ``2m``)."""
    match = _DURATION.fullmatch(node.text) if isinstance(node, Scalar) else None
    if match is None:
        text = shown(node.text, limit=40) if isinstance(node, Scalar) else kind_of(node)
        raise refusal(f"is {text}, expected a duration as 500ms, 10s or 2m", node.place, path, code="unit", found=text)
    value = int(match.group(1)) * _DURATION_UNITS[match.group(2)]
    if value > maximum:
        raise refusal(f"is {value:g} seconds, allowed are {maximum:g}", node.place, path, code="range")
    return value


def read_choice(node: Node, path: str, choices: type[E]) -> E:
    """A member of an enumeration by its spelling."""
    names = [str(member.value) for member in choices]
    text = read_text(node, path)
    if text not in names:
        raise refusal(
            f"is {shown(text, limit=40)}, expected {' or '.join(names)}",
            node.place,
            path,
            code="value",
            expected=" or ".join(names),
            found=text,
            near=nearest(text, names),
        )
    return choices(text)


def read_boolean(node: Node, path: str) -> bool:
    """``true`` or ``false``, without quotes."""
    if not isinstance(node, Scalar) or scalar_kind(node) != "a boolean" or node.text not in ("true", "false"):
        text = node.text if isinstance(node, Scalar) else kind_of(node)
        raise refusal("is not true or false", node.place, path, code="type", expected="true or false", found=text)
    return node.text == "true"


def read_items(node: Node, path: str, *, minimum: int, maximum: int) -> list[tuple[Node, str]]:
    """The elements of a list, each with its path."""
    if not isinstance(node, Sequence):
        raise refusal(f"is {kind_of(node)}, expected a list", node.place, path, code="type")
    if not minimum <= len(node.items) <= maximum:
        count = len(node.items)
        raise refusal(f"has {count} elements, allowed are {minimum} to {maximum}", node.place, path, code="length")
    return [(item, f"{path}[{index}]") for index, item in enumerate(node.items)]


def read_entries(node: Node, path: str, *, maximum: int) -> list[tuple[Scalar, Node, str]]:
    """Key, value and path of a map with free keys."""
    if not isinstance(node, Mapping):
        raise refusal(f"is {kind_of(node)}, expected a map", node.place, path, code="type")
    if not 1 <= len(node.entries) <= maximum:
        count = len(node.entries)
        raise refusal(f"has {count} entries, allowed are 1 to {maximum}", node.place, path, code="length")
    return [(key, value, f"{path}.{shown(key.text, limit=80)}") for key, value in node.entries]


class PolicyFields:
    """One map with known fields. Unknown ones are refused at once, so a typo never hides behind another fault."""

    __slots__ = ("_left", "path", "place")

    def __init__(self, node: Node, *, path: str, names: tuple[str, ...]) -> None:
        if not isinstance(node, Mapping):
            raise refusal(f"is {kind_of(node)}, expected a map", node.place, path, code="type")
        self.path = path
        self.place = node.place
        self._left = {key.text: value for key, value in node.entries}
        for key, _ in node.entries:
            if key.text not in names:
                raise self._unknown(key, names)

    def _unknown(self, key: Scalar, names: tuple[str, ...]) -> InputError:
        text = shown(key.text, limit=80)
        return refusal(
            f"{text} is not a field of {self.path or 'a policy'}",
            key.place,
            self.at(text),
            code="unknown",
            expected=", ".join(names),
            found=key.text,
            hint=f"the fields are {', '.join(names)}",
            near=nearest(key.text, names),
        )

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        return name in self._left

    def wrong(self, message: str, *, code: str, name: str = "", hint: str = "") -> InputError:
        """An error about the whole map, or about its field ``name``, ready to raise."""
        node = self._left.get(name)
        place = node.place if node is not None else self.place
        return refusal(message, place, self.at(name) if name else self.path, code=code, hint=hint)

    def take(self, name: str) -> tuple[Node, str]:
        """The node of a field that must be there, and its path."""
        if name not in self._left:
            message = f"{name} is missing from {self.path or 'the policy'}"
            raise refusal(message, self.place, self.at(name), code="missing")
        return self._left[name], self.at(name)

    def optional(self, name: str, read: Callable[[Node, str], T]) -> T | None:
        """``read`` of the field when it is there, else None."""
        return read(*self.take(name)) if name in self._left else None


def read_version(node: Node, path: str) -> Version:
    """A semantic version."""
    text = read_text(node, path, maximum=128)
    try:
        return decode_version(text)
    except InputError as err:
        raise refusal(err.message, node.place, path, code="versions", found=text) from err
