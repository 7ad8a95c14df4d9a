"""Every model in a folder and below: where they are, and what there is under such a name that will not be read.

Finds by name: what ends in ``.onnx`` or ``.ort`` is what runtimes load without being told to. Follows no link, and
leaves nothing out in silence but ``.git``: a folder that cannot be read is in the answer as well.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from mlsign.errors import InputError, MlsignError, OutsideError, shown
from mlsign.limits import Limits
from mlsign.package.scan import DIRECTORY_FLAGS, kind_of
from mlsign.paths import MANIFEST_NAME

_SUFFIXES: Final = (".onnx", ".ort")
SKIPPED: Final = ".git"
"""The one folder that is left out in silence."""
_MAX_DEPTH: Final = 128
"""Levels of folders. One descriptor is open for each, and nobody's folders are as deep as this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Something to judge. ``path`` is as the system spells it; ``error`` says why it is not to be opened."""

    path: str
    error: MlsignError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What was found, sorted: candidates, folders that hold a manifest (the top is ``""``), and links to folders."""

    candidates: tuple[Candidate, ...]
    packages: tuple[str, ...]
    links: tuple[str, ...]


class _Walk:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.seen = 0
        self.candidates: list[Candidate] = []
        self.packages: list[str] = []
        self.links: list[str] = []

    def folder(self, fd: int, *, prefix: str, depth: int) -> None:
        with os.scandir(fd) as entries:
            found = sorted(self._counted(entries), key=lambda entry: entry.name)
        for entry in found:
            path = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if entry.name != SKIPPED:
                    self._enter(fd, entry.name, path, depth=depth)
            elif entry.name.casefold().endswith(_SUFFIXES):
                self.candidates.append(Candidate(path=path, error=_refusal(entry, path)))
            elif entry.name == MANIFEST_NAME:
                self.packages.append(prefix.removesuffix("/"))
            elif entry.is_symlink() and leads_to_folder(entry):
                self.links.append(path)

    def _enter(self, fd: int, name: str, path: str, *, depth: int) -> None:
        if depth >= _MAX_DEPTH:
            error = InputError(
                f"is deeper than {_MAX_DEPTH} levels and was not looked into",
                code="findings.depth",
                where=shown(path),
                hint="name this folder itself",
            )
            self.candidates.append(Candidate(path=path, error=error))
            return
        try:
            with opened_folder(name, within=fd) as child:
                self.folder(child, prefix=f"{path}/", depth=depth + 1)
        except OSError as err:
            self.candidates.append(Candidate(path=path, error=unreadable_folder(path, err)))

    def _counted(self, entries: Iterator[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
        for entry in entries:
            self.seen += 1
            if self.seen > self.limits.max_files:
                raise InputError(
                    f"has more than {self.limits.max_files} files and folders",
                    code="findings.files",
                    hint="name the folders that hold models, one after the other",
                )
            yield entry


def search(root: int, *, limits: Limits) -> Search:
    """What lies beneath the open folder ``root``.

    Raises ``InputError`` (``findings.files``) beyond the limit and ``OutsideError`` when ``root`` itself cannot be listed.
    """
    walk = _Walk(limits)
    try:
        walk.folder(root, prefix="", depth=1)
    except OSError as err:
        raise unreadable_folder("", err) from err
    return Search(
        candidates=tuple(sorted(walk.candidates, key=lambda candidate: candidate.path)),
        packages=tuple(sorted(walk.packages)),
        links=tuple(sorted(walk.links)),
    )


@contextmanager
def opened_folder(name: str, *, within: int) -> Iterator[int]:
    """A descriptor of a folder in an open one, closed again at the end. Raises ``OSError``, for links too."""
    fd = os.open(name, DIRECTORY_FLAGS, dir_fd=within)
    try:
        yield fd
    finally:
        os.close(fd)


def unreadable_folder(path: str, err: OSError) -> OutsideError:
    """What is said of a folder that cannot be listed."""
    return OutsideError(f"cannot be read: {err.strerror}", code="file.read", where=shown(path))


def _refusal(entry: os.DirEntry[str], path: str) -> MlsignError | None:
    """Why a file with the name of a model is not opened: only regular files are."""
    try:
        mode = entry.stat(follow_symlinks=False).st_mode
    except OSError as err:
        return unreadable_folder(path, err)
    if stat.S_ISREG(mode):
        return None
    return InputError(
        f"is {kind_of(mode)}, and only regular files are read",
        code="file.kind",
        where=shown(path),
        expected="a regular file",
        found=kind_of(mode),
        hint="scan the file that it leads to" if stat.S_ISLNK(mode) else "remove it, or put the model there",
    )


def leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether a link leads to a folder."""
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link in a circle, or to where nobody may look: nothing to open there either
