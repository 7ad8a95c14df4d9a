"""Lists of many equal objects, as a package has one for each of its files: read and written field by field.

Only what is in perfect order is read here. What is not is left to ``strict.Fields``, which says what is wrong: so a list has
one reading, and a quick way to it. What is written is what ``strict.encode_json`` would write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring
from operator import itemgetter
from typing import TypeVar

from mlsign.strict import JsonValue, encode_json

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


def encode_object(members: Mapping[str, bytes]) -> bytes:
    """The canonical object of members that are canonical already; their names are ASCII."""
    return b"{%s}" % b",".join(b"%s:%s" % (encode_json(name), members[name]) for name in sorted(members))


def encode_rows(form: str, rows: Iterable[tuple[object, ...]]) -> bytes:
    """A list with an object for each row, which is what ``form`` makes of it (``printf`` style)."""
    return f"[{','.join(map(form.__mod__, rows))}]".encode()


def quoted(texts: Iterable[str]) -> Iterable[str]:
    """Texts as canonical JSON spells them (RFC 8785, section 3.2.2.2): Python escapes the same characters in the same way."""
    return map(encode_basestring, texts)
