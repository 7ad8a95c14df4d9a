"""Exact readers for JSON, base64 and integers; the canonical writer is in ``canonical``.

Python's own readers are friendly: ``json.loads`` keeps the last of two equal keys and takes ``NaN``,
``int`` takes ``1_0`` and ``' 7'``, ``b64decode`` drops what it does not know. Each kindness is a second
reading of signed bytes. Everything foreign goes through this module instead.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, NoReturn, TypeVar

from mlsign.canonical import MAX_SAFE_INTEGER, JsonValue, encode_json
from mlsign.errors import InputError, shown
from mlsign.json_size import check_json_size
from mlsign.limits import DEFAULT, Limits

__all__ = [
    "MAX_SAFE_INTEGER",
    "Fields",
    "JsonValue",
    "decode_base64",
    "decode_decimal",
    "decode_json",
    "describe",
    "encode_json",
]

T = TypeVar("T")

_DECIMAL: Final = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _fail(message: str, *, code: str, where: str, found: object = "", hint: str = "") -> NoReturn:
    raise InputError(message, code=code, where=where, found=shown(found) if found != "" else "", hint=hint)


def decode_decimal(text: str, *, where: str = "", maximum: int = 2**63 - 1) -> int:
    """A non-negative decimal integer in its one spelling: ASCII digits, no sign, no leading zero.

    Raises ``InputError`` (``integer.spelling``, ``integer.range``).
    """
    if len(text) > 20 or not _DECIMAL.fullmatch(text):
        _fail(f"{shown(text)} is not a decimal integer", code="integer.spelling", where=where, found=text)
    value = int(text)
    if value > maximum:
        _fail(f"{value} is above {maximum}", code="integer.range", where=where, found=text)
    return value


def decode_base64(text: str, *, where: str = "") -> bytes:
    """Bytes from canonical standard base64 (RFC 4648, section 4; padding and zero bits as in 3.5).

    Raises ``InputError`` (``base64``) on anything that another spelling of the same bytes would be.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as err:
        raise InputError("is not base64", code="base64", where=where, found=shown(text, limit=40)) from err
    if base64.b64encode(data).decode("ascii") != text:
        _fail("is not canonical base64", code="base64", where=where, found=text[-12:])
    return data


def _pairs(items: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    out = dict(items)
    if len(out) != len(items):
        counts = Counter(key for key, _ in items)
        twice = next(key for key, count in counts.items() if count > 1)
        _fail(f"key {shown(twice)} stands twice in one object", code="json.duplicate_key", where="", found=twice)
    return out


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        _fail("has a number beyond the range of a double", code="json.number", where="", found=text)
    return value


def _constant(text: str) -> NoReturn:
    _fail(f"{text} is not a JSON number", code="json.number", where="", found=text)


@lru_cache(maxsize=8)
def _reader(digits: int) -> json.JSONDecoder:
    """Reads JSON whose integers have no more digits than that."""

    def integer(text: str) -> int:
        if len(text.lstrip("-")) > digits:
            _fail("has an integer of too many digits", code="json.integer", where="", found=text)
        if text == "-0":
            _fail("has a negative zero", code="json.integer", where="", found=text)
        return int(text)

    return json.JSONDecoder(object_pairs_hook=_pairs, parse_int=integer, parse_float=_number, parse_constant=_constant)


def decode_json(
    data: bytes, *, where: str = "", max_bytes: int, max_values: int = sys.maxsize, limits: Limits = DEFAULT
) -> JsonValue:
    """One JSON value (RFC 8259) from UTF-8 bytes, in its only possible reading.

    Refuses a byte order mark, invalid UTF-8, lone surrogates, duplicate keys, ``NaN`` and infinities,
    integers of more than 19 digits, nesting beyond ``limits.max_json_depth``, and more than ``max_bytes``, ``max_values`` or
    ``limits.max_json_values``.
    Raises ``InputError`` with a ``json.…`` code.
    """
    if len(data) > max_bytes:
        _fail(f"has {len(data)} bytes, allowed are {max_bytes}", code="json.size", where=where)
    check_json_size(data, max_values=min(max_values, limits.max_json_values), max_depth=limits.max_json_depth, where=where)

    try:
        text = data.decode("utf-8")
        if text.startswith("\ufeff"):
            _fail("starts with a byte order mark", code="json.encoding", where=where)
        value: JsonValue = _reader(limits.max_json_integer_digits).decode(text)
    except InputError as err:  # the reader knows what is wrong, and not where it reads
        raise InputError(err.message, code=err.code, where=where, found=err.found) from err
    except UnicodeDecodeError as err:
        raise InputError(f"is not UTF-8 at byte {err.start}", code="json.encoding", where=where) from err
    except json.JSONDecodeError as err:
        raise InputError(
            f"is not JSON: {err.msg.lower()} at line {err.lineno}, column {err.colno}", code="json.syntax", where=where
        ) from err
    if "\\" in text and "\\u" in text:
        _check_surrogates(value, where=where)
    return value


def _check_surrogates(value: JsonValue, *, where: str) -> None:
    stack: list[JsonValue] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if _SURROGATE.search(item):
                _fail("has half of a surrogate pair", code="json.encoding", where=where)
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            stack.extend(item.keys())
            stack.extend(item.values())


def describe(value: object) -> str:
    """The JSON name of a value's type, for messages."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "an integer", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


class Fields:
    """The fields of one JSON object, taken out by name and type, until ``done`` refuses the rest.

    ``format_name`` prefixes the error codes: ``manifest.missing``, ``manifest.type``, ``manifest.unknown``.
    A boolean is never an integer and an integer never a boolean.
    """

    __slots__ = ("_format", "_left", "where")

    def __init__(self, value: JsonValue, *, where: str, format_name: str) -> None:
        self._format = format_name
        self.where = where
        if not isinstance(value, dict):
            raise self.wrong(f"is {describe(value)}, expected an object", code="type")
        self._left: dict[str, JsonValue] = dict(value)

    def wrong(self, message: str, *, code: str, name: str = "", found: object = "") -> InputError:
        """An error about this object, or about its field ``name``, ready to raise."""
        where = self._place(name)
        return InputError(message, code=f"{self._format}.{code}", where=where, found=shown(found) if found != "" else "")

    def _place(self, name: str) -> str:
        # A field of ours reads the same when shown; a key of a free map may be anything.
        return f"{self.where}.{shown(name)}" if self.where and name else (shown(name) or self.where)

    def has(self, name: str) -> bool:
        """Whether the field is there and not yet taken; ``null`` counts as there."""
        return name in self._left

    def take(self, name: str) -> JsonValue:
        if name not in self._left:
            raise self.wrong("is missing", code="missing", name=name)
        return self._left.pop(name)

    def text(self, name: str, *, maximum: int = 4096, empty: bool = False) -> str:
        value = self.take(name)
        if not isinstance(value, str):
            raise self.wrong(f"is {describe(value)}, expected a string", code="type", name=name)
        if len(value) > maximum or not (value or empty):
            raise self.wrong(f"has {len(value)} characters, allowed are {int(not empty)} to {maximum}", code="length", name=name)
        return value

    def literal(self, name: str, *, allowed: tuple[str, ...]) -> str:
        value = self.text(name)
        if value not in allowed:
            raise self.wrong(f"is {shown(value)}, expected {' or '.join(allowed)}", code="value", name=name, found=value)
        return value

    def integer(self, name: str, *, minimum: int = 0, maximum: int = MAX_SAFE_INTEGER) -> int:
        value = self.take(name)
        if type(value) is not int:
            raise self.wrong(f"is {describe(value)}, expected an integer", code="type", name=name)
        if not minimum <= value <= maximum:
            raise self.wrong(f"is {value}, expected {minimum} to {maximum}", code="range", name=name, found=value)
        return value

    def number(self, name: str, *, minimum: float = 0.0, maximum: float = 1e308) -> float:
        value = self.take(name)
        if type(value) not in (int, float) or isinstance(value, bool):
            raise self.wrong(f"is {describe(value)}, expected a number", code="type", name=name)
        result = float(value)  # type: ignore[arg-type]
        if not minimum <= result <= maximum:
            raise self.wrong(f"is {result}, expected {minimum} to {maximum}", code="range", name=name, found=value)
        return result

    def base64(self, name: str, *, maximum: int) -> bytes:
        """Bytes in canonical base64: at least one, at most ``maximum``."""
        return self.base64_item(self.take(name), self._place(name), maximum=maximum)

    def base64_item(self, value: JsonValue, where: str, *, maximum: int) -> bytes:
        """As ``base64``, of an element of a list."""
        if not isinstance(value, str):
            raise InputError(f"is {describe(value)}, expected a string", code=f"{self._format}.type", where=where)
        if not 0 < len(value) <= 4 * ((maximum + 2) // 3):
            raise InputError(
                f"has {len(value)} characters of base64, allowed are 1 to {maximum} bytes",
                code=f"{self._format}.length",
                where=where,
            )
        return decode_base64(value, where=where)

    def is_null(self, name: str) -> bool:
        """Whether the field is there and ``null``, which formats derived from protobuf take for absent."""
        return self.has(name) and self._left[name] is None

    def boolean(self, name: str) -> bool:
        value = self.take(name)
        if not isinstance(value, bool):
            raise self.wrong(f"is {describe(value)}, expected true or false", code="type", name=name)
        return value

    def elements(self, name: str, *, maximum: int, minimum: int = 0) -> list[JsonValue]:
        """The elements of a list."""
        value = self.take(name)
        if not isinstance(value, list):
            raise self.wrong(f"is {describe(value)}, expected a list", code="type", name=name)
        if not minimum <= len(value) <= maximum:
            raise self.wrong(f"has {len(value)} elements, allowed are {minimum} to {maximum}", code="length", name=name)
        return value

    def numbered(self, name: str, values: list[JsonValue]) -> list[tuple[JsonValue, str]]:
        """What ``elements`` gave, each with its own ``where``."""
        place = self._place(name)
        return [(item, f"{place}[{index}]") for index, item in enumerate(values)]

    def items(self, name: str, *, maximum: int, minimum: int = 0) -> list[tuple[JsonValue, str]]:
        """The elements of a list, each with its own ``where``."""
        return self.numbered(name, self.elements(name, maximum=maximum, minimum=minimum))

    def texts(self, name: str, *, maximum: int, minimum: int = 0, length: int = 4096) -> tuple[str, ...]:
        out = []
        for item, where in self.items(name, maximum=maximum, minimum=minimum):
            if not isinstance(item, str) or not 0 < len(item) <= length:
                raise InputError(
                    f"is {describe(item)}, expected a string of 1 to {length} characters",
                    code=f"{self._format}.type",
                    where=where,
                )
            out.append(item)
        return tuple(out)

    def fields(self, name: str) -> Fields:
        return Fields(self.take(name), where=self._place(name), format_name=self._format)

    def each(
        self,
        name: str,
        read: Callable[[Fields], T],
        *,
        maximum: int,
        minimum: int = 0,
        in_order: Callable[[list[JsonValue]], tuple[T, ...] | None] = lambda _: None,
    ) -> tuple[T, ...]:
        """What ``read`` makes of each object of a list; fields it leaves are refused.

        ``in_order`` gives the same for the whole list, or None where it is not certain of that.
        """
        values = self.elements(name, maximum=maximum, minimum=minimum)
        done = in_order(values)
        if done is not None:
            return done
        out = []
        for item, where in self.numbered(name, values):
            fields = Fields(item, where=where, format_name=self._format)
            out.append(read(fields))
            fields.done()
        return tuple(out)

    def entries(self, name: str, *, maximum: int) -> Iterator[tuple[str, JsonValue, str]]:
        """Key, value and ``where`` of a map with free keys."""
        value = self.take(name)
        if not isinstance(value, dict):
            raise self.wrong(f"is {describe(value)}, expected an object", code="type", name=name)
        if len(value) > maximum:
            raise self.wrong(f"has {len(value)} entries, allowed are {maximum}", code="length", name=name)
        place = self._place(name)
        return iter([(key, item, f"{place}[{shown(key)}]") for key, item in value.items()])

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """``read(name)`` when the field is there, else None."""
        return read(name) if name in self._left else None

    def done(self) -> None:
        """Refuses fields that nobody took: in a format of ours there is nothing unknown."""
        for name in self._left:
            raise self.wrong("is not a field of this format", code="unknown", name=name, found=name)

    def done_but_extensible(self, known: tuple[str, ...]) -> None:
        """Ignores what nobody took, as the specification of a foreign format asks, unless it spells a known field otherwise.

        ``Name`` beside ``name`` is one field to readers that ignore case, and theirs may be the other one.
        """
        for name in self._left:
            if name.casefold() in known:
                raise self.wrong("is another spelling of a known field", code="unknown", name=name, found=name)

    def rest(self) -> tuple[str, ...]:
        """The names nobody took, for formats of others whose specification says to ignore them."""
        return tuple(self._left)
