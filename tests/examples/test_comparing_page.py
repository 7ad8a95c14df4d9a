"""What the page on comparing shows is what really comes out, and what comes out is right."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from mlsign.actions.comparison.diff import DiffRequest, diff
from mlsign.actions.comparison.difference import Difference

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def builder():
    """The script that makes the page; quantizing and exporting warn of much."""
    sys.path.insert(0, str(DOCS))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import build_comparing
    finally:
        sys.path.remove(str(DOCS))
    return build_comparing


@pytest.fixture(scope="module")
def place(builder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("comparing")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        builder.make(folder)
    return folder


@pytest.fixture(scope="module")
def compared(place: Path):
    def run(name: str) -> Difference:
        return diff(place / "trained.onnx", place / f"{name}.onnx", DiffRequest(inputs=(place / "rows.npz",)))

    return run


@pytest.mark.linux
def test_the_page_shows_what_comes_out(builder, place: Path) -> None:
    page = builder.PAGE.read_text(encoding="utf-8")
    fresh = builder.build(page, place)
    assert page.count("$ mlsign diff") == 5
    assert builder.without_numbers(page) == builder.without_numbers(fresh)
    assert json.loads(builder.printed("mlsign diff trained.onnx tuned.onnx --no-run --format json", place))["same"] is False


def test_the_program_of_the_page_runs(builder, place: Path) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```$", builder.PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    done = subprocess.run([sys.executable, "-c", program], cwd=place, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False 4 []\n", "")


@pytest.mark.linux
def test_two_trainings_of_one_model(compared) -> None:
    found = compared("retrained")
    assert found.graph.is_same
    assert not found.graph.renames.count
    assert {change.before for change in found.weights.changed} == {"coefficient", "intercepts", "coefficient1", "intercepts1"}
    assert all(change.difference.relative_l2 > 0.5 for change in found.weights.changed)
    assert not found.behaviour.is_same


@pytest.mark.linux
def test_a_fine_tune(compared) -> None:
    found = compared("tuned")
    assert found.graph.is_same
    assert [change.before for change in found.weights.changed] == ["coefficient1"]
    assert found.weights.identical == 5
    assert found.weights.changed[0].difference.relative_l2 < 0.1
    assert not found.behaviour.is_same


@pytest.mark.linux
def test_a_quantized_version(compared) -> None:
    found = compared("quantized")
    changed = {change.before: change for change in found.weights.changed}
    assert {name: change.difference.change.value for name, change in changed.items()} == {
        "coefficient": "quantized",
        "coefficient1": "quantized",
    }
    assert changed["coefficient"].types == ("float[4, 16]", "int8[4, 16]")
    assert [node.node.operator for node in found.graph.removed] == ["ai.onnx:MatMul"] * 2
    assert sorted(node.node.operator.removeprefix("ai.onnx:") for node in found.graph.added) == sorted(
        ["Cast", "DynamicQuantizeLinear", "MatMulInteger", "Mul", "Mul"] * 2
    )
    assert found.graph.identical == 10
    assert not found.is_breaking
    assert found.behaviour.outputs[1].absolute < 0.1


@pytest.mark.linux
def test_the_same_graph_under_other_names(compared) -> None:
    found = compared("renamed")
    assert found.is_renamed_only
    assert (found.graph.renames.nodes, found.graph.renames.values, found.graph.renames.weights) == (12, 10, 6)
    assert found.weights.is_same
    assert found.behaviour.is_same
    assert not found.is_same


@pytest.mark.linux
def test_one_node_put_in(compared) -> None:
    found = compared("spliced")
    (node,) = found.graph.added
    assert (node.node.operator, node.node.name) == ("ai.onnx:Tanh", "put_in")
    assert (node.takes_from, node.gives_to) == (("Relu Relu",), ("MatMul MatMul1",))
    assert (found.graph.identical, found.graph.changed, found.graph.removed) == (12, (), ())
    assert found.weights.is_same
