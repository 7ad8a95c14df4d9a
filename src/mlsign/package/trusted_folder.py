"""Folders that nobody else can write to, from the root of the file system down.

What lies in such a folder is by root or by whoever runs this process, and stays under its name until one of the two moves it. It says
who could have written and not what was written: that is for whoever keeps something there.
"""

from __future__ import annotations

import os
import stat
import sys
from functools import cache
from pathlib import Path
from typing import Final

from mlsign.errors import InputError, OutsideError, TrustError, shown
from mlsign.package.scan import DIRECTORY_FLAGS

OTHERS_WRITE: Final = 0o022
"""Permission to write for the group or for everybody; with an access control list, its mask stands where the group's bits do."""

_UID_MAP: Final = Path("/proc/self/uid_map")
_EVERYBODY: Final = ["0", "0", "4294967295"]
_OVERFLOW: Final = Path("/proc/sys/kernel/overflowuid")
_USUAL_OVERFLOW: Final = 65534


def is_ours(status: os.stat_result) -> bool:
    """Whether root or the user of this process owns it, and nobody who only looks like one of the two."""
    return status.st_uid in {0, os.geteuid()} and status.st_uid != _number_of_others()


@cache
def _number_of_others() -> int | None:
    """The number that everybody has of whom this user namespace has none (``user_namespaces(7)``); None where there are no such users."""
    if sys.platform != "linux":
        return None
    try:
        if _UID_MAP.read_text(encoding="ascii").split() == _EVERYBODY:
            return None
        return int(_OVERFLOW.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return _USUAL_OVERFLOW


def open_trusted(path: Path) -> int:
    """A descriptor of the folder that ``path`` leads to, every folder above which is trusted, and it itself as well.

    A folder above may be open to everybody where it is sticky, as ``/tmp`` is: there nobody moves what another owns. Links are
    resolved first, and what they lead to is looked at from the root down. Raises ``TrustError`` (``store.untrusted``), ``InputError``
    (``store.missing``), ``OutsideError`` (``file.read``).
    """
    place = Path(os.path.realpath(path))
    fd = -1
    try:
        fd = os.open(place.anchor, DIRECTORY_FLAGS)
        _check(fd, Path(place.anchor), last=len(place.parts) == 1)
        for index, part in enumerate(place.parts[1:], start=2):
            above, fd = fd, os.open(part, DIRECTORY_FLAGS, dir_fd=fd)
            os.close(above)
            _check(fd, Path(*place.parts[:index]), last=index == len(place.parts))
    except OSError as err:
        _close(fd)
        if isinstance(err, FileNotFoundError):
            raise InputError("there is no folder of this name", code="store.missing", where=shown(path)) from err
        raise OutsideError(f"cannot be opened: {err.strerror}", code="file.read", where=shown(path)) from err
    except BaseException:
        _close(fd)
        raise
    return fd


def open_inner(parent: int, parts: tuple[str, ...], *, where: Path) -> int:
    """A descriptor of a folder beneath a trusted one, trusted itself; no link is followed.

    ``OSError`` passes where it cannot be opened; raises ``TrustError`` (``store.untrusted``).
    """
    fd = os.dup(parent)
    try:
        for index, part in enumerate(parts, start=1):
            above, fd = fd, os.open(part, DIRECTORY_FLAGS, dir_fd=fd)
            os.close(above)
            _check(fd, where.joinpath(*parts[:index]), last=True)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _close(fd: int) -> None:
    if fd >= 0:
        os.close(fd)


def _check(fd: int, path: Path, *, last: bool) -> None:
    status = os.fstat(fd)
    if not is_ours(status):
        raise _untrusted(path, f"belongs to user {status.st_uid}", "owned by root, or by whoever runs mlsign")
    shared = status.st_mode & OTHERS_WRITE
    if shared and (last or not status.st_mode & stat.S_ISVTX):
        mode = stat.S_IMODE(status.st_mode)
        raise _untrusted(path, f"can be written to by others (mode {mode:04o})", "writable for its owner alone")


def _untrusted(path: Path, message: str, expected: str) -> TrustError:
    return TrustError(
        f"{message}, so what lies in it proves nothing",
        code="store.untrusted",
        where=shown(path),
        expected=expected,
        hint="keep the store in a folder that is yours alone up to the root, or run without --store",
    )
