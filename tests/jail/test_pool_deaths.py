"""A pool in bad weather: workers that are killed, hang, take memory, write garbage, or cannot be started."""

import contextlib
import os
import random
import signal
import threading
import time
import timeit

import numpy as np
import pytest
from jail_models import X
from pooling import PATIENCE, at_work, crew_of, footprint, footprint_at_rest, pids, pool_of, until
from processes import workers_below

from mlsign.errors import JailError
from mlsign.sandbox import zygote_host
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.pool.pool import Pool
from mlsign.sandbox.pool.worker import LONGEST_PAUSE_SECONDS, Place, pause_seconds
from mlsign.sandbox.runtimes import RuntimeName


def looping(turns: int) -> dict:
    return {"n": np.array(turns, np.int64), "x": np.zeros(64, np.float32)}


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def error_of(call) -> JailError:
    with pytest.raises(JailError) as caught:
        call()
    return caught.value


def whole(pool: Pool, *, restarts: int) -> bool:
    health = pool.health()
    return (health.ready, health.restarts) == (health.workers, restarts)


def test_an_idle_worker_that_is_killed_is_replaced_before_a_caller_meets_it(memory, doubler):
    with pool_of(memory, doubler) as pool:
        for round_ in range(3):
            for pid in pids(pool):
                kill(pid)
            until(lambda round_=round_: whole(pool, restarts=2 * (round_ + 1)))
            for _ in range(4):
                assert np.array_equal(pool.run({"x": X})["y"], 2 * X)
        health = pool.health()
        assert (health.failures, health.calls) == (0, 12)
        assert "idle" in health.last_error


def test_a_dead_worker_that_nobody_noticed_yet_is_passed_by(memory, doubler):
    with pool_of(memory, doubler, workers=2) as pool:
        go_on = threading.Event()
        crew_of(pool).later(go_on.wait)  # the crew is busy
        first, second = reversed(pool._held.shift.queue._idle)
        kill(first.jail.pid)
        until(lambda: not first.jail.alive())
        assert np.array_equal(pool.run({"x": X})["y"], 2 * X)
        kill(second.jail.pid)
        until(lambda: not second.jail.alive())
        answers = []
        waits = threading.Thread(target=lambda: answers.append(pool.run({"x": X})["y"]))
        waits.start()
        until(lambda: pool.health().waiting == 1)
        go_on.set()
        waits.join(PATIENCE)
        assert np.array_equal(answers[0], 2 * X)
        until(lambda: whole(pool, restarts=2))
        assert pool.health().failures == 0


def test_whoever_was_at_a_call_is_told_and_the_next_call_works(memory, spinner):
    with pool_of(memory, spinner, wall_seconds=60.0, cpu_seconds=60.0) as pool:
        caught = []
        thread = threading.Thread(target=lambda: caught.append(error_of(lambda: pool.run(looping(1 << 60)))))
        thread.start()
        kill(*at_work(pool))
        thread.join(PATIENCE)
        assert caught[0].code == "sandbox.worker.died"
        assert "killed" in str(caught[0])
        assert list(pool.run(looping(1))) == ["y"]
        until(lambda: whole(pool, restarts=1))
        assert pool.health().failures == 1
        assert "killed" in pool.health().last_error


@pytest.mark.parametrize(
    ("limits", "timeout", "code"),
    [
        ({"wall_seconds": 2.0}, None, "sandbox.deadline"),  # more than the short calls and the warm-up take anywhere
        ({}, 0.2, "sandbox.deadline"),
        ({"cpu_seconds": 0.2, "wall_seconds": 60.0}, None, "sandbox.cpu"),
    ],
)
def test_a_model_that_does_not_end_costs_its_worker_and_nobody_else(memory, spinner, limits, timeout, code):
    with pool_of(memory, spinner, workers=1, **limits) as pool:
        assert error_of(lambda: pool.run(looping(1 << 60), timeout=timeout)).code == code
        assert list(pool.run(looping(1))) == ["y"]  # it waits for the new worker
        assert whole(pool, restarts=1)


def test_those_who_wait_have_the_worker_that_comes_in_place_of_one_that_hung(memory, spinner):
    with pool_of(memory, spinner, workers=1, wall_seconds=2.0) as pool:
        outcomes = []
        hung = threading.Thread(target=lambda: outcomes.append(error_of(lambda: pool.run(looping(1 << 60))).code))
        hung.start()
        until(lambda: pool.health().busy == 1)
        rest = [threading.Thread(target=lambda: outcomes.append(list(pool.run(looping(1))))) for _ in range(8)]
        for thread in rest:
            thread.start()
        for thread in (hung, *rest):
            thread.join(PATIENCE)
        assert sorted(map(str, outcomes)) == ["['y']"] * 8 + ["sandbox.deadline"]


def test_memory_beyond_the_limit_is_an_error_of_its_call_alone(memory, filler):
    with pool_of(memory, filler, workers=1, memory_bytes=256 << 20) as pool:
        assert error_of(lambda: pool.run({"shape": np.array([1 << 27], np.int64)})).code == "sandbox.memory"
        assert pool.run({"shape": np.array([8], np.int64)})["y"] == 0
        assert pool.health().restarts == 0


@pytest.mark.parametrize(
    ("mode", "codes"),
    [
        ("drip", {"sandbox.frame", "sandbox.deadline"}),
        ("announce", {"sandbox.frame", "sandbox.deadline"}),
        ("map_shared", {"sandbox.worker.died"}),
    ],
)
def test_a_worker_that_was_taken_over_gives_a_typed_error_and_the_next_call_works(
    memory, doubler, taken_over, monkeypatch, mode, codes
):
    taken_over(mode)
    with pool_of(memory, doubler, workers=2, warm_up=False, wall_seconds=2.0) as pool:
        go_on = threading.Event()
        crew_of(pool).later(go_on.wait)  # no worker comes in place of the first before all that come are honest
        assert error_of(lambda: pool.run({"x": X})).code in codes
        monkeypatch.undo()
        zygote_host.end()
        for worker in list(crew_of(pool)._workers):
            worker.kill()
        go_on.set()
        until(lambda: pool.health().ready == 2 and pool.health().restarts >= 2)
        for _ in range(4):
            assert np.array_equal(pool.run({"x": X})["y"], 2 * X)


def test_a_worker_that_attacks_in_its_warm_up_never_meets_a_caller(memory, doubler, taken_over):
    taken_over("map_shared")
    err = error_of(lambda: pool_of(memory, doubler))
    assert err.code == "sandbox.worker.died"
    assert "warm-up" in str(err)


def test_without_a_worker_callers_are_told_why_at_once_and_served_when_there_is_one_again(
    memory, spinner, taken_over, monkeypatch
):
    with pool_of(memory, spinner, workers=1, wall_seconds=60.0, cpu_seconds=60.0) as pool:
        caught = []
        first = threading.Thread(target=lambda: caught.append(error_of(lambda: pool.run(looping(1 << 60))).code))
        first.start()
        at_work(pool)
        waiting = [threading.Thread(target=lambda: caught.append(error_of(lambda: pool.run(looping(1))))) for _ in range(3)]
        for thread in waiting:
            thread.start()
        until(lambda: pool.health().waiting == 3)
        taken_over("blame_start")
        kill(pids(pool)[0])
        for thread in (first, *waiting):
            thread.join(PATIENCE)
        told = [err for err in caught if isinstance(err, JailError)]
        assert caught.count("sandbox.worker.died") == 1
        assert [err.code for err in told] == ["sandbox.pool.unavailable"] * 3
        assert all("sandbox.model.start" in str(err) for err in told)
        newcomer = error_of(lambda: pool.run(looping(1)))
        assert newcomer.code == "sandbox.pool.unavailable"
        health = pool.health()
        assert (health.ready, health.waiting, health.workers) == (0, 0, 1)
        assert "sandbox.model.start" in health.last_error
        monkeypatch.undo()
        zygote_host.end()
        until(lambda: pool.health().ready == 1)
        assert list(pool.run(looping(1))) == ["y"]


def test_the_zygote_may_be_killed(memory, doubler):
    with pool_of(memory, doubler) as pool:
        for round_ in range(3):
            zygote_host._current.zygotes[RuntimeName.ONNXRUNTIME]._popen.kill()
            for pid in pids(pool):
                kill(pid)
            until(lambda round_=round_: whole(pool, restarts=2 * (round_ + 1)))
            assert pool.run({"x": X})["y"].shape == X.shape


def test_a_worker_that_is_killed_while_it_starts_is_known_to_have_died(memory, doubler):
    """Whatever step it is at: any other reason would be told to callers as one that lasts."""
    model = memory.model(doubler)
    Jail.start(model).close()  # with the zygote, which is not what is timed
    usual = min(timeit.repeat(lambda: Jail.start(model).close(), number=1, repeat=5))
    dice = random.Random(3)  # noqa: S311  chance, not a secret
    codes = []

    def slay(over: threading.Event) -> None:
        time.sleep(dice.random() * usual)
        while not over.is_set():
            for pid in workers_below(os.getpid()):
                with contextlib.suppress(ProcessLookupError):
                    kill(pid)
                    return

    for _ in range(60):
        over = threading.Event()
        slayer = threading.Thread(target=slay, args=(over,))
        slayer.start()
        try:
            Jail.start(model).close()
        except JailError as err:
            codes.append(err.code)
        over.set()
        slayer.join()
    assert codes.count("sandbox.worker.died") == len(codes) >= 5


def test_pauses_between_starts_double_up_to_a_limit():
    assert [pause_seconds(failures) for failures in range(6)] == [0, 0, 0.05, 0.1, 0.2, 0.4]
    assert pause_seconds(10_000) == LONGEST_PAUSE_SECONDS == 5.0
    place = Place()
    place.failed(now=100.0)
    assert (place.failures, place.due) == (1, 100.0)
    place.failed(now=100.0)
    assert place.due == 100.05


def test_only_an_answer_ends_the_pauses(memory, doubler):
    """A worker that warms up well and then dies at every call must not be started in a tight loop."""
    with pool_of(memory, doubler, workers=1) as pool:
        for failures in range(1, 5):
            kill(pids(pool)[0])
            until(lambda failures=failures: whole(pool, restarts=failures))
            (worker,) = crew_of(pool)._workers
            assert worker.place.failures == failures
        pool.run({"x": X})
        kill(pids(pool)[0])
        until(lambda: whole(pool, restarts=5))
        (worker,) = crew_of(pool)._workers
        assert worker.place.failures == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_of_the_crew_is_told_to_everybody(memory, spinner, monkeypatch):
    pool = pool_of(memory, spinner, workers=1, wall_seconds=60.0, cpu_seconds=60.0)
    caught = []
    threads = [threading.Thread(target=lambda: caught.append(error_of(lambda: pool.run(looping(1 << 60))))) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: pool.health().waiting == 2)
    at_work(pool)
    monkeypatch.setattr(crew_of(pool), "lost", lambda *_: 1 // 0)
    kill(pids(pool)[0])
    for thread in threads:
        thread.join(PATIENCE)
    assert {err.code for err in caught} <= {"sandbox.pool.closed", "sandbox.worker.died"}
    assert sum("the pool has failed" in str(err) for err in caught) == 2
    monkeypatch.undo()
    pool.close()


def test_kills_under_load_lose_nothing_and_leave_nothing(memory, doubler):
    """Every call has its right answer, or an error that says that its worker was killed; and there are no more of these than kills."""
    model = memory.model(doubler)
    Jail.start(model).close()
    before = footprint_at_rest()
    kills, calls, callers = 60, 3000, 6
    answers: list[int] = []
    codes: list[str] = []
    wrong: list[int] = []
    with Pool(model, workers=3, max_waiting=callers) as pool:

        def work(number: int) -> None:
            for i in range(calls // callers):
                x = np.full((1 + i % 5, 2), number * 10_000 + i, np.float32)
                try:
                    y = pool.run({"x": x}, timeout=PATIENCE)["y"]
                except JailError as err:
                    codes.append(err.code)
                else:
                    answers.append(i)
                    if not np.array_equal(y, 2 * x):
                        wrong.append(i)
                time.sleep(0.001)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(callers)]
        for thread in threads:
            thread.start()
        dice = random.Random(0)  # noqa: S311  chance, not a secret
        killed = 0
        while killed < kills:
            running = pids(pool)
            if running:
                try:
                    kill(dice.choice(running))
                    killed += 1
                except ProcessLookupError:
                    continue
            time.sleep(dice.random() * 0.02)
        for thread in threads:
            thread.join(4 * PATIENCE)
            assert not thread.is_alive()
        until(lambda: pool.health().ready == 3)
        assert np.array_equal(pool.run({"x": X})["y"], 2 * X)
        health = pool.health()
    assert wrong == []
    assert len(answers) + len(codes) == calls
    assert set(codes) <= {"sandbox.worker.died"}
    assert len(codes) == health.failures <= kills
    assert 3 <= health.restarts <= kills
    until(lambda: footprint() == before)
