"""Several threads that work off a list of jobs, largest first, so that one big file does not start last.

The caller's own thread is one of them. The first error, an interrupt included, stops what has not begun at once and what
is under way as soon as it looks.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from mlsign.limits import MIB

CHUNK_BYTES: Final = 1 * MIB
"""Large enough that the interpreter lock is free nearly all the time, small enough to stay in the cache."""
_MOST_WORKERS: Final = 8


class Stopped(Exception):  # noqa: N818 - no error: the reason is that of somebody else
    """The job was given up because another one failed."""


class Worker:
    """What one thread needs for all of its jobs: memory to read into, and whether it is still wanted."""

    __slots__ = ("_buffer", "_failures")

    def __init__(self, failures: list[BaseException] | None = None) -> None:
        self._failures: list[BaseException] = [] if failures is None else failures
        self._buffer: memoryview | None = None

    @property
    def buffer(self) -> memoryview:
        """A chunk's worth of memory, made when it is first wanted."""
        if self._buffer is None:
            self._buffer = memoryview(bytearray(CHUNK_BYTES))
        return self._buffer

    def check(self) -> None:
        """Returns while the work is still wanted. Raises ``Stopped``."""
        if self._failures:
            raise Stopped


Job = Callable[[Worker], None]


def worker_count() -> int:
    """How many threads work at once: the processors this process may use, eight at most."""
    return max(1, min(_MOST_WORKERS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


def run_largest_first(jobs: Iterable[tuple[int, Job]], *, workers: int | None = None) -> None:
    """Runs jobs given with their size in bytes. The first error is raised, after every thread has stopped."""
    # Small ones stay in the order they came in, folder by folder.
    waiting = deque(job for _, job in sorted(jobs, key=lambda item: -item[0] if item[0] >= CHUNK_BYTES else 0))
    failures: list[BaseException] = []

    def work() -> None:
        worker = Worker(failures)
        try:
            while not failures:
                try:
                    job = waiting.popleft()
                except IndexError:
                    return
                job(worker)
        except BaseException as err:  # noqa: BLE001 - raised again by the thread that waits for all of them
            failures.append(err)

    threads = [Hand(work, name=f"mlsign-hash-{number}") for number in range(1, min(workers or worker_count(), len(waiting)))]
    try:
        with contextlib.suppress(RuntimeError):  # no more threads are to be had: fewer hands do the same work
            for thread in threads:
                thread.start()
        work()
    except BaseException:  # an interrupt between two of them: those that run are to end as well
        failures.append(Stopped())
        raise
    finally:
        join_all(threads, failures)
    if failures:
        raise failures[0]


class Hand(threading.Thread):
    """A thread that is waited for to its end. ``Thread.join`` takes it for ended once a signal has interrupted the waiting (bpo-45274)."""

    def __init__(self, work: Callable[[], None], *, name: str) -> None:
        super().__init__(name=name)
        self._work = work
        self.ended = threading.Event()

    def run(self) -> None:
        try:
            self._work()
        finally:
            self.ended.set()


def join_all(threads: Iterable[Hand], failures: list[BaseException]) -> None:
    """Every thread that was started has ended: what it reads and writes may be closed, and the number be that of another file.

    An interrupt meanwhile goes into ``failures``, so that they end soon, and is raised after that.
    """
    interrupt: BaseException | None = None
    for thread in threads:
        # One without a number has not begun; should it still, it finds the failure because of which nobody waits for it.
        while thread.ident is not None:
            try:
                thread.ended.wait()
                thread.join()
            except BaseException as err:  # noqa: BLE001 - raised below
                failures.append(err)
                interrupt = err
            else:
                break
    if interrupt is not None:
        raise interrupt
