"""``mlsign trust``: the trust roots that keyless signatures are verified by."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mlsign.cli.console import put, say
from mlsign.cli.options import Format, FormatOption, Quiet, Verbose
from mlsign.cli.plain_values import PlainCommand, PlainGroup
from mlsign.digest import Algorithm, Digest, decode_hex
from mlsign.errors import InputError, shown

if TYPE_CHECKING:
    from mlsign.actions.trust.cache import Kept

HELP: Final = """Keep the trust roots that keyless signatures are verified by.

A trust root names certificate authorities and logs. The one of the public instance comes with the sigstore package; update
fetches a newer one by TUF, and import takes one that was carried here.

Example:

\b
  mlsign trust show
  mlsign trust update
"""
SHOW_HELP: Final = """Show the trust root that a verification would rest on: source, age, digest and whom it names.

Example:

\b
  mlsign trust show
  mlsign trust show --name acme --format json
"""
UPDATE_HELP: Final = """Fetch the newest trust root from its TUF repository.

The public instance needs no options. A private one is given its address and its first root once, and has a name from then on.
What expired, is older than what was seen before, or is not signed by enough of the trusted keys changes nothing.

Example:

\b
  mlsign trust update
  mlsign trust update --name acme --tuf-url https://tuf.acme.example --tuf-root root.json
"""
IMPORT_HELP: Final = """Take a trust root that was carried here, on a machine without a network.

A FOLDER made by mlsign trust export proves itself and is checked as an update is; only its timestamp may have run out on the
way. A FILE (trusted_root.json, or a client trust configuration) proves nothing: give its digest, or confirm it on a terminal.

Example:

\b
  mlsign trust import carried
  mlsign trust import trusted_root.json --name acme --sha256 DIGEST
"""
EXPORT_HELP: Final = """Write the repository behind a fetched trust root to a new folder, for mlsign trust import elsewhere.

Example:

\b
  mlsign trust update
  mlsign trust export carried
"""
PIN_HELP: Final = """Fix the trust root to one digest: any other is refused, when it is fetched and when it is used.

Without options, it is fixed to what it is now.

Example:

\b
  mlsign trust pin
  mlsign trust pin --name acme --root trusted_root.json
  mlsign trust pin --off
"""

Name = Annotated[
    str, typer.Option("--name", metavar="NAME", help="The instance: public-good, staging, or a name for one of your own.")
]
TufRoot = Annotated[
    Path | None,
    typer.Option("--tuf-root", metavar="FILE", help="The root.json to start from, of an instance of your own. Needed once."),
]
Sha256 = Annotated[str | None, typer.Option("--sha256", metavar="DIGEST", help="The sha256 digest, 64 hex digits.")]

app = typer.Typer(cls=PlainGroup, help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.command("show", cls=PlainCommand, help=SHOW_HELP, short_help="Show a trust root.")
def show_command(
    name: Name = "public-good",
    root: Annotated[
        Path | None, typer.Option("--root", metavar="FILE", help="Show this file, instead of what is kept under a name.")
    ] = None,
    output_format: FormatOption = Format.TEXT,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Loads, decodes, prints."""
    from mlsign.actions.trust.trust_show import show_trust
    from mlsign.report.trust_roots import render_trust_json, render_trust_text

    trust = show_trust(now=datetime.now(UTC), name=name, file=root)
    put(render_trust_json(trust) if output_format is Format.JSON else render_trust_text(trust))


@app.command("update", cls=PlainCommand, help=UPDATE_HELP, short_help="Fetch the newest trust root.")
def update_command(
    tuf_url: Annotated[
        str | None,
        typer.Option("--tuf-url", metavar="URL", help="The TUF repository, or a mirror of it. Kept for the next time."),
    ] = None,
    tuf_root: TufRoot = None,
    name: Name = "public-good",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Fetches, says what changed, prints the digest."""
    from mlsign.actions.trust.trust_update import UpdateRequest, update_trust

    now = datetime.now(UTC)
    _tell(update_trust(UpdateRequest(name=name, url=tuf_url, tuf_root=tuf_root), now=now), now=now)


@app.command("import", cls=PlainCommand, help=IMPORT_HELP, short_help="Take a trust root from a folder or file.")
def import_command(
    path: Annotated[Path, typer.Argument(metavar="FOLDER|FILE", help="What mlsign trust export made, or a trust root.")],
    sha256: Sha256 = None,
    tuf_root: TufRoot = None,
    name: Name = "public-good",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Takes in, says what changed, prints the digest."""
    from mlsign.actions.trust.trust_import import ImportFileRequest, ImportFolderRequest, import_trust_file, import_trust_folder

    now = datetime.now(UTC)
    if os.path.isdir(path):  # noqa: PTH112 - which never raises: who opens it says what is wrong
        if sha256 is not None:
            raise InputError("--sha256 is for a file: a folder proves itself", code="usage.sha256", hint="leave it out")
        _tell(import_trust_folder(path, ImportFolderRequest(name=name, tuf_root=tuf_root), now=now), now=now)
        return
    if tuf_root is not None:
        raise InputError("--tuf-root is for a folder: a file has no signatures", code="usage.tuf_root", hint="leave it out")
    digest = _decode(sha256) if sha256 is not None else _confirmed_digest(path)
    _tell(import_trust_file(path, ImportFileRequest(name=name, digest=digest), now=now), now=now)


@app.command("export", cls=PlainCommand, help=EXPORT_HELP, short_help="Write a fetched trust root to a folder to carry.")
def export_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to make.")],
    name: Name = "public-good",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Writes the folder, prints its name."""
    from mlsign.actions.trust.trust_export import export_trust
    from mlsign.report.trust_roots import expiry_words

    record = export_trust(folder, name=name)
    say(f"exported {record.trusted_root.digest}, expires {expiry_words(record.expires, now=datetime.now(UTC))}")
    say(f"next, on the other machine: mlsign trust import {folder.name}")
    put(str(folder))


@app.command("pin", cls=PlainCommand, help=PIN_HELP, short_help="Fix a trust root to one digest.")
def pin_command(
    sha256: Sha256 = None,
    root: Annotated[Path | None, typer.Option("--root", metavar="FILE", help="Fix it to the digest of this trust root.")] = None,
    off: Annotated[bool, typer.Option("--off", help="Let it change again.")] = False,
    name: Name = "public-good",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Sets or takes the pin, prints the digest."""
    from mlsign.actions.trust.trust_pin import pin_trust, read_root_digest, unpin_trust

    if (sha256 is not None) + (root is not None) + off > 1:
        raise InputError("--sha256, --root and --off exclude each other", code="usage.pin", hint="give one of them")
    if off:
        before = unpin_trust(name=name)
        say(f"the trust root of {name} may change again" if before else f"the trust root of {name} was not pinned")
        return
    digest = read_root_digest(root) if root is not None else _decode(sha256) if sha256 is not None else None
    digest = pin_trust(digest, name=name)
    say(f"the trust root of {name} is pinned; any other is refused until mlsign trust pin --off")
    put(str(digest))


def _tell(kept: Kept, *, now: datetime) -> None:
    from mlsign.report.trust_roots import expiry_words

    if kept.before is None:
        say(f"trust root, {kept.data.source}: new")
    else:
        say(f"trust root, {kept.data.source}: {'unchanged' if kept.before == kept.data.digest else f'was {kept.before}'}")
    say(f"expires {expiry_words(kept.data.expires, now=now)}")
    put(str(kept.data.digest))


def _decode(text: str) -> Digest:
    return decode_hex(Algorithm.SHA256, text.removeprefix("sha256:"), where="--sha256")


def _confirmed_digest(path: Path) -> Digest:
    """The digest of the file, when somebody at a terminal says it is the right one. Raises ``InputError`` (``usage.sha256``)."""
    from mlsign.actions.trust.trust_pin import read_root_digest

    digest = read_root_digest(path)
    if sys.stdin is None or not sys.stdin.isatty():
        raise InputError(
            "a file proves nothing by itself, and there is no terminal to ask on",
            code="usage.sha256",
            where=shown(path),
            found=str(digest),
            hint="get the digest from somebody you trust, and give it with --sha256",
        )
    # Not typer.confirm: that puts a blank on standard output, before the data.
    typer.echo(f"{shown(path)} is {digest}\nIs this the digest that you were told? [y/N]: ", nl=False, err=True)
    right = sys.stdin.readline().strip().lower() in {"y", "yes"}
    if not right:
        raise InputError("the digest was not confirmed, nothing was imported", code="usage.sha256", where=shown(path))
    return digest
