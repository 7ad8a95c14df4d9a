"""An exception from the policy file to the report, over a real package."""

import json
from pathlib import Path

from making import canonical, make_package, put_signatures, statement_over, write_model, write_policy

import mlsign
from mlsign.evidence.findings import Outcome
from mlsign.policy.model import Verdict
from mlsign.report.as_json import render_report as as_json
from mlsign.report.as_text import render_report as as_text


def _gate(folder: Path, keys, rest: str = "") -> mlsign.Gate:
    demand = "versions: {minimum: 9.0.0}\n"
    return mlsign.Gate.load(write_policy(folder, {"release": (1, [keys.release.public])}, rest=demand + rest))


def _exception(digest: object, until: str, code: str = "MLS402") -> str:
    return f"exceptions: [{{digest: '{digest}', findings: [{code}], reason: 'INC-4711 until the next one', until: {until}}}]\n"


def test_a_known_fault_of_one_package_is_borne_until_a_day(tmp_path: Path, keys):
    package = make_package(tmp_path / "fraud", signers=[keys.release])
    other = make_package(tmp_path / "other", signers=[keys.release], scale=2.0)
    plain = _gate(tmp_path / "plain", keys).verify(package)
    assert plain.decision.verdict is Verdict.DENY
    digest = plain.evidence.digest

    report = _gate(tmp_path / "p", keys, _exception(digest, "2999-01-01T00:00:00Z")).verify(package)
    assert report.decision.verdict is Verdict.ALLOW
    text = as_text(report, width=100, color=False)
    assert text.index("NOT HELD AGAINST IT, BY EXCEPTION") < text.index("In order")
    assert "until 2999-01-01 00:00:00Z: INC-4711 until the next one" in text
    (told,) = json.loads(as_json(report))["exceptions"]
    assert (told["reason"], told["until"]) == ("INC-4711 until the next one", "2999-01-01T00:00:00Z")
    assert [finding["code"] for finding in told["findings"]] == ["MLS402"]

    elsewhere = _gate(tmp_path / "p", keys, _exception(digest, "2999-01-01T00:00:00Z")).verify(other)
    assert (elsewhere.decision.verdict, elsewhere.decision.excepted) == (Verdict.DENY, ())
    assert "EXCEPTION" not in as_text(elsewhere, width=100, color=False)


def test_after_its_end_and_for_altered_or_unsigned_content_it_does_nothing(tmp_path: Path, keys):
    package = make_package(tmp_path / "fraud", signers=[keys.release])
    digest = _gate(tmp_path / "plain", keys).verify(package).evidence.digest
    ended = _gate(tmp_path / "e", keys, _exception(digest, "2020-01-01T00:00:00Z")).verify(package)
    assert ended.decision.verdict is Verdict.DENY
    assert "MLS422" in {f.code for f in ended.decision.findings if f.outcome is Outcome.FAIL}
    gate = _gate(tmp_path / "p", keys, _exception(digest, "2999-01-01T00:00:00Z"))
    model = package / "model.onnx"
    genuine = model.read_bytes()
    model.write_bytes(genuine[:-1] + bytes([genuine[-1] ^ 1]))
    assert gate.verify(package).decision.verdict is Verdict.DENY
    model.write_bytes(genuine)
    assert gate.verify(package).decision.verdict is Verdict.ALLOW
    for bundle in (package / "signatures").iterdir():
        bundle.unlink()
    assert gate.verify(package).decision.verdict is Verdict.DENY


def test_without_a_manifest_the_same_files_under_other_names_are_not_the_package_that_was_excepted(tmp_path: Path, keys):
    """The digest of a folder that others signed is over the digests of its files alone: names are free to change."""
    looked_at = write_model(tmp_path / "looked-at.onnx").read_bytes()
    hidden = write_model(tmp_path / "hidden.onnx", scale=3.0, operator="Sin").read_bytes()
    digests = set()
    for folder, names in (("one", ("a.bin", "model.onnx")), ("two", ("a.onnx", "model.bin"))):
        (tmp_path / folder).mkdir()
        for name, content in zip(names, (hidden, looked_at), strict=True):
            (tmp_path / folder / name).write_bytes(content)
        put_signatures(tmp_path / folder, canonical(statement_over(tmp_path / folder)), [keys.release])

    def verify(folder: str, rest: str = "") -> mlsign.Report:
        groups = {"release": (1, [keys.release.public])}
        policy = write_policy(tmp_path / "p", groups, manifest="optional", allow="['ai.onnx:MatMul']", rest=rest)
        report = mlsign.Gate.load(policy).verify(tmp_path / folder)
        digests.add(report.evidence.digest)
        return report

    assert [f.code for f in verify("one").decision.findings if f.outcome is not Outcome.PASS] == ["MLS301"]
    (digest,) = digests
    for folder in ("one", "two"):
        report = verify(folder, _exception(digest, "2999-01-01T00:00:00Z", "MLS301"))
        assert (report.decision.verdict, report.decision.excepted) == (Verdict.DENY, ())
    assert digests == {digest}
