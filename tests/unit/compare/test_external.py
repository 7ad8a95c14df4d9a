"""External data held against files: every way out of the package, out of the file, or into another tensor."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from mlsign.compare.external import FileFact, FileKind, check_external, external_path
from mlsign.errors import InputError
from mlsign.evidence.catalogue.model import ENTRIES
from mlsign.evidence.findings import Outcome
from mlsign.onnx.inspect import read_model
from mlsign.onnx.summary import ExternalTensor
from mlsign.paths import decode_path
from mlsign.source import MemorySource

VECTORS = Path(__file__).parents[2] / "vectors" / "onnx"
MODEL = decode_path("model.onnx")
EMPTY = read_model(MemorySource((VECTORS / "good.onnx").read_bytes()))
WEIGHTS = FileFact(size=100, links=1, role="weights")


def tensor(name="w", *, location="w.bin", offset=0, length=8, size=8, element=0):
    return ExternalTensor(
        name=name,
        where=f"graph.{name}",
        location=location,
        offset=offset,
        length=length,
        size=size,
        element_bytes=element,
    )


def codes(*tensors, files=None, model_path=MODEL):
    findings = check_external(
        replace(EMPTY, external=tensors), model_path=model_path, files={"w.bin": WEIGHTS} if files is None else files
    )
    assert all(finding.outcome is Outcome.FAIL for finding in findings)
    assert {finding.code for finding in findings} <= {entry.code for entry in ENTRIES}
    return [finding.code for finding in findings]


def test_a_model_without_external_data_has_no_finding():
    assert codes() == []


def test_external_data_in_order_has_no_finding():
    assert codes(tensor(), tensor("v", offset=8)) == []


@pytest.mark.parametrize(
    ("location", "cause"),
    [
        ("/etc/passwd", "absolute"),
        ("//server/share", "absolute"),
        ("../w.bin", "escapes"),
        ("a/../../w.bin", "escapes"),
        ("a/../w.bin", "escapes"),
        ("./w.bin", "part"),
        ("a//w.bin", "part"),
        ("a/", "part"),
        ("", "length"),
        ("w" * 5000, "length"),
        ("C:/w.bin", "character"),
        ("C:w.bin", "character"),
        ("w.bin:stream", "character"),
        ("..\\w.bin", "character"),
        ("file:///etc/passwd", "character"),
        ("https://example.com/w.bin", "character"),
        ("w.bin\0.png", "character"),
        ("w\n.bin", "character"),
        ("*/_ORT_MEM_ADDR_/*", "character"),
        ("\\\\?\\C:\\w.bin", "character"),
        ("NUL", "device"),
        ("con.bin", "device"),
        ("w.bin.", "device"),
        ("/proc/self/environ", "absolute"),
        ("/dev/stdin", "absolute"),
        ("w\u0065\u0301.bin", "normal_form"),
        ("/".join("a" * 40), "depth"),
    ],
)
def test_a_location_outside_is_refused_and_says_why(location, cause):
    (finding,) = check_external(
        replace(EMPTY, external=(tensor(location=location),)), model_path=MODEL, files={location: WEIGHTS}
    )
    assert (finding.code, finding.cause) == ("MLS310", f"path.{cause}")
    assert "\0" not in finding.message + finding.found
    with pytest.raises(InputError):
        external_path(MODEL, location)
    with pytest.raises(InputError):
        external_path(decode_path("deep/er/model.onnx"), location)


def test_locations_are_relative_to_the_model():
    assert external_path(decode_path("a/b/m.onnx"), "c/w.bin").text == "a/b/c/w.bin"
    assert external_path(MODEL, "w.bin").text == "w.bin"
    with pytest.raises(InputError):
        external_path(decode_path("/".join(["a"] * 31) + "/m.onnx"), "b/w.bin")


def test_a_missing_file_is_named():
    assert codes(tensor(), files={}) == ["MLS311"]
    assert codes(tensor(location="W.BIN")) == ["MLS311"]  # another file, whatever some file systems say


@pytest.mark.parametrize("role", ["model", "golden", "document", "other"])
def test_a_file_must_be_listed_as_weights(role):
    assert codes(tensor(), files={"w.bin": replace(WEIGHTS, role=role)}) == ["MLS312"]


def test_a_bare_model_has_no_roles():
    assert codes(tensor(), files={"w.bin": replace(WEIGHTS, role=None)}) == []


def test_a_hard_link_is_refused():
    assert codes(tensor(), files={"w.bin": replace(WEIGHTS, links=2)}) == ["MLS313"]


@pytest.mark.parametrize(
    "location", ["model.onnx", "MODEL.onnx", "mlsign.json", "MLSIGN.JSON", "signatures/a.json", "Signatures/a"]
)
def test_structure_is_no_data(location):
    assert codes(tensor(location=location), files={location: WEIGHTS}) == ["MLS314"]


def test_a_folder_of_the_model_may_be_called_like_the_manifest_elsewhere():
    deep = decode_path("inner/model.onnx")
    assert codes(tensor(location="model.onnx"), files={"inner/model.onnx": WEIGHTS}, model_path=deep) == ["MLS314"]
    assert codes(tensor(location="signatures"), files={"inner/signatures": WEIGHTS}, model_path=deep) == []


@pytest.mark.parametrize(
    ("offset", "length"), [(-1, 8), (0, -1), (93, 8), (101, 0), (2**63 - 1, 8), (200, None), (-1, None), (0, 2**63 - 1)]
)
def test_a_region_lies_within_its_file(offset, length):
    assert codes(tensor(offset=offset, length=length)) == ["MLS315"]


@pytest.mark.parametrize("length", [7, 9, 0])
def test_a_region_is_as_long_as_the_shape_asks(length):
    assert codes(tensor(length=length)) == ["MLS317"]


def test_without_a_length_the_region_is_the_rest_of_the_file():
    assert codes(tensor(offset=92, length=None)) == []
    assert codes(tensor(offset=0, length=None)) == ["MLS317"]


def test_overlapping_regions_are_refused():
    assert codes(tensor(), tensor("v", offset=7)) == ["MLS316"]
    assert codes(tensor(length=80, size=80), tensor("a", offset=8), tensor("b", offset=72)) == ["MLS316", "MLS316"]
    assert codes(tensor(), tensor("v", length=4, size=4)) == ["MLS316"]


def test_tied_weights_odd_offsets_and_empty_tensors_are_honest():
    assert codes(tensor(), tensor("tied")) == []
    assert codes(tensor("a", length=3, size=3), tensor("b", offset=3)) == []
    assert codes(tensor(), tensor("empty", offset=4, length=0, size=0)) == []


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FileKind.LINK, "MLS318"),
        (FileKind.BEHIND_LINK, "MLS318"),
        (FileKind.FOLDER, "MLS319"),
        (FileKind.PIPE, "MLS319"),
        (FileKind.SOCKET, "MLS319"),
        (FileKind.DEVICE, "MLS319"),
    ],
)
def test_what_is_no_regular_file_is_told_by_what_it_is(kind, code):
    fact = replace(WEIGHTS, kind=kind, size=0, links=7, role="other")
    assert codes(tensor(), files={"w.bin": fact}) == [code]
    (finding,) = check_external(replace(EMPTY, external=(tensor(),)), model_path=MODEL, files={"w.bin": fact})
    assert kind.value in finding.message


def test_what_could_not_be_looked_at_is_unknown():
    files = {"w.bin": replace(WEIGHTS, kind=FileKind.UNKNOWN, size=0)}
    (finding,) = check_external(replace(EMPTY, external=(tensor(),)), model_path=MODEL, files=files)
    assert (finding.code, finding.outcome) == ("MLS311", Outcome.UNKNOWN)


def test_structure_is_no_data_whatever_it_is():
    files = {"mlsign.json": replace(WEIGHTS, kind=FileKind.LINK)}
    assert codes(tensor(location="mlsign.json"), files=files) == ["MLS314"]


def test_a_region_between_two_others_is_not_where_an_exporter_puts_it():
    assert codes(tensor(offset=2, element=4)) == ["MLS329"]
    assert codes(tensor(offset=4, element=4)) == []
    assert codes(tensor(offset=3, element=1), tensor("b", offset=13, element=0)) == []
    # right behind another one, in whatever order the model has them
    odd = tensor("odd", length=3, size=3, element=1)
    assert codes(odd, tensor(offset=3, element=4)) == []
    assert codes(tensor(offset=3, element=4), odd) == []
    assert codes(odd, tensor(offset=3, element=4), tensor("b", offset=11, element=8)) == []
    assert codes(odd, tensor(offset=5, element=4)) == ["MLS329"]
    # what is out of the file is no neighbour, and neither is another file
    assert codes(tensor("odd", offset=-5, length=10, size=10), tensor(offset=5, element=4)) == ["MLS315", "MLS329"]
    files = {"w.bin": WEIGHTS, "v.bin": WEIGHTS}
    assert codes(replace(odd, location="v.bin"), tensor(offset=3, element=4), files=files) == ["MLS329"]


def test_many_findings_are_bounded_and_counted():
    many = tuple(tensor(f"w{i}", location=f"missing{i}.bin") for i in range(50))
    findings = check_external(replace(EMPTY, external=many), model_path=MODEL, files={})
    assert len(findings) == 17
    assert findings[-1].message == "34 more of the same kind are not listed"


def test_many_tensors_of_one_missing_file_are_one_finding():
    assert codes(*(tensor(f"w{i}") for i in range(50)), files={}) == ["MLS311"]


@given(st.lists(st.tuples(st.integers(-5, 120), st.none() | st.integers(-5, 120), st.integers(0, 120)), max_size=6))
def test_what_passes_is_inside_apart_and_exact(regions):
    tensors = [tensor(f"w{i}", offset=o, length=n, size=s) for i, (o, n, s) in enumerate(regions)]
    if codes(*tensors):
        return
    taken = {(t.offset, t.offset + t.size) for t in tensors if t.size}
    assert all(0 <= start <= end <= WEIGHTS.size for start, end in taken)
    assert sum(end - start for start, end in taken) == len({byte for start, end in taken for byte in range(start, end)})


def test_what_onnx_writes_is_in_order(tmp_path):
    arrays = {"a": np.zeros(3, np.int8), "b": np.zeros(5, np.float32), "z": np.zeros(0, np.float32), "c": np.zeros(7)}
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    output = helper.make_tensor_value_info("o", TensorProto.INT8, [3])
    model = helper.make_model(helper.make_graph([helper.make_node("Identity", ["a"], ["o"])], "g", [], [output], tensors))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, size_threshold=0, location="w.bin")
    summary = read_model(MemorySource((tmp_path / "m.onnx").read_bytes()))
    assert len(summary.external) == 4
    fact = FileFact(size=(tmp_path / "w.bin").stat().st_size, links=1, role=None)
    assert check_external(summary, model_path=decode_path("m.onnx"), files={"w.bin": fact}) == ()


def test_vectors_with_unreadable_numbers_fail_here_too():
    index = json.loads((VECTORS / "index.json").read_text())
    names = [name for name in index if name.startswith("external_offset") or name == "external_length_too_large"]
    assert len(names) == 3
    for name in names:
        summary = read_model(MemorySource((VECTORS / f"{name}.onnx").read_bytes()))
        assert [f.code for f in check_external(summary, model_path=MODEL, files={"w.bin": WEIGHTS})] == ["MLS315"]
