"""Whether two ONNX files are one model in two spellings, told from their fields alone and without mlsign's readers.

Owns a list of what may be spelled otherwise: ``canonical`` puts each into one form, and everything else counts. What protobuf would
merge, drop or overwrite counts too.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any

import onnx
import onnx_tree
import wire_tree
from onnx import numpy_helper
from wire_tree import Field

from mlsign.onnx import schema

_VALUES = {2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 7, 9: 8, 10: 9, 11: 10, 22: 11, 23: 12, 14: 13, 15: 14}
"""The field of an attribute with a value, and the type of such attributes."""
_PAYLOADS = frozenset((4, 5, 6, 7, 9, 10, 11))
_LISTED_ONCE = (("ModelProto", 8), ("FunctionProto", 9))
"""Lists in which the same item twice says no more than once."""
_IN_ANY_ORDER = {"GraphProto": (1, 5, 15), "ModelProto": (8, 14, 25), "NodeProto": (5,), "FunctionProto": (6, 7, 9, 11)}
"""By message the lists whose order says nothing; of what has one key the order counts, and a key is ``_key``."""
_NAMELESS = {5: 8, 10: 8, 6: 2, 11: 2, 22: 8, 23: 8}
"""Tensors and graphs in an attribute, and the field with a name that nothing is known by."""
Canonical = tuple[Any, ...]


def canonical(data: bytes) -> Canonical | None:
    """One form for all spellings of a model; None where the bytes are no message."""
    tree = onnx_tree.parsed(data, schema.MODEL)
    return None if tree is None else _message(tree, "MODEL")


def parts(data: bytes) -> Counter[Canonical] | None:
    """What a model is made of, whatever its nodes, values and tensors are called: nodes with how many values they take and give."""
    tree = onnx_tree.parsed(data, schema.MODEL)
    if tree is None:
        return None
    out: Counter[Canonical] = Counter()
    for message, fields in onnx_tree.places(tree):
        if message == "NODE":
            kept = [field for field in fields if field.number in (4, 7, 8)]
            numbers = Counter(field.number for field in fields if field.number in (1, 2))
            plain = [
                _message(f.value, "ATTRIBUTE")
                for f in fields
                if f.number == 5 and isinstance(f.value, list) and not _is_deep(f.value)
            ]
            out["node", _message(kept, "NODE"), *sorted(numbers.items()), *sorted(map(repr, plain))] += 1
        elif message == "TENSOR":
            out["tensor", _message([field for field in fields if field.number != 8], "TENSOR")] += 1
    return out


def _is_deep(attribute: list[Field]) -> bool:
    return any(field.number in (5, 6, 10, 11, 22, 23) for field in attribute)


def _message(fields: list[Field], name: str) -> Canonical:
    message: schema.Message = getattr(schema, name)
    kinds = {field.number: field for field in message.by_tag.values()}
    if name == "TENSOR":
        fields = _tensor(fields)
    if name == "ATTRIBUTE":
        fields = _attribute(fields)
    found: dict[int, list[Any]] = {}
    for field in fields:
        kind = kinds.get(field.number)
        value: Any = field.value
        if isinstance(value, list):
            inner = onnx_tree.INNER[message.name][field.number]
            if name == "ATTRIBUTE" and field.number in _NAMELESS:
                value = _without_names(value, _NAMELESS[field.number], deep=field.number in (22, 23))
            if name == "SPARSE_TENSOR" and field.number == 2:
                value = _without_names(value, 8, deep=False)
            value = _message(value, inner)
        elif kind is not None and kind.kind in ("int64", "int32", "uint64", "enum") and field.wire == 2:
            numbers = _numbers(value)
            if numbers is not None:
                found.setdefault(field.number, []).extend(numbers)
                continue
        elif kind is not None and kind.kind in ("float", "double") and field.wire == 2:
            size = 4 if kind.kind == "float" else 8
            if len(value) % size == 0:
                found.setdefault(field.number, []).extend(value[at : at + size] for at in range(0, len(value), size))
                continue
        found.setdefault(field.number, []).append(value)
    _drop(found, name, kinds)
    if name == "NODE":
        while found.get(1) and found[1][-1] == b"":  # an input that is left out, behind all others
            found[1].pop()
        if not found.get(1, True):
            del found[1]
    for number in _IN_ANY_ORDER.get(message.name, ()):
        if number in found:
            found[number] = sorted(found[number], key=lambda value: _key(value, message.name, number))
            if (message.name, number) in _LISTED_ONCE:
                found[number] = [value for at, value in enumerate(found[number]) if value not in found[number][:at]]
    return tuple((number, *values) for number, values in sorted(found.items()))


def _key(value: Any, message: str, number: int) -> str:
    """What decides about the place of an item: the key of those of which several may have one, and all of it of others."""
    if isinstance(value, tuple) and (
        (message, number)
        in (("ModelProto", 14), ("NodeProto", 5), ("ModelProto", 8), ("FunctionProto", 9), ("FunctionProto", 11))
    ):
        return repr([item for item in value if item[0] == 1])
    return repr(value)


def _drop(found: dict[int, list[Any]], name: str, kinds: dict[int, schema.Field]) -> None:
    """Takes away what says nothing: what nobody compares, and single fields that say what their absence says."""
    between = {"GRAPH": 13, "FUNCTION": 12}.get(name)
    if between in found:  # of the types between, the words alone
        found[between] = [tuple(item for item in value if item[0] != 2) for value in found[between] if _is_noted(value)]
    for number in _UNREAD.get(name, ()):
        found.pop(number, None)
    for number, values in list(found.items()):
        field = kinds.get(number)
        empty = field is not None and field.single and values in ([0], [b""], [bytes(4)]) and (name, number) not in _TELLING
        if empty or not values or (name, number, values) in _DEFAULTS:
            del found[number]


_UNREAD = {"TYPE": (6,), "DIMENSION": (3,)}
_DEFAULTS = (
    ("OPSET", 1, [b"ai.onnx"]),
    ("NODE", 7, [b"ai.onnx"]),
    ("DIMENSION", 1, [(1 << 64) - 1]),
    ("VALUE_INFO", 2, [()]),  # a type that says nothing
)
_TELLING = frozenset({("DIMENSION", 1)})
"""Single fields that say something by being there, whatever they say."""


def _is_noted(value: Any) -> bool:
    return isinstance(value, tuple) and any(item[0] in (3, 4) for item in value)


def _numbers(data: bytes) -> list[int] | None:
    out: list[int] = []
    at = 0
    with contextlib.suppress(IndexError):
        while at < len(data):
            value, at = wire_tree.integer(data, at)
            out.append(value)
        return out
    return None


def _attribute(fields: list[Field]) -> list[Field]:
    """With its type, where that can be told from the one value."""
    values = {field.number for field in fields if field.number in _VALUES}
    if len(values) == 1 and not any(field.number == 20 and field.value for field in fields):
        fields = [field for field in fields if field.number != 20] + [Field(20, 0, _VALUES[values.pop()])]
    return fields


def _without_names(fields: list[Field], number: int, *, deep: bool) -> list[Field]:
    if deep:
        return [
            Field(f.number, f.wire, [g for g in f.value if g.number != number])
            if isinstance(f.value, list) and f.number in (1, 2)
            else f
            for f in fields
        ]
    return [field for field in fields if field.number != number]


def _tensor(fields: list[Field]) -> list[Field]:
    """With its numbers as raw data, where it has one payload and onnx can read it."""
    payloads = {field.number for field in fields if field.number in _PAYLOADS}
    outside = any(field.number == 14 and field.value == 1 for field in fields)
    if len(payloads) != 1 or payloads == {6} or outside:
        return fields
    with contextlib.suppress(Exception):  # whatever onnx cannot read stays as it is
        proto = onnx.TensorProto()
        proto.ParseFromString(wire_tree.written(fields))
        raw = numpy_helper.to_array(proto)
        data = f"{raw.dtype.str}{raw.tobytes().hex()}".encode()
        return [*(field for field in fields if field.number not in _PAYLOADS), Field(9, 2, data)]
    return fields
