"""Weights of two models held against each other, tensor by tensor and a bounded piece at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mlsign.actions.comparison.difference import WeightChange, WeightsDifference
from mlsign.actions.comparison.sides import OpenSide
from mlsign.compare.graphs.bodies import Constant, Scaling
from mlsign.compare.graphs.result import Compared, ConstantPair, StoredPair
from mlsign.errors import InputError
from mlsign.limits import MIB
from mlsign.onnx.records import SparseRecord, Stored, StoredOutside, TensorRecord
from mlsign.onnx.wire import Region
from mlsign.package.stream import Advance

if TYPE_CHECKING:
    from mlsign.tensors.differences import Quantization
    from mlsign.tensors.payload import StoredTensor

_CHUNK: Final = 4 * MIB
_TWICE_READ: Final = "takes bytes that other tensors take as well, and was not read again"


def compare_weights(first: OpenSide, second: OpenSide, found: Compared, *, advance: Advance | None) -> WeightsDifference:
    """What became of every weight that the graphs have in common, and which ones only one has.

    No more bytes are read than the files have, however many tensors a model lays over the same ones. Raises ``OutsideError``, and
    ``InputError`` (``file.changed``) where a file is not what it was.
    """
    reading = _Reading(first, second, advance)
    identical, changed = 0, []
    changes = [change for pair in found.constants for change in reading.pair(pair)]
    changes += [reading.attribute(pair) for pair in found.stored]
    for change in changes:
        if change is None:
            identical += 1
        else:
            changed.append(change)
    return WeightsDifference(
        identical=identical,
        changed=tuple(changed),
        added=tuple(map(_described, found.only_after)),
        removed=tuple(map(_described, found.only_before)),
    )


def _described(constant: Constant) -> str:
    return f"{constant.name}: {_type(constant.tensor)}"


def _type(tensor: TensorRecord | SparseRecord) -> str:
    if isinstance(tensor, SparseRecord):
        return f"sparse {tensor.values.element}{list(tensor.shape)}"
    return f"{tensor.element or 'unknown type'}{list(tensor.shape)}"


@dataclass(frozen=True, slots=True)
class _Named:
    """What a weight is called in both models, and of which types it is."""

    before: str
    after: str
    types: tuple[str, str]
    transposed: bool = False


class _Reading:
    """What may still be read of two open models."""

    def __init__(self, first: OpenSide, second: OpenSide, advance: Advance | None) -> None:
        self._sides = first, second
        self._advance = advance
        # Scales, and what is shared honestly, are read more than once.
        self._room = [2 * sum(source.size for source in (side.source, *side.weights.values())) for side in (first, second)]
        self._known: dict[object, WeightChange | None] = {}

    def pair(self, pair: ConstantPair) -> list[WeightChange | None]:
        """What became of a weight; of a sparse one its values and its indices. None is nothing."""
        before, after = pair.before, pair.after
        old, new = before.tensor, after.tensor
        named = _Named(before.name, after.name, (_type(old), _type(new)), pair.transposed)
        if isinstance(old, SparseRecord) and isinstance(new, SparseRecord):
            return [
                self._tensors(old.values, new.values, _part(named, "values"), None),
                self._tensors(old.indices, new.indices, _part(named, "indices"), None),
                *([] if old.shape == new.shape else [_not_compared(named, "is sparse and of another shape")]),
            ]
        if isinstance(old, SparseRecord) or isinstance(new, SparseRecord):
            return [_not_compared(named, "is sparse in one and not in the other")]
        scalings = [(number, found) for number, found in enumerate((before.quantized, after.quantized)) if found is not None]
        return [self._tensors(old, new, named, scalings[0] if len(scalings) == 1 else None)]

    def _quantization(self, number: int, scaling: Scaling, codes: TensorRecord) -> Quantization:
        from mlsign.tensors.scalings import read_quantization

        zero_point, factor = (
            None if record is None else self._stored(number, record) for record in (scaling.zero_point, scaling.factor)
        )
        return read_quantization(
            self._stored(number, scaling.scale),
            zero_point,
            factor=factor,
            axis=scaling.axis,
            block=scaling.block,
            codes=self._stored(number, codes),
        )

    def _stored(self, number: int, record: TensorRecord) -> StoredTensor:
        from mlsign.tensors.payload import StoredTensor

        side = self._sides[number]
        return StoredTensor(record=record, model=side.source, outside=side.outside.get)

    def _tensors(
        self, old: TensorRecord, new: TensorRecord, named: _Named, scaling: tuple[int, Scaling] | None
    ) -> WeightChange | None:
        key = (_bytes_of(old), _bytes_of(new), scaling and _stands_for(scaling[1]), named.transposed)
        if _are_read_and_same(old, new):
            return None
        if key in self._known:
            known = self._known[key]
            return None if known is None else replace(known, before=named.before, after=named.after)
        for number, record in enumerate((old, new)):
            self._room[number] -= record.size
        change = _not_compared(named, _TWICE_READ) if min(self._room) < 0 else self._compare(old, new, named, scaling)
        self._known[key] = change
        return change

    def _compare(
        self, old: TensorRecord, new: TensorRecord, named: _Named, scaling: tuple[int, Scaling] | None
    ) -> WeightChange | None:
        from mlsign.tensors.differences import Change, compare
        from mlsign.tensors.transposed import transposed

        try:
            quantization = None if scaling is None else self._quantization(*scaling, (old, new)[scaling[0]])
            before, after = self._stored(0, old), self._stored(1, new)
            if named.transposed and scaling is not None:  # the one in floats, whatever axis the other has its scales along
                before, after = (before, transposed(after)) if scaling[0] == 0 else (transposed(before), after)
            found = compare(before, after, quantization=quantization)
        except InputError as err:
            if err.code == "file.changed":
                raise
            return _not_compared(named, err.message)
        if self._advance is not None:
            self._advance(old.size + new.size)
        if found.change is Change.IDENTICAL:
            return None
        return WeightChange(
            before=named.before, after=named.after, types=named.types, difference=found, transposed=named.transposed
        )

    def attribute(self, pair: StoredPair) -> WeightChange | None:
        """Whether the long attribute of a node is the same bytes; None when it is."""
        if self._same_stored(pair.before, pair.after):
            return None
        named = _Named(pair.name, pair.name, ("attribute", "attribute"))
        return _not_compared(named, "very many values, and not the same ones")

    def _same_stored(self, old: Stored, new: Stored) -> bool:
        if len(old.parts) != len(new.parts):
            return False
        for before, after in zip(old.parts, new.parts, strict=True):
            if isinstance(before, int) or isinstance(after, int):
                if before != after:
                    return False
                continue
            if len(before) != len(after):
                return False
            for start in range(0, len(before), _CHUNK):
                one, other = (self._piece(number, part, start) for number, part in enumerate((before, after)))
                if one != other:
                    return False
        return True

    def _piece(self, number: int, part: bytes | Region, start: int) -> bytes:
        if isinstance(part, bytes):
            return part[start : start + _CHUNK]
        begin, end = part.start + start, part.end
        return self._sides[number].source.read_at(begin, min(_CHUNK, end - begin))


def _are_read_and_same(old: TensorRecord, new: TensorRecord) -> bool:
    """Whether two tensors are the same to the bit, as far as that is known without reading: what is in memory is compared there."""
    values = old.values
    if not isinstance(values, Stored) or not all(isinstance(part, bytes) for part in values.parts):
        return False
    return (old.element, old.shape, values) == (new.element, new.shape, new.values)


def _bytes_of(record: TensorRecord) -> object:
    """What two tensors have in common that take the very same bytes of a file; for others the tensor itself."""
    match record.values:
        case StoredOutside(location=location, offset=offset, length=length):
            return location, offset, length, record.element, record.shape
        case _:
            return id(record)


def _stands_for(scaling: Scaling) -> object:
    """What two scalings have in common that say the same of codes."""
    others = (None if record is None else _bytes_of(record) for record in (scaling.zero_point, scaling.factor))
    return _bytes_of(scaling.scale), *others, scaling.axis, scaling.block


def _part(named: _Named, what: str) -> _Named:
    return _Named(f"{what} of {named.before}", f"{what} of {named.after}", named.types)


def _not_compared(named: _Named, problem: str) -> WeightChange:
    return WeightChange(before=named.before, after=named.after, types=named.types, difference=None, problem=problem)
