"""Sealed memory: bytes that nobody can change any more, not even us.

On Linux a memfd with all seals (``memfd_create(2)``, ``fcntl(2)`` "File Sealing"): once sealed it can be
hashed, inspected and handed to another process, and it stays what it was. It is the reason why the bytes
that were verified are the bytes that are scored.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
from collections.abc import Iterable
from typing import Final, Self

from mlsign.digest import Algorithm, Digest
from mlsign.errors import InputError, OutsideError, TrustError
from mlsign.package.crew import Worker
from mlsign.package.file_source import FileSource
from mlsign.package.hashing import hash_memory
from mlsign.package.stream import Advance, Consumer, stream, writer

if sys.platform == "linux":
    import fcntl

F_ADD_SEALS: Final = 1033
F_GET_SEALS: Final = 1034
ALL_SEALS: Final = 0x0001 | 0x0002 | 0x0004 | 0x0008
"""F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE (``linux/fcntl.h``)."""


class SealedMemory:
    """Owns a sealed memfd and a read-only mapping of it; a ``ByteSource`` of exactly ``size`` bytes.

    ``digests`` are those that were computed over these very bytes. They stay true: the bytes do not change any more.
    """

    __slots__ = ("_inode", "_map", "_view", "digests", "fd", "size")

    def __init__(self, fd: int, *, size: int, digests: dict[Algorithm, Digest] | None = None) -> None:
        self.fd = fd
        self.size = size
        self.digests = {} if digests is None else digests
        self._inode = _inode(fd)
        self._map: mmap.mmap | None = None
        self._view = memoryview(b"")

    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. Raises ``InputError`` (``source.truncated``) outside of them."""
        if self.fd < 0 or offset < 0 or length < 0 or offset + length > self.size:
            raise InputError(f"{length} bytes at {offset} asked of sealed memory of {self.size} bytes", code="source.truncated")
        parts = []
        while length > 0:
            part = os.pread(self.fd, length, offset)
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @property
    def view(self) -> memoryview:
        """The bytes, read-only, without a copy; mapped when first asked for, which takes a second descriptor.

        Raises ``TrustError`` (``sealed.open``) where the memory was given back, and ``OutsideError`` (``sealed.memory``).
        """
        if self._map is None and self.size:
            if self.fd < 0:  # of which mmap would give as many zeros
                raise _given_back()
            try:
                # Private, because kernels before 6.7 refuse a shared mapping of write-sealed memory, even a read-only one.
                self._map = mmap.mmap(self.fd, self.size, mmap.MAP_PRIVATE, mmap.PROT_READ)
            except OSError as err:
                raise _memory(err, where="sealed memory") from err
            self._view = memoryview(self._map)
        return self._view

    def check_sealed(self) -> None:
        """Returns when the kernel says that nobody can change these bytes. Raises ``TrustError`` (``sealed.open``)."""
        seals = fcntl.fcntl(self.fd, F_GET_SEALS) if sys.platform == "linux" and self.fd >= 0 else 0
        if seals & ALL_SEALS != ALL_SEALS:
            raise TrustError("is not sealed, or was given back", code="sealed.open", hint="admit the package again")

    def hashed(self, algorithms: Iterable[Algorithm]) -> tuple[Digest, ...]:
        """Digests of the bytes by these algorithms; those that are known are not computed again. The memory is unmapped after that."""
        wanted = tuple(algorithms)
        missing = [algorithm for algorithm in wanted if algorithm not in self.digests]
        if missing:
            self.digests.update({digest.algorithm: digest for digest in hash_memory(self.view, algorithms=missing)})
            self.unmap()
        return tuple(self.digests[algorithm] for algorithm in wanted)

    def share(self) -> Self:
        """The same memory under a descriptor of its own, and all that is known of its bytes.

        Raises ``TrustError`` (``sealed.open``) where it was given back, or the kernel does not say that it is sealed, and ``OutsideError``
        (``sealed.memory``).
        """
        try:
            shared = type(self)(os.dup(self.fd), size=self.size, digests=self.digests)
        except OSError as err:
            if err.errno == errno.EBADF:
                raise _given_back() from err
            raise _memory(err, where="sealed memory") from err
        try:
            # Closed by another thread meanwhile, the number may be that of another file, perhaps a sealed one.
            _check_same(shared._inode, self._inode)  # noqa: SLF001 - of its own class
            shared.check_sealed()
        except BaseException:
            shared.close()
            raise
        return shared

    def unmap(self) -> None:
        """Gives the mapping back and keeps the memory. Views handed out before must be gone."""
        self._view.release()
        self._view = memoryview(b"")
        if self._map is not None:
            self._map.close()
            self._map = None

    def close(self) -> None:
        """Gives the memory back. Views handed out before must be gone."""
        self.unmap()
        fd, self.fd = self.fd, -1  # first: closed twice, a number could be somebody else's
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _given_back() -> TrustError:
    return TrustError("was given back", code="sealed.open", hint="admit the package again")


def _check_same(inode: tuple[int, int], wanted: tuple[int, int]) -> None:
    if inode != wanted:
        raise _given_back()


def _inode(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def seal_file(
    source: FileSource,
    *,
    consumers: Iterable[Consumer] = (),
    worker: Worker | None = None,
    advance: Advance | None = None,
) -> SealedMemory:
    """A sealed copy of an open file, every byte of which the consumers have seen.

    What they see is what is written, from memory that nobody else has, to memory that nobody else has. Raises as ``stream``
    does, and ``OutsideError`` (``sealed.unavailable``, ``sealed.memory``).
    """
    if sys.platform != "linux":
        raise OutsideError("sealed memory needs Linux", code="sealed.unavailable")
    try:
        fd = os.memfd_create("mlsign", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError as err:
        raise _memory(err, where=source.where) from err
    try:
        os.ftruncate(fd, source.size)
        stream(source, [*consumers, writer(fd)], worker=worker, ahead=True, advance=advance)
        fcntl.fcntl(fd, F_ADD_SEALS, ALL_SEALS)
        return SealedMemory(fd, size=source.size)
    except OSError as err:
        os.close(fd)
        raise _memory(err, where=source.where) from err
    except BaseException:
        os.close(fd)
        raise


def _memory(err: OSError, *, where: str) -> OutsideError:
    full = err.errno in {errno.EMFILE, errno.ENFILE}
    hint = "raise the limit of open files (ulimit -n), or keep the weights in fewer files" if full else ""
    return OutsideError(f"cannot be held in memory: {err.strerror}", code="sealed.memory", where=where, hint=hint)
