"""``mlsign audit``: what was decided, read again and held against itself."""

from __future__ import annotations

from glob import escape
from pathlib import Path
from typing import Annotated, Final

import typer

from mlsign.cli.console import progress, put
from mlsign.cli.options import Format, FormatOption, Quiet, Verbose
from mlsign.cli.plain_values import PlainCommand, PlainGroup

HELP: Final = """Read audit logs, which verify and score write with --audit-log.

Example:

\b
  mlsign verify fraud-1.2.0 --policy policy.yaml --audit-log audit.log
  mlsign audit show audit.log
  mlsign audit verify audit.log
"""
VERIFY_HELP: Final = """Verify that no line of an audit log was removed, changed, put in, moved, repeated or cut off.

Rotated files beside FILE are read with it. The head that is printed (the number and digest of the last line) belongs somewhere
else: a chain alone cannot show that its end was cut off, or that all of it was written anew. Exit code 0 is intact, 1 is not.

Example:

\b
  mlsign audit verify audit.log
  mlsign audit verify audit.log --head 7:sha256:DIGEST
"""
SHOW_HELP: Final = """Show the last decisions of an audit log. Nothing is verified by that.

Example:

\b
  mlsign audit show audit.log --last 50
"""

app = typer.Typer(cls=PlainGroup, help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.command("verify", cls=PlainCommand, help=VERIFY_HELP, short_help="Verify the chain of an audit log.")
def verify_command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="The log, or all files of it, in any order.")],
    head: Annotated[
        list[str] | None,
        typer.Option("--head", metavar="HEAD", help="A head noted earlier, that must be in the log. May be given several times."),
    ] = None,
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="HEAD", help="The head of the last file that was put away; the log goes on there."),
    ] = None,
    output_format: FormatOption = Format.TEXT,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Reads, holds the lines against each other, prints, exits by what was found."""
    from mlsign.actions.audit.verify_audit import VerifyAuditRequest, verify_audit
    from mlsign.formats.audit import decode_head
    from mlsign.report.audit_logs import render_verified_json, render_verified_text

    request = VerifyAuditRequest(
        files=tuple(files),
        heads=tuple(decode_head(text, where="--head") for text in head or ()),
        after=None if after is None else decode_head(after, where="--after"),
    )
    rotated = [path for file in files for path in file.parent.glob(f"{escape(file.name)}.[0-9]*")]
    with progress("verifying", *{*files, *rotated}) as advance:
        verified = verify_audit(request, advance=advance)
    # With --quiet the exit code is the answer.
    if not quiet or output_format is not Format.TEXT:
        put(render_verified_json(verified) if output_format is Format.JSON else render_verified_text(verified))
    raise typer.Exit(0 if verified.is_intact else 1)


@app.command("show", cls=PlainCommand, help=SHOW_HELP, short_help="Show the last decisions.")
def show_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The log, or a file of it.")],
    last: Annotated[int, typer.Option("--last", "-n", metavar="N", min=1, max=1000, help="How many lines.")] = 20,
    output_format: FormatOption = Format.TEXT,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Reads, prints."""
    from mlsign.actions.audit.show_audit import show_audit
    from mlsign.report.audit_logs import render_shown_json, render_shown_text

    shown = show_audit(file, last=last)
    put(render_shown_json(shown) if output_format is Format.JSON else render_shown_text(shown))
