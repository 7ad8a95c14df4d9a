"""Lists of many equal objects, as a package has one for each of its files: read field by field, not object by object.

Only what is in perfect order is read here. What is not is left to ``strict.Fields``, which says what is wrong: so a list has
one reading, and a quick way to it.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TypeVar

from mlsign.canonical import JsonValue

T = TypeVar("T")


def rows_of(items: list[JsonValue], names: tuple[str, ...]) -> list[tuple[JsonValue, ...]] | None:
    """The values under two or more ``names`` of each object, or None where one is no object of exactly these fields."""
    objects = [item for item in items if isinstance(item, dict)]
    if len(objects) != len(items) or set(map(len, objects)) != {len(names)}:
        return None
    try:
        return list(map(itemgetter(*names), objects))
    except KeyError:
        return None


def column(rows: list[tuple[JsonValue, ...]], index: int, kind: type[T]) -> list[T] | None:
    """One field of every row, or None where one is of another type: a boolean is no integer."""
    found = [value for row in rows if type(value := row[index]) is kind]
    return found if len(found) == len(rows) else None
