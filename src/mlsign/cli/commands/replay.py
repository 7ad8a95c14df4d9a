"""``mlsign replay``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlsign.cli.commands._signer_options import NOBODY, SignerOptions
from mlsign.cli.commands._signing import say_identity
from mlsign.cli.console import detail, progress, put, say
from mlsign.cli.option_groups import with_option_groups
from mlsign.cli.options import Format, FormatOption, Quiet, ReportFormat, SignatureFiles, StoreFolder, TrustRootFile, Verbose
from mlsign.cli.policy_options import NO_POLICY_SIGNER, PolicySignerOptions
from mlsign.cli.rendering import render, render_replay
from mlsign.cli.sandbox_options import Sandbox, confinement_of
from mlsign.errors import shown
from mlsign.sandbox.layers import Wall

if TYPE_CHECKING:
    from mlsign.actions.golden.replay import Replay, ReplayRequest
    from mlsign.actions.signing.load_signer import SignerRequest

HELP = """Run a package on its golden test data, and tell how far each answer is from the one that was signed.

The model runs confined, as in scoring. With a policy the package is verified first, and a package that is denied is not
run; without one nobody is trusted, and the content is held against its own manifest. Exit code 0: every answer is within
the tolerances of its set; 1: one is not, or could not be computed.

With --attest, the run is signed as a statement about this package, this platform and this runtime, whether it passed
or failed. The options that say who signs it are those of mlsign sign.

Example:

\b
  mlsign replay fraud-1.2.0
  mlsign replay fraud-1.2.0 --policy policy.yaml --runtime all
  mlsign replay fraud-1.2.0 --policy policy.yaml --attest --key keys/arm-lab.key
"""
_POLICY = "Verify the package under this policy first. As for mlsign verify; may be given several times."
_TIME = "How long one run may take, where no policy says so (sandbox.wall). Default: 15."
_UNSANDBOXED = "Run the model even where it cannot be confined. Dangerous."


class RuntimeChoice(Enum):
    """What runs the model."""

    ONNXRUNTIME = "onnxruntime"
    REFERENCE = "reference"
    ALL = "all"


@with_option_groups
def replay_command(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The package.")],
    policy: Annotated[list[Path] | None, typer.Option("--policy", "-p", metavar="FILE", help=_POLICY)] = None,
    signature: SignatureFiles = None,
    trust_root: TrustRootFile = None,
    policy_signers: PolicySignerOptions = NO_POLICY_SIGNER,
    runtime: Annotated[
        RuntimeChoice,
        typer.Option("--runtime", help="What runs the model: one runtime, or all, held against each other as well."),
    ] = RuntimeChoice.ONNXRUNTIME,
    sandbox: Sandbox = Wall.PROCESS,
    allow_unsandboxed: Annotated[bool, typer.Option("--allow-unsandboxed", help=_UNSANDBOXED)] = False,
    time: Annotated[int | None, typer.Option("--time", metavar="SECONDS", min=1, max=86400, help=_TIME)] = None,
    output_format: FormatOption = Format.TEXT,
    attest: Annotated[
        bool, typer.Option("--attest", help="Sign what came of the run, as a statement beside the signatures.")
    ] = False,
    signer_options: SignerOptions = NOBODY,
    store: StoreFolder = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, replays, prints the result, exits by it."""
    from mlsign.actions.golden.replay import ReplayRequest
    from mlsign.sandbox.runtimes import RuntimeName

    if signer_options.are_given and not attest:
        raise typer.BadParameter("the options that say who signs go with --attest")
    if policy is None and (signature or trust_root is not None):
        raise typer.BadParameter("--signature and --trust-root go with --policy: without one no signature is checked")
    if policy and time is not None:
        raise typer.BadParameter("--time does not go with --policy: sandbox.cpu and sandbox.wall of the policy say it")
    signer = signer_options.request() if attest else None
    chosen = tuple(RuntimeName) if runtime is RuntimeChoice.ALL else (RuntimeName(runtime.value),)
    signed = policy_signers.trusted(policy[0] if policy else None)
    confinement = confinement_of(sandbox, allow_unsandboxed=allow_unsandboxed)
    verify = None
    if policy:
        from mlsign.actions.policies.load_policies import load_policies
        from mlsign.actions.verification.verify import VerifyRequest

        first, *others = load_policies(policy, trust_root=trust_root, signed=signed)
        verify = VerifyRequest(policy=first, others=tuple(others), signatures=tuple(signature or ()), store=store)
    request = ReplayRequest(runtimes=chosen, verify=verify, confinement=confinement, seconds=time, store=store)
    done = _replay(package, request, signer)
    # With --quiet the exit code is the answer.
    if not quiet or output_format is not Format.TEXT:
        put(render_replay(done, output_format))
    _say_signed(done)
    raise typer.Exit(0 if done.passed else 1)


def _replay(package: Path, request: ReplayRequest, signer: SignerRequest | None) -> Replay:
    """The result; where the policy says no, its report is told first."""
    from contextlib import nullcontext

    from mlsign.actions.golden.replay import replay
    from mlsign.actions.signing.load_signer import open_signer
    from mlsign.actions.verification.admit import Denied

    try:
        with (
            nullcontext() if signer is None else open_signer(signer) as opened,
            progress("replaying", package) as advance,
        ):
            return replay(package, request, signer=opened, advance=advance)
    except Denied as denied:
        say(render(denied.report, ReportFormat.TEXT))
        denied.hint = ""  # the whole report is above
        raise


def _say_signed(done: Replay) -> None:
    for signed in done.signed:
        outcome = "passed" if signed.passed else "FAILED"
        say(f"signed that the run with {signed.runtime.value} on {done.platform} {outcome}: {shown(signed.bundle)}")
    if done.signed:
        say_identity(done.signed[0].identity)
    for run in done.runs.runs:
        for layer in run.layers:
            detail(f"  {run.runtime.value} {layer.name}: {shown(layer.detail)}")
