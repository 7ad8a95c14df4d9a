"""Golden data made and checked while packing, with real models in the real sandbox, and replayed by whoever verifies."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from making import BIAS, INPUT, WEIGHTS, write_golden, write_model, write_policy
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

import mlsign
from mlsign.actions.golden.making import GoldenMaking
from mlsign.actions.golden.packed import Golden, PackedGolden
from mlsign.actions.golden.request import GoldenCheck, GoldenRequest
from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.signing.sign import sign
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.digest import sha256
from mlsign.errors import InputError, JailError, MlsignError, OutsideError
from mlsign.evidence.findings import Outcome
from mlsign.formats.manifest import GoldenInputs
from mlsign.formats.manifest_codec import decode_manifest
from mlsign.interface import ValueKind
from mlsign.limits import MIB, Limits
from mlsign.onnx.golden_values import decode_golden_value
from mlsign.package.file_source import FileSource
from mlsign.package.sealed import seal_file
from mlsign.paths import PackagePath
from mlsign.policy.model import Verdict

pytestmark = pytest.mark.linux

ANSWER = (INPUT @ WEIGHTS + BIAS).astype(np.float32)
ALLOW = "[inference-v1, ml-v1, quantized-v1, sequence-v1]"
NEVER, ALWAYS = (GoldenRequest(check=check) for check in (GoldenCheck.NEVER, GoldenCheck.ALWAYS))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory, keys):
    rest = "golden: {required: true, replay: true}\n"
    return load_policy(
        write_policy(tmp_path_factory.mktemp("policy"), {"release": (1, [keys.release.public])}, rest=rest, allow=ALLOW)
    )


@pytest.fixture
def model(tmp_path) -> Path:
    return write_model(tmp_path / "model.onnx")


def packed(folder: Path, model: Path, *golden: Path, request=None, name="p", **more):
    asked = {} if request is None else {"golden_request": request}
    return pack(PackRequest(model=model, output=folder / name, golden=golden, **asked, **more))


def refused(folder: Path, model: Path, *golden: Path, error=InputError, **more) -> MlsignError:
    with pytest.raises(error) as caught:
        packed(folder, model, *golden, **more)
    assert not (folder / "p").exists()
    assert len(str(caught.value)) < 1500
    return caught.value


def pair(folder: Path, inputs, outputs, name: str = "rows.") -> Path:
    folder.mkdir(exist_ok=True)
    for side, arrays in (("inputs", inputs), ("outputs", outputs)):
        if arrays is not None:
            np.savez(folder / f"{name}{side}.npz", **arrays)
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def assert_replays(package: Path, keys, loaded) -> None:
    sign(package, keys.release.signer)
    report = verify(package, VerifyRequest(policy=loaded))
    assert report.decision.verdict is Verdict.ALLOW
    assert {f.code for f in report.decision.findings if f.outcome is Outcome.PASS} >= {"MLS405", "MLS406"}


def written(path: Path, nodes, inputs, outputs, *, init=(), opset=21) -> Path:
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(init))
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    path.write_bytes(helper.make_model(graph, opset_imports=imports, ir_version=10).SerializeToString())
    return path


def info(name: str, element=TensorProto.FLOAT, shape=("n",)):
    return helper.make_tensor_value_info(name, element, shape)


# --- pairs of .npz files ---


def test_pairs_are_written_in_the_layout_of_onnx(tmp_path, model, keys, loaded):
    folder = pair(tmp_path / "data", {"x": INPUT}, {"y": ANSWER})
    pair(folder, {"x": INPUT[:1]}, {"y": ANSWER[:1]}, name="")
    pair(folder, {"x": INPUT[1:]}, {"y": ANSWER[1:]}, name="a.b.")
    made = packed(tmp_path, model, folder)
    package = made.path
    assert [(str(s.golden.path), s.golden.made_by, s.checked) for s in made.golden.sets] == [
        (f"golden/test_data_set_{number}", None, True) for number in range(3)
    ]
    assert [Path(s.origin).name for s in made.golden.sets] == ["a.b.inputs.npz", "inputs.npz", "rows.inputs.npz"]
    proto = onnx.load_tensor(package / "golden/test_data_set_2/input_0.pb")
    assert proto.name == "x"
    assert np.array_equal(numpy_helper.to_array(proto), INPUT)
    assert np.array_equal(numpy_helper.to_array(onnx.load_tensor(package / "golden/test_data_set_2/output_0.pb")), ANSWER)
    assert "made_by" not in (package / "mlsign.json").read_text()
    assert_replays(package, keys, loaded)


def test_one_half_stands_for_the_pair_and_layouts_go_together(tmp_path, model):
    folder = pair(tmp_path / "data", {"x": INPUT}, {"y": ANSWER})
    write_golden(folder)
    halves = (folder / "rows.inputs.npz", folder / "rows.outputs.npz")
    for number, golden in enumerate([(folder,), (*halves, folder), (folder / "test_data_set_0", halves[1])]):
        made = packed(tmp_path, model, *golden, name=f"p{number}")
        assert [s.golden.path.name for s in made.golden.sets] == ["test_data_set_0", "test_data_set_1"]
        assert [Path(s.origin).name for s in made.golden.sets] == ["test_data_set_0", "rows.inputs.npz"]


@pytest.mark.parametrize(
    ("inputs", "outputs", "code", "words"),
    [
        ({"x": INPUT}, None, "pack.golden", "there is no rows.outputs.npz beside it"),
        (None, {"y": ANSWER}, "pack.golden", "there is no rows.inputs.npz beside it"),
        ({"x": INPUT.astype(np.float64)}, {"y": ANSWER}, "input.dtype", "float64"),
        ({"x": INPUT[:, :3]}, {"y": ANSWER}, "input.shape", "size 3"),
        ({"z": INPUT}, {"y": ANSWER}, "input.name", "no input z"),
        ({}, {"y": ANSWER}, "input.missing", "x is missing"),
        ({"x": INPUT, "z": INPUT}, {"y": ANSWER}, "input.name", "no input z"),
        ({"x": np.array([[1, None]], dtype=object)}, {"y": ANSWER}, "input.npy", "pickled objects"),
        ({"x": INPUT}, {"y": ANSWER.astype(np.float64)}, "golden.dtype", "float64"),
        ({"x": INPUT}, {"y": ANSWER[:, :2]}, "golden.shape", "float\\[2, 2\\]"),
        ({"x": INPUT}, {"y": ANSWER[0]}, "golden.shape", "float\\[3\\]"),
        ({"x": INPUT}, {"z": ANSWER}, "golden.names", "no output z"),
        ({"x": INPUT}, {}, "golden.names", "output y is missing"),
        ({"x": INPUT}, {"y": ANSWER, "z": ANSWER}, "golden.names", "no output z"),
        ({"x": INPUT}, {"y": np.array([{}, {}])}, "input.npy", "pickled objects"),
        ({"x": INPUT}, {"y": np.full_like(ANSWER, np.nan)}, "golden.nothing", "shows nothing"),
        ({"x": INPUT[:0]}, {"y": ANSWER[:0]}, "golden.nothing", "shows nothing"),
        ({"x": INPUT}, {"y": ANSWER[:1]}, "golden.contradicted", "another shape"),
        ({"x": INPUT}, {"y": ANSWER * np.float32(1.001)}, "golden.contradicted", "too far off"),
    ],
)
def test_what_the_model_could_never_take_or_does_not_answer_is_refused(tmp_path, model, inputs, outputs, code, words):
    folder = pair(tmp_path / "data", inputs, outputs)
    error = refused(tmp_path, model, folder)
    assert error.code == code
    with pytest.raises(InputError, match=words):
        raise error
    if code == "golden.contradicted":
        assert "--check-golden never" in error.hint
        assert packed(tmp_path, model, folder, request=NEVER).golden.sets[0].checked is False
    else:
        assert refused(tmp_path, model, folder, request=NEVER).code == code


def test_files_that_are_no_pair_are_refused(tmp_path, model):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "rows.npz").write_bytes(b"")
    (folder / "x.inputs.npz").write_bytes(b"no zip")
    (folder / "x.outputs.npz").write_bytes(b"no zip")
    assert refused(tmp_path, model, folder / "rows.npz").code == "pack.golden"
    assert refused(tmp_path, model, folder / "gone.inputs.npz").code == "file.missing"
    assert refused(tmp_path, model, folder).code == "input.npz"
    np.savez(folder / "x.inputs.npz", x=INPUT)
    with zipfile.ZipFile(folder / "x.outputs.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("y.npy", b"")
    assert refused(tmp_path, model, folder).code == "input.npz"


def test_links_in_a_folder_lead_nowhere(tmp_path, model):
    folder = pair(tmp_path / "data", {"x": INPUT}, {"y": ANSWER})
    elsewhere = pair(tmp_path / "elsewhere", {"x": INPUT}, {"y": ANSWER})
    (folder / "rows.outputs.npz").unlink()
    (folder / "rows.outputs.npz").symlink_to(elsewhere / "rows.outputs.npz")
    assert refused(tmp_path, model, folder).code == "file.kind"
    assert refused(tmp_path, model, folder / "rows.inputs.npz").code == "file.kind"
    (tmp_path / "link").symlink_to(elsewhere)
    assert packed(tmp_path, model, tmp_path / "link").golden.sets[0].checked


def test_an_archive_that_unpacks_to_more_than_is_replayed_is_refused(tmp_path, model):
    folder = pair(tmp_path / "data", {"x": INPUT}, {"y": ANSWER})
    np.savez_compressed(folder / "rows.inputs.npz", x=np.zeros((MIB, 4), np.float32))
    limits = Limits(max_golden_bytes=MIB)
    assert (folder / "rows.inputs.npz").stat().st_size < MIB
    assert refused(tmp_path, model, folder, limits=limits).code == "input.size"


# --- ONNX's own layout ---


def test_data_that_the_model_contradicts_is_refused_by_default(tmp_path, keys):
    model = write_model(tmp_path / "model.onnx", scale=1.001)
    golden = write_golden(tmp_path / "data")
    error = refused(tmp_path, model, golden)
    assert error.code == "golden.contradicted"
    assert "output y" in error.message
    assert "test_data_set_0" in error.where
    assert packed(tmp_path, model, golden, rtol=1e-2).golden.sets[0].checked
    assert packed(tmp_path, model, golden, request=NEVER, name="q").golden.sets[0].checked is False


def test_data_that_cannot_be_replayed_is_refused_unless_nobody_looks(tmp_path, model):
    golden = write_golden(tmp_path / "data")
    (golden / "input_0.pb").write_bytes(numpy_helper.from_array(INPUT.astype(np.float64), "x").SerializeToString())
    error = refused(tmp_path, model, golden)
    assert (error.code, "--check-golden never" in error.hint) == ("input.dtype", True)
    (golden / "input_0.pb").write_bytes(b"junk")
    assert refused(tmp_path, model, golden).code.startswith("onnx.")
    assert packed(tmp_path, model, golden, request=NEVER).golden.sets


def test_more_data_than_is_replayed_is_refused(tmp_path, model):
    golden = write_golden(tmp_path / "data")
    limits = Limits(max_golden_bytes=60)
    assert refused(tmp_path, model, golden, limits=limits).code == "golden.size"
    assert packed(tmp_path, model, golden, limits=limits, request=NEVER).golden.sets


def test_where_nothing_can_be_confined_given_data_is_packed_and_that_is_told(tmp_path, model, monkeypatch):
    golden = write_golden(tmp_path / "data")
    monkeypatch.setattr("mlsign.sandbox.jail.can_confine", lambda: False)
    made = packed(tmp_path, model, golden)
    assert made.golden.unchecked is not None
    assert made.golden.unchecked.code == "sandbox.unavailable"
    assert [s.checked for s in made.golden.sets] == [False]
    assert refused(tmp_path / "a", model, golden, request=ALWAYS, error=JailError).code == "sandbox.unavailable"
    # What is seen without running it is still refused.
    (golden / "input_0.pb").write_bytes(b"junk")
    assert refused(tmp_path / "b", model, golden).code.startswith("onnx.")


@pytest.mark.parametrize("made", [{"drawn": 1}, {"inputs": (Path("rows.csv"),)}])
def test_nothing_is_computed_unconfined(tmp_path, model, monkeypatch, made):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("a,b,c,d\n1,2,3,4\n")
    monkeypatch.setattr("mlsign.sandbox.jail.can_confine", lambda: False)
    assert refused(tmp_path / "a", model, request=GoldenRequest(**made), error=JailError).code == "sandbox.unavailable"
    allowed = GoldenRequest(**made, confinement=mlsign.Confinement.WAIVED)
    found = packed(tmp_path, model, request=allowed)
    assert not any(layer.in_force for layer in found.golden.layers)
    assert found.golden.sets[0].golden.made_by is not None


def test_a_wall_that_was_asked_for_by_name_is_not_left_out(tmp_path, model, monkeypatch):
    golden = write_golden(tmp_path / "data")
    monkeypatch.setenv("PATH", str(tmp_path))  # where there is no runsc
    request = GoldenRequest(confinement=mlsign.Confinement.GVISOR)
    error = refused(tmp_path, model, golden, request=request, error=JailError)
    assert error.code == "sandbox.unavailable"


def test_a_model_beyond_the_memory_of_the_machine_is_not_held_in_it(tmp_path, model, monkeypatch):
    golden = write_golden(tmp_path / "data")
    monkeypatch.setattr("mlsign.sandbox.machine.free_memory", lambda: 100)
    monkeypatch.setattr("mlsign.actions.golden.running.seal_file", None)  # whoever calls it fails
    error = refused(tmp_path, model, golden, error=OutsideError)
    assert (error.code, "--check-golden never" in error.hint) == ("sealed.memory", True)
    assert packed(tmp_path, model, golden, request=NEVER).golden.sets


def test_a_model_that_the_runtime_does_not_load_excuses_nothing(tmp_path):
    golden = write_golden(tmp_path / "data")
    node = helper.make_node("Gem", ["x"], ["y"], domain="com.example")
    graph = helper.make_graph([node], "g", [info("x", shape=("n", 4))], [info("y", shape=("n", 3))])
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("com.example", 1)]
    model = tmp_path / "m.onnx"
    model.write_bytes(helper.make_model(graph, opset_imports=imports, ir_version=10).SerializeToString())
    error = refused(tmp_path, model, golden, error=JailError)
    assert (error.code, "--check-golden never" in error.hint) == ("sandbox.model.load", True)
    assert "m.onnx" in error.where
    assert packed(tmp_path, model, golden, request=NEVER).golden.sets


# --- outputs that are computed ---


def test_outputs_are_computed_from_files_of_every_format(tmp_path, model, keys, loaded):
    np.savez(tmp_path / "rows.npz", x=INPUT)
    np.save(tmp_path / "rows.npy", INPUT)
    (tmp_path / "rows.json").write_text(json.dumps({"x": INPUT.tolist()}))
    (tmp_path / "rows.csv").write_text("a,b,c,d\n1,2,3,4\n0,1,0,-1\n")
    files = tuple(tmp_path / f"rows.{suffix}" for suffix in ("npz", "npy", "json", "csv"))
    made = packed(tmp_path, model, request=GoldenRequest(inputs=files))
    manifest = decode_manifest((made.path / "mlsign.json").read_bytes())
    assert [g.made_by for g in manifest.golden] == [s.golden.made_by for s in made.golden.sets]
    made_by = manifest.golden[0].made_by
    assert made_by is not None
    assert (made_by.runtime, made_by.inputs) == ("onnxruntime", GoldenInputs.GIVEN)
    assert made_by.platform.startswith("linux/")
    sets = [tree(made.path / str(g.path)) for g in manifest.golden]
    assert len(sets) == 4
    assert all(one == sets[0] for one in sets)
    assert np.allclose(numpy_helper.to_array(onnx.load_tensor(made.path / "golden/test_data_set_0/output_0.pb")), ANSWER)
    assert_replays(made.path, keys, loaded)


def test_packing_twice_gives_the_same_bytes(tmp_path, model):
    (tmp_path / "rows.csv").write_text("a,b,c,d\n1,2,3,4\n")
    request = GoldenRequest(inputs=(tmp_path / "rows.csv",), drawn=3)
    one, two = (packed(tmp_path, model, request=request, name=name, version="1.0.0").path for name in ("one", "two"))
    first, second = tree(one), tree(two)
    assert len(first) == 10
    assert first.pop("mlsign.json").replace(b"one", b"two") == second.pop("mlsign.json")
    assert first == second


def test_given_and_made_sets_are_numbered_one_after_the_other(tmp_path, model):
    golden = write_golden(tmp_path / "data").rename(tmp_path / "data" / "test_data_set_1")
    pair(tmp_path / "pairs", {"x": INPUT}, {"y": ANSWER})
    made = packed(tmp_path, model, golden, tmp_path / "pairs", request=GoldenRequest(drawn=2))
    assert [s.golden.path.name[-1] for s in made.golden.sets] == ["1", "0", "2", "3"]
    assert [s.golden.made_by is None for s in made.golden.sets] == [True, True, False, False]


def test_weights_in_other_files_are_run_and_held_against_what_is_copied(tmp_path, keys, loaded, monkeypatch):
    model = write_model(tmp_path / "model.onnx", external="weights.bin")
    assert_replays(packed(tmp_path, model, request=GoldenRequest(drawn=1)).path, keys, loaded)
    plain = GoldenMaking.make

    def swapped(making, pairs, *, opened):
        golden = plain(making, pairs, opened=opened)
        weights = tmp_path / "weights.bin"
        data = bytearray(weights.read_bytes())
        data[0] ^= 1
        weights.write_bytes(data)  # after the model has answered, before it is copied
        return golden

    monkeypatch.setattr(GoldenMaking, "make", swapped)
    assert refused(tmp_path / "a", model, request=GoldenRequest(drawn=1)).code == "file.changed"


def test_what_is_copied_is_held_against_what_was_run(tmp_path):
    """By its digest, whatever the disk says of the file."""
    path = PackagePath("model.onnx")
    (tmp_path / "m").write_bytes(b"model")
    with FileSource(os.open(tmp_path / "m", os.O_RDONLY), where="m") as source, seal_file(source) as memory:
        golden = Golden(packed=PackedGolden(), files=(), sealed={path: memory})
        golden.check_copied({path: sha256(b"model")})
        with pytest.raises(InputError) as caught:
            golden.check_copied({path: sha256(b"Model")})
    assert caught.value.code == "file.changed"


def test_inputs_on_which_the_model_fails_are_refused(tmp_path):
    table = numpy_helper.from_array(np.arange(8, dtype=np.float32), "t")
    model = written(
        tmp_path / "m.onnx",
        [helper.make_node("Gather", ["t", "i"], ["y"])],
        [info("i", TensorProto.INT64)],
        [info("y")],
        init=[table],
    )
    np.savez(tmp_path / "rows.npz", i=np.array([80]))
    error = refused(tmp_path, model, request=GoldenRequest(inputs=(tmp_path / "rows.npz",)))
    assert (error.code, "rows.npz" in error.where) == ("golden.failed", True)
    # Wide draws of ids go to 9, narrow ones to 1.
    made = packed(tmp_path, model, request=GoldenRequest(drawn=3))
    drawn = [
        decode_golden_value((made.path / str(s.golden.path) / "input_0.pb").read_bytes(), kind=ValueKind.TENSOR, where="")
        for s in made.golden.sets
    ]
    assert all(max(np.frombuffer(value.data, np.int64)) < 8 for value in drawn)


def test_a_model_that_takes_a_shape_gets_one_of_ones(tmp_path):
    model = written(
        tmp_path / "m.onnx",
        [helper.make_node("Reshape", ["x", "s"], ["y"])],
        [info("x", shape=("n",)), info("s", TensorProto.INT64, (3,))],
        [info("y", shape=(None, None, None))],
    )
    made = packed(tmp_path, model, request=GoldenRequest(drawn=1))
    shape = numpy_helper.to_array(onnx.load_tensor(made.path / "golden/test_data_set_0/input_1.pb"))
    assert shape.tolist() == [1, 1, 1]


def test_a_model_that_no_drawn_inputs_suit_points_to_given_ones(tmp_path):
    weights = numpy_helper.from_array(np.ones((5, 3), np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    model = written(tmp_path / "m.onnx", [node], [info("x", shape=("n", "m"))], [info("y", shape=("n", 3))], init=[weights])
    error = refused(tmp_path, model, request=GoldenRequest(drawn=1))
    assert error.code == "golden.draw"
    assert "MatMul" in error.message
    assert "--golden-from" in error.hint


def test_a_model_that_answers_otherwise_than_it_declares_points_to_given_inputs(tmp_path):
    """The worker ends with such an answer, so nothing narrower is tried."""
    zeros = helper.make_node("ConstantOfShape", ["s"], ["y"])
    model = written(tmp_path / "m.onnx", [zeros], [info("s", TensorProto.INT64, (2,))], [info("y", shape=(10, 600))])
    error = refused(tmp_path, model, request=GoldenRequest(drawn=1))
    assert (error.code, "declared is float[10, 600]" in error.message) == ("golden.draw", True)
    assert "--golden-from" in error.hint
    np.savez(tmp_path / "rows.npz", s=np.array([10, 7]))
    assert refused(tmp_path, model, request=GoldenRequest(inputs=(tmp_path / "rows.npz",))).code == "golden.failed"


def test_a_model_of_more_inputs_than_there_are_names_for_is_not_run(tmp_path, monkeypatch):
    names = [f"x{number}" for number in range(10_001)]
    model = written(tmp_path / "m.onnx", [helper.make_node("Abs", ["x0"], ["y"])], [info(name) for name in names], [info("y")])
    monkeypatch.setattr("mlsign.actions.golden.making.seal_model", None)  # whoever calls it fails
    assert refused(tmp_path, model, request=GoldenRequest(drawn=1)).code == "golden.size"


def test_types_that_say_too_little_point_to_given_inputs(tmp_path):
    s = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)
    length = [helper.make_node("SequenceLength", ["s"], ["l"])]
    model = written(tmp_path / "m.onnx", length, [s], [info("l", TensorProto.INT64, ())])
    error = refused(tmp_path, model, request=GoldenRequest(drawn=1))
    assert (error.code, "--golden-from" in error.hint) == ("golden.draw", True)
    large = written(tmp_path / "l.onnx", [helper.make_node("Abs", ["x"], ["y"])], [info("x", shape=(2**40,))], [info("y")])
    assert refused(tmp_path, large, request=GoldenRequest(drawn=1)).code == "golden.size"


def test_answers_that_show_nothing_are_refused(tmp_path):
    nan = numpy_helper.from_array(np.array(np.nan, np.float32), "nan")
    model = written(tmp_path / "m.onnx", [helper.make_node("Add", ["x", "nan"], ["y"])], [info("x")], [info("y")], init=[nan])
    np.savez(tmp_path / "rows.npz", x=np.ones(2, np.float32))
    assert refused(tmp_path, model, request=GoldenRequest(inputs=(tmp_path / "rows.npz",))).code == "golden.nothing"
    error = refused(tmp_path, model, request=GoldenRequest(drawn=1))
    assert (error.code, "shows nothing" in error.message) == ("golden.draw", True)
    # Roots of numbers that are drawn below zero are NaN; the narrower ones are above it.
    roots = written(
        tmp_path / "r.onnx", [helper.make_node("Sqrt", ["x"], ["y"])], [info("x", shape=(1,))], [info("y", shape=(1,))]
    )
    assert len(packed(tmp_path, roots, request=GoldenRequest(drawn=8)).golden.sets) == 8


def scaled(path: Path, factor: float, *operators: str) -> Path:
    """A model of one number in each row, multiplied and put through the operators."""
    weight = numpy_helper.from_array(np.array([factor], np.float32), "k")
    names = ["s", *(f"v{number}" for number in range(len(operators) - 1)), "y"][: len(operators) + 1]
    names[-1] = "y"
    nodes = [helper.make_node("Mul", ["x", "k"], [names[0]])]
    nodes += [helper.make_node(op, [names[i]], [names[i + 1]]) for i, op in enumerate(operators)]
    return written(path, nodes, [info("x")], [info("y")], init=[weight])


def test_answers_that_are_always_the_same_are_told_and_packed(tmp_path):
    """Numbers from outside of what the model was made for: a sigmoid that is 1 at all of them."""
    flat = scaled(tmp_path / "flat.onnx", 1e6, "Abs", "Sigmoid")
    made = packed(tmp_path, flat, request=GoldenRequest(drawn=2))
    assert len(made.golden.sets) == 2
    (poor,) = made.golden.poor
    assert (poor.name, poor.finite, poor.answers >= 16) == ("y", True, True)
    assert (
        packed(tmp_path, scaled(tmp_path / "good.onnx", 0.1, "Sigmoid"), request=GoldenRequest(drawn=2), name="q").golden.poor
        == ()
    )
    np.savez(tmp_path / "rows.npz", x=np.full(3, 1e-7, np.float32))
    given = packed(tmp_path, flat, request=GoldenRequest(inputs=(tmp_path / "rows.npz",)), name="r")
    assert given.golden.poor == ()  # who gives inputs knows them


def test_answers_without_a_finite_number_are_told(tmp_path):
    """Narrower inputs come first: here they help, and there they do not."""
    large = scaled(tmp_path / "large.onnx", 80.0, "Exp")
    assert packed(tmp_path, large, request=GoldenRequest(drawn=4)).golden.poor == ()
    huge = scaled(tmp_path / "huge.onnx", 1e37, "Abs", "Exp")
    (poor,) = packed(tmp_path, huge, request=GoldenRequest(drawn=1), name="q").golden.poor
    assert (poor.name, poor.finite) == ("y", False)


def test_a_model_that_draws_random_numbers_is_refused(tmp_path):
    node = helper.make_node("RandomNormalLike", ["x"], ["r"])
    model = written(tmp_path / "m.onnx", [node, helper.make_node("Add", ["x", "r"], ["y"])], [info("x")], [info("y")], opset=17)
    assert refused(tmp_path, model, request=GoldenRequest(drawn=1)).code == "golden.random"


def test_a_model_that_does_not_end_is_stopped(tmp_path):
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Identity", ["v"], ["w"])],
        "body",
        [info("i", TensorProto.INT64, ()), info("c", TensorProto.BOOL, ()), info("v", shape=(1,))],
        [info("d", TensorProto.BOOL, ()), info("w", shape=(1,))],
    )
    most = numpy_helper.from_array(np.array(2**40), "m")
    on = numpy_helper.from_array(np.array(True), "t")
    node = helper.make_node("Loop", ["m", "t", "x"], ["y"], body=body)
    model = written(tmp_path / "m.onnx", [node], [info("x", shape=(1,))], [info("y", shape=(1,))], init=[most, on])
    error = refused(tmp_path, model, request=GoldenRequest(drawn=1, seconds=1), error=JailError)
    assert "--golden-time" in error.hint


def test_no_more_is_made_than_is_replayed(tmp_path):
    model = written(
        tmp_path / "m.onnx", [helper.make_node("Abs", ["x"], ["y"])], [info("x", shape=(1000,))], [info("y", shape=(1000,))]
    )
    limits = Limits(max_golden_bytes=20_000)
    assert len(packed(tmp_path, model, request=GoldenRequest(drawn=2), limits=limits).golden.sets) == 2
    assert refused(tmp_path / "a", model, request=GoldenRequest(drawn=3), limits=limits).code == "golden.size"
    huge = written(
        tmp_path / "h.onnx",
        [helper.make_node("Expand", ["x", "s"], ["y"])],
        [info("x", shape=(1,))],
        [info("y")],
        init=[numpy_helper.from_array(np.array([10**6]), "s")],
    )
    error = refused(tmp_path / "a", huge, request=GoldenRequest(drawn=1), limits=limits, error=JailError)
    assert error.code == "sandbox.output.size"


# --- every kind of value ---


def test_a_classifier_with_maps_of_probabilities(tmp_path, keys, loaded):
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(60, 3)).astype(np.float32)
    trained = LogisticRegression().fit(rows, np.array(["a", "b", "ü"])[rng.integers(0, 3, 60)])
    model = tmp_path / "m.onnx"
    model.write_bytes(to_onnx(trained, rows[:1], target_opset=17).SerializeToString())
    np.save(tmp_path / "rows.npy", rows[:4])
    made = packed(tmp_path, model, request=GoldenRequest(inputs=(tmp_path / "rows.npy",), drawn=2))
    data = (made.path / "golden/test_data_set_0/output_1.pb").read_bytes()
    chances = decode_golden_value(data, kind=ValueKind.SEQUENCE, where="")
    assert [row.keys for row in chances.items] == [("a", "b", "ü")] * 4
    assert {value.element for row in chances.items for value in row.values} == {"float"}
    expected = trained.predict_proba(rows[:4])
    found = [[np.frombuffer(value.data, "<f4").item() for value in row.values] for row in chances.items]
    assert np.allclose(found, expected, atol=1e-5)
    assert_replays(made.path, keys, loaded)
    pair(tmp_path / "pairs", {"X": rows}, {"output_label": trained.predict(rows).astype(str)})
    error = refused(tmp_path / "a", model, tmp_path / "pairs")
    assert (error.code, "zipmap=False" in error.hint) == ("golden.kind", True)


def test_sequences_optionals_maps_texts_and_elements_without_a_type_in_numpy(tmp_path, keys, loaded):
    q = helper.make_tensor_sequence_value_info("q", TensorProto.FLOAT, ["n"])
    o = helper.make_value_info("o", helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, ["n"])))
    m = helper.make_value_info(
        "m", helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    )
    s = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, ["n"])
    has, text = info("h", TensorProto.BOOL, ()), info("t", TensorProto.STRING, ("k",))
    models = {
        "sequence": ([helper.make_node("SequenceConstruct", ["x", "x"], ["q"])], [info("x")], [q]),
        "fed": ([helper.make_node("SequenceLength", ["s"], ["l"])], [s], [info("l", TensorProto.INT64, ())]),
        "optional": ([helper.make_node("OptionalHasElement", ["o"], ["h"])], [o], [has]),
        "map": (
            [helper.make_node("DictVectorizer", ["m"], ["y"], domain="ai.onnx.ml", string_vocabulary=["a", "b"])],
            [m],
            [info("y", shape=(1, 2))],
        ),
        "text": ([helper.make_node("Identity", ["t"], ["u"])], [text], [info("u", TensorProto.STRING, ("k",))]),
        "bfloat16": (
            [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)],
            [info("x")],
            [info("y", TensorProto.BFLOAT16)],
        ),
        "int4": (
            [helper.make_node("DequantizeLinear", ["x", "scale"], ["y"])],
            [info("x", TensorProto.INT4, (3,))],
            [info("y", shape=(3,))],
        ),
    }
    scale = numpy_helper.from_array(np.array(0.5, np.float32), "scale")
    for name, (nodes, inputs, outputs) in models.items():
        init = [scale] if name == "int4" else []
        model = written(tmp_path / f"{name}.onnx", nodes, inputs, outputs, init=init)
        made = packed(tmp_path, model, request=GoldenRequest(drawn=2), name=name)
        assert len(made.golden.sets) == 2
        assert_replays(made.path, keys, loaded)


# --- in a package ---


def test_large_sets_are_shared_in_a_store(tmp_path, keys, loaded):
    rows = np.zeros((100_000, 4), np.float32)
    rows[:, 0] = np.arange(100_000)
    np.save(tmp_path / "rows.npy", rows)
    model = write_model(tmp_path / "model.onnx")
    request = GoldenRequest(inputs=(tmp_path / "rows.npy",))
    one = packed(tmp_path, model, request=request, store=tmp_path / "store", name="one")
    two = packed(tmp_path, model, request=request, store=tmp_path / "store", name="two")
    data = "golden/test_data_set_0/input_0.pb"
    assert (one.path / data).stat().st_ino == (two.path / data).stat().st_ino
    sign(one.path, keys.release.signer, store=tmp_path / "store")
    report = verify(one.path, VerifyRequest(policy=loaded, store=tmp_path / "store"))
    assert report.decision.verdict is Verdict.ALLOW


def test_a_name_that_is_taken_is_refused_and_an_output_that_is_there_runs_nothing(tmp_path, model, monkeypatch):
    taken = tmp_path / "golden" / "test_data_set_0"
    taken.mkdir(parents=True)
    (taken / "input_0.pb").write_bytes(b"")
    error = refused(tmp_path, model, request=GoldenRequest(drawn=1), include=(tmp_path / "golden",))
    assert error.code == "pack.collision"
    (tmp_path / "there").mkdir()
    monkeypatch.setattr("mlsign.actions.golden.making.seal_model", None)  # whoever calls it fails
    with pytest.raises(InputError) as caught:
        packed(tmp_path, model, request=GoldenRequest(drawn=1), name="there")
    assert caught.value.code == "output.exists"


REAL = ("lgbm_iris", "sk_bc_mlp", "sk_diabetes_linreg", "sk_iris_kmeans", "sk_iris_logreg", "sk_iris_rf", "spark_lr", "xgb_bc")


@pytest.mark.parametrize("name", REAL)
def test_real_models_answer_to_drawn_inputs_and_to_the_rows_they_were_tested_on(tmp_path, keys, loaded, name):
    models = os.environ.get("MLSIGN_MODELS")
    if not models:
        pytest.skip("MLSIGN_MODELS names no folder of models with expected outputs")
    model, rows = Path(models) / f"{name}.onnx", np.load(Path(models) / f"{name}.input.npy")
    inputs = [value.name for value in onnx.load(model).graph.input]
    np.savez(
        tmp_path / "rows.npz", **({inputs[0]: rows} if len(inputs) == 1 else {n: rows[:, [i]] for i, n in enumerate(inputs)})
    )
    made = packed(tmp_path, model, request=GoldenRequest(inputs=(tmp_path / "rows.npz",), drawn=3))
    outputs = [tree(made.path / str(s.golden.path)) for s in made.golden.sets]
    assert len({tuple(sorted(files.items())) for files in outputs}) == 4  # no set is another one
    assert made.golden.poor == ()
    assert_replays(made.path, keys, loaded)


def test_labels_of_a_real_model_that_are_all_of_one_class_are_told(tmp_path):
    """So few rows lead its trees to one class; the probabilities differ all the same."""
    models = os.environ.get("MLSIGN_MODELS")
    if not models:
        pytest.skip("MLSIGN_MODELS names no folder of models with expected outputs")
    made = packed(tmp_path, Path(models) / "xgb_bc.onnx", request=GoldenRequest(drawn=1))
    assert [(poor.name, poor.finite) for poor in made.golden.poor] == [("label", True)]
