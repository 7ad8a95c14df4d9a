"""From a result and ``--format`` to what is printed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mlsign.cli.console import wants_color, width
from mlsign.cli.options import FindingsFormat, Format
from mlsign.errors import InputError

if TYPE_CHECKING:
    from mlsign.actions.findings import Found
    from mlsign.actions.inspect import Inspection
    from mlsign.actions.verify import Report


def render(report: Report, output_format: Format) -> str:
    """A report in the format asked for."""
    match output_format:
        case Format.TEXT:
            from mlsign.report.as_text import render_report as as_text

            return as_text(report, width=width(), color=wants_color())
        case Format.JSON:
            from mlsign.report.as_json import render_report as as_json

            return as_json(report)


def render_inspected(inspection: Inspection, output_format: FindingsFormat) -> str:
    """An inspection in the format asked for. Raises ``InputError`` (``usage.format``) for SARIF, which is for findings."""
    match output_format:
        case FindingsFormat.TEXT:
            from mlsign.report.as_text import render_inspection as as_text

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


def _below_here(found: Found) -> str:
    """The folder of what was scanned below the current one, which for code scanning is the repository; else nothing."""
    here, path = Path.cwd(), Path(os.path.normpath(Path.cwd() / found.path))
    folder = path if found.is_folder else path.parent
    return folder.relative_to(here).as_posix() if folder.is_relative_to(here) and folder != here else ""
