"""Which node of one body is which node of another, found by what nodes do and where they stand, never by what they are called.

From what is certain to what is likely: nodes that are alone in what leads to them and what follows from them; then neighbours of
nodes that are matched; nodes that are alone in their surroundings; twins, in the order of the structure; the longest common
sequence of what is left; and last, nodes of one kind that share neighbours. First for nodes that do exactly the same, then for
those whose weights have other shapes or whose attributes differ. Each step is near linear in nodes and edges.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from mlsign.compare.graphs.alignment import align
from mlsign.compare.graphs.bodies import Body, SourceKind
from mlsign.compare.graphs.keys import Interner, Keys, Level, labelling, ordered

NOBODY: Final = -1
_ROUNDS: Final = 6
"""How far around a node is looked for what tells it from others: so many nodes in every direction."""
_MANY_NEIGHBOURS: Final = 64
"""A node with more neighbours says nothing of which of them is which."""
_PRUNINGS: Final = 4
_MAX_BETWEEN: Final = 24
"""Nodes that are put in, or taken out, between two that stay neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """``pairs[i]`` is the node of the second body that node ``i`` of the first is, ``NOBODY`` where there is none.

    ``exact`` is False when bounds on work kept the search from trying everything that it knows.
    """

    pairs: tuple[int, ...]
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """One of two bodies, and the numbers for its nodes."""

    body: Body
    keys: Keys


def match_bodies(
    first: Half, second: Half, *, interner: Interner, inputs: Mapping[int, int], outputs: Mapping[int, int]
) -> Matched:
    """The nodes of the first body in the second. ``inputs`` and ``outputs`` say which of the second's is which of the first's, by
    their places; all that is not in them is alone.
    """
    search = _Search(first, second, interner=interner, inputs=inputs, outputs=outputs)
    for level in Level:
        search.run(level)
    return Matched(pairs=tuple(search.pairs[0]), exact=search.exact or search.is_over())


class _Side:
    """A body with the numbers of one level."""

    def __init__(self, half: Half, *, number: int, inputs: Mapping[int, int], outputs: Mapping[int, int]) -> None:
        self.body = half.body
        self.keys = half.keys
        self.number = number
        self.inputs = inputs
        self.order = ordered(half.body)
        self.place = {index: place for place, index in enumerate(self.order)}
        self.ends: dict[int, list[tuple[int, int]]] = {}
        for index, (_, source) in enumerate(half.body.outputs):
            if source.kind is SourceKind.NODE:
                self.ends.setdefault(source.place, []).append((source.output, outputs.get(index, index)))
        self.own: dict[int, int] = {}
        self.few: dict[int, tuple[int, ...]] = {}

    def neighbours(self, index: int) -> Iterator[int]:
        """Nodes beside a node, and as negative numbers the inputs and outputs of the body."""
        for source in self.body.sources[index]:
            if source.kind is SourceKind.NODE:
                yield source.place
            elif source.kind is SourceKind.INPUT:
                yield -2 - 2 * self.inputs.get(source.place, source.place)
        for _, _, user in self.body.users[index]:
            yield user
        for _, end in self.ends.get(index, ()):
            yield -3 - 2 * end


class _Search:
    def __init__(
        self, first: Half, second: Half, *, interner: Interner, inputs: Mapping[int, int], outputs: Mapping[int, int]
    ) -> None:
        self.interner = interner
        # Places of the second are told as those of the first; what only it has, as places that the first does not have.
        self.sides = (
            _Side(first, number=0, inputs={}, outputs={}),
            _Side(
                second,
                number=1,
                inputs=_renumbered(inputs, len(first.body.inputs), len(second.body.inputs)),
                outputs=_renumbered(outputs, len(first.body.outputs), len(second.body.outputs)),
            ),
        )
        self.pairs = ([NOBODY] * len(first.body.nodes), [NOBODY] * len(second.body.nodes))
        self.exact = True
        self.level = Level.WHOLE

    def run(self, level: Level) -> None:
        """Everything that can be matched on this level, given what is matched already."""
        self.level = level
        if not all(map(self.left, self.sides)):
            return
        for side in self.sides:
            side.own = {index: side.keys.node(side.body.nodes[index], level) for index in side.order}
        ups, downs = self._flow(upwards=True), self._flow(upwards=False)
        both = tuple({index: (up[index], down[index]) for index in up} for up, down in zip(ups, downs, strict=True))
        self._take_groups(both[0], both[1], twins=True)
        self._take_groups(*ups, twins=False)
        # Computed anew: what was matched by what leads to it decides about what is around it.
        self._take_groups(*self._flow(upwards=False), twins=False)
        self._spread(index for index in self.sides[0].order if self.pairs[0][index] != NOBODY)
        self._look_around()
        for flow in (True, False):
            self._take_groups(*self._flow(upwards=flow), twins=True)
        self._align()
        self._vote()

    def left(self, side: _Side) -> list[int]:
        """The nodes that are not matched, in the order of the structure."""
        pairs = self.pairs[side.number]
        return [index for index in side.order if pairs[index] == NOBODY]

    def is_over(self) -> bool:
        """Whether nothing is left that could be matched, so that no bound on work has kept anything from it."""
        kinds = ({side.keys.node(side.body.nodes[index], Level.OPERATOR) for index in self.left(side)} for side in self.sides)
        return set.isdisjoint(*kinds)

    def _flow(self, *, upwards: bool) -> tuple[dict[int, int], dict[int, int]]:
        """Numbers for the nodes that are left, by all that leads to them, or by all that follows from them; matched nodes stand for
        themselves.
        """
        made = self._up if upwards else self._down
        return made(self.sides[0]), made(self.sides[1])

    def _fixed(self, side: _Side, index: int) -> int | None:
        """The number of a matched node, the same on both sides."""
        other = self.pairs[side.number][index]
        if other == NOBODY:
            return None
        return self.interner.number(("matched", index if side.number == 0 else other))

    def _up(self, side: _Side) -> dict[int, int]:
        known: dict[int, int] = {}

        def node(index: int) -> int:
            fixed = self._fixed(side, index)
            return known.get(index, NOBODY) if fixed is None else fixed

        label = labelling(side.body, self.interner, node, self.level, side.inputs)
        for index in self.left(side):
            known[index] = self.interner.number(("up", side.own[index], *map(label, side.body.sources[index])))
        return known

    def _down(self, side: _Side) -> dict[int, int]:
        known: dict[int, int] = {}

        def node(index: int) -> int:
            fixed = self._fixed(side, index)
            return known.get(index, NOBODY) if fixed is None else fixed

        for index in reversed(self.left(side)):
            uses = [(output, position, node(user)) for output, position, user in side.body.users[index]]
            uses += [(output, NOBODY, end) for output, end in side.ends.get(index, ())]
            known[index] = self.interner.number(("down", side.own[index], *sorted(uses)))
        return known

    def _take_groups(self, first: Mapping[int, object], second: Mapping[int, object], *, twins: bool) -> None:
        """Matches what is alone with its number on both sides; with ``twins`` also as many as there are, in order."""
        groups: tuple[dict[object, list[int]], dict[object, list[int]]] = ({}, {})
        for number, (found, numbers) in enumerate(zip(groups, (first, second), strict=True)):
            for index in sorted(numbers, key=self.sides[number].place.__getitem__):
                found.setdefault(numbers[index], []).append(index)
        for key, alike in groups[0].items():
            ours, theirs = self._free(0, alike), self._free(1, groups[1].get(key, []))
            if len(ours) == len(theirs) == 1 or (twins and len(ours) == len(theirs)):
                for pair in zip(ours, theirs, strict=True):
                    self._take(*pair)

    def _free(self, number: int, nodes: Iterable[int]) -> list[int]:
        return [index for index in nodes if self.pairs[number][index] == NOBODY]

    def _take(self, ours: int, theirs: int) -> None:
        self.pairs[0][ours] = theirs
        self.pairs[1][theirs] = ours

    def _spread(self, matched: Iterable[int]) -> None:
        """Matches neighbours of matched nodes that stand in the same place beside them and are the same."""
        first, second = self.sides
        waiting = deque(matched)
        while waiting:
            ours = waiting.popleft()
            theirs = self.pairs[0][ours]
            for a, b in self._beside(first, second, ours, theirs):
                if self.pairs[0][a] == self.pairs[1][b] == NOBODY and first.own[a] == second.own[b]:
                    self._take(a, b)
                    waiting.append(a)

    def _beside(self, first: _Side, second: _Side, ours: int, theirs: int) -> Iterator[tuple[int, int]]:
        for a, b in zip(first.body.sources[ours], second.body.sources[theirs], strict=False):
            if a.kind is b.kind is SourceKind.NODE and a.output == b.output:
                yield a.place, b.place
        uses = tuple(self._lone_users(side, index) for side, index in ((first, ours), (second, theirs)))
        yield from ((user, uses[1][use]) for use, user in uses[0].items() if use in uses[1])

    def _lone_users(self, side: _Side, index: int) -> dict[tuple[int, int, int], int]:
        """Users of a node that are alone in how they use it and in what they are."""
        pairs = self.pairs[side.number]
        uses = [((o, p, side.own[user]), user) for o, p, user in side.body.users[index] if pairs[user] == NOBODY]
        count = Counter(use for use, _ in uses)
        return {use: user for use, user in uses if count[use] == 1}

    def _look_around(self) -> None:
        """Matches nodes that are alone in their surroundings, looked at ever wider."""
        labels = tuple({index: side.own[index] for index in self.left(side)} for side in self.sides)
        for _ in range(_ROUNDS):
            # What no node of the other side is can only become more special.
            common = set(labels[0].values()) & set(labels[1].values())
            if not common:
                return
            labels = tuple(self._wider(side, known, common) for side, known in zip(self.sides, labels, strict=True))
            before = len(labels[0])
            self._take_groups(*labels, twins=False)
            self._spread([index for index in labels[0] if self.pairs[0][index] != NOBODY])
            labels = tuple(
                {index: label for index, label in known.items() if self.pairs[side.number][index] == NOBODY}
                for side, known in zip(self.sides, labels, strict=True)
            )
            if len(labels[0]) == before and len(set(labels[0].values())) == 1:
                return

    def _wider(self, side: _Side, known: Mapping[int, int], common: Collection[int]) -> dict[int, int]:
        """The numbers of nodes by what is around them as well, of those whose number is a ``common`` one."""

        def node(index: int) -> int:
            fixed = self._fixed(side, index)
            return known.get(index, NOBODY) if fixed is None else fixed

        label = labelling(side.body, self.interner, node, self.level, side.inputs)
        out: dict[int, int] = {}
        for index, own in known.items():
            if own not in common:
                out[index] = own
                continue
            uses = sorted((o, p, node(user)) for o, p, user in side.body.users[index])
            ends = sorted(side.ends.get(index, ()))
            taken = tuple(map(label, side.body.sources[index]))
            out[index] = self.interner.number(("around", own, taken, tuple(uses), tuple(ends)))
        return out

    def _align(self) -> None:
        """Matches what is left where it comes in the same sequence, and stands beside something that is matched as well."""
        rest = tuple(self.left(side) for side in self.sides)
        found = align(*([side.own[index] for index in nodes] for side, nodes in zip(self.sides, rest, strict=True)))
        self.exact = self.exact and found.exact
        for a, b in found.pairs:
            self._take(rest[0][a], rest[1][b])
        self._vote()
        taken = [(index, self.pairs[0][index]) for index in rest[0] if self.pairs[0][index] != NOBODY]
        rounds = _PRUNINGS
        while rounds:
            kept = self._give_back(taken)
            rounds = rounds - 1 if len(kept) < len(taken) else 0
            taken = kept

    def _give_back(self, taken: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Frees pairs that have no neighbour in common, not even behind nodes that are left; what remains."""
        kept: list[tuple[int, int]] = []
        for ours, theirs in taken:
            there = self._reach(self.sides[1], theirs)
            if any(self._image(beside) in there for beside in self._reach(self.sides[0], ours)):
                kept.append((ours, theirs))
            else:
                self.pairs[0][ours] = self.pairs[1][theirs] = NOBODY
        return kept

    def _reach(self, side: _Side, index: int) -> set[int]:
        """The matched nodes, inputs and outputs around a node, with nothing but nodes that are left in between."""
        pairs = self.pairs[side.number]
        seen, found = {index}, set[int]()
        waiting = deque([index])
        while waiting and len(seen) <= _MAX_BETWEEN:
            for beside in self._few(side, waiting.popleft()):
                if beside < NOBODY or pairs[beside] != NOBODY:
                    found.add(beside)
                elif beside not in seen:
                    seen.add(beside)
                    waiting.append(beside)
        return found - {index}

    def _image(self, index: int) -> int:
        return index if index < NOBODY else self.pairs[0][index] if self.pairs[0][index] != NOBODY else -(10**18)

    def _vote(self) -> None:
        """Matches what is left with what is the same and has most neighbours in common with it."""
        first, second = self.sides
        for ours in self.left(first):
            votes: Counter[int] = Counter()
            for beside in self._few(first, ours):
                image = self._image(beside) if beside > NOBODY else NOBODY
                if image > NOBODY:
                    same = (b for b in self._few(second, image) if b > NOBODY and self.pairs[1][b] == NOBODY)
                    votes.update(b for b in set(same) if second.own[b] == first.own[ours])
            if votes:
                most = max(votes.values())
                self._take(ours, min((b for b, count in votes.items() if count == most), key=second.place.__getitem__))

    def _few(self, side: _Side, index: int) -> tuple[int, ...]:
        """The neighbours of a node, none where there are very many."""
        found = side.few.get(index)
        if found is None:
            many = len(side.body.users[index]) + len(side.body.sources[index]) > _MANY_NEIGHBOURS
            self.exact = self.exact and not many
            found = side.few[index] = () if many else tuple(side.neighbours(index))
        return found


def _renumbered(matched: Mapping[int, int], first: int, second: int) -> dict[int, int]:
    """Places of the second side as those of the first; of those that are alone, ones that the first does not have."""
    back = {theirs: ours for ours, theirs in matched.items()}
    return {place: back.get(place, first + place) for place in range(second)}
