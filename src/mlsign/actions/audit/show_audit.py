"""Show an audit log: its last lines, as they are, verified by nobody."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

from mlsign.errors import InputError, shown
from mlsign.formats.audit import SealedLine
from mlsign.formats.audit_codec import decode_line
from mlsign.ledger.read_log import open_log


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLine:
    """A line of a file by its number; ``problem`` says why there is nothing to show of it."""

    number: int
    line: SealedLine | None
    problem: str = ""


def show_audit(path: Path, *, last: int) -> tuple[ShownLine, ...]:
    """The last lines of the file at ``path``, oldest first.

    Raises ``InputError`` (``audit.format``, ``audit.file``) where there is nothing to show, and ``OutsideError``.
    """
    kept: deque[ShownLine] = deque(maxlen=last)
    decoded = 0
    with open_log((path,), siblings=False) as log:
        # Only what is shown is decoded: the file may be large.
        tail = deque((raw for file in log.files for raw in file.lines()), maxlen=last)
    for raw in tail:
        try:
            kept.append(ShownLine(number=raw.number, line=decode_line(raw.data)))
            decoded += 1
        except InputError as err:
            kept.append(ShownLine(number=raw.number, line=None, problem=str(err)))
    if not decoded:
        raise InputError("has no line of an audit log to show", code="audit.format", where=shown(path))
    return tuple(kept)
