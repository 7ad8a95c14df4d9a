"""What the stored numbers of a model look like, tensor by tensor: the largest ones, each read once and a bounded piece at a time."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from heapq import nlargest
from typing import TYPE_CHECKING, Final, TypeAlias

from mlsign.errors import InputError
from mlsign.limits import MIB
from mlsign.onnx.records import (
    AttributeKind,
    AttributeRecord,
    FunctionRecord,
    GraphRecord,
    ModelRecord,
    NodeRecord,
    SparseRecord,
    Stored,
    StoredOutside,
    TensorRecord,
)
from mlsign.onnx.wire import Value
from mlsign.package.crew import Worker, run_largest_first
from mlsign.package.stream import Advance
from mlsign.source import ByteSource
from mlsign.words import size

if TYPE_CHECKING:
    from mlsign.tensors.statistics import Statistics

MAX_MEASURED: Final = 400
"""Tensors that are measured: a person looks at the large ones."""
MAX_READ_BYTES: Final = 32 * 10**9
"""Bytes of weights that are read: a file may have a thousand times more, and take no room on a disk for them."""
_WORKERS: Final = 2
_FLOAT_DATA, _INT64_DATA, _RAW = 4, 7, 9
"""Fields of ``TensorProto`` whose values are spelled as those of attributes are."""
_UNFINISHED: Final = bytes(range(128, 256))
_MANY: Final = 32
"""From so many numbers on, an attribute is looked at as a tensor: what a tree ensemble has learnt stands in attributes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A tensor, where it is used, and what its values look like; ``problem`` says why that is not known."""

    record: TensorRecord
    home: str
    statistics: Statistics | None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The largest tensors of a model, largest first; ``left_out`` are smaller ones that nobody has measured."""

    measured: tuple[Weight, ...]
    left_out: int


_Known: TypeAlias = "tuple[Statistics | None, str]"
"""What the values look like, or why that is not known."""


def measure_weights(
    model: ModelRecord, source: ByteSource, open_outside: Callable[[str], ByteSource | None], *, advance: Advance | None = None
) -> Weights:
    """The weights of the model that ``source`` holds; ``open_outside`` opens a file of its external data by location, and is asked for those of
    tensors that are measured alone: of a file for each tensor there may be more than a process may have open.

    No more bytes are read than the files have, however many tensors a model lays over the same bytes, and no more than
    ``MAX_READ_BYTES``. What is not read is told in its place. Raises ``OutsideError``, and ``InputError`` (``file.changed``) where a file is not what it was.
    """
    from mlsign.tensors.payload import StoredTensor
    from mlsign.tensors.statistics import describe

    found = list(_tensors(model, source))
    chosen = nlargest(MAX_MEASURED, found, key=lambda each: each[0].size)
    places = {record.values.location for record, _ in chosen if isinstance(record.values, StoredOutside)}
    outside = {place: file for place in places if (file := open_outside(place)) is not None}
    room = source.size + sum(file.size for file in set(outside.values()))
    affordable, known = _affordable((record for record, _ in chosen), room=room)

    def look(key: object, record: TensorRecord, _: Worker) -> None:
        try:
            known[key] = describe(StoredTensor(record=record, model=source, outside=outside.get)), ""
        except InputError as err:
            if err.code == "file.changed":
                raise
            known[key] = None, err.message
        if advance is not None:
            advance(record.size)

    jobs = [(record.size, partial(look, key, record)) for key, record in affordable.items()]
    run_largest_first(jobs, workers=_WORKERS)
    measured = []
    for record, home in chosen:
        statistics, problem = known[_bytes_of(record)]
        measured.append(Weight(record=record, home=home, statistics=statistics, problem=problem))
    return Weights(measured=tuple(measured), left_out=len(found) - len(chosen))


def _affordable(records: Iterable[TensorRecord], *, room: int) -> tuple[dict[object, TensorRecord], dict[object, _Known]]:
    """By the bytes they take: the tensors to read, within ``room`` bytes of files and ``MAX_READ_BYTES``; of others why not."""
    affordable: dict[object, TensorRecord] = {}
    refused: dict[object, _Known] = {}
    budget = MAX_READ_BYTES
    for record in records:
        key = _bytes_of(record)
        if key in affordable:
            continue
        outside, inside = _sizes(record)
        if outside > room:
            refused[key] = None, "asks for more bytes than its files have besides those of other tensors"
        elif outside + inside > budget:
            refused[key] = None, f"a report reads no more than {size(MAX_READ_BYTES)} of weights, the largest tensors first"
        else:
            room -= outside
            budget -= outside + inside
            affordable[key] = record
    return affordable, refused


def _sizes(record: TensorRecord) -> tuple[int, int]:
    """The bytes that are read for a tensor from another file, and from the model."""
    match record.values:
        case StoredOutside():
            return record.size, 0
        case Stored(parts=parts):
            return 0, sum(0 if isinstance(part, int) else len(part) for part in parts)
        case None:
            return 0, 0


def _bytes_of(record: TensorRecord) -> object:
    """What two tensors have in common that take the very same bytes of a file; for others the tensor itself."""
    match record.values:
        case StoredOutside(location=location, offset=offset):
            return location, offset, record.element, record.shape
        case _:
            return id(record)


def _tensors(model: ModelRecord, source: ByteSource) -> Iterator[tuple[TensorRecord, str]]:
    yield from _of_graph(model.graph, "main graph", source)
    for function in model.functions:
        yield from _of_nodes(function, f"function {function.name}", source)


def _of_graph(graph: GraphRecord, home: str, source: ByteSource) -> Iterator[tuple[TensorRecord, str]]:
    yield from ((tensor, home) for tensor in graph.initializers)
    for sparse in graph.sparse_initializers:
        yield from _of_sparse(sparse, home)
    yield from _of_nodes(graph, home, source)


def _of_nodes(graph: GraphRecord | FunctionRecord, home: str, source: ByteSource) -> Iterator[tuple[TensorRecord, str]]:
    for node in graph.nodes:
        for attribute in node.attributes:
            yield from _of_attribute(attribute, node, home, source)


def _of_attribute(
    attribute: AttributeRecord, node: NodeRecord, home: str, source: ByteSource
) -> Iterator[tuple[TensorRecord, str]]:
    numbers = _as_tensor(attribute, source)
    if numbers is not None:
        yield numbers, f"{node.operator} in {home}"
        return
    values = attribute.value if isinstance(attribute.value, tuple) else (attribute.value,)
    for value in values:
        if isinstance(value, TensorRecord):
            name = value.name or (node.outputs[0] if node.outputs else "")
            yield _named(value, name), f"{node.operator} in {home}"
        elif isinstance(value, SparseRecord):
            yield from _of_sparse(value, f"{node.operator} in {home}")
        elif isinstance(value, GraphRecord):
            yield from _of_graph(value, f"{attribute.name} of {node.operator}", source)


def _of_sparse(sparse: SparseRecord, home: str) -> Iterator[tuple[TensorRecord, str]]:
    yield _named(sparse.values, sparse.name), f"sparse in {home}"


def _named(tensor: TensorRecord, name: str) -> TensorRecord:
    return TensorRecord(
        name=name, element=tensor.element, shape=tensor.shape, count=tensor.count, size=tensor.size, values=tensor.values
    )


def _as_tensor(attribute: AttributeRecord, source: ByteSource) -> TensorRecord | None:
    """The numbers of a long attribute as a tensor of one dimension; None for anything else."""
    value = attribute.value
    match attribute.kind, value:
        case AttributeKind.FLOATS, tuple() if len(value) >= _MANY:
            return _flat(
                attribute.name, "float", 4, len(value), Stored(field=_RAW, parts=(struct.pack(f"<{len(value)}f", *value),))
            )
        case AttributeKind.INTS, tuple() if len(value) >= _MANY:
            return _flat(
                attribute.name, "int64", 8, len(value), Stored(field=_RAW, parts=(struct.pack(f"<{len(value)}q", *value),))
            )
        case AttributeKind.FLOATS, Stored(parts=parts):
            length = sum(0 if isinstance(part, int) else len(part) for part in parts)
            return _flat(attribute.name, "float", 4, length // 4, Stored(field=_FLOAT_DATA, parts=parts))
        case AttributeKind.INTS, Stored(parts=parts):
            return _flat(attribute.name, "int64", 8, _integers(parts, source), Stored(field=_INT64_DATA, parts=parts))
        case _:
            return None


def _integers(parts: tuple[Value, ...], source: ByteSource) -> int:
    """How many integers there are: each ends with a byte below 128."""
    count = 0
    for part in parts:
        if isinstance(part, int):
            count += 1
        elif isinstance(part, bytes):
            count += len(part.translate(None, _UNFINISHED))
        else:
            for at in range(part.start, part.end, MIB):
                count += len(source.read_at(at, min(MIB, part.end - at)).translate(None, _UNFINISHED))
    return count


def _flat(name: str, element: str, size: int, count: int, values: Stored) -> TensorRecord:
    return TensorRecord(name=name, element=element, shape=(count,), count=count, size=count * size, values=values)
