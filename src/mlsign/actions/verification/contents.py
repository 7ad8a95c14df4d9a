"""The bytes of a package while it is examined: each file opened once, read once, held where that is needed.

A file's digest and whatever else is read of it come from the same bytes: from memory for small files and
sealed ones; for big files on disk from one descriptor whose state is checked after the last read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from functools import partial
from threading import Lock
from typing import Final

from mlsign.actions._model import code_of
from mlsign.actions.verification.known import KnownFiles
from mlsign.compare.content import Observed
from mlsign.digest import Algorithm, Digest
from mlsign.errors import InputError
from mlsign.evidence.findings import Finding, finding_of
from mlsign.formats.statement import Sharding
from mlsign.limits import KIB, MIB, MIN_STORED_BYTES, Limits
from mlsign.package.crew import Job, Worker, run_largest_first
from mlsign.package.file_source import FileSource
from mlsign.package.hashing import Hasher, ShardHasher, hash_memory, hash_source, is_wide, new_hasher
from mlsign.package.read import OpenPackage
from mlsign.package.recorded import RecordedSource
from mlsign.package.scan import FoundFile
from mlsign.package.sealed import SealedMemory, seal_file
from mlsign.package.stream import Advance, Consumer
from mlsign.paths import PackagePath
from mlsign.source import ByteSource, MemorySource

_FEW_BYTES: Final = 256 * KIB
"""Up to here, all files together, starting threads takes longer than what they would do."""
_WHOLE_BYTES: Final = 64 * MIB
"""A model up to this size is read once and both hashed and inspected from memory."""


class Storage(Enum):
    """Where model and weights are while they are examined: on disk, or in memory that nobody can change."""

    DISK = "disk"
    SEALED = "sealed"
    SEALED_UNVOUCHED = "sealed unvouched"
    """In memory even where no trusted signature asks for it, within a budget: for policies that only watch."""


class Sizes(Enum):
    """Whether the sizes in the manifest are the word of somebody who is trusted."""

    TRUSTED = "trusted"
    CLAIMED = "claimed"


class Contents:
    """What a package consists of. ``observed`` fills as files are read; ``findings`` say which could not be."""

    def __init__(
        self,
        package: OpenPackage,
        *,
        files: tuple[FoundFile, ...],
        limits: Limits,
        advance: Advance | None,
        known: KnownFiles | None = None,
    ) -> None:
        self._package = package
        self.known = KnownFiles() if known is None else known
        self.limits = limits
        self._advance = advance
        self._lock = Lock()
        self._whole: dict[PackagePath, bytes] = {}
        self._open: dict[PackagePath, RecordedSource] = {}
        self._sealable: frozenset[PackagePath] = frozenset()
        self._trusted_sizes = False
        self._sizes: Mapping[PackagePath, int] = {}
        self._algorithms: tuple[Algorithm, ...] = ()
        self._shards: Mapping[PackagePath, frozenset[tuple[Sharding, int]]] = {}
        self._budget = 0
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

    def keep(self, paths: Iterable[PackagePath], *, max_bytes: int) -> None:
        """Keeps these files, as far as ``max_bytes`` go: what is hashed is then what ``kept`` gives. Raises ``OutsideError``.

        What cannot be kept is left to ``read_rest``, which says what is wrong with it.
        """
        left = max_bytes
        for path in paths:
            found = self.paths.get(path)
            if found is None or found.size != self._sizes.get(path, found.size) or found.size > left:
                continue
            with suppress(InputError):
                left -= len(self.read_whole(path, max_bytes=found.size))

    def kept(self, path: PackagePath) -> bytes | None:
        """The bytes of a file as they were hashed, None where it was not kept."""
        return self._whole.get(path) if path in self.observed else None

    def expect(self, *, sizes: Mapping[PackagePath, int]) -> None:
        """Sizes that a manifest gives; a file of another size is changed, and is not read to find that out."""
        self._sizes = sizes

    def want(self, algorithms: Iterable[Algorithm], shards: Mapping[PackagePath, frozenset[tuple[Sharding, int]]]) -> None:
        """Which digests are computed of every file, and which files are hashed by shards as well.

        Each sharding comes with the size that the file must have for that. To be said before anything is held or read.
        """
        self._algorithms = tuple(sorted(algorithms, key=lambda a: a.value))
        self._shards = shards

    def allow_sealing(self, paths: Iterable[PackagePath], *, sizes: Sizes) -> None:
        """Which files may be copied into memory, and whether the sizes in the manifest say how much that may take.

        Without such sizes all of them share ``limits.max_unsized_bytes``: strangers do not decide about our memory.
        """
        self._sealable = frozenset(paths)
        self._trusted_sizes = sizes is Sizes.TRUSTED
        self._budget = self.limits.max_unsized_bytes

    def hold(self, path: PackagePath) -> ByteSource:
        """The file as a source of exactly the bytes that are hashed. Raises ``InputError``, ``OutsideError``."""
        if self._share(path) is not None:
            return self.sealed[path]
        source = self._package.open_file(path)
        if self._may_seal(path, source):
            with source:
                self._seal(path, source, worker=None)
            return self.sealed[path]
        if source.size > _WHOLE_BYTES:
            self._open[path] = RecordedSource(source)
            return self._open[path]
        with source:
            self._whole[path] = source.read_all(max_bytes=_WHOLE_BYTES)
        return MemorySource(self._whole[path])

    def _may_seal(self, path: PackagePath, source: FileSource) -> bool:
        # A file of another size than the manifest says is changed; it is not copied to find that out.
        return path in self._sealable and self._sizes.get(path, source.size) == source.size

    def _seal(self, path: PackagePath, source: FileSource, *, worker: Worker | None) -> Observed:
        """Copies the file into sealed memory; what is written there is hashed on its way."""
        if not (self._trusted_sizes and path in self._sizes):
            self._charge(path, source.size)
        plan = _Plan(self._algorithms, self._sharding(path, size=source.size), size=source.size)
        memory = seal_file(source, consumers=plan.consumers, worker=worker, advance=self._advance)
        observed = plan.observed()
        memory.digests.update(observed.digests)
        with self._lock:
            self.sealed[path] = memory
            self.observed[path] = observed
        return observed

    def _share(self, path: PackagePath) -> Observed | None:
        """Takes memory that is sealed already in place of the file, where somebody who is trusted names its digest and size."""
        found = self.paths.get(path)
        if found is None or not (self._trusted_sizes and path in self._sealable and self._sizes.get(path) == found.size):
            return None
        memory = self.known.share(path, size=found.size)
        if memory is None:
            return None
        with self._lock:
            self.sealed[path] = memory
        observed = self._observe_shared(path, memory)
        self.observed[path] = observed
        return observed

    def _observe_shared(self, path: PackagePath, memory: SealedMemory) -> Observed:
        plan = _Plan((), self._sharding(path, size=memory.size), size=memory.size)
        if plan.consumers:
            for consume in plan.consumers:
                consume(memory.view)
            memory.unmap()
        if self._advance is not None:
            self._advance(memory.size)
        return plan.observed(memory.hashed(self._algorithms))

    def _charge(self, path: PackagePath, size: int) -> None:
        with self._lock:
            self._budget -= size
            left = self._budget
        if left < 0:
            raise InputError(
                f"{path} takes more memory than is given on a stranger's word",
                code="sealed.budget",
                where=str(path),
                expected=f"{self.limits.max_unsized_bytes} bytes in all",
                found=f"{size} bytes",
                hint="pack the model with mlsign: the sizes in a signed manifest say how much memory it takes",
            )

    def read_rest(self, weights: frozenset[PackagePath]) -> None:
        """Reads and hashes every file that has not been, in parallel; weights are held as the storage says.

        Raises ``OutsideError``. A file that changes or vanishes meanwhile is a finding and has no digest.
        """
        # One after the other where each keeps every processor busy by itself.
        wide = [f for f in self.files if is_wide(f.size, algorithms=self._algorithms)]
        run_largest_first(self._jobs(wide, weights), workers=1)
        rest = [f for f in self.files if not is_wide(f.size, algorithms=self._algorithms)]
        few = sum(f.size for f in rest) <= _FEW_BYTES
        run_largest_first(self._jobs(rest, weights), workers=1 if few else None)

    def _jobs(self, files: Iterable[FoundFile], weights: frozenset[PackagePath]) -> Iterator[tuple[int, Job]]:
        return ((f.size, partial(self._read_one, f.path, f.path in weights)) for f in files if f.path not in self.observed)

    def _read_one(self, path: PackagePath, seal: bool, worker: Worker) -> None:
        try:
            observed = self._observe(path, worker, seal=seal)
        except InputError as err:
            self.findings.append(finding_of(err, code=code_of(err), where=str(path)))
            return
        self.observed[path] = observed

    def _observe(self, path: PackagePath, worker: Worker, *, seal: bool) -> Observed:
        if (whole := self._whole.get(path)) is not None:
            return self._observe_memory(path, memoryview(whole))
        if seal and (shared := self._share(path)) is not None:
            return shared
        held = self._open.get(path)
        with self._package.open_file(path) if held is None else held.source as source:
            if self._sizes.get(path, source.size) != source.size:
                return Observed(size=source.size, digests={})
            if seal and self._may_seal(path, source):
                return self._seal(path, source, worker=worker)
            if source.size < MIN_STORED_BYTES and held is None and path not in self._shards:  # most files, and no store has one
                digests = hash_source(source, algorithms=self._algorithms, worker=worker, advance=self._advance)
                return Observed(size=source.size, digests={digest.algorithm: digest for digest in digests})
            shards = self._sharding(path, size=source.size)
            plan = _Plan((), shards, size=source.size)
            if held is None and not shards and (recalled := self._recall(path, source)) is not None:
                return plan.observed(recalled)
            # What was inspected before must be what is hashed now; a time stamp would not tell.
            consumers = plan.consumers if held is None else [*plan.consumers, held.comparer()]
            with self.known.learning(path, source, algorithms=self._algorithms) as learnt:
                digests = hash_source(
                    source, algorithms=self._algorithms, consumers=consumers, worker=worker, advance=self._advance
                )
                learnt.extend(digests)
            return plan.observed(digests)

    def _recall(self, path: PackagePath, source: FileSource) -> tuple[Digest, ...] | None:
        recalled = self.known.recall(path, source, algorithms=self._algorithms)
        if recalled is not None and self._advance is not None:
            self._advance(source.size)
        return recalled

    def _observe_memory(self, path: PackagePath, view: memoryview) -> Observed:
        plan = _Plan((), self._sharding(path, size=len(view)), size=len(view))
        for consume in plan.consumers:
            consume(view)
        return plan.observed(hash_memory(view, algorithms=self._algorithms, advance=self._advance))

    def _sharding(self, path: PackagePath, *, size: int) -> tuple[Sharding, ...]:
        # A file of another size is changed; how many shards it has then is nobody's business.
        return tuple(sharding for sharding, expected in self._shards.get(path, ()) if expected == size)

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


class _Plan:
    """Which digests of one file of ``size`` bytes are made, and the consumers of its chunks that make them."""

    def __init__(self, algorithms: tuple[Algorithm, ...], shards: tuple[Sharding, ...], *, size: int) -> None:
        self._size = size
        self._hashers: dict[Algorithm, Hasher] = {a: new_hasher(a, size=size) for a in algorithms}
        # One shard is the whole file.
        self._shards = {s: ShardHasher(s, size=size) if s.shard_size < size else None for s in shards}
        self.consumers: list[Consumer] = [hasher.update for hasher in self._hashers.values()]
        self.consumers += [hasher.update for hasher in self._shards.values() if hasher is not None]

    def observed(self, digests: tuple[Digest, ...] = ()) -> Observed:
        """What was seen, with these ``digests`` that were made elsewhere. To be called once, after the last chunk."""
        known = {digest.algorithm: digest for digest in digests}
        known |= {a: Digest(algorithm=a, value=hasher.digest()) for a, hasher in self._hashers.items()}
        return Observed(
            size=self._size,
            digests=known,
            shards={s: (known[s.algorithm],) if hasher is None else hasher.digests() for s, hasher in self._shards.items()},
        )
