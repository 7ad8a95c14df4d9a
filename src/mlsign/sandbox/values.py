"""Named values in the body of a frame: tensors, strings, sequences and maps, to bytes and back.

Pure and without numpy. Everything decoded here may come from a worker that a hostile model has taken over:
no length sizes anything before it was held against the bytes that are there.

Layout, little-endian: count (u16), then for each value the name's length (u16), the name, and the value. A
value is a tag (u8) and: a tensor, its element type (u8, ``TensorProto.DataType``), rank (u8), dimensions (u64
each), zero bytes up to the next multiple of 16 in the body, elements; strings, the same without padding, each
string with its length (u32); a sequence, a count (u32) and values; a map, its keys and its values, each of one
dimension and the same length.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NoReturn

from mlsign.errors import InputError, shown
from mlsign.limits import DEFAULT, Limits

MAX_VALUE_DEPTH: Final = 8
"""Sequences of sequences; onnxruntime itself makes sequences of tensors and sequences of maps."""

_ALIGNMENT: Final = 16
_LARGEST: Final = 2**62

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Element:
    """An ONNX element type: its number in ``TensorProto.DataType`` and the bytes one element takes."""

    name: str
    number: int
    size: int


ELEMENTS: Final[Mapping[str, Element]] = MappingProxyType(
    {
        name: Element(name, number, size)
        for name, number, size in (
            ("float", 1, 4),
            ("uint8", 2, 1),
            ("int8", 3, 1),
            ("uint16", 4, 2),
            ("int16", 5, 2),
            ("int32", 6, 4),
            ("int64", 7, 8),
            ("bool", 9, 1),
            ("float16", 10, 2),
            ("double", 11, 8),
            ("uint32", 12, 4),
            ("uint64", 13, 8),
            ("complex64", 14, 8),
            ("complex128", 15, 16),
        )
    }
)
"""Element types of fixed size that numpy carries. Strings are values of their own."""

STRING: Final = 8
_BY_NUMBER: Final = MappingProxyType({element.number: element for element in ELEMENTS.values()})


@dataclass(frozen=True, slots=True)
class Tensor:
    """Elements in C order, little-endian; ``data`` has exactly the bytes that type and shape ask for."""

    element: str
    shape: tuple[int, ...]
    data: Buffer


@dataclass(frozen=True, slots=True)
class Strings:
    """A tensor of strings, in C order."""

    shape: tuple[int, ...]
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """An ONNX sequence."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Map:
    """An ONNX map: keys and values of one dimension and the same length."""

    keys: Tensor | Strings
    values: Tensor | Strings


@dataclass(frozen=True, slots=True)
class Absent:
    """An ONNX optional that holds nothing."""


Value = Tensor | Strings | Sequence | Map | Absent

_TAGS: Final = ((Tensor, 1), (Strings, 2), (Sequence, 3), (Map, 4), (Absent, 5))


def _fail(message: str, *, code: str, found: object = "") -> NoReturn:
    raise InputError(message, code=f"frame.{code}", found=shown(found))


class _Writer:
    """Parts of a body in order; elements are referred to, not copied."""

    __slots__ = ("_at", "parts")

    def __init__(self) -> None:
        self.parts: list[Buffer] = []
        self._at = 0

    def put(self, data: Buffer) -> None:
        self.parts.append(data)
        self._at += len(data)

    def value(self, value: Value) -> None:
        self.put(bytes([next(tag for kind, tag in _TAGS if isinstance(value, kind))]))
        match value:
            case Tensor(element, shape, data):
                self._shape(ELEMENTS[element].number, shape)
                self.put(bytes(-self._at % _ALIGNMENT))
                self.put(data)
            case Strings(shape, items):
                self._shape(STRING, shape)
                self._strings(items)
            case Sequence(items):
                self.put(struct.pack("<I", len(items)))
                for item in items:
                    self.value(item)
            case Map(keys, values):
                self.value(keys)
                self.value(values)
            case Absent():
                pass

    def _shape(self, number: int, shape: tuple[int, ...]) -> None:
        self.put(struct.pack(f"<BB{len(shape)}Q", number, len(shape), *shape))

    def _strings(self, items: tuple[str, ...]) -> None:
        out = bytearray()
        for item in items:
            data = item.encode("utf-8")
            out += struct.pack("<I", len(data))
            out += data
        self.put(out)


def encode_values(values: Mapping[str, Value]) -> list[Buffer]:
    """The body of named values as parts to be written one after the other."""
    writer = _Writer()
    writer.put(struct.pack("<H", len(values)))
    for name, value in values.items():
        data = name.encode("utf-8")
        writer.put(struct.pack("<H", len(data)))
        writer.put(data)
        writer.value(value)
    return writer.parts


class _Reader:
    """A position in a body; everything taken from it is bounded by what is left."""

    __slots__ = ("_at", "_limits", "_view")

    def __init__(self, view: memoryview, limits: Limits) -> None:
        self._view = view
        self._at = 0
        self._limits = limits

    def take(self, count: int) -> memoryview:
        if count > len(self._view) - self._at:
            _fail(f"{count} bytes are announced, {len(self._view) - self._at} are left", code="truncated")
        out = self._view[self._at : self._at + count]
        self._at += count
        return out

    def number(self, layout: str) -> int:
        (value,) = struct.unpack(layout, self.take(struct.calcsize(layout)))
        return int(value)

    def text(self, length: int) -> str:
        try:
            return str(self.take(length), "utf-8")
        except UnicodeDecodeError as err:
            raise InputError("a string is not UTF-8", code="frame.encoding") from err

    def done(self) -> None:
        if self._at != len(self._view):
            _fail(f"{len(self._view) - self._at} bytes are left over", code="trailing")

    def value(self, depth: int) -> Value:
        tag = self.number("<B")
        match tag:
            case 1:
                return self._tensor()
            case 2:
                return self._strings()
            case 3:
                if depth >= MAX_VALUE_DEPTH:
                    _fail(f"sequences are nested deeper than {MAX_VALUE_DEPTH} levels", code="depth")
                count = self.number("<I")
                if count > len(self._view) - self._at:
                    _fail(f"a sequence of {count} does not fit into what is left", code="truncated")
                return Sequence(tuple(self.value(depth + 1) for _ in range(count)))
            case 4:
                return self._map()
            case 5:
                return Absent()
            case _:
                _fail(f"{tag} is not a kind of value", code="tag", found=tag)

    def _shape(self, size: int) -> tuple[int, ...]:
        rank = self.number("<B")
        if rank > self._limits.max_dimensions:
            _fail(f"has {rank} dimensions, allowed are {self._limits.max_dimensions}", code="shape", found=rank)
        shape = struct.unpack(f"<{rank}Q", self.take(8 * rank))
        if math.prod(max(dimension, 1) for dimension in shape) * size > _LARGEST:
            _fail("has dimensions beyond any memory", code="shape", found=shape)
        return shape

    def _tensor(self) -> Tensor:
        number = self.number("<B")
        element = _BY_NUMBER.get(number)
        if element is None:
            _fail(f"{number} is not an element type that can be carried", code="element", found=number)
        shape = self._shape(element.size)
        if any(self.take(-self._at % _ALIGNMENT)):
            _fail("padding is not zero", code="padding")
        data = self.take(math.prod(shape) * element.size)
        if element.name == "bool" and bytes(data).strip(b"\0\1"):
            _fail("a boolean is neither 0 nor 1", code="boolean")
        return Tensor(element.name, shape, data)

    def _strings(self) -> Strings:
        number = self.number("<B")
        if number != STRING:
            _fail(f"{number} is not the element type of strings", code="element", found=number)
        shape = self._shape(4)
        count = math.prod(shape)
        if 4 * count > len(self._view) - self._at:
            _fail(f"{count} strings do not fit into what is left", code="truncated")
        return Strings(shape, tuple(self.text(self.number("<I")) for _ in range(count)))

    def _map(self) -> Map:
        keys, values = self.value(MAX_VALUE_DEPTH), self.value(MAX_VALUE_DEPTH)
        if not isinstance(keys, Tensor | Strings) or not isinstance(values, Tensor | Strings):
            _fail("a map holds something other than tensors", code="map")
        if len(keys.shape) != 1 or keys.shape != values.shape:
            _fail(f"a map has keys {keys.shape} and values {values.shape}", code="map")
        return Map(keys, values)


def decode_values(body: Buffer, *, limits: Limits = DEFAULT) -> dict[str, Value]:
    """Named values from a body; tensors are views into it. Raises ``InputError`` (``frame.…``)."""
    reader = _Reader(memoryview(body), limits)
    out: dict[str, Value] = {}
    for _ in range(reader.number("<H")):
        name = reader.text(reader.number("<H"))
        if name in out:
            _fail(f"{shown(name)} is named twice", code="duplicate", found=name)
        out[name] = reader.value(0)
    reader.done()
    return out
