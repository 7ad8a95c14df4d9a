"""Reports as text that one likes to read: the verdict first, then why, then everything else."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlsign.actions.inspect import Inspection
from mlsign.actions.verify import Report
from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import SignatureRecord, Standing
from mlsign.interface import OperatorUse, ValueSpec
from mlsign.onnx.summary import ModelSummary, RunBounds, Unbounded
from mlsign.policy.model import Mode, Verdict
from mlsign.report.policy_lineage import loosenings, policy_facts
from mlsign.report.signers import when_signed, who_signed, why_idle
from mlsign.report.workflow import inert
from mlsign.words import counted, size

_MARKS = {Outcome.PASS: ("✓", "green"), Outcome.FAIL: ("✗", "bold red"), Outcome.UNKNOWN: ("?", "bold yellow")}
_MANY = 12
_MAX_FINDINGS = 50
"""Findings on one page; laying out one takes a millisecond, and a person acts on the first ones."""
_LONG = 600
_BEYOND = 10**18
_UNBOUNDED = {
    Unbounded.SIZE: "a size that only the run decides",
    Unbounded.TURNS: "turns that only the run decides",
    Unbounded.ENDLESS: "a loop without end",
    Unbounded.COMPLEXITY: "too entangled to be computed",
    Unbounded.MISUSE: "cannot run as it stands",
}


def render_report(report: Report, *, width: int, color: bool) -> str:
    """The report for a terminal of ``width`` columns, without colour codes unless ``color``."""
    out = _Page(width=width, color=color)
    _headline(out, report)
    for words in loosenings(report.policy):
        out.line(Text(words, style="bold yellow"))
    facts = out.facts()
    _package_facts(facts, report)
    _rows(facts, "Policy", list(policy_facts(report.policy)))
    if report.evidence.summary is not None:
        _model_facts(facts, report.evidence.summary)
    out.show(facts)
    _exceptions(out, report)
    wrong = [f for f in report.decision.findings if f.outcome is not Outcome.PASS]
    passed = [f for f in report.decision.findings if f.outcome is Outcome.PASS]
    if wrong:
        out.heading("Refused because" if report.decision.mode is Mode.ENFORCE else "Would be refused because")
        for finding in wrong[:_MAX_FINDINGS]:
            _finding(out, finding)
        if len(wrong) > _MAX_FINDINGS:
            out.line(Text(f"and {len(wrong) - _MAX_FINDINGS} more: --format json lists them all", style="bold"))
    if passed:
        out.heading("In order")
        for finding in passed[:_MAX_FINDINGS]:
            out.line(_mark(finding), Text(f" {shown(finding.code)}  ", style="dim"), Text(_words(finding.message)))
    idle = [s for s in report.evidence.signatures if s.standing in (Standing.REJECTED, Standing.STRANGER)]
    if idle and report.decision.verdict is Verdict.ALLOW:
        out.heading("Signatures that were not counted")
        for record in idle[:_MANY]:
            out.line(Text(f"· {shown(record.bundle)}: "), Text(_words(why_idle(record))))
        if len(idle) > _MANY:
            out.line(Text(f"· and {len(idle) - _MANY} more"))
    if report.evidence.unverified:
        out.heading("In the folder but covered by no signature, and never loaded")
        for name in report.evidence.unverified[:_MANY]:
            out.line(Text(f"· {shown(name)}"))
        if len(report.evidence.unverified) > _MANY:
            out.line(Text(f"· and {len(report.evidence.unverified) - _MANY} more"))
    if wrong:
        out.blank()
        out.line(Text(f"mlsign explain {shown(wrong[0].code)} says more about a code.", style="dim"))
    return out.text()


def _exceptions(out: _Page, report: Report) -> None:
    used = report.decision.excepted
    if not used:
        return
    out.heading("NOT HELD AGAINST IT, BY EXCEPTION")
    for item in used[:_MANY]:
        until = f"{item.exemption.until:%Y-%m-%d %H:%M:%S}Z"
        out.line(Text("! ", style="bold yellow"), Text(f"until {until}: {_words(item.exemption.reason)}", style="bold yellow"))
        for finding in item.findings[:_MANY]:
            _finding(out, finding)
        if len(item.findings) > _MANY:
            out.line(Text(f"and {len(item.findings) - _MANY} more: --format json lists them all", style="bold"))
    if len(used) > _MANY:
        out.line(Text(f"and {len(used) - _MANY} more exceptions: --format json lists them all", style="bold"))


def render_inspection(inspection: Inspection, *, width: int, color: bool) -> str:
    """What ``mlsign inspect`` found."""
    out = _Page(width=width, color=color)
    manifest = inspection.manifest
    name = shown(f"{manifest.name} {manifest.version}" if manifest else inspection.model_path)
    out.line(Text(name, style="bold"))
    facts = out.facts()
    if manifest is not None:
        for label, value in (("Licence", manifest.license), ("About", manifest.description)):
            if value:
                facts.add_row(label, shown(value))
    _model_facts(facts, inspection.summary)
    facts.add_row("Size", f"{size(inspection.model_bytes)} model file, {size(sum(f.size for f in inspection.files))} in all")
    if len(inspection.files) > 1:
        _rows(facts, "Files", [f"{shown(f.path)}  {size(f.size)}" for f in inspection.files])
    _rows(
        facts,
        "Signatures",
        [
            f"claims to be by key {shown(s.key_hint[:16]) or '(no hint)'}…, over {shown(s.subject)}"
            if not s.problem
            else shown(s.problem)
            for s in inspection.signers
        ],
    )
    out.show(facts)
    if inspection.signers:
        out.line(Text("Claims are not checked here; mlsign verify checks them.", style="dim"))
    if inspection.summary.problems:
        out.heading("Problems")
        for problem in inspection.summary.problems[:_MAX_FINDINGS]:
            out.line(Text("✗", style="bold red"), Text(f" {shown(problem.code)}  ", style="bold"), Text(_words(problem.message)))
            if problem.where:
                out.detail("where", _words(problem.where))
        if len(inspection.summary.problems) > _MAX_FINDINGS:
            out.line(
                Text(f"and {len(inspection.summary.problems) - _MAX_FINDINGS} more: --format json lists them all", style="bold")
            )
    return out.text()


class _Page:
    """A page of text under construction."""

    def __init__(self, *, width: int, color: bool) -> None:
        self._buffer = io.StringIO()
        self._console = Console(
            file=self._buffer,
            width=max(60, min(width, 120)),
            force_terminal=color,
            color_system="standard" if color else None,
            no_color=not color,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def line(self, *parts: Text) -> None:
        self._console.print(Padding(Text.assemble(*parts), (0, 0, 0, 2)))

    def detail(self, label: str, value: str) -> None:
        table = Table.grid(padding=(0, 1))
        table.add_column(style="dim", no_wrap=True, min_width=8)
        table.add_column(overflow="fold")
        table.add_row(label, value)
        self._console.print(Padding(table, (0, 0, 0, 12)))

    def heading(self, text: str) -> None:
        self.blank()
        self._console.print(Padding(Text(text, style="bold"), (0, 0, 0, 2)))

    def blank(self) -> None:
        self._console.print()

    def facts(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True, min_width=10)
        table.add_column(overflow="fold")
        return table

    def show(self, table: Table) -> None:
        self._console.print(Padding(table, (1, 0, 0, 2)))

    def text(self) -> str:
        # Lines break where the width says, so that any word of a hostile package may begin one in the log of a CI system.
        return inert("\n".join(line.rstrip() for line in self._buffer.getvalue().split("\n")))


def _headline(out: _Page, report: Report) -> None:
    verdict = report.decision.verdict
    manifest = report.evidence.manifest
    name = shown(f"{manifest.name} {manifest.version}" if manifest else report.path)
    allowed = verdict is Verdict.ALLOW
    audit = report.decision.mode is Mode.AUDIT
    words = "is allowed" if allowed else "would have been DENIED" if audit else "is DENIED"
    out.line(
        Text("✓ " if allowed else "✗ ", style="bold green" if allowed else "bold red"),
        Text(name, style="bold"),
        Text(f" {words}", style="bold green" if allowed else "bold red"),
        Text(f" by the policy {shown(report.policy.name)}"),
    )
    if audit:
        out.line(Text("Audit mode: this policy reports and stops nothing.", style="bold yellow"))


def _package_facts(facts: Table, report: Report) -> None:
    evidence = report.evidence
    if evidence.digest is not None:
        facts.add_row("Digest", str(evidence.digest))
    if evidence.manifest is not None:
        total = sum(entry.size for entry in evidence.manifest.files)
        facts.add_row("Content", f"{counted(len(evidence.manifest.files), 'file')} and the manifest, {size(total)}")
        if evidence.manifest.license:
            facts.add_row("Licence", shown(evidence.manifest.license))
    met = [(group.name, record) for group in report.decision.met for record in group.signatures]
    if (record := report.decision.summary) is not None:
        when = f", verified {record.summary.verified:%Y-%m-%d %H:%M:%S}Z" if record.summary is not None else ""
        _rows(facts, "Vouched by", [f"{_signer('verification summary', record)}{when}"])
        return
    _rows(facts, "Signed by", [_signer(name, record) for name, record in met] or ["nobody this policy trusts"])


def _signer(group: str, record: SignatureRecord) -> str:
    when = f", {words}" if (words := when_signed(record)) else ""
    return f"{shown(group)}: {who_signed(record)}{when}{', logged' if record.logged else ''}"


def _model_facts(facts: Table, summary: ModelSummary) -> None:
    opsets = ", ".join(f"{shown(o.domain)} {o.version}" for o in summary.opsets)
    producer = " ".join(shown(part) for part in (summary.producer_name, summary.producer_version) if part)
    facts.add_row("Model", f"ONNX IR {summary.ir_version}, opset {opsets}" + (f", written by {producer}" if producer else ""))
    _rows(facts, "Takes", [_value(v) for v in summary.inputs])
    _rows(facts, "Gives", [_value(v) for v in summary.outputs])
    facts.add_row("Operators", _operators(summary.operators, summary.node_count))
    if summary.functions:
        facts.add_row("Functions", ", ".join(shown(f) for f in summary.functions[:_MANY]))
    external = f", {len(summary.external)} tensors in other files" if summary.external else ""
    facts.add_row("Weights", f"{summary.parameter_count:,} parameters, {size(summary.parameter_bytes)}{external}")
    facts.add_row("A run", _run(summary.bounds))


def _run(bounds: RunBounds | None) -> str:
    if bounds is None:
        return "not bounded: the model has problems"
    if bounds.unknown:
        first = bounds.unknown[0]
        reason = f"{shown(first.operator)} at {shown(first.where)}: {_UNBOUNDED[first.kind]}"
        more = f", and {len(bounds.unknown) - 1} more" if len(bounds.unknown) > 1 else ""
        return f"not bounded: {reason}{f' ({shown(first.detail)})' if first.detail else ''}{more}"
    memory = size(bounds.peak_bytes) if bounds.peak_bytes < _BEYOND else "more than any machine has"
    steps = counted(bounds.steps, "operator") if bounds.steps < _BEYOND else "more operators than anybody waits for"
    return f"up to {memory} besides inputs and weights, {steps}, with open dimensions of {bounds.open_dimension}"


def _operators(uses: tuple[OperatorUse, ...], nodes: int) -> str:
    ordered = sorted(uses, key=lambda use: (-use.count, use.operator))
    names = ", ".join(f"{shown(use.operator)} x{use.count}" for use in ordered[:_MANY])
    more = f" and {len(ordered) - _MANY} more" if len(ordered) > _MANY else ""
    return f"{len(ordered)} in {nodes:,} nodes: {names}{more}" if ordered else f"none in {nodes} nodes"


def _value(value: ValueSpec) -> str:
    return f"{shown(value.name)}: {shown(value.type)}"


def _rows(facts: Table, label: str, lines: Iterable[str]) -> None:
    every = list(lines)
    for index, line in enumerate(every[:_MANY]):
        facts.add_row(label if index == 0 else "", line)
    if len(every) > _MANY:
        facts.add_row("", f"and {len(every) - _MANY} more")


def _mark(finding: Finding) -> Text:
    mark, style = _MARKS[finding.outcome]
    return Text(mark, style=style)


def _finding(out: _Page, finding: Finding) -> None:
    out.line(_mark(finding), Text(f" {shown(finding.code)}  ", style="bold"), Text(_words(finding.message)))
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
