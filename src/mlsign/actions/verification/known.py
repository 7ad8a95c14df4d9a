"""Files whose bytes are known before anybody reads them: from memory that this process has sealed, or from a store.

What is found here is never more than a digest that was computed over bytes which are as they were since. Whether it is the digest that
somebody signed is found out afterwards, as for a file that was read.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlsign.digest import Algorithm, Digest
from mlsign.errors import TrustError
from mlsign.evidence.record import KnownBy, UnreadFile
from mlsign.limits import MIN_STORED_BYTES
from mlsign.package.file_source import FileSource
from mlsign.package.scan import FoundFile
from mlsign.package.sealed import SealedMemory
from mlsign.paths import PackagePath

if TYPE_CHECKING:
    from mlsign.package.store import Store, StoredObject
    from mlsign.package.store_record import Begun


class KnownFiles:
    """What may stand in for reading files of one package.

    With ``believed``, a file of the store that nobody has touched is not read; without, the store only says that a further name of
    a file is its own.
    """

    def __init__(self, *, sharing: Iterable[SealedMemory] = (), store: Store | None = None, believed: bool = False) -> None:
        self._sealed = {(digest, memory.size): memory for memory in sharing for digest in tuple(memory.digests.values())}
        self._store = store
        self._believed = believed
        self._names: Mapping[PackagePath, Digest] = {}
        self._unread: list[UnreadFile] = []

    @property
    def unread(self) -> tuple[UnreadFile, ...]:
        """The files that were not read, by path."""
        return tuple(sorted(self._unread, key=lambda file: file.path))

    def expect(self, names: Mapping[PackagePath, Digest]) -> None:
        """The digests that manifest or statements give; a file of another one is not looked for."""
        self._names = names

    def share(self, path: PackagePath, *, size: int) -> SealedMemory | None:
        """Sealed memory with the digest and size of the file, to be used in its place; the caller closes it."""
        digest = self._names.get(path)
        memory = None if digest is None else self._sealed.get((digest, size))
        if memory is None:
            return None
        try:
            shared = memory.share()
        except TrustError:  # its model was closed meanwhile: the file is read
            return None
        self._unread.append(UnreadFile(path=path, size=size, known_by=KnownBy.SEALED_MEMORY))
        return shared

    def names_of(self, found: FoundFile) -> int:
        """How many names a file has; one, where it is an object of the store, which nobody can write to through any of them."""
        thing = self._thing(found.path, size=found.size) if found.links > 1 and self._store is not None else None
        is_object = self._store is not None and thing is not None and self._store.is_object(found.inode, thing)
        return 1 if is_object else found.links

    def recall(self, path: PackagePath, source: FileSource, *, algorithms: Iterable[Algorithm]) -> tuple[Digest, ...] | None:
        """Digests of an open file by these algorithms, where the store is believed and knows all of them as the file is now."""
        thing = self._thing(path, size=source.size)
        if self._store is None or thing is None or not self._believed:
            return None
        known = self._store.recall(os.fstat(source.fd), thing)
        wanted = tuple(algorithms)
        if not known or any(algorithm not in known for algorithm in wanted):
            return None
        self._unread.append(UnreadFile(path=path, size=source.size, known_by=KnownBy.STORE))
        return tuple(known[algorithm] for algorithm in wanted)

    @contextlib.contextmanager
    def learning(self, path: PackagePath, source: FileSource, *, algorithms: Iterable[Algorithm]) -> Iterator[list[Digest]]:
        """The digests that are put into the list, of an open file that is hashed meanwhile, are known to the store from then on.

        Where the file is an object of it that had been touched, or was not known by all of these algorithms.
        """
        digests: list[Digest] = []
        thing, begun = self._forgotten(path, source, frozenset(algorithms))
        yield digests
        if self._store is not None and thing is not None and begun is not None:
            from mlsign.package.store_changes import learn

            learn(self._store, thing, begun, tuple(digests))

    def _forgotten(
        self, path: PackagePath, source: FileSource, algorithms: frozenset[Algorithm]
    ) -> tuple[StoredObject | None, Begun | None]:
        thing = self._thing(path, size=source.size)
        if self._store is None or thing is None or thing.digest.algorithm not in algorithms:
            return None, None
        status = os.fstat(source.fd)
        if (
            not self._store.is_object((status.st_dev, status.st_ino), thing)
            or algorithms <= self._store.recall(status, thing).keys()
        ):
            return None, None
        from mlsign.package.store_record import begin

        return thing, begin(source.fd)

    def _thing(self, path: PackagePath, *, size: int) -> StoredObject | None:
        digest = self._names.get(path)
        if self._store is None or digest is None or size < MIN_STORED_BYTES:
            return None
        from mlsign.package.store import StoredObject

        return StoredObject(digest=digest, size=size)


@contextlib.contextmanager
def opened_store(path: Path | None) -> Iterator[Store | None]:
    """The store at ``path``, open meanwhile; None for none. Raises as ``Store.open``."""
    if path is None:
        yield None
        return
    from mlsign.package.store import Store

    with Store.open(path) as store:
        yield store
