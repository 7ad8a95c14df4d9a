"""A model answers in the sandbox exactly as it does in this process: bit by bit, for every type that can be fed."""

import fcntl
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import ml_dtypes
import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper
from random_lanes import (
    CALCULATED,
    DTYPES,
    IR,
    OPSET,
    RAW,
    UNREGISTERED,
    Lane,
    bits_models,
    feeds_of,
    gives_bits,
    in_process,
    model_of,
    number_of,
    packed,
    plain_models,
    plainly,
)

from mlsign.errors import JailError
from mlsign.onnx.inspect import read_model
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.spec import JailedModel, JailSpec, SealedFile
from mlsign.source import MemorySource
from mlsign.tensors.dtypes import FOREIGN

pytestmark = pytest.mark.linux

F_ADD_SEALS, ALL_SEALS = 1033, 15


@contextmanager
def sealed(path: str, data: bytes) -> Iterator[SealedFile]:
    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.write(fd, data)
        fcntl.fcntl(fd, F_ADD_SEALS, ALL_SEALS)
        yield SealedFile(path=path, fd=fd, size=len(data))
    finally:
        os.close(fd)


@contextmanager
def jailed(data: bytes, *, weights: bytes | None = None) -> Iterator[Jail]:
    """A jail over a model and what it keeps in a file ``w``, with the interface that our own reader sees."""
    summary = read_model(MemorySource(data))
    with sealed("model.onnx", data) as file, sealed("w", weights or b"") as outside:
        model = JailedModel(
            model=file,
            weights=() if weights is None else (outside,),
            external=summary.external,
            inputs=summary.inputs,
            outputs=summary.outputs,
        )
        with Jail.start(model, spec=JailSpec()) as jail:
            yield jail


def session_of(data: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def exactly(value: object) -> object:
    """A result in terms that are equal only where every bit is."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, tuple(value.ravel().tolist()) if value.dtype.hasobject else value.tobytes())
    if isinstance(value, list):
        return [exactly(item) for item in value]
    if isinstance(value, dict):
        return [(type(key), key, exactly(item)) for key, item in value.items()]
    return struct.pack("<d", value) if isinstance(value, float) else value


def assert_same(lanes: list[Lane], found: dict[str, object], wanted: dict[str, object]) -> None:
    assert list(found) == list(wanted)
    for lane, (name, value) in zip(lanes, wanted.items(), strict=True):
        if gives_bits(lane) and value is not None:
            element = lane.work.removeprefix("to ") if lane.work.startswith("to ") else lane.element
            array = found[name]
            data = array.tobytes() if RAW[element] >= 8 else packed(array.ravel().tolist(), RAW[element])
            assert (array.shape, data) == value, name
            assert array.dtype.itemsize == max(1, RAW[element] // 8)
        else:
            assert exactly(found[name]) == exactly(value), name


def run_and_compare(lanes: list[Lane], seeds: list[tuple[int, int]]) -> None:
    data = model_of(lanes).SerializeToString()
    session = session_of(data)
    with jailed(data) as jail:
        answers = [(feeds, jail.run(feeds)) for feeds in (feeds_of(lanes, seed, sizes=sizes) for seed, sizes in seeds)]
    for feeds, found in answers:  # after all calls: no answer lies in memory that a later one writes
        assert_same(lanes, found, in_process(session, lanes, feeds))


CALLS = [(1, 1), (2, 1), (3, 1), (4, 2), (5, 1), (6, 3)]
"""Seeds of numbers and of shapes: shapes that repeat may take another way than those that change."""


@given(plain_models, st.integers(0, 1000))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_models_over_what_numpy_has_names_for(lanes, seed):
    run_and_compare(lanes, [(seed + number, seed + sizes) for number, sizes in CALLS])


@given(bits_models, st.integers(0, 1000))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_models_over_what_numpy_has_no_names_for(lanes, seed):
    run_and_compare(lanes, [(seed + number, seed + sizes) for number, sizes in CALLS])


EVERY = {
    "numbers": [
        Lane(kind, element, None, work)
        for element in (
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
        )
        for kind, work in (
            ("tensor", "Identity"),
            ("sequence", "Identity"),
            ("optional", "Identity"),
            ("optional sequence", "same"),
        )
    ],
    "texts": [Lane(kind, "string", None, "Identity") for kind in ("tensor", "sequence", "optional", "optional sequence")]
    + [Lane(kind, element, ("n", 2), "work") for kind in ("map", "zipmap") for element in ("string", "int64")],
    "bits": [Lane(kind, e, None, "same") for e in RAW for kind in ("tensor", "optional") if (kind, e) not in UNREGISTERED]
    + [Lane("tensor", "float", None, f"to {element}") for element in RAW if element.startswith(("bf", "float8e4", "float8e5"))],
    "hundreds": [Lane("tensor", element, ("n", 3), "Identity") for element in ("float", "int64", "string", "bool") * 75],
}


@pytest.mark.parametrize("name", EVERY)
def test_every_type_in_one_model(name):
    run_and_compare(EVERY[name], [(number, sizes) for number in range(8) for sizes in range(4)])


def spellings(array: np.ndarray, element: str) -> list[np.ndarray]:
    """The same elements in other orders in memory, other orders of bytes, and in the types of ``ml_dtypes``."""
    wide = np.repeat(array, 2, axis=-1)[..., ::2]
    fixed = array.copy()
    fixed.flags.writeable = False
    out = [array, np.asfortranarray(array), wide, array[::-1].copy()[::-1], fixed]
    if element == "string":
        return [*out, array.astype(np.dtypes.StringDType())]  # texts of fixed width lose the zero characters at their ends
    out += [array.astype(array.dtype.newbyteorder(">"))]
    foreign = np.dtype(getattr(ml_dtypes, FOREIGN[element])) if element in RAW else None
    out += [] if foreign is None else [array.view(foreign)] + ([array.view(f"V{foreign.itemsize}")] if RAW[element] >= 8 else [])
    return out


@pytest.mark.parametrize(
    "elements", [list(DTYPES), ["string"], CALCULATED, list(RAW)], ids=["named", "texts", "calculated", "raw"]
)
def test_how_an_array_lies_in_memory_does_not_matter(elements):
    work = "same" if elements == list(RAW) else "Identity"
    lanes = [Lane("tensor", element, (3, 3), work) for element in elements]
    rounds = [feeds_of(lanes, seed, sizes=0) for seed in range(3)]
    with jailed(model_of(lanes).SerializeToString()) as jail:
        for feeds in rounds:
            wanted = {name: exactly(array) for name, array in jail.run(feeds).items()}
            every = [spellings(array, lane.element) for lane, array in zip(lanes, feeds.values(), strict=True)]
            for number in range(max(map(len, every))):
                other = {name: kinds[number % len(kinds)] for name, kinds in zip(feeds, every, strict=True)}
                for _ in range(2):
                    assert {name: exactly(array) for name, array in jail.run(other).items()} == wanted, number


def test_the_comparison_sees_one_bit():
    array = np.array([np.nan, 0.0], np.float32)
    other = array.copy()
    other.view(np.uint32)[0] ^= 1
    assert exactly(array) != exactly(other)
    assert exactly(array) != exactly(-array)
    assert exactly([{"a": 0.0}]) != exactly([{"a": -0.0}])
    assert exactly({1: 0.0}) != exactly({True: 0.0})
    lanes = [Lane("tensor", "int4", None, "same")]
    with pytest.raises(AssertionError):
        assert_same(lanes, {"x0": np.array([1, 2], np.uint8)}, {"x0": ((2,), b"\x22")})
    assert_same(lanes, {"x0": np.array([1, 2], np.uint8)}, {"x0": ((2,), b"\x21")})


def outside_model(offset: int) -> tuple[ModelProto, ModelProto, bytes]:
    """Weights of every type in a file, where each begins ``offset`` bytes after a multiple of 64; and the same with them inside."""
    rng = Random(offset)  # noqa: S311  repeatable
    weights, nodes, outputs, inside, outside = bytearray(), [], [], [], []
    for element in [*DTYPES, *CALCULATED, "int4", "uint4"]:
        raw = rng.randbytes((5 * RAW[element] + 7) // 8 if element in RAW else 5 * np.dtype(DTYPES[element]).itemsize)
        raw = bytes(byte & 1 for byte in raw) if element == "bool" else raw
        inside.append(helper.make_tensor(f"w_{element}", number_of(element), [5], raw, raw=True))
        weights += bytes(-len(weights) % 64 + offset)
        proto = TensorProto(name=f"w_{element}", data_type=number_of(element), dims=[5], data_location=TensorProto.EXTERNAL)
        for key, value in (("location", "w"), ("offset", len(weights)), ("length", len(raw))):
            proto.external_data.add(key=key, value=str(value))
        outside.append(proto)
        weights += raw
        work = "DequantizeLinear" if element.endswith("int4") else "Identity"
        nodes.append(helper.make_node(work, [f"w_{element}", *(["one"] if work != "Identity" else [])], [f"y_{element}"]))
        kind = TensorProto.FLOAT if work != "Identity" else number_of(element)
        outputs.append(helper.make_tensor_value_info(f"y_{element}", kind, [5]))
    one = helper.make_tensor("one", TensorProto.FLOAT, [], [1.0])
    imports = [helper.make_opsetid("", OPSET)]
    models = (
        helper.make_model(helper.make_graph(nodes, "g", [], outputs, [*init, one]), opset_imports=imports, ir_version=IR)
        for init in (inside, outside)
    )
    return *models, bytes(weights)


@pytest.mark.parametrize("offset", [0, 1])
def test_weights_of_every_type_in_another_file(offset):
    inside, outside, weights = outside_model(offset)
    session = session_of(inside.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    wanted = [plainly(value) for value in session.run_with_ort_values(names, {})]
    with jailed(outside.SerializeToString(), weights=weights) as jail:
        found = jail.run({})
    for name, value in zip(names, wanted, strict=True):
        array = found[name]
        assert ((array.shape, array.tobytes()) if isinstance(value, tuple) else exactly(array)) == (
            value if isinstance(value, tuple) else exactly(value)
        )


def real_models() -> list:
    folder = os.environ.get("MLSIGN_MODELS")
    if not folder:
        return [pytest.param(None, marks=pytest.mark.skip(reason="MLSIGN_MODELS names no folder of models with their inputs"))]
    return [pytest.param(path, id=path.stem) for path in sorted(Path(folder).glob("*.onnx"))]


@pytest.mark.parametrize("path", real_models())
def test_real_models(path):
    data = path.read_bytes()
    rows = np.load(path.with_suffix(".input.npy"))
    session = session_of(data)
    names, outputs = ([value.name for value in side] for side in (session.get_inputs(), session.get_outputs()))
    with jailed(data) as jail:
        for part in (rows, rows[:1], rows[1:2], rows[::-1], rows[:0], np.repeat(rows, 50, axis=0)):
            feeds = {names[0]: part} if len(names) == 1 else {name: part[:, [i]] for i, name in enumerate(names)}
            try:
                wanted = session.run(None, feeds)
            except ort.capi.onnxruntime_pybind11_state.InvalidArgument as err:  # some take no empty table
                with pytest.raises(JailError, match=re.escape(str(err)[:40])) as caught:
                    jail.run(feeds)
                assert caught.value.code == "sandbox.model.run"
            else:
                assert exactly(jail.run(feeds)) == exactly(dict(zip(outputs, wanted, strict=True)))
