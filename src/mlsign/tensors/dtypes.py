"""What numpy calls the element types of ONNX, and how it holds those that it has no name for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from mlsign.tensors.elements import ELEMENTS

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

FOREIGN: Final = MappingProxyType(
    {
        "bfloat16": "bfloat16",
        "float8e4m3fn": "float8_e4m3fn",
        "float8e4m3fnuz": "float8_e4m3fnuz",
        "float8e5m2": "float8_e5m2",
        "float8e5m2fnuz": "float8_e5m2fnuz",
        "float8e8m0": "float8_e8m0fnu",
        "float4e2m1": "float4_e2m1fn",
        **{name: name for name in ("uint4", "int4", "uint2", "int2")},
    }
)
"""What the ``ml_dtypes`` package calls them: such arrays are taken by the name of their type."""
