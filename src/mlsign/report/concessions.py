"""What a decision was helped by, which no reader of an allowance may miss: exceptions, loosened fields, a summary in place of signatures, a store in
place of reading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mlsign.actions.verification.verify import Report
from mlsign.errors import shown
from mlsign.evidence.record import KnownBy
from mlsign.policy.exemption import Excepted
from mlsign.report.policy.lineage import loosenings
from mlsign.report.signers import who_signed
from mlsign.words import counted, size

_MAX_REASON_CHARS: Final = 200
_MAX_FILES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Concession:
    """One kind of help: ``title`` says how often there was some, ``lines`` what each was."""

    title: str
    lines: tuple[str, ...]


def concessions(report: Report) -> tuple[Concession, ...]:
    """At most one of each kind; none where a package was allowed, or denied, by the rules alone."""
    return tuple(_each(report))


def _each(report: Report) -> Iterator[Concession]:
    if (record := report.decision.summary) is not None:
        yield Concession(
            title="VERIFICATION SUMMARY in place of signatures", lines=(f"{who_signed(record)}: {shown(record.bundle)}",)
        )
    if used := report.decision.excepted:
        yield Concession(title=f"EXCEPTION: {counted(len(used), 'exception')} used", lines=tuple(map(_exception, used)))
    if unread := [file for file in report.evidence.unread if file.known_by is KnownBy.STORE]:
        title = f"NOT READ: {counted(len(unread), 'file')} of a store that the policy believes"
        told = [f"{shown(file.path)}, {size(file.size)}" for file in unread[:_MAX_FILES]]
        more = [f"and {len(unread) - _MAX_FILES} more"] if len(unread) > _MAX_FILES else []
        yield Concession(title=title, lines=(*told, *more))
    if loosened := report.policy.lineage.loosened:
        fields = counted(len(loosened), "field")
        title = f"LOOSENED: {fields} of the policy {'is' if len(loosened) == 1 else 'are'} looser than in one that it extends"
        yield Concession(title=title, lines=tuple(line.removeprefix("LOOSENED: ") for line in loosenings(report.policy)))


def _exception(item: Excepted) -> str:
    codes = Counter(finding.code for finding in item.findings)
    told = ", ".join(f"{shown(code)} x{count}" if count > 1 else shown(code) for code, count in sorted(codes.items()))
    reason = shown(item.exemption.reason, limit=_MAX_REASON_CHARS)
    return f"{told} not held against it until {item.exemption.until:%Y-%m-%dT%H:%M:%SZ}: {reason}"
