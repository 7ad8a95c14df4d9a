"""What other versions of the OpenSSF tool signed, and the vectors of its specification, give the listed verdicts."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from making import write_policy

import mlsign
from mlsign.errors import InputError, TrustError
from mlsign.evidence.findings import Outcome
from mlsign.formats.bundle import decode_bundle
from mlsign.identity import Method
from mlsign.policy.model import Verdict
from mlsign.trust.authenticate import authenticate
from mlsign.trust.keys import decode_public_key
from mlsign.trust.root import TrustRoot

NOW = datetime(2026, 11, 1, tzinfo=UTC)

KEY_SIGNED = ("v0.3.1-elliptic-key", "v1.0.0-elliptic-key", "v1.0.1-elliptic-key", "v1.1.0-elliptic-key")
NOT_BY_KEY = (
    *("v0.3.1-certificate", "v1.0.0-certificate", "v1.0.1-certificate", "v1.1.0-certificate"),
    *("v0.3.1-sigstore", "v1.0.0-sigstore", "v1.0.1-sigstore", "v1.1.0-sigstore"),
)


@pytest.fixture(scope="session")
def public(vectors: Path) -> bytes:
    return (vectors / "oms-signed" / "keys" / "certificate" / "signing-key-pub.pem").read_bytes()


@pytest.fixture(scope="session")
def open_gate(vectors: Path, public: bytes, tmp_path_factory: pytest.TempPathFactory) -> mlsign.Gate:
    """No manifest, no model: signature and content are all there is to check."""
    rest = "model: {presence: optional}\nunsigned_files: [ignore-me]\n"
    groups = {"signer": (1, [public])}
    return mlsign.Gate.load(write_policy(tmp_path_factory.mktemp("oms"), groups, manifest="optional", rest=rest))


def codes(report: mlsign.Report) -> set[str]:
    return {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}


@pytest.mark.parametrize("name", KEY_SIGNED)
def test_what_they_signed_by_key_is_allowed(vectors, open_gate, tmp_path, name):
    folder = Path(shutil.copytree(vectors / "oms-signed" / name, tmp_path / name))
    report = open_gate.verify(folder, signatures=(folder / "model.sig",))
    assert report.decision.verdict is Verdict.ALLOW, codes(report)


@pytest.mark.parametrize("name", KEY_SIGNED)
def test_with_one_byte_changed_it_is_denied(vectors, open_gate, tmp_path, name):
    for file in sorted(p.name for p in (vectors / "oms-signed" / name).glob("signme-*")):
        folder = Path(shutil.copytree(vectors / "oms-signed" / name, tmp_path / file))
        data = (folder / file).read_bytes()
        (folder / file).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        report = open_gate.verify(folder, signatures=(folder / "model.sig",))
        assert report.decision.verdict is Verdict.DENY
        assert {"MLS101", "MLS205"} <= codes(report)


@pytest.mark.parametrize("name", KEY_SIGNED)
def test_with_a_file_added_it_is_denied(vectors, open_gate, tmp_path, name):
    folder = Path(shutil.copytree(vectors / "oms-signed" / name, tmp_path / name))
    (folder / "extra").write_text("x")
    assert {"MLS103", "MLS205"} <= codes(open_gate.verify(folder, signatures=(folder / "model.sig",)))


@pytest.mark.parametrize("name", NOT_BY_KEY)
def test_what_they_signed_in_other_ways_is_denied_as_not_verified(vectors, open_gate, tmp_path, name):
    folder = Path(shutil.copytree(vectors / "oms-signed" / name, tmp_path / name))
    report = open_gate.verify(folder, signatures=(folder / "model.sig",))
    assert report.decision.verdict is Verdict.DENY
    assert "MLS209" in codes(report)


def test_the_format_before_the_specification_is_refused(vectors, open_gate, tmp_path):
    folder = Path(shutil.copytree(vectors / "oms-signed" / "v0.2.0-certificate", tmp_path / "old"))
    report = open_gate.verify(folder, signatures=(folder / "model.sig",))
    assert report.decision.verdict is Verdict.DENY


@pytest.mark.parametrize(
    ("name", "method"),
    [("key", Method.KEY), ("certificate", Method.CERTIFICATE), ("sigstore", Method.KEYLESS)],
)
def test_valid_vectors_are_read(vectors, public, name, method):
    bundle = decode_bundle((vectors / "oms-spec" / "v1.0" / "valid" / f"{name}.bundle.json").read_bytes())
    assert bundle.method is method
    root = TrustRoot(keys=(decode_public_key(public),))
    if method is Method.KEY:
        assert authenticate(bundle, root=root, now=NOW).identity.unique == root.keys[0].identity.unique
    else:
        with pytest.raises(TrustError) as caught:
            authenticate(bundle, root=root, now=NOW)
        assert caught.value.code == "signature.method"


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


def test_a_genuine_signature_over_another_predicate_is_refused(vectors, public):
    bundle = decode_bundle((vectors / "oms-spec" / "v1.0" / "invalid-payload" / "wrong-predicate.bundle.json").read_bytes())
    with pytest.raises((InputError, TrustError)) as caught:
        authenticate(bundle, root=TrustRoot(keys=(decode_public_key(public),)), now=NOW)
    assert caught.value.code in {"statement.value", "signature.invalid"}
