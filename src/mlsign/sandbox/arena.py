"""Memory that parent and worker share: one area for feeds, one for results, each mapped once and whole.

An area begins with a bell, one number that its writer raises after it has sent a frame, so that the other side may
look instead of sleeping; the truth is on the socket. After it lies the body of the last frame, from a multiple of
64 bytes on. The worker holds the feeds by a descriptor that can only be read; of them there is as much as there were. The
size of the results is sealed, and whatever the parent reads from them it has copied first: the worker can write them at
any time.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import sys
import tempfile
from typing import Final

from mlsign.errors import JailError

BODY_OFFSET: Final = 64
"""Where bodies begin: tensor data in them is aligned to 64 bytes from there."""

KEPT_BYTES: Final = 64 << 20
"""What an area keeps of its memory after a large call. Below it, giving memory back costs more than it frees."""

_F_ADD_SEALS: Final = 1033
_SEALS: Final = 0x1 | 0x2 | 0x4
"""F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW (``linux/fcntl.h``): nobody makes the other's mapping end early."""


class Area:
    """One area, seen from the parent. ``fd`` is what the worker gets; it is closed once it has been passed on."""

    fd = _own_fd = -1

    def __init__(self, body_bytes: int, *, read_only: bool) -> None:
        """Raises ``JailError`` (``sandbox.spawn``) where the memory cannot be had."""
        self._size = BODY_OFFSET + body_bytes
        self._fitted: int | None = None
        try:
            self._own_fd = _anonymous_file(self._size, sealed=not read_only)
            try:
                self._map = mmap.mmap(self._own_fd, self._size)
                # A description that cannot write: no mapping made through it can be made writable afterwards.
                self.fd = _for_reading(self._own_fd) if read_only else os.dup(self._own_fd)
            except BaseException:
                fd, self._own_fd = self._own_fd, -1
                os.close(fd)
                raise
        except (OSError, ValueError) as err:
            raise JailError(f"no shared memory could be made: {err}", code="sandbox.spawn") from err
        view = memoryview(self._map)
        self.bell = view[:8].cast("Q")
        self.body = view[BODY_OFFSET:]

    def hand_over(self) -> None:
        """The worker has its descriptor: this one is closed."""
        fd, self.fd = self.fd, -1  # first: closed twice, a number could be somebody else's
        if fd >= 0:
            os.close(fd)

    def holds(self, length: int) -> bool:
        """There is memory behind a body of this length: what was never written takes none, and is not to take any by being read."""
        return os.fstat(self._own_fd).st_blocks * 512 >= BODY_OFFSET + length

    def begin_fitting(self) -> None:
        """From now on there is as much of the area as its bodies have needed: the other side has mapped all of it.

        Reading what nobody wrote would take memory that no limit of the reader counts. Beyond the end, it ends the reader.
        """
        self._fitted = mmap.PAGESIZE
        os.ftruncate(self._own_fd, self._fitted)

    def fit(self, length: int, *, keep: bool) -> None:
        """There is room for a body of this length. What is far beyond it is given back, but with ``keep``, for arrays that lie there.

        Raises ``JailError`` (``sandbox.spawn``) where the memory cannot be had.
        """
        if self._fitted is None:
            return
        wanted = -(-(BODY_OFFSET + length) // mmap.PAGESIZE) * mmap.PAGESIZE
        if wanted > self._fitted or (self._fitted > KEPT_BYTES >= wanted and not keep):
            try:
                os.ftruncate(self._own_fd, wanted)
            except OSError as err:
                raise JailError(f"no shared memory could be made: {err.strerror}", code="sandbox.spawn") from err
            self._fitted = wanted

    def trim(self, used: int) -> None:
        """Gives back the memory behind what an ordinary call uses, where the last one used ``used`` bytes of the body."""
        if used > KEPT_BYTES:
            with contextlib.suppress(OSError):  # memory that stays until the end is no fault
                self._map.madvise(mmap.MADV_REMOVE, KEPT_BYTES, self._size - KEPT_BYTES)

    def close(self) -> None:
        """The memory is given back, once no array lies in it any more."""
        self.hand_over()
        fd, self._own_fd = self._own_fd, -1
        if fd >= 0:
            os.close(fd)
        with contextlib.suppress(BufferError):  # arrays that a caller still holds keep it until they go
            self.body.release()
            self.bell.release()
            self._map.close()

    def __del__(self) -> None:
        """One that nobody closed, such as after an interrupt at a bad moment, keeps no descriptor."""
        for fd in (self.fd, self._own_fd):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)


def _anonymous_file(size: int, *, sealed: bool) -> int:
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("mlsign-area", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(fd, size)
            if sealed:  # what the other side cannot write to it cannot resize either
                fcntl.fcntl(fd, _F_ADD_SEALS, _SEALS)
        except BaseException:
            os.close(fd)
            raise
        return fd
    with tempfile.TemporaryFile() as file:
        os.ftruncate(file.fileno(), size)
        return os.dup(file.fileno())


def _for_reading(fd: int) -> int:
    if sys.platform != "linux":  # nothing is confined there
        return os.dup(fd)
    return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)


def attach(fd: int, *, read_only: bool) -> memoryview:
    """The worker's view of a whole area, for good: it is mapped before confinement, and nothing can be mapped after. Raises ``OSError``."""
    size = os.fstat(fd).st_size
    return memoryview(mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ if read_only else mmap.PROT_READ | mmap.PROT_WRITE))
