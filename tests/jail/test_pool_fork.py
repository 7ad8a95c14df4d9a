"""A pool after ``fork``, in both processes; and at the end of programs that did not close it."""

import asyncio
import contextlib
import gc
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from jail_models import X
from pooling import PATIENCE, crew_of, footprint, footprint_at_rest, pids, pool_of, until
from processes import descendants

from mlsign.errors import JailError
from mlsign.sandbox import zygote_host
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.pool.pool import Pool

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def in_fork(deed) -> str:
    """What ``deed`` returns in a child process, or the error that it raises."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            said = f"{deed()}"
        except BaseException as err:  # noqa: BLE001  nothing may run on in the child
            said = f"{type(err).__name__} {getattr(err, 'code', '')} {err}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    poll = select.poll()
    poll.register(read, select.POLLIN)
    ended = poll.poll(PATIENCE * 1000)
    if not ended:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    said = os.read(read, 65536).decode()
    os.close(read)
    return said if ended else "it hangs"


def test_the_child_has_workers_of_its_own_and_the_parent_keeps_its_own(memory, doubler):
    with pool_of(memory, doubler) as pool:
        before = sorted(pids(pool))

        def deed():
            assert pool.health().ready == 0
            right = [np.array_equal(pool.run({"x": X})["y"], 2 * X) for _ in range(20)]
            until(lambda: pool.health().ready == 2)
            health = pool.health()
            layers = [layer.name for layer in pool.layers if layer.in_force]
            own = set(pids(pool))
            pool.close()
            return (
                sum(right),
                health.calls,
                health.restarts,
                own.isdisjoint(before),
                "seccomp" in layers,
                own & set(descendants(os.getpid())),
            )

        assert in_fork(deed) == "(20, 20, 0, True, True, set())"
        assert in_fork(deed) == "(20, 20, 0, True, True, set())"
        assert sorted(pids(pool)) == before
        assert np.array_equal(pool.run({"x": X})["y"], 2 * X)
        assert (pool.health().calls, pool.health().restarts, pool.health().failures) == (1, 0, 0)


def test_a_child_that_does_nothing_or_closes_harms_nobody(memory, doubler):
    model = memory.model(doubler)
    Jail.start(model).close()
    before = footprint_at_rest()
    with Pool(model, workers=2) as pool:
        until(lambda: pool.health().ready == 2)
        own = sorted(pids(pool))
        for deed in (lambda: "ok", lambda: pool.close() or "ok", lambda: (pool.run({"x": X}), "ok")[1]):
            assert in_fork(deed) == "ok"
        assert sorted(pids(pool)) == own
        assert pool.run({"x": X})["y"].shape == X.shape
    until(lambda: footprint() == before)


def links() -> set[str]:
    """What the descriptors of this process that lead to other processes are."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/self/fd/{fd}"))
    return {kind for kind in found if "pidfd" in kind or "eventpoll" in kind or kind.startswith("socket:")}


def test_the_child_holds_no_descriptor_of_the_parents_workers(memory, doubler):
    """Else they would outlive the parent, and the child could signal them or speak to them."""
    zygote_host.end()
    before = links()
    with pool_of(memory, doubler) as pool:
        assert len(links() - before) >= 2
        assert in_fork(lambda: links() - before) == "set()"
        assert pool.run({"x": X})["y"].shape == X.shape


def test_forking_under_load_from_threads_that_hold_locks(memory, doubler):
    with pool_of(memory, doubler, workers=2) as pool:
        stop = threading.Event()
        wrong: list[object] = []
        counted = [0]

        def work(n):
            while not stop.is_set():
                x = np.full((2, 2), n, np.float32)
                if not np.array_equal(pool.run({"x": x})["y"], 2 * x):
                    wrong.append(n)
                counted[0] += 1

        def slay():
            while not stop.is_set():
                time.sleep(0.1)
                for worker in list(crew_of(pool)._workers)[:1]:
                    worker.kill()

        def tolerant(n):
            while not stop.is_set():
                try:
                    work(n)
                except JailError as err:
                    if err.code != "sandbox.worker.died":
                        wrong.append(err.code)

        threads = [threading.Thread(target=tolerant, args=(n,)) for n in range(4)] + [threading.Thread(target=slay)]
        for thread in threads:
            thread.start()
        said = [in_fork(lambda: np.array_equal(pool.run({"x": X}, timeout=PATIENCE)["y"], 2 * X)) for _ in range(8)]
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert said == ["True"] * 8
        assert wrong == []
        assert counted[0] > 0


def test_forking_from_a_task_while_others_are_at_calls_and_wait(memory, doubler):
    """The child has their coroutines too, and throws them away."""

    async def scenario():
        tasks = [asyncio.ensure_future(pool.run_async({"x": X})) for _ in range(20)]
        await asyncio.sleep(0)

        def deed():
            tasks.clear()
            gc.collect()
            return np.array_equal(pool.run({"x": X}, timeout=PATIENCE)["y"], 2 * X)

        said = in_fork(deed)
        return said, [np.array_equal(outputs["y"], 2 * X) for outputs in await asyncio.gather(*tasks)]

    with pool_of(memory, doubler, workers=1) as pool:
        assert asyncio.run(scenario()) == ("True", [True] * 20)
        assert (pool.health().calls, pool.health().restarts) == (20, 0)


def test_a_fork_of_a_fork_has_a_pool_as_well(memory, doubler):
    def run():
        return np.array_equal(pool.run({"x": X})["y"], 2 * X)

    with pool_of(memory, doubler, workers=1) as pool:
        assert in_fork(lambda: (in_fork(run), run())) == "('True', True)"
        assert run()


def test_a_pool_that_was_closed_stays_closed_in_a_fork(memory, doubler):
    pool = pool_of(memory, doubler, workers=1)
    pool.close()
    assert in_fork(lambda: pool.run({"x": X})).startswith("JailError sandbox.pool.closed")


PROGRAM = """
import os, signal, sys, threading, time
import numpy as np
sys.path.insert(0, {jail!r})
from jail_models import Memory, graph_model, tensor
from onnx import helper
from mlsign.sandbox.pool.pool import Pool

model = graph_model([helper.make_node("Add", ["x", "x"], ["y"])], [tensor("x")], [tensor("y")])
pool = Pool(Memory().model(model), workers=2)
x = np.ones((3, 2), np.float32)
while pool.health().ready < 2:
    time.sleep(0.01)
print(*[worker.jail.pid for worker in pool._held.shift.crew._workers], flush=True)
{rest}
"""


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        ("pool.run({'x': x})", 0),
        ("pool.run({'x': x}); sys.exit(3)", 3),
        ("del pool", 0),
        ("os._exit(4)", 4),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9),
        (
            "def work():\n    while True: pool.run({'x': x})\n[threading.Thread(target=work, daemon=True).start() for _ in range(4)]\ntime.sleep(0.2)",
            0,
        ),
        ("raise KeyboardInterrupt", -2),
    ],
    ids=["end", "exit", "thrown away", "_exit", "killed", "daemons at work", "interrupted"],
)
def test_a_program_that_ends_without_closing_leaves_no_process_and_says_nothing(rest, code):
    program = PROGRAM.format(jail=str(Path(__file__).parent), rest=rest)
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    said = done.stderr if "Keyboard" not in rest else done.stderr.rpartition("KeyboardInterrupt\n")[2]
    assert (said, done.returncode) == ("", code)
    workers = [int(pid) for pid in done.stdout.split()]
    assert len(workers) == 2
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
