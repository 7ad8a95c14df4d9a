"""A file that is inspected first and hashed later, with a check that both saw the same bytes.

Times cannot tell: a store through a shared memory mapping changes a file without moving its change time. So
whatever the inspector read is kept, and the hashing pass compares it with what it hashes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mlsign.errors import InputError
from mlsign.limits import MIB
from mlsign.package.file_source import FileSource, changed

_MAX_RECORDED_BYTES: Final = 2048 * MIB
"""An inspector reads structure, not weights; beyond this it is no model that anybody has seen."""


class RecordedSource:
    """A ``ByteSource`` over an open file that remembers what was read of it. Owns the file."""

    def __init__(self, source: FileSource) -> None:
        self.source = source
        self._reads: list[tuple[int, bytes]] = []
        self._total = 0

    @property
    def size(self) -> int:
        return self.source.size

    def read_at(self, offset: int, length: int) -> bytes:
        """As ``FileSource.read_at``; raises ``InputError`` (``file.structure``) beyond what can be remembered."""
        self._total += length
        if self._total > _MAX_RECORDED_BYTES:
            raise InputError("has too much structure to inspect", code="file.structure", where=self.source.where)
        data = self.source.read_at(offset, length)
        self._reads.append((offset, data))
        return data

    def comparer(self) -> Callable[[memoryview], None]:
        """To be called with every chunk of the file in order; raises ``InputError`` (``file.changed``) on a difference."""
        waiting = sorted(self._reads, key=lambda read: read[0], reverse=True)
        active: list[tuple[int, memoryview]] = []
        position = 0

        def compare(chunk: memoryview) -> None:
            nonlocal position, active
            end = position + len(chunk)
            while waiting and waiting[-1][0] < end:
                offset, data = waiting.pop()
                active.append((offset, memoryview(data)))
            for offset, kept in active:
                start, stop = max(offset, position), min(offset + len(kept), end)
                if start < stop and kept[start - offset : stop - offset] != chunk[start - position : stop - position]:
                    raise changed(self.source.where)
            active = [read for read in active if read[0] + len(read[1]) > end]
            position = end

        return compare

    def close(self) -> None:
        self._reads.clear()
        self.source.close()
