"""The findings as a table, each with a link to its place in the graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.interface import OperatorId, OperatorUse
from mlsign.onnx.summary import ModelSummary
from mlsign.policy.model import Policy
from mlsign.policy.rules.operators import judge_operator
from mlsign.report.html.elements import Child, Element, element
from mlsign.report.html.node_lists import identifier
from mlsign.report.html.parts import Tone, badge, code, note, section, table
from mlsign.report.html.sheets import Sheets, operator_of
from mlsign.words import counted

MAX_FINDINGS: Final = 500
_MAX_CHARS: Final = 600
_OF_MODELS: Final = "MLS3"
"""How codes begin whose place is one in the model."""
_BADGES: Final = {
    Outcome.PASS: (Tone.GOOD, "in order"),
    Outcome.FAIL: (Tone.BAD, "wrong"),
    Outcome.UNKNOWN: (Tone.WARNING, "unknown"),
}


def marks_of(
    findings: Iterable[Finding], sheets: Sheets | None, summary: ModelSummary | None, policy: Policy
) -> dict[tuple[int, int], str]:
    """What is wrong with which node: by the place that a finding names, and by operators that the policy refuses."""
    marks: dict[tuple[int, int], str] = {}
    if sheets is None:
        return marks
    for finding in findings:
        place = _place(finding, sheets) if finding.outcome is not Outcome.PASS else None
        if place is not None and finding.code not in marks.get(place, ""):
            marks[place] = f"{marks[place]}, {finding.code}" if place in marks else finding.code
    own = {use.operator for use in summary.function_calls} if summary is not None else set()
    refused: dict[OperatorId, str] = {}
    for number, sheet in enumerate(sheets.sheets):
        for index, node in enumerate(sheet.nodes):
            operator = operator_of(node)
            if operator not in refused:
                found = None if operator in own else judge_operator(OperatorUse(operator, 1), policy.operators)
                refused[operator] = "" if found is None else found.code
            if refused[operator] and refused[operator] not in marks.get((number, index), ""):
                marks[number, index] = ", ".join(each for each in (marks.get((number, index)), refused[operator]) if each)
    return marks


def place_of_code(code: str) -> str:
    """Where on the page the first finding of a code stands."""
    return f"finding-{code}"


def findings(found: Iterable[Finding], sheets: Sheets | None, *, about: str) -> Element:
    """The section: what is wrong, then what is in order, folded up."""
    every = list(found)
    wrong = [finding for finding in every if finding.outcome is not Outcome.PASS]
    passed = [finding for finding in every if finding.outcome is Outcome.PASS]
    parts: list[Child] = [note(about)]
    if wrong:
        parts.append(
            table(
                "What is wrong",
                ("Code", "Outcome", "What", "Where"),
                (_row(f, sheets) for f in wrong[:MAX_FINDINGS]),
                class_="findings",
                row_ids=_row_ids(wrong[:MAX_FINDINGS]),
            )
        )
        if len(wrong) > MAX_FINDINGS:
            parts.append(note(f"{counted(len(wrong) - MAX_FINDINGS, 'further finding')} not listed."))
        parts.append(note(f"mlsign explain {shown(wrong[0].code)} says more about a code."))
    else:
        parts.append(element("p", badge(Tone.GOOD, "nothing found"), " No finding is against it."))
    if passed:
        rows = (_row(finding, sheets) for finding in passed[:MAX_FINDINGS])
        title = f"{counted(len(passed), 'check')} in order"
        parts.append(
            element(
                "details", element("summary", title), table(title, ("Code", "Outcome", "What", "Where"), rows, class_="findings")
            )
        )
    return section("findings", "Findings", *parts)


def _row_ids(found: Iterable[Finding]) -> Iterator[str | None]:
    """An identifier for the first row of each code, which marks in the graph lead to."""
    known: set[str] = set()
    for finding in found:
        yield None if finding.code in known else place_of_code(finding.code)
        known.add(finding.code)


def _row(finding: Finding, sheets: Sheets | None) -> tuple[Child | list[Child], ...]:
    tone, word = _BADGES[finding.outcome]
    return code(finding.code), badge(tone, word), list(_what(finding)), list(_where(finding, sheets))


def _what(finding: Finding) -> Iterator[Child]:
    yield element("span", shown(finding.message, limit=_MAX_CHARS))
    for name, value in (("expected", finding.expected), ("found", finding.found), ("do", finding.hint)):
        if value and value not in finding.message:
            yield element("div", f"{name}: ", shown(value, limit=_MAX_CHARS), class_="more")


def _where(finding: Finding, sheets: Sheets | None) -> Iterator[Child]:
    if finding.where:
        yield code(shown(finding.where, limit=200))
    place = _place(finding, sheets) if sheets is not None else None
    if place is not None:
        yield " "
        yield element("a", "show in the graph", href=f"#{identifier(*place)}", class_="place")


def _place(finding: Finding, sheets: Sheets) -> tuple[int, int] | None:
    """Operators first, and files never: a stranger may call one as if it were a place in the graph."""
    if not finding.code.startswith(_OF_MODELS):
        return None
    return sheets.first.get(finding.where) or sheets.find(finding.where)
