"""Keyless signatures in both directions with the OpenSSF tool, the Python client of Sigstore and its JavaScript verifier.

Everybody trusts the same local Sigstore, on either version of the log. The two clients of Sigstore look at the bundle
alone: which files it is about is for those who ask them.
"""

import base64
import hashlib
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from certificate_authority import make_organisation
from local_sigstore import LocalSigstore
from making import bundle_of, make_key, make_package, write_model
from sigstore_js import NO_LOG, JsAnswer, verify_with_js

import mlsign
from mlsign.actions.signing.load_keyless import KeylessRequest, Login, load_keyless
from mlsign.actions.signing.sign import sign
from mlsign.actions.verification.attest_verdict import attest_verdict
from mlsign.actions.verification.verify import VerifyRequest
from mlsign.evidence.findings import Outcome
from mlsign.identity import Method
from mlsign.policy.model import Verdict

pytest.importorskip("sigstore.sign", reason="the Python client of Sigstore is not installed")

ALICE = "alice@acme.example"
LOGS = pytest.mark.parametrize("rekor", [1, 2], ids=["v1", "v2"])


@pytest.fixture(scope="module")
def configs(sigstore: LocalSigstore, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A ClientTrustConfig for each version of the log: what to sign with, and what to trust."""
    folder = tmp_path_factory.mktemp("configs")
    for rekor in (1, 2):
        (folder / f"v{rekor}.json").write_text(json.dumps(sigstore.trust_config(rekor=rekor)))
    return {rekor: folder / f"v{rekor}.json" for rekor in (1, 2)}


@pytest.fixture(scope="module")
def bare(good_package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(good_package, tmp_path_factory.mktemp("bare") / "fraud-1.2.0"))
    shutil.rmtree(folder / "signatures")
    return folder


@pytest.fixture(scope="module")
def ours(
    bare: Path, sigstore: LocalSigstore, configs: dict[int, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[int, Path]:
    """The package signed by mlsign on each version of the log; nobody writes to these."""
    found = {}
    for rekor, config in configs.items():
        found[rekor] = Path(shutil.copytree(bare, tmp_path_factory.mktemp(f"v{rekor}") / "fraud-1.2.0"))
        request = KeylessRequest(token=sigstore.oidc.email_token(ALICE), config=config, login=Login.NEVER)
        sign(found[rekor], load_keyless(request))
    return found


@pytest.fixture
def package(ours: dict[int, Path], rekor: int, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ours[rekor], tmp_path / "fraud-1.2.0"))


@pytest.fixture
def gate(sigstore: LocalSigstore, tmp_path: Path) -> mlsign.Gate:
    return gate_for(sigstore, tmp_path / "policy")


@pytest.fixture
def open_gate(sigstore: LocalSigstore, tmp_path: Path) -> mlsign.Gate:
    """For folders without a manifest, and perhaps without a model."""
    return gate_for(sigstore, tmp_path / "open", rest="manifest: optional\nmodel: {presence: optional}\n")


def gate_for(sigstore: LocalSigstore, folder: Path, *, rest: str = "") -> mlsign.Gate:
    folder.mkdir()
    (folder / "root.json").write_text(json.dumps(sigstore.trusted_root()))
    issuer = sigstore.issuer.replace(".", "[.]")
    (folder / "policy.yaml").write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: keyless\n"
        f"signers: [{{name: release, require: 1, any: [{{keyless: {{issuer: {{regex: '{issuer}'}}, subject: {ALICE}}}}}]}}]\n"
        f"operators: {{allow: [inference-v1]}}\ntransparency: {{log: required}}\ntrust: {{root: root.json}}\n{rest}"
    )
    return mlsign.Gate.load(folder / "policy.yaml")


def verified(gate: mlsign.Gate, folder: Path, *signatures: Path) -> set[str]:
    """The codes of what is wrong; none where the folder is allowed."""
    report = gate.verify(folder, signatures=signatures)
    bad = {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}
    assert (report.decision.verdict is Verdict.ALLOW) == (not bad)
    if not bad:
        assert {(s.method, s.logged) for met in report.decision.met for s in met.signatures} == {(Method.KEYLESS, True)}
    return bad


def bundle_in(package: Path) -> Path:
    (found,) = (package / "signatures").iterdir()
    return found


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


# The peers


def openssf(folder: Path, signature: Path, config: Path, sigstore: LocalSigstore, *, identity: str = ALICE) -> str:
    """Why the OpenSSF tool refuses the folder; nothing where it accepts it."""
    verifying = pytest.importorskip("model_signing.verifying", reason="the OpenSSF tool is not installed")
    try:
        verifier = verifying.Config().use_sigstore_verifier(identity=identity, oidc_issuer=sigstore.issuer, trust_config=config)
        verifier.verify(folder, signature)
    except Exception as err:  # noqa: BLE001 - whatever it raises is its answer
        return f"{type(err).__name__}: {err}"
    return ""


def python_client(bundle: bytes, sigstore: LocalSigstore, *, identity: str = ALICE) -> tuple[str, bytes]:
    """Why the Python client refuses the bundle, or what it is about."""
    from sigstore.models import Bundle, ClientTrustConfig
    from sigstore.verify import Verifier
    from sigstore.verify.policy import Identity

    root = ClientTrustConfig.from_json(json.dumps(sigstore.trust_config())).trusted_root
    try:
        policy = Identity(identity=identity, issuer=sigstore.issuer)
        kind, payload = Verifier(trusted_root=root).verify_dsse(Bundle.from_json(bundle), policy)
    except Exception as err:  # noqa: BLE001 - whatever it raises is its answer
        return f"{type(err).__name__}: {err}", b""
    assert kind == "application/vnd.in-toto+json"
    return "", payload


def javascript(bundle: bytes, sigstore: LocalSigstore, *, identity: str = ALICE) -> JsAnswer:
    return verify_with_js(bundle, trusted_root=sigstore.trusted_root(), identity=identity, issuer=sigstore.issuer)


def is_about(payload: bytes, folder: Path) -> bool:
    """Whether a statement holds of the files as they are, which those who look at bundles alone leave to others."""
    resources = json.loads(payload)["predicate"]["resources"]
    return all(hashlib.sha256((folder / r["name"]).read_bytes()).hexdigest() == r["digest"] for r in resources)


# What mlsign signed


@LOGS
def test_the_openssf_tool_accepts_what_we_signed_keyless(ours, sigstore, configs, rekor):
    package = ours[rekor]
    assert openssf(package, bundle_in(package), configs[rekor], sigstore) == ""
    assert "VerificationError" in openssf(package, bundle_in(package), configs[rekor], sigstore, identity="bob@acme.example")


@LOGS
def test_the_openssf_tool_refuses_what_was_changed_as_we_do(package, sigstore, configs, rekor, gate):
    assert not verified(gate, package)
    for path in sorted(p for p in package.rglob("*") if p.is_file() and "signatures" not in p.parts):
        data = path.read_bytes()
        flip(path)
        assert "Hash mismatch" in openssf(package, bundle_in(package), configs[rekor], sigstore)
        assert "MLS205" in verified(gate, package)
        path.write_bytes(data)
    (package / "extra").write_text("x")
    assert "Extra files" in openssf(package, bundle_in(package), configs[rekor], sigstore)
    assert "MLS103" in verified(gate, package)


@LOGS
def test_the_python_client_accepts_what_we_signed_keyless(ours, sigstore, rekor):
    package = ours[rekor]
    refusal, payload = python_client(bundle_in(package).read_bytes(), sigstore)
    assert not refusal
    assert is_about(payload, package)
    assert python_client(bundle_in(package).read_bytes(), sigstore, identity="bob@acme.example")[0]
    with sigstore.twin() as twin:
        assert python_client(bundle_in(package).read_bytes(), twin)[0]


@LOGS
def test_the_javascript_verifier_accepts_what_we_signed_keyless(ours, sigstore, rekor):
    data = bundle_in(ours[rekor]).read_bytes()
    answer = javascript(data, sigstore)
    assert (answer.accepted, answer.identity, answer.issuer) == (True, ALICE, sigstore.issuer), answer
    assert javascript(data, sigstore, identity="bob@acme.example").code == "UNTRUSTED_SIGNER_ERROR"


@LOGS
def test_the_python_client_accepts_what_we_summarized(package, sigstore, configs, rekor, gate):
    file = summarized(package, sigstore, configs[rekor], gate)
    data = file.read_bytes()
    refusal, payload = python_client(data, sigstore)
    assert not refusal
    statement = json.loads(payload)
    assert statement["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert statement["predicate"]["verificationResult"] == "PASSED"
    assert python_client(data, sigstore, identity="bob@acme.example")[0]


@LOGS
def test_the_javascript_verifier_accepts_what_we_summarized(package, sigstore, configs, rekor, gate):
    assert javascript(summarized(package, sigstore, configs[rekor], gate).read_bytes(), sigstore).accepted


@LOGS
def test_the_openssf_tool_takes_no_summary_for_a_signature(package, sigstore, configs, rekor, gate):
    assert openssf(package, summarized(package, sigstore, configs[rekor], gate), configs[rekor], sigstore)


def summarized(package: Path, sigstore: LocalSigstore, config: Path, gate: mlsign.Gate) -> Path:
    """A verification summary of the package by mlsign, beside its signature."""
    request = KeylessRequest(token=sigstore.oidc.email_token(ALICE), config=config, login=Login.NEVER)
    made = attest_verdict(package, VerifyRequest(policy=gate.policy), load_keyless(request))
    assert made.bundle is not None
    return package / made.bundle


# One change in the bundle, which all of them refuse

ENTRY = "verificationMaterial.tlogEntries.0"
BITS = {
    "signature": ("dsseEnvelope.signatures.0.sig", 0.5),
    "statement": ("dsseEnvelope.payload", 0.5),
    "certificate": ("verificationMaterial.certificate.rawBytes", 0.9),
    "entry": (f"{ENTRY}.canonicalizedBody", 0.5),
    "path to the root of the log": (f"{ENTRY}.inclusionProof.hashes.0", 0.5),
}
ONLY_V1 = {"promise": (f"{ENTRY}.inclusionPromise.signedEntryTimestamp", 0.9)}
ONLY_V2 = {"timestamp": ("verificationMaterial.timestampVerificationData.rfc3161Timestamps.0.signedTimestamp", 0.98)}


def with_bit_flipped(bundle: bytes, path: str, part: float) -> bytes:
    """The bundle with one bit flipped in the bytes that stand at ``path``, that part of the way into them."""
    decoded = json.loads(bundle)
    *above, last = (int(step) if step.isdigit() else step for step in path.split("."))
    holder: Any = decoded
    for step in above:
        holder = holder[step]
    data = bytearray(base64.b64decode(holder[last]))
    data[int(len(data) * part)] ^= 1
    holder[last] = base64.b64encode(data).decode()
    return json.dumps(decoded).encode()


def with_checkpoint_resigned(bundle: bytes) -> bytes:
    """The bundle with another signature by the log under the root of its tree."""
    decoded = json.loads(bundle)
    checkpoint = decoded["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]
    text, _, signatures = checkpoint["envelope"].partition("\n\n")
    mark, name, signature = signatures.splitlines()[0].split(" ")
    data = bytearray(base64.b64decode(signature))
    data[-9] ^= 1
    checkpoint["envelope"] = f"{text}\n\n{mark} {name} {base64.b64encode(data).decode()}\n"
    return json.dumps(decoded).encode()


def changed(bundle: bytes, name: str) -> bytes:
    return (
        with_checkpoint_resigned(bundle) if name == "checkpoint" else with_bit_flipped(bundle, *(BITS | ONLY_V1 | ONLY_V2)[name])
    )


ONE_CHANGE = pytest.mark.parametrize(
    ("rekor", "name"),
    [(rekor, name) for rekor, more in ((1, ONLY_V1), (2, ONLY_V2)) for name in (*BITS, *more, "checkpoint")],
    ids=lambda value: f"v{value}" if isinstance(value, int) else value,
)


@ONE_CHANGE
def test_we_and_both_python_tools_refuse_a_bundle_with_one_change(package, sigstore, configs, rekor, gate, name):
    path = bundle_in(package)
    path.write_bytes(changed(path.read_bytes(), name))
    assert verified(gate, package) & {"MLS203", "MLS212", "MLS213", "MLS214"}
    assert python_client(path.read_bytes(), sigstore)[0]
    assert openssf(package, path, configs[rekor], sigstore)


@ONE_CHANGE
def test_the_javascript_verifier_refuses_a_bundle_with_one_change(ours, sigstore, rekor, name):
    good = bundle_in(ours[rekor]).read_bytes()
    assert not javascript(changed(good, name), sigstore).accepted


@LOGS
def test_we_and_both_python_tools_refuse_a_bundle_by_a_sigstore_that_calls_itself_the_same(
    bare, sigstore, configs, rekor, tmp_path, gate
):
    package = Path(shutil.copytree(bare, tmp_path / "fraud-1.2.0"))
    with sigstore.twin() as twin:
        (tmp_path / "twin.json").write_text(json.dumps(twin.trust_config(rekor=rekor)))
        request = KeylessRequest(token=twin.oidc.email_token(ALICE), config=tmp_path / "twin.json", login=Login.NEVER)
        sign(package, load_keyless(request))
        path = bundle_in(package)
        assert not python_client(path.read_bytes(), twin)[0]
    assert "MLS205" in verified(gate, package)
    assert python_client(path.read_bytes(), sigstore)[0]
    assert openssf(package, path, configs[rekor], sigstore)


# What they signed


@LOGS
def test_we_allow_a_folder_that_the_openssf_tool_signed_keyless(sigstore, configs, rekor, tmp_path, open_gate):
    signing = pytest.importorskip("model_signing.signing", reason="the OpenSSF tool is not installed")
    folder = tmp_path / "folder"
    write_model(folder / "net.onnx", external="net.onnx.data")
    (folder / "README.md").write_text("hello")
    signature = folder / "model.sig"
    hashing = pytest.importorskip("model_signing.hashing").Config().set_ignored_paths(paths=[signature])
    signer = signing.Config().set_hashing_config(hashing)
    signer = signer.use_sigstore_signer(identity_token=sigstore.oidc.email_token(ALICE), trust_config=configs[rekor])
    signer.sign(folder, signature)
    assert openssf(folder, signature, configs[rekor], sigstore) == ""
    assert not verified(open_gate, folder, signature)
    with open_gate.admit(folder, signatures=(signature,)) as model:
        assert bytes(model.model.view) == (folder / "net.onnx").read_bytes()
    for path in sorted(p for p in folder.iterdir() if p != signature):
        data = path.read_bytes()
        flip(path)
        assert {"MLS101", "MLS205"} <= verified(open_gate, folder, signature)
        assert openssf(folder, signature, configs[rekor], sigstore)
        path.write_bytes(data)
    good = signature.read_bytes()
    signature.write_bytes(with_bit_flipped(good, *BITS["signature"]))
    assert "MLS205" in verified(open_gate, folder, signature)
    signature.write_bytes(good)
    assert not verified(open_gate, folder, signature)


@LOGS
def test_we_allow_a_package_that_the_python_client_signed(bare, ours, sigstore, configs, rekor, tmp_path, gate):
    """Over the very bytes that mlsign would sign: it is handed a statement, and knows nothing of models."""
    from sigstore.dsse import Statement
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityToken
    from sigstore.sign import SigningContext

    payload = base64.b64decode(json.loads(bundle_in(ours[rekor]).read_bytes())["dsseEnvelope"]["payload"])
    context = SigningContext.from_trust_config(ClientTrustConfig.from_json(configs[rekor].read_text()))
    with context.signer(IdentityToken(sigstore.oidc.email_token(ALICE))) as signer:
        bundle = signer.sign_dsse(Statement(payload)).to_json().encode()
    package = Path(shutil.copytree(bare, tmp_path / "fraud-1.2.0"))
    (package / "signatures").mkdir()
    (package / "signatures" / "theirs.json").write_bytes(bundle)
    assert not verified(gate, package)
    with gate.admit(package) as model:
        assert bytes(model.model.view) == (package / "model.onnx").read_bytes()
    for path in sorted(p for p in package.rglob("*") if p.is_file() and "signatures" not in p.parts):
        data = path.read_bytes()
        flip(path)
        assert "MLS205" in verified(gate, package)
        path.write_bytes(data)
    for where in BITS.values():
        (package / "signatures" / "theirs.json").write_bytes(with_bit_flipped(bundle, *where))
        assert "MLS205" in verified(gate, package)


# Signed by key and by certificate, and asked of the JavaScript verifier


def test_the_javascript_verifier_accepts_what_a_key_signed_and_not_with_a_byte_changed(tmp_path):
    pair = make_key()
    data = bundle_of(make_package(tmp_path, signers=(pair,)), pair).read_bytes()
    keys = {json.loads(data)["verificationMaterial"]["publicKey"]["hint"]: pair.public}
    assert verify_with_js(data, keys=keys, thresholds=NO_LOG).accepted
    for name in ("signature", "statement"):
        answer = verify_with_js(with_bit_flipped(data, *BITS[name]), keys=keys, thresholds=NO_LOG)
        assert answer.code == "SIGNATURE_ERROR", answer
    # Without being told to do without, it asks for a log, as it should.
    assert verify_with_js(data, keys=keys).code in {"TIMESTAMP_ERROR", "TLOG_ERROR"}


def test_the_javascript_verifier_cannot_read_what_a_certificate_signed(tmp_path):
    """Not told from a broken bundle: one of version 0.3 has a single certificate, and OMS puts a chain there all the same.

    When this fails, there is a row to change in docs/interop.md.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    organisation = make_organisation(since=now - timedelta(days=1), until=now + timedelta(days=1))
    package = make_package(tmp_path)
    sign(package, organisation.signer(now=now))
    data = bundle_in(package).read_bytes()
    answer = verify_with_js(data, thresholds=NO_LOG)
    assert (answer.accepted, answer.message) == (False, "invalid bundle")
    # The chain is what is in the way: with the leaf alone, which is no OMS bundle, it is read, and fails later on.
    decoded = json.loads(data)
    material = decoded["verificationMaterial"]
    material["certificate"] = material.pop("x509CertificateChain")["certificates"][0]
    assert verify_with_js(json.dumps(decoded), thresholds=NO_LOG).message != "invalid bundle"
