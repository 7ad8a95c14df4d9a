"""One run of a model on paper: every node with bounds in place of tensors.

Owns bodies and calls of functions, and what is counted: values alive at once, operators run, arithmetic. Loops and
branches are in ``control``, which asks this module to run their bodies. The order is that of the nodes, as a runtime
executes them one after the other.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, chain, repeat
from itertools import product as iter_product
from math import prod
from operator import add, itemgetter, sub
from typing import Final, TypeAlias

from mlsign.errors import shown
from mlsign.limits import Limits
from mlsign.onnx.bounds import (
    classical,
    cutting,
    elementwise,
    growing,
    indices,
    matrices,
    reducing,
    reshaping,
    sequences,
    windows,
)
from mlsign.onnx.bounds.amounts import CEILING
from mlsign.onnx.bounds.space import Space
from mlsign.onnx.bounds.tensors import Tensor
from mlsign.onnx.bounds.use import MisusedError, Rule, Use
from mlsign.onnx.functions import Function, canonical
from mlsign.onnx.graphs import Blocks, Steps
from mlsign.onnx.nodes import Attribute, Attributes, Call
from mlsign.onnx.scan import text
from mlsign.onnx.signatures import is_specified
from mlsign.onnx.spelling import normal
from mlsign.onnx.summary import Unbounded, Unknown
from mlsign.onnx.wire import Where, place

RULES: Final[dict[str, Rule]] = (
    elementwise.RULES
    | reshaping.RULES
    | cutting.RULES
    | indices.RULES
    | growing.RULES
    | matrices.RULES
    | windows.RULES
    | reducing.RULES
    | sequences.RULES
    | classical.RULES
)

_MAX_UNKNOWN: Final = 16
"""Places of one kind that are kept. Of each kind by itself: a policy that allows one must still see the others."""
_SMALL_BYTES: Final = 256 << 20
"""Below this, all values of a body are taken to be alive at once: no need to look who uses which."""
_MAX_CASES: Final = 16
"""Combinations of the cases of all arguments that are looked at one by one."""
_MAX_CALLS: Final = 64
"""Functions that call functions this deep; what exporters write stays far below."""
_NOTHING: Final[Mapping[bytes, Attribute]] = {}

Env: TypeAlias = dict[bytes, "Tensor | None"]


class TooComplexError(Exception):
    """The evaluations that are allowed are used up. Never leaves this package."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Cost:
    """What a node or a body takes: operators, arithmetic, bytes of its outputs, and bytes alive inside of it at most; with
    the largest single value, and where it is made.

    Compared as objects: nodes of one kind share theirs, and most of a large model are of few kinds.
    """

    steps: int = 1
    operations: int = 0
    made: int = 0
    inside: int = 0
    largest: tuple[int, Where] = (0, None)


Result: TypeAlias = tuple[tuple[Tensor, ...], Cost]
Mark: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlNode:
    """A node with graphs in its attributes."""

    call: Call
    args: tuple[Tensor | None, ...]
    told: Attributes
    blocks: Blocks
    where: Where
    outputs: int


Control: TypeAlias = "Callable[[Run, ControlNode, Env, Mapping[bytes, Attribute]], Result]"


class Run:
    """Evaluates bodies. What was computed once for the same operator, attributes and tensors is remembered."""

    def __init__(self, functions: Mapping[Call, Function], *, limits: Limits, control: Control) -> None:
        self.space = Space()
        self.unknown: list[Unknown] = []
        self.called: set[Call] = set()
        self._functions = functions
        self._left = limits.max_evaluations
        self._known: dict[tuple[object, ...], Result] = {}
        self._notes = 0
        self._noted: list[tuple[object, ...]] = []
        self._depth = 0
        self._control = control

    def body(
        self, steps: Steps, env: Env, where: Where, *, keep: Sequence[bytes], outer: Mapping[bytes, Attribute] = _NOTHING
    ) -> Cost:
        """Runs the nodes of a body; their outputs are in ``env`` afterwards. ``keep`` are names that outlive the body."""
        known, blocks, get = self._known, steps.blocks, env.get
        costs: list[Cost] = []
        self._spend(len(steps.calls) // 16)
        for index, (call, inputs, outputs, told) in enumerate(
            zip(steps.calls, steps.inputs, steps.outputs, steps.told, strict=True)
        ):
            args = tuple(map(get, inputs))
            result = known.get((call, told, len(outputs), args))
            if result is None and index in blocks:
                node = ControlNode(
                    call=call, args=args, told=told, blocks=blocks[index], where=(where, "node", index), outputs=len(outputs)
                )
                result = self._control(self, node, env, outer)
            elif result is None:
                result = self._apply(call, args, told, outer, where=(where, "node", index), count=len(outputs))
            made, cost = result
            if len(outputs) == 1 and outputs[0]:
                env[outputs[0]] = made[0]
            else:
                env.update(zip(outputs, made, strict=False))
                env[b""] = None
            costs.append(cost)
        often = Counter(costs).items()
        total_steps = sum(cost.steps * number for cost, number in often)
        total_operations = sum(cost.operations * number for cost, number in often)
        total_made = sum(cost.made * number for cost, number in often)
        inside = max((cost.inside for cost, _ in often), default=0)
        if total_made > _SMALL_BYTES:
            inside, total_made = _alive(steps, costs, keep), 0
        return Cost(
            steps=min(total_steps, CEILING),
            operations=min(total_operations, CEILING),
            inside=total_made + inside,
            largest=max((cost.largest for cost, _ in often), key=itemgetter(0), default=(0, None)),
        )

    def mark(self) -> Mark:
        """Where ``back_to`` goes back to."""
        return len(self.unknown), len(self._noted)

    def back_to(self, mark: Mark) -> None:
        """Takes back what was noted since: of what was only tried, nothing holds. It is noted again where it comes up again."""
        unknown, noted = mark
        del self.unknown[unknown:]
        for key in self._noted[noted:]:
            self._known.pop(key, None)
        del self._noted[noted:]

    def _spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise TooComplexError

    def _apply(
        self,
        call: Call,
        args: tuple[Tensor | None, ...],
        told: Attributes,
        outer: Mapping[bytes, Attribute],
        *,
        where: Where,
        count: int,
    ) -> Result:
        self._spend(1)
        notes = self._notes
        function = self._functions.get(canonical(call))
        if function is not None:
            self.called.add(function.key)
            if len(args) > len(function.inputs) or count > len(function.outputs):
                self.note(Unbounded.MISUSE, call, where, detail="the function takes or gives less than the call says")
            result = self._called(function, args, told, outer, count)
        else:
            try:
                made, operations, scratch = self._evaluated(call, args, told, outer, count)
            except MisusedError as err:
                made, operations, scratch = tuple(self.space.unknown() for _ in range(count)), 0, 0
                self.note(Unbounded.MISUSE, call, where, detail=str(err))
            else:
                unsized = scratch is None or any(t.size is None for t in made)
                if unsized and all(t is None or t.size is not None for t in args):  # else it was noted where it began
                    self.note(Unbounded.SIZE, call, where)
            size = sum(tensor.size or 0 for tensor in made)
            result = made, Cost(operations=operations, made=size, inside=scratch or 0, largest=largest_of(made, where))
        if told.plain:
            self._known[call, told, count, args] = result
            if self._notes > notes:
                self._noted.append((call, told, count, args))
        return result

    def _evaluated(
        self, call: Call, args: tuple[Tensor | None, ...], told: Attributes, outer: Mapping[bytes, Attribute], count: int
    ) -> tuple[tuple[Tensor, ...], int, int | None]:
        """What an operator makes, and its work and scratch memory: of each case of its arguments, and then of all.

        A case in which it cannot run is none: that run ends here. Raises ``MisusedError`` where no case is left.
        """
        if not any(tensor is not None and tensor.cases for tensor in args):
            return self._evaluated_once(call, args, told, outer, count)
        cases = [(tensor,) if tensor is None else tensor.cases or (tensor,) for tensor in args]
        if prod(map(len, cases)) > _MAX_CASES:
            return self._evaluated_once(call, args, told, outer, count)
        results: list[tuple[tuple[Tensor, ...], int, int | None]] = []
        failure = MisusedError("no case of its arguments")
        for case in iter_product(*cases):
            self._spend(1)
            try:
                results.append(self._evaluated_once(call, case, told, outer, count))
            except MisusedError as err:
                failure = err
        if not results:
            raise failure
        made = tuple(reduce(self.space.joined, column) for column in zip(*(result[0] for result in results), strict=True))
        scratches = [result[2] for result in results]
        known = [scratch for scratch in scratches if scratch is not None]
        scratch = max(known) if len(known) == len(scratches) else None
        return made, max(result[1] for result in results), scratch

    def _evaluated_once(
        self, call: Call, args: tuple[Tensor | None, ...], told: Attributes, outer: Mapping[bytes, Attribute], count: int
    ) -> tuple[tuple[Tensor, ...], int, int | None]:
        name = text(call[1])
        rule = RULES.get(name) if is_specified(normal(call[0])) else None
        made: list[Tensor] = []
        work = 0
        scratch: int | None = 0
        if rule is not None:
            use = Use(self.space, name, args, told.by_name, outer=outer, outputs=count)
            try:
                made = rule(use)[:count]
                work = 0 if use.work is None else self.space.at_most(use.work)
                scratch = use.scratch
            except (ArithmeticError, LookupError, TypeError, ValueError, struct.error):
                made = []  # not how this operator is used: nothing is known of what it makes
        made += [self.space.unknown() for _ in range(count - len(made))]
        touched = sum(self.space.at_most(tensor.count or 0) for tensor in (*args, *made) if tensor is not None)
        return tuple(made), min(max(work, touched), CEILING), scratch

    def note(self, kind: Unbounded, call: Call, where: Where, *, detail: str = "") -> None:
        """Says that a bound is not known from here on."""
        self._notes += 1
        if sum(item.kind is kind for item in self.unknown) < _MAX_UNKNOWN:
            operator = shown(f"{normal(call[0])}:{text(call[1])}")
            self.unknown.append(Unknown(kind=kind, where=shown(place(where)), operator=operator, detail=shown(detail)))

    def _called(
        self, function: Function, args: tuple[Tensor | None, ...], told: Attributes, outer: Mapping[bytes, Attribute], count: int
    ) -> Result:
        """The body of a function with the attributes of the call, which may refer to those of the function around it."""
        given = dict(function.defaults.by_name)
        for name, attribute in told.by_name.items():
            resolved = outer.get(attribute.reference) if attribute.reference else attribute
            if resolved is not None:
                given[name] = resolved
        env: Env = dict(zip(function.inputs, args, strict=False))
        self._depth += 1
        if self._depth > _MAX_CALLS:
            raise TooComplexError
        cost = self.body(function.steps, env, function.where, keep=function.outputs, outer=given)
        self._depth -= 1
        made = tuple(env.get(name) or self.space.unknown() for name in function.outputs[:count])
        made += (self.space.unknown(),) * (count - len(made))
        size = sum(tensor.size or 0 for tensor in made)
        inside = max(0, cost.inside - size)
        return made, Cost(steps=cost.steps, operations=cost.operations, made=size, inside=inside, largest=cost.largest)


def largest_of(tensors: Sequence[Tensor], where: Where, *costs: Cost) -> tuple[int, Where]:
    """The largest of what is made at a place, and of what was made on the way there."""
    made = max((tensor.size or 0 for tensor in tensors), default=0)
    return max((*(cost.largest for cost in costs), (made, where)), key=itemgetter(0))


def _alive(steps: Steps, costs: list[Cost], keep: Sequence[bytes]) -> int:
    """The most bytes of a body that are alive at once: from the node that makes values to the last that uses one of them."""
    count = len(costs)
    uses = chain.from_iterable(map(repeat, range(count), map(len, steps.inputs)))
    last = dict(zip(chain.from_iterable(steps.inputs), uses, strict=True))
    for index, blocks in steps.blocks.items():
        for name in _captured(blocks):
            last[name] = max(index, last.get(name, index))
    last.update(dict.fromkeys(keep, count))
    get = last.get
    ends = [
        get(outputs[0], index) if len(outputs) == 1 else max((get(name, index) for name in outputs), default=index)
        for index, outputs in enumerate(steps.outputs)
    ]
    freed = [0] * (count + 1)
    made = [cost.made for cost in costs]
    for end, size in zip(ends, made, strict=True):
        freed[end] += size
    alive = map(sub, accumulate(made), accumulate(chain((0,), freed)))
    return max(map(add, alive, [cost.inside for cost in costs]), default=0)


def _captured(blocks: Blocks) -> list[bytes]:
    """All names that the graphs in a node use, at any depth."""
    out: list[bytes] = []
    waiting = [graph for graphs in blocks.values() for graph in graphs]
    while waiting:
        graph = waiting.pop()
        for inputs in graph.steps.inputs:
            out.extend(inputs)
        out.extend(name for name, _ in graph.outputs)
        waiting.extend(inner for found in graph.steps.blocks.values() for graphs in found.values() for inner in graphs)
    return out
