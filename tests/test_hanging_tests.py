"""A test that hangs fails and lets the others run; one that cannot be stopped ends the run, and says where it stood."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
STOPPABLE = """
import threading
import pytest

@pytest.fixture
def untidy():
    yield
    threading.Event().wait()

@pytest.fixture
def never_ready():
    threading.Event().wait()

def test_waits_for_ever():
    threading.Lock().acquire() and threading.Event().wait()

def test_is_never_set_up(never_ready):
    pass

def test_is_never_torn_down(untidy):
    assert "a failure" == ""

def test_is_well():
    pass
"""
UNSTOPPABLE = """
import time

def test_goes_on():
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

def test_is_well():
    pass
"""


def run(folder: Path, text: str, **settings: float) -> tuple[int, str]:
    (folder / "test_it.py").write_text(text)
    given = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    command = [sys.executable, "-m", "pytest", "-c", HERE.parent / "pyproject.toml", "-p", "conftest", *given, folder]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_a_hanging_test_fixture_or_end_fails_that_test_alone(tmp_path: Path) -> None:
    code, said = run(tmp_path, STOPPABLE, timeout=1)
    assert code == 1
    assert "2 failed, 1 passed, 2 errors" in said
    assert said.count("Timeout (>1.0s)") >= 3
    ended = {
        (line.split()[0], line.split("::")[1].split()[0]) for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))
    }
    assert ended == {
        ("FAILED", "test_waits_for_ever"),
        ("ERROR", "test_is_never_set_up"),
        ("FAILED", "test_is_never_torn_down"),
        ("ERROR", "test_is_never_torn_down"),
    }


def test_one_that_no_signal_stops_ends_the_run_and_shows_its_stack(tmp_path: Path) -> None:
    code, said = run(tmp_path, UNSTOPPABLE, timeout=1, faulthandler_timeout=3)
    assert code == 1
    assert "in test_goes_on" in said
    assert "passed" not in said
