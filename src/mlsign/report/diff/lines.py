"""Lines that say one thing that is different, or the same; everything foreign in them is escaped and cut short."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from mlsign.errors import shown

if TYPE_CHECKING:
    from mlsign.compare.facts import FieldChange

_LONG: Final = 300


class Sign(Enum):
    """What a line is about."""

    ADDED = "+"
    REMOVED = "-"
    CHANGED = "~"
    SAME = "="
    NOTE = " "


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that is different, or the same. ``loud`` lines break somebody."""

    sign: Sign
    text: str
    loud: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Lines under a heading. ``more`` counts lines that were left out."""

    title: str
    lines: tuple[Line, ...]
    more: int = 0


def text_of(value: object) -> str:
    return shown(value, limit=_LONG)


def change_of(before: str | None, after: str | None) -> str:
    return f"{'none' if before is None else text_of(before)} → {'none' if after is None else text_of(after)}"


def field_line(change: FieldChange) -> Line:
    sign = Sign.ADDED if change.before is None else Sign.REMOVED if change.after is None else Sign.CHANGED
    value = change.after if sign is Sign.ADDED else change.before
    text = change_of(change.before, change.after) if sign is Sign.CHANGED else text_of(value)
    return Line(sign=sign, text=f"{text_of(change.field)}: {text}")
