"""Both directions with the OpenSSF reference tool, as a process of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from making import Pair, bundle_of, make_key, make_package, write_model, write_policy

import mlsign
from mlsign.actions.golden.replay import ReplayRequest, replay
from mlsign.actions.signing.sign import sign
from mlsign.evidence.findings import Outcome
from mlsign.policy.model import Verdict
from mlsign.signers.key_types import KeyType

pytest.importorskip("model_signing", reason="the OpenSSF tool is not installed (pip install model-signing pyopenssl)")

TOOL = [sys.executable, "-W", "ignore", "-m", "model_signing"]


def run(*argv: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TOOL, *map(str, argv)], capture_output=True, text=True)


def write_pair(folder: Path, pair: Pair) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "k.key").write_bytes(pair.private)
    (folder / "k.pub").write_bytes(pair.public)
    return folder / "k.key", folder / "k.pub"


@pytest.mark.parametrize("kind", [KeyType.P256, KeyType.P384, KeyType.P521])
def test_they_accept_what_we_signed(tmp_path, kind):
    pair = make_key(kind)
    _, public = write_pair(tmp_path / "keys", pair)
    package = make_package(tmp_path, signers=(pair,))
    signature = bundle_of(package, pair)
    argv = ("verify", "key", package, "--signature", signature, "--public_key", public, "--ignore-paths", package / "signatures")
    done = run(*argv)
    assert done.returncode == 0, done.stdout + done.stderr
    (package / "MODEL_CARD.md").write_text("changed")
    assert run(*argv).returncode != 0


def test_they_cannot_read_what_an_ml_dsa_key_signed_and_read_the_other_beside_it(tmp_path):
    """Why such keys are called experimental; when this fails, say so no more."""
    classical, quantum = make_key(), make_key(KeyType.ML_DSA_65)
    package = make_package(tmp_path, signers=(classical, quantum))
    for number, (pair, works) in enumerate(((classical, True), (quantum, False))):
        _, public = write_pair(tmp_path / f"keys-{number}", pair)
        argv = ("verify", "key", package, "--signature", bundle_of(package, pair), "--public_key", public)
        done = run(*argv, "--ignore-paths", package / "signatures")
        assert (done.returncode == 0) is works, done.stdout + done.stderr


def test_a_signed_golden_run_beside_a_signature_is_none_of_their_business_and_no_signature(tmp_path):
    release, lab = make_key(), make_key()
    package = make_package(tmp_path, signers=(release,))
    signature = bundle_of(package, release)
    made = replay(package, ReplayRequest(), signer=lab.signer)
    for number, (bundle, pair, works) in enumerate(((signature, release, True), (package / made.signed[0].bundle, lab, False))):
        _, public = write_pair(tmp_path / f"keys-{number}", pair)
        argv = ("verify", "key", package, "--signature", bundle, "--public_key", public, "--ignore-paths", package / "signatures")
        done = run(*argv)
        assert (done.returncode == 0) is works, done.stdout + done.stderr


def codes(report: mlsign.Report) -> set[str]:
    return {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}


def test_we_accept_a_folder_that_they_signed(tmp_path):
    pair = make_key()
    private, _ = write_pair(tmp_path / "keys", pair)
    folder = tmp_path / "folder"
    write_model(folder / "net.onnx", external="net.onnx.data")
    (folder / "README.md").write_text("hello")
    signature = folder / "model.sig"
    done = run("sign", "key", folder, "--signature", signature, "--private_key", private)
    assert done.returncode == 0, done.stdout + done.stderr
    gate = mlsign.Gate.load(write_policy(tmp_path / "p", {"release": (1, [pair.public])}, manifest="optional"))
    report = gate.verify(folder, signatures=(signature,))
    assert report.decision.verdict is Verdict.ALLOW, codes(report)
    with gate.admit(folder, signatures=(signature,)) as model:
        assert bytes(model.model.view) == (folder / "net.onnx").read_bytes()
    for name in ("net.onnx", "net.onnx.data", "README.md"):
        copy = Path(shutil.copytree(folder, tmp_path / f"copy-{name}"))
        data = (copy / name).read_bytes()
        (copy / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert {"MLS101", "MLS205"} <= codes(gate.verify(copy, signatures=(copy / "model.sig",)))


@pytest.mark.parametrize("inside", [True, False], ids=["in signatures/", "beside the package"])
def test_we_accept_a_package_that_they_signed(tmp_path, inside):
    pair = make_key()
    private, _ = write_pair(tmp_path / "keys", pair)
    package = make_package(tmp_path)
    outside = tmp_path / "their.sig"
    done = run("sign", "key", package, "--signature", outside, "--private_key", private)
    assert done.returncode == 0, done.stdout + done.stderr
    gate = mlsign.Gate.load(write_policy(tmp_path / "p", {"release": (1, [pair.public])}))
    if inside:
        (package / "signatures").mkdir()
        shutil.move(outside, package / "signatures" / "theirs.json")
    signatures = () if inside else (outside,)
    report = gate.verify(package, signatures=signatures)
    assert report.decision.verdict is Verdict.ALLOW, codes(report)
    # Ours beside theirs: two tools, one package, both count.
    other = make_key()
    sign(package, other.signer)
    both = mlsign.Gate.load(write_policy(tmp_path / "q", {"two": (2, [pair.public, other.public])}))
    report = both.verify(package, signatures=signatures)
    assert report.decision.verdict is Verdict.ALLOW, codes(report)


def test_our_bundle_keeps_to_their_schemas(tmp_path, good_package, keys, vectors):
    jsonschema = pytest.importorskip("jsonschema")
    import base64

    from referencing import Registry, Resource

    schemas = [json.loads(p.read_bytes()) for p in sorted((vectors / "oms-schemas" / "v1.0").glob("*.json"))]
    registry = Registry().with_resources([(s["$id"], Resource.from_contents(s)) for s in schemas])
    by_id = {s["$id"]: s for s in schemas}
    bundle = json.loads(bundle_of(good_package, keys.release).read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    for name, value in (("bundle", bundle), ("envelope", bundle["dsseEnvelope"]), ("statement", statement)):
        schema = by_id[f"https://model_signing/{name}/v1.0/schema"]
        jsonschema.Draft202012Validator(schema, registry=registry).validate(value)
    predicate = by_id["https://model_signing/predicate/v1.0/schema"]
    jsonschema.Draft202012Validator(predicate, registry=registry).validate(statement["predicate"])
