"""Models as text: ONNX's own parser reads the same model back, but for what its syntax has no words for."""

from __future__ import annotations

import importlib
import os
import random
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    TypeProto,
    helper,
    numpy_helper,
)
from structure_protos import normal
from structure_protos import spelled as varint

from mlsign.errors import UNSEEN, InputError
from mlsign.onnx.structure import read_structure
from mlsign.report.onnx.attributes import MAX_ITEMS
from mlsign.report.onnx.text import render_onnx
from mlsign.report.onnx.values import MAX_ELEMENTS
from mlsign.source import MemorySource

ROOT = Path(__file__).parents[3]
SHIPPED = Path(onnx.__file__).parent / "backend" / "test" / "data"
MODELS = sorted(SHIPPED.rglob("*.onnx")) + sorted(ROOT.glob("examples/**/*.onnx"))
MODELS += sorted(Path(os.environ["MLSIGN_MODELS"]).glob("*.onnx")) if os.environ.get("MLSIGN_MODELS") else []
MODELS += sorted((ROOT / "tests" / "vectors" / "onnx").glob("good*.onnx"))
MORE = sorted(Path(os.environ["MLSIGN_ONNX_MODELS"]).rglob("*.onnx")) if os.environ.get("MLSIGN_ONNX_MODELS") else []
if str(ROOT / "fuzz") not in sys.path:
    sys.path.append(str(ROOT / "fuzz"))
SEEDS = sorted((ROOT / "fuzz" / "corpora" / "onnx").glob("*.onnx"))
LISTS = ("floats", "ints", "strings")
UNSAID_LISTS = ("tensors", "graphs", "type_protos")
PAYLOADS = ("float_data", "int32_data", "string_data", "int64_data", "raw_data", "double_data", "uint64_data")


def text_of(data):
    return "".join(f"{line}\n" for line in render_onnx(read_structure(MemorySource(data))))


def is_bare(name):
    words = {*map(str.lower, TensorProto.DataType.keys()), "seq", "map", "optional", "sparse_tensor", "opaque"}
    return name.isascii() and name.isidentifier() and name not in words and name.lower() not in ("inf", "nan", "infinity")


class Said:
    """A model with what the text leaves out taken away, and a count of what the syntax has no words for."""

    def __init__(self, model):
        self.unsaid = Counter()
        self.small = []
        self.model = normal(model)
        self.graph(self.model.graph, inner=False)
        for function in self.model.functions:
            for node in function.node:
                self.node(node)
            self.attributes(function.attribute_proto)

    def graph(self, graph, *, inner=True):
        graph.ClearField("doc_string")
        self.unsaid["sparse initializer"] += len(graph.sparse_initializer)
        graph.ClearField("sparse_initializer")
        if inner and not is_bare(graph.name):
            self.unsaid["name of a graph in an attribute"] += 1
            graph.name = "graph"
        for tensor in graph.initializer:
            self.tensor(tensor)
        for node in graph.node:
            self.node(node)

    def node(self, node):
        self.attributes(node.attribute)

    def attributes(self, attributes):
        for index in reversed(range(len(attributes))):
            attribute = attributes[index]
            if attribute.type in (AttributeProto.SPARSE_TENSOR, AttributeProto.SPARSE_TENSORS):
                self.unsaid["sparse attribute"] += 1
                del attributes[index]
                continue
            for name in LISTS:
                if len(getattr(attribute, name)) > MAX_ITEMS:
                    attribute.ClearField(name)
            for name in UNSAID_LISTS:
                if getattr(attribute, name):
                    self.unsaid["list of messages"] += 1
                attribute.ClearField(name)
            if attribute.HasField("g"):
                self.graph(attribute.g)
            if attribute.HasField("t"):
                if attribute.t.name and not is_bare(attribute.t.name):
                    self.unsaid["name of a tensor in an attribute"] += 1
                    attribute.t.ClearField("name")
                self.tensor(attribute.t)

    def tensor(self, tensor):
        if tensor.data_location != TensorProto.EXTERNAL:
            count = int(np.prod(tensor.dims, dtype=object)) if tensor.dims else 1
            self.small.append(numpy_helper.to_array(tensor) if count <= MAX_ELEMENTS and six_bits(tensor) is False else None)
            for name in PAYLOADS:
                tensor.ClearField(name)


def six_bits(tensor):
    return tensor.data_type in (27, 28) and tensor.HasField("raw_data")


def unsaid_after_a_round(data):
    """Holds a model against what is read back from its text; what could not be said in it."""
    original, back = ModelProto(), onnx.parser.parse_model(text_of(data))
    original.ParseFromString(data)
    wanted, found = Said(original), Said(back)
    assert found.model == wanted.model
    assert len(found.small) == len(wanted.small)
    for one, other in zip(wanted.small, found.small, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            assert one.tobytes() == other.tobytes() or (one == other).all()
    return {what for what, count in wanted.unsaid.items() if count}


def test_models_at_hand_are_read_back_from_their_text():
    assert len(MODELS) > 160
    unsaid = {
        path.parent.name if path.name == "model.onnx" else path.name: unsaid_after_a_round(path.read_bytes()) for path in MODELS
    }
    sparse = [path.name for path in MODELS if path.name.startswith("good_sparse")]
    assert {name: what for name, what in unsaid.items() if what} == {name: {"sparse initializer"} for name in sparse}


@pytest.mark.skipif(not MORE, reason="there are no models in a folder named by MLSIGN_ONNX_MODELS")
def test_more_models_are_read_back_from_their_text():
    unsaid = {path.parent.name: unsaid_after_a_round(path.read_bytes()) for path in MORE}
    assert {name: what for name, what in unsaid.items() if what} == {}


def model(*nodes, initializers=(), **more):
    graph = helper.make_graph(list(nodes), "g", [], [helper.make_tensor_value_info("y", 1, [1])], list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], **more)


def text(made):
    return text_of(made.SerializeToString())


def line_of(made, start):
    (line,) = [line.strip() for line in text(made).splitlines() if line.strip().startswith(start)]
    return line


def node(**attributes):
    made = NodeProto(op_type="Op", input=["x"], output=["y"])
    for name, value in attributes.items():
        attribute = made.attribute.add(name=name)
        attribute.MergeFrom(value)
    return made


def spelled(name):
    """How a name reads back: characters that the syntax cannot write are spelled out, and backslashes beside them."""
    if name.isprintable() and "\\u{" not in name and "##[" not in name and UNSEEN.isdisjoint(name):
        return name
    name = name.replace("##[", "##\x00")
    return "".join(c if c.isprintable() and c != "\\" and c not in UNSEEN else f"\\u{{{ord(c):x}}}" for c in name).replace(
        "##\\u{0}", "##\\u{5b}"
    )


def test_a_small_model_is_a_line_for_each_node():
    first = helper.make_node("Gemm", ["x", "W"], ["h"], name="first", alpha=0.1, transB=1)
    made = model(
        first, helper.make_node("Relu", ["h"], ["y"]), initializers=[numpy_helper.from_array(np.zeros((3, 4), "f4"), "W")]
    )
    made.graph.input.append(helper.make_tensor_value_info("x", 1, ["N", 4]))
    made.metadata_props.add(key="author", value="me")
    made.producer_name, made.ir_version = "tool", 8
    assert (
        text(made)
        == """# values of tensors of more than 10 elements are left out
<
  ir_version: 8,
  opset_import: ["": 17],
  producer_name: "tool",
  metadata_props: [
    "author": "me"
  ]
>
g (float[N, 4] x) => (float[1] y)
<
  float[3, 4] W = {}  # 12 values left out, 48 B
>
{
  [first] h = Gemm <alpha: float = 0.1, transB: int = 1> (x, W)
  y = Relu (h)
}
"""
    )


def test_graphs_in_attributes_have_lines_of_their_own():
    inner = helper.make_graph([helper.make_node("Neg", ["x"], ["z"])], "then", [], [helper.make_tensor_value_info("z", 1, [])])
    other = helper.make_graph([], "odd name", [], [helper.make_tensor_value_info("x", 1, None)])
    other.doc_string = "why"
    made = model(helper.make_node("If", ["c"], ["y"], name="if", then_branch=inner, else_branch=other, note=1))
    assert (
        text(made).partition("{\n")[2]
        == """  [if] y = If (c) <
    else_branch: graph = graph () => (float[] x) {  # the name of this graph is "odd name"; doc_string: "why"
    },
    note: int = 1,
    then_branch: graph = then () => (float z) {
      z = Neg (x)
    }
  >
}
"""
    )
    assert onnx.parser.parse_model(text(made)).graph.node[0].attribute[2].g.node[0].op_type == "Neg"


def test_a_long_doc_string_is_cut():
    made = model(node())
    made.graph.doc_string = "word " * 1000
    (line,) = [line for line in text(made).splitlines() if line.startswith("g ")]
    assert line.startswith('g () => (float[1] y) {  # doc_string is cut, it has 5,000 characters; doc_string: "word word')
    assert line.endswith(' w…"')


def test_functions_with_attributes_and_defaults():
    made = model(helper.make_node("F", ["x"], ["y"], domain="own", alpha=2.0))
    body = [helper.make_node("Elu", ["x"], ["y"])]
    body[0].attribute.add(name="alpha", type=AttributeProto.FLOAT, ref_attr_name="alpha")
    function = helper.make_function("own", "F", ["x", "float"], ["y"], body, [helper.make_opsetid("", 17)], ["alpha"])
    function.attribute_proto.add(name="beta", type=AttributeProto.INT, i=1)
    function.value_info.append(helper.make_tensor_value_info("y", 1, [1]))
    function.overload, function.doc_string = "v1", "what it does"
    made.functions.append(function)
    other = made.functions.add()
    other.CopyFrom(function)
    other.attribute_proto.add(name="body", type=AttributeProto.GRAPH, g=GraphProto(name="g"))
    said = onnx.parser.parse_model(text(made))
    assert [normal(found) for found in said.functions] == [normal(found) for found in made.functions]
    assert "  y = Elu <alpha: float = @alpha> (x)" in text(made).splitlines()


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.array([1, -(2**63), 2**63 - 1]), "int64[3] w = {1, -9223372036854775808, 9223372036854775807}"),
        (np.array([0.1, 1, 1e10, 3.4028235e38, 1e-45], "f4"), "float[5] w = {0.1, 1.0, 1e+10, 3.4028235e+38, 1.4013e-45}"),
        (np.array([np.nan, np.inf, -np.inf, -0.0], "f4"), "float[4] w = {nan, inf, -inf, -0.0}"),
        (np.array(0.1), "double w = {0.1}"),
        (np.array([2**64 - 1], "u8"), "uint64[1] w = {18446744073709551615}"),
        (np.array([1 + 2j], "c8"), "complex64[1] w = {1.0, 2.0}"),
        (np.array([True, False]), "bool[2] w = {1, 0}"),
        (np.array([1.0], "f2"), "float16[1] w = {15360}"),
        (np.array([], "f4"), "float[0] w = {}"),
        (np.array(['a"b', "\x1b"], object), 'string[2] w = {"a\\"b", "\\\\u{1b}"}'),
    ],
)
def test_values_of_small_tensors(array, said):
    assert line_of(model(node(), initializers=[numpy_helper.from_array(array, "w")]), said.partition(" = ")[0]) == said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"data_type": 7, "dims": [2], "int64_data": [1, -1]}, "int64[2] w = {1, -1}"),
        ({"data_type": 13, "dims": [1], "uint64_data": [2**64 - 1]}, "uint64[1] w = {18446744073709551615}"),
        ({"data_type": 11, "dims": [1], "double_data": [0.5]}, "double[1] w = {0.5}"),
        ({"data_type": 22, "dims": [3], "int32_data": [33, 3]}, "int4[3] w = {33, 3}"),
        ({"data_type": 1, "dims": [1], "raw_data": b"abc"}, "float[1] w = {}  # 1 value left out, 4 B"),
        ({"data_type": 1, "dims": [1], "int32_data": [1]}, "float[1] w = {}  # 1 value left out, 4 B"),
        ({"data_type": 1, "dims": [2], "float_data": [1.0]}, "float[2] w = {}  # 2 values left out, 8 B"),
        ({"data_type": 27, "dims": [1], "raw_data": b"\1"}, "float6e2m3[1] w = {}  # 1 value left out, 1 B"),
        ({"data_type": 8, "dims": [1], "string_data": [b"x" * 2000]}, "string[1] w = {}  # 1 value left out, 2.0 kB"),
        ({"data_type": 8, "dims": [1], "raw_data": b"x"}, "string[1] w = {}  # 1 value left out, 0 B"),
        ({"data_type": 1, "dims": [1]}, "float[1] w = {}  # no values"),
        ({"data_type": 1, "dims": [-1]}, "float[-1] w = {}"),
        ({"data_type": 99, "dims": [1]}, '# initializer "w" of an unknown type is left out'),
    ],
)
def test_payloads_that_fit_and_those_that_do_not(fields, said):
    made = model(node(), initializers=[TensorProto(name="w", **fields)])
    assert said in [line.strip() for line in text(made).splitlines()]


def blob(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


@pytest.mark.parametrize(
    ("element", "payload", "said"),
    [
        (6, blob(5, b"\xac\x02"), "{300}"),
        (6, varint(5 << 3) + b"\xac\x02", "{300}"),
        (6, varint(5 << 3) + b"\xff" * 9 + b"\x01", "{-1}"),
        (6, blob(5, b"\x80\x80"), None),
        (6, blob(5, b"\x80\x00"), None),
        (6, blob(5, varint(2**40)), None),
        (6, blob(5, b"\x01\x02"), None),
        (1, blob(4, b"\x00\x80\x3f"), None),
        (1, blob(4, b"\x00\x00\x80\x3f"), "{1.0}"),
        (8, blob(6, b"x" * (1 << 21)), None),
    ],
)
def test_payloads_as_they_may_be_written(element, payload, said):
    tensor = blob(8, b"w") + varint(1 << 3) + varint(1) + varint(2 << 3) + varint(element) + payload
    (line,) = [line for line in text_of(varint(1 << 3) + b"\x08" + blob(7, blob(5, tensor))).splitlines() if "[1] w = " in line]
    assert f"w = {said}" in line if said else "w = {}  # 1 value left out" in line


def test_a_place_from_the_start_to_the_end():
    tensor = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../w")
    assert line_of(model(node(), initializers=[tensor]), "float[1] w") == 'float[1] w = ["location": "../w"]'


def test_values_in_another_file_are_named():
    tensor = TensorProto(name="w", data_type=1, dims=[100], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "weights\n.bin"), ("offset", "4096"), ("length", "400")):
        tensor.external_data.add(key=key, value=value)
    made = model(node(), initializers=[tensor])
    assert (
        line_of(made, "float[100] w") == 'float[100] w = ["location": "weights\\\\u{a}.bin", "offset": "4096", "length": "400"]'
    )
    assert onnx.parser.parse_model(text(made)).graph.initializer[0].external_data[1].value == "4096"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (AttributeProto(type=AttributeProto.STRING, s=b"a\xff\n"), 'Op <a: string = "a\\\\u{dcff}\\\\u{a}"> (x)'),
        (AttributeProto(type=AttributeProto.INTS, ints=range(65)), 'Op <a: ints = []> (x)  # 65 values of "a" left out'),
        (AttributeProto(type=AttributeProto.FLOATS, floats=[0.5] * 2000), 'Op <a: floats = []> (x)  # "a" is left out, 8.0 kB'),
        (AttributeProto(type=AttributeProto.STRINGS), "Op <a: strings = []> (x)"),
        (AttributeProto(i=1, f=1.0), 'Op (x)  # attribute "a" is left out: it has no value that can be said'),
        (AttributeProto(ref_attr_name="b c"), 'Op <a = @"b c"> (x)'),
        (
            AttributeProto(type=AttributeProto.TYPE_PROTO, tp=TypeProto()),
            'Op (x)  # attribute "a" is left out: it has no value that can be said',
        ),
        (
            AttributeProto(type=AttributeProto.TYPE_PROTOS, type_protos=[TypeProto()]),
            'Op <a: type_protos = []> (x)  # 1 value of "a" cannot be said',
        ),
        (
            AttributeProto(type=AttributeProto.TENSOR, t=TensorProto(data_type=99)),
            'Op (x)  # attribute "a" is left out: it has no value that can be said',
        ),
        (AttributeProto(type=AttributeProto.SPARSE_TENSORS), 'Op (x)  # attribute "a" is left out: sparse, without a value'),
        (
            AttributeProto(type=AttributeProto.TENSOR, t=numpy_helper.from_array(np.array([1, 2]), "t")),
            "Op <a: tensor = int64[2] t = {1, 2}> (x)",
        ),
        (
            AttributeProto(type=AttributeProto.TENSOR, t=numpy_helper.from_array(np.arange(20), "t:0")),
            'Op <a: tensor = int64[20] = {}> (x)  # the name of "a" is "t:0"; 20 values of "a" left out, 160 B',
        ),
        (
            AttributeProto(type=AttributeProto.STRING, s=b"x" * 5000),
            f'Op <a: string = "{"x" * 4096}…"> (x)  # "a" is cut, it has 5,000 characters',
        ),
        (AttributeProto(type=AttributeProto.STRING, s=b"x" * (1 << 21)), 'Op <a: string = ""> (x)  # "a" is left out, 2.1 MB'),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)
def test_attributes(value, said):
    made = model(node(a=value))
    assert line_of(made, "y = ") == f"y = {said}"
    onnx.parser.parse_model(text(made))


def test_sparse_tensors_are_told_in_a_comment():
    sparse = SparseTensorProto(dims=[4, 4])
    sparse.values.CopyFrom(helper.make_tensor("s", 1, [1], [1.0]))
    made = model(node(a=AttributeProto(type=AttributeProto.SPARSE_TENSOR, sparse_tensor=sparse)))
    made.graph.sparse_initializer.append(sparse)
    assert line_of(made, "# sparse") == '# sparse initializer "s" is left out: sparse, 1 value of float[4, 4]'
    assert line_of(made, "y = ") == 'y = Op (x)  # attribute "a" is left out: sparse, 1 value of float[4, 4]'


def test_lists_of_graphs_and_training_are_printed_or_told():
    graphs = AttributeProto(type=AttributeProto.GRAPHS, graphs=[GraphProto(name="a"), GraphProto(name="b")])
    made = model(node(a=graphs, b=AttributeProto(i=1, f=1.0)))
    made.training_info.add()
    lines = [line.strip() for line in text(made).splitlines()]
    assert "# the model has training information, which is left out" in lines
    assert (
        lines[-9:]
        == [
            "y = Op (x) <",
            "a: graphs = [",
            "a () => () {",
            "},",
            "b () => () {",
            "}",
            "]",
            '# attribute "b" is left out: it has no value that can be said',
            ">",
            "}",
        ][-9:]
    )
    onnx.parser.parse_model(text(made))


def test_types_that_hold_other_types_and_those_that_say_nothing():
    made = model(node())
    made.graph.input.append(helper.make_tensor_sequence_value_info("s", 1, ["batch size", None]))
    made.graph.input.append(helper.make_value_info("m", helper.make_map_type_proto(7, helper.make_tensor_type_proto(1, []))))
    made.graph.input.append(
        helper.make_value_info("o", helper.make_optional_type_proto(helper.make_sparse_tensor_type_proto(1, None)))
    )
    made.graph.input.append(helper.make_value_info("float", TypeProto()))
    said = text(made)
    for line in ('seq(float["batch size", ?]) s,', "map(int64, float) m,", "optional(sparse_tensor(float[])) o,", '"float"'):
        assert f"  {line}" in said.splitlines()
    assert normal(onnx.parser.parse_model(said)).graph.input == normal(made).graph.input
    broken = made.graph.input.add(name="b")
    broken.type.sequence_type.elem_type.denotation = "x"
    assert '  b  # its type is "sequence([…])"' in text(made).splitlines()


ODD = [
    "a\nb",
    "\x1b[31mred",
    "\u202eevil",
    'a"b',
    "a\\",
    "\\u{a}",
    "a # b",
    "a, b",
    "<>",
    "{",
    "",
    " ",
    "é",
    "名前",
    "1x",
    "float",
    "nan",
    "a.b/c:0",
    "\u2028",
    "a\u200b\ufe0f\u3164",
    "\x00",
    "##[error]x",
    "::error::x",
]


@pytest.mark.parametrize("odd", ODD)
def test_odd_names_are_read_back_or_spelled_out(odd):
    made = model(helper.make_node("Op", [odd, "x"], [odd], name=odd), producer_name=odd, doc_string=odd)
    made.graph.name = odd
    made.graph.input.append(helper.make_tensor_value_info(odd, 1, [odd or None, 2]))
    made.graph.initializer.append(helper.make_tensor(odd, 1, [1], [1.0]))
    made.metadata_props.add(key=odd, value=odd)
    said = text(made)
    assert all(line.isprintable() for line in said.split("\n"))
    back = onnx.parser.parse_model(said)
    wanted = spelled(odd)
    assert (back.producer_name, back.doc_string, back.graph.name, back.graph.input[0].name) == (wanted,) * 4
    assert (list(back.graph.node[0].input), list(back.graph.node[0].output), back.graph.node[0].name) == (
        [wanted, "x"],
        [wanted],
        wanted,
    )
    assert back.graph.input[0].type.tensor_type.shape.dim[0].dim_param == wanted
    assert (back.metadata_props[0].key, back.metadata_props[0].value, back.graph.initializer[0].name) == (wanted,) * 3


@pytest.mark.parametrize("odd", [name for name in ODD if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name])
@pytest.mark.parametrize("where", ["op_type", "domain", "overload", "attribute"])
def test_odd_names_without_quotes_in_the_syntax_are_refused_by_its_parser(odd, where):
    made = node(a=AttributeProto(i=1))
    if where == "attribute":
        made.attribute[0].name = odd
    else:
        setattr(made, where, odd)
    said = text(model(made))
    assert all(line.isprintable() for line in said.split("\n"))
    with pytest.raises(onnx.parser.ParseError):
        onnx.parser.parse_model(said)


@given(st.lists(st.text(max_size=12), min_size=2, max_size=2, unique=True))
def test_two_names_never_read_alike(names):
    made = text(model(helper.make_node("Op", names, ["y"])))
    back = onnx.parser.parse_model(made).graph.node[0].input
    assert len(set(back)) == 2
    assert list(back) == [spelled(name) for name in names]


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_what_the_parser_reads_of_a_bent_model_is_what_its_structure_says(data):
    target = importlib.import_module("decode_onnx")
    rng = random.Random(data.draw(st.integers(0, 2**32)))  # noqa: S311 - faults, not secrets
    bent = target.mutate(data.draw(st.sampled_from(SEEDS)).read_bytes(), rng, whole=0.9)
    try:
        record = read_structure(MemorySource(bent), limits=target.LIMITS)
    except InputError:
        return
    said = list(render_onnx(record))
    assert all(line.isprintable() for line in said)
    try:
        back = onnx.parser.parse_model("\n".join(said))
    except onnx.parser.ParseError:
        return
    assert [(n.domain, n.op_type, list(n.input), list(n.output), n.name) for n in back.graph.node] == [
        (n.domain, n.operator, [*map(spelled, n.inputs)], [*map(spelled, n.outputs)], spelled(n.name)) for n in record.graph.nodes
    ]
    assert len(back.functions) == len(record.functions)
