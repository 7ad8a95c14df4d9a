"""Random small models: some lanes side by side, each one input, a node, and one output, over every type that can be fed.

What numpy has no name for goes with numbers only (``bits``), since the runtime's Python interface mixes neither.
"""

import struct
from ctypes import string_at
from dataclasses import dataclass
from random import Random

import numpy as np
import onnxruntime as ort
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

OPSET, IR = 25, 12
DTYPES = {
    "float": "<f4",
    "double": "<f8",
    "float16": "<f2",
    "int8": "i1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
    "uint8": "u1",
    "uint16": "<u2",
    "uint32": "<u4",
    "uint64": "<u8",
    "bool": "?",
}
RAW = {
    "bfloat16": 16,
    "float8e4m3fn": 8,
    "float8e4m3fnuz": 8,
    "float8e5m2": 8,
    "float8e5m2fnuz": 8,
    "float8e8m0": 8,
    "float4e2m1": 4,
    "uint4": 4,
    "int4": 4,
    "uint2": 2,
    "int2": 2,
}
"""Bits of the types that numpy has no name for."""
CALCULATED = ("bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz")
"""Those that the runtime has operators for; the others are handed through."""

UNREGISTERED = {("optional", "float4e2m1")}
"""What the runtime has no type for."""

TEXTS = ("", "a", "\0", "b\0", "ü", "\U0001f600", "-1.5", "x" * 300, "\u202e", "nan")


@dataclass(frozen=True)
class Lane:
    kind: str
    element: str
    dims: tuple[int | str, ...] | None
    work: str


def number_of(element: str) -> int:
    return TensorProto.DataType.Value(element.upper())


dims = st.none() | st.lists(st.sampled_from([0, 1, 2, 3, "n", "m"]), max_size=4).map(tuple)


@st.composite
def plain_lanes(draw) -> Lane:
    kind = draw(st.sampled_from(["tensor"] * 5 + ["sequence", "optional", "optional sequence", "map", "zipmap"]))
    if kind in ("map", "zipmap"):
        return Lane(kind, draw(st.sampled_from(["string", "int64"])), ("n", 2), draw(st.sampled_from(["work", "same"])))
    element = draw(st.sampled_from([*DTYPES, "string"]))
    works = ["Identity", "same"]
    if kind == "tensor":
        works += ["Shape", "Size", "Transpose", "SequenceConstruct"]
        works += ["Add"] if element in ("float", "double", "int32", "int64") else []
        works += ["text"] if element in ("int64", "int32", "float", "double") else []
    if kind == "sequence":
        works += ["SequenceLength"]
    if kind.startswith("optional"):
        works += ["OptionalHasElement"]
    return Lane(kind, element, draw(dims), draw(st.sampled_from(works)))


@st.composite
def bits_lanes(draw) -> Lane:
    kind = draw(st.sampled_from(["tensor", "tensor", "optional", "numbers"]))
    if kind == "numbers":
        return Lane(
            "tensor", draw(st.sampled_from(list(DTYPES))), draw(dims), draw(st.sampled_from(["Identity", "Shape", "same"]))
        )
    element = draw(st.sampled_from([element for element in RAW if (kind, element) not in UNREGISTERED]))
    if kind == "tensor" and element in CALCULATED:
        work = draw(st.sampled_from(["Identity", "same", "widen", "narrow"]))
        return Lane(kind, "float" if work == "narrow" else element, draw(dims), f"to {element}" if work == "narrow" else work)
    return Lane(kind, element, draw(dims), "same")


plain_models = st.lists(plain_lanes(), min_size=1, max_size=6)
bits_models = st.lists(bits_lanes(), min_size=1, max_size=6).filter(lambda lanes: any(gives_bits(lane) for lane in lanes))


def gives_bits(lane: Lane) -> bool:
    return lane.work.startswith("to ") or (lane.element in RAW and lane.work in ("Identity", "same"))


def _type(lane: Lane):
    if lane.kind in ("map", "zipmap"):
        return helper.make_map_type_proto(number_of(lane.element), helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    out = helper.make_tensor_type_proto(number_of(lane.element), lane.dims)
    if "sequence" in lane.kind:
        out = helper.make_sequence_type_proto(out)
    return helper.make_optional_type_proto(out) if "optional" in lane.kind else out


def _lane(index: int, lane: Lane) -> tuple[ValueInfoProto, list, ValueInfoProto]:
    x, y = f"x{index}", f"y{index}"
    value = helper.make_value_info(x, _type(lane))
    labels = ["a", "b\0"] if lane.element == "string" else [-1, 2**40]
    if lane.kind == "zipmap":
        value = helper.make_tensor_value_info(x, TensorProto.FLOAT, lane.dims)
        keys = {f"classlabels_{lane.element}s": labels}
        out = helper.make_value_info(y, helper.make_sequence_type_proto(_type(lane)))
        return value, [helper.make_node("ZipMap", [x], [y], domain="ai.onnx.ml", **keys)], out
    if lane.work == "same":
        return value, [], value
    if lane.kind == "map":
        keys = {f"{lane.element}_vocabulary": labels}
        out = helper.make_tensor_value_info(y, TensorProto.FLOAT, [1, 2])
        return value, [helper.make_node("DictVectorizer", [x], [y], domain="ai.onnx.ml", **keys)], out
    rank = None if lane.dims is None else [None] * len(lane.dims)
    targets = {"text": "string", "widen": "float"}
    target = lane.work.removeprefix("to ") if lane.work.startswith("to ") else targets.get(lane.work)
    if target is not None:
        out = helper.make_tensor_value_info(y, number_of(target), rank)
        return value, [helper.make_node("Cast", [x], [y], to=number_of(target))], out
    out = {
        "Identity": helper.make_value_info(y, _type(lane)),
        "Shape": helper.make_tensor_value_info(y, TensorProto.INT64, [None]),
        "Size": helper.make_tensor_value_info(y, TensorProto.INT64, []),
        "SequenceLength": helper.make_tensor_value_info(y, TensorProto.INT64, []),
        "OptionalHasElement": helper.make_tensor_value_info(y, TensorProto.BOOL, []),
        "Transpose": helper.make_tensor_value_info(y, number_of(lane.element), rank),
        "Add": helper.make_tensor_value_info(y, number_of(lane.element), rank),
        "SequenceConstruct": helper.make_tensor_sequence_value_info(y, number_of(lane.element), None),
    }[lane.work]
    inputs = [x, x] if lane.work in ("Add", "SequenceConstruct") else [x]
    return value, [helper.make_node(lane.work, inputs, [y])], out


def model_of(lanes: list[Lane]) -> ModelProto:
    built = [_lane(index, lane) for index, lane in enumerate(lanes)]
    graph = helper.make_graph(
        [node for _, nodes, _ in built for node in nodes], "lanes", [value for value, _, _ in built], [out for _, _, out in built]
    )
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=imports, ir_version=IR)


def _array(element: str, shape: tuple[int, ...], rng: Random) -> np.ndarray:
    """Any bits whatever, quiet and other NaN among them; raw types one element in each."""
    count = int(np.prod(shape))
    if element == "string":
        out = np.empty(count, dtype=object)
        out[:] = rng.choices(TEXTS, k=count)
        return out.reshape(shape)
    dtype = np.dtype(DTYPES.get(element, "<u2" if RAW.get(element) == 16 else "u1"))
    data = rng.randbytes(count * dtype.itemsize)
    array = np.frombuffer(data, "u1") % 2 if element == "bool" else np.frombuffer(data, dtype)
    if element in RAW:
        array = array & (2 ** RAW[element] - 1)
    return array.astype(dtype).reshape(shape)


def feeds_of(lanes: list[Lane], seed: int, *, sizes: int) -> dict[str, object]:
    """Inputs; equal ``sizes`` mean equal shapes, whatever the seed of the numbers."""
    rng, size_rng = Random(seed), Random(sizes)  # noqa: S311  repeatable
    symbols = {name: size_rng.randrange(4) for name in ("n", "m")}
    return {f"x{index}": _feed(lane, rng, size_rng, symbols) for index, lane in enumerate(lanes)}


def _feed(lane: Lane, rng: Random, sizes: Random, symbols: dict[str, int]) -> object:
    def shape(own: dict[str, int]) -> tuple[int, ...]:
        if lane.dims is None:
            return tuple(sizes.randrange(4) for _ in range(sizes.randrange(5)))
        return tuple(own.get(dim, dim) for dim in lane.dims)

    if lane.kind == "zipmap":
        return _array("float", shape(symbols), rng)
    if lane.kind == "map":
        keys = ["a", "b\0", "", "other"] if lane.element == "string" else [-1, 2**40, 0, -(2**63)]
        return {key: struct.unpack("<f", rng.randbytes(4))[0] for key in sizes.sample(keys, sizes.randint(1, 4))}
    if "optional" in lane.kind and sizes.random() < 0.4:
        return None
    if "sequence" in lane.kind:
        own = [{name: sizes.randrange(4) for name in symbols} for _ in range(sizes.randrange(4))]
        return [_array(lane.element, shape(each), rng) for each in own]
    return _array(lane.element, shape(symbols), rng)


def in_process(session: ort.InferenceSession, lanes: list[Lane], feeds: dict[str, object]) -> dict[str, object]:
    """What the runtime answers in this process, raw types as ``(shape, bytes)``."""
    names = [value.name for value in session.get_outputs()]
    if not any(gives_bits(lane) for lane in lanes):
        given = {}
        for index, lane in enumerate(lanes):
            value = feeds[f"x{index}"]
            given[f"x{index}"] = _ort_value(lane.element, value) if lane.element in RAW and value is not None else value
        return dict(zip(names, session.run(names, given), strict=True))
    given = {f"x{i}": _ort_value(lane.element, feeds[f"x{i}"]) for i, lane in enumerate(lanes) if feeds[f"x{i}"] is not None}
    return dict(zip(names, map(plainly, session.run_with_ort_values(names, given)), strict=True))


def packed(values: list[int], bits: int) -> bytes:
    """Several elements to the byte, the first in the low bits."""
    lanes = 8 // bits
    groups = [values[at : at + lanes] for at in range(0, len(values), lanes)]
    return bytes(sum(value << (lane * bits) for lane, value in enumerate(group)) for group in groups)


def _ort_value(element: str, array: np.ndarray) -> ort.OrtValue:
    if element in DTYPES:
        return ort.OrtValue.ortvalue_from_numpy(array)
    if RAW[element] < 8:
        room = np.zeros(array.size, np.uint8)
        data = packed(array.reshape(-1).tolist(), RAW[element])
        room[: len(data)] = np.frombuffer(data, np.uint8)
        array = room.reshape(array.shape)
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array, number_of(element))


def plainly(value: ort.OrtValue) -> object:
    if not value.has_value():
        return None
    element = TensorProto.DataType.Name(value.element_type()).lower()
    if element not in RAW:
        return value.numpy()
    size = value.tensor_size_in_bytes()
    return (tuple(value.shape()), string_at(value.data_ptr(), size) if size else b"")
