"""``mlsign inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.console import progress, put
from mlsign.cli.options import Format, FormatOption, Quiet, Verbose
from mlsign.cli.rendering import render_inspected

HELP = """Show what is in a model or a package: operators, inputs, outputs, weights, files, claimed signers.

Reads without trusting, loads no weights, runs nothing and judges nothing.

Example:

\b
  mlsign inspect fraud.onnx
"""


def inspect_command(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="An ONNX file, or a package.")],
    output_format: FormatOption = Format.TEXT,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, inspects, prints."""
    from mlsign.actions.inspect import inspect

    with progress("inspecting", path):
        inspection = inspect(path)
    put(render_inspected(inspection, output_format))
