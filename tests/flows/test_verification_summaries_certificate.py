"""Verification summaries by the holder of a certificate, and what a summary is bound to of what files hold."""

from dataclasses import replace
from datetime import timedelta

import pytest
from certificate_authority import make_organisation
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fake_pki import wall_clock

from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.signing.load_signer import SignerRequest, open_signer
from mlsign.actions.verification.attest_verdict import attest_verdict
from mlsign.actions.verification.summaries import trusted_digest
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.evidence.findings import Outcome
from mlsign.policy.model import Verdict
from mlsign.roots.embedded import find_embedded

NOW = wall_clock()
NAME = "email:release@acme.example"


@pytest.fixture
def folder(tmp_path, keys):
    """The gate's certificate and key, and the policy of everybody."""
    organisation = make_organisation(since=NOW - timedelta(days=10), until=NOW + timedelta(days=1))
    key = organisation.leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "leaf.key").write_bytes(key)
    for name in ("leaf", "middle", "root"):
        (tmp_path / f"{name}.pem").write_bytes(getattr(organisation, name).certificate.public_bytes(Encoding.PEM))
    (tmp_path / "release.pub").write_bytes(keys.release.public)
    (tmp_path / "policy.yaml").write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: organisation\n"
        "signers: [{name: release, require: 1, any: [{key: release.pub}]}]\n"
        "operators: {allow: [inference-v1]}\ntrust: {root: trusted_root.json}\n"
        f"vsa: {{accept: [{{certificate: {{roots: [root.pem], name: '{NAME}'}}}}], max_age: 7d}}\n"
    )
    return tmp_path


@pytest.fixture
def loaded(folder):
    (folder / "trusted_root.json").write_bytes(find_embedded("public-good").read("trusted_root.json"))
    return load_policy(folder / "policy.yaml")


def test_by_certificate_and_only_while_it_lasts(package, folder, loaded):
    request = SignerRequest(
        key=folder / "leaf.key", certificate=folder / "leaf.pem", chain=(folder / "middle.pem", folder / "root.pem")
    )
    with open_signer(request) as signer:
        made = attest_verdict(package, VerifyRequest(policy=loaded, now=NOW), signer)
    for file in (package / "signatures").iterdir():
        if f"signatures/{file.name}" != made.bundle:
            file.unlink()

    def judged(now, *names):
        report = verify(package, VerifyRequest(policy=loaded, now=now, accept=names))
        return report.decision.verdict, {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}

    assert judged(NOW, NAME) == (Verdict.ALLOW, set())
    assert judged(NOW, made.identity.unique) == (Verdict.ALLOW, set())
    assert judged(NOW, "release@acme.example")[0] is Verdict.DENY
    verdict, bad = judged(NOW + timedelta(days=2), NAME)
    assert verdict is Verdict.DENY
    assert bad >= {"MLS205", "MLS212", "MLS220"}


def test_what_a_summary_is_bound_to(loaded):
    (authority,) = loaded.root.authorities
    before = trusted_digest(loaded)
    assert trusted_digest(loaded) == before
    others = {
        "a key less": replace(loaded.root, keys=()),
        "another root": replace(loaded.root, authorities=(replace(authority, anchors=(b"other",)),)),
        "another intermediate": replace(loaded.root, authorities=(replace(authority, intermediates=(b"other",)),)),
        "another revocation list": replace(loaded.root, authorities=(replace(authority, revocations=(b"other",)),)),
        "no authority": replace(loaded.root, authorities=()),
    }
    digests = {trusted_digest(replace(loaded, root=root)) for root in others.values()}
    digests.add(trusted_digest(replace(loaded, trust=None)))
    assert len(digests) == len(others) + 1
    assert before not in digests
