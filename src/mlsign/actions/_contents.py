"""The bytes of a package while it is examined: each file opened once, read once, held where that is needed.

A file's digest and whatever else is read of it come from the same bytes: from memory for small files and
sealed ones; for big files on disk from one descriptor whose state is checked after the last read.
"""

from __future__ import annotations

from enum import Enum
from functools import partial
from threading import Lock
from typing import Final

from mlsign.compare.content import Observed
from mlsign.digest import Algorithm, Digest
from mlsign.errors import InputError
from mlsign.evidence.findings import Finding, finding_of
from mlsign.limits import MIB, Limits
from mlsign.package.file_source import FileSource
from mlsign.package.hashing import Advance, hash_memory, hash_source, run_largest_first
from mlsign.package.read import OpenPackage
from mlsign.package.scan import FoundFile
from mlsign.package.sealed import SealedMemory, seal_file
from mlsign.paths import PackagePath
from mlsign.source import ByteSource, MemorySource

_WHOLE_BYTES: Final = 64 * MIB
"""A model up to this size is read once and both hashed and inspected from memory."""


class Storage(Enum):
    """Where model and weights are while they are examined: on disk, or in memory that nobody can change."""

    DISK = "disk"
    SEALED = "sealed"


class Contents:
    """What a package consists of. ``observed`` fills as files are read; ``findings`` say which could not be."""

    def __init__(
        self, package: OpenPackage, *, files: tuple[FoundFile, ...], storage: Storage, limits: Limits, advance: Advance | None
    ) -> None:
        self._package = package
        self._storage = storage
        self._limits = limits
        self._advance = advance
        self._lock = Lock()
        self._whole: dict[PackagePath, bytes] = {}
        self._open: dict[PackagePath, FileSource] = {}
        self.files = files
        self.paths = {f.path: f for f in files}
        self.sealed: dict[PackagePath, SealedMemory] = {}
        self.observed: dict[PackagePath, Observed] = {}
        self.findings: list[Finding] = []

    def read_whole(self, path: PackagePath, *, max_bytes: int) -> bytes:
        """The file's bytes, kept for hashing. Raises ``InputError``, ``OutsideError``."""
        if path not in self._whole:
            with self._package.open_file(path) as source:
                self._whole[path] = source.read_all(max_bytes=max_bytes)
        return self._whole[path]

    def hold(self, path: PackagePath) -> ByteSource:
        """The file as a source of exactly the bytes that will be hashed."""
        if self._storage is Storage.SEALED:
            return self._seal(path)
        source = self._package.open_file(path)
        if source.size > _WHOLE_BYTES:
            self._open[path] = source
            return source
        with source:
            self._whole[path] = source.read_all(max_bytes=_WHOLE_BYTES)
        return MemorySource(self._whole[path])

    def _seal(self, path: PackagePath) -> SealedMemory:
        with self._package.open_file(path) as source:
            memory = seal_file(source)
        with self._lock:
            self.sealed[path] = memory
        return memory

    def read_rest(self, weights: frozenset[PackagePath], *, algorithms: frozenset[Algorithm]) -> None:
        """Reads and hashes every file that has not been, in parallel; weights are held as the storage says.

        Raises ``OutsideError``. A file that changes or vanishes meanwhile is a finding and has no digest.
        """
        ordered = tuple(sorted(algorithms, key=lambda a: a.value))
        jobs = [(f.size, partial(self._read_one, f.path, ordered, seal=f.path in weights)) for f in self.files]
        run_largest_first(jobs)

    def _read_one(self, path: PackagePath, algorithms: tuple[Algorithm, ...], *, seal: bool) -> None:
        try:
            size, digests = self._digests(path, algorithms, seal=seal)
        except InputError as err:
            finding = finding_of(err, code="MLS104" if err.code == "file.kind" else "MLS111", where=str(path))
            with self._lock:
                self.findings.append(finding)
            return
        observed = Observed(size=size, digests={digest.algorithm: digest for digest in digests})
        with self._lock:
            self.observed[path] = observed

    def _digests(self, path: PackagePath, algorithms: tuple[Algorithm, ...], *, seal: bool) -> tuple[int, tuple[Digest, ...]]:
        if seal and self._storage is Storage.SEALED and path not in self.sealed:
            self._seal(path)
        if path in self.sealed:
            memory = self.sealed[path]
            return memory.size, hash_memory(memory.view, algorithms=algorithms, advance=self._advance)
        if path in self._whole:
            data = self._whole[path]
            return len(data), hash_memory(memoryview(data), algorithms=algorithms, advance=self._advance)
        source = self._open.get(path) or self._package.open_file(path)
        with source:
            return source.size, hash_source(source, algorithms=algorithms, advance=self._advance)

    def close(self) -> None:
        """Gives back descriptors and memory; what was sealed is gone unless it was taken with ``take_sealed``."""
        for source in self._open.values():
            source.close()
        for memory in self.sealed.values():
            memory.close()
        self._whole.clear()
        self.sealed = {}

    def take_sealed(self) -> dict[PackagePath, SealedMemory]:
        """Hands the sealed memory to the caller, who closes it."""
        taken, self.sealed = self.sealed, {}
        return taken
