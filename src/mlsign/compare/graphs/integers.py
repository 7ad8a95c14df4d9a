"""Weights that operators on whole numbers take: what their numbers stand for, read off the nodes around them.

``quantize_dynamic`` and ``quantize_static`` of onnxruntime put such operators in the place of ones on floats; the scale of a weight
is an input of the operator, or a factor that its result is multiplied with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from mlsign.compare.graphs.bodies import Body, Constant, Scaling, Source, SourceKind
from mlsign.onnx.records import NodeRecord, TensorRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where an operator has its weight, the scale (None: in what follows) and the zero point of it, and its outputs' dimension; and its
    bias, whose scale is that of the weight times the one at ``given``.
    """

    weight: int
    scale: int | None
    zero_point: int
    axis: int
    bias: int | None = None
    given: int = 1


_LAST: Final = -1
_OPERATORS: Final = MappingProxyType(
    {
        "MatMulInteger": _Places(weight=1, scale=None, zero_point=3, axis=_LAST),
        "ConvInteger": _Places(weight=1, scale=None, zero_point=3, axis=0),
        "QLinearMatMul": _Places(weight=3, scale=4, zero_point=5, axis=_LAST),
        "QLinearConv": _Places(weight=3, scale=4, zero_point=5, axis=0, bias=8),
        "QLinearAdd": _Places(weight=3, scale=4, zero_point=5, axis=_LAST),
        "QLinearMul": _Places(weight=3, scale=4, zero_point=5, axis=_LAST),
        "QGemm": _Places(weight=3, scale=4, zero_point=5, axis=_LAST, bias=6),
        "DynamicQuantizeMatMul": _Places(weight=1, scale=2, zero_point=3, axis=_LAST),
        "MatMulIntegerToFloat": _Places(weight=1, scale=3, zero_point=5, axis=_LAST),
    }
)
"""ONNX's operators and those of the domain com.microsoft (onnxruntime, ``docs/ContribOperators.md``)."""


def integer_weights(body: Body, index: int) -> Iterator[Constant]:
    """The weight and the bias of a node that computes with whole numbers, with what they stand for; nothing for other nodes, and where
    it cannot be told.
    """
    node, taken = body.nodes[index], body.sources[index]
    places = _OPERATORS.get(node.operator)
    if places is None:
        return
    weight = _at(body, taken, places.weight)
    scale = _following_scale(body, index) if places.scale is None else _at(body, taken, places.scale)
    zero_point = _at(body, taken, places.zero_point)
    if weight is None or scale is None:
        return
    if weight.quantized is None:
        axis = len(weight.shape) - 1 if places.axis == _LAST and not _is_turned(node) else max(places.axis, 0)
        scaling = Scaling(scale=_plain(scale), zero_point=None if zero_point is None else _plain(zero_point), axis=axis)
        yield replace(weight, quantized=scaling)
    bias = None if places.bias is None else _at(body, taken, places.bias)
    factor = _at(body, taken, places.given)
    if bias is None or factor is None or bias.quantized is not None or _is_scaled(node):
        return
    if _plain(factor).count == 1:
        yield replace(bias, quantized=Scaling(scale=_plain(scale), zero_point=None, axis=0, factor=_plain(factor)))


def _is_turned(node: NodeRecord) -> bool:
    """Whether the rows of the weight are its columns."""
    return any(attribute.name == "transB" and attribute.value == 1 for attribute in node.attributes)


def _is_scaled(node: NodeRecord) -> bool:
    """Whether the result is multiplied with something else besides."""
    return any(attribute.name == "alpha" and attribute.value != 1 for attribute in node.attributes)


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
