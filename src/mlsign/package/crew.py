"""Several threads that work off a list of jobs, largest first, so that one big file does not start last.

The caller's own thread is one of them. The first error, an interrupt included, stops what has not begun at once and what
is under way as soon as it looks.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
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
    """A thread that can be waited for to its end, however often that is interrupted.

    ``Thread.join`` takes it for ended after an interrupt (bpo-45274), and one within ``Event`` may leave its lock behind.
    """

    def __init__(self, work: Callable[[], None], *, name: str) -> None:
        super().__init__(name=name)
        self._work = work
        self._last_words: SimpleQueue[None] = SimpleQueue()
        self.begun = self.ended = False

    def run(self) -> None:
        self.begun = True
        try:
            self._work()
        finally:
            self.ended = True
            self._last_words.put(None)

    def wait(self) -> None:
        """It has ended."""
        while not self.ended:
            self._last_words.get()


def join_all(threads: Sequence[Hand], failures: list[BaseException], *, tell: Callable[[], None] = lambda: None) -> None:
    """Every thread that was started has ended: what it reads and writes may be closed, and the number be that of another file.

    ``tell`` lets them know that nothing more comes, and may be called again. An interrupt meanwhile goes into ``failures``, so that
    they end soon, and is raised after that.
    """
    interrupt: BaseException | None = None
    while True:
        try:
            tell()
            for thread in threads:
                # Should one begin only now, it finds the failure because of which nobody waits for it.
                if thread.begun or (thread.ident is not None and not failures):
                    thread.wait()
                    if interrupt is None:
                        thread.join()
            break
        except BaseException as err:  # noqa: BLE001 - raised below
            failures.append(err)
            interrupt = interrupt or err
    if interrupt is not None:
        raise interrupt
