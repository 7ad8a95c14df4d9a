"""Fixtures of the jail tests: jails that are closed in the end, and models that do what models should not."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from gvisor_setting import why_not
from jail_models import Memory, graph_model, popen_of, tensor
from onnx import ModelProto, TensorProto, helper

from mlsign.sandbox import zygote_host
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.spec import JailSpec


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/jail" in str(item.path):
            item.add_marker(pytest.mark.linux)
            if sys.platform != "linux":
                item.add_marker(pytest.mark.skip(reason="needs Linux with seccomp"))


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


@pytest.fixture
def gvisor() -> None:
    """gVisor works here."""
    if reason := why_not():
        pytest.skip(f"no gVisor: {reason}")


@pytest.fixture
def doubler() -> ModelProto:
    """y = x + x"""
    return graph_model([helper.make_node("Add", ["x", "x"], ["y"])], [tensor("x")], [tensor("y")])


@pytest.fixture
def spinner() -> ModelProto:
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
def filler() -> ModelProto:
    """y = the sum over as many zeros as ``shape`` says: all of them at once in memory."""
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["big"]), helper.make_node("ReduceSum", ["big"], ["y"], keepdims=0)]
    return graph_model(nodes, [tensor("shape", TensorProto.INT64, [1])], [tensor("y", shape=[])])


@pytest.fixture
def taken_over(monkeypatch) -> Iterator[Callable[[str], None]]:
    """From now on workers are those of ``hostile``, in the given mode."""

    def take_over(mode: str) -> None:
        zygote_host.end()
        monkeypatch.setattr(subprocess, "Popen", popen_of(mode))

    yield take_over
    zygote_host.end()
