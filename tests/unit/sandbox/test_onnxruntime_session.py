"""A session with the values of frames for inputs and outputs, outside a jail: what goes in, what comes out, and whose memory it is."""

import base64
import gc
import struct

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from mlsign.errors import JailError
from mlsign.sandbox.arrays import decode_result
from mlsign.sandbox.objects import value_of
from mlsign.sandbox.onnxruntime import session as onnxruntime_session
from mlsign.sandbox.onnxruntime.session import Runtime, ort_value, warm_runtime
from mlsign.sandbox.values import Absent, Map, Sequence, Strings, Tensor
from mlsign.tensors.elements import ELEMENTS

X = np.zeros((3, 2), np.float32)


def session_of(model):
    settings = ort.SessionOptions()
    settings.log_severity_level = 4
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return ort.InferenceSession(data, settings, providers=["CPUExecutionProvider"])


def model_of(nodes, inputs, outputs, *, opset=21, ir=10):
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


def info(name, element, shape=("n",)):
    return helper.make_tensor_value_info(name, ELEMENTS[element].number if element != "string" else TensorProto.STRING, shape)


def sequence_of(name, element="float"):
    return helper.make_tensor_sequence_value_info(name, ELEMENTS[element].number, None)


def same(element, shape=("n",), **options):
    """The input itself is the output: nothing calculates with these elements."""
    return Runtime(session_of(model_of([], [info("x", element, shape)], [info("x", element, shape)], **options)))


def test_results_come_back_in_pythons_terms():
    row = {"a": 0.5, "b": 1.5}
    for result in ([row, row], [X, X], {7: 1.0}, {}, [], [[]], None):
        found = decode_result(value_of(result))
        if isinstance(result, list) and result and isinstance(result[0], np.ndarray):
            assert all(np.array_equal(a, b) for a, b in zip(found, result, strict=True))
        else:
            assert found == result
    assert decode_result(value_of("text")).tolist() == "text"
    assert decode_result(value_of(np.float32(2))) == 2


@pytest.mark.parametrize("result", [object(), np.array([object()]), [1j, object()], {"a": object()}])
def test_results_that_cannot_be_carried_are_an_error(result):
    with pytest.raises(JailError) as caught:
        value_of(result)
    assert caught.value.code == "sandbox.output.kind"


@pytest.mark.parametrize("element", sorted(set(ELEMENTS) - {"complex64", "complex128"}))
@pytest.mark.parametrize("shape", [(), (0,), (3, 3), (2, 0)])
def test_every_element_type_comes_back_bit_by_bit(element, shape):
    count = ELEMENTS[element].bytes_of(int(np.prod(shape)))
    data = bytes((37 * i + 1) % 256 for i in range(count)) if element != "bool" else bytes(i % 2 for i in range(count))
    found = same(element, None).run({"x": Tensor(element, shape, memoryview(data))})
    assert found == {"x": Tensor(element, shape, data)}


def test_complex_numbers_are_the_runtimes_to_refuse():
    with pytest.raises(Exception, match="complex64"):
        same("complex64")


def test_tensors_go_in_and_come_out_without_a_copy():
    names = ["x", "y"]
    model = model_of(
        [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Identity", ["b"], ["c"])],
        [info("x", "float"), info("b", "bfloat16")],
        [info("x", "float"), info("y", "float"), info("b", "bfloat16"), info("c", "bfloat16")],
    )
    memory = np.arange(64, dtype=np.float32)
    bits = np.arange(64, dtype=np.uint16)
    memory.flags.writeable = bits.flags.writeable = False
    feeds = {"x": Tensor("float", (64,), memory.view(np.uint8).data), "b": Tensor("bfloat16", (64,), bits.view(np.uint8).data)}
    found = Runtime(session_of(model)).run(feeds)
    assert list(found) == ["x", "y", "b", "c"]
    for name, array in (("x", memory), ("b", bits)):
        assert np.frombuffer(found[name].data, np.uint8).ctypes.data == array.ctypes.data
    for name, array in (("y", memory), ("c", bits)):
        assert bytes(found[name].data) == array.tobytes()
    assert set(names) < set(found)


def test_results_keep_the_memory_of_the_runtime():
    def rows(n):
        return Tensor("bfloat16", (4096,), struct.pack("<H", n) * 4096)

    run = Runtime(
        session_of(model_of([helper.make_node("Identity", ["x"], ["y"])], [info("x", "bfloat16")], [info("y", "bfloat16")]))
    ).run
    found = [run({"x": rows(n)})["y"] for n in range(50)]
    del run
    gc.collect()
    assert all(value == rows(n) for n, value in enumerate(found))


def test_packed_elements_are_not_read_beyond_their_bytes():
    value = ort_value(ELEMENTS["int4"], (3, 3), bytes(5))
    assert (value.shape(), value.tensor_size_in_bytes()) == ([3, 3], 5)


def test_data_that_is_not_aligned_is_copied():
    data = bytearray(1) + bytearray(struct.pack("<2d", 1, 2))
    value = ort_value(ELEMENTS["double"], (2,), memoryview(data)[1:])
    assert value.numpy().tolist() == [1, 2]


def test_texts_sequences_and_optionals():
    optional = helper.make_value_info(
        "o", helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    )
    model = model_of([], [info("s", "string"), sequence_of("q"), optional], [info("s", "string"), sequence_of("q"), optional])
    run = Runtime(session_of(model)).run
    number = Tensor("float", (), struct.pack("<f", 1))
    feeds = {"s": Strings((3,), ("", "\0a", "\U0001f600")), "q": Sequence((number, Tensor("float", (2, 0), b""))), "o": number}
    assert run(feeds) == feeds
    feeds |= {"q": Sequence(()), "o": Absent()}
    assert run(feeds) == feeds
    del feeds["o"]
    assert run(feeds)["o"] == Absent()


TEXTS = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.STRING, None))
BF16S = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.BFLOAT16, None))
MAYBE_TEXTS = helper.make_value_info("o", helper.make_optional_type_proto(TEXTS))


@pytest.mark.parametrize(
    ("inputs", "outputs", "wrong"),
    [
        ([info("b", "bfloat16"), sequence_of("q")], [info("b", "bfloat16")], r"input q is seq\(tensor\(float\)\)"),
        ([info("b", "bfloat16"), info("s", "string")], [info("b", "bfloat16")], r"input s is tensor\(string\)"),
        ([info("b", "int4"), MAYBE_TEXTS], [info("b", "int4"), MAYBE_TEXTS], "output o is optional"),
        ([helper.make_value_info("q", BF16S)], [helper.make_value_info("q", BF16S)], "input q is seq"),
    ],
)
def test_models_that_the_runtime_cannot_run_from_here_are_refused_at_once(inputs, outputs, wrong):
    session = session_of(model_of([], inputs, outputs))
    with pytest.raises(JailError, match=wrong) as caught:
        Runtime(session)
    assert caught.value.code == "sandbox.model.load"


def test_optionals_of_texts_beside_bits_have_to_be_left_out():
    run = Runtime(session_of(model_of([], [info("b", "bfloat16"), MAYBE_TEXTS], [info("b", "bfloat16")]))).run
    value = Tensor("bfloat16", (1,), b"\1\2")
    assert run({"b": value, "o": Absent()}) == {"b": value}
    with pytest.raises(JailError, match="leave it out") as caught:
        run({"b": value, "o": Sequence(())})
    assert caught.value.code == "sandbox.output.kind"


def test_bits_beside_texts():
    nodes = [helper.make_node("Cast", ["x"], ["s"], to=TensorProto.STRING)]
    model = model_of(nodes, [info("b", "bfloat16"), info("x", "int64")], [info("b", "bfloat16"), info("s", "string")])
    found = Runtime(session_of(model)).run({"b": Tensor("bfloat16", (1,), b"\1\2"), "x": Tensor("int64", (1,), bytes(8))})
    assert found == {"b": Tensor("bfloat16", (1,), b"\1\2"), "s": Strings((1,), ("0",))}


def test_the_models_for_warming_up_are_what_their_notes_say():
    plain = onnx.load_from_string(base64.b64decode(onnxruntime_session._WARMING_PLAIN))
    assert [node.op_type for node in plain.graph.node] == ["Identity", "Identity", "Identity", "DictVectorizer", "ZipMap"]
    bits = onnx.load_from_string(base64.b64decode(onnxruntime_session._WARMING_BITS))
    assert [node.op_type for node in bits.graph.node] == ["Identity", "DequantizeLinear", "QuantizeLinear", "Identity"]
    for model in (plain, bits):
        onnx.checker.check_model(model)
    used = []
    warm_runtime(lambda data: used.append(data) or session_of(data))
    assert used == [plain.SerializeToString(), bits.SerializeToString()]


def test_maps_go_in_and_come_out():
    type_ = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    value = helper.make_value_info("m", type_)
    run = Runtime(session_of(model_of([], [value], [value]))).run
    keys = Tensor("int64", (2,), struct.pack("<2q", -1, 2**40))
    assert run({"m": Map(keys, Tensor("float", (2,), struct.pack("<2f", 0.5, 2)))}) == {
        "m": Map(keys, Tensor("double", (2,), struct.pack("<2d", 0.5, 2)))
    }
