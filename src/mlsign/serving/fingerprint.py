"""Whether something about a package may have changed: a cheap look that decides nothing but when to verify it again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

MAX_ENTRIES: Final = 20_000
"""Of a larger folder only so many entries are looked at, in no order: a change may be seen late, and SIGHUP is there for that."""


def fingerprint(path: Path) -> str | None:
    """A digest of names, sizes, times and numbers of inodes; None where there is nothing to look at."""
    found = hashlib.sha256()
    try:
        status = path.stat()
        found.update(_line(b".", status))
        if path.is_dir():
            for name, entry in sorted(_entries(path)):
                found.update(_line(name, entry))
    except OSError:
        return None
    return found.hexdigest()


def _entries(path: Path) -> list[tuple[bytes, os.stat_result]]:
    out: list[tuple[bytes, os.stat_result]] = []
    folders = [os.fsencode(path)]
    while folders and len(out) < MAX_ENTRIES:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if len(out) >= MAX_ENTRIES:
                    break
                out.append((entry.path, entry.stat(follow_symlinks=False)))
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    return out


def _line(name: bytes, status: os.stat_result) -> bytes:
    facts = (status.st_dev, status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return repr((name, facts)).encode("ascii")
