"""The kinds of values in a frame, which of them may stand where a type is declared, and which onnxruntime can be fed.

A worker that was taken over chooses the kinds it sends; what the model declares is asked before any is built.
"""

from __future__ import annotations

from enum import IntEnum

from mlsign.errors import InputError, shown
from mlsign.interface import TypeSpec, ValueKind
from mlsign.tensors.elements import ELEMENTS, in_numpy


class Tag(IntEnum):
    """The byte that starts a value."""

    TENSOR = 1
    STRINGS = 2
    SEQUENCE = 3
    MAP = 4
    ABSENT = 5


def admit(tag: int, declared: TypeSpec) -> TypeSpec:
    """The type that a value of this tag has where ``declared`` stands. Raises ``InputError`` (``frame.undeclared``)."""
    if declared.kind is ValueKind.OPTIONAL and declared.inner is not None and tag != Tag.ABSENT:
        return admit(tag, declared.inner)
    wanted: Tag | None = None
    match declared.kind:
        case ValueKind.TENSOR:
            wanted = Tag.STRINGS if declared.element == "string" else Tag.TENSOR
        case ValueKind.SEQUENCE if declared.inner is not None:
            wanted = Tag.SEQUENCE
        case ValueKind.MAP if declared.inner is not None:
            wanted = Tag.MAP
        case ValueKind.OPTIONAL:
            wanted = Tag.ABSENT
        case _:  # sparse tensors, and types that say too little: nothing can be carried there
            pass
    if tag != wanted:
        found = Tag(tag).name.lower() if tag in tuple(Tag) else f"unknown kind {tag}"
        raise InputError(f"is {found}, declared is {shown(declared)}", code="frame.undeclared", found=found)
    return declared


def why_not_fed(type_: TypeSpec) -> str:
    """What keeps onnxruntime's Python interface (of 1.32) from taking a value of this type; empty where nothing does.

    Of maps in sequences it drops the first entry of all but the first one, without a word: they are not fed.
    """
    inner = type_.inner
    match type_.kind:
        case ValueKind.TENSOR:
            known = type_.element in ELEMENTS or type_.element == "string"
            return "" if known else "there is no such element type"
        case ValueKind.OPTIONAL if inner is not None:
            return why_not_fed(inner)
        case ValueKind.SEQUENCE if inner is not None:
            fits = inner.kind is ValueKind.TENSOR and (in_numpy(inner.element) or inner.element == "string")
            return "" if fits else "onnxruntime takes sequences of tensors that numpy has an element type for"
        case ValueKind.MAP if inner is not None:
            fits = type_.element in ("string", "int64") and inner.kind is ValueKind.TENSOR and inner.element == "float"
            return "" if fits else "onnxruntime takes maps of string or int64 to float"
        case _:
            return "onnxruntime does not take it"


def spelled(type_: TypeSpec) -> str:
    """The type as onnxruntime spells it, which says no dimensions; empty where it says too little to be spelled."""
    inner = spelled(type_.inner) if type_.inner is not None else ""
    match type_.kind:
        case ValueKind.TENSOR if type_.element:
            return f"tensor({type_.element})"
        case ValueKind.SPARSE_TENSOR if type_.element:
            return f"sparse_tensor({type_.element})"
        case ValueKind.SEQUENCE if inner:
            return f"seq({inner})"
        case ValueKind.OPTIONAL if inner:
            return f"optional({inner})"
        case ValueKind.MAP if inner and type_.element:
            return f"map({type_.element},{inner})"
        case _:
            return ""
