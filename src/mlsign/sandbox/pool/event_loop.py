"""Waiting on an event loop: for a worker, and for its answer. Nothing in here blocks the loop or starts a thread.

Only what every loop has is used: futures, ``add_reader``, ``call_later`` and ``call_soon_threadsafe``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from mlsign.sandbox.arrays import Result
from mlsign.sandbox.exchange import Exchange
from mlsign.sandbox.pool.queue import Queue, State, Turn
from mlsign.sandbox.pool.worker import Worker


class Handle(Protocol):
    """A callback that was put off."""

    def cancel(self) -> None: ...


async def await_worker(
    queue: Queue[Worker], turn: Turn[Worker], *, seconds: float | None, front: bool, joined: Callable[[], None]
) -> bool:
    """``Queue.await_worker`` from a coroutine; ``joined`` is called once the turn is in the line.

    Raises ``JailError`` as that does. When the coroutine is cancelled the turn is still to be finished.
    """
    loop = asyncio.get_running_loop()
    news: asyncio.Future[None] = loop.create_future()
    turn.wake = lambda: _tell(loop, news)
    queue.join(turn, front=front)
    joined()
    if turn.state is State.WAITING:
        timer = None if seconds is None else loop.call_later(seconds, _set, news)
        try:
            await news
        finally:
            if timer is not None:
                timer.cancel()
    return queue.granted(turn)


def _tell(loop: asyncio.AbstractEventLoop, news: asyncio.Future[None]) -> bool:
    try:
        if asyncio._get_running_loop() is loop:  # noqa: SLF001  documented; no other thread has to be woken
            loop.call_soon(_set, news)
        else:
            loop.call_soon_threadsafe(_set, news)
    except RuntimeError:  # the loop is closed
        return False
    return True


def _set(news: asyncio.Future[None]) -> None:
    if not news.done():
        news.set_result(None)


async def await_answer(exchange: Exchange) -> dict[str, Result]:
    """The outputs of the call. Raises ``JailError`` as ``Jail.run`` does. When the coroutine is cancelled the loop has forgotten
    the call, but the worker is still at it: the caller of this ends it.
    """
    loop = asyncio.get_running_loop()
    progress = _Progress(exchange, loop)
    try:
        return await progress.outcome
    except BaseException:
        if asyncio._get_running_loop() is loop:  # noqa: SLF001  documented; else a finalizer in some thread, and the loop is gone
            progress.leave()
        raise


class _Progress:
    """Calls ``advance`` when there may be progress and when it is due, until there is an outcome."""

    def __init__(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        self.outcome: asyncio.Future[dict[str, Result]] = loop.create_future()
        self._exchange = exchange
        self._loop = loop
        self._fd = exchange.fileno()
        self._timer: Handle | None = None
        self._reads = self._left = False
        # A small model has answered when the loop comes round: to have its poller watch the descriptor and forget it again
        # costs as much as the call itself.
        loop.call_soon(self._look)

    def _put_off(self, look: Callable[[], None]) -> None:
        self._timer = self._loop.call_later(self._exchange.due_seconds(), look)

    def _look(self) -> None:
        if self._left:
            return
        if self._timer is not None:
            self._timer.cancel()
        try:
            out = self._exchange.advance()
        except BaseException as err:  # noqa: BLE001  whatever it is, it is the waiting coroutine's, and is raised there
            self.leave()
            if not self.outcome.done():
                self.outcome.set_exception(err)
            return
        if out is None:
            if not self._reads:
                self._reads = True
                self._loop.add_reader(self._fd, self._look)
            self._put_off(self._look)
            return
        self.leave()
        if not self.outcome.done():
            self.outcome.set_result(out)

    def leave(self) -> None:
        """Nothing is looked at any more. At once, not when the coroutine comes to it: a worker that was ended has closed the
        descriptor, and its number may be given to the next call of this very loop.
        """
        self._left = True
        if self._timer is not None:
            self._timer.cancel()
        if self._reads:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.remove_reader(self._fd)
