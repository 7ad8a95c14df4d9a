"""``mlsign explain``."""

from __future__ import annotations

from typing import Annotated

import typer

from mlsign.cli.console import put

HELP = """Explain a finding code: what it means, how it is abused and what to do.

Example:

\b
  mlsign explain MLS101
"""


def explain_command(
    code: Annotated[
        str | None, typer.Argument(metavar="[CODE]", help="The code, such as MLS101. Without one, all codes are listed.")
    ] = None,
) -> None:
    """Prints the page of a code, or the list of codes."""
    from mlsign.errors import InputError, shown
    from mlsign.evidence.catalogue.pages import ENTRIES, render_page

    if code is None:
        put("\n".join(f"{entry.code}  {entry.title}" for entry in ENTRIES.values()))
        return
    entry = ENTRIES.get(code.upper())
    if entry is None:
        raise InputError(f"{shown(code)} is not a finding code", code="usage.code", hint="mlsign explain lists them all")
    put(render_page(entry))
