"""Verifying what others signed, modes, and the folder with more in it than is signed."""

import shutil
from pathlib import Path

import pytest
from making import canonical, put_signatures, resign, statement_over, write_model, write_policy

import mlsign
from mlsign.errors import InputError
from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import Standing
from mlsign.policy.model import Mode, Verdict


def codes(report: mlsign.Report) -> set[str]:
    return {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}


@pytest.fixture
def foreign(tmp_path: Path, keys) -> tuple[Path, Path]:
    """A folder as other OMS signers leave it: no manifest, the signature beside the files."""
    folder = tmp_path / "foreign"
    write_model(folder / "net.onnx", external="net.onnx.data")
    (folder / "README.md").write_text("hello")
    statement = statement_over(folder, ignore=("model.sig", ".git"))
    put_signatures(folder, canonical(statement), (keys.release,))
    (bundle,) = (folder / "signatures").iterdir()
    bundle.rename(folder / "model.sig")
    (folder / "signatures").rmdir()
    return folder, folder / "model.sig"


@pytest.fixture
def optional(tmp_path: Path, keys) -> mlsign.Gate:
    return mlsign.Gate.load(write_policy(tmp_path / "o", {"release": (1, [keys.release.public])}, manifest="optional"))


def test_a_foreign_folder_is_allowed_where_a_manifest_is_optional(foreign, optional, gate):
    folder, signature = foreign
    report = optional.verify(folder, signatures=(signature,))
    assert report.decision.verdict is Verdict.ALLOW
    with optional.admit(folder, signatures=(signature,)) as model:
        assert bytes(model.model.view) == (folder / "net.onnx").read_bytes()
        assert [str(path) for path in model.weights] == ["net.onnx.data"]
    assert "MLS108" in codes(gate.verify(folder, signatures=(signature,)))


def test_without_its_signature_it_is_unsigned(foreign, optional):
    folder, _ = foreign
    assert "MLS201" in codes(optional.verify(folder))


@pytest.mark.parametrize("name", ["net.onnx", "net.onnx.data", "README.md"])
def test_a_foreign_folder_with_another_byte_is_denied(foreign, optional, name):
    folder, signature = foreign
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert {"MLS101", "MLS210", "MLS205"} <= codes(optional.verify(folder, signatures=(signature,)))


def test_what_a_foreign_signature_ignores_is_listed_and_never_loaded(foreign, optional):
    folder, signature = foreign
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("[core]")
    report = optional.verify(folder, signatures=(signature,))
    assert report.decision.verdict is Verdict.ALLOW
    assert ".git" in report.evidence.unverified


def test_a_model_hidden_where_the_signature_does_not_look_is_denied(tmp_path, keys, optional):
    folder = tmp_path / "hidden"
    (folder / "ignored").mkdir(parents=True)
    write_model(folder / "ignored" / "net.onnx")
    (folder / "README.md").write_text("hello")
    resign(folder, (keys.release,), leave_out=("ignored/net.onnx",), ignore=("ignored",))
    report = optional.verify(folder)
    assert report.decision.verdict is Verdict.DENY
    assert "MLS208" in codes(report)
    with pytest.raises(mlsign.Denied):
        optional.admit(folder)


def test_two_models_without_a_manifest_are_denied(tmp_path, keys, optional):
    folder = tmp_path / "two"
    write_model(folder / "a.onnx")
    write_model(folder / "b.onnx", scale=2.0)
    resign(folder, (keys.release,))
    report = optional.verify(folder)
    assert report.decision.verdict is Verdict.DENY
    assert "MLS113" in codes(report)


def test_a_single_file_that_others_signed(tmp_path, keys, optional):
    """Early signers call the one file "." and name it in the subject."""
    folder = tmp_path / "single"
    model = write_model(folder / "net.onnx")
    for name in (".", "net.onnx"):
        statement = statement_over(folder)
        statement["subject"][0]["name"] = "net.onnx"
        statement["predicate"]["resources"][0]["name"] = name
        put_signatures(folder, canonical(statement), (keys.release,))
        (bundle,) = (folder / "signatures").iterdir()
        signature = shutil.move(bundle, tmp_path / "net.sig")
        shutil.rmtree(folder / "signatures")
        report = optional.verify(model, signatures=(signature,))
        assert report.decision.verdict is Verdict.ALLOW, codes(report)
        other = write_model(tmp_path / "other" / "net.onnx", scale=3.0)
        assert "MLS101" in codes(optional.verify(other, signatures=(signature,)))


def test_a_signature_that_is_not_there_is_said(foreign, optional, tmp_path):
    with pytest.raises(InputError) as caught:
        optional.verify(foreign[0], signatures=(tmp_path / "gone.sig",))
    assert caught.value.code == "signature.missing"


def test_unsigned_files_are_listed_and_a_file_that_is_loaded_cannot_be_one(foreign, keys, tmp_path):
    folder, signature = foreign
    (folder / "notes.txt").write_text("x")
    groups = {"release": (1, [keys.release.public])}
    strict = mlsign.Gate.load(write_policy(tmp_path / "s", groups, manifest="optional"))
    assert "MLS103" in codes(strict.verify(folder, signatures=(signature,)))
    rest = "unsigned_files: [notes.txt]\n"
    loose = mlsign.Gate.load(write_policy(tmp_path / "l", groups, manifest="optional", rest=rest))
    report = loose.verify(folder, signatures=(signature,))
    assert report.decision.verdict is Verdict.ALLOW
    assert "notes.txt" in report.evidence.unverified
    for name in ("net.onnx", "net.onnx.data"):
        place = write_policy(tmp_path / name, groups, manifest="optional", rest=f"unsigned_files: [{name}]\n")
        try:
            hole = mlsign.Gate.load(place)
        except InputError:
            continue  # refused even earlier
        report = hole.verify(folder, signatures=(signature,))
        assert report.decision.verdict is Verdict.DENY
        assert "MLS208" in codes(report)


def test_audit_mode_reports_and_stops_nothing(package, keys, tmp_path):
    shutil.rmtree(package / "signatures")
    groups = {"release": (1, [keys.release.public])}
    audit = mlsign.Gate.load(write_policy(tmp_path / "a", groups, rest="mode: audit\n"))
    report = audit.verify(package)
    assert report.decision.mode is Mode.AUDIT
    assert report.decision.verdict is Verdict.DENY
    assert report.decision.enforced_verdict is Verdict.ALLOW
    assert "MLS201" in codes(report)
    with audit.admit(package) as model:
        assert model.report.decision.verdict is Verdict.DENY


def test_even_audit_mode_admits_no_model_that_cannot_be_read(package, keys, tmp_path):
    (package / "model.onnx").write_bytes(b"\x80\x04not a model")
    groups = {"release": (1, [keys.release.public])}
    audit = mlsign.Gate.load(write_policy(tmp_path / "a", groups, rest="mode: audit\n"))
    with pytest.raises(mlsign.Denied):
        audit.admit(package)


def test_everything_that_is_wrong_is_shown_at_once(package, gate):
    (package / "MODEL_CARD.md").unlink()
    (package / "extra").write_text("x")
    data = (package / "fraud.onnx.data").read_bytes()
    (package / "fraud.onnx.data").write_bytes(b"\xff" + data[1:])
    (package / "link").symlink_to("model.onnx")
    assert {"MLS101", "MLS102", "MLS103", "MLS104", "MLS205", "MLS210"} <= codes(gate.verify(package))


def test_a_stale_signature_is_shown_as_not_counted(package, gate, keys):
    old = canonical(statement_over(package) | {"subject": [{"name": "old", "digest": {"sha256": "00" * 32}}]})
    put_signatures(package, old, (keys.release,), keep=True)
    report = gate.verify(package)
    assert report.decision.verdict is Verdict.ALLOW
    (rejected,) = [s for s in report.evidence.signatures if s.standing is Standing.REJECTED]
    assert [r.code for r in rejected.reasons] == ["MLS207"]


@pytest.mark.parametrize(
    ("make", "code"),
    [(lambda _: None, "package.missing"), (lambda p: p.symlink_to(p.name), "file.read")],
)
def test_no_package_at_all(tmp_path, gate, make, code):
    make(tmp_path / "p")
    with pytest.raises(mlsign.MlsignError) as caught:
        gate.verify(tmp_path / "p")
    assert caught.value.code == code


def test_an_empty_folder_is_denied(tmp_path, gate):
    (tmp_path / "p").mkdir()
    report = gate.verify(tmp_path / "p")
    assert report.decision.verdict is Verdict.DENY
    assert {"MLS108", "MLS201", "MLS205"} <= codes(report)
