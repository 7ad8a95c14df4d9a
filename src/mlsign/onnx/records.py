"""A model as a structure: graphs, nodes, attributes, functions, and tensors without their values.

The values that ``structure`` reads and that comparing, drawing and printing a model begin with. Everything stands in the order
and the words of the file; nothing has been judged. Names are as written, so whoever shows one escapes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from mlsign.interface import OpsetImport, TypeSpec, ValueSpec
from mlsign.onnx.wire import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What stands beside what is computed: doc string, properties, annotations. Two with equal digests say the same.

    ``texts`` are the fields and the beginnings of what they say; None where a model says too much to keep it.
    """

    digest: bytes
    texts: tuple[tuple[str, str], ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Values that are in the model file, undecoded: the number of the payload field of ``TensorProto`` and what stood in it.

    A part is bytes, a ``Region`` of the file that nobody has read, or one number of a field that is not packed (the varint as
    it was written: never negative). The same stands for long lists and texts of an attribute, with the number of the field of
    ``AttributeProto``.
    """

    field: int
    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOutside:
    """Values that are in another file. ``location`` is as written, not yet a checked path; ``length`` is None where it is not said.

    Nothing says yet that ``offset`` and ``length`` are inside of that file.
    """

    location: str
    offset: int
    length: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRecord:
    """A tensor: type, shape, and where its values are. ``element`` is ONNX's name in lower case, empty for unknown types.

    ``count`` is in elements, ``size`` in bytes as type and shape ask, of strings those of their texts; both are 0 where the shape is
    none (a negative dimension, or more than 2^63 bytes). ``values`` is None where there are none.
    """

    name: str
    element: str
    shape: tuple[int, ...]
    count: int
    size: int
    values: Stored | StoredOutside | None
    notes: Notes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseRecord:
    """A sparse tensor of ``shape``: the values that are not zero, and their places."""

    name: str
    shape: tuple[int, ...]
    values: TensorRecord
    indices: TensorRecord


class AttributeKind(Enum):
    """What an attribute holds, by the number of ``AttributeProto.AttributeType``.

    An attribute is ``UNDEFINED`` when it says nothing of its type and has not one value to tell it from; its value is None.
    """

    UNDEFINED = 0
    FLOAT = 1
    INT = 2
    STRING = 3
    TENSOR = 4
    GRAPH = 5
    FLOATS = 6
    INTS = 7
    STRINGS = 8
    TENSORS = 9
    GRAPHS = 10
    SPARSE_TENSOR = 11
    SPARSE_TENSORS = 12
    TYPE_PROTO = 13
    TYPE_PROTOS = 14


AttributeValue: TypeAlias = (
    "float | int | bytes | TensorRecord | SparseRecord | GraphRecord | TypeSpec | Stored"
    " | tuple[float, ...] | tuple[int, ...] | tuple[bytes, ...] | tuple[TensorRecord, ...]"
    " | tuple[SparseRecord, ...] | tuple[GraphRecord, ...] | tuple[TypeSpec, ...] | None"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeRecord:
    """One attribute. ``value`` is of the type that ``kind`` says, a tuple for the kinds in the plural.

    ``FLOATS`` and ``INTS`` of more than ``wire.HEAVY_BYTES``, which are the weights of a tree ensemble, and texts of more than
    ``wire.WHOLE_BYTES`` are ``Stored``.

    Within a function it may stand for one of the function's attributes instead, named by ``reference``; ``value`` is None then.
    """

    name: str
    kind: AttributeKind
    value: AttributeValue
    reference: str = ""
    notes: Notes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """One node. ``domain`` is as written: empty for the standard one. An empty name among inputs or outputs is one left out."""

    name: str
    domain: str
    operator: str
    overload: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[AttributeRecord, ...] = ()
    notes: Notes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphRecord:
    """A graph. ``inputs`` are all of them, those with an initializer too; ``values`` the types that it notes for values between.

    ``value_notes`` are those of inputs, outputs and values between, by name.
    """

    name: str
    inputs: tuple[ValueSpec, ...]
    outputs: tuple[ValueSpec, ...]
    values: tuple[ValueSpec, ...]
    initializers: tuple[TensorRecord, ...]
    sparse_initializers: tuple[SparseRecord, ...]
    nodes: tuple[NodeRecord, ...]
    doc: str = ""
    notes: Notes | None = None
    value_notes: tuple[tuple[str, Notes], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionRecord:
    """A function of the model: what a node calls as ``domain``, ``name`` and ``overload``. ``defaults`` are attributes with a value."""

    domain: str
    name: str
    overload: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[str, ...]
    defaults: tuple[AttributeRecord, ...]
    opsets: tuple[OpsetImport, ...]
    values: tuple[ValueSpec, ...]
    nodes: tuple[NodeRecord, ...]
    doc: str = ""
    notes: Notes | None = None
    value_notes: tuple[tuple[str, Notes], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """A model. ``opsets`` are in the words of the file, the standard domain spelled ``ai.onnx``; ``has_training`` says that there is
    training information, which is not read further. ``noted`` is how many parts of the model have notes.
    """

    ir_version: int
    producer_name: str
    producer_version: str
    domain: str
    model_version: int
    opsets: tuple[OpsetImport, ...]
    metadata: tuple[tuple[str, str], ...]
    graph: GraphRecord
    functions: tuple[FunctionRecord, ...]
    has_training: bool = False
    noted: int = 0
    doc: str = ""
    notes: Notes | None = None
