"""``mlsign inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.console import counted_progress, progress, put
from mlsign.cli.option_groups import with_option_groups
from mlsign.cli.options import FindingsFormat, FindingsFormatOption, Quiet, StoreFolder, Verbose
from mlsign.cli.policy_options import NO_POLICY_SIGNER, PolicySignerOptions
from mlsign.cli.rendering import render_findings, render_inspected
from mlsign.errors import InputError

HELP = """Show what is in a model or a package: operators, inputs, outputs, weights, files, claimed signers.

Reads without trusting, loads no weights and runs nothing. With --findings it also judges, and scans whole folders: exit
code 0 is nothing found, 1 is something wrong. No signature is needed, and none is checked.

With --text it prints the graph in ONNX's own textual syntax, with --card a model card in Markdown of what a package says
about itself, of which nothing has been checked.

With --html it writes one page for a browser, graph and weights included, which loads nothing; weights are read for that.
Without --policy no signature is checked for it. With --policy the package is verified, and a denial is exit code 1.

Example:

\b
  mlsign inspect fraud.onnx
  mlsign inspect --text fraud.onnx
  mlsign inspect --card fraud-1.2.0 > README.md
  mlsign inspect --findings models/ --format sarif
  mlsign inspect --html report.html fraud-1.2.0 --policy policy.yaml
  mlsign inspect --html report.html fraud-1.3.0 --previous fraud-1.2.0
"""


@with_option_groups
def inspect_command(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="An ONNX file or a package; with --findings any folder, too.")],
    findings: Annotated[bool, typer.Option("--findings", help="Say what is wrong with every model there.")] = False,
    text: Annotated[bool, typer.Option("--text", help="Print the graph in ONNX's textual syntax, without weights.")] = False,
    card: Annotated[bool, typer.Option("--card", help="Print a model card in Markdown, from the manifest of a package.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page for a browser, which needs no network.")
    ] = None,
    previous: Annotated[
        Path | None,
        typer.Option("--previous", metavar="PKG", help="With --html: the release before, to say what changed since."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy", "-p", metavar="FILE", help="With --findings or --html: what to judge by. Default: the shipped baseline."
        ),
    ] = None,
    policy_signers: PolicySignerOptions = NO_POLICY_SIGNER,
    output_format: FindingsFormatOption = FindingsFormat.TEXT,
    store: StoreFolder = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, inspects or scans, prints; a scan exits by what it found."""
    signed = policy_signers.trusted(policy)
    _check_alone({"--findings": findings, "--text": text, "--card": card, "--html": html is not None}, output_format)
    if store is not None and (html is None or (policy is None and previous is None)):
        message = "--store is for --html with --policy or --previous: nothing else is held against a manifest here"
        raise InputError(message, code="usage.inspect", hint="leave out --store")
    if html is not None:
        from mlsign.cli.commands._portrait import write_portrait

        write_portrait(path, html, policy=policy, signed=signed, previous=previous, store=store)
        return
    if previous is not None:
        raise InputError("--previous is for --html", code="usage.inspect", hint="give --html FILE, or see mlsign diff")
    if not findings:
        if policy is not None:
            raise InputError(
                "--policy is for --findings and --html: nothing else is judged here", code="usage.policy", hint="add --findings"
            )
        if text or card:
            from mlsign.cli.commands._readable import put_card, put_text

            (put_text if text else put_card)(path)
            return
        from mlsign.actions.inspection.inspect import inspect

        with progress("inspecting", path):
            inspection = inspect(path)
        put(render_inspected(inspection, output_format))
        return
    from mlsign.actions.inspection.findings import FindRequest, Summaries, find, load_model_policy
    from mlsign.policy.model import Verdict

    request = FindRequest(policy=load_model_policy(policy, signed=signed), summaries=Summaries.DROP)
    with counted_progress("scanning") as advance:
        found = find(path, request, advance=advance)
    # With --quiet the exit code is the answer.
    if not quiet or output_format is not FindingsFormat.TEXT:
        put(render_findings(found, output_format))
    raise typer.Exit(0 if found.enforced_verdict is Verdict.ALLOW else 1)


def _check_alone(given: dict[str, bool], output_format: FindingsFormat) -> None:
    """Each of these options is a way to look, and has a format of its own but for ``--findings``."""
    chosen = [option for option, on in given.items() if on]
    if len(chosen) > 1:
        raise InputError(f"{' and '.join(chosen)} exclude each other", code="usage.inspect", hint="give one of them")
    if chosen and chosen != ["--findings"] and output_format is not FindingsFormat.TEXT:
        raise InputError(
            f"{chosen[0]} has its own format",
            code="usage.inspect",
            found=f"--format {output_format.value}",
            hint="leave out --format",
        )
