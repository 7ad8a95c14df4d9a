"""Verification summaries by an identity and not by a key: made with the local Sigstore, accepted by its logs and times."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.signing.load_keyless import KeylessRequest, Login, load_keyless
from mlsign.actions.signing.sign import sign
from mlsign.actions.verification.attest_verdict import attest_verdict
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.evidence.findings import Outcome
from mlsign.formats.bundle import decode_bundle
from mlsign.formats.verification_summary import decode_summary
from mlsign.policy.model import Verdict

GATE = "gate@acme.example"
BOB = "bob@acme.example"


def signer(sigstore, folder, subject, rekor=2):
    config = folder / f"config-{rekor}.json"
    config.write_text(json.dumps(sigstore.trust_config(rekor=rekor)))
    token = sigstore.oidc.email_token(subject)
    return load_keyless(KeylessRequest(token=token, config=config, login=Login.NEVER))


@pytest.fixture
def policy(sigstore, keys, tmp_path):
    return policy_in(tmp_path / "policy", sigstore, keys)


def policy_in(folder, sigstore, keys, rest="", root=None):
    folder.mkdir()
    (folder / "root.json").write_text(json.dumps(root or sigstore.trusted_root()))
    (folder / "release.pub").write_bytes(keys.release.public)
    issuer = "{regex: '" + sigstore.issuer.replace(".", "[.]") + "'}"
    (folder / "policy.yaml").write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: gated\n"
        "signers: [{name: release, require: 1, any: [{key: release.pub}]}]\n"
        "operators: {allow: [inference-v1]}\ntrust: {root: root.json}\n"
        f"vsa: {{accept: [{{keyless: {{issuer: {issuer}, subject: {GATE}}}}}], max_age: 1h}}\n{rest}"
    )
    return load_policy(folder / "policy.yaml")


def vouch(package, policy, by, now=None):
    made = attest_verdict(package, VerifyRequest(policy=policy, now=now), by)
    assert made.bundle is not None
    for file in (package / "signatures").iterdir():
        if f"signatures/{file.name}" != made.bundle:
            file.unlink()
    return package / made.bundle


def judged(package, policy, now=None, accept=(GATE,)):
    report = verify(package, VerifyRequest(policy=policy, now=now, accept=accept))
    bad = {f.code: f for f in report.decision.findings if f.outcome is not Outcome.PASS}
    assert (report.decision.verdict is Verdict.ALLOW) == (not bad)
    return report, bad


@pytest.mark.parametrize("rekor", [1, 2])
def test_a_keyless_summary_is_accepted_by_its_subject(package, policy, sigstore, tmp_path, rekor):
    assert policy.policy.needs_trust_root
    vouch(package, policy, signer(sigstore, tmp_path, GATE, rekor))
    report, bad = judged(package, policy)
    assert not bad
    assert report.decision.summary.identity.subject == GATE
    assert report.decision.summary.logged
    assert judged(package, policy, now=datetime.now(UTC) + timedelta(hours=2))[1].keys() >= {"MLS220"}


def test_what_is_asked_of_logs_and_times_is_met(package, sigstore, keys, tmp_path):
    asked = policy_in(tmp_path / "asked", sigstore, keys, rest="transparency: {log: optional, timestamp: either}\n")
    # signatures by key have no time, so nothing is allowed that could be attested
    assert attest_verdict(package, VerifyRequest(policy=asked), signer(sigstore, tmp_path, GATE)).bundle is None


def test_another_identity_of_the_same_issuer(package, policy, sigstore, tmp_path):
    vouch(package, policy, signer(sigstore, tmp_path, BOB))
    assert judged(package, policy)[1].keys() >= {"MLS205", "MLS220"}
    assert judged(package, policy, accept=(BOB,))[1].keys() >= {"MLS205", "MLS220"}


def test_the_same_name_vouched_for_by_another_sigstore(package, policy, sigstore, tmp_path):
    with sigstore.twin() as twin:
        vouch(package, policy, signer(twin, tmp_path, GATE))
    assert judged(package, policy)[1].keys() >= {"MLS205", "MLS220"}


def test_another_trust_root_under_the_same_name(package, policy, sigstore, keys, tmp_path):
    vouch(package, policy, signer(sigstore, tmp_path, GATE))
    root = sigstore.trusted_root()
    more = policy_in(tmp_path / "more", sigstore, keys, root=root | {"timestampAuthorities": []})
    assert more.policy.digest == policy.policy.digest
    assert judged(package, more)[1].keys() >= {"MLS205", "MLS220"}


def test_the_age_of_the_signatures_is_told_and_counted(package, sigstore, tmp_path, keys):
    """A release signed keyless, in a policy that lets signatures grow old: the summary does not keep them young."""
    folder = tmp_path / "aging"
    policy_in(folder, sigstore, keys)
    text = (folder / "policy.yaml").read_text()
    issuer = text.partition("issuer: ")[2].partition(",")[0]
    text = text.replace("{key: release.pub}", f"{{keyless: {{issuer: {issuer}, subject: {BOB}}}}}")
    (folder / "policy.yaml").write_text(text.replace("max_age: 1h", "max_age: 30d") + "age: {max: 2d}\n")
    aging = load_policy(folder / "policy.yaml")
    shutil.rmtree(package / "signatures")
    sign(package, signer(sigstore, tmp_path, BOB))
    file = vouch(package, aging, signer(sigstore, tmp_path, GATE))
    summary = decode_summary(decode_bundle(file.read_bytes()).envelope.unauthenticated_payload)
    assert abs(summary.judged.signed - summary.verified) < timedelta(minutes=5)
    assert not judged(package, aging)[1]
    late = judged(package, aging, now=datetime.now(UTC) + timedelta(days=3))[1]
    assert "the signatures behind it are" in late["MLS220"].message
