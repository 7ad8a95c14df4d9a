"""``mlsign policy check``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.console import JSON, put, width
from mlsign.cli.options import Quiet, Verbose

HELP = """Check policies: errors with their lines, and warnings about what is likely not meant.

Exit code 0 is in order, 3 an error. Warnings change it to 1 with --strict, and not at all without.

Example:

\b
  mlsign policy check policies/production.yaml --strict
"""


class CheckFormat(Enum):
    """How remarks are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def _set_format(value: CheckFormat) -> CheckFormat:
    JSON.on = value is CheckFormat.JSON
    return value


def policy_check_command(
    policies: Annotated[list[Path], typer.Argument(metavar="POLICY", help="The policies, YAML files, or folders of them.")],
    strict: Annotated[bool, typer.Option("--strict", help="End with 1 where there is a warning.")] = False,
    output_format: Annotated[
        CheckFormat,
        typer.Option("--format", "-f", callback=_set_format, help="text for people, json for programs, github for annotations."),
    ] = CheckFormat.TEXT,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Checks each file, prints the remarks, exits by the worst."""
    from mlsign.actions.policies.check_policy import check_policies
    from mlsign.cli.policy_rendering import render_remarks
    from mlsign.policy.lint.remark import Severity

    checked = check_policies(policies)
    if not quiet or output_format is not CheckFormat.TEXT or any(policy.remarks for policy in checked):
        put(render_remarks(checked, output_format.value, width=width()))
    if any(policy.count(Severity.ERROR) for policy in checked):
        raise typer.Exit(3)
    raise typer.Exit(1 if strict and any(policy.count(Severity.WARNING) for policy in checked) else 0)
