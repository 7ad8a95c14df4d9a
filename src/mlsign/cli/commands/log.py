"""``mlsign log``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlsign.cli.console import counted_progress, put, wants_color, width
from mlsign.cli.option_groups import with_option_groups
from mlsign.cli.options import Format, FormatOption, Quiet, StoreFolder, TrustRootFile, Verbose
from mlsign.cli.policy_options import NO_POLICY_SIGNER, PolicySignerOptions
from mlsign.errors import InputError

if TYPE_CHECKING:
    from mlsign.actions.policies.load_policy import LoadedPolicy

HELP = """List the releases of models in a folder: versions, signers, dates, what changed, and which came before which.

Digests are computed from the files. With --policy each package is verified, and its lineage (mlsign pack --previous) as
well: exit code 0 is everything allowed and back to a first release, 1 is not. Without it no signature is checked, and
exit code 3 says that a folder could not be read, or that a package is not what its manifest says. With --quick only
manifests are read, for a look at large models.

Example:

\b
  mlsign log releases/
  mlsign log releases/ --policy policy.yaml --name fraud --format json
"""


@with_option_groups
def log_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder that packages are in, or in folders below it.")],
    policy: Annotated[
        list[Path] | None,
        typer.Option("--policy", "-p", metavar="FILE", help="Verify each package under this policy. May be given several times."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="List this model alone.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Read manifests alone, and believe what they say of files.")] = False,
    trust_root: TrustRootFile = None,
    policy_signers: PolicySignerOptions = NO_POLICY_SIGNER,
    output_format: FormatOption = Format.TEXT,
    store: StoreFolder = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, lists, prints, exits by what was found."""
    from mlsign.actions.releases.list_releases import LogRequest, Reading, list_releases
    from mlsign.policy.model import Verdict

    request = LogRequest(
        policies=_policies(policy, trust_root, policy_signers),
        name=name,
        reading=Reading.MANIFEST if quick else Reading.WHOLE,
        store=store,
    )
    with counted_progress("reading") as advance:
        log = list_releases(folder, request, advance=advance)
    # With --quiet the exit code is the answer.
    if not quiet or output_format is not Format.TEXT:
        if output_format is Format.JSON:
            from mlsign.report.log.as_json import render_log

            put(render_log(log))
        else:
            from mlsign.report.log.as_text import render_log as as_text

            put(as_text(log, width=width(), color=wants_color()))
    if log.judged and log.verdict is not Verdict.ALLOW:
        raise typer.Exit(1)
    if not log.judged and not log.is_sound:
        raise typer.Exit(3)


def _policies(paths: list[Path] | None, trust_root: Path | None, signers: PolicySignerOptions) -> tuple[LoadedPolicy, ...]:
    """The policies that were named, which may be none."""
    signed = signers.trusted(paths[0] if paths else None)
    if not paths:
        if trust_root is not None:
            raise InputError("nobody's signature is checked without --policy", code="usage.policy", hint="add --policy FILE")
        return ()
    from mlsign.actions.policies.load_policies import load_policies

    return load_policies(paths, trust_root=trust_root, signed=signed)
