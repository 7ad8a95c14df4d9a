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
from mlsign.onnx.scan import Scan, body
from mlsign.onnx.wire import Value, Where, signed, varint

DOMAIN: Final = b"ai.onnx.ml"
OPERATORS: Final = frozenset((b"TreeEnsembleClassifier", b"TreeEnsembleRegressor", b"TreeEnsemble"))

_INTEGER: Final = 3 << 3
_INTEGERS: Final = (8 << 3, 8 << 3 | 2)
_FLOATS: Final = (7 << 3 | 5, 7 << 3 | 2)
_STRINGS: Final = 9 << 3 | 2
_LEAF: Final = b"LEAF"
_MODES: Final = frozenset(
    (_LEAF, b"BRANCH_LEQ", b"BRANCH_LT", b"BRANCH_GTE", b"BRANCH_GT", b"BRANCH_EQ", b"BRANCH_NEQ", b"BRANCH_MEMBER")
)
_VARINT: Final = re.compile(rb"[\x80-\xff]*[\x00-\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Array:
    """One attribute of an ensemble: integers, strings, or how many floats there are (in a list or a tensor)."""

    integers: list[int]
    strings: list[Value]
    floats: int

    def __len__(self) -> int:
        return len(self.integers) or len(self.strings) or self.floats


class _Broken(Exception):  # noqa: N818 - never leaves this module: the first fault ends the check of one ensemble
    """What is wrong with the ensemble, in words."""


def check(scan: Scan, operator: bytes, attributes: tuple[Attribute, ...], bodies: list[Value], where: Where) -> None:
    """Notes the first thing that is broken in one tree ensemble."""
    arrays = {
        attribute.name.decode("utf-8", "replace"): _read(scan, attribute, data, where)
        for attribute, data in zip(attributes, bodies, strict=True)
    }
    try:
        if operator == b"TreeEnsemble":
            _check_ensemble(arrays)
        else:
            _check_classic(arrays)
    except _Broken as fault:
        scan.problems.add(problems.TREE_ENSEMBLE, f"the tree ensemble is broken: {fault}", where)


def _read(scan: Scan, attribute: Attribute, data: Value, where: Where) -> _Array:
    fields = scan.wire.fields(body(data), where)
    integers: list[int] = []
    for tag in (_INTEGER, *_INTEGERS):
        for value in fields.get(tag, ()):
            integers.extend([signed(value)] if isinstance(value, int) else _integers(scan, value, where))
    floats = sum(len(value) // 4 for tag in _FLOATS for value in fields.get(tag, ()) if not isinstance(value, int))
    tensors = sum(tensor.count for tensor in attribute.tensors)
    return _Array(integers=integers, strings=fields.get(_STRINGS, []), floats=floats + tensors)


def _integers(scan: Scan, value: Value, where: Where) -> Iterable[int]:
    """Packed integers: one decoding for each spelling that occurs, because ensembles repeat few numbers often."""
    if not isinstance(value, bytes):
        return scan.integers(value, where)
    spelled = _VARINT.findall(value)
    known = {item: signed(varint(item, 0, where)[0]) for item in set(spelled)}
    return [known[item] for item in spelled]


def _same_length(arrays: dict[str, _Array], required: Sequence[str], optional: Sequence[str]) -> int:
    wanted = len(arrays[required[0]]) if required[0] in arrays else 0
    for name in required:
        if name not in arrays or len(arrays[name]) != wanted:
            raise _Broken(f"{name} has {len(arrays[name]) if name in arrays else 0} entries, {required[0]} has {wanted}")
    for name in optional:
        if name in arrays and len(arrays[name]) not in (0, wanted):
            raise _Broken(f"{name} has {len(arrays[name])} entries, {required[0]} has {wanted}")
    return wanted


def _either(arrays: dict[str, _Array], name: str) -> str:
    """An array of floats may come as a tensor instead (ai.onnx.ml 3)."""
    tensor = f"{name}_as_tensor"
    return tensor if len(arrays.get(tensor, ())) else name


def _in_range(values: Iterable[int], limit: int, what: str) -> None:
    for value in values:
        if not 0 <= value < limit:
            raise _Broken(f"{what} {value} is outside 0 to {limit - 1}")


def _check_classic(arrays: dict[str, _Array]) -> None:
    """``TreeEnsembleClassifier`` and ``TreeEnsembleRegressor``, ai.onnx.ml 1 to 5."""
    names = ["treeids", "nodeids", "featureids", "modes", "truenodeids", "falsenodeids"]
    required = [f"nodes_{name}" for name in names]
    optional = ["nodes_hitrates", "nodes_hitrates_as_tensor", "nodes_missing_value_tracks_true"]
    count = _same_length(arrays, [*required, _either(arrays, "nodes_values")], optional)
    trees, ids, features, modes, yes, no = (arrays[name] for name in required)
    if not count:
        raise _Broken("it has no nodes")
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
        if f"{prefix}_ids" not in arrays:
            continue
        outputs = [f"{prefix}_{name}" for name in ("treeids", "nodeids", "ids")]
        _same_length(arrays, [*outputs, _either(arrays, f"{prefix}_weights")], ())
        places = zip(arrays[outputs[0]].integers, arrays[outputs[1]].integers, strict=True)
        if any(key not in by_name for key in places):
            raise _Broken(f"a weight of {prefix}_ids belongs to a node that is missing")
        _in_range(arrays[outputs[2]].integers, limit, f"{prefix} id")


def _labels(arrays: dict[str, _Array]) -> int:
    return max(len(arrays.get(name, ())) for name in ("classlabels_int64s", "classlabels_strings"))


def _scalar(arrays: dict[str, _Array], name: str) -> int:
    array = arrays.get(name)
    return array.integers[0] if array is not None and array.integers else 1


def _check_ensemble(arrays: dict[str, _Array]) -> None:
    """``TreeEnsemble``, ai.onnx.ml 5: nodes and leaves in arrays of their own, children by index."""
    required = [f"nodes_{name}" for name in ("featureids", "truenodeids", "falsenodeids", "trueleafs", "falseleafs")]
    count = _same_length(
        arrays,
        [*required, "nodes_splits", "nodes_modes"],
        ["nodes_hitrates", "nodes_missing_value_tracks_true"],
    )
    leaves = _same_length(arrays, ["leaf_targetids", "leaf_weights"], ())
    if not count or not leaves:
        raise _Broken("it has no nodes or no leaves")
    features, yes, no, yes_leaf, no_leaf = (arrays[name].integers for name in required)
    if min(features) < 0:
        raise _Broken("a feature has a negative index")
    children: list[list[int]] = [[] for _ in range(count)]
    for targets, flags in ((yes, yes_leaf), (no, no_leaf)):
        for index, (target, is_leaf) in enumerate(zip(targets, flags, strict=True)):
            _in_range((target,), leaves if is_leaf else count, "leaf" if is_leaf else "node")
            if not is_leaf:
                children[index].append(target)
    roots = arrays["tree_roots"].integers if "tree_roots" in arrays else []
    if not roots:
        raise _Broken("it has no roots")
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
