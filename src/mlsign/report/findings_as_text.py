"""What a scan found as text: a line for each file, what is wrong beneath it, and the sum at the end.

Written without a layout library: a folder can hold thousands of models, and a line for each must cost next to nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from mlsign.actions.inspection.findings import Found, FoundModel
from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.policy.model import Mode, Verdict
from mlsign.report.policy.lineage import loosenings
from mlsign.report.workflow import inert
from mlsign.words import counted

_MARKS = {Outcome.PASS: ("✓", "32"), Outcome.FAIL: ("✗", "1;31"), Outcome.UNKNOWN: ("?", "1;33")}
_MAX_FOR_ONE = 20
_MAX_FINDINGS = 500
"""Findings on one page, and of one file: a person acts on the first ones, and JSON has them all."""
_MAX_LINKS = 12
_LONG = 600


def render_found(found: Found, *, width: int, color: bool) -> str:
    """The result for a terminal of ``width`` columns, without colour codes unless ``color``."""
    page = _Page(width=max(60, min(width, 120)), color=color)
    lines = [*_models(found, page), *_sum(found, page)]
    return inert("\n".join(lines) + "\n")


class _Page:
    def __init__(self, *, width: int, color: bool) -> None:
        self._width = width
        self._color = color

    def styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._color else text

    def wrapped(self, head: str, text: str, *, indent: int) -> Iterator[str]:
        """``text`` after ``head``, which is as wide as the indentation and may be coloured."""
        parts = textwrap.wrap(text, self._width - indent, break_on_hyphens=False) or [""]
        yield f"{head}{parts[0]}".rstrip()
        yield from (f"{' ' * indent}{part}" for part in parts[1:])


def _models(found: Found, page: _Page) -> Iterator[str]:
    left = _MAX_FINDINGS
    for model in found.models:
        clean = model.verdict is Verdict.ALLOW
        mark = page.styled("✓", "1;32") if clean else page.styled("✗", "1;31")
        count = f"  {counted(len(model.wrong), 'finding')}" if not clean else ""
        yield f"  {mark} {page.styled(_words(model.path), '1')}{count}"
        listed = model.wrong[: min(left, _MAX_FOR_ONE)]
        left -= len(listed)
        for finding in listed:
            yield from _finding(finding, model, page)
        if rest := len(model.wrong) - len(listed):
            yield f"      and {rest} more: --format json lists them all"


def _finding(finding: Finding, model: FoundModel, page: _Page) -> Iterator[str]:
    mark, style = _MARKS[finding.outcome]
    head = f"      {page.styled(mark, style)} {page.styled(shown(finding.code), '1')}  "
    yield from page.wrapped(head, _words(finding.message), indent=16)
    where = "" if finding.where in finding.message or finding.where == shown(model.path) else finding.where
    for label, value in (("where", where), ("expected", finding.expected), ("found", finding.found), ("do", finding.hint)):
        if value:
            yield from page.wrapped(f"{' ' * 16}{page.styled(f'{label:<8}', '2')} ", _words(value), indent=25)


def _sum(found: Found, page: _Page) -> Iterator[str]:
    wrong = [model for model in found.models if model.verdict is not Verdict.ALLOW]
    if found.links:
        yield ""
        yield "  Links to folders, which were not followed:"
        yield from (f"  · {_words(link)}" for link in found.links[:_MAX_LINKS])
        if len(found.links) > _MAX_LINKS:
            yield f"  · and {len(found.links) - _MAX_LINKS} more"
    yield ""
    total = counted(len(found.models), "model")
    outcome = f"{len(wrong)} with findings" if wrong else "nothing found"
    style = "1;31" if wrong else "1;32"
    yield f"  {total} judged by the policy {shown(found.policy.name)}: {page.styled(outcome, style)}"
    for words in loosenings(found.policy):
        yield page.styled(f"  {words}", "1;33")
    if found.policy.mode is Mode.AUDIT:
        yield page.styled("  Audit mode: this policy reports and stops nothing.", "1;33")
    if wrong:
        yield page.styled(f"  mlsign explain {shown(wrong[0].wrong[0].code)} says more about a code.", "2")


def _words(text: str) -> str:
    """Foreign text in a finding was escaped where it came in; here is the second wall before the terminal."""
    return shown(text, limit=_LONG)
