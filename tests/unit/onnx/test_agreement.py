"""The reader and the onnx library agree on every model at hand, and on what mutation leaves of them.

``MLSIGN_ONNX_MODELS`` names a folder of more models, such as an unpacked wheel of onnx 1.17.0, which brings a
model for each of its operator tests; every ``*.onnx`` in it, at any depth, is read as well.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, ModelProto

from mlsign.errors import InputError
from mlsign.interface import ValueKind
from mlsign.onnx.inspect import read_model
from mlsign.source import MemorySource

ROOT = Path(__file__).parents[3]
if str(ROOT / "fuzz") not in sys.path:
    sys.path.append(str(ROOT / "fuzz"))  # targets import what they share from beside them, and so does this
FACTS = importlib.import_module("onnx_facts")
SHIPPED = Path(onnx.__file__).parent / "backend" / "test" / "data"
MODELS = sorted(SHIPPED.rglob("*.onnx")) + sorted(ROOT.glob("examples/**/*.onnx"))
MODELS += sorted(Path(os.environ["MLSIGN_MODELS"]).glob("*.onnx")) if "MLSIGN_MODELS" in os.environ else []
MORE = sorted(Path(os.environ["MLSIGN_ONNX_MODELS"]).rglob("*.onnx")) if os.environ.get("MLSIGN_ONNX_MODELS") else []
SEEDS = sorted((ROOT / "fuzz" / "corpora" / "onnx").glob("*.onnx"))


def assert_agreement(path):
    data = path.read_bytes()
    summary = read_model(MemorySource(data))
    assert summary.problems == ()
    assert FACTS.seen_facts(summary) == FACTS.expected_facts(onnx.load_from_string(data))


def short(path):
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("path", MODELS, ids=short)
def test_models_at_hand_have_no_problem_and_the_facts_of_onnx(path):
    assert_agreement(path)


@pytest.mark.skipif(not os.environ.get("MLSIGN_ONNX_MODELS"), reason="MLSIGN_ONNX_MODELS names no folder of models")
def test_there_are_models_in_the_folder_that_was_named():
    assert MORE


@pytest.mark.skipif(not MORE, reason="there are no models in a folder named by MLSIGN_ONNX_MODELS")
@pytest.mark.parametrize("path", MORE or [Path("none")], ids=short)
def test_more_models_have_no_problem_and_the_facts_of_onnx(path):
    assert_agreement(path)


def test_there_are_models_at_hand():
    assert len(MODELS) > 140
    assert ValueKind.TENSOR in {spec.type.kind for spec in read_model(MemorySource(MODELS[0].read_bytes())).inputs}


@st.composite
def mutations(draw):
    """A seed with some bytes replaced, removed, repeated or put in."""
    data = bytearray(draw(st.sampled_from(SEEDS)).read_bytes())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        size = draw(st.integers(0, 6))
        kind = draw(st.sampled_from(["replace", "remove", "repeat", "insert", "tag"]))
        new = draw(st.binary(min_size=1, max_size=6))
        if kind == "replace":
            data[at : at + len(new)] = new
        elif kind == "remove":
            del data[at : at + size]
        elif kind == "repeat":
            data[at:at] = data[at : at + size]
        elif kind == "insert":
            data[at:at] = new
        else:
            data[at : at + 1] = bytes((draw(st.sampled_from([0x08, 0x0A, 0x12, 0x22, 0x2A, 0x3A, 0x4A, 0xC2])),))
    return bytes(data)


@given(mutations())
@settings(max_examples=600, deadline=None)
def test_a_mutated_model_is_refused_or_means_what_onnx_says(data):
    try:
        summary = read_model(MemorySource(data))
    except InputError:
        return
    if summary.problems:
        return
    model = ModelProto()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.ParseFromString(data)  # what the reader takes without a word, protobuf takes too
    assert FACTS.seen_facts(summary) == FACTS.expected_facts(model)
    assert AttributeProto.UNDEFINED not in {a.type for n in model.graph.node for a in n.attribute}


def fuzz_target():
    spec = importlib.util.spec_from_file_location("decode_onnx", ROOT / "fuzz" / "decode_onnx.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.name)
def test_corpus_is_replayed(path):
    fuzz_target().check(path.read_bytes())


@given(st.binary(max_size=200) | mutations())
@settings(max_examples=300, deadline=None)
def test_no_bytes_crash_the_reader(data):
    fuzz_target().check(data)
