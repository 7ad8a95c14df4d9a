"""A finding: one check, its outcome, and what a person needs to know to act on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mlsign.errors import MlsignError


class Outcome(Enum):
    """What a check came to. Only ``PASS`` lets a package through; ``UNKNOWN`` is a check that could not run."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of a report.

    ``code`` names the page in ``docs/findings`` and never changes its meaning. ``where`` is a path of the
    package or a place in a document; ``expected`` and ``found`` are spelled out so that nobody has to parse
    the message. ``cause`` is the dotted error code underneath, where there is one. ``hint`` says what to do
    about this case; what to do in general stands on the page.
    """

    code: str
    outcome: Outcome
    message: str
    where: str = ""
    expected: str = ""
    found: str = ""
    cause: str = ""
    hint: str = ""


def finding_of(error: MlsignError, *, code: str, where: str = "", outcome: Outcome = Outcome.FAIL) -> Finding:
    """The finding that an error amounts to when it is about one part of a package."""
    return Finding(
        code=code,
        outcome=outcome,
        message=str(error) if error.where not in ("", where) else error.message,
        where=where or error.where,
        expected=error.expected,
        found=error.found,
        cause=error.code,
        hint=error.hint,
    )
