"""``mlsign pack`` with golden data, as people type it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from making import BIAS, INPUT, WEIGHTS, write_golden, write_model
from onnx import TensorProto, helper
from running import CLEAN, Done

pytestmark = pytest.mark.linux

WITHOUT_SANDBOX = """
import sys
import mlsign.sandbox.jail
mlsign.sandbox.jail.can_confine = lambda: False
from mlsign.cli.main import main
main()
"""


@pytest.fixture
def place(tmp_path) -> Path:
    write_model(tmp_path / "model.onnx")
    write_golden(tmp_path / "data")
    (tmp_path / "rows.csv").write_text("a,b,c,d\n1,2,3,4\n")
    np.savez(tmp_path / "t.inputs.npz", x=INPUT)
    np.savez(tmp_path / "t.outputs.npz", y=(INPUT @ WEIGHTS + BIAS).astype(np.float32))
    np.savez(tmp_path / "wrong.inputs.npz", x=INPUT)
    np.savez(tmp_path / "wrong.outputs.npz", y=((INPUT @ WEIGHTS + BIAS) * 1.001).astype(np.float32))
    return tmp_path


def pack(place: Path, *arguments: str, confined: bool = True) -> Done:
    program = ["-m", "mlsign"] if confined else ["-c", WITHOUT_SANDBOX]
    done = subprocess.run(
        [sys.executable, *program, "pack", "model.onnx", "-o", "p-1.0.0", *arguments],
        cwd=place,
        env=CLEAN,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)


def golden(place: Path) -> list[dict]:
    return json.loads((place / "p-1.0.0" / "mlsign.json").read_text()).get("golden", [])


def test_everything_at_once(place):
    done = pack(place, "--golden", "data", "--golden", "t.inputs.npz", "--golden-from", "rows.csv", "--golden-auto", "2")
    assert (done.code, done.out) == (0, "p-1.0.0\n")
    assert "golden: test_data_set_0 from data/test_data_set_0, the model answers so" in done.err
    assert "golden: test_data_set_1 from t.inputs.npz, the model answers so" in done.err
    assert "golden: test_data_set_2 from rows.csv, computed by onnxruntime " in done.err
    assert "golden: test_data_set_4 from drawn inputs 1, computed by onnxruntime " in done.err
    assert [g.get("made_by", {}).get("inputs") for g in golden(place)] == [None, None, "given", "drawn", "drawn"]


@pytest.mark.parametrize("many", [1, 23])
def test_outputs_that_are_always_the_same_are_told_even_quietly_and_packed(place, many):
    names = [f"y{number}" for number in range(many)]
    nodes = [helper.make_node("Abs", ["x"], ["a"]), helper.make_node("Mul", ["a", "k"], ["b"])]
    nodes += [helper.make_node("Sigmoid", ["b"], [name]) for name in names]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", *names)]
    factor = helper.make_tensor("k", TensorProto.FLOAT, [1], [1e6])
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], [factor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (place / "model.onnx").write_bytes(model.SerializeToString())
    done = pack(place, "--golden-auto", "1", "-q")
    assert (done.code, done.out) == (0, "p-1.0.0\n")
    told = [line for line in done.err.splitlines() if "is always the same" in line]
    assert len(told) == min(many, 20)
    assert "answers to drawn inputs" in told[0]
    assert "--golden-from" in told[0]
    assert ("3 more outputs" in done.err) is (many == 23)


def test_a_contradiction_is_refused_with_the_difference_and_what_to_do(place):
    done = pack(place, "--golden", "wrong.inputs.npz")
    assert done.code == 3
    assert "output y: " in done.err
    assert "too far off" in done.err
    assert "--rtol" in done.err
    assert not (place / "p-1.0.0").exists()
    assert pack(place, "--golden", "wrong.inputs.npz", "--rtol", "0.01").code == 0


def test_unchecked_data_is_packed_when_that_is_asked_for(place):
    done = pack(place, "--golden", "wrong.outputs.npz", "--check-golden", "never")
    assert (done.code, "not checked against the model" in done.err) == (0, True)
    assert "sandbox" not in done.err


def test_without_a_sandbox_given_data_is_packed_and_that_is_said_even_quietly(place):
    done = pack(place, "--golden", "data", "-q", confined=False)
    assert done.code == 0
    assert "golden data was not checked" in done.err
    assert "cannot confine a process" in done.err
    assert len(golden(place)) == 1


@pytest.mark.parametrize(
    "asked", [("--golden", "data", "--check-golden", "always"), ("--golden-from", "rows.csv"), ("--golden-auto", "1")]
)
def test_without_a_sandbox_nothing_is_run_unless_it_is_allowed_by_name(place, asked):
    done = pack(place, *asked, confined=False)
    assert done.code == 4
    assert "cannot confine a process" in done.err
    assert not (place / "p-1.0.0").exists()
    done = pack(place, *asked, "--allow-unsandboxed", "-q", confined=False)
    assert done.code == 0
    assert "without a sandbox" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--rtol", "0.1"),
        ("--atol", "0.1"),
        ("--golden-time", "5"),
        ("--golden-memory", "512"),
        ("--allow-unsandboxed",),
        ("--sandbox", "gvisor"),
        ("--check-golden", "never"),
        ("--check-golden", "always", "--golden-auto", "1"),
        ("--golden", "data", "--check-golden", "never", "--golden-time", "5"),
        ("--golden-auto", "-1"),
        ("--golden-auto", "101"),
        ("--golden-auto", "1", "--atol", "inf"),
        ("--golden-auto", "1", "--atol", "1e20"),
        ("--golden-auto", "1", "--rtol", "nan"),
        ("--golden-time", "0", "--golden-auto", "1"),
        ("--golden-memory", "1", "--golden-auto", "1"),
        ("--golden-auto", "1", "--sandbox", "gvisor", "--allow-unsandboxed"),
        ("--golden", ""),
    ],
)
def test_options_that_would_do_nothing_or_harm_are_refused(place, arguments):
    done = pack(place, *arguments)
    assert done.code == 2
    assert not (place / "p-1.0.0").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--golden", "nowhere"), "there is no file of this name"),
        (("--golden", "model.onnx"), "is no golden data"),
        (("--golden", "."), None),
        (("--golden-from", "model.onnx"), "has no format that is read here"),
        (("--golden-from", "t.outputs.npz"), "the model has no input y"),
        (("--golden-from", "nowhere.npz"), "nowhere.npz"),
        (("--golden-auto", "1", "--golden-from", "data"), "has no format that is read here"),
    ],
)
def test_clumsy_arguments_are_told_what_is_wrong(place, arguments, words):
    (place / "lonely.inputs.npz").write_bytes(b"")
    done = pack(place, *arguments)
    assert done.code == 3
    assert (words or "there is no lonely.outputs.npz beside it") in done.err


def test_limits_reach_the_worker(place):
    assert pack(place, "--golden-auto", "1", "--golden-time", "30", "--golden-memory", "4096").code == 0
