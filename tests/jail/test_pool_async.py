"""A pool on event loops: asyncio and uvloop, several at once, cancellation, loops that get stuck or are closed."""

import asyncio
import contextlib
import gc
import signal
import threading
import time
import warnings

import numpy as np
import pytest
import uvloop
from jail_models import X
from pooling import PATIENCE, at_work, crew_of, footprint, footprint_at_rest, pids, pool_of, until
from processes import standing_still

from mlsign.errors import InputError, JailError
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.pool import shift as pool_shift
from mlsign.sandbox.pool.pool import Pool
from mlsign.sandbox.spec import JailSpec

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on a new loop of each kind."""

    def in_new_loop(coroutine):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(coroutine)

    return in_new_loop


def looping(turns: int) -> dict:
    return {"n": np.array(turns, np.int64), "x": np.zeros(64, np.float32)}


async def until_async(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        await asyncio.sleep(0.002)


async def code_of(awaitable) -> str:
    with pytest.raises((JailError, InputError)) as caught:
        await awaitable
    return caught.value.code


def whole(pool: Pool) -> bool:
    health = pool.health()
    return (health.ready, health.busy, health.waiting) == (health.workers, 0, 0)


def test_many_tasks_get_their_own_answers_from_few_workers(memory, doubler, run):
    async def one(n):
        x = np.full((1 + n % 5, 2), n, np.float32)
        return np.array_equal((await pool.run_async({"x": x}))["y"], 2 * x)

    async def all_of_them():
        return await asyncio.gather(*(one(n) for n in range(400)))

    with pool_of(memory, doubler, max_waiting=400) as pool:
        assert run(all_of_them()) == [True] * 400
        assert whole(pool)
        assert (pool.health().calls, pool.health().failures) == (400, 0)


def test_the_loop_goes_on_while_a_model_runs(memory, spinner, run):
    async def go_on():
        with standing_still(pids(pool)):
            task = asyncio.ensure_future(pool.run_async(looping(1)))
            await until_async(lambda: pool.health().busy == 1)
            for _ in range(10):
                await asyncio.sleep(0.001)
            assert not task.done()
        return list(await task)

    with pool_of(memory, spinner, wall_seconds=60.0, cpu_seconds=60.0) as pool:
        assert run(go_on()) == ["y"]


def test_threads_and_tasks_stand_in_one_line(memory, spinner, run, monkeypatch):
    order = []

    def noting(deed):
        def noted(self, feeds, **rest):
            order.append(int(feeds["n"]))
            return deed(self, feeds, **rest)

        return noted

    async def scenario():
        started = []
        with standing_still(pids(pool)):
            for i in range(9):
                call = asyncio.to_thread(pool.run, looping(i)) if i % 2 else pool.run_async(looping(i))
                started.append(asyncio.ensure_future(call))
                await until_async(lambda i=i: (pool.health().busy, pool.health().waiting) == (1, i))
        await asyncio.gather(*started)

    with pool_of(memory, spinner, workers=1, wall_seconds=60.0, cpu_seconds=60.0) as pool:
        monkeypatch.setattr(Jail, "run", noting(Jail.run))
        monkeypatch.setattr(Jail, "begin", noting(Jail.begin))
        run(scenario())
        assert order == list(range(9))


def test_several_loops_in_several_threads_share_a_pool(memory, doubler):
    right = []

    def work(factory):
        async def calls():
            return [np.array_equal((await pool.run_async({"x": X}))["y"], 2 * X) for _ in range(50)]

        async def three():
            return await asyncio.gather(calls(), calls(), calls())

        with asyncio.Runner(loop_factory=factory) as runner:
            right.append(sum(map(sum, runner.run(three()))))

    with pool_of(memory, doubler) as pool:
        threads = [threading.Thread(target=work, args=(factory,)) for factory in LOOPS * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert right == [150] * 4
        assert whole(pool)


def test_refusals_are_those_of_the_other_way(memory, spinner, run):
    async def scenario():
        bad = {"n": np.array(1, np.int32), "x": np.zeros(64, np.float32)}
        assert await code_of(pool.run_async(bad)) == "input.dtype"
        assert await code_of(pool.run_async(looping(1), timeout=0)) == "usage.timeout"
        busy = asyncio.ensure_future(pool.run_async(looping(1 << 60), timeout=5.0))
        await until_async(lambda: pool.health().busy == 1)
        assert await code_of(pool.run_async(bad)) == "input.dtype"
        assert await code_of(pool.run_async(looping(1), timeout=0.05)) == "sandbox.pool.deadline"
        waits = asyncio.ensure_future(pool.run_async(looping(1)))
        await until_async(lambda: pool.health().waiting == 1)
        assert await code_of(pool.run_async(looping(1))) == "sandbox.pool.full"
        assert await code_of(busy) == "sandbox.deadline"
        assert list(await waits) == ["y"]

    with pool_of(memory, spinner, workers=1, max_waiting=1) as pool:
        run(scenario())
        until(lambda: whole(pool))


def test_errors_of_the_model_keep_the_worker_and_deaths_do_not(memory, filler, run):
    async def scenario():
        (pid,) = pids(pool)
        assert await code_of(pool.run_async({"shape": np.array([-1], np.int64)})) == "sandbox.model.run"
        assert (await pool.run_async({"shape": np.array([8], np.int64)}))["y"] == 0
        assert pids(pool) == [pid]

    with pool_of(memory, filler, workers=1) as pool:
        run(scenario())
        assert pool.health().restarts == 0


def test_a_worker_that_is_killed_or_burns_its_time_gives_its_task_an_error(memory, spinner, run):
    async def scenario():
        task = asyncio.ensure_future(pool.run_async(looping(1 << 60)))
        found = await asyncio.to_thread(at_work, pool)
        signal.pidfd_send_signal(next(w.pidfd for w in crew_of(pool)._workers if w.jail.pid in found), signal.SIGKILL)
        assert await code_of(task) == "sandbox.worker.died"
        assert list(await pool.run_async(looping(1))) == ["y"]
        assert await code_of(pool.run_async(looping(1 << 60))) == "sandbox.cpu"
        assert list(await pool.run_async(looping(1))) == ["y"]

    with pool_of(memory, spinner, workers=1, cpu_seconds=0.5, wall_seconds=60.0) as pool:
        run(scenario())
        until(lambda: whole(pool))
        assert pool.health().restarts == 2


def test_a_task_that_is_cancelled_in_the_line_leaves_it(memory, spinner, run):
    async def scenario():
        with standing_still(pids(pool)):
            busy = asyncio.ensure_future(pool.run_async(looping(1)))
            await until_async(lambda: pool.health().busy == 1)
            waiting = [asyncio.ensure_future(pool.run_async(looping(1))) for _ in range(5)]
            await until_async(lambda: pool.health().waiting == 5)
            for task in waiting[:4]:
                task.cancel()
            await asyncio.sleep(0)
            await until_async(lambda: pool.health().waiting == 1)
        assert list(await waiting[4]) == ["y"]
        await busy
        assert all(task.cancelled() for task in waiting[:4])

    with pool_of(memory, spinner, workers=1, wall_seconds=60.0, cpu_seconds=60.0) as pool:
        run(scenario())
        assert whole(pool)
        assert (pool.health().calls, pool.health().restarts) == (2, 0)


def test_a_task_that_is_cancelled_at_the_moment_it_is_served_hands_the_worker_on(memory, doubler, run):
    async def scenario():
        held = crew_of(pool)._queue
        turn = pool_shift.Turn()
        assert held.take(turn)
        task = asyncio.ensure_future(pool.run_async({"x": X}))
        await until_async(lambda: pool.health().waiting == 1)
        other = asyncio.ensure_future(pool.run_async({"x": X}))
        await until_async(lambda: pool.health().waiting == 2)
        held.finish(turn, keep=True)  # granted: but the loop has not come to tell the task
        task.cancel()
        assert np.array_equal((await other)["y"], 2 * X)
        assert task.cancelled()

    with pool_of(memory, doubler, workers=1) as pool:
        run(scenario())
        assert whole(pool)
        assert pool.health().restarts == 0


def test_a_call_that_is_cancelled_ends_its_worker_and_another_comes(memory, spinner, run):
    async def scenario():
        (pid,) = pids(pool)
        task = asyncio.ensure_future(pool.run_async(looping(1 << 60)))
        await until_async(lambda: pool.health().busy == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert list(await pool.run_async(looping(1))) == ["y"]
        assert pids(pool) != [pid]

    with pool_of(memory, spinner, workers=1, wall_seconds=600.0, cpu_seconds=600.0) as pool:
        run(scenario())
        until(lambda: whole(pool))
        assert (pool.health().restarts, pool.health().failures) == (1, 0)


def test_storms_of_cancellations_leak_nothing(memory, doubler, run):
    model = memory.model(doubler)
    Jail.start(model).close()
    before = footprint_at_rest()

    async def one(n):
        task = asyncio.ensure_future(pool.run_async({"x": X}))
        await asyncio.sleep(n % 7 * 0.0003)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            return np.array_equal((await task)["y"], 2 * X)
        return None

    async def storm():
        return await asyncio.gather(*(one(n) for n in range(150)))

    with Pool(model, workers=2, max_waiting=200) as pool:
        outcomes = run(storm())
        until(lambda: whole(pool))
        assert False not in outcomes
        assert np.array_equal(pool.run({"x": X})["y"], 2 * X)
    until(lambda: footprint() == before)


def test_a_loop_that_is_closed_in_the_midst_takes_no_worker_along(memory, spinner):
    """Tasks that nobody waits for any more: one that runs, and one in the line."""
    with pool_of(memory, spinner, workers=1, wall_seconds=600.0, cpu_seconds=600.0) as pool:
        loop = asyncio.new_event_loop()
        tasks = [loop.create_task(pool.run_async(looping(1 << 60)))]
        loop.run_until_complete(until_async(lambda: pool.health().busy == 1))
        tasks.append(loop.create_task(pool.run_async(looping(1))))
        loop.run_until_complete(until_async(lambda: pool.health().waiting == 1))
        for task in tasks:
            task._log_destroy_pending = False
        loop.close()
        del task
        tasks.clear()
        gc.collect()
        assert list(pool.run(looping(1), timeout=PATIENCE)) == ["y"]
        until(lambda: whole(pool))


def test_a_loop_that_is_stuck_holds_no_worker_for_ever(memory, spinner, monkeypatch):
    monkeypatch.setattr(pool_shift, "PICKUP_SECONDS", 0.3)
    monkeypatch.setattr(pool_shift, "_GRACE_SECONDS", 0.3)

    async def scenario():
        turn = pool_shift.Turn()
        assert crew_of(pool)._queue.take(turn)
        task = asyncio.ensure_future(pool.run_async(looping(1)))
        await until_async(lambda: pool.health().waiting == 1)
        crew_of(pool)._queue.finish(turn, keep=True)  # the task has the worker, and cannot come for it
        assert list(pool.run(looping(2), timeout=PATIENCE)) == ["y"]  # blocks the loop
        assert list(await task) == ["y"]  # in its turn, again
        assert pool.health().restarts == 0
        task = asyncio.ensure_future(pool.run_async(looping(1 << 60)))
        await until_async(lambda: pool.health().busy == 1)
        assert list(pool.run(looping(3), timeout=PATIENCE)) == ["y"]  # blocks it past the deadline of the other call
        assert await code_of(task) == "sandbox.deadline"
        assert pool.health().restarts == 1

    with pool_of(memory, spinner, workers=1, wall_seconds=3.0) as pool:
        asyncio.run(scenario())
        until(lambda: whole(pool))


def test_closing_from_another_thread_lets_tasks_finish(memory, spinner, run):
    pool = pool_of(memory, spinner, workers=1, wall_seconds=60.0, cpu_seconds=60.0)

    async def scenario():
        with standing_still(pids(pool)):
            runs = asyncio.ensure_future(pool.run_async(looping(1)))
            await until_async(lambda: pool.health().busy == 1)
            waits = asyncio.ensure_future(pool.run_async(looping(1)))
            await until_async(lambda: pool.health().waiting == 1)
            closes = asyncio.ensure_future(asyncio.to_thread(pool.close, PATIENCE))
            assert await code_of(waits) == "sandbox.pool.closed"
        await closes
        assert list(await runs) == ["y"]
        assert await code_of(pool.run_async(looping(1))) == "sandbox.pool.closed"

    run(scenario())


def test_closing_from_the_loop_itself_does_not_wait_for_its_own_tasks(memory, spinner, run):
    model = memory.model(spinner)
    Jail.start(model).close()
    before = footprint_at_rest()
    pool = Pool(model, workers=1, spec=JailSpec(wall_seconds=600.0, cpu_seconds=600.0))

    async def scenario():
        task = asyncio.ensure_future(pool.run_async(looping(1 << 60)))
        await until_async(lambda: pool.health().busy == 1)
        pool.close(drain_seconds=600.0)
        assert await code_of(task) == "sandbox.pool.closed"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        run(scenario())
    until(lambda: footprint() == before)
