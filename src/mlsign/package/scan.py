"""A folder as a sorted list of regular files, and of everything in it that has no place in a package.

Walks beneath one directory descriptor and follows no link, so a name that is swapped during the walk can
make the walk fail but never lead it out of the folder.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from mlsign.errors import InputError, OutsideError, shown
from mlsign.limits import DEFAULT, Limits
from mlsign.paths import PackagePath, decode_path

DIRECTORY_FLAGS: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_KINDS: Final = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
)


class FoundFile(NamedTuple):
    """A regular file: its size in bytes, how many names it has, which file it is on its device, and when it last changed.

    ``times`` are those of its bytes and of what the disk says about it, in nanoseconds. A tuple, because there are as many as files.
    """

    path: PackagePath
    size: int
    links: int
    inode: tuple[int, int]
    times: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intruder:
    """Something that is no regular file of a package; ``error`` says what (``file.kind``, ``path.…``)."""

    name: str
    error: InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The content of a folder. ``skipped`` are the paths that were asked to be left out and exist, with device and inode."""

    files: tuple[FoundFile, ...]
    intruders: tuple[Intruder, ...]
    skipped: tuple[tuple[str, tuple[int, int]], ...]

    @property
    def skipped_names(self) -> frozenset[str]:
        """The names alone."""
        return frozenset(name for name, _ in self.skipped)


def scan(root: int, *, skip: frozenset[str] = frozenset(), limits: Limits = DEFAULT) -> Listing:
    """What lies beneath the open directory ``root``, paths under ``skip`` aside.

    Raises ``InputError`` (``package.files``, ``package.bytes``) beyond the limits and ``OutsideError``
    (``file.read``) when a directory cannot be read: a part that was not seen must not count as absent.
    """
    files: list[FoundFile] = []
    intruders: list[Intruder] = []
    skipped: list[tuple[str, tuple[int, int]]] = []
    total = 0
    seen = [0]
    for name, status in _walk(seen, root, prefix="", depth=1, skip=skip, skipped=skipped, intruders=intruders, limits=limits):
        if not stat.S_ISREG(status.st_mode) and (kind := kind_of(status.st_mode)):
            intruders.append(Intruder(name=shown(name), error=_refused(name, f"is {kind}, packages hold regular files only")))
            continue
        try:
            path = decode_path(name, limits=limits)
        except InputError as err:
            intruders.append(Intruder(name=shown(name), error=err))
            continue
        total += status.st_size
        files.append(found_file(path, status))
        if total > limits.max_package_bytes:
            raise InputError(f"has more than {limits.max_package_bytes} bytes", code="package.bytes")
    files.sort(key=lambda f: f.path)
    return Listing(files=tuple(files), intruders=tuple(intruders), skipped=tuple(sorted(skipped)))


def found_file(path: PackagePath, status: os.stat_result) -> FoundFile:
    """What the disk says about a file."""
    return FoundFile(
        path=path,
        size=status.st_size,
        links=status.st_nlink,
        inode=(status.st_dev, status.st_ino),
        times=(status.st_mtime_ns, status.st_ctime_ns),
    )


def kind_of(mode: int) -> str:
    """What a file is that is neither regular nor a folder, in words; empty for those."""
    return next((words for test, words in _KINDS if test(mode)), "")


def _refused(name: str, message: str) -> InputError:
    return InputError(
        message, code="file.kind", where=shown(name), hint="replace it by a copy of the file it stands for, or remove it"
    )


def _walk(
    seen: list[int],
    folder: int,
    /,
    *,
    prefix: str,
    depth: int,
    skip: frozenset[str],
    skipped: list[tuple[str, tuple[int, int]]],
    intruders: list[Intruder],
    limits: Limits,
) -> Iterator[tuple[str, os.stat_result]]:
    """Every entry below ``folder`` that is no directory, with what ``lstat`` says of it."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(_counted(entries, seen, limits=limits))
    except OSError as err:
        raise OutsideError(f"cannot be listed: {err.strerror}", code="file.read", where=shown(prefix) or ".") from err
    for name in names:
        path = f"{prefix}{name}"
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if path in skip:
                skipped.append((path, (status.st_dev, status.st_ino)))
                continue
            if not stat.S_ISDIR(status.st_mode):
                yield path, status
                continue
            if depth >= limits.max_path_depth:
                intruders.append(
                    Intruder(name=shown(path), error=_refused(path, f"is deeper than {limits.max_path_depth} levels"))
                )
                continue
            child = os.open(name, DIRECTORY_FLAGS, dir_fd=folder)
        except OSError as err:
            raise OutsideError(f"cannot be read: {err.strerror}", code="file.read", where=shown(path)) from err
        try:
            yield from _walk(
                seen, child, prefix=f"{path}/", depth=depth + 1, skip=skip, skipped=skipped, intruders=intruders, limits=limits
            )
        finally:
            os.close(child)


def _counted(entries: Iterable[os.DirEntry[str]], seen: list[int], *, limits: Limits) -> Iterator[str]:
    """The names, folders included, until there are more than any package has."""
    for entry in entries:
        seen[0] += 1
        if seen[0] > limits.max_files:
            raise InputError(f"has more than {limits.max_files} files and folders", code="package.files")
        yield entry.name
