"""Private folders and files of this user: opened without following links, written whole or not at all.

What lies here decides whom mlsign believes, so a folder or file that others can write to is not read. What the
files mean is for ``cache``.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from mlsign.errors import InputError, MlsignError, OutsideError, TrustError, shown

_CLOEXEC: Final = os.O_CLOEXEC | os.O_NOFOLLOW
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | _CLOEXEC
# Without waiting: a pipe put in the place of a file must not hang a verification.
_FILE_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | _CLOEXEC
_NEW_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CLOEXEC
PARTIAL: Final = ".partial-"
"""How the name of a file begins that is not yet whole."""
_PAUSE: Final = 0.005


def find_state_folder(environment: Mapping[str, str]) -> Path:
    """``$MLSIGN_STATE``, else ``mlsign`` in ``$XDG_DATA_HOME``, else in ``~/.local/share``.

    Raises ``InputError`` (``usage.state``) for a relative ``MLSIGN_STATE`` and ``OutsideError`` (``trust.state``)
    where there is no home folder, or only a relative one: what lies in the working folder may be anybody's.
    """
    if given := environment.get("MLSIGN_STATE"):
        if not Path(given).is_absolute():
            raise InputError("MLSIGN_STATE is no absolute path", code="usage.state", where=shown(given))
        return Path(given)
    # The specification has relative paths ignored.
    if (data := environment.get("XDG_DATA_HOME")) and Path(data).is_absolute():
        return Path(data) / "mlsign"
    if (home := _find_home()) is None:
        raise OutsideError(
            "this user has no home folder to keep trust roots in",
            code="trust.state",
            hint="set MLSIGN_STATE to a folder that only this user can write to",
        )
    return home / ".local" / "share" / "mlsign"


def _find_home() -> Path | None:
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home if home.is_absolute() else None


class PrivateFolder:
    """An open folder that only its owner writes to. ``where`` names it in messages."""

    def __init__(self, fd: int, *, where: str) -> None:
        self._fd = fd
        self.where = where

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, *parts: str, create: bool = False) -> Iterator[PrivateFolder | None]:
        """The folder ``path/parts…`` as long as the context, or None where a part is missing and not to be created.

        Raises ``TrustError`` (``trust.cache.kind``, ``trust.cache.private``), ``OutsideError`` (``trust.cache.access``).
        """
        if create:
            _make_parents(path)
        with contextlib.ExitStack() as opened:
            where, fd = path, None
            for part in ("", *parts):
                where = where / part if part else where
                fd = _open_folder(part or str(path), fd, where=where, create=create)
                if fd is None:
                    yield None
                    return
                opened.callback(os.close, fd)
                _check_private(fd, where=where)
            yield None if fd is None else cls(fd, where=str(where))

    def read(self, name: str, *, max_bytes: int) -> bytes | None:
        """The bytes of a file, or None where there is none of this name. Raises as ``open``, and ``trust.cache.size``."""
        where = f"{self.where}/{name}"
        try:
            fd = os.open(name, _FILE_FLAGS, dir_fd=self._fd)
        except FileNotFoundError:
            return None
        except OSError as err:
            raise _unreadable(err, where=where) from err
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise _kind(where)
            _check_private(fd, where=where)
            with os.fdopen(fd, "rb", closefd=False) as file:
                data = file.read(max_bytes + 1)
        except OSError as err:
            raise _unreadable(err, where=where) from err
        finally:
            os.close(fd)
        if len(data) > max_bytes:
            raise TrustError(f"has more than {max_bytes} bytes", code="trust.cache.size", where=shown(where))
        return data

    def write(self, name: str, data: bytes) -> None:
        """Puts a file there in one step. Raises ``OutsideError`` (``trust.cache.write``)."""
        partial = f"{PARTIAL}{os.urandom(8).hex()}"
        try:
            fd = os.open(partial, _NEW_FLAGS, 0o600, dir_fd=self._fd)
            try:
                with os.fdopen(fd, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(partial, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(partial, dir_fd=self._fd)
                raise
            os.fsync(self._fd)
        except OSError as err:
            raise _unwritable(err, where=f"{self.where}/{name}") from err

    def remove(self, name: str) -> None:
        """Takes a file away, if it is there. Raises ``OutsideError`` (``trust.cache.write``)."""
        try:
            os.unlink(name, dir_fd=self._fd)
        except FileNotFoundError:
            return
        except OSError as err:
            raise _unwritable(err, where=f"{self.where}/{name}") from err

    def names(self) -> tuple[str, ...]:
        """What lies in it, sorted."""
        return tuple(sorted(os.listdir(self._fd)))  # noqa: PTH208 - a descriptor, not a path

    def lock(self, *, seconds: float = 0.0) -> None:
        """Keeps others who lock out, until the folder is closed; waits for them so long.

        Raises ``OutsideError`` (``trust.busy``).
        """
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as err:
                if time.monotonic() >= end:
                    raise OutsideError(
                        "another process is changing what lies here",
                        code="trust.busy",
                        where=self.where,
                        hint="try again in a minute",
                    ) from err
                time.sleep(_PAUSE)
            else:
                return


def _make_parents(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise _unwritable(err, where=path) from err


def _open_folder(name: str, parent: int | None, *, where: Path, create: bool) -> int | None:
    if create:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            pass
        except OSError as err:
            raise _unwritable(err, where=where) from err
    try:
        return os.open(name, _FOLDER_FLAGS, dir_fd=parent)
    except FileNotFoundError:
        return None
    except OSError as err:
        raise _unreadable(err, where=where) from err


def _check_private(fd: int, *, where: object) -> None:
    status = os.fstat(fd)
    if status.st_uid not in {0, os.geteuid()}:
        raise _not_private("belongs to another user", where=where, found=f"user {status.st_uid}")
    if status.st_mode & 0o022:
        raise _not_private(
            "can be written to by others, so anybody may have changed it",
            where=where,
            found=f"mode {stat.S_IMODE(status.st_mode):04o}",
        )


def _not_private(message: str, *, where: object, found: str) -> TrustError:
    return TrustError(
        message,
        code="trust.cache.private",
        where=shown(where),
        expected="a place that only you, or root, can write to",
        found=found,
        hint="take the right to write from others (chmod go-w), remove the folder if you do not know what is in it, "
        "and run mlsign trust update",
    )


def _kind(where: object) -> TrustError:
    return TrustError(
        "is a link or no regular file, and none is followed here",
        code="trust.cache.kind",
        where=shown(where),
        hint="find out who put it there, remove it, and run mlsign trust update",
    )


def _unreadable(err: OSError, *, where: object) -> MlsignError:
    if err.errno in {errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO}:
        return _kind(where)
    return OutsideError(f"cannot be read: {err.strerror}", code="trust.cache.access", where=shown(where))


def _unwritable(err: OSError, *, where: object) -> MlsignError:
    if err.errno in {errno.ELOOP, errno.ENOTDIR}:
        return _kind(where)
    return OutsideError(
        f"cannot be written: {err.strerror}",
        code="trust.cache.write",
        where=shown(where),
        hint="set MLSIGN_STATE to a folder that this user can write to",
    )
