"""Verifying folders whose signatures are in the other formats, made here: wherever the bytes are held, and whoever else signed."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from making import (
    Pair,
    bundle_of,
    canonical,
    digest_hex,
    make_key,
    put_signatures,
    resign,
    statement_over,
    subject_of,
    write_model,
)
from making import write_policy as write

import mlsign
import mlsign.actions.verification.contents
from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import Standing
from mlsign.formats.dsse import IN_TOTO_TYPE, old_pre_authentication_encoding
from mlsign.policy.model import Verdict

SHARDS = "formats: [oms-1.0, oms-1.0-shards]\n"
OLD = "formats: [oms-1.0, oms-0.2]\n"


def in_shards(statement: dict, folder: Path, *, size: int) -> dict:
    """The statement with its files cut; empty ones fall out, as with the reference signer."""
    serialization = statement["predicate"]["serialization"]
    algorithm = serialization["hash_type"]
    shards = []
    for resource in statement["predicate"]["resources"]:
        data = (folder / resource["name"]).read_bytes()
        for start in range(0, len(data), size):
            end = min(start + size, len(data))
            shards.append(
                {
                    "name": f"{resource['name']}:{start}:{end}",
                    "algorithm": f"{algorithm}-sharded-{size}",
                    "digest": digest_hex(algorithm, data[start:end]),
                }
            )
    statement["predicate"]["resources"] = shards
    statement["subject"][0]["digest"]["sha256"] = subject_of(shards)
    serialization |= {"method": "shards", "shard_size": float(size)}
    return statement


def sign_shards(folder: Path, *pairs: Pair, size: int = 100, algorithm: str = "sha256", keep: bool = False) -> None:
    statement = in_shards(statement_over(folder, algorithm=algorithm), folder, size=size)
    put_signatures(folder, canonical(statement), pairs, keep=keep)


def sign_as_of_old(folder: Path, pair: Pair) -> None:
    """A signature as version 0.2 of the OpenSSF tool made it, by hand."""
    files = statement_over(folder)["predicate"]["resources"]
    payload = json.dumps(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [
                {
                    "name": file["name"],
                    "digest": {"sha256": file["digest"]},
                    "annotations": {"actual_hash_algorithm": "file-sha256"},
                }
                for file in files
            ],
            "predicateType": "https://model_signing/Digests/v0.1",
            "predicate": {"unused": "Unused, just passed due to API requirements"},
        },
        indent=2,
    ).encode()
    key = load_pem_private_key(pair.private, None)
    put_signatures(folder, payload, (pair,))
    place = bundle_of(folder, pair)
    bundle = json.loads(place.read_bytes())
    signature = key.sign(old_pre_authentication_encoding(IN_TOTO_TYPE, payload), ec.ECDSA(hashes.SHA256()))
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    place.write_text(json.dumps(bundle))


def codes(report: mlsign.Report) -> set[str]:
    return {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}


def gate_of(folder: Path, *pairs: Pair, rest: str, digests: str = "[sha256, blake3, blake2b]") -> mlsign.Gate:
    groups = {"release": (len(pairs), [pair.public for pair in pairs])}
    return mlsign.Gate.load(write(folder, groups, manifest="optional", digests=digests, rest=rest))


@pytest.fixture
def pair() -> Pair:
    return make_key()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "folder"
    write_model(out / "net.onnx", external="net.onnx.data")
    (out / "README.md").write_text("hello")
    (out / "table.bin").write_bytes(bytes(range(200)))
    return out


@pytest.mark.parametrize("algorithm", ["sha256", "blake3", "blake2b"])
@pytest.mark.parametrize("size", [1, 7, 100, 10**9])
def test_shards_of_any_size_by_any_algorithm(tmp_path, folder, pair, algorithm, size):
    sign_shards(folder, pair, size=size, algorithm=algorithm)
    gate = gate_of(tmp_path / "p", pair, rest=SHARDS, digests=f"[{algorithm}]")
    report = gate.verify(folder)
    assert report.decision.verdict is Verdict.ALLOW, codes(report)
    assert {a.value for a in report.evidence.signatures[0].algorithms} == {algorithm}
    with gate.admit(folder) as model:
        assert bytes(model.model.view) == (folder / "net.onnx").read_bytes()
        assert [bytes(m.view) for m in model.weights.values()] == [(folder / "net.onnx.data").read_bytes()]
    other = "[blake3]" if algorithm != "blake3" else "[sha256]"
    assert {"MLS112", "MLS205"} <= codes(gate_of(tmp_path / "q", pair, rest=SHARDS, digests=other).verify(folder))
    for name in ("net.onnx", "net.onnx.data", "README.md", "table.bin"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(bytes([data[0] ^ 1]) + data[1:])
        assert {"MLS101", "MLS205"} <= codes(gate.verify(folder))
        with pytest.raises(mlsign.Denied):
            gate.admit(folder)
        (folder / name).write_bytes(data)


def test_a_model_that_is_not_held_in_memory_is_hashed_by_shards_as_well(tmp_path, folder, pair, monkeypatch):
    monkeypatch.setattr(mlsign.actions.verification.contents, "_WHOLE_BYTES", 10)
    sign_shards(folder, pair)
    gate = gate_of(tmp_path / "p", pair, rest=SHARDS)
    assert gate.verify(folder).decision.verdict is Verdict.ALLOW
    data = (folder / "net.onnx").read_bytes()
    (folder / "net.onnx").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert {"MLS101", "MLS205"} <= codes(gate.verify(folder))


def test_a_package_of_ours_in_shards(tmp_path, package, pair):
    before = mlsign.Gate.load(write(tmp_path / "a", {"r": (1, [pair.public])}, rest=SHARDS))
    resign(package, (pair,))
    digest = before.verify(package).evidence.digest
    sign_shards(package, pair, size=64)
    report = before.verify(package)
    assert report.decision.verdict is Verdict.ALLOW, codes(report)
    assert report.evidence.digest == digest
    with before.admit(package) as model:
        assert bytes(model.model.view) == (package / "model.onnx").read_bytes()
    for name in ("mlsign.json", "model.onnx"):
        data = (package / name).read_bytes()
        (package / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(mlsign.Denied):
            before.admit(package)
        (package / name).write_bytes(data + b"\n")
        with pytest.raises(mlsign.Denied):
            before.admit(package)
        (package / name).write_bytes(data)


def test_an_empty_file_is_not_covered(tmp_path, folder, pair):
    (folder / "__init__.py").touch()
    sign_shards(folder, pair)
    assert {"MLS103", "MLS205"} <= codes(gate_of(tmp_path / "p", pair, rest=SHARDS).verify(folder))
    report = gate_of(tmp_path / "q", pair, rest=SHARDS + "unsigned_files: [__init__.py]\n").verify(folder)
    assert report.decision.verdict is Verdict.ALLOW
    assert report.evidence.unverified == ("__init__.py",)


def test_a_file_that_became_empty_is_changed(tmp_path, folder, pair):
    sign_shards(folder, pair)
    (folder / "README.md").write_text("")
    report = gate_of(tmp_path / "p", pair, rest=SHARDS).verify(folder)
    (finding,) = (f for f in report.decision.findings if f.code == "MLS101")
    assert (finding.expected, finding.found) == ("5 bytes", "0 bytes")


@pytest.mark.parametrize(
    "edit",
    [
        lambda shards: shards.reverse(),
        lambda shards: shards.pop(1),
        lambda shards: shards.append(shards[-1]),
        lambda shards: shards[1].update(name=shards[0]["name"]),
        lambda shards: shards[0].update(name=shards[0]["name"].replace(":0:", ":-1:")),
        lambda shards: shards[0].update(name=shards[0]["name"] + "00"),
        lambda shards: shards[0].update(digest=shards[-1]["digest"].upper()),
    ],
)
def test_hostile_shards_of_a_trusted_signer_are_refused(tmp_path, folder, pair, edit):
    statement = in_shards(statement_over(folder), folder, size=100)
    edit(statement["predicate"]["resources"])
    statement["subject"][0]["digest"]["sha256"] = subject_of(statement["predicate"]["resources"])
    put_signatures(folder, canonical(statement), (pair,))
    assert {"MLS206", "MLS205"} <= codes(gate_of(tmp_path / "p", pair, rest=SHARDS).verify(folder))


def test_two_sizes_of_shards_and_whole_files_beside_each_other(tmp_path, folder, pair):
    other, third = make_key(), make_key()
    resign(folder, (pair,))
    sign_shards(folder, other, size=7, keep=True)
    sign_shards(folder, third, size=100, algorithm="blake3", keep=True)
    gate = gate_of(tmp_path / "p", pair, other, third, rest=SHARDS)
    report = gate.verify(folder)
    assert report.decision.verdict is Verdict.ALLOW, codes(report)
    # What the policy does not accept beside what it does is neither help nor harm.
    report = gate_of(tmp_path / "q", pair, rest="").verify(folder)
    assert report.decision.verdict is Verdict.ALLOW
    assert sorted(r.standing is Standing.COUNTED for r in report.evidence.signatures) == [False, False, True]
    assert "MLS211" not in codes(report)


def test_old_signatures_are_allowed_where_the_policy_says_so(tmp_path, folder, pair):
    sign_as_of_old(folder, pair)
    gate = gate_of(tmp_path / "p", pair, rest=OLD)
    report = gate.verify(folder)
    assert report.decision.verdict is Verdict.ALLOW, codes(report)
    assert {a.value for a in report.evidence.signatures[0].algorithms} == {"sha256"}
    names = sorted(p.name for p in folder.iterdir() if p.is_file())
    over = b"".join(hashlib.sha256((folder / name).read_bytes()).digest() for name in names)
    assert report.evidence.digest.value == hashlib.sha256(over).digest()
    with gate.admit(folder) as model:
        assert bytes(model.model.view) == (folder / "net.onnx").read_bytes()
    for rest in ("", SHARDS):
        assert {"MLS203", "MLS205"} <= codes(gate_of(tmp_path / f"q{len(rest)}", pair, rest=rest).verify(folder))
    digests = gate_of(tmp_path / "r", pair, rest=OLD, digests="[blake3]").verify(folder)
    assert {"MLS112", "MLS205"} <= codes(digests)


def test_old_signatures_over_other_content_are_denied(tmp_path, folder, pair):
    sign_as_of_old(folder, pair)
    gate = gate_of(tmp_path / "p", pair, rest=OLD)
    for name in ("net.onnx", "net.onnx.data", "README.md"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert {"MLS101", "MLS205"} <= codes(gate.verify(folder))
        with pytest.raises(mlsign.Denied):
            gate.admit(folder)
        (folder / name).write_bytes(data)
    (folder / "more").write_text("x")
    assert {"MLS103", "MLS205"} <= codes(gate.verify(folder))
    (folder / "more").unlink()
    (folder / "README.md").unlink()
    assert {"MLS102", "MLS205"} <= codes(gate.verify(folder))


def test_a_statement_of_old_in_the_encoding_of_today_is_refused_by_its_format(tmp_path, folder, pair):
    sign_as_of_old(folder, pair)
    payload = base64.b64decode(json.loads(bundle_of(folder, pair).read_bytes())["dsseEnvelope"]["payload"])
    put_signatures(folder, payload, (pair,))
    report = gate_of(tmp_path / "p", pair, rest="").verify(folder)
    assert {"MLS211", "MLS205"} <= codes(report)
    assert gate_of(tmp_path / "q", pair, rest=OLD).verify(folder).decision.verdict is Verdict.ALLOW


def test_revoked_by_any_of_its_names(tmp_path, folder, pair):
    sign_shards(folder, pair, size=33, algorithm="blake2b")
    gate = gate_of(tmp_path / "p", pair, rest=SHARDS)
    name = gate.verify(folder).evidence.digest
    payload = json.loads(base64.b64decode(json.loads(bundle_of(folder, pair).read_bytes())["dsseEnvelope"]["payload"]))
    subject = f"sha256:{payload['subject'][0]['digest']['sha256']}"
    for number, digest in enumerate((str(name), subject)):
        rest = f"{SHARDS}revoked: [{{digest: '{digest}', reason: broken}}]\n"
        assert "MLS401" in codes(gate_of(tmp_path / f"q{number}", pair, rest=rest).verify(folder))
    # Signed anew in another way, it is still the package of that name.
    rest = f"{SHARDS}revoked: [{{digest: '{name}', reason: broken}}]\n"
    gate = gate_of(tmp_path / "r", pair, rest=rest)
    sign_shards(folder, pair, size=8)
    assert "MLS401" in codes(gate.verify(folder))
    resign(folder, (pair,))
    assert "MLS401" in codes(gate.verify(folder))


def test_a_name_does_not_hang_on_unsigned_files(tmp_path, folder, pair):
    (folder / "notes.txt").write_text("one")
    statement = in_shards(statement_over(folder, leave_out=("notes.txt",)), folder, size=50)
    put_signatures(folder, canonical(statement), (pair,))
    unsigned = f"{SHARDS}unsigned_files: [notes.txt]\n"
    name = gate_of(tmp_path / "p", pair, rest=unsigned).verify(folder).evidence.digest
    revoking = gate_of(tmp_path / "q", pair, rest=f"{unsigned}revoked: [{{digest: '{name}', reason: broken}}]\n")
    (folder / "notes.txt").write_text("two")
    assert "MLS401" in codes(revoking.verify(folder))
