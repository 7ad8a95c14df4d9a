"""What strangers can do to a verifier: make it work, make it hold memory, make it look away. None of it may help them."""

import mmap
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from making import bundle_of, canonical, make_package, put_signatures, resign, statement_over, write_model, write_policy
from processes import open_descriptors

import mlsign
from mlsign.actions.verification import contents
from mlsign.actions.verification.admit import admit
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.errors import InputError, OutsideError
from mlsign.evidence.findings import Outcome
from mlsign.limits import DEFAULT, GIB
from mlsign.onnx.inspect import read_model
from mlsign.package import sealed
from mlsign.package.hashing import hash_source
from mlsign.package.read import OpenPackage
from mlsign.package.recorded import RecordedSource
from mlsign.package.scan import scan
from mlsign.paths import PackagePath
from mlsign.policy.model import Verdict


def reasons(report: mlsign.Report) -> dict[str, str]:
    return {f.code: f.where for f in report.decision.findings if f.outcome is not Outcome.PASS}


@pytest.fixture
def sealings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every file that is copied into memory."""
    made: list[str] = []
    real = contents.seal_file

    def spy(source, **more):
        made.append(source.where)
        return real(source, **more)

    monkeypatch.setattr(contents, "seal_file", spy)
    return made


def sparse(path: Path, size: int) -> None:
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(size)


def test_what_nobody_signed_costs_neither_memory_nor_hours(package, gate, sealings, no_hang):
    shutil.rmtree(package / "signatures")
    sparse(package / "fraud.onnx.data", 40 * GIB)
    for judge in (gate.verify, lambda path: pytest.raises(mlsign.Denied, gate.admit, path).value.report):
        found = reasons(judge(package))
        assert {"MLS114", "MLS201"} <= set(found)
    assert sealings == []


def test_a_small_unsigned_package_is_still_read_whole(package, gate):
    shutil.rmtree(package / "signatures")
    (package / "model.onnx").write_bytes((package / "model.onnx").read_bytes()[:-1] + b"\x00")
    found = reasons(gate.verify(package))
    assert found["MLS101"] == "model.onnx"
    assert "MLS114" not in found


def test_a_signed_file_of_another_size_is_not_read_to_be_refused(package, gate, sealings, no_hang):
    sparse(package / "fraud.onnx.data", 40 * GIB)
    report = pytest.raises(mlsign.Denied, gate.admit, package).value.report
    assert reasons(report)["MLS101"] == "fraud.onnx.data"
    assert sealings == ["model.onnx"]


def test_a_manifest_that_is_not_the_signed_one_gets_nothing_into_memory(package, gate, sealings):
    text = (package / "mlsign.json").read_bytes()
    (package / "mlsign.json").write_bytes(text.replace(b'"version":"1.2.0"', b'"version":"1.2.9"'))
    report = pytest.raises(mlsign.Denied, gate.admit, package).value.report
    assert reasons(report)["MLS101"] == "mlsign.json"
    assert sealings == []


def test_only_signed_files_are_held(package, gate, sealings):
    with gate.admit(package):
        assert sorted(sealings) == ["fraud.onnx.data", "model.onnx"]
    sealings.clear()
    shutil.copy(package / "model.onnx", package / "other.onnx")
    pytest.raises(mlsign.Denied, gate.admit, package)
    assert "other.onnx" not in sealings


@pytest.fixture
def foreign(tmp_path, keys) -> Path:
    """A folder with one model that somebody signed by another tool."""
    folder = tmp_path / "theirs"
    write_model(folder / "net.onnx")
    resign(folder, [keys.release])
    return folder


def open_policy(folder: Path, keys, **more):
    return mlsign.Gate.load(write_policy(folder, {"any": (1, [keys.release.public])}, manifest="optional", **more)).policy


def test_a_folder_without_sizes_has_a_budget(foreign, keys, tmp_path, sealings):
    policy = open_policy(tmp_path / "p", keys)
    admit(foreign, VerifyRequest(policy=policy)).close()
    tight = VerifyRequest(policy=policy, limits=replace(DEFAULT, max_unsized_bytes=10))
    sealings.clear()
    report = pytest.raises(mlsign.Denied, admit, foreign, tight).value.report
    assert reasons(report)["MLS114"] == "net.onnx"
    assert sealings == []


def test_a_store_through_a_mapping_between_inspection_and_hashing_is_seen(tmp_path):
    path = write_model(tmp_path / "net.onnx", operator="Relu")
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        view[0:1] = view[0:1]  # the page is dirty from here on: later stores move no time stamp
        with OpenPackage.open(tmp_path) as package:
            recorded = RecordedSource(package.open_file(PackagePath("net.onnx")))
            read_model(recorded)
            at = view.find(b"Relu")
            view[at : at + 4] = b"Tanh"
            with pytest.raises(InputError, match="changed while it was read"):
                hash_source(recorded.source, algorithms=(), consumers=[recorded.comparer()])
            recorded.close()


def test_bytes_that_stay_are_no_change(tmp_path):
    path = write_model(tmp_path / "net.onnx", operator="Relu")
    with OpenPackage.open(tmp_path) as package:
        recorded = RecordedSource(package.open_file(PackagePath("net.onnx")))
        read_model(recorded)
        recorded.read_at(3, path.stat().st_size - 3)
        hash_source(recorded.source, algorithms=(), consumers=[recorded.comparer()])
        recorded.close()


def test_a_big_model_is_compared_with_what_was_inspected(package, gate, monkeypatch):
    """The way a model too big for memory goes, with small numbers."""
    monkeypatch.setattr(contents, "_WHOLE_BYTES", 16)
    assert gate.verify(package).decision.verdict is Verdict.ALLOW
    real = contents.RecordedSource.read_at

    def other(self, offset, length):
        data = real(self, offset, length)
        self._reads[-1] = (offset, data[:-1] + bytes([data[-1] ^ 1]))
        return data

    monkeypatch.setattr(contents.RecordedSource, "read_at", other)
    assert reasons(gate.verify(package))["MLS111"] == "model.onnx"


def test_a_signature_named_through_a_link_hides_no_file(foreign, keys, tmp_path):
    bundle = bundle_of(foreign, keys.release)
    policy = open_policy(tmp_path / "p", keys)
    (foreign / "tokenizer.py").write_text("import os")
    (foreign / "extra.sig").symlink_to("tokenizer.py")
    found = verify(foreign, VerifyRequest(policy=policy, signatures=(bundle, foreign / "extra.sig")))
    assert found.decision.verdict is Verdict.DENY
    assert reasons(found)["MLS103"] == "tokenizer.py"


def test_a_signature_inside_the_folder_is_neither_extra_nor_unverified(foreign, keys, tmp_path):
    bundle = bundle_of(foreign, keys.release)
    shutil.move(bundle, foreign / "model.sig")
    report = verify(foreign, VerifyRequest(policy=open_policy(tmp_path / "p", keys), signatures=(foreign / "model.sig",)))
    assert report.decision.verdict is Verdict.ALLOW
    assert report.evidence.unverified == ()


def test_ignoring_the_manifest_is_refused_with_and_without_one(package, keys, tmp_path):
    policy = open_policy(tmp_path / "p", keys)
    resign(package, [keys.release], leave_out=["mlsign.json"], ignore=["mlsign.json"])
    assert "MLS208" in reasons(verify(package, VerifyRequest(policy=policy)))
    (package / "mlsign.json").unlink()
    report = verify(package, VerifyRequest(policy=policy))
    assert report.decision.verdict is Verdict.DENY
    assert "MLS208" in reasons(report)


def test_what_the_manifest_does_not_list_is_extra_whoever_ignores_it(package, keys, gate):
    (package / "notes.txt").write_text("call me")
    whole, without = statement_over(package), statement_over(package, leave_out=["notes.txt"], ignore=["notes.txt"])
    for statements in ((whole, without), (without,), (whole,)):
        put_signatures(package, canonical(statements[0]), keys.both)
        for statement in statements[1:]:
            put_signatures(package, canonical(statement), keys.both, keep=True)
        report = gate.verify(package)
        assert report.decision.verdict is Verdict.DENY
        assert reasons(report)["MLS103"] == "notes.txt"


@pytest.mark.parametrize("kind", ["file", "link"])
def test_something_else_in_place_of_the_signatures_folder_is_seen(package, keys, gate, tmp_path, kind):
    shutil.move(package / "signatures", tmp_path / "aside")
    if kind == "file":
        (package / "signatures").write_text("import os")
    else:
        (package / "signatures").symlink_to(tmp_path / "aside")
    bundles = tuple(sorted((tmp_path / "aside").iterdir()))
    report = gate.verify(package, signatures=bundles)
    assert report.decision.verdict is Verdict.DENY
    assert reasons(report)["MLS104"] == "signatures"


def revoking(folder: Path, keys, digest: str, **more):
    rest = f'revoked: [{{digest: "{digest}", reason: leaked}}]\n'
    return mlsign.Gate.load(write_policy(folder, {"any": (1, [keys.release.public])}, rest=rest, **more))


def test_the_bundle_of_a_revoked_release_beside_another_revokes_nothing(tmp_path, keys):
    """It is genuine, public, and anybody who can write to the folder can put it there."""
    old = make_package(tmp_path / "old", signers=[keys.release], scale=2.0)
    new = make_package(tmp_path / "new", signers=[keys.release])
    free = mlsign.Gate.load(write_policy(tmp_path / "free", {"any": (1, [keys.release.public])}))
    gate = revoking(tmp_path / "gate", keys, str(free.verify(old).evidence.digest))
    assert reasons(gate.verify(old)).keys() == {"MLS401"}
    shutil.copy(next((old / "signatures").iterdir()), new / "signatures" / "zzz")
    assert gate.verify(new).decision.verdict is Verdict.ALLOW


def by_parts(statement: dict) -> None:
    """The order of the OMS reference signer."""
    statement["predicate"]["resources"].sort(key=lambda r: tuple(r["name"].split("/")))
    from making import subject_of

    statement["subject"][0]["digest"]["sha256"] = subject_of(statement["predicate"]["resources"])


def test_the_shown_digest_revokes_whichever_signature_is_left(tmp_path, keys):
    document = tmp_path / "docs.md"
    document.write_text("card")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("more")
    package = make_package(tmp_path / "made", signers=[keys.release], include=(document, tmp_path / "docs"))
    theirs, foreign_digests = statement_over(package), statement_over(package, algorithm="blake2b")
    by_parts(theirs)
    assert theirs["subject"] != statement_over(package)["subject"]
    shown = set()
    free = mlsign.Gate.load(write_policy(tmp_path / "free", {"any": (1, [keys.release.public])}))
    sets = {
        "ours": [statement_over(package)],
        "theirs": [theirs],
        "both": [theirs, statement_over(package)],
        "odd": [foreign_digests, theirs],
    }
    for statements in sets.values():
        put_signatures(package, canonical(statements[0]), [keys.release])
        for statement in statements[1:]:
            put_signatures(package, canonical(statement), [keys.release], keep=True)
        report = free.verify(package)
        assert report.decision.verdict is Verdict.ALLOW
        shown.add(str(report.evidence.digest))
    assert len(shown) == 1
    strict = revoking(tmp_path / "strict", keys, shown.pop())
    for statements in sets.values():
        put_signatures(package, canonical(statements[0]), [keys.release])
        assert "MLS401" in reasons(strict.verify(package))


def test_a_foreign_folder_is_named_by_a_signature_that_the_policy_accepts(foreign, keys, tmp_path):
    put_signatures(foreign, canonical(statement_over(foreign, algorithm="blake2b")), [keys.release], keep=True)
    policy = open_policy(tmp_path / "p", keys)
    digest = verify(foreign, VerifyRequest(policy=policy)).evidence.digest
    assert digest.hex == statement_over(foreign)["subject"][0]["digest"]["sha256"]
    strict = revoking(tmp_path / "strict", keys, str(digest), manifest="optional")
    resign(foreign, [keys.release], algorithm="blake3")
    assert "MLS401" in reasons(strict.verify(foreign))


def test_folders_count_as_much_as_files(tmp_path):
    for number in range(12):
        (tmp_path / f"d{number}" / "e").mkdir(parents=True)
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        assert scan(fd).files == ()
        with pytest.raises(InputError, match="more than 10 files and folders"):
            scan(fd, limits=replace(DEFAULT, max_files=10))
    finally:
        os.close(fd)


def test_no_descriptor_left_is_an_error_of_ours(package, monkeypatch):
    def full(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(sealed.os, "memfd_create", full)
    with OpenPackage.open(package) as opened, opened.open_file(PackagePath("model.onnx")) as source:
        with pytest.raises(OutsideError) as caught:
            sealed.seal_file(source)
    assert caught.value.code == "sealed.memory"
    assert "ulimit" in caught.value.hint


def test_sealed_files_take_one_descriptor_each(package, gate):
    before = len(open_descriptors())
    with gate.admit(package) as model:
        assert len(open_descriptors()) - before == len(model.sealed) == 2
        assert model.model.read_at(0, 4) == (package / "model.onnx").read_bytes()[:4]
        with pytest.raises(InputError):
            model.model.read_at(1, model.model.size)
    assert len(open_descriptors()) == before


def test_five_thousand_strays_make_no_five_thousand_lines(package, gate):
    for number in range(5000):
        (package / f"link{number}").symlink_to("model.onnx")
        (package / f"stray{number}").touch()
    report = gate.verify(package)
    codes = [f.code for f in report.decision.findings if f.outcome is not Outcome.PASS]
    assert {"MLS103", "MLS104"} <= set(codes)
    assert len(codes) < 500
