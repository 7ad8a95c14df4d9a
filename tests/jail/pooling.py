"""What tests of pools share: pools over models made on the spot, and what a pool must not leave behind."""

import gc
import os
import threading
import time

from processes import descendants

from mlsign.sandbox.channel import cpu_time
from mlsign.sandbox.pool.pool import Pool
from mlsign.sandbox.spec import JailSpec

PATIENCE = 60.0
"""For what must happen; nothing in these tests measures speed."""


def until(condition, *, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.002)


def pool_of(memory, proto, *, workers=2, max_waiting=64, warm_up=True, full=True, **spec) -> Pool:
    """A pool over the model; with ``full`` all its workers are ready."""
    pool = Pool(memory.model(proto), workers=workers, spec=JailSpec(**spec), max_waiting=max_waiting, warm_up=warm_up)
    if full:
        until(lambda: pool.health().ready == workers)
    return pool


def crew_of(pool: Pool):
    return pool._held.shift.crew


def pids(pool: Pool) -> list[int]:
    """The processes of all workers, as this process sees them."""
    return [worker.jail.pid for worker in list(crew_of(pool)._workers)]


def at_work(pool: Pool) -> list[int]:
    """The processes of workers that are in the midst of a long call, once there are any: they use up time."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        workers = [turn.worker for turn in list(pool._held.shift.queue._out)]
        used = {worker: cpu_time(worker.jail.pid) for worker in workers if worker is not None and worker.jail.alive()}
        time.sleep(0.02)
        if found := [worker.jail.pid for worker, before in used.items() if cpu_time(worker.jail.pid) > before + 0.005]:
            return found
    raise AssertionError("nobody ever came to work")


def footprint() -> tuple[int, int, int]:
    """Descriptors, processes, threads."""
    return len(os.listdir("/proc/self/fd")), len(descendants(os.getpid())), threading.active_count()


def footprint_at_rest() -> tuple[int, int, int]:
    """The footprint once it has not changed for a while: keepers of earlier tests are reaped by then."""
    gc.collect()  # what an earlier test left may hold descriptors, and would let go of them at any time
    last, since = footprint(), time.monotonic()
    while time.monotonic() < since + 0.2:
        time.sleep(0.01)
        if (now := footprint()) != last:
            last, since = now, time.monotonic()
    return last
