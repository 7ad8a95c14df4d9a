"""The line in front of the workers: first come, first served, for threads and event loops alike.

Owns who has which worker, who waits, and how many may. What a worker is does not matter here: it is a token
that is handed on. Nothing in here calls foreign code under the lock but a turn's own wake-up.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar

from mlsign.errors import JailError

W = TypeVar("W")

FOREVER: Final = threading.TIMEOUT_MAX


class State(Enum):
    """Where a turn stands. It moves down this list and never back, but for one that joins the line again."""

    NEW = "new"
    WAITING = "waiting"
    GRANTED = "granted"
    RUNNING = "running"
    REFUSED = "refused"
    TAKEN_BACK = "taken back"
    DONE = "done"


class Turn(Generic[W]):
    """One call's wish for a worker. Made before anything else, so that whatever interrupts the call finds it to give back.

    ``wake`` is called under the queue's lock when there is news; it returns False when nobody is there to hear
    them. ``expires`` is when the queue may take the worker back: for an event ``loop`` that may never come for it,
    ``pickup_seconds`` after the worker was granted.
    """

    __slots__ = ("error", "expires", "loop", "pickup_seconds", "state", "waited", "wake", "worker")

    def __init__(self, *, loop: object | None = None, pickup_seconds: float = 0.0) -> None:
        self.state = State.NEW
        self.worker: W | None = None
        self.error: JailError | None = None
        self.waited = False
        self.expires = 0.0
        self.loop = loop
        self.pickup_seconds = pickup_seconds
        self.wake: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How the queue stands: idle workers, those that are out with a call, calls that wait, and how many ran and failed."""

    idle: int
    out: int
    waiting: int
    calls: int
    failures: int


class Queue(Generic[W]):
    """Workers and the turns that wait for them. A worker goes to whoever has waited longest, never past him."""

    def __init__(self, *, max_waiting: int) -> None:
        self._lock = threading.Lock()
        self._home = threading.Condition(self._lock)
        self.max_waiting = max_waiting
        self._idle: list[W] = []
        self._waiting: OrderedDict[Turn[W], None] = OrderedDict()
        self._out: set[Turn[W]] = set()
        self._doomed: set[W] = set()
        self._refusal = ""
        self._closed = ""
        self._calls = 0
        self._failures = 0

    # what callers do

    def take(self, turn: Turn[W]) -> bool:
        """Whether there was a worker at once. Raises ``JailError`` (``sandbox.pool.closed``)."""
        with self._lock:
            self._check_open()
            if not self._idle:  # while anybody waits there is none
                return False
            self._grant(turn, self._idle.pop())
            return True

    def join(self, turn: Turn[W], *, front: bool = False) -> None:
        """The turn has a worker or stands in the line, with ``front`` before all others: it waited there before.

        Raises ``JailError`` (``sandbox.pool.closed``, ``sandbox.pool.unavailable``, ``sandbox.pool.full``).
        """
        with self._lock:
            self._check_open()
            turn.state, turn.worker, turn.error = State.NEW, None, None
            if self._idle:
                self._grant(turn, self._idle.pop())
                return
            if self._refusal:
                raise _unavailable(self._refusal)
            if len(self._waiting) >= self.max_waiting and not front:
                raise JailError(
                    f"{len(self._waiting)} calls wait for a worker already, {self.max_waiting} may",
                    code="sandbox.pool.full",
                    expected=str(self.max_waiting),
                    found=str(len(self._waiting)),
                    hint="try again later, send fewer calls at once, or give the pool more workers",
                )
            turn.state, turn.waited = State.WAITING, True
            self._waiting[turn] = None
            if front:
                self._waiting.move_to_end(turn, last=False)

    def await_worker(self, turn: Turn[W], *, timeout: float | None, front: bool = False) -> bool:
        """``join`` from a thread: whether there is a worker within ``timeout``. Raises ``JailError`` as ``join`` does, and when
        the line is closed or refused meanwhile.
        """
        gate = threading.Lock()
        gate.acquire()

        def wake() -> bool:
            gate.release()
            return True

        turn.wake = wake
        self.join(turn, front=front)
        if turn.state is State.WAITING:
            gate.acquire(timeout=FOREVER if timeout is None else min(max(timeout, 0.0), FOREVER))
        return self.granted(turn)

    def granted(self, turn: Turn[W]) -> bool:
        """Whether the turn was given a worker; if not it is out of the line. Raises the ``JailError`` it was refused with.

        The worker of an event loop may have been taken back meanwhile, which ``run`` tells.
        """
        with self._lock:
            if turn.state is State.WAITING:
                del self._waiting[turn]
                turn.state = State.DONE
            if turn.error is not None:
                raise turn.error
            return turn.state in (State.GRANTED, State.TAKEN_BACK)

    def run(self, turn: Turn[W], *, expires: float) -> bool:
        """Whether the turn still has its worker, which from now on is taken back at ``expires`` only."""
        with self._lock:
            if turn.state is not State.GRANTED:
                return False
            turn.state, turn.expires = State.RUNNING, expires
            return True

    def finish(self, turn: Turn[W], *, keep: bool, ran: bool = False, failed: bool = False) -> W | None:
        """The turn is over, wherever it stood, and its worker goes to the next one with ``keep``. ``ran`` and ``failed`` are counted.

        Returns the worker when it goes to nobody: it is not to be kept, has ended, or the pool is closed.
        """
        with self._lock:
            worker, taken_back = turn.worker, turn not in self._out
            self._waiting.pop(turn, None)
            self._out.discard(turn)
            self._calls += ran
            self._failures += failed
            turn.state, turn.worker, turn.wake = State.DONE, None, None
            if self._closed:
                self._home.notify_all()
            if worker is None or taken_back or (keep and self._put(worker)):
                return None
            self._doomed.discard(worker)
            return worker

    # what the crew does

    def put(self, worker: W) -> bool:
        """Whether a new worker was taken in: the first in the line has it, or it is idle."""
        with self._lock:
            return self._put(worker)

    def withdraw(self, worker: W) -> bool:
        """Whether the worker was idle, and now is out of the queue. One that is out with a call will not come back in."""
        with self._lock:
            if worker in self._idle:
                self._idle.remove(worker)
                return True
            if any(turn.worker is worker for turn in self._out):
                self._doomed.add(worker)
            return False

    def refuse(self, reason: str) -> bool:
        """With no worker at all, whoever waits or comes is told so, until there is one. Whether that was done."""
        with self._lock:
            if self._idle or self._out or self._closed:
                return False
            self._refusal = reason
            self._settle_all(lambda: _unavailable(reason))
            return True

    def take_back(self, *, now: float) -> tuple[list[W], float | None]:
        """Workers of turns whose owners did not come within their time and that had begun a call, and when to look again.

        A worker whose call was not begun goes to the next turn.
        """
        lost: list[W] = []
        with self._lock:
            for turn in [turn for turn in self._out if turn.expires and turn.expires <= now]:
                worker, begun = turn.worker, turn.state is State.RUNNING
                self._out.discard(turn)
                turn.state = State.TAKEN_BACK
                if worker is not None and (begun or not self._put(worker)):
                    self._doomed.discard(worker)
                    lost.append(worker)
            due = [turn.expires for turn in self._out if turn.expires]
            due += [now + turn.pickup_seconds for turn in self._waiting if turn.pickup_seconds]
            return lost, min(due, default=None)

    def close(self, reason: str) -> None:
        """Nobody is let in any more, and whoever waits is told ``reason``."""
        with self._lock:
            self._closed = self._closed or reason
            self._settle_all(lambda: _closed(self._closed))

    def empty(self) -> list[W]:
        """The idle workers, which are out of the queue."""
        with self._lock:
            idle, self._idle = self._idle, []
            return idle

    def await_home(self, *, timeout: float, but: Callable[[Turn[W]], bool]) -> list[W]:
        """The workers that are still out with calls after ``timeout``, not waiting for those that ``but`` picks."""
        with self._lock:
            self._home.wait_for(lambda: all(but(turn) for turn in self._out), min(timeout, FOREVER))
            return [turn.worker for turn in self._out if turn.worker is not None]

    @property
    def closed(self) -> bool:
        return bool(self._closed)

    def counts(self) -> Counts:
        with self._lock:
            return Counts(
                idle=len(self._idle),
                out=len(self._out),
                waiting=len(self._waiting),
                calls=self._calls,
                failures=self._failures,
            )

    # under the lock

    def _check_open(self) -> None:
        if self._closed:
            raise _closed(self._closed)

    def _grant(self, turn: Turn[W], worker: W) -> None:
        turn.state, turn.worker = State.GRANTED, worker
        turn.expires = time.monotonic() + turn.pickup_seconds if turn.pickup_seconds else 0.0
        self._out.add(turn)

    def _put(self, worker: W) -> bool:
        if self._closed or worker in self._doomed:
            return False
        self._refusal = ""
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            self._grant(turn, worker)
            if turn.wake is None or turn.wake():
                return True
            self._out.discard(turn)  # its event loop is closed: nobody is there any more
            turn.state, turn.worker = State.DONE, None
        self._idle.append(worker)
        return True

    def _settle_all(self, error: Callable[[], JailError]) -> None:
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            turn.state, turn.error = State.REFUSED, error()
            if turn.wake is not None:
                turn.wake()


def _unavailable(reason: str) -> JailError:
    return JailError(
        f"no worker can be started: {reason}",
        code="sandbox.pool.unavailable",
        hint="the pool tries again by itself; what stands in the way is in the message",
    )


def _closed(reason: str) -> JailError:
    return JailError(reason, code="sandbox.pool.closed", hint="start a new one")


def seconds_left(deadline: float | None) -> float | None:
    """Until ``deadline`` on the monotonic clock, never less than nothing; None where there is none."""
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)
