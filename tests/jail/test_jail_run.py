"""Scoring in a jail: the outputs, the types, the errors a model makes, and what a jail leaves behind."""

import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from jail_models import X, graph_model, keeper_of, tensor
from onnx import TensorProto, helper
from pooling import until
from processes import children, open_descriptors

from mlsign.errors import InputError, JailError
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.layers import FULL, Isolation
from mlsign.sandbox.spec import JailSpec

MODELS = Path(os.environ.get("MLSIGN_MODELS", ""))
NAMES = sorted(p.stem for p in MODELS.glob("*.onnx")) if "MLSIGN_MODELS" in os.environ else []
COMPARED = {"sk_diabetes_linreg": "variable", "sk_iris_kmeans": "label", "spark_lr": "probability"}


def in_process(data: bytes, feeds):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))


def test_real_models_are_there():
    if not NAMES:
        pytest.skip("MLSIGN_MODELS names no folder of models with inputs and expected outputs")
    assert len(NAMES) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_a_real_model_scores_as_its_training_library_does(name, start):
    data = (MODELS / f"{name}.onnx").read_bytes()
    rows = np.load(MODELS / f"{name}.input.npy")
    expected = np.load(MODELS / f"{name}.expected.npy")
    jail = start(data)
    names = [spec.name for spec in jail._model.inputs]
    feeds = {names[0]: rows} if len(names) == 1 else {n: np.ascontiguousarray(rows[:, i : i + 1]) for i, n in enumerate(names)}
    found = jail.run(feeds)
    output = found[COMPARED.get(name, "probabilities")]
    if np.issubdtype(expected.dtype, np.integer):
        assert np.array_equal(output, expected)
    else:
        assert np.abs(output.reshape(expected.shape) - expected).max() <= 1e-4
    label = found.get("label", found.get("prediction"))
    if label is not None and expected.ndim == 2:
        assert np.array_equal(label, expected.argmax(axis=1))
    for key, value in in_process(data, feeds).items():
        assert np.array_equal(value, found[key])
        assert value.dtype == found[key].dtype


def test_everything_is_in_force_and_said(start, doubler):
    jail = start(doubler)
    state = {layer.name: layer.in_force for layer in jail.layers}
    assert all(state[name] for name in ("descriptors", "no_new_privs", "rlimits", "seccomp", "capabilities", "user"))
    assert set(FULL) <= set(state)
    assert all(layer.detail for layer in jail.layers)


@pytest.mark.parametrize("threads", [1, 2])
def test_calls_come_back_one_after_the_other(start, doubler, threads):
    jail = start(doubler, threads=threads)
    for n in range(1, 50):
        x = np.full((n, 2), n, np.float32)
        assert np.array_equal(jail.run({"x": x})["y"], 2 * x)


ELEMENTS = [
    "float",
    "double",
    "float16",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "string",
]


@pytest.mark.parametrize("element", ELEMENTS)
def test_every_element_type_goes_in_and_out(start, element):
    kind = TensorProto.DataType.Value(element.upper())
    model = graph_model([helper.make_node("Identity", ["x"], ["y"])], [tensor("x", kind)], [tensor("y", kind)])
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    values = [["a", ""], ["ü\U0001f600", "x" * 1000]] if element == "string" else [[0, 1], [1, 0]]
    x = np.array(values, dtype=dtype)
    found = start(model).run({"x": x})["y"]
    assert found.dtype == x.dtype
    assert found.shape == x.shape
    assert found.tolist() == x.tolist()


@pytest.mark.parametrize("shape", [(0, 2), (1, 2)])
def test_empty_arrays_are_arrays(start, doubler, shape):
    assert start(doubler).run({"x": np.zeros(shape, np.float32)})["y"].shape == shape


def test_scalars_several_inputs_and_unused_outputs(start):
    nodes = [helper.make_node("Add", ["a", "b"], ["c"]), helper.make_node("Identity", ["b"], ["d"])]
    model = graph_model(
        nodes, [tensor("a", shape=[]), tensor("b", shape=["n"])], [tensor("c", shape=["n"]), tensor("d", shape=["n"])]
    )
    found = start(model).run({"b": np.arange(3, dtype=np.float32), "a": np.array(1, np.float32)})
    assert found["c"].tolist() == [1, 2, 3]
    assert found["d"].tolist() == [0, 1, 2]


def zip_map(keys):
    value = helper.make_map_type_proto(
        *([TensorProto.INT64] if "classlabels_int64s" in keys else [TensorProto.STRING]),
        helper.make_tensor_type_proto(TensorProto.FLOAT, []),
    )
    out = helper.make_value_info("z", helper.make_sequence_type_proto(value))
    node = helper.make_node("ZipMap", ["x"], ["z"], domain="ai.onnx.ml", **keys)
    return graph_model([node], [tensor("x")], [out], ml=True)


@pytest.mark.parametrize("keys", [{"classlabels_int64s": [7, 9]}, {"classlabels_strings": ["no", "yes"]}])
def test_zipmap_gives_a_list_of_dictionaries(start, keys):
    names = next(iter(keys.values()))
    found = start(zip_map(keys)).run({"x": X})["z"]
    assert found == [dict(zip(names, row, strict=True)) for row in X.tolist()]


def test_a_sequence_of_tensors_is_a_list(start):
    out = helper.make_value_info("s", helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, None)))
    model = graph_model([helper.make_node("SequenceConstruct", ["x", "x"], ["s"])], [tensor("x")], [out])
    found = start(model).run({"x": X})["s"]
    assert [item.tolist() for item in found] == [X.tolist()] * 2


def test_large_inputs_and_outputs(start, doubler):
    jail = start(doubler, memory_bytes=4 << 30)
    x = np.ones((32_000_000, 2), np.float32)
    found = jail.run({"x": x})["y"]
    assert found.nbytes == 256_000_000
    assert found[0, 0] == 2
    assert found[-1, -1] == 2


def external_model(**offsets):
    weights = []
    for name, location in (("w", "one.bin"), ("v", "two.bin")):
        item = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2, 2], data_location=TensorProto.EXTERNAL)
        for key, value in {"location": location, "offset": str(offsets.get(name, 0)), "length": "16"}.items():
            item.external_data.add(key=key, value=value)
        weights.append(item)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["t"]), helper.make_node("MatMul", ["t", "v"], ["y"])]
    return graph_model(nodes, [tensor("x")], [tensor("y")], initializers=weights)


W = np.array([[1, 2], [3, 4]], np.float32)
V = np.array([[5, 6], [7, 8]], np.float32)


@pytest.mark.parametrize("offset", [0, 4096, 3])
def test_weights_in_two_files(start, offset):
    files = {"one.bin": W.tobytes(), "two.bin": bytes(offset) + V.tobytes()}
    found = start(external_model(v=offset), weights=files).run({"x": X})["y"]
    assert np.array_equal(found, X @ W @ V)


@pytest.mark.parametrize(
    "files",
    [
        {"one.bin": W.tobytes()},
        {"one.bin": W.tobytes(), "two.bin": V.tobytes()[:-1]},
        {"one.bin": W.tobytes(), "TWO.bin": V.tobytes()},
        {},
    ],
)
def test_weights_that_are_not_as_the_model_says_are_refused(start, files):
    with pytest.raises(JailError) as caught:
        start(external_model(), weights=files)
    assert caught.value.code == "sandbox.external"


def test_external_data_that_verification_did_not_see_is_refused(memory):
    model = memory.model(external_model(), weights={"one.bin": W.tobytes(), "two.bin": V.tobytes()})
    blind = type(model)(model=model.model, weights=model.weights, external=(), inputs=model.inputs, outputs=model.outputs)
    with pytest.raises(JailError) as caught:
        Jail.start(blind)
    assert caught.value.code == "sandbox.external"


def test_external_data_without_any_weights_never_reaches_a_file(memory):
    model = memory.model(external_model())
    blind = type(model)(model=model.model, weights=(), external=(), inputs=model.inputs, outputs=model.outputs)
    with pytest.raises(JailError) as caught:
        Jail.start(blind)
    assert caught.value.code in ("sandbox.model.load", "sandbox.external")


def test_feeds_are_refused_before_the_worker_sees_them(start, doubler):
    jail = start(doubler)
    with pytest.raises(InputError) as caught:
        jail.run({"x": X.astype(np.float64)})
    assert caught.value.code == "input.dtype"
    assert "x: float[n, 2]" in str(caught.value)
    assert jail.run({"x": X})["y"].shape == X.shape


def test_an_error_of_the_model_is_an_error_and_the_worker_serves_on(start):
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    model = graph_model(nodes, [tensor("x"), tensor("shape", TensorProto.INT64, [1])], [tensor("y", shape=["m"])])
    jail = start(model)
    for _ in range(3):
        with pytest.raises(JailError) as caught:
            jail.run({"x": X, "shape": np.array([5])})
        assert caught.value.code == "sandbox.model.run"
        assert "Reshape" in str(caught.value)
        assert jail.run({"x": X, "shape": np.array([6])})["y"].tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x80\x02}q\x00.", b"PK\x03\x04"])
def test_what_is_no_model_is_refused(memory, data):
    good = memory.model(graph_model([helper.make_node("Identity", ["x"], ["y"])], [tensor("x")], [tensor("y")]))
    bad = type(good)(model=memory.seal(data), weights=(), external=(), inputs=good.inputs, outputs=good.outputs)
    with pytest.raises(JailError) as caught:
        Jail.start(bad)
    assert caught.value.code == "sandbox.model.load"


def test_a_model_with_another_interface_than_verified_is_refused(memory, doubler):
    good = memory.model(doubler)
    other = type(good)(model=good.model, weights=(), external=(), inputs=good.inputs, outputs=good.inputs)
    with pytest.raises(JailError) as caught:
        Jail.start(other)
    assert caught.value.code == "sandbox.interface"


@pytest.mark.parametrize("seals", [0, 1, 1 | 2 | 4, 2 | 4 | 8, 1 | 4 | 8, 1 | 2 | 8])
def test_memory_that_can_still_change_is_refused(memory, doubler, seals):
    good = memory.model(doubler)
    loose = memory.seal(doubler.SerializeToString(), seals=seals)
    for bad in (
        type(good)(model=loose, weights=(), external=(), inputs=good.inputs, outputs=good.outputs),
        type(good)(model=good.model, weights=(loose,), external=(), inputs=good.inputs, outputs=good.outputs),
    ):
        with pytest.raises(JailError) as caught:
            Jail.start(bad)
        assert caught.value.code == "sandbox.unsealed"


def test_a_plain_file_is_no_sealed_memory(memory, doubler, tmp_path):
    good = memory.model(doubler)
    path = tmp_path / "model.onnx"
    path.write_bytes(doubler.SerializeToString())
    with path.open("rb") as file:
        plain = type(good.model)(path="model.onnx", fd=file.fileno(), size=path.stat().st_size)
        bad = type(good)(model=plain, weights=(), external=(), inputs=good.inputs, outputs=good.outputs)
        with pytest.raises(JailError) as caught:
            Jail.start(bad)
    assert caught.value.code == "sandbox.unsealed"


def descriptors():
    return open_descriptors()


def forks():
    """The keepers: what the zygote, this process's child, has forked."""
    return [keeper for zygote in children(os.getpid()) for keeper in children(zygote)]


def test_nothing_is_left_behind(memory, doubler):
    model = memory.model(doubler)
    Jail.start(model).close()  # the zygote stays
    before = (descriptors(), children(os.getpid()))
    for _ in range(3):
        with Jail.start(model) as jail:
            jail.run({"x": X})
            assert keeper_of(jail.pid) in forks()
        jail.close()
    with pytest.raises(JailError):
        Jail.start(model, spec=JailSpec(start_seconds=0.001))
    bad = type(model)(model=model.model, weights=(), external=(), inputs=model.inputs, outputs=model.inputs)
    with pytest.raises(JailError):
        Jail.start(bad)
    assert (descriptors(), children(os.getpid())) == before
    until(lambda: not forks())  # a keeper that has said its last word is gone in a moment


def test_a_closed_jail_says_so(start, doubler):
    jail = start(doubler)
    jail.close()
    with pytest.raises(JailError) as caught:
        jail.run({"x": X})
    assert caught.value.code == "sandbox.dead"


def test_threads_take_turns(start, doubler):
    jail = start(doubler)
    wrong = []

    def work(n):
        for i in range(40):
            x = np.full((1 + i, 2), n, np.float32)
            if not np.array_equal(jail.run({"x": x})["y"], 2 * x):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_thread_that_started_a_jail_may_end(memory, doubler):
    made = []
    thread = threading.Thread(target=lambda: made.append(Jail.start(memory.model(doubler))))
    thread.start()
    thread.join()
    time.sleep(0.05)
    with made[0] as jail:
        assert jail.run({"x": X})["y"].shape == X.shape


def test_a_fork_cannot_use_the_jail_and_does_not_end_it(start, doubler):
    jail = start(doubler)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = "went through"
        try:
            jail.run({"x": X})
        except JailError as err:
            code = err.code
        jail.close()
        os.write(write, code.encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 100) == b"sandbox.fork"
    os.close(read)
    os.close(write)
    assert jail.run({"x": X})["y"].shape == X.shape


def test_full_isolation_is_given_or_refused(start, doubler):
    jail = start(doubler)
    if all(layer.in_force for layer in jail.layers if layer.name in FULL):
        full = start(doubler, isolation=Isolation.FULL)
        assert full.run({"x": X})["y"].shape == X.shape
    else:
        with pytest.raises(JailError) as caught:
            start(doubler, isolation=Isolation.FULL)
        assert caught.value.code == "sandbox.layer"


def test_the_worker_sees_none_of_our_environment(start, doubler, monkeypatch):
    monkeypatch.setenv("MLSIGN_TEST_SECRET", "hunter2")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("LD_PRELOAD", "/nowhere.so")
    jail = start(doubler)
    for pid in (jail._process.pid, keeper_of(jail.pid)):
        environment = Path(f"/proc/{pid}/environ")
        if os.access(environment, os.R_OK):
            assert b"hunter2" not in environment.read_bytes()
            assert b"PYTHONPATH" not in environment.read_bytes()


def test_no_thread_is_started_and_no_file_written_by_importing_the_runtime(tmp_path):
    import subprocess
    import sys

    from mlsign.sandbox.zygote_host import ENVIRONMENT

    code = "import os, sys; import mlsign.sandbox.zygote_onnxruntime; print(len(os.listdir('/proc/self/task')), os.listdir('.'))"
    home = {**ENVIRONMENT, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-I", "-B", "-c", code]
    done = subprocess.run(command, env=home, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["1", "[]"]
    assert list(tmp_path.rglob("*")) == []


def test_layers_are_plain_data_for_a_report(start, doubler):
    listed = [{"name": layer.name, "in_force": layer.in_force, "detail": layer.detail} for layer in start(doubler).layers]
    assert json.loads(json.dumps(listed)) == listed
