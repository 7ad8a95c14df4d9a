"""``mlsign diff``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.console import TROUBLE, progress, put
from mlsign.cli.option_groups import with_option_groups
from mlsign.cli.options import DiffFormat, DiffFormatOption, Quiet, StoreFolder, Verbose
from mlsign.cli.policy_options import NO_POLICY_SIGNER, PolicySignerOptions
from mlsign.errors import InputError

HELP = """Show what is different between two models or packages: interface, operators, graph, weights, behaviour, manifest.

Nodes are matched by what they do, so a renamed graph is told as renamed and one node put in as one node. Nothing is
trusted and nothing is run, but both models in the sandbox where there is golden test data, or --inputs.
Long lists are cut short; --verbose prints them whole.
Exit codes are those of diff: 0 the same, 1 different, 2 trouble, whatever the trouble is.

Example:

\b
  mlsign diff fraud-1.2.0 fraud-1.3.0 --policy policy.yaml
  mlsign diff old.onnx new.onnx --inputs rows.npz
  mlsign diff old.onnx new.onnx --format html -o diff.html
"""
_INPUTS = "Run both models on these inputs as well (.npz, .npy, .json, .csv). May be given several times."


@with_option_groups
def diff_command(
    before: Annotated[Path, typer.Argument(metavar="A", help="An ONNX file or a package.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="An ONNX file or a package.")],
    policy: Annotated[
        Path | None,
        typer.Option("--policy", "-p", metavar="FILE", help="Say whether the change alters what this policy decides."),
    ] = None,
    policy_signers: PolicySignerOptions = NO_POLICY_SIGNER,
    no_run: Annotated[bool, typer.Option("--no-run", help="Run no model, not even in the sandbox.")] = False,
    inputs: Annotated[list[Path] | None, typer.Option("--inputs", metavar="FILE", help=_INPUTS)] = None,
    output_format: DiffFormatOption = DiffFormat.TEXT,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it here, not to the terminal.")
    ] = None,
    store: StoreFolder = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, compares, prints; exits as diff does."""
    TROUBLE.on = True
    from mlsign.actions.comparison.diff import DiffRequest, diff
    from mlsign.cli.diff_rendering import clear_output, render_difference, write_output

    if no_run and inputs:
        raise InputError("--inputs are for running, and --no-run forbids it", code="usage.inputs", hint="leave one of them out")
    if store is not None and policy is None:
        raise InputError("--store is for --policy: without it nothing is verified", code="usage.store", hint="leave out --store")
    clear_output(output, before, after, read=[policy, *(inputs or ())])
    loaded = None
    if policy is not None or policy_signers != NO_POLICY_SIGNER:
        from mlsign.actions.policies.load_policy import load_policy

        signed = policy_signers.trusted(policy)
        loaded = None if policy is None else load_policy(policy, signed=signed)
    request = DiffRequest(policy=loaded, store=store, inputs=tuple(inputs or ()), run=not no_run)
    with progress("comparing", before, after) as advance:
        found = diff(before, after, request, advance=advance)
    if output is not None:
        write_output(output, render_difference(found, output_format, file=True, every=verbose))
    elif not quiet or output_format is not DiffFormat.TEXT:  # with --quiet the exit code is the answer
        put(render_difference(found, output_format, every=verbose))
    raise typer.Exit(0 if found.is_same else 1)
