"""What importing onnxruntime leaves behind: a thread and files without the switch, nothing with it, in the zygote and its workers.

The runs without the switch are the controls. Where a version of onnxruntime leaves nothing even then, they are skipped and
say so, since the others prove nothing on it.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlsign.sandbox.zygote_host import ENVIRONMENT

SWITCH = "ORT_DISABLE_TELEMETRY"
PLACES = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

IMPORTING = """
import os, time
import onnxruntime
time.sleep(0.5)  # the thread works after the import
print(len(os.listdir("/proc/self/task")))
"""

SCORING = """
import os, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from jail_models import Memory
from mlsign.sandbox import zygote_host
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.sandbox.jail import Jail
assert "onnxruntime" not in sys.modules
if sys.argv[2] == "off":
    kept = dict(zygote_host.ENVIRONMENT)
else:
    kept = {name: value for name, value in zygote_host.ENVIRONMENT.items() if name != "ORT_DISABLE_TELEMETRY"}
zygote_host.ENVIRONMENT = kept | {name: os.environ[name] for name in sys.argv[3:]}
with Jail.start(Memory().model(sys.stdin.buffer.read())) as jail:
    jail.run({"x": np.ones((1, 2), np.float32)})
    zygote = zygote_host._current.zygotes[RuntimeName.ONNXRUNTIME]._popen.pid
    print(os.getpid(), len(os.listdir(f"/proc/{zygote}/task")), len(os.listdir(f"/proc/{jail.pid}/task")))
"""


def rooms(folder: Path) -> dict[str, str]:
    """A place of its own for everything that a program could write to."""
    out = {name: folder / name.lower() for name in PLACES}
    for path in out.values():
        path.mkdir()
    return {name: str(path) for name, path in out.items()}


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def import_it(tmp_path: Path, **more: str) -> tuple[int, list[str]]:
    """The threads of a process that imported onnxruntime, and the files it left."""
    environment = {"PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **rooms(tmp_path), **more}
    command = [sys.executable, "-I", "-B", "-c", IMPORTING]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=120, check=True)
    return int(done.stdout), left(tmp_path)


def test_importing_with_the_switch_starts_no_thread_and_writes_no_file(tmp_path):
    assert import_it(tmp_path, **{SWITCH: "1"}) == (1, [])


def test_importing_without_the_switch_does(tmp_path):
    threads, files = import_it(tmp_path)
    if (threads, files) == (1, []):
        pytest.skip("this version of onnxruntime has no telemetry: there is nothing to switch off")
    assert threads > 1
    assert any("onnxruntime" in name for name in files)


def score(
    tmp_path: Path, model: bytes, *, switch: str, prefix: tuple[str, ...] = (), passed: tuple[str, ...] = PLACES
) -> list[int]:
    """Scores in a jail; the pid of whoever did, and how many threads its zygote and its worker had."""
    command = [*prefix, sys.executable, "-c", SCORING, str(Path(__file__).parent), switch, *passed]
    environment = {name: value for name, value in os.environ.items() if name not in {*PLACES, SWITCH}}
    done = subprocess.run(command, input=model, env=environment | rooms(tmp_path), capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return [int(word) for word in done.stdout.split()]


def test_neither_zygote_nor_worker_starts_a_thread_or_writes_a_file(tmp_path, doubler):
    _, *threads = score(tmp_path, doubler.SerializeToString(), switch="off")
    assert (threads, left(tmp_path)) == ([1, 1], [])


def test_a_zygote_without_the_switch_would(tmp_path, doubler):
    _, zygote, _ = score(tmp_path, doubler.SerializeToString(), switch="on")
    if zygote == 1 and not left(tmp_path):
        pytest.skip("this version of onnxruntime has no telemetry: there is nothing to switch off")
    assert zygote > 1
    assert any("onnxruntime" in name for name in left(tmp_path))


CHANGES = (
    "openat,openat2,open,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat,truncate"
)
CALLS = re.compile(r"^(\w+)\((.*)\) += \d+")


def watching(log: Path) -> tuple[str, ...]:
    """A prefix that writes down what a program and its children change, connect to and start: a log for each, ``log.PID``."""
    calls = f"trace={CHANGES},socket,connect,clone,clone3"
    return ("strace", "-ff", "-qq", "-s", "200", "-e", "signal=none", "-e", calls, "-o", str(log))


def seen(log: Path, *, without: int = 0) -> list[str]:
    """What was written to, connected to, or started as a thread, by calls that went well; of all processes but one."""
    logs = [path for path in log.parent.glob(f"{log.name}.*") if path.suffix != f".{without}"]
    assert logs
    calls = [match.groups() for path in logs for line in path.read_text().splitlines() if (match := CALLS.match(line))]
    return [f"{name}({arguments})" for name, arguments in calls if leaves(name, arguments)]


def leaves(name: str, arguments: str) -> bool:
    if name.startswith("open"):
        return "/dev/null" not in arguments and re.search("O_WRONLY|O_RDWR|O_CREAT", arguments) is not None
    if name.startswith("clone"):
        return "CLONE_THREAD" in arguments
    return name != "socket" or "AF_UNIX" not in arguments


def import_traced(tmp_path: Path, environment: dict[str, str]) -> list[str]:
    program = "import mlsign.sandbox.zygote_onnxruntime; import time; time.sleep(0.5)"
    command = [*watching(tmp_path / "log"), sys.executable, "-I", "-B", "-c", program]
    subprocess.run(command, env=environment, cwd="/", timeout=120, check=True)
    return seen(tmp_path / "log")


@needs_strace
def test_the_kernel_sees_nothing_when_the_zygote_is_imported(tmp_path):
    assert import_traced(tmp_path, dict(ENVIRONMENT)) == []


@needs_strace
def test_the_kernel_would_see_it(tmp_path):
    environment = {name: value for name, value in ENVIRONMENT.items() if name != SWITCH} | rooms(tmp_path)
    found = import_traced(tmp_path, environment)
    if not found:
        pytest.skip("this version of onnxruntime has no telemetry: there is nothing to switch off")
    assert any("O_CREAT" in call and "onnxruntime" in call for call in found)
    assert any(call.startswith("clone") for call in found)


@needs_strace
def test_the_kernel_sees_nothing_written_or_connected_by_zygote_and_worker(tmp_path, doubler):
    """In exactly the environment of the sandbox. Threads are left out: warming starts some and ends them."""
    log = tmp_path / "log"
    parent, *_ = score(tmp_path, doubler.SerializeToString(), switch="off", prefix=watching(log), passed=())
    assert len(list(tmp_path.glob("log.*"))) >= 4  # this process, the zygote, the keeper and the worker
    assert [call for call in seen(log, without=parent) if not call.startswith("clone")] == []
