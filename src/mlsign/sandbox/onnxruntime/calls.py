"""The worker's side of calls: feeds from the area that the parent writes, results into the one that it reads.

A call that repeats the layout of the one before runs with inputs and outputs bound to the areas: nothing is encoded,
decoded or copied. Where the outputs turn out to have other shapes, or are no plain tensors, it is run as any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime as ort

from mlsign.limits import Limits
from mlsign.sandbox.arena import BODY_OFFSET
from mlsign.sandbox.layout import Place, is_plain, places_of
from mlsign.sandbox.onnxruntime.session import Runtime
from mlsign.sandbox.protocol import Head, Kind
from mlsign.sandbox.result_area import fill_results
from mlsign.sandbox.values import Buffer, Tensor, Value, decode_values, encode_values
from mlsign.tensors.elements import ELEMENTS


class Calls:
    """A loaded model and the two areas; ``feeds`` and ``results`` are whole areas. ``keep`` must outlive the session."""

    def __init__(
        self,
        session: ort.InferenceSession,
        *,
        feeds: memoryview,
        results: memoryview,
        limits: Limits,
        keep: Sequence[ort.OrtValue] = (),
    ) -> None:
        self._session = session
        self._keep = keep
        self._runtime = Runtime(session)
        self._feeds = feeds[BODY_OFFSET:]
        self._results = results[BODY_OFFSET:]
        self._limits = limits
        self._values: Mapping[str, Value] = {}
        self._plain_feeds = False
        self._outputs: tuple[Place, ...] | None = None
        self._length = 0
        self._binding: ort.IOBinding | None = None
        self._addresses: tuple[int, ...] = ()
        self._steady = True
        """Outputs have had the shapes of the call before whenever the inputs had."""

    def answer(self, head: Head) -> tuple[Kind, int]:
        """The results lie in their area: which frame says so, and the length of the body. Raises whatever the runtime raises."""
        if head.kind is not Kind.RUN_AGAIN:
            self._read(head.length)
        bound = self._steady and self._plain_feeds and self._outputs is not None
        if bound and self._run_bound():
            return Kind.RESULT_AGAIN, self._length
        length = self._run()
        if bound:
            self._steady = False  # what failed was not the model: its outputs have other shapes this time
        return Kind.RESULT, length

    def _read(self, length: int) -> None:
        self._outputs = self._binding = None
        self._values = decode_values(self._feeds[:length], limits=self._limits)
        self._plain_feeds = all(is_plain(value) for value in self._values.values())

    def _run_bound(self) -> bool:
        """Whether the model ran with both ends in the areas.

        The runtime hands a value through that it need not compute, such as an input that is an output, and writes nothing
        to where that was bound: only outputs that lie in their places count.
        """
        try:
            if self._binding is None:
                self._binding = self._bind(self._outputs or ())
            self._session.run_with_iobinding(self._binding)
            found = self._binding.get_outputs_as_ortvaluevector()
            if any(found[index].data_ptr() != address for index, address in enumerate(self._addresses)):
                self._outputs = self._binding = None
                return False
        except Exception:  # noqa: BLE001  other shapes than last time, or an error that the plain way raises again
            self._outputs = self._binding = None
            return False
        return True

    def _run(self) -> int:
        results = self._runtime.run(self._values)
        parts = encode_values(results)
        self._length = length = fill_results(self._results, parts, limits=self._limits)
        self._outputs = places_of(results, parts)
        return length

    def _bind(self, outputs: tuple[Place, ...]) -> ort.IOBinding:
        binding = self._session.io_binding()
        for name, value in self._values.items():
            assert isinstance(value, Tensor)  # noqa: S101  for the type checker: all of them are plain
            binding.bind_input(name, "cpu", 0, ELEMENTS[value.element].number, value.shape, _address(value.data))
        start = _address(self._results)
        self._addresses = tuple(start + place.offset for place in outputs)
        for place, address in zip(outputs, self._addresses, strict=True):
            binding.bind_output(place.name, "cpu", 0, ELEMENTS[place.element].number, place.shape, address)
        return binding


def _address(data: Buffer) -> int:
    return int(np.frombuffer(data, dtype=np.uint8).__array_interface__["data"][0])
