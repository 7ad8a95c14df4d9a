"""What is inside of archives, folders and compressed files of other formats, for advice: a bounded look at names and at the first bytes.

Nothing is unpacked but the start of a DEFLATE stream, in a bounded buffer. Other methods of compression are not undone: that would
be much code on hostile bytes, for a hint.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
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

_HOLDINGS: Final = tuple(
    (re.compile(pattern, re.MULTILINE), what, HINTS[hint])
    for pattern, what, hint in (
        (rb"^mlsign\.json$", "with a package in it", "package"),
        (rb"^[^/\n]+/code/", "of TorchScript, with Python pickles in it", "torchscript"),
        (rb"^[^/\n]+/archive_format$", "of torch.export", "pt2"),
        (rb"^[^/\n]+/data\.pkl$", "of PyTorch, with a Python pickle in it", "torch"),
        (rb"^model\.weights\.h5$", "of Keras", "keras"),
        (rb"(^|/)saved_model\.pb$", "with a TensorFlow SavedModel in it", "saved_model"),
        (rb"(^|/)com\.apple\.CoreML(/|$)", "of Core ML", "native"),
        (rb"(^|/)metadata/part-00000", "with a model of Spark in it", "spark"),
        (rb"\.onnx$", "with an ONNX file in it", "unpack"),
        (rb"^boosterBytes$", "of H2O (MOJO), with an XGBoost model in it", "mojo"),
        (rb"(^|/)MLmodel$", "of MLflow", "native"),
        (rb"\.npy$", "of NumPy arrays", "weights"),
        (rb"(^|/)(model|pytorch_model)[^/\n]*\.(safetensors|bin)$", "with weights in it and no graph", "weights"),
    )
)
"""Archives and folders by the names in them; the first that fits counts."""


def pickle_format(source: ByteSource) -> Format:
    """The format of a pickle: whose it is, and how what is in it is exported."""
    modules = libraries_named(source, known=KNOWN_MODULES)
    return Format(code="pickle", what=f"{describe_pickle(modules)}, {RUNS_CODE}", hint=hint_for_pickle(modules))


def archive_format(source: ByteSource) -> Format | None:
    """The format of a ZIP archive, where the names in it tell."""
    return _held("zip", "a ZIP archive", member_names(source))


def folder_format(names: Iterable[str]) -> Format | None:
    """The format of a folder, where the names in it, with slashes, tell."""
    return _held("folder", "a folder", (name.encode("utf-8", "surrogateescape") for name in names))


def _held(code: str, container: str, names: Iterable[bytes]) -> Format | None:
    lines = b"\n".join(name for name in names if b"\n" not in name)
    found = next(((what, hint) for pattern, what, hint in _HOLDINGS if pattern.search(lines)), None)
    return None if found is None else Format(code=code, what=f"{container} {found[0]}", hint=found[1])


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
