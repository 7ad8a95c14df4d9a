"""What somebody can do whom nobody named and who has a genuine keyless identity, as anybody can: nothing."""

import json
from pathlib import Path

import pytest
from certificate_authority import issue, make_organisation
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from keyless_material import issue_identity, sign_keyless
from making import write_model

from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.verification.contents import Storage
from mlsign.actions.verification.verify import VerifyRequest, judge_package, verify
from mlsign.digest import Algorithm, sha256
from mlsign.errors import InputError
from mlsign.evidence.record import Standing
from mlsign.formats.bundle import encode_bundle
from mlsign.formats.statement import Resource, build_statement, encode_statement
from mlsign.limits import GIB, MIB, Limits
from mlsign.package.read import OpenPackage
from mlsign.paths import PackagePath
from mlsign.policy.model import Verdict

VICTIM, MALLORY = "victim@acme.example", "mallory@evil.example"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    (folder / "signatures").mkdir(parents=True)
    write_model(folder / "model.onnx")
    (folder / "card.md").write_text("# Card")
    return folder


@pytest.fixture
def loaded(tmp_path, sigstore):
    return policy(tmp_path, sigstore)


def policy(folder: Path, sigstore, rest: str = ""):
    (folder / "root.json").write_text(json.dumps(sigstore.trusted_root()))
    issuer = sigstore.issuer.replace(".", "[.]")
    (folder / "policy.yaml").write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: t\nmanifest: optional\n"
        f"signers: [{{name: r, require: 1, any: [{{keyless: {{issuer: {{regex: '{issuer}'}}, subject: {VICTIM}}}}}]}}]\n"
        f"operators: {{allow: [inference-v1]}}\ntrust: {{root: root.json}}\n{rest}"
    )
    return load_policy(folder / "policy.yaml")


def put(folder: Path, sigstore, who: str, files: list[str], *, name: str, ignore=("signatures",), order=None) -> None:
    """A genuine signature by ``who`` over these files, in an order of their own if they like."""
    resources = tuple(Resource(path=PackagePath(f), digest=sha256((folder / f).read_bytes())) for f in files)
    statement = build_statement(name="m", algorithm=Algorithm.SHA256, resources=resources, ignore_paths=ignore)
    payload = encode_statement(statement)
    if order is not None:
        payload = order(payload)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = issue_identity(sigstore, key, name=x509.RFC822Name(who))
    bundle = sign_keyless(sigstore, payload=payload, key=key, certificate=certificate)
    (folder / "signatures" / name).write_bytes(encode_bundle(bundle))


def backwards(payload: bytes) -> bytes:
    """The same files in another order: another subject digest."""
    import hashlib

    value = json.loads(payload)
    value["predicate"]["resources"].reverse()
    total = hashlib.sha256(b"".join(bytes.fromhex(r["digest"]) for r in value["predicate"]["resources"]))
    value["subject"][0]["digest"]["sha256"] = total.hexdigest()
    return json.dumps(value).encode()


def judged(folder, loaded, **more):
    return verify(folder, VerifyRequest(policy=loaded, **more))


FILES = ["card.md", "model.onnx"]


def test_a_stranger_is_listed_and_counts_for_nothing(folder, sigstore, loaded):
    put(folder, sigstore, MALLORY, FILES, name="m.json")
    report = judged(folder, loaded)
    assert report.decision.verdict is Verdict.DENY
    assert [record.standing for record in report.evidence.signatures] == [Standing.STRANGER]
    assert {"MLS205", "MLS215"} <= {f.code for f in report.decision.findings}


def test_a_stranger_hides_nothing_from_what_is_unverified(folder, sigstore, loaded):
    put(folder, sigstore, VICTIM, FILES, name="v.json", ignore=(".git", "signatures"))
    (folder / ".git" / "hooks").mkdir(parents=True)
    (folder / ".git" / "hooks" / "post-checkout").write_text("#!/bin/sh\n")
    assert judged(folder, loaded).evidence.unverified == (".git",)
    put(folder, sigstore, MALLORY, [*FILES, ".git/hooks/post-checkout"], name="m.json")
    report = judged(folder, loaded)
    assert report.decision.verdict is Verdict.ALLOW
    assert report.evidence.unverified == (".git",)


def test_a_stranger_does_not_name_the_package(folder, sigstore, loaded, tmp_path):
    put(folder, sigstore, VICTIM, FILES, name="v.json")
    before = judged(folder, loaded).evidence.digest
    put(folder, sigstore, MALLORY, FILES, name="a.json", order=backwards)
    report = judged(folder, loaded)
    assert report.evidence.digest == before
    revoking = policy(tmp_path, sigstore, f"revoked: [{{digest: '{before}', reason: x}}]\n")
    assert judged(folder, revoking).decision.verdict is Verdict.DENY
    (folder / "signatures" / "a.json").unlink()
    assert judged(folder, revoking).decision.verdict is Verdict.DENY


def test_a_stranger_decides_neither_about_time_nor_about_memory(folder, sigstore, loaded):
    put(folder, sigstore, MALLORY, FILES, name="m.json")
    with (folder / "model.onnx.data").open("wb") as file:
        file.truncate(40 * GIB)
    report = judged(folder, loaded)
    assert "MLS114" in {f.code for f in report.decision.findings}
    limits = Limits(max_unsized_bytes=MIB, max_unvouched_bytes=MIB)
    with OpenPackage.open(folder) as package:
        _, examination = judge_package(package, VerifyRequest(policy=loaded, limits=limits), storage=Storage.SEALED)
        assert dict(examination.sealed) == {}
        examination.contents.close()


def test_a_certificate_that_is_no_root_is_none_to_name_as_one(tmp_path):
    """With one that another issued among the roots, nobody would look whether it was taken back."""
    organisation = make_organisation()
    pem = b"".join(c.certificate.public_bytes(pem_encoding()) for c in (organisation.middle, organisation.root))
    (tmp_path / "chain.pem").write_bytes(pem)
    text = "apiVersion: mlsign/v1\nkind: Policy\nname: t\noperators: {allow: [inference-v1]}\nsigners:\n"
    certificate = "certificate: {roots: [%s], subject: CN=leaf%s}"
    (tmp_path / "p.yaml").write_text(text + "  - {name: r, require: 1, any: [{" + certificate % ("chain.pem", "") + "}]}\n")
    with pytest.raises(InputError) as caught:
        load_policy(tmp_path / "p.yaml")
    assert caught.value.code == "policy.signers.roots"
    (tmp_path / "root.pem").write_bytes(organisation.root.certificate.public_bytes(pem_encoding()))
    good = text + "  - {name: r, require: 1, any: [{" + certificate % ("root.pem", "") + "}]}\n"
    (tmp_path / "p.yaml").write_text(good)
    assert load_policy(tmp_path / "p.yaml").root.authorities
    (tmp_path / "junk.crl").write_bytes(b"\x30\x03\x02\x01\x00")
    (tmp_path / "p.yaml").write_text(good.replace("CN=leaf", "CN=leaf, revocations: [junk.crl]"))
    with pytest.raises(InputError) as caught:
        load_policy(tmp_path / "p.yaml")
    assert caught.value.code == "certificate.crl.format"


def pem_encoding():
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.PEM


@pytest.mark.parametrize("years", [(b"0000", b"2030"), (b"2020", b"0000")])
def test_dates_that_are_none_are_a_refusal_and_no_crash(years):
    from mlsign.trust.certificates import load_certificate

    der = issue("dated").der
    at = der.index(b"\x17\x0d")
    old = der[at : at + 30]
    new = b"".join(b"\x18\x0f" + year + b"0101000000Z" for year in years)
    with pytest.raises(InputError) as caught:
        load_certificate(longer(der, old, new))
    assert caught.value.code == "certificate.format"


def longer(der: bytes, old: bytes, new: bytes) -> bytes:
    """``der`` with one part exchanged for a longer one and the lengths of what it lies in put right."""
    from asn1crypto import core
    from asn1crypto.parser import emit

    certificate = core.Sequence.load(der)
    body, signature = certificate.contents, b""
    tbs = core.Sequence.load(body, strict=False)
    signature = body[len(tbs.dump()) :]
    inner = tbs.contents.replace(b"\x30" + bytes([len(old)]) + old, b"\x30" + bytes([len(new)]) + new)
    return emit(0, 1, 16, emit(0, 1, 16, inner) + signature)
