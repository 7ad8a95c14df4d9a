"""Tree ensembles of ``ai.onnx.ml``: arrays of one length, children that exist, no circles.

A tree ensemble is a program in arrays of integers, and runtimes follow its indices with few checks of their
own: an index that points outside is a read outside, and a circle is a loop without end. Owns the
structure; values, weights and features are the model's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mlsign.onnx import problems
from mlsign.onnx.nodes import Attribute
from mlsign.onnx.scan import Scan, body, length
from mlsign.onnx.wire import Value, Where, signed, varint

DOMAIN: Final = b"ai.onnx.ml"
OPERATORS: Final = frozenset((b"TreeEnsembleClassifier", b"TreeEnsembleRegressor", b"TreeEnsemble"))

_INTEGER, _FLOATS, _INTEGERS, _STRINGS = 3, 7, 8, 9  # fields of AttributeProto
_LEAF: Final = b"LEAF"
_MODES: Final = frozenset(
    (_LEAF, b"BRANCH_LEQ", b"BRANCH_LT", b"BRANCH_GTE", b"BRANCH_GT", b"BRANCH_EQ", b"BRANCH_NEQ", b"BRANCH_MEMBER")
)
_VARINT: Final = re.compile(rb"[\x80-\xff]*[\x00-\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Array:
    """One attribute of an ensemble: integers, strings, or how many floats there are (in a list or a tensor)."""

    integers: list[int]
    strings: Sequence[Value]
    floats: int


_NONE: Final = _Array(integers=[], strings=(), floats=0)


class _Broken(Exception):  # noqa: N818 - never leaves this module: the first fault ends the check of one ensemble
    """What is wrong with the ensemble, in words."""


def check(scan: Scan, operator: bytes, attributes: tuple[Attribute, ...], where: Where) -> None:
    """Notes the first thing that is broken in one tree ensemble."""
    arrays = {attribute.name.decode("utf-8", "replace"): _read(scan, attribute, where) for attribute in attributes}
    try:
        if operator == b"TreeEnsemble":
            _check_ensemble(arrays)
        else:
            _check_classic(arrays)
    except _Broken as fault:
        scan.problems.add(problems.TREE_ENSEMBLE, f"the tree ensemble is broken: {fault}", where)


def _read(scan: Scan, attribute: Attribute, where: Where) -> _Array:
    integers: list[int] = []
    for number in (_INTEGER, _INTEGERS):
        for value in attribute.parts.get(number, ()):
            integers.extend([signed(value)] if isinstance(value, int) else _integers(scan, value, where))
    floats = sum(map(length, attribute.parts.get(_FLOATS, ()))) // 4
    tensors = sum(tensor.count for tensor in attribute.tensors)
    return _Array(integers=integers, strings=attribute.parts.get(_STRINGS, ()), floats=floats + tensors)


def _integers(scan: Scan, value: Value, where: Where) -> Iterable[int]:
    """Packed integers: one decoding for each spelling that occurs, because ensembles repeat few numbers often."""
    spelled = _VARINT.findall(b"".join(scan.wire.chunks(body(value), where)))
    known = {item: signed(varint(item, 0, where)[0]) for item in set(spelled)}
    return [known[item] for item in spelled]


def _same_length(arrays: dict[str, _Array], integers: Sequence[str], **others: int) -> int:
    """Entries of the integer arrays, which all have the same number of them, as do ``others`` by name."""
    wanted = len(arrays.get(integers[0], _NONE).integers)
    lengths = {name: len(arrays.get(name, _NONE).integers) for name in integers} | others
    for name, found in lengths.items():
        if found != wanted:
            raise _Broken(f"{name} has {found} entries, {integers[0]} has {wanted}")
    if not wanted:
        raise _Broken(f"{integers[0]} is empty")
    return wanted


def _optional(arrays: dict[str, _Array], *names: str) -> dict[str, int]:
    """The lengths of arrays that may be left out."""
    found = {name: arrays[name].floats or len(arrays[name].integers) for name in names if name in arrays}
    return {name: number for name, number in found.items() if number}


def _floats(arrays: dict[str, _Array], name: str) -> int:
    """An array of floats may come as a tensor instead (ai.onnx.ml 3)."""
    return arrays.get(f"{name}_as_tensor", _NONE).floats or arrays.get(name, _NONE).floats


def _in_range(values: Iterable[int], limit: int, what: str) -> None:
    for value in values:
        if not 0 <= value < limit:
            raise _Broken(f"{what} {value} is outside 0 to {limit - 1}")


def _check_classic(arrays: dict[str, _Array]) -> None:
    """``TreeEnsembleClassifier`` and ``TreeEnsembleRegressor``, ai.onnx.ml 1 to 5."""
    names = [f"nodes_{name}" for name in ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids")]
    modes = arrays.get("nodes_modes", _NONE)
    hints = ("nodes_hitrates", "nodes_hitrates_as_tensor", "nodes_missing_value_tracks_true")
    count = _same_length(
        arrays, names, nodes_modes=len(modes.strings), nodes_values=_floats(arrays, "nodes_values"), **_optional(arrays, *hints)
    )
    trees, ids, features, yes, no = (arrays[name] for name in names)
    if unknown := {str(mode) for mode in modes.strings if mode not in _MODES}:
        raise _Broken(f"{len(unknown)} kinds of node are unknown")
    by_name = {key: index for index, key in enumerate(zip(trees.integers, ids.integers, strict=True))}
    if len(by_name) != count:
        raise _Broken("two nodes of one tree have one id")
    if min(features.integers) < 0:
        raise _Broken("a feature has a negative index")
    children: list[tuple[int, ...]] = []
    for tree, mode, one, other in zip(trees.integers, modes.strings, yes.integers, no.integers, strict=True):
        if mode == _LEAF:
            children.append(())
            continue
        pair = by_name.get((tree, one)), by_name.get((tree, other))
        if pair[0] is None or pair[1] is None:
            raise _Broken(f"node {one if pair[0] is None else other} of tree {tree} is missing")
        children.append((pair[0], pair[1]))
    _check_acyclic(children)
    for prefix, limit in (("class", _labels(arrays)), ("target", _scalar(arrays, "n_targets"))):
        if not any(name.startswith(f"{prefix}_") for name in arrays):
            continue
        outputs = [f"{prefix}_{name}" for name in ("treeids", "nodeids", "ids")]
        _same_length(arrays, outputs, **{f"{prefix}_weights": _floats(arrays, f"{prefix}_weights")})
        places = zip(arrays[outputs[0]].integers, arrays[outputs[1]].integers, strict=True)
        if any(key not in by_name for key in places):
            raise _Broken(f"a weight of {prefix}_ids belongs to a node that is missing")
        _in_range(arrays[outputs[2]].integers, limit, f"{prefix} id")


def _labels(arrays: dict[str, _Array]) -> int:
    return max(len(arrays.get("classlabels_int64s", _NONE).integers), len(arrays.get("classlabels_strings", _NONE).strings))


def _scalar(arrays: dict[str, _Array], name: str) -> int:
    return (arrays.get(name, _NONE).integers or [1])[0]


def _check_ensemble(arrays: dict[str, _Array]) -> None:
    """``TreeEnsemble``, ai.onnx.ml 5: nodes and leaves in arrays of their own, children by index."""
    names = [f"nodes_{name}" for name in ("featureids", "truenodeids", "falsenodeids", "trueleafs", "falseleafs")]
    count = _same_length(
        arrays,
        names,
        nodes_splits=_floats(arrays, "nodes_splits"),
        nodes_modes=_floats(arrays, "nodes_modes"),
        **_optional(arrays, "nodes_hitrates", "nodes_missing_value_tracks_true"),
    )
    leaves = _same_length(arrays, ["leaf_targetids"], leaf_weights=_floats(arrays, "leaf_weights"))
    features, yes, no, yes_leaf, no_leaf = (arrays[name].integers for name in names)
    if min(features) < 0:
        raise _Broken("a feature has a negative index")
    children: list[list[int]] = [[] for _ in range(count)]
    for targets, flags in ((yes, yes_leaf), (no, no_leaf)):
        for index, (target, is_leaf) in enumerate(zip(targets, flags, strict=True)):
            _in_range((target,), leaves if is_leaf else count, "leaf" if is_leaf else "node")
            if not is_leaf:
                children[index].append(target)
    _same_length(arrays, ["tree_roots"])
    roots = arrays["tree_roots"].integers
    _in_range(roots, count, "root")
    _in_range(arrays["leaf_targetids"].integers, _scalar(arrays, "n_targets"), "target id")
    _check_acyclic(children)


def _check_acyclic(children: Sequence[Sequence[int]]) -> None:
    """Takes away nodes that no node points to, over and over; what stays is a circle. Linear in the nodes."""
    parents = [0] * len(children)
    for pair in children:
        for child in pair:
            parents[child] += 1
    free = [index for index, number in enumerate(parents) if not number]
    left = len(children) - len(free)
    while free:
        for child in children[free.pop()]:
            parents[child] -= 1
            if not parents[child]:
                free.append(child)
                left -= 1
    if left:
        raise _Broken(f"{left} nodes lie on or behind a circle")
