"""What a node tells its operator: its attributes, read as far as a check asks.

Integers are decoded, text is compared, floats and tensors are only counted: coefficients are the model's business, but how
many there are is what a kernel trusts. Leaves what must be true of them to the modules beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from mlsign.errors import shown
from mlsign.limits import Limits
from mlsign.onnx import schema
from mlsign.onnx.nodes import Attribute, Attributes
from mlsign.onnx.scan import Scan, body, integer, length, text
from mlsign.onnx.tensors import TensorFacts
from mlsign.onnx.wire import Value, Where, signed, varints

INT32: Final = 2**31
_INTEGER, _TEXT, _TENSOR, _FLOATS, _INTEGERS, _STRINGS = 3, 4, 5, 7, 8, 9  # fields of AttributeProto
_INT_TYPE, _STRING_TYPE = 2, 3  # AttributeProto.type
_FLOAT_TYPES: Final = frozenset(("float", "double"))


class BrokenError(Exception):
    """What is wrong with the attributes of a node, in words. Never leaves this package: the first fault ends the check."""


class Told:
    """The attributes of one node, and how many values it takes and makes."""

    __slots__ = ("_by_name", "_scan", "_where", "inputs", "outputs")

    def __init__(self, scan: Scan, attributes: Attributes, where: Where, *, inputs: int, outputs: int) -> None:
        self._scan = scan
        self._where = where
        self._by_name = {name.decode("utf-8", "replace"): attribute for name, attribute in attributes.by_name.items()}
        self.inputs = inputs
        self.outputs = outputs

    @property
    def limits(self) -> Limits:
        return self._scan.limits

    @property
    def most_columns(self) -> int:
        """Floats in the widest output of which one row could still be handed to a caller."""
        return self._scan.limits.max_output_bytes // 4

    def has(self, name: str) -> bool:
        return name in self._by_name

    def numbers(self, name: str) -> list[int]:
        """All integers of an attribute; none when it is left out."""
        attribute = self._by_name.get(name)
        out: list[int] = []
        for value in self._values(attribute, _INTEGERS):
            out.extend([signed(value)] if isinstance(value, int) else varints(b"".join(self.chunks(value)), self._where))
        return out

    def few(self, name: str, most: int) -> list[int]:
        """The same for a list that is short, counted before anything is decoded."""
        found = self.count(name)
        if found > most:
            raise BrokenError(f"{name} has {found} entries, above {most}")
        return self.numbers(name)

    def number(self, name: str, default: int) -> int:
        """A single integer, or ``default`` when it is left out or given by the caller of a function."""
        attribute = self._by_name.get(name)
        if attribute is None or attribute.reference:
            return default
        return integer(attribute.parts, _INTEGER) if integer(attribute.parts, 20) == _INT_TYPE else default

    def word(self, name: str, default: bytes) -> bytes:
        """A single text, or ``default`` when it is left out."""
        attribute = self._by_name.get(name)
        if attribute is None or attribute.reference or integer(attribute.parts, 20) != _STRING_TYPE:
            return default
        value = next(reversed(self._values(attribute, _TEXT)), b"")
        if not isinstance(value, bytes):
            raise BrokenError(f"{name} has {length(value)} bytes")
        return value

    def strings(self, name: str) -> Sequence[Value]:
        return self._values(self._by_name.get(name), _STRINGS)

    def count(self, name: str) -> int:
        """Entries of a list or a tensor, whatever they are."""
        attribute = self._by_name.get(name)
        if attribute is None:
            return 0
        entries = sum(map(length, self._values(attribute, _FLOATS))) // 4 + len(self._values(attribute, _STRINGS))
        for value in self._values(attribute, _INTEGERS):
            entries += 1 if isinstance(value, int) else self._scan.count_packed(value, self._where)
        return entries + sum(tensor.count for tensor in attribute.tensors)

    def tensor(self, name: str) -> TensorFacts | None:
        attribute = self._by_name.get(name)
        return attribute.tensors[0] if attribute is not None and attribute.tensors else None

    def payload(self, name: str) -> Iterator[tuple[int, Value]]:
        """The payload of a tensor by field number of ``TensorProto``, read anew: facts do not keep it."""
        for value in self._values(self._by_name.get(name), _TENSOR):
            for tag, parts in self._scan.wire.fields(body(value), self._where, heavy=schema.TENSOR.heavy).items():
                for part in parts:
                    yield tag >> 3, part

    def chunks(self, value: Value) -> Iterator[bytes]:
        """Bytes of a payload, a bounded piece at a time."""
        return self._scan.wire.chunks(body(value), self._where)

    def stream(self, value: Value) -> Iterator[int]:
        """Integers of a payload."""
        return self._scan.integers(value, self._where)

    @staticmethod
    def _values(attribute: Attribute | None, field: int) -> Sequence[Value]:
        return () if attribute is None else attribute.parts.get(field, ())

    def exclusive(self, *names: str) -> int:
        """Entries of the one list of these that is not empty."""
        found = {name: number for name in names if (number := self.count(name))}
        if len(found) != 1:
            raise BrokenError(f"{' and '.join(found) or 'none'} of {', '.join(names)} are given, one must be")
        return next(iter(found.values()))

    def floats(self, name: str) -> int:
        """Entries of a list of floats, which may come as a tensor of one dimension instead (ai.onnx.ml 3)."""
        listed, tensor = self.count(name), self.tensor(f"{name}_as_tensor")
        if tensor is None:
            return listed
        if listed:
            raise BrokenError(f"{name} is given twice, as a list and as a tensor")
        return self.row(f"{name}_as_tensor")

    def row(self, name: str, *, elements: frozenset[str] = _FLOAT_TYPES) -> int:
        """Entries of a tensor of one dimension; none when it is left out."""
        tensor = self.tensor(name)
        if tensor is None:
            return 0
        if len(tensor.dims) != 1 or tensor.element not in elements:
            raise BrokenError(
                f"{name} is {tensor.element} {list(tensor.dims)}, wanted is one row of {' or '.join(sorted(elements))}"
            )
        return tensor.count

    def one_of(self, name: str, default: bytes, allowed: frozenset[bytes]) -> bytes:
        """A text that is one of a few."""
        word = self.word(name, default)
        if word not in allowed:
            raise BrokenError(f"{name} is {shown(text(word), limit=40)}")
        return word

    def flag(self, name: str, default: int) -> int:
        """An integer that is 0 or 1."""
        return in_range((self.number(name, default),), name, least=0, most=1)[0]


def in_range(values: Sequence[int], what: str, *, least: int, most: int) -> Sequence[int]:
    """The values, all of which lie in the range."""
    if values:
        low, high = min(values), max(values)
        if low < least or high > most:
            raise BrokenError(f"{what} {low if low < least else high} is outside {least} to {most}")
    return values


def same(wanted: int, first: str, **others: int) -> None:
    """All of these have as many entries as ``first``."""
    for name, found in others.items():
        if found != wanted:
            raise BrokenError(f"{name} has {found} entries, {first} asks for {wanted}")


def none_or_same(wanted: int, first: str, **others: int) -> None:
    """The same for lists that may be left out."""
    same(wanted, first, **{name: found for name, found in others.items() if found})
