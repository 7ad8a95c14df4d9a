"""Files to feeds: every format, and every way in which a file can be something else."""

import contextlib
import io
import os
import pickle
import zipfile

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsign.errors import InputError, OutsideError
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.limits import Limits
from mlsign.sandbox import feeds
from mlsign.sandbox.feeds import READERS, decode_npy, read_feeds
from mlsign.sandbox.tensors import check_feeds
from mlsign.sandbox.values import Absent


def spec(name="x", element="float", shape=("n", 2), kind=ValueKind.TENSOR):
    return ValueSpec(name=name, type=TypeSpec(kind=kind, element=element, shape=shape))


ONE = (spec(),)
COLUMNS = tuple(spec(name, shape=("n", 1)) for name in "abc")
X = np.array([[1, 2], [3, 4.5]], dtype=np.float32)


def read(tmp_path, name, data, inputs=ONE, **limits):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_feeds(path, inputs=inputs, limits=Limits(**limits))


def refused(tmp_path, name, data, inputs=ONE, **limits):
    with pytest.raises(InputError) as caught:
        read(tmp_path, name, data, inputs, **limits)
    return caught.value


def npy(array, **kwargs):
    stream = io.BytesIO()
    np.save(stream, array, **kwargs)
    return stream.getvalue()


def npz(**arrays):
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


# --- arrays ---


@pytest.mark.parametrize(
    "array", [X, X.T, np.asfortranarray(X), X[:0], np.array(1.5), np.array(["a", "ü"]), X.astype(">f8"), X > 2]
)
def test_npy_comes_back(tmp_path, array):
    found = read(tmp_path, "x.npy", npy(array))["x"]
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


def test_npy_is_split_over_single_columns(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = read(tmp_path, "x.npy", npy(array), COLUMNS)
    assert {name: value.tolist() for name, value in found.items()} == {"a": [[0], [3]], "b": [[1], [4]], "c": [[2], [5]]}
    assert refused(tmp_path, "x.npy", npy(array[:, :2]), COLUMNS).code == "input.shape"
    assert refused(tmp_path, "x.npy", npy(array), (*COLUMNS[:2], spec("c", shape=("n",)))).code == "input.shape"


def header(text, version=1):
    head = text.encode("latin1").ljust(117) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(head).to_bytes(2 if version == 1 else 4, "little") + head


GOOD_HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00",
        npy(X)[:-1],
        npy(X) + b"\0",
        header(GOOD_HEADER) + bytes(7),
        header(GOOD_HEADER, version=3) + bytes(8),
        header(GOOD_HEADER.replace("(2,)", "(99999999999999,)")) + bytes(8),
        header(GOOD_HEADER.replace("(2,)", "(-2,)")) + bytes(8),
        header(GOOD_HEADER.replace("(2,)", "(-1,-2)")) + bytes(8),
        header(GOOD_HEADER.replace("(2,)", "(0, 99999999999999999999)")),
        header(GOOD_HEADER.replace("<f4", "nonsense")) + bytes(8),
        header(GOOD_HEADER.replace("<f4", "|O")) + pickle.dumps(X.tolist()),
        header(GOOD_HEADER.replace("(2,)", "(True, 2)")) + bytes(8),
        header(GOOD_HEADER.replace("False", "0")) + bytes(8),
        header(GOOD_HEADER.replace("'<f4'", "[('a', '<f4')]")) + bytes(8),
        header(GOOD_HEADER.replace(", }", ", 'more': 1}")) + bytes(8),
        header(GOOD_HEADER.replace("(2,)", "[2]")) + bytes(8),
        header(GOOD_HEADER.replace("(2,)", "(" + "1," * 70 + "2,)")) + bytes(8),
        header("__import__('os')") + bytes(8),
        header("[" * 100) + bytes(8),
        npy(np.array([{"a": 1}]), allow_pickle=True),
        pickle.dumps(X),
    ],
)
def test_what_is_no_npy_is_refused(tmp_path, data):
    assert refused(tmp_path, "x.npy", data).code == "input.npy"


def test_nothing_is_ever_unpickled(tmp_path):
    mark = tmp_path / "mark"

    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(mark),))

    array = np.empty(1, dtype=object)
    array[0] = Evil()
    stream = io.BytesIO()
    np.savez(stream, x=array, allow_pickle=True)
    assert refused(tmp_path, "x.npy", npy(array, allow_pickle=True)).code == "input.npy"
    assert refused(tmp_path, "x.npz", stream.getvalue()).code == "input.npy"
    assert not mark.exists()
    np.load(io.BytesIO(npy(array, allow_pickle=True)), allow_pickle=True)
    assert mark.exists()  # so it would have


def test_npz_comes_back(tmp_path):
    found = read(tmp_path, "x.npz", npz(x=X, other=np.array(["a"])))
    assert np.array_equal(found["x"], X)
    assert found["other"].tolist() == ["a"]


def members(*pairs):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in pairs:
            archive.writestr(name, data)
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_is_no_npz_is_refused(tmp_path):
    assert refused(tmp_path, "x.npz", b"PK").code == "input.npz"
    assert refused(tmp_path, "x.npz", npz(x=X)[:-30]).code == "input.npz"
    assert refused(tmp_path, "x.npz", members(("x.npy", npy(X)), ("x.npy", npy(X)))).code == "input.npz"
    assert refused(tmp_path, "x.npz", members(("x.txt", npy(X)))).code == "input.npz"
    assert refused(tmp_path, "x.npz", members(("x.npy", b"nonsense"))).code == "input.npy"
    broken = bytearray(npz(x=X))
    broken[60] ^= 0xFF
    assert refused(tmp_path, "x.npz", bytes(broken)).code in ("input.npz", "input.npy")


def test_a_bomb_is_not_unpacked(tmp_path):
    bomb = npz(x=np.zeros(4_000_000, np.uint8))
    assert len(bomb) < 10_000
    assert refused(tmp_path, "x.npz", bomb, max_input_bytes=1_000_000).code == "input.size"


def test_a_bomb_that_lies_about_its_size_is_cut(tmp_path):
    honest = npz(x=np.zeros(4_000_000, np.uint8))
    size = (4_000_000 + 128).to_bytes(4, "little")
    assert honest.count(size) == 2  # in the local header and in the directory
    lying = honest.replace(size, (1000).to_bytes(4, "little"))
    assert refused(tmp_path, "x.npz", lying, max_input_bytes=1_000_000).code in ("input.npz", "input.npy")


def stored_as(compression):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("x.npy", npy(np.zeros((100, 2), np.float32)))
    return bytearray(stream.getvalue())


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("broken", [False, True])
def test_only_what_is_stored_or_deflated_is_unpacked(tmp_path, compression, broken):
    data = stored_as(compression)
    at = data.find(b"x.npy") + 5
    if broken:
        data[at + 4 : at + 17] = b"\xff" * 13
    assert refused(tmp_path, "x.npz", bytes(data)).code == "input.npz"


def test_a_member_that_is_not_deflate_is_refused(tmp_path):
    assert read(tmp_path, "x.npz", bytes(stored_as(zipfile.ZIP_STORED)))["x"].shape == (100, 2)
    for width in range(1, 12):
        data = stored_as(zipfile.ZIP_DEFLATED)
        at = data.find(b"x.npy") + 5
        data[at : at + width] = b"\xff" * width
        assert refused(tmp_path, "x.npz", bytes(data)).code in ("input.npz", "input.npy")


@pytest.mark.parametrize("descr", ["<U0", "|S0", "|V0"])
@pytest.mark.parametrize("shape", ["(100000000,)", "(3,)", "(0,)"])
def test_elements_of_no_bytes_are_refused(tmp_path, descr, shape):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    data = b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text
    assert refused(tmp_path, "x.npy", data, (spec(element="string", shape=("n",)),)).code == "input.npy"


def test_memory_that_is_not_there_is_said(tmp_path, monkeypatch):
    def none_left(*_):
        raise MemoryError

    monkeypatch.setattr(feeds, "READERS", {".npy": none_left})
    assert refused(tmp_path, "x.npy", npy(X)).code == "input.size"


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_npy_of_anything(data):
    for sample in (data, b"\x93NUMPY\x01\x00" + data, header(GOOD_HEADER)[:60] + data):
        with contextlib.suppress(InputError):
            decode_npy(sample, where="")


# --- JSON ---


@pytest.mark.parametrize(
    "text",
    [
        '{"inputs":{"x":[[1,2],[3,4.5]]}}',
        '{"x":[[1,2],[3,4.5]]}',
        "[[1,2],[3,4.5]]",
        '[{"x":[1,2]},{"x":[3,4.5]}]',
        ' { "x" : [ [ 1.0, 2 ], [3e0, 4.5] ] } ',
    ],
)
def test_json_in_each_form(tmp_path, text):
    found = read(tmp_path, "x.json", text)["x"]
    assert found.dtype == np.float32
    assert np.array_equal(found, X)


def test_json_rows_of_plain_numbers_feed_single_columns(tmp_path):
    found = read(tmp_path, "x.json", '[{"a":1,"b":2,"c":3},{"c":6,"b":5,"a":4}]', COLUMNS)
    assert {name: value.tolist() for name, value in found.items()} == {"a": [[1], [4]], "b": [[2], [5]], "c": [[3], [6]]}


def test_an_input_may_be_called_inputs(tmp_path):
    found = read(tmp_path, "x.json", '{"inputs":[[1,2]]}', (spec("inputs"),))
    assert found["inputs"].tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("text", "element", "code"),
    [
        ("[[1,2],[3]]", "float", "input.shape"),
        ("[[1,2],3]", "float", "input.shape"),
        ('[[1,{"a":1}]]', "float", "input.shape"),
        ('{"y":[1]}', "float", "input.name"),
        ('[{"x":[1,2]},{"y":[1,2]}]', "float", "input.name"),
        ('[{"x":[1,2],"y":1}]', "float", "input.name"),
        ("3", "float", "input.json"),
        ('"x"', "float", "input.json"),
        ("[[1,true]]", "float", "input.dtype"),
        ('[["1","2"]]', "float", "input.dtype"),
        ("[[1,null]]", "float", "input.dtype"),
        ("[[1e39,0]]", "float", "input.dtype"),
        ("[[70000.0,0]]", "float16", "input.dtype"),
        ("[[1.0,2]]", "int64", "input.dtype"),
        ("[[1,300]]", "uint8", "input.dtype"),
        ("[[1,-1]]", "uint64", "input.dtype"),
        ("[[1,0]]", "bool", "input.dtype"),
        ("[[1,0]]", "string", "input.dtype"),
        ("[[1,0]]", "complex64", "input.kind"),
        ("[[1,0]]", "bfloat16", "input.kind"),
        ("[[NaN,0]]", "float", "json.number"),
        ('{"x":[],"x":[]}', "float", "json.duplicate_key"),
        ("[[1,2]", "float", "json.syntax"),
        ("[" * 100 + "]" * 100, "float", "json.depth"),
    ],
)
def test_json_that_does_not_fit_is_refused(tmp_path, text, element, code):
    assert refused(tmp_path, "x.json", text, (spec(element=element),)).code == code


@pytest.mark.parametrize(
    ("element", "text", "values"),
    [
        ("uint8", "[[0,255]]", [[0, 255]]),
        ("int8", "[[-128,127]]", [[-128, 127]]),
        ("uint64", f"[[0,{2**63}]]", [[0, 2**63]]),
        ("int64", f"[[{-(2**63)},{2**63 - 1}]]", [[-(2**63), 2**63 - 1]]),
        ("bool", "[[true,false]]", [[True, False]]),
        ("string", '[["","ü"]]', [["", "ü"]]),
        ("double", "[[1e300,-0.0]]", [[1e300, -0.0]]),
        ("float16", "[[65504,0.5]]", [[65504, 0.5]]),
    ],
)
def test_json_keeps_the_values_of_each_type(tmp_path, element, text, values):
    assert read(tmp_path, "x.json", text, (spec(element=element),))["x"].tolist() == values


# --- CSV ---


@pytest.mark.parametrize(
    "text",
    [
        "f1,f2\n1,2\n3,4.5\n",
        "f1,f2\r\n1,2\r\n3,4.5",
        "\ufefff1,f2\n 1 ,+2\n3e0,4.5\n\n",
        '"f,1",f2\n1,2\n3,4.5\n',
        "0,1\n1,2\n3,4.5\n",
    ],
)
def test_csv_columns_feed_the_only_input(tmp_path, text):
    assert np.array_equal(read(tmp_path, "x.csv", text)["x"], X)


def test_csv_columns_by_name(tmp_path):
    inputs = (spec("a", shape=("n", 1)), spec("b", "int64", ("n",)), spec("t", "string", ("n", 1)), spec("o", "bool", (None,)))
    found = read(tmp_path, "x.csv", 'o,t,b,a\ntrue,"x,y",7,1.5\n0,,-8,nan\n', inputs)
    assert found["b"].tolist() == [7, -8]
    assert found["t"].tolist() == [["x,y"], [""]]
    assert found["o"].tolist() == [True, False]
    assert found["a"][0].tolist() == [1.5]
    assert np.isnan(found["a"][1, 0])


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("", "input.csv", ""),
        ("f1,f2\n1,2\n3\n", "input.csv", "line 3"),
        ("f1,f2\n1,2,3\n", "input.csv", "line 2"),
        ("f1,f2\n1,x\n", "input.csv", "line 2, column f2"),
        ("f1,f2\n1,\n", "input.csv", "line 2, column f2"),
        ("f1,f2\n1,1_0\n", "input.csv", "line 2, column f2"),
        ("f1,f2\n1,0x10\n", "input.csv", "line 2, column f2"),
        ("f1,f2\n1,\u0663\n", "input.csv", "line 2, column f2"),
        ("f1,f1\n1,2\n", "input.csv", "line 1"),
        ("1,2\n3,4\n", "input.csv", "line 1"),
        ("f1\n1\n", "input.shape", ""),
        ('f1,f2\n1,"2\n', "input.csv", "line 2"),
        ("f1,f2\n1," + "9" * 200_000 + "\n", "input.csv", "line 2"),
        ("f1,f2\n1,1e60\n", "input.dtype", "x"),
        ("f1,f2\n1,1e999\n", "input.csv", "line 2, column f2"),
        ("f1,f2\n-1e9999,1\n", "input.csv", "line 2, column f1"),
    ],
)
def test_csv_that_does_not_fit_is_refused_with_its_place(tmp_path, text, code, where):
    error = refused(tmp_path, "x.csv", text)
    assert (error.code, error.where) == (code, where)


def test_infinity_has_to_be_written_as_such(tmp_path):
    assert read(tmp_path, "x.csv", "a,b\ninf,-Infinity\n")["x"].tolist() == [[np.inf, -np.inf]]
    with pytest.raises(InputError):
        read(tmp_path, "x.csv", "a,b\n1e999,1\n", (spec(element="double"),))
    with pytest.raises(InputError):
        read(tmp_path, "x.json", "[[1e999,1]]", (spec(element="double"),))


@pytest.mark.parametrize(("element", "value", "nearest"), [("float", 2**24 + 1, 2**24), ("double", 2**53 + 1, 2**53)])
def test_whole_numbers_are_rounded_like_any_other_decimal(tmp_path, element, value, nearest):
    inputs = (spec(element=element),)
    assert read(tmp_path, "x.csv", f"a,b\n{value},{value}\n", inputs)["x"].tolist() == [[nearest, nearest]]
    assert read(tmp_path, "x.json", f"[[{value},{value}.0]]", inputs)["x"].tolist() == [[nearest, nearest]]


def test_csv_columns_that_are_no_inputs_are_refused(tmp_path):
    assert refused(tmp_path, "x.csv", "a,b\n1,2\n", COLUMNS).code == "input.name"
    assert refused(tmp_path, "x.csv", "a,b,c,d\n1,2,3,4\n", COLUMNS).code == "input.name"
    assert refused(tmp_path, "x.csv", "a,b\n1,2\n", (spec("a", shape=None),)).code == "input.name"
    assert refused(tmp_path, "x.csv", b"a,b\n\xff,2\n", COLUMNS).code == "input.csv"
    assert refused(tmp_path, "x.csv", "a,b,c\n1,2,1.5\n", (*COLUMNS[:2], spec("c", "int64", ("n",)))).code == "input.csv"


# --- the file itself ---


def test_files_that_cannot_be_read(tmp_path):
    assert refused(tmp_path, "x.pkl", b"").code == "input.format"
    assert refused(tmp_path, "x.npy", npy(X), max_input_bytes=len(npy(X)) - 1).code == "input.size"
    assert read(tmp_path, "X.NPY", npy(X))
    for name in READERS:
        (tmp_path / f"folder{name}").mkdir()
        for path in (tmp_path / f"missing{name}", tmp_path / f"folder{name}", tmp_path / "X.NPY" / f"x{name}"):
            with pytest.raises(InputError) as caught:
                read_feeds(path, inputs=ONE)
            assert caught.value.code == "input.file"
        (tmp_path / f"loop{name}").symlink_to(f"loop{name}")
        with pytest.raises(OutsideError) as failed:
            read_feeds(tmp_path / f"loop{name}", inputs=ONE)
        assert failed.value.code == "input.unreadable"


# --- sequences, maps, optionals, and elements that numpy has no name for ---

FLOATS = TypeSpec(kind=ValueKind.TENSOR, element="float", shape=("n", 2))


def typed(kind, inner=FLOATS, element="", name="x"):
    return ValueSpec(name=name, type=TypeSpec(kind=kind, element=element, inner=inner))


SEQUENCE = typed(ValueKind.SEQUENCE)
OPTIONAL = typed(ValueKind.OPTIONAL)
MAYBE_LIST = typed(ValueKind.OPTIONAL, TypeSpec(kind=ValueKind.SEQUENCE, inner=FLOATS))
TEXT_MAP, NUMBER_MAP = typed(ValueKind.MAP, element="string"), typed(ValueKind.MAP, element="int64")


def plain(value):
    if isinstance(value, np.ndarray):
        assert value.dtype == np.float32
        return value.tolist()
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ('{"x":[[[1,2]],[[3,4],[5,6]]]}', SEQUENCE, [[[1, 2]], [[3, 4], [5, 6]]]),
        ("[[[1,2]]]", SEQUENCE, [[[1, 2]]]),
        ('{"x":[]}', SEQUENCE, []),
        ('{"x":null}', OPTIONAL, None),
        ('{"inputs":{"x":[[1,2]]}}', OPTIONAL, [[1, 2]]),
        ('{"x":null}', MAYBE_LIST, None),
        ('{"x":[[[1,2]]]}', MAYBE_LIST, [[[1, 2]]]),
        ('{"x":{"a":1,"":0.5}}', TEXT_MAP, {"a": 1, "": 0.5}),
        ('{"x":{"-1":1,"7":0.5}}', NUMBER_MAP, {-1: 1, 7: 0.5}),
    ],
)
def test_json_of_other_kinds(tmp_path, text, value, expected):
    found = read(tmp_path, "x.json", text, (value,))
    assert plain(found["x"]) == expected
    assert check_feeds(found, inputs=(value,))


@pytest.mark.parametrize(
    ("text", "value", "code"),
    [
        ('{"x":{"a":1}}', SEQUENCE, "input.json"),
        ('{"x":3}', SEQUENCE, "input.json"),
        ('{"x":[[[1,2]],[[1],[2,3]]]}', SEQUENCE, "input.shape"),
        ('{"x":[[["a","b"]]]}', SEQUENCE, "input.dtype"),
        ('[{"x":[[1,2]]}]', SEQUENCE, "input.json"),
        ('[{"x":null}]', OPTIONAL, "input.json"),
        ('{"x":[null]}', OPTIONAL, "input.dtype"),
        ('{"x":[1,2]}', TEXT_MAP, "input.json"),
        ('{"x":{"a":"1"}}', TEXT_MAP, "input.dtype"),
        ('{"x":{"a":true}}', TEXT_MAP, "input.dtype"),
        ('{"x":{"a":[1]}}', TEXT_MAP, "input.dtype"),
        ('{"x":{"a":1}}', NUMBER_MAP, "input.dtype"),
        ('{"x":{"1":1,"+1":2}}', NUMBER_MAP, "input.dtype"),
        ('{"x":{"1":1,"01":2}}', NUMBER_MAP, "input.dtype"),
        ('{"x":{"1.0":1}}', NUMBER_MAP, "input.dtype"),
        ('{"x":[[1,2]]}', spec(element="bfloat16"), "input.kind"),
        ('{"x":[[1,2]]}', spec(element="float6e2m3"), "input.kind"),
        ('{"x":[[1,2]]}', typed(ValueKind.SEQUENCE, inner=None), "input.kind"),
        ('{"x":[[1,2]]}', typed(ValueKind.SPARSE_TENSOR, inner=None), "input.kind"),
    ],
)
def test_json_that_is_of_another_kind_is_refused(tmp_path, text, value, code):
    err = refused(tmp_path, "x.json", text, (value,))
    assert err.code == code
    if value.type.element == "bfloat16":
        assert "npz" in err.hint


def test_csv_has_no_place_for_other_kinds(tmp_path):
    for value in (SEQUENCE, TEXT_MAP, OPTIONAL):
        assert refused(tmp_path, "x.csv", "x\n1\n", (value,)).code == "input.name"


@pytest.mark.parametrize("element", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu"])
def test_arrays_of_elements_that_numpy_lacks_are_read_as_they_were_saved(tmp_path, element):
    array = np.array([[0.5, 2]], dtype=getattr(ml_dtypes, element))
    inputs = (
        spec(element=element.replace("_", "").removesuffix("fnu") if element.endswith("fnu") else element.replace("_", "")),
    )
    raw = array.view(np.uint16 if element == "bfloat16" else np.uint8)
    wanted = check_feeds({"x": raw}, inputs=inputs)
    assert wanted == check_feeds({"x": array}, inputs=inputs)
    for name, data in (("x.npy", npy(array)), ("x.npz", npz(x=array)), ("y.npy", npy(raw)), ("y.npz", npz(x=raw))):
        assert check_feeds(read(tmp_path, name, data, inputs), inputs=inputs) == wanted


@pytest.mark.parametrize("element", ["int4", "float", "string", "bfloat16"])
def test_bytes_without_a_type_are_taken_for_no_other_element(tmp_path, element):
    array = np.zeros((1, 2), "V1" if element in ("int4", "bfloat16") else "V4")
    inputs = (spec(element=element),)
    with pytest.raises(InputError) as caught:
        check_feeds(read(tmp_path, "x.npy", npy(array), inputs), inputs=inputs)
    assert caught.value.code == "input.dtype"


def test_an_npz_may_leave_optionals_out(tmp_path):
    inputs = (spec(), typed(ValueKind.OPTIONAL, name="o"))
    found = check_feeds(read(tmp_path, "x.npz", npz(x=X), inputs), inputs=inputs)
    assert found["o"] == Absent()
