"""A page of text under construction: lines that break between words, facts in two columns, and colour where it is wanted.

Written without a layout library, which takes longer to be imported than a small package to be verified.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from mlsign.report.workflow import inert

BOLD: Final = "1"
DIM: Final = "2"
GREEN: Final = "32"
GOOD: Final = "1;32"
BAD: Final = "1;31"
WARNING: Final = "1;33"
"""Styles are the numbers of ECMA-48 (SGR)."""
HANG: Final = 4
"""How much further in stands what does not fit into a line with foreign text."""

_MARGIN: Final = 2
_DETAILS: Final = 12
"""Where the details of a finding begin."""
_WORD: Final = re.compile(r"\s*\S+\s*")
_MANY: Final = 12


class Facts:
    """Rows of a label and what there is to say of it."""

    def __init__(self, *, label: int = 10, gap: int = 2) -> None:
        self._label = label
        self._gap = gap
        self._rows: list[tuple[str, str]] = []

    def add(self, label: str, value: str) -> None:
        self._rows.append((label, value))

    def add_each(self, label: str, values: Iterable[str]) -> None:
        """A row for each of the first values, and one that says how many more there are."""
        every = list(values)
        for index, value in enumerate(every[:_MANY]):
            self.add(label if index == 0 else "", value)
        if len(every) > _MANY:
            self.add("", f"and {len(every) - _MANY} more")

    def lines(self, width: int) -> Iterator[list[tuple[str, str]]]:
        left = max([self._label, *(columns_of(label) for label, _ in self._rows)]) + self._gap
        for label, value in self._rows:
            head = label + " " * (left - columns_of(label))
            for part in broken(value, width - left):
                yield [(head, DIM), (part, "")]
                head = " " * left


class Page:
    """Lines for a terminal of ``width`` columns, without colour codes unless ``color``."""

    def __init__(self, *, width: int, color: bool) -> None:
        self._width = max(60, min(width, 120))
        self._color = color
        self._lines: list[str] = []

    def line(self, *parts: str | tuple[str, str], hang: int = 0) -> None:
        """Words, each with its style or none. What does not fit stands ``hang`` columns further in: so foreign text, however long, begins
        no line like those of the report.
        """
        styled = [part if isinstance(part, tuple) else (part, "") for part in parts]
        start = 0
        for text in broken("".join(text for text, _ in styled), self._width - _MARGIN, hang=hang):
            self._put(_MARGIN + (hang if start else 0), _cut(styled, start, start + len(text)))
            start += len(text)

    def heading(self, text: str) -> None:
        self.blank()
        self.line((text, BOLD))

    def blank(self) -> None:
        self._lines.append("")

    def detail(self, label: str, value: str) -> None:
        facts = Facts(label=8, gap=1)
        facts.add(label, value)
        self._show(facts, margin=_DETAILS)

    def facts(self, facts: Facts) -> None:
        self.blank()
        self._show(facts, margin=_MARGIN)

    def text(self) -> str:
        # Lines break where the width says, so that any word of a hostile package may begin one in the log of a CI system.
        return inert("\n".join((*self._lines, "")))

    def _show(self, facts: Facts, *, margin: int) -> None:
        for parts in facts.lines(self._width - margin):
            self._put(margin, parts)

    def _put(self, margin: int, parts: Iterable[tuple[str, str]]) -> None:
        text = "".join(f"\x1b[{style}m{text}\x1b[0m" if style and self._color and text.strip() else text for text, style in parts)
        self._lines.append(f"{' ' * margin}{text}".rstrip())


def broken(text: str, width: int, *, hang: int = 0) -> Iterator[str]:
    """The text in parts of at most ``width`` columns, and ``hang`` less for all but the first, between words where that is possible.
    Together they are the text.
    """
    start = used = 0
    room = width
    for found in _WORD.finditer(text):
        word = found.group()
        needed = columns_of(word.rstrip())
        if used + needed <= room:
            used += columns_of(word)
            continue
        if found.start() > start:
            yield text[start : found.start()]
            start = found.start()
        room = width - hang
        used = columns_of(word)
        if needed > room:
            *whole, last = _chopped(word, room)
            yield from whole
            start += sum(map(len, whole))
            used = columns_of(last)
    yield text[start:]


def columns_of(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(char: str) -> int:
    if unicodedata.category(char)[0] == "M":
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def _chopped(word: str, width: int) -> Iterator[str]:
    start = used = 0
    for index, char in enumerate(word):
        needed = _columns(char)
        if used + needed > width:
            yield word[start:index]
            start, used = index, 0
        used += needed
    yield word[start:]


def _cut(parts: Iterable[tuple[str, str]], start: int, stop: int) -> Iterator[tuple[str, str]]:
    at = 0
    for text, style in parts:
        yield text[max(start - at, 0) : max(stop - at, 0)], style
        at += len(text)
