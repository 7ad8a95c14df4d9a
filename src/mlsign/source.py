"""Random access to bytes that somebody else holds open.

Readers take a ``ByteSource`` and never a path, so the bytes they read are the bytes that were opened.
"""

from __future__ import annotations

from typing import Protocol

from mlsign.errors import InputError


class ByteSource(Protocol):
    """Bytes of a known size. ``read_at`` returns exactly ``length`` bytes or raises."""

    @property
    def size(self) -> int:
        """Size in bytes; does not change."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes from ``offset``. Raises ``InputError`` (``source.truncated``)."""


class MemorySource:
    """A ``ByteSource`` over bytes in memory, or over a mapping of sealed memory."""

    __slots__ = ("_view",)

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._view = memoryview(data).cast("B")

    @property
    def size(self) -> int:
        return len(self._view)

    def read_at(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0 or offset + length > len(self._view):
            raise InputError(
                f"{length} bytes at {offset} asked of a source of {len(self._view)} bytes",
                code="source.truncated",
            )
        return bytes(self._view[offset : offset + length])

    def release(self) -> None:
        """Lets go of the memory, also when somebody, an exception's traceback for instance, still holds this source."""
        self._view.release()
