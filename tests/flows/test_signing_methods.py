"""Every way to sign, as the command line puts it together: certificates, timestamps and hardware, and what expires."""

import json
import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from certificate_authority import issue, make_organisation, name_of
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fake_pki import wall_clock
from local_sigstore import LocalSigstore

from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.signing.load_signer import SignerRequest, open_signer
from mlsign.actions.signing.sign import sign
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.errors import InputError, OutsideError, TrustError
from mlsign.evidence.findings import Outcome
from mlsign.policy.model import Verdict

NOW = wall_clock()


@pytest.fixture
def package(package):
    """Nobody has signed it yet."""
    shutil.rmtree(package / "signatures")
    return package


def write(folder, organisation):
    """The files that a signer and a verifier have of an organisation's authority."""
    key = organisation.leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "leaf.key").write_bytes(key)
    for name in ("leaf", "middle", "root"):
        (folder / f"{name}.pem").write_bytes(getattr(organisation, name).certificate.public_bytes(Encoding.PEM))


def request(folder, **more):
    return SignerRequest(
        key=folder / "leaf.key", certificate=folder / "leaf.pem", chain=(folder / "middle.pem", folder / "root.pem"), **more
    )


def policy(folder, sigstore, rest=""):
    (folder / "trusted_root.json").write_text(json.dumps(sigstore.trusted_root()))
    (folder / "policy.yaml").write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: organisation\nsigners:\n  - name: release\n    require: 1\n    any:\n"
        "      - certificate: {roots: [root.pem], name: 'email:release@acme.example'}\n"
        f"operators: {{allow: [inference-v1]}}\ntrust: {{root: trusted_root.json}}\n{rest}"
    )
    return load_policy(folder / "policy.yaml")


def judged(package, loaded, now):
    report = verify(package, VerifyRequest(policy=loaded, now=now))
    bad = {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}
    assert (report.decision.verdict is Verdict.ALLOW) == (not bad)
    return bad


def test_a_certificate_is_good_while_it_lasts_and_for_ever_with_a_timestamp(package, sigstore, tmp_path):
    organisation = make_organisation(since=NOW - timedelta(days=10), until=NOW + timedelta(days=10))
    write(tmp_path, organisation)
    loaded = policy(tmp_path, sigstore)
    later = NOW + timedelta(days=400)
    with open_signer(request(tmp_path)) as signer:
        sign(package, signer)
    assert not judged(package, loaded, NOW)
    assert judged(package, loaded, later) == {"MLS205", "MLS212"}
    with open_signer(request(tmp_path, timestamp_url=sigstore.timestamps.url)) as signer:
        sign(package, signer)
    assert not judged(package, loaded, later)


def test_an_expired_certificate_signs_nothing(package, sigstore, tmp_path):
    organisation = make_organisation(since=NOW - timedelta(days=20), until=NOW - timedelta(days=10))
    write(tmp_path, organisation)
    with pytest.raises(TrustError):
        with open_signer(request(tmp_path)) as signer:
            sign(package, signer)
    assert not (package / "signatures").exists()


def test_the_key_of_another_certificate_is_refused(tmp_path):
    organisation = make_organisation()
    write(tmp_path, organisation)
    other = issue(name_of("other", organization="Acme"), organisation.middle)
    (tmp_path / "leaf.pem").write_bytes(other.certificate.public_bytes(Encoding.PEM))
    with pytest.raises((InputError, TrustError)):
        with open_signer(request(tmp_path)):
            pass


def test_a_timestamp_service_that_fails_leaves_nothing(package, tmp_path, keys):
    (tmp_path / "release.key").write_bytes(keys.release.private)
    with LocalSigstore() as own:
        own.break_service("tsa")
        ask = SignerRequest(key=tmp_path / "release.key", timestamp_url=own.timestamps.url)
        with pytest.raises(OutsideError), open_signer(ask) as signer:
            sign(package, signer)
        assert not (package / "signatures").exists()
        own.repair_service("tsa")
        with open_signer(ask) as signer:
            first = sign(package, signer)
            # A time is worth saying again, a bare signature is not.
            assert sign(package, signer).bundle != first.bundle


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"key": Path("a"), "pkcs11": "pkcs11:token=a"},
        {"key": Path("a"), "chain": (Path("b"),)},
        {"key": Path("a"), "pin_file": Path("b")},
        {"key": Path("a"), "module": Path("b")},
    ],
)
def test_who_signs_is_said_once(more):
    with pytest.raises(InputError) as caught, open_signer(SignerRequest(**more)):
        pass
    assert caught.value.code == "usage.signer"


@pytest.mark.parametrize(
    ("signer", "words"),
    [
        (
            "certificate: {roots: [nope.pem], name: 'email:a@b.example'}",
            "the certificate nope.pem that the policy q.yaml names is missing",
        ),
        ("key: nope.pub", "the key nope.pub that the policy q.yaml names is missing"),
        ("key: folder", "the key folder that the policy q.yaml names is no regular file, expected a key file"),
    ],
)
def test_a_file_that_the_policy_names_and_that_is_none(tmp_path, signer, words):
    (tmp_path / "folder").mkdir()
    (tmp_path / "q.yaml").write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: t\noperators: {allow: [inference-v1]}\n"
        f"signers: [{{name: release, require: 1, any: [{{{signer}}}]}}]\n"
    )
    with pytest.raises(InputError) as caught:
        load_policy(tmp_path / "q.yaml")
    assert (caught.value.message, bool(caught.value.hint)) == (words, True)


@pytest.fixture
def token(tmp_path):
    """A token in software with one key, and the environment in which commands find it."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    module = next((p for p in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so") if Path(p).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm2 is not installed")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    environment = os.environ | {"SOFTHSM2_CONF": str(tmp_path / "softhsm2.conf"), "MLSIGN_PKCS11_MODULE": module}
    organisation = make_organisation()
    write(tmp_path, organisation)
    label = ["--token", "bank", "--label", "release", "--id", "a1", "--pin", "1234"]
    init = ["softhsm2-util", "--init-token", "--free", "--label", "bank", "--pin", "1234", "--so-pin", "5678"]
    for command in (init, ["softhsm2-util", "--import", str(tmp_path / "leaf.key"), *label]):
        subprocess.run(command, env=environment, check=True, capture_output=True)
    (tmp_path / "pin").write_text("1234\n")
    return environment


def test_a_key_in_hardware_by_itself_with_a_certificate_and_its_public_half(command, token, package, sigstore, tmp_path):
    def run(*arguments, code=0, env=None):
        done = subprocess.run([*command, *arguments], env=env or token, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done

    uri = "pkcs11:token=bank;object=release"
    run("keygen", "-o", "bank", "--pkcs11", uri, "--pin-file", "pin")
    assert (tmp_path / "bank.pub").read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----\n")
    run("sign", str(package), "--pkcs11", uri, env=token | {"MLSIGN_PKCS11_PIN": "1234"})
    (tmp_path / "key.yaml").write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: bank\nsigners: [{name: r, require: 1, any: [{key: bank.pub}]}]\n"
        "operators: {allow: [inference-v1]}\n"
    )
    run("verify", str(package), "-p", "key.yaml")
    chain = ["--certificate", "leaf.pem", "--chain", "middle.pem", "--chain", "root.pem"]
    run("sign", str(package), "--pkcs11", uri, "--pin-file", "pin", *chain, "--timestamp-url", sigstore.timestamps.url)
    policy(tmp_path, sigstore)
    done = run("verify", str(package), "-p", "policy.yaml")
    assert "CN=" in done.stdout
    assert " by timestamp" in done.stdout
    wrong = run("sign", str(package), "--pkcs11", uri, code=3, env=token | {"MLSIGN_PKCS11_PIN": "4321"})
    assert "PIN" in wrong.stderr
    assert "1234" not in wrong.stderr + wrong.stdout
    refused = run("sign", str(package), "--pkcs11", f"{uri}?pin-value=1234", code=3)
    assert "1234" not in refused.stderr
    run("sign", str(package), "--pkcs11", uri, code=2)
