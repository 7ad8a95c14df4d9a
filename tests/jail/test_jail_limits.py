"""What happens to a worker that takes too much, dies, or stops telling the truth."""

import functools
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from jail_models import X, keeper_of
from pooling import until
from processes import is_running

from mlsign.errors import JailError
from mlsign.limits import Limits
from mlsign.sandbox import protocol
from mlsign.sandbox.channel import Channel, Watch, cpu_time
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.protocol import Kind, Pace
from mlsign.sandbox.spec import JailSpec
from mlsign.sandbox.values import Sequence, Strings, Tensor, encode_values

SMALL = Limits(max_output_bytes=1 << 20)


def code_of(call) -> str:
    with pytest.raises(JailError) as caught:
        call()
    return caught.value.code


def test_more_memory_than_allowed_is_an_error_and_the_worker_serves_on(start, filler):
    jail = start(filler, memory_bytes=256 << 20)
    assert jail.run({"shape": np.array([1 << 20])})["y"] == 0
    assert code_of(lambda: jail.run({"shape": np.array([1 << 28])})) == "sandbox.memory"
    assert code_of(lambda: jail.run({"shape": np.array([1 << 44])})) in ("sandbox.memory", "sandbox.model.run")
    assert jail.run({"shape": np.array([1 << 20])})["y"] == 0


def test_the_same_call_works_with_more_memory(start, filler):
    jail = start(filler, memory_bytes=3 << 30)
    assert jail.run({"shape": np.array([1 << 28])})["y"] == 0


def test_a_feed_that_does_not_fit_is_an_error_and_the_worker_serves_on(start, doubler):
    jail = start(doubler, memory_bytes=64 << 20)
    assert code_of(lambda: jail.run({"x": np.ones((40_000_000, 2), np.float32)})) == "sandbox.memory"
    assert jail.run({"x": X})["y"].shape == X.shape


def spin(jail, turns=1 << 60):
    return jail.run({"n": np.array(turns), "x": np.ones(64, np.float32)})


def once_it_spins(jail, deed) -> None:
    """Does it from another thread, as soon as the worker has used up time in the call that comes next."""
    pid, before = jail._process.pid, cpu_time(jail._process.pid)

    def wait_and_do():
        until(lambda: cpu_time(pid) > before + 0.05)
        deed()

    threading.Thread(target=wait_and_do).start()


def test_a_loop_without_end_meets_the_deadline(start, spinner):
    jail = start(spinner, wall_seconds=2.0)
    assert spin(jail, 10)["y"].shape == (64,)
    assert code_of(lambda: spin(jail)) == "sandbox.deadline"
    assert code_of(lambda: spin(jail, 1)) == "sandbox.dead"


def test_a_loop_without_end_meets_its_cpu_budget(start, spinner):
    jail = start(spinner, cpu_seconds=0.3, wall_seconds=120)
    assert code_of(lambda: spin(jail)) == "sandbox.cpu"


def test_the_cpu_budget_is_of_one_call_not_of_a_life(start, spinner):
    jail = start(spinner, cpu_seconds=0.5, wall_seconds=120)
    begin = time.process_time()
    for _ in range(20):
        spin(jail, 30_000)
    used = cpu_time(jail._process.pid)
    assert used > 0.5 or time.process_time() - begin < 0.5


def test_a_worker_killed_in_the_middle_of_a_call_is_an_error_at_once(start, spinner):
    jail = start(spinner, wall_seconds=120, cpu_seconds=120)
    once_it_spins(jail, lambda: os.kill(jail._process.pid, signal.SIGKILL))
    with pytest.raises(JailError) as caught:
        spin(jail)
    assert caught.value.code == "sandbox.worker.died"
    assert "SIGKILL" in str(caught.value)
    assert code_of(lambda: spin(jail, 1)) == "sandbox.dead"


def test_an_interrupted_call_ends_the_jail(start, spinner):
    jail = start(spinner, wall_seconds=120, cpu_seconds=120)
    # To the main thread, as a terminal does: a signal that another thread takes wakes nobody who waits.
    once_it_spins(jail, lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        spin(jail)
    assert code_of(lambda: spin(jail, 1)) == "sandbox.dead"


def test_the_keeper_has_nothing_to_give_away(start, doubler):
    jail = start(doubler)
    status = dict(line.split(":\t") for line in Path(f"/proc/{keeper_of(jail.pid)}/status").read_text().splitlines())
    assert {status[name].strip("0") for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {""}
    assert status["NoNewPrivs"] == "1"
    assert "0" not in status["Uid"].split()
    worker, ours = (
        dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines()) for pid in (jail.pid, "self")
    )
    assert (worker["Seccomp"], worker["Threads"]) == ("2", "1")
    assert int(worker["Seccomp_filters"]) == int(ours["Seccomp_filters"]) + 2  # a container has one of its own


def test_a_worker_killed_between_calls_is_an_error_at_the_next(start, doubler):
    jail = start(doubler)
    os.kill(jail._process.pid, signal.SIGKILL)
    assert code_of(lambda: jail.run({"x": X})) == "sandbox.worker.died"


def test_a_killed_keeper_takes_its_worker_along(start, doubler):
    jail = start(doubler)
    os.kill(keeper_of(jail.pid), signal.SIGKILL)
    until(lambda: jail._process.ended_by_itself(0.1))
    assert code_of(lambda: jail.run({"x": X})) == "sandbox.worker.died"


ORPHAN = """
import os, sys
sys.path.insert(0, sys.argv[1])
import onnx
from jail_models import Memory, keeper_of
from mlsign.sandbox.jail import Jail
jail = Jail.start(Memory().model(sys.stdin.buffer.read()))
print(jail.pid, keeper_of(jail.pid), flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_killed_parent_leaves_no_worker(doubler):
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", ORPHAN, here], input=doubler.SerializeToString(), capture_output=True, timeout=60
    )
    pids = [int(text) for text in done.stdout.split()]
    assert len(pids) == 2
    until(lambda: not any(map(is_running, pids)))


# --- a worker that lies: the test holds the worker's end of the socket ---


class Liar:
    """A jail whose worker is a thread of the test; one that was only just forked stands for the real one."""

    def __init__(self, model, spec: JailSpec) -> None:
        ours, self.theirs = socket.socketpair()
        self.jail = Jail(model, spec)
        self.jail._channel = Channel(ours, pidfd=-1)
        self.jail._fall = functools.partial(self.jail._fall, patience=0.05)  # the other one does not end by itself
        self.jail._request = 1
        self.area = self.jail._transport.results.body

    def answer(self, data: bytes, body: bytes = b"", *, close: bool = True, hold: float = 0.0) -> JailError:
        def work():
            self.theirs.recv(1 << 16)
            self.area[: len(body)] = body
            self.theirs.sendall(data)
            time.sleep(hold)
            if close:
                self.theirs.close()

        thread = threading.Thread(target=work)
        thread.start()
        with pytest.raises(JailError) as caught:
            self.jail.run({"x": X})
        thread.join()
        self.theirs.close()
        assert code_of(lambda: self.jail.run({"x": X})) == "sandbox.dead"
        return caught.value


@pytest.fixture
def wall_seconds():
    return 5.0


@pytest.fixture
def liar(memory, doubler, wall_seconds):
    liar = Liar(memory.model(doubler), JailSpec(wall_seconds=wall_seconds, limits=SMALL))
    yield liar
    liar.jail.close()
    liar.theirs.close()


def frame(kind=Kind.RESULT, request=2, body=b"", length=None):
    return protocol.encode_head(kind=kind, request=request, length=len(body) if length is None else length) + body


def result(body: bytes, *, kind=Kind.RESULT, length=None, request=2) -> tuple[bytes, bytes]:
    """A frame on the socket, and the body that it speaks of in the area."""
    return protocol.encode_head(kind=kind, request=request, length=len(body) if length is None else length), body


def values(**named):
    return b"".join(encode_values(named))


GOOD = Tensor("float", (3, 2), X.tobytes())
ANSWER = values(y=GOOD)
LIES = {
    "no_frame": ((b"x" * 64,), "sandbox.frame"),
    "half_a_head": ((frame()[:10],), "sandbox.worker.died"),
    "half_a_document": ((frame(Kind.ERROR, body=b'{"code":"x","message":"x"}')[:-1],), "sandbox.worker.died"),
    "nothing": ((b"",), "sandbox.worker.died"),
    "huge": ((frame(length=1 << 60),), "sandbox.frame"),
    "above_the_cap": ((frame(length=(1 << 22)),), "sandbox.frame"),
    "unknown_kind": ((struct.pack("<4sBBHQQ", b"mlsj", 2, 99, 0, 2, 0),), "sandbox.frame"),
    "other_version": ((struct.pack("<4sBBHQQ", b"mlsj", 1, 6, 0, 2, 0),), "sandbox.frame"),
    "unknown_pace": ((struct.pack("<4sBBBBQQ", b"mlsj", 2, 6, 2, 0, 2, 0),), "sandbox.frame"),
    "wrong_request": ((frame(request=1, length=len(ANSWER)), ANSWER), "sandbox.frame"),
    "kind_of_the_parent": (result(ANSWER, kind=Kind.RUN), "sandbox.frame"),
    "ready_again": ((frame(Kind.READY, body=b"{}"),), "sandbox.frame"),
    "two_answers": ((frame(length=len(ANSWER)) * 2, ANSWER), "sandbox.frame"),
    "an_answer_and_more": ((frame(length=len(ANSWER)) + b"x", ANSWER), "sandbox.frame"),
    "a_result_on_the_socket": ((frame(body=ANSWER), ANSWER), "sandbox.frame"),
    "again_what_never_was": (result(ANSWER, kind=Kind.RESULT_AGAIN), "sandbox.frame"),
    "body_of_nonsense": (result(b"\xff" * 40), "sandbox.frame"),
    "trailing": (result(ANSWER + b"\0"), "sandbox.frame"),
    "cut_short": (result(ANSWER, length=len(ANSWER) - 1), "sandbox.frame"),
    "no_output": (result(values()), "sandbox.output.name"),
    "other_output": (result(values(z=GOOD)), "sandbox.output.name"),
    "one_more_output": (result(values(y=GOOD, z=GOOD)), "sandbox.output.name"),
    "other_type": (result(values(y=Tensor("int32", (3, 2), X.tobytes()))), "sandbox.output"),
    "other_rank": (result(values(y=Tensor("float", (6,), X.tobytes()))), "sandbox.output"),
    "other_columns": (result(values(y=Tensor("float", (2, 3), X.tobytes()))), "sandbox.output"),
    "strings": (result(values(y=Strings((1, 2), ("a", "b")))), "sandbox.output"),
    "sequence": (result(values(y=Sequence((GOOD,)))), "sandbox.output"),
    "error_of_nonsense": ((frame(Kind.ERROR, body=b"{"),), "sandbox.frame"),
    "error_with_our_code": ((frame(Kind.ERROR, body=b'{"code":"sandbox.unavailable","message":"x"}'),), "sandbox.frame"),
    "error_of_another_phase": ((frame(Kind.ERROR, body=b'{"code":"sandbox.layer","message":"x"}'),), "sandbox.frame"),
    "error_of_loading": ((frame(Kind.ERROR, body=b'{"code":"sandbox.model.load","message":"x"}'),), "sandbox.frame"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_an_error_and_ends_the_jail(liar, lie):
    words, code = LIES[lie]
    assert liar.answer(*words).code == code


AGAIN_LIES = {
    "other_length": (result(ANSWER, kind=Kind.RESULT_AGAIN, length=len(ANSWER) - 16, request=3), "never gave"),
    "a_call_that_has_passed": (
        (frame(Kind.RESULT_AGAIN, request=2, length=len(ANSWER)), ANSWER),
        "answered request 2, asked was 3",
    ),
}


@pytest.mark.parametrize("lie", AGAIN_LIES)
def test_a_lie_about_a_repeated_result_ends_the_jail_too(liar, lie):
    liar.area[: len(ANSWER)] = ANSWER
    liar.theirs.sendall(frame(length=len(ANSWER)))
    assert np.array_equal(liar.jail.run({"x": X})["y"], X)
    assert len(liar.theirs.recv(1 << 16)) == protocol.HEAD_BYTES  # the call that was answered before it was made
    words, says = AGAIN_LIES[lie]
    error = liar.answer(*words)
    assert error.code == "sandbox.frame"
    assert says in str(error)


def test_a_repeated_result_answers_a_repeated_call_alone(liar):
    for request in (2, 3):
        liar.area[: len(ANSWER)] = ANSWER
        kind = Kind.RESULT if request == 2 else Kind.RESULT_AGAIN
        liar.theirs.sendall(frame(kind, request=request, length=len(ANSWER)))
        assert np.array_equal(liar.jail.run({"x": X})["y"], X)
    liar.theirs.recv(1 << 16)
    liar.theirs.sendall(frame(Kind.RESULT_AGAIN, request=4, length=len(ANSWER)))
    assert code_of(lambda: liar.jail.run({"x": X[:1]})) == "sandbox.frame"


def test_the_same_channel_with_a_true_answer_gives_a_result(liar):
    liar.area[: len(ANSWER)] = ANSWER
    liar.theirs.sendall(frame(length=len(ANSWER)))
    assert np.array_equal(liar.jail.run({"x": X})["y"], X)


@pytest.mark.parametrize("wall_seconds", [0.3])
def test_silence_meets_the_deadline(liar):
    assert liar.answer(b"", close=False, hold=0.5).code == "sandbox.deadline"


@pytest.mark.parametrize("wall_seconds", [0.3])
def test_words_one_by_one_meet_the_deadline(liar):
    assert liar.answer(frame(length=len(ANSWER))[:-1], ANSWER, close=False, hold=0.5).code == "sandbox.deadline"


def test_an_error_cannot_colour_the_terminal(liar):
    error = liar.answer(frame(Kind.ERROR, body=b'{"code":"sandbox.proof","message":"\\u001b[31mred"}'))
    assert "\x1b" not in str(error)
    assert "red" in str(error)


def test_a_worker_that_reads_nothing_meets_the_deadline():
    ours, theirs = socket.socketpair()
    channel = Channel(ours, pidfd=-1)
    watch = Watch(wall_seconds=0.3, cpu_seconds=None, pid=-1, threads=1)
    assert code_of(lambda: channel.send_document(Kind.START, 1, bytes(50_000_000), watch)) == "sandbox.deadline"
    assert code_of(lambda: channel.send_head(Kind.RUN, 1, 0, Pace.CALM)) == "sandbox.frame"
    channel.close()
    theirs.close()


def test_more_output_than_allowed_is_an_error(start, doubler):
    jail = start(doubler, limits=SMALL)
    assert code_of(lambda: jail.run({"x": np.ones((400_000, 2), np.float32)})) == "sandbox.output.size"
    assert jail.run({"x": X})["y"].shape == X.shape
