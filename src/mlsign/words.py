"""How numbers are spelled for people."""

from __future__ import annotations

from typing import Final

_BEYOND: Final = 10**18
"""Bytes that nobody has, so nobody needs their number."""


def size(count: int) -> str:
    """Bytes in the largest unit that leaves a number of one to three digits: ``6.2 kB``, ``1.5 GB``."""
    if count >= _BEYOND:
        return "more than 1000000 TB"  # a shape can ask for more bytes than a float has digits for
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def counted(count: int, word: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
