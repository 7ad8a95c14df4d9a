"""onnxruntime's telemetry is switched off before onnxruntime is imported, wherever that is.

From version 1.29 on its wheels start a thread and write files as soon as they are imported, and look at the environment only once.
That the switch does what it says is tried in ``tests/jail/test_jail_telemetry.py``.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SWITCH = "ORT_DISABLE_TELEMETRY"
SOURCES = ROOT / "src" / "mlsign"
FOLDERS = ("bench", "docs", "examples", "fuzz", "tests")
PROGRAMS = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
_IN_TEXT = re.compile(r"^\s*(?:import|from)\b[^\n]*\bonnxruntime\b", re.MULTILINE)


def imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every module that is imported anywhere in a file, at its top, in a function or by name, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, node.lineno) for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield module, node.lineno
                yield from ((f"{module}.{alias.name}", node.lineno) for alias in names)
            case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]) if getattr(
                func, "attr", getattr(func, "id", "")
            ) in {"importorskip", "import_module", "__import__"}:
                yield name, node.lineno


def is_runtime(name: str) -> bool:
    return name == "onnxruntime" or name.startswith("onnxruntime.")


def inside() -> frozenset[str]:
    """The modules of ours that bring onnxruntime in, directly or by another."""
    trees = {
        ".".join(("mlsign", *path.relative_to(SOURCES).with_suffix("").parts)): ast.parse(path.read_text(encoding="utf-8"))
        for path in SOURCES.rglob("*.py")
    }
    found = {name for name, tree in trees.items() if any(is_runtime(other) for other, _ in imported(tree))}
    while more := {name for name, tree in trees.items() if name not in found and any(o in found for o, _ in imported(tree))}:
        found |= more
    return frozenset(found)


INSIDE = inside()


ENTRIES = frozenset({"mlsign.sandbox.zygote_onnxruntime", "mlsign.sandbox.gvisor.worker"})
"""What is run as a process of its own, by ``zygote_host`` and under gVisor."""


def test_in_the_library_onnxruntime_is_reached_by_those_processes_alone() -> None:
    """Nothing that brings it in is imported by what a program of ours or of others imports."""
    assert "mlsign.sandbox.onnxruntime.engine" in INSIDE
    assert all(name.startswith("mlsign.sandbox.") for name in INSIDE)
    text = {name: (ROOT / "src" / (name.replace(".", "/") + ".py")).read_text(encoding="utf-8") for name in INSIDE}
    importers = {name: {other for other in INSIDE if name in dict(imported(ast.parse(text[other])))} for name in INSIDE}
    roots = {name for name, others in importers.items() if not others}
    assert roots
    assert roots <= ENTRIES


def test_those_processes_are_started_with_the_switch() -> None:
    from mlsign.sandbox.zygote_host import ENVIRONMENT

    assert ENVIRONMENT[SWITCH] == "1"
    starts = {"Popen": [], "run": [], "env": []}
    for path in sorted((SOURCES / "sandbox").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case (
                    ast.Call(func=ast.Attribute(attr="Popen" as how))
                    | ast.Call(func=ast.Attribute(attr="run" as how, value=ast.Name(id="subprocess")))
                ):
                    starts[how] += [ast.unparse(k.value) for k in node.keywords if k.arg == "env"] or [path.name]
                case ast.Dict(keys=keys, values=values):  # of the bundle that gVisor runs
                    starts["env"] += [
                        ast.unparse(v) for k, v in zip(keys, values, strict=True) if getattr(k, "value", "") == "env"
                    ]
    assert (set(starts["Popen"]), starts["run"]) == ({"dict(ENVIRONMENT)"}, [])
    assert all("ENVIRONMENT.items()" in words for words in starts["env"])


def needs_it(path: Path) -> int:
    """The first line of a program that imports onnxruntime, or runs another one that does; 0 for none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lines = [line for name, line in imported(tree) if is_runtime(name) or name in INSIDE]
    texts = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Constant) and _IN_TEXT.search(str(node.value))]
    if any(ast.unparse(node.value) == f"os.environ | {{'{SWITCH}': '1'}}" for node in ast.walk(tree) if is_environment(node)):
        texts = []  # it runs that program with the switch
    return min([*lines, *texts], default=0)


def is_environment(node: ast.AST) -> bool:
    return isinstance(node, ast.keyword) and node.arg == "env"


def switched_at(path: Path) -> int:
    """The line at the top of a program that sets the switch for itself and what it starts; 0 for none."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node) == f"os.environ['{SWITCH}'] = '1'":
            return node.lineno
    return 0


def under_the_switch(path: Path) -> bool:
    """What tests start inherits it from their ``conftest``; what the sandbox starts gets it from the environment of workers."""
    if path.is_relative_to(ROOT / "tests"):
        return True
    text = path.read_text(encoding="utf-8")
    return path.name == "runtime_oracle.py" and "environment = {**ENVIRONMENT," in text and "env=environment" in text


@pytest.mark.parametrize("path", [p for p in PROGRAMS if needs_it(p)], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_programs_switch_it_off_first(path: Path) -> None:
    if not under_the_switch(path):
        assert 0 < switched_at(path) < needs_it(path)


def test_tests_switch_it_off_before_anything_of_theirs_is_imported() -> None:
    conftest = ROOT / "tests" / "conftest.py"
    first = min(
        line for name, line in imported(ast.parse(conftest.read_text(encoding="utf-8"))) if name.startswith(("making", "mlsign"))
    )
    assert 0 < switched_at(conftest) < first
    assert os.environ[SWITCH] == "1"
    above = [path for path in (ROOT / "conftest.py",) if path.exists()]
    assert above == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import onnxruntime", 1),
        ("def f():\n    import onnxruntime as rt", 2),
        ("from onnxruntime.quantization import quantize_static", 1),
        ("import pytest\nort = pytest.importorskip('onnxruntime')", 2),
        ("PROGRAM = '''\nimport sys, onnxruntime\n'''", 1),
        ("from mlsign.sandbox.onnxruntime import engine", 1),
        ("from mlsign.sandbox.onnxruntime.engine import warm", 1),
        ("import onnx  # not onnxruntime", 0),
        ("TEXT = 'onnxruntime may be imported'", 0),
    ],
)
def test_every_way_to_import_it_is_seen(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "program.py").write_text(text)
    assert needs_it(tmp_path / "program.py") == line


def test_a_switch_in_a_function_or_after_the_import_is_none(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"def f():\n    os.environ['{SWITCH}'] = '1'\nimport onnxruntime")
    assert switched_at(program) == 0
    program.write_text(f"import onnxruntime\nos.environ['{SWITCH}'] = '1'")
    assert switched_at(program) > needs_it(program) > 0
