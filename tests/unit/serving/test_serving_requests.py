"""Requests, routes, tokens and descriptions, by their own functions: whatever bytes come, only an error of the input comes out."""

import contextlib
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsign.errors import InputError, JailError, MlsignError, TrustError
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.serving.answers import STATUS, answer_error, answer_inference
from mlsign.serving.carriage import DATATYPES, Form, Interface, TensorSpec, carried
from mlsign.serving.fingerprint import fingerprint
from mlsign.serving.request import InferRequest, KeptRequests, decode_request
from mlsign.serving.routes import Kind, decode_route
from mlsign.serving.tensors import decode_inputs, encode_output
from mlsign.serving.tokens import read_tokens

NUMPY = {
    "BOOL": "?",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
INTERFACE = Interface(
    inputs=(
        TensorSpec(name="x", datatype="FP32", shape=(-1, 2)),
        TensorSpec(name="s", datatype="BYTES", shape=(-1,)),
        TensorSpec(name="b", datatype="BOOL", shape=(-1,)),
        TensorSpec(name="o", datatype="INT64", shape=(-1,), form=Form.OPTIONAL),
    ),
    outputs=(),
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
SIZES = st.integers(-2, 6) | st.sampled_from([2**31, 2**32, 2**62, 2**63 - 1, 2**64])
TENSOR = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["x", "s", "b", "o", "?"]) | JSON,
        "shape": st.lists(SIZES, max_size=4) | JSON,
        "datatype": st.sampled_from([*DATATYPES.values(), "FP8"]) | JSON,
    },
    optional={
        "data": st.lists(st.integers(-3, 300) | st.floats() | st.text(max_size=3) | st.booleans(), max_size=8) | JSON,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 40) | JSON}) | JSON,
    },
)
DOCUMENT = st.fixed_dictionaries(
    {"inputs": st.lists(TENSOR, max_size=4) | JSON},
    optional={"id": JSON, "parameters": JSON, "outputs": st.lists(st.fixed_dictionaries({"name": JSON}), max_size=3) | JSON},
)


def read(document: object, payload: bytes = b"") -> dict:
    request = decode_request(json.dumps(document).encode())
    if request.binary_bytes != len(payload):
        raise InputError("announces other bytes", code="infer.length")
    return decode_inputs(request, memoryview(payload), interface=INTERFACE)


@settings(max_examples=600, deadline=None)
@given(document=DOCUMENT, payload=st.binary(max_size=80))
def test_only_errors_of_the_input_come_out_and_arrays_are_what_was_announced(document, payload):
    try:
        feeds = read(document, payload)
    except InputError:
        return
    by_name = {each["name"]: each for each in document["inputs"]}
    for name, array in feeds.items():
        if array is None:
            assert name == "o"
            assert name not in by_name
        else:
            assert list(array.shape) == by_name[name]["shape"]


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes(data):
    with contextlib.suppress(InputError):
        assert isinstance(decode_request(data), InferRequest)


@settings(max_examples=200, deadline=None)
@given(
    texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=6),
    cut=st.integers(0, 60),
    flip=st.integers(0, 60),
)
def test_texts_in_binary_are_whole_or_refused(texts, cut, flip):
    raw = bytearray(b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts))
    document = {
        "inputs": [{"name": "s", "datatype": "BYTES", "shape": [len(texts)], "parameters": {"binary_data_size": len(raw)}}]
    }
    assert read(document, bytes(raw))["s"].tolist() == texts
    if flip < len(raw):
        raw[flip] ^= 0x80
    broken = bytes(raw[: len(raw) - cut]) if cut else bytes(raw)
    document["inputs"][0]["parameters"]["binary_data_size"] = len(broken)
    try:
        found = read(document, broken)["s"]
    except InputError:
        return
    assert b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in found) == broken


@pytest.mark.parametrize("binary", [True, False])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_numbers_go_there_and_back_bit_by_bit(binary, data):
    datatype = data.draw(st.sampled_from(sorted(NUMPY)))
    dtype = np.dtype(NUMPY[datatype])
    shape = tuple(data.draw(st.lists(st.integers(0, 3), max_size=3)))
    count = math.prod(shape)
    raw = data.draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize))
    array = np.frombuffer(raw, dtype=dtype).reshape(shape) if dtype.kind != "b" else np.frombuffer(raw, "u1").reshape(shape) > 127
    spec = TensorSpec(name="x", datatype=datatype, shape=(-1,) * len(shape))
    try:
        out = encode_output(spec, array, binary=binary)
    except InputError as err:
        assert err.code == "infer.json"
        assert not np.isfinite(array).all()
        return
    answer = answer_inference([out], opening='"model_name":"m"', identifier=None)
    body = b"".join(answer.chunks)
    head = int(dict(answer.headers).get(b"inference-header-content-length", len(body)))
    document = json.loads(body[:head])
    (described,) = document["outputs"]
    request = decode_request(json.dumps({"inputs": [described]}).encode())
    back = decode_inputs(request, memoryview(body[head:]), interface=Interface(inputs=(spec,), outputs=()))["x"]
    assert back.shape == shape
    assert back.dtype == array.dtype
    assert back.tobytes() == array.tobytes()


def test_inputs_are_views_of_the_body_where_they_lie_even():
    payload = memoryview(bytearray(np.arange(4, dtype=np.float32).tobytes()))
    document = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 2], "parameters": {"binary_data_size": 16}}]}
    request = decode_request(json.dumps(document).encode())
    array = decode_inputs(request, payload, interface=INTERFACE)["x"]
    assert np.shares_memory(array, np.frombuffer(payload, np.uint8))
    odd = memoryview(bytearray(17))[1:]
    assert decode_inputs(request, odd, interface=INTERFACE)["x"].flags.aligned


def test_what_is_kept_of_requests_is_what_they_say_and_none_of_their_data():
    kept = KeptRequests()
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    data = json.dumps({"inputs": [tensor]}).encode()
    assert kept.read(data) is kept.read(bytes(data))
    assert kept.read(data) == decode_request(data)
    assert kept.read(data.replace(b"FP32", b"FP64")).inputs[0].datatype == "FP64"
    with_data = {name: given for name, given in tensor.items() if name != "parameters"} | {"data": [1, 2]}
    for document in ({"inputs": [tensor], "id": "7"}, {"inputs": [with_data]}, {"inputs": [tensor], "later": "x" * 3000}):
        data = json.dumps(document).encode()
        assert kept.read(data) is not kept.read(data)
        assert kept.read(data) == decode_request(data)
    for number in range(2000):
        kept.read(json.dumps({"inputs": [tensor], "later": number}).encode())
    assert len(kept._kept) <= 512
    with pytest.raises(InputError):
        kept.read(b"{")


def test_rows_of_a_classifier():
    spec = TensorSpec(name="p", datatype="FP32", shape=(-1, -1), form=Form.ROWS)
    out = encode_output(spec, [{"a": 0.25, "b": 0.75}, {"b": 1.0, "a": 0.0}], binary=False)
    assert (out.shape, out.data, json.loads(out.parameters["keys"])) == ((2, 2), [0.25, 0.75, 0.0, 1.0], ["a", "b"])
    assert encode_output(spec, [], binary=False).shape == (0, 0)
    numbered = encode_output(spec, [{0: 0.5, 1: 0.5}], binary=True)
    assert json.loads(numbered.parameters["keys"]) == [0, 1]
    for rows in ([{"a": 1.0}, {"b": 1.0}], [{"a": 1.0}, {}], [{"a": 1.0}, {"a": 1.0, "b": 1.0}]):
        with pytest.raises(JailError, match="differ in their keys"):
            encode_output(spec, rows, binary=False)


def test_an_optional_that_holds_nothing():
    spec = TensorSpec(name="o", datatype="FP32", shape=(-1,), form=Form.OPTIONAL)
    out = encode_output(spec, None, binary=False)
    assert (out.shape, out.data, dict(out.parameters)) == ((0,), [], {"absent": True})
    assert encode_output(spec, np.ones(2, np.float32), binary=False).data == [1, 1]


def tensor(element: str, shape=("n", 2)) -> TypeSpec:
    return TypeSpec(kind=ValueKind.TENSOR, element=element, shape=shape)


def test_how_types_are_carried():
    row = TypeSpec(kind=ValueKind.MAP, element="int64", inner=tensor("float", ()))
    outputs = (
        ValueSpec(name="a", type=tensor("bfloat16", None)),
        ValueSpec(name="b", type=TypeSpec(kind=ValueKind.SEQUENCE, inner=row)),
        ValueSpec(name="c", type=row),
        ValueSpec(name="d", type=TypeSpec(kind=ValueKind.OPTIONAL, inner=tensor("string", (3, None)))),
    )
    found = carried((ValueSpec(name="x", type=tensor("float")),), outputs)
    assert found.inputs == (TensorSpec(name="x", datatype="FP32", shape=(-1, 2)),)
    assert found.outputs == (
        TensorSpec(name="a", datatype="BF16", shape=(-1,)),
        TensorSpec(name="b", datatype="FP32", shape=(-1, -1), form=Form.ROWS),
        TensorSpec(name="c", datatype="FP32", shape=(-1,), form=Form.MAP),
        TensorSpec(name="d", datatype="BYTES", shape=(3, -1), form=Form.OPTIONAL),
    )


@pytest.mark.parametrize(
    "found",
    [
        tensor("complex64"),
        tensor("float8e4m3fn"),
        tensor("int4"),
        TypeSpec(kind=ValueKind.SPARSE_TENSOR, element="float", shape=(2,)),
        TypeSpec(kind=ValueKind.SEQUENCE, inner=tensor("float")),
        TypeSpec(kind=ValueKind.OPTIONAL, inner=TypeSpec(kind=ValueKind.SEQUENCE, inner=tensor("float"))),
        TypeSpec(kind=ValueKind.MAP, element="int64", inner=TypeSpec(kind=ValueKind.SEQUENCE, inner=tensor("float"))),
    ],
    ids=str,
)
def test_what_cannot_be_carried(found):
    good = (ValueSpec(name="x", type=tensor("float")),)
    for inputs, outputs in ((good, (ValueSpec(name="y", type=found),)), ((ValueSpec(name="y", type=found),), good)):
        with pytest.raises(InputError, match="cannot carry") as caught:
            carried(inputs, outputs)
        assert caught.value.code == "serve.uncarried"


def test_maps_are_no_inputs():
    row = TypeSpec(kind=ValueKind.MAP, element="int64", inner=tensor("float", ()))
    with pytest.raises(InputError, match="input x"):
        carried((ValueSpec(name="x", type=row),), ())


def test_routes():
    assert decode_route("POST", b"/v2/models/a%20b/versions/1.0.0%2B7/infer").model == "a b"
    assert decode_route("POST", b"/v2/models/a/versions/1.0.0+7/infer").version == "1.0.0+7"
    assert decode_route("GET", b"/v2/models/infer").kind is Kind.MODEL
    assert decode_route("GET", b"/v2/models/versions/versions/ready").version == "ready"


@settings(max_examples=300, deadline=None)
@given(method=st.sampled_from(["GET", "POST", "HEAD", "X"]), path=st.binary(max_size=40))
def test_any_path(method, path):
    for full in (path, b"/v2/models/" + path):
        try:
            decode_route(method, full)
        except InputError as err:
            assert err.code in ("serve.path", "serve.method")
            assert answer_error(err).status in (404, 405)


def test_every_status_is_of_a_code_that_exists():
    """A code that is misspelt here would answer with the status of its family, and nobody would notice."""
    text = (Path(__file__).resolve().parents[3] / "docs" / "errors.md").read_text()
    for code in STATUS:
        assert f"| `{code}` |" in text, code


def test_errors_of_every_kind():
    for err, status in (
        (InputError("x", code="a"), 400),
        (TrustError("x", code="serve.token"), 401),
        (JailError("x", code="sandbox.worker.died"), 500),
        (JailError("x", code="sandbox.pool.full"), 503),
        (JailError("x", code="sandbox.deadline"), 504),
    ):
        answer = answer_error(err)
        assert answer.status == status
        assert json.loads(answer.chunks[0]) == {"error": "x"}
        assert (b"retry-after" in dict(answer.headers)) is (status == 503)
        assert (b"www-authenticate" in dict(answer.headers)) is (status == 401)


def test_words_of_others_are_bare_in_no_answer():
    answer = answer_error(InputError("\x1b[31m\u202e ü", code="a"))
    assert answer.chunks[0].isascii()
    assert b"\x1b" not in answer.chunks[0]


def test_tokens(tmp_path):
    path = tmp_path / "tokens"
    path.write_bytes(b"# c\r\n\r\n abcdefghijklmnop \nabcdefghijklmnop\nqrstuvwxyz-._~+/==\n")
    tokens = read_tokens(path)
    assert len(tokens) == 2
    tokens.check(b"Bearer abcdefghijklmnop")
    tokens.check(b"bearer  qrstuvwxyz-._~+/==")
    for wrong in (
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer abcdefghijklmno",
        b"Bearer #",
        b"abcdefghijklmnop",
        b"Bearer\tabcdefghijklmnop",
    ):
        with pytest.raises(TrustError):
            tokens.check(wrong)
    assert "abcdefghijklmnop" not in repr(vars(tokens))


def test_too_many_tokens(tmp_path):
    path = tmp_path / "tokens"
    path.write_text("".join(f"token-number-{i:08}\n" for i in range(1001)))
    with pytest.raises(MlsignError, match="1001 tokens"):
        read_tokens(path)


def test_fingerprints(tmp_path):
    folder = tmp_path / "package"
    (folder / "signatures").mkdir(parents=True)
    file = folder / "signatures" / "a"
    file.write_text("a")
    seen = {fingerprint(folder)}
    assert fingerprint(folder) in seen

    def changes(*does: object) -> None:
        now = fingerprint(folder)
        assert now not in seen
        seen.add(now)

    changes(file.write_text("ab"))
    changes(os.utime(file, ns=(1, 1)))
    changes(file.rename(folder / "b"))
    changes((folder / "link").symlink_to("b"))
    changes((folder / "b").unlink())
    changes(folder.rename(tmp_path / "old"))
    assert fingerprint(folder) is None
    single = tmp_path / "model.mlpkg"
    single.write_bytes(b"x")
    assert fingerprint(single) is not None
