"""Names of files: one reading on every system, or none."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsign.errors import InputError
from mlsign.limits import DEFAULT
from mlsign.paths import PackagePath, decode_path

GOOD = ("a", "model.onnx", "golden/test_data_set_0/input_0.pb", ".gitignore", "ä/漢字.txt", "a b", "a-b_c+d@e", "com", "nulx", "x" * 255, "con1", "a..b", "..a", "😀")  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_plain_names(text):
    path = decode_path(text)
    assert str(path) == path.text == text
    assert "/".join(path.parts) == text
    assert path.name == path.parts[-1]


BAD = {
    "": "length",
    "x" * 2000: "length",
    "x" * 256: "length",
    "ä" * 128: "length",
    "/a": "absolute",
    "//a": "absolute",
    "..": "escapes",
    "a/..": "escapes",
    "a/../b": "escapes",
    ".": "part",
    "./a": "part",
    "a//b": "part",
    "a/": "part",
    "a/./b": "part",
    "e\u0301": "normal_form",
    "\u212b": "normal_form",
    "a\\b": "character",
    "c:a": "character",
    "a:stream": "character",
    "a*": "character",
    'a"b': "character",
    "a<b": "character",
    "a|b": "character",
    "a?": "character",
    "a\0b": "character",
    "a\nb": "character",
    "a\x7f": "character",
    "a\u200bb": "character",
    "a\u202eb": "character",
    "a\u2028b": "character",
    "\ue000": "character",
    "\U000e0001": "character",
    "\ufeffa": "character",
    "a.": "device",
    "a ": "device",
    " a": "device",
    "a./b": "device",
    "con": "device",
    "CON": "device",
    "nul.txt": "device",
    "a/aux": "device",
    "com1": "device",
    "COM¹.x": "device",
    "lpt9": "device",
    "conin$": "device",
    "nul .txt": "device",
    "/".join("d" * 33): "depth",
    "a\ud800": "encoding",
}


@pytest.mark.parametrize(("text", "code"), BAD.items(), ids=lambda value: ascii(value)[:24])
def test_names_that_some_system_reads_differently(text, code):
    with pytest.raises(InputError) as caught:
        decode_path(text, where="files[0].path")
    assert (caught.value.code, caught.value.where) == (f"path.{code}", "files[0].path")
    assert "\n" not in str(caught.value)


def test_limits_are_those_that_are_given():
    tight = replace(DEFAULT, max_path_bytes=4, max_path_depth=2)
    assert decode_path("a/bc", limits=tight)
    for text in ("a/bcd", "a/b/"):
        with pytest.raises(InputError):
            decode_path(text, limits=tight)


def test_case_is_folded_as_file_systems_do():
    assert decode_path("Straße").folded == decode_path("STRASSE").folded
    assert decode_path("A/b").folded == decode_path("a/B").folded
    assert decode_path("a").folded != decode_path("b").folded


def test_beneath():
    path = PackagePath("signatures/x")
    assert path.is_under("signatures")
    assert path.is_under("signatures/x")
    assert not path.is_under("signature")
    assert not PackagePath("signatures2/x").is_under("signatures")
    assert min(PackagePath("b"), PackagePath("a")).text == "a"


@given(st.text(max_size=60))
def test_what_is_taken_has_one_reading(text):
    try:
        path = decode_path(text)
    except InputError as err:
        assert err.code.startswith("path.")
        return
    assert path.text == text
    assert decode_path(path.text) == path
    assert unicodedata.normalize("NFC", text) == text
    assert not text.startswith("/")
    assert ".." not in path.parts
    assert "" not in path.parts
