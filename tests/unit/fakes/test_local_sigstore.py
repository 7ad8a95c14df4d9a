"""The Python client signs with the local Sigstore and verifies what it got; and what happens when services fail."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import local_sigstore
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fake_http import ask
from local_sigstore import LocalSigstore

pytest.importorskip("sigstore.sign", reason="the Python client of Sigstore is not installed")

from requests.exceptions import RequestException
from sigstore import dsse
from sigstore._internal.fulcio.client import FulcioClientError
from sigstore._internal.rekor import RekorClientError
from sigstore.errors import VerificationError
from sigstore.models import ClientTrustConfig, TrustedRoot
from sigstore.oidc import IdentityToken
from sigstore.sign import SigningContext
from sigstore.verify import Verifier, policy

WORKFLOW = "https://github.com/acme/fraud/.github/workflows/release.yml@refs/tags/v1.2.0"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


def statement():
    subject = dsse.Subject(name="model", digest={"sha256": "00" * 32})
    builder = dsse.StatementBuilder().subjects([subject]).predicate_type("https://model_signing/signature/v1.0")
    return builder.predicate({}).build()


@pytest.mark.parametrize(("rekor", "timestamps"), [(1, False), (1, True), (2, True)])
@pytest.mark.parametrize("kind", ["person", "workflow"])
def test_sign_and_verify(sigstore, rekor, timestamps, kind, config, sign):
    token = sigstore.oidc.email_token("a@b.example") if kind == "person" else sigstore.oidc.workflow_token()
    identity = "a@b.example" if kind == "person" else WORKFLOW
    wanted = policy.Identity(identity=identity, issuer=sigstore.issuer)
    options = {"rekor": rekor, "timestamps": timestamps}
    verifier = Verifier(trusted_root=config(sigstore).trusted_root)
    bundle = sign(sigstore, token, what=statement(), **options)
    assert verifier.verify_dsse(bundle, wanted)[0] == PAYLOAD_TYPE
    artifact = sign(sigstore, token, **options)
    verifier.verify_artifact(b"hello", artifact, wanted)
    stamps = artifact.verification_material.timestamp_verification_data
    assert len(stamps.rfc3161_timestamps if stamps else ()) == timestamps
    with pytest.raises(VerificationError, match=r"(?i)signature|digest"):
        verifier.verify_artifact(b"hullo", artifact, wanted)
    with pytest.raises(VerificationError, match="SAN"):
        verifier.verify_dsse(bundle, policy.Identity(identity="x" + identity, issuer=sigstore.issuer))


@pytest.mark.parametrize("rekor", [1, 2])
def test_the_twin_has_the_same_names_and_is_not_trusted(sigstore, rekor, config, sign):
    with sigstore.twin() as twin:
        bundle = sign(twin, twin.oidc.email_token(), rekor=rekor)
        wanted = policy.Identity(identity="dev@example.com", issuer=sigstore.issuer)
        Verifier(trusted_root=config(twin).trusted_root).verify_artifact(b"hello", bundle, wanted)
        with pytest.raises(VerificationError, match=r"chain|verified time"):
            Verifier(trusted_root=config(sigstore).trusted_root).verify_artifact(b"hello", bundle, wanted)
        with pytest.raises(FulcioClientError):
            sign(sigstore, twin.oidc.email_token())


def test_extensions_of_a_workflow(sigstore, sign):
    certificate = sign(sigstore, sigstore.oidc.workflow_token()).signing_certificate
    raw = {
        e.oid.dotted_string.rpartition(".")[2]: e.value.value for e in certificate.extensions if "57264" in e.oid.dotted_string
    }
    assert sorted(map(int, raw)) == [1, 2, 3, 4, 5, 6, *range(8, 23)]
    assert raw["1"] == sigstore.issuer.encode()
    assert raw["5"] == b"acme/fraud"
    assert raw["8"] == b"\x0c" + bytes([len(sigstore.issuer)]) + sigstore.issuer.encode()
    assert raw["14"] == b"\x0c\x10refs/tags/v1.2.0"
    assert raw["21"].endswith(b"https://github.com/acme/fraud/actions/runs/7001/attempts/1")
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc) == timedelta(minutes=10)


def test_one_service_may_have_another_time(own, config, sign):
    own.timestamps.now = lambda: datetime.now(UTC) + timedelta(hours=1)
    bundle = sign(own, own.oidc.email_token())
    with pytest.raises(VerificationError, match=r"(?i)valid|expired|chain"):
        Verifier(trusted_root=config(own).trusted_root).verify_artifact(
            b"hello", bundle, policy.Identity(identity="dev@example.com")
        )


def test_everything_may_have_another_time(certify):
    then = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
    with LocalSigstore(now=lambda: then) as past:
        key = ec.generate_private_key(ec.SECP256R1())
        status, body = certify(past, past.oidc.email_token(), key=key)
        assert (status, past.fulcio.issued[0].not_valid_before_utc) == (201, then), body
        past.shift(timedelta(0))
        assert certify(past, past.oidc.expired_token(), key=key)[0] == 400


@pytest.mark.parametrize("how", ["unavailable", "drop", "garbage"])
@pytest.mark.parametrize("service", ["fulcio", "rekor"])
def test_a_broken_service_fails_until_repaired(own, service, how, sign):
    own.break_service(service, how)
    with pytest.raises((FulcioClientError, RekorClientError, RequestException)):
        sign(own, own.oidc.email_token())
    own.repair_service(service)
    assert sign(own, own.oidc.email_token())
    assert own.requests == {
        "oidc": 0,
        "fulcio": 2,
        "rekor": 2 if service == "rekor" else 1,
        "tsa": 2 if service == "rekor" else 1,
    }


def test_a_service_may_fail_a_number_of_times(own):
    own.break_service("oidc", times=2)
    url = f"{own.url}/keys"
    assert [ask(url)[0] for _ in range(3)] == [503, 503, 200]
    with pytest.raises(ValueError, match="no such service"):
        own.break_service("nothing")


def test_a_hanging_service_does_not_outlive_its_server():
    with LocalSigstore() as service:
        service.break_service("tsa", "hang")
        with pytest.raises(TimeoutError):
            ask(service.timestamps.url, b"", timeout=0.1)
        start = time.monotonic()
    assert time.monotonic() - start < 30  # it would hang for ever


def test_nothing_else_is_there(sigstore):
    assert ask(f"{sigstore.url}/nothing")[0] == 404
    assert ask(f"{sigstore.url}/keys", {})[0] == 404


@pytest.mark.parametrize(("options", "identity"), [([], "dev@example.com"), (["--workflow", "--rekor", "1"], WORKFLOW)])
def test_by_hand(tmp_path, options, identity):
    script = Path(local_sigstore.__file__)
    argv = [sys.executable, script, tmp_path / "try", *options]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as running:
        try:
            url = running.stdout.readline().split()[0]
            trust = ClientTrustConfig.from_json((tmp_path / "try" / "trust_config.json").read_text())
            token = IdentityToken((tmp_path / "try" / "identity_token").read_text())
            with SigningContext.from_trust_config(trust).signer(token) as signer:
                bundle = signer.sign_artifact(b"hello")
            root = TrustedRoot.from_file(str(tmp_path / "try" / "trusted_root.json"))
            Verifier(trusted_root=root).verify_artifact(b"hello", bundle, policy.Identity(identity=identity, issuer=url))
        finally:
            running.terminate()
        assert running.wait(10) == 0
