"""The limits that a policy sets, from the package to the exit code: hostile models that it let through end by them.

The models do what a policy may allow (``unknown_turns`` and ``unknown_sizes``) and their inputs decide: loops of any length,
values of any size. What is refused outright (loops that cannot end, bounds that are known) never comes this far.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from jail_models import graph_model, tensor
from making import write_policy
from onnx import TensorProto, helper

import mlsign
from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.signing.sign import sign
from mlsign.errors import JailError

LETS_THROUGH = "model: {run: {unknown_turns: allow, unknown_sizes: allow}}\n"
ENDLESS = np.array(1 << 60)
GIB_OF_FLOATS = np.array([1 << 28])


@dataclass(frozen=True)
class Shop:
    """Packages by name, and policies with other limits; all signed by one key."""

    folder: Path
    keys: object

    def package(self, name: str, proto: onnx.ModelProto) -> Path:
        path = self.folder / f"{name}.onnx"
        path.write_bytes(proto.SerializeToString())
        package = pack(PackRequest(model=path, output=self.folder / f"{name}-1.0.0", license="Apache-2.0")).path
        sign(package, self.keys.release.signer)
        return package

    def policy(self, sandbox: str, *, rest: str = LETS_THROUGH) -> Path:
        groups = {"release": (1, [self.keys.release.public])}
        more = f"{rest}sandbox: {{{sandbox}}}\n"
        allow = "[inference-v1, ml-v1, ai.onnx:Loop]"
        return write_policy(self.folder, groups, name=f"{abs(hash(more))}.yaml", allow=allow, rest=more)


@pytest.fixture
def shop(tmp_path, keys) -> Shop:
    return Shop(folder=tmp_path, keys=keys)


@pytest.fixture
def looping(shop, spinner) -> Path:
    return shop.package("looping", spinner)


@pytest.fixture
def filling(shop, filler) -> Path:
    return shop.package("filling", filler)


def score(package: Path, policy: Path, **feeds: np.ndarray) -> subprocess.CompletedProcess[str]:
    rows, answers = package.parent / "rows.npz", package.parent / "answers.npz"
    np.savez(rows, **feeds)
    command = [
        sys.executable,
        "-m",
        "mlsign",
        "score",
        package,
        "--policy",
        policy,
        "--input",
        rows,
        "--output",
        answers,
        "--verbose",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert answers.exists() == (done.returncode == 0)  # no answer, no file
    assert "Traceback" not in done.stderr
    answers.unlink(missing_ok=True)
    return done


def spin(turns) -> dict[str, np.ndarray]:
    return {"n": np.asarray(turns), "x": np.ones(64, np.float32)}


ENDED = {
    "wall": ("wall: 500ms", "no answer within 0.5 seconds", "raise sandbox.wall in the policy", "sandbox.deadline"),
    "cpu": ("cpu: 300ms", "the call used more than 0.3 seconds of CPU time", "raise sandbox.cpu in the policy", "sandbox.cpu"),
}


@pytest.mark.parametrize("limit", ENDED)
def test_a_loop_whose_turns_an_input_decides_ends_by_the_limit(shop, looping, limit):
    sandbox, message, hint, code = ENDED[limit]
    done = score(looping, shop.policy(sandbox), **spin(ENDLESS))
    assert (done.returncode, done.stdout) == (4, "")
    assert f"mlsign: {message}\n" in done.stderr
    assert hint in done.stderr
    assert f"  code: {code}\n" in done.stderr


@pytest.mark.parametrize("limit", ENDED)
def test_the_same_loop_with_few_turns_is_answered_under_the_same_limit(shop, looping, limit):
    assert score(looping, shop.policy(ENDED[limit][0]), **spin(10)).returncode == 0


def test_a_policy_that_does_not_let_it_through_never_runs_it(shop, looping):
    done = score(looping, shop.policy("wall: 500ms", rest=""), **spin(ENDLESS))
    assert done.returncode == 1
    assert "MLS383" in done.stderr


def test_a_model_that_takes_memory_ends_by_the_limit(shop, filling):
    done = score(filling, shop.policy("memory: 256MiB"), shape=GIB_OF_FLOATS)
    assert (done.returncode, done.stdout) == (4, "")
    assert "mlsign: the model wants more memory than it may have\n" in done.stderr
    assert "raise sandbox.memory in the policy" in done.stderr
    assert "  code: sandbox.memory\n" in done.stderr


def test_with_more_memory_the_same_call_is_answered(shop, filling):
    assert score(filling, shop.policy("memory: 3GiB"), shape=GIB_OF_FLOATS).returncode == 0
    assert score(filling, shop.policy("memory: 256MiB"), shape=np.array([1024])).returncode == 0


def computing(rounds: int) -> onnx.ModelProto:
    """Multiplies a square matrix with itself again and again: work that all threads take part in."""
    nodes = [helper.make_node("MatMul", [f"v{i}", "x"], [f"v{i + 1}"]) for i in range(rounds)]
    nodes[0].input[0], nodes[-1].output[0] = "x", "y"
    return graph_model(nodes, [tensor("x", shape=("n", "n"))], [tensor("y", shape=("n", "n"))])


def test_a_model_that_computes_for_long_ends_by_the_limit(shop):
    package = shop.package("computing", computing(60))
    x = np.zeros((2048, 2048), np.float32)
    done = score(package, shop.policy("cpu: 400ms, threads: 2"), x=x)
    assert done.returncode == 4
    assert "the call used more than 0.4 seconds of CPU time" in done.stderr
    assert score(package, shop.policy("cpu: 400ms, threads: 2"), x=x[:16, :16]).returncode == 0


def threads_of(pid: int) -> int:
    return int(re.search(r"^Threads:\t(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1])


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_worker_has_the_threads_that_the_policy_gives(shop, threads):
    package = shop.package("threads", computing(4))
    gate = mlsign.Gate.load(shop.policy(f"threads: {threads}"))
    x = np.eye(512, dtype=np.float32)
    with gate.admit(package) as model, mlsign.Scorer(model) as scorer:
        assert np.array_equal(scorer.run({"x": x})["y"], x)
        bounded = next(layer for layer in scorer.layers if layer.name == "user_namespace").in_force
        assert threads_of(scorer._jail.pid) == (threads if bounded else 1)


def test_the_limits_are_of_each_call_and_the_error_says_whether_the_scorer_goes_on(shop, filling, looping):
    with mlsign.Gate.load(shop.policy("memory: 256MiB")).admit(filling) as model, mlsign.Scorer(model) as scorer:
        for _ in range(2):
            with pytest.raises(JailError) as caught:
                scorer.run({"shape": GIB_OF_FLOATS})
            assert caught.value.code == "sandbox.memory"
            assert scorer.run({"shape": np.array([64])})["y"] == 0
    with mlsign.Gate.load(shop.policy("wall: 300ms")).admit(looping) as model, mlsign.Scorer(model) as scorer:
        for expected in ("sandbox.deadline", "sandbox.dead"):
            with pytest.raises(JailError) as caught:
                scorer.run(spin(ENDLESS))
            assert caught.value.code == expected


def nested(levels: int) -> onnx.ModelProto:
    """A loop in a loop in a loop, each of as many turns as ``n`` says."""

    def body(level: int):
        names = [f"i{level}", f"c{level}", f"v{level}"]
        inputs = [tensor(names[0], TensorProto.INT64, []), tensor(names[1], TensorProto.BOOL, []), tensor(names[2], shape=[64])]
        out = f"w{level}"
        inner = (
            helper.make_node("Sin", [names[2]], [out])
            if level == levels
            else helper.make_node("Loop", ["n", "true", names[2]], [out], body=body(level + 1))
        )
        nodes = [helper.make_node("Identity", [names[1]], [f"d{level}"]), inner]
        return helper.make_graph(nodes, f"b{level}", inputs, [tensor(f"d{level}", TensorProto.BOOL, []), tensor(out, shape=[64])])

    true = helper.make_tensor("true", TensorProto.BOOL, [], [1])
    node = helper.make_node("Loop", ["n", "true", "x"], ["y"], body=body(1))
    inputs = [tensor("n", TensorProto.INT64, []), tensor("x", shape=[64])]
    return graph_model([node], inputs, [tensor("y", shape=[64])], initializers=[true])


def test_loops_in_loops_end_as_well(shop):
    package = shop.package("nested", nested(3))
    done = score(package, shop.policy("wall: 500ms"), **spin(100_000))
    assert done.returncode == 4
    assert "no answer within 0.5 seconds" in done.stderr
    assert score(package, shop.policy("wall: 5s"), **spin(2)).returncode == 0


def test_results_without_end_meet_the_memory_limit(shop):
    """A loop that keeps every turn's value: the output grows with the turns."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Identity", ["x"], ["s"])],
        "b",
        [tensor("i", TensorProto.INT64, []), tensor("c", TensorProto.BOOL, [])],
        [tensor("d", TensorProto.BOOL, []), tensor("s", shape=[1024])],
    )
    true = helper.make_tensor("true", TensorProto.BOOL, [], [1])
    node = helper.make_node("Loop", ["n", "true"], ["y"], body=body)
    inputs = [tensor("n", TensorProto.INT64, []), tensor("x", shape=[1024])]
    proto = graph_model([node], inputs, [tensor("y", shape=["t", 1024])], initializers=[true])
    package = shop.package("keeping", proto)
    feeds = {"n": np.array(1 << 20), "x": np.ones(1024, np.float32)}
    done = score(package, shop.policy("memory: 128MiB, cpu: 60s, wall: 60s"), **feeds)
    assert done.returncode == 4
    assert "  code: sandbox.memory\n" in done.stderr
