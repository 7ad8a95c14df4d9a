"""``mlsign policy explain``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.console import put, width
from mlsign.cli.options import Verbose

HELP = """Say in plain sentences what a policy asks of a package, defaults included.

Example:

\b
  mlsign policy explain policy.yaml
  mlsign policy explain policy.yaml --format markdown
"""


class Prose(Enum):
    """How sentences are printed."""

    TEXT = "text"
    MARKDOWN = "markdown"


def policy_explain_command(
    policy: Annotated[Path, typer.Argument(metavar="POLICY", help="The policy, a YAML file. Its keys are found relative to it.")],
    output_format: Annotated[
        Prose, typer.Option("--format", "-f", help="text for the terminal, markdown for a review.")
    ] = Prose.TEXT,
    verbose: Verbose = False,
) -> None:
    """Reads the policy and the keys it names, prints what it asks for."""
    from mlsign.actions.policies.load_policy import bind_policy
    from mlsign.actions.policies.read_policy import read_policy_document
    from mlsign.report.policy.as_text import render_policy, render_policy_as_markdown

    bound = bind_policy(policy, read_policy_document(policy)).policy
    put(render_policy(bound, width=width()) if output_format is Prose.TEXT else render_policy_as_markdown(bound))
