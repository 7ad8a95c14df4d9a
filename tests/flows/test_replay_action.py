"""``replay`` on real packages in the real sandbox: what is run, what it is held to, what is told and what is signed."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from jsonschema import Draft202012Validator
from judging import judged
from making import BIAS, INPUT, UNCHECKED, WEIGHTS, Meanwhile, make_key, make_package, put_signatures, write_model, write_policy
from onnx import numpy_helper

import mlsign
from mlsign.actions.golden import runs, statement
from mlsign.actions.golden.replay import ReplayRequest, replay
from mlsign.actions.golden.request import GoldenRequest
from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.scoring.confinement import Confinement
from mlsign.actions.verification.admit import Denied
from mlsign.actions.verification.verify import VerifyRequest
from mlsign.errors import InputError, TrustError
from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import Standing
from mlsign.formats.bundle import decode_bundle
from mlsign.formats.golden_run import ANNOTATION, decode_golden_run
from mlsign.policy.model import Verdict
from mlsign.report.as_json import render_report
from mlsign.report.golden_runs import render_replay_json, render_replay_text
from mlsign.sandbox.machine import platform_name
from mlsign.sandbox.runtimes import RuntimeName

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
VALIDATOR = Draft202012Validator(json.loads((SCHEMAS / "replay.v1.schema.json").read_text()))
REPORTS = Draft202012Validator(json.loads((SCHEMAS / "report.v1.schema.json").read_text()))
ANSWER = (INPUT @ WEIGHTS + BIAS).astype(np.float32)
BOTH = ReplayRequest(runtimes=tuple(RuntimeName))
HERE = platform_name()


@pytest.fixture(scope="module")
def lab():
    return make_key()


def policy_of(folder, keys, lab, *, golden="platforms: [%s], run_by: [{key: keys/lab.pub}]", rest=""):
    demand = golden % HERE if "%s" in golden else golden
    policy = write_policy(folder, {"release": (1, [keys.release.public])}, rest=f"golden: {{{demand}}}\n{rest}")
    (policy.parent / "keys" / "lab.pub").write_bytes(lab.public)
    return load_policy(policy)


def one_weight(weight, expected, folder, *, rtol=1e-4, atol=1e-5):
    """A package of ``y = x * W`` for one number, unsigned, and what it should answer to 1."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    values = [helper.make_tensor_value_info(name, kind, [1]) for name in "xy"]
    weights = numpy_helper.from_array(np.array([weight], np.float32), "W")
    graph = helper.make_graph([helper.make_node("Mul", ["x", "W"], ["y"])], "g", values[:1], values[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder.mkdir(parents=True)
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    golden = folder / "test_data_set_0"
    golden.mkdir()
    for name, side, value in (("x", "input", 1.0), ("y", "output", expected)):
        array = numpy_helper.from_array(np.array([value], np.float32), name)
        (golden / f"{side}_0.pb").write_bytes(array.SerializeToString())
    made = pack(
        PackRequest(
            model=folder / "m.onnx", output=folder / "p", golden=(golden,), golden_request=UNCHECKED, rtol=rtol, atol=atol
        )
    )
    return made.path


def test_without_a_policy_nobody_is_trusted_and_every_answer_is_measured(good_package):
    done = replay(good_package, ReplayRequest())
    assert done.passed
    assert done.report is None
    (run,) = done.runs.runs
    ((output,),) = (found.outputs for found in run.sets)
    assert (output.output, output.compared, output.difference) == ("y", 6, None)
    assert output.ulps is not None
    assert output.absolute <= 1e-5
    assert (done.platform, run.runtime, run.threads > 0) == (HERE, RuntimeName.ONNXRUNTIME, True)
    assert run.version
    assert "No signature was checked" in render_replay_text(done, width=100, color=False)
    VALIDATOR.validate(json.loads(render_replay_json(done)))


def test_drawn_sets_that_expect_the_same_everywhere_are_told(tmp_path, good_package):
    """Whoever replays them sees what they are worth; what was given is not judged."""
    helper = onnx.helper
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n"]) for name in "xy"]
    nodes = [helper.make_node("Sub", ["x", "x"], ["z"]), helper.make_node("Exp", ["z"], ["y"])]
    model = helper.make_model(
        helper.make_graph(nodes, "g", values[:1], values[1:]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    np.save(tmp_path / "rows.npy", np.ones(3, np.float32))
    for number, (asked, poor) in enumerate(
        ((GoldenRequest(drawn=1), ["y"]), (GoldenRequest(inputs=(tmp_path / "rows.npy",)), []))
    ):
        made = pack(PackRequest(model=tmp_path / "m.onnx", output=tmp_path / f"p{number}", golden_request=asked))
        done = replay(made.path, BOTH)
        assert done.passed
        assert [output.name for output in done.runs.poor] == poor
        assert ("answers to drawn inputs" in render_replay_text(done, width=100, color=False)) is bool(poor)
        document = json.loads(render_replay_json(done))
        VALIDATOR.validate(document)
        assert [(output["name"], output["finite"]) for output in document["poor"]] == [(name, True) for name in poor]
    assert replay(good_package, ReplayRequest()).runs.poor == ()


def test_two_implementations_are_held_against_each_other(good_package):
    done = replay(good_package, BOTH)
    assert done.passed
    assert [run.runtime.value for run in done.runs.runs] == ["onnxruntime", "reference"]
    assert len({run.version for run in done.runs.runs}) == 2
    (agreement,) = done.runs.agreement
    assert (agreement.path, agreement.passed) == ("golden/test_data_set_0", True)
    assert "reference held against onnxruntime" in render_replay_text(done, width=100, color=False)
    VALIDATOR.validate(json.loads(render_replay_json(done)))


@pytest.mark.parametrize("runtime", RuntimeName)
def test_an_output_altered_by_one_part_in_a_thousand_fails_with_the_tolerances_that_pack_gives(tmp_path, runtime):
    folder = tmp_path / "r"
    folder.mkdir()
    golden = folder / "test_data_set_0"
    golden.mkdir()
    (golden / "input_0.pb").write_bytes(numpy_helper.from_array(INPUT, "x").SerializeToString())
    altered = (ANSWER * np.float32(1.001)).astype(np.float32)
    (golden / "output_0.pb").write_bytes(numpy_helper.from_array(altered, "y").SerializeToString())
    model = write_model(folder / "m.onnx")
    package = pack(PackRequest(model=model, output=folder / "p", golden=(golden,), golden_request=UNCHECKED)).path
    done = replay(package, ReplayRequest(runtimes=(runtime,)))
    assert not done.passed
    ((output,),) = (found.outputs for found in done.runs.runs[0].sets)
    assert output.too_far == 6
    assert output.relative == pytest.approx(1e-3, rel=1e-3)
    assert output.ulps > 1000


STEP = float(np.spacing(np.float32(1)))
NEXT = float(np.nextafter(np.float32(1), np.float32(2)))


@pytest.mark.parametrize("runtime", RuntimeName)
@pytest.mark.parametrize(
    ("rtol", "atol", "passes"),
    [
        (0.0, STEP, True),
        (0.0, float(np.nextafter(STEP, 0.0)), False),
        (STEP, 0.0, True),
        (float(np.nextafter(STEP, 0.0)), 0.0, False),
        (STEP / 2, STEP / 2, True),
        (0.0, 0.0, False),
    ],
)
def test_a_weight_that_is_one_ulp_off_passes_or_fails_exactly_as_the_tolerance_says(tmp_path, runtime, rtol, atol, passes):
    done = replay(one_weight(NEXT, 1.0, tmp_path / "r", rtol=rtol, atol=atol), ReplayRequest(runtimes=(runtime,)))
    ((output,),) = (found.outputs for found in done.runs.runs[0].sets)
    assert (output.ulps, output.absolute, output.relative) == (1, STEP, STEP)
    assert done.passed is passes
    assert (output.difference is None) is passes
    unchanged = replay(one_weight(1.0, 1.0, tmp_path / "s", rtol=0.0, atol=0.0), ReplayRequest(runtimes=(runtime,)))
    assert unchanged.passed


def test_a_package_that_is_denied_is_not_run(good_package, tmp_path, keys, lab, monkeypatch):
    monkeypatch.setattr(runs, "jailed_model", None)  # whoever calls it fails
    package = Path(shutil.copytree(good_package, tmp_path / "p"))
    shutil.rmtree(package / "signatures")
    loaded = policy_of(tmp_path / "policy", keys, lab)
    with pytest.raises(Denied, match="MLS20"):
        replay(package, ReplayRequest(verify=VerifyRequest(policy=loaded)), signer=lab.signer)
    assert not (package / "signatures").exists()


def test_a_policy_is_asked_for_everything_but_the_runs_that_it_wants(package, tmp_path, keys, lab):
    """The first run on a platform cannot rest on itself."""
    loaded = policy_of(tmp_path / "policy", keys, lab, golden="replay: true, platforms: [%s], run_by: [{key: keys/lab.pub}]")
    assert judged(package, loaded)[1] == {"MLS407", "MLS406"}
    done = replay(package, ReplayRequest(verify=VerifyRequest(policy=loaded)), signer=lab.signer)
    assert done.passed
    assert done.report is not None
    assert done.report.decision.verdict is Verdict.ALLOW
    assert not judged(package, loaded)[1]


def test_a_policy_that_only_watches_is_told_apart_from_one_that_allows(package, tmp_path, keys, lab):
    shutil.rmtree(package / "signatures")
    loaded = policy_of(tmp_path / "policy", keys, lab, golden="required: true", rest="mode: audit\n")
    done = replay(package, ReplayRequest(verify=VerifyRequest(policy=loaded)))
    assert done.passed
    assert "only watches, and would have DENIED it" in render_replay_text(done, width=100, color=False)
    document = json.loads(render_replay_json(done))
    VALIDATOR.validate(document)
    assert document["decision"] == "deny"


def test_a_run_is_of_the_package_that_was_verified_whatever_lies_unsigned_beside_it(package, tmp_path, keys, lab):
    (package / "README.md").write_text("fetched with the package")
    loaded = policy_of(tmp_path / "policy", keys, lab, rest="unsigned_files: [README.md]\n")
    assert judged(package, loaded)[1] == {"MLS407"}
    done = replay(package, ReplayRequest(verify=VerifyRequest(policy=loaded)), signer=lab.signer)
    assert done.report is not None
    assert done.digest == done.report.evidence.digest
    assert not judged(package, loaded)[1]


def test_where_a_policy_only_watches_what_has_no_digest_is_not_run_all_the_same(package, tmp_path, keys, lab, monkeypatch):
    monkeypatch.setattr(runs, "jailed_model", None)
    loaded = policy_of(tmp_path / "policy", keys, lab, rest="mode: audit\n")
    (package / "golden" / "test_data_set_0" / "output_0.pb").unlink()
    with pytest.raises(InputError) as caught:
        replay(package, ReplayRequest(verify=VerifyRequest(policy=loaded)), signer=lab.signer)
    assert caught.value.code == "replay.refused"


def test_data_that_expects_nothing_but_nan_shows_nothing(tmp_path):
    """Any model that is broken enough answers so, and pack refuses such data unless it is told to look at none."""
    package = one_weight(float("nan"), float("nan"), tmp_path / "r")
    done = replay(package, ReplayRequest())
    ((found,),) = (run.sets for run in done.runs.runs)
    assert not done.passed
    assert found.problem is not None
    assert (found.problem.code, found.problem.outcome, found.problem.cause) == ("MLS406", Outcome.UNKNOWN, "golden.nothing")
    wrong = replay(one_weight(1.0, float("nan"), tmp_path / "s"), ReplayRequest())
    ((output,),) = (found.outputs for found in wrong.runs.runs[0].sets)
    assert (wrong.passed, output.unequal) == (False, 1)


@pytest.mark.parametrize("fault", ["model", "golden", "extra", "missing"])
def test_content_that_is_not_what_its_manifest_says_is_not_run(package, fault, monkeypatch):
    monkeypatch.setattr(runs, "jailed_model", None)
    golden = package / "golden" / "test_data_set_0" / "output_0.pb"
    if fault == "model":
        (package / "model.onnx").write_bytes((package / "model.onnx").read_bytes() + b"\x00")
    if fault == "golden":
        golden.write_bytes(golden.read_bytes()[:-1] + b"\x00")
    if fault == "extra":
        (package / "more.txt").write_text("x")
    if fault == "missing":
        golden.unlink()
    with pytest.raises(InputError) as caught:
        replay(package, ReplayRequest())
    assert caught.value.code == "replay.refused"


def test_without_golden_data_the_error_says_how_to_get_some(tmp_path, keys):
    package = make_package(tmp_path, signers=[keys.release], golden=())
    with pytest.raises(InputError) as caught:
        replay(package, ReplayRequest())
    assert (caught.value.code, "--golden-auto" in caught.value.hint) == ("replay.golden", True)


def test_a_folder_that_changes_while_it_is_read_changes_nothing_that_is_run(package, monkeypatch):
    plain = runs.jailed_model

    def swapped(*args, **more):
        (package / "model.onnx").write_bytes(b"something else")
        shutil.rmtree(package / "golden")
        return plain(*args, **more)

    monkeypatch.setattr(runs, "jailed_model", swapped)
    assert replay(package, ReplayRequest()).passed


def test_a_runtime_that_does_not_start_is_unknown_and_the_other_one_goes_on(package, lab, monkeypatch):
    monkeypatch.setattr("mlsign.sandbox.preconditions.importlib.util.find_spec", lambda _: None)
    done = replay(package, BOTH, signer=lab.signer)
    first, last = done.runs.runs
    assert (first.passed, last.passed, done.passed) == (True, False, False)
    assert (last.version, last.layers) == ("", ())
    assert {found.problem.cause for found in last.sets} == {"sandbox.reference"}
    assert done.runs.agreement == ()
    assert [signed.runtime for signed in done.signed] == [RuntimeName.ONNXRUNTIME]
    text = render_replay_text(done, width=100, color=False)
    assert "reference was not started" in text
    assert "pip install" in text
    VALIDATOR.validate(json.loads(render_replay_json(done)))


def test_without_a_sandbox_nothing_is_run_and_what_ran_without_is_not_signed(package, lab, monkeypatch):
    monkeypatch.setattr("mlsign.sandbox.jail.can_confine", lambda: False)
    refused = replay(package, ReplayRequest(), signer=lab.signer)
    assert not refused.passed
    assert refused.signed == ()
    assert {found.problem.cause for found in refused.runs.runs[0].sets} == {"sandbox.unavailable"}
    waived = ReplayRequest(confinement=Confinement.WAIVED)
    assert "NOT AT ALL" in render_replay_text(replay(package, waived), width=100, color=False)
    before = sorted((package / "signatures").iterdir())
    with pytest.raises(InputError) as caught:
        replay(package, waived, signer=lab.signer)
    assert caught.value.code == "replay.unconfined"
    # Known before: nothing is run in vain.
    monkeypatch.setattr("mlsign.sandbox.preconditions.can_confine", lambda: False)
    monkeypatch.setattr(runs, "jailed_model", None)
    with pytest.raises(InputError) as caught:
        replay(package, waived, signer=lab.signer)
    assert (caught.value.code, caught.value.found) == ("replay.unconfined", "without any wall")
    assert sorted((package / "signatures").iterdir()) == before


def test_what_is_signed_is_the_run_and_nothing_of_the_package_changes(package, lab, keys, tmp_path):
    before = {path: path.read_bytes() for path in package.rglob("*") if path.is_file()}
    done = replay(package, BOTH, signer=lab.signer)
    assert [(s.runtime.value, s.passed) for s in done.signed] == [("onnxruntime", True), ("reference", True)]
    assert {path: path.read_bytes() for path in before} == before
    for signed, run in zip(done.signed, done.runs.runs, strict=True):
        bundle = decode_bundle((package / signed.bundle).read_bytes())
        said = decode_golden_run(bundle.envelope.unauthenticated_payload)
        assert (said.name, str(said.subject), said.passed) == (done.name, str(done.digest), True)
        assert (said.place.platform, said.place.runtime) == (HERE, run.runtime.value)
        assert (said.place.version, said.place.threads) == (run.version, run.threads)
        assert (said.place.wall, "seccomp" in said.place.layers) == ("process", True)
        assert [str(each.path) for each in said.sets] == ["golden/test_data_set_0"]
        assert [(each.outputs, each.compared) for each in said.sets] == [(1, 6)]
        assert [(each.name, each.sets, each.compared) for each in said.outputs] == [("y", 1, 6)]
    report, bad = judged(package, policy_of(tmp_path / "policy", keys, lab))
    assert not bad
    assert str(report.evidence.digest) == str(done.digest)
    assert [record.standing for record in report.evidence.golden_runs] == [Standing.GOLDEN_RUN] * 2
    shown = json.loads(render_report(report))
    REPORTS.validate(shown)
    assert {s["standing"] for s in shown["signatures"]} >= {"counted", "golden-run"}


def test_a_failed_run_is_signed_as_failed_and_counts_for_nothing(tmp_path, keys, lab):
    package = make_package(tmp_path, signers=[keys.release], scale=1.001)
    done = replay(package, ReplayRequest(), signer=lab.signer)
    assert not done.passed
    (signed,) = done.signed
    assert not signed.passed
    said = json.loads(decode_bundle((package / signed.bundle).read_bytes()).envelope.unauthenticated_payload)
    assert said["predicate"]["result"] == "FAILED"
    assert said["predicate"]["passedTests"] == []
    report, bad = judged(package, policy_of(tmp_path / "policy", keys, lab))
    assert bad == {"MLS407", "MLS221"}
    assert any("says that the run failed" in f.message for f in report.decision.findings)


def test_a_policy_takes_nobody_elses_run(package, tmp_path, keys, lab):
    loaded = policy_of(tmp_path / "policy", keys, lab)
    replay(package, ReplayRequest(), signer=keys.release.signer)  # who signs packages, and is not in run_by
    assert judged(package, loaded)[1] == {"MLS407", "MLS221"}
    replay(package, ReplayRequest(), signer=keys.outsider.signer)  # whom nobody named for anything
    assert judged(package, loaded)[1] == {"MLS407", "MLS221", "MLS204"}
    replay(package, ReplayRequest(), signer=lab.signer)
    assert not judged(package, loaded)[1]


def test_whoever_runs_packages_does_not_thereby_sign_them(package, tmp_path, keys, lab):
    loaded = policy_of(tmp_path / "policy", keys, lab)
    shutil.rmtree(package / "signatures")
    replay(package, ReplayRequest(), signer=lab.signer)
    assert "MLS205" in judged(package, loaded)[1]


def test_the_run_of_another_package_does_not_count_here(package, tmp_path, keys, lab):
    other = make_package(tmp_path / "other", signers=[keys.release], scale=1.0, description="another one")
    done = replay(other, ReplayRequest(), signer=lab.signer)
    shutil.copy(other / done.signed[0].bundle, package / done.signed[0].bundle)
    report, bad = judged(package, policy_of(tmp_path / "policy", keys, lab))
    assert bad == {"MLS407", "MLS221"}
    assert any("of another package" in f.message for f in report.decision.findings)


def forged(package, lab, change):
    """A run that the lab's own key signed, changed before that."""
    done = replay(package, ReplayRequest(), signer=lab.signer)
    file = package / done.signed[0].bundle
    document = json.loads(decode_bundle(file.read_bytes()).envelope.unauthenticated_payload)
    file.unlink()
    change(document["predicate"]["configuration"][0]["annotations"][ANNOTATION], document)
    put_signatures(package, json.dumps(document).encode(), [lab], keep=True)


def platform(text):
    def change(run, _):
        run["platform"] = text

    return change


def wider(run, _):
    run["sets"][0]["rtol"] = 0.5


def other_manifest(_, document):
    document["predicate"]["configuration"][0]["digest"]["sha256"] = "00" * 32


def contradicting(_, document):
    document["predicate"]["failedTests"] = ["golden/test_data_set_0"]


def warned(_, document):
    document["predicate"]["result"] = "WARNED"


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (platform("linux/s390x"), {"MLS407"}),
        (platform(HERE.replace("linux", "windows")), {"MLS407"}),
        (platform(HERE.upper()), {"MLS407", "MLS206"}),
        (platform(f"{HERE} "), {"MLS407", "MLS206"}),
        (wider, {"MLS407", "MLS221"}),
        (other_manifest, {"MLS407", "MLS221"}),
        (contradicting, {"MLS407", "MLS206"}),
        (warned, {"MLS407", "MLS206"}),
    ],
)
def test_what_the_right_person_signs_must_still_be_the_run_that_is_asked_for(package, tmp_path, keys, lab, change, codes):
    forged(package, lab, change)
    assert judged(package, policy_of(tmp_path / "policy", keys, lab))[1] == codes


def test_a_run_that_somebody_altered_is_told_and_counts_for_nothing(package, tmp_path, keys, lab):
    done = replay(package, ReplayRequest(), signer=lab.signer)
    file = package / done.signed[0].bundle
    file.write_bytes(file.read_bytes()[:-9])
    assert judged(package, policy_of(tmp_path / "policy", keys, lab))[1] == {"MLS407"}


def test_runs_that_lie_outside_the_package_count_where_they_are_given(package, tmp_path, keys, lab):
    done = replay(package, ReplayRequest(), signer=lab.signer)
    (package / done.signed[0].bundle).rename(tmp_path / "run.json")
    loaded = policy_of(tmp_path / "policy", keys, lab)
    assert judged(package, loaded)[1] == {"MLS407"}
    assert not judged(package, loaded, signatures=(tmp_path / "run.json",))[1]


def test_nothing_is_signed_of_a_package_that_changes_meanwhile_or_has_no_room(package, lab):
    before = sorted((package / "signatures").iterdir())
    meanwhile = Meanwhile(lab, lambda: (package / "late.txt").write_text("late"))
    with pytest.raises(InputError) as caught:
        replay(package, ReplayRequest(), signer=meanwhile)
    assert caught.value.code == "file.changed"
    (package / "late.txt").unlink()
    request = ReplayRequest(limits=replace(ReplayRequest().limits, max_bundles=1))
    with pytest.raises(InputError) as caught:
        replay(package, request, signer=lab.signer)
    assert caught.value.code == "package.bundles"
    assert sorted((package / "signatures").iterdir()) == before


def test_what_no_statement_can_list_is_not_run_for_one(package, lab, monkeypatch):
    monkeypatch.setattr(statement, "MAX_GOLDEN_RUN_BYTES", 100)
    assert replay(package, ReplayRequest()).passed
    before = sorted((package / "signatures").iterdir())
    monkeypatch.setattr(runs, "jailed_model", None)  # whoever calls it fails
    with pytest.raises(InputError) as caught:
        replay(package, ReplayRequest(), signer=lab.signer)
    assert (caught.value.code, "--attest" in caught.value.hint) == ("replay.sets", True)
    assert sorted((package / "signatures").iterdir()) == before


def test_a_signature_that_would_not_hold_is_not_written(package, lab, keys):
    class Confused:
        material, identity, trust = None, lab.signer.identity, lab.signer.trust

        def sign(self, payload):
            return keys.release.signer.sign(payload)

    before = sorted((package / "signatures").iterdir())
    with pytest.raises(TrustError):
        replay(package, ReplayRequest(), signer=Confused())
    assert sorted((package / "signatures").iterdir()) == before


def test_recorded_evidence_has_the_runs_and_their_errors(package, tmp_path, keys, lab):
    from mlsign.policy.recorded import decide_recorded, decode_recording, encode_recording, record

    loaded = policy_of(tmp_path / "policy", keys, lab, golden="replay: true, platforms: [%s], run_by: [{key: keys/lab.pub}]")
    replay(package, ReplayRequest(), signer=lab.signer)
    report, bad = judged(package, loaded)
    assert not bad
    data = encode_recording(record(loaded.policy, report.evidence, now=report.now))
    again = decode_recording(data, where="record")
    assert again.evidence == report.evidence
    assert again.evidence.replay[0].outputs[0].ulps is not None
    assert decide_recorded(loaded.policy, again, now=report.now).verdict is Verdict.ALLOW
    arm = replace(loaded.policy, golden=replace(loaded.policy.golden, platforms=("linux/riscv64",)))
    assert decide_recorded(arm, again, now=report.now).verdict is Verdict.DENY


def test_what_admits_for_scoring_asks_for_the_runs_as_well(package, tmp_path, keys, lab):
    policy = write_policy(
        tmp_path / "policy",
        {"release": (1, [keys.release.public])},
        rest=f"golden: {{platforms: [{HERE}], run_by: [{{key: keys/lab.pub}}]}}\n",
    )
    (policy.parent / "keys" / "lab.pub").write_bytes(lab.public)
    gate = mlsign.Gate.load(policy)
    with pytest.raises(Denied, match="MLS407"):
        gate.admit(package)
    replay(package, ReplayRequest(), signer=lab.signer)
    with gate.admit(package) as model, mlsign.Scorer(model) as scorer:
        assert np.allclose(scorer.run({"x": INPUT})["y"], ANSWER, rtol=1e-5)
