"""Workers that a model has taken over: what ``hostile`` does is refused, bounded, or ends its jail."""

import errno
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from jail_models import X, graph_model, tensor
from onnx import TensorProto, helper
from processes import open_descriptors

from mlsign.errors import JailError
from mlsign.limits import Limits
from mlsign.sandbox import jail as jail_module
from mlsign.sandbox import protocol, zygote_host
from mlsign.sandbox.channel import Channel, Watch
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.protocol import Kind


def error_of(jail: Jail, feeds=None) -> JailError:
    with pytest.raises(JailError) as caught:
        jail.run({"x": X} if feeds is None else feeds)
    return caught.value


@pytest.mark.parametrize("mode", ["blame_layer", "blame_proof", "blame_start"])
@pytest.mark.parametrize("allowed", [False, True])
def test_a_worker_that_has_the_model_cannot_have_itself_restarted_without_walls(memory, doubler, taken_over, mode, allowed):
    taken_over(mode)
    with pytest.raises(JailError) as caught:
        Jail.start(memory.model(doubler), allow_unsandboxed=allowed)
    assert caught.value.code == "sandbox.frame"


def test_a_death_by_a_signal_without_a_name_is_told_and_ends_the_jail(memory, doubler, taken_over, monkeypatch):
    monkeypatch.setattr(jail_module, "can_confine", lambda: False)  # process 1 of a namespace is deaf to its own signals
    taken_over("die_of_40")
    with Jail.start(memory.model(doubler), allow_unsandboxed=True) as jail:
        err = error_of(jail)
        assert err.code == "sandbox.worker.died"
        assert "signal 40" in str(err)
        assert error_of(jail).code == "sandbox.dead"


def test_a_jail_is_dead_and_closed_even_when_its_end_cannot_be_explained(start, doubler, monkeypatch):
    jail = start(doubler)
    os.kill(jail._process.pid, signal.SIGKILL)
    monkeypatch.setattr(jail._process, "explain", lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        jail.run({"x": X})
    assert error_of(jail).code == "sandbox.dead"
    assert jail._process.pidfd == -1


KILLED = "SIGSYS: it made a system call that is forbidden"


@pytest.mark.parametrize("mode", ["map_shared", "wake_others", "advise_huge"])
def test_what_reaches_beyond_its_own_memory_kills(start, doubler, taken_over, mode):
    taken_over(mode)
    jail = start(doubler, memory_bytes=64 << 20)
    err = error_of(jail)
    assert err.code == "sandbox.worker.died"
    assert KILLED in str(err)


@pytest.mark.parametrize("mode", ["map_shared", "wake_others", "advise_huge"])
def test_without_walls_the_same_works(memory, doubler, taken_over, monkeypatch, mode):
    monkeypatch.setattr(jail_module, "can_confine", lambda: False)
    taken_over(mode)
    with Jail.start(memory.model(doubler), allow_unsandboxed=True) as jail:
        assert str(error_of(jail)) in ("got 1048576 shared", "woke 0", "errno 0")


def test_no_page_is_huge(start, doubler):
    jail = start(doubler)
    status = Path(f"/proc/{jail._process.pid}/status").read_text()
    assert "THP_enabled:\t0" in status


def test_drops_without_end_meet_the_deadline(start, doubler, taken_over):
    taken_over("drip")
    jail = start(doubler, wall_seconds=1.0, cpu_seconds=60.0)
    rescue = threading.Timer(6.0, os.kill, (jail._process.pid, signal.SIGKILL))
    rescue.start()
    assert error_of(jail).code == "sandbox.deadline"
    rescue.cancel()


def test_the_deadline_is_looked_at_even_when_nothing_has_to_be_waited_for():
    ours, theirs = socket.socketpair()
    watch = Watch(wall_seconds=0.0, cpu_seconds=None, pid=-1, threads=1)
    channel = Channel(ours, pidfd=-1)
    theirs.sendall(protocol.encode_head(kind=Kind.RESULT, request=2, length=0)[:-1])
    for call in (lambda: channel.receive(2, watch, limits=Limits()), lambda: channel.send_document(Kind.START, 2, b"{}", watch)):
        with pytest.raises(JailError) as caught:
            call()
        assert caught.value.code == "sandbox.deadline"
    theirs.close()
    channel.close()


def test_an_announced_length_takes_no_memory(start, doubler, taken_over):
    taken_over("announce")
    jail = start(doubler, memory_bytes=4 << 30, limits=Limits(max_output_bytes=4 << 30))
    tracemalloc.start()
    assert error_of(jail).code == "sandbox.frame"
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 64 << 20


CLOSED = """
import signal, socket
from mlsign.errors import JailError
from mlsign.sandbox.channel import Channel, Watch
from mlsign.sandbox.protocol import Kind
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
ours, theirs = socket.socketpair()
theirs.close()
try:
    Channel(ours, pidfd=-1).send_document(Kind.START, 2, b"x", Watch(wall_seconds=5, cpu_seconds=None, pid=-1, threads=1))
except JailError as err:
    print(err.code)
"""


def test_a_closed_socket_is_an_error_and_no_signal():
    done = subprocess.run([sys.executable, "-c", CLOSED], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout.strip()) == (0, "sandbox.worker.died")


def test_the_right_to_signal_the_worker_is_not_inherited(start, doubler):
    assert not os.get_inheritable(start(doubler)._process.pidfd)


def test_an_interrupt_while_starting_leaves_no_descriptor(memory, doubler, monkeypatch):
    class Interrupted(subprocess.Popen):
        def __init__(self, command, **kwargs):
            super().__init__(command, **kwargs)
            started.append(self)
            raise KeyboardInterrupt

    started: list[subprocess.Popen] = []
    zygote_host.end()
    model = memory.model(doubler)
    before = open_descriptors()
    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    caught = pytest.raises(KeyboardInterrupt, Jail.start, model)
    assert open_descriptors() == before
    assert caught.value.__traceback__ is not None
    assert started[0].wait(20) is not None


def test_a_fork_keeps_no_worker_alive(memory, doubler):
    jail = Jail.start(memory.model(doubler))
    numbers = [jail._process.control.fileno(), jail._process._status.fileno(), jail._process.pidfd]
    pid = os.fork()
    if pid == 0:
        open_here = [fd for fd in numbers if os.path.exists(f"/proc/self/fd/{fd}")]
        os._exit(len(open_here))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert np.array_equal(jail.run({"x": X})["y"], 2 * X)
    jail.close()


def test_a_parent_that_ignores_its_children_learns_how_a_worker_ended(memory, doubler, taken_over):
    taken_over("map_shared")
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with Jail.start(memory.model(doubler)) as jail:
            assert KILLED in str(error_of(jail))
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_weights_cannot_be_made_memory_to_write_to(memory, taken_over):
    weights = helper.make_tensor("w", TensorProto.FLOAT, [2], [1, 2])
    weights.ClearField("float_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "w.bin"), ("offset", "0"), ("length", "8")):
        weights.external_data.add(key=key, value=value)
    add = helper.make_node("Add", ["x", "w"], ["y"])
    proto = graph_model([add], [tensor("x")], [tensor("y")], initializers=[weights])
    model = memory.model(proto, weights={"w.bin": bytes(1 << 20)})
    try:
        mmap.mmap(model.weights[0].fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ).close()
    except OSError:
        pytest.skip("this kernel maps sealed memory privately only")
    taken_over("write_weights")
    with Jail.start(model) as jail:
        assert str(error_of(jail)) == f"mprotect {errno.EACCES}"
