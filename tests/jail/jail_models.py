"""Builders for what a jail is given: sealed memory and models made on the spot."""

import fcntl
import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.onnx.summary import ExternalTensor
from mlsign.sandbox.spec import JailedModel, SealedFile

F_ADD_SEALS = 1033
ALL_SEALS = 15
X = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)


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
        while view:
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


def graph_model(nodes, inputs, outputs, *, initializers=(), opset=17, ml=False) -> onnx.ModelProto:
    imports = [helper.make_opsetid("", opset)] + ([helper.make_opsetid("ai.onnx.ml", 3)] if ml else [])
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def tensor(name, element=TensorProto.FLOAT, shape=("n", 2)):
    return helper.make_tensor_value_info(name, element, shape)


TAKEN_OVER = {
    "mlsign.sandbox.zygote_onnxruntime": "hostile.py",
    "mlsign.sandbox.zygote_reference": "hostile_reference.py",
    "mlsign.sandbox.gvisor.keeper": "gvisor_host.py",
}
"""What starts workers, and what does so in its place."""


def popen_of(mode: str) -> type[subprocess.Popen]:
    """A ``Popen`` that starts ``hostile`` in this mode where a zygote is asked for, and ``gvisor_host`` where gVisor is: workers
    are taken over.
    """

    class Hostile(subprocess.Popen):
        def __init__(self, command, **kwargs):
            for module, script in TAKEN_OVER.items():
                if module in command:
                    at = command.index("-m")
                    command = [*command[:at], str(Path(__file__).with_name(script)), mode, *command[at + 2 :]]
            super().__init__(command, **kwargs)

    return Hostile


def keeper_of(pid: int) -> int:
    """The process outside that keeps this worker."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("PPid:")[2].split()[0])
