"""``mlsign sandbox status`` as a person meets it: here, in a container, and where nothing can be confined."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import CLEAN, Done

from mlsign.sandbox.layers import FULL, REQUIRED

JAIL = str(Path(__file__).resolve().parents[1] / "jail")
pytestmark = [pytest.mark.linux, pytest.mark.skipif(sys.platform != "linux", reason="needs Linux with seccomp")]
sys.path.insert(0, JAIL)
from surroundings import ORDINARY, SYSTEM_ROOT  # noqa: E402

needs_root = pytest.mark.skipif(not SYSTEM_ROOT, reason="root alone enters this setting")

ENTERING = """
import sys
sys.path.insert(0, sys.argv[1])
import surroundings
from mlsign.cli.main import main
for step in sys.argv[2].split():
    getattr(surroundings, step)()
sys.argv = ["mlsign", "sandbox", "status", *sys.argv[3:]]
main()
"""


def status(*steps: str, more: tuple[str, ...] = ()) -> Done:
    """The command after this process has entered other surroundings."""
    command = [sys.executable, "-c", ENTERING, JAIL, " ".join(steps), *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=CLEAN)
    assert "Traceback" not in done.stdout + done.stderr
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)


def document(*steps: str) -> tuple[int, dict]:
    done = status(*steps, more=("--format", "json"))
    return done.code, json.loads(done.out)


def in_force(found: dict) -> set[str]:
    return {layer["name"] for layer in found["layers"] if layer["in_force"]}


def test_a_real_worker_tells_every_layer(run):
    done = run("sandbox", "status", "--format", "json")
    found = json.loads(done.out)
    assert (done.code, found["schema"], found["failure"]) == (0, "mlsign/sandbox/v1", None)
    assert set(REQUIRED) <= in_force(found)
    assert {layer["name"] for layer in found["layers"]} >= set(FULL)
    assert found["isolation"]["available"]
    assert found["isolation"]["full"] == (set(FULL) <= in_force(found))
    assert found["machine"]["kernel"] == os.uname().release
    assert all(layer["detail"] for layer in found["layers"])


def test_the_text_says_both_verdicts_last(run):
    done = run("sandbox", "status")
    assert (done.code, done.err) == (0, "")
    assert f"linux {os.uname().release} on {os.uname().machine}" in done.out
    assert "  in force  seccomp " in done.out
    assert "isolation: available  can be met\n" in done.out
    assert "isolation: full " in done.out
    assert run("sandbox", "status", "--quiet").out == ""


@pytest.mark.skipif(not shutil.which("runsc"), reason="gVisor's runsc is not installed")
def test_gvisor_is_really_tried(run):
    found = json.loads(run("sandbox", "status", "--format", "json").out)
    gvisor, path = found["gvisor"], found["machine"]["runsc"]
    assert gvisor["usable"] == (gvisor["failure"] is None)
    said = f"a worker ran inside {path}" if gvisor["usable"] else f"{path} cannot be used: gVisor could not start a worker: "
    assert f"gvisor       {said}" in run("sandbox", "status").out


@needs_root
def test_where_gvisor_cannot_make_its_namespaces_or_is_missing_that_is_said():
    _, found = document("enter_container")
    assert (found["gvisor"]["usable"], found["gvisor"]["failure"]["code"]) == (False, "sandbox.unavailable")
    if shutil.which("runsc"):
        assert "could not start a worker: no place for gVisor could be made: unshare: " in found["gvisor"]["failure"]["message"]
    else:
        assert "gvisor       runsc is not installed" in status("enter_container").out


def test_help_has_an_example(run):
    done = run("sandbox", "status", "--help")
    assert (done.code, done.err) == (0, "")
    assert "mlsign sandbox status" in done.out
    assert run("sandbox").code == 2


@needs_root
def test_in_a_container_the_rest_is_in_force_and_what_to_change_is_said():
    code, found = document("enter_container")
    assert code == 0
    assert found["isolation"] == {"available": True, "full": False}
    assert {"seccomp", "landlock", "capabilities", "user"} <= in_force(found)
    assert not {"user_namespace", "empty_root", "net_namespace"} & in_force(found)
    assert found["machine"]["filtered"]
    assert "unshare" in " ".join(found["advice"])
    text = status("enter_container").out
    assert "missing   user_namespace    unshare: operation not permitted" in text
    assert "isolation: full       cannot be met, missing: user_namespace," in text


@needs_root
def test_a_setting_that_forbids_user_namespaces_is_named():
    code, found = document("enter_nested")
    assert (code, found["machine"]["limiting"]) == (0, {"user.max_user_namespaces": "0"})
    assert found["advice"] == ["sysctl -w user.max_user_namespaces=10000"]
    assert "forbidden by user.max_user_namespaces = 0" in status("enter_nested").out


@needs_root  # who may make a user namespace
@pytest.mark.parametrize(
    ("step", "missing", "advice"),
    [("forbid_landlock", {"landlock"}, "5.13"), ("forbid_mounts", {"empty_root"}, "mount")],
)
def test_each_missing_layer_has_its_own_advice(step, missing, advice):
    code, found = document(step)
    assert code == 0
    assert set(FULL) - in_force(found) == missing
    assert len(found["advice"]) == 1
    assert advice in found["advice"][0]


def test_where_nothing_can_be_confined_that_is_said_and_the_exit_code_is_1():
    code, found = document("forbid_filters")
    assert code == 1
    assert found["isolation"] == {"available": False, "full": False}
    assert (found["layers"], found["failure"]["code"]) == ([], "sandbox.layer")
    done = status("forbid_filters")
    assert (done.code, done.err) == (1, "")
    assert "no worker could be confined here: the required layer seccomp" in done.out
    assert "isolation: available  cannot be met\n" in done.out
    assert "  - use a kernel of at least 5.9" in done.out


def test_a_system_that_has_no_filters_at_all_is_told_to_score_on_linux(tmp_path):
    program = "import sys; from mlsign.sandbox import jail; jail.can_confine = lambda: False\n"
    program += "sys.argv = ['mlsign', 'sandbox', 'status']\nfrom mlsign.cli.main import main\nmain()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=CLEAN)
    assert (done.returncode, done.stderr) == (1, "")
    assert "cannot confine a process, nothing is scored" in done.stdout
    assert "score on Linux on x86-64 or aarch64" in done.stdout


@needs_root
@pytest.mark.skipif(not shutil.which("setpriv"), reason="becoming another user needs setpriv")
def test_an_ordinary_user_sees_what_holds_for_it():
    command = [*ORDINARY, sys.executable, "-m", "mlsign", "sandbox", "status", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=CLEAN, cwd="/")
    found = json.loads(done.stdout)
    assert (done.returncode, found["machine"]["user"]) == (0, 1000)
    assert next(layer for layer in found["layers"] if layer["name"] == "user")["detail"] == "started as the ordinary user 1000"
