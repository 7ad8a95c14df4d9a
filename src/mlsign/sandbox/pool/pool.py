"""A pool: one model in several jails, calls from any thread and any event loop.

The caller's own thread, or loop, runs the call; the queue says with which worker; the crew keeps workers there.
After a fork both processes have a pool: the child's starts workers of its own at its first call, and has nothing
to do with the parent's.
"""

from __future__ import annotations

import asyncio
import atexit
import math
import os
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from mlsign.errors import InputError, shown
from mlsign.sandbox.arrays import Array, Result
from mlsign.sandbox.layers import Layer
from mlsign.sandbox.pool.event_loop import await_answer, await_worker
from mlsign.sandbox.pool.queue import seconds_left
from mlsign.sandbox.pool.shift import Call, Shift
from mlsign.sandbox.pool.start import Starter
from mlsign.sandbox.pool.worker import Worker
from mlsign.sandbox.spec import JailedModel, JailSpec
from mlsign.sandbox.tensors import check_feeds

MAX_WORKERS: Final = 1024
"""More than any machine has cores for; a slip of the finger is not to fork a million."""

MAX_WAITING: Final = 1 << 20

_EXIT_SECONDS: Final = 5.0
"""At the end of the program, for a worker that is just being started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolHealth:
    """How a pool stands.

    Of ``workers`` places, ``ready`` have a worker that takes calls, and ``busy`` of those are at one; ``waiting``
    calls wait. ``calls`` have run so far, ``failures`` of them ended with a ``JailError``; ``restarts`` workers
    were started in the place of others. ``last_error`` is why the last worker ended or could not be started.
    """

    workers: int
    ready: int
    busy: int
    waiting: int
    calls: int
    failures: int
    restarts: int
    last_error: str


class Pool:
    """Workers for one model. Made, at least one of them is ready. Use it as a context manager."""

    def __init__(
        self,
        model: JailedModel,
        *,
        workers: int,
        spec: JailSpec | None = None,
        max_waiting: int = 64,
        warm_up: Mapping[str, Array] | bool = True,
        allow_unsandboxed: bool = False,
    ) -> None:
        """Raises ``JailError`` as ``Jail.start`` does, ``InputError`` (``input.…``) for warm-up feeds that the model does not
        take, and (``usage.workers``, ``usage.max_waiting``) for numbers that are none.
        """
        _check_count(workers, "workers", least=1, most=MAX_WORKERS)
        _check_count(max_waiting, "max_waiting", least=0, most=MAX_WAITING)
        self._spec = spec = spec if spec is not None else JailSpec()
        self._model = model
        starter = Starter(model, spec=spec, allow_unsandboxed=allow_unsandboxed, warm_up=warm_up)
        self._held = _Held(Shift(starter, workers=workers, max_waiting=max_waiting, wall_seconds=spec.wall_seconds))
        self._finalizer = weakref.finalize(self, _Held.let_go, self._held)
        self._finalizer.atexit = False  # ``_leave_all`` does that, and waits
        _POOLS.add(self)
        try:
            self._held.shift.await_first()
        except BaseException:
            self.close()
            raise

    def run(self, feeds: Mapping[str, Array], *, timeout: float | None = None) -> dict[str, Result]:
        """The outputs for these feeds, by name.

        ``timeout`` is the time, in seconds, for waiting and running together; running has the deadline of the spec besides.
        Raises ``InputError`` (``input.…``, ``usage.timeout``), ``JailError`` as ``Jail.run`` does, and (``sandbox.pool.full``,
        ``sandbox.pool.deadline``, ``sandbox.pool.unavailable``, ``sandbox.pool.closed``).
        """
        deadline = _deadline(timeout)
        with Call(self._held.shift) as call:
            worker = call.at_once()
            if worker is None:
                check_feeds(feeds, inputs=self._model.inputs, limits=self._spec.limits)
                worker = self._await_worker(call, deadline)
            out = worker.jail.run(feeds, seconds=call.begin(deadline))
            call.answered(worker)
            return out

    def _await_worker(self, call: Call, deadline: float | None) -> Worker:
        queue, turn = call.shift.queue, call.turn
        while queue.await_worker(turn, timeout=seconds_left(deadline), front=turn.waited):
            if (worker := call.granted()) is not None:
                return worker
        raise call.late()

    async def run_async(
        self,
        feeds: Mapping[str, Array],
        *,
        timeout: float | None = None,  # noqa: ASYNC109  as ``run`` has it; cancelling from outside would cost the worker
    ) -> dict[str, Result]:
        """``run`` for any event loop of asyncio's kind, of any thread. Cancelled, it leaves the line, or ends the worker."""
        deadline = _deadline(timeout)
        with Call(self._held.shift, loop=asyncio.get_running_loop()) as call:
            worker = call.at_once()
            if worker is None:
                check_feeds(feeds, inputs=self._model.inputs, limits=self._spec.limits)
                worker = await self._await_worker_async(call, deadline)
            seconds = call.begin(deadline)
            call.exchange = worker.jail.begin(feeds, seconds=seconds)
            out = await await_answer(call.exchange)
            call.answered(worker)
            return out

    async def _await_worker_async(self, call: Call, deadline: float | None) -> Worker:
        queue, turn, joined = call.shift.queue, call.turn, call.shift.crew.watch_turns
        while await await_worker(queue, turn, seconds=seconds_left(deadline), front=turn.waited, joined=joined):
            if (worker := call.granted()) is not None:
                return worker
        raise call.late()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Each layer of the sandbox and whether it is in force; no worker has fewer. Raises as the constructor does after a fork."""
        return self._held.shift.layers()

    def health(self) -> PoolHealth:
        """How the pool stands at this moment. Waits for nothing."""
        shift = self._held.shift
        counts = shift.queue.counts()
        return PoolHealth(
            workers=shift.workers,
            ready=counts.idle + counts.out,
            busy=counts.out,
            waiting=counts.waiting,
            calls=counts.calls,
            failures=counts.failures,
            restarts=shift.crew.restarts,
            last_error=shift.crew.last_error,
        )

    def close(self, drain_seconds: float = 0.0) -> None:
        """No call is taken any more, those that wait are refused, and those that run have so long to finish; then all is gone.

        A call of an event loop cannot finish while that loop itself is kept waiting in here: close from another thread to
        let it. Waits for a worker that is just being started. May be called again. Raises ``InputError`` (``usage.timeout``).
        """
        if not drain_seconds >= 0:
            raise InputError(f"{drain_seconds} is no time to wait", code="usage.timeout", found=str(drain_seconds))
        self._finalizer.detach()
        self._held.shift.close(drain_seconds=drain_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Held:
    """What outlives the pool until it is tidied up: the shift of this process."""

    __slots__ = ("shift",)

    def __init__(self, shift: Shift) -> None:
        self.shift = shift

    def let_go(self) -> None:
        self.shift.let_go()


_POOLS: Final[weakref.WeakSet[Pool]] = weakref.WeakSet()


def _begin_anew_in_fork() -> None:
    for pool in list(_POOLS):
        pool._held.shift = pool._held.shift.after_fork()  # noqa: SLF001  this module's own class


def _leave_all() -> None:
    # Calls that daemon threads are at are left alone: they end with the process, and would only complain.
    for pool in list(_POOLS):
        pool._held.shift.let_go(wait_seconds=_EXIT_SECONDS)  # noqa: SLF001  see above


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew_in_fork)
atexit.register(_leave_all)


def _check_count(count: object, name: str, *, least: int, most: int) -> None:
    if not isinstance(count, int) or isinstance(count, bool) or not least <= count <= most:
        raise InputError(
            f"{name} is {shown(count)}, a number from {least} to {most} is wanted",
            code=f"usage.{name}",
            expected=f"{least} to {most}",
            found=shown(count),
        )


def _deadline(timeout: float | None) -> float | None:
    """On the monotonic clock. Raises ``InputError`` (``usage.timeout``)."""
    if timeout is None:
        return None
    if not 0 < timeout < math.inf:
        raise InputError(
            f"a timeout of {shown(timeout)} seconds is none",
            code="usage.timeout",
            found=shown(timeout),
            hint="leave it out to wait",
        )
    return time.monotonic() + timeout
