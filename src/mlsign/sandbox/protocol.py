"""The frames between parent and worker: pure bytes, strict, every length checked before it is believed.

A frame is a head of 24 bytes and a body. Bodies are either one canonical JSON document (setting up, errors), which
follows the head on the socket, or named values (feeds and results), which lie in shared memory. The worker is
the side that a hostile model may have taken over: what the parent decodes here is hostile input.

Layout of the head, little-endian: magic ``mlsj``, version, kind, pace, a zero byte, request number (u64), body
length (u64). Values have their own layout, in ``values``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple, NoReturn

from mlsign.errors import InputError, shown
from mlsign.limits import DEFAULT, KIB, MIB, Limits
from mlsign.sandbox.values import Buffer, Value, decode_values, encode_values
from mlsign.strict import JsonValue, decode_json, encode_json

MAGIC: Final = b"mlsj"
VERSION: Final = 2
_HEAD: Final = struct.Struct("<4sBBBBQQ")
HEAD_BYTES: Final = _HEAD.size

ROOM_BYTES: Final = MIB
"""For names and shapes, beside the elements that limits count."""

MAX_DOCUMENT_BYTES: Final = 64 * MIB
"""Of a JSON body: the start document names every external tensor of a model."""


class Kind(Enum):
    """What a frame says. The parent sends START, LOAD, RUN and RUN_AGAIN, the worker everything else.

    RUN_AGAIN is a call whose feeds lie where those of the last RUN lay, with the same names, types and shapes;
    RESULT_AGAIN is an answer to it that lies where the last RESULT lay.
    """

    START = 1
    CONFINED = 2
    LOAD = 3
    READY = 4
    RUN = 5
    RESULT = 6
    ERROR = 7
    RUN_AGAIN = 8
    RESULT_AGAIN = 9


class Pace(Enum):
    """How the caller waits. BUSY: it looks for the answer without sleeping, and the next call may follow at once."""

    CALM = 0
    BUSY = 1


DOCUMENTS: Final[Mapping[Kind, int]] = MappingProxyType(
    {
        Kind.START: MAX_DOCUMENT_BYTES,
        Kind.LOAD: KIB,
        Kind.CONFINED: 16 * KIB,
        Kind.READY: MIB,  # the names and types of some ten thousand inputs and outputs
        Kind.ERROR: 16 * KIB,
    }
)
"""The kinds whose body is JSON, and its largest size in bytes. The parent's own are the large ones: values of JSON
cost many times their bytes, and the worker's are hostile."""


class Head(NamedTuple):
    """The head of a frame: what follows, to which request it belongs, and how long it is.

    A tuple, since one is made on either side of every call.
    """

    kind: Kind
    request: int
    length: int
    pace: Pace = Pace.CALM


_KINDS: Final = MappingProxyType({kind.value: kind for kind in Kind})
_NUMBERS: Final = MappingProxyType({kind: kind.value for kind in Kind})
_PACES: Final = (Pace.CALM, Pace.BUSY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A whole frame; exactly one of ``document`` and ``values`` is there."""

    kind: Kind
    request: int
    document: JsonValue
    values: Mapping[str, Value] | None
    pace: Pace = Pace.CALM


def _fail(message: str, *, code: str, where: str = "", found: object = "") -> NoReturn:
    raise InputError(message, code=f"frame.{code}", where=where, found=shown(found))


def encode_head(*, kind: Kind, request: int, length: int, pace: Pace = Pace.CALM) -> bytes:
    return _HEAD.pack(MAGIC, VERSION, _NUMBERS[kind], pace is Pace.BUSY, 0, request, length)


def decode_head(data: Buffer, *, limits: Limits = DEFAULT) -> Head:
    """A head from its 24 bytes; the length is within what its kind may have. Raises ``InputError`` (``frame.…``)."""
    if len(data) != HEAD_BYTES:
        _fail(f"a head has {HEAD_BYTES} bytes, here are {len(data)}", code="truncated")
    magic, version, number, pace, zero, request, length = _HEAD.unpack(data)
    if magic != MAGIC or version != VERSION or zero != 0 or pace >= len(_PACES):
        _fail("does not start like a frame", code="magic", found=bytes(data[:8]).hex())
    kind = _KINDS.get(number)
    if kind is None:
        _fail(f"{number} is not a kind of frame", code="kind", found=number)
    largest = DOCUMENTS[kind] if kind in DOCUMENTS else _largest_body(kind, limits)
    if length > largest:
        _fail(f"a body of {length} bytes is announced, allowed are {largest}", code="size", found=length)
    return Head(kind, request, length, _PACES[pace])


def _largest_body(kind: Kind, limits: Limits) -> int:
    return (limits.max_input_bytes if kind in (Kind.RUN, Kind.RUN_AGAIN) else limits.max_output_bytes) + ROOM_BYTES


def encode_document(document: JsonValue) -> bytes:
    return encode_json(document)


def decode_document(body: Buffer) -> JsonValue:
    """The document of a frame. Raises ``InputError`` (``json.…``, ``frame.spelling``)."""
    data = bytes(body)
    document = decode_json(data, max_bytes=MAX_DOCUMENT_BYTES)
    if encode_json(document) != data:
        _fail("the document is not in canonical form", code="spelling")
    return document


def encode_frame(frame: Frame) -> bytes:
    """Head and body in one piece."""
    body = encode_document(frame.document) if frame.values is None else b"".join(encode_values(frame.values))
    return encode_head(kind=frame.kind, request=frame.request, length=len(body), pace=frame.pace) + body


def decode_frame(data: Buffer, *, limits: Limits = DEFAULT) -> Frame:
    """A whole frame and nothing after it, so that ``encode_frame`` gives the same bytes. Raises ``InputError``."""
    view = memoryview(data)
    head = decode_head(view[:HEAD_BYTES], limits=limits)
    body = view[HEAD_BYTES:]
    if len(body) != head.length:
        _fail(f"a body of {head.length} bytes is announced, here are {len(body)}", code="truncated")
    if head.kind in DOCUMENTS:
        return Frame(kind=head.kind, request=head.request, document=decode_document(body), values=None, pace=head.pace)
    values = decode_values(body, limits=limits)
    return Frame(kind=head.kind, request=head.request, document=None, values=values, pace=head.pace)
