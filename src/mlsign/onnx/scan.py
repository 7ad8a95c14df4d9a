"""One pass over one model: the fields of its messages held against the schema, and the counts held against limits.

Owns what is the same for every message: unknown, repeated and mistyped fields, UTF-8, key/value lists,
budgets. Leaves the meaning of each message to the modules that read it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mlsign.errors import shown
from mlsign.limits import Limits
from mlsign.onnx import problems, schema
from mlsign.onnx.problems import Problems
from mlsign.onnx.wire import Body, Value, Where, Wire, refuse, signed, varint
from mlsign.source import ByteSource

_INT32_LIMIT: Final = 2**31
_HIGH_BIT: Final = bytes(range(128, 256))
_OVERLONG: Final = re.compile(rb"[\x80-\xff]{10}")
_COUNTED: Final = ("nodes", "attributes", "tensors", "functions", "graphs", "edges", "sparse_indices", "numbers", "text_bytes")


class Scan:
    """The state of one reading: the wire, the problems and what may still be counted."""

    __slots__ = ("limits", "problems", "used", "wire")

    def __init__(self, source: ByteSource, *, limits: Limits) -> None:
        self.wire = Wire(source, limits=limits)
        self.limits = limits
        self.problems = Problems()
        self.used = dict.fromkeys(_COUNTED, 0)

    def count(self, what: str, where: Where, *, number: int = 1) -> None:
        """So many more of ``what``. Raises ``InputError`` (``onnx.limit.nodes`` and the like)."""
        self.used[what] += number
        maximum: int = getattr(self.limits, f"max_{what}")
        if self.used[what] > maximum:
            refuse(f"the model has more than {maximum} {what}", code=f"limit.{what}", where=where)

    def fields(self, body: Body, message: schema.Message, where: Where) -> dict[int, list[Value]]:
        """The values of every known field by number, in file order; never an empty list.

        Unknown fields and second values of a single field are problems; of the latter all are there,
        because protobuf merges messages and so all count. Strings are valid UTF-8 or a problem. Raises
        ``InputError`` for a wire type that the schema does not give the field, and for integers that are
        wider than the field.
        """
        out: dict[int, list[Value]] = {}
        by_tag = message.by_tag
        for key, found in self.wire.fields(body, where, heavy=message.heavy).items():
            values = found
            field = by_tag.get(key)
            if field is None:
                self._unknown(key, message, where)
                continue
            if len(values) > 1 and field.single:
                self._repeated(field, message, where)
                # a long row of numbers may have been taken in one step, as bytes
                values = [value for value in values if type(value) is type(values[0])]
            kind = field.kind
            if kind == "string":
                for value in values:
                    if not (isinstance(value, bytes) and value.isascii()):
                        self._check_text(value, (where, field.name, -1))
            elif field.single and kind in ("int32", "enum"):
                for value in values:
                    if isinstance(value, int) and not -_INT32_LIMIT <= signed(value) < _INT32_LIMIT:
                        # protobuf would cut it to 32 bits without a word
                        refuse(f"field {field.name} has more than 32 bits", code="wire.range", where=where)
            if field.number in out:  # packed and unpacked in one message: no writer does that
                self._repeated(field, message, where)
                values = out[field.number] + values
            out[field.number] = values
        return out

    def _repeated(self, field: schema.Field, message: schema.Message, where: Where) -> None:
        self.problems.add(
            problems.REPEATED_FIELD,
            f"field {field.name} of {message.name} is written twice, and readers differ on which one counts",
            where,
            found=field.name,
        )

    def _unknown(self, key: int, message: schema.Message, where: Where) -> None:
        number = key >> 3
        if number in message.names:
            refuse(
                f"field {message.names[number]} of {message.name} has wire type {key & 7}", code="wire.field_type", where=where
            )
        self.problems.add(
            problems.UNKNOWN_FIELD,
            f"field {number} is not a field of {message.name}",
            where,
            expected="fields of ONNX IR version 14 or older",
            found=number,
        )

    def _check_text(self, value: Value, where: Where) -> None:
        """Notes a problem when a string is not UTF-8; reads it in pieces when it is long."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            for chunk in self.wire.chunks(body(value), where):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            self.problems.add(problems.INVALID_UTF8, "the text is not UTF-8", where)

    def name(self, value: Value, where: Where) -> bytes:
        """A string that is kept. Raises ``InputError`` (``onnx.limit.name``) when it is longer than names get."""
        if not isinstance(value, bytes) or len(value) > self.limits.max_name_bytes:
            refuse(f"a name has more than {self.limits.max_name_bytes} bytes", code="limit.name", where=where)
        return value

    def last(self, fields: dict[int, list[Value]], number: int, where: Where) -> bytes:
        """The name in a single string field, empty when it is not there; of two, the one that protobuf takes."""
        return self.name(fields[number][-1], where) if number in fields else b""

    def integers(self, value: Value, where: Where) -> Iterator[int]:
        """Signed integers from one field of a repeated integer, packed or not."""
        if isinstance(value, int):
            yield signed(value)
            return
        rest = b""
        for chunk in self.wire.chunks(body(value), where):
            data, at = rest + chunk, 0
            safe = len(data) - 10  # an integer that starts here ends in this piece
            while at <= safe:
                number, at = varint(data, at, where)
                yield signed(number)
            rest = data[at:]
        at = 0
        while at < len(rest):
            number, at = varint(rest, at, where)
            yield signed(number)

    def count_packed(self, value: Value, where: Where) -> int:
        """How many integers a packed field holds: each has one byte without the high bit, its last.

        Raises ``InputError`` for what protobuf would not read (``onnx.wire.varint``, ``onnx.wire.truncated``).
        """
        total = 0
        tail = b""
        for chunk in self.wire.chunks(body(value), where):
            total += len(chunk.translate(None, _HIGH_BIT))
            if _OVERLONG.search(tail + chunk):
                refuse("an integer has more than ten bytes", code="wire.varint", where=where)
            tail = chunk[-9:]
        if tail and tail[-1] >= 128:
            refuse("a packed field ends inside an integer", code="wire.truncated", where=where)
        return total

    def entries(
        self, bodies: Sequence[Value], where: Where, *, name: str, code: str = problems.REPEATED_KEY
    ) -> list[tuple[str, str]]:
        """The pairs of a ``StringStringEntryProto`` list. A key that stands there twice is the problem ``code``."""
        out: list[tuple[str, str]] = []
        keys: set[str] = set()
        for index, entry in enumerate(bodies):
            here = (where, name, index)
            pair = self.fields(body(entry), schema.ENTRY, here)
            key = text(self.last(pair, 1, here))
            # a long value has no meaning to us
            if key in keys and self.problems.wants(code):
                self.problems.add(code, f"key {shown(key)} stands twice", here, found=key)
            keys.add(key)
            out.append((key, text(pair[2][-1]) if 2 in pair else ""))
        return out


def body(value: Value) -> Body:
    """The value of a length-delimited field; the schema has already checked the wire type."""
    assert not isinstance(value, int)  # noqa: S101 - the tables let only wire type 2 stand for messages and strings
    return value


def length(value: Value) -> int:
    """Bytes of a length-delimited value, read or not."""
    return 0 if isinstance(value, int) else len(value)


def text(value: Value) -> str:
    """Text for people and facts; what is not UTF-8 is spelled out (and was noted as a problem)."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else ""


def integer(fields: Mapping[int, Sequence[Value]], number: int, *, default: int = 0) -> int:
    """The signed value of a single integer field; of two, the one that protobuf takes."""
    value = fields[number][-1] if number in fields else default
    assert isinstance(value, int)  # noqa: S101 - the tables let only varints stand for single integers
    return signed(value)
