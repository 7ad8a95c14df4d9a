"""Tree ensembles of ``ai.onnx.ml``: arrays of one length, children that exist, no circles, no bottomless depth.

A tree ensemble is a program in arrays of integers, and runtimes follow its indices with few checks of their
own: an index that points outside is a read outside, a circle is a loop without end, and a tree as deep as a list is long
overflows the stack of a runtime that builds it by recursion (onnxruntime 1.32 dies of 30,000 levels). Owns the
structure; values, weights and features are the model's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, compress, repeat
from operator import add, mul
from typing import Final

from mlsign.onnx.operators.told import INT32, BrokenError, Told, in_range, none_or_same, same

MAX_DEPTH: Final = 4096
"""Levels of a tree. Trees that grow without a limit have some dozens, sets written as chains some hundreds."""
POST_TRANSFORMS: Final = frozenset((b"NONE", b"SOFTMAX", b"LOGISTIC", b"SOFTMAX_ZERO", b"PROBIT"))

_LEAF: Final = b"LEAF"
_MODES: Final = frozenset(
    (_LEAF, b"BRANCH_LEQ", b"BRANCH_LT", b"BRANCH_GTE", b"BRANCH_GT", b"BRANCH_EQ", b"BRANCH_NEQ", b"BRANCH_MEMBER")
)
_AGGREGATES: Final = frozenset((b"SUM", b"AVERAGE", b"MIN", b"MAX"))


def check_classifier(told: Told) -> None:
    """``TreeEnsembleClassifier``, ai.onnx.ml 1 to 5."""
    labels = told.exclusive("classlabels_int64s", "classlabels_strings")
    ids = _check_trees(told, "class", labels)
    # the score of one class of two is enough, if no tree votes for the other
    single = labels == 2 and len(set(ids)) <= 1
    _check_base_values(told, (labels, 1) if single else (labels,))


def check_regressor(told: Told) -> None:
    """``TreeEnsembleRegressor``, ai.onnx.ml 1 to 5."""
    targets = told.number("n_targets", 1)
    in_range((targets,), "n_targets", least=1, most=told.most_columns)
    told.one_of("aggregate_function", b"SUM", _AGGREGATES)
    _check_trees(told, "target", targets)
    _check_base_values(told, (targets,))


def _check_base_values(told: Told, wanted: tuple[int, ...]) -> None:
    found = told.floats("base_values")
    if found and found not in wanted:
        raise BrokenError(f"base_values has {found} entries, {wanted[0]} are asked for")


def _check_trees(told: Told, kind: str, outputs: int) -> list[int]:
    """Nodes and weights; the ids of the outputs that weights are for."""
    told.one_of("post_transform", b"NONE", POST_TRANSFORMS)
    ids = told.numbers("nodes_nodeids")
    if not ids:
        raise BrokenError("nodes_nodeids is empty")
    trees = told.numbers("nodes_treeids")
    modes = told.strings("nodes_modes")
    same(len(ids), "nodes_nodeids", nodes_treeids=len(trees), nodes_modes=len(modes), nodes_values=told.floats("nodes_values"))
    tracks = told.count("nodes_missing_value_tracks_true")
    hints = {"nodes_hitrates": told.floats("nodes_hitrates"), "nodes_missing_value_tracks_true": tracks}
    none_or_same(len(ids), "nodes_nodeids", **hints)
    if unknown := set(modes) - _MODES:
        raise BrokenError(f"{len(unknown)} kinds of node are unknown")
    names = _Names(trees, ids)
    # what exporters write for the feature and the children of a leaf is anybody's guess
    inner = [mode != _LEAF for mode in modes]
    features = told.numbers("nodes_featureids")
    same(len(ids), "nodes_nodeids", nodes_featureids=len(features))
    in_range(list(compress(features, inner)), "feature", least=0, most=INT32 - 1)
    above = list(compress(trees, inner))
    sides: list[list[int]] = []
    for name in ("nodes_truenodeids", "nodes_falsenodeids"):
        children = told.numbers(name)
        same(len(ids), "nodes_nodeids", **{name: len(children)})
        sides.append(names.find(above, list(compress(children, inner)), "a child"))
    _check_depth(len(ids), list(compress(range(len(ids)), inner)), *sides)
    return _check_weights(told, kind, names, outputs)


class _Names:
    """Where the node of a tree stands, by tree and id. Both in one integer, because a forest has millions of nodes."""

    __slots__ = ("_high", "_low", "_places", "_span")

    def __init__(self, trees: list[int], ids: list[int]) -> None:
        self._low, self._high = min(ids), max(ids)
        self._span = self._high - self._low + 1
        self._places = dict(zip(self._keys(trees, ids), range(len(ids)), strict=True))
        if len(self._places) != len(ids):
            raise BrokenError("two nodes of one tree have one id")

    def _keys(self, trees: list[int], ids: list[int]) -> Iterator[int]:
        return map(add, map(mul, trees, repeat(self._span)), ids)

    def find(self, trees: list[int], ids: list[int], what: str) -> list[int]:
        """The places of these nodes, all of which are there."""
        in_range(ids, f"{what}:", least=self._low, most=self._high)
        found = list(map(self._places.get, self._keys(trees, ids), repeat(-1)))
        if found and min(found) < 0:
            missing = found.index(-1)
            raise BrokenError(f"{what}: node {ids[missing]} of tree {trees[missing]} is missing")
        return found


def _check_weights(told: Told, kind: str, names: _Names, outputs: int) -> list[int]:
    ids = told.numbers(f"{kind}_ids")
    trees, nodes = told.numbers(f"{kind}_treeids"), told.numbers(f"{kind}_nodeids")
    lengths = {f"{kind}_treeids": len(trees), f"{kind}_nodeids": len(nodes), f"{kind}_weights": told.floats(f"{kind}_weights")}
    same(len(ids), f"{kind}_ids", **lengths)
    names.find(trees, nodes, "a weight")
    in_range(ids, f"{kind} id", least=0, most=outputs - 1)
    return ids


def _check_depth(count: int, branches: list[int], one: list[int], other: list[int]) -> None:
    """Takes away nodes that no node points to, over and over; what stays is a circle. Linear in the nodes.

    ``one`` and ``other`` are the children of ``branches``.
    """
    parents = [0] * count
    for child in chain(one, other):
        parents[child] += 1
    ranks = dict(zip(branches, range(len(branches)), strict=True))
    level = [index for index, number in enumerate(parents) if not number]
    left, depth = count - len(level), 1
    while level:
        following: list[int] = []
        for index in level:
            rank = ranks.get(index)
            if rank is None:
                continue
            for child in (one[rank], other[rank]):
                parents[child] -= 1
                if not parents[child]:
                    following.append(child)
        # a node is in the level behind the last of its parents, so levels are the longest way down
        level = following
        left -= len(level)
        depth += bool(level)
    if left:
        raise BrokenError(f"{left} nodes lie on or behind a circle")
    if depth > MAX_DEPTH:
        raise BrokenError(f"a tree is {depth} levels deep, above {MAX_DEPTH}")
