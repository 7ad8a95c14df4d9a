"""A file read once, every chunk of it given to all who want it: hashers, comparers, writers.

What they get are the same bytes of memory that nobody else has, so what was hashed is what was written, whatever
happens to the file meanwhile. Large files are read ahead while the consumers work, each in a thread of its own. Nothing is
memory-mapped: a file that is cut short while it is read is an error here, not a signal that ends the process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Final

from mlsign.errors import OutsideError
from mlsign.limits import MIB
from mlsign.package.crew import Hand, Stopped, Worker, join_all
from mlsign.package.file_source import FileSource, changed

LARGE_BYTES: Final = 32 * MIB
"""Files from this size on are worth threads of their own."""
_AHEAD_BYTES: Final = 4 * MIB
"""Chunks of large files: big enough for an algorithm to split among threads, three of them small enough for the cache."""
_RING: Final = 3

Advance = Callable[[int], None]
"""Called with the number of bytes that were just processed, from any thread."""

Consumer = Callable[[memoryview], object]
"""Called with the chunks of a file in order. A chunk is good until it returns."""


def stream(
    source: FileSource,
    consumers: Sequence[Consumer],
    *,
    worker: Worker | None = None,
    ahead: bool = False,
    advance: Advance | None = None,
) -> None:
    """Every consumer has seen the whole file; with ``ahead``, at the same time where the file is large.

    Raises ``InputError`` (``file.changed``) when the file ends early, grows or is written to meanwhile, ``OutsideError``
    (``file.read``), ``Stopped``, and what a consumer raises.
    """
    worker = worker or Worker()
    if not (ahead and source.size >= LARGE_BYTES and _Ahead(source, consumers).run(worker, advance)):
        _stream_here(source, consumers, worker, advance)
    source.check_unchanged()


def read_at_once(source: FileSource, buffer: memoryview) -> memoryview:
    """The whole of a file that is smaller than the buffer, in it. Raises as ``stream`` does."""
    count = _read(source, buffer, 0)
    while 0 < count < source.size and (more := _read(source, buffer[count:], count)):  # some file systems give it in pieces
        count += more
    if count != source.size:
        raise changed(source.where)
    source.check_unchanged()
    return buffer[:count]


def _stream_here(source: FileSource, consumers: Sequence[Consumer], worker: Worker, advance: Advance | None) -> None:
    buffer, size, offset = worker.buffer, source.size, 0
    while True:
        count = _read(source, buffer, offset)
        if count == 0:
            break
        chunk = buffer[:count]
        for consume in consumers:
            consume(chunk)
        offset += count
        if offset > size:
            break
        if advance is not None:
            advance(count)
        if offset == size and count < len(buffer):  # the end, or a file that has grown, which its status shows
            break
        worker.check()
    if offset != size:
        raise changed(source.where)


def _read(source: FileSource, buffer: memoryview, offset: int) -> int:
    try:
        return os.preadv(source.fd, [buffer], offset)
    except OSError as err:
        raise OutsideError(f"cannot be read: {err.strerror}", code="file.read", where=source.where) from err


class _Ahead:
    """A reader, which is the caller's thread, some chunks ahead of consumers that have a thread each."""

    def __init__(self, source: FileSource, consumers: Sequence[Consumer]) -> None:
        self._source = source
        self._failures: list[BaseException] = []
        self._free: list[SimpleQueue[None]] = [SimpleQueue() for _ in range(_RING)]
        """Of each chunk of memory, a token from everyone who is done with it."""
        self._lanes: list[SimpleQueue[tuple[int, memoryview] | None]] = [SimpleQueue() for _ in consumers]
        self._threads = [
            Hand(partial(self._consume, consume, lane), name="mlsign-stream")
            for consume, lane in zip(consumers, self._lanes, strict=True)
        ]

    def run(self, worker: Worker, advance: Advance | None) -> bool:
        """False, and nothing consumed, where no threads are to be had. Raises as ``stream`` does."""
        try:
            try:
                for thread in self._threads:
                    thread.start()
            except RuntimeError:
                return False
            self._read(worker, advance)
        except BaseException:  # nobody wants what is still in the lanes
            self._failures.append(Stopped())
            raise
        finally:
            join_all(self._threads, self._failures, tell=self._close_lanes)
        if self._failures:
            raise self._failures[0]
        return True

    def _close_lanes(self) -> None:
        for lane in self._lanes:
            lane.put(None)

    def _read(self, worker: Worker, advance: Advance | None) -> None:
        source = self._source
        ring = [memoryview(bytearray(_AHEAD_BYTES)) for _ in range(_RING)]
        offset = turn = 0
        while offset < source.size and not self._failures:
            number = turn % _RING
            if turn >= _RING:
                for _ in self._lanes:
                    self._free[number].get()
            count = _read(source, ring[number], offset)
            if count == 0 or offset + count > source.size:
                raise changed(source.where)
            for lane in self._lanes:
                lane.put((number, ring[number][:count]))
            offset += count
            turn += 1
            if advance is not None:
                advance(count)
            worker.check()

    def _consume(self, consume: Consumer, lane: SimpleQueue[tuple[int, memoryview] | None]) -> None:
        """After a failure, of this consumer or another, chunks are given back unread."""
        while (turn := lane.get()) is not None:
            number, chunk = turn
            if not self._failures:
                try:
                    consume(chunk)
                except BaseException as err:  # noqa: BLE001 - raised again by the reader
                    self._failures.append(err)
            self._free[number].put(None)


def writer(fd: int) -> Consumer:
    """Writes the chunks to an open file, one after the other. Calls raise ``OSError``."""
    offset = 0

    def write(chunk: memoryview) -> None:
        nonlocal offset
        while chunk:
            count = os.pwrite(fd, chunk, offset)
            offset += count
            chunk = chunk[count:]

    return write
