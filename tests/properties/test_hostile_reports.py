"""No text in a package makes a workflow command, a cell, a link or a line of its own in any report."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlsign.evidence.findings import Finding, Outcome
from mlsign.policy.model import Mode, Verdict
from mlsign.report.as_github import render_report as as_github
from mlsign.report.as_json import render_report as as_json
from mlsign.report.as_markdown import render_report as as_markdown
from mlsign.report.as_text import render_report as as_text
from mlsign.report.places import Base
from mlsign.report.report_as_sarif import render_report as as_sarif

_SIGNS = [
    "::",
    "\n",
    "\r",
    "\u2028",
    "\x85",
    "::error::",
    "##[add-mask]",
    "`",
    "``",
    "```\n",
    "|",
    "\\",
    "\\|",
    "%0A",
    "%",
    ",",
    ":",
]
_SIGNS += [
    "<!--",
    "</details>",
    "<img src=x>",
    "[a](b)",
    "![a](b)",
    "@user",
    "#1",
    "www.e.example",
    "\t",
    " ",
    "\udcff",
    "\u202e",
]
TEXTS = st.lists(st.one_of(st.sampled_from(_SIGNS), st.text(max_size=20)), max_size=12).map("".join)
FINDINGS = st.lists(
    st.builds(
        Finding,
        code=st.sampled_from(["MLS101", "MLS103", "MLS205", "MLS309"]),
        outcome=st.sampled_from(Outcome),
        message=TEXTS,
        where=TEXTS,
        expected=TEXTS,
        found=TEXTS,
        hint=TEXTS,
    ),
    min_size=1,
    max_size=20,
)
BASES = st.sampled_from([Base(folder=folder, is_folder=True) for folder in ("", "m/p", None)])
# What fails is told as it was found: making a report smaller takes longer than reading it.
OPTIONS = settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
_COMMAND = re.compile(r"::(error|warning|notice) (file=[^,:]*,)?title=[^,:]*::[^\n]*")


@pytest.fixture(scope="module")
def poisoned(good_package, gate):
    """Makes a denial of the good package with foreign text in it. A function, since the report itself is long to spell."""
    clean = gate.verify(good_package)

    def of(findings, text, mode=Mode.ENFORCE):
        manifest = clean.evidence.manifest
        return replace(
            clean,
            path=text or "p",
            policy=replace(clean.policy, name=text, mode=mode),
            evidence=replace(clean.evidence, manifest=replace(manifest, name=text), unverified=(text,)),
            decision=replace(clean.decision, verdict=Verdict.DENY, mode=mode, findings=tuple(findings)),
        )

    return of


@OPTIONS
@given(findings=FINDINGS, text=TEXTS, base=BASES, mode=st.sampled_from(Mode))
def test_annotations_are_our_commands_and_nothing_else(poisoned, findings, text, base, mode):
    page = as_github(poisoned(findings, text, mode), base=base)
    page.encode()
    lines = page.splitlines()
    wrong = sum(finding.outcome is not Outcome.PASS for finding in findings)
    assert page.count("\n") == len(lines) <= min(wrong, 20) + 2
    for line in lines:
        assert _COMMAND.fullmatch(line), line
        assert "##[" not in line


@OPTIONS
@given(findings=FINDINGS, text=TEXTS, mode=st.sampled_from(Mode))
def test_markdown_keeps_its_tables_and_its_spans(poisoned, findings, text, mode):
    page = as_markdown(poisoned(findings, text, mode))
    page.encode()
    columns = 0
    for line in page.split("\n"):
        assert line == "".join(line.splitlines())
        assert line.count("`") % 2 == 0
        plain = re.sub(r"`[^`]*`", "", line)
        # Outside of spans there is nothing but words of ours.
        assert not re.search(r"[@\[\]\\#]|&|www|//|<(?!/?(details|summary)>)", plain.replace("##", "", 1).replace("# ", "", 1)), (
            line
        )
        columns = line.count("|") if line.startswith("|") and not columns else columns if line.startswith("|") else 0
        assert not line.startswith("|") or line.count("|") == columns, (line, columns)
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
    ours = re.sub(r"`[^`\n]*`", "", page)
    assert ours.count("<details>") == ours.count("</details>") == ours.count("<summary>") == ours.count("</summary>")


@OPTIONS
@given(findings=FINDINGS, text=TEXTS, base=BASES, width=st.integers(0, 130))
def test_no_other_format_has_a_line_that_a_runner_obeys(poisoned, findings, text, base, width):
    report = poisoned(findings, text)
    pages = [as_text(report, width=width, color=False), as_json(report), as_sarif(report, base=base, version="1")]
    for page in pages:
        page.encode()
        assert "##[" not in page
        assert not any(line.lstrip().startswith("::") for line in page.splitlines())
    for page in pages[1:]:
        json.loads(page)
    assert json.loads(pages[1])["findings"][0]["message"] == findings[0].message
