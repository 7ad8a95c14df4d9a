"""Whose model a pickle is, read off its opcodes: known libraries alone, bounded, and never by loading it."""

from __future__ import annotations

import ast
import importlib
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsign.errors import InputError
from mlsign.onnx import exports, pickles
from mlsign.onnx.exports import KNOWN_MODULES, LIBRARIES, describe_pickle, hint_for_pickle
from mlsign.onnx.inspect import read_model
from mlsign.onnx.pickles import libraries_named
from mlsign.source import MemorySource

SOURCES = Path(exports.__file__).resolve().parents[1]


def refusal(data: bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        read_model(MemorySource(data))
    return caught.value


def named(data: bytes) -> tuple[str, ...]:
    return libraries_named(MemorySource(data), known=KNOWN_MODULES)


def short(text: bytes) -> bytes:
    """A text on the stack, as protocol 4 writes it."""
    return b"\x8c" + bytes((len(text),)) + text


def imported(module: bytes, name: bytes = b"Model") -> bytes:
    return short(module) + b"\x94" + short(name) + b"\x94\x93\x94"


class CountingSource(MemorySource):
    """Counts what is read of it."""

    read = 0

    def read_at(self, offset: int, length: int) -> bytes:
        self.read += length
        return super().read_at(offset, length)


@pytest.mark.parametrize("module", LIBRARIES)
def test_each_library_is_named_with_its_own_export(module):
    name, export = LIBRARIES[module]
    error = refusal(b"\x80\x04" + imported(f"{module}.inner.part".encode()) + b")\x81.")
    assert error.code == "onnx.magic.pickle"
    assert error.message == f"the file is not an ONNX model but a Python pickle of {name}, which runs code when it is loaded"
    assert error.hint.startswith("a pickle is a program that runs when it is loaded, so it is never loaded here")
    assert export in error.hint
    assert ("no export" in error.hint) is (not export)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_real_model_is_recognised_in_every_protocol_and_without_its_header(protocol):
    model = importlib.import_module("sklearn.linear_model").LogisticRegression()
    data = pickle.dumps({"threshold": 0.5, "names": [f"feature {n}" for n in range(500)], "model": [model]}, protocol)
    assert named(data) == ("sklearn",)
    assert "skl2onnx.to_onnx" in refusal(data).hint
    assert "skl2onnx.to_onnx" in refusal(data[2:] if protocol >= 2 else data).hint


@pytest.mark.parametrize("method", ["zlib", "gzip", "bz2", "xz", "lzma", "nothing"])
def test_what_joblib_writes(method, tmp_path):
    joblib = importlib.import_module("joblib")
    np = importlib.import_module("numpy")
    model = importlib.import_module("sklearn.linear_model").LinearRegression().fit(np.eye(200), np.arange(200))
    path = tmp_path / "model.joblib"
    joblib.dump(model, path, compress=0 if method == "nothing" else (method, 3))
    error = refusal(path.read_bytes())
    assert "joblib" in error.message + error.hint
    assert "pickle, a program that runs" in error.hint or "a pickle is a program that runs" in error.hint
    seen = method in {"zlib", "gzip", "nothing"}
    assert ("a Python pickle of scikit-learn, written by joblib" in error.message) is seen


@pytest.mark.parametrize(
    ("data", "modules"),
    [
        (b"\x80\x02csklearn.svm\nSVC\n)\x81.", ("sklearn",)),
        (b"(isklearn.svm\nSVC\n.", ("sklearn",)),
        (b"ctorch._utils\n_rebuild\n(ccollections\nOrderedDict\n.", ("torch",)),
        # Put into the memo and thrown away; fetched again where the import takes its name.
        (short(b"xgboost.core") + b"\x940N0" + b"h\0" + short(b"Booster") + b"\x93.", ("xgboost",)),
        # Pushed in the wrong order, with the memo of protocol 0 in between.
        (b"Vlightgbm.basic\np7\n0VBooster\np8\n0g7\ng8\n\x93.", ("lightgbm",)),
        (b"S'catboost.core'\nS'CatBoost'\n\x93.", ("catboost",)),
        (b"T" + (13).to_bytes(4, "little") + b"keras.src.mod" + short(b"Model") + b"\x93.", ("keras",)),
        # A name that is longer than what is read of it, behind a text that is longer still.
        (short(b"x" * 255) + imported(b"sklearn." + b"a" * 200) + b".", ("sklearn",)),
        (b"X" + (100_000).to_bytes(4, "little") + b"y" * 100_000 + imported(b"sklearn.svm") + b".", ("sklearn",)),
        # In the order in which they are named, each once.
        (imported(b"sklearn.pipeline") + imported(b"xgboost.sklearn") + imported(b"sklearn.svm") + b".", ("sklearn", "xgboost")),
        # A pickle behind the end of a pickle, as old PyTorch has several.
        (b"N." + imported(b"torch.nn") + b".", ("torch",)),
        # Nothing is imported: these are words.
        (short(b"sklearn.svm") + short(b"SVC") + b"\x86.", ()),
        # Other modules, and names that only begin like those of a library.
        (imported(b"sklearnish.svm") + b".", ()),
        (imported(b"not.sklearn.svm") + b".", ()),
        (imported(b"sklearn .svm") + b".", ()),
        (imported("sklеarn.svm".encode()) + b".", ()),  # a Cyrillic letter
        # Truncated in the middle of a name, of a length, and before its line ends.
        (b"\x80\x04" + imported(b"sklearn.svm")[:8], ()),
        (imported(b"sklearn.svm") + b"\x8c", ("sklearn",)),
        (b"csklearn.svm", ()),
        (imported(b"sklearn.svm") + b"\xff" + imported(b"torch.nn"), ("sklearn",)),
        (b"X\xff\xff\xff\xffsklearn.svm\x93", ()),
        # The name of a pickle within the bytes of another one is no import of that one.
        (b"B" + (40).to_bytes(4, "little") + imported(b"sklearn.svm").ljust(40, b"N") + b"\x93.", ()),
    ],
)
def test_names_of_libraries(data, modules):
    assert named(data) == modules


def test_how_the_first_and_the_others_are_told():
    assert describe_pickle(("sklearn", "joblib", "xgboost", "lightgbm")) == (
        "a Python pickle of scikit-learn with XGBoost and LightGBM in it, written by joblib"
    )
    assert describe_pickle(("imblearn", "sklearn")) == "a Python pickle of scikit-learn"
    assert describe_pickle(("cloudpickle",)) == "a Python pickle, written by cloudpickle"
    assert describe_pickle(()) == "a Python pickle"
    assert "skl2onnx.update_registered_converter for XGBoost" in hint_for_pickle(("sklearn", "xgboost"))
    assert "update_registered_converter" not in hint_for_pickle(("lightgbm", "sklearn"))
    assert "where the model was trained, export it to ONNX" in hint_for_pickle(("dill",))


def test_looking_is_bounded_however_the_pickle_is_made():
    for data in (
        b"N" * 5_000_000,
        short(b"sklearn.svm") * 400_000,
        (b"V" + b"a" * 60_000 + b"\n") * 2_000,
        b"c" + b"a" * 60_000 + b"\nb\n",
        (b"c" + b"a" * 100 + b"\nb\n") * 20_000,
    ):
        source = CountingSource(data)
        libraries_named(source, known=KNOWN_MODULES)
        assert source.read <= pickles._MAX_OPCODES * pickles._WINDOW + 3 * pickles._MAX_LINES_BYTES + pickles._LONG_NAMES
    assert named(b"N" * (pickles._MAX_OPCODES - 3) + b"csklearn.svm\nSVC\n.") == ("sklearn",)
    assert named(b"N" * pickles._MAX_OPCODES + b"csklearn.svm\nSVC\n.") == ()


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_nothing_of_the_file_gets_into_the_words(before, after):
    data = before + imported(b"sklearn.\x1b[31mred") + after
    modules = named(data)
    assert set(modules) <= KNOWN_MODULES
    words = describe_pickle(modules) + hint_for_pickle(modules)
    assert "red" not in words.replace("registered", "")
    assert words.isprintable()


def test_nothing_here_can_load_a_pickle():
    """No module of the product imports what loads one, and numpy is never told to."""
    loaders = {"pickle", "_pickle", "pickletools", "cloudpickle", "dill", "joblib", "marshal", "shelve", "torch", "copyreg"}
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & loaders, path
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant), path
                assert node.value.value is False, path
