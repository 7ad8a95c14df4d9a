"""Workers inside gVisor that a model took over, against their parent: the deeds of ``takeovers``, and the same ends."""

import subprocess

import escape_table
import numpy as np
import pytest
from jail_models import popen_of
from takeover_runner import X, doubler
from takeovers import TAKEOVERS, Takeover, number_of

from mlsign.sandbox.layers import Wall

pytestmark = pytest.mark.usefixtures("gvisor")
DIFFERS = {
    "exhaust_threads": "9 threads",  # gVisor does not count the first one
    "abort": "sandbox.worker.died: SIGABRT",  # on Linux, process 1 of a namespace does not feel it, and crashes
    "stop": "sandbox.deadline",  # on Linux, process 1 does not feel that either
}
SURVIVED = {"sandbox.memory"}


@pytest.mark.parametrize("takeover", TAKEOVERS, ids=lambda takeover: takeover.name)
def test_it_ends_as_in_a_plain_worker(takeover: Takeover):
    in_root = takeover.denied if isinstance(takeover.denied, str) else takeover.denied["root"]
    found = escape_table.takeovers("gvisor")["here"][takeover.name]
    assert found["ended"] == DIFFERS.get(takeover.name, in_root)
    assert takeover.says in found["says"]
    assert found["clean"]
    assert found["dead"] != (found["ended"] in SURVIVED or not found["ended"].startswith("sandbox."))
    assert found["walls"] is None or "gvisor" in found["walls"]  # None where it did not come so far as to tell


def test_an_honest_call_to_such_a_worker_is_answered(start, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", popen_of("chosen"))
    jail = start(doubler(), wall=Wall.GVISOR)
    assert np.array_equal(jail.run({"x": X, "which": np.array(number_of("honest"))})["y"], X + X)
