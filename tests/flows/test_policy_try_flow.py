"""Policies tried on packages and on recorded evidence; and records where a package is asked for."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from making import canonical, make_key, make_package, write_policy

from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.policies.try_policy import try_policy
from mlsign.actions.verification.admit import Denied
from mlsign.actions.verification.gate import Gate
from mlsign.actions.verification.record_evidence import write_record
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.errors import InputError
from mlsign.policy.model import Verdict


@pytest.fixture(scope="module")
def pair():
    return make_key()


@pytest.fixture
def world(tmp_path, pair):
    make_package(tmp_path, signers=[pair])
    policy = write_policy(tmp_path, {"release": (1, [pair.public])})
    report = verify(tmp_path / "fraud-1.2.0", VerifyRequest(policy=load_policy(policy)))
    assert report.decision.verdict is Verdict.ALLOW
    write_record(report, tmp_path / "good.json")
    return tmp_path


def tried(world: Path, policy: Path, text: str):
    (world / "cases.yaml").write_text(text)
    return try_policy(load_policy(policy), world / "cases.yaml")


def test_packages_and_records_are_decided_alike(world, pair):
    policy = world / "policy.yaml"
    both = "- {name: package, package: fraud-1.2.0, expect: allow}\n- {name: record, evidence: good.json, expect: allow}\n"
    package, record = tried(world, policy, both)
    assert not package.differences
    assert not record.differences
    assert package.decision == record.decision
    narrow = write_policy(world, {"release": (1, [pair.public])}, name="narrow.yaml", allow='["ai.onnx:Add"]')
    wrong = both.replace("expect: allow", "expect: deny, findings: [MLS301], not_findings: [MLS201]")
    assert [r.differences for r in tried(world, narrow, wrong)] == [(), ()]
    for result in tried(world, narrow, both):
        assert "expected allow, decided deny: MLS301" in result.differences[0]
    missing = both.replace("expect: allow", "expect: deny, findings: [MLS302], not_findings: [MLS301]")
    for result in tried(world, narrow, missing):
        assert len(result.differences) == 2


def test_a_record_does_not_need_its_package(world):
    import shutil

    shutil.rmtree(world / "fraud-1.2.0")
    (result,) = tried(world, world / "policy.yaml", "- {name: record, evidence: good.json, expect: allow}\n")
    assert not result.differences
    with pytest.raises(InputError):
        tried(world, world / "policy.yaml", "- {name: package, package: fraud-1.2.0, expect: deny}\n")


def test_a_record_that_was_made_for_another_policy_is_unknown(world, pair):
    stricter = write_policy(
        world, {"release": (1, [pair.public])}, name="revoking.yaml", rest="revoked: [{name: other, reason: bad}]\n"
    )
    (result,) = tried(world, stricter, "- {name: record, evidence: good.json, expect: deny, findings: [MLS490]}\n")
    assert not result.differences


def test_trying_a_policy_remembers_nothing(world, pair, monkeypatch):
    monkeypatch.setenv("MLSIGN_STATE", str(world / "state"))
    policy = write_policy(world, {"release": (1, [pair.public])}, name="marks.yaml", rest="versions: {rollback: deny}\n")
    (result,) = tried(world, policy, "- {name: package, package: fraud-1.2.0, expect: allow}\n")
    assert not result.differences
    assert not (world / "state").exists()


def test_the_mode_changes_nothing_about_a_verdict(world, pair):
    policy = write_policy(world, {"release": (1, [make_key().public])}, name="audit.yaml", rest="mode: audit\n")
    (result,) = tried(world, policy, "- {name: package, package: fraud-1.2.0, expect: deny}\n")
    assert not result.differences


def test_a_record_is_never_overwritten(world):
    report = verify(world / "fraud-1.2.0", VerifyRequest(policy=load_policy(world / "policy.yaml")))
    with pytest.raises(InputError, match="already there"):
        write_record(report, world / "good.json")


@pytest.mark.parametrize("place", ["good.json", "folder", "folder/mlsign.json", "folder/model.onnx"])
def test_a_record_is_no_package(world, place):
    """Whatever it is called and wherever it lies, no gate takes what somebody wrote down for the thing itself."""
    path = world / place
    if place != "good.json":
        path = world / "folder"
        path.mkdir()
        name = place.partition("/")[2] or "evidence.json"
        (path / name).write_bytes((world / "good.json").read_bytes())
        (path / "signatures").mkdir()
        (path / "signatures" / "good.sigstore.json").write_bytes((world / "good.json").read_bytes())
    for manifest in ("required", "optional"):
        policy = world / f"{manifest}.yaml"
        text = (world / "policy.yaml").read_text().replace("manifest: required", f"manifest: {manifest}")
        policy.write_text(text + "model: {presence: optional}\n")
        gate = Gate.load(policy)
        assert gate.verify(path).decision.verdict is Verdict.DENY
        assert gate.verify(path, signatures=(world / "good.json",)).decision.verdict is Verdict.DENY
        with pytest.raises((Denied, InputError)):
            gate.admit(path)


def test_a_record_edited_by_hand_says_no_more_than_its_editor(world):
    tree = json.loads((world / "good.json").read_bytes())
    tree["evidence"]["signatures"] = []
    (world / "edited.json").write_bytes(canonical(tree))
    (result,) = tried(world, world / "policy.yaml", "- {name: edited, evidence: edited.json, expect: deny, findings: [MLS201]}\n")
    assert not result.differences
    (world / "edited.json").write_bytes(json.dumps(tree, indent=1).encode())
    with pytest.raises(InputError, match="canonical"):
        tried(world, world / "policy.yaml", "- {name: edited, evidence: edited.json, expect: deny}\n")
    assert replace(result, differences=()) == result
