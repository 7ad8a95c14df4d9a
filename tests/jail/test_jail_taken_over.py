"""Workers that a model has taken over: what ``hostile`` does is refused, bounded, or ends its jail."""

import os
import signal
from pathlib import Path

import pytest
from jail_models import X

from mlsign.errors import JailError
from mlsign.sandbox import jail as jail_module
from mlsign.sandbox.jail import Jail


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
    monkeypatch.setattr(jail_module, "_can_confine", lambda: False)  # process 1 of a namespace is deaf to its own signals
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
    monkeypatch.setattr(jail_module, "_can_confine", lambda: False)
    taken_over(mode)
    with Jail.start(memory.model(doubler), allow_unsandboxed=True) as jail:
        assert str(error_of(jail)) in ("got 1048576 shared", "woke 0", "errno 0")


def test_no_page_is_huge(start, doubler):
    jail = start(doubler)
    status = Path(f"/proc/{jail._process.pid}/status").read_text()
    assert "THP_enabled:\t0" in status
