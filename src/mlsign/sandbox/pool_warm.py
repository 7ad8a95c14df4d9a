"""Feeds for the run that warms a new worker up: zeros of the declared shapes, with 1 for every dimension that is open."""

from __future__ import annotations

import numpy as np

from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.sandbox.tensors import DTYPES, RAW_DTYPES, Array


def zeros(inputs: tuple[ValueSpec, ...]) -> dict[str, Array] | None:
    """A feed for each input; None where one is no tensor that numpy carries: nothing can be made up there."""
    made = {spec.name: _zero(spec.type) for spec in inputs}
    known = {name: array for name, array in made.items() if array is not None}
    return known if len(known) == len(made) else None


def _zero(spec: TypeSpec) -> Array | None:
    if spec.kind is not ValueKind.TENSOR:
        return None
    shape = (1,) if spec.shape is None else tuple(dim if isinstance(dim, int) else 1 for dim in spec.shape)
    if spec.element == "string":
        return np.full(shape, "", dtype=object)
    dtype = DTYPES.get(spec.element, RAW_DTYPES.get(spec.element))
    return None if dtype is None else np.zeros(shape, dtype)
