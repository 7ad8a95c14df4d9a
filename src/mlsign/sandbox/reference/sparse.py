"""Sparse tensors of a model on their way into the reference evaluator, which knows none. Runs in the confined process.

onnxruntime makes them dense when it loads a model, and so does this.
"""

from __future__ import annotations

import math

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto, SparseTensorProto, TensorProto, numpy_helper

from mlsign.errors import JailError, shown
from mlsign.sandbox.arrays import Array
from mlsign.sandbox.reference.room import Room


def fill(graph: GraphProto, room: Room) -> None:
    """Sparse initializers of this graph, not of those within its nodes, are dense ones.

    Raises ``JailError`` (``sandbox.model.load``) and ``MemoryError``.
    """
    graph.initializer.extend(_dense(sparse, room, name=sparse.values.name) for sparse in graph.sparse_initializer)
    del graph.sparse_initializer[:]


def fill_constant(node: NodeProto, room: Room) -> None:
    """A sparse constant is a dense one. Raises ``JailError`` (``sandbox.model.load``) and ``MemoryError``."""
    for attribute in node.attribute:
        if attribute.name == "sparse_value" and attribute.HasField("sparse_tensor"):
            attribute.t.CopyFrom(_dense(attribute.sparse_tensor, room, name=""))
            attribute.name, attribute.type = "value", AttributeProto.TENSOR
            attribute.ClearField("sparse_tensor")


def _dense(sparse: SparseTensorProto, room: Room, *, name: str) -> TensorProto:
    """The tensor of the same elements, zero where none is given."""
    values: Array = numpy_helper.to_array(sparse.values)
    places: Array = numpy_helper.to_array(sparse.indices)
    shape = tuple(sparse.dims)
    if values.ndim != 1 or any(dim < 0 for dim in shape):
        raise _wrong(name, f"{values.ndim} dimensions of values in a shape of {list(shape)}")
    room.take(math.prod(shape) * values.dtype.itemsize)
    out = np.zeros(shape, values.dtype) if values.dtype != object else np.full(shape, "", object)
    flat = out.reshape(-1)
    at = _linear(places, shape, name=name)
    if at.shape != values.shape or (at.size and not 0 <= at[0] <= at[-1] < flat.size) or not (np.diff(at) > 0).all():
        raise _wrong(name, "indices that are out of place")
    flat[at] = values
    dense = numpy_helper.from_array(out, name)
    dense.data_type = sparse.values.data_type
    return dense


def _linear(places: Array, shape: tuple[int, ...], *, name: str) -> Array:
    """One index for each value: given as such, or as one for each dimension."""
    if places.dtype == np.int64 and places.ndim == 1:
        return places
    if places.dtype != np.int64 or places.ndim != 2 or places.shape[1] != len(shape):
        raise _wrong(name, f"indices of {places.dtype}{list(places.shape)}")
    if ((places < 0) | (places >= np.array(shape, np.int64))).any():
        raise _wrong(name, "indices that are out of place")
    out: Array = np.ravel_multi_index(tuple(places.T), shape) if places.size else np.empty(0, np.int64)
    return out


def _wrong(name: str, what: str) -> JailError:
    return JailError(f"sparse tensor {shown(name)} has {what}", code="sandbox.model.load", where=shown(name))
