"""Protobuf wire format over a ``ByteSource``: fields one after the other, payloads left where they are.

Owns varints, tags, lengths and the budget of bytes that may be read. Leaves the meaning of fields to
``fields`` and the modules above it. A message is a ``Body``: either its bytes, or a ``Region`` of the
source that nobody has read yet. Large fields come out as regions, so a model of gigabytes costs the reader
only its skeleton.

The reader is stricter than protobuf's own (https://protobuf.dev/programming-guides/encoding): every
spelling that no writer produces is a place where two readers may disagree about what was signed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

from mlsign.errors import InputError, shown
from mlsign.limits import DEFAULT, KIB, MIB, Limits
from mlsign.source import ByteSource

Where: TypeAlias = "tuple[Where, str, int] | None"
"""A place in the model as a linked list, spelled out by ``place`` only when somebody needs to read it."""

WHOLE_BYTES: Final = MIB
"""A field of at most this size is read into memory whole."""
HEAVY_BYTES: Final = 4 * KIB
"""The same for fields that may hold weights: the caller names them."""

_FIRST_WINDOW: Final = 4 * KIB
_LAST_WINDOW: Final = 256 * KIB
_MAX_HEADER_BYTES: Final = 20  # a tag and a length or value, ten bytes each
_MAX_FIELD_NUMBER: Final = 2**29 - 1
_RUN: Final = 16  # from here on a row of number fields is taken in one step
_SPELLED: Final = re.compile(rb"[\x80-\xff]*[\x00-\x7f]")
_NO_KEYS: Final[frozenset[int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes of the source from ``start`` up to ``end``, not read."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


Body: TypeAlias = bytes | Region
Value: TypeAlias = int | bytes | Region


def place(where: Where) -> str:
    """``graph.node[3].attribute[0]`` from its linked parts."""
    parts: list[str] = []
    while where is not None:
        where, name, index = where
        parts.append(f"{name}[{index}]" if index >= 0 else name)
    return ".".join(reversed(parts))


def refuse(message: str, *, code: str, where: Where) -> NoReturn:
    """Raises the ``InputError`` ``onnx.<code>``."""
    raise InputError(message, code=f"onnx.{code}", where=shown(place(where)))


def varint(data: bytes, at: int, where: Where) -> tuple[int, int]:
    """The unsigned 64-bit integer at ``at`` and the position behind it; ``data`` ends where the message ends.

    Raises ``InputError``: ``onnx.wire.truncated``, ``onnx.wire.varint`` (more than ten bytes or 64 bits, or
    with a needless last byte: two spellings of one number).
    """
    value = shift = 0
    for position in range(at, min(at + 10, len(data))):
        byte = data[position]
        value |= (byte & 127) << shift
        if byte < 128:
            if (byte == 0 and shift) or value >> 64:
                refuse("an integer is not written in its shortest form or has more than 64 bits", code="wire.varint", where=where)
            return value, position + 1
        shift += 7
    if at + 10 <= len(data):
        refuse("an integer has more than ten bytes", code="wire.varint", where=where)
    refuse("the file ends, or its message ends, inside an integer", code="wire.truncated", where=where)


def varints(data: bytes, where: Where) -> list[int]:
    """The signed integers of a packed field, which holds nothing but whole ones; raises what ``varint`` raises.

    One decoding for each spelling that occurs, because tables repeat few numbers often; short ones are written out.
    """
    spelled = _SPELLED.findall(data)
    known: dict[bytes, int] = {}
    by_length: dict[int, list[bytes]] = {}
    for item in set(spelled):
        by_length.setdefault(len(item), []).append(item)
    for size, items in by_length.items():
        if size == 1:
            known.update((item, item[0]) for item in items)
        elif size == 2:  # the high bits of all bytes but the last are set; taken away at once
            known.update((i, i[0] + (i[1] << 7) - 0x80) for i in items if i[1])
        elif size == 3:
            known.update((i, i[0] + (i[1] << 7) + (i[2] << 14) - 0x4080) for i in items if i[2])
        elif size == 4:
            known.update((i, i[0] + (i[1] << 7) + (i[2] << 14) + (i[3] << 21) - 0x204080) for i in items if i[3])
        for item in items if size > 4 else [item for item in items if item not in known]:
            known[item] = signed(varint(item, 0, where)[0])
    return [known[item] for item in spelled]


def signed(value: int) -> int:
    """A varint read as ``int64``: protobuf writes negative numbers in two's complement of 64 bits."""
    return value - (1 << 64) if value >> 63 else value


def _check_tag(key: int, where: Where) -> None:
    number = key >> 3
    if not 0 < number <= _MAX_FIELD_NUMBER:
        refuse(f"field number {number} is outside 1 to 2^29-1", code="wire.field_number", where=where)


def _wrong_wire_type(key: int, where: Where) -> NoReturn:
    # 3 and 4 are groups, which ONNX never used and readers treat differently; 6 and 7 do not exist
    refuse(f"field {key >> 3} has wire type {key & 7}, which ONNX does not use", code="wire.type", where=where)


def _past_end(key: int, where: Where) -> NoReturn:
    refuse(f"field {key >> 3} reaches past the end of its message", code="wire.truncated", where=where)


Fields: TypeAlias = dict[int, list[Value]]
"""The values of a message by tag, each list in file order."""


@functools.cache
def _row(key: int) -> re.Pattern[bytes]:
    """What matches a row of fields with this one-byte tag: numbers in exactly the spellings that ``varint`` takes."""
    payloads = {0: rb"(?:[\x00-\x7f]|[\x80-\xff]{1,8}[\x01-\x7f]|[\x80-\xff]{9}\x01)", 5: rb".{4}", 1: rb".{8}"}
    # so many at once, because each is an object for a moment
    return re.compile(b"(?:" + re.escape(bytes((key,))) + payloads[key & 7] + b"){1,50000}", re.DOTALL)


@functools.cache
def _short(key: int) -> re.Pattern[bytes]:
    """The same for numbers of one byte."""
    return re.compile(b"(?:" + re.escape(bytes((key,))) + rb"[\x00-\x7f])+", re.DOTALL)


@functools.cache
def _item(key: int) -> re.Pattern[bytes]:
    return re.compile(re.escape(bytes((key,))) + rb"([\x80-\xff]*[\x00-\x7f])", re.DOTALL)


def _take_row(data: bytes, at: int, key: int, slot: list[Value]) -> int:
    """Takes a row of equal number fields in one step, as the packed field it could have been; the position behind it.

    Old exporters write the arrays of tree ensembles as millions of single fields.
    """
    short = _short(key).match(data, at) if key & 7 == 0 else None
    if short is not None and short.end() - at > 2 * _RUN:  # numbers of one byte: every other byte of the row
        slot.append(data[at + 1 : short.end() : 2])
        return short.end()
    match = _row(key).match(data, at)
    if match is None:
        return at
    row = match.group()
    if key & 7 == 0:
        slot.append(b"".join(_item(key).findall(row)))
    else:
        size = 4 if key & 7 == 5 else 8
        packed = bytearray(len(row) // (size + 1) * size)
        for byte in range(size):
            packed[byte::size] = row[byte + 1 :: size + 1]
        slot.append(bytes(packed))
    return match.end()


def _take(data: bytes, at: int, safe: int, out: Fields, where: Where) -> tuple[int, int, int]:
    """Takes fields from ``data`` while they start before ``safe``: position, tag and size of one that is left to the caller.

    That is a field that is larger than ``HEAVY_BYTES`` or does not end within ``data``; its tag is 0 when
    there is none. Raises ``InputError`` with an ``onnx.wire.…`` code.
    """
    end = len(data)
    while at < safe:
        key = data[at]
        at += 1
        if key >= 128:
            key, at = varint(data, at - 1, where)
        if not 8 <= key < 128:
            _check_tag(key, where)
        wire = key & 7
        value: Value
        if wire == 2:
            if at >= end:
                _past_end(key, where)
            size = data[at]
            at += 1
            if size >= 128:
                size, at = varint(data, at - 1, where)
            stop = at + size
            if stop > end or size > HEAVY_BYTES:
                return at, key, size
            value = data[at:stop]
            at = stop
        elif wire == 0:
            value, at = varint(data, at, where)
        elif wire in (1, 5):
            stop = at + (4 if wire == 5 else 8)
            if stop > end:
                _past_end(key, where)
            value = data[at:stop]
            at = stop
        else:
            _wrong_wire_type(key, where)
        slot = out.get(key)
        if slot is None:
            out[key] = [value]
            continue
        slot.append(value)
        if wire != 2 and len(slot) >= _RUN and key < 128 and at < end and data[at] == key:
            at = _take_row(data, at, key, slot)
    return at, 0, 0


class Wire:
    """Reads messages from one source and counts what it reads against ``limits.max_skeleton_bytes``."""

    __slots__ = ("_fields_left", "_left", "_limits", "_source")

    def __init__(self, source: ByteSource, *, limits: Limits = DEFAULT) -> None:
        self._source = source
        self._limits = limits
        self._left = limits.max_skeleton_bytes
        self._fields_left = limits.max_fields

    def whole(self) -> Body:
        """The whole source as one message."""
        region = Region(0, self._source.size)
        return self.read(region, None) if len(region) <= WHOLE_BYTES else region

    def read(self, region: Region, where: Where) -> bytes:
        """The bytes of a region. Raises ``InputError`` (``onnx.limit.skeleton``) when the budget is spent."""
        self._left -= len(region)
        if self._left < 0:
            refuse(
                f"reading the structure takes more than {self._limits.max_skeleton_bytes} bytes",
                code="limit.skeleton",
                where=where,
            )
        return self._source.read_at(region.start, len(region))

    def chunks(self, body: Body, where: Where) -> Iterator[bytes]:
        """The bytes of a body, a bounded piece at a time."""
        if isinstance(body, bytes):
            yield body
            return
        for start in range(body.start, body.end, _LAST_WINDOW):
            yield self.read(Region(start, min(start + _LAST_WINDOW, body.end)), where)

    def fields(self, body: Body, where: Where, *, heavy: frozenset[int] = _NO_KEYS) -> Fields:
        """All fields of a message by tag. The value of a varint is an unsigned ``int``; everything else is bytes or,
        where the message itself was a region and the field is large, a region.

        ``heavy`` are tags of fields that may hold weights; they are large from ``HEAVY_BYTES`` on. A row of number
        fields may come as one packed value. Raises ``InputError`` with an ``onnx.wire.…`` or ``onnx.limit.…`` code.
        """
        out: Fields = {}
        if isinstance(body, bytes):
            self._split(body, out, where)
        else:
            self._stream(body, out, where, heavy)
        self._fields_left -= sum(map(len, out.values()))
        if self._fields_left < 0:
            refuse(f"the model has more than {self._limits.max_fields} fields", code="limit.fields", where=where)
        return out

    @staticmethod
    def _split(data: bytes, out: Fields, where: Where) -> None:
        at, end = 0, len(data)
        while True:
            at, key, size = _take(data, at, end, out, where)
            if not key:
                return
            if at + size > end:
                _past_end(key, where)
            out.setdefault(key, []).append(data[at : at + size])
            at += size

    def _stream(self, region: Region, out: Fields, where: Where, heavy: frozenset[int]) -> None:
        base, end, step = region.start, region.end, _FIRST_WINDOW
        room = self._fields_left
        while base < end:
            window = self.read(Region(base, min(base + step, end)), where)
            step = min(step * 2, _LAST_WINDOW)
            last = base + len(window) == end
            at, key, size = _take(window, 0, len(window) - (0 if last else _MAX_HEADER_BYTES), out, where)
            while key:
                if size > end - base - at:
                    _past_end(key, where)
                value, fits = Region(base + at, base + at + size), at + size <= len(window)
                slot = out.setdefault(key, [])
                if size > (HEAVY_BYTES if key in heavy else WHOLE_BYTES):
                    slot.append(value)
                    step = step if fits else _FIRST_WINDOW
                else:
                    slot.append(window[at : at + size] if fits else self.read(value, where))
                at += size
                if not fits:
                    break
                at, key, size = _take(window, at, len(window) - (0 if last else _MAX_HEADER_BYTES), out, where)
            base += at
            if sum(map(len, out.values())) > room:
                refuse(f"the model has more than {self._limits.max_fields} fields", code="limit.fields", where=where)
