"""Packing what somebody else made: a model, golden data or a folder must not get private files shipped.

A model names the files that its weights are in. Whoever makes the model chooses the names, and guesses what lies
beneath the folder in which it will be packed.
"""

import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import onnx
import pytest
from making import write_golden, write_model
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data
from processes import open_descriptors

from mlsign.actions.golden.found import open_golden
from mlsign.actions.packing.ingredients import Ingredient, check_covered, find_included
from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.errors import InputError
from mlsign.formats.manifest import Role
from mlsign.limits import GIB, KIB
from mlsign.onnx.summary import ExternalTensor
from mlsign.paths import PackagePath

PEM = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIHsMFcGCSqGSIb3\n-----END ENCRYPTED PRIVATE KEY-----\n"


def taking(path: Path, regions: list[tuple[str, int, int]]) -> Path:
    """A model of ``uint8`` tensors, each of which takes its bytes from (location, offset, length)."""
    tensors = []
    for number, (location, offset, length) in enumerate(regions):
        tensor = TensorProto(name=f"t{number}", data_type=TensorProto.UINT8, dims=[length], raw_data=b"")
        set_external_data(tensor, location, offset, length)
        tensor.ClearField("raw_data")
        tensors.append(tensor)
    nodes = [helper.make_node("Identity", [t.name], [f"y{n}"]) for n, t in enumerate(tensors)]
    outputs = [helper.make_tensor_value_info(f"y{n}", TensorProto.UINT8, list(t.dims)) for n, t in enumerate(tensors)]
    graph = helper.make_graph(nodes, "g", [], outputs, initializer=tensors)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
    return path


def put(folder: Path, name: str, data: bytes) -> int:
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return len(data)


def refusal(tmp_path: Path, model: Path, **more) -> InputError:
    with pytest.raises(InputError) as caught:
        pack(PackRequest(model=model, output=tmp_path / "out" / "p", **more))
    assert list(tmp_path.glob("out/*")) == []
    return caught.value


# --- weights that are somebody's secrets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".git/config", ".ssh/id_ed25519", ".env", "a/.aws/credentials", "a/..w", ".w.bin/w"])
def test_hidden_files_are_no_weights(tmp_path, name):
    size = put(tmp_path / "in", name, b"token = 1234567890")
    error = refusal(tmp_path, taking(tmp_path / "in" / "m.onnx", [(name, 0, size)]))
    assert error.code == "pack.weights.hidden"
    assert error.hint


def test_a_hidden_name_is_refused_before_it_is_looked_for(tmp_path):
    """Otherwise the answer would tell which hidden files there are."""
    assert refusal(tmp_path, taking(tmp_path / "in" / "m.onnx", [(".gone", 0, 4)])).code == "pack.weights.hidden"


def test_a_model_in_a_hidden_folder_may_be_packed(tmp_path):
    """The folder was named by the user; only what the model itself names is suspected."""
    model = write_model(tmp_path / ".cache" / "m.onnx", external="w.bin")
    assert pack(PackRequest(model=model, output=tmp_path / "p")).bytes > 0


@pytest.mark.parametrize("before", [0, 1, 64 * KIB - len(b"-----BEGIN ")])
def test_keys_are_no_weights_even_when_a_tensor_covers_them(tmp_path, before):
    size = put(tmp_path / "in", "keys/release.key", bytes(before) + PEM)
    error = refusal(tmp_path, taking(tmp_path / "in" / "m.onnx", [("keys/release.key", 0, size)]))
    assert error.code == "pack.weights.secret"


def test_what_lies_in_a_folder_of_its_owner_is_not_made_public(tmp_path):
    folder = tmp_path / "in"
    size = put(folder, "a/private/b/payroll.bin", b"0123456789")
    model = taking(folder / "m.onnx", [("a/private/b/payroll.bin", 0, size)])
    model.chmod(0o644)
    (folder / "a" / "private" / "b" / "payroll.bin").chmod(0o644)
    (folder / "a" / "private").chmod(0o700)
    error = refusal(tmp_path, model)
    assert (error.code, "a/private is closed" in error.found) == ("pack.weights.private", True)


def test_a_model_that_only_its_owner_may_read_may_have_such_weights(tmp_path):
    """Everything made under umask 077: nothing says that the weights are more private than the model."""
    folder = tmp_path / "in"
    size = put(folder, "w/w.bin", b"0123456789")
    model = taking(folder / "m.onnx", [("w/w.bin", 0, size)])
    model.chmod(0o600)
    (folder / "w" / "w.bin").chmod(0o600)
    (folder / "w").chmod(0o700)
    pack(PackRequest(model=model, output=tmp_path / "p"))


@pytest.mark.parametrize(
    ("regions", "size"),
    [
        ([(0, 4)], 100),
        ([(96, 4)], 100),
        ([(1, 99)], 100),
        ([(0, 99)], 100),
        ([(0, 0)], 100),
        ([(0, 40), (41, 59)], 100),
        ([(0, 40), (0, 40), (50, 50)], 100),
    ],
)
def test_bytes_that_belong_to_no_tensor_are_not_packed(tmp_path, regions, size):
    """The first bytes of a file, the last ones, or all but one between them: the rest would be shipped as well."""
    folder = tmp_path / "in"
    put(folder, "customers.csv", b"x" * size)
    error = refusal(tmp_path, taking(folder / "m.onnx", [("customers.csv", *region) for region in regions]))
    assert error.code == "pack.weights.uncovered"


@pytest.mark.parametrize(
    ("gap", "filled", "packed"),
    [(1, b"", True), (64 * KIB - 1, b"", True), (64 * KIB, b"", False), (4096, b"x", False), (1, b"x", False)],
)
def test_gaps_between_tensors_are_short_and_hold_nothing(tmp_path, gap, filled, packed):
    folder = tmp_path / "in"
    put(folder, "w.bin", b"a" * 10 + filled.rjust(gap, b"\0") + b"b" * 10)
    model = taking(folder / "m.onnx", [("w.bin", 0, 10), ("w.bin", 10 + gap, 10)])
    if packed:
        pack(PackRequest(model=model, output=tmp_path / "p"))
        assert (tmp_path / "p" / "w.bin").read_bytes() == (folder / "w.bin").read_bytes()
    else:
        assert refusal(tmp_path, model).code == "pack.weights.uncovered"


def test_a_file_starts_with_a_tensor(tmp_path):
    """There is nothing to align before the first one, so not even zeros may stand there."""
    size = put(tmp_path / "in", "w.bin", bytes(8))
    model = taking(tmp_path / "in" / "m.onnx", [("w.bin", 4, size - 4)])
    assert refusal(tmp_path, model).code == "pack.weights.uncovered"


def test_every_file_is_held_against_its_own_tensors(tmp_path):
    folder = tmp_path / "in"
    one, two = put(folder, "one.bin", b"1" * 50), put(folder, "two.bin", b"2" * 100)
    model = taking(folder / "m.onnx", [("one.bin", 0, one), ("two.bin", 0, one), ("two.bin", one, two - one - 1)])
    assert "two.bin" in refusal(tmp_path, model).message


# --- weights as honest writers write them -----------------------------------------------------------------------------------


def honest_model() -> onnx.ModelProto:
    shapes = {"large": (100, 7), "odd": (3,), "empty": (0,), "other": (64, 64)}
    tensors = [numpy_helper.from_array(np.full(shape, 7, np.float32), name) for name, shape in shapes.items()]
    tensors.append(numpy_helper.from_array(np.full((5,), 3, np.int8), "bytes"))
    nodes = [helper.make_node("Identity", [t.name], [f"{t.name}_out"]) for t in tensors]
    outputs = [helper.make_tensor_value_info(f"{t.name}_out", t.data_type, list(t.dims)) for t in tensors]
    graph = helper.make_graph(nodes, "g", [], outputs, initializer=tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("how", "files"),
    [
        ({"location": "w.bin", "size_threshold": 0}, 1),
        ({"location": "w.bin", "size_threshold": 1024}, 1),
        ({"all_tensors_to_one_file": False, "size_threshold": 0}, 5),
        ({"all_tensors_to_one_file": False, "size_threshold": 1024}, 2),
    ],
)
def test_what_onnx_saves_is_packed(tmp_path, how, files):
    (tmp_path / "in").mkdir()
    onnx.save(honest_model(), tmp_path / "in" / "m.onnx", save_as_external_data=True, **how)
    # onnx 1.23 does so by itself; an older one leaves it to the umask. Neither makes the weights a secret.
    for file in tmp_path.glob("in/[!m]*"):
        file.chmod(0o600)
    packed = pack(PackRequest(model=tmp_path / "in" / "m.onnx", output=tmp_path / "p"))
    assert sum(f.role is Role.WEIGHTS for f in packed.manifest.files) == files
    onnx.load(tmp_path / "p" / "model.onnx")


def test_what_onnxruntime_saves_is_packed(tmp_path):
    """It pads with zeros so that large tensors can be mapped."""
    ort = pytest.importorskip("onnxruntime")
    (tmp_path / "in").mkdir()
    tensors = [numpy_helper.from_array(np.ones((500_001,), np.float32) * n, f"t{n}") for n in (1, 2, 3)]
    nodes = [helper.make_node("Add", [t.name, "x"], [f"{t.name}_out"]) for t in tensors]
    outputs = [helper.make_tensor_value_info(f"{t.name}_out", TensorProto.FLOAT, [500_001]) for t in tensors]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])], outputs, initializer=tensors
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.optimized_model_filepath = str(tmp_path / "in" / "m.onnx")
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "w.bin")
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    assert (tmp_path / "in" / "w.bin").stat().st_size > sum(500_001 * 4 for _ in tensors)  # there is padding
    packed = pack(PackRequest(model=tmp_path / "in" / "m.onnx", output=tmp_path / "p"))
    assert [str(f.path) for f in packed.manifest.files if f.role is Role.WEIGHTS] == ["w.bin"]


def test_tied_weights_and_more_files_than_stay_open_are_packed(tmp_path):
    folder = tmp_path / "in"
    regions = [(f"w/{number:03}.bin", 0, put(folder, f"w/{number:03}.bin", b"%04d" % number)) for number in range(150)]
    before = len(open_descriptors())
    pack(PackRequest(model=taking(folder / "m.onnx", [*regions, *regions]), output=tmp_path / "p"))
    assert {(tmp_path / "p" / name).read_bytes() for name, _, _ in regions} == {b"%04d" % n for n in range(150)}
    assert len(open_descriptors()) == before


@pytest.mark.parametrize("keep", [True, False])
def test_a_file_that_need_not_stay_open_is_closed_after_the_check(tmp_path, keep):
    """A model with a file for each tensor has more of them than a process may have open."""
    size = put(tmp_path, "w.bin", b"0123")
    place = tmp_path / "w.bin"
    before = len(open_descriptors())
    item = Ingredient.opened(
        path=PackagePath("w.bin"), origin=str(place), role=Role.WEIGHTS, fd=os.open(place, os.O_RDONLY), keep=keep
    )
    tensor = ExternalTensor(name="t", where="", location="w.bin", offset=0, length=size, size=size)
    check_covered(item, [tensor], model=tmp_path / "m.onnx")
    assert len(open_descriptors()) == before + keep
    with item.source() as source:
        assert source.read_at(0, size) == b"0123"


def test_a_refusal_leaves_no_file_open(tmp_path):
    folder = tmp_path / "in"
    regions = [(name, 0, put(folder, name, data)) for name, data in (("a.bin", b"1"), ("b.bin", b"2"), ("c.bin", PEM))]
    model = taking(folder / "m.onnx", regions)
    before = len(open_descriptors())
    assert refusal(tmp_path, model).code == "pack.weights.secret"
    assert len(open_descriptors()) == before


def test_regions_beyond_two_gibibytes_count(tmp_path):
    """A sparse file; nothing of it but the gap is read."""
    place = tmp_path / "w.bin"
    with place.open("wb") as file:
        file.truncate(3 * GIB)
    item = Ingredient.opened(
        path=PackagePath("w.bin"), origin=str(place), role=Role.WEIGHTS, fd=os.open(place, os.O_RDONLY), keep=True
    )

    def tensor(offset: int, size: int) -> ExternalTensor:
        return ExternalTensor(name="t", where="", location="w.bin", offset=offset, length=size, size=size)

    halves = [tensor(0, 2 * GIB + 1), tensor(2 * GIB + 4096, GIB - 4096)]
    try:
        check_covered(item, halves, model=tmp_path / "m.onnx")
        with pytest.raises(InputError, match="belong to no tensor"):
            check_covered(item, halves[:1], model=tmp_path / "m.onnx")
    finally:
        item.close()


# --- what was taken is said -------------------------------------------------------------------------------------------------


def test_the_command_says_which_files_became_weights(tmp_path, command):
    import subprocess

    folder = tmp_path / "in"
    regions = [(f"{n:02}.bin", 0, put(folder, f"{n:02}.bin", bytes([n] * 10))) for n in range(1, 23)]
    model = taking(folder / "m.onnx", regions)
    done = subprocess.run([*command, "pack", str(model), "-o", str(tmp_path / "p")], capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("weights: ")]
    assert lines == [*(f"weights: {n:02}.bin, 10 B" for n in range(1, 21)), "weights: 2 more files"]
    assert done.stdout == f"{tmp_path / 'p'}\n"


# --- golden data and further files ------------------------------------------------------------------------------------------


def test_a_linked_set_of_golden_data_is_refused(tmp_path):
    write_golden(tmp_path / "secret")
    (tmp_path / "golden").mkdir()
    (tmp_path / "golden" / "test_data_set_7").symlink_to("../secret/test_data_set_0")
    error = refusal(tmp_path, write_model(tmp_path / "m.onnx"), golden=(tmp_path / "golden",))
    assert (error.code, error.where) == ("file.kind", str(tmp_path / "golden" / "test_data_set_7"))


def test_a_linked_file_of_golden_data_is_refused(tmp_path):
    data_set = write_golden(tmp_path / "golden")
    (data_set / "input_0.pb").rename(tmp_path / "secret")
    (data_set / "input_0.pb").symlink_to("../../secret")
    assert refusal(tmp_path, write_model(tmp_path / "m.onnx"), golden=(data_set,)).code == "file.kind"


@pytest.mark.parametrize("named", ["real", "real/test_data_set_0"])
def test_golden_data_that_the_user_names_may_be_behind_a_link(tmp_path, named):
    write_golden(tmp_path / "real")
    link = tmp_path / ("test_data_set_0" if "/" in named else "current")
    link.symlink_to(tmp_path / named)
    packed = pack(PackRequest(model=write_model(tmp_path / "m.onnx"), output=tmp_path / "p", golden=(link,)))
    assert [str(g.path) for g in packed.manifest.golden] == ["golden/test_data_set_0"]


def swap(place: Path, target: Path) -> None:
    """What an attacker with access to the folder does between two looks of ours."""
    place.rename(place.with_name(f"{place.name}.old"))
    place.symlink_to(target)


def test_golden_data_swapped_for_a_link_after_it_was_listed_leads_nowhere(tmp_path):
    """The folder was opened before: what is packed is what was found in it."""
    data_set = write_golden(tmp_path / "golden")
    write_golden(tmp_path / "secret")
    (tmp_path / "secret" / "test_data_set_0" / "output_0.pb").write_bytes(b"secret")
    wanted = (data_set / "output_0.pb").read_bytes()
    items = open_golden((tmp_path / "golden",))
    first = next(items)
    swap(data_set, tmp_path / "secret" / "test_data_set_0")
    second = next(items)
    try:
        assert second.source().read_all(max_bytes=1 << 20) == wanted
    finally:
        first.close()
        second.close()


def test_a_folder_swapped_for_a_link_after_it_was_listed_is_refused(tmp_path):
    for name in ("in/a.txt", "in/d/b.txt", "secret/b.txt"):
        put(tmp_path, name, name.encode())
    with ExitStack() as opened:
        _, second = find_included((tmp_path / "in",), opened=opened)
        swap(tmp_path / "in" / "d", tmp_path / "secret")
        with pytest.raises(InputError) as caught:
            second.source()
        assert (caught.value.code, caught.value.where) == ("file.kind", str(tmp_path / "in" / "d" / "b.txt"))


@pytest.mark.parametrize("how", ["replaced", "written", "touched"])
def test_a_file_that_is_not_as_it_was_listed_is_refused(tmp_path, how):
    put(tmp_path, "in/a.txt", b"mine")
    put(tmp_path, "secret", b"evil")
    place = tmp_path / "in" / "a.txt"
    with ExitStack() as opened:
        (item,) = find_included((tmp_path / "in",), opened=opened)
        if how == "replaced":
            (tmp_path / "secret").rename(place)
        elif how == "written":
            place.write_bytes(b"evil")
        else:
            os.utime(place, (1, 1))
        with pytest.raises(InputError) as caught:
            item.source()
        assert caught.value.code == "file.changed"
        item.close()


def test_a_file_swapped_for_a_link_at_the_last_moment_is_refused(tmp_path, monkeypatch):
    """The swap comes after the last look at the name and before the opening: only the opening itself can refuse."""
    put(tmp_path, "in/a.txt", b"mine")
    put(tmp_path, "secret", b"secret")
    victim = tmp_path / "in" / "a.txt"
    with ExitStack() as opened:
        (item,) = find_included((tmp_path / "in",), opened=opened)
        swap(victim, tmp_path / "secret")
        with pytest.raises(InputError) as caught:
            item.source()
        assert caught.value.code == "file.kind"
    put(tmp_path, "in/b.txt", b"mine")
    victim = tmp_path / "in" / "b.txt"
    is_dir = os.path.isdir

    def look(path: Path) -> bool:
        found = is_dir(path)
        if path == victim:
            swap(victim, tmp_path / "secret")
        return found

    # For a file that was named by itself, the last look is whether it is a folder.
    monkeypatch.setattr("mlsign.actions.packing.ingredients.os.path.isdir", look)
    with pytest.raises(InputError) as caught, ExitStack() as opened:
        list(find_included((victim,), opened=opened))
    assert caught.value.code == "file.kind"
    assert victim.is_symlink()
