"""``mlsign verify --attest`` and ``--accept-vsa`` as a person meets them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from making import BIAS, INPUT, WEIGHTS

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "schemas" / "report.v1.schema.json").read_text())


@pytest.fixture
def there(run, tmp_path, package, keys):
    """A package that is signed, a gate with a key, and the policy of both."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "release.pub").write_bytes(keys.release.public)
    (tmp_path / "keys" / "gate.key").write_bytes(keys.outsider.private)
    (tmp_path / "keys" / "gate.key").chmod(0o600)
    (tmp_path / "keys" / "gate.pub").write_bytes(keys.outsider.public)
    text = (
        "apiVersion: mlsign/v1\nkind: Policy\nname: gated\n"
        "signers: [{name: release, require: 1, any: [{key: keys/release.pub}]}]\n"
        "operators: {allow: [inference-v1]}\n"
    )
    (tmp_path / "plain.yaml").write_text(text)
    (tmp_path / "policy.yaml").write_text(text + "vsa: {accept: [{key: keys/gate.pub}], max_age: 24h}\n")
    return package


VERIFY = ("verify", "fraud-1.2.0", "--policy", "policy.yaml")
ATTEST = (*VERIFY, "--attest", "--key", "keys/gate.key")
ACCEPT = (*VERIFY, "--accept-vsa", "keys/gate.pub")


def test_from_the_gate_to_a_node(run, there, tmp_path):
    done = run(*ATTEST, "--attest-output", "summary.json")
    assert done.code == 0
    assert "is allowed by the policy gated" in done.out
    assert done.err.splitlines()[0] == "verification summary summary.json"
    assert done.err.splitlines()[1].startswith("by EC P-256 key sha256:")
    shutil.rmtree(there / "signatures")
    assert run(*VERIFY, "--signature", "summary.json").code == 1
    done = run(*ACCEPT, "--signature", "summary.json")
    assert done.code == 0
    assert "Vouched by" in done.out
    assert "stands in for the signatures; every byte was hashed again" in done.out


def test_as_json(run, there):
    done = run(*ATTEST, "--format", "json")
    report = json.loads(done.out)
    Draft202012Validator(SCHEMA).validate(report)
    assert report["summary"] is None
    name = done.err.splitlines()[0].removeprefix("verification summary ")
    for file in (there / "signatures").iterdir():
        if f"signatures/{file.name}" != name:
            file.unlink()
    report = json.loads(run(*ACCEPT, "--format", "json").out)
    Draft202012Validator(SCHEMA).validate(report)
    assert (report["decision"], report["summary"], report["signers"]) == ("allow", name, [])
    (signature,) = report["signatures"]
    assert (signature["bundle"], signature["standing"]) == (name, "summary")
    assert [f["outcome"] for f in report["findings"] if f["code"] == "MLS220"] == ["pass"]


def test_a_denial_is_said_and_not_attested(run, there):
    before = sorted((there / "signatures").iterdir())
    (there / "MODEL_CARD.md").write_text("x")
    done = run(*ATTEST)
    assert done.code == 1
    assert done.err == "no verification summary was written: only what is allowed is attested\n"
    assert sorted((there / "signatures").iterdir()) == before


def test_an_output_that_is_there_stays(run, there, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = run(*ATTEST, "--attest-output", "mine.txt")
    assert done.code == 3
    assert "never overwrites" in done.err
    assert (tmp_path / "mine.txt").read_text() == "mine"


WRONG = {
    "nobody signs": (*VERIFY, "--attest"),
    "two sign": (*ATTEST, "--keyless"),
    "a key for nothing": (*VERIFY, "--key", "keys/gate.key"),
    "a place for nothing": (*VERIFY, "--attest-output", "x.json"),
    "keyless for nothing": (*VERIFY, "--keyless"),
    "a chain for nothing": (*VERIFY, "--chain", "x.pem"),
    "a password for nothing": (*VERIFY, "--password-file", "x"),
    "no browser for nothing": (*VERIFY, "--no-browser"),
    "a root for nothing": (*VERIFY, "--trust-name", "own"),
    "a token without keyless": (*ATTEST, "--identity-token", "x"),
    "both ways": (*ATTEST, "--accept-vsa", "keys/gate.pub"),
    "a policy that accepts none": ("verify", "fraud-1.2.0", "-p", "plain.yaml", "--accept-vsa", "keys/gate.pub"),
    "no name": (*VERIFY, "--accept-vsa"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_go_together_is_refused(run, there, name):
    before = sorted((there / "signatures").iterdir())
    done = run(*WRONG[name])
    assert done.code in (2, 3)
    assert done.out == ""
    assert done.err
    assert sorted((there / "signatures").iterdir()) == before


def test_quiet(run, there):
    done = run(*ATTEST, "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert len(list((there / "signatures").iterdir())) == 3


def test_what_is_scored_on_the_word_of_a_summary(run, there, tmp_path):
    np.save(tmp_path / "x.npy", INPUT)
    assert run(*ATTEST, "--attest-output", "summary.json").code == 0
    shutil.rmtree(there / "signatures")
    score = ("score", "fraud-1.2.0", "-p", "policy.yaml", "-i", "x.npy", "-o", "y.npz", "--signature", "summary.json")
    done = run(*score)
    assert done.code == 1
    assert not (tmp_path / "y.npz").exists()
    done = run(*score, "--accept-vsa", "keys/gate.pub")
    assert done.code == 0, done.err
    assert np.allclose(np.load(tmp_path / "y.npz")["y"], INPUT @ WEIGHTS + BIAS)


def test_what_is_attested_is_logged_before_it_is_signed(run, there, tmp_path):
    assert run(*ATTEST, "--attest-output", "summary.json", "--audit-log", "audit.log").code == 0
    (line,) = map(json.loads, (tmp_path / "audit.log").read_text().splitlines())
    assert line["event"]["kind"] == "decision"
    assert line["event"]["verdict"] == "allow"
    assert run(*ATTEST, "--attest-output", "other.json", "--audit-log", "missing/audit.log").code == 4
    assert not (tmp_path / "other.json").exists()
