"""Files that training tools save natively are named for what they are, and the way from there to ONNX is said."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsign.errors import InputError
from mlsign.onnx.archives import member_names
from mlsign.onnx.exports import DEFAULT_HINT, HINTS
from mlsign.onnx.insides import folder_format
from mlsign.onnx.inspect import read_model
from mlsign.source import MemorySource

PICKLE = b"\x80\x04\x8c\x0bsklearn.svm\x8c\x03SVC\x93)\x81."


def refusal(data: bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        read_model(MemorySource(data))
    return caught.value


def archive(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            file.writestr(name, b"content")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "code", "what", "hint"),
    [
        (b'{"learner":{"attributes":{}}}', "xgboost", "an XGBoost model (JSON)", "xgboost"),
        (b' {\n "learner" : {}}', "xgboost", "an XGBoost model (JSON)", "xgboost"),
        (b"{L" + bytes(7) + b"\x07learner{", "xgboost", "an XGBoost model (UBJSON)", "xgboost"),
        (
            b"binf" + b"\x1f" * 136 + b"\x10" + bytes(7) + b"reg:squarederror",
            "xgboost",
            "an XGBoost model in the binary format of before",
            "old_xgboost",
        ),
        (b"tree\nversion=v4\n", "lightgbm", "a LightGBM model (text)", "lightgbm"),
        (b"tree\r\nversion=v3\r\n", "lightgbm", "a LightGBM model (text)", "lightgbm"),
        (b"CBM1" + bytes(60), "catboost", "a CatBoost model", "catboost"),
        (b'{"ctr_data":{}}', "catboost", "a CatBoost model (JSON)", "catboost"),
        (b"\x89HDF\r\n\x1a\n" + bytes(60), "hdf5", "an HDF5 file (Keras saves such files)", "keras"),
        (b"RDX3\nX\n" + bytes(30), "r", "R serialization, which runs code when it is loaded", "r"),
        (b"X\n\0\0\0\2\0" + bytes(30), "r", "R serialization, which runs code when it is loaded", "r"),
        (b"\xac\xed\0\x05sr", "java", "Java serialization, which runs code when it is loaded", "java"),
        (b"<PMML/>", "xml", "PMML", "native"),
        (b'<?xml version="1.0"?>\n<PMML version="4.4">', "xml", "PMML", "native"),
        ('\ufeff<?xml version="1.0"?><PMML>'.encode("utf-16-le"), "xml", "PMML", "native"),
        (b'<?xml version="1.0"?><html>', "xml", "XML (PMML is such a format)", "native"),
        (b"GGUF\3\0\0\0", "gguf", "a GGUF or GGML model", "gguf"),
        (b'\x80\0\0\0\0\0\0\0{"w"', "safetensors", "a safetensors file: weights without a graph", "weights"),
        (b"\x1c\0\0\0TFL3" + bytes(24), "tflite", "a TensorFlow Lite model", "tflite"),
        (b"\x0a\x14\x0a\x01x\x12\x0bPlaceholder" + bytes(9), "tensorflow", "a frozen TensorFlow graph", "graph_def"),
    ],
)
def test_native_files(data, code, what, hint):
    error = refusal(data)
    assert (error.code, error.found, error.hint) == (f"onnx.magic.{code}", what, HINTS[hint])


@pytest.mark.parametrize(
    ("names", "what", "hint"),
    [
        (("m/data.pkl", "m/version"), "a ZIP archive of PyTorch, with a Python pickle in it", "torch"),
        (("m/data.pkl", "m/code/__torch__.py", "m/constants.pkl"), "a ZIP archive of TorchScript, with Python pickles in it", "torchscript"),
        (("m/data/weights/weight_0", "m/models/model.json", "m/archive_format"), "a ZIP archive of torch.export", "pt2"),
        (("metadata.json", "config.json", "model.weights.h5"), "a ZIP archive of Keras", "keras"),
        (("saved/fingerprint.pb", "saved/saved_model.pb"), "a ZIP archive with a TensorFlow SavedModel in it", "saved_model"),
        (("readme.txt", "deep/fraud.onnx"), "a ZIP archive with an ONNX file in it", "unpack"),
        (("Manifest.json", "Data/com.apple.CoreML/model.mlmodel"), "a ZIP archive of Core ML", "native"),
        (("model.ini", "boosterBytes"), "a ZIP archive of H2O (MOJO), with an XGBoost model in it", "mojo"),
        (("m/MLmodel", "m/conda.yaml"), "a ZIP archive of MLflow", "native"),
        (("config.json", "model-00001-of-00002.safetensors"), "a ZIP archive with weights in it and no graph", "weights"),
        (("mlsign.json", "model.onnx"), "a ZIP archive with a package in it", "package"),
        (("metadata/part-00000", "stages/0/x"), "a ZIP archive with a model of Spark in it", "spark"),
        (("a.npy",), "a ZIP archive of NumPy arrays", "weights"),
        (("a\nm/data.pkl", "b"), "a ZIP archive (PyTorch, TorchScript, NumPy and Keras save such files)", ""),
        ((), "an empty ZIP archive", ""),
    ],
)  # fmt: skip
def test_archives_are_known_by_the_names_in_them(names, what, hint):
    error = refusal(archive(*names))
    assert (error.code, error.found, error.hint) == ("onnx.magic.zip", what, HINTS[hint] if hint else DEFAULT_HINT)


def test_an_archive_whose_directory_cannot_be_read_is_known_by_its_first_member():
    assert "PyTorch" in refusal(archive("m/data.pkl", "m/x")[:80]).found
    without_end = archive("m/data.pkl")
    zip64 = without_end[:-6].replace(b"PK\x05\x06", b"PK\x05\x07")
    assert "PyTorch" in refusal(zip64).found


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["saved_model.pb", "variables"], "a folder with a TensorFlow SavedModel in it"),
        (["metadata", "stages", "metadata/part-00000-1-c000.txt"], "a folder with a model of Spark in it"),
        (["Manifest.json", "Data", "Data/com.apple.CoreML"], "a folder of Core ML"),
        (["mlsign.json", "model.onnx"], "a folder with a package in it"),
        (["\udcff", "MLmodel"], "a folder of MLflow"),
        (["a\nMLmodel", "photos"], None),
        ([], None),
    ],
)
def test_folders_are_known_by_the_names_in_them(names, what):
    known = folder_format(names)
    assert (known and known.what) == what


def entry(name: bytes, *, size: int | None = None) -> bytes:
    return b"PK\x01\x02" + bytes(24) + struct.pack("<HHH", len(name) if size is None else size, 0, 0) + bytes(12) + name


def end(*, size: int, offset: int) -> bytes:
    return b"PK\x05\x06" + bytes(8) + struct.pack("<II", size, offset) + bytes(2)


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (entry(b"a") + entry(b"b") + end(size=94, offset=0), (b"a", b"b")),
        (b"front" + entry(b"a") + end(size=47, offset=0), (b"a",)),  # found from the end
        (entry(b"a") + bytes(10) + end(size=47, offset=0), (b"a",)),  # found from the start
        (entry(b"a" * 40, size=60_000) + end(size=86, offset=0), (b"a" * 40,)),
        (entry(b"a") + entry(b"b")[:20] + end(size=2**32 - 1, offset=0), (b"a",)),
        (b"".join(entry(b"%d" % n) for n in range(1000)) + end(size=49_000, offset=0), tuple(b"%d" % n for n in range(256))),
        (b"PK\x03\x04" + bytes(30) + end(size=0xFFFFFFFF, offset=0xFFFFFFFF) * 3, (b"",)),
        (b"PK\x03\x04", (b"",)),
    ],
)
def test_names_of_hostile_directories(data, names):
    assert member_names(MemorySource(data)) == names


@given(st.binary(max_size=400))
def test_reading_names_raises_nothing(data):
    member_names(MemorySource(b"PK\x03\x04" + data))
    member_names(MemorySource(data + end(size=len(data), offset=0)))


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress], ids=["zlib", "gzip"])
@pytest.mark.parametrize(
    ("inside", "what"),
    [
        (PICKLE, "a Python pickle of scikit-learn, which runs code when it is loaded"),
        (PICKLE[2:], "a Python pickle of scikit-learn, which runs code when it is loaded"),
        (b"RDX3\nX\n" + bytes(30), "R serialization, which runs code when it is loaded"),
        (b"X\n\0\0\0\3\0\4\2\1" + bytes(30), "R serialization, which runs code when it is loaded"),
        (b"tree\nversion=v4\n", "a LightGBM model (text)"),
    ],
)
def test_what_is_compressed_is_named(pack, inside, what):
    name = pack.__module__.partition(".")[0]
    error = refusal(pack(inside))
    assert error.code == f"onnx.magic.{name}"
    assert error.found == f"compressed with {name}, and inside is {what}"
    assert error.hint.endswith(
        ("and pack that file; docs/training-tools.md says more", "convert that; docs/training-tools.md says more")
    )


@pytest.mark.parametrize(
    "data", [zlib.compress(b"\x08\x07 a model, or nothing"), b"x\x9c not a stream", b"\x1f\x8b\x08", zlib.compress(b"")]
)
def test_what_tells_nothing_inside_is_only_compressed(data):
    error = refusal(data)
    assert error.code in {"onnx.magic.zlib", "onnx.magic.gzip"}
    assert "inside" not in error.found
    assert error.hint == HINTS["packed"]


def test_a_bomb_is_unpacked_no_further_than_needed():
    bomb = zlib.compress(zlib.compress(b"N" * 20_000_000, 9), 9)
    assert len(bomb) < 5_000
    assert "inside is compressed with zlib" in refusal(bomb).found  # one layer, and the next one is only named
    assert "a Python pickle" in refusal(zlib.compress(b"N" * 20_000_000, 9)).found
