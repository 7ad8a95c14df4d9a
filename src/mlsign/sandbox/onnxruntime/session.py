"""A session of onnxruntime with the values of frames for inputs and outputs. Runs in the confined process.

Tensors go in over the memory they came in and come out over the memory that the runtime made; texts, sequences and maps
are objects of Python in between, since onnxruntime offers nothing else. Nothing here opens a file or imports later.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from mlsign.errors import JailError, shown
from mlsign.sandbox.arrays import decode_array
from mlsign.sandbox.objects import object_of, value_of
from mlsign.sandbox.values import Absent, Buffer, Map, Sequence, Strings, Tensor, Value
from mlsign.tensors.dtypes import DTYPES, RAW_DTYPES
from mlsign.tensors.elements import BY_NUMBER, ELEMENTS, Element

_ELEMENT: Final = re.compile(r"tensor\((\w+)\)", re.ASCII)

_WARMING_PLAIN: Final = (
    "CAg65AIKEAoBcxIBdCIISWRlbnRpdHkKEAoBcRIBciIISWRlbnRpdHkKEAoBbxIBcCIISWRlbnRpdHkKQAoBbRIBZCIORGljdFZlY3Rvcml6ZXIq"
    "HAoRc3RyaW5nX3ZvY2FidWxhcnlKAWFKAWKgAQg6CmFpLm9ubngubWwKOgoBZBIBeiIGWmlwTWFwKh4KE2NsYXNzbGFiZWxzX3N0cmluZ3NKAWFK"
    "AWKgAQg6CmFpLm9ubngubWwSAWdaEAoBcxILCgkICBIFCgMSAW5aDQoBcRIIIgYKBAoCCAFaFAoBbxIPSg0KCwoJCAESBQoDEgFhWhEKAW0SDCoK"
    "CAgSBgoECAESAGIQCgF0EgsKCQgIEgUKAxIBbmINCgFyEggiBgoECgIIAWIUCgFwEg9KDQoLCgkIARIFCgMSAWFiEwoBZBIOCgwIARIICgIIAQoC"
    "CAJiFQoBehIQIg4KDCoKCAgSBgoECAESAEIECgAQEUIOCgphaS5vbm54Lm1sEAM="
)
"""Opset 17: t = Identity(s) over strings; r = Identity(q) over a sequence; p = Identity(o) over an optional; d = DictVectorizer(m), z = ZipMap(d)."""

_WARMING_BITS: Final = (
    "CAo6/wEKEAoBYhIBYyIISWRlbnRpdHkKGwoBdQoBaxIBZiIQRGVxdWFudGl6ZUxpbmVhcgocCgFmCgFrCgFpEgF2Ig5RdWFudGl6ZUxpbmVhcgoQ"
    "CgFvEgFwIghJZGVudGl0eRIBZyoLEAEiBAAAgD9CAWsqCBAVKgEAQgFpWhAKAWISCwoJCBASBQoDEgFuWhAKAXUSCwoJCBUSBQoDEgFuWhQKAW8S"
    "D0oNCgsKCQgBEgUKAxIBYWIQCgFjEgsKCQgQEgUKAxIBbmIQCgFmEgsKCQgBEgUKAxIBbmIQCgF2EgsKCQgVEgUKAxIBbmIUCgFwEg9KDQoLCgkI"
    "ARIFCgMSAWFCBAoAEBU="
)
"""Opset 21: c = Identity(b) over bfloat16; v = QuantizeLinear(f = DequantizeLinear(u)) over uint4; p = Identity(o) over an optional."""


def ort_value(element: Element, shape: tuple[int, ...], data: Buffer) -> ort.OrtValue:
    """A tensor over ``data``, which holds the bytes that it takes; a copy of them where they are not aligned.

    Raises what onnxruntime raises for element types that it does not know.
    """
    flat = np.frombuffer(data, dtype=DTYPES[element.name] if element.name in DTYPES else RAW_DTYPES[element.name])
    if not flat.flags.aligned:
        flat = flat.copy()
    if element.name in DTYPES:
        return ort.OrtValue.ortvalue_from_numpy(flat.reshape(shape))
    if element.bits >= 8:
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(flat.reshape(shape), element.number)
    # onnxruntime takes the shape from the array, and less memory than an array of bytes of that shape has. Nobody reads
    # this array as one.
    steps = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        steps[axis] = steps[axis + 1] * shape[axis + 1]
    array = np.lib.stride_tricks.as_strided(flat, shape=shape, strides=tuple(steps), writeable=False)
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array, element.number)


class _Memory:
    """The bytes of a tensor of the runtime, as numpy's array interface has it; keeps the tensor for as long as they are used."""

    __slots__ = ("__array_interface__", "_owner")

    def __init__(self, owner: ort.OrtValue, size: int) -> None:
        self._owner = owner
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": (size,), "data": (owner.data_ptr(), True)}


class Runtime:
    """A loaded model that takes and gives values of frames. Making one raises ``JailError`` (``sandbox.model.load``) where neither can be."""

    __slots__ = ("_bits", "_names", "_session")

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session
        outputs = session.get_outputs()
        self._names = [output.name for output in outputs]
        self._bits = any(_has_bits(output.type) for output in outputs)
        if self._bits:
            _check_plain(session.get_inputs(), outputs)

    def run(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """The outputs by name, in the order of the model. They may lie in memory of the runtime, which they keep, or of ``values``.

        Raises what onnxruntime raises, and ``JailError`` (``sandbox.output.kind``) for what cannot be carried.
        """
        if self._bits:
            return self._run_bits(values)
        results = self._session.run(self._names, {name: object_of(value, tensor=_fed_tensor) for name, value in values.items()})
        return {name: value_of(result) for name, result in zip(self._names, results, strict=True)}

    def _run_bits(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """``run`` where an output has elements that numpy has no name for, which onnxruntime hands out only as its own values."""
        feeds = {name: _bits_feed(name, value) for name, value in values.items() if not isinstance(value, Absent)}
        results = self._session.run_with_ort_values(self._names, feeds)
        return {name: _bits_value(result) for name, result in zip(self._names, results, strict=True)}


def _has_bits(type_: str) -> bool:
    """The type, in onnxruntime's spelling, is of elements that numpy has no name for."""
    return not RAW_DTYPES.keys().isdisjoint(_ELEMENT.findall(type_))


def _check_plain(inputs: list[Any], outputs: list[Any]) -> None:
    """Everything is a tensor, and what has to be fed holds numbers: what else there is goes only through arrays of numpy."""
    for what, values in (("input", inputs), ("output", outputs)):
        for value in values:
            optional = value.type.startswith("optional(")
            plain = value.type.removeprefix("optional(").startswith("tensor(")
            texts = what == "input" and value.type == "tensor(string)"
            if texts or not (plain or (what == "input" and optional)):
                message = (
                    f"{what} {shown(value.name)} is {shown(value.type)}, in a model with outputs of elements that numpy lacks"
                )
                raise JailError(f"{message}: onnxruntime runs only one or the other", code="sandbox.model.load")


def _fed_tensor(tensor: Tensor) -> Any:
    """A tensor as ``InferenceSession.run`` takes it."""
    if tensor.element in DTYPES:
        return decode_array(tensor)
    return ort_value(ELEMENTS[tensor.element], tensor.shape, tensor.data)


def _bits_feed(name: str, value: Value) -> ort.OrtValue:
    if isinstance(value, Tensor):
        return ort_value(ELEMENTS[value.element], value.shape, value.data)
    # An optional input that holds texts, or a sequence: required ones were refused with the model.
    message = f"input {shown(name)} cannot be fed to a model with outputs of elements that numpy lacks, leave it out"
    raise JailError(message, code="sandbox.output.kind", where=shown(name))


def _bits_value(result: ort.OrtValue) -> Value:
    if not result.has_value():
        return Absent()
    element = BY_NUMBER.get(result.element_type())
    if element is None or element.name in DTYPES:
        return value_of(result.numpy())
    shape = tuple(result.shape())
    size = element.bytes_of(math.prod(shape))
    return Tensor(element.name, shape, np.asarray(_Memory(result, size)).data if size else b"")


def warm_runtime(open_session: Callable[[bytes], ort.InferenceSession]) -> None:
    """Every way from values to the runtime and back has been taken once, so that nothing is loaded or mapped at first use."""
    numbers = Tensor("float", (2,), bytes(8))
    texts = Strings((2,), ("a", "b"))
    feeds: dict[str, Value] = {"s": texts, "q": Sequence((numbers,)), "o": numbers, "m": Map(texts, numbers)}
    plain = Runtime(open_session(base64.b64decode(_WARMING_PLAIN)))
    bits = Runtime(open_session(base64.b64decode(_WARMING_BITS)))
    for optional in (numbers, Absent()):
        plain.run(feeds | {"o": optional})
        bits.run({"b": Tensor("bfloat16", (2,), bytes(4)), "u": Tensor("uint4", (2,), b"\x21"), "o": optional})
    try:
        bits.run({"b": texts, "u": texts, "o": texts})
    except JailError as err:
        shown(err)
    else:
        raise JailError("the runtime took texts for numbers", code="sandbox.runtime")
