"""What a package shows of keyless signatures is shown as a claim and believed by nobody, and can be recorded."""

import json
import shutil
from pathlib import Path

import pytest
from making import make_key

from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.policies.start_policy import claimed_identities, start_policy
from mlsign.actions.signing.load_keyless import KeylessRequest, Login, load_keyless
from mlsign.actions.signing.sign import sign
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.cli.policy_questions import Answers, settled
from mlsign.errors import InputError
from mlsign.policy.model import Verdict
from mlsign.policy.recorded import decide_recorded, decode_recording, encode_recording, record

ALICE = "alice@acme.example"


@pytest.fixture(scope="module")
def signed(good_package, sigstore, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keyless")
    package = Path(shutil.copytree(good_package, folder / "fraud-1.2.0"))
    shutil.rmtree(package / "signatures")
    (folder / "config.json").write_text(json.dumps(sigstore.trust_config()))
    token = sigstore.oidc.email_token(ALICE)
    sign(package, load_keyless(KeylessRequest(token=token, config=folder / "config.json", login=Login.NEVER)))
    return package


def test_who_a_package_shows_is_only_told(signed, sigstore, capsys):
    (identity,) = claimed_identities(signed)
    assert (identity.subject, identity.issuer) == (ALICE, sigstore.issuer)
    request = settled(Answers(package=signed, key=None, issuer=None, subject=None, audit=False), name=None, output=None)
    told = capsys.readouterr().err
    assert ALICE in told
    assert "Nobody has checked that" in told
    # Told, and not taken: without a name from whoever asks there is no policy.
    assert (request.key, request.keyless) == (None, None)
    with pytest.raises(InputError) as caught:
        start_policy(request)
    assert caught.value.code == "usage.signer"


def test_signatures_by_key_and_junk_name_nobody(signed, tmp_path):
    package = Path(shutil.copytree(signed, tmp_path / "fraud-1.2.0"))
    for bundle in (package / "signatures").iterdir():
        bundle.write_bytes(bundle.read_bytes()[:-40])
    sign(package, make_key().signer)
    (package / "signatures" / "link.json").symlink_to("/dev/null")
    assert claimed_identities(package) == ()


def test_evidence_of_a_keyless_signature_is_recorded_with_its_times_and_its_trust_root(signed, sigstore, tmp_path):
    (tmp_path / "root.json").write_text(json.dumps(sigstore.trusted_root()))
    issuer = "{regex: '" + sigstore.issuer.replace(".", "[.]") + "'}"
    path = tmp_path / "policy.yaml"
    path.write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: keyless\n"
        f"signers: [{{name: release, require: 1, any: [{{keyless: {{issuer: {issuer}, subject: {ALICE}}}}}]}}]\n"
        "operators: {allow: [inference-v1]}\ntrust: {root: root.json}\ntransparency: {log: required}\nage: {max: 1h}\n"
    )
    loaded = load_policy(path)
    report = verify(signed, VerifyRequest(policy=loaded))
    assert report.decision.verdict is Verdict.ALLOW
    recording = record(report.policy, report.evidence, now=report.now)
    data = encode_recording(recording)
    assert decode_recording(data, where="record") == recording
    assert decide_recorded(loaded.policy, decode_recording(data, where="record"), now=report.now) == report.decision
