"""Results to files: each format says the same, and a file is there whole or not at all."""

import csv
import io
import json
import os

import numpy as np
import pytest

from mlsign.errors import InputError, OutsideError
from mlsign.sandbox import results
from mlsign.sandbox.results import WRITERS, check_output_format, write_results

LABEL = np.array([1, 2], dtype=np.int64)
SCORES = np.array([[0.1, 0.9], [0.25, 0.75]], dtype=np.float32)
BOTH = {"label": LABEL, "scores": SCORES}
TEXTS = np.array(["a", "ü,\n"], dtype=object)
MAPS = [{7: 0.5, 9: 0.5}, {7: 1.0, 9: 0.0}]


def code_of(path, values):
    with pytest.raises(InputError) as caught:
        write_results(path, values)
    assert list(path.parent.iterdir()) == []
    return caught.value.code


def test_npz(tmp_path):
    path = tmp_path / "y.npz"
    write_results(path, {**BOTH, "t": TEXTS})
    with np.load(path, allow_pickle=False) as found:
        assert np.array_equal(found["label"], LABEL)
        assert np.array_equal(found["scores"], SCORES)
        assert found["scores"].dtype == np.float32
        assert found["t"].tolist() == TEXTS.tolist()
    first = path.read_bytes()
    write_results(path, {**BOTH, "t": TEXTS})
    assert path.read_bytes() == first


def test_npy(tmp_path):
    path = tmp_path / "y.npy"
    write_results(path, {"scores": SCORES})
    assert np.array_equal(np.load(path), SCORES)


def test_json_is_exact(tmp_path):
    path = tmp_path / "y.json"
    odd = np.array([np.nan, np.inf, -np.inf, 0.1], dtype=np.float32)
    write_results(path, {**BOTH, "t": TEXTS, "z": MAPS, "odd": odd, "none": None, "s": [SCORES]})
    found = json.loads(path.read_text())["outputs"]
    assert np.array_equal(np.array(found["scores"], np.float32), SCORES)
    assert found["label"] == [1, 2]
    assert found["t"] == TEXTS.tolist()
    assert found["z"] == [{"7": 0.5, "9": 0.5}, {"7": 1.0, "9": 0.0}]
    assert found["odd"] == ["NaN", "Infinity", "-Infinity", float(np.float32(0.1))]
    assert found["none"] is None
    assert np.array_equal(np.array(found["s"][0], np.float32), SCORES)


def test_json_of_sequences_and_optionals(tmp_path):
    write_results(tmp_path / "y.json", {"q": [LABEL, LABEL[:0]], "o": None, "b": np.array([0x3F80], np.uint16)})
    assert json.loads((tmp_path / "y.json").read_text())["outputs"] == {"q": [LABEL.tolist(), []], "o": None, "b": [0x3F80]}


def test_csv(tmp_path):
    path = tmp_path / "y.csv"
    write_results(path, {**BOTH, "t": TEXTS, "z": MAPS, "one": SCORES[:, :1]})
    rows = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))
    assert rows[0] == ["label", "scores.0", "scores.1", "t", "z.7", "z.9", "one"]
    assert rows[2][0] == "2"
    assert rows[2][3:6] == ["ü,\n", "1.0", "0.0"]
    assert np.float32(rows[1][1]) == SCORES[0, 0]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("y.npy", BOTH),
        ("y.npy", {"z": MAPS}),
        ("y.npz", {"z": MAPS}),
        ("y.npz", {"o": None}),
        ("y.npy", {"o": None}),
        ("y.csv", {"o": None}),
        ("y.npz", {"q": [SCORES, SCORES]}),
        ("y.npz", {"a/../../b": LABEL}),
        ("y.npz", {"..\\b": LABEL}),
        ("y.npz", {"/etc/x": LABEL}),
        ("y.npz", {"\\\\host\\x": LABEL}),
        ("y.npz", {"C:x": LABEL}),
        ("y.npz", {"a\0b": LABEL, "a": LABEL}),
        ("y.npz", {"t": np.array(["a", "b\0"], dtype=object)}),
        ("y.npy", {"t": np.array([["a\0"]], dtype=object)}),
        ("y.npy", {"t": np.array(["x" * 40_000, *[""] * 40_000], dtype=object)}),
        ("y.npz", {"t": np.array(["x" * 40_000, *[""] * 40_000], dtype=object)}),
        ("y.json", {"z": [{"a": 1j}]}),
        ("y.json", {"a": np.broadcast_to(np.uint8(1), (2_000_000, *[1] * 30))}),
        ("y.json", {"a": [np.broadcast_to(np.uint8(1), (10_000, 10_000))]}),
        ("y.csv", {"a": np.broadcast_to(np.float32(1), (10_000, 10_000))}),
        ("y.csv", {"a": np.broadcast_to(np.float32(1), (100_000_000,))}),
        ("y.csv", {"p": np.array([[1, 2], [3, 4]]), "p.0": LABEL}),
        ("y.csv", {"p.7": LABEL, "p": MAPS}),
        ("y.json", {"c": SCORES.astype(np.complex64)}),
        ("y.csv", {"a": LABEL, "b": SCORES[:1]}),
        ("y.csv", {"a": np.zeros((2, 2, 2))}),
        ("y.csv", {"a": np.array(1.0)}),
        ("y.csv", {"a": [{1: 2}, {3: 4}]}),
        ("y.csv", {"a": []}),
    ],
)
def test_what_a_format_cannot_hold_is_refused_and_nothing_written(tmp_path, name, values):
    assert code_of(tmp_path / name, values) == "output.kind"


def test_formats_are_known_before_anything_is_scored(tmp_path):
    for name in WRITERS:
        check_output_format(tmp_path / f"y{name}")
    with pytest.raises(InputError) as caught:
        check_output_format(tmp_path / "y.xlsx")
    assert caught.value.code == "output.format"
    assert code_of(tmp_path / "y.xlsx", BOTH) == "output.format"


def test_texts_survive_as_they_are(tmp_path):
    odd = np.array(["a\0b", "", "=1+1", "\0c", " "], dtype=object)
    write_results(tmp_path / "y.npy", {"t": odd})
    assert np.load(tmp_path / "y.npy").tolist() == odd.tolist()
    write_results(tmp_path / "y.npz", {"t": odd.reshape(5, 1)[:0], "Identity:0": LABEL})
    with np.load(tmp_path / "y.npz") as found:
        assert found["t"].shape == (0, 1)
        assert found["Identity:0"].tolist() == [1, 2]
    wide = np.array(["x" * 40_000, *[""] * 40_000, "\0"], dtype=object)
    write_results(tmp_path / "y.json", {"t": wide})
    assert json.loads((tmp_path / "y.json").read_text())["outputs"]["t"] == wide.tolist()
    write_results(tmp_path / "y.csv", {"t": np.array(["=1+1", "-x"], dtype=object)})
    assert (tmp_path / "y.csv").read_text() == "t\n=1+1\n-x\n"


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, name):
    path = tmp_path / f"y{name}"
    path.write_text("old")

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.os, "fsync", full)
    with pytest.raises(OutsideError) as caught:
        write_results(path, {"a": LABEL})
    assert caught.value.code == "output.unwritable"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    write_results(path, {"a": LABEL})
    assert path.read_bytes() != b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutsideError):
        write_results(tmp_path / "nowhere" / "y.npy", {"a": LABEL})


def test_new_files_have_ordinary_rights(tmp_path):
    old = os.umask(0o022)
    try:
        write_results(tmp_path / "y.npy", {"a": LABEL})
    finally:
        os.umask(old)
    assert (tmp_path / "y.npy").stat().st_mode & 0o777 == 0o644
