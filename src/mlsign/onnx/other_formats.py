"""What a file is that is no ONNX model: known formats by their first bytes, pickles by their opcodes, text by its letters.

Owns the names of other formats. Leaves ONNX itself to ``inspect``. Every writer begins a model with the tag of its IR
version, but readers take fields in any order; so what is refused here before reading is what no reader takes for a
model: a tag that ``ModelProto`` does not have, or has with another wire type, or a text that starts with NULs. A file
whose first bytes run code when a pickle loader sees them is a pickle, whatever else it may be, and one that ends as an
archive is an archive.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from mlsign.errors import InputError
from mlsign.limits import Limits
from mlsign.onnx.archives import ends_as_archive
from mlsign.onnx.pickles import is_pickle
from mlsign.source import ByteSource

_HEAD_BYTES: Final = 512

_RUNS_CODE: Final = "which runs code when it is loaded"
_MAGICS: Final = (
    (0, rb"PK\x03\x04.{22}..\0\0[^/]{1,200}/data\.pkl", "zip", "a ZIP archive of PyTorch, with a Python pickle in it"),
    (0, rb"PK\x03\x04.{22}.{4}[^/]{1,200}\.npy", "zip", "a ZIP archive of NumPy arrays"),
    (0, rb"PK(\x03\x04|\x07\x08)", "zip", "a ZIP archive (PyTorch, TorchScript, NumPy and Keras save such files)"),
    (0, rb"PK\x05\x06", "zip", "an empty ZIP archive"),
    (
        0,
        rb"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19\.",
        "pickle",
        f"a PyTorch file of the old kind: a Python pickle, {_RUNS_CODE}",
    ),
    (0, rb"\x80[\x00-\x07]", "pickle", f"a Python pickle, {_RUNS_CODE}"),
    (2, rb"\0\0ORTM", "ort", "an ORT flatbuffer, the internal format of onnxruntime"),
    (2, rb"\0\0TFL3", "tflite", "a TensorFlow Lite model"),
    (2, rb"\0\0(ET\d\d|PTMF)", "executorch", "a flatbuffer of PyTorch for mobile devices"),
    (0, rb"\x89HDF\r\n\x1a\n", "hdf5", "an HDF5 file (Keras saves such files)"),
    (0, rb"\x1f\x8b", "gzip", "compressed with gzip"),
    (0, rb"BZh[1-9]1AY&SY", "bzip2", "compressed with bzip2"),
    (0, rb"BZh[1-9]\x17\x72\x45\x38\x50\x90", "bzip2", "compressed with bzip2, and empty"),
    (0, rb"\xfd7zXZ\x00", "xz", "compressed with xz"),
    (0, rb"\x28\xb5\x2f\xfd", "zstd", "compressed with zstd"),
    (0, rb"\x04\x22\x4d\x18", "lz4", "compressed with lz4"),
    (0, rb"\x5d\0\0", "lzma", "compressed with LZMA"),
    (0, rb"x[\x01\x5e\x9c\xda]", "zlib", "compressed with zlib (joblib saves such files)"),
    (0, rb"Rar!\x1a\x07", "rar", "a RAR archive"),
    (0, rb"7z\xbc\xaf\x27\x1c", "7z", "a 7z archive"),
    (256, rb"\0ustar", "tar", "a tar archive"),
    (0, rb"GGUF|lmgg|tjgg", "gguf", "a GGUF or GGML model"),
    (3, rb"\0{5}\{", "safetensors", "a safetensors file: weights without a graph"),
    (0, rb"\x93NUMPY", "numpy", "a NumPy array"),
    (0, rb"[pf]trt", "tensorrt", f"a TensorRT engine, compiled code {_RUNS_CODE.removeprefix('which ')}"),
    (0, rb"\xac\xed\x00\x05", "java", f"Java serialization, {_RUNS_CODE}"),
    (0, rb"RD[AX][23]\n", "r", f"R serialization, {_RUNS_CODE}"),
    (0, rb"\x7fELF|MZ.{58}..\0\0", "executable", "an executable program"),
    (0, rb"%PDF-", "pdf", "a PDF document"),
    (0, rb"version https://git-lfs", "git_lfs", "a Git LFS pointer: the model itself was not fetched"),
    (0, rb"(\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\0\s]*<[\0\s]*(\?|P\0?M\0?M\0?L)", "xml", "XML (PMML is such a format)"),
    (0, rb"\xef\xbb\xbf|\xff\xfe|\xfe\xff|\s*[<\[{]", "text", "text, such as JSON, markup or the textual form of ONNX"),
)
"""Files that people call ``.onnx`` by mistake or on purpose: where, what is there, the end of the error code, in words."""
_COMPILED: Final = tuple((offset, re.compile(pattern, re.DOTALL), name, what) for offset, pattern, name, what in _MAGICS)

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
    for offset, pattern, name, what in _COMPILED:
        if pattern.match(head, offset):
            raise _other(name, what)
    if is_pickle(source):
        raise _other("pickle", f"a Python pickle, {_RUNS_CODE}")
    if other := _other_protobuf(head, source):
        raise _other(*other)
    if ends_as_archive(source):
        raise InputError(
            "the file ends as a ZIP archive does, so it is two files in one: what opens it as an archive sees another",
            code="onnx.magic.zip",
            expected="an ONNX model and nothing else",
            found="the directory of a ZIP archive at its end",
            hint="treat it as hostile; if the model is your own, write it anew without the archive",
        )


def refusal_of_text(source: ByteSource) -> InputError | None:
    """``onnx.magic.text`` for a file that starts with nothing but text. To be asked only of what could not be read."""
    head = source.read_at(0, min(_HEAD_BYTES, source.size))
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) == source.size)
    except UnicodeDecodeError:
        return None
    return _other("text", "text") if all(char.isprintable() or char in "\t\r\n\f" for char in text) else None


def _other(name: str, what: str) -> InputError:
    return InputError(
        f"the file is not an ONNX model but {what}",
        code=f"onnx.magic.{name}",
        expected="an ONNX model",
        found=what,
        hint="export the model to ONNX and pack that file",
    )


def _other_protobuf(head: bytes, source: ByteSource) -> tuple[str, str] | None:
    """Models that start like ONNX: a version, then as field 2 a message where ONNX has a name; told apart by what follows."""
    match = _SECOND_FIELD.match(head)
    if match is None:
        return None
    at = match.end() + sum((byte & 127) << 7 * index for index, byte in enumerate(match[1]))
    if at < source.size and _CORE_ML.match(source.read_at(at, min(8, source.size - at))):
        return "coreml", "a Core ML model"
    if at == source.size and head[match.end() :].startswith((b"\x0a", b"\x12")):
        return "tensorflow", "a TensorFlow SavedModel"
    return None
