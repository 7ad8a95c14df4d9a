"""Reports as Markdown for a comment on a pull request or the summary of a step.

Every word that is not ours stands in a code span: GitHub makes no link, mention, reference, image or HTML of what is in one.
Two characters could end it early, the backtick and the bar between cells of a table, and both are spelled out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from typing import Final

from mlsign.actions.verification.verify import Report
from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome, against
from mlsign.evidence.record import SignatureRecord, Standing
from mlsign.policy.model import Mode, Verdict
from mlsign.report.concessions import concessions
from mlsign.report.places import local
from mlsign.report.signers import package_name, when_signed, who_signed, why_idle
from mlsign.report.workflow import inert
from mlsign.words import counted

MAX_COMMENT: Final = 65_536
"""Characters in a comment on GitHub. Counted in bytes here, of which there are never fewer."""
MAX_SUMMARY: Final = 1024 * 1024
"""Bytes in the summary of a step on GitHub; a larger one is dropped whole."""
_MAX_TEXT_CHARS: Final = 300
_MAX_LISTED: Final = 1000
_RESERVE: Final = 700
"""Bytes kept for what says that something was left out."""
_MARKS: Final = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.UNKNOWN: "❔"}


def render_report(report: Report, *, limit: int = MAX_COMMENT) -> str:
    """The report in at most ``limit`` bytes; empty where not even the verdict has room."""
    wrong = against(report.decision.findings)
    passed = [finding for finding in report.decision.findings if finding.outcome is Outcome.PASS]
    page = _Page(limit=limit)
    if not page.put(_head(report)):
        return ""
    cells = [
        f"| {_MARKS[f.outcome]} | {_code(f.code)} | {_words(f.message, report)} | {_words(f.where, report)} |" for f in wrong
    ]
    page.section("### What is wrong\n\n| | Code | What | Where |\n|---|---|---|---|\n", cells, "", what="finding")
    for kind in concessions(report):
        page.section(f"### {kind.title}\n\n", [f"- {_words(line, report)}" for line in kind.lines], "", what="concession")
    page.section("### Signed by\n\n| Group | Who | When | Logged |\n|---|---|---|---|\n", _signers(report), "", what="signer")
    details = [_detail(finding, report) for finding in wrong if finding.expected or finding.found or finding.hint]
    page.section(_folded("What was expected, what was found, what to do"), details, _FOLD_END, what="detail")
    idle = [s for s in report.evidence.signatures if s.standing in (Standing.REJECTED, Standing.STRANGER)]
    lines = [f"- {_words(record.bundle, report)}: {_words(why_idle(record), report)}" for record in idle]
    page.section(_folded("Signatures that were not counted"), lines, _FOLD_END, what="signature")
    page.section(_folded("In order"), [f"- {_code(f.code)} {_words(f.message, report)}" for f in passed], _FOLD_END, what="pass")
    loose = [f"- {_words(name, report)}" for name in report.evidence.unverified]
    page.section(_folded("Covered by no signature, and never loaded"), loose, _FOLD_END, what="file")
    return page.text(explain=wrong[0].code if wrong else "")


_FOLD_END: Final = "\n</details>\n"


def _folded(title: str) -> str:
    """The head of a part that is folded up. After the empty line Markdown is read again."""
    return f"<details>\n<summary>{title}</summary>\n\n"


class _Page:
    """Parts that fit into a limit, and a count of what did not."""

    def __init__(self, *, limit: int) -> None:
        self._left = limit - _RESERVE
        self._parts: list[str] = []
        self._missing: list[str] = []

    def put(self, part: str) -> bool:
        size = len(part.encode("utf-8", "replace")) + 1
        if size > self._left:
            return False
        self._left -= size
        self._parts.append(part)
        return True

    def section(self, head: str, rows: list[str], end: str, *, what: str) -> None:
        """The rows that fit, between ``head`` and ``end``; nothing where there are none."""
        if not rows:
            return
        room = self._left - len((head + end).encode()) - 2
        kept: list[str] = []
        for row in rows[:_MAX_LISTED]:
            room -= len(row.encode("utf-8", "replace")) + 1
            if room < 0:
                break
            kept.append(row)
        if kept:
            self.put(head + "\n".join(kept) + "\n" + end)
        if left := len(rows) - len(kept):
            self._missing.append(counted(left, what))

    def text(self, *, explain: str) -> str:
        if self._missing:
            self._parts.append(f"**Left out here: {', '.join(self._missing)}.** `mlsign verify --format json` has everything.\n")
        if explain:
            self._parts.append(f"{_code(f'mlsign explain {explain}')} prints the page of a code.\n")
        return inert("\n".join(self._parts))


def _head(report: Report) -> str:
    evidence, decision = report.evidence, report.decision
    allowed, audit = decision.verdict is Verdict.ALLOW, decision.mode is Mode.AUDIT
    verdict = "✅ Allowed" if allowed else "⚠️ Would have been denied" if audit else "❌ Denied"
    lines = [f"## {verdict}: {_code(package_name(report))}", ""]
    if audit:
        lines += ["> **Audit mode: this policy reports and stops nothing.**", ""]
    for kind in concessions(report):
        lines += [f"> **⚠️ {kind.title}**", ""]
    lines += ["| | |", "|---|---|"]
    if evidence.digest is not None:
        lines.append(f"| Package | {_code(str(evidence.digest))} |")
    lines.append(f"| Policy | {_code(report.policy.name)}, {_code(str(report.policy.digest))} |")
    lines.append(f"| Decided | {report.now.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z |")
    if decision.summary is not None:
        lines.append(f"| Vouched by | {_words(who_signed(decision.summary), report)} |")
    elif not decision.met:
        lines.append("| Signed by | nobody this policy trusts |")
    return "\n".join(lines) + "\n"


def _signers(report: Report) -> list[str]:
    return [_signer(group.name, record, report) for group in report.decision.met for record in group.signatures]


def _signer(group: str, record: SignatureRecord, report: Report) -> str:
    who = _words(who_signed(record), report)
    return f"| {_code(group)} | {who} | {_code(when_signed(record))} | {'yes' if record.logged else 'no'} |"


def _detail(finding: Finding, report: Report) -> str:
    head = f"- {_code(finding.code)} {_words(finding.message, report)}"
    return "\n".join([head, *(f"  - {label}: {_words(value, report)}" for label, value in _labelled(finding) if value)])


def _labelled(finding: Finding) -> Iterable[tuple[str, str]]:
    return ("expected", finding.expected), ("found", finding.found), ("do", finding.hint)


def _words(text: str, report: Report) -> str:
    return _code(local(text, report))


def _code(text: str) -> str:
    """Foreign text in a code span, on one line, in which nothing but its own end is a sign of Markdown."""
    safe = shown(text, limit=_MAX_TEXT_CHARS).strip().replace("`", r"\u{60}").replace("|", r"\u{7c}")
    return f"`{safe}`" if safe else ""
