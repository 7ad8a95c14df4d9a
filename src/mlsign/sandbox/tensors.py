"""Feeds held against what a model takes, in the parent, before the worker sees anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from mlsign.errors import InputError, shown
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.limits import DEFAULT, Limits
from mlsign.sandbox.arrays import Array, Result, encode_array, holds
from mlsign.sandbox.kinds import why_not_fed
from mlsign.sandbox.values import OBJECT_BYTES, Absent, Map, Sequence, Strings, Tensor, Value
from mlsign.tensors.dtypes import DTYPES, FOREIGN, RAW_DTYPES

__all__ = ["DTYPES", "RAW_DTYPES", "Array", "Result", "check_feeds", "describe_inputs"]


def describe_inputs(inputs: tuple[ValueSpec, ...]) -> str:
    """Every input with its type and shape, for messages."""
    return ", ".join(f"{shown(spec.name)}: {shown(spec.type)}" for spec in inputs)


def check_feeds(feeds: Mapping[str, Any], *, inputs: tuple[ValueSpec, ...], limits: Limits = DEFAULT) -> dict[str, Value]:
    """The feeds as values of a frame; they are what ``inputs`` asks for, in names, types and shapes.

    Tensors are arrays, sequences lists, maps dictionaries, and optionals None or left out. Symbolic dimensions have one size
    each across all inputs. Raises ``InputError`` (``input.name``, ``input.missing``, ``input.dtype``, ``input.shape``,
    ``input.kind``, ``input.size``).
    """
    check = _Check(inputs, limits.max_input_bytes)
    out: dict[str, Value] = {}
    absent = 0
    for spec in inputs:
        name = spec.name
        if name in feeds:
            out[name] = check.value(feeds[name], spec.type, name)
        elif spec.type.kind is ValueKind.OPTIONAL:
            out[name] = Absent()
            absent += 1
        else:
            check.unknown(feeds)
            wanted = describe_inputs(inputs)
            _refuse(f"input {shown(name)} is missing, the model takes {wanted}", "missing", where=name, expected=wanted)
    if len(out) - absent != len(feeds):
        check.unknown(feeds)
    return out


class _Check:
    """What one call has said so far: the sizes of symbols, and the bytes that are left."""

    __slots__ = ("inputs", "left", "most", "symbols")

    def __init__(self, inputs: tuple[ValueSpec, ...], most: int) -> None:
        self.inputs = inputs
        self.most = self.left = most
        self.symbols: dict[str, tuple[int, str]] = {}

    def unknown(self, feeds: Mapping[str, Any]) -> None:
        known = {spec.name for spec in self.inputs}
        for name in feeds:
            if name not in known:
                wanted = describe_inputs(self.inputs)
                _refuse(f"the model has no input {shown(name)}, it takes {wanted}", "name", where=name, expected=wanted)

    def spend(self, count: int, where: str) -> None:
        self.left -= count
        if self.left < 0:
            _refuse(f"the inputs have more than {self.most} bytes", "size", where=where)

    def value(self, value: Any, type_: TypeSpec, where: str, *, inside: bool = False) -> Value:
        """``inside`` a sequence or a map a symbol is a size of its own for every element."""
        kind = type_.kind
        if kind is ValueKind.TENSOR:
            return self._tensor(value, type_, where, inside=inside)
        if kind is ValueKind.OPTIONAL and value is None:
            return Absent()
        if reason := why_not_fed(type_):
            _refuse(
                f"input {shown(where)} is {shown(type_)}, which cannot be fed: {reason}", "kind", where=where, found=shown(type_)
            )
        if kind is ValueKind.OPTIONAL and type_.inner is not None:
            return self.value(value, type_.inner, where, inside=inside)
        if kind is ValueKind.SEQUENCE and type_.inner is not None:
            return self._sequence(value, type_.inner, where)
        return self._map(value, type_, where)

    def _takes(self) -> str:
        return f"the model takes {describe_inputs(self.inputs)}"

    def _tensor(self, array: Any, type_: TypeSpec, where: str, *, inside: bool) -> Tensor | Strings:
        element = type_.element
        if not isinstance(array, np.ndarray):
            _refuse(
                f"input {shown(where)} is {type(array).__name__}, expected a numpy array, {self._takes()}",
                "dtype",
                where=where,
                expected="ndarray",
            )
        array = np.asarray(array)  # a matrix, say, is never of one dimension, whatever it is reshaped to
        if array.dtype is not DTYPES.get(element) and not holds(array, element):
            self._wrong_element(array, type_, where)
        if type_.shape is not None:
            self._shape(array, type_, where, inside=inside)
        cost = _cost(array)
        self.spend(cost, where)
        value = encode_array(array, element=element, where=where)
        self.left += cost
        self.spend(_weight(value), where)
        return value

    def _wrong_element(self, array: Array, type_: TypeSpec, where: str) -> NoReturn:
        element = type_.element
        if reason := why_not_fed(type_):
            _refuse(
                f"input {shown(where)} is {shown(type_)}, which cannot be fed: {reason}", "kind", where=where, found=shown(type_)
            )
        hint = "give an array of str"
        if element in DTYPES:
            hint = f"cast it: array.astype({str(DTYPES[element])!r})"
        elif element in RAW_DTYPES:
            hint = f"give its bits in an array of {RAW_DTYPES[element]}, or an array of ml_dtypes.{FOREIGN[element]}"
        _refuse(
            f"input {shown(where)} is {array.dtype}, {self._takes()}",
            "dtype",
            where=where,
            expected=element,
            found=str(array.dtype),
            hint=hint,
        )

    def _shape(self, array: Array, type_: TypeSpec, where: str, *, inside: bool) -> None:
        dims, found = type_.shape or (), array.shape
        if len(dims) != len(found):
            message = f"input {shown(where)} has {len(found)} dimensions, {self._takes()}"
            _refuse(message, "shape", where=where, expected=shown(type_), found=str(found))
        for axis, (dim, size) in enumerate(zip(dims, found, strict=True)):
            if dim == size or dim is None:
                continue
            if isinstance(dim, int):
                message = f"input {shown(where)} has size {size} in dimension {axis}, {self._takes()}"
                _refuse(message, "shape", where=where, expected=shown(type_), found=str(found))
            first, name = (size, where) if inside else self.symbols.setdefault(dim, (size, where))
            if first != size:
                message = f"{shown(dim)} is {first} in input {shown(name)} and {size} in input {shown(where)}"
                _refuse(message, "shape", where=where, expected=str(first), found=str(size))

    def _sequence(self, items: Any, inner: TypeSpec, where: str) -> Sequence:
        if not isinstance(items, list | tuple):
            _refuse(
                f"input {shown(where)} is {type(items).__name__}, expected a list of {shown(inner)}",
                "dtype",
                where=where,
                expected="list",
                hint=_instead_of(items),
            )
        self.spend(len(items) * OBJECT_BYTES, where)
        return Sequence(tuple(self.value(item, inner, f"{where}[{index}]", inside=True) for index, item in enumerate(items)))

    def _map(self, items: Any, type_: TypeSpec, where: str) -> Map:
        if not isinstance(items, dict):
            _refuse(
                f"input {shown(where)} is {type(items).__name__}, expected a dictionary for {shown(type_)}",
                "dtype",
                where=where,
                expected="dict",
                hint=_instead_of(items),
            )
        if not items:
            _refuse(
                f"input {shown(where)} is an empty map, which onnxruntime does not take",
                "shape",
                where=where,
                expected=shown(type_),
                found="{}",
            )
        self.spend(2 * len(items) * OBJECT_BYTES, where)
        keys, numbers = list(items), list(items.values())
        allowed: tuple[type, ...] = (str,) if type_.element == "string" else (int, np.integer)
        for key in keys:
            if isinstance(key, bool) or not isinstance(key, allowed):
                _refuse(
                    f"input {shown(where)} is a map with a key that is {type(key).__name__}",
                    "dtype",
                    where=where,
                    expected=shown(type_),
                )
        return Map(self._keys(keys, type_, where), self._floats(numbers, where))

    def _keys(self, keys: list[Any], type_: TypeSpec, where: str) -> Tensor | Strings:
        if type_.element == "string":
            column = np.empty(len(keys), dtype=object)
            column[:] = keys
            value = encode_array(column, element="string", where=where)
            self.spend(_weight(value), where)
            return value
        try:
            return encode_array(np.array(keys, dtype=np.int64), element="int64")
        except OverflowError:
            _refuse(f"input {shown(where)} is a map with a key beyond 64 bits", "dtype", where=where, expected=shown(type_))

    def _floats(self, numbers: list[Any], where: str) -> Tensor | Strings:
        """As onnxruntime converts them: to a double first."""
        for item in numbers:
            if isinstance(item, bool) or not isinstance(item, int | float | np.integer | np.floating):
                _refuse(
                    f"input {shown(where)} is a map with a value that is {type(item).__name__}",
                    "dtype",
                    where=where,
                    expected="numbers",
                )
        try:
            wide = np.array(numbers, dtype=np.float64)
        except OverflowError:
            wide = np.full(1, np.finfo(np.float64).max)
        with np.errstate(over="ignore"):
            narrow = wide.astype(np.float32)
        if bool(np.any(np.isinf(narrow) & ~np.isinf(wide))):
            _refuse(f"input {shown(where)} is a map with a number too large for float", "dtype", where=where, expected="float")
        return encode_array(narrow, element="float")


def _cost(array: Array) -> int:
    """What an array takes at least once it is a value, known before any of it is copied: each text becomes an object."""
    return array.nbytes if array.dtype.kind not in "UOT" else max(array.nbytes, array.size * OBJECT_BYTES)


def _weight(value: Tensor | Strings) -> int:
    return len(value.data) if isinstance(value, Tensor) else sum(OBJECT_BYTES + 4 * len(item) for item in value.items)


def _instead_of(items: Any) -> str:
    """What to give where an array is no sequence and no map, as all that a file of arrays holds."""
    return (
        "files of arrays hold no sequences and maps: give a .json file, with lists and objects"
        if isinstance(items, np.ndarray)
        else ""
    )


def _refuse(message: str, code: str, *, where: str, expected: str = "", found: str = "", hint: str = "") -> NoReturn:
    raise InputError(message, code=f"input.{code}", where=shown(where), expected=expected, found=found, hint=hint)
