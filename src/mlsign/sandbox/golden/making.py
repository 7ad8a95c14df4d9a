"""Golden values out of arrays: inputs that were given or drawn, outputs that a model gave or that somebody expects of it.

The reverse of ``golden.feed_of``; ``onnx.golden_encoding`` makes bytes of the values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import numpy as np

from mlsign.errors import InputError, shown
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.onnx.golden import GoldenTensor
from mlsign.onnx.golden_values import GoldenMap, GoldenOptional, GoldenSequence, GoldenValue
from mlsign.sandbox.arrays import Array, Result, encode_array, holds
from mlsign.sandbox.golden.golden import any_number
from mlsign.sandbox.outputs import mismatch
from mlsign.sandbox.tensors import describe_inputs
from mlsign.sandbox.values import OBJECT_BYTES, Strings
from mlsign.tensors.dtypes import DTYPES, FOREIGN, RAW_DTYPES

Specs = tuple[ValueSpec, ...]


def golden_values(values: Mapping[str, Result], *, specs: Specs) -> dict[str, GoldenValue]:
    """The values of a model's inputs or outputs, which they were held against, in its order; an optional that is left out holds nothing.

    Raises ``InputError`` (``golden.value``, ``input.dtype``) for what no golden data can hold.
    """
    return {spec.name: _value(values.get(spec.name), spec.type, name=spec.name) for spec in specs}


def _value(value: Result, type_: TypeSpec, *, name: str) -> GoldenValue:
    if type_.kind is ValueKind.OPTIONAL and type_.inner is not None:
        return GoldenOptional(name=name, value=None if value is None else _value(value, type_.inner, name=""))
    if isinstance(value, np.ndarray):
        return _tensor(value, type_.element, name=name)
    inner = type_.inner
    if isinstance(value, list) and inner is not None:
        return GoldenSequence(name=name, items=tuple(_value(item, inner, name="") for item in value))
    if isinstance(value, dict) and inner is not None:
        keys: tuple[Any, ...] = tuple(value)
        return GoldenMap(name=name, keys=keys, values=_entries(list(value.values()), inner.element, where=name))
    raise InputError(f"is nothing that golden data can hold as {shown(type_)}", code="golden.value", where=shown(name))


def _tensor(array: Array, element: str, *, name: str) -> GoldenTensor:
    value = encode_array(array, element=element, where=name)
    if isinstance(value, Strings):
        return GoldenTensor(name=name, element="string", shape=value.shape, texts=value.items)
    return GoldenTensor(name=name, element=value.element, shape=value.shape, data=bytes(value.data))


def _entries(items: list[Any], element: str, *, where: str) -> tuple[GoldenTensor, ...]:
    """The values of a map, numbers of Python, as scalars of the declared type."""
    if element == "string":
        return tuple(GoldenTensor(name="", element=element, shape=(), texts=(item,)) for item in items)
    dtype = DTYPES.get(element) or RAW_DTYPES[element]
    try:
        with np.errstate(over="ignore"):
            column = np.array(items).astype(dtype) if dtype.kind in "fc" else np.array(items, dtype=dtype)
    except OverflowError as err:
        raise InputError(f"is a map with a number that is no {element}", code="golden.value", where=shown(where)) from err
    return tuple(_tensor(np.asarray(item), element, name="") for item in column)


def check_expected(values: Mapping[str, Result], *, outputs: Specs, max_bytes: int) -> None:
    """Returns when these can be what the model answers: every output by its name, of its type, its size beyond the first dimension.

    Raises ``InputError`` (``golden.names``, ``golden.kind``, ``golden.dtype``, ``golden.shape``), and ``golden.size`` where their texts
    would take more than ``max_bytes`` once they are objects.
    """
    gives = f"the model gives {describe_inputs(outputs)}"
    known = {spec.name for spec in outputs}
    if odd := next((name for name in values if name not in known), None):
        _refuse(f"the model has no output {shown(odd)}, {gives}", "names", where=odd)
    for spec in outputs:
        name, type_ = spec.name, spec.type
        array = values.get(name)
        if type_.kind is not ValueKind.TENSOR:
            hint = (
                "let mlsign compute it with --golden-from, give ONNX's own layout, or export without it (skl2onnx: zipmap=False)"
            )
            _refuse(f"output {shown(name)} is {shown(type_)}, which an .npz cannot hold", "kind", where=name, hint=hint)
        if not isinstance(array, np.ndarray):
            _refuse(f"output {shown(name)} is missing, {gives}", "names", where=name)
        if not holds(array, type_.element):
            message = f"output {shown(name)} is {array.dtype}, {gives}"
            _refuse(message, "dtype", where=name, expected=type_.element, found=str(array.dtype), hint=_cast(type_.element))
        if type_.element == "string" and array.size * OBJECT_BYTES > max_bytes:
            _refuse(f"output {shown(name)} has {array.size} texts, which is more than is replayed", "size", where=name)
        if found := mismatch(encode_array(array, element=type_.element, where=name), type_):
            message = f"output {shown(name)} is {found}, {gives}"
            _refuse(message, "shape", where=name, expected=shown(type_), found=found)


def _cast(element: str) -> str:
    if element in DTYPES:
        return f"cast it: array.astype({str(DTYPES[element])!r})"
    return f"give an array of ml_dtypes.{FOREIGN[element]}, or of its bits" if element in FOREIGN else "give an array of str"


def _refuse(message: str, code: str, *, where: str, expected: str = "", found: str = "", hint: str = "") -> NoReturn:
    raise InputError(message, code=f"golden.{code}", where=shown(where), expected=expected, found=found, hint=hint)


def show_something(values: Iterable[GoldenValue]) -> bool:
    """Whether there is an element that a model could answer otherwise: one that is not NaN."""
    return any(map(_shows, values))


def _shows(value: GoldenValue) -> bool:
    match value:
        case GoldenSequence(items=items):
            return show_something(items)
        case GoldenOptional(value=inner):
            return inner is not None and _shows(inner)
        case GoldenMap(values=values):
            return show_something(values)
        case GoldenTensor():
            return any_number(value, lambda numbers: ~np.isnan(numbers))
