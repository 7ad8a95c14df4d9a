"""Jails where less is possible: an ordinary user, no user namespaces, a kernel that cannot confine."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from jail_models import X
from surroundings import ORDINARY, SYSTEM_ROOT

from mlsign.errors import JailError
from mlsign.sandbox import jail as jail_module
from mlsign.sandbox import zygote_host
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.layers import REQUIRED, Isolation
from mlsign.sandbox.spec import JailSpec

NAMESPACES = ("user_namespace", "pid_namespace", "mount_namespace", "net_namespace", "ipc_namespace", "uts_namespace")

PROGRAM = """
import errno, json, os, struct, subprocess, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from jail_models import Memory, popen_of
from mlsign.errors import JailError
from mlsign.sandbox import kernel
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.layers import Isolation
from mlsign.sandbox.spec import JailSpec

def refuse(*names):
    op = lambda code, k, t=0, f=0: struct.pack("=HBBI", code, t, f, k)
    program = op(0x20, 0)
    for name in names:
        program += op(0x15, kernel.number(name), 0, 1) + op(0x06, 0x00050000 | errno.EPERM)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.install_filter(program + op(0x06, 0x7FFF0000))

refused = sys.argv[2].split()
if refused:
    refuse(*refused)
model = Memory().model(sys.stdin.buffer.read())
out = {}
try:
    for mode in [a.removeprefix("mode=") for a in sys.argv if a.startswith("mode=")]:
        subprocess.Popen = popen_of(mode)
    spec = JailSpec(isolation=Isolation[sys.argv[3]], threads=4 if "threads" in sys.argv else 1)
    with Jail.start(model, spec=spec, allow_unsandboxed="allow" in sys.argv) as jail:
        out["layers"] = {layer.name: layer.in_force for layer in jail.layers}
        out["details"] = {layer.name: layer.detail for layer in jail.layers}
        with open(f"/proc/{jail._process.pid}/status") as file:
            out["threads"] = int(file.read().partition("Threads:")[2].split()[0])
        out["y"] = jail.run({"x": np.ones((1, 2), np.float32)})["y"].tolist()
except JailError as err:
    out["code"], out["message"] = err.code, str(err)
print(json.dumps(out))
"""

needs_root = pytest.mark.skipif(not SYSTEM_ROOT or not shutil.which("setpriv"), reason="becoming another user needs root")
USERS = [(), pytest.param(ORDINARY, marks=needs_root)]


def run(model, *, refused=(), isolation="AVAILABLE", prefix=(), more=()):
    command = [*prefix, sys.executable, "-c", PROGRAM, str(Path(__file__).parent), " ".join(refused), isolation, *more]
    done = subprocess.run(command, input=model.SerializeToString(), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@needs_root
def test_an_ordinary_user_is_confined_as_well(doubler):
    found = run(doubler, prefix=ORDINARY, isolation="AVAILABLE")
    assert found["y"] == [[2, 2]]
    assert all(found["layers"][name] for name in REQUIRED)
    assert found["layers"]["user"]
    may = (
        subprocess.run([*ORDINARY, "unshare", "--user", "--mount", "--pid", "--net", "true"], capture_output=True).returncode == 0
    )
    full = run(doubler, prefix=ORDINARY, isolation="FULL")
    assert full.get("y") == ([[2, 2]] if may else None)
    assert full.get("code") == (None if may else "sandbox.layer")


@pytest.mark.parametrize("prefix", USERS)
def test_without_namespaces_the_rest_still_holds(doubler, prefix):
    found = run(doubler, refused=["unshare"], prefix=prefix)
    assert found["y"] == [[2, 2]]
    assert all(found["layers"][name] for name in (*REQUIRED, "capabilities", "landlock"))
    assert not any(found["layers"][name] for name in (*NAMESPACES, "empty_root"))


@pytest.mark.parametrize("prefix", USERS)
def test_threads_that_nothing_counts_are_not_made(doubler, prefix):
    found = run(doubler, refused=["unshare"], prefix=prefix, more=["threads"])
    assert found["y"] == [[2, 2]]
    assert found["threads"] == 1
    assert "one thread instead of 4" in found["details"]["rlimits"]
    found = run(doubler, refused=["unshare"], prefix=prefix, more=["threads", "mode=start_threads"])
    assert found["code"] == "sandbox.worker.died"
    assert "SIGSYS" in found["message"]


@needs_root  # who may make a user namespace
def test_threads_that_a_namespace_counts_are_made_and_bounded(doubler):
    found = run(doubler, more=["threads"])
    if found["layers"]["user_namespace"]:
        assert found["threads"] == 4
        assert "processes 12" in found["details"]["rlimits"]
        found = run(doubler, more=["threads", "mode=start_threads"])
        assert found["message"] == "7 threads"  # 12 with its own four and the keeper


@pytest.mark.parametrize("prefix", USERS)
@pytest.mark.parametrize("refused", ["unshare", "landlock_create_ruleset", "mount"])
def test_full_isolation_is_refused_where_a_layer_is_missing(doubler, refused, prefix):
    found = run(doubler, refused=[refused], isolation="FULL", prefix=prefix)
    assert found["code"] == "sandbox.layer"
    assert "y" not in found


@pytest.mark.parametrize("refused", ["seccomp", "capset unshare", "setuid"])
def test_layers_are_told_from_each_other(doubler, refused):
    found = run(doubler, refused=["seccomp"] if refused == "seccomp" else refused.split())
    if refused == "seccomp":
        assert found["code"] == "sandbox.layer"
        assert "seccomp" in found["message"]
    else:
        assert found["y"] == [[2, 2]]


def test_a_kernel_without_filters_scores_only_where_that_is_allowed(doubler):
    found = run(doubler, refused=["seccomp"], more=["allow"])
    assert found["y"] == [[2, 2]]
    assert not any(found["layers"].values())
    found = run(doubler, refused=["seccomp"], isolation="FULL", more=["allow"])
    assert found["code"] == "sandbox.layer"


def test_a_system_that_cannot_confine_is_refused(memory, doubler, monkeypatch):
    monkeypatch.setattr(jail_module, "can_confine", lambda: False)
    model = memory.model(doubler)
    with pytest.raises(JailError) as caught:
        Jail.start(model)
    assert caught.value.code == "sandbox.unavailable"
    with pytest.raises(JailError) as caught:
        Jail.start(model, spec=JailSpec(isolation=Isolation.FULL), allow_unsandboxed=True)
    assert caught.value.code == "sandbox.unavailable"
    with Jail.start(model, allow_unsandboxed=True) as jail:
        assert not any(layer.in_force for layer in jail.layers)
        assert np.array_equal(jail.run({"x": X})["y"], 2 * X)


def test_allowing_it_does_not_weaken_a_kernel_that_can(memory, doubler):
    with Jail.start(memory.model(doubler), allow_unsandboxed=True) as jail:
        state = {layer.name: layer.in_force for layer in jail.layers}
        assert all(state[name] for name in REQUIRED)


def test_an_unconfined_worker_is_watched_as_well(memory, spinner, monkeypatch):
    monkeypatch.setattr(jail_module, "can_confine", lambda: False)
    feeds = {"n": np.array(1 << 60), "x": np.ones(64, np.float32)}
    with Jail.start(memory.model(spinner), spec=JailSpec(wall_seconds=0.3), allow_unsandboxed=True) as jail:
        with pytest.raises(JailError) as caught:
            jail.run(feeds)
        assert caught.value.code == "sandbox.deadline"


@pytest.mark.parametrize("name", ["mlsign.sandbox.nothing", "json"])
def test_a_worker_that_cannot_start_says_why(memory, doubler, monkeypatch, name):
    zygote_host.end()
    popen = subprocess.Popen

    class Wrong(popen):
        def __init__(self, command, **kwargs):
            super().__init__([name if part == "mlsign.sandbox.zygote_onnxruntime" else part for part in command], **kwargs)

    monkeypatch.setattr(subprocess, "Popen", Wrong)
    with pytest.raises(JailError) as caught:
        Jail.start(memory.model(doubler))
    assert caught.value.code == "sandbox.worker.died"
    assert name == "json" or "No module named" in str(caught.value)
    zygote_host.end()
