"""ONNX's reference evaluator as an engine of workers. Runs in the confined process; nothing else imports the package ``onnx``.

A second implementation of the operators, in Python and numpy: it shares no code with onnxruntime, so that where both answer alike,
a model means what its publisher saw. How a model gets to it is in ``reference_model``.
"""

from __future__ import annotations

import contextlib
import gc
import os
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from mlsign.errors import JailError, shown
from mlsign.interface import TypeSpec, ValueKind
from mlsign.limits import Limits
from mlsign.sandbox.arena import BODY_OFFSET
from mlsign.sandbox.engine import Loaded, Names
from mlsign.sandbox.kinds import spelled
from mlsign.sandbox.objects import object_of, value_of
from mlsign.sandbox.protocol import Head, Kind
from mlsign.sandbox.reference.model import array_of, evaluate, load, own_names
from mlsign.sandbox.reference.warming import load_everything, warming_models
from mlsign.sandbox.result_area import fill_results
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.sandbox.task import Task
from mlsign.sandbox.values import Value, decode_values, encode_values
from mlsign.tensors.elements import BY_NUMBER, STRING

_DEEPEST_TYPE: Final = 8
"""Sequences of sequences in a declared type; as many as values may have."""


def _spec(type_: onnx.TypeProto, depth: int = 0) -> TypeSpec:
    """The declared type; an optional that says nothing where it is of no kind that values have."""
    nothing = TypeSpec(kind=ValueKind.OPTIONAL)
    if depth > _DEEPEST_TYPE:
        return nothing
    match type_.WhichOneof("value"):
        case "tensor_type":
            return TypeSpec(kind=ValueKind.TENSOR, element=_element(type_.tensor_type.elem_type))
        case "sparse_tensor_type":
            return TypeSpec(kind=ValueKind.SPARSE_TENSOR, element=_element(type_.sparse_tensor_type.elem_type))
        case "sequence_type":
            return TypeSpec(kind=ValueKind.SEQUENCE, inner=_spec(type_.sequence_type.elem_type, depth + 1))
        case "optional_type":
            return TypeSpec(kind=ValueKind.OPTIONAL, inner=_spec(type_.optional_type.elem_type, depth + 1))
        case "map_type":
            inner = _spec(type_.map_type.value_type, depth + 1)
            return TypeSpec(kind=ValueKind.MAP, element=_element(type_.map_type.key_type), inner=inner)
        case _:
            return nothing


def _element(number: int) -> str:
    if number == STRING:
        return "string"
    return BY_NUMBER[number].name if number in BY_NUMBER else ""


def _unwrapped(result: Any, type_: onnx.TypeProto) -> Any:
    """What an optional holds: the operator ``Optional`` of the evaluator puts it into a list of its own, and others do not."""
    if type_.WhichOneof("value") != "optional_type" or not isinstance(result, list) or len(result) != 1:
        return result
    holds_list = type_.optional_type.elem_type.WhichOneof("value") == "sequence_type"
    return result[0] if isinstance(result[0], list) or not holds_list else result


@contextlib.contextmanager
def telling_reasons() -> Iterator[None]:
    """Why an operator failed is said first: the evaluator wraps it in a ``TypeError`` that lists what the operator was given."""
    try:
        yield
    except TypeError as err:
        reason: BaseException = err
        while reason.__cause__ is not None:
            reason = reason.__cause__
        if reason is err:
            raise
        raise TypeError(f"{reason}: {err}") from err


class Calls:
    """A loaded model and the two areas; ``feeds`` and ``results`` are whole areas."""

    def __init__(self, evaluator: ReferenceEvaluator, *, feeds: memoryview, results: memoryview, limits: Limits) -> None:
        self._evaluator = evaluator
        self._outputs = {item.name: item.type for item in evaluator.proto_.graph.output}
        self._feeds = feeds[BODY_OFFSET:]
        self._results = results[BODY_OFFSET:]
        self._limits = limits
        self._values: Mapping[str, Value] = {}

    def answer(self, head: Head) -> tuple[Kind, int]:
        """The results lie in their area. Raises whatever the evaluator raises, and ``JailError``."""
        if head.kind is not Kind.RUN_AGAIN:
            self._values = decode_values(self._feeds[: head.length], limits=self._limits)
        parts = encode_values(self.run(self._values))
        return Kind.RESULT, fill_results(self._results, parts, limits=self._limits)

    def run(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """The outputs by name, in the order of the model."""
        with telling_reasons():
            results = self._evaluator.run(
                list(self._outputs), {name: object_of(value, tensor=array_of) for name, value in values.items()}
            )
        named = zip(self._outputs.items(), results, strict=True)
        return {name: value_of(_unwrapped(result, type_)) for (name, type_), result in named}


class Reference:
    """The engine ``reference``."""

    name: Final = RuntimeName.REFERENCE
    version: Final[str] = onnx.__version__

    def warm(self) -> None:
        """See ``Engine``."""
        warnings.simplefilter("ignore")  # a warning is printed with its line, out of a file
        np.seterr(all="ignore")
        os.urandom(1)  # a C library that draws numbers without the kernel maps droppable memory for it, refused later on
        load_everything()
        own_names()
        for model, feeds in warming_models():
            nowhere = memoryview(bytearray(BODY_OFFSET))
            evaluator = evaluate(onnx.ModelProto.FromString(model), regions={})
            calls = Calls(evaluator, feeds=nowhere, results=nowhere, limits=Limits())
            _interface(evaluator)
            encode_values(calls.run(feeds))
            try:
                calls.run({})
            except RuntimeError as err:
                shown(err)
            else:
                raise JailError("the reference evaluator ran without inputs", code="sandbox.runtime")
        gc.collect()

    def reseed(self, seed: int) -> None:
        np.random.seed(seed)  # noqa: NPY002  what the evaluator draws from is this, where it is not a state of its own

    def threads(self, wanted: int) -> int:
        return min(wanted, 1)

    def open(
        self, task: Task, model: memoryview, weights: Mapping[str, memoryview], *, feeds: memoryview, results: memoryview
    ) -> Loaded:
        with telling_reasons():
            evaluator = load(task, model, weights)
        inputs, outputs = _interface(evaluator)
        return Loaded(calls=Calls(evaluator, feeds=feeds, results=results, limits=task.limits), inputs=inputs, outputs=outputs)


def _interface(evaluator: ReferenceEvaluator) -> tuple[Names, Names]:
    """What has to be fed, which initializers need not be, and what comes out."""
    graph = evaluator.proto_.graph
    held = {item.name for item in graph.initializer} | {item.values.name for item in graph.sparse_initializer}
    inputs = tuple(_declared(item) for item in graph.input if item.name not in held)
    return inputs, tuple(_declared(item) for item in graph.output)


def _declared(item: onnx.ValueInfoProto) -> tuple[str, str]:
    """Name and type. Raises ``JailError`` (``sandbox.model.load``)."""
    name: object = item.name
    if not isinstance(name, str):  # protobuf gives bytes where there are no letters in them
        raise JailError(f"an input or output has the name {shown(repr(name))}, which is not UTF-8", code="sandbox.model.load")
    return name, spelled(_spec(item.type))
