"""A finding: one check, its outcome, and what a person needs to know to act on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from typing import Final

from mlsign.errors import MlsignError

MAX_LISTED: Final = 100
"""Findings of one code that are spelled out; nobody reads more, and the first ones say what is going on."""


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


def listed(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Of each code the first ``MAX_LISTED`` in a fixed order, and one more that counts the rest.

    A hostile package must not make a report as large as itself. What was wrong stays wrong: the one that
    counts has the worst outcome among those it stands for.
    """
    out: list[Finding] = []
    for _, group in groupby(sorted(findings, key=lambda f: (f.code, f.where, f.message)), key=lambda f: f.code):
        found = list(group)
        out.extend(found[:MAX_LISTED])
        rest = found[MAX_LISTED:]
        if rest:
            out.append(and_more(len(rest), code=rest[0].code, outcome=_worst(f.outcome for f in rest)))
    return tuple(out)


def against(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """What keeps a package out, in a fixed order: first what fails.

    What is only not known may be so for its sake: nobody replays the golden data of a package that is denied anyway.
    """
    wrong = (finding for finding in findings if finding.outcome is not Outcome.PASS)
    return tuple(sorted(wrong, key=lambda finding: finding.outcome is not Outcome.FAIL))


def and_more(count: int, *, code: str, outcome: Outcome = Outcome.FAIL) -> Finding:
    """The finding that stands for ``count`` others of its code."""
    return Finding(code=code, outcome=outcome, message=f"and {count} more of this kind")


def _worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Unknown is worse than failed: an exception covers what failed, and must not take what nobody knows along."""
    there = set(outcomes)
    return next(outcome for outcome in (Outcome.UNKNOWN, Outcome.FAIL, Outcome.PASS) if outcome in there)
