"""The first bytes of formats that are not ONNX: a table, each with the end of its error code, its name in words, and what to do.

What is here is what no reader takes for a model: a tag that ``ModelProto`` does not have, or has with another wire type, or a
text that starts with NULs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mlsign.onnx.exports import DEFAULT_HINT, HINTS

RUNS_CODE: Final = "which runs code when it is loaded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format that is not ONNX. ``code`` ends the error code, ``what`` is the format in words."""

    code: str
    what: str
    hint: str = DEFAULT_HINT


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    offset: int
    pattern: re.Pattern[bytes]
    format: Format


def _start(offset: int, pattern: bytes, code: str, what: str, hint: str = "") -> _Start:
    known = Format(code=code, what=what, hint=HINTS[hint] if hint else DEFAULT_HINT)
    return _Start(offset=offset, pattern=re.compile(pattern, re.DOTALL), format=known)


PICKLE: Final = Format(code="pickle", what="a Python pickle")
_TEXT: Final = rb"(\xef\xbb\xbf|\xff\xfe|\xfe\xff)?"
_STARTS: Final = (
    # Before pickles: a header of 128 bytes, or a multiple of 256 more, has a length that begins like one.
    _start(3, rb"\0{5}\{", "safetensors", "a safetensors file: weights without a graph", "weights"),
    _start(0, rb"PK(\x03\x04|\x07\x08)", "zip", "a ZIP archive (PyTorch, TorchScript, NumPy and Keras save such files)"),
    _start(0, rb"PK\x05\x06", "zip", "an empty ZIP archive"),
    _start(
        0,
        rb"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19\.",
        "pickle",
        f"a PyTorch file of the old kind: a Python pickle, {RUNS_CODE}",
        "torch",
    ),
    _Start(offset=0, pattern=re.compile(rb"\x80[\x00-\x07]"), format=PICKLE),
    _start(2, rb"\0\0ORTM", "ort", "an ORT flatbuffer, the internal format of onnxruntime"),
    _start(2, rb"\0\0TFL3", "tflite", "a TensorFlow Lite model", "tflite"),
    _start(2, rb"\0\0(ET\d\d|PTMF)", "executorch", "a flatbuffer of PyTorch for mobile devices", "torch"),
    _start(0, rb"\x89HDF\r\n\x1a\n", "hdf5", "an HDF5 file (Keras saves such files)", "keras"),
    _start(0, rb"binf.{136}[\x01-\x40]\0{7}[a-z]+:", "xgboost", "an XGBoost model in the binary format of before", "old_xgboost"),
    _start(0, rb"\{[iUIlL]\0*\x07learner", "xgboost", "an XGBoost model (UBJSON)", "xgboost"),
    _start(0, rb"\s*\{\s*\"learner\"\s*:", "xgboost", "an XGBoost model (JSON)", "xgboost"),
    _start(0, rb"tree\r?\nversion=v", "lightgbm", "a LightGBM model (text)", "lightgbm"),
    _start(0, rb"CBM1", "catboost", "a CatBoost model", "catboost"),
    _start(
        0, rb"\{\s*\"(ctr_data|features_info|model_info|oblivious_trees)\"\s*:", "catboost", "a CatBoost model (JSON)", "catboost"
    ),
    _start(0, rb"\x1f\x8b", "gzip", "compressed with gzip", "packed"),
    _start(0, rb"BZh[1-9]1AY&SY", "bzip2", "compressed with bzip2 (joblib saves such files)", "packed"),
    _start(0, rb"BZh[1-9]\x17\x72\x45\x38\x50\x90", "bzip2", "compressed with bzip2, and empty"),
    _start(0, rb"\xfd7zXZ\x00", "xz", "compressed with xz (joblib saves such files)", "packed"),
    _start(0, rb"\x28\xb5\x2f\xfd", "zstd", "compressed with zstd", "packed"),
    _start(0, rb"\x04\x22\x4d\x18", "lz4", "compressed with lz4 (joblib saves such files)", "packed"),
    _start(0, rb"\x5d\0\0", "lzma", "compressed with LZMA (joblib saves such files)", "packed"),
    _start(0, rb"x[\x01\x5e\x9c\xda]", "zlib", "compressed with zlib (joblib saves such files)", "packed"),
    _start(0, rb"Rar!\x1a\x07", "rar", "a RAR archive", "unpack"),
    _start(0, rb"7z\xbc\xaf\x27\x1c", "7z", "a 7z archive", "unpack"),
    _start(256, rb"\0ustar", "tar", "a tar archive", "unpack"),
    _start(0, rb"GGUF|lmgg|tjgg", "gguf", "a GGUF or GGML model", "gguf"),
    _start(0, rb"\x93NUMPY", "numpy", "a NumPy array"),
    _start(0, rb"[pf]trt", "tensorrt", f"a TensorRT engine, compiled code {RUNS_CODE.removeprefix('which ')}", "native"),
    _start(0, rb"\xac\xed\x00\x05", "java", f"Java serialization, {RUNS_CODE}", "java"),
    _start(0, rb"RD[AX][23]\n|X\n\0\0\0[\2\3]\0", "r", f"R serialization, {RUNS_CODE}", "r"),
    _start(0, rb"\x7fELF|MZ.{58}..\0\0", "executable", "an executable program"),
    _start(0, rb"%PDF-", "pdf", "a PDF document"),
    _start(0, rb"version https://git-lfs", "git_lfs", "a Git LFS pointer: the model itself was not fetched", "lfs"),
    _start(
        0,
        rb"\x0a[\x80-\xff]{0,2}[\x01-\x7f]\x0a[\x01-\x7f][ -~]{1,127}\x12[\x05\x0b](Const|Placeholder)",
        "tensorflow",
        "a frozen TensorFlow graph",
        "graph_def",
    ),
    _start(0, _TEXT + rb"[\0\s]*<(.{0,400}<)?\0?P\0?M\0?M\0?L", "xml", "PMML", "native"),
    _start(0, _TEXT + rb"[\0\s]*<[\0\s]*\?", "xml", "XML (PMML is such a format)", "native"),
    _start(0, rb"\xef\xbb\xbf|\xff\xfe|\xfe\xff|\s*[<\[{]", "text", "text, such as JSON, markup or the textual form of ONNX"),
)
"""Files that people call ``.onnx`` by mistake or on purpose; the first that fits counts."""
CORE_ML: Final = Format(code="coreml", what="a Core ML model", hint=HINTS["native"])
SAVED_MODEL: Final = Format(code="tensorflow", what="a TensorFlow SavedModel", hint=HINTS["saved_model"])
PLAIN_TEXT: Final = Format(code="text", what="text")


def format_of(head: bytes) -> Format | None:
    """The format whose files begin like ``head``, where that is none of ONNX."""
    return next((start.format for start in _STARTS if start.pattern.match(head, start.offset)), None)
