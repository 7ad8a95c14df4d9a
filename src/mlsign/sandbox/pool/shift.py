"""What a pool has in one process, and one call of it from its beginning to its end.

A fork begins a new shift and leaves the old one, with its locks, which other threads may have held, and its
workers, which are the parent's, alone.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Final, Self

from mlsign.errors import InputError, JailError
from mlsign.sandbox.exchange import Exchange
from mlsign.sandbox.layers import Layer
from mlsign.sandbox.pool.crew import Crew
from mlsign.sandbox.pool.queue import Queue, State, Turn, seconds_left
from mlsign.sandbox.pool.start import Starter
from mlsign.sandbox.pool.worker import Worker

PICKUP_SECONDS: Final = 5.0
"""How long a worker is kept for an event loop that does not come for it."""

_GRACE_SECONDS: Final = 1.0
"""How long after the deadline of a call its event loop may come back to see that it has passed."""

_PATIENCE_SECONDS: Final = 10.0
"""How long calls whose workers were killed may take to notice; they need milliseconds."""

_ENDED: Final = frozenset({"sandbox.worker.died", "sandbox.dead"})


class Shift:
    """The queue, the crew and the starter of a pool in this process."""

    def __init__(self, starter: Starter, *, workers: int, max_waiting: int, wall_seconds: float) -> None:
        self.starter = starter
        self.workers = workers
        self.wall_seconds = wall_seconds
        self.typical_seconds = 0.0
        self.queue: Queue[Worker] = Queue(max_waiting=max_waiting)
        self.crew = Crew(queue=self.queue, start_worker=starter.start, places=workers, when_ended=starter.close)

    def after_fork(self) -> Shift:
        """A shift of the child's own, with nothing started; this one's descriptors are closed, its workers live on."""
        self.crew.forget()
        self.starter.layers = ()  # the child may have other rights; its own first worker says what is in force
        successor = Shift(self.starter, workers=self.workers, max_waiting=self.queue.max_waiting, wall_seconds=self.wall_seconds)
        if self.queue.closed:
            successor.close(drain_seconds=0.0)
        return successor

    def await_first(self) -> None:
        """A worker is ready. Raises the error that kept the first from being started."""
        self.crew.start()
        self.crew.settled.wait()
        if self.crew.first_error is not None:
            raise self.crew.first_error

    def layers(self) -> tuple[Layer, ...]:
        """Those of the first worker, which is started for it if need be. Raises as ``await_first`` does."""
        if not self.starter.layers:
            self.await_first()
        return self.starter.layers

    def learn(self, seconds: float) -> None:
        """A call took so long. Threads may overwrite each other's number: it is a rule of thumb."""
        self.typical_seconds += (seconds - self.typical_seconds) / 8

    def close(self, *, drain_seconds: float) -> None:
        """Nothing is left, but for calls of the event loop that this very thread runs: they end when it goes on."""
        loop = asyncio._get_running_loop()  # noqa: SLF001  documented; the public one raises where there is none

        def blocked(turn: Turn[Worker]) -> bool:
            return loop is not None and turn.loop is loop

        self.queue.close("the pool was closed")
        for worker in self.queue.await_home(timeout=drain_seconds, but=blocked):
            worker.kill()
        self.queue.await_home(timeout=_PATIENCE_SECONDS, but=blocked)
        self.crew.stop()

    def let_go(self, *, wait_seconds: float = 0.0) -> None:
        """Idle workers and the thread end. Takes no lock that is held while anything else is done: for finalizers."""
        self.crew.stop(wait_seconds=wait_seconds)


class Call:
    """One call: its turn, and what becomes of its worker, however the call ends. Enter it before anything can go wrong."""

    __slots__ = ("_begun", "_done", "exchange", "shift", "turn")

    def __init__(self, shift: Shift, *, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.shift = shift
        self.turn: Turn[Worker] = Turn(loop=loop, pickup_seconds=PICKUP_SECONDS if loop is not None else 0.0)
        self.exchange: Exchange | None = None
        self._begun = 0.0
        self._done = False

    def __enter__(self) -> Self:
        self.shift.crew.start()  # after a fork nothing runs before the first call
        return self

    def at_once(self) -> Worker | None:
        """A worker, where one is idle. Raises ``JailError`` (``sandbox.pool.closed``)."""
        return self.granted() if self.shift.queue.take(self.turn) else None

    def granted(self) -> Worker | None:
        """The worker that the turn was given; None, and the turn has none, when it has ended or was taken back meanwhile."""
        worker = self.turn.worker
        if worker is not None and worker.jail.alive() and self._claim():
            return worker
        if (lost := self.shift.queue.finish(self.turn, keep=False)) is not None:
            self.shift.crew.report(lost, "an idle worker has ended")
        return None

    def _claim(self) -> bool:
        if self.turn.loop is None:
            return True
        running = self.shift.queue.run(self.turn, expires=time.monotonic() + self.shift.wall_seconds + _GRACE_SECONDS)
        self.shift.crew.watch_turns()
        return running

    def begin(self, deadline: float | None) -> float | None:
        """The seconds that are left for running. Raises ``JailError`` (``sandbox.pool.deadline``) when they do not suffice.

        A call that waited and has less left than calls take would only cost its worker, and the next ones their time.
        """
        left = seconds_left(deadline)
        if left is not None and left <= (self.shift.typical_seconds if self.turn.waited else 0.0):
            raise self.late()
        self._begun = time.monotonic()
        return left

    def answered(self, worker: Worker) -> None:
        """The worker has given an answer and may go to the next call."""
        worker.answered = self._done = True
        self.shift.learn(time.monotonic() - self._begun)

    def late(self) -> JailError:
        """No worker in time."""
        counts = self.shift.queue.counts()
        return JailError(
            f"no worker became free in time: {counts.out} of {self.shift.workers} are at work, {counts.waiting} calls wait",
            code="sandbox.pool.deadline",
            hint="allow more time, send fewer calls at once, or give the pool more workers",
        )

    def __exit__(self, _kind: type[BaseException] | None, err: BaseException | None, _trace: TracebackType | None) -> None:
        if isinstance(err, GeneratorExit):
            # The coroutine is thrown away, maybe by the garbage collector in the midst of anything: no lock is safe here.
            self.shift.crew.later(self._drop)
            return
        if isinstance(err, InputError):
            self._begun = 0.0  # the worker never saw it
        taken_back = self.turn.state is State.TAKEN_BACK and self.exchange is not None
        if isinstance(err, JailError):
            self._give_back(err)
            raise self._told(err, taken_back=taken_back) from err
        self._drop()

    def _drop(self) -> None:
        """The call is over, by an answer or because nobody waits for it any more."""
        exchange = self.exchange
        if exchange is None or self._done:
            self._give_back(None)
            return
        lost = self.shift.queue.finish(self.turn, keep=False, ran=True)
        if lost is not None:
            lost.kill()

        def end() -> None:  # takes some milliseconds, in which an event loop has better things to do
            exchange.abandon()
            if lost is not None:
                self.shift.crew.lost(lost, "a call was abandoned")

        self.shift.crew.later(end)

    def _give_back(self, err: JailError | None) -> None:
        worker = self.turn.worker
        keep = worker is not None and (self._done or worker.jail.idle())
        ran = self._begun > 0
        lost = self.shift.queue.finish(self.turn, keep=keep, ran=ran, failed=ran and err is not None)
        if lost is not None:
            self.shift.crew.report(lost, str(err) if err is not None else "a call was interrupted")

    def _told(self, err: JailError, *, taken_back: bool) -> JailError:
        """The error as the caller is to know it: why its worker was killed, where that was done here."""
        if self.shift.queue.closed and err.code in _ENDED:
            return JailError("the pool was closed during the call", code="sandbox.pool.closed", hint="start a new one")
        if taken_back and err.code in _ENDED:
            return JailError("the event loop did not come back for the answer in time", code="sandbox.deadline")
        return err
