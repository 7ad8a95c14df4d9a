"""Two sequences side by side: a long common subsequence, as ``diff`` finds it (Myers 1986), in bounded time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_MAX_EDITS: Final = 400
"""Insertions and deletions looked through before the furthest way so far is taken for good."""
_MAX_STEPS: Final = 2_000_000
"""One or two seconds of work."""
_NOWHERE: Final = -2


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


def _forward(a: Sequence[int], b: Sequence[int], x0: int, y0: int) -> tuple[tuple[int, int], list[list[int]], bool]:
    """How far so few edits lead from a place: where that is, the reach on each diagonal edit by edit, and whether it is the end.

    The diagonals of ``d`` edits are those from ``-d`` to ``d`` in steps of two; ``_NOWHERE`` is one that leads out.
    """
    trace: list[list[int]] = []
    width, height = len(a) - x0, len(b) - y0
    best = (0, 0)
    before = [0]  # on either side of it lies nothing
    for edits in range(_MAX_EDITS + 1):
        found: list[int] = []
        for place, diagonal in enumerate(range(-edits, edits + 1, 2)):
            left = before[place - 1] + 1 if place > 0 else _NOWHERE + 1
            down = before[place] if place < edits else _NOWHERE
            x = max(left, down) if edits else 0
            y = x - diagonal
            if x < 0 or y < 0 or x > width or y > height:
                found.append(_NOWHERE)
                continue
            while x < width and y < height and a[x0 + x] == b[y0 + y]:
                x += 1
                y += 1
            found.append(x)
            if x + y > best[0] + best[1]:
                best = x, y
            if x >= width and y >= height:
                found += [_NOWHERE] * (edits - place)
                trace.append(found)
                return (len(a), len(b)), trace, True
        trace.append(found)
        before = found
    return (x0 + best[0], y0 + best[1]), trace, False


def _path(trace: list[list[int]], x0: int, y0: int, end: tuple[int, int]) -> list[tuple[int, int]]:
    """The pairs on the way to ``end``, from the reaches that led there."""
    x, y = end[0] - x0, end[1] - y0
    edits = next(index for index, found in enumerate(trace) if _on(found, index, x - y) == x)
    pairs: list[tuple[int, int]] = []
    while edits > 0:
        diagonal, before = x - y, trace[edits - 1]
        left, down = (_on(before, edits - 1, diagonal + side) for side in (-1, 1))
        from_x, from_diagonal = (left, diagonal - 1) if left + 1 > down else (down, diagonal + 1)
        begin = from_x + (from_diagonal < diagonal)
        pairs += [(x0 + i, y0 + i - diagonal) for i in range(x - 1, begin - 1, -1)]
        x, y = from_x, from_x - from_diagonal
        edits -= 1
    pairs += [(x0 + i, y0 + i) for i in range(x - 1, -1, -1)]
    return pairs[::-1]


def _on(found: list[int], edits: int, diagonal: int) -> int:
    """The reach on a diagonal after so many edits."""
    place, odd = divmod(diagonal + edits, 2)
    return found[place] if not odd and 0 <= place < len(found) else _NOWHERE
