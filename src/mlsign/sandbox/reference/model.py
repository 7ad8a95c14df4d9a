"""A model on its way into the reference evaluator. Runs in the confined process.

The evaluator believes what it is given: it opens files for tensors that lie outside of the model, and makes every attribute of a node
an attribute of a Python object, whatever its name. Here tensors come from mapped memory, one in a place that verification did not
see is refused, and so is a name that belongs to the evaluator itself, before the evaluator is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpFunction, OpRun
from onnx.reference.ops import op_loop

from mlsign.errors import JailError, shown
from mlsign.sandbox.arrays import Array, decode_array
from mlsign.sandbox.externals import External, check_externals, find_externals, region
from mlsign.sandbox.reference.functions import OWN_DOMAINS, Key, bind_calls
from mlsign.sandbox.reference.nameless import name_results
from mlsign.sandbox.reference.room import Room
from mlsign.sandbox.reference.sparse import fill, fill_constant
from mlsign.sandbox.task import Task
from mlsign.sandbox.values import Tensor
from mlsign.tensors.dtypes import DTYPES
from mlsign.tensors.elements import BY_NUMBER, ELEMENTS


def load(task: Task, model: memoryview, weights: Mapping[str, memoryview]) -> ReferenceEvaluator:
    """An evaluator of the model, external initializers tied to mapped memory.

    Raises ``JailError``, ``MemoryError``, and what the evaluator raises.
    """
    found = find_externals(model)
    check_externals(found, task.external)
    parsed = onnx.ModelProto.FromString(bytes(model))
    functions = _functions(parsed)
    outside = 0
    for message in _messages(parsed):
        if isinstance(message, onnx.NodeProto | onnx.OperatorSetIdProto) and message.domain == "ai.onnx":
            message.domain = ""  # two names of one domain, of which the evaluator knows this one
        if isinstance(message, onnx.TensorProto):
            outside += message.data_location == onnx.TensorProto.EXTERNAL
            _check_texts(message.string_data, where=f"tensor {shown(message.name)}")
        elif isinstance(message, onnx.AttributeProto):
            _check_texts((message.s, *message.strings), where=f"attribute {shown(message.name)}")
        elif isinstance(message, onnx.NodeProto):
            check_attributes(message, functions=functions)
    if outside != len(found):
        message = f"{outside} tensors of the model lie in files, verified were {len(found)}"
        raise JailError(message, code="sandbox.external", expected=str(len(found)), found=str(outside))
    name_results(_messages(parsed))
    room = Room(task.memory_bytes)
    bind_calls(parsed, functions, room)
    for message in _messages(parsed):
        if isinstance(message, onnx.GraphProto):
            fill(message, room)
        elif isinstance(message, onnx.NodeProto) and (message.domain, message.op_type) == ("", "Constant"):
            fill_constant(message, room)
    return evaluate(parsed, regions=_regions(found, weights, model_path=task.model[0]))


def evaluate(model: onnx.ModelProto, *, regions: Mapping[str, Array]) -> ReferenceEvaluator:
    """An evaluator that takes external initializers from ``regions``. Raises what the evaluator raises."""

    class Evaluator(ReferenceEvaluator):
        """Those of subgraphs and functions are of this class, too."""

        def retrieve_external_data(self, initializer: onnx.TensorProto) -> Array:
            return regions[initializer.name]

    return Evaluator(model, new_ops=[Loop, ZipMap])


class Loop(op_loop.Loop):
    """The evaluator's own, which makes no turn where no condition is given."""

    def run(self, *inputs: Any, **more: Any) -> Any:
        turns, condition, *carried = inputs
        return super().run(turns, np.array(True) if condition is None else condition, *carried, **more)  # type: ignore[no-untyped-call]


class ZipMap(OpRun):
    """What the evaluator lacks, and most classifiers of scikit-learn end with: it names the columns of a tensor."""

    op_domain = "ai.onnx.ml"

    def _run(
        self, x: Array, classlabels_int64s: list[int] | None = None, classlabels_strings: list[str] | None = None
    ) -> tuple[list[dict[int, float] | dict[str, float]]]:
        labels: list[Any] = classlabels_int64s or classlabels_strings or []
        rows = x.reshape(1, -1) if x.ndim == 1 else x
        return ([dict(zip(labels, row, strict=True)) for row in rows.tolist()],)


def _messages(model: onnx.ModelProto) -> Iterator[Any]:
    """Every message in the model, wherever it stands; nothing within tensors."""
    left: list[Any] = [model]
    while left:
        message = left.pop()
        yield message
        if isinstance(message, onnx.TensorProto):
            continue
        for field, content in message.ListFields():
            if field.message_type is not None:
                left.extend([content] if hasattr(content, "ListFields") else content)


Functions = Mapping[Key, onnx.FunctionProto]
"""Those that the evaluator calls."""


def _functions(model: onnx.ModelProto) -> Functions:
    """Raises ``JailError`` (``sandbox.model.load``) for two that cannot be told apart."""
    out: dict[Key, onnx.FunctionProto] = {}
    for function in model.functions:
        key = (function.domain, function.name, function.overload)
        if key in out:
            message = f"two functions are called {shown(function.name)} in {shown(function.domain)}"
            raise JailError(message, code="sandbox.model.load", where=shown(function.name))
        for name in function.attribute:  # read from the object for the call by that name, whoever put it there
            _check_name(name, taken=_FUNCTION_NAMES, where=f"function {shown(function.name)}")
        out[key] = function
    return {key: function for key, function in out.items() if key[0] not in OWN_DOMAINS}


_FUNCTION_NAMES: Final = frozenset(dir(OpFunction)) | {
    "onnx_node",
    "run_params",
    "has_subgraph",
    "has_linked_attribute",
    "parent",
}
"""What the evaluator's object for a call of a function is made of."""


@cache
def own_names() -> frozenset[str]:
    """What its objects for nodes of any operator are made of, other than attributes that operators have."""
    kinds: list[type] = [OpRun]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    made = _FUNCTION_NAMES.union(*(dir(kind) for kind in kinds))
    return made - {name for schema in onnx.defs.get_all_schemas_with_history() for name in schema.attributes}


def check_attributes(node: onnx.NodeProto, *, functions: Functions) -> None:
    """No attribute takes the place of what makes up the evaluator. Raises ``JailError`` (``sandbox.model.load``)."""
    taken = _FUNCTION_NAMES if (node.domain, node.op_type, node.overload) in functions else own_names()
    for attribute in node.attribute:
        _check_name(attribute.name, taken=taken, where=f"node {shown(node.name)}")


def _check_name(name: str, *, taken: frozenset[str], where: str) -> None:
    """Of a graph called ``impl`` the evaluator makes a method ``_run_impl`` as well."""
    if name.startswith("_") or name.endswith("_") or name in taken or f"_run_{name}" in taken:
        message = f"{where} has an attribute {shown(name)}, which is a name of the evaluator itself"
        raise JailError(message, code="sandbox.model.load", where=where, found=shown(name))


def array_of(value: Tensor) -> Array:
    """The elements in numpy's type for them, or in that of ``ml_dtypes``, over the value's own memory where no two share a byte."""
    array = decode_array(value)
    if value.element in DTYPES:
        return array
    return array.view(onnx.helper.tensor_dtype_to_np_dtype(ELEMENTS[value.element].number))


def _check_texts(texts: Iterable[bytes], *, where: str) -> None:
    """No text ends with a zero, which numpy takes for its end. Raises ``JailError`` (``sandbox.model.load``)."""
    if any(text.endswith(b"\0") for text in texts):
        raise JailError(
            f"{where} holds a text that ends with a zero, which the evaluator drops", code="sandbox.model.load", where=where
        )


def _regions(found: tuple[External, ...], weights: Mapping[str, memoryview], *, model_path: str) -> dict[str, Array]:
    """The elements of external initializers, in the memory of the weights themselves, which nobody can write."""
    out = {}
    for item in found:
        element = BY_NUMBER.get(item.element)
        if element is None:
            message = f"external tensor {shown(item.name)} has element type {item.element}, which cannot be carried"
            raise JailError(message, code="sandbox.external", where=shown(item.name))
        view = region(item, weights, model_path=model_path, size=element.bytes_of(math.prod(item.shape)))
        out[item.name] = array_of(Tensor(element.name, item.shape, view))
    return out
