"""No value of a run is larger, or another one, than the bounds of the run say: real models, random ones, and hostile ones."""

import importlib
import os
import sys
from pathlib import Path
from random import Random

import numpy as np
import onnx
import pytest
from bounds_oracle import bounded, exceeded, run_real
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import ModelProto, ValueInfoProto, numpy_helper
from random_graphs import grow
from runs_of_authors import RUNS, model_of
from runs_of_operators import USES, feeds_of, use_of, without_types

HONEST = Path(__file__).parents[1] / "honest"
MODELS = os.environ.get("MLSIGN_ONNX_MODELS", "")
GROUPS = ("attention", "dynamic", "functions", "quantized", "recurrent", "text", "vision")


@pytest.mark.parametrize("name", RUNS)
def test_what_an_author_wants_to_be_taken_for_another_is_not(name):
    text, feeds = RUNS[name]
    model = model_of(text)
    assert exceeded(bounded(model), feeds, run_real(model, feeds)) == []


@pytest.mark.parametrize("text", USES)
def test_operators_keep_to_their_bounds(text):
    model = use_of(text)
    for size in (10, 7):
        feeds = feeds_of(text, size)
        assert exceeded(bounded(model), feeds, run_real(without_types(model), feeds)) == [], size


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_random_graphs_keep_to_their_bounds(seed):
    with np.errstate(all="ignore"):
        grown = grow(Random(seed))  # noqa: S311 - a graph, not a secret
        assert exceeded(bounded(grown.model()), grown.feeds, grown.values) == []


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 2000, 100))
def test_many_random_graphs_keep_to_their_bounds(start):
    for seed in range(start, start + 100):
        with np.errstate(all="ignore"):
            grown = grow(Random(seed), nodes=16)  # noqa: S311 - a graph, not a secret
            assert exceeded(bounded(grown.model()), grown.feeds, grown.values) == [], seed


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_honest_models_keep_to_their_bounds(group, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(HONEST), *sys.path])
    graph = importlib.import_module("honest_graph")
    before = set(graph.MODELS)
    importlib.import_module(f"honest_{group}")
    wrong = {}
    for name, entry in graph.MODELS.items():
        if name in before or entry.by != ("onnx",) or (model := entry()) is None:
            continue
        for sizes in entry.sizes:
            feeds = graph.random_feeds(model, entry, sizes)
            try:
                values = run_real(model, feeds)
            except RuntimeError:  # a type that NumPy does not have
                continue
            wrong |= {name: found} if (found := exceeded(bounded(model), feeds, values)) else {}
    assert wrong == {}


def folders() -> list[Path]:
    return (
        sorted(path.parent for path in Path(MODELS).rglob("model.onnx") if path.parent.glob("test_data_set_*")) if MODELS else []
    )


@pytest.mark.slow
@pytest.mark.skipif(not MODELS, reason="MLSIGN_ONNX_MODELS names no folder of models")
def test_models_with_data_keep_to_their_bounds():
    wrong, run = {}, 0
    for folder in folders():
        model = onnx.load(folder / "model.onnx")
        for data in sorted(folder.glob("test_data_set_*")):
            try:
                feeds = {item.name: load(data / f"input_{index}.pb", item) for index, item in enumerate(model.graph.input)}
                values = run_real(model, feeds)
            except Exception:  # noqa: BLE001, S112 - what this runtime does not have, or this machine not the memory for
                continue
            run += 1
            if found := exceeded(bounded(model), feeds, values):
                wrong[folder.name] = found
    assert run > 0
    assert wrong == {}


def load(path: Path, item: ValueInfoProto) -> object:
    data, kind = path.read_bytes(), item.type.WhichOneof("value")
    if kind == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if kind == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))


def test_the_oracle_sees_what_is_exceeded():
    """A bound of a smaller model does not hold for a larger one."""

    def model(count: int) -> ModelProto:
        return model_of(f"(float[1] x) => (float[{count}] y) {{ s = Constant <value_ints = [{count}]> () y = Expand(x, s) }}")

    feeds = {"x": np.zeros(1, np.float32)}
    assert exceeded(bounded(model(3)), feeds, run_real(model(3), feeds)) == []
    assert len(exceeded(bounded(model(2)), feeds, run_real(model(3), feeds))) > 2
