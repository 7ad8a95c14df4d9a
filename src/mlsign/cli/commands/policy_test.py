"""``mlsign policy test``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.console import put, width
from mlsign.cli.options import Format, FormatOption, Quiet, TrustRootFile, Verbose

HELP = """Try a policy on packages, or on evidence recorded by verify --record, and hold the decisions against a file of cases.

The verdict is compared, whatever the mode. Exit code 0 is all as expected, 1 not.

Example:

\b
  mlsign policy test policy.yaml cases.yaml
"""


def policy_test_command(
    policy: Annotated[Path, typer.Argument(metavar="POLICY", help="The policy, a YAML file.")],
    cases: Annotated[Path, typer.Argument(metavar="CASES", help="The cases, a YAML file. Its paths are relative to it.")],
    trust_root: TrustRootFile = None,
    output_format: FormatOption = Format.TEXT,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Decides each case, prints a table with the differences, exits by them."""
    from mlsign.actions.policies.load_policy import load_policy
    from mlsign.actions.policies.try_policy import try_policy
    from mlsign.cli.policy_rendering import render_cases

    results = try_policy(load_policy(policy, trust_root=trust_root), cases)
    wrong = any(result.differences for result in results)
    if not quiet or wrong or output_format is not Format.TEXT:
        put(render_cases(results, output_format.value, width=width()))
    raise typer.Exit(1 if wrong else 0)
