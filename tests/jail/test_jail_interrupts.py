"""Interrupts at any moment, such as Ctrl-C: no wrong answer, and nothing that afterwards waits for ever."""

import asyncio
import contextlib
import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from jail_models import X
from pooling import pool_of

from mlsign.errors import JailError
from mlsign.sandbox import child, zygote_host
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.runtimes import RuntimeName

WAITING = [sys.executable, "-c", "import sys; sys.stdin.read()"]
luck = random.Random(7)  # noqa: S311  moments, no secrets


@pytest.fixture
def alarms():
    """SIGALRM is an interrupt; afterwards the bound goes on that the test runner has set by the same clock."""
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    old = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, old)
    signal.setitimer(signal.ITIMER_REAL, left)


def interrupt_often(deed, *, seconds: float = 0.5) -> None:
    """Does it again and again, and interrupts it within its first microseconds."""
    interrupted, until = 0, time.monotonic() + seconds
    while time.monotonic() < until or interrupted <= 10:
        try:
            signal.setitimer(signal.ITIMER_REAL, 1e-6 + luck.random() * 5e-5)
            while True:
                deed()
        except KeyboardInterrupt:
            interrupted += 1


def test_a_zygote_that_is_looked_at_meanwhile_can_be_ended_and_used_by_threads(alarms):
    """``Popen.poll`` would leave its lock taken, and ending the zygote would wait for it for ever."""
    zygote_host.prepare()
    zygote = zygote_host._current.zygotes[RuntimeName.ONNXRUNTIME]
    interrupt_often(zygote_host.prepare)
    assert zygote_host._current.zygotes[RuntimeName.ONNXRUNTIME] is zygote
    thread = threading.Thread(target=zygote_host.end, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert zygote._popen.returncode == 0
    with pytest.raises(ChildProcessError):
        os.waitpid(zygote._popen.pid, os.WNOHANG)


def test_a_child_whose_end_is_waited_for_meanwhile_is_reaped_in_the_end(alarms):
    with subprocess.Popen(WAITING, stdin=subprocess.PIPE) as process:
        interrupt_often(lambda: child.end(process, patience_seconds=600))
        assert not child.has_ended(process)
        process.stdin.close()
        child.end(process, patience_seconds=30)
        assert process.returncode == 0


def test_a_child_that_does_not_end_is_killed_and_one_that_was_reaped_elsewhere_has_ended():
    with subprocess.Popen(WAITING, stdin=subprocess.PIPE) as process:
        child.end(process, patience_seconds=0.01)
        assert process.returncode in (-signal.SIGKILL, None)
        child.end(process, patience_seconds=30)
        assert process.returncode == -signal.SIGKILL
    with subprocess.Popen(WAITING, stdin=subprocess.PIPE) as process:
        process.stdin.close()
        os.waitpid(process.pid, 0)
        assert child.has_ended(process)


def test_a_call_that_is_begun_meanwhile_leaves_the_jail_free_for_others(start, doubler, alarms):
    jail = start(doubler)

    def begin():
        with contextlib.suppress(JailError):  # it takes its turn, and gives it back
            jail.begin({"x": X}, seconds=0)

    interrupt_often(begin)
    assert jail.idle()
    exchange = jail.begin({"x": X})
    assert not jail.idle()
    exchange.abandon()


def test_a_worker_whose_call_nobody_knows_any_more_gets_no_other(memory, doubler, monkeypatch):
    """The interrupt comes when the call has been begun, and before its exchange has been taken."""
    begin = Jail.begin

    def begin_and_be_interrupted(self, feeds, **rest):
        begin(self, feeds, **rest)
        monkeypatch.undo()
        raise KeyboardInterrupt

    with pool_of(memory, doubler, workers=1) as pool:
        monkeypatch.setattr(Jail, "begin", begin_and_be_interrupted)
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(pool.run_async({"x": X}))
        assert np.array_equal(pool.run({"x": X}, timeout=60.0)["y"], X + X)
        assert pool.health().restarts == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_calls_and_starts_never_give_another_answer(memory, doubler, alarms):
    """The next call is right or says that the jail has ended, and starting anew is possible."""
    model = memory.model(doubler)
    Jail.start(model).close()  # from here on there is a zygote
    begun = time.monotonic()
    jail, right, interrupted = Jail.start(model), 0, 0
    start_seconds = 2 * (time.monotonic() - begun)
    until = time.monotonic() + 3
    try:
        while time.monotonic() < until or not right:
            value = luck.random()
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-6 + luck.random() * (0.001 if jail.alive() else start_seconds))
                if not jail.alive():
                    jail.close()
                    jail = Jail.start(model)
                found = jail.run({"x": np.full((3, 2), value, np.float32)})["y"]
                signal.setitimer(signal.ITIMER_REAL, 0)
                assert np.array_equal(found, np.full((3, 2), value, np.float32) * 2)
                right += 1
            except KeyboardInterrupt:
                interrupted += 1
            except JailError as err:
                assert err.code in {"sandbox.dead", "sandbox.frame"}
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        jail.close()
        zygote_host.end()
        del jail
        for _ in range(3):
            gc.collect()  # what was interrupted complains when it is collected: here, and not in some other test
    assert interrupted > 0
