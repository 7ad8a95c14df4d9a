"""Between numpy arrays and the values of frames. Parent and worker both use it."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from mlsign.errors import InputError, shown
from mlsign.sandbox.values import Absent, Map, Sequence, Strings, Tensor, Value
from mlsign.tensors.bits import pack, unpack
from mlsign.tensors.dtypes import DTYPES, FOREIGN, RAW_DTYPES
from mlsign.tensors.elements import ELEMENTS

Array: TypeAlias = npt.NDArray[Any]
Result: TypeAlias = "Array | list[Result] | dict[int, Any] | dict[str, Any] | None"

_NAMES: Final = MappingProxyType({dtype: name for name, dtype in DTYPES.items()})
_SMALL_MAP: Final = 1024
_MAP_COMPARISONS: Final = 1 << 20
_FEWEST_ENTRIES: Final = 4
"""A map of more entries than ``_SMALL_MAP`` is built in steps of as many comparisons at most, but of some entries at least."""


def element_of(array: Array) -> str:
    """The ONNX element type of an array, ``string`` for texts, empty where there is none."""
    if array.dtype.kind in "UOT":
        return "string"
    return _NAMES.get(array.dtype.newbyteorder("<"), "")


def holds(array: Array, element: str) -> bool:
    """The array holds such elements: in numpy's type for them, as their bits, or in the type of ``ml_dtypes``.

    As ``.npy`` files have no word for the latter, bytes without a type are taken for whole elements of the size.
    """
    dtype = RAW_DTYPES.get(element)
    if dtype is None:
        return element_of(array) == element
    if array.dtype.kind == "V" and array.dtype.names is None and array.dtype.name.startswith("void"):
        return ELEMENTS[element].bits >= 8 and array.dtype.itemsize == dtype.itemsize
    return array.dtype.newbyteorder("<") == dtype or array.dtype.name == FOREIGN[element]


def encode_array(array: Array, *, element: str = "", where: str = "") -> Tensor | Strings:
    """An array as a value of ``element``, or of what numpy calls its type; its memory is referred to where it is contiguous.

    Raises ``InputError`` (``input.dtype``).
    """
    element = element or element_of(array)
    if element == "string":
        return _encode_texts(array, where=where)
    dtype = DTYPES.get(element)
    if dtype is None:
        return _encode_bits(array, element, where=where)
    if array.dtype is not dtype or not array.flags.c_contiguous:
        array = np.ascontiguousarray(array, dtype=dtype).reshape(array.shape)  # which makes a scalar a row
    if element == "bool":  # a view of bytes can hold other true values than 1, which nobody else takes for booleans
        array = np.asarray(array.view(np.uint8) != 0)
    return Tensor(element, array.shape, array.reshape(-1).view(np.uint8).data)


def _encode_texts(array: Array, *, where: str) -> Strings:
    items = array.reshape(-1).tolist()
    if not all(isinstance(item, str) for item in items):
        _refuse("holds objects that are not strings", "dtype", where=where, expected="string", found=str(array.dtype))
    try:
        "".join(items).encode("utf-8")
    except UnicodeEncodeError as err:
        raise InputError("holds half of a surrogate pair", code="input.dtype", where=shown(where)) from err
    return Strings(array.shape, tuple(items))


def _encode_bits(array: Array, element: str, *, where: str) -> Tensor:
    dtype = RAW_DTYPES.get(element)
    if dtype is None:
        _refuse(f"{array.dtype} is not an element type of ONNX", "dtype", where=where, found=str(array.dtype))
    bits = ELEMENTS[element].bits
    foreign = array.dtype.kind != "u"
    flat = (np.ascontiguousarray(array).view(dtype) if foreign else np.ascontiguousarray(array, dtype=dtype)).reshape(-1)
    if bits >= 8:
        return Tensor(element, array.shape, flat.view(np.uint8).data)
    if not foreign and flat.size and int(flat.max()) >= 2**bits:
        _refuse(f"holds more than the {bits} bits of {element}", "dtype", where=where, expected=element, found=str(flat.max()))
    return Tensor(element, array.shape, pack(flat, bits=bits).data)


def decode_array(value: Tensor | Strings) -> Array:
    """The array of a value, over the value's own memory; elements that share a byte are copied out of it."""
    if isinstance(value, Strings):
        out = np.empty(math.prod(value.shape), dtype=object)
        out[:] = value.items
        return out.reshape(value.shape)
    dtype = DTYPES.get(value.element)
    if dtype is not None:
        return np.frombuffer(value.data, dtype=dtype).reshape(value.shape)
    flat = np.frombuffer(value.data, dtype=RAW_DTYPES[value.element])
    bits = ELEMENTS[value.element].bits
    return (flat if bits >= 8 else unpack(flat, bits=bits, count=math.prod(value.shape))).reshape(value.shape)


def decode_result(value: Value, *, tick: Callable[[], object] = lambda: None) -> Result:
    """A result in Python's terms: arrays, lists for sequences, dictionaries for maps, None for absent optionals.

    ``tick`` is called for each, and may raise.
    """
    tick()
    match value:
        case Sequence(items):
            return [decode_result(item, tick=tick) for item in items]
        case Map(keys, values):
            return build_map(decode_array(keys).tolist(), decode_array(values).tolist(), tick=tick)
        case Absent():
            return None
        case _:
            return decode_array(value)


def build_map(keys: list[Any], values: list[Any], *, tick: Callable[[], object]) -> dict[Any, Any]:
    """A dictionary; ``tick`` is called often enough while it is built.

    Hashes of numbers can be foreseen. Keys can be chosen so that each is compared with most of those before it: hours
    for some millions of them, if nothing looks at the clock.
    """
    if len(keys) <= _SMALL_MAP:
        return dict(zip(keys, values, strict=True))
    out: dict[Any, Any] = {}
    step = max(_MAP_COMPARISONS // len(keys), _FEWEST_ENTRIES)
    for at in range(0, len(keys), step):
        out.update(zip(keys[at : at + step], values[at : at + step], strict=True))
        tick()
    return out


def _refuse(message: str, code: str, *, where: str, expected: str = "", found: str = "", hint: str = "") -> NoReturn:
    raise InputError(message, code=f"input.{code}", where=shown(where), expected=expected, found=found, hint=hint)
