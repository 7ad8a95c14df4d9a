"""JSON values and their canonical bytes (RFC 8785): one value, one spelling."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from json.encoder import JSONEncoder, encode_basestring
from typing import Final, TypeAlias

from mlsign.errors import InputError, shown

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer every JSON reader agrees on (RFC 8785, section 3.2.2.3)."""
_WRITER: Final = JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def encode_json(value: JsonValue) -> bytes:
    """The canonical bytes of a JSON value (RFC 8785): one value, one spelling.

    Raises ``InputError`` (``json.canonical``) for what has no such spelling, as integers beyond 53 bits.
    """
    try:
        return _written(value).encode()
    except UnicodeEncodeError as err:
        raise _inexact("half of a surrogate pair") from err


def _written(value: JsonValue) -> str:
    if _is_plain(value):
        return _WRITER.encode(value)
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, dict) and all(map(str.isascii, value)):
        return f"{{{','.join(f'{encode_basestring(name)}:{_written(value[name])}' for name in sorted(value))}}}"
    import rfc8785  # noqa: PLC0415 - for the few values with a fraction

    try:
        return rfc8785.dumps(value).decode()
    except rfc8785.CanonicalizationError as err:
        raise _inexact(str(err)) from err


def _inexact(reason: str) -> InputError:
    message = f"holds a value that JSON cannot carry exactly: {shown(reason)}"
    return InputError(message, code="json.canonical", where="JSON", found=shown(reason))


def _is_plain(value: JsonValue) -> bool:
    """Whether Python writes the value as RFC 8785 does: all but fractions, large integers, and names that sort otherwise in UTF-16."""
    items = [value]
    for item in items:
        if isinstance(item, dict):
            if not all(map(str.isascii, item)):
                return False
            items.extend(item.values())
        elif isinstance(item, list):
            items.extend(item)
        elif isinstance(item, int):
            if not -MAX_SAFE_INTEGER <= item <= MAX_SAFE_INTEGER:
                return False
        elif not isinstance(item, str) and item is not None:
            return False
    return True


def encode_around(value: Mapping[str, JsonValue], name: str, written: bytes) -> bytes:
    """The canonical object of ``value`` and one more member, which is written already; all names are plain ASCII."""
    before = encode_json({key: value[key] for key in value if key < name})[1:-1]
    after = encode_json({key: value[key] for key in value if key > name})[1:-1]
    return b"{%s}" % b",".join(filter(None, (before, b'"%s":%s' % (name.encode(), written), after)))


def encode_rows(form: str, rows: Iterable[tuple[object, ...]]) -> bytes:
    """A list with an object for each row, which is what ``form`` makes of it (``printf`` style)."""
    return f"[{','.join(map(form.__mod__, rows))}]".encode()


def quoted(texts: Iterable[str]) -> Iterable[str]:
    """Texts as canonical JSON spells them (RFC 8785, section 3.2.2.2): Python escapes the same characters in the same way."""
    return map(encode_basestring, texts)
