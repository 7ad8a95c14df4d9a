"""From a result and ``--format`` to what is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlsign.cli.console import wants_color, width
from mlsign.cli.options import Format

if TYPE_CHECKING:
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


def render_inspected(inspection: Inspection, output_format: Format) -> str:
    """An inspection in the format asked for."""
    match output_format:
        case Format.TEXT:
            from mlsign.report.as_text import render_inspection as as_text

            return as_text(inspection, width=width(), color=wants_color())
        case Format.JSON:
            from mlsign.report.as_json import render_inspection as as_json

            return as_json(inspection)
