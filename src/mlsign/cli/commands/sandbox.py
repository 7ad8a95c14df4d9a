"""``mlsign sandbox``: what the sandbox is worth on this machine."""

from __future__ import annotations

from typing import Final

import typer

from mlsign.cli.console import detail, put
from mlsign.cli.options import Format, FormatOption, Quiet, Verbose
from mlsign.cli.plain_values import PlainCommand, PlainGroup
from mlsign.errors import shown

HELP: Final = """See what the sandbox can enforce on this machine.

Example:

\b
  mlsign sandbox status
"""
STATUS_HELP: Final = """Confine a worker as scoring does, and show layer by layer what is in force, and what is missing and why.

The layers are those that a real worker reports, over a model of one node. At the end: whether isolation: available and
isolation: full can be met, and what to change for the layers that are missing. Exit code 0: models can be scored confined
here, 1: they cannot.

Example:

\b
  mlsign sandbox status
  mlsign sandbox status --format json
"""

app = typer.Typer(cls=PlainGroup, help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """A group, although it has one command: others may come, and this one keeps its name."""


@app.command("status", cls=PlainCommand, help=STATUS_HELP, short_help="Show what is in force and what is missing.")
def status_command(output_format: FormatOption = Format.TEXT, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Surveys, prints, exits by what was found."""
    from mlsign.actions.scoring.survey import survey
    from mlsign.report.sandbox_survey import render_survey_json, render_survey_text
    from mlsign.sandbox.layers import Isolation

    found = survey()
    # With --quiet the exit code is the answer.
    if not quiet or output_format is not Format.TEXT:
        put(render_survey_json(found) if output_format is Format.JSON else render_survey_text(found))
    if found.failure is not None:
        detail(f"  code: {shown(found.failure.code)}")
    raise typer.Exit(0 if found.meets(Isolation.AVAILABLE) else 1)
