"""What the sandbox costs a call, beside the same session in this process, measured side by side in one run.

Three ways take turns, call by call: ``session.run`` in this process, the same session with inputs and outputs bound (the floor:
nothing is allocated or converted), and a sandboxed worker. Models: a 1x64 multi-layer perceptron, the same on large batches,
and a convolutional network on 1x3x224x224. Starts are of a confined worker from a warm zygote, until it can take a call.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from page import heading, progress, row

from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.limits import MIB
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.spec import JailedModel, JailSpec, SealedFile

ALL_SEALS = 15
F_ADD_SEALS = 1033
BURST = 16
"""Calls of one contender before the next has its turn, so that each finds its own memory in the caches."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A model and one shape of its input ``x``."""

    name: str
    model: bytes
    shape: tuple[int, ...]
    rounds: int


def _weights(rng, *shape):
    return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) if len(shape) > 2 else shape[0])).astype(np.float32)


def _model(nodes, inputs, outputs, initializers) -> bytes:
    graph = helper.make_graph(nodes, "bench", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def perceptron() -> bytes:
    """64 numbers in, two hidden layers of 128, 10 out."""
    rng = np.random.default_rng(0)
    sizes, nodes, initializers, last = (64, 128, 128, 10), [], [], "x"
    for index in range(len(sizes) - 1):
        initializers.append(numpy_helper.from_array(_weights(rng, sizes[index], sizes[index + 1]), f"w{index}"))
        nodes.append(helper.make_node("Gemm", [last, f"w{index}"], [f"g{index}"]))
        nodes.append(helper.make_node("Relu", [f"g{index}"], [f"r{index}"]))
        last = f"r{index}"
    nodes[-1].output[0] = "y"
    value = helper.make_tensor_value_info
    return _model(nodes, [value("x", TensorProto.FLOAT, ["n", 64])], [value("y", TensorProto.FLOAT, ["n", 10])], initializers)


def convolutional() -> bytes:
    """Eight convolutions of 3x3 with strides that halve the picture four times, then a mean and 1,000 classes."""
    rng = np.random.default_rng(0)
    channels, strides = (3, 16, 32, 32, 64, 64, 128, 128, 256), (2, 1, 1, 2, 1, 2, 1, 2)
    nodes, initializers, last = [], [], "x"
    for index, stride in enumerate(strides):
        initializers.append(numpy_helper.from_array(_weights(rng, channels[index + 1], channels[index], 3, 3), f"w{index}"))
        convolution = helper.make_node(
            "Conv", [last, f"w{index}"], [f"c{index}"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride]
        )
        nodes += [convolution, helper.make_node("Relu", [f"c{index}"], [f"r{index}"])]
        last = f"r{index}"
    initializers.append(numpy_helper.from_array(_weights(rng, 256, 1000), "w"))
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["y"]),
    ]
    value = helper.make_tensor_value_info
    inputs, outputs = [value("x", TensorProto.FLOAT, ["n", 3, 224, 224])], [value("y", TensorProto.FLOAT, ["n", 1000])]
    return _model(nodes, inputs, outputs, initializers)


def sealed(data: bytes) -> SealedFile:
    """The bytes in memory that nobody can change."""
    fd = os.memfd_create("bench", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    fcntl.fcntl(fd, F_ADD_SEALS, ALL_SEALS)
    return SealedFile(path="model.onnx", fd=fd, size=len(data))


def jailed(model: bytes, session: onnxruntime.InferenceSession) -> JailedModel:
    """The model as verification hands it on."""

    def specs(values):
        return tuple(
            ValueSpec(
                name=value.name,
                type=TypeSpec(
                    kind=ValueKind.TENSOR, element=value.type.removeprefix("tensor(").removesuffix(")"), shape=tuple(value.shape)
                ),
            )
            for value in values
        )

    return JailedModel(
        model=sealed(model), weights=(), external=(), inputs=specs(session.get_inputs()), outputs=specs(session.get_outputs())
    )


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _bound(session: onnxruntime.InferenceSession, x) -> Callable[[], object]:
    (y,) = session.run(None, {"x": x})
    binding = session.io_binding()
    binding.bind_input("x", "cpu", 0, np.float32, x.shape, x.ctypes.data)
    binding.bind_output("y", "cpu", 0, np.float32, y.shape, y.ctypes.data)
    return lambda: session.run_with_iobinding(binding)


def measure(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every call, the contenders taking turns; the first call of each turn warms what the others cooled, and is left out."""
    out: dict[str, list[float]] = {name: [] for name in contenders}
    clock = time.perf_counter
    for _ in range(rounds):
        for name, call in contenders.items():
            call()
            for _ in range(BURST):
                begun = clock()
                call()
                out[name].append(clock() - begun)
    return out


def compare(workload: Workload) -> tuple[str, ...]:
    """A row of the table: medians, and what the sandbox makes of them."""
    session = _session(workload.model)
    x = np.random.default_rng(1).standard_normal(workload.shape).astype(np.float32)
    with Jail.start(jailed(workload.model, session), spec=JailSpec(memory_bytes=4096 * MIB)) as jail:
        lent = jail.lend({"x": workload.shape})
        lent["x"][...] = x
        assert jail.run(lent)["y"].tobytes() == session.run(None, {"x": x})[0].tobytes()
        found = measure(
            {
                "bound": _bound(session, x),
                "run": lambda: session.run(None, {"x": x}),
                "sandbox": lambda: jail.run({"x": x}),
                "lent": lambda: jail.run(lent),
            },
            workload.rounds,
        )
    median = {name: statistics.median(seconds) * 1e6 for name, seconds in found.items()}
    cells = [f"{median[name]:,.1f}" for name in ("bound", "run", "sandbox", "lent")]
    more = median["sandbox"] - median["run"]
    ratios = [f"{median['run'] / median[name]:.1%}" for name in ("sandbox", "lent")]
    return workload.name, *cells, f"{more:+,.1f}", *ratios


def starts(rounds: int) -> str:
    """Milliseconds from nothing to a worker that can take a call."""
    model = perceptron()
    given = jailed(model, _session(model))
    begun = time.perf_counter()
    Jail.start(given).close()
    first = (time.perf_counter() - begun) * 1e3
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        jail = Jail.start(given)
        seconds.append(time.perf_counter() - begun)
        jail.close()
    return f"A confined worker is ready in {statistics.median(seconds) * 1e3:.1f} ms (median of {rounds}); the first, with its zygote, in {first:.0f} ms."


def print_sandbox(*, quick: bool) -> None:
    """What starts take, and a row for each workload; medians of one call."""
    many = 40 if quick else 400
    few = 4 if quick else 12
    workloads = (
        Workload("perceptron, 1x64", perceptron(), (1, 64), many),
        Workload("perceptron, 10,000x64", perceptron(), (10_000, 64), few),
        Workload("perceptron, 100,000x64", perceptron(), (100_000, 64), max(1, few // 4)),
        Workload("convolutional, 1x3x224x224", convolutional(), (1, 3, 224, 224), few),
        Workload("convolutional, 16x3x224x224", convolutional(), (16, 3, 224, 224), max(1, few // 6)),
    )
    progress("starting workers")
    print(starts(20 if quick else 100), flush=True)
    floors = "bound, in process", "`session.run`, in process"
    heading("microseconds", *floors, "sandbox", "sandbox, lent arrays", "sandbox more", "throughput", "lent")
    for workload in workloads:
        progress(f"calling the sandbox: {workload.name}")
        row(*compare(workload))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it works")
    print_sandbox(quick=parser.parse_args().quick)
