"""Whoever packs or looks at a model of another library is told what it is and which call makes ONNX of it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from mlsign.actions.inspection.inspect import inspect
from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.errors import InputError

SAVED = ("saved_model.pb", "variables/variables.index")
SPARK = ("metadata/part-00000-0f-c000.txt", "metadata/_SUCCESS", "stages/0_Forest/data/part-00000.parquet")


class Trap:
    """A pickle that touches a file when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def folder(place: Path, *names: str) -> Path:
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"x")
    return place


def refused_to_pack(model: Path, output: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        pack(PackRequest(model=model, output=output))
    assert not output.exists()
    return caught.value


@pytest.mark.parametrize("name", ["model.onnx", "model.pkl"])
def test_a_pickle_is_refused_by_name_of_its_library_and_not_loaded(tmp_path, name):
    mark = tmp_path / "loaded"
    model = b"\x80\x04\x8c\x0bsklearn.svm\x8c\x03SVC\x930" + pickle.dumps(Trap(mark), 4)[2:]
    (tmp_path / name).write_bytes(model)
    error = refused_to_pack(tmp_path / name, tmp_path / "out-1.0.0")
    assert error.code == "onnx.magic.pickle"
    assert "a Python pickle of scikit-learn" in error.message
    assert "skl2onnx.to_onnx" in error.hint
    with pytest.raises(InputError) as caught:
        inspect(tmp_path / name)
    assert caught.value.hint == error.hint
    assert not mark.exists()
    pickle.loads(model)  # noqa: S301 - the trap works, so nothing above loaded it
    assert mark.is_dir()


@pytest.mark.parametrize(
    ("names", "what", "call"),
    [
        (SAVED, "a TensorFlow SavedModel", "tf2onnx.convert --saved-model"),
        (SPARK, "a model of Spark", "onnxmltools.convert_sparkml"),
        (("MLmodel", "model.pkl"), "MLflow", "export the model from the library that trained it"),
        (
            ("Manifest.json", "Data/com.apple.CoreML/model.mlmodel"),
            "Core ML",
            "export the model from the library that trained it",
        ),
        (("config.json", "model.safetensors"), "weights in it and no graph", "torch.onnx.export"),
    ],
)
def test_folders_of_other_tools(tmp_path, names, what, call):
    path = folder(tmp_path / "model", *names)
    error = refused_to_pack(path, tmp_path / "out-1.0.0")
    assert (error.code, error.where) == ("file.kind", str(path))
    assert what in error.message
    assert call in error.hint
    with pytest.raises(InputError) as caught:
        inspect(path)
    assert caught.value.code == "inspect.model"
    assert what in caught.value.found
    assert call in caught.value.hint


def test_a_folder_with_a_model_in_it_and_a_package(tmp_path):
    assert "name the ONNX file itself" in refused_to_pack(folder(tmp_path / "a", "fraud.onnx"), tmp_path / "out-1.0.0").hint
    packed = refused_to_pack(folder(tmp_path / "b", "mlsign.json", "model.onnx"), tmp_path / "out-1.0.0")
    assert "packed already" in packed.hint


def test_folders_that_tell_nothing_are_refused_as_before(tmp_path):
    for path in (folder(tmp_path / "photos", "a.jpg"), folder(tmp_path / "lines", "a\nMLmodel")):
        assert refused_to_pack(path, tmp_path / "out-1.0.0").message == "is no regular file"
        with pytest.raises(InputError) as caught:
            inspect(path)
        assert (caught.value.found, caught.value.hint) == ("", "name the ONNX file itself")


def test_a_pipe_is_not_waited_for_and_a_crowded_folder_is_only_looked_into(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refused_to_pack(tmp_path / "pipe", tmp_path / "out-1.0.0").message == "is no regular file"
    crowded = folder(tmp_path / "crowded", *(f"{number}.jpg" for number in range(1200)))
    assert refused_to_pack(crowded, tmp_path / "out-1.0.0").code == "file.kind"
