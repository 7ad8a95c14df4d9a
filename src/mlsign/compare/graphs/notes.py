"""What is said of the parts of two models beside what is computed: doc strings, properties and annotations that are not the same.

Nothing here says that two models compute something else, and two that say something else are not the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

from mlsign.compare.facts import FieldChange, changed_fields
from mlsign.compare.graphs.bodies import numbered
from mlsign.compare.graphs.result import ConstantPair
from mlsign.onnx.records import FunctionRecord, GraphRecord, NodeRecord, Notes, SparseRecord, TensorRecord

_V = TypeVar("_V")
_MAX_TOLD: Final = 100_000
"""Changes that are told one by one: a hostile model can have millions, each of a few bytes."""


class ToldNotes:
    """Changes of notes in the order in which they were found; of those that are too many to tell, how many there are."""

    __slots__ = ("_more", "_told")

    def __init__(self) -> None:
        self._told: list[FieldChange] = []
        self._more = 0

    def add(self, changes: Iterable[FieldChange]) -> None:
        for change in changes:
            if len(self._told) < _MAX_TOLD:
                self._told.append(change)
            else:
                self._more += 1

    def told(self) -> tuple[FieldChange, ...]:
        if not self._more:
            return tuple(self._told)
        more = FieldChange(field="notes", before=f"{_MAX_TOLD:,} changes are listed", after=f"{self._more:,} more are not")
        return (*self._told, more)


def changed_notes(where: str, before: Notes | None, after: Notes | None) -> Iterator[FieldChange]:
    """What two say differently, told by the beginnings of their texts where these are known and differ."""
    if _digest(before) == _digest(after):
        return
    told: tuple[FieldChange, ...] = ()
    if all(notes is None or notes.texts is not None for notes in (before, after)):
        told = changed_fields(_texts(before), _texts(after))
    for change in told:
        yield FieldChange(field=f"{where} {change.field}", before=change.before, after=change.after)
    if not told:
        yield FieldChange(field=f"{where} doc_string, metadata", before=_digest(before), after=_digest(after))


def _digest(notes: Notes | None) -> str | None:
    return None if notes is None else f"sha256:{notes.digest.hex()}"


def _texts(notes: Notes | None) -> dict[str, str]:
    found = _counted(notes.texts or ()) if notes is not None else {}
    return {f"{key}[{place + 1}]" if place else key: text for (key, place), text in found.items()}


def _counted(pairs: Iterable[tuple[str, _V]]) -> dict[tuple[str, int], _V]:
    """Pairs by key, and by how many of that key came before."""
    seen: Counter[str] = Counter()
    out: dict[tuple[str, int], _V] = {}
    for key, value in pairs:
        out[key, seen[key]] = value
        seen[key] += 1
    return out


def notes_of_nodes(where: str, before: NodeRecord, after: NodeRecord) -> Iterator[FieldChange]:
    """Those of two nodes and of the attributes that both have."""
    yield from changed_notes(where, before.notes, after.notes)
    if any(attribute.notes is not None for node in (before, after) for attribute in node.attributes):
        old, new = numbered(before.attributes), numbered(after.attributes)
        for key in (key for key in old if key in new):
            yield from changed_notes(f"{where} attribute {key[0]}", old[key].notes, new[key].notes)


def notes_of_bodies(
    where: str, before: GraphRecord | FunctionRecord, after: GraphRecord | FunctionRecord, names: Mapping[str, str]
) -> Iterator[FieldChange]:
    """Those of two graphs or functions and of their values; ``names`` has what the second calls values of the first."""
    yield from changed_notes(where, before.notes, after.notes)
    old = _counted((names.get(name, name), notes) for name, notes in before.value_notes)
    new = _counted(after.value_notes)
    for key in dict.fromkeys((*old, *new)):
        yield from changed_notes(f"{where} value {key[0]}", old.get(key), new.get(key))


def notes_of_weights(pairs: Iterable[ConstantPair]) -> Iterator[FieldChange]:
    """Those of tensors that belong together."""
    for pair in pairs:
        for before, after in zip(_tensors(pair.before.tensor), _tensors(pair.after.tensor), strict=False):
            yield from changed_notes(f"weight {pair.after.name}", before.notes, after.notes)


def _tensors(tensor: TensorRecord | SparseRecord) -> tuple[TensorRecord, ...]:
    return (tensor.values, tensor.indices) if isinstance(tensor, SparseRecord) else (tensor,)
