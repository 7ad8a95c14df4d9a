"""Attributes in ONNX's textual syntax, those that hold graphs aside: these take lines of their own."""

from __future__ import annotations

from typing import Final

from mlsign.interface import TypeSpec
from mlsign.onnx.records import AttributeKind, AttributeRecord, AttributeValue, SparseRecord, Stored, TensorRecord
from mlsign.onnx.wire import Region
from mlsign.report.onnx.values import values_words
from mlsign.report.onnx.words import float_word, is_bare, is_word, quoted, string, type_word
from mlsign.words import counted, size

MAX_ITEMS: Final = 64
"""Longer lists are the tables of tree ensembles and the like: weights."""
_KINDS: Final = {kind: kind.name.lower() for kind in AttributeKind}
_SPARSE: Final = frozenset((AttributeKind.SPARSE_TENSOR, AttributeKind.SPARSE_TENSORS))


def holds_graphs(attribute: AttributeRecord) -> bool:
    """Whether its value is one graph or a list of them."""
    return attribute.kind in (AttributeKind.GRAPH, AttributeKind.GRAPHS) and attribute.value is not None


def attribute_head(attribute: AttributeRecord) -> str:
    """Name and type. The syntax has no quotes for the name, so the parser refuses an odd one."""
    word = attribute.name if is_word(attribute.name) else quoted(attribute.name)
    return word if attribute.kind is AttributeKind.UNDEFINED else f"{word}: {_KINDS[attribute.kind]}"


def attribute_word(attribute: AttributeRecord, notes: list[str]) -> str:
    """The attribute; empty, with a note, for one that the syntax cannot say."""
    what = quoted(attribute.name)
    if attribute.reference:
        reference = attribute.reference if is_word(attribute.reference) else quoted(attribute.reference)
        return f"{attribute_head(attribute)} = @{reference}"
    value = attribute.value
    if attribute.kind in _SPARSE:
        tensors = value if isinstance(value, tuple) else (value,)
        told = ", ".join(sparse_words(tensor) for tensor in tensors if isinstance(tensor, SparseRecord))
        notes.append(f"attribute {what} is left out: {told or 'sparse, without a value'}")
        return ""
    word = _value(attribute.kind, value, what, notes)
    if word is None:
        notes.append(f"attribute {what} is left out: it has no value that can be said")
        return ""
    return f"{attribute_head(attribute)} = {word}"


def _value(kind: AttributeKind, value: AttributeValue, what: str, notes: list[str]) -> str | None:
    match value:
        case Stored():
            stored = sum(len(part) for part in value.parts if isinstance(part, bytes | Region))
            notes.append(f"{what} is left out, {size(stored)}")
            return '""' if kind is AttributeKind.STRING else "[]"
        case tuple():
            if len(value) > MAX_ITEMS:
                notes.append(f"{counted(len(value), 'value')} of {what} left out")
                return "[]"
            items = [word for item in value if (word := _one(item, what, notes)) is not None]
            if len(items) < len(value):
                notes.append(f"{counted(len(value) - len(items), 'value')} of {what} cannot be said")
            return f"[{', '.join(items)}]"
        case _:
            return _one(value, what, notes)


def _one(value: object, what: str, notes: list[str]) -> str | None:
    match value:
        case float():
            return float_word(value)
        case int():
            return str(value)
        case bytes():
            return string(value, what, notes)
        case TypeSpec():
            return type_word(value)
        case TensorRecord():
            return _tensor(value, what, notes)
        case _:
            return None


def _tensor(tensor: TensorRecord, what: str, notes: list[str]) -> str | None:
    """A tensor in an attribute, where the syntax has no quotes for its name, which means nothing to a runtime."""
    word = tensor_word(tensor)
    if word is None:
        return None
    label = ""
    if is_bare(tensor.name):
        label = f" {tensor.name}"
    elif tensor.name:
        notes.append(f"the name of {what} is {quoted(tensor.name)}")
    return f"{word}{label} = {values_words(tensor, what, notes)}"


def tensor_word(tensor: TensorRecord) -> str | None:
    """Type and shape; None for a type that does not exist."""
    if not tensor.element:
        return None
    return tensor.element + (f"[{', '.join(map(str, tensor.shape))}]" if tensor.shape else "")


def sparse_words(sparse: SparseRecord) -> str:
    """A sparse tensor for a comment: the syntax has no values of this kind."""
    return f"sparse, {counted(sparse.values.count, 'value')} of {sparse.values.element}[{', '.join(map(str, sparse.shape))}]"
