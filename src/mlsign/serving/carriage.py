"""What of a model's inputs and outputs the Open Inference Protocol can carry, and under which names and types.

Pure: from the interface that verification saw to what clients are told. Bytes and arrays are ``tensors``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from mlsign.errors import InputError, shown
from mlsign.interface import TypeSpec, ValueKind, ValueSpec

DATATYPES: Final = MappingProxyType(
    {
        "bool": "BOOL",
        "int8": "INT8",
        "int16": "INT16",
        "int32": "INT32",
        "int64": "INT64",
        "uint8": "UINT8",
        "uint16": "UINT16",
        "uint32": "UINT32",
        "uint64": "UINT64",
        "float16": "FP16",
        "float": "FP32",
        "double": "FP64",
        "bfloat16": "BF16",
        "string": "BYTES",
    }
)
"""ONNX's element types that the protocol has a name for. There is none for complex numbers, float8 and types below a byte."""

OPEN: Final = -1
"""How the protocol spells a dimension of any size."""


class Form(Enum):
    """How a value of the model becomes a tensor.

    ``OPTIONAL`` may be left out; ``ROWS`` is a sequence of maps, as classifiers give it, and becomes a tensor of one row for each map;
    ``MAP`` is a single one.
    """

    TENSOR = "tensor"
    OPTIONAL = "optional"
    ROWS = "rows"
    MAP = "map"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """An input or output as clients see it."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    form: Form = Form.TENSOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """Everything that a model takes and gives."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def carried(inputs: tuple[ValueSpec, ...], outputs: tuple[ValueSpec, ...]) -> Interface:
    """The interface of a model as the protocol carries it. Raises ``InputError`` (``serve.uncarried``) for the first value that it cannot.

    A model that could be asked only now and then is found out before it serves, not by the first client.
    """
    return Interface(
        inputs=tuple(_tensor(spec, side="input") for spec in inputs),
        outputs=tuple(_tensor(spec, side="output") for spec in outputs),
    )


def _tensor(spec: ValueSpec, *, side: str) -> TensorSpec:
    found = _form(spec.type, is_output=side == "output")
    if found is None:
        raise InputError(
            f"{side} {shown(spec.name)} is {shown(spec.type)}, which the Open Inference Protocol cannot carry",
            code="serve.uncarried",
            where=shown(spec.name),
            expected="tensors, optional tensors, and maps of tensors as outputs",
            found=shown(spec.type),
            hint="export the model with tensors of a type that the protocol has, or score it through the library",
        )
    form, tensor = found
    # The protocol has no word for an unknown number of dimensions: one open dimension says least that is wrong.
    shape = (OPEN,) if tensor.shape is None else tuple(dim if isinstance(dim, int) else OPEN for dim in tensor.shape)
    if form is Form.ROWS:
        shape = (OPEN, OPEN)
    if form is Form.MAP:
        shape = (OPEN,)
    return TensorSpec(name=spec.name, datatype=DATATYPES[tensor.element], shape=shape, form=form)


def _form(declared: TypeSpec, *, is_output: bool) -> tuple[Form, TypeSpec] | None:
    """How a type is carried, and the tensor in it; None where it is not."""
    inner = declared.inner
    match declared.kind:
        case ValueKind.TENSOR:
            return (Form.TENSOR, declared) if declared.element in DATATYPES else None
        case ValueKind.OPTIONAL if inner is not None and inner.kind is ValueKind.TENSOR:
            return (Form.OPTIONAL, inner) if inner.element in DATATYPES else None
        case ValueKind.MAP if is_output:
            value = _mapped(declared)
            return None if value is None else (Form.MAP, value)
        case ValueKind.SEQUENCE if is_output and inner is not None and inner.kind is ValueKind.MAP:
            value = _mapped(inner)
            return None if value is None else (Form.ROWS, value)
        case _:
            return None


def _mapped(declared: TypeSpec) -> TypeSpec | None:
    """The type of a map's values, where they are single numbers or texts under numbers or texts."""
    value = declared.inner
    if value is None or value.kind is not ValueKind.TENSOR or value.element not in DATATYPES:
        return None
    return value
