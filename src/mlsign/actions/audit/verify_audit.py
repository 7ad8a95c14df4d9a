"""Verify an audit log: every line in its place, nothing changed, and the heads that are known still in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlsign.errors import InputError, shown
from mlsign.formats.audit import MAX_LINE_BYTES, Head
from mlsign.formats.audit_chain import ChainCheck, ChainResult
from mlsign.ledger.read_log import LogFile, OpenLog, open_log


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyAuditRequest:
    """The files of one log; ``heads`` that must be in it, and ``after``: the head up to which lines were put away."""

    files: tuple[Path, ...]
    heads: tuple[Head, ...] = ()
    after: Head | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditVerified:
    """What was read, and what it came to. ``noted`` are heads that were found beside the log and held against it."""

    files: tuple[str, ...]
    noted: tuple[Head, ...]
    result: ChainResult

    @property
    def is_intact(self) -> bool:
        """Whether nothing at all is wrong."""
        return not self.result.problems


def verify_audit(request: VerifyAuditRequest, *, advance: Callable[[int], None] | None = None) -> AuditVerified:
    """What the log comes to; a broken chain is in the result, not an exception.

    Raises ``InputError`` (``audit.format``, ``audit.file``, …) for what is no audit log, and ``OutsideError``.
    """
    with open_log(request.files) as log:
        noted = tuple(note.head for note in log.notes)
        check = ChainCheck(after=request.after, heads=(*request.heads, *noted))
        for file in log.files:
            _feed(check, file, log, advance)
        last = str(log.files[-1].path if log.files else request.files[-1])
        for problem in log.unreadable_notes:
            check.complain(
                f"the note of the newest line cannot be read, so nobody knows whether the end is there: {problem}", file=last
            )
        result = check.result(file=last)
        if not result.lines and not noted:
            raise InputError("has no line in it", code="audit.format", where=shown(last))
        return AuditVerified(files=tuple(str(file.path) for file in log.files), noted=noted, result=result)


def _feed(check: ChainCheck, file: LogFile, log: OpenLog, advance: Callable[[int], None] | None) -> None:
    before, name = check.decoded, str(file.path)
    for raw in file.lines(advance):
        if raw.too_long:
            check.complain(f"is longer than the {MAX_LINE_BYTES} bytes that a line may have", file=name, number=raw.number)
        elif raw.ended:
            check.feed(raw.data, file=name, number=raw.number)
        else:
            check.unfinished(raw.data, file=name, number=raw.number)
    # With a note beside it, it was one.
    if file.size and check.decoded == before and not log.notes:
        raise InputError(
            "is no audit log: not one line of it is",
            code="audit.format",
            where=shown(name),
            hint="a file that mlsign verify --audit-log wrote was meant",
        )
