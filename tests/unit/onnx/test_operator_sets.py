"""The shipped operator sets are what the script generates, and nothing dangerous slips into one."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import onnx
import onnx.defs
import pytest

from mlsign.interface import decode_operator
from mlsign.policy.operator_sets import decode_operator_set

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "policies" / "operators"
FILES = sorted(FOLDER.glob("*-v*.json"))
SETS = {path.stem: {str(op) for op in decode_operator_set(path.read_bytes(), where=path.name).operators} for path in FILES}
PROPERTIES = json.loads((FOLDER / "properties.json").read_text())


def script():
    spec = importlib.util.spec_from_file_location("build_operators", ROOT / "policies" / "build_operators.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sets_are_what_the_script_generates():
    generated_from = {json.loads(path.read_text())["generated_from"] for path in FILES}
    assert len(generated_from) == 1
    if generated_from != {f"onnx {onnx.__version__}"}:
        pytest.skip(f"the sets were generated from {generated_from.pop()}, here is onnx {onnx.__version__}")
    assert script().build() == {path.name: path.read_bytes() for path in FILES}


def test_every_set_is_named_like_its_file_sorted_and_apart_from_the_others():
    assert set(SETS) == {"inference-v1", "ml-v1", "quantized-v1", "control-flow-v1", "sequence-v1", "random-v1"}
    for path in FILES:
        document = json.loads(path.read_text())
        assert document["name"] == path.stem
        assert document["operators"] == sorted(document["operators"])
    assert sum(map(len, SETS.values())) == len(set().union(*SETS.values()))


def test_dangerous_operators_are_in_no_set_that_a_model_gets_by_default():
    unbounded = {"loops_by_value", "random", "runs_code", "reads_files", "reaches_network", "parses_media"}
    dangerous = {name for name, entry in PROPERTIES["operators"].items() if unbounded & set(entry["properties"])}
    for name in ("inference-v1", "ml-v1", "quantized-v1", "sequence-v1"):
        assert not SETS[name] & dangerous
    assert not any(op.startswith(("ai.onnx.preview", "ai.onnx.training")) for ops in SETS.values() for op in ops)


def test_properties_name_known_properties_real_operators_and_sources():
    known = {f"{s.domain or 'ai.onnx'}:{s.name}" for s in onnx.defs.get_all_schemas_with_history()}
    assert list(PROPERTIES["operators"]) == sorted(PROPERTIES["operators"])
    for name, entry in PROPERTIES["operators"].items():
        assert set(entry["properties"]) <= set(PROPERTIES["properties"])
        assert entry["source"].startswith("https://")
        domain, _, operator = name.rpartition(":")
        if operator != "*":
            decode_operator(name)
        if domain.startswith("ai.onnx") and domain != "ai.onnx.contrib":
            assert name in known
