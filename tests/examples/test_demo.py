"""The demo tells the story it promises, and notices when a step ends otherwise."""

import csv
import re
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as rt
import pytest

ROOT = Path(__file__).resolve().parents[2]

IRIS = ROOT / "examples" / "iris"


def _part(run: Any, command: str) -> str:
    """What came out of one command, up to the next one."""
    parts = re.split(r"^\$ ", run.stdout, flags=re.MULTILINE)
    found = [part for part in parts if part.startswith(command)]
    assert len(found) == 1, [part.splitlines()[0] for part in parts]
    return found[0]


def test_every_step_ends_as_it_should(demo: Any) -> None:
    assert (demo.code, demo.stderr) == (0, "")
    assert "All of it went as it should" in demo.stdout


def test_the_good_package_is_allowed(demo: Any) -> None:
    out = _part(demo, "mlsign verify iris-1.0.0")
    assert "iris 1.0.0 is allowed" in out
    assert "exit code" not in out


@pytest.mark.linux
def test_the_scores_are_those_of_the_plain_runtime(demo: Any) -> None:
    rows = np.loadtxt(IRIS / "rows.csv", delimiter=",", skiprows=1, dtype=np.float32)
    label, probabilities = rt.InferenceSession(IRIS / "model.onnx").run(None, {"measurements": rows})
    with (demo.folder / "scores.csv").open(encoding="utf-8", newline="") as file:
        header, *scored = csv.reader(file)
    assert header == ["label", "probabilities.0", "probabilities.1", "probabilities.2"]
    assert [row[0] for row in scored] == list(label)
    np.testing.assert_allclose(np.array([row[1:] for row in scored], dtype=np.float32), probabilities, rtol=1e-4)


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        ("mlsign verify tampered-1.0.0", {"MLS101", "MLS205", "MLS210"}),
        ("mlsign verify helpful-1.0.0", {"MLS382"}),
        ("mlsign score unsigned-1.0.0", {"MLS201", "MLS205"}),
    ],
)
def test_each_refusal_is_for_its_own_reason_and_no_other(demo: Any, command: str, codes: set[str]) -> None:
    out = _part(demo, command)
    assert "is DENIED by the policy baseline" in out
    assert "[exit code 1]" in out
    assert set(re.findall(r"^  [✗?] (MLS[0-9]{3})", out, flags=re.MULTILINE)) == codes


def test_what_is_denied_is_not_scored(demo: Any) -> None:
    assert not (demo.folder / "never.csv").exists()


def test_the_demo_notices_an_exit_code_that_it_did_not_expect(tmp_path, monkeypatch, capfd) -> None:
    spec = spec_from_file_location("demo_script", ROOT / "examples" / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    # Two commands that cannot end as they are expected to, in place of the story.
    monkeypatch.setattr(module, "release", lambda _: None)
    monkeypatch.setattr(module, "scoring", lambda demo: demo.run("mlsign inspect no-such-package"))
    monkeypatch.setattr(module, "refusals", lambda demo: demo.run("mlsign --version", expect=module.DENIED))
    assert module.main() == 1
    err = capfd.readouterr().err
    assert "mlsign inspect no-such-package: exit code 3, expected 0" in err
    assert "mlsign --version: exit code 0, expected 1" in err


def test_the_demo_touches_no_folder_that_it_did_not_make(tmp_path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "mine").write_text("precious")
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "demo.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "was not made by this demo" in done.stderr
    assert (tmp_path / "demo" / "mine").read_text() == "precious"


@pytest.mark.slow
@pytest.mark.parametrize(("script", "name"), [("train.py", "model.onnx"), ("make_refused.py", "refused.onnx")])
def test_the_scripts_write_models_that_say_the_same_as_the_shipped_ones(tmp_path, script: str, name: str) -> None:
    """Weights may differ in the last digits from machine to machine; structure and, for honest rows, answers do not."""
    shutil.copy(IRIS / script, tmp_path)
    subprocess.run([sys.executable, tmp_path / script], check=True, capture_output=True)
    rows = np.loadtxt(IRIS / "rows.csv", delimiter=",", skiprows=1, dtype=np.float32)
    made, shipped = (rt.InferenceSession(folder / name).run(None, {"measurements": rows}) for folder in (tmp_path, IRIS))
    assert list(made[0]) == list(shipped[0])
    np.testing.assert_allclose(made[1], shipped[1], atol=0.02)


def test_the_shipped_models_are_small() -> None:
    assert all((IRIS / name).stat().st_size < 20_000 for name in ("model.onnx", "refused.onnx", "rows.csv"))
