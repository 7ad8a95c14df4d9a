"""Two interfaces side by side, seen from the caller: what would break whoever calls the model as before, and what would not.

A caller feeds inputs by name and has what it feeds ready: an input may come to take more, never less. A caller was promised
outputs: an output may come to give less than it may now, never more or something else. The rules are tabled in
``docs/comparing.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

from mlsign.interface import TypeSpec, ValueKind, ValueSpec

DEFAULTS_SINCE: Final = 4
"""The IR version from which on a weight that is an input is meant as one; before, every weight had to be."""

Axis: TypeAlias = "tuple[Side, str, int]"
"""A dimension of an input or output: its side, the name of the value and the number of the dimension."""


class Effect(Enum):
    """What a change means for whoever calls the model as before."""

    BREAKING = "breaking"
    COMPATIBLE = "compatible"


class Side(Enum):
    """Which way a value goes."""

    INPUT = "input"
    OUTPUT = "output"


class ChangeKind(Enum):
    """What became of an input or output."""

    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    TYPE = "type"
    DEFAULT = "default"
    ORDER = "order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """What a model takes and gives, in its order. Inputs in ``defaults`` have a value where the caller gives none."""

    inputs: tuple[ValueSpec, ...]
    outputs: tuple[ValueSpec, ...]
    defaults: frozenset[str] = frozenset()

    def of(self, side: Side) -> tuple[ValueSpec, ...]:
        return self.inputs if side is Side.INPUT else self.outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceChange:
    """One change of an input or output. ``before`` and ``after`` are types, names or orders, empty where there was or is none."""

    side: Side
    name: str
    kind: ChangeKind
    effect: Effect
    before: str
    after: str
    reason: str


class _Width(Enum):
    """How the values that a type has after a change lie to those that it had before."""

    SAME = "the same"
    WIDER = "wider"
    NARROWER = "narrower"
    OTHER = "other"


_WORST: Final = (_Width.OTHER, _Width.NARROWER, _Width.WIDER, _Width.SAME)


def compare_interfaces(before: Interface, after: Interface) -> tuple[InterfaceChange, ...]:
    """Every change, those that break a caller first; empty where callers and answers are the same."""
    changes = [change for side in Side for change in _side(before, after, side)]
    changes += _ties(before, after)
    return tuple(sorted(changes, key=lambda change: change.effect is not Effect.BREAKING))


def matched_names(before: Sequence[ValueSpec], after: Sequence[ValueSpec]) -> dict[str, str]:
    """Which value is which, by name; and those that are left by their order, where their types are the same."""
    kept = {spec.name for spec in before} & {spec.name for spec in after}
    pairs = {name: name for name in kept}
    gone = [spec for spec in before if spec.name not in kept]
    new = [spec for spec in after if spec.name not in kept]
    if len(gone) == len(new):
        pairs.update({old.name: spec.name for old, spec in zip(gone, new, strict=True) if old.type == spec.type})
    return pairs


def _side(before: Interface, after: Interface, side: Side) -> Iterator[InterfaceChange]:
    old, new = ({spec.name: spec for spec in interface.of(side)} for interface in (before, after))
    pairs = matched_names(tuple(old.values()), tuple(new.values()))
    for name, spec in old.items():
        if name not in pairs:
            yield _change(
                side, name, ChangeKind.REMOVED, Effect.BREAKING, (spec.type, ""), reason="callers that name it get an error"
            )
        elif pairs[name] != name:
            yield _change(
                side, name, ChangeKind.RENAMED, Effect.BREAKING, (name, pairs[name]), reason="callers know it by its name"
            )
        else:
            yield from _same_name(before, after, spec, new[name], side)
    known = set(pairs.values())
    for name in (name for name in new if name not in known):
        yield _added(side, new[name], has_default=name in after.defaults)
    yield from _order(list(old), list(new), side)


def _added(side: Side, spec: ValueSpec, *, has_default: bool) -> InterfaceChange:
    if side is Side.OUTPUT:
        effect, reason = Effect.COMPATIBLE, "callers need not ask for it"
    elif has_default:
        effect, reason = Effect.COMPATIBLE, "it has a default"
    else:
        effect, reason = Effect.BREAKING, "it has no default, and callers do not give it"
    return _change(side, spec.name, ChangeKind.ADDED, effect, ("", spec.type), reason=reason)


def _same_name(before: Interface, after: Interface, old: ValueSpec, new: ValueSpec, side: Side) -> Iterator[InterfaceChange]:
    width = _type_width(old.type, new.type)
    if old.type != new.type:
        effect = _effect(width, side)
        reason = _REASONS[side, width]
        yield _change(side, old.name, ChangeKind.TYPE, effect, (old.type, new.type), reason=reason)
    had, has = old.name in before.defaults, old.name in after.defaults
    if side is Side.INPUT and had != has:
        effect = Effect.COMPATIBLE if has else Effect.BREAKING
        reason = "callers may leave it out now" if has else "callers that leave it out get an error"
        words = ("no default", "a default")
        yield _change(side, old.name, ChangeKind.DEFAULT, effect, (words[had], words[has]), reason=reason)


_REASONS: Final[Mapping[tuple[Side, _Width], str]] = MappingProxyType(
    {
        (Side.INPUT, _Width.SAME): "dimensions have other names",
        (Side.OUTPUT, _Width.SAME): "dimensions have other names",
        (Side.INPUT, _Width.WIDER): "it takes what it took, and more",
        (Side.INPUT, _Width.NARROWER): "it no longer takes all that it took",
        (Side.OUTPUT, _Width.WIDER): "it may give what callers are not ready for",
        (Side.OUTPUT, _Width.NARROWER): "it gives a part of what it gave",
        (Side.INPUT, _Width.OTHER): "it does not take what it took",
        (Side.OUTPUT, _Width.OTHER): "it gives what it never gave",
    }
)


def _effect(width: _Width, side: Side) -> Effect:
    fine = {_Width.SAME, _Width.WIDER if side is Side.INPUT else _Width.NARROWER}
    return Effect.COMPATIBLE if width in fine else Effect.BREAKING


def _type_width(old: TypeSpec, new: TypeSpec) -> _Width:
    """How the values of ``new`` lie to those of ``old``; nothing is nested deeper than the reader of models allows."""
    if old.kind is not new.kind:
        return _optional_width(old, new)
    if old.element != new.element:
        return _Width.OTHER
    shapes = _shape_width(old.shape, new.shape)
    if old.inner is None or new.inner is None:
        return shapes if old.inner is new.inner else _Width.OTHER
    return _worst((shapes, _type_width(old.inner, new.inner)))


def _optional_width(old: TypeSpec, new: TypeSpec) -> _Width:
    """What may be left out where it had to be there is more than before, and the other way round."""
    if new.kind is ValueKind.OPTIONAL and new.inner is not None:
        return _worst((_Width.WIDER, _type_width(old, new.inner)))
    if old.kind is ValueKind.OPTIONAL and old.inner is not None:
        return _worst((_Width.NARROWER, _type_width(old.inner, new)))
    return _Width.OTHER


def _shape_width(old: tuple[int | str | None, ...] | None, new: tuple[int | str | None, ...] | None) -> _Width:
    if old is None or new is None:
        return _Width.SAME if old is new else _Width.WIDER if new is None else _Width.NARROWER
    if len(old) != len(new):
        return _Width.OTHER
    return _worst(_dimension_width(a, b) for a, b in zip(old, new, strict=True))


def _dimension_width(old: int | str | None, new: int | str | None) -> _Width:
    if isinstance(old, int) and isinstance(new, int):
        return _Width.SAME if old == new else _Width.OTHER
    if isinstance(old, int) or isinstance(new, int):
        return _Width.WIDER if isinstance(old, int) else _Width.NARROWER
    return _Width.SAME


def _worst(widths: Iterable[_Width]) -> _Width:
    """One width for several dimensions: wider in one and narrower in another is neither."""
    found = set(widths)
    if {_Width.WIDER, _Width.NARROWER} <= found:
        return _Width.OTHER
    return next((width for width in _WORST if width in found), _Width.SAME)


def _order(old: list[str], new: list[str], side: Side) -> Iterator[InterfaceChange]:
    """Whether those that stayed stand elsewhere. Inputs are given by name; outputs are also taken by their place."""
    kept = set(old) & set(new)
    if side is Side.INPUT:
        moved = [name for name in old if name in kept] != [name for name in new if name in kept]
        effect, reason = Effect.COMPATIBLE, "inputs are given by name"
    else:
        places = {name: index for index, name in enumerate(old)}
        moved = any(places[name] != index for index, name in enumerate(new) if name in kept)
        effect, reason = Effect.BREAKING, "callers that take outputs by their place get others"
    if moved:
        yield _change(side, "", ChangeKind.ORDER, effect, (", ".join(old), ", ".join(new)), reason=reason)


def _ties(before: Interface, after: Interface) -> Iterator[InterfaceChange]:
    """Dimensions that must be equal since they have one name: new ties among inputs ask more of callers, lost ones of outputs
    promise less.
    """
    old, new = _symbols(before), _symbols(after)
    both = [axis for axis in old if axis in new]
    for axis, partner in _split(both, by=new, unlike=old):
        if axis[0] is partner[0] is Side.INPUT:
            yield _tie(axis, Effect.BREAKING, f"need not be {_spell(partner)}", f"must be {_spell(partner)}")
    for axis, partner in _split(both, by=old, unlike=new):
        if Side.OUTPUT in (axis[0], partner[0]):
            given, other = sorted((axis, partner), key=lambda each: each[0] is Side.INPUT)
            yield _tie(given, Effect.BREAKING, f"is {_spell(other)}", f"need not be {_spell(other)}")
        else:
            yield _tie(axis, Effect.COMPATIBLE, f"must be {_spell(partner)}", f"need not be {_spell(partner)}")


def _symbols(interface: Interface) -> dict[Axis, object]:
    """What each open dimension is called; one without a name is like no other."""
    return {
        axis: axis if dimension is None else dimension
        for side in Side
        for spec in interface.of(side)
        for index, dimension in enumerate(spec.type.shape or ())
        if not isinstance(dimension, int) and (axis := (side, spec.name, index))
    }


def _split(axes: list[Axis], *, by: Mapping[Axis, object], unlike: Mapping[Axis, object]) -> Iterator[tuple[Axis, Axis]]:
    """Each dimension that has its name ``by`` one reading in common with an earlier one, and ``unlike`` the other reading."""
    first: dict[object, Axis] = {}
    for axis in axes:
        partner = first.setdefault(by[axis], axis)
        if unlike[axis] != unlike[partner]:
            yield axis, partner


def _tie(axis: Axis, effect: Effect, before: str, after: str) -> InterfaceChange:
    values = (f"dimension {axis[2]} {before}", f"dimension {axis[2]} {after}")
    return _change(axis[0], axis[1], ChangeKind.TYPE, effect, values, reason="dimensions of one name are equal")


def _spell(axis: Axis) -> str:
    return f"dimension {axis[2]} of {axis[1]}"


def _change(
    side: Side, name: str, kind: ChangeKind, effect: Effect, values: tuple[object, object], *, reason: str
) -> InterfaceChange:
    before, after = map(str, values)
    return InterfaceChange(side=side, name=name, kind=kind, effect=effect, before=before, after=after, reason=reason)
