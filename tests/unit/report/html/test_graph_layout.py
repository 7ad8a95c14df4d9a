"""Boxes stand above what takes from them, beside each other without touching, and in bounded work."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsign.report.html.layout import GAP, ROW, layout


def rows(widths, places):
    found = {}
    for box, y in enumerate(places.y):
        found.setdefault(y, []).append(box)
    return [sorted(row, key=lambda box: places.x[box]) for _, row in sorted(found.items())]


def check_apart(widths, places):
    for row in rows(widths, places):
        for one, other in pairwise(row):
            assert places.x[other] - places.x[one] >= (widths[one] + widths[other]) / 2 + GAP - 1
    assert all(places.x[box] - widths[box] / 2 >= -1 for box in range(len(widths)))


def test_a_chain_stands_in_one_column():
    places = layout([100] * 4, [(0, 1), (1, 2), (2, 3)])
    assert places.x == (50, 50, 50, 50)
    assert places.y == (0, ROW, 2 * ROW, 3 * ROW)


def test_a_fork_is_drawn_side_by_side_and_joined_below():
    places = layout([100] * 4, [(0, 1), (0, 2), (1, 3), (2, 3)])
    assert places.y == (0, ROW, ROW, 2 * ROW)
    assert places.x[1] != places.x[2]
    assert places.x[0] == places.x[3] == (places.x[1] + places.x[2]) / 2


def test_what_begins_stands_right_above_where_it_is_taken():
    places = layout([80] * 5, [(0, 1), (1, 2), (2, 4), (3, 4)])
    assert places.y[3] == places.y[4] - ROW


def test_a_chain_stays_straight_whatever_begins_beside_it():
    """As in networks whose scales and shifts are nodes: each step would go aside by half a box, for hundreds of steps."""
    links, sides = 40, []
    for link in range(1, links):
        sides.append((links + link, link))
    order = sorted(range(2 * links), key=lambda box: (box % links, box < links))
    place = {box: index for index, box in enumerate(order)}
    edges = [(place[link], place[link + 1]) for link in range(links - 1)] + [(place[a], place[b]) for a, b in sides]
    places = layout([100] * (2 * links), edges)
    spine = [places.x[place[link]] for link in range(links)]
    assert max(spine) - min(spine) <= 2 * (100 + GAP)


def test_lines_do_not_cross_where_they_need_not():
    # 0 -> 3, 1 -> 2: in the order of the file they would cross.
    places = layout([80] * 4, [(0, 3), (1, 2)])
    assert (places.x[0] < places.x[1]) == (places.x[3] < places.x[2])


def test_nothing_is_something_too():
    assert layout([], []).x == ()
    assert layout([80], []).x == (40,)


def test_a_layer_of_thousands_becomes_rows():
    places = layout([100] * 10_000, [])
    assert max(places.x) < 20_000
    assert len(set(places.y)) > 40
    check_apart([100] * 10_000, places)


@pytest.mark.parametrize(
    "edges",
    [
        [(box, box + 1) for box in range(9_999)],
        [(0, box) for box in range(1, 10_000)] * 10,
        [(box, 9_999) for box in range(9_999)] * 10,
        [(box + 1, box) for box in range(9_999)],
        [(box, (box * 7919) % 10_000) for box in range(10_000)] * 10,
    ],
    ids=["a long chain", "a fan of 100,000 lines", "a funnel of 100,000", "all lines lead back", "a tangle"],
)
def test_hostile_graphs_are_laid_out(edges):
    widths = [76 + box % 90 for box in range(10_000)]
    check_apart(widths, layout(widths, edges))


@given(st.data())
def test_every_graph_is_laid_out_apart_and_downwards(data):
    widths = data.draw(st.lists(st.integers(76, 230), min_size=1, max_size=30))
    ends = st.integers(0, len(widths) - 1)
    edges = data.draw(st.lists(st.tuples(ends, ends), max_size=80))
    places = layout(widths, edges)
    check_apart(widths, places)
    assert all(places.y[source] < places.y[target] for source, target in edges if source < target)
    assert places == layout(widths, edges)
