"""Where the tensors of a body lie, for calls that repeat the names, types and shapes of the one before.

Such a call writes its elements where the last ones lay and says so in one small frame: neither side encodes or decodes
anything. Only bodies of nothing but tensors have a layout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlsign.sandbox.tensors import Array, Result
from mlsign.sandbox.values import Buffer, Tensor, Value
from mlsign.tensors.elements import ELEMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A tensor in a body: its element type in ONNX's name, its shape, where its elements begin and how many bytes they take."""

    name: str
    element: str
    shape: tuple[int, ...]
    offset: int
    size: int


def places_of(values: Mapping[str, Value], parts: list[Buffer]) -> tuple[Place, ...] | None:
    """The places of values that were encoded as these parts; None where one is no tensor, has no elements, or has packed ones."""
    if not values or not all(is_plain(value) for value in values.values()):
        return None
    out, at = [], 0
    left = iter(parts)
    for name, value in values.items():
        assert isinstance(value, Tensor)  # noqa: S101  for the type checker: asked above
        for part in left:
            if part is value.data:
                break
            at += len(part)
        out.append(Place(name=name, element=value.element, shape=value.shape, offset=at, size=len(value.data)))
        at += len(value.data)
    return tuple(out)


def is_plain(value: Value) -> bool:
    """A tensor of elements, none of which shares a byte with another."""
    return isinstance(value, Tensor) and len(value.data) > 0 and ELEMENTS[value.element].bits >= 8


class FeedLayout:
    """Arrays over the area of feeds, one for each input; ``length`` is that of the whole body."""

    __slots__ = ("_lent", "_views", "announced", "length")

    def __init__(self, places: tuple[Place, ...], feeds: Mapping[str, Array], body: memoryview, *, length: int) -> None:
        self.length = length
        self.announced = False
        """The worker has answered a call of this layout."""
        self._views = tuple(
            (place.name, _over(body, place.offset, feeds[place.name].dtype.newbyteorder("<"), place.shape)) for place in places
        )
        self._lent: dict[str, Array] = {}

    def matches(self, feeds: Mapping[str, Array]) -> bool:
        """These feeds have the names, types and shapes of the layout: what was checked of those holds for these."""
        if len(feeds) != len(self._views):
            return False
        for name, view in self._views:
            array = feeds.get(name)
            if type(array) is not np.ndarray or array.shape != view.shape or array.dtype != view.dtype:
                return False
        return True

    def fill(self, feeds: Mapping[str, Array]) -> None:
        """The elements are in the area. An array that was lent from it is there already."""
        for name, view in self._views:
            array = feeds[name]
            if view.dtype.kind == "b":
                np.not_equal(array.view(np.uint8), 0, out=view)  # as in ``encode_array``
            elif not self.lies(name, array):
                view[...] = array

    def lend(self) -> dict[str, Array]:
        """Arrays in the area itself, by input; not the layout's own, whose shape and type are what was checked."""
        for name, view in self._views:
            lent = self._lent.get(name)
            if lent is None or lent.shape != view.shape or lent.dtype != view.dtype:
                self._lent[name] = view.view()
        return dict(self._lent)

    def lies(self, name: str, array: object) -> bool:
        """That array was lent for this input."""
        return array is self._lent.get(name, self)


class ResultLayout:
    """Where the arrays of the last results lay; they were held against the model's declaration there."""

    __slots__ = ("_views", "length")

    def __init__(self, results: Mapping[str, Result], private: bytearray, body: memoryview) -> None:
        """``results`` lie in ``private``, the copy of a body that was checked. Raises ``ValueError`` where they have no layout."""
        self.length = len(private)
        start = _address(np.frombuffer(private, dtype=np.uint8))
        views = []
        for name, array in results.items():
            if not isinstance(array, np.ndarray) or array.dtype.hasobject or array.size == 0:
                raise ValueError(name)
            offset = _address(array) - start
            if not 0 <= offset <= self.length - array.nbytes:  # unpacked elsewhere
                raise ValueError(name)
            view = _over(body, offset, array.dtype, array.shape)
            views.append((name, view, array.dtype.kind == "b"))
        self._views = tuple(views)

    def copy(self) -> dict[str, Array] | None:
        """Copies of what lies in those places now; None where a boolean is neither 0 nor 1."""
        out = {}
        for name, view, boolean in self._views:
            array = view.copy()
            if boolean and array.view(np.uint8).max() > 1:
                return None
            out[name] = array
        return out


def _over(body: memoryview, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    size = dtype.itemsize * math.prod(shape)
    # Not by ``np.ndarray``, which does not hold on to the memory: an array that was lent may outlive the area.
    return np.frombuffer(body[offset : offset + size], dtype=np.uint8).view(dtype).reshape(shape)


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])
