"""A classical and an ML-DSA signature over one package, and a policy that wants both."""

import json
import subprocess
from pathlib import Path

import pytest
from making import Pair, bundle_of, make_key, make_package, write_policy

import mlsign
from mlsign.actions.signing.sign import Addition, sign
from mlsign.evidence.findings import Outcome
from mlsign.formats.bundle import decode_bundle
from mlsign.policy.model import Verdict
from mlsign.signers.key_types import KeyType


@pytest.fixture(scope="module")
def classical() -> Pair:
    return make_key()


@pytest.fixture(scope="module")
def quantum() -> Pair:
    return make_key(KeyType.ML_DSA_65)


@pytest.fixture
def gate(tmp_path: Path, classical: Pair, quantum: Pair) -> mlsign.Gate:
    groups = {"classical": (1, [classical.public]), "ml-dsa": (1, [quantum.public])}
    return mlsign.Gate.load(write_policy(tmp_path / "policy", groups))


def failed(report: mlsign.Report) -> list[str]:
    return [f"{f.code} {f.where}" for f in report.decision.findings if f.outcome is not Outcome.PASS]


def test_both_signatures_are_over_the_same_bytes_and_both_count(tmp_path, gate, classical, quantum):
    package = make_package(tmp_path, signers=(classical, quantum))
    report = gate.verify(package)
    assert report.decision.verdict is Verdict.ALLOW, failed(report)
    one, two = (decode_bundle(bundle_of(package, pair).read_bytes()) for pair in (classical, quantum))
    assert one.envelope.unauthenticated_payload == two.envelope.unauthenticated_payload
    assert len(two.envelope.signature) == 3309


@pytest.mark.parametrize("which", ["classical", "quantum"])
def test_either_alone_is_denied(tmp_path, gate, which, request):
    package = make_package(tmp_path, signers=(request.getfixturevalue(which),))
    report = gate.verify(package)
    assert report.decision.verdict is Verdict.DENY
    assert [f.code for f in report.decision.findings if f.outcome is Outcome.FAIL] == ["MLS205"]


def test_a_damaged_ml_dsa_signature_is_none(tmp_path, gate, classical, quantum):
    package = make_package(tmp_path, signers=(classical, quantum))
    place = bundle_of(package, quantum)
    bundle = json.loads(place.read_bytes())
    text = bundle["dsseEnvelope"]["signatures"][0]["sig"]
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = ("B" if text[0] == "A" else "A") + text[1:]
    place.write_text(json.dumps(bundle))
    report = gate.verify(package)
    assert report.decision.verdict is Verdict.DENY
    assert any(entry.startswith("MLS203") for entry in failed(report))


def test_content_is_denied_when_it_changed_after_both(tmp_path, gate, classical, quantum):
    package = make_package(tmp_path, signers=(classical, quantum))
    (package / "MODEL_CARD.md").write_text("changed")
    assert gate.verify(package).decision.verdict is Verdict.DENY


def test_signing_twice_adds_nothing_though_no_two_signatures_are_equal(tmp_path, quantum):
    package = make_package(tmp_path)
    first = sign(package, quantum.signer)
    second = sign(package, quantum.signer)
    assert (first.addition, second.addition, second.bundle) == (Addition.ADDED, Addition.PRESENT, first.bundle)


def run(command: list[str], cwd: Path, *argv: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, *map(str, argv)], capture_output=True, text=True, cwd=cwd)


def test_the_command_line_says_that_it_is_experimental(tmp_path, command):
    package = make_package(tmp_path)
    made = run(command, tmp_path, "keygen", "-o", "pq", "--type", "ml-dsa-65", "--no-password")
    assert (made.returncode, made.stdout) == (0, "pq.pub\n")
    assert made.stderr.count("experimental: other verifiers") == 1
    assert "(ML-DSA-65, sha256:" in made.stderr
    signed = run(command, tmp_path, "sign", package, "--key", "pq.key")
    assert signed.returncode == 0, signed.stderr
    assert signed.stderr.count("experimental: other verifiers") == 1
    quiet = run(command, tmp_path, "sign", package, "--key", "pq.key", "--quiet")
    assert quiet.stderr == ""
    classical = run(command, tmp_path, "keygen", "-o", "ec", "--no-password")
    assert "experimental" not in classical.stderr
    signed = run(command, tmp_path, "sign", package, "--key", "ec.key")
    assert signed.returncode == 0
    assert "experimental" not in signed.stderr
    policy = write_policy(
        tmp_path / "p",
        {"classical": (1, [(tmp_path / "ec.pub").read_bytes()]), "ml-dsa": (1, [(tmp_path / "pq.pub").read_bytes()])},
    )
    verified = run(command, tmp_path, "verify", package, "--policy", policy, "--format", "json")
    assert verified.returncode == 0, verified.stdout
    kinds = [signer["identity"]["kind"] for signer in json.loads(verified.stdout)["signers"]]
    assert sorted(kinds) == ["EC P-256", "ML-DSA-65"]
