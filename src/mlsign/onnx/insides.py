"""What is inside of archives and compressed files of other formats, for advice: a bounded look at names and at the first bytes.

Nothing is unpacked but the start of a DEFLATE stream, in a bounded buffer. Other methods of compression are not undone: that would
be much code on hostile bytes, for a hint.
"""

from __future__ import annotations

import re
import zlib
from typing import Final

from mlsign.onnx.archives import member_names
from mlsign.onnx.exports import HINTS, KNOWN_MODULES, describe_pickle, hint_for_pickle
from mlsign.onnx.first_bytes import PICKLE, RUNS_CODE, Format, format_of
from mlsign.onnx.pickles import is_pickle, libraries_named
from mlsign.source import ByteSource, MemorySource

_MAX_PACKED_BYTES: Final = 64 * 1024
_MAX_UNPACKED_BYTES: Final = 256 * 1024
_HEAD_BYTES: Final = 512
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
"""Told apart by their headers (``zlib``)."""

_ARCHIVES: Final = tuple(
    (re.compile(pattern, re.MULTILINE), Format(code="zip", what=what, hint=HINTS[hint]))
    for pattern, what, hint in (
        (rb"^[^/\n]+/code/", "a ZIP archive of TorchScript, with Python pickles in it", "torchscript"),
        (rb"^[^/\n]+/archive_format$", "a ZIP archive of torch.export", "pt2"),
        (rb"^[^/\n]+/data\.pkl$", "a ZIP archive of PyTorch, with a Python pickle in it", "torch"),
        (rb"^model\.weights\.h5$", "a ZIP archive of Keras", "keras"),
        (rb"(^|/)saved_model\.pb$", "a ZIP archive with a TensorFlow SavedModel in it", "saved_model"),
        (rb"\.onnx$", "a ZIP archive with an ONNX file in it", "unpack"),
        (rb"(^|/)com\.apple\.CoreML/", "a ZIP archive of Core ML", "native"),
        (rb"(^|/)metadata/part-00000", "a ZIP archive with a model of Spark in it", "spark"),
        (rb"\.npy$", "a ZIP archive of NumPy arrays", "weights"),
    )
)
"""Archives by the names in them; the first that fits counts."""


def pickle_format(source: ByteSource) -> Format:
    """The format of a pickle: whose it is, and how what is in it is exported."""
    modules = libraries_named(source, known=KNOWN_MODULES)
    return Format(code="pickle", what=f"{describe_pickle(modules)}, {RUNS_CODE}", hint=hint_for_pickle(modules))


def archive_format(source: ByteSource) -> Format | None:
    """The format of a ZIP archive, where the names in it tell."""
    names = b"\n".join(name for name in member_names(source) if b"\n" not in name)
    return next((known for pattern, known in _ARCHIVES if pattern.search(names)), None)


def compressed_format(packed: Format, source: ByteSource) -> Format | None:
    """The format of what ``packed`` says is compressed, where the start of it tells."""
    head = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        start = head.decompress(source.read_at(0, min(_MAX_PACKED_BYTES, source.size)), _MAX_UNPACKED_BYTES)
    except zlib.error:
        return None
    inside = MemorySource(start)
    found = format_of(start[:_HEAD_BYTES])
    if found == PICKLE or (found is None and is_pickle(inside)):
        found = pickle_format(inside)
    if found is None:
        return None
    return Format(code=packed.code, what=f"compressed with {packed.code}, and inside is {found.what}", hint=found.hint)
