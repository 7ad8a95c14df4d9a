"""From what was found out about policies, and ``--format``, to what is printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlsign.actions.policies.check_policy import CheckedPolicy
    from mlsign.actions.policies.try_policy import CaseResult


def render_remarks(checked: Sequence[CheckedPolicy], output_format: str, *, width: int) -> str:
    """Remarks in the format asked for."""
    from mlsign.report import remarks

    match output_format:
        case "json":
            return remarks.render_checked_as_json(checked)
        case "github":
            return remarks.render_checked_for_github(checked)
        case _:
            return remarks.render_checked(checked, width=width)


def render_cases(results: Sequence[CaseResult], output_format: str, *, width: int) -> str:
    """Results of cases in the format asked for."""
    from mlsign.report.case_results import render_results, render_results_as_json

    return render_results_as_json(results) if output_format == "json" else render_results(results, width=width)
