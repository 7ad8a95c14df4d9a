"""A pool in good weather: answers, refusals, health, warming up, closing."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from jail_models import X, graph_model, tensor
from onnx import TensorProto, helper
from pooling import PATIENCE, crew_of, footprint, footprint_at_rest, pids, pool_of, until
from processes import standing_still

from mlsign.errors import InputError, JailError
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.layers import REQUIRED
from mlsign.sandbox.pool.pool import Pool
from mlsign.sandbox.pool.start import Starter
from mlsign.sandbox.spec import JailSpec


def looping(turns: int) -> dict:
    return {"n": np.array(turns, np.int64), "x": np.zeros(64, np.float32)}


def code_of(call, kind=JailError) -> str:
    with pytest.raises(kind) as caught:
        call()
    return caught.value.code


def test_many_threads_get_their_own_answers(memory, doubler):
    wrong = []
    with pool_of(memory, doubler, workers=3) as pool:

        def work(n):
            for i in range(60):
                x = np.full((1 + i % 7, 2), n * 1000 + i, np.float32)
                if not np.array_equal(pool.run({"x": x})["y"], 2 * x):
                    wrong.append((n, i))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        health = pool.health()
    assert wrong == []
    assert (health.workers, health.ready, health.busy, health.waiting) == (3, 3, 0, 0)
    assert (health.calls, health.failures, health.restarts, health.last_error) == (720, 0, 0, "")


def test_calls_run_at_the_same_time_one_on_each_worker(memory, spinner):
    with pool_of(memory, spinner, cpu_seconds=60.0, wall_seconds=60.0) as pool:
        threads = [threading.Thread(target=lambda: pool.run(looping(1))) for _ in range(2)]
        with standing_still(pids(pool)):
            for thread in threads:
                thread.start()
            until(lambda: pool.health().busy == 2)
        for thread in threads:
            thread.join(PATIENCE)
        assert pool.health().failures == 0


def test_wrong_feeds_are_refused_with_and_without_a_free_worker(memory, spinner):
    with pool_of(memory, spinner, workers=1, wall_seconds=60.0, cpu_seconds=60.0) as pool:
        bad = {"n": np.array(1, np.int32), "x": np.zeros(64, np.float32)}
        assert code_of(lambda: pool.run(bad), InputError) == "input.dtype"
        assert (pool.health().ready, pool.health().calls) == (1, 0)
        busy = threading.Thread(target=lambda: pool.run(looping(1)))
        with standing_still(pids(pool)):
            busy.start()
            until(lambda: pool.health().busy == 1)
            assert code_of(lambda: pool.run(bad), InputError) == "input.dtype"
            assert pool.health().waiting == 0
        busy.join(PATIENCE)
        health = pool.health()
        assert (health.failures, health.restarts) == (0, 0)


def test_an_error_of_the_model_keeps_the_worker(memory, filler):
    with pool_of(memory, filler, workers=1) as pool:
        (pid,) = pids(pool)
        assert code_of(lambda: pool.run({"shape": np.array([1 << 40], np.int64)})) == "sandbox.memory"
        assert code_of(lambda: pool.run({"shape": np.array([-1], np.int64)})) == "sandbox.model.run"
        assert pool.run({"shape": np.array([8], np.int64)})["y"] == 0
        assert pids(pool) == [pid]
        health = pool.health()
        assert (health.calls, health.failures, health.restarts) == (3, 2, 0)


def test_a_line_that_is_full_refuses_at_once_and_a_deadline_ends_the_wait(memory, spinner):
    with pool_of(memory, spinner, workers=1, max_waiting=1, wall_seconds=60.0, cpu_seconds=60.0) as pool:
        busy, waits = (threading.Thread(target=lambda: pool.run(looping(1))) for _ in range(2))
        with standing_still(pids(pool)):
            busy.start()
            until(lambda: pool.health().busy == 1)
            assert code_of(lambda: pool.run(looping(1), timeout=0.05)) == "sandbox.pool.deadline"
            waits.start()
            until(lambda: pool.health().waiting == 1)
            assert code_of(lambda: pool.run(looping(1))) == "sandbox.pool.full"
        for thread in (busy, waits):
            thread.join(PATIENCE)
        health = pool.health()
        assert (health.calls, health.failures, health.restarts, health.waiting) == (2, 0, 0, 0)


def test_a_call_with_too_little_time_left_after_waiting_does_not_cost_its_worker(memory, spinner):
    """Under load with deadlines, each worker would otherwise be ended by the next call that comes too late."""
    with pool_of(memory, spinner, workers=1, wall_seconds=60.0, cpu_seconds=60.0) as pool:
        told = []
        busy = threading.Thread(target=lambda: pool.run(looping(1)))
        late = threading.Thread(target=lambda: told.append(code_of(lambda: pool.run(looping(1), timeout=PATIENCE))))
        with standing_still(pids(pool)):
            busy.start()
            until(lambda: pool.health().busy == 1)
            pool._held.shift.typical_seconds = 100 * PATIENCE
            late.start()
            until(lambda: pool.health().waiting == 1)
        for thread in (busy, late):
            thread.join(PATIENCE)
        assert told == ["sandbox.pool.deadline"]
        pool._held.shift.typical_seconds = 10 * PATIENCE
        assert list(pool.run(looping(1), timeout=PATIENCE)) == ["y"]  # one that did not wait takes its chance
        assert pool._held.shift.typical_seconds < 10 * PATIENCE
        health = pool.health()
        assert (health.failures, health.restarts) == (0, 0)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_is_none_is_refused(memory, doubler, timeout):
    with pool_of(memory, doubler, workers=1) as pool:
        assert code_of(lambda: pool.run({"x": X}, timeout=timeout), InputError) == "usage.timeout"
        assert code_of(lambda: pool.close(drain_seconds=float("nan")), InputError) == "usage.timeout"
        assert pool.run({"x": X}, timeout=PATIENCE)["y"].shape == X.shape


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"workers": 0}, "workers"),
        ({"workers": True}, "workers"),
        ({"workers": 10**6}, "workers"),
        ({"max_waiting": -1}, "max_waiting"),
    ],
)
def test_numbers_that_are_none_are_refused(memory, doubler, wrong, code):
    assert code_of(lambda: Pool(memory.model(doubler), **({"workers": 1} | wrong)), InputError) == f"usage.{code}"


def test_the_caller_hears_why_the_first_worker_could_not_be_started(memory, doubler):
    good = memory.model(doubler)
    before = footprint_at_rest()
    loose = replace(good, model=memory.seal(doubler.SerializeToString(), seals=0))
    assert code_of(lambda: Pool(loose, workers=2)) == "sandbox.unsealed"
    other = replace(good, outputs=good.inputs)
    assert code_of(lambda: Pool(other, workers=2)) == "sandbox.interface"
    until(lambda: footprint()[2] == before[2])


def test_every_worker_is_warm_before_its_first_call(memory, doubler):
    """The zeros were the first request that it answered."""
    for warm_up, before in ((True, 2), (False, 1), ({"x": X}, 2)):
        with pool_of(memory, doubler, warm_up=warm_up) as pool:
            assert [worker.jail._request for worker in crew_of(pool)._workers] == [before, before]


def test_a_model_that_refuses_zeros_is_no_obstacle(memory):
    """An index of 0 into nothing; dimensions that are tied by more than their names."""
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    values = [tensor("x"), tensor("shape", TensorProto.INT64, [1])]
    proto = graph_model(nodes, values, [tensor("y", shape=["m"])])
    feeds = {"x": X, "shape": np.array([6], np.int64)}
    with pool_of(memory, proto) as pool:
        assert np.array_equal(pool.run(feeds)["y"], X.reshape(6))
        assert pool.health().last_error == ""
    bad = {"x": X, "shape": np.array([5], np.int64)}
    with pytest.raises(JailError, match="warm-up") as caught:
        pool_of(memory, proto, warm_up=bad)
    assert caught.value.code == "sandbox.model.run"
    with pytest.raises(InputError):
        pool_of(memory, proto, warm_up={"x": X})


def test_a_warm_up_that_ends_the_worker_is_a_failed_start(memory, spinner):
    with pytest.raises(JailError, match="warm-up") as caught:
        pool_of(memory, spinner, warm_up=looping(1 << 60), wall_seconds=0.3)
    assert caught.value.code == "sandbox.deadline"
    assert "warm_up=False" in caught.value.hint


def test_layers_are_those_of_the_first_worker_and_no_other_has_fewer(memory, doubler):
    with pool_of(memory, doubler) as pool:
        in_force = {layer.name for layer in pool.layers if layer.in_force}
        assert in_force >= set(REQUIRED)
        assert all(worker.jail.layers == pool.layers for worker in crew_of(pool)._workers)


def test_a_worker_with_fewer_layers_than_the_first_is_not_taken(memory, doubler, monkeypatch):
    starter = Starter(memory.model(doubler), spec=JailSpec(), allow_unsandboxed=True, warm_up=True)
    starter.start().close()
    assert any(layer.in_force for layer in starter.layers)
    asked = []
    honest = Jail.start.__func__

    def weaker(cls, model, *, spec, allow_unsandboxed):
        asked.append(allow_unsandboxed)
        jail = honest(cls, model, spec=spec, allow_unsandboxed=allow_unsandboxed)
        jail.layers = tuple(replace(layer, in_force=layer.in_force and layer.name != "seccomp") for layer in jail.layers)
        return jail

    monkeypatch.setattr(Jail, "start", classmethod(weaker))
    with pytest.raises(JailError, match="seccomp") as caught:
        starter.start()
    assert caught.value.code == "sandbox.layer"
    assert asked == [False]  # what the first one was spared, no later one is
    starter.close()


def test_closing_leaves_nothing_behind_and_may_be_done_again(memory, doubler):
    model = memory.model(doubler)
    Jail.start(model).close()  # the zygote stays
    before = footprint_at_rest()
    for _ in range(3):
        with Pool(model, workers=2) as pool:
            pool.run({"x": X})
        pool.close()
        until(lambda: footprint() == before)
        assert code_of(lambda pool=pool: pool.run({"x": X})) == "sandbox.pool.closed"
        assert (pool.health().ready, pool.health().busy) == (0, 0)


def test_closing_lets_calls_finish_for_a_while_and_refuses_all_others(memory, spinner):
    pool = pool_of(memory, spinner, workers=1, wall_seconds=60.0, cpu_seconds=60.0)
    outcomes = {}

    def call(name):
        try:
            outcomes[name] = list(pool.run(looping(1)))
        except JailError as err:
            outcomes[name] = err.code

    threads = [threading.Thread(target=call, args=(name,)) for name in ("runs", "waits")]
    closes = threading.Thread(target=lambda: pool.close(drain_seconds=PATIENCE))
    with standing_still(pids(pool)):
        threads[0].start()
        until(lambda: pool.health().busy == 1)
        threads[1].start()
        until(lambda: pool.health().waiting == 1)
        closes.start()
        until(lambda: "waits" in outcomes)
    for thread in (*threads, closes):
        thread.join(PATIENCE)
    assert outcomes == {"runs": ["y"], "waits": "sandbox.pool.closed"}


def test_closing_ends_calls_that_do_not_finish(memory, spinner):
    model = memory.model(spinner)
    Jail.start(model).close()
    before = footprint_at_rest()
    pool = Pool(model, workers=2, spec=JailSpec(wall_seconds=600.0, cpu_seconds=600.0))
    codes = []
    threads = [threading.Thread(target=lambda: codes.append(code_of(lambda: pool.run(looping(1 << 60))))) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: pool.health().busy == 2)
    pool.close(drain_seconds=0.05)
    for thread in threads:
        thread.join(PATIENCE)
    assert codes == ["sandbox.pool.closed"] * 2
    until(lambda: footprint() == before)


def test_a_pool_that_is_thrown_away_takes_its_workers_along(memory, doubler):
    model = memory.model(doubler)
    Jail.start(model).close()
    before = footprint_at_rest()
    pool = Pool(model, workers=2)
    pool.run({"x": X})
    del pool
    until(lambda: footprint() == before)


def test_the_memory_of_the_model_may_be_closed_as_soon_as_the_pool_is_made(doubler):
    import os
    import signal

    from jail_models import Memory

    own = Memory()
    pool = pool_of(own, doubler)
    for fd in own.fds:
        os.close(fd)
    for pid in pids(pool):
        os.kill(pid, signal.SIGKILL)
    until(lambda: (h := pool.health()).ready == 2 and h.restarts == 2)
    assert pool.run({"x": X})["y"].shape == X.shape
    pool.close()
