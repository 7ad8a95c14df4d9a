"""The shape of the code: sizes, names and what importing it costs. The floors themselves are import contracts."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mlsign

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "src" / "mlsign").rglob("*.py"))
MAX_LINES = 350
MAX_PUBLIC_METHODS = 8
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_a_module_fits_in_one_room(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES
    assert path.stem.strip("_") not in FORBIDDEN_NAMES


@pytest.mark.parametrize("path", [p for p in MODULES if p.stat().st_size], ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_a_module_says_what_it_owns(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_public_names_are_few_and_all_there() -> None:
    assert len(mlsign.__all__) <= 34  # every verb with what it takes and returns, and nothing else
    assert sorted(mlsign.__all__) == mlsign.__all__ or set(mlsign.__all__) == set(mlsign._HOMES)
    for name in mlsign.__all__:
        assert getattr(mlsign, name) is not None
    with pytest.raises(AttributeError):
        _ = mlsign.no_such_name


def test_only_entry_points_catch_everything() -> None:
    allowed = {
        "cli/main.py",
        "sandbox/onnxruntime/calls.py",
        "sandbox/onnxruntime/engine.py",
        "sandbox/worker.py",
        "serving/app.py",
        "serving/custodian.py",
        "serving/server.py",
    }
    found = {
        str(path.relative_to(ROOT / "src" / "mlsign"))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler) and (node.type is None or getattr(node.type, "id", "") == "Exception")
    }
    assert found <= allowed


def test_decisions_have_no_truth_value() -> None:
    names = {
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name == "__bool__"
    }
    assert names == set()


def _loaded_by(code: str) -> set[str]:
    probe = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_mlsign_loads_nothing_heavy() -> None:
    loaded = _loaded_by("import mlsign")
    assert loaded.isdisjoint(
        {"cryptography", "numpy", "onnxruntime", "typer", "rich", "ruamel.yaml", "blake3", "sigstore", "onnx"}
    )


def test_verifying_loads_neither_runtime_nor_arrays() -> None:
    loaded = _loaded_by("from mlsign.actions.verification.gate import Gate")
    assert loaded.isdisjoint({"numpy", "onnxruntime", "onnx", "sigstore", "typer", "rich", "google.protobuf"})


def test_the_command_line_starts_without_what_it_does_not_use() -> None:
    loaded = _loaded_by("import mlsign.cli.main")
    assert loaded.isdisjoint({"cryptography", "numpy", "onnxruntime", "onnx", "ruamel.yaml", "blake3", "sigstore"})
