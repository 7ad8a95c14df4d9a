"""Golden data replayed in the real sandbox, on signed packages: what is right passes, and everything else denies."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from making import BIAS, INPUT, UNCHECKED, WEIGHTS, make_package, resign, write_model, write_policy
from onnx import numpy_helper

import mlsign
from mlsign.actions.golden import demanded, runs
from mlsign.actions.golden.replay import ReplayRequest, replay
from mlsign.actions.golden.sets import golden_files
from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.signing.sign import sign
from mlsign.actions.verification.admit import Denied, admit
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.evidence.findings import Outcome
from mlsign.formats.manifest import GoldenSet, Role
from mlsign.formats.manifest_codec import decode_manifest
from mlsign.limits import Limits
from mlsign.paths import PackagePath
from mlsign.policy.model import Verdict
from mlsign.sandbox.runtimes import RuntimeName

REPLAY = "golden: {required: true, replay: true}\n"
ANSWER = (INPUT @ WEIGHTS + BIAS).astype(np.float32)


@pytest.fixture
def loaded(tmp_path, keys):
    return load_policy(write_policy(tmp_path / "policy", {"release": (1, [keys.release.public])}, rest=REPLAY))


def data_set(folder: Path, inputs, outputs) -> Path:
    """``test_data_set_0`` of arrays by name, or of bytes."""
    made = folder / "test_data_set_0"
    made.mkdir(parents=True)
    for side, values in (("input", inputs), ("output", outputs)):
        for number, (name, value) in enumerate(values):
            data = value if isinstance(value, bytes) else numpy_helper.from_array(value, name).SerializeToString()
            (made / f"{side}_{number}.pb").write_bytes(data)
    return made


def released(folder: Path, pair, inputs=(("x", INPUT),), outputs=(("y", ANSWER),), *, model=None, **more) -> Path:
    golden = data_set(folder, inputs, outputs)
    made = folder / "model.onnx"
    write_model(made) if model is None else made.write_bytes(model.SerializeToString())
    package = pack(PackRequest(model=made, output=folder / "p", golden=(golden,), golden_request=UNCHECKED, **more)).path
    sign(package, pair.signer)
    return package


def judged(package, loaded, **request):
    report = verify(package, VerifyRequest(policy=loaded, **request))
    bad = {(f.code, f.outcome.value, f.cause) for f in report.decision.findings if f.outcome is not Outcome.PASS}
    assert (report.decision.verdict is Verdict.ALLOW) == (not bad)
    return report, bad


def test_right_answers_pass_and_are_told(good_package, loaded):
    report, bad = judged(good_package, loaded)
    assert not bad
    (found,) = (f for f in report.decision.findings if f.code == "MLS406")
    assert found.message == "the model answers as its golden test data says, in 6 elements"
    with admit(good_package, VerifyRequest(policy=loaded)) as model, mlsign.Scorer(model) as scorer:
        assert np.allclose(scorer.run({"x": INPUT})["y"], ANSWER, rtol=1e-5)


def test_a_model_with_other_weights_is_denied(tmp_path, keys, loaded):
    package = make_package(tmp_path, signers=[keys.release], scale=1.01)
    report, bad = judged(package, loaded)
    assert bad == {("MLS406", "fail", "")}
    (found,) = (f for f in report.decision.findings if f.code == "MLS406")
    assert "elements are too far off" in found.message
    with pytest.raises(Denied, match="MLS406"):
        admit(package, VerifyRequest(policy=loaded))


def test_a_release_without_golden_data_is_denied(tmp_path, keys, loaded):
    assert judged(make_package(tmp_path, signers=[keys.release], golden=()), loaded)[1] == {
        ("MLS405", "fail", ""),
        ("MLS406", "unknown", ""),
    }


@pytest.mark.parametrize("rest", [REPLAY, "golden: {required: true}\n"])
def test_a_tolerance_that_takes_anything_is_denied_and_not_run(tmp_path, keys, rest, monkeypatch):
    package = make_package(tmp_path, signers=[keys.release], rtol=1.0, atol=1e300)
    monkeypatch.setattr(runs, "jailed_model", None)  # whoever calls it fails
    loaded = load_policy(write_policy(tmp_path, {"release": (1, [keys.release.public])}, rest=rest))
    bad = judged(package, loaded)[1]
    assert bad == {("MLS405", "fail", "")} | ({("MLS406", "unknown", "")} if rest == REPLAY else set())


@pytest.mark.parametrize("fault", ["unsigned", "changed", "stranger", "operator", "old"])
def test_nothing_is_run_of_what_is_denied_anyway(good_package, tmp_path, keys, fault, monkeypatch):
    monkeypatch.setattr("mlsign.actions.golden.demanded.replay", None)  # whoever calls it fails
    package = Path(shutil.copytree(good_package, tmp_path / "p"))
    more, allow = REPLAY, "[inference-v1]"
    if fault == "unsigned":
        shutil.rmtree(package / "signatures")
    if fault == "changed":
        (package / "golden" / "test_data_set_0" / "output_0.pb").write_bytes(b"")
    if fault == "stranger":
        resign(package, [keys.outsider])
    if fault == "operator":
        allow = '["ai.onnx:Relu"]'
    if fault == "old":
        more += "versions: {minimum: 9.0.0}\n"
    policy = write_policy(tmp_path / "policy", {"release": (1, [keys.release.public])}, rest=more, allow=allow)
    report, bad = judged(package, load_policy(policy))
    assert ("MLS406", "unknown", "") in bad
    assert any("denied anyway" in f.message for f in report.decision.findings)


def test_nothing_is_run_of_an_older_release(tmp_path, keys, monkeypatch):
    rest = REPLAY + "versions: {rollback: deny}\n"
    loaded = load_policy(write_policy(tmp_path, {"release": (1, [keys.release.public])}, rest=rest))
    new = released(tmp_path / "new", keys.release, name="m", version="2.0.0")
    old = released(tmp_path / "old", keys.release, name="m", version="1.0.0")
    state = tmp_path / "state"
    assert not judged(new, loaded, state=state)[1]
    monkeypatch.setattr("mlsign.actions.golden.demanded.replay", None)
    assert {code for code, _, _ in judged(old, loaded, state=state)[1]} == {"MLS403", "MLS406"}


def test_what_is_denied_by_its_answers_leaves_no_mark(tmp_path, keys):
    rest = REPLAY + "versions: {rollback: deny}\n"
    loaded = load_policy(write_policy(tmp_path, {"release": (1, [keys.release.public])}, rest=rest))
    wrong = released(tmp_path / "wrong", keys.release, outputs=(("y", ANSWER + 1),), name="m", version="2.0.0")
    good = released(tmp_path / "good", keys.release, name="m", version="1.0.0")
    assert {code for code, _, _ in judged(wrong, loaded, state=tmp_path / "state")[1]} == {"MLS406"}
    assert not judged(good, loaded, state=tmp_path / "state")[1]


@pytest.mark.parametrize(
    ("inputs", "outputs", "outcome", "cause"),
    [
        ([("x", INPUT)], [("y", ANSWER + np.float32(0.1))], "fail", ""),
        ([("x", INPUT)], [("y", ANSWER[:1])], "fail", ""),
        ([("x", INPUT)], [("y", ANSWER.astype(np.float64))], "fail", ""),
        ([("x", INPUT)], [("y", np.full_like(ANSWER, np.nan))], "fail", ""),
        ([("x", INPUT)], [("y", ANSWER), ("z", ANSWER)], "unknown", "golden.file"),
        ([("x", INPUT.astype(np.float64))], [("y", ANSWER)], "unknown", "input.dtype"),
        ([("x", INPUT[:, :3])], [("y", ANSWER)], "unknown", "input.shape"),
        ([], [("y", ANSWER)], "unknown", "input.missing"),
        ([("x", INPUT), ("w", INPUT)], [("y", ANSWER)], "unknown", "golden.file"),
        ([("x", b"junk")], [("y", ANSWER)], "unknown", "onnx.wire.truncated"),
        ([("x", INPUT)], [("y", b"")], "unknown", "golden.tensor"),
        ([("x", INPUT[:0])], [("y", ANSWER[:0])], "unknown", ""),
    ],
)
def test_answers_that_differ_fail_and_data_that_cannot_be_replayed_is_unknown(
    tmp_path, keys, loaded, inputs, outputs, outcome, cause
):
    package = released(tmp_path / "r", keys.release, inputs, outputs)
    assert judged(package, loaded)[1] == {("MLS406", outcome, cause)}


@pytest.mark.parametrize("name", ["", "somewhere/else"])
def test_data_without_the_names_of_the_model_goes_by_number(tmp_path, keys, loaded, name):
    assert not judged(released(tmp_path / "r", keys.release, [(name, INPUT)], [(name, ANSWER)]), loaded)[1]


def two_outputs() -> onnx.ModelProto:
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [helper.make_node("Sub", ["a", "b"], ["d"]), helper.make_node("Add", ["a", "b"], ["s"])]
    values = {name: helper.make_tensor_value_info(name, kind, [2]) for name in "abds"}
    graph = helper.make_graph(nodes, "g", [values["a"], values["b"]], [values["d"], values["s"]])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


A, B = np.array([5, 6], dtype=np.float32), np.array([1, 2], dtype=np.float32)


@pytest.mark.parametrize(
    ("inputs", "outputs", "outcome", "cause"),
    [
        ([("a", A), ("b", B)], [("d", A - B), ("s", A + B)], None, ""),
        ([("b", B), ("a", A)], [("s", A + B), ("d", A - B)], None, ""),
        ([("", A), ("", B)], [("", A - B), ("", A + B)], None, ""),
        ([("b", B), ("a", A)], [("", A + B), ("", A - B)], "fail", ""),
        ([("a", A), ("b", B)], [("d", A - B)], "fail", ""),
        ([("a", A), ("", B)], [("d", A - B), ("s", A + B)], None, ""),
        ([("x", A), ("b", B)], [("other", A - B), ("s", A + B)], None, ""),
        ([("x", B), ("b", A)], [("d", A - B), ("s", A + B)], "fail", ""),
        ([("", B), ("a", A)], [("d", A - B), ("s", A + B)], "unknown", "golden.names"),
        ([("b", B), ("x", A)], [("d", A - B), ("s", A + B)], "unknown", "golden.names"),
        ([("a", A), ("a", B)], [("d", A - B), ("s", A + B)], "unknown", "golden.names"),
    ],
)
def test_several_inputs_and_outputs(tmp_path, keys, loaded, inputs, outputs, outcome, cause):
    package = released(tmp_path / "r", keys.release, inputs, outputs, model=two_outputs())
    assert judged(package, loaded)[1] == (set() if outcome is None else {("MLS406", outcome, cause)})


def test_a_gap_between_numbers_is_unknown(tmp_path, keys, loaded):
    golden = data_set(tmp_path, [("x", INPUT)], [("y", ANSWER)])
    (golden / "output_0.pb").rename(golden / "output_1.pb")
    model = write_model(tmp_path / "m.onnx")
    package = pack(PackRequest(model=model, output=tmp_path / "p", golden=(golden,), golden_request=UNCHECKED)).path
    sign(package, keys.release.signer)
    assert judged(package, loaded)[1] == {("MLS406", "unknown", "golden.file")}


def test_no_sandbox_no_time_and_too_much_data_are_unknown(good_package, tmp_path, keys, loaded, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("mlsign.sandbox.jail.can_confine", lambda: False)
        assert judged(good_package, loaded)[1] == {("MLS406", "unknown", "sandbox.unavailable")}
    assert judged(good_package, loaded, limits=Limits(max_golden_bytes=50))[1] == {("MLS406", "unknown", "golden.size")}
    rest = "golden: {replay: true, time: 1ms}\n"
    late = load_policy(write_policy(tmp_path, {"release": (1, [keys.release.public])}, rest=rest))
    ((code, outcome, _),) = judged(good_package, late)[1]
    assert (code, outcome) == ("MLS406", "unknown")


def test_a_set_for_which_no_time_is_left_is_unknown(good_package, loaded, monkeypatch):
    times = iter((0.0, 0.0, 61.0))  # at first, before the start, before the set
    plain = demanded.replay
    monkeypatch.setattr(
        "mlsign.actions.golden.demanded.replay", lambda e, p, *, limits: plain(e, p, limits=limits, clock=lambda: next(times))
    )
    assert judged(good_package, loaded)[1] == {("MLS406", "unknown", "sandbox.timeout")}


def busy_model() -> onnx.ModelProto:
    """Some minutes of one addition after the other."""
    helper, kind = onnx.helper, onnx.TensorProto
    inside = [
        helper.make_tensor_value_info(*each) for each in (("i", kind.INT64, []), ("go", kind.BOOL, []), ("s", kind.FLOAT, [2, 4]))
    ]
    given = [helper.make_tensor_value_info("goes", kind.BOOL, []), helper.make_tensor_value_info("t", kind.FLOAT, [2, 4])]
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["goes"]), helper.make_node("Add", ["s", "s"], ["t"])], "body", inside, given
    )
    x, y = (helper.make_tensor_value_info(name, kind.FLOAT, [2, 4]) for name in "xy")
    turns = helper.make_tensor("turns", kind.INT64, [], [10**9])
    graph = helper.make_graph([helper.make_node("Loop", ["turns", "", "x"], ["y"], body=body)], "g", [x], [y], [turns])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_one_set_takes_no_more_than_the_time_for_all(tmp_path, keys):
    """Time for a call by itself, which the sandbox gives, is no time for it beyond the rest of what the replay may take."""
    package = released(tmp_path / "r", keys.release, model=busy_model())
    run = "{max_steps: 9007199254740991, max_operations: 9007199254740991}"
    rest = f"golden: {{replay: true, time: 700ms}}\nsandbox: {{wall: 10m, cpu: 10m}}\nmodel: {{run: {run}}}\n"
    policy = write_policy(
        tmp_path / "policy", {"release": (1, [keys.release.public])}, rest=rest, allow="[inference-v1, control-flow-v1]"
    )
    loaded = load_policy(policy)
    report, bad = judged(package, loaded)
    assert bad == {("MLS406", "unknown", "sandbox.timeout")}
    (found,) = (f for f in report.decision.findings if f.code == "MLS406")
    assert "golden.time" in found.hint
    done = replay(package, ReplayRequest(runtimes=tuple(RuntimeName), verify=VerifyRequest(policy=loaded)))
    assert {each.problem.cause for run in done.runs.runs for each in run.sets} == {"sandbox.timeout"}
    assert not done.passed


def test_a_start_takes_no_more_than_the_time_for_all(good_package, loaded, monkeypatch):
    times = iter((0.0, 61.0, 61.0))
    plain = demanded.replay
    monkeypatch.setattr(
        "mlsign.actions.golden.demanded.replay", lambda e, p, *, limits: plain(e, p, limits=limits, clock=lambda: next(times))
    )
    monkeypatch.setattr("mlsign.sandbox.jail.Jail.start", None)  # whoever calls it fails
    assert judged(good_package, loaded)[1] == {("MLS406", "unknown", "sandbox.timeout")}


def test_a_folder_that_changes_after_it_was_hashed_changes_nothing(good_package, tmp_path, loaded, monkeypatch):
    package = Path(shutil.copytree(good_package, tmp_path / "p"))
    plain = demanded.replay

    def swapped(examination, policy, *, limits):
        shutil.rmtree(package)  # what is replayed is in memory, and nothing else is opened
        return plain(examination, policy, limits=limits)

    monkeypatch.setattr("mlsign.actions.golden.demanded.replay", swapped)
    assert not judged(package, loaded)[1]


def test_audit_tells_and_lets_go_on(tmp_path, keys):
    rest = REPLAY + "mode: audit\n"
    loaded = load_policy(write_policy(tmp_path, {"release": (1, [keys.release.public])}, rest=rest))
    package = make_package(tmp_path, signers=[keys.release], scale=2.0)
    with admit(package, VerifyRequest(policy=loaded)) as model:
        assert model.report.decision.verdict is Verdict.DENY
        assert any(f.code == "MLS406" and f.outcome is Outcome.FAIL for f in model.report.decision.findings)


def test_the_files_of_all_sets_are_told_apart_in_one_pass(good_package):
    """A set for each file, 10,000 of both, would be 10^8 comparisons if each set went through all files."""
    manifest = decode_manifest((good_package / "mlsign.json").read_bytes())
    (model,) = (entry for entry in manifest.files if entry.role is Role.MODEL)
    looked_at = 0

    class Counted(PackagePath):
        @property
        def parts(self):
            nonlocal looked_at
            looked_at += 1
            return super().parts

    names = [f"golden/s{number}" for number in range(100)]
    files = [f"{name}/{file}" for name in names for file in ("input_0.pb", "output_0.pb", "below/input_1.pb")]
    entries = (model._replace(path=Counted(file), role=Role.GOLDEN) for file in (*files, "golden/input_0.pb"))
    sets = tuple(GoldenSet(path=PackagePath(name), rtol=0.0, atol=0.0) for name in names)
    other = model._replace(path=PackagePath("golden/s0/notes.txt"), role=Role.DOCUMENT)
    found = golden_files(replace(manifest, files=(model, *entries, other), golden=sets))
    assert looked_at == len(files) + 1
    assert {str(path): [file.name for file in of] for path, of in found.items()} == {
        name: ["input_0.pb", "output_0.pb"] for name in names
    }
