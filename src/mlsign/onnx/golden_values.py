"""The values of golden test data of every kind: a ``TensorProto``, ``SequenceProto``, ``MapProto`` or ``OptionalProto`` in a file.

Which of them a file holds is said by the type that the model declares, as in ONNX's own test runner: the messages cannot be
told apart by their bytes. What is not exactly one value of that kind is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, NoReturn

from mlsign.errors import InputError, shown
from mlsign.interface import ValueKind
from mlsign.limits import DEFAULT, Limits
from mlsign.onnx import schema
from mlsign.onnx.golden import GoldenTensor, read_golden_tensor, refuse_problems
from mlsign.onnx.scan import Scan, integer
from mlsign.onnx.wire import Value, Where
from mlsign.source import MemorySource

MAX_GOLDEN_VALUES: Final = 200_000
"""Tensors and other values in one file that is no tensor: each is an object, and honest test data has some hundred."""

MAX_GOLDEN_DEPTH: Final = 8

_TENSOR, _SEQUENCE, _MAP, _OPTIONAL = 1, 3, 4, 5
"""``SequenceProto.DataType``, which is that of ``OptionalProto`` too; the field of such a value has a number higher by two."""

_STRING: Final = 8
_INTEGERS: Final[Mapping[int, tuple[int, int]]] = MappingProxyType(
    {
        number: (-(2 ** (bits - 1)) if signed else 0, 2 ** (bits - signed) - 1)
        for number, bits, signed in (
            (3, 8, 1),
            (5, 16, 1),
            (6, 32, 1),
            (7, 64, 1),
            (2, 8, 0),
            (4, 16, 0),
            (12, 32, 0),
            (13, 64, 0),
        )
    }
)
"""Types of the keys of a map, and their least and greatest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSequence:
    name: str
    items: tuple[GoldenValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenMap:
    """Keys, none of them twice, and values of one element each."""

    name: str
    keys: tuple[int, ...] | tuple[str, ...]
    values: tuple[GoldenTensor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenOptional:
    """``value`` is None where it holds nothing."""

    name: str
    value: GoldenValue | None


GoldenValue = GoldenTensor | GoldenSequence | GoldenMap | GoldenOptional


def decode_golden_value(data: bytes, *, kind: ValueKind, where: str, limits: Limits = DEFAULT) -> GoldenValue:
    """The value of that kind. Raises ``InputError`` (``onnx.…``, ``golden.tensor``, ``golden.element``, ``golden.value``)."""
    source = MemorySource(data)
    if kind is ValueKind.TENSOR:
        return read_golden_tensor(Scan(source, limits=limits), data, where=where)
    most = min(limits.max_tensors, MAX_GOLDEN_VALUES)
    few = Scan(source, limits=replace(limits, max_tensors=most, max_fields=min(limits.max_fields, 16 * most)))
    reader = _Reader(few, where=where, left=most)
    if kind is ValueKind.SPARSE_TENSOR:
        reader.refuse("is for a sparse tensor, which is not replayed")
    readers: dict[ValueKind, Callable[[bytes, int], GoldenValue]] = {
        ValueKind.SEQUENCE: reader.sequence,
        ValueKind.MAP: reader.map,
        ValueKind.OPTIONAL: reader.optional,
    }
    return readers[kind](data, 1)


class _Reader:
    """One file; the fields and the values of all that it holds are counted together."""

    def __init__(self, scan: Scan, *, where: str, left: int) -> None:
        self._scan = scan
        self._where = where
        self._place: Where = (None, where, -1)
        self._left = left
        self._kinds: Mapping[int, Callable[[bytes, int], GoldenValue]] = {
            _TENSOR: self._tensor,
            _SEQUENCE: self.sequence,
            _MAP: self.map,
            _OPTIONAL: self.optional,
        }

    def refuse(self, message: str, *, found: object = "") -> NoReturn:
        raise InputError(message, code="golden.value", where=shown(self._where), found=shown(found))

    def _fields(self, data: bytes, message: schema.Message, depth: int) -> dict[int, list[Value]]:
        if depth > MAX_GOLDEN_DEPTH:
            self.refuse(f"is nested deeper than {MAX_GOLDEN_DEPTH} levels")
        parts = self._scan.fields(data, message, self._place)
        refuse_problems(self._scan, where=self._where)
        return parts

    def _name(self, parts: dict[int, list[Value]]) -> str:
        return self._scan.last(parts, 1, self._place).decode("utf-8")

    def _tensor(self, data: bytes, depth: int) -> GoldenTensor:
        del depth
        return read_golden_tensor(self._scan, data, where=self._where)

    def _held(self, parts: dict[int, list[Value]], depth: int, what: str) -> tuple[GoldenValue, ...]:
        """What stands in the one field that ``elem_type`` speaks of."""
        if 2 not in parts:
            self.refuse(f"does not say what its {what} holds")
        kind = integer(parts, 2)
        if other := parts.keys() - {1, 2, kind + 2}:
            self.refuse(f"says that its {what} holds kind {kind} and has values of another one", found=min(other))
        values = parts.get(kind + 2, []) if kind else []
        read = self._kinds.get(kind)
        if values and read is None:
            self.refuse(f"has a {what} of kind {kind}, which is not replayed", found=kind)
        self._left -= len(values)
        if self._left < 0:
            self.refuse("holds more values than golden data may")
        return tuple(read(_bytes(value), depth + 1) for value in values) if read is not None else ()

    def sequence(self, data: bytes, depth: int) -> GoldenSequence:
        parts = self._fields(data, schema.SEQUENCE, depth)
        if 2 in parts and integer(parts, 2) not in self._kinds:
            self.refuse(f"is a sequence of kind {integer(parts, 2)}, which is not replayed", found=integer(parts, 2))
        return GoldenSequence(name=self._name(parts), items=self._held(parts, depth, "sequence"))

    def optional(self, data: bytes, depth: int) -> GoldenOptional:
        parts = self._fields(data, schema.OPTIONAL, depth)
        held = self._held(parts, depth, "optional")
        return GoldenOptional(name=self._name(parts), value=held[0] if held else None)

    def map(self, data: bytes, depth: int) -> GoldenMap:
        parts = self._fields(data, schema.MAP, depth)
        keys = self._keys(parts)
        if len(set(keys)) != len(keys):
            self.refuse("is a map with a key that stands twice")
        items = self.sequence(_bytes(parts[5][0]), depth + 1).items if 5 in parts else ()
        values = tuple(item for item in items if isinstance(item, GoldenTensor) and item.shape in ((), (1,)))
        if len(values) != len(items) or len(values) != len(keys):
            self.refuse(f"is a map of {len(keys)} keys without as many values of one element")
        return GoldenMap(name=self._name(parts), keys=keys, values=values)

    def _keys(self, parts: dict[int, list[Value]]) -> tuple[int, ...] | tuple[str, ...]:
        kind = integer(parts, 2)
        if kind == _STRING and 3 not in parts:
            return self._texts(parts.get(4, ()))
        bounds = _INTEGERS.get(kind)
        if bounds is None or 4 in parts:
            self.refuse(f"is a map with keys of type {kind}, or of another type than it says", found=kind)
        numbers = tuple(number for value in parts.get(3, ()) for number in self._scan.integers(value, self._place))
        if not all(bounds[0] <= number <= bounds[1] for number in numbers):
            self.refuse("is a map with a key beyond its type")
        return numbers

    def _texts(self, values: Sequence[Value]) -> tuple[str, ...]:
        try:
            return tuple(_bytes(value).decode("utf-8") for value in values)
        except UnicodeDecodeError as err:
            raise InputError("has a text that is not UTF-8", code="golden.value", where=shown(self._where)) from err


def _bytes(value: Value) -> bytes:
    """What a reading over bytes gives for a field that has a length."""
    assert isinstance(value, bytes)  # noqa: S101  the tables let only bytes stand for messages and texts
    return value
