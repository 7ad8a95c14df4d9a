"""Calls over shared memory: repeated layouts, lent arrays, exchanges, a zygote that dies, memory that is given back."""

import gc
import mmap
import os
import select
import signal
import threading

import numpy as np
import pytest
from jail_models import X, graph_model, tensor
from onnx import TensorProto, helper
from pooling import until
from processes import open_descriptors

from mlsign.errors import InputError, JailError
from mlsign.limits import Limits
from mlsign.sandbox import zygote_host
from mlsign.sandbox.arena import KEPT_BYTES
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.protocol import Kind
from mlsign.sandbox.runtimes import RuntimeName


def rows(count, start=0.0):
    return np.arange(start, start + count * 2, dtype=np.float32).reshape(count, 2)


@pytest.fixture
def kinds(monkeypatch):
    """The kinds of frames that calls ended with."""
    seen = []
    take = Jail._take

    def watched(self, asked, watch, answer):
        seen.append(answer[0].kind)
        return take(self, asked, watch, answer)

    monkeypatch.setattr(Jail, "_take", watched)
    return seen


def test_calls_of_one_layout_run_bound_to_the_areas(start, doubler, kinds):
    jail = start(doubler)
    for turn in range(4):
        assert np.array_equal(jail.run({"x": rows(3, turn)})["y"], 2 * rows(3, turn))
    assert kinds == [Kind.RESULT, *[Kind.RESULT_AGAIN] * 3]


def test_layouts_may_change_with_every_call(start, doubler):
    jail = start(doubler)
    pick = np.random.default_rng(7)
    for turn in range(200):
        feed = rows(int(pick.choice([1, 1, 2, 5, 100])), turn)
        assert np.array_equal(jail.run({"x": feed})["y"], 2 * feed)


def test_results_are_copies_that_the_next_call_leaves_alone(start, doubler):
    jail = start(doubler)
    kept = [jail.run({"x": rows(2, turn)})["y"] for turn in range(5)]
    for turn, array in enumerate(kept):
        assert np.array_equal(array, 2 * rows(2, turn))
        assert array.flags.writeable


@pytest.mark.parametrize("shape", ["strided", "reversed", "big_endian", "fortran", "read_only"])
def test_arrays_of_any_make_are_fed(start, doubler, shape):
    jail = start(doubler)
    for turn in range(3):
        plain = rows(4, turn)
        feed = {
            "strided": np.repeat(plain, 2, axis=1)[:, ::2],
            "reversed": plain[::-1, ::-1].copy()[::-1, ::-1],
            "big_endian": plain.astype(">f4"),
            "fortran": np.asfortranarray(plain),
            "read_only": plain,
        }[shape]
        if shape == "read_only":
            feed.setflags(write=False)
        assert np.array_equal(jail.run({"x": feed})["y"], 2 * plain)


@pytest.fixture
def picker():
    """y = the elements of x that are not zero: how many there are depends on the data."""
    nodes = [helper.make_node("NonZero", ["x"], ["i"]), helper.make_node("Cast", ["i"], ["y"], to=TensorProto.FLOAT)]
    return graph_model(nodes, [tensor("x", shape=["n"])], [tensor("y", shape=[1, "k"])])


def test_outputs_whose_shape_the_data_decide_are_right(start, picker, kinds):
    jail = start(picker)
    for row in ([1, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 0], [0, 0, 0], [1, 0, 1], [0, 0, 0]):
        feed = np.array(row, np.float32)
        assert np.array_equal(jail.run({"x": feed})["y"], np.nonzero(feed)[0][None].astype(np.float32))
    assert kinds[2:] == [Kind.RESULT] * 5  # after the first surprise, outputs are bound no more


def test_an_error_of_the_model_in_a_repeated_call_is_told_and_survived(start):
    gather = helper.make_node("Gather", ["table", "i"], ["y"])
    table = helper.make_tensor("table", TensorProto.FLOAT, [3], [1, 2, 3])
    jail = start(graph_model([gather], [tensor("i", TensorProto.INT64, ["n"])], [tensor("y", shape=["n"])], initializers=[table]))
    for index in (0, 1, 7, 2, 7, 0):
        feed = {"i": np.array([index])}
        if index == 7:
            with pytest.raises(JailError) as caught:
                jail.run(feed)
            assert caught.value.code == "sandbox.model.run"
        else:
            assert jail.run(feed)["y"].tolist() == [index + 1]


def test_outputs_that_are_inputs_or_constants_are_right_every_time(start):
    constant = helper.make_tensor("c", TensorProto.INT32, [2], [5, 6])
    node = helper.make_node("Identity", ["x"], ["y"])
    jail = start(graph_model([node], [tensor("x")], [tensor("y"), tensor("c", TensorProto.INT32, [2])], initializers=[constant]))
    for turn in range(4):
        out = jail.run({"x": rows(2, turn)})
        assert np.array_equal(out["y"], rows(2, turn))
        assert out["c"].tolist() == [5, 6]


def test_booleans_are_held_to_two_values_in_repeated_results_too(start, monkeypatch):
    node = helper.make_node("Not", ["x"], ["y"])
    jail = start(graph_model([node], [tensor("x", TensorProto.BOOL)], [tensor("y", TensorProto.BOOL)]))
    feed = {"x": np.array([[True, False]])}
    for _ in range(2):
        assert jail.run(feed)["y"].tolist() == [[False, True]]
    send = jail._transport.take

    def meddled(*args, **kwargs):
        jail._transport.results.body[-1:] = b"\0"
        at = bytes(jail._transport.results.body[:256]).index(b"\0\1", 64)
        jail._transport.results.body[at] = 2
        return send(*args, **kwargs)

    monkeypatch.setattr(jail._transport, "take", meddled)
    with pytest.raises(JailError) as caught:
        jail.run(feed)
    assert caught.value.code == "sandbox.frame"


# --- arrays that are lent ---


def test_a_lent_array_is_read_where_it_lies(start, doubler, kinds):
    jail = start(doubler)
    lent = jail.lend({"x": (3, 2)})
    for turn in range(3):
        lent["x"][...] = rows(3, turn)
        assert np.array_equal(jail.run(lent)["y"], 2 * rows(3, turn))
    assert kinds == [Kind.RESULT, Kind.RESULT_AGAIN, Kind.RESULT_AGAIN]
    assert jail.lend({"x": (3, 2)})["x"] is lent["x"]


def test_a_lent_array_of_before_is_an_ordinary_array_after_another_layout(start, doubler):
    jail = start(doubler)
    old = jail.lend({"x": (3, 2)})
    old["x"][...] = 1
    jail.run({"x": rows(50)})
    assert jail.run(old)["y"].shape == (3, 2)
    assert np.array_equal(jail.run({"x": rows(2)})["y"], 2 * rows(2))


@pytest.mark.parametrize(
    ("shapes", "code"),
    [
        ({"x": (3, 3)}, "input.shape"),
        ({"x": (3,)}, "input.shape"),
        ({}, "input.missing"),
        ({"x": (1, 2), "z": (1,)}, "input.name"),
        ({"x": (0, 2)}, "input.kind"),
        ({"x": (1 << 40, 2)}, "input.size"),
        ({"x": (-1, 2)}, "input.shape"),
    ],
)
def test_only_what_the_model_takes_is_lent(start, doubler, shapes, code):
    with pytest.raises(InputError) as caught:
        start(doubler).lend(shapes)
    assert caught.value.code == code


# --- calls that somebody else waits for ---


def finish(exchange):
    while (out := exchange.advance()) is None:
        select.select([exchange.fileno()], [], [], exchange.due_seconds())
    return out


def test_an_exchange_gives_what_a_call_gives(start, doubler):
    jail = start(doubler)
    for turn in range(3):
        exchange = jail.begin({"x": rows(3, turn)})
        assert np.array_equal(finish(exchange)["y"], 2 * rows(3, turn))
        with pytest.raises(JailError) as caught:
            exchange.advance()
        assert caught.value.code == "sandbox.dead"
        exchange.abandon()  # nothing any more
    assert jail.alive()


def test_one_call_at_a_time(start, doubler):
    jail = start(doubler)
    exchange = jail.begin({"x": X})
    with pytest.raises(JailError) as caught:
        jail.begin({"x": X})
    assert caught.value.code == "sandbox.busy"
    finish(exchange)
    finish(jail.begin({"x": X}))


def test_feeds_of_an_exchange_are_checked_before_it_begins(start, doubler):
    jail = start(doubler)
    with pytest.raises(InputError):
        jail.begin({"x": X.astype(np.float64)})
    finish(jail.begin({"x": X}))


def test_an_abandoned_call_ends_the_worker(start, spinner):
    jail = start(spinner)
    exchange = jail.begin({"n": np.array(1 << 60), "x": np.ones(64, np.float32)})
    assert exchange.advance() is None
    pid = jail.pid
    exchange.abandon()
    assert not jail.alive()
    assert not os.path.exists(f"/proc/{pid}")
    with pytest.raises(JailError) as caught:
        jail.run({"n": np.array(1), "x": np.ones(64, np.float32)})
    assert caught.value.code == "sandbox.dead"


def test_an_exchange_meets_its_deadline(start, spinner):
    jail = start(spinner, wall_seconds=30)
    exchange = jail.begin({"n": np.array(1 << 60), "x": np.ones(64, np.float32)}, seconds=0.2)
    with pytest.raises(JailError) as caught:
        finish(exchange)
    assert caught.value.code == "sandbox.deadline"


def test_a_worker_killed_during_an_exchange_is_an_error(start, spinner):
    jail = start(spinner, wall_seconds=30)
    exchange = jail.begin({"n": np.array(1 << 60), "x": np.ones(64, np.float32)})
    os.kill(jail.pid, signal.SIGKILL)
    with pytest.raises(JailError) as caught:
        finish(exchange)
    assert caught.value.code == "sandbox.worker.died"


def test_closing_a_jail_ends_its_exchange(start, spinner):
    jail = start(spinner, wall_seconds=30)
    jail.begin({"n": np.array(1 << 60), "x": np.ones(64, np.float32)})
    jail.close()
    assert not jail.alive()


def test_a_call_may_have_less_time_than_the_policy_gives_but_not_more(start, spinner):
    jail = start(spinner, wall_seconds=0.3, cpu_seconds=600.0)
    with pytest.raises(JailError) as caught:
        jail.run(
            {"n": np.array(1 << 60), "x": np.ones(64, np.float32)}, seconds=86_400
        )  # in which the bound of every test would end it
    assert caught.value.code == "sandbox.deadline"


# --- the zygote ---


def test_workers_of_one_zygote_draw_different_numbers(start):
    node = helper.make_node("RandomNormal", [], ["y"], shape=[4])
    model = graph_model([node], [], [tensor("y", shape=[4])])
    assert len({start(model).run({})["y"].tobytes() for _ in range(3)}) == 3


def test_a_zygote_that_was_killed_is_replaced_and_its_workers_live_on(start, doubler):
    jail = start(doubler)
    zygote = zygote_host._current.zygotes[RuntimeName.ONNXRUNTIME]
    os.kill(zygote._popen.pid, signal.SIGKILL)
    assert np.array_equal(jail.run({"x": X})["y"], 2 * X)
    zygote._popen.wait()
    other = start(doubler)
    assert np.array_equal(other.run({"x": X})["y"], 2 * X)
    assert zygote_host._current.zygotes[RuntimeName.ONNXRUNTIME] is not zygote


def test_the_zygote_holds_nothing_of_its_workers(start, doubler):
    start(doubler)
    pid = zygote_host._current.zygotes[RuntimeName.ONNXRUNTIME]._popen.pid
    until(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= 4)  # standard streams and its socket; it closes the rest after forking
    with open(f"/proc/{pid}/status") as file:
        assert "Threads:\t1\n" in file.read()


def test_a_fork_has_a_zygote_of_its_own(memory, doubler):
    model = memory.model(doubler)
    jail = Jail.start(model)
    ours = zygote_host._current.zygotes[RuntimeName.ONNXRUNTIME]._popen.pid
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with Jail.start(model) as own:
                right = np.array_equal(own.run({"x": X})["y"], 2 * X)
                code = 0 if right and zygote_host._current.zygotes[RuntimeName.ONNXRUNTIME]._popen.pid != ours else 2
            zygote_host.end()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert np.array_equal(jail.run({"x": X})["y"], 2 * X)
    jail.close()


def test_many_threads_start_workers_at_once(memory, doubler):
    model = memory.model(doubler)
    wrong = []

    def work():
        with Jail.start(model) as jail:
            if not np.array_equal(jail.run({"x": X})["y"], 2 * X):
                wrong.append(jail)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# --- memory ---


def shared_bytes(jail):
    return os.fstat(jail._transport.results._own_fd).st_blocks * 512


def test_memory_of_a_large_result_is_given_back(start, doubler):
    jail = start(doubler, memory_bytes=1 << 30)
    big = np.ones((KEPT_BYTES // 8 * 3, 2), np.float32)
    for _ in range(2):
        assert jail.run({"x": big})["y"][-1].tolist() == [2, 2]
        assert shared_bytes(jail) <= KEPT_BYTES + (1 << 20)
    assert np.array_equal(jail.run({"x": X})["y"], 2 * X)


def test_memory_of_large_feeds_is_given_back_but_not_from_under_what_is_lent(start, doubler):
    jail = start(doubler, memory_bytes=1 << 30)
    rows_of_three_areas = KEPT_BYTES // 8 * 3
    for _ in range(2):
        jail.run({"x": np.ones((rows_of_three_areas, 2), np.float32)})
        assert size(jail) >= 3 * KEPT_BYTES
        assert np.array_equal(jail.run({"x": X})["y"], 2 * X)
        assert size(jail) == mmap.PAGESIZE
    lent = jail.lend({"x": (rows_of_three_areas, 2)})["x"]
    lent[...] = 1
    jail.run({"x": X})
    lent[...] = 2  # of no use any more, but no harm either
    jail.close()
    lent[...] = 3


def size(jail):
    return os.fstat(jail._transport.feeds._own_fd).st_size


def test_results_are_no_larger_than_the_memory_of_the_worker(start, doubler):
    jail = start(doubler, memory_bytes=64 << 20)
    assert len(jail._transport.results.body) <= (64 << 20) + (1 << 20)
    small = start(doubler, limits=Limits(max_input_bytes=1 << 20, max_output_bytes=1 << 20))
    assert len(small._transport.feeds.body) == len(small._transport.results.body) == 2 << 20


def test_many_calls_and_starts_leave_descriptors_and_maps_as_they_were(memory, doubler):
    model = memory.model(doubler)
    with Jail.start(model) as jail:
        jail.run({"x": X})
    before = (len(open_descriptors()), areas())
    for _ in range(10):
        with Jail.start(model) as jail:
            for count in (1, 2, 3):
                jail.run({"x": rows(count)})
    gc.collect()
    assert (len(open_descriptors()), areas()) == before


def areas():
    with open("/proc/self/maps") as file:
        return sum("mlsign-area" in line for line in file)
