"""What a worker asks of a runtime, whichever it is. The runtime lives in the confined process; nothing else there knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from mlsign.sandbox.protocol import Head, Kind
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.sandbox.task import Task

Names = tuple[tuple[str, str], ...]
"""Names and types, as ``kinds.spelled`` spells them."""


class Answering(Protocol):
    """A loaded model and the two areas."""

    def answer(self, head: Head) -> tuple[Kind, int]:
        """The results lie in their area: which frame says so, and the length of the body. Raises whatever the runtime raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model that can take calls, and what the runtime takes for its inputs and outputs."""

    calls: Answering
    inputs: Names
    outputs: Names


class Engine(Protocol):
    """A runtime that was imported. It opens no file, maps none and imports nothing once ``warm`` has returned."""

    @property
    def name(self) -> RuntimeName: ...

    @property
    def version(self) -> str: ...

    def warm(self) -> None:
        """Everything that is loaded at first use has been. Raises ``JailError`` (``sandbox.runtime``)."""
        ...

    def reseed(self, seed: int) -> None:
        """What the runtime draws follows from this number, of 31 bits, and no longer from the zygote it was forked from."""
        ...

    def threads(self, wanted: int) -> int:
        """How many threads it makes use of, where it may have so many."""
        ...

    def open(
        self, task: Task, model: memoryview, weights: Mapping[str, memoryview], *, feeds: memoryview, results: memoryview
    ) -> Loaded:
        """The model, with its weights in mapped memory. Raises whatever the runtime raises, and ``JailError``."""
        ...
