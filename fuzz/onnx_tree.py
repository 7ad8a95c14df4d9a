"""ONNX bent as ONNX: models whose nodes, types, tensors and imports are others, and which mostly are still models.

``wire_tree`` breaks the format everywhere; hardly one of its models passes a strict reader, so what comes after the
reader is not reached. Here the fields are known by the schema, and an edit mends what it would otherwise break.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from functools import cache

import wire_tree
from wire_tree import NUMBERS, Field

from mlsign.onnx import schema
from mlsign.onnx.signature_table import NEWEST, TABLE
from mlsign.onnx.signatures import signature


def _messages(text: str) -> dict[str, dict[int, str]]:
    """The types of the fields that are messages, by the message they stand in."""
    out = {}
    for line in text.split():
        name, _, rest = line.partition("=")
        out[name] = {int(number): inner for number, _, inner in (item.partition(":") for item in rest.split(","))}
    return out


INNER = _messages("""
ModelProto=7:GRAPH,8:OPSET,14:ENTRY,20:TRAINING,25:FUNCTION,26:CONFIGURATION
GraphProto=1:NODE,5:TENSOR,11:VALUE_INFO,12:VALUE_INFO,13:VALUE_INFO,14:ANNOTATION,15:SPARSE_TENSOR,16:ENTRY
NodeProto=5:ATTRIBUTE,9:ENTRY,10:NODE_CONFIGURATION
AttributeProto=5:TENSOR,6:GRAPH,10:TENSOR,11:GRAPH,14:TYPE,15:TYPE,22:SPARSE_TENSOR,23:SPARSE_TENSOR
FunctionProto=7:NODE,9:OPSET,11:ATTRIBUTE,12:VALUE_INFO,14:ENTRY
TensorProto=13:ENTRY,16:ENTRY
SparseTensorProto=1:TENSOR,2:TENSOR
ValueInfoProto=2:TYPE,4:ENTRY
TypeProto=1:TENSOR_TYPE,4:ELEMENT_TYPE,5:MAP_TYPE,7:OPAQUE_TYPE,8:TENSOR_TYPE,9:ELEMENT_TYPE
TypeProto.Tensor=2:SHAPE
TypeProto.Sequence=1:TYPE
TypeProto.Map=2:TYPE
TensorShapeProto=1:DIMENSION
TrainingInfoProto=1:GRAPH,2:GRAPH,3:ENTRY,4:ENTRY
TensorAnnotation=2:ENTRY
NodeDeviceConfigurationProto=2:SHARDING
ShardingSpecProto=3:INT_LIST,4:SHARDED_DIM
ShardedDimProto=2:SIMPLE_SHARDED_DIM
""")
_ATTRIBUTE_FIELDS = {1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 8, 8: 9, 9: 10, 10: 11, 11: 22, 12: 23, 13: 14, 14: 15}
"""The field of an attribute that holds its value, by its type."""
Fields = list[Field]
Edit = Callable[[Fields, random.Random], None]


def parsed(data: bytes, message: schema.Message) -> Fields | None:
    """The fields of a message of this type, or None where the bytes are none."""
    flat = wire_tree.shallow(data)
    if flat is None:
        return None
    for field in flat:
        inner = INNER.get(message.name, {}).get(field.number)
        if inner is not None and field.wire == 2 and isinstance(field.value, bytes):
            deeper = parsed(field.value, getattr(schema, inner))
            field.value = field.value if deeper is None else deeper
    return flat


def places(tree: Fields, message: str = "MODEL") -> Iterator[tuple[str, Fields]]:
    """Every message in the tree with the name of its type."""
    yield message, tree
    for field in tree:
        inner = INNER.get(getattr(schema, message).name, {}).get(field.number)
        if inner is not None and isinstance(field.value, list):
            yield from places(field.value, inner)


@cache
def _operators() -> tuple[tuple[str, str], ...]:
    rows = (line.partition("|")[0].partition(":") for line in TABLE.splitlines() if line)
    return tuple((domain, name) for domain, _, name in rows)


def _set(fields: Fields, number: int, value: int | bytes | Fields, *, wire: int | None = None) -> None:
    """One field of this number and no other."""
    kept = [field for field in fields if field.number != number]
    kept.append(Field(number, wire if wire is not None else 0 if isinstance(value, int) else 2, value))
    fields[:] = kept


def _get(fields: Fields, number: int) -> list[int | bytes | Fields]:
    return [field.value for field in fields if field.number == number]


def _text(fields: Fields, number: int) -> str:
    values = [value for value in _get(fields, number) if isinstance(value, bytes)]
    return values[-1].decode("utf-8", "replace") if values else ""


def _opset(tree: Fields, rng: random.Random) -> None:
    """Another version of an operator set, or one more import."""
    imports = [value for value in _get(tree, 8) if isinstance(value, list)]
    if imports and rng.random() < 0.7:
        _set(rng.choice(imports), 2, rng.choice((rng.randint(1, 29), rng.choice(NUMBERS))))
        return
    domain = rng.choice((*NEWEST, "", "own", "com.microsoft"))
    tree.append(Field(8, 2, [Field(1, 2, domain.encode()), Field(2, 0, rng.randint(0, 28))]))


def _model(tree: Fields, rng: random.Random) -> None:
    match rng.randint(0, 3):
        case 0:
            _set(tree, 1, rng.choice((rng.randint(1, 14), rng.choice(NUMBERS))))
        case 1:
            tree.append(Field(14, 2, [Field(1, 2, rng.choice((b"a", b"b", b""))), Field(2, 2, b"v")]))
        case _:
            _opset(tree, rng)


def _node(node: Fields, rng: random.Random) -> None:
    """Another operator, attributes it has or has not, inputs and outputs in another number or order."""
    names = [value for value in (*_get(node, 1), *_get(node, 2)) if isinstance(value, bytes)] or [b"x"]
    domain, name = _text(node, 7) or "ai.onnx", _text(node, 4)
    match rng.randint(0, 6):
        case 0 | 1:
            _other_operator(node, rng, names)
        case 2:
            found = signature(domain, name, rng.randint(1, 28))
            if found is not None and found.attributes:
                key, kind = rng.choice(sorted(found.attributes.items()))
                node.append(Field(5, 2, _attribute(key, kind if rng.random() < 0.9 else rng.randint(0, 15), rng)))
        case 3:
            node.append(Field(rng.choice((1, 2)), 2, rng.choice((*names, b"", b"fresh"))))
        case 4:
            at = [field for field in node if field.number in (1, 2)]
            if at:
                rng.choice(at).value = rng.choice((*names, b"", b"fresh"))
        case 5:
            node[:] = [field for field in node if field.number != rng.choice((1, 2, 3, 5, 7)) or rng.random() < 0.5]
        case _:
            number, value = rng.choice(
                ((7, b"own"), (7, b"ai.onnx.ml"), (7, b""), (7, b"ai.onnx"), (8, b"o"), (3, b"n"), (3, b""))
            )
            _set(node, number, value)


def _other_operator(node: Fields, rng: random.Random, names: list[bytes]) -> None:
    domain, name = rng.choice(_operators())
    found = signature(domain, name, rng.randint(1, 28))
    _set(node, 4, name.encode())
    if domain != "ai.onnx" or _get(node, 7):
        _set(node, 7, domain.encode() if domain != "ai.onnx" else b"")
    if found is None or rng.random() < 0.2:
        return
    inputs, outputs = _get(node, 1), [value for value in _get(node, 2) if isinstance(value, bytes)]
    node[:] = [field for field in node if field.number not in (1, 2, 5)]
    count = rng.randint(found.inputs.least, min(found.inputs.most, found.inputs.least + 2))
    known = [value for value in inputs if isinstance(value, bytes)] or names
    node.extend(Field(1, 2, known[index] if index < len(known) else rng.choice(known)) for index in range(count))
    count = max(found.outputs.least, min(found.outputs.most, len(outputs)))
    node.extend(Field(2, 2, outputs[index] if index < len(outputs) else b"fresh%d" % index) for index in range(count))
    for key, kind in found.attributes.items():
        if key in found.needed or rng.random() < 0.2:
            node.append(Field(5, 2, _attribute(key, kind, rng)))


def _attribute(key: bytes, kind: int, rng: random.Random) -> Fields:
    """An attribute of this name and type with some value."""
    number = _ATTRIBUTE_FIELDS.get(kind, 3)
    out = [Field(1, 2, key), Field(20, 0, kind)]
    small = (0, 1, 2, 3, rng.choice(NUMBERS))
    match kind:
        case 1:
            out.append(Field(number, 5, rng.choice((bytes(4), b"\0\0\x80?", b"\0\0\xc0\x7f", rng.randbytes(4)))))
        case 2:
            out.append(Field(number, 0, rng.choice(small)))
        case 3 | 8:
            words = (b"", b"SAME_UPPER", b"constant", b"forward", b"ij->i", b"x")
            out.extend(Field(number, 2, rng.choice(words)) for _ in range(1 if kind == 3 else rng.randint(0, 3)))
        case 6:
            out.extend(Field(number, 5, rng.randbytes(4)) for _ in range(rng.randint(0, 3)))
        case 7:
            out.extend(Field(number, 0, rng.choice(small)) for _ in range(rng.randint(0, 4)))
        case 4 | 9:
            out.append(Field(number, 2, _tensor(rng)))
        case 13 | 14:
            out.append(Field(number, 2, _type(rng)))
        case 11 | 12:
            sparse = [Field(1, 2, _tensor(rng, name=b"v")), Field(2, 2, _tensor(rng, kind=7)), Field(3, 0, rng.choice(small))]
            out.append(Field(number, 2, sparse))
        case 5 | 10:
            value = [Field(1, 2, b"g"), Field(2, 2, _type(rng))]
            node = [Field(1, 2, b"x"), Field(2, 2, b"g"), Field(4, 2, b"Identity")]
            out.append(Field(number, 2, [Field(1, 2, node), Field(2, 2, b"b"), Field(12, 2, value)]))
        case _:
            out.append(Field(3, 0, 1))
    return out


def _tensor(rng: random.Random, *, kind: int | None = None, name: bytes = b"") -> Fields:
    """A tensor whose bytes are as many as its type and dimensions ask for."""
    kind = kind or rng.choice((1, 6, 7, 9, 11, rng.randint(1, 28)))
    dims = [rng.choice((0, 1, 1, 2, 3)) for _ in range(rng.randint(0, 2))]
    count = 1
    for size in dims:
        count *= size
    out = [*(Field(1, 0, size) for size in dims), Field(2, 0, kind)]
    if kind == 8:
        out.extend(Field(6, 2, b"s") for _ in range(count))
    else:
        out.append(Field(9, 2, bytes((count * schema.ELEMENTS[kind].bits + 7) // 8)))
    return [*out, Field(8, 2, name)] if name else out


def _type(rng: random.Random, *, depth: int = 0) -> Fields:
    shape = [Field(1, 2, _dimension(rng)) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    element = Field(1, 0, rng.choice((1, 6, 7, 8, 9, 11, rng.randint(0, 29))))
    tensor = [element, Field(2, 2, shape)] if rng.random() < 0.9 else [element]
    match rng.randint(0, 9) if depth < 3 else 9:
        case 0:
            return [Field(4, 2, [Field(1, 2, _type(rng, depth=depth + 1))])]
        case 1:
            return [Field(9, 2, [Field(1, 2, _type(rng, depth=depth + 1))])]
        case 2:
            return [Field(5, 2, [Field(1, 0, rng.choice((7, 8, 6, 1))), Field(2, 2, _type(rng, depth=depth + 1))])]
        case 3:
            return [Field(8, 2, tensor)]
        case _:
            return [Field(1, 2, tensor)]


def _dimension(rng: random.Random) -> Fields:
    match rng.randint(0, 5):
        case 0:
            return [Field(2, 2, rng.choice((b"n", b"m", b"")))]
        case 1:
            return []
        case 2:
            return [Field(1, 0, rng.choice(NUMBERS))]
        case _:
            return [Field(1, 0, rng.choice((0, 1, 2, 3, 5)))]


def _change_tensor(tensor: Fields, rng: random.Random) -> None:
    name = _text(tensor, 8).encode()
    match rng.randint(0, 3):
        case 0 | 1:
            tensor[:] = _tensor(rng, name=name)
        case 2:
            _set(tensor, 2, rng.randint(0, 29))
        case _:
            tensor.insert(0, Field(1, 0, rng.choice((0, 1, 1, 2))))


def _value(value: Fields, rng: random.Random) -> None:
    match rng.randint(0, 4):
        case 0:
            _set(value, 1, rng.choice((b"x", b"y", b"w", b"", b"fresh")))
        case 1:
            value[:] = [field for field in value if field.number != 2]
        case _:
            _set(value, 2, _type(rng))


def _graph(graph: Fields, rng: random.Random) -> None:
    """One more node, input, output, value or initializer; or one fewer, or two changed about."""
    names = [value for node in _get(graph, 1) if isinstance(node, list) for value in (*_get(node, 1), *_get(node, 2))]
    known = [value for value in names if isinstance(value, bytes)] or [b"x"]
    name = rng.choice((*known, b"fresh", b""))
    at = rng.randint(0, len(graph))
    match rng.randint(0, 9):
        case 0 | 1 | 2:
            node = [Field(1, 2, rng.choice(known)), Field(2, 2, rng.choice((b"fresh", b"other", name))), Field(4, 2, b"Relu")]
            if rng.random() < 0.7:
                _other_operator(node, rng, known)
            graph.insert(at, Field(1, 2, node))
        case 3 | 4:
            graph.insert(at, Field(rng.choice((11, 12, 13)), 2, [Field(1, 2, name), Field(2, 2, _type(rng))]))
        case 5:
            graph.insert(at, Field(5, 2, _tensor(rng, name=name)))
        case 6:
            sparse = [Field(1, 2, _tensor(rng, name=name)), Field(2, 2, _tensor(rng, kind=7)), Field(3, 0, rng.randint(0, 4))]
            graph.insert(at, Field(15, 2, sparse))
        case 7 if graph:
            del graph[rng.randrange(len(graph))]
        case 8 if graph:
            graph.insert(at, copy.deepcopy(rng.choice(graph)))
        case _:
            rng.shuffle(graph)


def _function(function: Fields, rng: random.Random) -> None:
    match rng.randint(0, 5):
        case 0:
            _set(function, 10, rng.choice((b"own", b"", b"ai.onnx", b"other")))
        case 1:
            _set(function, 13, rng.choice((b"", b"o", b"p")))
        case 2:
            function.append(Field(rng.choice((4, 5, 6)), 2, rng.choice((b"a", b"b", b"x", b"y", b""))))
        case 3:
            function.append(Field(11, 2, _attribute(rng.choice((b"a", b"b")), rng.randint(0, 14), rng)))
        case 4:
            domain = rng.choice((b"", b"own", b"ai.onnx.ml"))
            function.append(Field(9, 2, [Field(1, 2, domain), Field(2, 0, rng.randint(1, 28))]))
        case _:
            node = [Field(1, 2, b"a"), Field(2, 2, b"b"), Field(4, 2, b"Relu")]
            _other_operator(node, rng, [b"a", b"x"])
            function.append(Field(7, 2, node))


def _change_attribute(attribute: Fields, rng: random.Random) -> None:
    kind = _get(attribute, 20)
    number = kind[-1] if kind and isinstance(kind[-1], int) and rng.random() < 0.9 else rng.randint(0, 15)
    if rng.random() < 0.1:
        attribute.append(Field(21, 2, b"a"))
    else:
        attribute[:] = _attribute(_text(attribute, 1).encode(), number, rng)


_EDITS: dict[str, tuple[int, Edit]] = {
    "MODEL": (2, _model),
    "GRAPH": (4, _graph),
    "NODE": (4, _node),
    "ATTRIBUTE": (3, _change_attribute),
    "TENSOR": (2, _change_tensor),
    "VALUE_INFO": (1, _value),
    "FUNCTION": (4, _function),
}


def bent(data: bytes, rng: random.Random) -> bytes:
    """A few edits of the model in ``data``; nothing where there is none."""
    tree = parsed(data, schema.MODEL)
    if not tree:
        return b""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        found = [(message, fields) for message, fields in places(tree) if message in _EDITS]
        message, fields = rng.choices(found, [_EDITS[message][0] for message, _ in found])[0]
        _EDITS[message][1](fields, rng)
    return wire_tree.written(tree)
