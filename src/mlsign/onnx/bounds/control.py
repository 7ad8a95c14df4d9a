"""Branches and loops: bodies that run once, never, or as often as a number says.

What holds of the state of a loop is found out in ``induction``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Final

from mlsign.onnx.bounds.amounts import (
    CEILING,
    UNKNOWN,
    Amount,
    Value,
    fixed,
    largest,
    number,
    times,
    upper,
    upto,
)
from mlsign.onnx.bounds.induction import State, Turn, fixpoint
from mlsign.onnx.bounds.numbers import BOOL
from mlsign.onnx.bounds.run import ControlNode, Cost, Env, Result, Run, largest_of
from mlsign.onnx.bounds.tensors import INT64, Tensor
from mlsign.onnx.bounds.use import Use
from mlsign.onnx.graphs import GraphFacts
from mlsign.onnx.nodes import Attribute
from mlsign.onnx.summary import Unbounded

_ENDLESS: Final = 1 << 31
"""A number of turns from here on is how exporters write that there is none."""


def run_control(run: Run, node: ControlNode, env: Env, outer: Mapping[bytes, Attribute]) -> Result:
    """The outputs and the cost of a node with graphs in it."""
    kinds = {b"If": _branch, b"Loop": _loop, b"Scan": _scan, b"SequenceMap": _sequence_map}
    kind = kinds.get(node.call[1]) if node.call[0] in (b"", b"ai.onnx") else None
    result = None if kind is None else kind(run, node, env, outer)
    if result is not None:
        return result
    run.note(Unbounded.TURNS, node.call, node.where)
    return _made(run, [], node.outputs), Cost()


def _made(run: Run, tensors: list[Tensor], count: int) -> State:
    return tuple(tensors[:count]) + tuple(run.space.unknown() for _ in range(count - len(tensors)))


def _graph(run: Run, graph: GraphFacts, args: State, env: Env, outer: Mapping[bytes, Attribute]) -> tuple[State, Cost]:
    """One run of a graph; the names around it are there."""
    for name, facts in graph.initializers.items():
        env[name] = run.space.constant(facts)
    env.update(zip((name for name, _ in graph.inputs), args, strict=False))
    cost = run.body(graph.steps, env, graph.where, keep=[name for name, _ in graph.outputs], outer=outer)
    return tuple(env.get(name) or run.space.unknown() for name, _ in graph.outputs), cost


def _branch(run: Run, node: ControlNode, env: Env, outer: Mapping[bytes, Attribute]) -> Result | None:
    graphs = [graph for name in (b"then_branch", b"else_branch") for graph in node.blocks.get(name, ())]
    if len(graphs) != 2:
        return None
    (one, cost), (other, price) = (_graph(run, graph, (), env, outer) for graph in graphs)
    if {len(one), len(other)} != {node.outputs} or any(graph.inputs for graph in graphs):
        run.note(Unbounded.MISUSE, node.call, node.where, detail="the branches do not give as many values as the node")
    made = [run.space.joined(left, right) for left, right in zip(one, other, strict=False)]
    if any(tensor.size is None for tensor in made) and not any(tensor.size is None for tensor in (*one, *other)):
        run.note(Unbounded.SIZE, node.call, node.where)
    return _made(run, made, node.outputs), Cost(
        steps=1 + max(cost.steps, price.steps),
        operations=max(cost.operations, price.operations),
        made=sum(tensor.size or 0 for tensor in made),
        inside=max(cost.inside, price.inside),
        largest=largest_of(made, node.where, cost, price),
    )


def _loop(run: Run, node: ControlNode, env: Env, outer: Mapping[bytes, Attribute]) -> Result | None:
    graphs = node.blocks.get(b"body", ())
    if len(graphs) != 1:
        return None
    body, space = graphs[0], run.space
    if len(body.inputs) != max(2, len(node.args)) or len(body.outputs) != 1 + node.outputs:
        run.note(Unbounded.MISUSE, node.call, node.where, detail="the body takes or gives other values than the loop")
        return _made(run, [], node.outputs), Cost()
    count, start = (node.args[index] if index < len(node.args) else None for index in (0, 1))
    if any(tensor is not None and tensor.count == 0 for tensor in (count, start)):
        run.note(Unbounded.MISUSE, node.call, node.where, detail="its number of turns, or its condition, is an empty tensor")
        return _made(run, [], node.outputs), Cost()
    state = tuple(tensor or space.unknown() for tensor in node.args[2:])
    most = count.values[0].high if count is not None and count.values else None
    without = count is None or (most is not None and space.at_most(most) >= _ENDLESS)
    if most is not None and (without or space.is_given(most)):
        most = None
    if most is not None:
        most = largest(upper(most), 0)
    if start is not None and start.values and number(start.values[0]) == 0:
        most = 0

    def turn(index: Value, current: State) -> Turn:
        number_ = space.tensor(INT64, _single(body, 0), values=(index,))
        out, cost = _graph(run, body, (number_, _met(run, current[0]), *current[1:]), env, outer)
        condition = out[0].values[0] if out and out[0].values else Value(0, 1)
        handed = (_shaped(run, out[0]), *out[1:]) if out else out
        return Turn(condition=condition, state=handed[: len(current)], outputs=out[len(current) :], cost=cost)

    # only the first turn gets a condition of the shape that the body declares: every other gets what the one before gave
    asked = space.tensor(BOOL, _single(body, 1))
    (_, *final), last = fixpoint(run, (asked, *state), most, turn)
    if most is None:
        ends = number(last.condition)
        if ends == 0:
            most = 1
        else:
            run.note(Unbounded.ENDLESS if ends == 1 and without else Unbounded.TURNS, node.call, node.where)
    turns = (number(count.values[0]) or 0) if count is not None and count.values else 1
    sure = turns > 0 and (start is None or (start.values is not None and number(start.values[0]) == 1))
    ranks = [spec.shape if spec is not None else None for _, spec in body.outputs[1 + len(state) :]]
    stacked = [
        _stacked(run, tensor, most, 0) if sure or (rank is not None and tensor.rank == len(rank)) else _loose(run, tensor, most)
        for tensor, rank in zip(last.outputs, ranks, strict=False)
    ]
    return _result(run, node, tuple(final), last, most, stacked=stacked)


def _shaped(run: Run, condition: Tensor) -> Tensor:
    """A condition as the next turn gets it, without its value."""
    shapes = [run.space.tensor(BOOL, case.dims, count=case.count) for case in condition.cases or (condition,)]
    return reduce(run.space.joined, shapes)


def _met(run: Run, condition: Tensor) -> Tensor:
    """A condition of which a turn knows that it holds."""
    single = condition.dims is not None and all(number(dim) == 1 for dim in condition.dims)
    return run.space.tensor(BOOL, condition.dims, values=(fixed(1),)) if single else condition


def _loose(run: Run, tensor: Tensor, turns: Amount | None) -> Tensor:
    """What all turns put out where there may be none, and the body does not say of what shape that is."""
    made = _stacked(run, tensor, turns, 0)
    return run.space.tensor(made.element, None, count=made.count, width=made.width)


def _single(body: GraphFacts, index: int) -> tuple[Value, ...]:
    """The shape of the number of a turn, and of its condition: a scalar, or one in a row where the body says so."""
    spec = body.inputs[index][1]
    return (fixed(1),) * len(spec.shape) if spec is not None and spec.shape is not None else ()


def _result(run: Run, node: ControlNode, final: State, last: Turn, most: Amount | None, *, stacked: list[Tensor]) -> Result:
    turns = 1 if most is None else max(0, run.space.at_most(most))
    made = _made(run, [*final, *stacked], node.outputs)
    size = sum(tensor.size or 0 for tensor in made)
    # what a turn puts out is kept until the loop ends, and then put together: twice, for a while
    kept = sum(tensor.size or 0 for tensor in stacked)
    cost = Cost(
        steps=min(1 + turns * last.cost.steps, CEILING),
        operations=min(turns * last.cost.operations, CEILING),
        made=size,
        inside=last.cost.inside + kept,
        largest=largest_of(made, node.where, last.cost),
    )
    if any(tensor.size is None for tensor in made) and most is not None:
        run.note(Unbounded.SIZE, node.call, node.where)
    return made, cost


def _stacked(run: Run, tensor: Tensor, turns: Amount | None, axis: int) -> Tensor:
    """What all turns put out, one behind the other along a new axis."""
    if turns is None:
        return run.space.unknown(tensor.element)
    count = None if tensor.count is None else times(upper(tensor.count), upper(turns))
    dims = None
    if tensor.dims is not None:
        out = [upto(dim.high) for dim in tensor.dims]  # of no turns nothing is put out, so nothing is exact
        out.insert(axis + len(out) + 1 if axis < 0 else axis, upto(turns))
        dims = tuple(out)
    return run.space.tensor(tensor.element, dims, count=count, width=tensor.width)


def _scan(run: Run, node: ControlNode, env: Env, outer: Mapping[bytes, Attribute]) -> Result | None:
    graphs = node.blocks.get(b"body", ())
    use = Use(run.space, "Scan", node.args, node.told.by_name, outer=outer, outputs=node.outputs)
    scanned = use.whole(b"num_scan_inputs", 0)
    if len(graphs) != 1 or not 0 < scanned <= len(node.args) or len(graphs[0].inputs) != len(node.args):
        return None
    body, space = graphs[0], run.space
    split = len(node.args) - scanned
    state, inputs = (tuple(t or space.unknown() for t in part) for part in (node.args[:split], node.args[split:]))
    axes = use.wholes(b"scan_input_axes") or [0] * scanned
    if len(axes) != scanned or any(
        t.dims is None or not -len(t.dims) <= a < len(t.dims) for t, a in zip(inputs, axes, strict=True)
    ):
        return None
    slices = tuple(_without(run, tensor, axis) for tensor, axis in zip(inputs, axes, strict=True))
    most = inputs[0].dims[axes[0]].high if inputs[0].dims is not None else None

    def turn(_: Value, current: State) -> Turn:
        out, cost = _graph(run, body, (*current, *slices), env, outer)
        return Turn(condition=UNKNOWN, state=out[: len(current)], outputs=out[len(current) :], cost=cost)

    final, last = fixpoint(run, state, most, turn)
    if most is None:
        run.note(Unbounded.TURNS, node.call, node.where)
    places = use.wholes(b"scan_output_axes") or []
    stacked = [_stacked(run, t, most, places[i] if i < len(places) else 0) for i, t in enumerate(last.outputs)]
    return _result(run, node, final, last, most, stacked=stacked)


def _without(run: Run, tensor: Tensor, axis: int) -> Tensor:
    dims = list(tensor.dims or ())
    del dims[axis]
    return run.space.tensor(tensor.element, tuple(dims), width=tensor.width)


def _sequence_map(run: Run, node: ControlNode, env: Env, outer: Mapping[bytes, Attribute]) -> Result | None:
    graphs, space = node.blocks.get(b"body", ()), run.space
    if len(graphs) != 1 or not node.args or node.args[0] is None:
        return None
    turns = node.args[0].count
    args = tuple(t.inside or t if t is not None else space.unknown() for t in node.args)
    out, cost = _graph(run, graphs[0], args, env, outer)
    if turns is None:
        run.note(Unbounded.TURNS, node.call, node.where)
    made = _made(run, [space.tensor(t.element, None, count=turns, inside=t) for t in out], node.outputs)
    times_run = 1 if turns is None else space.at_most(turns)
    return made, Cost(
        steps=min(1 + times_run * cost.steps, CEILING),
        operations=min(times_run * cost.operations, CEILING),
        made=sum(tensor.size or 0 for tensor in made),
        inside=cost.inside,
        largest=largest_of(made, node.where, cost),
    )
