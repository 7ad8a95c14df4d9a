"""Reports as workflow commands of GitHub Actions: annotations of a run, and nothing but commands.

GitHub shows ten annotations of each level for a step and drops the rest without a word, so that many are written and the
rest is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlsign.actions.verification.verify import Report
from mlsign.errors import MlsignError, shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.policy.model import Mode, Verdict
from mlsign.report.concessions import concessions
from mlsign.report.places import Base, local, place_of
from mlsign.report.signers import package_name
from mlsign.report.workflow import Level, annotation
from mlsign.words import counted

_MAX_OF_A_LEVEL: Final = 10
"""GitHub, "Usage limits": annotations of one level that it keeps of one step."""
_TITLE: Final = "mlsign"


def render_report(report: Report, *, base: Base) -> str:
    """The verdict, then what helped it, then what did not pass, errors first. In audit mode nothing of it is an error."""
    wrong = [finding for finding in report.decision.findings if finding.outcome is not Outcome.PASS]
    room = dict.fromkeys(Level, _MAX_OF_A_LEVEL)
    lines = [_headline(report, room)]
    # One notice for each kind, so that none of them is lost among many, and none takes the room of what is wrong.
    told = [
        annotation(Level.NOTICE, f"{kind.title}: {local('; '.join(kind.lines), report)}", title=_TITLE)
        for kind in concessions(report)
    ]
    room[Level.NOTICE] -= len(told) + 1  # kept for the line that counts the rest
    lines += told
    left = 0
    for level, finding in sorted(_levelled(wrong, report.decision.mode), key=lambda pair: list(Level).index(pair[0])):
        if room[level] > 0:
            room[level] -= 1
            lines.append(_finding(finding, level, report, base))
        else:
            left += 1
    if left:
        words = f"{counted(left, 'finding')} of this package left out: GitHub shows {_MAX_OF_A_LEVEL} annotations of each level"
        lines.append(annotation(Level.NOTICE, f"{words}; --report json=FILE has them all", title=_TITLE))
    return "\n".join(lines) + "\n"


def render_error(error: MlsignError) -> str:
    """An error as an annotation, for a run that came to no report. Nothing of it is a verdict."""
    hint = f"; {error.hint}" if error.hint else ""
    return (
        annotation(Level.ERROR, f"no verdict, so nothing is allowed: {error.message}{hint}", title=f"{_TITLE} {error.code}")
        + "\n"
    )


def _headline(report: Report, room: dict[Level, int]) -> str:
    name, policy = package_name(report), shown(report.policy.name)
    if report.decision.mode is Mode.AUDIT:
        denied = report.decision.verdict is not Verdict.ALLOW
        level, verdict = (Level.WARNING, "would have been DENIED") if denied else (Level.NOTICE, "is allowed")
        words = f"{name} {verdict} by the policy {policy}; audit mode: this policy reports and stops nothing"
    elif report.decision.verdict is Verdict.ALLOW:
        level, words = Level.NOTICE, f"{name} is allowed by the policy {policy}"
    else:
        level, words = Level.ERROR, f"{name} is DENIED by the policy {policy}"
    room[level] -= 1
    return annotation(level, words, title=_TITLE)


def _levelled(wrong: list[Finding], mode: Mode) -> Iterator[tuple[Level, Finding]]:
    for finding in wrong:
        if mode is Mode.AUDIT:
            yield Level.NOTICE, finding
        else:
            yield (Level.ERROR if finding.outcome is Outcome.FAIL else Level.WARNING), finding


def _finding(finding: Finding, level: Level, report: Report, base: Base) -> str:
    parts = [finding.message] if finding.where in finding.message else [f"{finding.where}: {finding.message}"]
    parts += [f"{label} {value}" for label, value in (("expected", finding.expected), ("found", finding.found)) if value]
    parts.append(f"mlsign explain {finding.code}")
    file = None if base.folder is None else shown(place_of(finding, report, base), limit=1000)
    return annotation(level, local("; ".join(parts), report), title=finding.code, file=file)
