"""Protobuf wire format over a ``ByteSource``: fields one after the other, payloads left where they are.

Owns varints, tags, lengths and the budget of bytes that may be read. Leaves the meaning of fields to
``fields`` and the modules above it. A message is a ``Body``: either its bytes, or a ``Region`` of the
source that nobody has read yet. Large fields come out as regions, so a model of gigabytes costs the reader
only its skeleton.

The reader is stricter than protobuf's own (https://protobuf.dev/programming-guides/encoding): every
spelling that no writer produces is a place where two readers may disagree about what was signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def tokens(data: bytes, where: Where) -> list[tuple[int, Value]]:
    """All fields of a message in memory as (tag, value), in file order.

    The value of a varint is an unsigned ``int``, everything else is ``bytes``. Raises ``InputError`` with
    an ``onnx.wire.…`` code.
    """
    out: list[tuple[int, Value]] = []
    at, end = 0, len(data)
    while at < end:
        key = data[at]
        at += 1
        if key >= 128:
            key, at = varint(data, at - 1, where)
        if not 8 <= key < 128:
            _check_tag(key, where)
        wire = key & 7
        if wire == 2:
            if at >= end:
                _past_end(key, where)
            size = data[at]
            at += 1
            if size >= 128:
                size, at = varint(data, at - 1, where)
        elif wire == 0:
            value, at = varint(data, at, where)
            out.append((key, value))
            continue
        elif wire == 5:
            size = 4
        elif wire == 1:
            size = 8
        else:
            _wrong_wire_type(key, where)
        stop = at + size
        if stop > end:
            _past_end(key, where)
        out.append((key, data[at:stop]))
        at = stop
    return out


class Wire:
    """Reads messages from one source and counts what it reads against ``limits.max_skeleton_bytes``."""

    __slots__ = ("_left", "_limits", "_source")

    def __init__(self, source: ByteSource, *, limits: Limits = DEFAULT) -> None:
        self._source = source
        self._limits = limits
        self._left = limits.max_skeleton_bytes

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

    def tokens(self, body: Body, where: Where, *, heavy: frozenset[int] = _NO_KEYS) -> Iterable[tuple[int, Value]]:
        """All fields of a message as (tag, value). Fields of a region that are large come out as regions.

        ``heavy`` are tags of fields that may hold weights and are large from ``HEAVY_BYTES`` on.
        """
        return tokens(body, where) if isinstance(body, bytes) else self._stream(body, where, heavy)

    def _stream(self, region: Region, where: Where, heavy: frozenset[int]) -> Iterator[tuple[int, Value]]:
        end = region.end
        window, base, at = b"", region.start, 0
        step = _FIRST_WINDOW
        while base + at < end:
            if len(window) - at < _MAX_HEADER_BYTES and base + len(window) < end:
                base, at = base + at, 0
                window = self.read(Region(base, min(base + step, end)), where)
                step = min(step * 2, _LAST_WINDOW)
            key, at = varint(window, at, where)
            _check_tag(key, where)
            wire = key & 7
            if wire == 0:
                value, at = varint(window, at, where)
                yield key, value
                continue
            if wire == 2:
                size, at = varint(window, at, where)
            elif wire in (1, 5):
                size = 8 if wire == 1 else 4
            else:
                _wrong_wire_type(key, where)
            if size > end - base - at:
                _past_end(key, where)
            if size > (HEAVY_BYTES if key in heavy else WHOLE_BYTES):
                start = base + at
                yield key, Region(start, start + size)
                at += size
                if at > len(window):
                    window, base, at, step = b"", start + size, 0, _FIRST_WINDOW
                continue
            if at + size > len(window):
                base, at = base + at, 0
                window = self.read(Region(base, min(base + max(step, size), end)), where)
                step = min(step * 2, _LAST_WINDOW)
            yield key, window[at : at + size]
            at += size
