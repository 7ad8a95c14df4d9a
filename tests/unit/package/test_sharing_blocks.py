"""Copies on a small file system where files can share blocks: XFS in an image, mounted for the test. Needs root and ``mkfs.xfs``."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from making import write_model
from reading import source

from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.digest import Algorithm
from mlsign.errors import InputError, OutsideError
from mlsign.package import write
from mlsign.package.file_source import FileSource
from mlsign.package.write import copy_file
from mlsign.paths import PackagePath

MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    if not shutil.which("mkfs.xfs") or os.geteuid() != 0:
        pytest.skip("a file system that shares blocks needs root and mkfs.xfs")
    image, place = tmp_path / "image", tmp_path / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(320 * MIB)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True)
    done = subprocess.run(["mount", "-o", "loop", image, place], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no image can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def used(place: Path) -> int:
    os.sync()
    facts = os.statvfs(place)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize


def test_a_copy_takes_no_room_and_is_a_file_of_its_own(disk):
    data = os.urandom(40 * MIB + 5)
    (disk / "w.bin").write_bytes(data)
    before = used(disk)
    for algorithm in (Algorithm.SHA256, Algorithm.BLAKE3):
        with source(disk / "w.bin") as file:
            digest = copy_file(disk / "out", PackagePath(f"{algorithm.value}/w.bin"), file, algorithm=algorithm)
        if algorithm is Algorithm.SHA256:
            assert digest.value == hashlib.sha256(data).digest()
    assert used(disk) - before < 8 * MIB
    with (disk / "w.bin").open("r+b") as file:
        file.write(b"other bytes")
    assert (disk / "out" / "sha256" / "w.bin").read_bytes() == data


def test_what_is_packed_there_verifies_as_anywhere_else(disk):
    model = write_model(disk / "m.onnx", external="w.bin")
    (disk / "notes.txt").write_bytes(os.urandom(3 * MIB))
    packed = pack(PackRequest(model=model, output=disk / "p", include=(disk / "notes.txt",)))
    for entry in packed.manifest.files:
        content = (disk / "p" / str(entry.path)).read_bytes()
        assert (len(content), hashlib.sha256(content).digest()) == (entry.size, entry.digest.value)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_source_that_changes_around_the_copy_is_refused(disk, monkeypatch, moment):
    (disk / "w.bin").write_bytes(os.urandom(MIB))
    cloned = write._cloned

    def meddled(file: FileSource, fd: int) -> bool:
        if moment == "before":
            os.truncate(disk / "w.bin", 2 * MIB)
        done = cloned(file, fd)
        if moment == "after":
            (disk / "w.bin").write_bytes(b"x" * MIB)
        assert done
        return done

    monkeypatch.setattr(write, "_cloned", meddled)
    with source(disk / "w.bin") as file, pytest.raises(InputError) as caught:
        copy_file(disk / "out", PackagePath("w.bin"), file, algorithm=Algorithm.SHA256)
    assert caught.value.code == "file.changed"


@pytest.mark.parametrize("reserves", [True, False])
def test_a_disk_without_room_is_an_error(disk, tmp_path, monkeypatch, reserves):
    """Found before anything is copied where room can be asked for, and else when it is full."""
    with (tmp_path / "w.bin").open("wb") as file:
        file.truncate(600 * MIB)
    if not reserves:
        monkeypatch.setattr(write, "_reserve", lambda *_: None)
    copied: list[int] = []
    with source(tmp_path / "w.bin") as file, pytest.raises(OutsideError) as caught:
        copy_file(disk / "out", PackagePath("w.bin"), file, algorithm=Algorithm.SHA256, advance=copied.append)
    assert caught.value.code == "disk.full"
    assert bool(copied) is not reserves
    assert sum(copied) < 600 * MIB


def test_room_that_cannot_be_asked_for_is_no_error(disk, monkeypatch):
    (disk / "w.bin").write_bytes(os.urandom(2 * MIB))
    monkeypatch.setattr(write, "_FICLONE", 0)
    monkeypatch.setattr(write, "_RESERVE", 0)
    with source(disk / "w.bin") as file:
        digest = copy_file(disk / "out", PackagePath("w.bin"), file, algorithm=Algorithm.SHA256)
    assert digest.value == hashlib.sha256((disk / "out" / "w.bin").read_bytes()).digest()
