"""From a result and ``--format`` to what is printed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mlsign.cli.console import wants_color, width
from mlsign.cli.options import FindingsFormat, Format, ReportFormat
from mlsign.errors import InputError

if TYPE_CHECKING:
    from mlsign.actions.golden.replay import Replay
    from mlsign.actions.inspection.findings import Found
    from mlsign.actions.inspection.inspect import Inspection
    from mlsign.actions.verification.verify import Report
    from mlsign.policy.remedies.why_not import WhyNot
    from mlsign.report.places import Base


def reasons_of(report: Report) -> WhyNot | None:
    """What would have to be different for a package that is denied."""
    from mlsign.policy.model import Verdict
    from mlsign.policy.remedies.why_not import why_not

    return None if report.decision.verdict is Verdict.ALLOW else why_not(report.policy, report.evidence, now=report.now)


def render(report: Report, output_format: ReportFormat, *, file: bool = False, why_not: WhyNot | None = None) -> str:
    """A report in the format asked for; for a file it has no colours and no width of a terminal.

    ``why_not`` is what would have to be different, where that was asked for: text and JSON have a place for it.
    """
    match output_format:
        case ReportFormat.TEXT:
            from mlsign.report.as_text import render_report as as_text

            text = as_text(report, width=100 if file else width(), color=wants_color() and not file)
            if why_not is None:
                return text
            from mlsign.report.why_not import render_why_not

            return text + render_why_not(why_not, width=100 if file else width())
        case ReportFormat.JSON:
            from mlsign.report.as_json import render_report as as_json

            return as_json(report, why_not=why_not)
        case ReportFormat.SARIF:
            from importlib.metadata import version

            from mlsign.report.report_as_sarif import render_report as as_sarif

            return as_sarif(report, base=_base(report), version=version("mlsign"))
        case ReportFormat.GITHUB:
            from mlsign.report.as_github import render_report as as_github

            return as_github(report, base=_base(report))
        case ReportFormat.MARKDOWN:
            from mlsign.report.as_markdown import render_report as as_markdown

            return as_markdown(report)


def render_inspected(inspection: Inspection, output_format: FindingsFormat) -> str:
    """An inspection in the format asked for. Raises ``InputError`` (``usage.format``) for SARIF, which is for findings."""
    match output_format:
        case FindingsFormat.TEXT:
            from mlsign.report.inspection_as_text import render_inspection as as_text

            return as_text(inspection, width=width(), color=wants_color())
        case FindingsFormat.JSON:
            from mlsign.report.as_json import render_inspection as as_json

            return as_json(inspection)
        case FindingsFormat.SARIF:
            raise InputError("sarif is a format of findings", code="usage.format", hint="add --findings, or take json")


def render_findings(found: Found, output_format: FindingsFormat) -> str:
    """What a scan found, in the format asked for."""
    match output_format:
        case FindingsFormat.TEXT:
            from mlsign.report.findings_as_text import render_found as as_text

            return as_text(found, width=width(), color=wants_color())
        case FindingsFormat.JSON:
            from mlsign.report.findings_as_json import render_found as as_json

            return as_json(found)
        case FindingsFormat.SARIF:
            from importlib.metadata import version

            from mlsign.report.as_sarif import render_found as as_sarif

            return as_sarif(found, prefix=_below_here(found), version=version("mlsign"))


def render_replay(replay: Replay, output_format: Format) -> str:
    """What came of a golden run, in the format asked for."""
    from mlsign.report.golden_runs import render_replay_json, render_replay_text

    return (
        render_replay_json(replay)
        if output_format is Format.JSON
        else render_replay_text(replay, width=width(), color=wants_color())
    )


def _base(report: Report) -> Base:
    """Where the package lies, for formats that show findings beside files."""
    from mlsign.report.places import Base

    is_folder = Path(report.path).is_dir()
    return Base(folder=_folder_below(report.path, is_folder=is_folder), is_folder=is_folder)


def _below_here(found: Found) -> str:
    """The folder of what was scanned below the current one, which for code scanning is the repository; else nothing."""
    return _folder_below(found.path, is_folder=found.is_folder) or ""


def _folder_below(name: str, *, is_folder: bool) -> str | None:
    here, path = Path.cwd(), Path(os.path.normpath(Path.cwd() / name))
    folder = path if is_folder else path.parent
    if folder == here:
        return ""
    return folder.relative_to(here).as_posix() if folder.is_relative_to(here) else None
