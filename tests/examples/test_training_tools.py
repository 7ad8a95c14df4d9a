"""Models of each training library arrive: trained, exported, packed with the library's own answers, and scored to the same."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from mlsign.onnx.exports import LIBRARIES

ROOT = Path(__file__).resolve().parents[2]
TRAINING = ROOT / "examples" / "training"
PAGE = ROOT / "docs" / "training-tools.md"
PYTHONS = tuple(filter(None, (os.environ.get("MLSIGN_TRAINING_PYTHON"), sys.executable)))
"""Where the libraries may be installed: an environment made for them, and this one."""
PROBE = "import importlib.util, sys; sys.exit(any(importlib.util.find_spec(name) is None for name in sys.argv[1:]))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script, the modules that it needs, and the outputs of its model that are numbers with a fraction."""

    name: str
    needs: tuple[str, ...]
    library: str
    outputs: tuple[str, ...]
    labels: str = ""


SCRIPTS = (
    Script(name="train_sklearn", needs=("skl2onnx",), library="sklearn", outputs=("probabilities",), labels="label"),
    Script(name="train_lightgbm", needs=("lightgbm", "onnxmltools"), library="lightgbm", outputs=("variable",)),
    Script(name="train_xgboost", needs=("xgboost", "onnxmltools"), library="xgboost", outputs=("probabilities",), labels="label"),
    Script(name="convert_xgboost_file", needs=("xgboost", "onnxmltools"), library="xgboost", outputs=("probabilities",), labels="label"),
    Script(name="convert_lightgbm_file", needs=("lightgbm", "onnxmltools"), library="lightgbm", outputs=("probabilities",), labels="label"),
    Script(name="train_spark", needs=("pyspark", "pandas", "onnxmltools"), library="pyspark", outputs=("probability",), labels="prediction"),
    Script(name="train_pytorch", needs=("torch", "onnxscript"), library="torch", outputs=("probabilities",)),
    Script(name="train_keras", needs=("keras", "tensorflow", "tf2onnx"), library="tensorflow", outputs=("output_0",)),
)  # fmt: skip


@cache
def python_with(*modules: str) -> str:
    """An interpreter that has mlsign, scikit-learn for its data sets, and these modules; empty where there is none."""
    wanted = ("mlsign", "sklearn", "onnx", *modules)
    return next((python for python in PYTHONS if subprocess.run([python, "-c", PROBE, *wanted]).returncode == 0), "")


def run(script: Script, place: Path, *, text: str = "") -> subprocess.CompletedProcess[str]:
    """The script, or ``text`` in its place, as a person would run it; what it makes is under ``place``."""
    python = python_with(*script.needs)
    if not python:
        pytest.skip(f"{' and '.join(script.needs)} are not all installed; MLSIGN_TRAINING_PYTHON names no Python that has them")
    if script.name == "train_spark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not here")
    path = TRAINING / f"{script.name}.py"
    if text:
        path = place / path.name
        path.write_text(text, encoding="utf-8")
        shutil.copy(TRAINING / "release.py", place)
    return subprocess.run(
        [python, path], cwd=place, env=environment_in(place), capture_output=True, text=True, timeout=550, check=False
    )


def environment_in(place: Path) -> dict[str, str]:
    """An environment in which a script keeps what it makes under ``place``."""
    (place / "tmp").mkdir()
    return os.environ | {"TMPDIR": str(place / "tmp"), "KERAS_HOME": str(place), "NO_COLOR": "1", "COLUMNS": "200"}


@pytest.mark.linux
@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_the_scores_are_those_of_the_training_library(script: Script, tmp_path: Path) -> None:
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " is allowed by the policy release" in done.stdout
    assert "answers as its golden test data says" in done.stdout
    assert re.findall(r"^(\w+): \d+ rows, largest difference", done.stdout, re.MULTILINE) == list(script.outputs)
    assert re.findall(r"^(\w+): \d+ rows, all equal$", done.stdout, re.MULTILINE) == [name for name in (script.labels,) if name]
    for runtime in ("onnxruntime", "reference"):
        assert re.search(rf"✓ {runtime} {script.outputs[0]}: ", done.stdout), f"no replay on {runtime}"
    assert "✗" not in done.stdout


@pytest.mark.linux
@pytest.mark.slow
@pytest.mark.parametrize("change", ["model.predict_proba(test_x) * 1.001", "model.predict_proba(test_x)[:, ::-1]"])
def test_answers_that_are_not_the_training_library_s_end_the_script(change: str, tmp_path: Path) -> None:
    text = (TRAINING / "train_sklearn.py").read_text(encoding="utf-8")
    assert text.count("model.predict_proba(test_x)") == 1
    done = run(SCRIPTS[0], tmp_path, text=text.replace("model.predict_proba(test_x)", change))
    assert done.returncode != 0
    assert "the model answers otherwise" in done.stderr
    assert "$ mlsign sign" not in done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_refused_pickle_names_the_export_that_the_script_shows(script: Script) -> None:
    """The last word of the call: ``to_onnx`` of ``skl2onnx.to_onnx(model, X[:1])``."""
    export = LIBRARIES[script.library][1]
    call = re.findall(r"[\w.]+(?=\()", export) or re.findall(r"-m ([\w.]+) ", export)
    assert call
    assert call[0].rpartition(".")[2] in (TRAINING / f"{script.name}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_the_page_has_the_script_and_its_tolerance(script: Script) -> None:
    text = (TRAINING / f"{script.name}.py").read_text(encoding="utf-8")
    found = re.search(r"rtol=([-.\de]+),\s+atol=([-.\de]+)", text)
    assert found is not None
    rows = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if f"({'../examples/training/' + script.name}.py)" in line
    ]
    assert rows
    assert all(f"`{found[1]}`, `{found[2]}`" in row for row in rows)


def test_a_name_that_no_package_can_have_is_refused_as_it_stands(tmp_path: Path) -> None:
    """As a native file can have it, after which the package is called."""
    program = (
        "import numpy as np; from pathlib import Path; from release import release;"
        f"release('two words', Path({str(ROOT / 'examples' / 'iris' / 'model.onnx')!r}), inputs={{'measurements': np.ones((1, 4))}},"
        " expected={'label': np.array(['setosa'])}, rtol=0, atol=0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=TRAINING, env=environment_in(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "mlsign: two words-1.0.0: two words is not a package name" in done.stderr


def test_every_script_is_tried() -> None:
    assert {path.stem for path in TRAINING.glob("*.py")} == {script.name for script in SCRIPTS} | {"native_files", "release"}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-torch.txt"])
def test_what_the_scripts_need_is_pinned(name: str) -> None:
    lines = [line for line in (TRAINING / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert lines
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", line) for line in lines)


def test_the_refusal_on_the_page_is_what_comes_out(tmp_path: Path) -> None:
    joblib, linear = (importlib.import_module(name) for name in ("joblib", "sklearn.linear_model"))
    joblib.dump(linear.LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), tmp_path / "model.joblib")
    page = PAGE.read_text(encoding="utf-8")
    command, *shown = re.findall(r"^    (.*)$", page[page.index("## What is refused") :], re.MULTILINE)
    assert command == "$ mlsign pack model.joblib -o fraud-1.2.0"
    done = subprocess.run(
        [Path(sys.executable).with_name("mlsign"), *command.split()[2:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.splitlines()) == (3, "", shown)
