"""Verification reports as SARIF, annotations and Markdown: limits, places, fingerprints, and nothing of this machine."""

import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import validators
from making import canonical, put_signatures, statement_over, write_policy

import mlsign
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.evidence.findings import Finding, Outcome
from mlsign.policy.model import Mode, Verdict
from mlsign.report import sarif_log
from mlsign.report.as_github import render_error
from mlsign.report.as_github import render_report as as_github
from mlsign.report.as_json import render_report as as_json
from mlsign.report.as_markdown import MAX_COMMENT
from mlsign.report.as_markdown import render_report as as_markdown
from mlsign.report.places import Base, place_of
from mlsign.report.report_as_sarif import render_report as as_sarif
from mlsign.report.workflow import Level, annotation, inert

BASE = Base(folder="models/fraud-1.2.0", is_folder=True)
HERE = Base(folder="", is_folder=True)
ELSEWHERE = Base(folder=None, is_folder=True)


def one(**more) -> Finding:
    return Finding(**({"code": "MLS309", "outcome": Outcome.FAIL, "message": "is no model"} | more))


def found(report: mlsign.Report, *findings: Finding, mode: Mode = Mode.ENFORCE) -> mlsign.Report:
    return replace(
        report,
        policy=replace(report.policy, mode=mode),
        decision=replace(report.decision, verdict=Verdict.DENY, mode=mode, findings=findings),
    )


@pytest.fixture
def report(package, gate):
    return gate.verify(package)


def run_of(report: mlsign.Report, base: Base = BASE) -> dict:
    (run,) = json.loads(as_sarif(report, base=base, version="1"))["runs"]
    return run


def prints(run: dict) -> list[str]:
    return [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]


# SARIF


def test_sarif_of_an_allowed_package_has_no_results(report):
    run = run_of(report)
    assert (run["results"], run["tool"]["driver"]["rules"], run["properties"]["decision"]) == ([], [], "allow")
    assert (run["properties"]["package"], run["properties"]["digest"]) == ("fraud 1.2.0", str(report.evidence.digest))


def test_sarif_of_what_has_no_digest(tmp_path, gate):
    (tmp_path / "p").mkdir()
    run = run_of(gate.verify(tmp_path / "p"))
    assert run["properties"]["digest"] is None
    assert run["results"]


def test_every_rule_has_its_page_and_its_name(report):
    (rule,) = run_of(found(report, one()))["tool"]["driver"]["rules"]
    assert (rule["id"], rule["helpUri"]) == ("MLS309", "urn:mlsign:finding:MLS309")
    assert rule["help"]["markdown"].startswith("# MLS309: ")


@pytest.mark.skipif("MLSIGN_SARIF_SCHEMA" not in os.environ, reason="MLSIGN_SARIF_SCHEMA names no copy of the SARIF schema")
@pytest.mark.parametrize("mode", Mode)
def test_sarif_is_what_its_own_schema_describes(package, gate, mode):
    schema = json.loads(Path(os.environ["MLSIGN_SARIF_SCHEMA"]).read_text())
    (package / "x y").write_text("x")
    report = gate.verify(package)
    page = as_sarif(found(report, *report.decision.findings, mode=mode), base=BASE, version="1")
    kind = validators.validator_for(schema)
    kind(schema, format_checker=kind.FORMAT_CHECKER).validate(json.loads(page))


def test_fingerprints_are_the_same_on_another_day_elsewhere_and_in_another_order(package, policy_file, tmp_path):
    (package / "extra.txt").write_text("x")
    (package / "MODEL_CARD.md").write_text("one")
    policy = load_policy(policy_file)
    first = verify(package, VerifyRequest(policy=policy, now=datetime(2026, 1, 1, tzinfo=UTC)))
    (package / "MODEL_CARD.md").write_text("another")
    moved = package.rename(tmp_path / "moved")
    again = verify(moved, VerifyRequest(policy=policy, now=datetime(2027, 1, 1, tzinfo=UTC)))
    assert prints(run_of(first)) == prints(run_of(again))
    turned = replace(again, decision=replace(again.decision, findings=again.decision.findings[::-1]))
    assert sorted(prints(run_of(turned))) == sorted(prints(run_of(first)))
    assert len(set(prints(run_of(first)))) == len(prints(run_of(first)))


def test_a_fingerprint_never_changes(report):
    """Alerts that people have dismissed come back when it does."""
    assert prints(run_of(found(report, one(where="graph.node[0]", found="ai.onnx:Loop")))) == [
        "b62c4d31ca68fb733f2fc087f6b748ae:1"
    ]


def test_ages_and_digests_are_no_part_of_a_fingerprint_but_operators_are(report):
    for code, same in (("MLS216", True), ("MLS101", True), ("MLS301", False)):
        before, after = (prints(run_of(found(report, one(code=code, where="w", found=text)))) for text in ("1 day", "2 days"))
        assert (before == after) is same


def test_equal_findings_have_fingerprints_of_their_own(report):
    run = run_of(found(report, one(message="a"), one(message="b")))
    assert len(set(prints(run))) == 2


def test_sarif_of_an_audit_says_so_in_every_result(report):
    run = run_of(found(report, one(), mode=Mode.AUDIT))
    assert run["properties"]["mode"] == "audit"
    assert "this would have been denied" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    assert run["results"][0]["message"]["text"].endswith("Audit mode: nothing was stopped.")
    watched = replace(report.decision, mode=Mode.AUDIT)
    clean = replace(report, policy=replace(report.policy, mode=Mode.AUDIT), decision=watched)
    assert "nothing would have been" in run_of(clean)["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def test_sarif_keeps_to_the_number_of_results(report, monkeypatch):
    monkeypatch.setattr(sarif_log, "_MAX_RESULTS", 2)
    run = run_of(found(report, one(outcome=Outcome.UNKNOWN), one(where="1"), one(where="2")))
    assert [result["level"] for result in run["results"]] == ["error", "error"]
    assert "1 more" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


# places


@pytest.mark.parametrize(
    ("finding", "place"),
    [
        (one(code="MLS101", where="MODEL_CARD.md"), "MODEL_CARD.md"),
        (one(code="MLS103", where="not listed/x y.txt"), "not listed/x y.txt"),
        (one(code="MLS103", where="a|b"), "a|b"),
        (one(code="MLS103", where="../../etc/passwd"), "mlsign.json"),
        (one(code="MLS103", where="/etc/passwd"), "mlsign.json"),
        (one(code="MLS101", where=""), "mlsign.json"),
        (one(code="MLS205", where="signers.release"), "mlsign.json"),
        (one(code="MLS110", where="mlsign.json:model.operators"), "mlsign.json"),
        (one(code="MLS301", where="graph.node[3]"), "model.onnx"),
        (one(code="MLS318", where="fraud.onnx.data"), "fraud.onnx.data"),
        (one(code="MLS203", where="BUNDLE"), "BUNDLE"),
    ],
)
def test_a_finding_is_at_a_file(report, finding, place):
    bundle = report.evidence.signatures[0].bundle
    finding = replace(finding, where=finding.where.replace("BUNDLE", bundle))
    place = place.replace("BUNDLE", bundle)
    model = str(report.evidence.manifest.model.path)
    place = model if place == "model.onnx" else place
    assert place_of(finding, report, BASE) == f"models/fraud-1.2.0/{place}"
    assert place_of(finding, report, HERE) == place_of(finding, report, ELSEWHERE) == place


def test_without_a_manifest_the_whole_is_the_package(report):
    bare = replace(report, evidence=replace(report.evidence, manifest=None, unverified=("loose",)))
    assert place_of(one(where="graph"), bare, BASE) == "models/fraud-1.2.0"
    assert place_of(one(where="graph"), bare, ELSEWHERE) == "fraud-1.2.0"
    assert place_of(one(where="loose"), bare, ELSEWHERE) == "loose"
    assert place_of(one(where="graph"), replace(bare, path="."), HERE) == "."
    file = replace(bare, path="/far/away/m.onnx")
    assert place_of(one(where="graph"), file, Base(folder="models", is_folder=False)) == "models/m.onnx"


def test_nothing_of_this_machine_is_in_reports_that_are_shown_to_others(package, policy_file, tmp_path, keys):
    put_signatures(package, canonical(statement_over(package)), (keys.outsider,))
    (only,) = (package / "signatures").iterdir()
    named = only.rename(tmp_path / "model.sig")
    named.write_text("{")
    report = verify(package, VerifyRequest(policy=load_policy(policy_file), signatures=(named,)))
    assert str(named) in as_json(report)
    for base in (BASE, ELSEWHERE):
        for page in (as_sarif(report, base=base, version="1"), as_github(report, base=base), as_markdown(report)):
            assert str(tmp_path) not in page
            assert "model.sig" in page


# GitHub


def test_annotations_of_an_allowed_package(report):
    assert as_github(report, base=BASE) == "::notice title=mlsign::fraud 1.2.0 is allowed by the policy tests\n"


def test_annotations_keep_to_ten_of_a_level_and_count_the_rest(report):
    many = [one(where=f"{n}") for n in range(30)] + [one(where=f"u{n}", outcome=Outcome.UNKNOWN) for n in range(15)]
    lines = as_github(found(report, *many), base=BASE).splitlines()
    levels = [line.split()[0] for line in lines]
    assert [levels.count(f"::{level.value}") for level in Level] == [10, 10, 1]
    assert "26 findings of this package left out" in lines[-1]
    assert "is DENIED" in lines[0]
    few = as_github(found(report, *many[:9]), base=BASE)
    assert "left out" not in few
    assert len(few.splitlines()) == 10


def test_in_audit_mode_nothing_is_an_error(report):
    many = [one(where=f"{n}") for n in range(30)]
    lines = as_github(found(report, *many, mode=Mode.AUDIT), base=BASE).splitlines()
    assert lines[0].startswith("::warning title=mlsign::fraud 1.2.0 would have been DENIED")
    assert "audit mode" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["::notice"] * 10
    assert "21 findings" in lines[-1]
    allowed = replace(report, decision=replace(report.decision, mode=Mode.AUDIT))
    assert as_github(allowed, base=BASE).startswith(
        "::notice title=mlsign::fraud 1.2.0 is allowed by the policy tests; audit mode"
    )


def test_annotations_name_files_only_below_the_current_folder(report):
    wrong = found(report, one(code="MLS101", where="MODEL_CARD.md"))
    assert "::error file=models/fraud-1.2.0/MODEL_CARD.md,title=MLS101::MODEL_CARD.md: is no model" in as_github(wrong, base=BASE)
    assert "file=" not in as_github(wrong, base=ELSEWHERE)


def test_properties_and_messages_are_escaped_as_the_runner_reads_them():
    line = annotation(Level.ERROR, "100%\n::warning::x", title="a:b,c%\r", file="d:,e")
    assert line == r"::error file=d%3A%2Ce,title=a%3Ab%2Cc%25\u{d}::100%25\u{a}::warning::x"
    assert annotation(Level.NOTICE, "##[add-mask]x", title="t") == r"::notice title=t::##\u{5b}add-mask]x"
    assert len(annotation(Level.NOTICE, "%" * 10_000, title="t")) < 3100


def test_an_error_is_an_annotation_and_no_verdict():
    page = render_error(mlsign.InputError("is wrong\n::x::", code="a.b", where="w", hint="mend it"))
    assert page == r"::error title=mlsign a.b::no verdict, so nothing is allowed: is wrong\u{a}::x::; mend it" + "\n"
    assert "; " not in render_error(mlsign.InputError("is wrong", code="a.b")).split("::")[-1]


def test_inert_lines():
    assert inert("a\n  ::add-mask::x\n::y\nz::a: :\n : :") == "a\n  \\u{3a}:add-mask::x\n\\u{3a}:y\nz::a: :\n : :"
    assert inert("x ##[error]y") == r"x ##\u{5b}error]y"


# Markdown


def test_markdown_says_verdict_policy_signers_and_what_passed(report):
    page = as_markdown(report)
    assert page.startswith("## ✅ Allowed: `fraud 1.2.0`\n")
    for part in ("| `release` | `EC P-256 key sha256:", "`MLS101`", "<summary>In order</summary>", str(report.policy.digest)):
        assert part in page
    assert "What is wrong" not in page
    assert "mlsign explain" not in page


def test_markdown_of_an_audit_is_loud(report):
    page = as_markdown(found(report, one(), mode=Mode.AUDIT))
    assert page.startswith("## ⚠️ Would have been denied: ")
    assert "> **Audit mode: this policy reports and stops nothing.**" in page


def test_markdown_keeps_to_a_comment_and_says_what_is_left_out(report):
    flood = [one(where=f"{n:06}" + "語" * 200, message="m" * 500, expected="e" * 500) for n in range(5000)]
    wrong = replace(
        found(report, *flood), evidence=replace(report.evidence, unverified=tuple("x" * 99 + str(n) for n in range(9)))
    )
    for limit in (MAX_COMMENT, 1 << 20, 5000, 1600):
        page = as_markdown(wrong, limit=limit)
        assert 0 < len(page.encode()) <= limit
        assert "**Left out here: " in page
        assert "findings" in page.split("Left out here")[1]
        assert page.startswith("## ❌ Denied: ")
        assert page.count("<details>") == page.count("</details>")
    assert as_markdown(wrong, limit=100) == as_markdown(wrong, limit=-5) == ""


def test_markdown_lists_signatures_that_do_not_count_and_loose_files(package, gate, keys):
    put_signatures(package, canonical(statement_over(package)), (keys.outsider,), keep=True)
    report = gate.verify(package)
    page = as_markdown(replace(report, evidence=replace(report.evidence, unverified=("loose",))))
    assert "Signatures that were not counted" in page
    assert "a key that the policy does not name" in page
    assert re.search(r"never loaded</summary>\n\n- `loose`\n", page)


def test_nobody_signed(package, keys, tmp_path):
    policy = write_policy(tmp_path / "p", {"release": (1, [keys.outsider.public])})
    assert "| Signed by | nobody this policy trusts |" in as_markdown(mlsign.Gate.load(policy).verify(package))
