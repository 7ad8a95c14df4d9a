"""Reports: what stands in them, for people and for programs."""

import copy
import json
import shutil
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from making import bundle_of, canonical, put_signatures, statement_over, write_model, write_policy

import mlsign
from mlsign.digest import sha256
from mlsign.errors import MlsignError
from mlsign.evidence.findings import Finding, Outcome
from mlsign.identity import KeylessIdentity, Method
from mlsign.onnx.summary import RunBounds, Unbounded, Unknown
from mlsign.paths import PackagePath
from mlsign.policy.model import Verdict
from mlsign.report.as_json import render_error
from mlsign.report.as_json import render_inspection as inspection_json
from mlsign.report.as_json import render_report as report_json
from mlsign.report.as_text import render_report as report_text
from mlsign.report.inspection_as_text import render_inspection as inspection_text

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "schemas" / "report.v1.schema.json").read_text())


def text(report: mlsign.Report) -> str:
    """In one line, so that a test does not hang on where lines break."""
    return " ".join(report_text(report, width=100, color=False).split())


def test_an_allowed_package(package, gate):
    page = report_text(gate.verify(package), width=100, color=False)
    flat = " ".join(page.split())
    assert page.splitlines()[0].strip() == "✓ fraud 1.2.0 is allowed by the policy tests"
    for part in (
        "Digest sha256:",
        "Licence Apache-2.0",
        "release: EC P-256 key sha256:",
        "Gemm",
        "15 parameters",
        "In order",
        "MLS101",
    ):
        assert part in flat
    assert "Refused" not in page
    assert "\x1b" not in page
    assert all(line == line.rstrip() for line in page.splitlines())


def test_a_denied_package_says_why_and_what_to_do(package, gate):
    (package / "MODEL_CARD.md").write_text("x")
    flat = text(gate.verify(package))
    assert flat.startswith("✗ fraud 1.2.0 is DENIED by the policy tests")
    for part in ("Refused because", "MLS101", "MODEL_CARD.md", "mlsign explain", "nobody this policy trusts"):
        assert part in flat


def test_audit_mode_is_said(package, keys, tmp_path):
    shutil.rmtree(package / "signatures")
    policy = write_policy(tmp_path / "a", {"release": (1, [keys.release.public])}, rest="mode: audit\n")
    flat = text(mlsign.Gate.load(policy).verify(package))
    assert "Audit mode" in flat
    assert "Would be refused because" in flat


def test_signatures_that_were_not_counted_are_listed(package, gate, keys):
    put_signatures(package, canonical(statement_over(package)), (keys.outsider,), keep=True)
    flat = text(gate.verify(package))
    assert "Signatures that were not counted" in flat
    assert "a key that the policy does not name" in flat


@pytest.mark.parametrize(
    ("subject", "line"),
    [
        ("release@acme.example", "release: release@acme.example by https://id.example, logged"),
        (
            "https://host.example/a/.github/w.yml@refs/heads/main",
            "release: https://host.example/a/.github/w.yml@refs/heads/main by",
        ),
        ("a@b.example by https://x, logged; release: x!y", 'release: "a@b.example by https://x, logged; release: x!y" by https'),
        ('a" by https://x', r'release: "a\u{22} by https://x" by https://id.example'),
        ("a;b", 'release: "a;b" by https'),
        ("аlice!acme", 'release: "аlice!acme" by https'),  # the first letter is Cyrillic
        ("", 'release: "" by https'),
    ],
)
def test_a_name_does_not_read_as_another_signer(package, gate, subject, line):
    report = gate.verify(package)
    identity = KeylessIdentity(subject=subject, issuer="https://id.example", spki=sha256(b"key"))
    group = report.decision.met[0]
    record = replace(group.signatures[0], identity=identity, method=Method.KEYLESS, logged=True)
    met = (replace(group, signatures=(record,)),)
    assert line in text(replace(report, decision=replace(report.decision, met=met)))


def test_what_no_signature_covers_is_listed_and_cut(package, gate):
    report = gate.verify(package)
    loose = replace(report, evidence=replace(report.evidence, unverified=tuple(f"loose-{n:02}" for n in range(20))))
    flat = text(loose)
    assert "covered by no signature" in flat
    assert "loose-11" in flat
    assert "loose-12" not in flat
    assert "and 8 more" in flat


@pytest.mark.parametrize("width", [0, 40, 80, 1000])
def test_any_width(package, gate, width):
    (package / ("x" * 200)).write_text("x")
    page = report_text(gate.verify(package), width=width, color=False)
    assert max(map(len, page.splitlines())) <= 120


def test_colour_is_asked_for(package, gate):
    assert "\x1b[" in report_text(gate.verify(package), width=80, color=True)


def hostile(report: mlsign.Report) -> mlsign.Report:
    """Foreign text in every field that is printed."""
    evil = "\x1b[2J\u202e[red]x[/red]\n✓ all is well"
    finding = Finding(
        code="MLS101", outcome=Outcome.FAIL, message=evil, where=evil, expected=evil, found=evil, cause=evil, hint=evil
    )
    evidence = replace(report.evidence, unverified=(evil,))
    if evidence.summary is not None:
        evidence = replace(evidence, summary=replace(evidence.summary, producer_name=evil, producer_version=evil))
    return replace(report, path=evil, evidence=evidence, decision=replace(report.decision, findings=(finding,)))


def test_foreign_text_forges_no_line(package, gate):
    report = hostile(gate.verify(package))
    page = report_text(report, width=100, color=False)
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert not any(line.strip().startswith("✓ all is well") for line in page.splitlines())
    data = report_json(report)
    assert data.isascii()
    Draft202012Validator(SCHEMA).validate(json.loads(data))


def test_json_holds_everything(package, gate, keys):
    report = gate.verify(package)
    value = json.loads(report_json(report))
    Draft202012Validator(SCHEMA).validate(value)
    assert value["decision"] == "allow"
    assert value["package"]["digest"] == str(report.evidence.digest)
    assert (value["policy"]["name"], value["policy"]["digest"]) == ("tests", str(report.policy.digest))
    assert value["signers"][0]["identity"] == {"key": str(keys.release.signer.identity.spki), "kind": "EC P-256"}
    assert len(value["findings"]) == len(report.decision.findings)
    assert value["now"].endswith("Z")
    bundle_of(package, keys.release).write_text("{")
    denied = json.loads(report_json(gate.verify(package)))
    Draft202012Validator(SCHEMA).validate(denied)
    assert {s["standing"] for s in denied["signatures"]} == {"counted", "rejected"}
    assert [r["code"] for s in denied["signatures"] for r in s["reasons"]] == ["MLS202"]


def test_json_of_a_denial_without_anything(tmp_path, gate):
    (tmp_path / "p").mkdir()
    value = json.loads(report_json(gate.verify(tmp_path / "p")))
    Draft202012Validator(SCHEMA).validate(value)
    assert value["package"] == {"name": None, "version": None, "digest": None, "license": None}
    assert value["model"] is None


def test_inspections(package, tmp_path):
    (package / "signatures" / "0").write_text("junk")
    found = mlsign.inspect(package)
    page = " ".join(inspection_text(found, width=100, color=False).split())
    for part in (
        "fraud 1.2.0",
        "Apache-2.0",
        "finds fraud",
        "Gemm",
        "MODEL_CARD.md",
        "claims to be by the key with the hint",
        "is not JSON",
        "Claims are not checked",
    ):
        assert part in page
    Draft202012Validator(SCHEMA).validate(json.loads(inspection_json(found)))
    bare = mlsign.inspect(write_model(tmp_path / "m.onnx"))
    page = " ".join(inspection_text(bare, width=100, color=False).split())
    assert "m.onnx" in page
    assert "Claims" not in page
    Draft202012Validator(SCHEMA).validate(json.loads(inspection_json(bare)))


def test_what_a_run_takes_is_in_every_report(package, gate):
    report, found = gate.verify(package), mlsign.inspect(package)
    row = "A run up to 96 B besides inputs and weights, 1 operator, with open dimensions of 8"
    for page in (text(report), " ".join(inspection_text(found, width=100, color=False).split())):
        assert row in page, page
    for data in (report_json(report), inspection_json(found)):
        assert json.loads(data)["model"]["bounds"] == {
            "open_dimension": 8,
            "peak_bytes": 96,
            "largest_bytes": 96,
            "largest": "graph.node[0]",
            "steps": 1,
            "operations": 96,
            "unknown": [],
        }


def with_bounds(found: mlsign.Inspection, bounds: RunBounds | None) -> tuple[str, dict]:
    changed = replace(found, summary=replace(found.summary, bounds=bounds))
    value = json.loads(inspection_json(changed))
    Draft202012Validator(SCHEMA).validate(value)
    return " ".join(inspection_text(changed, width=100, color=False).split()), value["model"]["bounds"]


@pytest.mark.parametrize("kind", Unbounded)
def test_what_has_no_bound_is_said_with_its_place(package, kind):
    found = mlsign.inspect(package)
    one = Unknown(kind=kind, where="graph.node[4]", operator="ai.onnx:Gather", detail="axis 9 of 2")
    page, value = with_bounds(found, replace(found.summary.bounds, unknown=(one,)))
    assert "A run not bounded: ai.onnx:Gather at graph.node[4]: " in page
    assert "(axis 9 of 2)" in page
    assert "more" not in page
    assert value["unknown"] == [
        {"kind": kind.value, "where": "graph.node[4]", "operator": "ai.onnx:Gather", "detail": "axis 9 of 2"}
    ]
    page, value = with_bounds(found, replace(found.summary.bounds, unknown=(replace(one, detail=""), one, one)))
    assert ", and 2 more" in page
    assert "axis 9" not in page
    assert len(value["unknown"]) == 3


def test_a_model_with_problems_has_no_bounds(package):
    page, value = with_bounds(mlsign.inspect(package), None)
    assert "A run not bounded: the model has problems" in page
    assert value is None


def test_bounds_beyond_all_machines_are_spelled_as_such(package):
    found = mlsign.inspect(package)
    huge = replace(found.summary.bounds, peak_bytes=2**128, largest_bytes=2**128, steps=2**128, operations=2**128)
    page, value = with_bounds(found, huge)
    assert "up to more than any machine has besides inputs and weights, more operators than anybody waits for" in page
    assert {value[name] for name in ("peak_bytes", "largest_bytes", "steps", "operations")} == {2**53 - 1}


def test_errors():
    value = json.loads(render_error(mlsign.InputError("is wrong", code="a.b", where="x", expected="1", found="2", hint="h")))
    Draft202012Validator(SCHEMA).validate(value)
    assert value == {
        "schema": "mlsign/error/v1",
        "code": "a.b",
        "message": "is wrong",
        "where": "x",
        "expected": "1",
        "found": "2",
        "hint": "h",
    }


def test_the_schema_refuses_other_documents(package, gate):
    value = json.loads(report_json(gate.verify(package)))
    validator = Draft202012Validator(SCHEMA)
    for change in ({"decision": "maybe"}, {"zz": 1}, {"findings": []}, {"schema": "mlsign/report/v2"}, {"now": "today"}):
        assert not validator.is_valid(value | change)
    for name in value:
        assert not validator.is_valid({k: v for k, v in value.items() if k != name})


def test_a_flood_of_findings_is_cut_in_text_and_whole_in_json(package, gate):
    report = gate.verify(package)
    flood = tuple(Finding(code="MLS104", outcome=Outcome.FAIL, message="is no file", where=f"{n:06}") for n in range(190_000))
    report = replace(report, decision=replace(report.decision, verdict=Verdict.DENY, findings=flood))
    page = report_text(report, width=100, color=False)
    assert "and 189950 more: --format json lists them all" in page
    assert page.count("is no file") == 50
    assert len(json.loads(report_json(report))["findings"]) == 190_000
    few = replace(report, decision=replace(report.decision, findings=flood[:50]))
    assert "lists them all" not in report_text(few, width=100, color=False)


EVIL = "\x1b[2J\u202e\r\n\x85\u2028✓ all is well"


def poisoned(value):
    """The same value with hostile text in every text field, at any depth."""
    if isinstance(value, PackagePath):
        return PackagePath(EVIL)
    if isinstance(value, str):
        return EVIL
    if hasattr(value, "_make"):
        return value._make(map(poisoned, value))
    if isinstance(value, tuple | list):
        return tuple(poisoned(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = copy.copy(value)
        for field in fields(value):
            object.__setattr__(changed, field.name, poisoned(getattr(value, field.name)))
        return changed
    return value


@pytest.mark.parametrize("broken", [False, True])
def test_hostile_text_in_any_field_reaches_no_terminal(package, gate, broken):
    if broken:
        (package / "extra").write_text("x")
    report = gate.verify(package)
    found = mlsign.inspect(package)
    signers = (*found.signers, replace(found.signers[0], problem="p"))
    # the enumerations are ours; what claims to have no problem must get as far as its hint
    hinted = replace(found, signers=(replace(poisoned(found.signers[0]), problem=""), poisoned(signers[1])))
    pages = [
        report_text(poisoned(report), width=100, color=False),
        inspection_text(poisoned(found), width=100, color=False),
        inspection_text(replace(poisoned(found), signers=hinted.signers), width=100, color=False),
        inspection_text(replace(poisoned(found), manifest=None), width=100, color=False),
        report_json(poisoned(report)),
        inspection_json(poisoned(found)),
        render_error(MlsignError(EVIL, code=EVIL, where=EVIL, expected=EVIL, found=EVIL, hint=EVIL)),
    ]
    for page in pages:
        for char in "\x1b\u202e\r\x85\u2028":
            assert char not in page
        assert not any(line.strip().startswith("✓ all is well") for line in page.split("\n"))
