"""The real client of the protocol against the real server."""

import json
import warnings

import ml_dtypes
import numpy as np
import pytest
from serving_kit import ELEMENTS, Server

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what the client's own dependencies are deprecated for
    import tritonclient.http as triton
    from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.linux

NUMPY = {
    "BOOL": np.array([True, False, True]),
    "INT8": np.array([-128, 0, 127], dtype=np.int8),
    "INT16": np.array([-(2**15), 0, 2**15 - 1], dtype=np.int16),
    "INT32": np.array([-(2**31), 0, 2**31 - 1], dtype=np.int32),
    "INT64": np.array([-(2**63), 0, 2**63 - 1], dtype=np.int64),
    "UINT8": np.array([0, 1, 255], dtype=np.uint8),
    "UINT16": np.array([0, 1, 65535], dtype=np.uint16),
    "UINT32": np.array([0, 1, 2**32 - 1], dtype=np.uint32),
    "UINT64": np.array([0, 1, 2**64 - 1], dtype=np.uint64),
    "FP16": np.array([0.1, -65504, 6e-8], dtype=np.float16),
    "FP32": np.array([0.1, -3.4e38, 1e-45], dtype=np.float32),
    "FP64": np.array([0.1, -1.7e308, 5e-324], dtype=np.float64),
    "BYTES": np.array(["", "Zürich", "\u0000\U0001f600"], dtype=object),
}


@pytest.fixture
def client(shared: Server):
    with triton.InferenceServerClient(shared.url) as found:
        yield found


def tensor(name: str, array: np.ndarray, datatype: str, *, binary: bool = True):
    return triton.InferInput(name, list(array.shape), datatype).set_data_from_numpy(array, binary_data=binary)


def same_bits(found: np.ndarray, sent: np.ndarray) -> bool:
    if sent.dtype == object:
        return [item.decode() if isinstance(item, bytes) else item for item in found.tolist()] == sent.tolist()
    return found.dtype == sent.dtype and found.shape == sent.shape and found.tobytes() == sent.tobytes()


def test_health(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("linear")
    assert client.is_model_ready("linear", "1.9.0")
    assert not client.is_model_ready("linear", "7.0.0")
    assert not client.is_model_ready("nothing")


def test_server_metadata(client):
    found = client.get_server_metadata()
    assert found["name"] == "mlsign"
    assert found["extensions"] == ["binary_tensor_data"]


def test_model_metadata(client):
    assert client.get_model_metadata("linear") == {
        "name": "linear",
        "versions": ["1.10.0", "1.9.0", "1.0.0"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}],
    }
    mail = client.get_model_metadata("mail")
    assert mail["outputs"][1] == {"name": "chances", "datatype": "FP32", "shape": [-1, -1]}


def test_index(client):
    found = client.get_model_repository_index()
    assert {"name": "linear", "version": "1.9.0", "state": "READY", "reason": ""} in found
    assert len(found) == 8


@pytest.mark.parametrize("sends_binary", [True, False])
@pytest.mark.parametrize("asks_binary", [True, False])
def test_every_type_goes_there_and_back_bit_by_bit(client, sends_binary, asks_binary):
    inputs = [tensor(name.lower(), array, name, binary=sends_binary) for name, array in NUMPY.items()]
    outputs = [triton.InferRequestedOutput(f"{name.lower()}_out", binary_data=asks_binary) for name in NUMPY]
    result = client.infer("echo", inputs, outputs=outputs)
    assert {*NUMPY, "BF16"} == ELEMENTS.keys()
    for name, array in NUMPY.items():
        assert same_bits(result.as_numpy(f"{name.lower()}_out"), array), name


def test_bfloat16_goes_in_binary_only(client):
    bits = np.array([[0.1, -3e38], [1e-40, 0]], dtype=ml_dtypes.bfloat16)
    result = client.infer("bits", [tensor("x", bits, "BF16")])
    assert same_bits(result.as_numpy("y"), bits)
    with pytest.raises(InferenceServerException, match="ask for it in binary"):
        client.infer("bits", [tensor("x", bits, "BF16")], outputs=[triton.InferRequestedOutput("y", binary_data=False)])


def test_bits_under_another_name_are_refused(client):
    with pytest.raises(InferenceServerException, match="is UINT16, the model takes BF16"):
        client.infer("bits", [tensor("x", np.ones((1, 2), np.uint16), "UINT16")])


def test_without_outputs_all_come_in_binary(client):
    result = client.infer("echo", [tensor(name.lower(), array, name) for name, array in NUMPY.items()])
    for output in result.get_response()["outputs"]:
        assert "data" not in output
        assert "binary_data_size" in output["parameters"]
    assert same_bits(result.as_numpy("fp16_out"), NUMPY["FP16"])


@pytest.mark.parametrize("binary", [True, False])
def test_empty_tensors(client, binary):
    inputs = [tensor(name.lower(), array[:0], name, binary=binary) for name, array in NUMPY.items()]
    outputs = [triton.InferRequestedOutput(f"{name.lower()}_out", binary_data=binary) for name in NUMPY]
    result = client.infer("echo", inputs, outputs=outputs)
    for name in NUMPY:
        assert result.as_numpy(f"{name.lower()}_out").shape == (0,)


@pytest.mark.parametrize("binary", [True, False])
def test_texts_of_two_dimensions(client, binary):
    words = np.array([["a", "b"], ["", "ß"]], dtype=object)
    result = client.infer("words", [tensor("x", words, "BYTES", binary=binary)])
    assert [word.decode() for word in result.as_numpy("y").reshape(-1)] == words.reshape(-1).tolist()


@pytest.mark.parametrize("model", ["linear", "words"])
def test_long_ones_in_json(client, model):
    """What takes milliseconds is done aside, and comes out the same."""
    if model == "linear":
        array = np.arange(120_000, dtype=np.float32).reshape(-1, 4) % 7
        given = tensor("x", array, "FP32", binary=False)
    else:
        array = np.array([str(i) for i in range(40_000)], dtype=object).reshape(-1, 2)
        given = tensor("x", array, "BYTES", binary=False)
    found = client.infer(model, [given], outputs=[triton.InferRequestedOutput("y", binary_data=False)]).as_numpy("y")
    assert found.tolist() == (array * 10 if model == "linear" else array).tolist()
    if model == "words":
        found = client.infer(model, [tensor("x", array, "BYTES")]).as_numpy("y")
        assert [text.decode() for text in found.reshape(-1)] == array.reshape(-1).tolist()


@pytest.mark.parametrize("binary", [True, False])
def test_a_classifier_with_a_zipmap(client, binary):
    rows = np.array([[1, 0], [0, 1], [5, 5]], dtype=np.float32)
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("chances", "label")]
    result = client.infer("mail", [tensor("x", rows, "FP32")], outputs=outputs)
    described = result.get_output("chances")
    assert described["shape"] == [3, 3]
    assert json.loads(described["parameters"]["keys"]) == ["eggs", "ham", "spam"]  # sorted by the runtime
    chances = result.as_numpy("chances")
    assert chances.dtype == np.float32
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)
    labels = [word.decode() if isinstance(word, bytes) else word for word in result.as_numpy("label")]
    assert labels == [["eggs", "ham", "spam"][i] for i in chances.argmax(axis=1)]


@pytest.mark.parametrize(("version", "factor"), [("", 10), ("1.10.0", 10), ("1.9.0", 9), ("1.0.0", 1)])
def test_versions_side_by_side(client, version, factor):
    result = client.infer("linear", [tensor("x", np.ones((2, 4), np.float32), "FP32")], model_version=version)
    assert result.get_response()["model_version"] == (version or "1.10.0")
    assert (result.as_numpy("y") == factor).all()


def test_the_id_comes_back(client):
    result = client.infer("linear", [tensor("x", np.ones((1, 4), np.float32), "FP32")], request_id='a "b"')
    assert result.get_response()["id"] == 'a "b"'


def test_a_timeout_of_the_client(client):
    ones = tensor("x", np.ones((1, 4), np.float32), "FP32")
    assert client.infer("linear", [ones], timeout=20_000_000).as_numpy("y").shape == (1, 4)


@pytest.mark.parametrize(
    ("model", "inputs", "status", "words"),
    [
        ("nothing", [("x", np.ones((1, 4), np.float32), "FP32")], "404", "no model nothing, served are bits, echo, linear"),
        ("linear", [("z", np.ones((1, 4), np.float32), "FP32")], "400", "no input z, it takes x: FP32"),
        ("linear", [("x", np.ones((1, 5), np.float32), "FP32")], "400", "5 in dimension 1"),
        ("linear", [("x", np.ones((4,), np.float32), "FP32")], "400", "dimensions"),
        ("linear", [("x", np.ones((1, 4), np.float64), "FP64")], "400", "is FP64, the model takes FP32"),
        ("linear", [], "400", "input x is missing"),
        ("table", [("i", np.array([9]), "INT64")], "422", ""),
    ],
)
def test_errors_reach_the_client(client, model, inputs, status, words):
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, [tensor(*each) for each in inputs])
    assert caught.value.status() == status
    assert words in caught.value.message()


def test_an_error_of_the_model_leaves_its_worker(client, shared):
    for _ in range(3):
        with pytest.raises(InferenceServerException):
            client.infer("table", [tensor("i", np.array([9]), "INT64")])
        assert client.infer("table", [tensor("i", np.array([3]), "INT64")]).as_numpy("y").tolist() == [3]
    from serving_kit import metrics

    assert metrics(shared)['mlsign_pool_restarts_total{model="table",version="1.0.0"}'] == 0


@pytest.mark.parametrize("output", [("nothing", {}), ("y", {"class_count": 2})])
def test_outputs_that_are_not_there(client, output):
    name, options = output
    with pytest.raises(InferenceServerException) as caught:
        client.infer(
            "linear",
            [tensor("x", np.ones((1, 4), np.float32), "FP32")],
            outputs=[triton.InferRequestedOutput(name, **options)],
        )
    assert caught.value.status() == "400"


def test_sequences_and_shared_memory_are_refused_and_not_ignored(client):
    ones = tensor("x", np.ones((1, 4), np.float32), "FP32")
    with pytest.raises(InferenceServerException, match="not offered"):
        client.infer("linear", [ones], sequence_id=7, sequence_start=True)
    ones.set_shared_memory("region", 16)
    with pytest.raises(InferenceServerException, match="not offered"):
        client.infer("linear", [ones])


def test_compressed_bodies_are_refused(client):
    ones = tensor("x", np.ones((1, 4), np.float32), "FP32")
    with pytest.raises(InferenceServerException) as caught:
        client.infer("linear", [ones], request_compression_algorithm="gzip")
    assert caught.value.status() == "415"


def test_a_body_beyond_the_limit(client):
    with pytest.raises(InferenceServerException) as caught:
        client.infer("linear", [tensor("x", np.ones((1 << 17, 4), np.float32), "FP32")])
    assert caught.value.status() == "413"


def test_numbers_that_json_has_not(client):
    rows = np.array([[np.nan, np.inf, -np.inf, 1]], dtype=np.float32)
    ones = tensor("x", rows, "FP32")
    assert same_bits(client.infer("linear", [ones], model_version="1.0.0").as_numpy("y"), rows)
    with pytest.raises(InferenceServerException, match="ask for it in binary") as caught:
        client.infer("linear", [ones], outputs=[triton.InferRequestedOutput("y", binary_data=False)])
    assert caught.value.status() == "400"
