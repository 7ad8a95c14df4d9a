"""Holding the lines of an audit log against each other: which are missing, changed, put in, moved or repeated.

Takes raw lines in order, keeps one of them at a time, and says where the chain breaks. After a break it goes on from what is
there, so that one change is told once. A chain proves only what hangs together: whoever can write all of it can make another
one, and only a head that was noted elsewhere tells the two apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mlsign.digest import sha256
from mlsign.errors import InputError
from mlsign.formats.audit import MAX_TORN_BYTES, Head, SealedLine, Torn
from mlsign.formats.audit_codec import decode_line

MAX_TOLD: Final = 100
"""Problems that are spelled out; the first ones say what is going on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something about a line of a file. ``line`` counts from 1; 0 is the file as a whole."""

    file: str
    line: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainResult:
    """What became of a log: intact only where ``problems`` is empty. ``torn`` are writes that were cut off and closed.

    ``decoded`` counts the lines that are lines at all.
    """

    first: Head | None
    head: Head | None
    lines: int
    decoded: int
    problems: tuple[Note, ...]
    problems_omitted: int
    torn: tuple[Note, ...]


class ChainCheck:
    """Feed it every line in order, then ask for the result.

    ``after`` is a head up to which lines were put away; without it the log has to begin with line 1. ``heads`` are known
    from elsewhere, and must be met.
    """

    def __init__(self, *, after: Head | None = None, heads: Iterable[Head] = ()) -> None:
        self._last = after
        self._chain: str | None = None
        self._wanted = dict.fromkeys(heads, False)
        self._first: Head | None = None
        self._held: list[tuple[Note, bytes]] = []
        self._problems: list[Note] = []
        self._omitted = 0
        self._torn: list[Note] = []
        self._lines = 0
        self._decoded = 0

    def feed(self, data: bytes, *, file: str, number: int) -> None:
        """Takes the next line, without its newline."""
        self._lines += 1
        try:
            sealed = decode_line(data)
        except InputError as err:
            self._hold(Note(file=file, line=number, message=f"is no line of an audit log, or was changed: {err}"), data)
            return
        self._decoded += 1
        if isinstance(event := sealed.line.event, Torn):
            self._close(event, file=file, number=number)
        self._release()
        self._follow(sealed, file=file, number=number)

    @property
    def decoded(self) -> int:
        """How many lines so far are lines at all."""
        return self._decoded

    def unfinished(self, data: bytes, *, file: str, number: int) -> None:
        """Takes what stands after the last newline: a write that was torn, or a line that was cut."""
        self._release()
        message = f"ends in the middle of a line ({len(data)} bytes)"
        if self._is_confirmed():
            message += ": a writer was stopped there, and the next one will say so"
            self._keep(self._torn, Note(file=file, line=number, message=message))
        else:
            message += ", and nothing tells a writer that was stopped from a log that was cut"
            self._keep(self._problems, Note(file=file, line=number, message=message))

    def complain(self, message: str, *, file: str, number: int = 0) -> None:
        """Adds a problem that the bytes of the file have."""
        self._release()
        self._keep(self._problems, Note(file=file, line=number, message=message))

    def result(self, *, file: str) -> ChainResult:
        """What all lines come to; ``file`` is the one that the end of the log is in."""
        self._release()
        for head in (head for head, met in self._wanted.items() if not met):
            self._keep(self._problems, Note(file=file, line=0, message=self._unmet(head)))
        return ChainResult(
            first=self._first,
            head=None if self._first is None else self._last,
            lines=self._lines,
            decoded=self._decoded,
            problems=tuple(self._problems),
            problems_omitted=self._omitted,
            torn=tuple(self._torn),
        )

    def _unmet(self, head: Head) -> str:
        last = self._last.sequence if self._last is not None else 0
        if head.sequence > last:
            return f"lines are cut off at the end: the log ends with line {last}, and line {head.sequence} is known to have been there"
        return f"line {head.sequence} with the digest {head.digest} is known to have been there, and is not: the log was written anew"

    def _follow(self, sealed: SealedLine, *, file: str, number: int) -> None:
        line, last = sealed.line, self._last
        problem = self._break(sealed)
        if problem:
            self._keep(self._problems, Note(file=file, line=number, message=problem))
        if self._first is None:
            self._first = sealed.head
        if sealed.head in self._wanted:
            self._wanted[sealed.head] = True
        begins_anew = line.sequence == 1 and self._chain is not None and line.chain != self._chain
        if self._chain is None or begins_anew or line.chain == self._chain:
            self._chain = line.chain
            # What comes too late is passed over: what follows it hangs on the line before.
            if last is None or begins_anew or line.sequence > last.sequence:
                self._last = sealed.head

    def _break(self, sealed: SealedLine) -> str:
        """Why a line does not follow; empty where it does."""
        line, last = sealed.line, self._last
        expected = 1 if last is None else last.sequence + 1
        if self._chain is not None and line.chain != self._chain:
            return "begins another chain" if line.sequence == 1 else f"is line {line.sequence} of another chain ({line.chain})"
        if line.sequence < expected:
            if sealed.head == last:
                return f"repeats line {line.sequence}, which is the one before"
            return f"is line {line.sequence}, out of its order or repeated: line {expected} has its place here"
        if line.sequence > expected:
            return f"is line {line.sequence}: {_missing(expected, line.sequence - 1)} before it, removed or in a file that is not here"
        if last is not None and line.previous != last.digest:
            return f"hangs on another line {last.sequence} than the one before it: that one was changed, or this one put in"
        return ""

    def _is_confirmed(self) -> bool:
        """Whether the last line, or the one before it, is a head that is known: no whole line after it was ever noted."""
        last = self._last.sequence if self._last is not None else 0
        return any(met and last - head.sequence in (0, 1) for head, met in self._wanted.items())

    def _close(self, torn: Torn, *, file: str, number: int) -> None:
        """Takes what is held for a torn write, where it is what a later writer found and named."""
        region = b"\n".join(data for _, data in self._held)
        if self._held and (len(region), sha256(region)) == (torn.size, torn.digest):
            message = f"a writer was stopped in the middle of this line; line {number} says so"
            self._keep(self._torn, Note(file=self._held[0][0].file, line=self._held[0][0].line, message=message))
            self._held = []
        else:
            self._keep(self._problems, Note(file=file, line=number, message="closes a torn line that is not above it"))

    def _hold(self, note: Note, data: bytes) -> None:
        """Keeps a line that is none until it is known whether a torn write left it."""
        if sum(len(held) + 1 for _, held in self._held) + len(data) > MAX_TORN_BYTES or len(self._held) > MAX_TOLD:
            self._release()
        self._held.append((note, data))

    def _release(self) -> None:
        for note, _ in self._held:
            self._keep(self._problems, note)
        self._held = []

    def _keep(self, notes: list[Note], note: Note) -> None:
        if len(notes) < MAX_TOLD:
            notes.append(note)
        elif notes is self._problems:
            self._omitted += 1


def _missing(first: int, last: int) -> str:
    return f"line {first} is missing" if first == last else f"lines {first} to {last} are missing"
