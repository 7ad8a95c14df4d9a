"""``mlsign verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.console import progress, put
from mlsign.cli.options import Format, FormatOption, PolicyFile, Quiet, SignatureFiles, TrustRootFile, Verbose
from mlsign.cli.rendering import render

HELP = """Verify a package under a policy: who signed it, whether a byte changed, what the model may do.

Exit code 0 is allow, 1 is deny. Whatever could not be checked counts against the package.

Example:

\b
  mlsign verify fraud-1.2.0 --policy policy.yaml --format json
"""


def verify_command(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The package, or a folder or file that others signed.")],
    policy: PolicyFile,
    signature: SignatureFiles = None,
    trust_root: TrustRootFile = None,
    output_format: FormatOption = Format.TEXT,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, verifies, prints the report, exits by the decision."""
    from mlsign.actions.load_policy import load_policy
    from mlsign.actions.verify import VerifyRequest, verify
    from mlsign.policy.model import Verdict

    request = VerifyRequest(policy=load_policy(policy, trust_root=trust_root), signatures=tuple(signature or ()))
    with progress("verifying", package) as advance:
        report = verify(package, request, advance=advance)
    # With --quiet the exit code is the answer.
    if not quiet or output_format is not Format.TEXT:
        put(render(report, output_format))
    raise typer.Exit(0 if report.decision.enforced_verdict is Verdict.ALLOW else 1)
