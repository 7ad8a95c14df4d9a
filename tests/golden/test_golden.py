"""Whole reports in every format, compared with what they were. ``pytest tests/golden --renew-golden`` writes them again."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, validators
from making import write_policy

from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.signing.sign import sign
from mlsign.actions.verification.verify import Report, VerifyRequest, verify
from mlsign.evidence.findings import Finding, Outcome
from mlsign.policy.exemption import Excepted, Exemption
from mlsign.policy.lineage import Lineage, Loosened
from mlsign.policy.model import Verdict
from mlsign.report.as_github import render_report as as_github
from mlsign.report.as_json import render_report as as_json
from mlsign.report.as_markdown import render_report as as_markdown
from mlsign.report.as_text import render_report as as_text
from mlsign.report.places import Base
from mlsign.report.report_as_sarif import render_report as as_sarif

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent / "reports"
PAGE = ROOT / "docs" / "reports.md"
VALIDATOR = Draft202012Validator(json.loads((ROOT / "schemas" / "report.v1.schema.json").read_text()))
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
BASE = Base(folder="iris-1.0.0", is_folder=True)
FORMATS: dict[str, Callable[[Report], str]] = {
    "text": lambda report: as_text(report, width=100, color=False),
    "json": as_json,
    "sarif": lambda report: as_sarif(report, base=BASE, version="0.1.0"),
    "github": lambda report: as_github(report, base=BASE),
    "markdown": as_markdown,
}
CASES = ("allowed", "denied", "audit", "unknown", "hostile", "conceded")
EVIL = (
    "x`|\n::error::y\r\n::stop-commands::z ##[add-mask]s\x1b[2J\u202e <img src=//e.example> </details> @maintainer #1 "
    "![i](http://e.example) [l](http://e.example) http://e.example 100%0A::warning::w\n```\n| a | b |"
)


@pytest.fixture(scope="module")
def reports(tmp_path_factory, keys) -> dict[str, Report]:
    folder = tmp_path_factory.mktemp("golden")
    package = pack(PackRequest(model=ROOT / "examples" / "iris" / "model.onnx", output=folder / "iris-1.0.0")).path
    sign(package, keys.release.signer)
    # Its own name is the digest of a signature that is another at each run, and too long for a line.
    next((package / "signatures").iterdir()).rename(package / "signatures" / "release.sigstore.json")
    groups = {"release": (1, [keys.release.public])}
    enforce, audit = write_policy(folder, groups), write_policy(folder, groups, name="audit.yaml", rest="mode: audit\n")

    def judged(place: Path, policy: Path) -> Report:
        report = verify(place, VerifyRequest(policy=load_policy(policy), now=NOW))
        return replace(report, path="iris-1.0.0")

    allowed = judged(package, enforce)
    bad = Path(shutil.copytree(package, folder / "bad"))
    (bad / "model.onnx").write_bytes((bad / "model.onnx").read_bytes() + b"\x00")
    (bad / "notes.txt").write_text("x")
    unread = Finding(code="MLS115", outcome=Outcome.UNKNOWN, message="cannot be read: Permission denied", where="notes.txt")
    finding = Finding(code="MLS309", outcome=Outcome.FAIL, message=EVIL, where=EVIL, expected=EVIL, found=EVIL, hint=EVIL)
    denied = judged(bad, enforce)
    hostile = replace(
        denied,
        policy=replace(denied.policy, name=EVIL, lineage=Lineage(loosened=(_loosened(EVIL),))),
        evidence=replace(denied.evidence, unverified=(EVIL,)),
        decision=replace(denied.decision, findings=(finding,), excepted=(_excepted(denied, EVIL, finding),)),
    )
    old = Finding(code="MLS402", outcome=Outcome.FAIL, message="version 1.0.0 is below 2.0.0", where="mlsign.json")
    conceded = replace(
        allowed,
        policy=replace(allowed.policy, lineage=Lineage(loosened=(_loosened("pilot until March"),)), revision=7),
        decision=replace(
            allowed.decision, met=(), summary=allowed.evidence.signatures[0], excepted=(_excepted(allowed, "INC-4711", old),)
        ),
    )
    return {
        "conceded": conceded,
        "allowed": allowed,
        "denied": denied,
        "audit": judged(bad, audit),
        "unknown": replace(
            allowed,
            decision=replace(allowed.decision, verdict=Verdict.DENY, findings=(*allowed.decision.findings, unread)),
        ),
        "hostile": hostile,
    }


def _excepted(report: Report, reason: str, finding: Finding) -> Excepted:
    until = datetime(2026, 12, 1, tzinfo=UTC)
    exemption = Exemption(digest=report.evidence.digest, codes=frozenset({finding.code}), reason=reason, until=until)
    return Excepted(exemption=exemption, findings=(finding,))


def _loosened(reason: str) -> Loosened:
    return Loosened(
        field="model.max_nodes", reason=reason, parent="base (../base.yaml)", child="tests (policy.yaml)", tight="10", loose="90"
    )


def settled(page: str) -> str:
    """With numbers for digests and fingerprints: keys and signatures are others at each run."""
    seen: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"{seen.setdefault(match[0], len(seen) + 1):0{len(match[0])}}"

    return re.sub(r"\b(?:[0-9a-f]{64}|[0-9a-f]{32})\b", number, page)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("case", CASES)
def test_a_whole_report(reports, case, form, request):
    page = settled(FORMATS[form](reports[case]))
    file = HERE / f"{case}.{form}"
    if request.config.getoption("--renew-golden"):
        file.write_text(page, encoding="utf-8")
    assert page == file.read_text(encoding="utf-8")


def _objects(value: object) -> Iterator[dict]:
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(item)


@pytest.mark.parametrize("case", CASES)
def test_the_schema_describes_every_report_and_forbids_any_other_field(reports, case):
    value = json.loads(as_json(reports[case]))
    assert VALIDATOR.is_valid(value)
    wrong = {"allowed": set(), "conceded": set(), "unknown": {"unknown"}, "hostile": {"fail"}}.get(case, {"fail", "unknown"})
    assert {finding["outcome"] for finding in value["findings"]} - {"pass"} == wrong
    assert (value["decision"], value["mode"]) == (
        "allow" if case in {"allowed", "conceded"} else "deny",
        "audit" if case == "audit" else "enforce",
    )
    for place in _objects(value):
        place["surprise"] = 1
        assert not VALIDATOR.is_valid(value), place
        del place["surprise"]


@pytest.mark.skipif("MLSIGN_SARIF_SCHEMA" not in os.environ, reason="MLSIGN_SARIF_SCHEMA names no copy of the SARIF schema")
@pytest.mark.parametrize("case", CASES)
def test_every_sarif_log_is_what_its_own_schema_describes(reports, case):
    schema = json.loads(Path(os.environ["MLSIGN_SARIF_SCHEMA"]).read_text())
    kind = validators.validator_for(schema)
    kind(schema, format_checker=kind.FORMAT_CHECKER).validate(json.loads(FORMATS["sarif"](reports[case])))


def test_no_golden_report_is_left_over():
    assert {file.name for file in HERE.iterdir()} == {f"{case}.{form}" for case in CASES for form in FORMATS}


_BLOCK = re.compile(r"(<!-- (\S+)(?: (\d+) lines from ([^\n]+))? -->\n+````(\w*)\n).*?(\n````)", re.DOTALL)


def _shown(match: re.Match[str]) -> str:
    text = (HERE / match[2]).read_text(encoding="utf-8").rstrip("\n")
    if match[3]:
        lines = text.split("\n")
        start = next(number for number, line in enumerate(lines) if match[4] in line)
        text = "\n".join(lines[start : start + int(match[3])])
    return f"{match[1]}{text}{match[6]}"


def test_the_page_on_reports_shows_them(request):
    page = PAGE.read_text(encoding="utf-8")
    assert {match[2].split(".")[1] for match in _BLOCK.finditer(page)} == set(FORMATS)
    wanted = _BLOCK.sub(_shown, page)
    if request.config.getoption("--renew-golden"):
        PAGE.write_text(wanted, encoding="utf-8")
    assert wanted == PAGE.read_text(encoding="utf-8")
