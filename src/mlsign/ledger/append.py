"""Appending to an audit log: one line, hung on the newest one, on the disk before anybody acts on what it says.

Many processes and threads may append at once. A writer that is stopped leaves at most a torn line, which the next one closes
with a line that says so; nothing is ever removed but what this very call failed to write.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from mlsign.digest import sha256
from mlsign.errors import InputError, OutsideError, shown
from mlsign.formats.audit import (
    MAX_LINE_BYTES,
    MAX_TEXT_CHARS,
    MAX_TORN_BYTES,
    AuditLine,
    Event,
    Head,
    NotedHead,
    SealedLine,
    Torn,
    Who,
)
from mlsign.formats.audit_codec import MAX_NOTE_BYTES, decode_line, decode_note, encode_line, encode_note
from mlsign.ledger.opening import HEAD, LOCK_SECONDS, LogFolder
from mlsign.limits import MIB

DEFAULT_MAX_BYTES: Final = 64 * MIB
_WINDOW: Final = MAX_TORN_BYTES + 2 * MAX_LINE_BYTES
_HINT_CHANGED: Final = (
    "look at it with mlsign audit verify, then move it away (not its .head) and keep it: the chain goes on in a new file"
)
_BEGINNING: Final = b'{"chain":"'
"""How every line begins: the first field in canonical order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """Where a log is, how large a file of it may become, and how long to wait for other writers."""

    path: Path
    max_bytes: int = DEFAULT_MAX_BYTES
    lock_seconds: float = LOCK_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The end of a file: its last line, and what torn writes left behind that (None for nothing).

    ``ended`` says that the file ends with a newline, or is empty.
    """

    last: SealedLine | None
    torn: bytes | None
    ended: bool
    size: int


def describe_self(caller: str) -> Who:
    """Who this process is, to be logged."""
    user = os.getuid()
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = ""
    host = os.uname().nodename
    return Who(user_id=user, user=_cut(name), host=_cut(host), process=os.getpid(), caller=_cut(caller))


def _cut(text: str) -> str:
    return shown(text)[:MAX_TEXT_CHARS]


def append_event(settings: LogSettings, event: Event, *, who: Who, version: str) -> Head:
    """The event is a line of the log, on the disk; its head is returned.

    Raises ``OutsideError`` (``audit.…``) where it is not certain to be: no folder, no right, no space, a lock that is held,
    a link or device, a log that is not what was written, or one that was replaced meanwhile.
    """
    with LogFolder.open(settings.path) as folder:
        try:
            folder.check_place()
            _check_new(folder)
            with folder.lock(flags=os.O_RDWR | os.O_CREAT, operation=fcntl.LOCK_EX, seconds=settings.lock_seconds) as note_fd:
                return _append_locked(folder, note_fd, settings, event, who=who, version=version)
        except OSError as err:
            raise OutsideError(
                f"cannot be written: {err.strerror}",
                code="audit.write",
                where=shown(settings.path),
                hint="nothing is decided without its line: make space, or take --audit-log away",
            ) from err


def _append_locked(folder: LogFolder, note_fd: int, settings: LogSettings, event: Event, *, who: Who, version: str) -> Head:
    note = _read_note(note_fd, folder)
    fd = folder.open_file(folder.name, flags=os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        tail = read_tail(fd, where=folder.path)
        newest = _newest(folder, note, tail)
        chain = newest.chain if newest is not None else os.urandom(16).hex()
        if newest is not None and newest != note:
            # Never more than one line ahead of the note: further ahead, nobody could tell it from another log.
            _write_note(note_fd, newest)
        data, head = _lines(tail, newest.head if newest else None, event, chain=chain, who=who, version=version)
        if tail.size and tail.size + len(data) > settings.max_bytes and tail.ended and tail.torn is None:
            fd = _rotate(folder, fd)
            tail = Tail(last=None, torn=None, ended=True, size=0)
        _write(fd, data, size=tail.size)
        if not tail.size:
            folder.sync()  # the name, too
        _write_note(note_fd, NotedHead(chain=chain, head=head))
        # With the name gone, or on another file, nobody who looks there will find the line.
        if not folder.is_named(fd, folder.name):
            raise OutsideError(
                "was renamed, removed or replaced while it was written to",
                code="audit.replaced",
                where=shown(folder.path),
                hint="try again; programs that rotate logs may do that, nobody else should",
            )
    finally:
        os.close(fd)
    return head


def _check_new(folder: LogFolder) -> None:
    """Somebody else's file is refused before a note is put beside it. Raises as ``append_event`` does."""
    with contextlib.suppress(FileNotFoundError):
        if not folder.has(folder.name + HEAD):
            fd = folder.open_file(folder.name, flags=os.O_RDONLY)
            try:
                _check_own(read_tail(fd, where=folder.path), where=folder.path)
            finally:
                os.close(fd)


def _check_own(tail: Tail, *, where: Path) -> None:
    """Bytes that are no line may be a torn one, if they begin like one or are zeros. Raises ``OutsideError`` (``audit.foreign``)."""
    if tail.last is None and tail.torn is not None and not _BEGINNING.startswith(tail.torn[:10]) and tail.torn.strip(b"\0"):
        raise OutsideError(
            "is there and is no audit log, so nothing is added to it",
            code="audit.foreign",
            where=shown(where),
            hint="name another file",
        )


def read_tail(fd: int, *, where: Path) -> Tail:
    """The end of an open log. Raises ``OutsideError`` (``audit.changed``) where no line is found in what may be torn."""
    size = os.fstat(fd).st_size
    start = max(size - _WINDOW, 0)
    data = os.pread(fd, size - start, start)
    pieces = data.split(b"\n")
    if start:
        del pieces[0]  # the rest of a line that began before
    ended = data.endswith(b"\n") or not data
    if ended:
        pieces.pop()
    for index in range(len(pieces) - 1, -1, -1):
        with contextlib.suppress(InputError):
            last = decode_line(pieces[index])
            torn = b"\n".join(pieces[index + 1 :]) if pieces[index + 1 :] else None
            return Tail(last=last, torn=_torn(torn, where), ended=ended, size=size)
    if start:
        raise _changed("ends with bytes that are no lines of an audit log", where=where)
    return Tail(last=None, torn=_torn(b"\n".join(pieces) if pieces else None, where), ended=ended, size=size)


def _torn(data: bytes | None, where: Path) -> bytes | None:
    if data is not None and len(data) > MAX_TORN_BYTES:
        raise _changed("ends with more bytes than writers that were stopped leave", where=where)
    return data


def _newest(folder: LogFolder, note: NotedHead | None, tail: Tail) -> NotedHead | None:
    """The line to hang the next one on; None begins a chain. Raises ``OutsideError`` (``audit.changed``, ``audit.foreign``)."""
    _check_own(tail, where=folder.path)
    last = tail.last
    if note is None:
        return _noted(last) if last is not None else _newest_rotated(folder)
    if last is None or last.head == note.head:
        return note
    # A writer that was stopped after its line and before its note.
    follows = last.line.sequence == note.head.sequence + 1 and last.line.previous == note.head.digest
    if follows and last.line.chain == note.chain:
        return _noted(last)
    raise _changed(
        "ends with another line than the one that was written last", where=folder.path, expected=note.head, found=last.head
    )


def _noted(sealed: SealedLine) -> NotedHead:
    return NotedHead(chain=sealed.line.chain, head=sealed.head)


def _newest_rotated(folder: LogFolder) -> NotedHead | None:
    """Where both log and note are gone, the last line of the newest rotated file."""
    for name in folder.rotated()[-1:]:
        fd = folder.open_file(name, flags=os.O_RDONLY)
        try:
            last = read_tail(fd, where=folder.path.with_name(name)).last
        finally:
            os.close(fd)
        if last is None:
            raise _changed("has no line of an audit log", where=folder.path.with_name(name))
        return _noted(last)
    return None


def _lines(tail: Tail, newest: Head | None, event: Event, *, chain: str, who: Who, version: str) -> tuple[bytes, Head]:
    """The bytes to append, with a line that closes a torn one where there is one, and the head that they make."""
    out = b"" if tail.ended else b"\n"
    if tail.torn is not None:
        torn = Torn(size=len(tail.torn), digest=sha256(tail.torn))
        data, newest = _line(newest, torn, chain=chain, who=who, version=version)
        out += data
    data, head = _line(newest, event, chain=chain, who=who, version=version)
    return out + data, head


def _line(newest: Head | None, event: Event, *, chain: str, who: Who, version: str) -> tuple[bytes, Head]:
    line = AuditLine(
        chain=chain,
        sequence=newest.sequence + 1 if newest else 1,
        previous=newest.digest if newest else None,
        time=datetime.now(UTC),
        who=who,
        mlsign=version,
        event=event,
    )
    data = encode_line(line)
    return data + b"\n", decode_line(data).head


def _rotate(folder: LogFolder, fd: int) -> int:
    """The log has the next number behind its name, and an empty file has its name; the descriptor of that."""
    names = folder.rotated()
    number = int(names[-1].rpartition(".")[2]) + 1 if names else 1
    new = f"{folder.name}.{number:06}"
    mode = os.fstat(fd).st_mode & 0o777
    if not folder.is_named(fd, folder.name):
        raise OutsideError("was replaced while it was rotated", code="audit.replaced", where=shown(folder.path), hint="try again")
    folder.rename(folder.name, new)
    fresh = folder.open_file(folder.name, flags=os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND)
    os.fchmod(fresh, mode)
    os.close(fd)
    return fresh


def _write(fd: int, data: bytes, *, size: int) -> None:
    """All of it in one write, on the disk; or none of it, and ``OSError``."""
    try:
        written = os.write(fd, data)
        os.fsync(fd)
    except OSError:
        _take_back(fd, size)
        raise
    if written != len(data):
        _take_back(fd, size)
        raise OSError(0, f"only {written} of {len(data)} bytes could be written")


def _take_back(fd: int, size: int) -> None:
    """What this call wrote is gone, if the disk lets it; else the next writer closes it as a torn line."""
    with contextlib.suppress(OSError):
        os.ftruncate(fd, size)


def _read_note(fd: int, folder: LogFolder) -> NotedHead | None:
    data = os.pread(fd, MAX_NOTE_BYTES + 1, 0)
    try:
        return decode_note(data) if data else None
    except InputError as err:
        raise _changed(
            f"has a note of its newest line beside it that cannot be read ({err})",
            where=folder.path,
            hint="move the .head away and keep it: the chain goes on from the last line that is there",
        ) from err


def _write_note(fd: int, note: NotedHead) -> None:
    data = encode_note(note)
    os.pwrite(fd, data, 0)
    os.ftruncate(fd, len(data))
    os.fsync(fd)


def _changed(message: str, *, where: Path, expected: object = "", found: object = "", hint: str = _HINT_CHANGED) -> OutsideError:
    return OutsideError(
        message,
        code="audit.changed",
        where=shown(where),
        expected=str(expected),
        found=str(found),
        hint=hint,
    )
