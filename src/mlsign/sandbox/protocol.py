"""The frames between parent and worker: pure bytes, strict, every length checked before it is believed.

A frame is a head of 24 bytes and a body. Bodies are either one canonical JSON document (setting up, errors)
or named values (feeds and results). The worker is the side that a hostile model may have taken over: what
the parent decodes here is hostile input.

Layout of the head, little-endian: magic ``mlsj``, version, kind, two zero bytes, request number (u64), body
length (u64). Values have their own layout, in ``values``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, NoReturn

from mlsign.errors import InputError, shown
from mlsign.limits import DEFAULT, KIB, MIB, Limits
from mlsign.sandbox.values import Buffer, Value, decode_values, encode_values
from mlsign.strict import JsonValue, decode_json, encode_json

MAGIC: Final = b"mlsj"
VERSION: Final = 1
_HEAD: Final = struct.Struct("<4sBBHQQ")
HEAD_BYTES: Final = _HEAD.size

MAX_DOCUMENT_BYTES: Final = 64 * MIB
"""Of a JSON body: the start document names every external tensor of a model."""


class Kind(Enum):
    """What a frame says. The parent sends START, LOAD and RUN, the worker everything else."""

    START = 1
    CONFINED = 2
    LOAD = 3
    READY = 4
    RUN = 5
    RESULT = 6
    ERROR = 7


_DOCUMENTS: Final[Mapping[Kind, int]] = MappingProxyType(
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of a frame: what follows, to which request it belongs, and how long it is."""

    kind: Kind
    request: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A whole frame; exactly one of ``document`` and ``values`` is there."""

    kind: Kind
    request: int
    document: JsonValue
    values: Mapping[str, Value] | None


def _fail(message: str, *, code: str, where: str = "", found: object = "") -> NoReturn:
    raise InputError(message, code=f"frame.{code}", where=where, found=shown(found))


def encode_head(*, kind: Kind, request: int, length: int) -> bytes:
    return _HEAD.pack(MAGIC, VERSION, kind.value, 0, request, length)


def decode_head(data: Buffer, *, limits: Limits = DEFAULT) -> Head:
    """A head from its 24 bytes; the length is within what its kind may have. Raises ``InputError`` (``frame.…``)."""
    if len(data) != HEAD_BYTES:
        _fail(f"a head has {HEAD_BYTES} bytes, here are {len(data)}", code="truncated")
    magic, version, number, zero, request, length = _HEAD.unpack(data)
    if magic != MAGIC or version != VERSION or zero != 0:
        _fail("does not start like a frame", code="magic", found=bytes(data[:8]).hex())
    try:
        kind = Kind(number)
    except ValueError as err:
        raise InputError(f"{number} is not a kind of frame", code="frame.kind", found=str(number)) from err
    largest = _DOCUMENTS[kind] if kind in _DOCUMENTS else _largest_body(kind, limits)
    if length > largest:
        _fail(f"a body of {length} bytes is announced, allowed are {largest}", code="size", found=length)
    return Head(kind=kind, request=request, length=length)


def _largest_body(kind: Kind, limits: Limits) -> int:
    return (limits.max_input_bytes if kind is Kind.RUN else limits.max_output_bytes) + MIB  # room for names and shapes


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
    """A whole frame in one piece, for what is small."""
    body = encode_document(frame.document) if frame.values is None else b"".join(encode_values(frame.values))
    return encode_head(kind=frame.kind, request=frame.request, length=len(body)) + body


def decode_frame(data: Buffer, *, limits: Limits = DEFAULT) -> Frame:
    """A whole frame and nothing after it, so that ``encode_frame`` gives the same bytes. Raises ``InputError``."""
    view = memoryview(data)
    head = decode_head(view[:HEAD_BYTES], limits=limits)
    body = view[HEAD_BYTES:]
    if len(body) != head.length:
        _fail(f"a body of {head.length} bytes is announced, here are {len(body)}", code="truncated")
    if head.kind in _DOCUMENTS:
        return Frame(kind=head.kind, request=head.request, document=decode_document(body), values=None)
    return Frame(kind=head.kind, request=head.request, document=None, values=decode_values(body, limits=limits))
