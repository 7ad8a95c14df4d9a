"""Inputs drawn for a model from the types it declares: the same ones on every machine and by every version of numpy.

Every tensor has a stream of bytes of its own, SHAKE128 (FIPS 202) of what it is for, so none depends on another one. What is drawn of a
stream is written down in ``docs/golden.md``; ``GENERATOR`` changes with it.
"""

from __future__ import annotations

import hashlib
import math
import sys
from enum import Enum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mlsign.errors import InputError, shown
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.onnx.golden import GoldenTensor
from mlsign.onnx.golden_values import GoldenMap, GoldenOptional, GoldenSequence, GoldenValue
from mlsign.tensors.bits import are_floats, pack, to_floats
from mlsign.tensors.dtypes import DTYPES
from mlsign.tensors.elements import ELEMENTS

GENERATOR: Final = "mlsign golden inputs 1"

_WORDS: Final = ("a", "b", "c", "yes", "no", "red", "green", "Straße", "", "2.5")
_NUMERALS: Final = ("0", "1")
_IDS: Final = 10
"""Integers of 32 and 64 bits are most often ids, which have to be small; narrower ones most often are colours or sounds."""
_ITEMS: Final = 2
_ENTRIES: Final = 3
_ROWS: Final = ("rows",)
_SMALL_ROW: Final = 4096
"""Elements: more than a row of a table has, and fewer than a picture."""
_LEAST, _MOST = 1 / 16, 16.0
_TEXT_BYTES: Final = 8
_BLOCK: Final = 1 << 18

Bytes = npt.NDArray[np.uint8]


class Breadth(Enum):
    """How far values are drawn from each other: narrower ones suit more models and show less of each.

    Numbers that are ``FAR`` apart go up to 2040, as features do on which trees decide, such as an area or a price.
    """

    FAR = "far"
    WIDE = "wide"
    NARROW = "narrow"
    SINGLE = "single"


def breadths(number: int) -> tuple[Breadth, ...]:
    """What is tried for set ``number``, the first that suits the model. Every second set begins with numbers that are far apart."""
    return tuple(Breadth)[1 - number % 2 :]


def draw_inputs(
    inputs: tuple[ValueSpec, ...], *, number: int, breadth: Breadth = Breadth.WIDE, max_bytes: int
) -> dict[str, GoldenValue]:
    """Set ``number`` of values for these inputs, by name. A symbol is one size wherever it stands.

    Raises ``InputError`` (``golden.draw``) for a type that says too little to draw a value of it, and ``golden.size``.
    """
    drawing = _Drawing(inputs, number=number, breadth=breadth, left=max_bytes)
    return {spec.name: drawing.value(spec.type, name=spec.name, path=("input", spec.name)) for spec in inputs}


class _Drawing:
    """One set; ``left`` are the bytes that it may still take."""

    def __init__(self, inputs: tuple[ValueSpec, ...], *, number: int, breadth: Breadth, left: int) -> None:
        self._rows = _rows(inputs)
        self._number = number
        self._breadth = breadth
        self._most = self._left = left

    def value(self, type_: TypeSpec, *, name: str, path: tuple[str, ...]) -> GoldenValue:
        """A value of the type, as deep as the model's types are; what stands in another value has no name."""
        inner = type_.inner
        match type_.kind:
            case ValueKind.TENSOR:
                return self._tensor(type_, self._shape(type_, path), name=name, path=path)
            case ValueKind.OPTIONAL if inner is not None:
                nothing = self._number % 2 == 1 and self._is_wide
                return GoldenOptional(name=name, value=None if nothing else self.value(inner, name="", path=(*path, "some")))
            case ValueKind.SEQUENCE if inner is not None and inner.kind is ValueKind.TENSOR:
                items = tuple(self.value(inner, name="", path=(*path, str(index))) for index in range(_ITEMS))
                return GoldenSequence(name=name, items=items)
            case ValueKind.MAP if inner is not None and inner.kind is ValueKind.TENSOR:
                values = tuple(self._tensor(inner, (), name="", path=(*path, str(index))) for index in range(_ENTRIES))
                keys = _WORDS[:_ENTRIES] if type_.element == "string" else tuple(range(_ENTRIES))
                return GoldenMap(name=name, keys=keys, values=values)
            case _:
                raise _refusal(f"is {shown(type_)}, of which no value can be drawn", path, type_)

    def _shape(self, type_: TypeSpec, path: tuple[str, ...]) -> tuple[int, ...]:
        if type_.shape is None:
            raise _refusal("does not say how many dimensions it has, so no value of it can be drawn", path, type_)
        return tuple(
            dim if isinstance(dim, int) else self._size(_size_of(dim, axis, path)) for axis, dim in enumerate(type_.shape)
        )

    @property
    def _is_wide(self) -> bool:
        return self._breadth in (Breadth.WIDE, Breadth.FAR)

    def _size(self, path: tuple[str, ...]) -> int:
        """The size of an open dimension: 2 to 4, and 8 to 15 of the one that counts rows where they are small."""
        if not self._is_wide:
            return 2 if self._breadth is Breadth.NARROW else 1
        drawn = int(self._stream(path, 1)[0])
        return 8 + drawn % 8 if path in self._rows else 2 + drawn % 3

    def _stream(self, path: tuple[str, ...], count: int) -> Bytes:
        """So many bytes that follow from the generator, the number of the set and what they are for. Nothing else has the same ones."""
        parts = [part.encode("utf-8") for part in (GENERATOR, str(self._number), *path)]
        framed = b"".join(len(part).to_bytes(8, "little") + part for part in parts)
        return np.frombuffer(hashlib.shake_128(framed).digest(count), np.uint8)

    def _tensor(self, type_: TypeSpec, shape: tuple[int, ...], *, name: str, path: tuple[str, ...]) -> GoldenTensor:
        element, count = type_.element, math.prod(shape)
        text = element == "string"
        if not text and element not in ELEMENTS:
            raise _refusal(f"has elements of type {shown(element)}, of which none can be drawn", path, type_)
        size = max(_TEXT_BYTES if text else ELEMENTS[element].bits // 8, 1)
        self._left -= size * count
        # Beside a dimension of 0 others take no memory, and yet there is no array of just any size.
        if self._left < 0 or size * math.prod(dim or 1 for dim in shape) > sys.maxsize:
            raise InputError(
                f"asks for inputs of more than {self._most} bytes",
                code="golden.size",
                where=shown(path[1]),
                found=shown(type_),
                hint=_HINT,
            )
        if text:
            words = _WORDS if self._is_wide else _NUMERALS
            texts = tuple(words[byte % len(words)] for byte in self._stream(path, count).tolist())
            return GoldenTensor(name=name, element=element, shape=shape, texts=texts)
        return GoldenTensor(name=name, element=element, shape=shape, data=self._elements(element, path, count=count).tobytes())

    def _elements(self, element: str, path: tuple[str, ...], *, count: int) -> npt.NDArray[Any]:
        dtype, bits = DTYPES.get(element), ELEMENTS[element].bits
        if dtype is None:
            return self._bits(element, path, count=count)
        if dtype.kind == "f":
            return self._floats(path, dtype.str, count=count)
        if dtype.kind == "c":
            return self._floats(path, "<f4" if bits == 64 else "<f8", count=2 * count)
        if dtype.kind == "b":
            return (self._stream(path, count) % 2).astype(dtype)
        if self._breadth is Breadth.SINGLE:
            return np.ones(count, dtype)  # a shape of ones fits what has one element
        if self._breadth is Breadth.NARROW:
            return (self._stream(path, count) % 2).astype(dtype)
        if bits <= 16:
            return self._stream(path, count * bits // 8)
        return (self._stream(path, count) % _IDS).astype(dtype)

    def _floats(self, path: tuple[str, ...], dtype: str, *, count: int) -> npt.NDArray[Any]:
        """Seven bits of fraction, which every type of 16 bits and more holds exactly."""
        drawn = self._stream(path, 2 * count).view("<u2")
        out = np.empty(count, dtype)
        for at in range(0, count, _BLOCK):  # a hostile model asks for many, and what is between takes ten times as much
            out[at : at + _BLOCK] = self._spread(drawn[at : at + _BLOCK].astype(np.int64))
        return out

    def _spread(self, drawn: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        fraction = drawn & 127
        if not self._is_wide:
            return (fraction + 1) / 128.0
        exponent = (drawn >> 7 & 7) * (2 if self._breadth is Breadth.FAR else 1) - 4
        sign = 1.0 - 2.0 * (drawn >> 10 & 1)
        numbers: npt.NDArray[np.float64] = np.ldexp(sign * (1.0 + fraction / 128.0), exponent)
        return numbers

    def _bits(self, element: str, path: tuple[str, ...], *, count: int) -> npt.NDArray[Any]:
        """Elements that numpy has no name for, as their bits; below a byte several in each."""
        if element == "bfloat16":
            single = self._floats(path, "<f4", count=count)
            return (single.view("<u4") >> 16).astype("<u2")
        bits = ELEMENTS[element].bits
        codes = np.arange(2**bits, dtype=np.uint8)
        wide = self._is_wide
        if are_floats(element):
            numbers = to_floats(codes, element)
            codes = codes[(np.abs(numbers) >= _LEAST) & (np.abs(numbers) <= _MOST) if wide else (numbers > 0) & (numbers <= 1)]
        elif not wide:
            codes = codes[:2] if self._breadth is Breadth.NARROW else codes[1:2]
        drawn = codes[self._stream(path, count) % len(codes)]
        return drawn if bits == 8 else pack(drawn, bits=bits)


def _size_of(dim: int | str | None, axis: int, path: tuple[str, ...]) -> tuple[str, ...]:
    """What an open dimension is the size of: a symbol, the rows of all inputs that begin with an open one, or something of its own."""
    if dim is not None:
        return ("size", str(dim))
    return _ROWS if axis == 0 and len(path) == 2 else (*path, str(axis))


def _rows(inputs: tuple[ValueSpec, ...]) -> frozenset[tuple[str, ...]]:
    """What the first dimensions of the inputs are the sizes of, where many rows of all of them take little."""
    shapes = [spec.type.shape for spec in inputs if spec.type.kind is ValueKind.TENSOR and spec.type.shape]
    counting = [shape for shape in shapes if not isinstance(shape[0], int)]
    if any(math.prod(dim if isinstance(dim, int) else 4 for dim in shape[1:]) > _SMALL_ROW for shape in counting):
        return frozenset()
    return frozenset(_size_of(shape[0], 0, ("input", "")) for shape in counting)


_HINT: Final = "give inputs that suit the model with --golden-from FILE"


def _refusal(words: str, path: tuple[str, ...], type_: TypeSpec) -> InputError:
    return InputError(words, code="golden.draw", where=shown(path[1]), found=shown(type_), hint=_HINT)
