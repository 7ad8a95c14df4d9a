"""The common subsequence of two sequences is as long as there is one, and found in bounded time."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mlsign.compare.graphs import alignment
from mlsign.compare.graphs.alignment import align

SEQUENCES = st.lists(st.integers(0, 3), max_size=14)


def longest(a: list[int], b: list[int]) -> int:
    """By the table that everybody knows."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@given(SEQUENCES, SEQUENCES)
def test_it_is_a_longest_common_subsequence(a: list[int], b: list[int]) -> None:
    found = align(a, b)
    assert found.exact
    assert len(found.pairs) == longest(a, b)
    assert all(a[i] == b[j] for i, j in found.pairs)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(found.pairs))


def test_sequences_that_differ_in_very_many_places_are_aligned_as_far_as_work_goes(monkeypatch) -> None:
    monkeypatch.setattr(alignment, "_MAX_EDITS", 5)
    a, b = list(range(100)), list(range(50, 150))
    found = align(a, b)
    assert not found.exact
    assert all(a[i] == b[j] for i, j in found.pairs)
    monkeypatch.setattr(alignment, "_MAX_STEPS", 10)
    short = align(a, [*b[::-1], *a])
    assert not short.exact
    assert len(short.pairs) < 100
