"""Reports as text that one likes to read: the verdict first, then why, then everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlsign.errors import shown
from mlsign.evidence.findings import Outcome, against
from mlsign.evidence.record import Standing
from mlsign.policy.model import Mode, Verdict
from mlsign.report.model_facts import add_model
from mlsign.report.page import BAD, BOLD, DIM, GOOD, GREEN, HANG, WARNING, Facts, Page
from mlsign.report.policy.lineage import loosenings, policy_facts
from mlsign.report.signers import when_signed, who_signed, why_idle
from mlsign.words import counted, size

if TYPE_CHECKING:
    from mlsign.actions.verification.verify import Report
    from mlsign.evidence.findings import Finding
    from mlsign.evidence.record import SignatureRecord

_MARKS: Final = {Outcome.PASS: ("✓", GREEN), Outcome.FAIL: ("✗", BAD), Outcome.UNKNOWN: ("?", WARNING)}
_MANY: Final = 12
_MAX_FINDINGS: Final = 50
"""Findings on one page: a person acts on the first ones."""
_LONG: Final = 600


def render_report(report: Report, *, width: int, color: bool) -> str:
    """The report for a terminal of ``width`` columns, without colour codes unless ``color``."""
    out = Page(width=width, color=color)
    _headline(out, report)
    for words in loosenings(report.policy):
        out.line((words, WARNING))
    facts = Facts()
    _package_facts(facts, report)
    facts.add_each("Policy", list(policy_facts(report.policy)))
    if report.evidence.summary is not None:
        add_model(facts, report.evidence.summary)
    out.facts(facts)
    _exceptions(out, report)
    wrong = against(report.decision.findings)
    passed = [f for f in report.decision.findings if f.outcome is Outcome.PASS]
    if wrong:
        out.heading("Refused because" if report.decision.mode is Mode.ENFORCE else "Would be refused because")
        for finding in wrong[:_MAX_FINDINGS]:
            _finding(out, finding)
        if len(wrong) > _MAX_FINDINGS:
            out.line((f"and {len(wrong) - _MAX_FINDINGS} more: --format json lists them all", BOLD))
    if passed:
        out.heading("In order")
        for finding in passed[:_MAX_FINDINGS]:
            out.line(_MARKS[finding.outcome], (f" {shown(finding.code)}  ", DIM), _words(finding.message), hang=HANG)
    idle = [s for s in report.evidence.signatures if s.standing in (Standing.REJECTED, Standing.STRANGER)]
    if idle and report.decision.verdict is Verdict.ALLOW:
        out.heading("Signatures that were not counted")
        for record in idle[:_MANY]:
            out.line(f"· {shown(record.bundle)}: ", _words(why_idle(record)), hang=HANG)
        if len(idle) > _MANY:
            out.line(f"· and {len(idle) - _MANY} more")
    if report.evidence.unverified:
        out.heading("In the folder but covered by no signature, and never loaded")
        for name in report.evidence.unverified[:_MANY]:
            out.line(f"· {shown(name)}", hang=HANG)
        if len(report.evidence.unverified) > _MANY:
            out.line(f"· and {len(report.evidence.unverified) - _MANY} more")
    if wrong:
        out.blank()
        out.line((f"mlsign explain {shown(wrong[0].code)} says more about a code.", DIM))
    return out.text()


def _exceptions(out: Page, report: Report) -> None:
    used = report.decision.excepted
    if not used:
        return
    out.heading("NOT HELD AGAINST IT, BY EXCEPTION")
    for item in used[:_MANY]:
        until = f"{item.exemption.until:%Y-%m-%d %H:%M:%S}Z"
        out.line(("! ", WARNING), (f"until {until}: {_words(item.exemption.reason)}", WARNING), hang=HANG)
        for finding in item.findings[:_MANY]:
            _finding(out, finding)
        if len(item.findings) > _MANY:
            out.line((f"and {len(item.findings) - _MANY} more: --format json lists them all", BOLD))
    if len(used) > _MANY:
        out.line((f"and {len(used) - _MANY} more exceptions: --format json lists them all", BOLD))


def _headline(out: Page, report: Report) -> None:
    verdict = report.decision.verdict
    manifest = report.evidence.manifest
    name = shown(f"{manifest.name} {manifest.version}" if manifest else report.path)
    allowed = verdict is Verdict.ALLOW
    audit = report.decision.mode is Mode.AUDIT
    words = "is allowed" if allowed else "would have been DENIED" if audit else "is DENIED"
    style = GOOD if allowed else BAD
    by = f" by the policy {shown(report.policy.name)}"
    out.line(("✓ " if allowed else "✗ ", style), (name, BOLD), (f" {words}", style), by)
    if audit:
        out.line(("Audit mode: this policy reports and stops nothing.", WARNING))


def _package_facts(facts: Facts, report: Report) -> None:
    evidence = report.evidence
    if evidence.digest is not None:
        facts.add("Digest", str(evidence.digest))
    if evidence.manifest is not None:
        total = sum(entry.size for entry in evidence.manifest.files)
        facts.add("Content", f"{counted(len(evidence.manifest.files), 'file')} and the manifest, {size(total)}")
        if evidence.manifest.license:
            facts.add("Licence", shown(evidence.manifest.license))
    met = [(group.name, record) for group in report.decision.met for record in group.signatures]
    if (record := report.decision.summary) is not None:
        when = f", verified {record.summary.verified:%Y-%m-%d %H:%M:%S}Z" if record.summary is not None else ""
        facts.add_each("Vouched by", [f"{_signer('verification summary', record)}{when}"])
        return
    facts.add_each("Signed by", [_signer(name, record) for name, record in met] or ["nobody this policy trusts"])


def _signer(group: str, record: SignatureRecord) -> str:
    when = f", {words}" if (words := when_signed(record)) else ""
    return f"{shown(group)}: {who_signed(record)}{when}{', logged' if record.logged else ''}"


def _finding(out: Page, finding: Finding) -> None:
    out.line(_MARKS[finding.outcome], (f" {shown(finding.code)}  ", BOLD), _words(finding.message), hang=HANG)
    for label, value in (
        ("where", finding.where if finding.where not in finding.message else ""),
        ("expected", finding.expected),
        ("found", finding.found),
        ("do", finding.hint),
    ):
        if value:
            out.detail(label, _words(value))


def _words(text: str) -> str:
    """Foreign text in a finding was escaped where it came in; here is the second wall before the terminal."""
    return shown(text, limit=_LONG)
