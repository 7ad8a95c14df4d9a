"""What a file is that is no ONNX model: known formats by their first bytes, pickles by their opcodes, text by its letters.

Owns the refusals. Leaves the formats to ``first_bytes`` and ``insides``, ONNX itself to ``inspect``. Every writer begins a
model with the tag of its IR version, but readers take fields in any order; so what is refused here before reading is what no
reader takes for a model. A file whose first bytes run code when a pickle loader sees them is a pickle, whatever else it may
be, and one that ends as an archive is an archive.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mlsign.errors import InputError
from mlsign.limits import Limits
from mlsign.onnx.archives import ends_as_archive
from mlsign.onnx.first_bytes import CORE_ML, PICKLE, PLAIN_TEXT, SAVED_MODEL, Format, format_of
from mlsign.onnx.insides import archive_format, compressed_format, pickle_format
from mlsign.onnx.pickles import is_pickle
from mlsign.source import ByteSource

_HEAD_BYTES: Final = 512
_SECOND_FIELD: Final = re.compile(rb"\x08(?:[\x80-\xff]*[\x00-\x7f])\x12([\x80-\xff]{0,4}[\x00-\x7f])")
_CORE_ML: Final = re.compile(
    rb"(?:\x50\x01)?[\x82\x8a\x92\x9a\xa2\xaa\xb2\xba\xc2\xca\xd2\xda\xe2\xea\xf2\xfa](?:[\x0c-\x7f]|[\x80-\xff]\x01)"
)
"""What follows the description in Core ML: one message whose field number, from 200 on, is the kind of model (``Model.proto``)."""


def refuse_other_formats(source: ByteSource, *, limits: Limits) -> None:
    """Raises ``InputError`` (``onnx.empty``, ``onnx.limit.size``, ``onnx.magic.…``) for what is no ONNX model at first sight."""
    if source.size == 0:
        raise InputError("the file is empty", code="onnx.empty", hint="was the model written, or fetched, completely?")
    if source.size > limits.max_model_bytes:
        raise InputError(f"the file has {source.size} bytes, allowed are {limits.max_model_bytes}", code="onnx.limit.size")
    head = source.read_at(0, min(_HEAD_BYTES, source.size))
    known = format_of(head)
    if known is not None:
        raise _other(_closer(known, source))
    if is_pickle(source):
        raise _other(pickle_format(source))
    if other := _other_protobuf(head, source):
        raise _other(other)
    if ends_as_archive(source):
        raise InputError(
            "the file ends as a ZIP archive does, so it is two files in one: what opens it as an archive sees another",
            code="onnx.magic.zip",
            expected="an ONNX model and nothing else",
            found="the directory of a ZIP archive at its end",
            hint="treat it as hostile; if the model is your own, write it anew without the archive",
        )


@contextmanager
def telling_text_files(source: ByteSource) -> Iterator[None]:
    """What turns out not to be protobuf (``onnx.wire.…``) is refused as text, ``onnx.magic.text``, where it starts with nothing else."""
    try:
        yield
    except InputError as err:
        if err.code.startswith("onnx.wire.") and _is_text(source):
            raise _other(PLAIN_TEXT) from err
        raise


def _is_text(source: ByteSource) -> bool:
    head = source.read_at(0, min(_HEAD_BYTES, source.size))
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) == source.size)
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char in "\t\r\n\f" for char in text)


def _closer(known: Format, source: ByteSource) -> Format:
    """``known``, or what a look inside of it tells: whose pickle it is, what is in an archive or under the compression."""
    if known == PICKLE:
        return pickle_format(source)
    if known.code == "zip":
        return archive_format(source) or known
    if known.code in {"gzip", "zlib"}:
        return compressed_format(known, source) or known
    return known


def _other(known: Format) -> InputError:
    return InputError(
        f"the file is not an ONNX model but {known.what}",
        code=f"onnx.magic.{known.code}",
        expected="an ONNX model",
        found=known.what,
        hint=known.hint,
    )


def _other_protobuf(head: bytes, source: ByteSource) -> Format | None:
    """Models that start like ONNX: a version, then as field 2 a message where ONNX has a name; told apart by what follows."""
    match = _SECOND_FIELD.match(head)
    if match is None:
        return None
    at = match.end() + sum((byte & 127) << 7 * index for index, byte in enumerate(match[1]))
    if at < source.size and _CORE_ML.match(source.read_at(at, min(8, source.size - at))):
        return CORE_ML
    if at == source.size and head[match.end() :].startswith((b"\x0a", b"\x12")):
        return SAVED_MODEL
    return None
