"""Files of other formats are known by what is in them, and no model is taken for one."""

from __future__ import annotations

import collections
import os
import pickle
import pickletools
from datetime import date

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsign.errors import InputError
from mlsign.limits import DEFAULT
from mlsign.onnx import pickles, schema
from mlsign.onnx.inspect import read_model
from mlsign.onnx.other_formats import refuse_other_formats
from mlsign.onnx.pickles import is_pickle
from mlsign.source import MemorySource


def code(data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        read_model(MemorySource(data))
    return caught.value.code


class Call:
    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return os.system, self.arguments


OBJECTS = {
    "a call": Call("true"),
    "a call behind much": [list(range(50)), Call("true"), list(range(50))],
    "a dictionary": {"a": 1, "b": [1.5, None, True], 2**70: b"x"},
    "a long list": list(range(1000)),
    "numbers": [0.1] * 300,
    "an object": collections.OrderedDict(a=1),
    "a date": date(2025, 1, 1),
    "a set": {1, 2},
    "a number": 5,
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", OBJECTS)
def test_pickles_are_known_with_their_header_and_without(name, protocol):
    data = pickle.dumps(OBJECTS[name], protocol)
    assert code(data) == "onnx.magic.pickle"
    assert is_pickle(MemorySource(data))
    if protocol >= 2:
        assert code(data[2:]) == "onnx.magic.pickle"


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"cposix\nsystem\n(S'true'\ntR", True),  # the loader fails behind it, and the call was made
        (b"cposix\nsystem\n(S'true'\ntR\xff\xff\xff", True),
        (b"iposix\nsystem\n", True),
        (b"cposix\nsystem\n.", True),
        (b"N.", True),
        (b"N. and text", False),
        (b".", False),
        (b"(" * 17, True),
        (b"(" * 17 + b"more", True),
        (b"(" * 16, False),
        (b"(" * 14 + b"S'a text'\nNN", True),
        (b"(" * 14 + b"S'a text'\nN", False),
        (b"(" * 14 + b"Sa text without quotes\nNN", False),
        (b"X\xff\xff\0\0" + bytes(50), False),
        (b"X\x00\x08\0\0" + b"a" * 2048 + b"cposix\nsystem\n)R.", True),
        (b"V" + b"a" * 2048 + b"\ncposix\nsystem\n)R.", True),
        (b"V" + b"a" * 70_000 + b"\ncposix\nsystem\n)R.", True),
        (b"S'" + b"a" * 3_000_000 + b"'\ncposix\nsystem\n)R.", True),
        (b"V" + b"a" * 3_000_000, False),
        (b"I2_0\ncposix\nsystem\n)R.", True),  # numbers as Python reads them
        (b"I" + b" " * 70_000 + b"+0x1\ncposix\nsystem\n)R.", True),
        (b"F 1_0e1 \ncposix\nsystem\n)R.", True),
        (b"Np 1_0 \ng1_0\ncposix\nsystem\n)R.", True),
        (b"c" + b"a" * 70_000 + b"\nsystem\n)R.", False),  # no module has such a name
        (b"c" + b"a." * 40 + b"a\nsystem\n)R.", True),
        ((b"c" + b"a." * 40 + b"a\nsystem\n0") * 6 + b"cposix\nsystem\n" + b")R." + b"a" * 100, True),
        (b"city\nberlin\nparis\n", False),
        (b"", False),
        (b"U", False),
    ],
)
def test_what_counts_as_a_pickle(data, answer):
    assert is_pickle(MemorySource(data)) is answer


@pytest.mark.parametrize(
    "text",
    [b"a" * 70_000 + b"\n0", b"a" * 9_000_000 + b"\n0", b"\n0I2_0\n0"],
    ids=["a long line", "a very long line", "a number"],
)
def test_a_model_that_is_a_pickle_as_well_is_refused_however_its_call_is_hidden(text, monkeypatch):
    """For a loader a mark, a text and a call; for ONNX a version of 86 and a doc string."""
    document = text + b"cposix\nsystem\n(S'true'\ntR."
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], []), opset_imports=[onnx.helper.make_opsetid("", 17)])
    head = b"\x28\x56" + onnx.ModelProto(doc_string=document.decode()).SerializeToString()
    data = head + model.SerializeToString()
    assert onnx.load_from_string(data).doc_string == document.decode()
    called = []
    monkeypatch.setattr("posix.system", called.append)
    pickle.loads(data)  # noqa: S301  it is the loader that matters
    assert called == ["true"]
    assert code(data) == "onnx.magic.pickle"


def test_the_opcodes_are_those_of_python():
    ours = pickles._PLAIN | set(pickles._SIZED) | set(pickles._COUNTED) | pickles._LINES | pickles._NAMED
    assert ours == {ord(opcode.code) for opcode in pickletools.opcodes}
    sizes = {1: "1", 2: "2", 4: "4", 8: "8"}
    for opcode in pickletools.opcodes:
        size = opcode.arg.n if opcode.arg else 0
        number = ord(opcode.code)
        if size == 0:
            assert number in pickles._PLAIN
        elif size > 0:
            assert sizes[pickles._SIZED[number]] == str(size)
        elif size == pickletools.UP_TO_NEWLINE:
            assert number in (pickles._NAMED if opcode.arg.name == "stringnl_noescape_pair" else pickles._LINES)
        else:
            length = {
                pickletools.TAKEN_FROM_ARGUMENT1: 1,
                pickletools.TAKEN_FROM_ARGUMENT4: 4,
                pickletools.TAKEN_FROM_ARGUMENT4U: 4,
                pickletools.TAKEN_FROM_ARGUMENT8U: 8,
            }
            assert pickles._COUNTED[number] == length[size]


def _is_tag_of_a_model(data: bytes) -> bool:
    """Whether a model of any writer can start so: the tag of a field of the schema, and a name without NULs."""
    key = shift = at = 0
    while True:
        byte = data[at]
        key |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            break
    if at > 1 and byte == 0:
        return False
    field = schema.MODEL.by_tag.get(key)
    if field is None:
        return False
    if field.kind in {"int64", "int32"}:  # one number is in order; then comes a tag again
        while data[at] >= 128:
            at += 1
        return at + 1 >= len(data) or _is_tag_of_a_model(data[at + 1 :] + b"\x08\x01")
    return b"\0" not in data[at + 1 : at + 3]


STARTS = [
    b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", *(bytes((0x80, n)) + b"\x95" for n in range(8)), b"\x89HDF\r\n\x1a\n",
    b"\x1f\x8b\x08", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd\x20", b"\x04\x22\x4d\x18", b"\x5d\0\0\x80", b"x\x01\x01", b"x\x9c\x01", b"x\xda\x01",
    b"x\x5e\x01", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"GGUF", b"lmgg", b"tjgg", b"\x93NUMPY", b"ptrt", b"ftrt", b"\xac\xed\x00\x05",
    b"RDX3\n", b"\x7fELF", b"MZ\0\0\0\0", b"%PDF-", b"version https://git-lfs", b"\xef\xbb\xbf<?xml", b"\xff\xfe<\0", b"\xfe\xff\0<", b"<?xml",
    b"  <PMML", b"\n[", b"{", b"\t{", b"\r\n{",
]  # fmt: skip


@pytest.mark.parametrize("start", STARTS)
def test_no_model_starts_like_another_format(start):
    with pytest.raises(InputError, match="not an ONNX model"):
        refuse_other_formats(MemorySource(start.ljust(600, b"\0")), limits=DEFAULT)
    assert not _is_tag_of_a_model(start)


@given(first=st.integers(0, 2**24 - 1), mark=st.sampled_from([b"\0{", b"TFL3", b"ORTM", b"ET12", b"PTMF"]))
def test_no_model_has_the_zeros_that_other_formats_have(first, mark):
    """Lengths of 8 bytes and offsets of 4: where they are zero a model would have a tag, or a name would have NULs."""
    head = first.to_bytes(8, "little")[: 7 if mark == b"\0{" else 2] + (b"\0\0" if mark != b"\0{" else b"") + mark
    with pytest.raises(InputError, match="not an ONNX model"):
        refuse_other_formats(MemorySource(head.ljust(300, b" ")), limits=DEFAULT)
    assert not _is_tag_of_a_model(head)


def test_a_text_is_one_only_when_it_could_not_be_read():
    text = b"2 " + b"documentation of thirty-two char"
    assert read_model(MemorySource(text)).problems[0].code == "MLS333"
    assert code(b"import os\n" * 100) == "onnx.magic.text"
    assert code(("import os # \u6a21\u578b\n" * 100).encode()[:512] + b"\xff") == "onnx.magic.text"
    assert code("import os # \u6a21".encode()[:-1]) == "onnx.wire.truncated"
    assert code(b"import os\0" * 100).startswith("onnx.wire.")
    assert code(b"import \xff" * 100).startswith("onnx.wire.")
