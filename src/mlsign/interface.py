"""What a model takes, gives and is made of, in words that its manifest, its reader and its policy share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from mlsign.errors import InputError, shown

ONNX_DOMAIN: Final = "ai.onnx"
"""The standard domain; ONNX files spell it with an empty string or with this name."""


@dataclass(frozen=True, slots=True, order=True)
class OperatorId:
    """An operator by domain and name; written ``ai.onnx:Gemm``. The standard domain is never empty here."""

    domain: str
    name: str

    def __str__(self) -> str:
        return f"{self.domain}:{self.name}"


def decode_operator(text: str, *, where: str = "") -> OperatorId:
    """An operator from ``domain:Name``. Raises ``InputError`` (``operator.spelling``)."""
    domain, colon, name = text.rpartition(":")
    if not colon or not domain or not name.isidentifier():
        raise InputError(
            f"{shown(text)} does not name an operator, write it as domain:Name, for instance ai.onnx:Gemm",
            code="operator.spelling",
            where=where,
            found=shown(text),
        )
    return OperatorId(domain, name)


@dataclass(frozen=True, slots=True, order=True)
class OperatorUse:
    """How many nodes of a model, subgraphs and functions included, are this operator."""

    operator: OperatorId
    count: int


@dataclass(frozen=True, slots=True, order=True)
class OpsetImport:
    """A version of a domain that a model says it is written for."""

    domain: str
    version: int


class ValueKind(Enum):
    """The shape of an ONNX type (``TypeProto``)."""

    TENSOR = "tensor"
    SPARSE_TENSOR = "sparse_tensor"
    SEQUENCE = "sequence"
    MAP = "map"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeSpec:
    """An ONNX type.

    For tensors ``element`` is the element type in ONNX's own lower-case name (``float``, ``int64``,
    ``string``, ``bfloat16`` …) and ``shape`` the dimensions: a number, a symbol, or None for a dimension
    that says nothing; a ``shape`` of None leaves even the rank open. For maps ``element`` is the key type.
    ``inner`` is the element of a sequence or optional, or the value of a map.
    """

    kind: ValueKind
    element: str = ""
    shape: tuple[int | str | None, ...] | None = None
    inner: TypeSpec | None = None

    def __str__(self) -> str:
        if self.kind in (ValueKind.TENSOR, ValueKind.SPARSE_TENSOR):
            dims = "…" if self.shape is None else ", ".join("?" if d is None else str(d) for d in self.shape)
            prefix = "sparse " if self.kind is ValueKind.SPARSE_TENSOR else ""
            return f"{prefix}{self.element}[{dims}]"
        inside = str(self.inner)
        return f"{self.kind.value}({self.element}, {inside})" if self.kind is ValueKind.MAP else f"{self.kind.value}({inside})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSpec:
    """A named input or output of a model."""

    name: str
    type: TypeSpec
