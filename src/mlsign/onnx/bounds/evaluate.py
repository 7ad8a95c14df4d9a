"""From a model that was read to what one run of it takes at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mlsign.interface import TypeSpec, ValueKind
from mlsign.limits import Limits
from mlsign.onnx.bounds.amounts import COUNT, Value, fixed, number, upto
from mlsign.onnx.bounds.control import run_control
from mlsign.onnx.bounds.run import Cost, Env, Run, TooComplexError, largest_of
from mlsign.onnx.bounds.space import Space
from mlsign.onnx.bounds.tensors import FLOAT, Tensor, element_of
from mlsign.onnx.functions import Function
from mlsign.onnx.graphs import GraphFacts
from mlsign.onnx.nodes import Call
from mlsign.onnx.summary import RunBounds, Unbounded
from mlsign.onnx.wire import place

_WHOLE: Final = frozenset(("int32", "int64"))
_MAX_NUMBERS: Final = 8
_FIRST_OVERRIDABLE: Final = 4
"""From this IR version on a caller may give another value for an initializer that is an input as well (ONNX IR, "Graphs")."""


def evaluate(main: GraphFacts, functions: Sequence[Function], *, ir_version: int, limits: Limits) -> RunBounds:
    """The bounds of one run. Never raises: what cannot be bounded is in ``RunBounds.unknown``."""
    run, env = begin(main, functions, ir_version=ir_version, limits=limits)
    costs: list[Cost] = []
    try:
        costs.append(run.body(main.steps, env, main.where, keep=[name for name, _ in main.outputs]))
        costs.extend(
            _uncalled(run, function, size=limits.open_dimension) for function in functions if function.key not in run.called
        )
    except (TooComplexError, RecursionError):
        run.note(Unbounded.COMPLEXITY, (b"", b"", b""), main.where)
    size, where = largest_of((), None, *costs)
    return RunBounds(
        peak_bytes=max((size, *(cost.inside for cost in costs))),
        largest_bytes=size,
        largest=place(where),
        steps=max((cost.steps for cost in costs), default=0),
        operations=max((cost.operations for cost in costs), default=0),
        open_dimension=limits.open_dimension,
        unknown=tuple(run.unknown),
    )


def begin(main: GraphFacts, functions: Sequence[Function], *, ir_version: int, limits: Limits) -> tuple[Run, Env]:
    """A run that has not begun, and what is known of its tensors: those of the file, and those that a caller gives."""
    by_key: Mapping[Call, Function] = {function.key: function for function in functions}
    run = Run(by_key, limits=limits, control=run_control)
    env: Env = {name: run.space.constant(facts) for name, facts in main.initializers.items()}
    symbols: dict[str, Value] = {}
    for name, spec in main.inputs:
        default = env.get(name)
        if default is None or ir_version >= _FIRST_OVERRIDABLE:
            given = _given(run.space, spec, symbols, size=limits.open_dimension)
            env[name] = given if default is None else _either(run.space, default, given)
    return run, env


def _uncalled(run: Run, function: Function, *, size: int) -> Cost:
    """What a function would take that nothing calls: it may be called by whoever loads the model in parts.

    Nothing is known of what it is given, so sizes without a bound are no sign of anything; the rest is.
    """
    before = list(run.unknown)
    given = run.space.tensor(FLOAT, None, count=run.space.symbol(size))
    env: Env = dict.fromkeys(function.inputs, given)
    cost = run.body(function.steps, env, function.where, keep=function.outputs, outer=dict(function.defaults.by_name))
    run.unknown[:] = before + [item for item in run.unknown[len(before) :] if item.kind is not Unbounded.SIZE]
    return cost


def _given(space: Space, spec: TypeSpec | None, symbols: dict[str, Value], *, size: int) -> Tensor:
    """What a caller gives: the fixed dimensions are checked by every runtime, the open ones are at most ``size``.

    Dimensions of one name are one dimension, as the model declares. A shape that is left open has ``size`` elements.
    """
    if spec is None:
        return space.unknown()
    if spec.kind in (ValueKind.TENSOR, ValueKind.SPARSE_TENSOR):
        element = element_of(spec.element)
        if spec.shape is None:
            return space.tensor(element, None, count=space.symbol(size))
        dims = tuple(_dimension(space, dim, symbols, size=size) for dim in spec.shape)
        return space.tensor(element, dims, values=_numbers(space, spec, size=size))
    if spec.kind is ValueKind.OPTIONAL:
        return _given(space, spec.inner, symbols, size=size)
    if spec.kind is ValueKind.SEQUENCE:
        inside = _any_of(space, _given(space, spec.inner, symbols, size=size))
        return space.tensor(inside.element, None, count=space.symbol(size), inside=inside)
    return space.tensor(element_of(spec.element), (COUNT,), count=space.symbol(size))


def _any_of(space: Space, one: Tensor) -> Tensor:
    """A bound for every element of a sequence: each has dimensions of its own where the type leaves them open."""
    dims = None if one.dims is None else tuple(dim if number(dim) is not None else upto(dim.high) for dim in one.dims)
    return space.tensor(one.element, dims, count=one.count, width=one.width, inside=one.inside)


def _either(space: Space, default: Tensor, given: Tensor) -> Tensor:
    """An initializer, or what a caller gives in its place."""
    made = space.joined(default, given)
    return made if made.values is not None else space.tensor(made.element, made.dims, count=made.count)


def _numbers(space: Space, spec: TypeSpec, *, size: int) -> tuple[Value, ...] | None:
    """The whole numbers in a small input: shapes and axes that a caller may choose, each at most ``size``."""
    shape = spec.shape
    if spec.element not in _WHOLE or shape is None or len(shape) > 1 or not all(isinstance(dim, int) for dim in shape):
        return None
    count = next((dim for dim in shape if isinstance(dim, int)), 1)
    return tuple(space.number(size) for _ in range(count)) if count <= _MAX_NUMBERS else None


def _dimension(space: Space, dim: int | str | None, symbols: dict[str, Value], *, size: int) -> Value:
    if isinstance(dim, int):
        return fixed(dim)
    if dim is None:
        return fixed(space.symbol(size))
    if dim not in symbols:
        symbols[dim] = fixed(space.symbol(size))
    return symbols[dim]
