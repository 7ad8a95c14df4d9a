"""The parent's side of calls: feeds into the area that the worker reads, results out of the one that it writes.

Feeds are checked before they are written. Results are copied before anything about them is believed: the worker can
write its area at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlsign.errors import InputError, JailError, shown
from mlsign.limits import Limits
from mlsign.sandbox.arena import Area
from mlsign.sandbox.layout import FeedLayout, ResultLayout, places_of
from mlsign.sandbox.outputs import decode_outputs
from mlsign.sandbox.protocol import ROOM_BYTES, Kind
from mlsign.sandbox.spec import JailedModel
from mlsign.sandbox.tensors import DTYPES, Array, Result, check_feeds
from mlsign.sandbox.values import Tensor, Value, encode_values


class Transport:
    """The two areas of one worker and what is known of their layout. Whoever calls takes turns."""

    def __init__(self, model: JailedModel, *, limits: Limits, results_bytes: int) -> None:
        """Raises ``JailError`` (``sandbox.spawn``) where the memory cannot be had."""
        self._model = model
        self._limits = limits
        self.feeds = Area(limits.max_input_bytes + ROOM_BYTES, read_only=True)
        try:
            self.results = Area(results_bytes + ROOM_BYTES, read_only=False)
        except BaseException:
            self.feeds.close()
            raise
        self._layout: FeedLayout | None = None
        self._results: ResultLayout | None = None
        self._length = 0
        self._lent = False

    def put(self, feeds: Mapping[str, Array]) -> tuple[Kind, int]:
        """The feeds lie in the area; which frame says so, and the length of the body. Raises ``InputError`` (``input.…``)."""
        layout = self._layout if self._layout is not None and self._layout.matches(feeds) else None
        if self._lent:
            feeds = self._apart(feeds, layout)
        if layout is None:
            layout = self._lay_out(feeds, check_feeds(feeds, inputs=self._model.inputs, limits=self._limits))
            if layout is None:
                return Kind.RUN, self._length
        layout.fill(feeds)
        return (Kind.RUN_AGAIN if layout.announced else Kind.RUN), layout.length

    def lend(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        """Arrays of these shapes in the area itself. Raises ``InputError`` (``input.…``)."""
        feeds = {name: _unwritten(name, shape, self._model) for name, shape in shapes.items()}
        layout = self._layout
        if layout is None or not layout.matches(feeds):
            layout = self._lay_out(feeds, check_feeds(feeds, inputs=self._model.inputs, limits=self._limits))
        if layout is None:
            raise InputError("only tensors that hold something can be lent", code="input.kind")
        self._lent = True  # whoever has such an array may touch it as long as this worker lives
        return layout.lend()

    def _apart(self, feeds: Mapping[str, Any], layout: FeedLayout | None) -> dict[str, Any]:
        """The feeds, with copies of what lies in the area elsewhere than it has to: writing one would overwrite the other."""
        area = np.frombuffer(self.feeds.body, dtype=np.uint8)
        return {
            name: value if layout is not None and layout.lies(name, value) else _outside(value, area)
            for name, value in feeds.items()
        }

    def _lay_out(self, feeds: Mapping[str, Array], values: Mapping[str, Value]) -> FeedLayout | None:
        """The body without the elements where it has a layout, which is returned; else with everything."""
        self._layout = self._results = None
        parts = encode_values(values)
        places = places_of(values, parts)
        self._length = sum(len(part) for part in parts)
        if self._length > len(self.feeds.body):
            raise InputError(f"the inputs have more than {self._limits.max_input_bytes} bytes", code="input.size")
        self.feeds.fit(self._length, keep=self._lent)
        elements = {id(value.data) for value in values.values() if isinstance(value, Tensor)} if places is not None else set()
        at = 0
        for part in parts:
            if id(part) not in elements:
                self.feeds.body[at : at + len(part)] = part
            at += len(part)
        if places is not None:
            self._layout = FeedLayout(places, feeds, self.feeds.body, length=self._length)
        return self._layout

    def take(self, kind: Kind, length: int, *, asked: Kind, tick: Callable[[], object]) -> dict[str, Result]:
        """The results of a call, copied, then held against the declaration. ``tick`` is called while it takes time and may raise.

        Raises ``JailError`` (``sandbox.frame``, ``sandbox.output``, ``sandbox.output.name``, ``sandbox.output.size``), and what ``tick`` raises.
        """
        if kind is Kind.RESULT_AGAIN:
            return self._take_again(length, asked=asked)
        if length > len(self.results.body) or not self.results.holds(length):
            raise JailError(f"a result of {length} bytes is announced that is not there", code="sandbox.frame", found=str(length))
        private = bytearray(self.results.body[:length])
        self.results.trim(length)
        self._results = None
        out = decode_outputs(private, outputs=self._model.outputs, limits=self._limits, tick=tick)
        self._remember(out, private)
        return out

    def _remember(self, out: Mapping[str, Result], private: bytearray) -> None:
        if self._layout is None:
            return
        self._layout.announced = True
        try:
            self._results = ResultLayout(out, private, self.results.body)
        except ValueError:  # texts, sequences, empties: such results are decoded every time
            self._results = None

    def _take_again(self, length: int, *, asked: Kind) -> dict[str, Result]:
        layout = self._results
        if asked is not Kind.RUN_AGAIN or layout is None or length != layout.length:
            raise JailError("the worker repeats a result that it never gave", code="sandbox.frame", found=str(length))
        out = layout.copy()
        if out is None:
            raise JailError("a boolean is neither 0 nor 1", code="sandbox.frame", found="boolean")
        self.results.trim(length)
        return dict(out)

    def close(self) -> None:
        """Both areas are given back."""
        self._layout = self._results = None
        self.feeds.close()
        self.results.close()


def _outside(value: Any, area: Array) -> Any:
    """The value, copied where it lies in the area."""
    if isinstance(value, np.ndarray):
        return value.copy() if np.may_share_memory(value, area) else value
    return [_outside(item, area) for item in value] if isinstance(value, list | tuple) else value


def _unwritten(name: str, shape: tuple[int, ...], model: JailedModel) -> Array:
    """An array of this shape and the type that the input has, all of it one element."""
    spec = next((spec for spec in model.inputs if spec.name == name), None)
    if spec is None or spec.type.element not in DTYPES:
        raise InputError(f"the model has no input {shown(name)} that numpy has a type for", code="input.name", where=shown(name))
    try:
        return np.broadcast_to(np.zeros((), dtype=DTYPES[spec.type.element]), shape)
    except ValueError as err:
        raise InputError(f"{shown(shape)} is not a shape", code="input.shape", where=shown(name)) from err
