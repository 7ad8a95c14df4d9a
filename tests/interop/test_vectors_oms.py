"""What the releases of the OpenSSF tool signed in each way, and the vectors of its specification, give the listed verdicts.

Nothing here asks the network: the trust root that vouches for the keyless ones is among the vectors.
"""

import base64
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from making import make_key

import mlsign
from mlsign.errors import InputError, TrustError
from mlsign.evidence.findings import Outcome
from mlsign.formats.bundle import decode_bundle
from mlsign.formats.trusted_root import decode_trusted_root
from mlsign.identity import Method
from mlsign.policy.model import Verdict
from mlsign.trust.authenticate import authenticate
from mlsign.trust.certificates import decode_certificates
from mlsign.trust.keys import decode_public_key
from mlsign.trust.root import CertificateTrust, TrustRoot

NOW = datetime(2026, 11, 1, tzinfo=UTC)

SIGNERS = {
    "elliptic-key": "key: signing-key-pub.pem",
    # The certificate that signed is called like the one that issued it.
    "certificate": "certificate: {roots: [ca-cert.pem], subject: CN=intermediate-ca}",
    "sigstore": "keyless: {issuer: https://sigstore.verify.ibm.com/oauth2, subject: stefanb@us.ibm.com}",
}
STRANGERS = {
    "elliptic-key": "key: stranger.pem",
    "certificate": "certificate: {roots: [ca-cert.pem], subject: CN=root-ca}",
    "sigstore": "keyless: {issuer: https://sigstore.verify.ibm.com/oauth2, subject: somebody@us.ibm.com}",
}
RELEASES = ("v0.3.1", "v1.0.0", "v1.0.1", "v1.1.0")
OLD = "v0.2.0-certificate"
SIGNED = (OLD, *(f"{release}-{how}" for release in RELEASES for how in SIGNERS))


def how(name: str) -> str:
    return name.partition("-")[2]


@pytest.fixture(scope="session")
def public(vectors: Path) -> bytes:
    return (vectors / "oms-signed" / "keys" / "certificate" / "signing-key-pub.pem").read_bytes()


@pytest.fixture(scope="session")
def material(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for policies: the key, the root certificate and the trust root beside them."""
    folder = tmp_path_factory.mktemp("oms")
    for name in ("signing-key-pub.pem", "ca-cert.pem"):
        shutil.copyfile(vectors / "oms-signed" / "keys" / "certificate" / name, folder / name)
    shutil.copyfile(vectors / "prod_trusted_root.json", folder / "root.json")
    (folder / "stranger.pem").write_bytes(make_key().public)
    return folder


def gate_for(material: Path, name: str, *, formats: str = "[oms-1.0, oms-0.2]", signers: dict[str, str] = SIGNERS) -> mlsign.Gate:
    """No manifest, no model: signature and content are all there is to check."""
    path = material / "policy.yaml"
    path.write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: oms\nmanifest: optional\n"
        f"signers: [{{name: signer, require: 1, any: [{{{signers[how(name)]}}}]}}]\n"
        "operators: {allow: [inference-v1]}\nmodel: {presence: optional}\nunsigned_files: [ignore-me]\n"
        f"formats: {formats if name == OLD else '[oms-1.0]'}\n"
        + ("trust: {root: root.json}\n" if how(name) == "sigstore" else "")
    )
    return mlsign.Gate.load(path)


@pytest.fixture(params=SIGNED)
def sample(request: pytest.FixtureRequest, vectors: Path, tmp_path: Path) -> Path:
    """A copy of what one release signed."""
    source = vectors / "oms-signed" / request.param
    folder = tmp_path / request.param
    folder.mkdir()
    for path in source.iterdir():
        shutil.copyfile(path, folder / path.name)
    return folder


def verified(gate: mlsign.Gate, folder: Path) -> tuple[mlsign.Report, set[str]]:
    report = gate.verify(folder, signatures=(folder / "model.sig",), now=NOW)
    bad = {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}
    assert (report.decision.verdict is Verdict.ALLOW) == (not bad)
    return report, bad


def test_no_release_and_no_way_of_signing_is_left_out(vectors):
    assert {path.name for path in (vectors / "oms-signed").iterdir()} - {"keys"} == set(SIGNED)
    assert len(SIGNED) == 13


def test_what_they_signed_is_allowed(material, sample):
    report, bad = verified(gate_for(material, sample.name), sample)
    assert not bad
    (record,) = report.evidence.signatures
    assert (
        record.method
        is {"elliptic-key": Method.KEY, "certificate": Method.CERTIFICATE, "sigstore": Method.KEYLESS}[how(sample.name)]
    )
    assert report.evidence.unverified == (("ignore-me",) if (sample / "ignore-me").exists() else ())


def test_somebody_else_did_not_sign_it(material, sample):
    _, bad = verified(gate_for(material, sample.name, signers=STRANGERS), sample)
    assert "MLS205" in bad


def test_with_one_byte_of_a_file_changed_it_is_denied(material, sample):
    gate = gate_for(material, sample.name)
    files = sorted(sample.glob("signme-*"))
    assert files
    for file in files:
        data = file.read_bytes()
        for at in range(len(data)):
            file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            assert {"MLS101", "MLS205"} <= verified(gate, sample)[1]
        file.write_bytes(data[:-1])
        assert {"MLS101", "MLS205"} <= verified(gate, sample)[1]
        file.write_bytes(data)
    assert not verified(gate, sample)[1]


def test_with_one_byte_of_the_signature_or_the_statement_changed_it_is_denied(material, sample):
    gate = gate_for(material, sample.name)
    bundle = json.loads((sample / "model.sig").read_bytes())
    envelope = bundle["dsseEnvelope"]
    for holder, name in ((envelope["signatures"][0], "sig"), (envelope, "payload")):
        good = holder[name]
        data = base64.b64decode(good)
        for at in sorted({0, 1, len(data) // 3, len(data) // 2, len(data) - 2, len(data) - 1}):
            holder[name] = base64.b64encode(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]).decode()
            (sample / "model.sig").write_text(json.dumps(bundle))
            report, bad = verified(gate, sample)
            assert "MLS205" in bad
            # A keyless signature is held against the log first, which has another one.
            assert bad & {"MLS203", "MLS213"}, (name, at, report.evidence.signatures)
        holder[name] = good
    (sample / "model.sig").write_text(json.dumps(bundle))
    assert not verified(gate, sample)[1]


def test_with_a_file_added_or_gone_it_is_denied(material, sample):
    gate = gate_for(material, sample.name)
    (sample / "extra").write_text("x")
    assert {"MLS103", "MLS205"} <= verified(gate, sample)[1]
    (sample / "extra").unlink()
    assert not verified(gate, sample)[1]
    (sample / "signme-1").rename(sample / "signme-9")
    # A statement over a folder of one file does not say what the file is called.
    one = json.loads(base64.b64decode(json.loads((sample / "model.sig").read_bytes())["dsseEnvelope"]["payload"]))
    if [resource["name"] for resource in one["predicate"].get("resources", ())] != ["."]:
        assert {"MLS102", "MLS103", "MLS205"} <= verified(gate, sample)[1]


@pytest.mark.parametrize("sample", [n for n in SIGNED if n.endswith("certificate")], indirect=True)
def test_a_certificate_is_good_for_its_time_only(material, sample):
    gate = gate_for(material, sample.name)
    report = gate.verify(sample, signatures=(sample / "model.sig",), now=datetime(2036, 1, 1, tzinfo=UTC))
    assert report.decision.verdict is Verdict.DENY


@pytest.mark.parametrize("sample", [OLD], indirect=True)
def test_the_format_before_the_specification_is_refused_unless_it_is_asked_for(material, sample):
    _, bad = verified(gate_for(material, OLD, formats="[oms-1.0, oms-1.0-shards]"), sample)
    assert {"MLS203", "MLS205"} <= bad


# The vectors of the specification


@pytest.fixture(scope="session")
def everybody(vectors: Path, public: bytes) -> TrustRoot:
    anchor = (vectors / "oms-signed" / "keys" / "certificate" / "ca-cert.pem").read_bytes()
    return TrustRoot(
        keys=(decode_public_key(public),),
        authorities=(CertificateTrust(anchors=decode_certificates(anchor, where="ca-cert.pem")),),
        sigstore=decode_trusted_root((vectors / "prod_trusted_root.json").read_bytes()),
    )


@pytest.mark.parametrize(
    ("name", "method", "who"),
    [
        ("key", Method.KEY, "EC P-384"),
        ("certificate", Method.CERTIFICATE, "CN=intermediate-ca"),
        ("sigstore", Method.KEYLESS, "stefanb@us.ibm.com"),
    ],
)
def test_valid_vectors_are_authentic(vectors, everybody, name, method, who):
    bundle = decode_bundle((vectors / "oms-spec" / "v1.0" / "valid" / f"{name}.bundle.json").read_bytes())
    assert bundle.method is method
    assert who in authenticate(bundle, root=everybody, now=NOW).identity.describe().values()
    with pytest.raises(TrustError) as caught:
        authenticate(bundle, root=TrustRoot(keys=()), now=NOW)
    assert caught.value.code in {"signature.unknown_key", "signature.method", "certificate.authority"}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("empty", "json.syntax"),
        ("missing-envelope", "bundle.missing"),
        ("missing-tlog-entries", "bundle.tlog"),
        ("missing-verification-material", "bundle.missing"),
    ],
)
def test_invalid_vectors_are_refused(vectors, name, code):
    with pytest.raises(InputError) as caught:
        decode_bundle((vectors / "oms-spec" / "v1.0" / "invalid" / f"{name}.bundle.json").read_bytes())
    assert caught.value.code == code


def test_a_genuine_signature_over_another_predicate_is_refused(vectors, everybody):
    bundle = decode_bundle((vectors / "oms-spec" / "v1.0" / "invalid-payload" / "wrong-predicate.bundle.json").read_bytes())
    with pytest.raises((InputError, TrustError)) as caught:
        authenticate(bundle, root=everybody, now=NOW)
    assert caught.value.code in {"statement.value", "signature.invalid"}
