"""Feeds for the run that warms a new worker up: zeros of the declared shapes, with 1 for every dimension that is open."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.tensors.dtypes import DTYPES, RAW_DTYPES

_MADE_UP: Final = frozenset({ValueKind.TENSOR, ValueKind.OPTIONAL, ValueKind.SEQUENCE})


def zeros(inputs: tuple[ValueSpec, ...]) -> dict[str, Any] | None:
    """A feed for each input, nothing where that is enough; None where one is of a kind that nothing can be made up for."""
    if not all(_can_be_made_up(spec.type) for spec in inputs):
        return None
    return {spec.name: _zero(spec.type) for spec in inputs}


def _can_be_made_up(spec: TypeSpec) -> bool:
    if spec.kind is ValueKind.TENSOR:
        return spec.element in DTYPES or spec.element in RAW_DTYPES or spec.element == "string"
    return spec.kind in _MADE_UP


def _zero(spec: TypeSpec) -> Any:
    if spec.kind is ValueKind.OPTIONAL:
        return None
    if spec.kind is ValueKind.SEQUENCE:
        return []
    shape = (1,) if spec.shape is None else tuple(dim if isinstance(dim, int) else 1 for dim in spec.shape)
    if spec.element == "string":
        return np.full(shape, "", dtype=object)
    return np.zeros(shape, DTYPES[spec.element] if spec.element in DTYPES else RAW_DTYPES[spec.element])
