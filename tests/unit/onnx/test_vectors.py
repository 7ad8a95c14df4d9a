"""Every kind of broken model is refused by name: the vectors and their index."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from mlsign.actions.inspection.findings import FindRequest, find, load_model_policy
from mlsign.errors import InputError
from mlsign.evidence.catalogue import model_unread
from mlsign.evidence.catalogue.model import ENTRIES
from mlsign.evidence.catalogue.model_unread import code_of_unread
from mlsign.onnx import problems
from mlsign.onnx.inspect import read_model
from mlsign.source import MemorySource

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "tests" / "vectors" / "onnx"
INDEX = json.loads((VECTORS / "index.json").read_text())


@pytest.mark.parametrize("name", INDEX)
def test_vector_gives_its_codes(name):
    source = MemorySource((VECTORS / f"{name}.onnx").read_bytes())
    if INDEX[name]["error"]:
        with pytest.raises(InputError) as caught:
            read_model(source)
        assert caught.value.code == INDEX[name]["error"]
        assert caught.value.message[0].islower()
        return
    found = read_model(source).problems
    assert sorted({problem.code for problem in found}) == INDEX[name]["codes"]
    assert all(problem.message for problem in found)


@pytest.fixture(scope="module")
def policy():
    return load_model_policy()


READER = {value for value in vars(problems).values() if isinstance(value, str) and re.fullmatch(r"MLS\d{3}", value)}
UNREAD = {entry.code for entry in model_unread.ENTRIES}


@pytest.mark.parametrize("name", INDEX)
def test_a_scan_gives_each_vector_its_finding(name, policy):
    """What ``mlsign inspect --findings`` reports; an operator or a missing file of weights may be reported besides."""
    (model,) = find(VECTORS / f"{name}.onnx", FindRequest(policy=policy)).models
    found = {finding.code for finding in model.wrong}
    expected = set(INDEX[name]["findings"])
    if INDEX[name]["error"]:
        assert found == expected
        assert model.wrong[0].cause == INDEX[name]["error"]
    assert expected <= found
    if not expected:
        assert not found & (READER | UNREAD)
    if name.removeprefix("good_").startswith("run_"):
        assert found == expected


def test_every_file_is_in_the_index_and_every_entry_is_a_file():
    assert {path.stem for path in VECTORS.glob("*.onnx")} == set(INDEX)


def test_vectors_are_what_the_script_builds(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests" / "vectors")  # the script imports from beside it
    spec = importlib.util.spec_from_file_location("build_onnx", ROOT / "tests" / "vectors" / "build_onnx.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    built = module.build()
    assert {name: data for name, data in built.items() if (VECTORS / name).read_bytes() != data} == {}


def test_every_code_of_the_reader_has_a_vector_and_a_page():
    assert {code for entry in INDEX.values() for code in entry["codes"]} == READER
    assert {entry.code for entry in ENTRIES} >= READER


def test_every_way_to_be_no_model_has_a_vector_and_a_page():
    shown = {code for entry in INDEX.values() if entry["error"] for code in entry["findings"]}
    assert shown == UNREAD - {"MLS309"}  # what is left over, and cannot be told in advance
    assert code_of_unread("onnx.another") == "MLS309"
