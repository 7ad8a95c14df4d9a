"""Two sequences side by side: a long common subsequence, as ``diff`` finds it (Myers 1986), in bounded time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_MAX_EDITS: Final = 400
"""Insertions and deletions looked through before the furthest way so far is taken for good."""
_MAX_STEPS: Final = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """Pairs of places with equal values, ascending in both; ``exact`` when none longer exists."""

    pairs: tuple[tuple[int, int], ...]
    exact: bool


def align(before: Sequence[int], after: Sequence[int]) -> Aligned:
    """A common subsequence, the longest unless the two differ in very many places."""
    pairs: list[tuple[int, int]] = []
    x = y = 0
    left, exact = _MAX_STEPS, True
    while x < len(before) and y < len(after):
        end, trace, whole = _forward(before, after, x, y)
        left -= sum(map(len, trace))
        pairs += _path(trace, x, y, end)
        exact = exact and whole
        if left <= 0 and not whole:
            break
        x, y = end
    return Aligned(pairs=tuple(pairs), exact=exact)


def _forward(a: Sequence[int], b: Sequence[int], x0: int, y0: int) -> tuple[tuple[int, int], list[dict[int, int]], bool]:
    """How far so few edits lead from a place: where that is, the reach on each diagonal edit by edit, and whether it is the end."""
    reach = {1: 0}
    trace: list[dict[int, int]] = []
    width, height = len(a) - x0, len(b) - y0
    best = (0, 0)
    for edits in range(_MAX_EDITS + 1):
        found: dict[int, int] = {}
        for diagonal in range(-edits, edits + 1, 2):
            down = diagonal == -edits or (diagonal != edits and reach.get(diagonal - 1, -1) < reach.get(diagonal + 1, -1))
            x = reach.get(diagonal + 1, -1) if down else reach.get(diagonal - 1, -1) + 1
            y = x - diagonal
            if x < 0 or y < 0 or x > width or y > height:
                continue
            while x < width and y < height and a[x0 + x] == b[y0 + y]:
                x += 1
                y += 1
            found[diagonal] = x
            best = max(best, (x, y), key=sum)
            if x >= width and y >= height:
                trace.append(found)
                return (len(a), len(b)), trace, True
        trace.append(found)
        reach = found
    return (x0 + best[0], y0 + best[1]), trace, False


def _path(trace: list[dict[int, int]], x0: int, y0: int, end: tuple[int, int]) -> list[tuple[int, int]]:
    """The pairs on the way to ``end``, from the reaches that led there."""
    x, y = end[0] - x0, end[1] - y0
    edits = next(index for index, found in enumerate(trace) if found.get(x - y) == x)
    pairs: list[tuple[int, int]] = []
    while edits > 0:
        diagonal, before = x - y, trace[edits - 1]
        down = diagonal == -edits or (diagonal != edits and before.get(diagonal - 1, -1) < before.get(diagonal + 1, -1))
        from_x = before[diagonal + 1] if down else before[diagonal - 1]
        from_y = from_x - (diagonal + 1 if down else diagonal - 1)
        begin = from_x if down else from_x + 1
        pairs += [(x0 + i, y0 + i - diagonal) for i in range(x - 1, begin - 1, -1)]
        x, y = from_x, from_y
        edits -= 1
    pairs += [(x0 + i, y0 + i) for i in range(x - 1, -1, -1)]
    return pairs[::-1]
