"""gVisor as an ordinary user: in a user namespace that its keeper makes."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import rfc8785
from surroundings import SYSTEM_ROOT

import mlsign

pytestmark = [
    pytest.mark.usefixtures("gvisor"),
    pytest.mark.skipif(not SYSTEM_ROOT, reason="root alone becomes somebody else"),
    pytest.mark.skipif(not (shutil.which("setpriv") and shutil.which("unshare")), reason="needs setpriv and unshare"),
]
PLACE = "/mnt"
SCRIPT = """
import json, os
from jail_models import X, Memory, graph_model, tensor
from onnx import helper
from mlsign.sandbox.gvisor.process import descendants
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.layers import Isolation, Wall
from mlsign.sandbox.spec import JailSpec
model = Memory().model(graph_model([helper.make_node("Add", ["x", "x"], ["y"])], [tensor("x")], [tensor("y")]))
with Jail.start(model, spec=JailSpec(wall=Wall.GVISOR, isolation=Isolation.FULL)) as jail:
    answer = jail.run({"x": X})["y"].tolist()
    held = [layer.name for layer in jail.layers if layer.in_force]
print(json.dumps({"user": os.geteuid(), "answer": answer, "held": held, "left": descendants(os.getpid())}))
"""


@pytest.fixture
def interpreter():
    """An interpreter that everybody may run, wherever this one lies: its installation is mounted at ``PLACE`` as well."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    here = Path(sys.executable).resolve().relative_to(Path(sys.base_prefix).resolve())
    packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to(Path(PLACE) / here)
    (folder / "pyvenv.cfg").write_text(f"home = {(Path(PLACE) / here).parent}\n")
    search = {str(Path(module.__file__).parents[1]) for module in (mlsign, np, rfc8785)} | {str(Path(__file__).parent)}
    (packages / "search.pth").write_text("\n".join(sorted(search)))
    if "loading shared libraries" in as_somebody(str(folder / "bin/python"), "").stderr:
        shutil.rmtree(folder)
        pytest.skip("nobody else reads the shared library of this interpreter")
    yield str(folder / "bin/python")
    shutil.rmtree(folder)


def as_somebody(interpreter: str, script: str) -> subprocess.CompletedProcess[str]:
    become = "exec setpriv --reuid=12345 --regid=12345 --clear-groups --inh-caps=-all"
    command = f'mount --bind "$1" {PLACE} && {become} "$2" -c "$3"'
    argv = ["unshare", "--mount", "sh", "-c", command, "sh", str(Path(sys.base_prefix).resolve()), interpreter, script]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, cwd="/")


def test_an_ordinary_user_gets_the_answers_and_full_isolation(interpreter):
    done = as_somebody(interpreter, SCRIPT)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["user"], found["answer"], found["left"]) == (12345, [[2, 4], [6, 8], [10, 12]], [])
    assert {"gvisor", "user_namespace", "pid_namespace", "user", "seccomp"} <= set(found["held"])
