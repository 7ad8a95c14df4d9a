"""``mlsign serve``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlsign.cli.collector import collect_as_usual
from mlsign.cli.console import say
from mlsign.cli.option_groups import with_option_groups
from mlsign.cli.options import (
    AcceptVsa,
    AuditLogFile,
    AuditLogSize,
    PolicyFiles,
    Quiet,
    ReportFormat,
    StoreFolder,
    TrustRootFile,
    Verbose,
    audit_log,
)
from mlsign.cli.policy_options import NO_POLICY_SIGNER, PolicySignerOptions
from mlsign.cli.rendering import render
from mlsign.cli.sandbox_options import Sandbox, confinement_of
from mlsign.errors import InputError, OutsideError
from mlsign.sandbox.layers import Wall

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlsign.serving.settings import ServeRequest

HELP = """Serve packages over HTTP: the Open Inference Protocol v2, over workers in the sandbox.

Each package is verified before it serves, and again before anything takes its place; what a policy denies never does.
SIGHUP reads packages, policies, tokens and certificate again, SIGTERM ends in order. Logs are JSON on standard error.

Example:

\b
  mlsign serve fraud-1.2.0 --policy policy.yaml
  mlsign serve fraud-1.2.0 --policy policy.yaml --host 0.0.0.0 --tls-cert tls.crt --tls-key tls.key --token-file tokens
  curl http://127.0.0.1:8080/v2/models/fraud
"""
_NEEDS = frozenset({"uvicorn", "httptools", "uvloop", "prometheus_client"})


@with_option_groups
def serve_command(
    packages: Annotated[list[Path], typer.Argument(metavar="PACKAGE...", help="The packages.")],
    policy: PolicyFiles,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Where to listen; 0 for any that is free.")] = 8080,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=1024, help="Workers of each model. Default: cores.")
    ] = None,
    max_waiting: Annotated[int, typer.Option("--max-waiting", min=0, max=100_000, help="Calls that may wait for a worker.")] = 64,
    max_request: Annotated[
        int, typer.Option("--max-request", metavar="BYTES", min=1024, max=2**31, help="The largest body of a request.")
    ] = 64 * 1024 * 1024,
    max_concurrent: Annotated[int, typer.Option("--max-concurrent", min=1, max=65536, help="Requests at once.")] = 256,
    max_connections: Annotated[int, typer.Option("--max-connections", min=1, max=65536, help="Connections at once.")] = 1024,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.001, max=86400, help="The longest call.")
    ] = 30.0,
    body_timeout: Annotated[
        float, typer.Option("--body-timeout", metavar="SECONDS", min=0.001, max=86400, help="How long a body may take to come.")
    ] = 30.0,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", metavar="FILE", help="Bearer tokens, one a line; # begins a comment.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", metavar="PEM", help="The certificate with its chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", metavar="PEM", help="Its private key.")] = None,
    insecure_listen: Annotated[
        bool, typer.Option("--insecure-listen", help="Let other machines in without TLS and tokens. Dangerous.")
    ] = False,
    watch: Annotated[
        float | None, typer.Option("--watch", metavar="SECONDS", min=0.1, max=86400, help="Look for changed packages this often.")
    ] = None,
    shutdown_delay: Annotated[
        float,
        typer.Option("--shutdown-delay", metavar="SECONDS", min=0, max=3600, help="Answer so long after a signal, not ready."),
    ] = 0.0,
    shutdown_grace: Annotated[
        float, typer.Option("--shutdown-grace", metavar="SECONDS", min=0, max=3600, help="Then wait so long for open requests.")
    ] = 30.0,
    log_level: Annotated[str, typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning or error.")] = "info",
    trust_root: TrustRootFile = None,
    accept_vsa: AcceptVsa = None,
    policy_signers: PolicySignerOptions = NO_POLICY_SIGNER,
    sandbox: Sandbox = Wall.PROCESS,
    allow_unsandboxed: Annotated[
        bool, typer.Option("--allow-unsandboxed", help="Run models even where they cannot be confined. Dangerous.")
    ] = False,
    audit_log_file: AuditLogFile = None,
    audit_log_size: AuditLogSize = 64,
    store: StoreFolder = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, serves until a signal, says why a package was denied."""
    from mlsign.actions.verification.admit import Denied

    serve = _load_server()
    from mlsign.serving.journal import level_of
    from mlsign.serving.settings import AdmissionSettings, ListenSettings, ServeRequest

    if (tls_cert is None) != (tls_key is None):
        raise InputError("--tls-cert and --tls-key go together", code="usage.tls", hint="give both, or neither")
    loosened = ("--allow-unsandboxed: models run even where they cannot be confined",) if allow_unsandboxed else ()
    signed = policy_signers.trusted(policy[0])
    request = ServeRequest(
        paths=tuple(packages),
        admission=AdmissionSettings(
            policies=tuple(policy),
            signed=signed,
            trust_root=trust_root,
            accept=tuple(accept_vsa or ()),
            audit=audit_log(audit_log_file, size=audit_log_size, caller="mlsign serve", loosened=loosened),
            confinement=confinement_of(sandbox, allow_unsandboxed=allow_unsandboxed),
            store=store,
        ),
        listen=ListenSettings(
            host=host,
            port=port,
            tls_certificate=tls_cert,
            tls_key=tls_key,
            token_file=token_file,
            insecure=insecure_listen,
            max_connections=max_connections,
        ),
        workers=workers,
        max_waiting=max_waiting,
        max_body=max_request,
        max_requests=max_concurrent,
        seconds=timeout,
        body_seconds=body_timeout,
        watch_seconds=watch,
        delay_seconds=shutdown_delay,
        grace_seconds=shutdown_grace,
        level=level_of(log_level),
    )
    collect_as_usual()
    try:
        serve(request)
    except Denied as denied:
        say(render(denied.report, ReportFormat.TEXT))
        denied.hint = ""  # the whole report is above
        raise


def _load_server() -> Callable[[ServeRequest], None]:
    """The server. Raises ``OutsideError`` (``serve.library``) where what it needs is not installed."""
    try:
        from mlsign.serving.server import serve
    except ImportError as err:
        if (err.name or "").partition(".")[0] not in _NEEDS:
            raise
        raise OutsideError(
            f"serving needs the package {err.name}, which is not installed",
            code="serve.library",
            hint="pip install 'mlsign[serve]'",
        ) from err
    return serve
