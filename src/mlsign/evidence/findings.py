"""A finding: one check, its outcome, and what a person needs to know to act on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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
