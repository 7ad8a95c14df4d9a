"""Every change of an interface is breaking or compatible, from the side of whoever calls the model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsign.compare.interfaces import ChangeKind, Effect, Interface, Side, compare_interfaces, matched_names
from mlsign.interface import TypeSpec, ValueKind, ValueSpec


def tensor(*shape, element="float") -> TypeSpec:
    return TypeSpec(kind=ValueKind.TENSOR, element=element, shape=shape)


def sequence(inner: TypeSpec) -> TypeSpec:
    return TypeSpec(kind=ValueKind.SEQUENCE, inner=inner)


def optional(inner: TypeSpec | None) -> TypeSpec:
    return TypeSpec(kind=ValueKind.OPTIONAL, inner=inner)


def mapped(key: str, inner: TypeSpec) -> TypeSpec:
    return TypeSpec(kind=ValueKind.MAP, element=key, inner=inner)


OPEN = TypeSpec(kind=ValueKind.TENSOR, element="float")
X, Y = ValueSpec(name="x", type=tensor("n", 4)), ValueSpec(name="y", type=tensor("n"))
BASE = Interface(inputs=(X,), outputs=(Y,))
BREAKING, COMPATIBLE = Effect.BREAKING, Effect.COMPATIBLE


def effects(before: Interface, after: Interface) -> list[tuple[Side, str, ChangeKind, Effect]]:
    return [(c.side, c.name, c.kind, c.effect) for c in compare_interfaces(before, after)]


def value(name: str, type_: TypeSpec) -> ValueSpec:
    return ValueSpec(name=name, type=type_)


def test_nothing_changed() -> None:
    assert compare_interfaces(BASE, BASE) == ()


def test_inputs_that_come_and_go() -> None:
    more = replace(BASE, inputs=(X, value("k", tensor(1))))
    assert effects(BASE, more) == [(Side.INPUT, "k", ChangeKind.ADDED, BREAKING)]
    assert effects(BASE, replace(more, defaults=frozenset({"k"}))) == [(Side.INPUT, "k", ChangeKind.ADDED, COMPATIBLE)]
    assert effects(more, BASE) == [(Side.INPUT, "k", ChangeKind.REMOVED, BREAKING)]


def test_outputs_that_come_and_go() -> None:
    more = replace(BASE, outputs=(Y, value("k", tensor(1))))
    assert effects(BASE, more) == [(Side.OUTPUT, "k", ChangeKind.ADDED, COMPATIBLE)]
    assert effects(more, BASE) == [(Side.OUTPUT, "k", ChangeKind.REMOVED, BREAKING)]


def test_other_names_break_callers() -> None:
    after = Interface(inputs=(replace(X, name="x2"),), outputs=(replace(Y, name="y2"),))
    assert effects(BASE, after) == [
        (Side.INPUT, "x", ChangeKind.RENAMED, BREAKING),
        (Side.OUTPUT, "y", ChangeKind.RENAMED, BREAKING),
    ]
    (first, _) = compare_interfaces(BASE, after)
    assert (first.before, first.after) == ("x", "x2")


def test_another_name_and_another_type_are_another_value() -> None:
    after = replace(BASE, inputs=(value("z", tensor("n", 5)),))
    assert effects(BASE, after) == [
        (Side.INPUT, "x", ChangeKind.REMOVED, BREAKING),
        (Side.INPUT, "z", ChangeKind.ADDED, BREAKING),
    ]


def test_defaults() -> None:
    with_default = replace(BASE, defaults=frozenset({"x"}))
    assert effects(BASE, with_default) == [(Side.INPUT, "x", ChangeKind.DEFAULT, COMPATIBLE)]
    assert effects(with_default, BASE) == [(Side.INPUT, "x", ChangeKind.DEFAULT, BREAKING)]


def test_inputs_are_given_by_name_and_outputs_are_also_taken_by_place() -> None:
    k = value("k", tensor(1))
    both = Interface(inputs=(X, k), outputs=(Y, k))
    assert effects(both, replace(both, inputs=(k, X))) == [(Side.INPUT, "", ChangeKind.ORDER, COMPATIBLE)]
    assert effects(both, replace(both, outputs=(k, Y))) == [(Side.OUTPUT, "", ChangeKind.ORDER, BREAKING)]
    assert (Side.OUTPUT, "", ChangeKind.ORDER, BREAKING) in effects(BASE, replace(BASE, outputs=(k, Y)))


@pytest.mark.parametrize(
    ("before", "after", "given", "got"),
    [
        (tensor(3), tensor(4), BREAKING, BREAKING),
        (tensor("n"), tensor(3), BREAKING, COMPATIBLE),
        (tensor(None), tensor(3), BREAKING, COMPATIBLE),
        (tensor(3), tensor("n"), COMPATIBLE, BREAKING),
        (tensor("n"), tensor("m"), COMPATIBLE, COMPATIBLE),
        (tensor("n"), tensor(None), COMPATIBLE, COMPATIBLE),
        (tensor("n", 3), tensor(3, "n"), BREAKING, BREAKING),
        (tensor("n", 3), tensor(3, 3), BREAKING, COMPATIBLE),
        (tensor(3), tensor(3, 1), BREAKING, BREAKING),
        (OPEN, tensor(3), BREAKING, COMPATIBLE),
        (tensor(3), OPEN, COMPATIBLE, BREAKING),
        (tensor(3), tensor(3, element="double"), BREAKING, BREAKING),
        (tensor(3), sequence(tensor(3)), BREAKING, BREAKING),
        (sequence(tensor("n")), sequence(tensor(3)), BREAKING, COMPATIBLE),
        (sequence(tensor(3)), sequence(tensor("n")), COMPATIBLE, BREAKING),
        (mapped("int64", tensor()), mapped("string", tensor()), BREAKING, BREAKING),
        (mapped("int64", tensor()), mapped("int64", tensor(element="double")), BREAKING, BREAKING),
        (tensor(3), optional(tensor(3)), COMPATIBLE, BREAKING),
        (optional(tensor(3)), tensor(3), BREAKING, COMPATIBLE),
        (optional(tensor("n")), tensor(3), BREAKING, COMPATIBLE),
        (optional(tensor(3)), tensor("n"), BREAKING, BREAKING),
        (optional(None), tensor(3), BREAKING, BREAKING),
        (sequence(tensor(3)), TypeSpec(kind=ValueKind.SEQUENCE), BREAKING, BREAKING),
    ],
)
def test_types(before: TypeSpec, after: TypeSpec, given: Effect, got: Effect) -> None:
    as_input = effects(Interface(inputs=(value("v", before),), outputs=()), Interface(inputs=(value("v", after),), outputs=()))
    assert as_input == [(Side.INPUT, "v", ChangeKind.TYPE, given)]
    as_output = effects(Interface(inputs=(), outputs=(value("v", before),)), Interface(inputs=(), outputs=(value("v", after),)))
    assert as_output == [(Side.OUTPUT, "v", ChangeKind.TYPE, got)]


def ties(before: Interface, after: Interface) -> list[tuple[str, Effect, str, str]]:
    return [(c.name, c.effect, c.before, c.after) for c in compare_interfaces(before, after) if "dimension" in c.before]


def test_dimensions_of_one_name_are_equal() -> None:
    apart = Interface(inputs=(value("a", tensor("n")), value("b", tensor("m"))), outputs=())
    tied = Interface(inputs=(value("a", tensor("k")), value("b", tensor("k"))), outputs=())
    assert ties(apart, tied) == [
        ("b", BREAKING, "dimension 0 need not be dimension 0 of a", "dimension 0 must be dimension 0 of a")
    ]
    assert ties(tied, apart) == [
        ("b", COMPATIBLE, "dimension 0 must be dimension 0 of a", "dimension 0 need not be dimension 0 of a")
    ]
    nameless = Interface(inputs=(value("a", tensor(None)), value("b", tensor(None))), outputs=())
    assert ties(nameless, apart) == ties(apart, nameless) == []


def test_outputs_that_are_no_longer_said_to_be_as_long_as_inputs() -> None:
    loose = replace(BASE, outputs=(value("y", tensor("other")),))
    assert ties(BASE, loose) == [("y", BREAKING, "dimension 0 is dimension 0 of x", "dimension 0 need not be dimension 0 of x")]
    assert ties(loose, BASE) == []


def test_which_value_is_which() -> None:
    one, other = value("a", tensor(1)), value("b", tensor(2))
    assert matched_names((one, other), (other, one)) == {"a": "a", "b": "b"}
    assert matched_names((one, other), (other, value("c", tensor(1)))) == {"b": "b", "a": "c"}
    assert matched_names((one, other), (other,)) == {"b": "b"}
    assert matched_names((one,), (value("c", tensor(5)),)) == {}


DIMENSIONS = st.sampled_from([1, 2, "n", "m", None])
TYPES = st.builds(
    lambda shape, element: tensor(*shape, element=element), st.lists(DIMENSIONS, max_size=2), st.sampled_from(["float", "int64"])
)
VALUES = st.lists(st.builds(value, st.sampled_from("abc"), TYPES), max_size=3, unique_by=lambda spec: spec.name).map(tuple)
INTERFACES = st.builds(Interface, inputs=VALUES, outputs=VALUES)


@given(INTERFACES, INTERFACES)
def test_there_are_changes_exactly_where_there_is_a_difference(before: Interface, after: Interface) -> None:
    changes = compare_interfaces(before, after)
    assert bool(changes) == (before != after)
    kinds = [change.effect for change in changes]
    assert kinds == sorted(kinds, key=lambda effect: effect is not BREAKING)


def test_very_many_inputs_that_are_all_new() -> None:
    def many(prefix: str) -> Interface:
        return Interface(inputs=tuple(value(f"{prefix}{index}", tensor(index)) for index in range(20_000)), outputs=())

    assert len(compare_interfaces(many("a"), many("b"))) == 20_000
    assert len(compare_interfaces(many("a"), Interface(inputs=(), outputs=()))) == 20_000
