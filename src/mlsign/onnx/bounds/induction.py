"""What holds of the state of a loop in every turn and after the last.

A loop is bounded by induction. Its state is assumed to grow by the same amount in each turn (or not at all), the body is run
once with that assumption in place of the state, and what comes out must be what the assumption says of the next turn.
Where no such assumption holds, nothing is known of the state, and that is what is said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from mlsign.onnx.bounds.amounts import Amount, Poly, Value, either, fixed, minus, plus, times, upper, upto
from mlsign.onnx.bounds.run import Cost, Run
from mlsign.onnx.bounds.tensors import Tensor

_ROUNDS: Final = 4
"""How often a state is widened before it is given up."""

State: TypeAlias = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn of a body: what it hands on, what it puts out, and what it takes."""

    condition: Value
    state: State
    outputs: State
    cost: Cost


TurnOf: TypeAlias = Callable[[Value, State], Turn]


def fixpoint(run: Run, start: State, most: Amount | None, turn: TurnOf) -> tuple[State, Turn]:
    """A state that holds in every turn and after the last, and one turn with it. What is not known is unknown."""
    space = run.space
    bounded = 0 if most is None else max(0, space.at_most(most))
    before = run.mark()
    index = upto(None if most is None else bounded)
    first = turn(index, start)
    if len(first.state) != len(start):
        return tuple(space.unknown() for _ in start), first
    state = start
    if bounded > 1:
        growing, tried = space.symbol(bounded), run.mark()
        guess = tuple(_line(run, one, other, growing) for one, other in zip(start, first.state, strict=True))
        if guess != start:
            trial = turn(fixed(growing), guess)
            if all(_follows(run, now, after, growing) for now, after in zip(guess, trial.state, strict=False)):
                return tuple(_anywhere(run, tensor) for tensor in guess), trial
            run.back_to(tried)
    current = first
    for _ in range(_ROUNDS):
        wider = tuple(map(space.joined, state, current.state))
        if wider == state:
            return state, current
        state = wider
        run.back_to(before)
        current = turn(index, state)
    lost = tuple(
        tensor if tensor is after else space.tensor(tensor.element, None, width=tensor.width)
        for tensor, after in zip(state, map(space.joined, state, current.state), strict=True)
    )
    run.back_to(before)
    return _settled(run, lost, turn, index)


def _settled(run: Run, state: State, turn: TurnOf, index: Value) -> tuple[State, Turn]:
    """Gives up what still moves, one turn after the other: at the latest when nothing is known of anything."""
    space = run.space
    while True:
        out = turn(index, state)
        wider = tuple(
            tensor if space.joined(tensor, after) is tensor else space.tensor(tensor.element, None, width=tensor.width)
            for tensor, after in zip(state, out.state, strict=True)
        )
        if wider == state or all(tensor.count is None and tensor.dims is None for tensor in state):
            return wider, out
        state = wider


def _line(run: Run, one: Tensor, other: Tensor, turn: Poly) -> Tensor:
    """The tensor that grows from ``one`` to ``other`` in a turn and by as much in every other, at a given turn."""
    if one is other:
        return one
    if one.cases or other.cases:
        return run.space.joined(one, other)
    if one.dims is None or other.dims is None or len(one.dims) != len(other.dims) or one.inside is not other.inside:
        return _sequence_line(run, one, other, turn)
    dims = tuple(_moved(left, right, turn) for left, right in zip(one.dims, other.dims, strict=True))
    values = None
    if one.values is not None and other.values is not None and len(one.values) == len(other.values):
        values = tuple(_moved(left, right, turn) for left, right in zip(one.values, other.values, strict=True))
    return run.space.tensor(one.element, dims, values=values, width=max(one.width, other.width), inside=one.inside)


def _sequence_line(run: Run, one: Tensor, other: Tensor, turn: Poly) -> Tensor:
    if one.count is None or other.count is None or one.dims is not None or other.dims is not None:
        return run.space.joined(one, other)
    inside = one.inside if one.inside is not None and one.count != 0 else other.inside
    grown = minus(other.count, one.count)
    count, width = plus(one.count, times(grown, turn)), max(one.width, other.width)
    return run.space.tensor(one.element, None, count=count, width=width, inside=inside)


def _moved(one: Value, other: Value, turn: Poly) -> Value:
    if one == other:
        return one
    if one.exact and other.exact and one.high is not None and other.high is not None:
        return fixed(plus(one.high, times(minus(other.high, one.high), turn)))
    return either(one, other)


def _follows(run: Run, now: Tensor, after: Tensor, turn: Poly) -> bool:
    """Whether ``after`` is what ``now`` says of the next turn."""
    if now is after:
        return not _mentions(now, turn)
    following = _substituted(run, now, turn)
    return following is after or run.space.joined(following, after) is following


def _substituted(run: Run, tensor: Tensor, turn: Poly) -> Tensor:
    """The tensor one turn later."""
    if tensor.cases:
        return tensor  # no line is drawn through them, so they are the same in every turn
    dims = None if tensor.dims is None else tuple(_later(dim, turn) for dim in tensor.dims)
    values = None if tensor.values is None else tuple(_later(value, turn) for value in tensor.values)
    count = None
    if tensor.dims is None and tensor.count is not None:
        count = _next(tensor.count, turn)
    return run.space.tensor(tensor.element, dims, count=count, values=values, width=tensor.width, inside=tensor.inside)


def _later(value: Value, turn: Poly) -> Value:
    if not value.exact or value.high is None:
        return value
    return fixed(_next(value.high, turn))


def _next(amount: Amount, turn: Poly) -> Amount:
    """The amount with the turn one further: lines only, so its factor is added."""
    if not isinstance(amount, Poly):
        return amount
    symbol = turn.terms[0][0][0]
    out: Amount = amount
    for monomial, factor in amount.terms:
        if symbol in monomial:
            rest = list(monomial)
            rest.remove(symbol)
            out = plus(out, Poly(((tuple(rest), factor),)) if rest else factor)
    return out


def _mentions(tensor: Tensor, turn: Poly) -> bool:
    symbol = turn.terms[0][0][0]
    amounts = [value.high for value in (*(tensor.dims or ()), *(tensor.values or ()))] + [tensor.count]
    return any(isinstance(amount, Poly) and any(symbol in monomial for monomial, _ in amount.terms) for amount in amounts)


def _anywhere(run: Run, tensor: Tensor) -> Tensor:
    """A bound for the tensor at every turn, since a loop may end before its time."""
    if tensor.cases:
        return tensor
    dims = None if tensor.dims is None else tuple(_ranged(dim) for dim in tensor.dims)
    values = None if tensor.values is None else tuple(_ranged(value) for value in tensor.values)
    return run.space.tensor(tensor.element, dims, count=tensor.count, values=values, width=tensor.width, inside=tensor.inside)


def _ranged(value: Value) -> Value:
    """A value that moves is no longer exact; from below it is bounded where it only grows."""
    if not value.exact or not isinstance(value.high, Poly):
        return value
    return Value(value.low, upper(value.high))
