"""The command ``mlsign``: its subcommands, its exit codes and the outermost catch.

Exit codes: 0 allowed or done, 1 denied, 2 wrong usage, 3 the input is not what it claims to be, 4 something
outside failed, 5 a defect of mlsign.
"""

from __future__ import annotations

import os
import sys
from types import MappingProxyType
from typing import Annotated, Any, Final

import typer

from mlsign.cli.collector import collect_seldom, leave
from mlsign.cli.console import ANNOTATIONS, JSON, TROUBLE, VERBOSE, complain, print_error, put
from mlsign.cli.late_commands import LateGroup
from mlsign.errors import InputError, JailError, MlsignError, OutsideError, TrustError, shown

EXIT_OF: Final[tuple[tuple[type[MlsignError], int], ...]] = ((TrustError, 1), (InputError, 3), (OutsideError, 4), (JailError, 4))
USAGE: Final = 2
DEFECT: Final = 5
INTERRUPTED: Final = 130

_HELP: Final = """Sign ML models, and let in only what a policy allows.

Pack an ONNX model with a manifest, sign it, verify it under a policy, and score it in a sandbox with the
very bytes that were verified.

Example: from a model to an answer

\b
  mlsign pack fraud.onnx -o fraud-1.2.0
  mlsign keygen -o keys/release
  mlsign sign fraud-1.2.0 --key keys/release.key
  mlsign verify fraud-1.2.0 --policy policy.yaml
  mlsign score fraud-1.2.0 --policy policy.yaml --input rows.csv --output scores.csv
"""


class _Commands(LateGroup):
    table = MappingProxyType(
        {
            "pack": ("pack:pack_command", "Make a package of a model."),
            "keygen": ("keygen:keygen_command", "Make a signing key."),
            "sign": ("sign:sign_command", "Sign a package."),
            "attest": ("attest:attest_command", "Sign how a package was built."),
            "verify": ("verify:verify_command", "Verify a package under a policy."),
            "diff": ("diff:diff_command", "Show what is different between two models or packages."),
            "inspect": ("inspect:inspect_command", "Show what is in a model or a package."),
            "log": ("log:log_command", "List releases, and which came before which."),
            "score": ("score:score_command", "Score rows in the sandbox."),
            "replay": ("replay:replay_command", "Run a package on its golden test data."),
            "serve": ("serve:serve_command", "Serve packages over HTTP."),
            "explain": ("explain:explain_command", "Explain a finding code."),
            "trust": ("trust:app", "Keep the trust roots for keyless signatures."),
            "audit": ("audit:app", "Read and verify the log of decisions."),
            "policy": ("policy:app", "Check, explain, test, start and sign policies."),
            "store": ("store:app", "Look after files that packages share."),
            "sandbox": ("sandbox:app", "See what the sandbox can enforce here."),
        }
    )

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; an interruption, of which typer would say nothing, is said to be one."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            complain("mlsign: interrupted, nothing was allowed")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    name="mlsign",
    cls=_Commands,
    help=_HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 allowed or done, 1 denied, 2 usage, 3 unreadable input, 4 something outside failed, 5 a defect.",
)


def _show_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"mlsign {version('mlsign')}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Options of ``mlsign`` itself."""


def main() -> None:
    """Runs the command line and leaves the process with the exit code."""
    collect_seldom()
    try:
        _fill_closed_descriptors()
        _run()
    except KeyboardInterrupt:
        complain("mlsign: interrupted, nothing was allowed")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our words has left; there is nobody to tell.
        sys.exit(USAGE if TROUBLE.on else 4)
    except Exception as err:  # noqa: BLE001 - the outermost catch: no input may end in a traceback
        if "_MLSIGN_COMPLETE" in os.environ:
            complain("mlsign: _MLSIGN_COMPLETE is set, and what a shell sets with it for completion is not")
            sys.exit(USAGE)
        if VERBOSE.on:
            import traceback

            traceback.print_exc()
        complain(
            f"mlsign: this is a defect of mlsign, not of your input: {type(err).__name__}: {shown(err, limit=1000)}\n"
            "  nothing was allowed; run again with --verbose and report what it prints (SECURITY.md says how)"
        )
        sys.exit(USAGE if TROUBLE.on else DEFECT)
    finally:
        leave()


def _fill_closed_descriptors() -> None:
    """Puts ``/dev/null`` where a caller closed standard input, output or error: no file of ours may take such a number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one


def _refuse_empty_arguments(arguments: list[str]) -> None:
    """No option takes an empty value: it is a variable that is not set, and as a path it would be the current folder.

    Raises ``InputError`` (``usage.empty``).
    """
    previous = ""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not argument or (argument.startswith("--") and equals and not value):
            at = name or previous
            after = f" for {shown(at)}" if at.startswith("-") and at != "--" else ""
            raise InputError(f"an empty value{after}", code="usage.empty", hint="is the variable set that it is taken from?")
        previous = argument


def _run() -> None:
    try:
        _refuse_empty_arguments(sys.argv[1:])
        app()
    except MlsignError as err:
        print_error(err)
        if JSON.on and err.code != "output.unwritable":
            # Whoever asked for JSON gets JSON, also when there is no result.
            from mlsign.report.as_json import render_error

            put(render_error(err))
        if ANNOTATIONS.on and err.code != "output.unwritable":
            from mlsign.report.as_github import render_error as annotate

            put(annotate(err))
        sys.exit(
            USAGE
            if TROUBLE.on or err.code.startswith("usage.")
            else next(code for kind, code in EXIT_OF if isinstance(err, kind))
        )
