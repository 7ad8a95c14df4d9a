"""``mlsign store``: files that packages share, listed, checked and pruned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from mlsign.cli.console import progress, put, say
from mlsign.cli.options import Format, FormatOption, Quiet, Verbose
from mlsign.cli.plain_values import PlainCommand, PlainGroup

HELP: Final = """Look after a store: files that mlsign pack --store has hashed once, for packages to share.

A store belongs into a folder that nobody else can write to. Whoever owns it is trusted as much as mlsign itself.

Example:

\b
  mlsign pack fraud.onnx -o releases/fraud-1.3.0 --store releases/.store
  mlsign store list releases/.store
  mlsign store check releases/.store
"""
LIST_HELP: Final = """List what a store holds, and in how many packages each file is. Nothing is read of the files.

Example:

\b
  mlsign store list releases/.store
"""
CHECK_HELP: Final = """Read and hash every file of a store again. Exit code 0 is in order, 1 is not.

Example:

\b
  mlsign store check releases/.store
"""
PRUNE_HELP: Final = """Remove the files of a store that are in no package, and print them.

Example:

\b
  mlsign store prune releases/.store
"""

StoreFolder = Annotated[Path, typer.Argument(metavar="DIR", help="The store.")]

app = typer.Typer(cls=PlainGroup, help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.command("list", cls=PlainCommand, help=LIST_HELP, short_help="List what a store holds.")
def list_command(
    store: StoreFolder, output_format: FormatOption = Format.TEXT, quiet: Quiet = False, verbose: Verbose = False
) -> None:
    """Lists, prints."""
    from mlsign.actions.stores.list_store import list_store
    from mlsign.report.stores import render_list_json, render_list_text

    things = list_store(store)
    put(render_list_json(things) if output_format is Format.JSON else render_list_text(things))


@app.command("check", cls=PlainCommand, help=CHECK_HELP, short_help="Hash everything in a store again.")
def check_command(
    store: StoreFolder, output_format: FormatOption = Format.TEXT, quiet: Quiet = False, verbose: Verbose = False
) -> None:
    """Hashes, prints, exits by what was found."""
    from mlsign.actions.stores.check_store import check_store
    from mlsign.report.stores import render_checked_json, render_checked_text

    with progress("hashing", store / "objects") as advance:
        checked = check_store(store, advance=advance)
    # With --quiet the exit code is the answer.
    if not quiet or output_format is not Format.TEXT:
        put(render_checked_json(checked) if output_format is Format.JSON else render_checked_text(checked))
    raise typer.Exit(0 if all(each.problem is None for each in checked) else 1)


@app.command("prune", cls=PlainCommand, help=PRUNE_HELP, short_help="Remove what no package needs.")
def prune_command(store: StoreFolder, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Removes, prints what is gone."""
    from mlsign.actions.stores.prune_store import prune_store
    from mlsign.words import counted, size

    gone = prune_store(store)
    say(f"removed {counted(len(gone), 'object')}, {size(sum(thing.size for thing in gone))}")
    put("\n".join(map(str, gone)))
