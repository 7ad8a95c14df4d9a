"""High-water marks, of releases and of policies, with many processes at once, processes that are killed, and disks that fail."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlsign.digest import sha256
from mlsign.errors import MlsignError, TrustError
from mlsign.evidence.record import Seen
from mlsign.roots.policy_marks import PolicyMark, raise_policy_mark
from mlsign.roots.seen import open_marks
from mlsign.version import decode_version

CONTENT = sha256(b"content")

RAISE = """
import os, signal, sys
from pathlib import Path
from mlsign.digest import sha256
from mlsign.errors import TrustError
from mlsign.evidence.record import Seen
from mlsign.roots.policy_marks import PolicyMark, raise_policy_mark
from mlsign.roots.seen import open_marks
from mlsign.version import decode_version

CONTENT = sha256(b"content")

def release(state, number):
    version = decode_version(f"{number}.0.0")
    with open_marks(state) as marks:
        seen = marks.read("production", "fraud")
        if seen.version is None or seen.version < version:
            marks.write("production", "fraud", Seen(version=version, digest=CONTENT))

def policy(state, number):
    try:
        raise_policy_mark(PolicyMark(policy="production", signer="key:1", revision=number, content=CONTENT), state=state)
    except TrustError as err:
        assert err.code == "policy.revision", err

RAISERS = {"release": release, "policy": policy}
kind, state = RAISERS[sys.argv[1]], Path(sys.argv[2])
"""

MANY = RAISE + "for number in map(int, sys.argv[3:]):\n    kind(state, number)\n"

ENDLESS = RAISE + "number = int(sys.argv[3])\nwhile True:\n    number += 1\n    kind(state, number)\n"

DYING = (
    RAISE
    + """
import mlsign.roots.store as store
name, when, count = sys.argv[4], sys.argv[5], int(sys.argv[6])
real, calls = getattr(os, name), []

def dying(*args, **more):
    calls.append(1)
    if when == "before" and len(calls) == count:
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*args, **more)
    if when == "after" and len(calls) == count:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(os, name, dying)
kind(state, int(sys.argv[3]))
"""
)

FULL = (
    RAISE
    + """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
from mlsign.errors import OutsideError
try:
    kind(state, int(sys.argv[3]))
except OutsideError as err:
    assert err.code == "trust.cache.write", err
    sys.exit(7)
"""
)

HOLDER = """
import fcntl, os, sys, time
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print(flush=True)
time.sleep(600)
"""

KINDS = ("release", "policy")


def started(script: str, *argv: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", script, *map(str, argv)], stderr=subprocess.PIPE)


def finished(script: str, *argv: object) -> int:
    process = started(script, *argv)
    _, err = process.communicate()
    assert process.returncode in {0, 7, -signal.SIGKILL}, err.decode()
    return process.returncode


def mark(kind: str, state: Path) -> int:
    """What the mark says; a mark that cannot be read, or a lock that is held, ends the test."""
    if kind == "release":
        with open_marks(state) as marks:
            seen = marks.read("production", "fraud").version
            number = 0 if seen is None else int(str(seen).partition(".")[0])
    else:
        folder = state / "policies"
        found = [json.loads(path.read_bytes())["revision"] for path in folder.glob("[!.]*.json")] if folder.is_dir() else []
        assert len(found) <= 1
        number = found[0] if found else 0
        if number:
            raise_policy_mark(PolicyMark(policy="production", signer="key:1", revision=number, content=CONTENT), state=state)
    return number


def left_over(state: Path) -> list[str]:
    return [path.name for path in state.rglob(".partial-*")]


@pytest.mark.parametrize("kind", KINDS)
def test_many_processes_leave_the_highest_mark(kind, tmp_path):
    state = tmp_path / "state"
    numbers = list(range(1, 41))
    running = []
    for seed in range(4):
        order = numbers[:]
        random.Random(seed).shuffle(order)  # noqa: S311 - an order, not a secret
        running.append(started(MANY, kind, state, *order))
    for process in running:
        _, err = process.communicate()
        assert process.returncode == 0, err.decode()
    assert mark(kind, state) == 40
    assert left_over(state) == []


@pytest.mark.parametrize("kind", KINDS)
def test_processes_that_are_killed_anywhere_never_lower_a_mark_or_keep_the_lock(kind, tmp_path):
    state = tmp_path / "state"
    last = 0
    for turn in range(4):
        running = [started(ENDLESS, kind, state, last) for _ in range(2)]
        begun = time.monotonic()
        while time.monotonic() - begun < 60 and not list(state.rglob("*.json")):
            time.sleep(0.01)
        time.sleep(0.15 + 0.013 * turn)
        for process in running:
            process.kill()
            process.communicate()
        now = mark(kind, state)
        assert now >= last
        last = now
    assert last > 0
    assert left_over(state) == []  # whoever came next took it away


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "when", "count", "raised"),
    [
        ("urandom", "after", 1, False),
        ("fsync", "before", 1, False),
        ("fsync", "after", 1, False),
        ("rename", "before", 1, False),
        ("rename", "after", 1, True),
        ("fsync", "before", 2, True),
        ("fsync", "after", 2, True),
    ],
)
def test_death_at_each_step_of_writing_leaves_the_old_mark_or_the_new_one(kind, name, when, count, raised, tmp_path):
    state = tmp_path / "state"
    assert finished(MANY, kind, state, 3) == 0
    assert finished(DYING, kind, state, 5, name, when, count) == -signal.SIGKILL
    assert mark(kind, state) == (5 if raised else 3)
    assert left_over(state) == []
    assert finished(MANY, kind, state, 4, 6) == 0
    assert mark(kind, state) == 6


@pytest.mark.parametrize("kind", KINDS)
def test_death_before_the_first_mark_is_no_mark(kind, tmp_path):
    state = tmp_path / "state"
    assert finished(DYING, kind, state, 5, "fsync", "before", 1) == -signal.SIGKILL
    assert len(left_over(state)) == 1
    assert mark(kind, state) == 0
    assert finished(MANY, kind, state, 2) == 0
    assert mark(kind, state) == 2
    assert left_over(state) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_refuses_and_leaves_the_old_mark(kind, tmp_path):
    state = tmp_path / "state"
    assert finished(MANY, kind, state, 3) == 0
    assert finished(FULL, kind, state, 5) == 7
    assert mark(kind, state) == 3
    assert left_over(state) == []


def raise_release(state: Path) -> None:
    with open_marks(state) as marks:
        marks.write("production", "fraud", Seen(version=decode_version("1.0.0"), digest=CONTENT))


def raise_policy(state: Path) -> None:
    raise_policy_mark(PolicyMark(policy="production", signer="key:1", revision=1, content=CONTENT), state=state)


@pytest.mark.parametrize("write", [raise_release, raise_policy])
def test_a_place_where_nothing_can_be_written_refuses(write, tmp_path):
    # A folder of the kernel stands for a disk that is read-only: root may write to any other.
    with pytest.raises(MlsignError) as caught:
        write(Path("/proc/sys/kernel/mlsign-state"))
    assert caught.value.code.startswith("trust.cache.")


@pytest.mark.parametrize("length", [0, 1, 20, -1])
def test_a_mark_that_is_cut_short_refuses_and_stays(length, tmp_path):
    state = tmp_path / "state"
    raise_policy(state)
    raise_release(state)
    short = {path: path.read_bytes()[:length] for path in state.rglob("*.json")}
    for path, data in short.items():
        path.write_bytes(data)
    with pytest.raises(TrustError) as caught:
        raise_policy(state)
    assert caught.value.code == "policy.mark"
    with pytest.raises(TrustError) as caught, open_marks(state) as marks:
        marks.read("production", "fraud")
    assert caught.value.code == "seen.mark"
    assert {path: path.read_bytes() for path in short} == short


def test_the_lock_is_kept_out_of_others_and_given_back(tmp_path, monkeypatch):
    from mlsign.errors import OutsideError
    from mlsign.roots import policy_marks

    raise_policy(tmp_path)
    monkeypatch.setattr(policy_marks, "LOCK_SECONDS", 0.05)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "policies")], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(OutsideError) as caught:
        raise_policy(tmp_path)
    assert caught.value.code == "trust.busy"
    holder.kill()
    holder.communicate()
    raise_policy(tmp_path)
