"""``mlsign score``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.console import detail, progress, put, say
from mlsign.cli.option_groups import with_option_groups
from mlsign.cli.options import (
    AcceptVsa,
    AuditLogFile,
    AuditLogSize,
    PolicyFiles,
    Quiet,
    ReportFiles,
    ReportFormat,
    SignatureFiles,
    StoreFolder,
    TrustRootFile,
    Verbose,
    audit_log,
)
from mlsign.cli.policy_options import NO_POLICY_SIGNER, PolicySignerOptions
from mlsign.cli.rendering import render
from mlsign.cli.report_files import clear_places, decode_places, say_audited, say_conceded, write_reports
from mlsign.cli.sandbox_options import Sandbox, confinement_of
from mlsign.errors import shown
from mlsign.sandbox.layers import Wall

HELP = """Score rows with a package: verify it into sealed memory, then run it in a confined process.

A package that the policy denies is never run. Inputs: .npz, .npy, .json, .csv. Outputs: the same.

Example:

\b
  mlsign score fraud-1.2.0 --policy policy.yaml --input rows.csv --output scores.csv
"""


@with_option_groups
def score_command(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The package.")],
    policy: PolicyFiles,
    input_file: Annotated[Path, typer.Option("--input", "-i", metavar="FILE", help="The rows to score.")],
    output_file: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the answers go.")],
    signature: SignatureFiles = None,
    trust_root: TrustRootFile = None,
    accept_vsa: AcceptVsa = None,
    policy_signers: PolicySignerOptions = NO_POLICY_SIGNER,
    sandbox: Sandbox = Wall.PROCESS,
    allow_unsandboxed: Annotated[
        bool, typer.Option("--allow-unsandboxed", help="Run the model even where it cannot be confined. Dangerous.")
    ] = False,
    audit_log_file: AuditLogFile = None,
    audit_log_size: AuditLogSize = 64,
    reports: ReportFiles = None,
    store: StoreFolder = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, scores, says how it was confined."""
    from mlsign.actions.audit.recording import recording
    from mlsign.actions.policies.load_policies import load_policies
    from mlsign.actions.scoring.score import ScoreRequest, score
    from mlsign.actions.verification.admit import Denied
    from mlsign.actions.verification.verify import VerifyRequest

    confinement = confinement_of(sandbox, allow_unsandboxed=allow_unsandboxed)
    loosened = ("--allow-unsandboxed: the model runs even where it cannot be confined",) if allow_unsandboxed else ()
    log = audit_log(audit_log_file, size=audit_log_size, caller="mlsign score", loosened=loosened)
    places = decode_places(reports or ())
    clear_places(places, package=package, read=(*policy, trust_root, input_file, output_file, audit_log_file, *(signature or ())))
    with recording(package, log):
        signed = policy_signers.trusted(policy[0])
        first, *others = load_policies(policy, trust_root=trust_root, signed=signed)
    request = ScoreRequest(
        verify=VerifyRequest(
            policy=first,
            others=tuple(others),
            signatures=tuple(signature or ()),
            accept=tuple(accept_vsa or ()),
            audit=log,
            store=store,
        ),
        input=input_file,
        output=output_file,
        confinement=confinement,
    )
    try:
        with progress("scoring", package) as advance:
            scored = score(package, request, advance=advance)
    except Denied as denied:
        write_reports(denied.report, places)
        say(render(denied.report, ReportFormat.TEXT))
        denied.hint = ""  # the whole report is above
        raise
    write_reports(scored.report, places)
    say_audited(scored.report)
    say_conceded(scored.report)
    held = [layer.name for layer in scored.layers if layer.in_force]
    open_ = [layer.name for layer in scored.layers if not layer.in_force]
    say(f"scored {', '.join(map(shown, scored.outputs))}; confined by {', '.join(held) or 'nothing'}")
    if open_:
        say(f"not in force here: {', '.join(open_)}")
    for layer in scored.layers:
        detail(f"  {layer.name}: {shown(layer.detail)}")
    put(str(scored.output))
