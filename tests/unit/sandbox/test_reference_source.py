"""What the installed reference evaluator does beside calculating, read in its source: as ``docs/sandbox.md`` says, and nothing else.

A version of ``onnx`` that does more fails here before anybody relies on what the page says.
"""

import ast
import tomllib
from pathlib import Path

import onnx.reference
import pytest

from mlsign.sandbox.preconditions import OLDEST_ONNX
from mlsign.sandbox.reference import warming as reference_warming

ROOT = Path(onnx.reference.__file__).parent
CALLS = frozenset(
    {"eval", "exec", "compile", "open", "__import__", "input", "breakpoint", "import_module", "setlocale", "system", "popen"}
)
OWN_METHODS = frozenset({"eval"})
"""Methods of the evaluator's own that have the name of a function of Python."""
MODULES = frozenset(
    ("subprocess", "pickle", "importlib", "ctypes", "socket", "os", "shutil", "tempfile", "urllib", "runpy", "marshal", "threading",
     "multiprocessing", "pathlib", "PIL", "re2", "scipy", "torch")
)  # fmt: skip
KNOWN = {
    ("reference_evaluator.py", "open"),  # of a path, which it is never given
    ("ops/op_image_decoder.py", "PIL"),
    ("ops/op_image_decoder.py", "open"),  # of Pillow, over bytes
    ("ops/op_regex_full_match.py", "compile"),  # of a regular expression
    ("ops/op_string_normalizer.py", "setlocale"),
}


def found(tree: ast.Module) -> set[str]:
    out = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                out.add(name)
            case ast.Call(func=ast.Attribute(attr=name)) if name in CALLS - OWN_METHODS:
                out.add(name)
            case ast.Import(names=names):
                out |= {alias.name.partition(".")[0] for alias in names} & MODULES
            case ast.ImportFrom(module=str(module)):
                out |= {module.partition(".")[0]} & MODULES
    return out


def what_it_does() -> set[tuple[str, str]]:
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(ROOT.rglob("*.py"))}
    return {(path.relative_to(ROOT).as_posix(), name) for path, tree in trees.items() for name in found(tree)}


def test_the_evaluator_does_what_the_page_says_and_nothing_else():
    assert what_it_does() <= KNOWN


def test_the_extra_asks_for_the_oldest_version_that_is_taken():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["optional-dependencies"]["reference"] == [f"onnx>={'.'.join(map(str, OLDEST_ONNX))}"]


def test_no_domain_is_named_that_the_oldest_version_does_not_have():
    tree = ast.parse(Path(reference_warming.__file__).read_text(encoding="utf-8"))
    named = {
        alias.name
        for n in ast.walk(tree)
        if isinstance(n, ast.ImportFrom) and n.module == "onnx.reference.ops"
        for alias in n.names
    }
    assert named == {"aionnxml", "aionnx_preview_training"}  # 1.19 has no aionnx_preview


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("eval('1')", "eval"),
        ("import pickle", "pickle"),
        ("from os import path", "os"),
        ("f = importlib.import_module(x)", "import_module"),
    ],
)
def test_it_would_be_seen(text, name):
    assert name in found(ast.parse(text))
