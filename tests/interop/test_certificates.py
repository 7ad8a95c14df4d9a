"""Signatures by certificate in both directions with the OpenSSF reference tool, and those that its releases have made."""

import subprocess
import sys
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certificate_authority import make_organisation
from local_sigstore import LocalSigstore
from making import make_key, make_package, write_model

from mlsign.actions.signing.load_certificate import load_certificate_signer
from mlsign.actions.signing.sign import sign
from mlsign.errors import MlsignError, TrustError
from mlsign.formats.bundle import decode_bundle, encode_bundle
from mlsign.signers.timestamp import TimestampingSigner
from mlsign.trust.authenticate import authenticate
from mlsign.trust.certificates import decode_certificates
from mlsign.trust.root import CertificateTrust, TrustRoot

NOW = datetime.now(UTC).replace(microsecond=0)
SIGNED = ("v0.3.1-certificate", "v1.0.0-certificate", "v1.0.1-certificate", "v1.1.0-certificate")


def run(*argv: object) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("model_signing", reason="the OpenSSF tool is not installed (pip install model-signing pyopenssl)")
    tool = [sys.executable, "-W", "ignore", "-m", "model_signing"]
    return subprocess.run([*tool, *map(str, argv)], capture_output=True, text=True)


@pytest.fixture
def organisation(tmp_path):
    found = make_organisation(since=NOW - timedelta(days=1), until=NOW + timedelta(days=1))
    folder = tmp_path / "pki"
    folder.mkdir()
    for name, certified in (("root", found.root), ("middle", found.middle), ("leaf", found.leaf)):
        (folder / f"{name}.pem").write_bytes(certified.pem)
    (folder / "leaf.key").write_bytes(found.leaf.private_pem)
    return found


@pytest.mark.parametrize("above", [("middle",), ("middle", "root")], ids=["without the root", "with the root"])
def test_they_accept_what_we_signed(tmp_path, organisation, above):
    pki = tmp_path / "pki"
    chain = tuple(pki / f"{name}.pem" for name in above)
    signer = load_certificate_signer(organisation.leaf.signer, certificate=pki / "leaf.pem", chain=chain)
    package = make_package(tmp_path)
    signature = package / "signatures" / sign(package, signer).bundle.rpartition("/")[2]
    argv = ("verify", "certificate", package, "--signature", signature)
    argv = (*argv, "--certificate_chain", pki / "root.pem", "--ignore-paths", package / "signatures")
    done = run(*argv)
    assert done.returncode == 0, done.stdout + done.stderr
    (package / "MODEL_CARD.md").write_text("changed")
    assert run(*argv).returncode != 0


def test_they_accept_what_has_a_timestamp(tmp_path, organisation, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    pair, pki = make_key(), tmp_path / "pki"
    (pki / "k.pub").write_bytes(pair.public)
    for method, inner, options in (
        ("key", pair.signer, ("--public_key", pki / "k.pub")),
        ("certificate", organisation.signer(now=NOW), ("--certificate_chain", pki / "root.pem")),
    ):
        package = make_package(tmp_path / method)
        with LocalSigstore() as sigstore:
            bundle = sign(package, TimestampingSigner(inner, sigstore.timestamps.url)).bundle
        signature = package / "signatures" / bundle.rpartition("/")[2]
        assert decode_bundle(signature.read_bytes()).material.timestamps
        done = run("verify", method, package, "--signature", signature, "--ignore-paths", package / "signatures", *options)
        assert done.returncode == 0, done.stdout + done.stderr


def test_we_accept_what_they_signed(tmp_path, organisation):
    pki, folder = tmp_path / "pki", tmp_path / "folder"
    write_model(folder / "net.onnx")
    signature = tmp_path / "model.sig"
    argv = ("sign", "certificate", folder, "--signature", signature, "--private_key", pki / "leaf.key")
    argv = (*argv, "--signing_certificate", pki / "leaf.pem")
    done = run(*argv, "--certificate_chain", pki / "middle.pem", "--certificate_chain", pki / "root.pem")
    assert done.returncode == 0, done.stdout + done.stderr
    bundle = decode_bundle(signature.read_bytes())
    authentic = authenticate(bundle, root=TrustRoot(keys=(), authorities=(organisation.trust,)), now=NOW)
    assert authentic.identity.unique == organisation.signer(now=NOW).identity.unique
    assert [str(resource.path) for resource in authentic.statement.resources] == ["net.onnx"]
    with pytest.raises(TrustError) as caught:
        # They would take it: to them a certificate is good when it was good on its first day.
        authenticate(bundle, root=TrustRoot(keys=(), authorities=(organisation.trust,)), now=NOW + timedelta(days=2))
    assert caught.value.code == "certificate.time"
    stranger = make_organisation(since=NOW - timedelta(days=1), until=NOW + timedelta(days=1))
    with pytest.raises(TrustError) as caught:
        authenticate(bundle, root=TrustRoot(keys=(), authorities=(stranger.trust,)), now=NOW)
    assert caught.value.code == "certificate.chain"


# What their releases signed


@pytest.fixture(scope="session")
def their_root(vectors: Path) -> TrustRoot:
    pem = (vectors / "oms-signed" / "keys" / "certificate" / "ca-cert.pem").read_bytes()
    return TrustRoot(keys=(), authorities=(CertificateTrust(anchors=decode_certificates(pem, where="ca-cert.pem")),))


def test_no_release_is_left_out(vectors):
    # The format of 0.2 is of before the specification.
    found = {path.name for path in (vectors / "oms-signed").glob("*-certificate")} - {"v0.2.0-certificate"}
    assert found == set(SIGNED)


@pytest.mark.parametrize("name", SIGNED)
def test_what_their_releases_signed_is_authentic(vectors, their_root, name):
    folder = vectors / "oms-signed" / name
    bundle = decode_bundle((folder / "model.sig").read_bytes())
    authentic = authenticate(bundle, root=their_root, now=datetime(2026, 11, 1, tzinfo=UTC))
    assert authentic.identity.unique == "certificate:CN=intermediate-ca by CN=intermediate-ca"
    assert {str(resource.path) for resource in authentic.statement.resources} >= {"signme-1", "signme-2"}
    with pytest.raises(TrustError):
        authenticate(bundle, root=their_root, now=datetime(2036, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("name", SIGNED)
def test_with_one_byte_changed_it_is_not(vectors, their_root, name):
    bundle = decode_bundle((vectors / "oms-signed" / name / "model.sig").read_bytes())
    now = datetime(2026, 11, 1, tzinfo=UTC)
    text = encode_bundle(bundle)
    for part in (
        bundle.envelope.unauthenticated_payload,
        bundle.envelope.signature,
        *bundle.material.certificates[:2],
    ):
        for position in (0, len(part) // 3, len(part) // 2, len(part) - 1):
            changed = part[:position] + bytes([part[position] ^ 1]) + part[position + 1 :]
            assert text.count(b64encode(part)) == 1
            with pytest.raises(MlsignError):
                authenticate(decode_bundle(text.replace(b64encode(part), b64encode(changed))), root=their_root, now=now)
