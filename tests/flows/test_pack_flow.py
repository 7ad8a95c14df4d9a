"""Packing: the same input gives the same bytes, and nothing gets in that nobody named."""

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import onnx
import pytest
from making import PROVENANCE, make_package, write_golden, write_model
from onnx import TensorProto, external_data_helper, helper

from mlsign.actions.packing.pack import PackRequest, RefusedToPack, pack
from mlsign.actions.policies.read_policy import load_operator_sets
from mlsign.digest import Algorithm
from mlsign.errors import InputError
from mlsign.formats.manifest import Role
from mlsign.formats.manifest_codec import decode_manifest
from mlsign.interface import OperatorId


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {p.relative_to(folder).as_posix(): (p.read_bytes(), p.stat().st_mode) for p in folder.rglob("*") if p.is_file()}


def test_packing_twice_gives_the_same_bytes(tmp_path):
    one = make_package(tmp_path / "one")
    two = make_package(tmp_path / "two")
    assert tree(one) == tree(two)
    assert set(tree(one)) == {
        "mlsign.json",
        "model.onnx",
        "fraud.onnx.data",
        "MODEL_CARD.md",
        "golden/test_data_set_0/input_0.pb",
        "golden/test_data_set_0/output_0.pb",
    }


def test_the_manifest_says_what_is_there(tmp_path):
    package = make_package(tmp_path)
    manifest = decode_manifest((package / "mlsign.json").read_bytes())
    assert (manifest.name, manifest.version.text, manifest.license) == ("fraud", "1.2.0", "Apache-2.0")
    assert {str(f.path): f.role for f in manifest.files} == {
        "MODEL_CARD.md": Role.DOCUMENT,
        "fraud.onnx.data": Role.WEIGHTS,
        "golden/test_data_set_0/input_0.pb": Role.GOLDEN,
        "golden/test_data_set_0/output_0.pb": Role.GOLDEN,
        "model.onnx": Role.MODEL,
    }
    assert all((package / str(f.path)).stat().st_size == f.size for f in manifest.files)
    assert manifest.allowed_operators == (OperatorId("ai.onnx", "Gemm"),)
    assert manifest.model.parameter_count == 15
    assert [str(g.path) for g in manifest.golden] == ["golden/test_data_set_0"]
    assert manifest.provenance is not None
    assert manifest.provenance.source_commit == PROVENANCE["source_commit"]
    assert dict(manifest.provenance.tools) == PROVENANCE["tools"]


def test_the_model_is_byte_for_byte_the_one_that_was_given(tmp_path):
    model = write_model(tmp_path / "m.onnx")
    package = pack(PackRequest(model=model, output=tmp_path / "p")).path
    assert (package / "model.onnx").read_bytes() == model.read_bytes()


@pytest.mark.parametrize(
    ("output", "name", "version"),
    [("fraud-1.2.0", "fraud", "1.2.0"), ("fraud-v2.0.0-rc.1", "fraud", "2.0.0-rc.1"), ("fraud", "fraud", "0.1.0")],
)
def test_the_output_names_the_release(tmp_path, output, name, version):
    packed = pack(PackRequest(model=write_model(tmp_path / "m.onnx"), output=tmp_path / output))
    assert (packed.manifest.name, packed.manifest.version.text) == (name, version)


def test_how_far_packing_is_counts_the_bytes_of_the_release_before(tmp_path):
    """It is hashed before anything is copied, and may be large."""
    before = make_package(tmp_path)
    told: list[int] = []
    request = PackRequest(model=write_model(tmp_path / "m.onnx"), output=tmp_path / "fraud-1.3.0")
    pack(request, advance=told.append)
    alone, told[:] = sum(told), []
    shutil.rmtree(request.output)
    pack(replace(request, previous=before), advance=told.append)
    assert sum(told) == alone + sum(path.stat().st_size for path in before.rglob("*") if path.is_file())


def test_a_name_that_was_given_wins(tmp_path):
    request = PackRequest(model=write_model(tmp_path / "m.onnx"), output=tmp_path / "x-1.0.0", name="y", version="3.0.0")
    manifest = pack(request).manifest
    assert (manifest.name, manifest.version.text) == ("y", "3.0.0")


@pytest.mark.parametrize(("output", "code"), [("a b", "manifest.name"), ("x-1.02.0", "version.spelling")])
def test_an_output_that_cannot_name_a_release_is_refused(tmp_path, output, code):
    with pytest.raises(InputError) as caught:
        pack(PackRequest(model=write_model(tmp_path / "m.onnx"), output=tmp_path / output))
    assert caught.value.code == code


def test_allow_takes_sets_and_operators(tmp_path):
    request = PackRequest(
        model=write_model(tmp_path / "m.onnx"),
        output=tmp_path / "p",
        allow=("ml-v1", "ai.onnx:Gemm", "ai.onnx:Relu"),
        sets=load_operator_sets(),
    )
    allowed = set(pack(request).manifest.allowed_operators)
    assert {OperatorId("ai.onnx", "Gemm"), OperatorId("ai.onnx", "Relu")} < allowed
    assert load_operator_sets()["ml-v1"] < allowed


@pytest.mark.parametrize(
    ("allow", "code", "words"),
    [
        (("ai.onnx:Relu",), "pack.allow", "ai.onnx:Gemm"),
        (("inference-v9",), "pack.allow", "neither an operator set"),
        (("a:b:",), "operator.spelling", "a:b:"),
    ],
)
def test_allow_must_cover_the_model(tmp_path, allow, code, words):
    with pytest.raises(InputError, match=words) as caught:
        pack(PackRequest(model=write_model(tmp_path / "m.onnx"), output=tmp_path / "p", allow=allow, sets=load_operator_sets()))
    assert caught.value.code == code
    assert not (tmp_path / "p").exists()


def test_golden_data_is_found_below_and_by_name(tmp_path):
    golden = write_golden(tmp_path / "data")
    model = write_model(tmp_path / "m.onnx")
    one = pack(PackRequest(model=model, output=tmp_path / "one", golden=(golden,), name="g"))
    two = pack(PackRequest(model=model, output=tmp_path / "two", golden=(tmp_path / "data",), name="g", rtol=1e-4))
    assert tree(one.path) == tree(two.path)


def test_a_folder_without_golden_data_is_refused(tmp_path):
    model = write_model(tmp_path / "m.onnx")
    (tmp_path / "empty").mkdir()
    half = write_golden(tmp_path / "half")
    (half / "output_0.pb").unlink()
    for folder in (tmp_path / "empty", tmp_path / "half"):
        with pytest.raises(InputError) as caught:
            pack(PackRequest(model=model, output=tmp_path / "p", golden=(folder,)))
        assert caught.value.code == "pack.golden"
    with pytest.raises(InputError) as caught:
        pack(PackRequest(model=model, output=tmp_path / "p", golden=(tmp_path / "gone",)))
    assert caught.value.code == "file.missing"


def test_include_takes_files_and_folders(tmp_path):
    docs = tmp_path / "docs"
    (docs / "more").mkdir(parents=True)
    (docs / "a.md").write_text("a")
    (docs / "more" / "b.bin").write_bytes(b"b")
    (tmp_path / "notes.txt").write_text("n")
    packed = pack(
        PackRequest(model=write_model(tmp_path / "m.onnx"), output=tmp_path / "p", include=(docs, tmp_path / "notes.txt"))
    )
    roles = {str(f.path): f.role for f in packed.manifest.files}
    assert roles["docs/a.md"] is Role.DOCUMENT
    assert roles["docs/more/b.bin"] is Role.OTHER
    assert roles["notes.txt"] is Role.DOCUMENT


def test_a_folder_with_many_files_is_packed_whole(tmp_path):
    """More files than are kept open at once: the later ones are opened again and must be the same."""
    for number in range(150):
        (tmp_path / "many").mkdir(exist_ok=True)
        (tmp_path / "many" / f"{number}.txt").write_text(str(number))
    packed = pack(PackRequest(model=write_model(tmp_path / "m.onnx"), output=tmp_path / "p", include=(tmp_path / "many",)))
    assert len(packed.manifest.files) == 151
    assert all((tmp_path / "p" / "many" / f"{n}.txt").read_text() == str(n) for n in range(150))


def include(tmp_path: Path, name: str, make) -> tuple[Path, ...]:
    place = tmp_path / "in" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    make(place)
    return (tmp_path / "in",) if name.startswith("d/") else (place,)


@pytest.mark.parametrize(
    ("name", "make", "code"),
    [
        ("mlsign.json", lambda p: p.write_text("{}"), "pack.collision"),
        ("MLSIGN.JSON", lambda p: p.write_text("{}"), "pack.collision"),
        ("signatures", lambda p: (p.mkdir(), (p / "x").write_text("x")), "pack.collision"),
        ("model.onnx", lambda p: p.write_text("x"), "pack.collision"),
        ("Model.ONNX", lambda p: p.write_text("x"), "pack.collision"),
        ("link", lambda p: p.symlink_to("/etc/passwd"), "file.kind"),
        ("d/link", lambda p: p.symlink_to("/etc/passwd"), "file.kind"),
        ("d/folder", lambda p: p.symlink_to("/etc"), "file.kind"),
        ("fifo", os.mkfifo, "file.kind"),
        ("nul", lambda p: p.write_text("x"), "path.device"),
        ("a\\b", lambda p: p.write_text("x"), "path.character"),
        ("e\u0301", lambda p: p.write_text("x"), "path.normal_form"),
        ("gone", lambda _: None, "file.missing"),
    ],
)
def test_what_cannot_be_included_is_refused(tmp_path, no_hang, name, make, code):
    paths = include(tmp_path, name, make)
    with pytest.raises(InputError) as caught:
        pack(PackRequest(model=write_model(tmp_path / "m.onnx"), output=tmp_path / "p", include=paths))
    assert caught.value.code == code
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_nothing_is_ever_overwritten(tmp_path):
    model = write_model(tmp_path / "m.onnx")
    for make in (lambda p: p.write_text("mine"), lambda p: p.mkdir(), lambda p: p.symlink_to("nowhere")):
        target = tmp_path / "p"
        make(target)
        with pytest.raises(InputError) as caught:
            pack(PackRequest(model=model, output=target))
        assert caught.value.code == "output.exists"
        assert os.path.lexists(target)
        target.rmdir() if target.is_dir() else target.unlink()


@pytest.mark.parametrize("place", ["next-1.1.0", "golden/next-1.1.0", "new/folders/next-1.1.0", "../link/next-1.1.0"])
def test_nothing_is_packed_into_a_package(tmp_path, place):
    package = make_package(tmp_path)
    (tmp_path / "link").symlink_to(package / "golden")
    before = sorted(package.rglob("*"))
    with pytest.raises(InputError) as caught:
        pack(PackRequest(model=write_model(tmp_path / "next.onnx"), output=package / place))
    assert caught.value.code == "output.within"
    assert caught.value.found == str(package.resolve())
    assert sorted(package.rglob("*")) == before


def test_the_time_is_the_one_that_was_given(tmp_path):
    model = write_model(tmp_path / "m.onnx")
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    manifest = pack(PackRequest(model=model, output=tmp_path / "a", time=moment)).manifest
    assert manifest.provenance is not None
    assert manifest.provenance.time == "2026-01-31T12:00:00Z"
    assert pack(PackRequest(model=model, output=tmp_path / "b")).manifest.provenance is None
    given = tmp_path / "provenance.json"
    given.write_text(json.dumps({"builder": "b"}))
    manifest = pack(PackRequest(model=model, output=tmp_path / "c", time=moment, provenance=given)).manifest
    assert manifest.provenance is not None
    assert manifest.provenance.time == "2026-01-31T12:00:00Z"
    given.write_text(json.dumps({"time": "2020-01-01T00:00:00Z"}))
    manifest = pack(PackRequest(model=model, output=tmp_path / "d", time=moment, provenance=given)).manifest
    assert manifest.provenance is not None
    assert manifest.provenance.time == "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{", "json.syntax"),
        ("[]", "provenance.type"),
        ('{"zz": 1}', "provenance.unknown"),
        ('{"source_commit": "main"}', "provenance.commit"),
        ('{"time": "today"}', "manifest.time"),
        ('{"builder": "a", "builder": "b"}', "json.duplicate_key"),
        ('{"training_data": [{"uri": "x", "digest": "md5:00"}]}', "digest.algorithm"),
    ],
)
def test_provenance_is_read_exactly(tmp_path, content, code):
    place = tmp_path / "provenance.json"
    place.write_text(content)
    with pytest.raises(InputError) as caught:
        pack(PackRequest(model=write_model(tmp_path / "m.onnx"), output=tmp_path / "p", provenance=place))
    assert caught.value.code == code


@pytest.mark.parametrize("algorithm", [Algorithm.SHA256, Algorithm.BLAKE3])
def test_either_digest(tmp_path, algorithm):
    packed = pack(PackRequest(model=write_model(tmp_path / "m.onnx"), output=tmp_path / "p", algorithm=algorithm))
    assert {f.digest.algorithm for f in packed.manifest.files} == {algorithm}


def test_blake2b_is_for_reading_only(tmp_path):
    with pytest.raises(InputError) as caught:
        pack(PackRequest(model=write_model(tmp_path / "m.onnx"), output=tmp_path / "p", algorithm=Algorithm.BLAKE2B))
    assert caught.value.code == "manifest.value"
    assert list(tmp_path.glob("*p*partial*")) == []


# --- external weights ---------------------------------------------------------------------------------------------------


def pointing(path: Path, location: str) -> Path:
    """A model whose tensor says that its bytes are at ``location``."""
    model = onnx.load(write_model(path, external="weights.bin"), load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_in_a_folder_below(tmp_path):
    folder = tmp_path / "in"
    write_model(folder / "m.onnx", external="weights.bin")
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "weights.bin").rename(folder / "deep" / "er" / "w.bin")
    (folder / "weights.bin").write_bytes((folder / "deep" / "er" / "w.bin").read_bytes())
    model = pointing_keep(folder / "m.onnx", "deep/er/w.bin")
    packed = pack(PackRequest(model=model, output=tmp_path / "p"))
    assert {str(f.path) for f in packed.manifest.files} == {"model.onnx", "deep/er/w.bin"}


def pointing_keep(path: Path, location: str) -> Path:
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())
    return path


SECRET = b"0123456789abcdef" * 8


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("/etc/passwd", "path.absolute"),
        ("/proc/self/environ", "path.absolute"),
        ("../secret", "path.escapes"),
        ("a/../../secret", "path.escapes"),
        ("..\\secret", "path.character"),
        ("https://example.com/w.bin", "path.character"),
        ("file:///etc/passwd", "path.character"),
        ("weights.bin\0.txt", "path.character"),
        ("*/_ORT_MEM_ADDR_/*", "path.character"),
        ("nul", "path.device"),
        ("gone.bin", "file.missing"),
        ("link.bin", "file.kind"),
        ("linked/secret", "file.kind"),
        ("folder", "file.kind"),
        ("fifo", "file.kind"),
        ("m.onnx/x", "file.kind"),
    ],
)
def test_weights_from_elsewhere_are_never_packed(tmp_path, no_hang, location, code):
    folder = tmp_path / "in"
    (tmp_path / "secret").write_bytes(SECRET)
    model = pointing(folder / "m.onnx", location)
    (folder / "link.bin").symlink_to(tmp_path / "secret")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    with pytest.raises(InputError) as caught:
        pack(PackRequest(model=model, output=tmp_path / "p"))
    assert caught.value.code == code
    assert caught.value.message
    assert not (tmp_path / "p").exists()


def test_weights_with_a_second_name_are_not_packed(tmp_path):
    model = write_model(tmp_path / "in" / "m.onnx", external="weights.bin")
    (tmp_path / "elsewhere").hardlink_to(tmp_path / "in" / "weights.bin")
    with pytest.raises(RefusedToPack) as caught:
        pack(PackRequest(model=model, output=tmp_path / "p"))
    assert [f.code for f in caught.value.findings] == ["MLS313"]


def test_weights_hidden_in_an_attribute_are_found(tmp_path):
    tensor = helper.make_tensor("value", TensorProto.FLOAT, [4], bytes(16), raw=True)
    external_data_helper.set_external_data(tensor, "../secret", 0, 16)
    tensor.ClearField("raw_data")
    node = helper.make_node("Constant", [], ["y"], value=tensor)
    graph = helper.make_graph([node], "g", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "m.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "secret").write_bytes(SECRET)
    with pytest.raises(InputError) as caught:
        pack(PackRequest(model=tmp_path / "in" / "m.onnx", output=tmp_path / "p"))
    assert caught.value.code == "path.escapes"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda _: None, "file.missing"),
        (lambda p: p.write_bytes(b""), "onnx"),
        (lambda p: p.write_bytes(b"\x80\x04\x95hello"), "onnx"),
        (lambda p: p.write_bytes(b"PK\x03\x04" + bytes(40)), "onnx"),
        (lambda p: p.mkdir(), "file.kind"),
        (os.mkfifo, "file.kind"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path, no_hang, make, code):
    make(tmp_path / "m.onnx")
    with pytest.raises(InputError) as caught:
        pack(PackRequest(model=tmp_path / "m.onnx", output=tmp_path / "p"))
    assert caught.value.code.startswith(code)
    assert not (tmp_path / "p").exists()


def test_a_model_behind_a_link_may_be_named(tmp_path):
    model = write_model(tmp_path / "real" / "m.onnx")
    (tmp_path / "current.onnx").symlink_to(model)
    packed = pack(PackRequest(model=tmp_path / "current.onnx", output=tmp_path / "p"))
    assert (packed.path / "model.onnx").read_bytes() == model.read_bytes()


def test_new_parent_folders_are_made(tmp_path):
    packed = pack(PackRequest(model=write_model(tmp_path / "m.onnx"), output=tmp_path / "a" / "b" / "c"))
    assert (packed.path / "mlsign.json").is_file()
    shutil.rmtree(tmp_path / "a")
