"""Weights outside the model: mapped once and shared by every worker, whatever their size."""

import dataclasses
import fcntl
import mmap
import os
import resource

import numpy as np
import pytest
from jail_models import ALL_SEALS, F_ADD_SEALS, graph_model, tensor, value_specs
from onnx import TensorProto, helper

from mlsign.errors import JailError
from mlsign.onnx.summary import ExternalTensor
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.spec import JailedModel, JailSpec, SealedFile

MIB = 1 << 20
BLOCK = 5_000_011
"""Numbers that are made at random; what is larger repeats them. A prime: no row, page or power of two looks like another one."""


class Weights:
    """A product with square matrices of random numbers that lie in sealed memory, one after the other."""

    def __init__(self, memory, *, side: int, count: int) -> None:
        self.side, self.bytes = side, side * side * 4 * count
        self.fd = os.memfd_create("weights", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        memory.fds.append(self.fd)
        os.ftruncate(self.fd, self.bytes)
        with mmap.mmap(self.fd, self.bytes) as area:
            block = memoryview(np.random.default_rng(1).random(BLOCK, dtype=np.float32) / side).cast("B")
            for start in range(0, self.bytes, len(block)):
                size = min(len(block), self.bytes - start)
                area[start : start + size] = block[:size]
        fcntl.fcntl(self.fd, F_ADD_SEALS, ALL_SEALS)
        external, nodes, initializers = [], [], []
        for index in range(count):
            size = side * side * 4
            proto = TensorProto(name=f"w{index}", data_type=TensorProto.FLOAT, dims=[side, side])
            proto.data_location = TensorProto.EXTERNAL
            for key, value in (("location", "w.bin"), ("offset", index * size), ("length", size)):
                proto.external_data.add(key=key, value=str(value))
            initializers.append(proto)
            nodes.append(helper.make_node("MatMul", ["x" if index == 0 else f"h{index - 1}", f"w{index}"], [f"h{index}"]))
            external.append(
                ExternalTensor(name=f"w{index}", where="graph", location="w.bin", offset=index * size, length=size, size=size)
            )
        nodes.append(helper.make_node("Identity", [f"h{count - 1}"], ["y"]))
        inputs, outputs = [tensor("x", shape=["n", side])], [tensor("y", shape=["n", side])]
        proto = graph_model(nodes, inputs, outputs, initializers=initializers)
        self.model = JailedModel(
            model=memory.seal(proto.SerializeToString()),
            weights=(SealedFile(path="w.bin", fd=self.fd, size=self.bytes),),
            external=tuple(external),
            inputs=value_specs(inputs),
            outputs=value_specs(outputs),
        )

    def expected(self, x):
        matrices = np.memmap(f"/proc/self/fd/{self.fd}", dtype=np.float32, mode="r").reshape(-1, self.side, self.side)
        for matrix in matrices:
            x = x @ matrix
        return x


def private_bytes(pid: int) -> int:
    """What this process has for itself: memory that no file, and no other process, stands behind."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line and line[0].isupper())
    except PermissionError:
        pytest.skip("reading another user's process needs root with its privileges")
    return int(fields["Pss_Anon"].split()[0]) * 1024


def test_no_worker_has_a_copy_of_the_weights(memory):
    weights = Weights(memory, side=2048, count=4)
    x = np.ones((3, weights.side), np.float32)
    spec = JailSpec(memory_bytes=64 * MIB)
    with Jail.start(weights.model, spec=spec) as one, Jail.start(weights.model, spec=spec) as other:
        for jail in (one, other):
            assert np.allclose(jail.run({"x": x})["y"], weights.expected(x), rtol=1e-4)
            assert private_bytes(jail.pid) < weights.bytes // 2


def address_space(pid: int) -> tuple[int, int]:
    """The limit, and what is used."""
    with open(f"/proc/{pid}/limits") as file:
        limit = next(int(line.split()[3]) for line in file if line.startswith("Max address space"))
    with open(f"/proc/{pid}/statm") as file:
        return limit, int(file.read().split()[0]) * resource.getpagesize()


def test_what_loading_takes_is_not_left_to_a_loaded_worker(memory, doubler):
    weights = Weights(memory, side=2048, count=4)
    with Jail.start(weights.model, spec=JailSpec(memory_bytes=64 * MIB)) as jail:
        limit, used = address_space(jail.pid)
        assert limit - used <= 64 * MIB


def test_a_limit_that_cannot_be_set_is_an_error(memory):
    weights = Weights(memory, side=64, count=1)
    with Jail.start(weights.model) as jail, pytest.raises(JailError) as caught:
        jail._process.take_address_space(1 << 62, timeout=5)
    assert caught.value.code == "sandbox.layer"


def test_tensors_that_share_their_bytes_do_not_raise_what_loading_may_take(memory):
    weights = Weights(memory, side=64, count=2)
    twice = tuple(dataclasses.replace(tensor, offset=0) for tensor in weights.model.external) * 1000
    assert dataclasses.replace(weights.model, external=twice).load_bytes == weights.bytes


@pytest.mark.slow
def test_eight_workers_share_weights_above_two_gigabytes(memory):
    weights = Weights(memory, side=24_000, count=1)
    assert weights.bytes > 2**31
    x = np.ones((1, weights.side), np.float32)
    wanted = weights.expected(x)
    jails = []
    try:
        for _ in range(8):
            jails.append(Jail.start(weights.model, spec=JailSpec(memory_bytes=256 * MIB, wall_seconds=60, cpu_seconds=60)))
            assert np.allclose(jails[-1].run({"x": x})["y"], wanted, rtol=1e-3)
        assert sum(private_bytes(jail.pid) for jail in jails) < 8 * 64 * MIB
        assert os.fstat(weights.fd).st_blocks * 512 < weights.bytes + MIB
    finally:
        for jail in jails:
            jail.close()
