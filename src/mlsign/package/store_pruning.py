"""What a store holds, whether that still is what it was, and what nobody needs any more."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mlsign.errors import OutsideError, shown
from mlsign.package.file_source import FileSource
from mlsign.package.hashing import hash_source
from mlsign.package.store import IN_USE, OBJECTS, PARTIAL, RECORDS, SOURCES, Store, StoredObject, names_in
from mlsign.package.store_changes import alone, learn, open_lock
from mlsign.package.store_record import begin
from mlsign.package.stream import Advance

if sys.platform != "win32":
    import fcntl

_STALE_SECONDS: Final = 86_400
"""What was begun a day ago is not being written any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An object, and how many names it has beside the one in the store: those of the packages that it is in."""

    thing: StoredObject
    packages: int


def kept(store: Store) -> Iterator[Kept]:
    """Every object, in order. Raises ``TrustError`` (``store.untrusted``)."""
    for thing in store.objects():
        with contextlib.suppress(FileNotFoundError), store.inner(OBJECTS, *thing.folder) as folder:
            yield Kept(thing=thing, packages=_status(folder, thing.digest.hex).st_nlink - 1)


def check_object(store: Store, thing: StoredObject, *, advance: Advance | None = None) -> None:
    """Reads and hashes the object again, whatever is written down of it, and writes that down anew.

    Raises ``TrustError`` (``store.changed``), ``InputError`` (``file.changed``), ``OutsideError`` (``file.read``).
    """
    try:
        fd = store.open_object(thing)
    except OSError as err:
        raise OutsideError(f"cannot be read: {err.strerror}", code="file.read", where=str(thing)) from err
    with FileSource(fd, where=str(thing)) as source:
        begun = begin(source.fd)
        (digest,) = hash_source(source, algorithms=(thing.digest.algorithm,), advance=advance)
    if digest != thing.digest:
        raise store.changed(thing, f"is {digest} by now: its bytes are not those that it was made of")
    learn(store, thing, begun, (digest,))


def prune(store: Store, *, now: float | None = None) -> tuple[StoredObject, ...]:
    """Removes the objects that are in no package, and what is written down of things that are not there any more; returns them.

    Raises ``OutsideError`` (``store.busy``) while somebody packs from the store, (``disk.write``) for whoever does not own it.
    """
    moment = time.time() if now is None else now
    try:
        with _nobody_else(store), alone(store):
            gone = tuple(each.thing for each in kept(store) if each.packages == 0)
            for thing in gone:
                _remove(store, (RECORDS, *thing.folder), thing.digest.hex)
                _remove(store, (OBJECTS, *thing.folder), thing.digest.hex)
            _forget_sources(store)
            _sweep(store, moment)
    except OSError as err:
        raise OutsideError(f"cannot be pruned: {err.strerror}", code="disk.write", where=shown(store.path)) from err
    return gone


@contextlib.contextmanager
def _nobody_else(store: Store) -> Iterator[None]:
    lock = open_lock(store, IN_USE)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise OutsideError(
                "is being packed from", code="store.busy", where=shown(store.path), hint="try again when that is done"
            ) from err
        yield
    finally:
        os.close(lock)


def _forget_sources(store: Store) -> None:
    """A record of a file elsewhere is of use as long as there is an object of its bytes."""
    there = {thing.digest for thing in store.objects()}
    with store.inner(SOURCES) as folder:
        for name in names_in(folder):
            record = store.read_record((SOURCES,), name)
            if record is None or not there.intersection(record.digests.values()):
                os.unlink(name, dir_fd=folder)


def _sweep(store: Store, now: float) -> None:
    """What a process that was killed has left. A partial file may have been about to become an object, and is a name of it."""
    with store.inner(PARTIAL) as folder:
        for name in names_in(folder):
            status = _status(folder, name)
            if stat.S_ISREG(status.st_mode) and status.st_ctime < now - _STALE_SECONDS:
                os.unlink(name, dir_fd=folder)


def _remove(store: Store, parts: tuple[str, ...], name: str) -> None:
    with contextlib.suppress(FileNotFoundError), store.inner(*parts) as folder:
        os.unlink(name, dir_fd=folder)


def _status(folder: int, name: str) -> os.stat_result:
    return os.stat(name, dir_fd=folder, follow_symlinks=False)
