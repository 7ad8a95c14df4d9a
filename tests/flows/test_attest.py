"""Provenance statements on real packages: signed with ``attest``, counted where a policy asks, harmless everywhere else."""

import json
import shutil
from pathlib import Path

import pytest
from judging import judged
from making import Meanwhile, canonical, make_key, put_signatures, write_policy

from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.signing.attest import attest
from mlsign.actions.signing.sign import RefusedToSign, sign
from mlsign.errors import InputError, TrustError
from mlsign.evidence.record import Standing
from mlsign.report.as_json import render_report

CORPUS = Path(__file__).resolve().parents[2] / "fuzz" / "corpora" / "provenance"
PREDICATE = json.loads((CORPUS / "github.json").read_bytes())["predicate"]
ASKED = """provenance:
  required: true
  attested:
    signed_by: [{key: keys/builder.pub}]
    builders: [{pattern: "https://github.com/acme/fraud/.github/workflows/release.yml@refs/tags/*"}]
    build_types: ["https://actions.github.io/buildtypes/workflow/v1"]
    sources: [{uri: "https://github.com/acme/fraud", ref: {pattern: "refs/tags/*"}, commit: required}]
    parameters:
      workflow.repository: "https://github.com/acme/fraud"
      workflow.path: .github/workflows/release.yml
      workflow.ref: {pattern: "refs/tags/*"}
"""


@pytest.fixture(scope="module")
def builder():
    return make_key()


@pytest.fixture
def predicate(tmp_path):
    path = tmp_path / "slsa.json"
    path.write_text(json.dumps(PREDICATE))
    return path


@pytest.fixture
def loaded(tmp_path, keys, builder):
    policy = write_policy(tmp_path / "policy", {"release": (1, [keys.release.public])}, rest=ASKED)
    (policy.parent / "keys" / "builder.pub").write_bytes(builder.public)
    return load_policy(policy)


def test_it_counts_where_it_is_asked_for(package, loaded, builder, predicate):
    assert judged(package, loaded)[1] == {"MLS404"}
    made = attest(package, builder.signer, provenance=predicate)
    report, bad = judged(package, loaded)
    assert not bad
    assert made.digest == str(report.evidence.digest)
    (record,) = report.evidence.provenance
    assert (record.bundle, record.standing) == (made.bundle, Standing.PROVENANCE)
    shown = json.loads(render_report(report))
    assert {s["bundle"]: s["standing"] for s in shown["signatures"]}[made.bundle] == "provenance"


def test_given_by_hand_it_counts_as_well(package, loaded, builder, predicate, tmp_path):
    made = attest(package, builder.signer, provenance=predicate)
    elsewhere = tmp_path / "p.json"
    (package / made.bundle).rename(elsewhere)
    assert judged(package, loaded)[1] == {"MLS404"}
    assert not judged(package, loaded, signatures=(elsewhere,))[1]


def test_it_is_no_signature_and_the_release_key_attests_nothing(package, loaded, builder, predicate, keys):
    shutil.rmtree(package / "signatures")
    attest(package, builder.signer, provenance=predicate)
    assert "MLS205" in judged(package, loaded)[1]
    sign(package, keys.release.signer)
    shutil.rmtree(package / "signatures")
    sign(package, keys.release.signer)
    attest(package, keys.release.signer, provenance=predicate)
    assert judged(package, loaded)[1] == {"MLS404", "MLS219"}


def test_the_statement_of_another_package_does_not_count(package, good_package, loaded, builder, predicate, tmp_path, keys):
    from making import make_package

    other = make_package(tmp_path / "other", signers=[keys.release], scale=3.0)
    made = attest(other, builder.signer, provenance=predicate)
    shutil.copy(other / made.bundle, package / made.bundle)
    report, bad = judged(package, loaded)
    assert bad == {"MLS404", "MLS219"}
    assert any("about other content" in f.message for f in report.decision.findings)
    attest(package, builder.signer, provenance=predicate)
    assert not judged(package, loaded)[1]


@pytest.mark.parametrize("fault", ["stranger", "forged", "broken", "branch"])
def test_one_that_is_wrong_is_told_and_harms_nothing(package, loaded, builder, predicate, keys, policy_file, fault):
    if fault == "branch":
        predicate.write_text(json.dumps(PREDICATE).replace("refs/tags/v1", "refs/heads/main"))
    made = attest(package, keys.outsider.signer if fault == "stranger" else builder.signer, provenance=predicate)
    file = package / made.bundle
    if fault == "forged":
        bundle = json.loads(file.read_bytes())
        payload = __import__("base64").b64decode(bundle["dsseEnvelope"]["payload"]).replace(b"refs/tags/v1", b"refs/tags/v2")
        bundle["dsseEnvelope"]["payload"] = __import__("base64").b64encode(payload).decode()
        file.write_text(json.dumps(bundle))
    if fault == "broken":
        file.write_bytes(file.read_bytes()[:-9])
    wanted = {"stranger": {"MLS204"}, "forged": {"MLS203"}, "broken": set(), "branch": set()}[fault]
    assert judged(package, loaded)[1] == {"MLS404"} | wanted
    assert not judged(package, load_policy(policy_file))[1]


def test_a_good_signature_over_a_bad_predicate_is_told(package, loaded, builder):
    statement = json.loads((CORPUS / "other_spelling.json").read_bytes())
    put_signatures(package, canonical(statement), [builder], keep=True)
    assert judged(package, loaded)[1] == {"MLS404", "MLS206"}


def test_a_package_that_changed_is_not_attested(package, builder, predicate):
    (package / "docs" / "MODEL_CARD.md").write_text("other") if (package / "docs").is_dir() else None
    (package / "model.onnx").write_bytes(b"other")
    with pytest.raises(RefusedToSign):
        attest(package, builder.signer, provenance=predicate)


def test_what_changes_meanwhile_or_cannot_be_read_is_not_written(package, builder, predicate):
    before = sorted((package / "signatures").iterdir())
    meanwhile = Meanwhile(builder, lambda: (package / "late.txt").write_text("late"))
    with pytest.raises(InputError) as caught:
        attest(package, meanwhile, provenance=predicate)
    assert caught.value.code == "file.changed"
    (package / "late.txt").unlink()
    for text, code in (("{", "json.syntax"), ("{}", "slsa.missing"), ((CORPUS / "github.json").read_text(), "slsa.predicate")):
        predicate.write_text(text)
        with pytest.raises(InputError) as caught:
            attest(package, builder.signer, provenance=predicate)
        assert caught.value.code == code
        assert "slsa.json" in caught.value.where
    predicate.unlink()
    with pytest.raises(InputError) as caught:
        attest(package, builder.signer, provenance=predicate)
    assert caught.value.code == "provenance.missing"
    assert sorted((package / "signatures").iterdir()) == before


def test_a_signer_whose_own_signature_does_not_hold_writes_nothing(package, builder, predicate, keys):
    liar = Meanwhile(builder, lambda: None)
    liar.trust = keys.outsider.signer.trust
    with pytest.raises(TrustError):
        attest(package, liar, provenance=predicate)


def test_claims_of_the_packer_are_asked_for_apart(package, tmp_path, keys):
    def codes(rest):
        policy = write_policy(tmp_path / "claims", {"release": (1, [keys.release.public])}, rest=rest)
        return judged(package, load_policy(policy))[1]

    good = "{builders: ['https://example.com/builders/1'], sources: [{pattern: 'https://example.com/acme/*'}], "
    assert not codes(f"provenance: {{claimed: {good}commit: required, time: required, training_data: digests}}}}\n")
    assert codes("provenance: {claimed: {sources: ['https://example.com/evil/x']}}\n") == {"MLS404"}
    assert not codes("provenance: {required: true}\n")


def test_the_command_adds_a_statement_and_says_what_it_says(package, loaded, builder, predicate, tmp_path):
    from typer.testing import CliRunner

    from mlsign.cli.main import app

    (tmp_path / "builder.key").write_bytes(builder.private)
    (tmp_path / "builder.key").chmod(0o600)
    line = ["attest", str(package), "--provenance", str(predicate)]
    done = CliRunner().invoke(app, [*line, "--key", str(tmp_path / "builder.key")])
    assert done.exit_code == 0
    assert "signatures/sha256-" in done.output
    assert not judged(package, loaded)[1]
    assert CliRunner().invoke(app, [*line, "--identity-token", "x"]).exit_code == 2
