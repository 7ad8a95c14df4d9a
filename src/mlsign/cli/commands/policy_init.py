"""``mlsign policy init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.console import put, say
from mlsign.cli.options import Quiet, Verbose
from mlsign.errors import shown

HELP = """Write a policy to start from, with comments, for a package and whoever signs it.

Asks on a terminal for what is not given. Signatures of the package are never taken for an answer: who signs must be known.

Example:

\b
  mlsign policy init --package fraud-1.2.0 --key keys/release.pub -o policy.yaml
"""


def policy_init_command(
    package: Annotated[Path | None, typer.Option(metavar="PACKAGE", help="A package or model that the policy is for.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="The public key that signs.")] = None,
    keyless_issuer: Annotated[str | None, typer.Option(metavar="URL", help="The issuer of whoever signs keyless.")] = None,
    keyless_subject: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whoever signs keyless: a workflow or an address; with * a pattern.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the policy. Default: that of the package.")] = None,
    audit: Annotated[bool, typer.Option("--audit", help="Report only, and let everything run.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write. Default: print it.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a policy that is there.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Asks or takes the answers, writes the policy, says what to do next."""
    from mlsign.actions.policies.start_policy import start_policy, write_policy_file
    from mlsign.cli.policy_questions import Answers, settled

    given = Answers(package=package, key=key, issuer=keyless_issuer, subject=keyless_subject, audit=audit)
    started = start_policy(settled(given, name=name, output=output))
    for operator in started.left_out:
        say(f"left out: {shown(operator)} does more than compute; the model is denied until you name it in operators.allow")
    if output is None:
        put(started.text)
        return
    write_policy_file(started.text, output, force=force)
    put(str(output))
    say(f"next: read it, and run mlsign policy check {shown(output)}")
