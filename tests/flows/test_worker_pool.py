"""From a signed package to a pool: what the gate admitted is what all workers run, under the policy's limits."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
from making import BIAS, INPUT, WEIGHTS, write_model, write_policy
from onnx import TensorProto, helper

import mlsign
from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.scoring.pool import usable_cores
from mlsign.actions.signing.sign import sign

PATIENCE = 30.0
EXPECTED = INPUT @ WEIGHTS + BIAS

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux with seccomp")
pytestmark = [pytest.mark.linux, linux]


def until(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.005)


def workers_of(pool: mlsign.WorkerPool) -> list[int]:
    return [worker.jail.pid for worker in list(pool._pool._held.shift.crew._workers)]


def test_a_package_to_answers_by_all_ways(gate, package):
    with gate.admit(package) as model:
        pool = mlsign.WorkerPool(model, workers=2)
    shutil.rmtree(package)  # and the admitted model is closed
    with pool:
        until(lambda: pool.health().ready == 2)
        assert np.allclose(pool.run({"x": INPUT})["y"], EXPECTED)
        assert np.allclose(asyncio.run(pool.run_async({"x": INPUT}, timeout=PATIENCE))["y"], EXPECTED)
        for pid in workers_of(pool):
            os.kill(pid, signal.SIGKILL)
        until(lambda: pool.health().restarts == 2)
        assert np.allclose(pool.run({"x": INPUT}, timeout=PATIENCE)["y"], EXPECTED)
        assert [str(spec.type) for spec in (*pool.inputs, *pool.outputs)] == ["float[n, 4]", "float[n, 3]"]
        assert {layer.name for layer in pool.layers if layer.in_force} >= {"seccomp", "no_new_privs"}
        with pytest.raises(mlsign.InputError) as caught:
            pool.run({"x": INPUT.astype(np.float64)})
        assert caught.value.code == "input.dtype"
    with pytest.raises(mlsign.JailError) as closed:
        pool.run({"x": INPUT})
    assert closed.value.code == "sandbox.pool.closed"


def test_there_are_as_many_workers_as_cores_unless_told_otherwise(gate, package):
    with gate.admit(package) as model, mlsign.WorkerPool(model) as pool:
        assert pool.health().workers == usable_cores() == len(os.sched_getaffinity(0))


def test_answers_are_those_of_the_scorer_bit_by_bit(gate, package):
    dice = np.random.default_rng(1)
    with gate.admit(package) as model, mlsign.Scorer(model) as scorer, mlsign.WorkerPool(model, workers=2) as pool:
        for rows in (0, 1, 7, 300):
            feeds = {"x": dice.standard_normal((rows, 4), dtype=np.float32)}
            assert pool.run(feeds)["y"].tobytes() == scorer.run(feeds)["y"].tobytes()


def spinning_package(folder, pair):
    """y = x, after as many turns of a loop as ``n`` says; the policy lets it through."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Sin", ["v"], ["v2"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [64]),
        ],
        [helper.make_tensor_value_info("c2", TensorProto.BOOL, []), helper.make_tensor_value_info("v2", TensorProto.FLOAT, [64])],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["n", "true", "x"], ["y"], body=body)],
        "spin",
        [helper.make_tensor_value_info("n", TensorProto.INT64, []), helper.make_tensor_value_info("x", TensorProto.FLOAT, [64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [64])],
        [helper.make_tensor("true", TensorProto.BOOL, [], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "spin.onnx")
    package = pack(PackRequest(model=folder / "spin.onnx", output=folder / "spin-1.0.0", license="MIT")).path
    sign(package, pair.signer)
    return package


def test_the_limits_of_the_policy_hold_for_every_worker(tmp_path, keys):
    package = spinning_package(tmp_path / "spin", keys.release)
    rest = "model:\n  run: {unknown_turns: allow, unknown_sizes: allow}\nsandbox: {memory: 512MiB, cpu: 300ms, wall: 20s}\n"
    policy = write_policy(
        tmp_path / "policy", {"release": (1, [keys.release.public])}, allow='[inference-v1, "ai.onnx:Loop"]', rest=rest
    )
    feeds = {"n": np.array(1 << 60, np.int64), "x": np.zeros(64, np.float32)}
    with mlsign.Gate.load(policy).admit(package) as model, mlsign.WorkerPool(model, workers=2) as pool:
        for _ in range(2):
            with pytest.raises(mlsign.JailError) as caught:
                pool.run(feeds)
            assert caught.value.code == "sandbox.cpu"
        assert list(pool.run(feeds | {"n": np.array(3, np.int64)}, timeout=PATIENCE)) == ["y"]
        until(lambda: pool.health().restarts == 2)


def test_a_model_that_the_gate_refuses_never_comes_to_a_pool(gate, package):
    write_model(package / "model.onnx", scale=2.0)
    with pytest.raises(mlsign.Denied):
        gate.admit(package)


def test_naming_the_pool_loads_no_arrays():
    code = "import sys, mlsign; mlsign.WorkerPool; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "onnxruntime"} & set(loaded)
