"""A package on disk, opened once: one directory descriptor, everything else beneath it.

Hands out open files, not paths. A symbolic link may lead to the package (``current -> fraud-1.2.0``); it is
resolved once, when the package is opened. No link inside is ever followed, and one to a single file only for those who just look.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from mlsign.errors import InputError, MlsignError, OutsideError, shown, shown_path
from mlsign.limits import DEFAULT, Limits
from mlsign.package.file_source import FileSource
from mlsign.package.scan import DIRECTORY_FLAGS, FoundFile, Intruder, Listing, scan
from mlsign.paths import SIGNATURES_NAME, PackagePath, decode_path

PARTIAL_PREFIX: Final = ".partial-"
"""Files being written into ``signatures/`` carry this prefix until they are whole."""

_FILE_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_MAX_FOLDERS: Final = 128
"""Folders that are kept open, so that not every file in them is looked for from the top."""
_DIRECTORY_ONCE: Final = DIRECTORY_FLAGS & ~getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBundle:
    """A file that may be a bundle: its bytes, or the error that kept them from being read."""

    name: str
    content: bytes | MlsignError
    inode: tuple[int, int] | None


class OpenPackage:
    """An open package folder, or a single file with the folder it lies in hidden from view."""

    def __init__(self, fd: int, *, where: str, only: str | None) -> None:
        self._fd = fd
        self._only = only
        self._folders: dict[str, int] = {"": fd}
        self.where = where

    @classmethod
    def open(cls, path: Path, *, follow: bool = False) -> Self:
        """The package at ``path``; with ``follow`` a link to a single file is seen as what it leads to, beside its own neighbours.

        A signature names the file it is over, so whoever verifies does not follow.

        Raises ``InputError`` (``package.missing``, ``package.kind``), ``OutsideError``.
        """
        try:
            return cls(os.open(path, _DIRECTORY_ONCE), where=str(path), only=None)
        except NotADirectoryError:
            pass
        except OSError as err:
            raise _unopenable(path, err) from err
        # A single file, as others sign them: seen as a package that holds this one file.
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise InputError("is neither a folder nor a regular file", code="package.kind", where=shown(path))
            resolved = path.resolve() if follow else path.parent.resolve() / path.name
            return cls(os.open(resolved.parent, _DIRECTORY_ONCE), where=str(path), only=resolved.name)
        except OSError as err:
            raise _unopenable(path, err) from err

    def list_files(self, *, skip: frozenset[str], limits: Limits = DEFAULT) -> Listing:
        """All files, except beneath the paths in ``skip``."""
        if self._only is None:
            return scan(self._fd, skip=skip, limits=limits)
        everything = frozenset(os.listdir(self._fd)) - {self._only}  # noqa: PTH208 - a descriptor, not a path
        return replace(scan(self._fd, skip=everything, limits=limits), skipped=())

    def check_unchanged(self, files: tuple[FoundFile, ...], *, limits: Limits = DEFAULT) -> None:
        """Returns when the content is still these files, none of them touched since; signatures may come and go.

        Raises ``InputError`` (``file.changed``) and as ``list_files`` does.
        """
        now = self.list_files(skip=frozenset({SIGNATURES_NAME}), limits=limits).files
        if now != files:
            raise InputError(
                "is not what it was when it was read, so nothing was written",
                code="file.changed",
                where=str(min(set(now) ^ set(files), key=lambda f: f.path).path),
                hint="something else is writing to the package; stop it, or work on a copy",
            )

    def open_file(self, path: PackagePath) -> FileSource:
        """The regular file at ``path``, opened without following a link in any part of its name.

        Raises ``InputError`` (``file.missing``, ``file.kind``), ``OutsideError`` (``file.read``).
        """
        parent, _, name = path.rpartition("/")
        folder = self._folders.get(parent)
        if folder is None:
            folder = self._open_folder(parent, where=path)
            if folder is None:
                return open_beneath(self._fd, path.parts, where=path)
        return _open_in(folder, name, where=path)

    def _open_folder(self, path: str, *, where: str) -> int | None:
        """A descriptor that stays open as long as the package; None when there are many already."""
        if len(self._folders) >= _MAX_FOLDERS:
            return None
        with folder_beneath(self._fd, tuple(path.split("/")), where=where) as found:
            try:
                mine = os.dup(found)
            except OSError as err:
                raise _unreadable(where, err) from err
        folder = self._folders.setdefault(path, mine)
        if folder != mine:  # another thread was faster
            os.close(mine)
        return folder

    def read_bundles(self, *, limits: Limits = DEFAULT) -> tuple[FoundBundle, ...]:
        """Every file in ``signatures/``, by name. Names prove nothing, so any name will do.

        Raises ``InputError`` (``package.bundles``) when there are too many to look at.
        """
        if self._only is not None:
            return ()
        try:
            folder = os.open(SIGNATURES_NAME, DIRECTORY_FLAGS, dir_fd=self._fd)
            try:
                names = sorted(n for n in os.listdir(folder) if not n.startswith(PARTIAL_PREFIX))  # noqa: PTH208 - a descriptor
            finally:
                os.close(folder)
        except FileNotFoundError:
            return ()
        except OSError as err:
            error = _unreadable(SIGNATURES_NAME, err)
            return (FoundBundle(name=SIGNATURES_NAME, content=error, inode=None),)
        if len(names) > limits.max_bundles:
            raise _crowded(f"has {len(names)} files, and {limits.max_bundles} are looked at")
        found: list[FoundBundle] = []
        left = limits.max_bundles_bytes
        for name in names:
            bundle = self._read_bundle(f"{SIGNATURES_NAME}/{name}", limits=limits)
            left -= len(bundle.content) if isinstance(bundle.content, bytes) else 0
            if left < 0:
                raise _crowded(f"has more than {limits.max_bundles_bytes} bytes of signatures")
            found.append(bundle)
        return tuple(found)

    def check_room(self, size: int = 0, *, limits: Limits = DEFAULT) -> None:
        """Returns when ``read_bundles`` could still read all after one more bundle of ``size`` bytes was added.

        Raises ``InputError`` (``package.bundles``).
        """
        there = self.read_bundles(limits=limits)
        total = size + sum(len(bundle.content) for bundle in there if isinstance(bundle.content, bytes))
        if len(there) >= limits.max_bundles:
            raise _crowded(f"has {len(there)} files, and with one more nobody could verify the package")
        if total > limits.max_bundles_bytes:
            raise _crowded(f"would have {total} bytes of signatures, and nobody could verify the package")

    def _read_bundle(self, name: str, *, limits: Limits) -> FoundBundle:
        try:
            with self.open_file(decode_path(name, limits=limits)) as source:
                status = os.fstat(source.fd)
                content = source.read_all(max_bytes=limits.max_bundle_bytes)
                return FoundBundle(name=name, content=content, inode=(status.st_dev, status.st_ino))
        except MlsignError as err:
            return FoundBundle(name=shown(name), content=err, inode=None)

    @property
    def fd(self) -> int:
        """The descriptor of the folder; open as long as the package is."""
        return self._fd

    @property
    def only(self) -> str | None:
        """The name of the one file that this is, or None for a folder."""
        return self._only

    def close(self) -> None:
        self._fd = -1
        while self._folders:
            os.close(self._folders.popitem()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def folder_beneath(root: int, parts: tuple[str, ...], *, where: str) -> Iterator[int]:
    """A folder beneath the open folder ``root``, for as long as the context; no part of its name is followed as a link.

    Raises ``InputError`` (``file.missing``, ``file.kind``), ``OutsideError`` (``file.read``).
    """
    folder = root
    opened: list[int] = []
    try:
        try:
            for part in parts:
                folder = os.open(part, DIRECTORY_FLAGS, dir_fd=folder)
                opened.append(folder)
        except OSError as err:
            raise _unreadable(where, err) from err
        yield folder
    finally:
        for number in opened:
            os.close(number)


def open_beneath(root: int, parts: tuple[str, ...], *, where: str) -> FileSource:
    """The regular file of that name beneath the open folder ``root``; opening never waits. Raises as ``folder_beneath``."""
    with folder_beneath(root, parts[:-1], where=where) as folder:
        return _open_in(folder, parts[-1], where=where)


def _open_in(folder: int, name: str, *, where: str) -> FileSource:
    try:
        fd = os.open(name, _FILE_FLAGS, dir_fd=folder)
    except OSError as err:
        raise _unreadable(where, err) from err
    source = FileSource(fd, where=where)
    if not source.regular:
        source.close()
        raise InputError("is no regular file", code="file.kind", where=where)
    return source


def read_bundle_file(path: Path, *, limits: Limits = DEFAULT) -> FoundBundle:
    """A bundle that the user names. Raises ``InputError`` (``signature.missing``), ``OutsideError``."""
    data, inode = read_user_file(path, max_bytes=limits.max_bundle_bytes, what="signature")
    # Named through a link, the bundle may be any file of the package: that file stays content like every other.
    linked = path.is_symlink()
    return FoundBundle(name=str(path), content=data, inode=None if linked else inode)


def read_user_file(path: Path, *, max_bytes: int, what: str, secret: bool = False) -> tuple[bytes, tuple[int, int]]:
    """A file that the user named, opened once, links followed; with its device and inode.

    A file with a secret in it is not named where it cannot be opened: the name may be the secret itself.

    Raises ``InputError`` (``WHAT.missing``, ``WHAT.kind``, ``file.size``) and ``OutsideError`` (``file.read``).
    """
    named = f"{what} file" if secret else shown_path(path)
    try:
        fd = os.open(path, _FILE_FLAGS & ~getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError as err:
        hint = f"give the name of a file that holds the {what}, and not the {what} itself" if secret else ""
        raise InputError(f"there is no {what} file of this name", code=f"{what}.missing", where=named, hint=hint) from err
    except OSError as err:
        raise _unreadable(named, err) from err
    with FileSource(fd, where=shown(path)) as source:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"is no regular file, expected a {what} file", code=f"{what}.kind", where=shown(path))
        return source.read_all(max_bytes=max_bytes), (status.st_dev, status.st_ino)


def _crowded(message: str) -> InputError:
    return InputError(
        message,
        code="package.bundles",
        where=SIGNATURES_NAME,
        hint="anybody can put files there: remove those that are no signatures, and signatures that nobody needs",
    )


def _unopenable(path: Path, err: OSError) -> MlsignError:
    if isinstance(err, FileNotFoundError):
        return InputError("there is nothing of this name", code="package.missing", where=shown_path(path))
    return OutsideError(f"cannot be opened: {err.strerror}", code="file.read", where=shown_path(path))


def _unreadable(name: str, err: OSError) -> MlsignError:
    if err.errno == errno.ENOENT:
        return InputError("is missing", code="file.missing", where=shown(name))
    if err.errno in {errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO}:
        return InputError("is, or lies behind, something that is no regular file", code="file.kind", where=shown(name))
    return OutsideError(f"cannot be read: {err.strerror}", code="file.read", where=shown(name))


__all__ = ["FoundBundle", "Intruder", "OpenPackage", "folder_beneath", "open_beneath", "read_bundle_file", "read_user_file"]
