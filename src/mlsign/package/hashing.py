"""Digests of files, in parallel, with memory that does not grow with their size.

Files go to a pool of threads, largest first, so that one big file does not start last; blake3 additionally
splits a big file among threads. The answer is the same for any number of workers. Nothing is memory-mapped:
a file that is cut short while it is read is an error here, not a signal that ends the process.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from blake3 import blake3

from mlsign.digest import Algorithm, Digest
from mlsign.errors import OutsideError
from mlsign.formats.statement import Sharding
from mlsign.limits import MIB
from mlsign.package.file_source import FileSource, changed

CHUNK_BYTES: Final = 1 * MIB
"""Large enough that the interpreter lock is free nearly all the time, small enough to stay in the cache."""
_WIDE_BYTES: Final = 32 * MIB
"""Files from this size on are hashed by several threads where the algorithm can (blake3)."""
_WIDE_CHUNK_BYTES: Final = 8 * MIB

Advance = Callable[[int], None]
"""Called with the number of bytes that were just processed, from any thread."""


class Hasher(Protocol):
    """What the algorithms have in common."""

    def update(self, data: memoryview, /) -> object: ...
    def digest(self) -> bytes: ...


class _WideBlake3:
    """blake3 over big chunks, using every core."""

    def __init__(self) -> None:
        self._hasher = blake3(max_threads=blake3.AUTO)

    def update(self, data: memoryview, /) -> object:
        return self._hasher.update(data)

    def digest(self) -> bytes:
        return self._hasher.digest()


def new_hasher(algorithm: Algorithm, *, size: int) -> Hasher:
    """A hasher fit for a file of ``size`` bytes."""
    match algorithm:
        case Algorithm.SHA256:
            return hashlib.sha256()
        case Algorithm.BLAKE2B:
            return hashlib.blake2b()
        case Algorithm.BLAKE3:
            return _WideBlake3() if size >= _WIDE_BYTES else blake3()


class ShardHasher:
    """Digests of the shards of a file of ``size`` bytes, from its chunks in order. Keeps a digest for each shard.

    A file of another size than was said ends in shards that are not those of the statement.
    """

    def __init__(self, sharding: Sharding, *, size: int) -> None:
        self._sharding = sharding
        self._length = min(sharding.shard_size, size)
        self._hasher = new_hasher(sharding.algorithm, size=self._length)
        self._left = sharding.shard_size
        self._done: list[Digest] = []

    def update(self, chunk: memoryview) -> None:
        offset = 0
        while offset < len(chunk):
            if self._left == 0:
                self._finish()
            piece = chunk[offset : offset + self._left]
            self._hasher.update(piece)
            self._left -= len(piece)
            offset += len(piece)

    def _finish(self) -> None:
        self._done.append(Digest(algorithm=self._sharding.algorithm, value=self._hasher.digest()))
        self._hasher = new_hasher(self._sharding.algorithm, size=self._length)
        self._left = self._sharding.shard_size

    def digests(self) -> tuple[Digest, ...]:
        """To be called once, after the last chunk."""
        if self._left < self._sharding.shard_size:
            self._finish()
        return tuple(self._done)


def hash_source(
    source: FileSource,
    *,
    algorithms: Iterable[Algorithm],
    consume: Callable[[memoryview], object] | None = None,
    advance: Advance | None = None,
) -> tuple[Digest, ...]:
    """Digests of an open file, one for each algorithm; ``consume`` sees every chunk that was hashed.

    Raises ``InputError`` (``file.changed``) when the file ends early, grows or is written to meanwhile.
    """
    wanted = tuple(algorithms)
    hashers = [new_hasher(a, size=source.size) for a in wanted]
    wide = Algorithm.BLAKE3 in wanted and source.size >= _WIDE_BYTES
    buffer = memoryview(bytearray(min(_WIDE_CHUNK_BYTES if wide else CHUNK_BYTES, source.size + 1)))
    offset = 0
    while True:
        try:
            count = os.preadv(source.fd, [buffer], offset)
        except OSError as err:
            raise OutsideError(f"cannot be read: {err.strerror}", code="file.read", where=source.where) from err
        if count == 0:
            break
        chunk = buffer[:count]
        for hasher in hashers:
            hasher.update(chunk)
        if consume is not None:
            consume(chunk)
        offset += count
        if offset > source.size:
            break
        if advance is not None:
            advance(count)
    if offset != source.size:
        raise changed(source.where)
    source.check_unchanged()
    return tuple(Digest(algorithm=a, value=h.digest()) for a, h in zip(wanted, hashers, strict=True))


def hash_memory(view: memoryview, *, algorithms: Iterable[Algorithm], advance: Advance | None = None) -> tuple[Digest, ...]:
    """Digests of bytes in memory, one for each algorithm."""
    out = []
    for algorithm in algorithms:
        hasher = new_hasher(algorithm, size=len(view))
        for start in range(0, len(view), _WIDE_CHUNK_BYTES):
            hasher.update(view[start : start + _WIDE_CHUNK_BYTES])
        out.append(Digest(algorithm=algorithm, value=hasher.digest()))
    if advance is not None:
        advance(len(view))
    return tuple(out)


def hash_shards(view: memoryview, *, sharding: Sharding) -> tuple[Digest, ...]:
    """Digests of the shards of bytes in memory."""
    hasher = ShardHasher(sharding, size=len(view))
    hasher.update(view)
    return hasher.digests()


def worker_count() -> int:
    """How many threads hash at once: the processors this process may use, eight at most."""
    return max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


def run_largest_first(jobs: Iterable[tuple[int, Callable[[], None]]], *, workers: int | None = None) -> None:
    """Runs jobs given with their size in bytes, large ones first; the first error stops what has not begun and is raised."""
    ordered = [job for _, job in sorted(jobs, key=lambda item: -item[0])]
    count = min(workers or worker_count(), len(ordered))
    if count <= 1:
        for job in ordered:
            job()
        return
    with ThreadPoolExecutor(max_workers=count, thread_name_prefix="mlsign-hash") as pool:
        futures = [pool.submit(job) for job in ordered]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
