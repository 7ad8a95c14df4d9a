"""``TreeEnsemble`` of ai.onnx.ml 5: nodes and leaves in arrays of their own, children by index.

Runtimes copy these trees into trees of their own, from the roots down: what is reached twice is copied twice, and a row
of nodes that each point to the next one twice doubles with every step.
"""

from __future__ import annotations

import struct
from itertools import compress
from operator import not_
from typing import Final

from mlsign.onnx.operators.told import INT32, BrokenError, Told, in_range, none_or_same, same
from mlsign.onnx.operators.trees import MAX_DEPTH
from mlsign.onnx.wire import Value

_VALUES: Final = frozenset(("float", "double", "float16"))
_MEMBER: Final = 6
"""The mode of a node that looks its feature up in a set."""
_MODES: Final = bytes(range(7))
_RAW: Final = 9  # fields of TensorProto
_FORMATS: Final = {
    ("float", _RAW): "<f",
    ("double", _RAW): "<d",
    ("float16", _RAW): "<e",
    ("float", 4): "<f",
    ("double", 10): "<d",
}


def check_ensemble(told: Told) -> None:
    """The trees from the roots down, their leaves and the sets that nodes look things up in."""
    features = told.numbers("nodes_featureids")
    count = len(features)
    if not count:
        raise BrokenError("nodes_featureids is empty")
    in_range(features, "feature", least=0, most=INT32 - 1)
    sizes = {"nodes_splits": told.row("nodes_splits", elements=_VALUES)}
    sizes["nodes_modes"] = told.row("nodes_modes", elements=frozenset(("uint8",)))
    same(count, "nodes_featureids", **sizes)
    tracks = told.count("nodes_missing_value_tracks_true")
    hitrates = told.row("nodes_hitrates", elements=_VALUES)
    none_or_same(count, "nodes_featureids", nodes_hitrates=hitrates, nodes_missing_value_tracks_true=tracks)
    leaves = _check_leaves(told)
    roots = told.numbers("tree_roots")
    if not roots:
        raise BrokenError("tree_roots is empty")
    in_range(roots, "root", least=0, most=count - 1)
    _check_reached(roots, *_sides(told, count, leaves))
    sets = told.row("membership_values", elements=_VALUES)
    members = _member_nodes(told)
    found = _separators(told) if sets else 0
    if found != members:
        raise BrokenError(f"membership_values has {found} sets, {members} nodes look something up in one")
    in_range((told.number("aggregate_function", 1),), "aggregate_function", least=0, most=3)
    in_range((told.number("post_transform", 0),), "post_transform", least=0, most=4)


def _check_leaves(told: Told) -> int:
    """How many leaves there are."""
    targets = told.number("n_targets", 1)
    in_range((targets,), "n_targets", least=1, most=told.most_columns)
    ids = told.numbers("leaf_targetids")
    if not ids:
        raise BrokenError("leaf_targetids is empty")
    in_range(ids, "target id", least=0, most=targets - 1)
    same(len(ids), "leaf_targetids", leaf_weights=told.row("leaf_weights", elements=_VALUES))
    weights, splits = told.tensor("leaf_weights"), told.tensor("nodes_splits")
    if weights is not None and splits is not None and weights.element != splits.element:
        raise BrokenError(f"leaf_weights is {weights.element}, nodes_splits is {splits.element}")
    return len(ids)


def _sides(told: Told, count: int, leaves: int) -> list[list[int]]:
    """The node below each node on either side, -1 where a leaf is; leaves are only looked at."""
    sides: list[list[int]] = []
    for side in ("true", "false"):
        targets, flags = told.numbers(f"nodes_{side}nodeids"), told.numbers(f"nodes_{side}leafs")
        same(count, "nodes_featureids", **{f"nodes_{side}nodeids": len(targets), f"nodes_{side}leafs": len(flags)})
        in_range(flags, f"nodes_{side}leafs", least=0, most=1)
        in_range(list(compress(targets, flags)), "leaf", least=0, most=leaves - 1)
        in_range(list(compress(targets, map(not_, flags))), "node", least=0, most=count - 1)
        sides.append([-1 if is_leaf else target for target, is_leaf in zip(targets, flags, strict=True)])
    return sides


def _check_reached(roots: list[int], one: list[int], other: list[int]) -> None:
    """Each node is reached once at most, so there is no circle either; level by level, for the depth."""
    reached = bytearray(len(one))
    level, depth = roots, 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise BrokenError(f"a tree is more than {MAX_DEPTH} levels deep")
        following: list[int] = []
        for index in level:
            if reached[index]:
                raise BrokenError(f"node {index} is reached twice: trees share it, or it lies on a circle")
            reached[index] = 1
            following += [child for child in (one[index], other[index]) if child >= 0]
        level = following


def _member_nodes(told: Told) -> int:
    """How many nodes look their feature up in a set; every mode is one of the seven."""
    members = 0
    for field, value in told.payload("nodes_modes"):
        if field == _RAW:
            for chunk in told.chunks(value):
                members += chunk.count(_MEMBER)
                if rest := chunk.translate(None, _MODES):
                    raise BrokenError(f"mode {rest[0]} of a node is unknown")
        elif field == 5:
            for mode in told.stream(value):
                members += mode == _MEMBER
                in_range((mode,), "mode", least=0, most=len(_MODES) - 1)
    return members


def _separators(told: Told) -> int:
    """Sets in ``membership_values``: each ends with something that is not a number."""
    tensor = told.tensor("membership_values")
    element = "" if tensor is None else tensor.element
    total = 0
    for field, value in told.payload("membership_values"):
        if (element, field) in _FORMATS:
            total += _not_numbers(told, value, _FORMATS[element, field])
        elif field == 5 and element == "float16":
            total += sum(bits & 0x7FFF > 0x7C00 for bits in told.stream(value))
    return total


def _not_numbers(told: Told, value: Value, layout: str) -> int:
    size = struct.calcsize(layout)
    total, rest = 0, b""
    for chunk in told.chunks(value):
        data = rest + chunk
        whole = len(data) - len(data) % size
        total += sum(number != number for (number,) in struct.iter_unpack(layout, data[:whole]))  # noqa: PLR0124 - NaN
        rest = data[whole:]
    return total
