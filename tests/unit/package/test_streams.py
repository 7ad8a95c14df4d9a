"""A file read once, ahead of those who want its chunks: all of it for everybody, or an error."""

import hashlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from reading import ALL, expected, refused, source

from mlsign.errors import InputError
from mlsign.package import hashing
from mlsign.package import stream as stream_module
from mlsign.package.crew import Stopped, Worker
from mlsign.package.hashing import hash_source
from mlsign.package.sealed import seal_file
from mlsign.package.stream import stream


@pytest.fixture
def large(tmp_path, monkeypatch) -> Path:
    """A file that counts as large, and ends within a chunk."""
    monkeypatch.setattr(stream_module, "LARGE_BYTES", 1)
    monkeypatch.setattr(hashing, "LARGE_BYTES", 1)
    place = tmp_path / "large"
    place.write_bytes(os.urandom((18 << 20) + 5))
    return place


def test_large_files_are_read_ahead_and_everybody_sees_all_of_them(large, no_hang):
    parts: list[bytes] = []
    advanced: list[int] = []

    def slow(chunk: memoryview) -> None:
        time.sleep(0.01)
        parts.append(bytes(chunk))

    with source(large) as file:
        digests = hash_source(file, algorithms=ALL, consumers=[slow], advance=advanced.append)
    assert [d.value for d in digests] == expected(large.read_bytes())
    assert b"".join(parts) == large.read_bytes()
    assert sum(advanced) == len(b"".join(parts))


@pytest.mark.parametrize("size", [0, 5 << 20, 8 << 20, (18 << 20) + 6, 40 << 20])
def test_a_large_file_that_gets_another_size_under_the_reader(large, size, no_hang):
    seen: list[int] = []

    def change(chunk: memoryview) -> None:
        if not seen:
            os.truncate(large, size)
        seen.append(len(chunk))

    with source(large) as file:
        assert refused(InputError, hash_source, file, algorithms=ALL, consumers=[change]) == "file.changed"
        assert refused(InputError, seal_file, file, consumers=[change]) == "file.changed"


def test_a_write_behind_the_reader_is_seen(large, no_hang):
    """What was read already is written again: the digest is right, and the file is not what it was."""

    def change(chunk: memoryview) -> None:
        with large.open("r+b") as file:
            file.write(b"x")

    with source(large) as file:
        assert refused(InputError, hash_source, file, algorithms=ALL, consumers=[change]) == "file.changed"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), InputError("no", code="x")])
def test_a_consumer_that_fails_ends_the_stream(large, error, no_hang):
    others: list[int] = []

    def fail(chunk: memoryview) -> None:
        if len(others) > 1:
            raise error

    with source(large) as file, pytest.raises(type(error)) as caught:
        stream(file, [lambda chunk: others.append(len(chunk)), fail], ahead=True)
    assert caught.value is error
    assert not [thread for thread in threading.enumerate() if thread.name == "mlsign-stream"]


def test_a_stream_that_nobody_wants_any_more_ends(large, no_hang):
    with source(large) as file, pytest.raises(Stopped):
        stream(file, [lambda _: None], worker=Worker([KeyboardInterrupt()]), ahead=True)
    with source(large) as file, pytest.raises(Stopped):
        stream(file, [lambda _: None], worker=Worker([KeyboardInterrupt()]))


def test_nobody_still_writes_once_an_interrupted_stream_has_returned(large, no_hang):
    """Whoever called closes the file that is written, and its number may be that of the next model's memory by then."""
    caller, finished, chunks = threading.get_ident(), threading.Event(), iter(range(5))

    def interrupted(_: memoryview) -> None:
        if next(chunks) == 4:  # the last: everything is read, and the caller waits for nothing but this
            time.sleep(0.1)
            signal.pthread_kill(caller, signal.SIGINT)
            time.sleep(0.2)
            finished.set()

    with source(large) as file, pytest.raises(KeyboardInterrupt):
        stream(file, [interrupted], ahead=True)
    assert finished.is_set()


def test_memory_is_used_again_only_when_everybody_is_done(large, no_hang):
    """A consumer that is slower than the rest still gets what the others got."""
    fast, slow = hashlib.sha256(), hashlib.sha256()

    def late(chunk: memoryview) -> None:
        time.sleep(0.02)
        slow.update(chunk)

    with source(large) as file:
        stream(file, [fast.update, late], ahead=True)
    assert fast.digest() == slow.digest() == hashlib.sha256(large.read_bytes()).digest()


def test_a_small_file_that_comes_in_pieces_is_read_whole(tmp_path, monkeypatch):
    """As network file systems may give it."""
    data = os.urandom(5000)
    (tmp_path / "small").write_bytes(data)
    preadv = os.preadv
    monkeypatch.setattr(stream_module.os, "preadv", lambda fd, buffers, offset: preadv(fd, [buffers[0][:1300]], offset))
    with source(tmp_path / "small") as file:
        assert [d.value for d in hash_source(file, algorithms=ALL)] == expected(data)


@pytest.mark.parametrize("size", [0, 1, 4999, 5001, 3 << 20])
def test_a_small_file_that_gets_another_size_before_it_is_read(tmp_path, size):
    place = tmp_path / "small"
    place.write_bytes(os.urandom(5000))
    with source(place) as file:
        os.truncate(place, size)
        assert refused(InputError, hash_source, file, algorithms=ALL) == "file.changed"
