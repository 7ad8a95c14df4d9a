"""What no honest exporter writes: every problem that the reader saw in the model denies it."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.findings import Finding, Outcome, listed
from mlsign.evidence.record import Evidence
from mlsign.onnx.summary import Problem

CODE: Final = "MLS410"


def check(evidence: Evidence) -> tuple[Finding, ...]:
    """Each problem under its own code, or one finding that there is none."""
    if evidence.summary is None:
        return (Finding(code=CODE, outcome=Outcome.UNKNOWN, message="the model was not read, so nothing is known of it"),)
    problems = evidence.summary.problems
    if problems:
        return listed([_refusal(problem) for problem in problems])
    return (Finding(code=CODE, outcome=Outcome.PASS, message="the model was read whole and nothing in it is out of order"),)


def _refusal(problem: Problem) -> Finding:
    return Finding(
        code=problem.code,
        outcome=Outcome.FAIL,
        message=problem.message,
        where=problem.where,
        expected=problem.expected,
        found=problem.found,
    )
