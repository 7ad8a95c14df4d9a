"""Reading audit logs: the files of one log, as they are at one moment, a line at a time.

What the lines come to is for ``formats.audit_chain``. Nothing here is written, and writers are kept out only for the moment
in which the sizes are taken.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlsign.errors import InputError, MlsignError, OutsideError, shown
from mlsign.formats.audit import MAX_LINE_BYTES, NotedHead
from mlsign.formats.audit_codec import MAX_NOTE_BYTES, decode_line, decode_note
from mlsign.ledger.opening import HEAD, LogFolder

MAX_FILES: Final = 512
"""Files of one log that are held open."""
_PEEKED_LINES: Final = 64
_SKIP_BYTES: Final = 1 << 20
_LAST: Final = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class RawLine:
    """A line as it stands in the file; ``data`` is cut where it is longer than a line may be, and ``ended`` by a newline."""

    number: int
    data: bytes
    ended: bool
    too_long: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """An open file of a log, as large as it was when all were opened."""

    path: Path
    fd: int
    size: int

    def lines(self, advance: Callable[[int], None] | None = None) -> Iterator[RawLine]:
        """Every line. Raises ``OutsideError`` (``audit.access``) where the disk fails."""
        try:
            with os.fdopen(os.dup(self.fd), "rb") as file:
                file.seek(0)
                left, number = self.size, 0
                while left > 0:
                    data = file.readline(min(left, MAX_LINE_BYTES + 1))
                    if not data:
                        raise _shrunk()
                    number += 1
                    ended = data.endswith(b"\n")
                    too_long = not ended and len(data) > MAX_LINE_BYTES
                    used = len(data)
                    while too_long and not ended and left > used:
                        part = file.readline(min(left - used, _SKIP_BYTES))
                        if not part:
                            raise _shrunk()
                        used += len(part)
                        ended = part.endswith(b"\n")
                    left -= used
                    yield RawLine(number=number, data=data.removesuffix(b"\n"), ended=ended, too_long=too_long)
                    if advance is not None:
                        advance(used)
        except OSError as err:
            raise OutsideError(f"cannot be read: {err.strerror}", code="audit.access", where=shown(self.path)) from err


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLog:
    """The files of a log in the order of their first lines, and the heads that writers noted beside them."""

    files: tuple[LogFile, ...]
    notes: tuple[NotedHead, ...]
    unreadable_notes: tuple[str, ...]


def _shrunk() -> OSError:
    return OSError(0, "it became shorter meanwhile")


@contextlib.contextmanager
def open_log(paths: Iterable[Path], *, siblings: bool = True) -> Iterator[OpenLog]:
    """The log that these files are, with the rotated files beside them unless told otherwise.

    Raises ``InputError`` (``audit.file``, ``audit.kind``, ``audit.files``) and ``OutsideError`` (``audit.…``).
    """
    given = list(dict.fromkeys(paths))
    with contextlib.ExitStack() as opened:
        files: dict[tuple[int, int], LogFile] = {}
        notes: list[NotedHead] = []
        unreadable: list[str] = []
        for path in given:
            # A pattern such as audit.log* names the notes as well.
            if path.name.endswith(HEAD) and path.with_name(path.name.removesuffix(HEAD)) in given:
                continue
            note = _open_one(path, opened, files, siblings=siblings)
            if isinstance(note, NotedHead):
                notes.append(note)
            elif note:
                unreadable.append(note)
        ordered = sorted(files.values(), key=_first_sequence)
        yield OpenLog(files=tuple(ordered), notes=tuple(notes), unreadable_notes=tuple(unreadable))


def _open_one(
    path: Path, opened: contextlib.ExitStack, files: dict[tuple[int, int], LogFile], *, siblings: bool
) -> NotedHead | str | None:
    """Opens a file and those rotated from it; the note beside it, or why that cannot be read, or None for none."""
    with LogFolder.open(path) as folder, contextlib.ExitStack() as locked:
        note: NotedHead | str | None = None
        try:
            fd = locked.enter_context(folder.lock(flags=os.O_RDONLY, operation=fcntl.LOCK_SH))
            data = os.pread(fd, MAX_NOTE_BYTES + 1, 0)
            note = decode_note(data) if data else None
        except FileNotFoundError:
            pass
        except MlsignError as err:
            note = f"{shown(path)}{HEAD}: {err.message}"
        rotated = [path.with_name(name) for name in folder.rotated()] if siblings else []
        found = [name for name in (*rotated, path) if _open_file(name, opened, files)]
        if not found and note is None:
            raise InputError("there is no such file", code="audit.file", where=shown(path), hint="name the audit log")
    return note


def _open_file(path: Path, opened: contextlib.ExitStack, files: dict[tuple[int, int], LogFile]) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as err:
        raise OutsideError(f"cannot be opened: {err.strerror}", code="audit.access", where=shown(path)) from err
    opened.callback(os.close, fd)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise InputError("is no regular file, so it is no audit log", code="audit.kind", where=shown(path))
    if len(files) >= MAX_FILES:
        raise InputError(
            f"these are more than {MAX_FILES} files",
            code="audit.files",
            where=shown(path),
            hint="put the oldest away, and give the head of the last one with --after",
        )
    files.setdefault((status.st_dev, status.st_ino), LogFile(path=path, fd=fd, size=status.st_size))
    return True


def _first_sequence(file: LogFile) -> int:
    for index, raw in enumerate(file.lines()):
        if index >= _PEEKED_LINES:
            break
        with contextlib.suppress(InputError):
            return decode_line(raw.data).line.sequence - index
    return _LAST
