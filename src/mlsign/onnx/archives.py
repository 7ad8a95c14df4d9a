"""Whether bytes end as a ZIP archive does, whatever they begin with; and the names of what is in one that begins as one.

A ZIP archive is read from its end (APPNOTE.TXT 4.3.1), so one file can be a model for a runtime and an archive for the next tool
that takes it: Python runs one that has a ``__main__.py``. Weights leave room for one, and a model that is read as it should be has
nothing to say of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from mlsign.source import ByteSource

_END: Final = b"PK\x05\x06"
_END_BYTES: Final = 22
_MAX_COMMENT_BYTES: Final = 0xFFFF
_ENTRY: Final = b"PK\x01\x02"
_END_LOCATOR_64: Final = b"PK\x06\x07"
_END_LOCATOR_64_BYTES: Final = 20
_ENTRY_BYTES: Final = 46
_FIRST_BYTES: Final = 30
_MAX_NAMES: Final = 256
_MAX_NAME_BYTES: Final = 512
_MAX_DIRECTORY_BYTES: Final = 64 * 1024
"""What is read of a directory to tell what kind of archive it is."""


def ends_as_archive(source: ByteSource) -> bool:
    """Whether one of the last 64 KiB of ``source`` starts the end record of a ZIP archive that has an entry."""
    start, tail = _tail(source)
    return any(_names_entries(source, tail, start, at) for at in _ends(tail))


def member_names(source: ByteSource) -> tuple[bytes, ...]:
    """Names in an archive, the first ones of its directory, else that of its first member; none where neither can be read.

    A guess, good for advice alone: readers of archives differ on hostile ones.
    """
    start, tail = _tail(source)
    for at in _ends(tail):
        size, offset = struct.unpack_from("<II", tail, at + 12)
        for place in (start + at - size, offset):
            if 0 <= place < start + at and source.read_at(place, len(_ENTRY)) == _ENTRY:
                return _listed(source.read_at(place, min(max(size, _ENTRY_BYTES), _MAX_DIRECTORY_BYTES, source.size - place)))
    first = source.read_at(0, min(_FIRST_BYTES + _MAX_NAME_BYTES, source.size))
    return (first[_FIRST_BYTES : _FIRST_BYTES + int.from_bytes(first[26:28], "little")],)


def _tail(source: ByteSource) -> tuple[int, bytes]:
    """Where the last bytes start that can hold an end record, and these bytes."""
    start = max(0, source.size - _END_BYTES - _MAX_COMMENT_BYTES)
    return start, source.read_at(start, source.size - start)


def _ends(tail: bytes) -> Iterator[int]:
    """Where in ``tail`` an end record may start, the last one first."""
    at = tail.rfind(_END, 0, max(0, len(tail) - _END_BYTES + len(_END)))
    while at >= 0:
        yield at
        at = tail.rfind(_END, 0, at + len(_END) - 1)


def _listed(directory: bytes) -> tuple[bytes, ...]:
    """The names of the entries that ``directory`` starts with."""
    names: list[bytes] = []
    at = 0
    while len(names) < _MAX_NAMES and directory.startswith(_ENTRY, at) and at + _ENTRY_BYTES <= len(directory):
        name, extra, comment = struct.unpack_from("<HHH", directory, at + 28)
        names.append(directory[at + _ENTRY_BYTES : at + _ENTRY_BYTES + name])
        at += _ENTRY_BYTES + name + extra + comment
    return tuple(names)


def _names_entries(source: ByteSource, tail: bytes, start: int, at: int) -> bool:
    """Whether the end record at ``at`` has its directory right before it, where it says, or named by another record (ZIP64)."""
    if tail.startswith(_END_LOCATOR_64, max(0, at - _END_LOCATOR_64_BYTES)):
        return True
    size, offset = struct.unpack_from("<II", tail, at + 12)
    last = start + at - len(_ENTRY)
    return any(0 <= place <= last and source.read_at(place, len(_ENTRY)) == _ENTRY for place in (start + at - size, offset))
