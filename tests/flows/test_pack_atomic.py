"""Packing is all or nothing: killed at any moment, or with a full disk, there is no half package under the name."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from making import make_key, write_model

from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.signing.sign import Addition, sign
from mlsign.errors import OutsideError

KILLS = 20


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Much to copy: 40 files of 1 MiB."""
    folder = tmp_path / "large"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}.bin").write_bytes(bytes([number]) * 1_048_576)
    return folder


def test_killed_at_any_moment_there_is_nothing_or_everything(tmp_path, large, command):
    model = write_model(tmp_path / "m.onnx")
    pair = make_key()

    def start(target: Path) -> subprocess.Popen:
        argv = [*command, "pack", str(model), "-o", str(target), "--include", str(large), "--quiet"]
        return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    begun = time.monotonic()
    assert start(tmp_path / "whole").wait() == 0
    usual = time.monotonic() - begun
    moments = random.Random(7)  # noqa: S311 - moments in time, no secret
    absent = partial = 0
    for number in range(KILLS):
        target = tmp_path / f"p{number}"
        process = start(target)
        hidden = f".{target.name}.partial-"
        if number % 2:
            # Half of the kills fall into the copying itself: from the moment the hidden folder is there.
            while process.poll() is None and not any(p.name.startswith(hidden) for p in tmp_path.iterdir()):
                time.sleep(0.001)
            time.sleep(moments.uniform(0, 0.05))
        else:
            time.sleep(moments.uniform(0, 1.1 * usual))
        process.send_signal(signal.SIGKILL)
        process.wait()
        left = [p for p in tmp_path.iterdir() if p.name.startswith(hidden)]
        partial += len(left)
        if target.exists():
            # The name is there: then the package is whole, and sign, which hashes all of it, agrees.
            assert sign(target, pair.signer).addition is Addition.ADDED
        else:
            absent += 1
            assert pack(PackRequest(model=model, output=target)).path == target
    assert absent, "every run ended before it was killed"
    assert partial, "no run was killed while it copied"


def only_root() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0


@pytest.mark.skipif(not only_root(), reason="mounting a small disk needs root")
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, large, command):
    model = write_model(tmp_path / "m.onnx")
    script = 'mount -t tmpfs -o size=4m none "$1" || exit 99; shift; "$@"; code=$?; ls -A "$DISK" >&2; exit $code'  # fmt: skip
    disk = tmp_path / "disk"
    disk.mkdir()
    argv = [*command, "pack", str(model), "-o", str(disk / "p"), "--include", str(large)]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(disk), *argv],
        capture_output=True,
        text=True,
        env=os.environ | {"DISK": str(disk)},
    )
    if done.returncode in {1, 99} and "Traceback" not in done.stderr and "disk is full" not in done.stderr:
        pytest.skip(f"no mount here: {done.stderr.strip()[:100]}")
    assert done.returncode == 4
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    # What `ls -A` of the small disk printed: nothing, not even the hidden folder.
    assert [line for line in done.stderr.splitlines() if line.startswith((".p", "p"))] == []


def test_a_write_that_fails_leaves_nothing(tmp_path, large):
    """A file size limit makes write(2) fail in the middle, as a full disk does; no root needed."""
    model = write_model(tmp_path / "m.onnx")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, old[1]))
    try:
        with pytest.raises(OutsideError) as caught:
            pack(PackRequest(model=model, output=tmp_path / "p", include=(large,)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    assert caught.value.code == "disk.write"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["large", "m.onnx"]
