"""Feeds from JSON and CSV: formats without element types, so the model's decide, and nothing is bent to fit.

A whole number may stand where the model takes floats; a fraction may not stand where it takes integers, nor
a number where it takes texts, and what does not fit into the element type is refused, never wrapped. Where the
model takes floats, each number, whole or not, becomes the nearest float, as 0.1 does: 16777217 is 16777216 in
single precision. A number beyond the largest float is refused; infinity has to be written as such (CSV).

In JSON a sequence is a list of what it holds, a map an object, and null an optional that holds nothing.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import numpy as np

from mlsign.errors import InputError, shown
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.limits import Limits
from mlsign.sandbox.arrays import Array, Result
from mlsign.sandbox.tensors import describe_inputs
from mlsign.strict import JsonValue, decode_json, describe
from mlsign.tensors.dtypes import DTYPES, RAW_DTYPES

Inputs = tuple[ValueSpec, ...]

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_NUMBER: Final = re.compile(
    r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?|nan|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE
)
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False}


def _refuse(message: str, code: str, *, where: str = "", expected: str = "", hint: str = "") -> NoReturn:
    raise InputError(message, code=f"input.{code}", where=where, expected=expected, hint=hint)


def to_array(flat: Sequence[Any], shape: tuple[int, ...], type_: TypeSpec, *, where: str) -> Array:
    """An array of the model's element type from plain values. Raises ``InputError`` (``input.dtype``, ``input.kind``)."""
    element = type_.element
    types = set(map(type, flat))
    if type_.kind is not ValueKind.TENSOR or element not in (*DTYPES, "string"):
        hint = f"give its bits in an .npz, as {RAW_DTYPES[element]}" if element in RAW_DTYPES else ""
        _refuse(f"{shown(type_)} cannot be written in this format", "kind", where=where, hint=hint)
    if element == "string":
        _only(types, {str}, "strings", where=where)
        out = np.empty(len(flat), dtype=object)
        out[:] = flat
        return out.reshape(shape)
    dtype = DTYPES[element]
    if dtype.kind == "b":
        _only(types, {bool}, "booleans", where=where)
    elif dtype.kind in "iu":
        _only(types, {int}, "whole numbers", where=where)
        info = np.iinfo(dtype)
        outside = next((value for value in flat if not info.min <= value <= info.max), None)
        if outside is not None:
            _refuse(f"{outside} does not fit into {element}", "dtype", where=where, expected=element)
    elif dtype.kind == "f":
        _only(types, {int, float}, "numbers", where=where)
    else:
        _refuse(f"{element} cannot be written in this format", "kind", where=where, hint="give an .npz")
    with np.errstate(over="ignore"):
        wide = np.array(flat, dtype=np.float64 if dtype.kind == "f" else dtype)
        array = wide.astype(dtype)
    if dtype.kind == "f" and bool(np.any(np.isinf(array) & ~np.isinf(wide))):
        _refuse(f"a number is too large for {element}", "dtype", where=where, expected=element)
    return array.reshape(shape)


def _only(types: set[type], allowed: set[type], wanted: str, *, where: str) -> None:
    if odd := types - allowed:
        names = {str: "a string", bool: "a boolean", int: "a whole number", float: "a fraction"}
        found = ", ".join(sorted(names.get(kind, describe(None) if kind is type(None) else kind.__name__) for kind in odd))
        _refuse(f"holds {found}, the model takes {wanted}", "dtype", where=where, expected=wanted)


# --- JSON ---


def read_json(data: bytes, inputs: Inputs, limits: Limits) -> dict[str, Result]:
    """Feeds from ``{"inputs": {name: lists}}``, ``{name: lists}``, a list of row objects, or the lists of the only input."""
    document = decode_json(data, max_bytes=limits.max_input_bytes, limits=limits)
    specs = {spec.name: spec for spec in inputs}
    if isinstance(document, dict) and document.keys() == {"inputs"} and isinstance(document["inputs"], dict):
        document = document["inputs"]
    if isinstance(document, list) and document and all(isinstance(row, dict) for row in document):
        document = _columns(document, specs, inputs)
    if isinstance(document, list) and len(inputs) == 1:
        document = {inputs[0].name: document}
    if not isinstance(document, dict):
        _refuse(f"is {describe(document)}, expected an object with {describe_inputs(inputs)}", "json")
    out: dict[str, Result] = {}
    for name, value in document.items():
        if name not in specs:
            wanted = describe_inputs(inputs)
            _refuse(f"the model has no input {shown(name)}, it takes {wanted}", "name", where=shown(name), expected=wanted)
        out[name] = _value(value, specs[name].type, where=shown(name))
    return out


def _value(value: JsonValue, type_: TypeSpec, *, where: str) -> Result:
    """A feed of the type, which is as deep as the model's types may be."""
    inner = type_.inner
    if type_.kind is ValueKind.OPTIONAL and inner is not None:
        return None if value is None else _value(value, inner, where=where)
    if type_.kind is ValueKind.SEQUENCE and inner is not None:
        if not isinstance(value, list):
            _refuse(f"is {describe(value)}, expected a list of {shown(inner)}", "json", where=where, expected=shown(type_))
        return [_value(item, inner, where=f"{where}[{index}]") for index, item in enumerate(value)]
    if type_.kind is ValueKind.MAP:
        return _map(value, type_, where=where)
    flat, shape = _flatten(value, where=where)
    return to_array(flat, _as_column(shape, type_), type_, where=where)


def _map(value: JsonValue, type_: TypeSpec, *, where: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        _refuse(f"is {describe(value)}, expected an object for {shown(type_)}", "json", where=where, expected=shown(type_))
    _only(set(map(type, value.values())), {int, float}, "numbers", where=where)
    if type_.element == "string":
        return dict(value)
    odd = next((key for key in value if not _INTEGER.fullmatch(key) or str(int(key)) != key), None)
    if odd is not None:  # one spelling for each number, so that no two keys are one
        _refuse(f"has the key {shown(odd)}, the model takes whole numbers", "dtype", where=where, expected=shown(type_))
    return {int(key): item for key, item in value.items()}


def _columns(rows: list[JsonValue], specs: dict[str, ValueSpec], inputs: Inputs) -> dict[str, JsonValue]:
    """Row objects turned into one list for each input; a plain number in a row is a row of one column where the model says so."""
    out: dict[str, list[JsonValue]] = {name: [] for name in specs}
    if other := next((spec for spec in inputs if spec.type.kind is not ValueKind.TENSOR), None):
        message = f"rows hold tensors only, the model takes {shown(other.name)}: {shown(other.type)}"
        _refuse(message, "json", where=shown(other.name), expected=describe_inputs(inputs), hint="give one value for each input")
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or row.keys() != specs.keys():
            wanted = describe_inputs(inputs)
            _refuse("does not name exactly the inputs of the model", "name", where=f"[{index}]", expected=wanted)
        for name, value in row.items():
            out[name].append(value)
    return dict(out)


def _as_column(shape: tuple[int, ...], type_: TypeSpec) -> tuple[int, ...]:
    dims = type_.shape
    return (*shape, 1) if dims is not None and len(shape) == 1 and len(dims) == 2 and dims[1] == 1 else shape


def _flatten(value: JsonValue, *, where: str) -> tuple[list[JsonValue], tuple[int, ...]]:
    """The leaves of nested lists, and their shape. Raises ``InputError`` (``input.shape``) for ragged ones."""
    level: list[JsonValue] = [value]
    shape: list[int] = []
    while level and all(isinstance(item, list) for item in level):
        lists = [item for item in level if isinstance(item, list)]
        if len({len(item) for item in lists}) != 1:
            _refuse(f"has rows of different lengths in dimension {len(shape)}", "shape", where=where)
        shape.append(len(lists[0]))
        level = [leaf for item in lists for leaf in item]
    if any(isinstance(item, list | dict) for item in level):
        _refuse(f"mixes lists with single values in dimension {len(shape)}", "shape", where=where)
    return level, tuple(shape)


# --- CSV ---


def read_csv(data: bytes, inputs: Inputs, limits: Limits) -> dict[str, Result]:
    """Feeds from rows under a header: the names of the inputs, or any names for the columns of the only input."""
    del limits
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise InputError(f"is not UTF-8 at byte {err.start}", code="input.csv") from err
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = [(lines.line_num, row) for row in lines if row]
    except csv.Error as err:
        raise InputError(f"is not CSV: {shown(err)}", code="input.csv", where=f"line {lines.line_num}") from err
    if not rows:
        _refuse("is empty", "csv")
    header = rows[0][1]
    _check_header(header)
    for line, row in rows[1:]:
        if len(row) != len(header):
            _refuse(f"has {len(row)} cells, the header has {len(header)}", "csv", where=f"line {line}")
    names = [spec.name for spec in inputs]
    if sorted(header) == sorted(names) and all(_is_flat(spec) for spec in inputs):
        return {spec.name: _column(rows, header, [header.index(spec.name)], spec) for spec in inputs}
    dims = inputs[0].type.shape if len(inputs) == 1 else None
    if dims is not None and len(dims) == 2:
        if isinstance(dims[1], int) and dims[1] != len(header):
            wanted = describe_inputs(inputs)
            _refuse(f"has {len(header)} columns, the model takes {wanted}", "shape", expected=wanted)
        return {names[0]: _column(rows, header, list(range(len(header))), inputs[0])}
    wanted = describe_inputs(inputs)
    _refuse(f"the columns {shown(', '.join(header))} do not feed {wanted}", "name", where="line 1", expected=wanted)


def _check_header(header: list[str]) -> None:
    if len(set(header)) != len(header):
        _refuse("the header names a column twice", "csv", where="line 1")
    numbered = header == [str(index) for index in range(len(header))]  # what data frames without names write
    if not numbered and all(_NUMBER.fullmatch(cell.strip()) for cell in header):
        _refuse(
            "the first line holds numbers, expected the names of the columns", "csv", where="line 1", hint="add a header line"
        )


def _is_flat(spec: ValueSpec) -> bool:
    """One value in each row: ``[n]``, or ``[n, 1]``, or ``[n, ?]`` with a second dimension left open."""
    dims = spec.type.shape
    return dims is not None and (len(dims) == 1 or (len(dims) == 2 and (dims[1] == 1 or not isinstance(dims[1], int))))


def _column(rows: list[tuple[int, list[str]]], header: list[str], picked: list[int], spec: ValueSpec) -> Array:
    flat = [
        _cell(row[index], spec, where=f"line {line}, column {shown(header[index])}") for line, row in rows[1:] for index in picked
    ]
    one = spec.type.shape is not None and len(spec.type.shape) == 1
    shape = (len(rows) - 1,) if one else (len(rows) - 1, len(picked))
    return to_array(flat, shape, spec.type, where=shown(spec.name))


def _cell(text: str, spec: ValueSpec, *, where: str) -> str | bool | int | float:
    element = spec.type.element
    if element == "string":
        return text
    text = text.strip()
    if text == "":
        _refuse("the cell is empty", "csv", where=where, hint="write nan for a missing number, if the model takes it")
    kind = DTYPES[element].kind if element in DTYPES else ""
    if kind == "b" and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if kind in ("i", "u") and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "f" and _NUMBER.fullmatch(text):
        number = float(text)
        if math.isinf(number) and "inf" not in text.lower():
            _refuse(f"{shown(text)} is beyond the range of a double", "csv", where=where, expected=element)
        return number
    _refuse(f"{shown(text)} is not {element}", "csv", where=where, expected=element)
