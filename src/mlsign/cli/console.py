"""What the terminal sees: words on standard error, data on standard output, progress only where somebody looks."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from mlsign.errors import MlsignError, OutsideError, shown
from mlsign.report.workflow import inert

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PROGRESS_BYTES: Final = 64 * 1000 * 1000
"""Work on less than this is over before a bar could be read."""


_PATIENCE_SECONDS: Final = 0.5
"""After this long somebody at a terminal wonders whether anything is going on."""


class _Switch:
    """A setting of this run that the outermost catch needs to know as well."""

    on: bool = False


QUIET = _Switch()
VERBOSE = _Switch()
JSON = _Switch()
ANNOTATIONS = _Switch()
TROUBLE = _Switch()
"""This run is of a command whose exit codes are those of ``diff``: every error is 2, since 1 says that something differs."""


def set_quiet(value: bool) -> bool:
    QUIET.on = value
    return value


def set_verbose(value: bool) -> bool:
    VERBOSE.on = value
    return value


def is_interactive() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin is not None and sys.stdin.isatty()


def say(text: str) -> None:
    """Words for a person, on standard error, unless ``--quiet``."""
    if not QUIET.on:
        typer.echo(inert(text), err=True)


def detail(text: str) -> None:
    """Words for somebody who asked for more (``--verbose``)."""
    if VERBOSE.on:
        typer.echo(inert(text), err=True)


def put(text: str) -> None:
    """Data, on standard output.

    Raises ``OutsideError`` (``output.unwritable``) where it cannot be written: an exit code without its report
    would pass for one with it. Ends with 4 and no words where the reader has left, as ``head`` does.
    """
    if sys.stdout is None:
        raise OutsideError("cannot write the report: standard output is closed", code="output.unwritable")
    try:
        typer.echo(text, nl=not text.endswith("\n"))
        sys.stdout.flush()
    except OSError as err:
        # Python would complain again when it flushes on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(err, BrokenPipeError):
            sys.exit(2 if TROUBLE.on else 4)
        raise OutsideError(f"cannot write the report: {shown(err.strerror)}", code="output.unwritable") from err


def complain(text: str) -> None:
    """Words that are printed even with ``--quiet``; a standard error that is full or closed changes no exit code."""
    with contextlib.suppress(OSError):
        typer.echo(inert(text), err=True)


def wants_color() -> bool:
    """Colour only on a terminal, and never with ``NO_COLOR`` (https://no-color.org)."""
    return sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns of the terminal, 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def print_error(error: MlsignError) -> None:
    """One error: what is wrong, what was expected, what to do. Printed even with ``--quiet``."""
    message = shown(error.message, limit=1000)
    lines = [f"mlsign: {shown(error.where, limit=400)}: {message}" if error.where else f"mlsign: {message}"]
    lines.extend(
        f"  {label}: {shown(value, limit=400)}"
        for label, value in (("expected", error.expected), ("found", error.found), ("do", error.hint))
        if value
    )
    if VERBOSE.on:
        lines.append(f"  code: {shown(error.code)}")
    complain("\n".join(lines))


@contextlib.contextmanager
def progress(label: str, *paths: Path) -> Iterator[Callable[[int], None] | None]:
    """A progress bar over the bytes at ``paths``, on a terminal, for work that takes a while; else nothing."""
    started = time.monotonic()
    try:
        total = sum(map(_bytes_of, paths)) if sys.stderr is not None and sys.stderr.isatty() and not QUIET.on else 0
        if total < _PROGRESS_BYTES:
            yield None
        else:
            with _bar(label, total) as advance:
                yield advance
    except KeyboardInterrupt:
        typer.echo("mlsign: interrupted, nothing was allowed and nothing half-done was left under its name", err=True)
        raise typer.Exit(130) from None
    detail(f"mlsign: {label} took {time.monotonic() - started:.3f} s")


@contextlib.contextmanager
def counted_progress(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar over a number of files, on a terminal, once the work has taken a while; else nothing."""
    started = time.monotonic()
    shown_bar: list[tuple[Progress, TaskID]] = []

    def advance(done: int, total: int) -> None:
        if not shown_bar and done < total and time.monotonic() - started > _PATIENCE_SECONDS:
            shown_bar.append(_count_bar(label))
        for bar, task in shown_bar:
            bar.update(task, completed=done, total=total)

    try:
        yield advance if sys.stderr is not None and sys.stderr.isatty() and not QUIET.on else None
    except KeyboardInterrupt:
        typer.echo("mlsign: interrupted, nothing was found to be in order", err=True)
        raise typer.Exit(130) from None
    finally:
        for bar, _ in shown_bar:
            bar.stop()
    detail(f"mlsign: {label} took {time.monotonic() - started:.3f} s")


def _count_bar(label: str) -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.start()
    return bar, bar.add_task(label)


@contextlib.contextmanager
def _bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn(label), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda count: bar.advance(task, count)


def _bytes_of(path: Path) -> int:
    total = 0
    stack = [str(path)]
    with contextlib.suppress(OSError):
        if path.is_file():
            return path.stat().st_size
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue  # only a bar's length hangs on it; the work itself reports what it cannot read
    return total
