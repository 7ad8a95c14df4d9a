"""The command line as tests run it: in forks of one process, each in a folder of its own."""

import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import CLEAN, Done


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    """Tests that run ``main`` in this process leave its garbage collector as it was."""
    usual = gc.get_threshold()
    yield
    gc.set_threshold(*usual)
    gc.unfreeze()


@pytest.fixture(scope="module")
def forks() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has imported the command line and forks one process for each run."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("forks.py"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=CLEAN
    ) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def run(forks, tmp_path) -> Callable[..., Done]:
    """Runs a command line in a folder of its own. No traceback may ever be seen, and no colour in a pipe."""
    seen = tmp_path / ".seen"
    seen.mkdir()

    def go(*argv: object, env: dict[str, str] | None = None) -> Done:
        job = {
            "argv": list(map(str, argv)),
            "cwd": str(tmp_path),
            "env": env or {},
            "out": str(seen / "out"),
            "err": str(seen / "err"),
        }
        forks.stdin.write(json.dumps(job).encode() + b"\n")
        forks.stdin.flush()
        code = int(forks.stdout.readline())
        out, err = (seen / "out").read_bytes().decode(), (seen / "err").read_bytes().decode()
        assert "Traceback" not in out + err
        assert "\x1b[" not in out + err
        return Done(code=code, out=out, err=err)

    return go
