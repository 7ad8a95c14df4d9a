"""The kinds of values in a frame, and which of them may stand where a type is declared.

A worker that was taken over chooses the kinds it sends; what the model declares is asked before any is built.
"""

from __future__ import annotations

from enum import IntEnum

from mlsign.errors import InputError, shown
from mlsign.interface import TypeSpec, ValueKind


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
