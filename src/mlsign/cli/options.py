"""Options that several commands share, and what they read."""

from __future__ import annotations

import os
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from mlsign.cli.console import ANNOTATIONS, JSON, set_quiet, set_verbose
from mlsign.errors import InputError, shown
from mlsign.limits import KIB, MIB

if TYPE_CHECKING:
    from mlsign.actions.audit.append_audit import AuditLog

Quiet = Annotated[bool, typer.Option("--quiet", "-q", callback=set_quiet, help="Say nothing but errors; data still goes out.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", callback=set_verbose, help="Say more: times, error codes, tracebacks of defects.")
]
PolicyFiles = Annotated[
    list[Path],
    typer.Option(
        "--policy",
        "-p",
        metavar="FILE",
        help="The policy, a YAML file, or a folder of them. May be given several times: exactly one must be for the package.",
    ),
]
SignatureFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--signature",
        metavar="FILE",
        help="A signature that lies outside signatures/, such as model.sig. May be given several times.",
    ),
]
AcceptVsa = Annotated[
    list[str] | None,
    typer.Option(
        "--accept-vsa",
        metavar="IDENTITY",
        help="Take a verification summary by this signer, whom the policy names under vsa. May be given several times.",
    ),
]
Pkcs11Key = Annotated[str | None, typer.Option("--pkcs11", metavar="URI", help="A key in hardware, as RFC 7512 names it.")]
PinFile = Annotated[
    Path | None, typer.Option("--pin-file", metavar="FILE", help="A file with the PIN; else MLSIGN_PKCS11_PIN, else asked for.")
]
Pkcs11Module = Annotated[
    Path | None, typer.Option("--pkcs11-module", metavar="FILE", help="The driver; else MLSIGN_PKCS11_MODULE or the URI.")
]
TrustRootFile = Annotated[
    Path | None,
    typer.Option("--trust-root", metavar="FILE", help="A Sigstore trusted_root.json, in place of the one that the policy takes."),
]
RecordFile = Annotated[
    Path | None,
    typer.Option("--record", metavar="FILE", help="Write the evidence down as JSON, for mlsign policy test. Never overwrites."),
]
WhyNotFlag = Annotated[
    bool, typer.Option("--why-not", help="Where it is denied, say what would have to be different, and who can do it.")
]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", metavar="FILE", help="A file with the password of the private key.")
]

StoreFolder = Annotated[
    Path | None,
    typer.Option("--store", metavar="DIR", help="The store that files of the package may be of (mlsign pack --store)."),
]
AuditLogFile = Annotated[
    Path | None,
    typer.Option(
        "--audit-log",
        metavar="FILE",
        help="Append the decision to this log before it is told; without its line there is none.",
    ),
]
AuditLogSize = Annotated[
    int,
    typer.Option("--audit-log-size", metavar="MIB", min=1, max=1024 * 1024, help="Start a new file of the log at so many MiB."),
]


class Format(Enum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


class ReportFormat(Enum):
    """How the report of a verification is printed or written."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"
    MARKDOWN = "markdown"


class FindingsFormat(Enum):
    """How findings are printed: as other results, or for what collects the findings of many tools."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


class DiffFormat(Enum):
    """How what is different is printed or written."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


_F = TypeVar("_F", DiffFormat, Format, FindingsFormat, ReportFormat)


def _set_format(value: _F) -> _F:
    JSON.on = value.value == Format.JSON.value
    ANNOTATIONS.on = value is ReportFormat.GITHUB
    return value


FormatOption = Annotated[Format, typer.Option("--format", "-f", callback=_set_format, help="text for people, json for programs.")]
ReportFormatOption = Annotated[
    ReportFormat,
    typer.Option(
        "--format",
        "-f",
        callback=_set_format,
        help="text for people, json for programs, sarif for code scanning, github for annotations and the summary of a step, "
        "markdown for a comment.",
    ),
]
DiffFormatOption = Annotated[
    DiffFormat,
    typer.Option("--format", "-f", callback=_set_format, help="text for people, json for programs, html for a browser."),
]
ReportFiles = Annotated[
    list[str] | None,
    typer.Option("--report", metavar="FORMAT=FILE", help="Write the report to a file as well. May be given several times."),
]
FindingsFormatOption = Annotated[
    FindingsFormat,
    typer.Option(
        "--format",
        "-f",
        callback=_set_format,
        help="text for people, json for programs, sarif (of findings) for code scanning.",
    ),
]


def audit_log(path: Path | None, *, size: int, caller: str, loosened: tuple[str, ...] = ()) -> AuditLog | None:
    """The log that was asked for, if one was."""
    if path is None:
        return None
    from mlsign.actions.audit.append_audit import AuditLog

    return AuditLog(path=path, caller=caller, max_bytes=size * MIB, loosened=loosened)


def check_record(record: Path | None, trust_root: Path | None, *, package: Path) -> None:
    """Raises ``InputError`` (``usage.record``) for a record under a trust root that only the command line knows, or in the package."""
    if record is not None and Path(os.path.realpath(package)) in Path(os.path.realpath(record)).parents:
        raise InputError(
            "lies in the package, where it would be a file that nobody signed",
            code="usage.record",
            where=shown(record),
            hint="choose a place outside",
        )
    if record is not None and trust_root is not None:
        raise InputError("a record says nothing of --trust-root", code="usage.record", hint="name the trust root in the policy")


def check_why(output_format: ReportFormat, *, why: bool) -> None:
    """Raises ``InputError`` (``usage.why_not``) for a format that has no place for what would have to be different."""
    if why and output_format not in (ReportFormat.TEXT, ReportFormat.JSON):
        raise InputError("--why-not goes with text and json", code="usage.why_not", hint="leave --format out, or take json")


def read_password(path: Path) -> bytes:
    """The password in a file; one newline at its end is not part of it. Raises ``InputError`` (``password.empty``)."""
    from mlsign.package.read import read_user_file

    data, _ = read_user_file(path, max_bytes=64 * KIB, what="password", secret=True)
    password = data.removesuffix(b"\n").removesuffix(b"\r")
    if not password:
        raise InputError("is empty, so there is no password in it", code="password.empty", where=str(path))
    return password


def ask_secret(prompt: str, *, instead: str) -> bytes:
    """A secret typed at the terminal, once. Raises ``InputError`` (``usage.password``) where nobody can type."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise InputError("a secret is needed and there is no terminal to ask on", code="usage.password", hint=f"give {instead}")
    try:
        answer = typer.prompt(prompt, hide_input=True, err=True)
    except typer.Abort:
        raise typer.Exit(130) from None  # interrupted; 1 would read as a denial
    return str(answer).encode("utf-8")


def ask_pin() -> bytes:
    """The PIN of a token, typed at the terminal. Raises as ``ask_secret`` does."""
    return ask_secret("PIN of the token", instead="--pin-file FILE, or MLSIGN_PKCS11_PIN in the environment")


def ask_password(*, confirm: bool, instead: str) -> bytes:
    """The password typed at the terminal. Raises ``InputError`` (``usage.password``) where nobody can type."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise InputError("a password is needed and there is no terminal to ask on", code="usage.password", hint=f"give {instead}")
    try:
        answer = typer.prompt("Password for the private key", hide_input=True, confirmation_prompt=confirm, err=True)
    except typer.Abort:
        raise typer.Exit(130) from None  # interrupted; 1 would read as a denial
    return str(answer).encode("utf-8")
