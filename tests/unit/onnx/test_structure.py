"""Reading a structure: what it says where a file says two things, the limits, and hostile bytes."""

from __future__ import annotations

import dataclasses
import importlib
import math
import random
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, TypeProto, helper
from structure_protos import spelled

from mlsign.errors import InputError
from mlsign.interface import OpsetImport
from mlsign.limits import Limits
from mlsign.onnx.records import AttributeKind, SparseRecord, Stored, StoredOutside
from mlsign.onnx.structure import read_structure
from mlsign.onnx.types import UNTYPED
from mlsign.onnx.wire import HEAVY_BYTES, WHOLE_BYTES, Region
from mlsign.source import MemorySource

ROOT = Path(__file__).parents[3]
if str(ROOT / "fuzz") not in sys.path:
    sys.path.append(str(ROOT / "fuzz"))
SEEDS = sorted((ROOT / "fuzz" / "corpora" / "onnx").glob("*.onnx"))
SMALL = Limits(max_nodes=20_000, max_tensors=20_000, max_attributes=50_000, max_fields=200_000, max_functions=1_000)


def read(data, **limits):
    return read_structure(MemorySource(data if isinstance(data, bytes) else data.SerializeToString()), limits=Limits(**limits))


def refusal(data, **limits):
    with pytest.raises(InputError) as caught:
        read(data, **limits)
    return caught.value.code


def model(*nodes, initializers=(), **more):
    graph = helper.make_graph(list(nodes), "g", [], [helper.make_tensor_value_info("y", 1, [1])], list(initializers))
    return helper.make_model(graph, **more)


def node(*attributes, inputs=("x",), outputs=("y",)):
    out = NodeProto(op_type="Op", input=inputs, output=outputs)
    out.attribute.extend(attributes)
    return out


def only(data, **limits):
    """The one attribute of the one node."""
    ((attribute,),) = [item.attributes for item in read(data, **limits).graph.nodes]
    return attribute


def attribute(**fields):
    out = AttributeProto(name="a")
    for name, value in fields.items():
        if isinstance(value, list):
            getattr(out, name).extend(value)
        elif hasattr(value, "CopyFrom"):
            getattr(out, name).CopyFrom(value)
        else:
            setattr(out, name, value)
    return out


def test_a_small_model_reads_as_it_is_written():
    made = model(
        helper.make_node("Add", ["x", ""], ["y"], name="n", domain="d", overload="o", axis=3),
        producer_name="p",
        doc_string="words",
    )
    made.metadata_props.add(key="k", value="v")
    record = read(made)
    assert (record.producer_name, record.doc, record.metadata) == ("p", "words", (("k", "v"),))
    (found,) = record.graph.nodes
    assert (found.name, found.domain, found.operator, found.overload) == ("n", "d", "Add", "o")
    assert (found.inputs, found.outputs) == (("x", ""), ("y",))
    assert (found.attributes[0].name, found.attributes[0].kind, found.attributes[0].value) == ("axis", AttributeKind.INT, 3)
    assert {opset.domain for opset in record.opsets} == {"ai.onnx"}


def test_an_empty_file_is_a_model_of_nothing():
    record = read(ModelProto(ir_version=8))
    assert (record.graph.name, record.graph.nodes, record.functions, record.has_training) == ("", (), (), False)


def test_parts_of_a_graph_that_is_written_twice_are_put_together():
    made = model(node()).SerializeToString()
    second = GraphProto(name="hidden", node=[node(outputs=("z",))])
    record = read(made + ModelProto(graph=second).SerializeToString())
    assert record.graph.name == "hidden"
    assert [item.outputs for item in record.graph.nodes] == [("y",), ("z",)]
    inner = attribute(type=AttributeProto.GRAPH, g=GraphProto(name="a", node=[node()]))
    twice = inner.SerializeToString() + AttributeProto(g=second).SerializeToString()
    parsed = AttributeProto.FromString(twice)
    assert [len(only(model(node(parsed))).value.nodes)] == [2]


def test_text_that_is_not_utf8_is_spelled_out():
    data = model(node()).SerializeToString().replace(b"\x0a\x01x", b"\x0a\x01\xff")
    assert read(data).graph.nodes[0].inputs == ("\\xff",)


def test_all_imports_of_operator_sets_are_there():
    made = model(node())
    made.opset_import.add(domain="d", version=1)
    made.opset_import.add(domain="d", version=2)
    assert read(made).opsets[-2:] == (OpsetImport("d", 1), OpsetImport("d", 2))


@pytest.mark.parametrize(
    ("fields", "kind", "value"),
    [
        ({"i": 3}, AttributeKind.INT, 3),  # a model of IR version 1 does not say the type
        ({"ints": [1, 2]}, AttributeKind.INTS, (1, 2)),
        ({"i": 3, "f": 1.0}, AttributeKind.UNDEFINED, None),
        ({}, AttributeKind.UNDEFINED, None),
        ({"type": AttributeProto.FLOAT}, AttributeKind.FLOAT, 0.0),
        ({"type": AttributeProto.INT}, AttributeKind.INT, 0),
        ({"type": AttributeProto.STRING}, AttributeKind.STRING, b""),
        ({"type": AttributeProto.TENSOR}, AttributeKind.TENSOR, None),
        ({"type": AttributeProto.GRAPH}, AttributeKind.GRAPH, None),
        ({"type": AttributeProto.SPARSE_TENSOR}, AttributeKind.SPARSE_TENSOR, None),
        ({"type": AttributeProto.TYPE_PROTO}, AttributeKind.TYPE_PROTO, None),
        ({"type": AttributeProto.GRAPHS}, AttributeKind.GRAPHS, ()),
        ({"type": AttributeProto.TENSORS}, AttributeKind.TENSORS, ()),
        ({"type": AttributeProto.TYPE_PROTOS}, AttributeKind.TYPE_PROTOS, ()),
        ({"type": AttributeProto.INT, "i": -5, "floats": [1.0]}, AttributeKind.INT, -5),
        ({"type": AttributeProto.STRINGS, "strings": [b"\xff", b""]}, AttributeKind.STRINGS, (b"\xff", b"")),
        ({"type": AttributeProto.FLOATS, "floats": [0.5, -0.0]}, AttributeKind.FLOATS, (0.5, -0.0)),
        ({"type": AttributeProto.INT, "ref_attr_name": "r"}, AttributeKind.INT, None),
        ({"type": AttributeProto.TYPE_PROTO, "tp": TypeProto()}, AttributeKind.TYPE_PROTO, UNTYPED),
    ],
)
def test_an_attribute_is_what_its_type_says(fields, kind, value):
    found = only(model(node(attribute(**fields))))
    assert (found.kind, found.value, found.reference) == (kind, value, fields.get("ref_attr_name", ""))


def test_an_attribute_type_that_does_not_exist_is_undefined():
    data = model(node(attribute(i=1, f=2.0, type=AttributeProto.INT))).SerializeToString()
    assert only(data.replace(b"\xa0\x01\x02", b"\xa0\x01\x63")).kind is AttributeKind.UNDEFINED


def test_lists_of_messages_are_read_one_by_one():
    sparse = SparseTensorProto(dims=[4])
    sparse.values.CopyFrom(helper.make_tensor("s", 1, [1], [1.0]))
    fields = {
        "tensors": [helper.make_tensor("t", 7, [2], [1, 2])],
        "sparse_tensors": [sparse],
        "graphs": [GraphProto(name="g")],
        "type_protos": [helper.make_tensor_type_proto(1, ["N", None, 3])],
    }
    found = {name: only(model(node(attribute(**{name: value})))).value for name, value in fields.items()}
    assert [item.name for item in found["tensors"]] == ["t"]
    assert [item.name for item in found["graphs"]] == ["g"]
    assert [item.shape for item in found["type_protos"]] == [("N", None, 3)]
    (record,) = found["sparse_tensors"]
    assert isinstance(record, SparseRecord)
    assert (record.name, record.shape, record.indices.element, record.indices.values) == ("s", (4,), "", None)


def test_long_lists_and_texts_stay_as_they_are():
    floats = only(model(node(attribute(floats=[1.5] * (HEAVY_BYTES // 4 + 1))))).value
    assert isinstance(floats, Stored)
    assert (floats.field, b"".join(floats.parts)) == (7, struct.pack("<f", 1.5) * (HEAVY_BYTES // 4 + 1))
    assert isinstance(only(model(node(attribute(floats=[1.5] * (HEAVY_BYTES // 4))))).value, tuple)
    assert only(model(node(attribute(ints=[0] * (HEAVY_BYTES + 1))))).value.field == 8
    assert only(model(node(attribute(ints=[-1] * (HEAVY_BYTES // 10 + 1))))).value.field == 8
    assert only(model(node(attribute(ints=[7] * HEAVY_BYTES)))).value == (7,) * HEAVY_BYTES
    long = only(model(node(attribute(s=b"x" * (WHOLE_BYTES + 1))))).value
    assert (long.field, [type(part) for part in long.parts]) == (4, [Region])
    lists = only(model(node(attribute(strings=[b"a", b"x" * (WHOLE_BYTES + 1)])))).value
    assert (lists.field, lists.parts[0], type(lists.parts[1])) == (9, b"a", Region)


def test_a_payload_stays_where_it_is():
    weights = helper.make_tensor("w", 1, [WHOLE_BYTES], b"\0" * (4 * WHOLE_BYTES), raw=True)
    (tensor,) = read(model(node(), initializers=[weights])).graph.initializers
    assert (tensor.count, tensor.size, tensor.values.field) == (WHOLE_BYTES, 4 * WHOLE_BYTES, 9)
    assert [len(part) for part in tensor.values.parts] == [4 * WHOLE_BYTES]
    assert isinstance(tensor.values.parts[0], Region)


@pytest.mark.parametrize(
    ("fields", "element", "count", "size", "field"),
    [
        ({"data_type": 1, "dims": [2], "float_data": [1.0, 2.0]}, "float", 2, 8, 4),
        ({"data_type": 1, "dims": [2], "float_data": [1.0], "raw_data": b"x"}, "float", 2, 8, 9),
        ({"data_type": 7, "dims": [2], "int32_data": [1], "int64_data": [1, 2]}, "int64", 2, 16, 7),
        ({"data_type": 7, "dims": [2], "int32_data": [1]}, "int64", 2, 16, 5),
        ({"data_type": 22, "dims": [3], "int32_data": [1, 2]}, "int4", 3, 2, 5),
        ({"data_type": 8, "dims": [2], "string_data": [b"ab", b"c"]}, "string", 2, 3, 6),
        ({"data_type": 99, "dims": [2]}, "", 2, 0, None),
        ({"data_type": 1, "dims": [-2]}, "float", 0, 0, None),
        ({"data_type": 1, "dims": [2**40, 2**40]}, "float", 0, 0, None),
        ({"data_type": 1}, "float", 1, 4, None),
    ],
)
def test_type_shape_and_the_payload_that_counts(fields, element, count, size, field):
    (tensor,) = read(model(node(), initializers=[TensorProto(**fields)])).graph.initializers
    assert (tensor.element, tensor.count, tensor.size) == (element, count, size)
    assert (tensor.values.field if tensor.values else None) == field


def external(**keys):
    out = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    for key, value in keys.items():
        out.external_data.add(key=key, value=value)
    return model(node(), initializers=[out])


def test_values_in_another_file():
    (tensor,) = read(external(location="../w", offset="4", length="8", checksum="0")).graph.initializers
    assert tensor.values == StoredOutside(location="../w", offset=4, length=8)
    assert read(external()).graph.initializers[0].values == StoredOutside(location="", offset=0, length=None)


@pytest.mark.parametrize("key", ["offset", "length"])
@pytest.mark.parametrize("number", ["-1", "1.0", "0x4", " 4", "", "9" * 30, "٤"])
def test_a_place_that_is_no_number_is_refused(key, number):
    assert refusal(external(location="w", **{key: number})) == "onnx.external.number"


def test_functions_and_training():
    made = model(node())
    function = helper.make_function("d", "F", ["x"], ["y"], [node()], [helper.make_opsetid("", 17)], ["alpha"])
    function.attribute_proto.append(attribute(name="beta", i=1))
    function.overload, function.doc_string = "o", "why"
    made.functions.append(function)
    made.training_info.add()
    record = read(made)
    (found,) = record.functions
    assert record.has_training
    assert (found.domain, found.name, found.overload, found.doc) == ("d", "F", "o", "why")
    assert (found.inputs, found.outputs, found.attributes, found.defaults[0].name) == (("x",), ("y",), ("alpha",), "beta")


def blob(number, payload):
    return spelled(number << 3 | 2) + spelled(len(payload)) + payload


def nested(depth):
    graph = GraphProto(name="g")
    for _ in range(depth - 1):
        graph = GraphProto(name="g", node=[node(attribute(type=AttributeProto.GRAPH, g=graph))])
    return ModelProto(ir_version=8, graph=graph)


def test_depth_is_held_by_the_limit():
    assert read(nested(4), max_graph_depth=4).graph.nodes
    assert refusal(nested(5), max_graph_depth=4) == "onnx.limit.depth"
    deep = nested(30).graph.SerializeToString()
    for _ in range(3):  # the library builds no deeper messages
        inner = blob(5, blob(1, b"a") + blob(6, deep))
        deep = blob(1, inner)
    assert refusal(blob(7, deep)) == "onnx.limit.depth"


def test_depth_counts_in_functions():
    made = ModelProto(ir_version=8)
    made.functions.add().node.extend(nested(4).graph.node)
    assert read(made, max_graph_depth=4).functions
    assert refusal(made, max_graph_depth=3) == "onnx.limit.depth"


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"max_nodes": 1}, "nodes"),
        ({"max_edges": 3}, "edges"),
        ({"max_graphs": 1}, "graphs"),
        ({"max_functions": 0}, "functions"),
        ({"max_attributes": 3}, "attributes"),
        ({"max_tensors": 1}, "tensors"),
        ({"max_dimensions": 1}, "dimensions"),
        ({"max_type_depth": 1}, "type_depth"),
        ({"max_name_bytes": 1}, "name"),
        ({"max_fields": 20}, "fields"),
        ({"max_skeleton_bytes": 10}, "skeleton"),
        ({"max_numbers": 3}, "numbers"),
        ({"max_text_bytes": 7}, "text_bytes"),
    ],
)
def test_every_count_is_held_by_its_limit(limits, code):
    first = node(attribute(ints=[1, 2]), attribute(name="b", floats=[1.0, 2.0]))
    second = node(attribute(name="body", g=GraphProto(name="g")), attribute(name="t", t=helper.make_tensor("", 1, [1], [1.0])))
    made = model(first, second, doc_string="some", initializers=[helper.make_tensor("ww", 1, [1, 1], [1.0])])
    made.metadata_props.add(key="k", value="more")
    made.functions.add(name="f", domain="d")
    made.graph.input.append(helper.make_tensor_sequence_value_info("x", 1, [1]))
    data = made.SerializeToString()
    # what is whole in memory was not read piece by piece; a source of this size is
    padded = data + ModelProto(producer_name="p" * (WHOLE_BYTES + 1)).SerializeToString() if code == "skeleton" else data
    assert refusal(padded, **limits) == f"onnx.limit.{code}"
    assert read(data).graph.nodes


def test_numbers_that_are_remembered_are_counted_once_and_few():
    made = model(*[node(attribute(ints=[1, 2, 3])) for _ in range(100)])
    assert len(read(made, max_numbers=3).graph.nodes) == 100


def test_long_words_are_read_and_held_by_the_limit():
    words = "x" * (WHOLE_BYTES + 1)
    made = model(node(), doc_string=words).SerializeToString()
    assert read(made).doc == words
    assert refusal(made, max_text_bytes=WHOLE_BYTES) == "onnx.limit.text_bytes"


def test_packed_numbers_that_end_early_are_refused():
    data = model(node(attribute(floats=[1.0], type=AttributeProto.FLOATS))).SerializeToString()
    packed = data.replace(b"\x3d\x00\x00\x80\x3f", b"\x3a\x03\x00\x00\x80")
    assert packed != data
    assert refusal(packed) == "onnx.wire.truncated"


def test_what_is_no_model_is_refused_by_name():
    assert refusal(b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07builtin\x94.").startswith("onnx.")
    assert refusal(b"import os\nprint(os)\n" * 20).startswith("onnx.")
    assert refusal(b"\x0a\xff").startswith("onnx.wire.")


@pytest.mark.parametrize("seed", SEEDS, ids=lambda path: path.name)
def test_every_cut_of_a_model_is_refused_or_read(seed):
    data = seed.read_bytes()
    for end in random.Random(0).sample(range(len(data)), min(len(data), 60)):  # noqa: S311 - cuts, not secrets
        try:
            read_structure(MemorySource(data[:end]), limits=SMALL)
        except InputError as err:
            assert err.code.startswith("onnx.")


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_a_bent_model_is_refused_or_read(data):
    target = importlib.import_module("decode_onnx")
    rng = random.Random(data.draw(st.integers(0, 2**32)))  # noqa: S311 - faults, not secrets
    target.check(target.mutate(data.draw(st.sampled_from(SEEDS)).read_bytes(), rng))


def test_a_record_says_no_number_but_those_of_the_file():
    found = only(model(node(attribute(f=float("nan")))))
    assert math.isnan(found.value)
    assert dataclasses.replace(found, value=None).value is None
