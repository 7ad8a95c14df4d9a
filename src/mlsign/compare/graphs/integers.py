"""Weights that operators on whole numbers take: what their numbers stand for, read off the nodes around them.

``quantize_dynamic`` and ``quantize_static`` of onnxruntime put such operators in the place of ones on floats; the scale of a weight
is an input of the operator, or a factor that its result is multiplied with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from mlsign.compare.graphs.bodies import Body, Constant, Scaling, Source, SourceKind
from mlsign.onnx.records import TensorRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where an operator has its weight, the scale (None: in what follows) and the zero point of it, and its outputs' dimension."""

    weight: int
    scale: int | None
    zero_point: int
    axis: int


_LAST: Final = -1
_OPERATORS: Final = MappingProxyType(
    {
        "MatMulInteger": _Places(weight=1, scale=None, zero_point=3, axis=_LAST),
        "ConvInteger": _Places(weight=1, scale=None, zero_point=3, axis=0),
        "QLinearMatMul": _Places(weight=3, scale=4, zero_point=5, axis=_LAST),
        "QLinearConv": _Places(weight=3, scale=4, zero_point=5, axis=0),
        "QLinearAdd": _Places(weight=3, scale=4, zero_point=5, axis=_LAST),
        "QLinearMul": _Places(weight=3, scale=4, zero_point=5, axis=_LAST),
        "QGemm": _Places(weight=3, scale=4, zero_point=5, axis=_LAST),
        "DynamicQuantizeMatMul": _Places(weight=1, scale=2, zero_point=3, axis=_LAST),
        "MatMulIntegerToFloat": _Places(weight=1, scale=3, zero_point=5, axis=_LAST),
    }
)
"""ONNX's operators and those of the domain com.microsoft (onnxruntime, ``docs/ContribOperators.md``)."""


def integer_weight(body: Body, index: int) -> Constant | None:
    """The weight of a node that computes with whole numbers, with what they stand for; None for other nodes, and where it cannot
    be told.
    """
    node, taken = body.nodes[index], body.sources[index]
    places = _OPERATORS.get(node.operator)
    if places is None or len(taken) <= places.weight:
        return None
    weight = body.constant(taken[places.weight])
    scale = _following_scale(body, index) if places.scale is None else _at(body, taken, places.scale)
    zero_point = _at(body, taken, places.zero_point)
    if weight is None or scale is None or not isinstance(weight.tensor, TensorRecord) or weight.quantized is not None:
        return None
    axis = len(weight.shape) - 1 if places.axis == _LAST else places.axis
    scaling = Scaling(scale=_plain(scale), zero_point=None if zero_point is None else _plain(zero_point), axis=axis)
    return replace(weight, quantized=scaling)


def _at(body: Body, taken: tuple[Source, ...], place: int) -> Constant | None:
    found = body.constant(taken[place]) if place < len(taken) else None
    return found if found is not None and isinstance(found.tensor, TensorRecord) else None


def _plain(constant: Constant) -> TensorRecord:
    assert isinstance(constant.tensor, TensorRecord)  # noqa: S101 - as ``_at`` gives them
    return constant.tensor


def _following_scale(body: Body, index: int) -> Constant | None:
    """The factor behind the cast to floats: constant itself, or the constant that the scale of the other operand is multiplied with."""
    for _, _, cast in body.users[index]:
        if body.nodes[cast].operator != "Cast":
            continue
        for _, position, product in body.users[cast]:
            if body.nodes[product].operator == "Mul" and len(body.sources[product]) == 2:
                return _factor(body, body.sources[product][1 - position])
    return None


def _factor(body: Body, source: Source) -> Constant | None:
    if source.kind is not SourceKind.NODE:
        return _at(body, (source,), 0)
    if body.nodes[source.place].operator != "Mul":
        return None
    factors = [_at(body, (factor,), 0) for factor in body.sources[source.place]]
    return next((factor for factor in factors if factor is not None), None)
