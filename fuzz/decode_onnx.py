"""The ONNX readers on any bytes: each returns its value or raises ``InputError``, and nothing else, in bounded time."""

from __future__ import annotations

import random
from pathlib import Path

import onnx_tree
from oracles import check_refusal
from wire_tree import bent

from mlsign.errors import InputError
from mlsign.limits import Limits
from mlsign.onnx.inspect import read_model
from mlsign.onnx.records import ModelRecord
from mlsign.onnx.structure import read_structure
from mlsign.onnx.summary import ModelSummary
from mlsign.report.onnx.text import render_onnx
from mlsign.source import MemorySource

LIMITS = Limits(max_nodes=20_000, max_tensors=20_000, max_attributes=50_000, max_fields=200_000, max_functions=1_000)


WORDS = (
    *(b"ai.onnx", b"ai.onnx.ml", b"ai.onnx.training", b"com.microsoft", b"Add", b"Gemm", b"If", b"Loop", b"Scan", b"Constant"),
    *(
        b"TreeEnsemble",
        b"TreeEnsembleClassifier",
        b"TreeEnsembleRegressor",
        b"SequenceMap",
        b"then_branch",
        b"else_branch",
        b"body",
    ),
    *(b"nodes_splits", b"nodes_modes", b"nodes_falsenodeids", b"tree_roots", b"leaf_targetids", b"leaf_weights", b"BRANCH_LEQ"),
    *(b"location", b"offset", b"length", b"checksum", b"weights.bin", b"../x", b"x", b"y", b"main", b"-1", b"1", b"0", b""),
)
MAX_LEN = 2048
SEEDS = (Path(__file__).resolve().parent.parent / "tests" / "vectors" / "onnx",)


class Windowed:
    """The same bytes behind a source that claims nothing about memory."""

    def __init__(self, data: bytes) -> None:
        self._inner = MemorySource(data)

    @property
    def size(self) -> int:
        return self._inner.size

    def read_at(self, offset: int, length: int) -> bytes:
        assert length <= 2 * 1024 * 1024, "the reader asked for more than a window"
        return self._inner.read_at(offset, length)


def read(data: bytes) -> ModelSummary | str:
    """The summary, or the code of the refusal."""
    try:
        return read_model(Windowed(data), limits=LIMITS)
    except InputError as err:
        check_refusal(err)
        return err.code


def structure(data: bytes) -> ModelRecord | str:
    """The structure, or the code of the refusal."""
    try:
        return read_structure(Windowed(data), limits=LIMITS)
    except InputError as err:
        check_refusal(err)
        return err.code


def check(data: bytes) -> None:
    """Only ``InputError`` may escape, and reading twice gives the same answer.

    What is read as facts without a problem has a structure too, and every structure can be printed.
    """
    found = read(data)
    assert found == read(data)
    assert isinstance(found, ModelSummary) or found.startswith("onnx.")
    made = structure(data)
    assert repr(made) == repr(structure(data))  # nan is not equal to itself
    assert isinstance(made, ModelRecord) or made.startswith("onnx.")
    if isinstance(made, ModelRecord):
        assert all(map(str.isprintable, render_onnx(made)))
    if isinstance(found, ModelSummary) and not found.problems:
        assert isinstance(made, ModelRecord), made


def mutate(data: bytes, rng: random.Random, *, whole: float = 0.5) -> bytes:
    """Bent as ONNX, so that it mostly still is, or as protobuf, so that it mostly is not: ``whole`` is the share of the first."""
    return onnx_tree.bent(data, rng) if rng.random() < whole else bent(data, rng, words=WORDS)


if __name__ == "__main__":
    from engine import fuzz

    fuzz("onnx")
