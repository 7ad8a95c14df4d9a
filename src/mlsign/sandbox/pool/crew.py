"""The crew of a pool: so many workers, started, watched and replaced by one thread.

Owns every worker that is in no call. Calls hand workers back to the queue, or report them as lost here; only
the crew's thread starts and closes jails. Which call gets which worker is the queue's matter.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from mlsign.errors import JailError, MlsignError, shown
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.pool.queue import Queue
from mlsign.sandbox.pool.worker import Place, Worker

_TRANSIENT: Final = frozenset({"sandbox.worker.died"})
"""Failures to start that say little about the next attempt: somebody killed the worker."""

_HOPE_SECONDS: Final = 2.0
"""So long callers go on waiting after such failures, since there last was a worker. One that never was gets a second attempt."""


_TICK_SECONDS: Final = 1.0
"""How often turns that expire are looked at, while there are any."""


class Crew:
    """``places`` workers in ``queue``, once it is started. ``stop`` leaves no worker and no thread behind."""

    def __init__(
        self, *, queue: Queue[Worker], start_worker: Callable[[], Jail], places: int, when_ended: Callable[[], None]
    ) -> None:
        """Nothing is started yet. ``start_worker`` gives a jail that is ready for calls, or raises ``JailError``;
        ``when_ended`` is called when it will be no more.
        """
        self.settled = threading.Event()
        self.first_error: MlsignError | None = None
        self.last_error = ""
        self.restarts = 0
        self._queue = queue
        self._start_worker = start_worker
        self._when_ended = when_ended
        self._places = [Place() for _ in range(places)]
        self._empty = list(self._places)
        self._workers: set[Worker] = set()
        self._news: deque[Callable[[], None]] = deque()
        self._stopping = False
        self._ended = False
        self._watching_turns = False
        self._seen = -_HOPE_SECONDS
        self._lock = threading.Lock()
        self._wake_lock = threading.RLock()  # a finalizer may run anywhere, also within the few lines that hold it
        self._thread: threading.Thread | None = None
        self._selector: selectors.BaseSelector | None = None
        self._wake_in = self._wake_out = -1

    def start(self) -> None:
        """The thread runs. May be called again. Raises ``JailError`` (``sandbox.pool.unavailable``)."""
        if self._thread is not None:
            return
        with self._lock:
            if self._stopping or self._thread is not None:
                return
            try:
                self._selector = selectors.DefaultSelector()
                self._wake_out, self._wake_in = os.pipe()
                os.set_blocking(self._wake_in, False)
                os.set_blocking(self._wake_out, False)
                self._selector.register(self._wake_out, selectors.EVENT_READ)
                thread = threading.Thread(target=self._work, name="mlsign-pool", daemon=True)
                thread.start()
            except (OSError, RuntimeError) as err:  # no descriptor or no thread to be had
                self._close_descriptors()
                raise JailError(f"the pool cannot be started: {shown(err)}", code="sandbox.pool.unavailable") from err
            self._thread = thread

    # for callers: from any thread, and without waiting

    def report(self, worker: Worker, reason: str) -> None:
        """The worker is out of the queue and of no use: its place is filled again."""
        self.later(lambda: self.lost(worker, reason))

    def later(self, deed: Callable[[], None]) -> None:
        """Done by the crew's thread, or here when that has ended. Takes no lock: also for finalizers, which run anywhere."""
        self._news.append(deed)
        self._wake()
        if self._ended:
            self._hear_news()

    def watch_turns(self) -> None:
        """The thread looks after turns that expire, until there are none: to be called after such a turn came into the queue."""
        if not self._watching_turns:
            self._watching_turns = True
            self._wake()

    def stop(self, *, wait_seconds: float | None = None) -> None:
        """Idle and lost workers are closed and the thread has ended, or will have, after ``wait_seconds``."""
        self._stopping = True
        with self._lock:  # a start that is under way is over
            thread = self._thread
        if thread is None:
            self._ended = True
            self._when_ended()
            return
        self._wake()
        if thread is not threading.current_thread():
            thread.join(wait_seconds)

    def forget(self) -> None:
        """Closes this process's copies of descriptors, and nothing else: for a fork, where no lock can be trusted."""
        self._wake_lock = threading.RLock()  # coroutines of the parent that are thrown away here still come by
        self._close_descriptors()
        for worker in self._workers:
            worker.close_pidfd()
            worker.jail.close()  # which, in a fork, ends nothing

    # the thread

    def _work(self) -> None:
        try:
            while not self._stopping:
                self._hear_news()
                expiry = self._take_back() if self._watching_turns else None
                now = time.monotonic()
                place = min(self._empty, key=lambda place: place.due, default=None)
                if place is not None and place.due <= now:
                    self._fill(place)
                    continue
                due = [] if place is None else [place.due - now]
                self._wait(min(due if expiry is None else [*due, expiry], default=None))
        except BaseException as err:
            # Without this thread nobody is ever served again: say so to everybody rather than letting them wait.
            self._queue.close(f"the pool has failed: {shown(err)}")
            raise
        finally:
            self._end()

    def _hear_news(self) -> None:
        while self._news:
            try:
                deed = self._news.popleft()
            except IndexError:  # another thread was faster, after the end
                return
            deed()

    def _wait(self, timeout: float | None) -> None:
        selector = self._selector
        if self._news or self._stopping or selector is None:
            return
        for key, _ in selector.select(timeout):
            if key.fd == self._wake_out:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_out, 4096)
                continue
            selector.unregister(key.fd)
            worker: Worker = key.data
            if self._queue.withdraw(worker):
                self.lost(worker, "an idle worker has ended")

    def _take_back(self) -> float | None:
        """Seconds until a turn may expire; workers of those that have are ended, for their owners do not look after them."""
        now = time.monotonic()
        self._watching_turns = False  # first: a turn that comes after the next line sets it again
        lost, due = self._queue.take_back(now=now)
        for worker in lost:
            worker.kill()  # its jail is closed by the owner, who may be in the midst of it
            self.lost(worker, "its event loop did not come back for the answer", close=False)
        if due is None:
            return None
        self._watching_turns = True
        return min(max(due - now, 0.0), _TICK_SECONDS)

    def _fill(self, place: Place) -> None:
        """The place has a worker in the queue, or is due again later."""
        self._empty.remove(place)
        try:
            worker = self._hire(place)
        except (MlsignError, OSError, MemoryError) as err:
            place.failed(now=time.monotonic())
            self._empty.append(place)
            self._failed_to_start(err, place)
            return
        self.restarts += place.lives > 0
        place.lives += 1
        self._workers.add(worker)
        if self._selector is not None and worker.pidfd >= 0:
            self._selector.register(worker.pidfd, selectors.EVENT_READ, worker)
        if not self._queue.put(worker):
            self._dismiss(worker)
        self.settled.set()

    def _hire(self, place: Place) -> Worker:
        jail = self._start_worker()
        try:
            return Worker(jail, place)
        except BaseException:
            jail.close()
            raise

    def _failed_to_start(self, err: Exception, place: Place) -> None:
        code = err.code if isinstance(err, MlsignError) else ""
        reason = str(err) if isinstance(err, MlsignError) else f"{type(err).__name__}: {shown(err)}"
        self.last_error = reason
        if code in _TRANSIENT and (place.failures == 1 or time.monotonic() < self._seen + _HOPE_SECONDS):
            return
        if self._queue.refuse(reason):
            known = err if isinstance(err, MlsignError) else JailError(reason, code="sandbox.spawn")
            self.first_error = self.first_error or known
        self.settled.set()

    def lost(self, worker: Worker, reason: str, *, close: bool = True) -> None:
        """What ``report`` comes to: for the thread itself and for deeds of ``later``."""
        if worker not in self._workers:
            return
        self.last_error = reason
        self._seen = time.monotonic()
        place = worker.place
        if worker.answered:
            place.failures = 0
        place.failed(now=time.monotonic())
        self._dismiss(worker, close=close)
        self._empty.append(place)

    def _dismiss(self, worker: Worker, *, close: bool = True) -> None:
        self._workers.discard(worker)
        if self._selector is not None and worker.pidfd >= 0:
            with contextlib.suppress(KeyError, ValueError):  # seen to have ended before
                self._selector.unregister(worker.pidfd)
        worker.forget()
        if close:
            worker.jail.close()

    def _end(self) -> None:
        for worker in self._queue.empty():
            self._dismiss(worker)
        with self._wake_lock:
            self._close_descriptors()
        self._ended = True
        self._hear_news()  # whoever reports from now on does it himself
        self._when_ended()
        self.settled.set()

    def _close_descriptors(self) -> None:
        selector, self._selector = self._selector, None
        if selector is not None:
            selector.close()
        fds, self._wake_in, self._wake_out = (self._wake_in, self._wake_out), -1, -1
        for fd in fds:
            if fd >= 0:
                os.close(fd)

    def _wake(self) -> None:
        with self._wake_lock, contextlib.suppress(BlockingIOError):  # full: it will wake anyway
            if self._wake_in >= 0:
                os.write(self._wake_in, b"!")
