"""Workers inside gVisor that a model took over, against their parent: the deeds of ``takeovers``, and the same ends."""

import functools
import subprocess
from pathlib import Path

import numpy as np
import pytest
import takeover_runner
from takeover_runner import X, doubler, run
from takeovers import TAKEOVERS, Takeover, number_of

from mlsign.sandbox.layers import Wall
from mlsign.sandbox.spec import JailSpec

pytestmark = pytest.mark.usefixtures("gvisor")
DIFFERS = {
    "exhaust_threads": "9 threads",  # gVisor does not count the first one
    "abort": "sandbox.worker.died: SIGABRT",  # on Linux, process 1 of a namespace does not feel it, and crashes
    "stop": "sandbox.deadline",  # on Linux, process 1 does not feel that either
}
SURVIVED = {"sandbox.memory"}


@pytest.fixture
def chosen(monkeypatch):
    """From now on workers inside gVisor are those of ``hostile``."""
    honest, host = subprocess.Popen, str(Path(__file__).with_name("gvisor_host.py"))

    def started(command, **rest):
        if "mlsign.sandbox.gvisor_keeper" in command:
            at = command.index("-m")
            command = [*command[:at], host, "chosen", *command[at + 2 :]]
        return honest(command, **rest)

    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr(takeover_runner, "JailSpec", functools.partial(JailSpec, wall=Wall.GVISOR))


@pytest.mark.usefixtures("chosen")
@pytest.mark.parametrize("takeover", TAKEOVERS, ids=lambda takeover: takeover.name)
def test_it_ends_as_in_a_plain_worker(takeover: Takeover, memory):
    in_root = takeover.denied if isinstance(takeover.denied, str) else takeover.denied["root"]
    found = run(memory.model(doubler()), takeover, control=False)
    assert found["ended"] == DIFFERS.get(takeover.name, in_root)
    assert takeover.says in found["says"]
    assert found["clean"]
    assert found["dead"] != (found["ended"] in SURVIVED or not found["ended"].startswith("sandbox."))


@pytest.mark.usefixtures("chosen")
def test_an_honest_call_to_such_a_worker_is_answered(start):
    jail = start(doubler(), wall=Wall.GVISOR)
    assert np.array_equal(jail.run({"x": X, "which": np.array(number_of("honest"))})["y"], X + X)
