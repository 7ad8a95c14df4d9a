"""Named values in the body of a frame: tensors, strings, sequences and maps, to bytes and back.

Pure and without numpy. Everything decoded here may come from a worker that a hostile model has taken over:
no length sizes anything before it was held against the bytes that are there. With ``declared``, the types of
the model decide what may stand where, before anything is built; every object is charged at what it costs in
memory, not at the byte it was sent as; and ``tick`` is called every so often, so that a deadline can end it.

Layout, little-endian: count (u16), then for each value the name's length (u16), the name, and the value. A
value is a tag (u8) and: a tensor, its element type (u8, ``TensorProto.DataType``), rank (u8), dimensions (u64
each), zero bytes up to the next multiple of 64 in the body, elements; strings, the same without padding, each
string with its length (u32); a sequence, a count (u32) and values; a map, its keys and its values, each of one
dimension and the same length.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from mlsign.errors import InputError, shown
from mlsign.interface import TypeSpec
from mlsign.limits import DEFAULT, MIB, Limits
from mlsign.sandbox.kinds import Tag, admit
from mlsign.tensors.elements import BY_NUMBER, ELEMENTS, STRING, Element

MAX_VALUE_DEPTH: Final = 8
"""Sequences of sequences; onnxruntime itself makes sequences of tensors and sequences of maps."""

MAX_OBJECTS: Final = 32 * MIB
"""Strings, tensors, map entries and the like in one result; a million rows of maps of two entries are sixteen million."""

OBJECT_BYTES: Final = 100
"""What a Python object is charged at: 40 MB of one-byte values would otherwise become gigabytes."""

_TENSOR_OBJECTS: Final = 4
"""A tensor is a view, a shape and an array besides its elements."""

_TICK_OBJECTS: Final = 1024

_ALIGNMENT: Final = 64
"""As onnxruntime aligns its own memory: no kernel is slower on what lies in a body."""

_LARGEST: Final = 2**62
_TEXT: Final = Element("string", STRING, 64)
"""A string takes at least a pointer in an array of objects, also in one of no elements: numpy sizes the other dimensions."""

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Tensor:
    """Elements in C order, little-endian; ``data`` has exactly the bytes that type and shape ask for.

    Elements below a byte are packed, the first in the low bits; the bits behind the last one say nothing.
    """

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

_TAGS: Final = ((Tensor, Tag.TENSOR), (Strings, Tag.STRINGS), (Sequence, Tag.SEQUENCE), (Map, Tag.MAP), (Absent, Tag.ABSENT))
_ABSENT: Final = Absent()


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


def _no_tick() -> None:
    return None


class _Reader:
    """A position in a body; everything taken from it is bounded by what is left, and by ``memory`` bytes of objects."""

    __slots__ = ("_at", "_limits", "_memory", "_objects", "_tick", "_ticked", "_view")

    def __init__(self, view: memoryview, limits: Limits, *, memory: int | None, tick: Callable[[], object]) -> None:
        self._view = view
        self._at = 0
        self._limits = limits
        self._memory = memory
        self._objects = 0
        self._ticked = 0
        self._tick = tick

    def charge(self, objects: int, extra: int = 0) -> None:
        """Accounts for objects that are about to be built. Raises ``InputError`` (``frame.objects``)."""
        self._objects += objects
        if self._memory is not None:
            self._memory -= objects * OBJECT_BYTES + extra
            if self._memory < 0 or self._objects > MAX_OBJECTS:
                _fail("holds more objects than may be built in memory", code="objects", found=self._objects)
        if self._objects - self._ticked >= _TICK_OBJECTS:
            self._ticked = self._objects
            self._tick()

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
        data = bytes(self.take(length))
        self.charge(1, length if data.isascii() else 4 * length)  # one wide character makes all of them four bytes wide
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as err:
            raise InputError("a string is not UTF-8", code="frame.encoding") from err

    def done(self) -> None:
        if self._at != len(self._view):
            _fail(f"{len(self._view) - self._at} bytes are left over", code="trailing")

    def value(self, depth: int, declared: TypeSpec | None = None) -> Value:
        tag = self.number("<B")
        if declared is not None:
            declared = admit(tag, declared)
        match tag:
            case Tag.TENSOR:
                return self._tensor()
            case Tag.STRINGS:
                return self._strings()
            case Tag.SEQUENCE:
                if depth >= MAX_VALUE_DEPTH:
                    _fail(f"sequences are nested deeper than {MAX_VALUE_DEPTH} levels", code="depth")
                return self._sequence(depth, declared.inner if declared is not None else None)
            case Tag.MAP:
                return self._map()
            case Tag.ABSENT:
                self.charge(1)
                return _ABSENT
            case _:
                _fail(f"{tag} is not a kind of value", code="tag", found=tag)

    def _sequence(self, depth: int, inner: TypeSpec | None) -> Sequence:
        count = self.number("<I")
        if count > len(self._view) - self._at:
            _fail(f"a sequence of {count} does not fit into what is left", code="truncated")
        self.charge(count + 1)  # their places; what stands in them is charged when it comes
        return Sequence(tuple(self.value(depth + 1, inner) for _ in range(count)))

    def _shape(self, element: Element) -> tuple[int, ...]:
        rank = self.number("<B")
        if rank > self._limits.max_dimensions:
            _fail(f"has {rank} dimensions, allowed are {self._limits.max_dimensions}", code="shape", found=rank)
        shape = struct.unpack(f"<{rank}Q", self.take(8 * rank))
        if element.bytes_of(math.prod(max(dimension, 1) for dimension in shape)) > _LARGEST:
            _fail("has dimensions beyond any memory", code="shape", found=shape)
        if 0 in shape:  # 2**40 rows of no columns take no bytes here, and all memory once they are lists
            self.charge(math.prod(max(dimension, 1) for dimension in shape))
        return shape

    def _tensor(self) -> Tensor:
        self.charge(_TENSOR_OBJECTS)
        number = self.number("<B")
        element = BY_NUMBER.get(number)
        if element is None:
            _fail(f"{number} is not an element type that can be carried", code="element", found=number)
        shape = self._shape(element)
        if any(self.take(-self._at % _ALIGNMENT)):
            _fail("padding is not zero", code="padding")
        count = math.prod(shape)
        data = self.take(element.bytes_of(count))
        if element.bits < 8:
            self.charge(0, count)  # numpy gives each a byte of its own
        if element.name == "bool":
            self._check_booleans(data)
        return Tensor(element.name, shape, data)

    def _check_booleans(self, data: memoryview) -> None:
        for start in range(0, len(data), MIB):
            if bytes(data[start : start + MIB]).translate(None, b"\0\1"):
                _fail("a boolean is neither 0 nor 1", code="boolean")
            self._tick()

    def _strings(self) -> Strings:
        self.charge(_TENSOR_OBJECTS)
        number = self.number("<B")
        if number != STRING:
            _fail(f"{number} is not the element type of strings", code="element", found=number)
        shape = self._shape(_TEXT)
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
        self.charge(1 + 2 * keys.shape[0])  # it becomes a dictionary of as many entries
        return Map(keys, values)


def decode_values(
    body: Buffer,
    *,
    limits: Limits = DEFAULT,
    declared: Mapping[str, TypeSpec] | None = None,
    tick: Callable[[], object] = _no_tick,
) -> dict[str, Value]:
    """Named values from a body; tensors are views into it. Raises ``InputError`` (``frame.…``), and what ``tick`` raises.

    With ``declared``, names and kinds are those (``frame.name``, ``frame.undeclared``; one that is missing is for the
    caller to see), and what is built takes no more than ``limits.max_output_bytes`` (``frame.objects``). Without,
    the bytes are the parent's own.
    """
    memory = limits.max_output_bytes if declared is not None else None
    reader = _Reader(memoryview(body), limits, memory=memory, tick=tick)
    out: dict[str, Value] = {}
    for _ in range(reader.number("<H")):
        name = reader.text(reader.number("<H"))
        if name in out:
            _fail(f"{shown(name)} is named twice", code="duplicate", found=name)
        if declared is not None and name not in declared:
            _fail(f"{shown(name)} is not declared", code="name", found=name)
        try:
            out[name] = reader.value(0, declared[name] if declared is not None else None)
        except InputError as err:
            raise InputError(err.message, code=err.code, where=shown(name), found=err.found) from err
    reader.done()
    return out
