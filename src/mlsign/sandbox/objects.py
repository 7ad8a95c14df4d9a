"""Values of frames as the objects that runtimes take and hand to Python, and back. Runs in the confined process.

Arrays, lists of them, dictionaries and numbers; which object a tensor becomes is for each runtime to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from mlsign.errors import InputError, JailError
from mlsign.sandbox.arrays import Array, decode_array, encode_array
from mlsign.sandbox.values import Absent, Map, Sequence, Strings, Tensor, Value
from mlsign.tensors.dtypes import DTYPES, FOREIGN

_NAMES: Final[Mapping[np.dtype[Any], str]] = MappingProxyType({dtype: name for name, dtype in DTYPES.items()})
_FOREIGN_NAMES: Final[Mapping[str, str]] = MappingProxyType({foreign: name for name, foreign in FOREIGN.items()})


def object_of(value: Value, *, tensor: Callable[[Tensor], Any]) -> Any:
    """A value as a runtime takes it, with tensors, in sequences too, as ``tensor`` makes them."""
    match value:
        case Tensor():
            return tensor(value)
        case Strings():
            return decode_array(value)
        case Sequence(items):
            return [object_of(item, tensor=tensor) for item in items]
        case Map(keys, values):
            return dict(zip(decode_array(keys).tolist(), decode_array(values).tolist(), strict=True))
        case Absent():
            return None


def value_of(result: Any) -> Value:
    """A result as a value. Raises ``JailError`` (``sandbox.output.kind``) for what cannot be carried."""
    if isinstance(result, np.ndarray):
        element = _NAMES.get(result.dtype)
        if element is None or not result.flags.c_contiguous:
            return _encode(result)
        return Tensor(element, result.shape, result.reshape(-1).view(np.uint8).data)
    if result is None:
        return Absent()
    if isinstance(result, list):
        return Sequence(tuple(value_of(item) for item in result))
    if isinstance(result, dict):
        return Map(_column(list(result)), _column(list(result.values())))
    if isinstance(result, str | bool | int | float | np.generic):
        return _encode(np.asarray(result, dtype=object if isinstance(result, str) else None))
    raise JailError(f"a result of type {type(result).__name__} cannot be carried", code="sandbox.output.kind")


def _encode(array: Array) -> Tensor | Strings:
    try:
        return encode_array(array, element=_FOREIGN_NAMES.get(array.dtype.name, ""))
    except InputError as err:
        hint = "let the model cast it to a type that numpy has"
        raise JailError(f"a result cannot be carried: {err}", code="sandbox.output.kind", hint=hint) from err


def _column(items: list[Any]) -> Tensor | Strings:
    """The keys or the values of a map."""
    if all(isinstance(item, str) for item in items):
        return Strings((len(items),), tuple(items))
    return _encode(np.asarray(items))
