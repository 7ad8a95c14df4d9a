"""A store: a folder of files that mlsign hashed while it wrote them, each under its digest, for packages to link to.

    objects/ALGORITHM/SIZE/HEX    the files, which nobody may write
    records/ALGORITHM/SIZE/HEX    in which state each of them was when its bytes were last known, and all its digests
    sources/HEX                   the same of files elsewhere that were packed from
    partial/                      what is being written
    in-use.lock, changing.lock    locks, which only the owner may open

An object is worth as much as its owner: the store is in a trusted folder, and whoever owns that could as well replace mlsign. Whether
one was touched since is told by its state, which a record holds; a state that differs means that the bytes are not known, never that
they are. This module reads; ``store_filling`` writes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from mlsign.digest import Algorithm, Digest, decode_hex
from mlsign.errors import InputError, MlsignError, OutsideError, TrustError, shown
from mlsign.package.store_record import MAX_RECORD_BYTES, Record, decode_record
from mlsign.package.trusted_folder import OTHERS_WRITE, is_ours, open_inner, open_trusted

MARK: Final = "mlsign-store.json"
MARK_BYTES: Final = b'{"schema":"mlsign/store/v1"}'
OBJECTS: Final = "objects"
RECORDS: Final = "records"
SOURCES: Final = "sources"
PARTIAL: Final = "partial"
FOLDERS: Final = (OBJECTS, RECORDS, SOURCES, PARTIAL)
IN_USE: Final = "in-use.lock"
"""Locked by everybody who packs from the store, and by one who prunes it for himself. Nobody else may open it, nor stop us by it."""
CHANGING: Final = "changing.lock"
"""Locked while names of an object, or its record, change."""
# Without waiting: nothing in a store is a pipe, and if something is, it must not hang a verification.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_WRITABLE: Final = 0o222
_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object by its name: what its bytes are to be."""

    digest: Digest
    size: int

    @property
    def folder(self) -> tuple[str, ...]:
        return (self.digest.algorithm.value, str(self.size))

    def __str__(self) -> str:
        return "/".join((OBJECTS, *self.folder, self.digest.hex))


class Store:
    """An open store. Reads only; may be shared by threads."""

    def __init__(self, fd: int, *, path: Path) -> None:
        self.fd = fd
        self.path = path

    @classmethod
    def open(cls, path: Path) -> Self:
        """The store at ``path``. Raises ``TrustError`` (``store.untrusted``), ``InputError`` (``store.…``), ``OutsideError``."""
        fd = open_trusted(path)
        store = cls(fd, path=path)
        try:
            store.check_mark()
        except BaseException:
            store.close()
            raise
        return store

    def check_mark(self) -> None:
        """Raises ``InputError`` (``store.kind``) for a folder that mlsign did not make a store of."""
        try:
            data = _read(self.fd, MARK)
        except OSError:
            data = b""
        if data != MARK_BYTES:
            raise InputError(
                "is no store, or one of another version",
                code="store.kind",
                where=shown(self.path),
                expected=f"a folder with {MARK} in it",
                hint="name a folder that is not there yet, and mlsign pack makes one",
            )

    def is_object(self, inode: tuple[int, int], thing: StoredObject) -> bool:
        """Whether the file of this device and number is the object: the same file on the same disk, which nobody may write.

        Raises ``OutsideError`` (``file.read``) where that cannot be looked up, and ``TrustError`` (``store.untrusted``).
        """
        try:
            with self.inner(OBJECTS, *thing.folder) as folder:
                there = os.stat(thing.digest.hex, dir_fd=folder, follow_symlinks=False)
        except OSError as err:
            _check_absent(err, where=str(thing))
            return False
        # The file is open, or was just listed, so its number is not that of another one by now.
        return (there.st_dev, there.st_ino) == inode and is_in_order(there, thing)

    def recall(self, status: os.stat_result, thing: StoredObject) -> Mapping[Algorithm, Digest]:
        """All digests of the open file of this status, where it is the object as it was when it was hashed; else none."""
        if not self.is_object((status.st_dev, status.st_ino), thing):
            return {}
        record = self.record_of(thing)
        if record is None or not record.is_of(status) or record.digests.get(thing.digest.algorithm) != thing.digest:
            return {}
        return record.digests

    def record_of(self, thing: StoredObject) -> Record | None:
        """What is written down of an object, if anything is that can be read."""
        return self.read_record((RECORDS, *thing.folder), thing.digest.hex)

    def read_record(self, folder: tuple[str, ...], name: str) -> Record | None:
        """A record of ours; None where there is none that can be read, which is as good as none at all."""
        try:
            with self.inner(*folder) as fd:
                return decode_record(_read(fd, name), where=name)
        except TrustError:
            raise
        except (OSError, MlsignError):
            return None

    def objects(self) -> Iterator[StoredObject]:
        """Every object by its name, in order. What else lies there is passed over.

        Raises ``OutsideError`` (``file.read``) for a part of the store that cannot be listed, ``TrustError`` (``store.untrusted``).
        """
        for algorithm in sorted(Algorithm, key=lambda a: a.value):
            for size in sorted(int(name) for name in self._names(OBJECTS, algorithm.value) if _is_size(name)):
                yield from self.objects_of(size, algorithm=algorithm)

    def objects_of(self, size: int, *, algorithm: Algorithm) -> Iterator[StoredObject]:
        """Every object of that size by that algorithm, in order. Raises as ``objects``."""
        for name in sorted(self._names(OBJECTS, algorithm.value, str(size))):
            with contextlib.suppress(InputError):
                yield StoredObject(digest=decode_hex(algorithm, name), size=size)

    def open_object(self, thing: StoredObject) -> int:
        """A descriptor of the object. ``OSError`` passes where there is none; raises ``TrustError`` (``store.changed``)."""
        with self.inner(OBJECTS, *thing.folder) as folder:
            fd = os.open(thing.digest.hex, _FLAGS, dir_fd=folder)
        if not is_in_order(os.fstat(fd), thing):
            os.close(fd)
            raise self.changed(thing, "is not as mlsign left it: another size or owner, or it can be written to")
        return fd

    def changed(self, thing: StoredObject, message: str) -> TrustError:
        """The error for an object that is not, or may not be, what its name says."""
        return TrustError(
            f"{thing} {message}",
            code="store.changed",
            where=shown(self.path),
            hint="remove this file from the store, pack again, and find out who wrote to it; packages that it is linked to changed with it",
        )

    @contextlib.contextmanager
    def inner(self, *parts: str) -> Iterator[int]:
        """A folder of the store, open meanwhile. ``OSError`` passes; raises ``TrustError`` (``store.untrusted``)."""
        fd = open_inner(self.fd, parts, where=self.path)
        try:
            yield fd
        finally:
            os.close(fd)

    def _names(self, *parts: str) -> list[str]:
        """What lies in a folder of the store; nothing where there is none."""
        try:
            with self.inner(*parts) as folder:
                return names_in(folder)
        except OSError as err:
            _check_absent(err, where="/".join(parts))
            return []

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_absent(err: OSError, *, where: str) -> None:
    """Raises ``OutsideError`` (``file.read``) for an error that does not say that something is not there."""
    if err.errno not in _NOT_THERE:
        raise OutsideError(f"cannot be looked up: {err.strerror}", code="file.read", where=where) from err


def is_in_order(status: os.stat_result, thing: StoredObject) -> bool:
    """Whether a file is as mlsign leaves an object: regular, ours, of that size, and for nobody to write."""
    return stat.S_ISREG(status.st_mode) and is_ours(status) and not status.st_mode & _WRITABLE and status.st_size == thing.size


def names_in(folder: int) -> list[str]:
    """The names in an open folder."""
    return os.listdir(folder)


def _is_size(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 20 and str(int(name)) == name


def _read(folder: int, name: str) -> bytes:
    """The small file of that name, if it is ours alone; else nothing. ``OSError`` passes."""
    fd = os.open(name, _FLAGS, dir_fd=folder)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or not is_ours(status) or status.st_mode & OTHERS_WRITE:
            return b""
        return os.read(fd, MAX_RECORD_BYTES + 1)
    finally:
        os.close(fd)
