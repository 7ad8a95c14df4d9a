"""Changes to a store: folders, records and locks. Each is one step for whoever reads meanwhile."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Final

from mlsign.digest import Digest
from mlsign.package.store import CHANGING, PARTIAL, RECORDS, SOURCES, Store, StoredObject
from mlsign.package.store_record import Begun, Record, encode_record, known, source_name

if sys.platform != "win32":
    import fcntl

READABLE: Final = 0o444
_FOLDER: Final = 0o755
_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)


def new_partial(folder: int) -> tuple[int, str]:
    """A new file that nobody may write but through the descriptor, and its name in the open folder ``partial``."""
    name = os.urandom(16).hex()
    return os.open(name, _NEW, READABLE, dir_fd=folder), name


@contextlib.contextmanager
def made_folder(store: Store, *parts: str) -> Iterator[int]:
    """A folder of the store, made where it is not there yet. ``OSError`` passes."""
    for count in range(1, len(parts)):
        with store.inner(*parts[:count]) as above, contextlib.suppress(FileExistsError):
            os.mkdir(parts[count], _FOLDER, dir_fd=above)
    with store.inner(*parts) as folder:
        yield folder


def open_lock(store: Store, name: str) -> int:
    """A descriptor of a file to lock. Raises ``OSError`` for whoever does not own the store."""
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=store.fd)


@contextlib.contextmanager
def alone(store: Store) -> Iterator[None]:
    """No other thread or process changes names of an object, or a record, meanwhile. ``OSError`` passes."""
    lock = open_lock(store, CHANGING)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def note_object(store: Store, thing: StoredObject, record: Record) -> None:
    """Writes down what is known of an object, in place of what was. ``OSError`` passes."""
    _note(store, (RECORDS, *thing.folder), thing.digest.hex, record)


def note_source(store: Store, begun: Begun, digest: Digest) -> None:
    """Writes down the digest of a file outside the store, where it was left alone for long enough. ``OSError`` passes."""
    if begun.settled:
        record = Record(state=begun.state, digests=known((digest,)))
        _note(store, (SOURCES,), source_name(begun.state), record)


def learn(store: Store, thing: StoredObject, begun: Begun, digests: tuple[Digest, ...]) -> None:
    """Writes down the digests of an object that was hashed again; where it cannot be written down, it is hashed again next time."""
    if begun.settled and thing.digest in digests:
        with contextlib.suppress(OSError), alone(store):
            note_object(store, thing, Record(state=begun.state, digests=known(digests)))


def _note(store: Store, parts: tuple[str, ...], name: str, record: Record) -> None:
    with made_folder(store, *parts) as folder, store.inner(PARTIAL) as beside:
        fd, partial = new_partial(beside)
        try:
            os.write(fd, encode_record(record))
            os.rename(partial, name, src_dir_fd=beside, dst_dir_fd=folder)
        except BaseException:
            os.unlink(partial, dir_fd=beside)
            raise
        finally:
            os.close(fd)
