"""Signatures in the other formats of the OpenSSF tool: shards and BLAKE2b as it makes them, and what its version 0.2.0 made."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from making import Pair, make_key, make_package, write_model, write_policy

import mlsign
from mlsign.evidence.findings import Outcome
from mlsign.formats.bundle import decode_bundle
from mlsign.formats.statement import ShardedResource, StatementFormat
from mlsign.policy.model import Verdict
from mlsign.trust.authenticate import authenticate
from mlsign.trust.root import TrustRoot

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SHARDS = "formats: [oms-1.0, oms-1.0-shards]\n"
SIGN = """
import sys
from model_signing import hashing, signing
folder, signature, key, method, algorithm, shard_size = sys.argv[1:]
config = hashing.Config()
if method == "shards":
    config.use_shard_serialization(hashing_algorithm=algorithm, shard_size=int(shard_size))
else:
    config.use_file_serialization(hashing_algorithm=algorithm)
config.set_ignored_paths(paths=[signature, "signatures"])
signing.Config().set_hashing_config(config).use_elliptic_key_signer(private_key=key).sign(folder, signature)
"""


@pytest.fixture(scope="module")
def pair() -> Pair:
    return make_key()


def sign_there(folder: Path, signature: Path, pair: Pair, *, method: str, algorithm: str = "sha256", shard_size: int = 0) -> Path:
    pytest.importorskip("model_signing", reason="the OpenSSF tool is not installed (pip install model-signing pyopenssl)")
    key = signature.parent / f"{folder.name}.key"
    key.write_bytes(pair.private)
    argv = [folder, signature, key, method, algorithm, shard_size]
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SIGN, *map(str, argv)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return signature


def write_folder(folder: Path) -> Path:
    """A model of about 400 bytes, its weights, a text, and a file that is a whole number of shards."""
    write_model(folder / "net.onnx", external="net.onnx.data")
    (folder / "README.md").write_text("hello")
    (folder / "sub").mkdir()
    (folder / "sub" / "table.bin").write_bytes(bytes(range(200)))
    return folder


def gate_of(folder: Path, pair: Pair, *, rest: str = "", **how: str) -> mlsign.Gate:
    return mlsign.Gate.load(write_policy(folder, {"release": (1, [pair.public])}, rest=rest, **how))


def codes(report: mlsign.Report) -> set[str]:
    return {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}


def denied(gate: mlsign.Gate, folder: Path, signatures: Iterable[Path], *expected: str) -> mlsign.Report:
    report = gate.verify(folder, signatures=tuple(signatures))
    assert report.decision.verdict is Verdict.DENY
    assert set(expected) <= codes(report), codes(report)
    with pytest.raises(mlsign.Denied):
        gate.admit(folder, signatures=tuple(signatures))
    return report


@pytest.fixture(scope="module", params=["sha256", "blake2"])
def sharded(request, tmp_path_factory, pair) -> tuple[Path, Path, str]:
    """A folder that they signed in shards of 100 bytes, the signature, and the digests that a policy must accept."""
    top = tmp_path_factory.mktemp("sharded")
    folder = write_folder(top / "folder")
    signature = sign_there(folder, top / "their.sig", pair, method="shards", algorithm=request.param, shard_size=100)
    return folder, signature, {"sha256": "[sha256]", "blake2": "[blake2b]"}[request.param]


@pytest.fixture
def shard_gate(tmp_path, pair, sharded) -> mlsign.Gate:
    return gate_of(tmp_path / "policy", pair, manifest="optional", digests=sharded[2], rest=SHARDS)


def test_shards_are_allowed_where_the_policy_says_so(tmp_path, pair, sharded, shard_gate):
    folder, signature, digests = sharded
    report = shard_gate.verify(folder, signatures=(signature,))
    assert report.decision.verdict is Verdict.ALLOW, codes(report)
    (record,) = report.evidence.signatures
    assert {a.value for a in record.algorithms} == {digests.strip("[]")}
    with shard_gate.admit(folder, signatures=(signature,)) as model:
        assert bytes(model.model.view) == (folder / "net.onnx").read_bytes()
        assert [bytes(m.view) for m in model.weights.values()] == [(folder / "net.onnx.data").read_bytes()]
    only_shards = gate_of(tmp_path / "q", pair, manifest="optional", digests=digests, rest="formats: [oms-1.0-shards]\n")
    assert only_shards.verify(folder, signatures=(signature,)).decision.verdict is Verdict.ALLOW


def test_and_nowhere_else(tmp_path, pair, sharded):
    folder, signature, digests = sharded
    for number, rest in enumerate(("", "formats: [oms-1.0]\n", "formats: [oms-1.0, oms-0.2]\n")):
        gate = gate_of(tmp_path / str(number), pair, manifest="optional", digests=digests, rest=rest)
        report = denied(gate, folder, (signature,), "MLS211", "MLS205")
        (reason,) = report.evidence.signatures[0].reasons
        assert (reason.code, reason.found) == ("MLS211", "oms-1.0-shards")
        assert "formats" in reason.hint


def test_shards_by_an_algorithm_that_the_policy_does_not_list_are_refused(tmp_path, pair, sharded):
    folder, signature, digests = sharded
    other = "[blake3]" if digests == "[sha256]" else "[sha256, blake3]"
    gate = gate_of(tmp_path, pair, manifest="optional", digests=other, rest=SHARDS)
    denied(gate, folder, (signature,), "MLS112", "MLS205")


@pytest.mark.parametrize("name", ["net.onnx", "net.onnx.data", "README.md", "sub/table.bin"])
def test_a_byte_changed_in_any_shard_is_denied(tmp_path, sharded, shard_gate, name):
    folder, signature, _ = sharded
    data = (folder / name).read_bytes()
    for at in sorted({0, len(data) - 1, *range(50, len(data), 100)}):
        copy = Path(shutil.copytree(folder, tmp_path / f"copy-{at}"))
        (copy / name).write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        report = shard_gate.verify(copy, signatures=(signature,))
        assert report.decision.verdict is Verdict.DENY
        assert {"MLS101", "MLS205", "MLS210"} <= codes(report)
        (finding,) = (f for f in report.decision.findings if f.code == "MLS101")
        start = at - at % 100
        end = min(start + 100, len(data))
        assert finding.where == name
        if len(data) > 100:
            assert finding.expected.endswith(f"for bytes {start} to {end}")


CHANGES = {
    "truncated": lambda data: data[:-1],
    "truncated by a shard": lambda data: data[:-100],
    "emptied": lambda _: b"",
    "a byte appended": lambda data: data + b"\0",
    "a shard appended": lambda data: data + bytes(100),
    "the file twice": lambda data: data + data,
    "shards swapped": lambda data: data[100:200] + data[:100] + data[200:],
    "rotated": lambda data: data[1:] + data[:1],
}


@pytest.mark.parametrize("change", CHANGES)
def test_files_of_another_size_or_order_are_denied(tmp_path, sharded, shard_gate, change):
    folder, signature, _ = sharded
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    data = (copy / "sub" / "table.bin").read_bytes()
    (copy / "sub" / "table.bin").write_bytes(CHANGES[change](data))
    denied(shard_gate, copy, (signature,), "MLS101", "MLS205")


def test_files_that_are_gone_more_or_named_otherwise_are_denied(tmp_path, sharded, shard_gate):
    folder, signature, _ = sharded
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "README.md").rename(copy / "readme.md")
    denied(shard_gate, copy, (signature,), "MLS102", "MLS103", "MLS205")


def test_an_empty_file_is_in_no_shard_and_so_is_not_signed(tmp_path, pair):
    """The signer passes over it without a word."""
    folder = write_folder(tmp_path / "folder")
    (folder / "__init__.py").touch()
    signature = sign_there(folder, tmp_path / "their.sig", pair, method="shards", shard_size=100)
    denied(gate_of(tmp_path / "p", pair, manifest="optional", rest=SHARDS), folder, (signature,), "MLS103")
    rest = SHARDS + "unsigned_files: [__init__.py]\n"
    report = gate_of(tmp_path / "q", pair, manifest="optional", rest=rest).verify(folder, signatures=(signature,))
    assert report.decision.verdict is Verdict.ALLOW
    assert report.evidence.unverified == ("__init__.py",)


def test_shards_as_large_as_they_are_by_default(tmp_path, pair):
    folder = write_folder(tmp_path / "folder")
    signature = sign_there(folder, tmp_path / "their.sig", pair, method="shards", shard_size=1_000_000_000)
    gate = gate_of(tmp_path / "p", pair, manifest="optional", rest=SHARDS)
    assert gate.verify(folder, signatures=(signature,)).decision.verdict is Verdict.ALLOW
    statement = authenticate(
        decode_bundle(signature.read_bytes()),
        root=TrustRoot(keys=(pair.signer.public,)),
        now=NOW,
        formats=frozenset(StatementFormat),
    ).statement
    assert all(isinstance(r, ShardedResource) and len(r.digests) == 1 for r in statement.resources)
    (folder / "README.md").write_text("hullo")
    denied(gate, folder, (signature,), "MLS101")


def test_a_model_that_is_one_file(tmp_path, pair):
    folder = tmp_path / "folder"
    folder.mkdir()
    write_model(folder / "net.onnx")
    signature = sign_there(folder / "net.onnx", tmp_path / "their.sig", pair, method="shards", shard_size=100)
    gate = gate_of(tmp_path / "p", pair, manifest="optional", rest=SHARDS)
    assert gate.verify(folder, signatures=(signature,)).decision.verdict is Verdict.ALLOW
    (folder / "net.onnx").rename(folder / "other.onnx")
    denied(gate, folder, (signature,), "MLS102", "MLS103")


def test_a_package_of_ours_that_they_signed_in_shards(tmp_path, pair):
    package = make_package(tmp_path)
    signature = sign_there(package, tmp_path / "their.sig", pair, method="shards", shard_size=64)
    gate = gate_of(tmp_path / "p", pair, rest=SHARDS)
    report = gate.verify(package, signatures=(signature,))
    assert report.decision.verdict is Verdict.ALLOW, codes(report)
    with gate.admit(package, signatures=(signature,)) as model:
        assert bytes(model.model.view) == (package / "model.onnx").read_bytes()
    # It has the name that it has under any other signature, which a signature in shards does not change.
    mlsign.sign(package, make_key().signer)
    assert gate.verify(package, signatures=(signature,)).evidence.digest == report.evidence.digest
    for path in sorted(p for p in package.rglob("*") if p.is_file() and "signatures" not in p.parts):
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        denied(gate, package, (signature,), "MLS205")
        path.write_bytes(data)


def test_the_name_of_a_folder_in_shards_is_over_its_files(tmp_path, pair, sharded):
    """A policy that revokes it finds it again under any other signature, cut in any other way."""
    folder, signature, _ = sharded
    files = sign_there(folder, tmp_path / "files.sig", pair, method="files")
    gate = gate_of(tmp_path / "p", pair, manifest="optional", digests="[sha256, blake2b]", rest=SHARDS)
    by_shards = gate.verify(folder, signatures=(signature,)).evidence.digest
    assert by_shards == gate.verify(folder, signatures=(files,)).evidence.digest
    revoked = f"revoked: [{{digest: '{by_shards}', reason: broken}}]\n"
    strict = gate_of(tmp_path / "q", pair, manifest="optional", digests="[sha256, blake2b]", rest=SHARDS + revoked)
    other = sign_there(folder, tmp_path / "other.sig", pair, method="shards", shard_size=33)
    for one in (signature, files, other):
        denied(strict, folder, (one,), "MLS401")
    claimed = decode_bundle(other.read_bytes())
    statement = authenticate(
        claimed, root=TrustRoot(keys=(pair.signer.public,)), now=NOW, formats=frozenset(StatementFormat)
    ).statement
    revoked = f"revoked: [{{digest: '{statement.subject_digest}', reason: broken}}]\n"
    by_subject = gate_of(tmp_path / "r", pair, manifest="optional", digests="[sha256, blake2b]", rest=SHARDS + revoked)
    denied(by_subject, folder, (other,), "MLS401")


def test_two_ways_of_cutting_beside_each_other(tmp_path, pair):
    folder = write_folder(tmp_path / "folder")
    other = make_key()
    one = sign_there(folder, tmp_path / "one.sig", pair, method="shards", shard_size=7)
    two = sign_there(folder, tmp_path / "two.sig", other, method="shards", algorithm="blake2", shard_size=64)
    groups = {"both": (2, [pair.public, other.public])}
    path = write_policy(tmp_path / "p", groups, manifest="optional", digests="[sha256, blake2b]", rest=SHARDS)
    gate = mlsign.Gate.load(path)
    assert gate.verify(folder, signatures=(one, two)).decision.verdict is Verdict.ALLOW
    denied(gate, folder, (one,), "MLS205")
    (folder / "README.md").write_text("hello, world")
    denied(gate, folder, (one, two), "MLS101", "MLS205")


def test_files_by_blake2b(tmp_path, pair):
    folder = write_folder(tmp_path / "folder")
    signature = sign_there(folder, tmp_path / "their.sig", pair, method="files", algorithm="blake2")
    gate = gate_of(tmp_path / "p", pair, manifest="optional", digests="[blake2b]")
    report = gate.verify(folder, signatures=(signature,))
    assert report.decision.verdict is Verdict.ALLOW, codes(report)
    assert {a.value for r in report.evidence.signatures for a in r.algorithms} == {"blake2b"}
    denied(gate_of(tmp_path / "q", pair, manifest="optional"), folder, (signature,), "MLS112", "MLS205")
    for name in ("net.onnx", "net.onnx.data", "README.md", "sub/table.bin"):
        copy = Path(shutil.copytree(folder, tmp_path / f"copy-{Path(name).name}"))
        data = (copy / name).read_bytes()
        (copy / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        denied(gate, copy, (signature,), "MLS101", "MLS205")


# --- what version 0.2.0 signed

ANCHOR = "keys/certificate/ca-cert.pem"
CERTIFICATE = """\
apiVersion: mlsign/v1
kind: Policy
name: tests
manifest: optional
signers:
  - name: signer
    require: 1
    any:
      - certificate: {{roots: [ca-cert.pem], subject: CN=intermediate-ca}}
operators:
  allow: [inference-v1]
model: {{presence: optional}}
{formats}
"""


@pytest.fixture
def old(vectors, tmp_path) -> Path:
    return Path(shutil.copytree(vectors / "oms-signed" / "v0.2.0-certificate", tmp_path / "old", copy_function=shutil.copyfile))


def certificate_policy(vectors: Path, folder: Path, formats: str) -> mlsign.Gate:
    folder.mkdir()
    shutil.copyfile(vectors / "oms-signed" / ANCHOR, folder / "ca-cert.pem")
    (folder / "policy.yaml").write_text(CERTIFICATE.format(formats=formats))
    return mlsign.Gate.load(folder / "policy.yaml")


def test_the_old_sample_is_allowed_where_the_policy_says_so(vectors, tmp_path, old):
    gate = certificate_policy(vectors, tmp_path / "p", "formats: [oms-0.2]")
    report = gate.verify(old, signatures=(old / "model.sig",))
    assert report.decision.verdict is Verdict.ALLOW, codes(report)


def test_the_old_sample_is_denied_elsewhere(vectors, tmp_path, old):
    for number, formats in enumerate(("", "formats: [oms-1.0, oms-1.0-shards]")):
        gate = certificate_policy(vectors, tmp_path / str(number), formats)
        report = gate.verify(old, signatures=(old / "model.sig",))
        assert report.decision.verdict is Verdict.DENY
        assert {"MLS203", "MLS205"} <= codes(report)
        assert "oms-0.2" in report.evidence.signatures[0].reasons[0].hint


def test_the_old_sample_with_one_byte_changed_is_denied(vectors, tmp_path, old):
    gate = certificate_policy(vectors, tmp_path / "p", "formats: [oms-1.0, oms-0.2]")
    for name in ("signme-1", "signme-2"):
        data = (old / name).read_bytes()
        (old / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert {"MLS101", "MLS205"} <= codes(gate.verify(old, signatures=(old / "model.sig",)))
        (old / name).write_bytes(data)
    (old / "extra").write_text("x")
    assert {"MLS103", "MLS205"} <= codes(gate.verify(old, signatures=(old / "model.sig",)))
    (old / "extra").unlink()
    assert gate.verify(old, signatures=(old / "model.sig",)).decision.verdict is Verdict.ALLOW
    (old / "signme-1").unlink()
    assert {"MLS102", "MLS205"} <= codes(gate.verify(old, signatures=(old / "model.sig",)))


def test_the_old_sample_with_another_statement_is_denied(vectors, tmp_path, old):
    import base64
    import json

    gate = certificate_policy(vectors, tmp_path / "p", "formats: [oms-1.0, oms-0.2]")
    bundle = json.loads((old / "model.sig").read_bytes())
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    for changed in (payload + b" ", payload.replace(b"signme-1", b"signme-3"), payload.replace(b"Unused", b"unused")):
        bundle["dsseEnvelope"]["payload"] = base64.b64encode(changed).decode()
        (old / "model.sig").write_text(json.dumps(bundle))
        assert {"MLS203", "MLS205"} <= codes(gate.verify(old, signatures=(old / "model.sig",)))


def test_the_old_sample_is_authentic_in_its_own_format_only(vectors, tmp_path):
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from mlsign.errors import TrustError
    from mlsign.trust.root import CertificateTrust

    anchor = x509.load_pem_x509_certificate((vectors / "oms-signed" / ANCHOR).read_bytes()).public_bytes(Encoding.DER)
    root = TrustRoot(keys=(), authorities=(CertificateTrust(anchors=(anchor,)),))
    bundle = decode_bundle((vectors / "oms-signed" / "v0.2.0-certificate" / "model.sig").read_bytes())
    found = authenticate(bundle, root=root, now=NOW, formats=frozenset({StatementFormat.OMS_0_2}))
    assert [str(r.path) for r in found.statement.resources] == ["signme-1", "signme-2"]
    with pytest.raises(TrustError) as caught:
        authenticate(bundle, root=root, now=NOW, formats=frozenset(StatementFormat) - {StatementFormat.OMS_0_2})
    assert caught.value.code == "signature.invalid"
    longer = replace(bundle.envelope, unauthenticated_payload=found.payload + b"\n")
    with pytest.raises(TrustError) as caught:
        authenticate(replace(bundle, envelope=longer), root=root, now=NOW, formats=frozenset(StatementFormat))
    assert caught.value.code == "signature.invalid"
