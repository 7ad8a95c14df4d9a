"""Callers and machines with bad luck: borrowed arrays in the wrong place, descriptors that run out, forks at any moment."""

import contextlib
import gc
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from jail_models import X, graph_model, tensor
from onnx import TensorProto, helper
from processes import open_descriptors

from mlsign.errors import InputError, JailError
from mlsign.sandbox import protocol, zygote, zygote_host
from mlsign.sandbox.channel import Channel, Watch
from mlsign.sandbox.handshake import task_document
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.process import Process
from mlsign.sandbox.protocol import Kind
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.sandbox.spec import JailSpec
from mlsign.sandbox.transport import Transport


@pytest.fixture
def pair():
    """s = a + a, d = b + b"""
    return graph_model(
        [helper.make_node("Add", ["a", "a"], ["s"]), helper.make_node("Add", ["b", "b"], ["d"])],
        [tensor("a", shape=["n", "k"]), tensor("b", shape=["m", "l"])],
        [tensor("s", shape=["n", "k"]), tensor("d", shape=["m", "l"])],
    )


def test_lent_arrays_that_are_fed_crosswise_keep_what_they_held(start, pair):
    jail = start(pair)
    lent = jail.lend({"a": (2, 3), "b": (2, 3)})
    for _ in range(3):
        lent["a"][...], lent["b"][...] = 1, 10
        found = jail.run({"a": lent["b"], "b": lent["a"]})
        assert (np.unique(found["s"]).tolist(), np.unique(found["d"]).tolist()) == ([20], [2])


def test_pieces_of_lent_arrays_are_fed_as_they_were_when_the_call_was_made(start, pair):
    jail = start(pair)
    lent = jail.lend({"a": (1, 16), "b": (2, 1000)})
    lent["b"][...] = 7
    found = jail.run({"a": np.full((3, 1000), 5, np.float32), "b": lent["b"][:1]})
    assert (np.unique(found["s"]).tolist(), np.unique(found["d"]).tolist()) == ([10], [14])


def test_pieces_of_lent_arrays_in_a_sequence_are_fed_as_they_were(start):
    several = helper.make_tensor_sequence_value_info("q", TensorProto.FLOAT, None)
    jail = start(
        graph_model(
            [helper.make_node("ConcatFromSequence", ["q"], ["y"], axis=0), helper.make_node("Add", ["x", "x"], ["z"])],
            [tensor("x", shape=["n"]), several],
            [tensor("y", shape=["m"]), tensor("z", shape=["n"])],
        )
    )
    area = jail._transport.feeds.body
    last = np.frombuffer(area, np.float32)[:1000]
    jail._transport._lent = True  # as if it were a model all of whose inputs can be lent
    last[...] = np.arange(1000)
    found = jail.run({"x": np.zeros(3, np.float32), "q": [last[500:], last[:500]]})
    assert np.array_equal(found["y"], np.r_[500:1000, :500])


@pytest.mark.filterwarnings("ignore:Setting the .* on a NumPy array:DeprecationWarning")
def test_a_lent_array_that_was_given_another_shape_or_type_is_checked_like_any_other(start, pair):
    jail = start(pair)
    lent = jail.lend({"a": (2, 3), "b": (2, 3)})
    lent["a"].shape = (6,)
    with pytest.raises(InputError, match="has 1 dimensions"):
        jail.run(lent)
    lent = jail.lend({"a": (2, 3), "b": (2, 3)})
    assert lent["a"].shape == (2, 3)
    lent["b"].dtype = np.int32
    with pytest.raises(InputError, match="is int32"):
        jail.run({"a": lent["a"], "b": np.ones((2, 3), np.int32)})
    ones = np.ones((2, 3), np.float32)
    assert np.array_equal(jail.run({"a": ones, "b": ones})["d"], ones + ones)


@pytest.mark.parametrize("kind", [np.matrix, np.ma.masked_array, lambda array: array.view(np.recarray)])
@pytest.mark.filterwarnings("ignore:.*matrix:PendingDeprecationWarning")
def test_arrays_of_other_classes_are_taken_for_what_they_hold(start, doubler, kind):
    jail = start(doubler)
    for _ in range(2):
        assert np.array_equal(jail.run({"x": kind(X)})["y"], X + X)


@pytest.mark.parametrize("empty", [False, True])
def test_booleans_that_are_neither_0_nor_1_are_true_as_numpy_has_them(start, empty):
    """Views of bytes, such as a client of a server sends, are no reason to lose a worker."""
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.INT32), helper.make_node("Identity", ["e"], ["f"])]
    inputs = [tensor("x", TensorProto.BOOL, ["n"]), tensor("e", shape=["m"])]
    outputs = [tensor("y", TensorProto.INT32, ["n"]), tensor("f", shape=["m"])]
    jail = start(graph_model(nodes, inputs, outputs))
    odd = np.array([0, 1, 2, 255], np.uint8)
    rest = np.zeros(0 if empty else 1, np.float32)  # with an empty one no layout is kept
    for _ in range(3):
        assert jail.run({"x": odd.view(bool), "e": rest})["y"].tolist() == [0, 1, 1, 1]
    if not empty:
        lent = jail.lend({"x": (4,), "e": (1,)})
        lent["x"].view(np.uint8)[...] = odd
        assert jail.run(lent)["y"].tolist() == [0, 1, 1, 1]


def descriptors() -> int:
    return len(open_descriptors())


def lowest_free() -> int:
    fd = os.dup(2)
    os.close(fd)
    return fd


@pytest.mark.parametrize("warm", [True, False])
def test_where_descriptors_run_out_the_error_is_typed_and_none_is_lost(memory, doubler, warm):
    model = memory.model(doubler)
    Jail.start(model).close()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    codes = []
    for spare in range(24):
        if not warm:
            zygote_host.end()
        before = descriptors()
        resource.setrlimit(resource.RLIMIT_NOFILE, (before - 1 + spare, hard))
        try:
            with Jail.start(model) as jail:
                jail.run({"x": X})
            codes.append("")
        except JailError as err:
            codes.append(err.code)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if not warm:
            zygote_host.end()
        assert descriptors() == before
    assert codes == sorted(codes, reverse=True)  # errors, then answers
    assert set(codes) == {"sandbox.spawn", ""}


def test_a_worker_whose_descriptor_cannot_be_taken_is_not_kept(memory, doubler):
    model, spec = memory.model(doubler), JailSpec()
    transport = Transport(model, limits=spec.limits, results_bytes=spec.memory_bytes)
    process = Process([transport.feeds.fd, transport.results.fd, model.model.fd])
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        watch = Watch(wall_seconds=30, cpu_seconds=None, pid=-1, threads=1)
        task = protocol.encode_document(task_document(model, spec, confined=True))
        Channel(process.control, pidfd=-1).send_document(Kind.START, 0, task, watch)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free(), limits[1]))
        with pytest.raises(JailError) as caught:
            process.meet_worker(30)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        process.close()
        transport.close()
    assert caught.value.code == "sandbox.spawn"
    assert process.pidfd == -1


def test_descriptors_that_were_cut_off_are_not_mixed_with_those_of_the_next_worker(capfd):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ours, theirs:
        socket.send_fds(ours, [(5).to_bytes(4, "little")], [0] * 5)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free(), limits[1]))
        try:
            found = zygote.receive(theirs)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert found == []
    assert "could not be taken" in capfd.readouterr().err


ZYGOTE_GONE = """
import signal, sys
from mlsign.sandbox import zygote_host
from mlsign.sandbox.runtimes import RuntimeName
zygote_host.prepare()
zygote = zygote_host._current.zygotes[RuntimeName.ONNXRUNTIME]
zygote._popen.kill()
zygote._popen.wait()
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
try:
    zygote.fork([2])
except OSError as err:
    print(type(err).__name__)
"""


def test_a_zygote_that_has_gone_is_an_error_also_where_a_broken_pipe_ends_programs():
    done = subprocess.run([sys.executable, "-c", ZYGOTE_GONE], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.returncode) == ("BrokenPipeError\n", 0)


PROGRAM = """
import os, sys
held = [os.open("/dev/null", os.O_RDONLY) for _ in range({low})]
from mlsign.sandbox.jail import Jail
Jail.prepare()
sys.path.insert(0, {jail!r})
from jail_models import Memory, X, graph_model, tensor
from onnx import helper
model = graph_model([helper.make_node("Add", ["x", "x"], ["y"])], [tensor("x")], [tensor("y")])
with Jail.start(Memory().model(model)) as jail:
    out = jail.run({{"x": X}})["y"]
open({said!r}, "w").write(str(out.sum()))
"""


@pytest.mark.parametrize("low", [0, 1, 2])
def test_a_parent_without_standard_streams_has_workers(tmp_path, low):
    """The zygote's socket gets a number below 3 there, where its own streams come."""
    said = tmp_path / "said"
    program = PROGRAM.format(low=low, jail=str(Path(__file__).parent), said=str(said))
    command = f'exec "{sys.executable}" -c "$0" 0<&- 1>&- 2>&-'
    subprocess.run(["/bin/sh", "-c", command, program], timeout=120, check=True)
    assert said.read_text() == str((X + X).sum())


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_while_another_thread_starts_workers_keeps_no_end_of_their_sockets(memory, doubler):
    """Else the end of a worker, or of the parent, is not seen by the other side for as long as the child lives."""
    model = memory.model(doubler)
    stop = threading.Event()
    wrong: list[BaseException] = []

    def work():
        try:
            while not stop.is_set():
                zygote_host.end()
                Jail.start(model).close()
                Jail.start(model).close()
        except BaseException as err:  # noqa: BLE001  told below
            wrong.append(err)

    zygote_host.end()
    before = sockets(os.getpid())
    thread = threading.Thread(target=work)
    thread.start()
    held: list[str] = []
    for turn in range(30):
        time.sleep(0.003 * (turn % 10))
        ours, theirs = os.pipe()
        if (pid := os.fork()) == 0:
            os.write(theirs, " ".join(sockets(os.getpid()) - before).encode())
            os._exit(0)
        os.close(theirs)
        os.waitpid(pid, 0)
        held.append(os.read(ours, 65536).decode())
        os.close(ours)
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
    assert (wrong, set(held)) == ([], {""})


def sockets(pid: int) -> set[str]:
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            found.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return {name for name in found if name.startswith("socket:")}


def test_a_zygote_that_reads_nothing_any_more_is_replaced(memory, doubler, monkeypatch):
    monkeypatch.setattr(zygote_host, "_PATIENCE_SECONDS", 0.5)
    zygote_host.end()
    zygote_host.prepare()
    stopped = zygote_host._current.zygotes[RuntimeName.ONNXRUNTIME]
    os.kill(stopped._popen.pid, signal.SIGSTOP)
    with contextlib.suppress(TimeoutError):
        while True:
            stopped._requests.send((1).to_bytes(4, "little"))
    with Jail.start(memory.model(doubler)) as jail:
        assert np.array_equal(jail.run({"x": X})["y"], X + X)
    assert zygote_host._current.zygotes[RuntimeName.ONNXRUNTIME] is not stopped
    assert stopped._popen.returncode == -signal.SIGKILL


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_jail_that_nobody_closed_leaves_no_descriptor_and_no_worker(memory, doubler):
    model = memory.model(doubler)
    Jail.start(model).close()
    before = descriptors()
    jail = Jail.start(model)
    jail.run({"x": X})
    worker = os.pidfd_open(jail.pid)
    del jail
    gc.collect()
    poll = select.poll()
    poll.register(worker, select.POLLIN)
    ended = poll.poll(30_000)
    os.close(worker)
    assert ended
    assert descriptors() == before


@pytest.mark.parametrize("seconds", [0, -1.5, float("-inf"), float("nan")])
def test_a_call_for_which_no_time_is_left_is_not_made_and_costs_no_worker(start, doubler, seconds):
    jail = start(doubler)
    for call in (jail.run, jail.begin):
        with pytest.raises(JailError, match="no time is left") as caught:
            call({"x": X}, seconds=seconds)
        assert caught.value.code == "sandbox.deadline"
    assert jail.alive()
    assert np.array_equal(jail.run({"x": X}, seconds=float("inf"))["y"], X + X)
