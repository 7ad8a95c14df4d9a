"""A ``ByteSource`` over one open file, with a way to tell whether the file moved underneath."""

from __future__ import annotations

import os
import stat
from typing import Self

from mlsign.errors import InputError, OutsideError


def changed(where: str) -> InputError:
    """The error for a file that is not what it was when it was opened."""
    return InputError(
        "changed while it was read",
        code="file.changed",
        where=where,
        hint="something else is writing to the package; stop it, or work on a copy",
    )


class FileSource:
    """Owns a descriptor; reads by offset, so several readers do not disturb each other.

    ``state`` is which file it is and when it last changed: device, inode, size, and the times of its bytes and of what the
    disk says about it, in nanoseconds.
    """

    __slots__ = ("fd", "regular", "size", "state", "where")

    def __init__(self, fd: int, *, where: str) -> None:
        self.fd = fd
        self.where = where
        status = os.fstat(fd)
        self.regular = stat.S_ISREG(status.st_mode)
        self.size = status.st_size
        self.state = _state(status)

    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. Raises ``InputError`` (``file.changed``), ``OutsideError`` (``file.read``)."""
        parts: list[bytes] = []
        while length > 0:
            try:
                part = os.pread(self.fd, length, offset)
            except OSError as err:
                raise OutsideError(f"cannot be read: {err.strerror}", code="file.read", where=self.where) from err
            if not part:
                raise changed(self.where)
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_all(self, *, max_bytes: int) -> bytes:
        """The whole file. Raises ``InputError`` (``file.size``, ``file.changed``)."""
        if self.size > max_bytes:
            raise InputError(f"has {self.size} bytes, allowed are {max_bytes}", code="file.size", where=self.where)
        data = self.read_at(0, self.size)
        self.check_unchanged()
        return data

    def check_unchanged(self) -> None:
        """Raises ``InputError`` (``file.changed``) when the file was written to since it was opened.

        The kernel moves the change time on every write; on kernels with coarse clocks two writes within one
        tick can look like one, which is why bytes that will be run are sealed instead.
        """
        if _state(os.fstat(self.fd)) != self.state:
            raise changed(self.where)

    def close(self) -> None:
        fd, self.fd = self.fd, -1  # first: closed again after an interrupt, the number could be another file's
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
