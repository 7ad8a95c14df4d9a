"""What a worker holds once it is confined: descriptors, mappings, shared memory, an environment."""

import mmap
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
import takeover_runner
from jail_models import X, keeper_of
from surroundings import SYSTEM_ROOT
from takeovers import number_of

from mlsign.errors import JailError
from mlsign.limits import Limits
from mlsign.sandbox.arena import BODY_OFFSET, Area
from mlsign.sandbox.protocol import ROOM_BYTES
from mlsign.sandbox.zygote_host import ENVIRONMENT

MIB = 1 << 20
needs_root = pytest.mark.skipif(not SYSTEM_ROOT, reason="reading another user's process needs root with its privileges")
SEALS = (("shrink", -mmap.PAGESIZE), ("grow", mmap.PAGESIZE))


def executable_and_writable(pid: int) -> list[str]:
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return [line for line in lines if re.search(r" .wx", line)]


@needs_root
def test_no_page_of_a_worker_can_be_written_and_executed(start, doubler):
    jail = start(doubler, threads=2)
    jail.run({"x": X})
    assert executable_and_writable(jail.pid) == []


def test_such_a_page_would_be_seen():
    area = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    assert len(executable_and_writable(os.getpid())) == 1
    area.close()


@needs_root
def test_a_worker_holds_four_descriptors_and_its_keeper_two(start, doubler):
    jail = start(doubler)
    links = {fd: os.readlink(f"/proc/{jail.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{jail.pid}/fd")}
    assert set(links) == {"0", "1", "2", "3"}
    assert [links["0"], links["1"]] == ["/dev/null", "/dev/null"]
    assert links["2"].startswith("pipe:")
    assert links["3"].startswith("socket:")
    kept = sorted(os.readlink(f"/proc/{keeper_of(jail.pid)}/fd/{fd}") for fd in os.listdir(f"/proc/{keeper_of(jail.pid)}/fd"))
    assert [link.partition(":")[0] for link in kept] == ["anon_inode", "socket"]  # the worker's pidfd, the parent's socket


@needs_root
def test_a_worker_sees_nothing_of_the_parents_environment(start, doubler, monkeypatch):
    monkeypatch.setenv("MLSIGN_TEST_TOKEN", "secret")
    from mlsign.sandbox import zygote_host

    zygote_host.end()  # the next one is started with the token around
    pid = start(doubler).pid
    for one in (pid, keeper_of(pid)):
        found = dict(entry.split("=", 1) for entry in Path(f"/proc/{one}/environ").read_text().split("\0") if entry)
        assert found == dict(ENVIRONMENT)


@needs_root
def test_shared_memory_is_mapped_read_only_but_for_results(start, doubler):
    maps = Path(f"/proc/{start(doubler).pid}/maps").read_text().splitlines()
    shared = sorted((line.split()[1], line.partition("/memfd:")[2].split()[0]) for line in maps if "/memfd:" in line)
    assert shared == [("r--s", "mlsign-area"), ("r--s", "test"), ("rw-s", "mlsign-area")]


@pytest.fixture
def area():
    area = Area(MIB, read_only=True)
    yield area
    area.close()


@pytest.mark.parametrize(("name", "by"), SEALS)
def test_the_results_keep_their_size_for_whoever_holds_them(name, by):
    area = Area(MIB, read_only=False)
    size = os.fstat(area.fd).st_size
    with pytest.raises(PermissionError):
        os.ftruncate(area.fd, size + by)
    area.close()
    fd = os.memfd_create("unsealed")
    os.ftruncate(fd, size)
    os.ftruncate(fd, size + by)  # without the seals it goes
    os.close(fd)


@pytest.mark.parametrize(("name", "by"), SEALS)
def test_the_inputs_keep_their_size_for_whoever_can_only_read_them(area, name, by):
    size = os.fstat(area.fd).st_size
    with pytest.raises(OSError, match="Invalid argument"):
        os.ftruncate(area.fd, size + by)
    os.ftruncate(area._own_fd, size + by)  # through the other descriptor it goes


def test_the_descriptor_of_the_inputs_gives_nothing_to_write_to(area):
    for flags, protection in ((mmap.MAP_SHARED, mmap.PROT_WRITE), (mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)):
        with pytest.raises(PermissionError):
            mmap.mmap(area.fd, MIB, flags, protection)
        mmap.mmap(area._own_fd, MIB, flags, protection).close()  # through the other descriptor it goes
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(area.fd, b"x")


def taken(area: Area) -> int:
    return os.fstat(area._own_fd).st_blocks * 512


def test_what_a_worker_can_take_of_shared_memory_is_bounded(start, taken_over):
    """Pages that nobody wrote take memory when they are read, which no address space counts: of the inputs there are none."""
    taken_over("chosen")
    limits = Limits(max_input_bytes=8 * MIB, max_output_bytes=8 * MIB)
    jail = start(takeover_runner.doubler(), memory_bytes=64 * MIB, limits=limits)
    held = {}
    kill = jail._process.kill

    def look_and_kill():
        if not held:
            held.update(feeds=taken(jail._transport.feeds), results=taken(jail._transport.results))
        kill()

    jail._process.kill = look_and_kill
    with pytest.raises(JailError, match="SIGBUS") as caught:
        jail.run({"x": takeover_runner.X, "which": np.array(number_of("touch_everything"))})
    assert caught.value.code == "sandbox.worker.died"
    assert 8 * MIB < held["results"] <= BODY_OFFSET + 8 * MIB + ROOM_BYTES + mmap.PAGESIZE  # it did take them all
    assert held["feeds"] == mmap.PAGESIZE


def test_results_that_change_while_they_are_read_are_whole_or_an_error(start, taken_over):
    taken_over("chosen")
    seen, until = set(), time.monotonic() + 60
    while not seen - {"an answer"}:  # the results did change under way
        assert time.monotonic() < until
        jail = start(takeover_runner.doubler(), threads=4)
        if not next(layer for layer in jail.layers if layer.name == "user_namespace").in_force:
            pytest.skip("without a user namespace a worker has one thread")
        which = number_of("flip")
        for _ in range(50):
            try:
                y = jail.run({"x": takeover_runner.X, "which": np.array(which)})["y"]
            except JailError as err:
                assert err.code in {"sandbox.frame", "sandbox.output", "sandbox.output.name"}
                seen.add(err.code)
                break
            assert (y.shape, y.dtype) == ((3, 2), np.dtype(np.float32))
            seen.add("an answer" if np.array_equal(y, 2 * takeover_runner.X) else "a wrong answer")
            which = number_of("honest")
        jail.close()
