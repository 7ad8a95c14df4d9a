"""Whether bytes end as a ZIP archive does, whatever they begin with.

A ZIP archive is read from its end (APPNOTE.TXT 4.3.1), so one file can be a model for a runtime and an archive for the next tool
that takes it: Python runs one that has a ``__main__.py``. Weights leave room for one, and a model that is read as it should be has
nothing to say of them.
"""

from __future__ import annotations

import struct
from typing import Final

from mlsign.source import ByteSource

_END: Final = b"PK\x05\x06"
_END_BYTES: Final = 22
_MAX_COMMENT_BYTES: Final = 0xFFFF
_ENTRY: Final = b"PK\x01\x02"
_END_LOCATOR_64: Final = b"PK\x06\x07"
_END_LOCATOR_64_BYTES: Final = 20


def ends_as_archive(source: ByteSource) -> bool:
    """Whether one of the last 64 KiB of ``source`` starts the end record of a ZIP archive that has an entry."""
    start = max(0, source.size - _END_BYTES - _MAX_COMMENT_BYTES)
    tail = source.read_at(start, source.size - start)
    at = tail.rfind(_END, 0, max(0, len(tail) - _END_BYTES + len(_END)))
    while at >= 0:
        if _names_entries(source, tail, start, at):
            return True
        at = tail.rfind(_END, 0, at + len(_END) - 1)
    return False


def _names_entries(source: ByteSource, tail: bytes, start: int, at: int) -> bool:
    """Whether the end record at ``at`` has its directory right before it, where it says, or named by another record (ZIP64)."""
    if tail.startswith(_END_LOCATOR_64, max(0, at - _END_LOCATOR_64_BYTES)):
        return True
    size, offset = struct.unpack_from("<II", tail, at + 12)
    last = start + at - len(_ENTRY)
    return any(0 <= place <= last and source.read_at(place, len(_ENTRY)) == _ENTRY for place in (start + at - size, offset))
