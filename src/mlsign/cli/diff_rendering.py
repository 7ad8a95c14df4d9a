"""What ``mlsign diff`` prints and writes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mlsign.cli.console import say, wants_color, width
from mlsign.cli.options import DiffFormat
from mlsign.cli.report_files import clear_files, write_file
from mlsign.errors import shown

if TYPE_CHECKING:
    from mlsign.actions.comparison.difference import Difference


def render_difference(found: Difference, output_format: DiffFormat, *, file: bool = False, every: bool = False) -> str:
    """A difference in the format asked for; for a file it has no colours and no width of a terminal."""
    match output_format:
        case DiffFormat.TEXT:
            from mlsign.report.diff.as_text import render_difference as as_text

            return as_text(found, width=100 if file else width(), color=wants_color() and not file, every=every)
        case DiffFormat.JSON:
            from mlsign.report.diff.as_json import render_difference as as_json

            return as_json(found)
        case DiffFormat.HTML:
            from mlsign.report.diff.as_html import render_difference as as_html

            return as_html(found)


def clear_output(output: Path | None, before: Path, after: Path, *, read: Iterable[Path | None]) -> None:
    """Nothing is left at ``output``. Raises as ``clear_files`` does: nothing is written over but an earlier report."""
    if output is not None:
        clear_files([output], option="--output", packages=[before, after], read=read)


def write_output(output: Path, text: str) -> None:
    """The text in the file, whole or not at all. Raises ``OutsideError`` (``report.place``)."""
    write_file(output, text)
    say(f"mlsign: {shown(output)} written")
