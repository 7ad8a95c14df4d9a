"""How much of a model may be made while it is loaded. Runs in the confined process.

What is made stands in protobuf, which does not say that there is no memory, but crashes.
"""

from __future__ import annotations

from typing import Final

_SHARE: Final = 4
"""One part of the memory may be made: it is made outside of protobuf, copied into it, and copied again by the evaluator."""


class Room:
    """What is left of the memory that a model may have."""

    def __init__(self, memory_bytes: int) -> None:
        self._left = memory_bytes // _SHARE

    def take(self, size: int) -> None:
        """So many bytes are going to be made. Raises ``MemoryError``."""
        self._left -= size
        if self._left < 0:
            raise MemoryError
