"""What became of the cases that a policy was tried on, as a table, with every difference in full."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from mlsign.actions.policies.try_policy import CaseResult
from mlsign.errors import shown
from mlsign.report.findings_as_json import dump
from mlsign.report.workflow import inert
from mlsign.words import counted

SCHEMA = "mlsign/policy-test/v1"
_LONG = 4000


def render_results(results: Sequence[CaseResult], *, width: int) -> str:
    """A line for each case; below those that came out otherwise, how."""
    names = [shown(result.case.name, limit=48) for result in results]
    column = max(map(len, names))
    lines = []
    for name, result in zip(names, results, strict=True):
        mark = "ok  " if not result.differences else "FAIL"
        lines.append(f"{mark}  {name:{column}}  expect {result.case.expect.value:5}  got {result.decision.verdict.value}")
        for difference in result.differences:
            lines += textwrap.wrap(
                shown(difference, limit=_LONG),
                max(60, min(width, 120)),
                initial_indent="      ",
                subsequent_indent="        ",
                break_long_words=False,
                break_on_hyphens=False,
            )
    wrong = sum(bool(result.differences) for result in results)
    lines.append(f"{counted(len(results), 'case')}, {wrong or 'none'} not as expected")
    return inert("\n".join(lines) + "\n")


def render_results_as_json(results: Sequence[CaseResult]) -> str:
    """After ``schemas/policy-test.v1.schema.json``."""
    return dump(
        {
            "schema": SCHEMA,
            "cases": [
                {
                    "name": result.case.name,
                    "line": result.case.place.line,
                    "expect": result.case.expect.value,
                    "decision": result.decision.verdict.value,
                    "as_expected": not result.differences,
                    "differences": list(result.differences),
                }
                for result in results
            ],
        }
    )
