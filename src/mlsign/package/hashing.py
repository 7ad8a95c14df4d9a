"""Digests of files and of memory, with memory that does not grow with their size.

The answer is the same for any number of threads: blake3 splits big chunks among all processors, and of several algorithms
each has a thread of its own on a large file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from blake3 import blake3

from mlsign.digest import Algorithm, Digest
from mlsign.formats.statement import Sharding
from mlsign.limits import MIB
from mlsign.package.crew import CHUNK_BYTES, Worker
from mlsign.package.file_source import FileSource
from mlsign.package.stream import LARGE_BYTES, Advance, Consumer, read_at_once, stream

_WIDE_CHUNK_BYTES: Final = 8 * MIB


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


_ONE_SHOT: Final[Mapping[Algorithm, Callable[[memoryview], Hasher]]] = {
    Algorithm.SHA256: hashlib.sha256,
    Algorithm.BLAKE2B: hashlib.blake2b,
    Algorithm.BLAKE3: blake3,
}


def new_hasher(algorithm: Algorithm, *, size: int) -> Hasher:
    """A hasher fit for a file of ``size`` bytes."""
    match algorithm:
        case Algorithm.SHA256:
            return hashlib.sha256()
        case Algorithm.BLAKE2B:
            return hashlib.blake2b()
        case Algorithm.BLAKE3:
            return _WideBlake3() if size >= LARGE_BYTES else blake3()


def is_wide(size: int, *, algorithms: Iterable[Algorithm]) -> bool:
    """Whether hashing one file of ``size`` bytes occupies every processor, so that two at once gain nothing."""
    return size >= LARGE_BYTES and Algorithm.BLAKE3 in algorithms


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
    consumers: Sequence[Consumer] = (),
    worker: Worker | None = None,
    advance: Advance | None = None,
) -> tuple[Digest, ...]:
    """Digests of an open file, one for each algorithm; ``consumers`` see every chunk that was hashed.

    Raises as ``stream`` does.
    """
    wanted = tuple(algorithms)
    if source.size < CHUNK_BYTES and not consumers:
        worker = worker or Worker()
        chunk = read_at_once(source, worker.buffer)
        if advance is not None:
            advance(len(chunk))
        return tuple(Digest(algorithm=a, value=_ONE_SHOT[a](chunk).digest()) for a in wanted)
    hashers = [new_hasher(a, size=source.size) for a in wanted]
    everybody = [*(hasher.update for hasher in hashers), *consumers]
    # A single narrow algorithm gains nothing from a second thread that reads for it.
    ahead = len(everybody) > 1 or is_wide(source.size, algorithms=wanted)
    stream(source, everybody, worker=worker, ahead=ahead, advance=advance)
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
