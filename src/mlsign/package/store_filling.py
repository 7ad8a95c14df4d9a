"""Files into a store, and from a store into packages by a further name, which takes as long for a large file as for a small one.

What goes into a package is an object with the digest in its name, never a file that only looks like one: a record that was fooled about
a file outside the store gives an older version of it, whole, under that version's digest.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from mlsign.digest import Algorithm, Digest
from mlsign.errors import InputError, OutsideError, shown
from mlsign.limits import MIN_STORED_BYTES
from mlsign.package.crew import Worker
from mlsign.package.file_source import FileSource
from mlsign.package.hashing import hash_source
from mlsign.package.store import (
    FOLDERS,
    IN_USE,
    MARK,
    MARK_BYTES,
    OBJECTS,
    PARTIAL,
    SOURCES,
    Store,
    StoredObject,
    names_in,
)
from mlsign.package.store_changes import alone, made_folder, new_partial, note_object, note_source, open_lock
from mlsign.package.store_record import Record, begin, boot_id, known, source_name, state_of
from mlsign.package.stream import Advance
from mlsign.package.trusted_folder import open_trusted
from mlsign.package.write import copy_into, outside
from mlsign.paths import PackagePath

if sys.platform != "win32":
    import fcntl

_FOLDER: Final = 0o755
_PERMISSIONS: Final = 0o777


class StoreWriter:
    """A store to pack from, and what packing adds to it. While it is open nothing is pruned; threads and processes may share it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._held = open_lock(store, IN_USE)
        try:
            fcntl.flock(self._held, fcntl.LOCK_SH)
            self._mode = _permissions(store)
        except BaseException:
            os.close(self._held)
            raise

    @classmethod
    def open(cls, path: Path) -> Self:
        """The store at ``path``, which is made where there is nothing of this name. Raises as ``Store.open``, and ``OutsideError``."""
        if sys.platform == "win32":
            raise OutsideError("a store needs a system that knows who owns a file", code="store.unavailable")
        try:
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=_FOLDER, parents=True)
            _prepare(path)
        except OSError as err:
            raise outside(err, where=path) from err
        store = Store.open(path)
        try:
            return cls(store)
        except OSError as err:
            store.close()
            raise outside(err, where=path) from err
        except BaseException:
            store.close()
            raise

    def is_object(self, status: os.stat_result) -> bool:
        """Whether the file of this status is an object of the store."""
        return self._object_of(status) is not None

    def supply(
        self,
        source: FileSource,
        *,
        algorithm: Algorithm,
        folder: Path,
        path: PackagePath,
        worker: Worker | None = None,
        advance: Advance | None = None,
    ) -> Digest | None:
        """Puts the bytes of an open file into the folder of a package, as a name of an object, and returns their digest.

        None, and nothing, for a file that is to be copied: a small one, or one that others are to read who may not read the object, or the
        other way round. Raises ``InputError`` (``store.device``, ``file.changed``), ``TrustError`` (``store.changed``,
        ``store.untrusted``), ``OutsideError`` and ``Stopped``.
        """
        if source.size < MIN_STORED_BYTES:
            return None
        try:
            self._check_device(folder)
            digest = self._keep(source, algorithm=algorithm, worker=worker, advance=advance)
            return digest if self._link(StoredObject(digest=digest, size=source.size), folder, path) else None
        except OSError as err:
            raise outside(err, where=path) from err

    def _keep(self, source: FileSource, *, algorithm: Algorithm, worker: Worker | None, advance: Advance | None) -> Digest:
        """The digest of an open file; an object has its bytes from then on."""
        found = self._remembered(source, algorithm)
        if found is not None:
            if advance is not None:
                advance(source.size)
            return found.digest
        begun = begin(source.fd)
        digest = self._hash_or_write(source, algorithm=algorithm, worker=worker, advance=advance)
        note_source(self.store, begun, digest)
        return digest

    def _remembered(self, source: FileSource, algorithm: Algorithm) -> StoredObject | None:
        """The object that a file is, or that was made of it when it was in this very state, if there still is one."""
        status = os.fstat(source.fd)
        if (thing := self._object_of(status)) is not None and thing.digest.algorithm is algorithm:
            return thing
        record = self.store.read_record((SOURCES,), source_name(state_of(status)))
        digest = None if record is None or not record.is_of(status) else record.digests.get(algorithm)
        if digest is None:
            return None
        source.check_unchanged()  # a model was inspected when it was opened: what is known of a later state is not of that
        thing = StoredObject(digest=digest, size=status.st_size)
        return thing if self._is_there(thing) else None

    def _object_of(self, status: os.stat_result) -> StoredObject | None:
        if status.st_nlink == 1:
            return None
        of_size = (thing for each in Algorithm for thing in self.store.objects_of(status.st_size, algorithm=each))
        return next((thing for thing in of_size if self.store.is_object(_identity(status), thing)), None)

    def _is_there(self, thing: StoredObject) -> bool:
        try:
            os.close(self.store.open_object(thing))
        except FileNotFoundError:
            return False
        return True

    def _hash_or_write(
        self, source: FileSource, *, algorithm: Algorithm, worker: Worker | None, advance: Advance | None
    ) -> Digest:
        # Exporters write every file anew. Where there is an object of that size, hashing first most often saves the writing.
        if any(True for _ in self.store.objects_of(source.size, algorithm=algorithm)):
            (digest,) = hash_source(source, algorithms=(algorithm,), worker=worker, advance=advance)
            if self._is_there(StoredObject(digest=digest, size=source.size)):
                return digest
            advance = None
        with self.store.inner(PARTIAL) as folder:
            fd, partial = new_partial(folder)
            try:
                digest = copy_into(fd, source, algorithm=algorithm, worker=worker, advance=advance)
                self._name(fd, folder, partial, StoredObject(digest=digest, size=source.size))
            finally:
                os.close(fd)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(partial, dir_fd=folder)
        return digest

    def _name(self, fd: int, partial_folder: int, partial: str, thing: StoredObject) -> None:
        """Gives a finished file its name, unless somebody was faster: an object is never replaced, packages may be linked to it."""
        with alone(self.store), made_folder(self.store, OBJECTS, *thing.folder) as folder:
            try:
                os.link(partial, thing.digest.hex, src_dir_fd=partial_folder, dst_dir_fd=folder, follow_symlinks=False)
            except FileExistsError:
                return
            os.unlink(partial, dir_fd=partial_folder)
            boot = boot_id()
            if not boot:
                os.fsync(fd)
            # Nobody else has had a name of it so far, nor may write to it: there is no earlier state that it could be taken for.
            note_object(self.store, thing, Record(state=state_of(os.fstat(fd)), boot=boot, digests=known((thing.digest,))))

    def _link(self, thing: StoredObject, folder: Path, path: PackagePath) -> bool:
        """A further name of the object, in the package; the record follows the change of state that this is, and no other.

        False, and no name, for an object with other permissions than a copy would have, or with as many names as a file can have.
        """
        place = folder.joinpath(*path.parts)
        with alone(self.store):
            fd = self.store.open_object(thing)
            try:
                before = os.fstat(fd)
                if before.st_mode & _PERMISSIONS != self._mode:
                    return False
                record = self._certain(fd, thing)
                place.parent.mkdir(parents=True, exist_ok=True)
                with self.store.inner(OBJECTS, *thing.folder) as objects:
                    os.link(thing.digest.hex, place, src_dir_fd=objects, follow_symlinks=False)
                after = os.fstat(fd)
                if _identity(os.lstat(place)) != _identity(after) or _written(after) != _written(before):
                    raise self.store.changed(thing, "was replaced or written to while it was linked")
                if record is not None:
                    note_object(self.store, thing, replace(record, state=state_of(after)))
            except OSError as err:
                if err.errno == errno.EMLINK:
                    return False
                raise
            finally:
                os.close(fd)
        return True

    def _certain(self, fd: int, thing: StoredObject) -> Record | None:
        """What is known of the bytes of an open object: by its record, or by hashing them again. Raises ``TrustError``.

        None where they are right and somebody touched it a moment ago, so that the next write might not show: that is not written down.
        """
        record = self.store.record_of(thing)
        if record is not None and record.is_of(os.fstat(fd)) and record.digests.get(thing.digest.algorithm) == thing.digest:
            return record
        with FileSource(os.dup(fd), where=str(thing)) as source:
            begun = begin(source.fd)
            (digest,) = hash_source(source, algorithms=(thing.digest.algorithm,))
        if digest != thing.digest:
            raise self.store.changed(thing, f"is {digest} by now: its bytes are not those that it was made of")
        return Record(state=begun.state, digests=known((digest,))) if begun.settled else None

    def _check_device(self, folder: Path) -> None:
        if folder.stat().st_dev != os.fstat(self.store.fd).st_dev:
            raise InputError(
                "is on another file system than the package",
                code="store.device",
                where=shown(self.store.path),
                hint="put the store beside the packages: a package shares files with a store on the same file system alone",
            )

    def close(self) -> None:
        os.close(self._held)
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _prepare(path: Path) -> None:
    """Makes a store of an empty folder, or of one that was about to be one. Raises ``OSError``, ``TrustError`` (``store.untrusted``)."""
    fd = open_trusted(path)
    try:
        if set(names_in(fd)) - set(FOLDERS):
            return
        for name in FOLDERS:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, _FOLDER, dir_fd=fd)
        # Last, and in one step: with the mark in it, it is whole.
        with Store(os.dup(fd), path=path) as store, store.inner(PARTIAL) as partial:
            mark, name = new_partial(partial)
            try:
                os.write(mark, MARK_BYTES)
                os.rename(name, MARK, src_dir_fd=partial, dst_dir_fd=fd)
            finally:
                os.close(mark)
    finally:
        os.close(fd)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _written(status: os.stat_result) -> tuple[int, int, int]:
    """What a write changes and a further name does not."""
    return status.st_size, status.st_mtime_ns, status.st_mode


def _permissions(store: Store) -> int:
    """The permissions that this process gives to a file that nobody is to write."""
    with store.inner(PARTIAL) as folder:
        fd, name = new_partial(folder)
        try:
            return os.fstat(fd).st_mode & _PERMISSIONS
        finally:
            os.close(fd)
            os.unlink(name, dir_fd=folder)
