"""Audit logs as text and as JSON: whether the chain is intact, and the last decisions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from mlsign.actions.audit.show_audit import ShownLine
from mlsign.actions.audit.verify_audit import AuditVerified
from mlsign.errors import shown
from mlsign.formats.audit import Decided, Event, Failed, Head, Torn
from mlsign.formats.audit_chain import Note
from mlsign.formats.audit_codec import encode_line, encode_time
from mlsign.report.findings_as_json import dump
from mlsign.report.workflow import inert
from mlsign.words import counted, size

CHECK_SCHEMA = "mlsign/audit-check/v1"
SHOWN_SCHEMA = "mlsign/audit-lines/v1"


def render_verified_text(verified: AuditVerified) -> str:
    """For people: what is wrong, line by line, then the head to note."""
    result = verified.result
    lines = [
        f"{'INTACT' if verified.is_intact else 'NOT INTACT'}  {counted(result.lines, 'line')} in {counted(len(verified.files), 'file')}"
    ]
    lines += [f"  problem  {_note(note)}" for note in result.problems]
    if result.problems_omitted:
        lines.append(f"  problem  and {result.problems_omitted} more")
    lines += [f"  torn     {_note(note)}" for note in result.torn]
    if result.head is not None:
        lines.append(f"  head     {result.head}")
    if verified.is_intact:
        lines.append(
            "  note the head elsewhere: only with it (--head) is it known later that nothing was cut off or written anew"
        )
    return inert("\n".join(lines) + "\n")


def render_verified_json(verified: AuditVerified) -> str:
    """For programs."""
    result = verified.result
    return dump(
        {
            "schema": CHECK_SCHEMA,
            "intact": verified.is_intact,
            "files": list(verified.files),
            "lines": result.lines,
            "first": _head(result.first),
            "head": _head(result.head),
            "problems": _notes(result.problems),
            "problems_omitted": result.problems_omitted,
            "torn": _notes(result.torn),
        }
    )


def render_shown_text(lines: Iterable[ShownLine]) -> str:
    """A line for each line: when, what came of it, which package, which policy, who asked."""
    return inert("\n".join(_shown(line) for line in lines) + "\n")


def render_shown_json(lines: Iterable[ShownLine]) -> str:
    """The lines as they stand in the log; of one that is none, why."""
    return dump(
        {
            "schema": SHOWN_SCHEMA,
            "lines": [
                {"line": each.number, "record": None, "problem": each.problem}
                if each.line is None
                else {"line": each.number, "record": json.loads(encode_line(each.line.line)), "problem": ""}
                for each in lines
            ],
        }
    )


def _head(head: Head | None) -> str | None:
    return None if head is None else str(head)


def _notes(notes: Iterable[Note]) -> list[dict[str, Any]]:
    return [{"file": note.file, "line": note.line, "message": note.message} for note in notes]


def _note(note: Note) -> str:
    place = f"{shown(note.file)}, line {note.line}" if note.line else shown(note.file)
    return f"{place}: {shown(note.message, limit=1000)}"


def _shown(each: ShownLine) -> str:
    if each.line is None:
        return f"line {each.number}: {shown(each.problem)}"
    line = each.line.line
    who = f"{line.who.user or line.who.user_id}@{line.who.host}"
    caller = f", {line.who.caller}" if line.who.caller else ""
    return shown("  ".join([str(line.sequence), encode_time(line.time), *_words(line.event), f"by {who}{caller}"]), limit=2000)


def _words(event: Event) -> Iterator[str]:
    match event:
        case Torn():
            yield f"torn   {size(event.size)} that a writer left who was stopped"
        case Failed():
            yield f"error  {event.package.path}: {event.code}: {event.message}"
        case Decided():
            named = (
                f"{event.package.name} {event.package.version} ({event.package.path})"
                if event.package.name
                else event.package.path
            )
            yield f"{event.verdict:5}"
            yield f"{named}  policy {event.policy.name}"
            if event.enforced != event.verdict:
                yield f"({event.mode} mode: {event.enforced})"
            if used := len(event.exceptions) + event.exceptions_omitted:
                yield f"({counted(used, 'exception')} used)"
            if event.loosened:
                yield f"(loosened: {event.loosened[0]}{' …' if len(event.loosened) > 1 else ''})"
            if event.findings:
                codes = list(dict.fromkeys(finding.code for finding in event.findings))
                yield " ".join(codes[:6]) + (" …" if len(codes) > 6 else "")
