"""The structure of a model is what the onnx library reads: every node, attribute, tensor, type and function."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto
from structure_protos import model_of, normal

from mlsign.errors import InputError
from mlsign.onnx.inspect import read_model
from mlsign.onnx.structure import read_structure
from mlsign.source import MemorySource

ROOT = Path(__file__).parents[3]
SHIPPED = Path(onnx.__file__).parent / "backend" / "test" / "data"
VECTORS = sorted((ROOT / "tests" / "vectors" / "onnx").glob("*.onnx"))
MODELS = sorted(SHIPPED.rglob("*.onnx")) + sorted(ROOT.glob("examples/**/*.onnx"))
MODELS += sorted(Path(os.environ["MLSIGN_MODELS"]).glob("*.onnx")) if os.environ.get("MLSIGN_MODELS") else []
MORE = sorted(Path(os.environ["MLSIGN_ONNX_MODELS"]).rglob("*.onnx")) if os.environ.get("MLSIGN_ONNX_MODELS") else []


def assert_same_structure(data):
    record = read_structure(MemorySource(data))
    model = ModelProto()
    model.ParseFromString(data)
    assert record.has_training == bool(model.training_info)
    assert normal(model_of(record, data)) == normal(model)


def test_models_at_hand_have_the_structure_that_onnx_reads():
    assert len(MODELS) > 140
    for path in MODELS:
        assert_same_structure(path.read_bytes())


@pytest.mark.skipif(not MORE, reason="there are no models in a folder named by MLSIGN_ONNX_MODELS")
def test_more_models_have_the_structure_that_onnx_reads():
    for path in MORE:
        assert_same_structure(path.read_bytes())


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_hostile_vectors_are_refused_or_read_and_without_a_problem_they_are_what_onnx_reads(path):
    data = path.read_bytes()
    try:
        read_structure(MemorySource(data))
        problems = read_model(MemorySource(data)).problems
    except InputError as err:
        assert err.code.startswith("onnx.")
        return
    if not problems:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert_same_structure(data)
