"""Every package in a folder and below: the folders that hold a manifest. Nothing within a package is looked at.

Follows no link, and leaves nothing out in silence but ``.git``: links to folders, folders that cannot be read and packages that
are being written are in the answer as well.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final

from mlsign.errors import InputError, MlsignError, shown
from mlsign.limits import Limits
from mlsign.package.search import SKIPPED, leads_to_folder, opened_folder, unreadable_folder
from mlsign.paths import MANIFEST_NAME

_PARTIAL: Final = re.compile(r"\..*\.partial-[^.]*", re.DOTALL)
"""What ``write.new_folder`` calls a package until it is whole."""
_MAX_DEPTH: Final = 16
"""Levels of folders. One descriptor is open for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPackages:
    """Paths beneath the folder, with ``/``, sorted, as the system spells them; ``""`` is the folder itself.

    ``errors`` are folders that were not looked into, ``links`` lead to folders, ``partial`` are packages that are being written.
    """

    packages: tuple[str, ...]
    errors: tuple[tuple[str, MlsignError], ...]
    links: tuple[str, ...]
    partial: tuple[str, ...]


def find_packages(root: int, *, limits: Limits) -> FoundPackages:
    """What lies beneath the open folder ``root``.

    Raises ``InputError`` (``packages.files``) beyond ``limits.max_files`` names, and ``OutsideError`` when ``root`` itself cannot be
    listed.
    """
    walk = _Walk(limits)
    try:
        walk.folder(root, prefix="", depth=1)
    except OSError as err:
        raise unreadable_folder("", err) from err
    return FoundPackages(
        packages=tuple(sorted(walk.packages)),
        errors=tuple(sorted(walk.errors, key=lambda each: each[0])),
        links=tuple(sorted(walk.links)),
        partial=tuple(sorted(walk.partial)),
    )


class _Walk:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._seen = 0
        self.packages: list[str] = []
        self.errors: list[tuple[str, MlsignError]] = []
        self.links: list[str] = []
        self.partial: list[str] = []

    def folder(self, fd: int, *, prefix: str, depth: int) -> None:
        """Raises ``OSError`` for a folder that cannot be listed."""
        if _has_manifest(fd):
            self.packages.append(prefix.removesuffix("/"))
            return
        for name, kind in self._entries(fd):
            path = f"{prefix}{name}"
            if kind == "link":
                self.links.append(path)
            elif _PARTIAL.fullmatch(name):
                self.partial.append(path)
            elif name != SKIPPED:
                self._enter(fd, name, path, depth=depth)

    def _entries(self, fd: int) -> list[tuple[str, str]]:
        """The folders among the entries, and the links to some, by name."""
        found: list[tuple[str, str]] = []
        with os.scandir(fd) as entries:
            for entry in entries:
                self._seen += 1
                if self._seen > self._limits.max_files:
                    raise InputError(
                        f"has more than {self._limits.max_files} files and folders outside of packages",
                        code="packages.files",
                        hint="name a folder that holds packages and little else",
                    )
                if entry.is_dir(follow_symlinks=False):
                    found.append((entry.name, "folder"))
                elif entry.is_symlink() and leads_to_folder(entry):
                    found.append((entry.name, "link"))
        return sorted(found)

    def _enter(self, fd: int, name: str, path: str, *, depth: int) -> None:
        if depth >= _MAX_DEPTH:
            message = f"is deeper than {_MAX_DEPTH} levels and was not looked into"
            error = InputError(message, code="packages.depth", where=shown(path), hint="name this folder itself")
            self.errors.append((path, error))
            return
        try:
            with opened_folder(name, within=fd) as child:
                self.folder(child, prefix=f"{path}/", depth=depth + 1)
        except OSError as err:
            self.errors.append((path, unreadable_folder(path, err)))


def _has_manifest(fd: int) -> bool:
    """Whether anything has the name of a manifest: what is no regular file there is found out when the package is read."""
    try:
        os.stat(MANIFEST_NAME, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
