"""Holds what the bounds of a run say of every value against what the value turns out to be in a runtime."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from math import isfinite, prod
from unittest import mock

import numpy as np
import onnxruntime
from onnx import ModelProto

from mlsign.limits import DEFAULT, Limits
from mlsign.onnx import inspect
from mlsign.onnx.bounds.amounts import Amount, Poly, Value
from mlsign.onnx.bounds.evaluate import begin
from mlsign.onnx.bounds.run import Cost, Run
from mlsign.onnx.bounds.tensors import Tensor
from mlsign.onnx.summary import ModelSummary, Unbounded
from mlsign.source import MemorySource

__all__ = ["Bounded", "bounded", "exceeded", "run_real", "session"]


class Bounded:
    """A model that was read, one run of it on paper, and what that says of the values of its main graph."""

    def __init__(self, data: bytes, *, limits: Limits = DEFAULT) -> None:
        asked = []
        with mock.patch.object(inspect, "evaluate", side_effect=lambda *args, **more: asked.append((args, more))):
            self.summary: ModelSummary = inspect.read_model(MemorySource(data), limits=limits)
        assert asked, self.summary.problems
        (self.main, functions), how = asked[0]
        self.run: Run
        self.run, self.env = begin(self.main, functions, **how)
        self.given = dict(self.env)
        self.cost: Cost = self.run.body(self.main.steps, self.env, self.main.where, keep=[name for name, _ in self.main.outputs])


WIDE = replace(DEFAULT, open_dimension=1024)


def bounded(model: ModelProto | bytes, *, limits: Limits = WIDE) -> Bounded:
    return Bounded(model if isinstance(model, bytes) else model.SerializeToString(), limits=limits)


def session(model: ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run_real(model: ModelProto, feeds: Mapping[str, object]) -> dict[str, object]:
    """Every value of the main graph, by name; runtimes find out the types of outputs that do not say theirs."""
    exposed = ModelProto()
    exposed.CopyFrom(model)
    known = {value.name for value in exposed.graph.output}
    for node in exposed.graph.node:
        for name in node.output:
            if name and name not in known:
                exposed.graph.output.add(name=name)
                known.add(name)
    names = [value.name for value in exposed.graph.output]
    return dict(zip(names, session(exposed).run(names, dict(feeds)), strict=True))


def exceeded(bounds: Bounded, feeds: Mapping[str, object], values: Mapping[str, object]) -> list[str]:
    """What is larger, or other, than the bounds say."""
    sizes = _symbols(bounds, feeds)
    wrong = []
    for name, value in values.items():
        tensor = bounds.env.get(name.encode())
        if tensor is not None and value is not None:
            wrong += [f"{name}: {what}" for what in _compared(tensor, value, sizes)]
    # every node of the main graph ran, so none is misused; bodies of loops and branches may never have run
    ran = {f"graph.node[{index}]" for index in range(len(bounds.main.steps.calls))}
    misused = [item for item in bounds.run.unknown if item.kind is Unbounded.MISUSE and item.where in ran]
    wrong += [f"{item.where} ran, said is: {item.detail}" for item in misused]
    largest = max((_bytes(value) for name, value in values.items() if name.encode() not in bounds.given), default=0)
    if not bounds.run.unknown and largest > bounds.cost.largest[0] > 0:
        wrong.append(f"the largest value has {largest} bytes, said are {bounds.cost.largest[0]}")
    if not bounds.run.unknown and (alive := _alive(bounds, values)) > bounds.cost.inside:
        wrong.append(f"{alive} bytes are alive at once, said are {bounds.cost.inside}")
    return wrong


def _alive(bounds: Bounded, values: Mapping[str, object]) -> int:
    """The most bytes that the values of the main graph have at once, each from its making to its last use."""
    steps = bounds.main.steps
    last = {name: index for index, inputs in enumerate(steps.inputs) for name in inputs}
    last |= {name: len(steps.calls) for name, _ in bounds.main.outputs}
    alive = most = 0
    for index, outputs in enumerate(steps.outputs):
        alive += sum(_bytes(values.get(name.decode())) for name in outputs)
        most = max(most, alive)
        for name in {*outputs, *steps.inputs[index]}:
            made = any(name in made for made in steps.outputs[: index + 1])
            if made and last.get(name, index) == index:
                alive -= _bytes(values.get(name.decode()))
    return most


def _bytes(value: object) -> int:
    if isinstance(value, list):
        return sum(map(_bytes, value))
    if not isinstance(value, np.ndarray):
        return 0
    return sum(len(str(item)) for item in value.flat) if value.dtype == object else value.nbytes


def _symbols(bounds: Bounded, feeds: Mapping[str, object]) -> list[int]:
    """What each symbol is in this run; those of loops are as large as they get."""
    sizes = list(bounds.run.space.maxima)
    for name, tensor in bounds.given.items():
        value = feeds.get(name.decode())
        if not isinstance(value, np.ndarray) or tensor is None:
            continue
        for dim, size in zip(tensor.dims or (), value.shape, strict=tensor.dims is not None):
            _settle(dim.high, size, sizes)
        for number, item in zip(tensor.values or (), value.flat, strict=False):
            _settle(number.high, max(int(item), 0) if value.dtype != np.bool_ else 0, sizes)
        if tensor.dims is None:
            _settle(tensor.count, value.size, sizes)
    return sizes


def _settle(amount: Amount | None, size: int, sizes: list[int]) -> None:
    if isinstance(amount, Poly) and len(amount.terms) == 1 and len(amount.terms[0][0]) == 1:
        sizes[amount.terms[0][0][0]] = size


def _worth(amount: Amount, sizes: list[int]) -> Fraction:
    if not isinstance(amount, Poly):
        return Fraction(amount)
    return sum((factor * Fraction(prod(sizes[index] for index in monomial)) for monomial, factor in amount.terms), Fraction(0))


def _compared(tensor: Tensor, value: object, sizes: list[int]) -> list[str]:
    if isinstance(value, list):
        return _compared_sequence(tensor, value, sizes)
    if not isinstance(value, np.ndarray | np.generic):
        return []  # maps and sparse tensors
    array = np.asarray(value)
    if tensor.cases:
        cases = [_compared(case, value, sizes) for case in tensor.cases]
        if all(cases):
            return [f"none of the cases: {what}" for case in cases for what in case]
    wrong = []
    if tensor.inside is not None:
        return ["a tensor, said is a sequence"]
    if tensor.dims is not None:
        if len(tensor.dims) != array.ndim:
            return [f"shape {array.shape}, said are {len(tensor.dims)} dimensions"]
        wrong += [
            f"shape {array.shape}, dimension {index} is {size}, said is {dim}"
            for index, (dim, size) in enumerate(zip(tensor.dims, array.shape, strict=True))
            if not _holds(dim, size, sizes)
        ]
    if tensor.count is not None and array.size > _worth(tensor.count, sizes):
        wrong.append(f"{array.size} elements, said are {tensor.count}")
    if tensor.size is not None and _bytes(array) > tensor.size:
        wrong.append(f"{_bytes(array)} bytes, said are {tensor.size}")
    if tensor.values is not None and array.dtype != object:
        if len(tensor.values) != array.size:
            return [*wrong, f"{array.size} numbers, said are {len(tensor.values)}"]
        wrong += [
            f"number {index} is {item}, said is {known}"
            for index, (known, item) in enumerate(zip(tensor.values, array.flat, strict=True))
            if not _holds(known, item.item(), sizes)
        ]
    return wrong


def _compared_sequence(tensor: Tensor, value: list[object], sizes: list[int]) -> list[str]:
    if tensor.count is not None and len(value) > _worth(tensor.count, sizes):
        return [f"{len(value)} elements in a sequence, said are {tensor.count}"]
    if tensor.inside is None:
        return ["a sequence, said is a tensor"] if tensor.size is not None else []
    return [what for item in value for what in _compared(tensor.inside, item, sizes)]


def _holds(known: Value, item: float, sizes: list[int]) -> bool:
    if isinstance(item, complex):
        return True
    if not isfinite(item):
        return known.low is None or known.high is None or not known.finite
    if not known.exact and known.low is not None and Fraction(item) < known.low:
        return False
    if known.high is None:
        return True
    high = _worth(known.high, sizes)
    return (
        Fraction(item) == high
        if known.exact
        else Fraction(item) <= max(high, Fraction(0))
        if isinstance(known.high, Poly)
        else Fraction(item) <= high
    )
