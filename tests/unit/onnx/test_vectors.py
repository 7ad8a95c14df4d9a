"""Every kind of broken model is refused by name: the vectors and their index."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from mlsign.errors import InputError
from mlsign.evidence.catalogue.model import ENTRIES
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


def test_every_file_is_in_the_index_and_every_entry_is_a_file():
    assert {path.stem for path in VECTORS.glob("*.onnx")} == set(INDEX)


def test_vectors_are_what_the_script_builds():
    spec = importlib.util.spec_from_file_location("build_onnx", ROOT / "tests" / "vectors" / "build_onnx.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    built = module.build()
    assert {name: data for name, data in built.items() if (VECTORS / name).read_bytes() != data} == {}


def test_every_code_of_the_reader_has_a_vector_and_a_page():
    codes = {value for value in vars(problems).values() if isinstance(value, str) and re.fullmatch(r"MLS\d{3}", value)}
    shown = {code for entry in INDEX.values() for code in entry["codes"]}
    assert codes == shown
    assert codes <= {entry.code for entry in ENTRIES}
