"""Between the tensors of the Open Inference Protocol and arrays: the only module here that knows numpy.

Inputs in binary are views of the body that came, and nothing is allocated for a shape before as many bytes or elements are there as it
announces. Whether the model takes such an array is decided where it is run.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from mlsign.errors import InputError, JailError, shown
from mlsign.serving.carriage import Form, Interface, TensorSpec
from mlsign.serving.request import LONG_TEXTS, InferRequest, RequestInput
from mlsign.strict import JsonValue, describe

Array: TypeAlias = npt.NDArray[Any]
Buffer: TypeAlias = "bytes | bytearray | memoryview"

_DTYPES: Final[Mapping[str, np.dtype[Any]]] = MappingProxyType(
    {
        "BOOL": np.dtype("?"),
        "INT8": np.dtype("i1"),
        "INT16": np.dtype("<i2"),
        "INT32": np.dtype("<i4"),
        "INT64": np.dtype("<i8"),
        "UINT8": np.dtype("u1"),
        "UINT16": np.dtype("<u2"),
        "UINT32": np.dtype("<u4"),
        "UINT64": np.dtype("<u8"),
        "FP16": np.dtype("<f2"),
        "FP32": np.dtype("<f4"),
        "FP64": np.dtype("<f8"),
        "BF16": np.dtype("<u2"),
    }
)
"""numpy has no bfloat16: its sixteen bits are handed on as they are."""

_TEXT: Final = "BYTES"
_LENGTH: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedOutput:
    """An output ready to be sent: ``raw`` behind the JSON, or ``data`` within it."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    raw: Buffer | None = None
    data: list[Any] | None = None
    parameters: Mapping[str, str | bool]


def decode_inputs(request: InferRequest, payload: memoryview, *, interface: Interface) -> dict[str, Array | None]:
    """The inputs as arrays by name, over ``payload`` where they came in binary; an optional one that was left out is None.

    Raises ``InputError`` (``infer.…``, ``input.name``). ``payload`` is what follows the JSON, of exactly the announced length.
    """
    known = {spec.name: spec for spec in interface.inputs}
    out: dict[str, Array | None] = {}
    at = 0
    for given in request.inputs:
        spec = known.get(given.name)
        if spec is None:
            wanted = ", ".join(f"{shown(each.name)}: {each.datatype}" for each in interface.inputs)
            raise InputError(f"the model has no input {shown(given.name)}, it takes {wanted}", code="input.name", expected=wanted)
        if given.datatype != spec.datatype:
            _refuse(given, f"is {shown(given.datatype)}, the model takes {spec.datatype}", "datatype", expected=spec.datatype)
        if given.binary is None:
            out[given.name] = _from_json(given)
        else:
            out[given.name] = _from_binary(given, payload[at : at + given.binary])
            at += given.binary
    for spec in interface.inputs:
        if spec.form is Form.OPTIONAL:
            out.setdefault(spec.name, None)
    return out


def _refuse(given: RequestInput, message: str, code: str, *, expected: str = "", hint: str = "") -> NoReturn:
    raise InputError(f"input {shown(given.name)} {message}", code=f"infer.{code}", expected=expected, hint=hint)


def _from_binary(given: RequestInput, raw: memoryview) -> Array:
    if given.datatype == _TEXT:
        return _texts_from_binary(given, raw)
    dtype = _DTYPES[given.datatype]
    wanted = given.count * dtype.itemsize
    if wanted != len(raw):
        shape = list(given.shape)
        _refuse(given, f"has {len(raw)} bytes, {given.datatype} of shape {shape} takes {wanted}", "bytes", expected=str(wanted))
    if dtype.kind == "b" and len(raw) and np.frombuffer(raw, np.uint8).max() > 1:
        # A bool that is 2 is neither true nor false to what is compiled to trust it.
        _refuse(given, "has a byte in BOOL that is neither 0 nor 1", "value")
    array = np.frombuffer(raw, dtype=dtype).reshape(given.shape)
    return array if array.flags.aligned else array.copy()


def _texts_from_binary(given: RequestInput, raw: memoryview) -> Array:
    if given.count * _LENGTH.size > len(raw):
        _refuse(given, f"has {len(raw)} bytes, {given.count} elements of BYTES take at least four each", "bytes")
    texts: list[str] = []
    at = 0
    while at < len(raw):
        if len(texts) == given.count or len(raw) - at < _LENGTH.size:
            _refuse(given, f"has other elements of BYTES than the {given.count} of its shape", "bytes")
        (length,) = _LENGTH.unpack_from(raw, at)
        at += _LENGTH.size
        if length > len(raw) - at:
            _refuse(given, f"announces a text of {length} bytes, {len(raw) - at} are left", "bytes")
        try:
            texts.append(str(raw[at : at + length], "utf-8"))
        except UnicodeDecodeError as err:
            message = f"input {shown(given.name)} has a text that is not UTF-8"
            raise InputError(message, code="infer.encoding", hint="a string of ONNX is UTF-8") from err
        at += length
    if len(texts) != given.count:
        _refuse(given, f"has {len(texts)} elements of BYTES, its shape has {given.count}", "bytes")
    return _objects(texts).reshape(given.shape)


def _objects(texts: list[str]) -> Array:
    out = np.empty(len(texts), dtype=object)
    out[:] = texts
    return out


def _from_json(given: RequestInput) -> Array:
    flat = _flat(given)
    found = set(map(type, flat))
    if given.datatype == _TEXT:
        _check_types(given, found, {str}, "strings")
        return _objects(flat).reshape(given.shape)
    if given.datatype == "BF16":
        _refuse(given, "is BF16, which JSON cannot carry", "json", hint="send it as binary data")
    dtype = _DTYPES[given.datatype]
    if dtype.kind == "b":
        _check_types(given, found, {bool}, "true and false")
        return np.array(flat, dtype=dtype).reshape(given.shape)
    if dtype.kind == "f":
        _check_types(given, found, {int, float}, "numbers")
        return _floats(given, flat, dtype).reshape(given.shape)
    _check_types(given, found, {int}, "whole numbers")
    try:
        return np.array(flat, dtype=dtype).reshape(given.shape)
    except OverflowError as err:
        raise InputError(f"input {shown(given.name)} has a number beyond {given.datatype}", code="infer.value") from err


def _floats(given: RequestInput, flat: list[Any], dtype: np.dtype[Any]) -> Array:
    try:
        double = np.array(flat, dtype=np.float64)
        with np.errstate(over="raise", under="ignore"):
            return double.astype(dtype)
    except (OverflowError, FloatingPointError) as err:
        raise InputError(f"input {shown(given.name)} has a number beyond {given.datatype}", code="infer.value") from err


def _check_types(given: RequestInput, found: set[type], allowed: set[type], words: str) -> None:
    for kind in found - allowed:
        _refuse(given, f"of {given.datatype} has {describe(kind())} among its data, expected are {words}", "type", expected=words)


def _flat(given: RequestInput) -> list[Any]:
    """The elements in their order: the protocol lets data be flat, or nested as the shape is."""
    data: JsonValue = given.data
    flat: list[Any] = data if isinstance(data, list) else []
    if len(given.shape) > 1 and flat and isinstance(flat[0], list):
        for axis, size in enumerate(given.shape):
            # ``flat`` holds everything above this axis, so its length is already that of the shape up to here.
            if axis and any(not isinstance(item, list) or len(item) != size for item in flat):
                _refuse(given, f"has data that is not nested as its shape {list(given.shape)}", "data")
            if axis:
                flat = list(chain.from_iterable(flat))
            elif len(flat) != size:
                _refuse(given, f"has {len(flat)} in dimension 0 of its data, its shape has {size}", "data")
    if len(flat) != given.count:
        _refuse(given, f"has {len(flat)} elements, its shape {list(given.shape)} has {given.count}", "data")
    return flat


def is_long_result(result: Any, *, binary: bool) -> bool:
    """Whether encoding it takes milliseconds, in which others would wait."""
    if isinstance(result, np.ndarray):
        return result.size > LONG_TEXTS and not (binary and result.dtype != object)
    return isinstance(result, list) and len(result) * max(map(len, result[:1]), default=0) > LONG_TEXTS


def encode_output(spec: TensorSpec, result: Any, *, binary: bool) -> EncodedOutput:
    """One result as the protocol has it. Raises ``JailError`` (``serve.output``) for what it cannot carry, and ``InputError``
    (``infer.json``) for what only binary can.
    """
    if spec.form in (Form.ROWS, Form.MAP):
        array, keys = _table(spec, result)
        return _encode(spec, array, binary=binary, parameters={"keys": json.dumps(keys)})
    if result is None:
        absent = np.empty(0, dtype=object if spec.datatype == _TEXT else _DTYPES[spec.datatype])
        return _encode(spec, absent, binary=binary, parameters={"absent": True})
    return _encode(spec, result, binary=binary, parameters={})


def _table(spec: TensorSpec, result: Any) -> tuple[Array, list[str] | list[int]]:
    """Maps as a tensor: one column for each key, one row for each map, in the order of the first."""
    rows: list[dict[Any, Any]] = [result] if spec.form is Form.MAP else result
    keys = list(rows[0]) if rows else []
    if any(row.keys() != rows[0].keys() for row in rows):
        message = f"output {shown(spec.name)} is a sequence of maps that differ in their keys, which no tensor is"
        raise JailError(message, code="serve.output", where=shown(spec.name))
    cells = [row[key] for row in rows for key in keys]
    array = _objects(cells) if spec.datatype == _TEXT else np.array(cells, dtype=_DTYPES[spec.datatype])
    return array if spec.form is Form.MAP else array.reshape(len(rows), len(keys)), keys


def _encode(spec: TensorSpec, array: Array, *, binary: bool, parameters: Mapping[str, str | bool]) -> EncodedOutput:
    shape = array.shape
    if binary:
        raw = _texts_to_binary(array) if spec.datatype == _TEXT else _raw(array)
        return EncodedOutput(name=spec.name, datatype=spec.datatype, shape=shape, raw=raw, parameters=parameters)
    if spec.datatype == "BF16" or (array.dtype.kind == "f" and not np.isfinite(array).all()):
        what = "is BF16" if spec.datatype == "BF16" else "holds numbers that are not finite"
        raise InputError(
            f"output {shown(spec.name)} {what}, which JSON cannot carry",
            code="infer.json",
            hint="ask for it in binary: binary_data, or binary_data_output",
        )
    data = array.reshape(-1).tolist()
    return EncodedOutput(name=spec.name, datatype=spec.datatype, shape=shape, data=data, parameters=parameters)


def _raw(array: Array) -> Buffer:
    if not array.size:
        return b""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _texts_to_binary(array: Array) -> bytes:
    parts: list[bytes] = []
    for text in array.reshape(-1).tolist():
        data = text.encode("utf-8")
        parts += (_LENGTH.pack(len(data)), data)
    return b"".join(parts)
