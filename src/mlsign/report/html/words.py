"""Types, tensors and attributes in a few words. Nothing is longer than a line, however long it is in the model."""

from __future__ import annotations

from itertools import islice
from typing import Final

from mlsign.errors import shown
from mlsign.interface import TypeSpec, ValueKind
from mlsign.onnx.records import AttributeRecord, AttributeValue, GraphRecord, SparseRecord, Stored, TensorRecord

MAX_NAME_CHARS: Final = 120
_MAX_ITEMS: Final = 8
_MAX_DIMS: Final = 8
_MAX_DIM_CHARS: Final = 24


def name_of(text: str, *, limit: int = MAX_NAME_CHARS) -> str:
    """A name of the model as a report spells it; the empty one in words."""
    return shown(text, limit=limit) or "(no name)"


def type_words(typed: TypeSpec | TensorRecord | SparseRecord | None) -> str:
    """``float[1, 3]``; empty where nothing is known."""
    if typed is None:
        return ""
    if isinstance(typed, TypeSpec):
        return _type(typed)
    if isinstance(typed, SparseRecord):
        return f"sparse {typed.values.element}{_shape(typed.shape)}"
    return f"{typed.element or 'unknown type'}{_shape(typed.shape)}"


def attribute_words(attribute: AttributeRecord) -> str:
    """``axis=1``, ``pads=0, 0, 1, 1``: name and value, the first items of many."""
    name = name_of(attribute.name, limit=40)
    if attribute.reference:
        return f"{name}=@{shown(attribute.reference, limit=40)}"
    return f"{name}={_value(attribute.value)}"


def _type(typed: TypeSpec) -> str:
    """As ``TypeSpec`` spells itself, but cut where it begins to be long: a type may stand at very many nodes."""
    element = shown(typed.element, limit=_MAX_DIM_CHARS)
    if typed.kind in (ValueKind.TENSOR, ValueKind.SPARSE_TENSOR):
        dims = "…" if typed.shape is None else ", ".join(map(_dim, typed.shape[:_MAX_DIMS]))
        more = ", …" if typed.shape is not None and len(typed.shape) > _MAX_DIMS else ""
        return f"{'sparse ' if typed.kind is ValueKind.SPARSE_TENSOR else ''}{element}[{dims}{more}]"
    inside = "?" if typed.inner is None else _type(typed.inner)
    return f"{typed.kind.value}({element}, {inside})" if typed.kind is ValueKind.MAP else f"{typed.kind.value}({inside})"


def _dim(dim: int | str | None) -> str:
    return "?" if dim is None else shown(dim, limit=_MAX_DIM_CHARS)


def _value(value: AttributeValue) -> str:
    if isinstance(value, tuple):
        items = ", ".join(map(_item, islice(value, _MAX_ITEMS)))
        return f"{items}, … {len(value):,} in all" if len(value) > _MAX_ITEMS else items or "nothing"
    return _item(value)


def _item(value: object) -> str:
    match value:
        case bytes():
            return f'"{shown(value[:80].decode("utf-8", "replace"), limit=40)}"' if len(value) <= 40 else _long_text(value)
        case float():
            return f"{value:.6g}"
        case GraphRecord():
            return f"graph {name_of(value.name, limit=40)}"
        case TensorRecord() | SparseRecord() | TypeSpec():
            return type_words(value)
        case Stored():
            return "long, not shown"
        case None:
            return "nothing"
        case _:
            return shown(value, limit=40)


def _long_text(value: bytes) -> str:
    return f'"{shown(value[:40].decode("utf-8", "replace"))}…" ({len(value):,} bytes)'


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(str(dim) for dim in shape[:_MAX_DIMS])}{', …' if len(shape) > _MAX_DIMS else ''}]"
