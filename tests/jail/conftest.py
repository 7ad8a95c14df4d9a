"""Builders for what a jail is given: sealed memory and models made on the spot."""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.onnx.summary import ExternalTensor
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.spec import JailedModel, JailSpec, SealedFile

F_ADD_SEALS = 1033
ALL_SEALS = 15


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/jail" in str(item.path):
            item.add_marker(pytest.mark.linux)
            if sys.platform != "linux":
                item.add_marker(pytest.mark.skip(reason="needs Linux with seccomp"))


def type_spec(proto: onnx.TypeProto) -> TypeSpec:
    kind = proto.WhichOneof("value")
    if kind == "tensor_type":
        tensor = proto.tensor_type
        shape = None
        if tensor.HasField("shape"):
            shape = tuple(d.dim_value if d.HasField("dim_value") else (d.dim_param or None) for d in tensor.shape.dim)
        element = TensorProto.DataType.Name(tensor.elem_type).lower()
        return TypeSpec(kind=ValueKind.TENSOR, element=element, shape=shape)
    if kind == "sequence_type":
        return TypeSpec(kind=ValueKind.SEQUENCE, inner=type_spec(proto.sequence_type.elem_type))
    if kind == "map_type":
        key = TensorProto.DataType.Name(proto.map_type.key_type).lower()
        return TypeSpec(kind=ValueKind.MAP, element=key, inner=type_spec(proto.map_type.value_type))
    return TypeSpec(kind=ValueKind.OPTIONAL, inner=type_spec(proto.optional_type.elem_type))


def value_specs(values, *, without=()) -> tuple[ValueSpec, ...]:
    return tuple(ValueSpec(name=v.name, type=type_spec(v.type)) for v in values if v.name not in without)


class Memory:
    """Sealed memory that is closed when the test ends."""

    def __init__(self) -> None:
        self.fds: list[int] = []

    def seal(self, data: bytes, *, path: str = "model.onnx", seals: int = ALL_SEALS) -> SealedFile:
        fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self.fds.append(fd)
        view = memoryview(data)
        while len(view):
            view = view[os.write(fd, view) :]
        fcntl.fcntl(fd, F_ADD_SEALS, seals)
        return SealedFile(path=path, fd=fd, size=len(data))

    def model(self, proto: onnx.ModelProto | bytes, *, weights: dict[str, bytes] | None = None) -> JailedModel:
        data = proto if isinstance(proto, bytes) else proto.SerializeToString()
        proto = onnx.load_from_string(data)
        own = {i.name for i in proto.graph.initializer}
        external = []
        for tensor in proto.graph.initializer:
            if tensor.data_location == TensorProto.EXTERNAL:
                keys = {e.key: e.value for e in tensor.external_data}
                length = int(keys["length"]) if "length" in keys else None
                external.append(
                    ExternalTensor(
                        name=tensor.name,
                        where="graph",
                        location=keys["location"],
                        offset=int(keys.get("offset", 0)),
                        length=length,
                        size=length or 0,
                    )
                )
        return JailedModel(
            model=self.seal(data),
            weights=tuple(self.seal(content, path=path) for path, content in (weights or {}).items()),
            external=tuple(external),
            inputs=value_specs(proto.graph.input, without=own),
            outputs=value_specs(proto.graph.output),
        )


@pytest.fixture
def memory() -> Iterator[Memory]:
    out = Memory()
    yield out
    for fd in out.fds:
        os.close(fd)


@pytest.fixture
def start(memory: Memory) -> Iterator[Callable[..., Jail]]:
    """``Jail.start`` over a model proto; whatever was started is closed in the end."""
    jails: list[Jail] = []

    def make(proto, *, weights=None, **spec) -> Jail:
        jail = Jail.start(memory.model(proto, weights=weights), spec=JailSpec(**spec))
        jails.append(jail)
        return jail

    yield make
    for jail in jails:
        jail.close()


def graph_model(nodes, inputs, outputs, *, initializers=(), opset=17, ml=False) -> onnx.ModelProto:
    imports = [helper.make_opsetid("", opset)] + ([helper.make_opsetid("ai.onnx.ml", 3)] if ml else [])
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def tensor(name, element=TensorProto.FLOAT, shape=("n", 2)):
    return helper.make_tensor_value_info(name, element, shape)


@pytest.fixture
def doubler() -> onnx.ModelProto:
    """y = x + x"""
    return graph_model([helper.make_node("Add", ["x", "x"], ["y"])], [tensor("x")], [tensor("y")])


@pytest.fixture
def spinner() -> onnx.ModelProto:
    """y = x, after as many turns of a loop as ``n`` says."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Sin", ["v"], ["v2"])],
        "body",
        [tensor("i", TensorProto.INT64, []), tensor("c", TensorProto.BOOL, []), tensor("v", shape=[64])],
        [tensor("c2", TensorProto.BOOL, []), tensor("v2", shape=[64])],
    )
    true = helper.make_tensor("true", TensorProto.BOOL, [], [1])
    node = helper.make_node("Loop", ["n", "true", "x"], ["y"], body=body)
    inputs = [tensor("n", TensorProto.INT64, []), tensor("x", shape=[64])]
    return graph_model([node], inputs, [tensor("y", shape=[64])], initializers=[true])


@pytest.fixture
def filler() -> onnx.ModelProto:
    """y = the sum over as many zeros as ``shape`` says: all of them at once in memory."""
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["big"]), helper.make_node("ReduceSum", ["big"], ["y"], keepdims=0)]
    return graph_model(nodes, [tensor("shape", TensorProto.INT64, [1])], [tensor("y", shape=[])])


X = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)
