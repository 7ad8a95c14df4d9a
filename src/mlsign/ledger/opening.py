"""Opening an audit log and what lies beside it: regular files of one folder, no links, and one writer at a time.

Beside ``audit.log`` lies ``audit.log.head``: it is the lock, it is never replaced, and it holds the newest line's number and
digest, so that a log that was rotated away goes on and one that was cut is noticed. Rotated files are ``audit.log.000001``
and so on. What the files say is for ``append`` and ``read_log``.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mlsign.errors import InputError, MlsignError, OutsideError, shown

LOCK_SECONDS: Final = 30.0
_PAUSE: Final = 0.005
# Without waiting: a pipe put in the place of the log must not hang a verification.
_FLAGS: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
HEAD: Final = ".head"
"""The ending of the file with the newest head, which is the lock as well."""
_ROTATED: Final = re.compile(r"\.([0-9]{6,9})\Z", re.ASCII)


class LogFolder:
    """The open folder of a log. ``path`` is of the log and names it in messages."""

    def __init__(self, fd: int, path: Path) -> None:
        self._fd = fd
        self.path = path

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path) -> Iterator[LogFolder]:
        """The folder of the log at ``path``. Raises ``InputError`` (``usage.audit_log``) and ``OutsideError`` (``audit.…``)."""
        if path.name in ("", ".", "..") or "\0" in str(path):
            raise InputError("is no name for an audit log", code="usage.audit_log", where=shown(path), hint="name a file")
        try:
            fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as err:
            raise _failed(
                err,
                where=path,
                what="its folder cannot be opened",
                code="audit.folder",
                hint="look at the name; folders are not made here, so that a wrong one is noticed",
            ) from err
        try:
            yield cls(fd, path)
        finally:
            os.close(fd)

    @property
    def name(self) -> str:
        return self.path.name

    def check_place(self) -> None:
        """Nothing is made beside what can be no log.

        Raises ``InputError`` (``usage.audit_log``) for a name that a file beside a log has, and ``OutsideError``
        (``audit.private``, ``audit.kind``): a folder in which everybody may replace our files is no place for one.
        """
        if self.name.endswith(HEAD) or _ROTATED.search(self.name):
            raise InputError(
                "is the name of a file beside a log",
                code="usage.audit_log",
                where=shown(self.path),
                hint="name the log without its ending",
            )
        mode = os.fstat(self._fd).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise _not_private("lies in a folder that everybody can write to", mode, where=self.path)
        with contextlib.suppress(FileNotFoundError):
            _check_file(os.stat(self.name, dir_fd=self._fd, follow_symlinks=False), where=self.path)

    def open_file(self, name: str, *, flags: int) -> int:
        """A descriptor of a regular file with one name. Raises ``OutsideError`` (``audit.kind``, ``audit.access``, ``audit.private``).

        ``FileNotFoundError`` passes where ``flags`` do not create it.
        """
        where = self.path.with_name(name)
        try:
            fd = os.open(name, flags | _FLAGS, 0o600, dir_fd=self._fd)
        except FileNotFoundError:
            raise
        except OSError as err:
            raise _failed(err, where=where, what="cannot be opened", code="audit.access") from err
        try:
            _check_file(os.fstat(fd), where=where)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def is_named(self, fd: int, name: str) -> bool:
        """Whether the open file still has this name."""
        try:
            there = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        ours = os.fstat(fd)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def has(self, name: str) -> bool:
        """Whether anything has this name."""
        try:
            os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def rotated(self) -> tuple[str, ...]:
        """The names of rotated files, oldest first."""
        names = (name for name in os.listdir(self._fd) if _ROTATED.sub("", name) == self.name)  # noqa: PTH208 - a descriptor
        found = [(int(match[1]), name) for name in names if (match := _ROTATED.search(name))]
        return tuple(name for _, name in sorted(found))

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def sync(self) -> None:
        os.fsync(self._fd)

    @contextlib.contextmanager
    def lock(self, *, flags: int, operation: int, seconds: float = LOCK_SECONDS) -> Iterator[int]:
        """The file with the noted head, locked. Raises ``OutsideError`` (``audit.busy``, …), and as ``open_file`` does."""
        end = time.monotonic() + seconds
        while True:
            fd = self.open_file(self.name + HEAD, flags=flags)
            try:
                self._wait(fd, operation, end=end)
                # Whoever waited for a file that was removed meanwhile holds a lock that nobody else asks for.
                if self.is_named(fd, self.name + HEAD):
                    yield fd
                    return
            finally:
                # A process that was forked meanwhile has the descriptor too: closing ours alone would keep the lock.
                fcntl.flock(fd, fcntl.LOCK_UN)
                os.close(fd)

    def _wait(self, fd: int, operation: int, *, end: float) -> None:
        while True:
            try:
                fcntl.flock(fd, operation | fcntl.LOCK_NB)
            except BlockingIOError as err:
                if time.monotonic() >= end:
                    raise OutsideError(
                        "other processes are writing to the log and did not finish",
                        code="audit.busy",
                        where=shown(self.path),
                        hint="try again; a process that is stopped may hold the lock",
                    ) from err
                time.sleep(_PAUSE)
            else:
                return


def _check_file(status: os.stat_result, *, where: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _kind(where)
    if status.st_nlink > 1:
        raise OutsideError(
            f"has {status.st_nlink} names on this disk, so it may be somebody else's file",
            code="audit.kind",
            where=shown(where),
            hint="find out who linked it; an audit log has one name",
        )
    if status.st_mode & stat.S_IWOTH:
        raise _not_private("can be written to by everybody, so it proves nothing", status.st_mode, where=where)


def _kind(where: Path) -> OutsideError:
    return OutsideError(
        "is a link or no regular file, and none is followed here",
        code="audit.kind",
        where=shown(where),
        hint="find out who put it there, and name a file",
    )


def _not_private(message: str, mode: int, *, where: Path) -> OutsideError:
    return OutsideError(
        message,
        code="audit.private",
        where=shown(where),
        found=f"mode {stat.S_IMODE(mode):04o}",
        hint="take the right to write from others (chmod o-w), and look at what is in it with mlsign audit verify",
    )


def _failed(err: OSError, *, where: Path, what: str, code: str, hint: str = "") -> MlsignError:
    if err.errno in {errno.ELOOP, errno.EISDIR, errno.ENXIO} and code == "audit.access":
        return _kind(where)
    return OutsideError(f"{what}: {err.strerror}", code=code, where=shown(where), hint=hint)
