"""A call under way, for callers that wait by themselves, such as an event loop."""

from __future__ import annotations

from collections.abc import Callable

from mlsign.errors import JailError
from mlsign.sandbox.channel import Watch
from mlsign.sandbox.tensors import Result


class Exchange:
    """One call: sent, not yet answered. The jail takes no other until it is answered or abandoned."""

    __slots__ = ("_abandon", "_done", "_fd", "_finished", "_step", "_watch")

    def __init__(
        self,
        step: Callable[[], dict[str, Result] | None],
        *,
        fd: int,
        watch: Watch,
        abandon: Callable[[], None],
        finished: Callable[[], None],
    ) -> None:
        self._step = step
        self._fd = fd
        self._watch = watch
        self._abandon = abandon
        self._finished = finished
        self._done = False

    def fileno(self) -> int:
        """The descriptor that becomes readable when there may be progress."""
        return self._fd

    def due_seconds(self) -> float:
        """After at most this time ``advance`` has to be called again, though nothing became readable; 0 when it is overdue."""
        try:
            return self._watch.timeout()
        except JailError:
            return 0.0

    def advance(self) -> dict[str, Result] | None:
        """The outputs, or None while more is to come; never waits. Raises ``JailError`` as ``Jail.run`` does."""
        if self._done:
            raise JailError("the call has been answered", code="sandbox.dead")
        try:
            out = self._step()
        except BaseException:
            self._finish()
            raise
        if out is not None:
            self._finish()
        return out

    def abandon(self) -> None:
        """Nobody waits for the answer any more: the worker is ended, nothing else stops it. Does nothing after an answer."""
        if not self._done:
            try:
                self._abandon()
            finally:
                self._finish()

    def _finish(self) -> None:
        self._done = True
        self._finished()
