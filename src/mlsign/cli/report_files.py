"""Reports that go to files: those of ``--report FORMAT=FILE`` and ``--html FILE``, and the summary of a step of GitHub Actions.

Such a file is there whole or not at all, and none of an earlier run outlives the start of this one: whoever finds
it has the report of this run.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlsign.cli.console import say
from mlsign.cli.options import ReportFormat
from mlsign.cli.rendering import render
from mlsign.errors import InputError, OutsideError, shown
from mlsign.paths import MANIFEST_NAME

if TYPE_CHECKING:
    from mlsign.actions.verification.verify import Report

_SUMMARY: Final = "GITHUB_STEP_SUMMARY"
_MANY: Final = 12
"""Lines of one kind on a terminal; a person acts on the first ones."""
_MAX_PLACES: Final = 20
_BEGINNINGS: Final = tuple(
    text.encode()
    for text in (
        *('{\n  "schema": "mlsign/', '{\n  "$schema": "https://json.schemastore.org/sarif-', "  ✓ ", "  ✗ ", "  mlsign diff: "),
        *(
            "::error title=mlsign",
            "::warning title=mlsign",
            "::notice title=mlsign",
            "## ✅ Allowed: ",
            "## ❌ Denied: ",
            "## ⚠️ Would ",
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="generator" content="mlsign">\n',
        ),
    )
)
"""How reports begin, whatever their format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file for the report in one format."""

    format: ReportFormat
    path: Path


def decode_places(values: Sequence[str]) -> tuple[Place, ...]:
    """``FORMAT=FILE`` each. Raises ``InputError`` (``usage.report``)."""
    places: list[Place] = []
    if len(values) > _MAX_PLACES:
        raise _usage(f"--report was given {len(values)} times, at most {_MAX_PLACES} are taken")
    formats = {form.value: form for form in ReportFormat}
    for value in values:
        name, equals, path = value.partition("=")
        if not equals or not path or name not in formats:
            raise _usage(f"--report {shown(value)} is not FORMAT=FILE with one of {', '.join(formats)}")
        if path == "-":
            raise _usage("--report writes files, and - is none: --format is for standard output")
        places.append(Place(format=formats[name], path=Path(path)))
    for place in places:
        if sum(_real(place.path) == _real(other.path) for other in places) > 1:
            raise _usage(f"--report names {shown(place.path)} twice")
    return tuple(places)


def clear_places(places: Iterable[Place], *, package: Path, read: Iterable[Path | None]) -> None:
    """Nothing is left under the names of ``places``. Nothing is removed but reports: a name may be given by mistake.

    Raises ``InputError`` (``usage.report``) and ``OutsideError`` (``report.place``).
    """
    clear_files([place.path for place in places], option="--report", packages=[package], read=read)


def clear_files(files: Iterable[Path], *, option: str, packages: Iterable[Path], read: Iterable[Path | None]) -> None:
    """The same for the files that ``option`` names; whatever lies in one of the ``packages``, or in another, stays there."""
    kept = {real for path in read if path is not None for real in _reals(path)}
    folders = {real for package in packages for real in _reals(package)}
    every = list(files)
    for file in every:
        if file == Path("-"):
            raise _usage(f"{option} writes files, and - is none", option=option)
        real = _real(file)
        if real in kept | folders:
            raise _usage(f"{option} would write over {shown(file)}, which this command reads or writes", option=option)
        if any(real.is_relative_to(folder) for folder in folders):
            raise _usage(f"{option} would write {shown(file)} into the package", option=option)
        if any(os.path.lexists(folder / MANIFEST_NAME) for folder in real.parents):
            raise _usage(f"{option} would write {shown(file)} into a package", option=option)
    for file in every:
        try:
            status = os.lstat(file)
        except FileNotFoundError:
            continue
        except OSError as err:
            raise _outside(file, err) from err
        if not stat.S_ISREG(status.st_mode):
            raise OutsideError("is no regular file, so no report is written there", code="report.place", where=shown(file))
        try:
            _check_report(file)
            file.unlink()
        except OSError as err:
            raise _outside(file, err) from err


def _check_report(path: Path) -> None:
    """Raises ``OutsideError`` for a file that is neither empty nor begins as a report does, a key or a model for example."""
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        start = file.read(max(map(len, _BEGINNINGS)))
    if start and not start.startswith(_BEGINNINGS):
        raise OutsideError(
            "is there and is no report, so it is not written over",
            code="report.place",
            where=shown(path),
            hint="choose another name, or move the file away first",
        )


def write_reports(report: Report, places: Iterable[Place]) -> None:
    """Every file, each whole or not at all. Raises ``OutsideError`` (``report.place``)."""
    # Rendered before the first is written: what cannot be rendered leaves nothing behind.
    texts = [(place.path, render(report, place.format, file=True)) for place in places]
    for path, text in texts:
        write_file(path, text)


def write_file(path: Path, text: str) -> None:
    """The text in a file, whole or not at all. Raises ``OutsideError`` (``report.place``)."""
    try:
        _write_whole(path, text.encode("utf-8"))
    except OSError as err:
        raise _outside(path, err) from err


def append_summary(report: Report) -> None:
    """The report at the end of the file that ``GITHUB_STEP_SUMMARY`` names; nothing where it names none.

    Raises ``OutsideError`` (``report.place``): a summary that is missing without a word would read as nothing found.
    """
    from mlsign.report.as_markdown import MAX_SUMMARY, render_report

    name = os.environ.get(_SUMMARY)
    if not name:
        return
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with os.fdopen(os.open(name, flags, 0o644), "ab") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OutsideError(f"is no regular file, and {_SUMMARY} names it", code="report.place", where=shown(name))
            text = render_report(report, limit=MAX_SUMMARY - status.st_size)
            if not text:
                say(f"mlsign: no room for a summary: {shown(name)} has {status.st_size} bytes and GitHub takes {MAX_SUMMARY}")
            file.write(text.encode("utf-8"))
            file.flush()
    except OSError as err:
        raise _outside(Path(name), err) from err


def say_audited(report: Report) -> None:
    """A word on standard error where audit mode let through what would have been denied, whatever the format."""
    from mlsign.policy.model import Mode, Verdict

    if report.decision.mode is Mode.AUDIT and report.decision.verdict is not Verdict.ALLOW:
        say("mlsign: audit mode: this would have been DENIED, and nothing was stopped")


def say_conceded(report: Report) -> None:
    """What an allowance rests on besides the rules, on standard error, for commands that print no report of it."""
    from mlsign.report.concessions import concessions

    for kind in concessions(report):
        say(f"mlsign: {kind.title}")
        for line in kind.lines[:_MANY]:
            say(f"  {line}")
        if len(kind.lines) > _MANY:
            say(f"  and {len(kind.lines) - _MANY} more; --report json=FILE has them all")


def _write_whole(path: Path, data: bytes) -> None:
    import tempfile

    fd, partial = tempfile.mkstemp(prefix=f".{path.name[:100]}.partial-", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(partial).unlink()
        raise


def _real(path: Path) -> Path:
    """The place itself, with the links of its folder followed and a link in its own place not."""
    return Path(os.path.realpath(path.parent)) / path.name


def _reals(path: Path) -> tuple[Path, Path]:
    """The place itself, and what is there once a link in it is followed as well."""
    return _real(path), Path(os.path.realpath(path))


def _usage(message: str, *, option: str = "--report") -> InputError:
    example = "json=report.json" if option == "--report" else "report.html"
    return InputError(message, code="usage.report", hint=f"give {option} {example}, for example")


def _outside(path: Path, err: OSError) -> OutsideError:
    return OutsideError(f"the report cannot be written: {shown(err.strerror)}", code="report.place", where=shown(path))
