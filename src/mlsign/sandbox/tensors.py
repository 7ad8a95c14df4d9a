"""Between numpy arrays and the values of frames; and feeds held against what a model takes.

Parent and worker both use it. ``check_feeds`` runs in the parent before the worker sees anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from mlsign.errors import InputError, shown
from mlsign.interface import ValueKind, ValueSpec
from mlsign.limits import DEFAULT, Limits
from mlsign.sandbox.elements import ELEMENTS
from mlsign.sandbox.values import OBJECT_BYTES, Absent, Map, Sequence, Strings, Tensor, Value

Array: TypeAlias = npt.NDArray[Any]
Result: TypeAlias = "Array | list[Result] | dict[int, Any] | dict[str, Any] | None"

DTYPES: Final[Mapping[str, np.dtype[Any]]] = MappingProxyType(
    {
        "float": np.dtype("<f4"),
        "double": np.dtype("<f8"),
        "float16": np.dtype("<f2"),
        "int8": np.dtype("i1"),
        "int16": np.dtype("<i2"),
        "int32": np.dtype("<i4"),
        "int64": np.dtype("<i8"),
        "uint8": np.dtype("u1"),
        "uint16": np.dtype("<u2"),
        "uint32": np.dtype("<u4"),
        "uint64": np.dtype("<u8"),
        "bool": np.dtype("?"),
        "complex64": np.dtype("<c8"),
        "complex128": np.dtype("<c16"),
    }
)
RAW_DTYPES: Final[Mapping[str, np.dtype[Any]]] = MappingProxyType(
    {"bfloat16": np.dtype("<u2")} | {name: np.dtype("u1") for name in ELEMENTS if name not in DTYPES and name != "bfloat16"}
)
"""Arrays of elements that numpy has no name for hold their bits, one element in each; those of less than a byte in its low bits."""

_NAMES: Final = MappingProxyType({dtype: name for name, dtype in DTYPES.items()})


def element_of(array: Array) -> str:
    """The ONNX element type of an array, ``string`` for texts, empty where there is none."""
    if array.dtype.kind in "UO":
        return "string"
    return _NAMES.get(array.dtype.newbyteorder("<"), "")


def describe_inputs(inputs: tuple[ValueSpec, ...]) -> str:
    """Every input with its type and shape, for messages."""
    return ", ".join(f"{shown(spec.name)}: {shown(spec.type)}" for spec in inputs)


def check_feeds(
    feeds: Mapping[str, Array], *, inputs: tuple[ValueSpec, ...], limits: Limits = DEFAULT
) -> dict[str, Tensor | Strings]:
    """The feeds as values of a frame; they are what ``inputs`` asks for, in names, types and shapes.

    Symbolic dimensions have one size each across all inputs. Raises ``InputError`` (``input.name``,
    ``input.missing``, ``input.dtype``, ``input.shape``, ``input.kind``, ``input.size``).
    """
    known = {spec.name: spec for spec in inputs}
    for name in feeds:
        if name not in known:
            wanted = describe_inputs(inputs)
            _refuse(f"the model has no input {shown(name)}, it takes {wanted}", "name", where=name, expected=wanted)
    symbols: dict[str, tuple[int, str]] = {}
    out: dict[str, Tensor | Strings] = {}
    total = 0
    for spec in inputs:
        if spec.name not in feeds:
            wanted = describe_inputs(inputs)
            _refuse(f"input {shown(spec.name)} is missing, the model takes {wanted}", "missing", where=spec.name, expected=wanted)
        array = feeds[spec.name]
        _check_type(array, spec, inputs)
        _check_shape(array, spec, symbols, inputs)
        total += _cost(array)
        if total > limits.max_input_bytes:
            _refuse(f"the inputs have more than {limits.max_input_bytes} bytes", "size", where=spec.name)
        value = encode_array(array, where=spec.name)
        total += _weight(value) - _cost(array)
        if total > limits.max_input_bytes:
            _refuse(f"the inputs have more than {limits.max_input_bytes} bytes", "size", where=spec.name)
        out[spec.name] = value
    return out


def _cost(array: Array) -> int:
    """What an array takes at least once it is a value, known before any of it is copied: each text becomes an object."""
    return array.nbytes if array.dtype.kind not in "UO" else max(array.nbytes, array.size * OBJECT_BYTES)


def _weight(value: Tensor | Strings) -> int:
    return len(value.data) if isinstance(value, Tensor) else sum(OBJECT_BYTES + 4 * len(item) for item in value.items)


def _refuse(message: str, code: str, *, where: str, expected: str = "", found: str = "", hint: str = "") -> NoReturn:
    raise InputError(message, code=f"input.{code}", where=shown(where), expected=expected, found=found, hint=hint)


def _check_type(array: Array, spec: ValueSpec, inputs: tuple[ValueSpec, ...]) -> None:
    if spec.type.kind is not ValueKind.TENSOR or spec.type.element not in (*DTYPES, "string"):
        message = f"input {shown(spec.name)} is {shown(spec.type)}, which cannot be fed; only tensors that numpy carries can"
        _refuse(message, "kind", where=spec.name, found=shown(spec.type))
    if not isinstance(array, np.ndarray):
        _refuse(f"input {shown(spec.name)} is {type(array).__name__}, expected a numpy array", "dtype", where=spec.name)
    if element_of(array) != spec.type.element:
        dtype = DTYPES.get(spec.type.element)
        hint = f"cast it: array.astype({str(dtype)!r})" if dtype is not None else "give an array of str"
        message = f"input {shown(spec.name)} is {array.dtype}, the model takes {describe_inputs(inputs)}"
        _refuse(message, "dtype", where=spec.name, expected=spec.type.element, found=str(array.dtype), hint=hint)


def _check_shape(array: Array, spec: ValueSpec, symbols: dict[str, tuple[int, str]], inputs: tuple[ValueSpec, ...]) -> None:
    dims = spec.type.shape
    if dims is None:
        return
    found = str(array.shape)
    if len(dims) != array.ndim:
        message = f"input {shown(spec.name)} has {array.ndim} dimensions, the model takes {describe_inputs(inputs)}"
        _refuse(message, "shape", where=spec.name, expected=shown(spec.type), found=found)
    for axis, (dim, size) in enumerate(zip(dims, array.shape, strict=True)):
        if isinstance(dim, int) and dim != size:
            message = f"input {shown(spec.name)} has {size} in dimension {axis}, the model takes {describe_inputs(inputs)}"
            _refuse(message, "shape", where=spec.name, expected=shown(spec.type), found=found)
        if isinstance(dim, str) and symbols.setdefault(dim, (size, spec.name))[0] != size:
            first, name = symbols[dim]
            message = f"{shown(dim)} is {first} in input {shown(name)} and {size} in input {shown(spec.name)}"
            _refuse(message, "shape", where=spec.name, expected=str(first), found=str(size))


def encode_array(array: Array, *, where: str = "") -> Tensor | Strings:
    """An array as a value; its memory is referred to where it is contiguous. Raises ``InputError`` (``input.dtype``)."""
    element = element_of(array)
    if element == "string":
        items = array.reshape(-1).tolist()
        if not all(isinstance(item, str) for item in items):
            _refuse("holds objects that are not strings", "dtype", where=where, expected="string", found=str(array.dtype))
        try:
            "".join(items).encode("utf-8")
        except UnicodeEncodeError as err:
            raise InputError("holds half of a surrogate pair", code="input.dtype", where=shown(where)) from err
        return Strings(array.shape, tuple(items))
    if not element:
        _refuse(f"{array.dtype} is not an element type of ONNX", "dtype", where=where, found=str(array.dtype))
    flat = np.ascontiguousarray(array, dtype=DTYPES[element]).reshape(-1)
    return Tensor(element, array.shape, flat.view(np.uint8).data)


def decode_array(value: Tensor | Strings) -> Array:
    """The array of a value, over the value's own memory."""
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


def pack(flat: Array, *, bits: int) -> Array:
    """Bytes of several elements, the first in the low bits, from bytes of one each; what lies above their bits is dropped."""
    lanes = 8 // bits
    padded = np.zeros(-(-flat.size // lanes) * lanes, np.uint8)
    padded[: flat.size] = flat & (2**bits - 1)
    out = np.zeros(padded.size // lanes, np.uint8)
    for lane in range(lanes):
        out |= padded[lane::lanes] << (lane * bits)
    return out


def unpack(packed: Array, *, bits: int, count: int) -> Array:
    """The reverse of ``pack``, of the first ``count`` elements."""
    lanes = 8 // bits
    out = np.empty(packed.size * lanes, np.uint8)
    for lane in range(lanes):
        out[lane::lanes] = (packed >> (lane * bits)) & (2**bits - 1)
    return out[:count]


def decode_result(value: Value, *, tick: Callable[[], object] = lambda: None) -> Result:
    """A result in Python's terms: arrays, lists for sequences, dictionaries for maps, None for absent optionals.

    ``tick`` is called for each, and may raise.
    """
    tick()
    match value:
        case Sequence(items):
            return [decode_result(item, tick=tick) for item in items]
        case Map(keys, values):
            return dict(zip(decode_array(keys).tolist(), decode_array(values).tolist(), strict=True))
        case Absent():
            return None
        case _:
            return decode_array(value)
