"""What the page on golden data shows of making it is what really comes out."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from mlsign.sandbox.machine import platform_name
from mlsign.tensors.draws import GENERATOR

ROOT = Path(__file__).resolve().parents[2]
IRIS = ROOT / "examples" / "iris"
PAGE = (ROOT / "docs" / "golden.md").read_text(encoding="utf-8")
MAKING = PAGE[PAGE.index("## Making it") :].split("\n## ")[0]


@pytest.fixture
def place(tmp_path) -> Path:
    """The files that the page names; ``wrong`` is off by one part in a thousand."""
    shutil.copy(IRIS / "model.onnx", tmp_path / "iris.onnx")
    shutil.copy(IRIS / "rows.csv", tmp_path)
    rows = np.loadtxt(IRIS / "rows.csv", delimiter=",", skiprows=1, dtype=np.float32)
    session = ort.InferenceSession(tmp_path / "iris.onnx", providers=["CPUExecutionProvider"])
    label, chances = session.run(None, {"measurements": rows})
    for name, factor in (("iris", 1), ("wrong", 1.001)):
        np.savez(tmp_path / f"{name}.inputs.npz", measurements=rows)
        np.savez(tmp_path / f"{name}.outputs.npz", label=label.astype(str), probabilities=chances * np.float32(factor))
    return tmp_path


@pytest.mark.linux
def test_the_commands_print_what_is_shown(place):
    page = re.sub(r"^```.*?^```$", "", MAKING, flags=re.MULTILINE | re.DOTALL)
    blocks = [[line[4:] for line in part.splitlines()] for part in page.split("\n\n") if part.startswith("    $ mlsign ")]
    assert len(blocks) == 2
    for command, *shown in blocks:
        done = subprocess.run(
            [sys.executable, "-m", *command.removeprefix("$ ").split()], cwd=place, capture_output=True, text=True
        )
        printed = done.stderr.replace(
            f"onnxruntime {version('onnxruntime')} on {platform_name()}", "onnxruntime 1.32.0 on linux/amd64"
        )
        numbers = re.compile(r"[0-9]\.[0-9]{4,}")  # which another processor may end otherwise
        assert numbers.sub("0", printed).splitlines() == [numbers.sub("0", line) for line in shown]


def test_the_generator_has_the_name_that_is_written_down():
    assert f"`{GENERATOR}`" in MAKING


@pytest.mark.linux
def test_the_program_runs(place):
    (program,) = (
        text for text in re.findall(r"^```python\n(.*?)^```$", MAKING, re.MULTILINE | re.DOTALL) if "import mlsign" in text
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=place, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"[True, True, True, True]\nTrue {[None, 0] * 4}\n", "")
