"""What lies under a name in an open folder, told without opening it, listing anything or following a link."""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from mlsign.compare.external import FileFact, FileKind
from mlsign.package.scan import DIRECTORY_FLAGS
from mlsign.paths import PackagePath

_KINDS: Final = (
    (stat.S_ISREG, FileKind.REGULAR),
    (stat.S_ISLNK, FileKind.LINK),
    (stat.S_ISDIR, FileKind.FOLDER),
    (stat.S_ISFIFO, FileKind.PIPE),
    (stat.S_ISSOCK, FileKind.SOCKET),
    (stat.S_ISBLK, FileKind.DEVICE),
    (stat.S_ISCHR, FileKind.DEVICE),
)
_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


def look_at(root: int, path: PackagePath, *, role: str | None) -> FileFact | None:
    """What is at ``path`` beneath the open folder ``root``; None where there certainly is nothing.

    Raises nothing: what the system will not tell is of the kind ``UNKNOWN``.
    """
    folder = root
    opened: list[int] = []
    try:
        for part in path.parts[:-1]:
            status = os.stat(part, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                return _fact(status, FileKind.BEHIND_LINK, role)
            folder = os.open(part, DIRECTORY_FLAGS, dir_fd=folder)
            opened.append(folder)
        status = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
    except OSError as err:
        return None if err.errno in _ABSENT else FileFact(size=0, links=1, role=role, kind=FileKind.UNKNOWN)
    finally:
        for number in opened:
            os.close(number)
    return _fact(status, next((kind for test, kind in _KINDS if test(status.st_mode)), FileKind.UNKNOWN), role)


def _fact(status: os.stat_result, kind: FileKind, role: str | None) -> FileFact:
    return FileFact(size=status.st_size, links=status.st_nlink, role=role, kind=kind)
