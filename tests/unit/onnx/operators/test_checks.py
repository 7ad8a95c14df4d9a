"""Checks of operators beyond the vectors: size, shared attributes, places, and the forms that attributes come in."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from onnx import AttributeProto, ModelProto, TensorProto, helper

from mlsign.errors import InputError
from mlsign.limits import Limits
from mlsign.onnx.inspect import read_model
from mlsign.onnx.operators.checks import CHECKED
from mlsign.onnx.problems import MAX_SHOWN_PER_CODE
from mlsign.onnx.signatures import signature
from mlsign.source import MemorySource

sys.path.insert(0, str(Path(__file__).parents[3] / "vectors"))
import onnx_operators as vectors

ML = vectors.ML


def model(*nodes, versions=(("", 17), (ML, 3)), sparse=()):
    """All nodes take the same inputs, and each makes values of its own."""
    for index, node in enumerate(nodes):
        node.output[:] = [f"{name}_{index}" for name in node.output]
    names = dict.fromkeys(name for node in nodes for name in node.input)
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in names]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in nodes[0].output]
    graph = helper.make_graph(list(nodes), "g", inputs, outputs, sparse_initializer=list(sparse))
    out = helper.make_model(graph, opset_imports=[helper.make_opsetid(*version) for version in versions])
    out.ir_version = 8
    return out.SerializeToString()


def found(*nodes, limits=None, **how):
    return read_model(MemorySource(model(*nodes, **how)), limits=limits or Limits()).problems


def codes(*nodes, **how):
    return [problem.code for problem in found(*nodes, **how)]


def test_every_operator_that_is_checked_exists():
    own = {b"ai.onnx.ml": "ai.onnx.ml"}
    for name, rule in CHECKED.items():
        domains = {own.get(domain, "ai.onnx") for domain in rule.domains}
        known = [domain for domain in domains for version in range(1, 30) if signature(domain, name.decode(), version)]
        assert known or b"com.microsoft" in rule.domains, name


def test_each_place_of_a_broken_operator_is_named_and_none_of_an_honest_one():
    broken, honest = ({"strides": [0]}, {"strides": [1]})
    nodes = [vectors.node("Conv", takes=2, **(honest if index % 3 else broken)) for index in range(9)]
    assert [problem.where for problem in found(*nodes)] == ["graph.node[0]", "graph.node[3]", "graph.node[6]"]


def test_many_broken_operators_are_counted_and_some_are_listed():
    listed = found(*[vectors.node("Conv", takes=2, strides=[0]) for _ in range(50)])
    assert len(listed) == MAX_SHOWN_PER_CODE + 1


def test_one_operator_means_another_thing_with_other_inputs():
    one, two = vectors.node("Einsum", takes=1, equation="i"), vectors.node("Einsum", takes=2, equation="i")
    assert [problem.where for problem in found(one, two)] == ["graph.node[1]"]


def test_more_kinds_of_attributes_than_are_remembered_are_all_checked():
    nodes = [vectors.node("LRN", size=size) for size in range(1, 4200)]
    nodes.append(vectors.node("LRN", size=0))
    assert [problem.where for problem in found(*nodes)] == ["graph.node[4199]"]


def test_an_operator_of_the_same_name_in_another_domain_is_another_operator():
    node = vectors.node("Scaler", "own", offset=None)
    node.attribute.append(helper.make_attribute("offset", [1.0]))
    assert codes(node, versions=[("", 17), ("own", 1)]) == []


def test_windows_of_the_optimised_forms_are_checked_too():
    node = vectors.node("NhwcMaxPool", "com.microsoft", kernel_shape=[2, 2], strides=[0, 1])
    assert codes(node, versions=[("", 17), ("com.microsoft", 1)]) == ["MLS377"]


def test_the_spelled_out_domain_is_the_standard_one():
    node = vectors.node("Einsum", equation="i.j")
    node.domain = "ai.onnx"
    assert "MLS376" in codes(node)


def test_packed_and_single_integers_mean_the_same():
    node = vectors.node("Conv", takes=2)
    whole = node.SerializeToString()
    strides = AttributeProto(name="strides", type=AttributeProto.INTS).SerializeToString()
    for ints in (b"\x40\x01\x40\x00", b"\x42\x02\x01\x00"):
        data = whole + b"\x2a" + bytes((len(strides + ints),)) + strides + ints
        changed = vectors.node("Conv", takes=2)
        changed.ParseFromString(data)
        assert codes(changed) == ["MLS377"]


def test_an_attribute_of_another_type_is_no_number():
    assert codes(vectors.node("LRN", size=1.5)) == ["MLS373"]
    assert codes(vectors.node("LSTM", takes=3, hidden_size=1, direction=1)) == ["MLS373"]
    assert codes(vectors.node("Normalizer", ML, norm=1)) == ["MLS373"]


def test_the_zero_that_proto3_leaves_out_is_zero():
    node = vectors.node("LRN")
    node.attribute.add(name="size", type=AttributeProto.INT)
    assert codes(node) == ["MLS377"]


def test_what_is_left_out_is_said_once():
    assert codes(vectors.node("Einsum")) == ["MLS373"]


def test_a_text_of_megabytes_is_no_mode():
    (problem,) = found(vectors.node("Normalizer", ML, norm="M" * (1 << 21)))
    assert (problem.code, len(problem.message) < 200) == ("MLS375", True)
    (problem,) = found(vectors.node("Normalizer", ML, norm="M" * (1 << 19)))
    assert (problem.code, len(problem.message) < 200) == ("MLS375", True)


def test_an_equation_of_megabytes_is_answered_at_once():
    start = time.process_time()
    for equation in ("." * (1 << 19), "," * (1 << 19), "i" * (1 << 19), "->" * (1 << 19)):
        assert codes(vectors.node("Einsum", equation=equation)) == ["MLS376"]
    assert time.process_time() - start < 2


def test_long_lists_where_short_ones_belong_are_not_decoded():
    start = time.process_time()
    long = list(range(1 << 18))
    assert codes(vectors.node("Transpose", perm=long)) == ["MLS377"]
    assert codes(vectors.node("Conv", takes=2, strides=long)) == ["MLS377"]
    assert codes(vectors.node("Split", gives=2, split=long), versions=[("", 10)]) == ["MLS377"]
    assert time.process_time() - start < 3


def test_large_tables_are_followed():
    count = 60_000
    words = [f"w{index}" for index in range(count)]
    grams = {**vectors.GRAMS, "pool_strings": words, "ngram_counts": [0], "ngram_indexes": list(range(count))}
    labels = {"keys_strings": words, "values_int64s": list(range(count))}
    machine = {"n_supports": count, "support_vectors": [0.5] * 2 * count, "coefficients": [0.5] * count, "rho": [0.1]}
    nodes = [
        vectors.node("TfIdfVectorizer", **grams),
        vectors.node("LabelEncoder", ML, **labels),
        vectors.node("DictVectorizer", ML, string_vocabulary=words),
        vectors.node("SVMRegressor", ML, **machine),
    ]
    assert codes(*nodes) == []
    grams["ngram_indexes"][-1] = -1
    labels["values_int64s"].pop()
    machine["coefficients"].pop()
    nodes = [
        vectors.node("TfIdfVectorizer", **grams),
        vectors.node("LabelEncoder", ML, **labels),
        vectors.node("DictVectorizer", ML, string_vocabulary=[*words, "w7"]),
        vectors.node("SVMRegressor", ML, **machine),
    ]
    assert codes(*nodes) == ["MLS375"] * 4


def with_large_sets(fill):
    """Two nodes with large sets, which the file is read for in pieces."""
    sets = np.ones(300_000, np.float32)
    sets[[7, fill]] = np.nan
    values = helper.make_tensor("v", TensorProto.FLOAT, [len(sets)], sets.tobytes(), raw=True)
    return vectors.ensemble(nodes_modes=vectors.row(TensorProto.UINT8, [6, 6]), membership_values=values)


def test_sets_of_a_large_ensemble_are_read_to_the_end():
    versions = [("", 17), (ML, 5)]
    assert codes(with_large_sets(299_999), versions=versions) == []
    assert codes(with_large_sets(7), versions=versions) == ["MLS370"]


def large_ensemble(last):
    """As many trees of one node, whose last one has this mode."""
    count = 70_000
    arrays = {
        "tree_roots": list(range(count)),
        "nodes_featureids": [0] * count,
        "nodes_splits": helper.make_tensor("s", TensorProto.FLOAT, [count], bytes(4 * count), raw=True),
        "nodes_modes": helper.make_tensor("m", TensorProto.UINT8, [count], bytes(count - 1) + last, raw=True),
        "nodes_truenodeids": [0] * count,
        "nodes_falsenodeids": [1] * count,
        "nodes_trueleafs": [1] * count,
        "nodes_falseleafs": [1] * count,
    }
    return vectors.ensemble(**arrays)


def test_a_large_ensemble_is_followed():
    assert codes(large_ensemble(b"\x05"), versions=[("", 17), (ML, 5)]) == []


def test_a_fault_at_the_end_of_a_large_ensemble_is_found():
    assert codes(large_ensemble(b"\x07"), versions=[("", 17), (ML, 5)]) == ["MLS370"]


def test_nodes_of_far_apart_names_are_told_apart():
    far = {"nodes_treeids": [-5, -5, -5], "nodes_nodeids": [-(2**63), 0, 2**63 - 1], "target_treeids": [-5, -5]}
    node = vectors.tree(**far, nodes_truenodeids=[0, 0, 0], nodes_falsenodeids=[2**63 - 1, 0, 0], target_nodeids=[0, 2**63 - 1])
    assert codes(node) == []
    wrong = vectors.tree(**far, nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2**63 - 1, 0, 0], target_nodeids=[0, 0])
    assert codes(wrong) == ["MLS370"]


def test_a_child_of_another_tree_is_missing():
    two = {
        "nodes_treeids": [0, 0, 0, 1],
        "nodes_nodeids": [0, 1, 2, 3],
        "nodes_featureids": [0] * 4,
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF", "LEAF"],
        "nodes_values": [0.5] * 4,
        "nodes_falsenodeids": [2, 0, 0, 0],
    }
    assert codes(vectors.tree(**two, nodes_truenodeids=[1, 0, 0, 0])) == []
    (problem,) = found(vectors.tree(**two, nodes_truenodeids=[3, 0, 0, 0]))
    assert "node 3 of tree 0 is missing" in problem.message


def test_the_widest_output_is_a_limit():
    node = vectors.tree(n_targets=1000)
    assert codes(node) == []
    assert codes(node, limits=Limits(max_output_bytes=3999)) == ["MLS370"]


def test_an_axis_is_held_against_the_most_dimensions():
    node = vectors.node("Softmax", axis=8)
    assert codes(node) == []
    assert codes(node, limits=Limits(max_dimensions=7)) == ["MLS377"]


COUNT = 70_000


def placed(indices, dims, *, raw):
    places = np.asarray(indices, np.int64)
    values = helper.make_tensor("v", TensorProto.FLOAT, [len(places)], bytes(4 * len(places)), raw=True)
    payload = places.tobytes() if raw else places.flatten()
    kept = helper.make_tensor("i", TensorProto.INT64, places.shape, payload, raw=raw)
    return helper.make_sparse_tensor(values, kept, dims)


def judged(indices, dims, *, raw, limits=None):
    return codes(vectors.node("Identity"), sparse=[placed(indices, dims, raw=raw)], limits=limits)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("at", [1, 65_535, 65_536, COUNT - 1])
def test_indices_of_large_sparse_tensors_are_read_to_the_end(at, raw):
    indices = np.arange(COUNT) * 3
    dims = [3 * COUNT]
    assert judged(indices, dims, raw=raw) == []
    for wrong in (indices[at - 1], -1, 3 * COUNT):
        broken = indices.copy()
        broken[at] = wrong
        assert judged(broken, dims, raw=raw) == ["MLS365"]


@pytest.mark.parametrize("raw", [False, True])
def test_indices_by_axis_are_followed_where_a_piece_ends_in_a_row(raw):
    flat = np.arange(COUNT) * 2
    dims = [50, 100, 100]
    rows = np.stack(np.unravel_index(flat, dims), axis=1)
    assert judged(rows, dims, raw=raw) == []
    rows[COUNT // 2] = rows[COUNT // 2 - 1]
    assert judged(rows, dims, raw=raw) == ["MLS365"]


def test_a_sparse_tensor_without_values_is_in_order():
    for raw in (False, True):
        assert judged(np.zeros(0), [4], raw=raw) == []
        assert judged(np.zeros((0, 2)), [4, 4], raw=raw) == []


@pytest.mark.parametrize(("limits", "code"), [({"max_sparse_elements": 3}, "elements"), ({"max_sparse_indices": 1}, "indices")])
def test_sparse_tensors_have_limits(limits, code):
    with pytest.raises(InputError) as caught:
        judged([0, 1], [4], raw=True, limits=Limits(**limits))
    assert caught.value.code == f"onnx.limit.sparse_{code}"


def test_pieces_of_the_file_end_within_integers():
    count = 400_000  # of three bytes each, mostly: more than a mebibyte, which is read in pieces
    indices = np.arange(count) * 5
    assert judged(indices, [5 * count], raw=False) == []
    indices[-1] = 0
    assert judged(indices, [5 * count], raw=False) == ["MLS365"]


def varint(number):
    out = b""
    while number > 127:
        out += bytes((number & 127 | 128,))
        number >>= 7
    return out + bytes((number,))


def field(number, payload):
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def with_sparse(sparse):
    """The model with this sparse tensor, spelled by hand, at the end of its graph."""
    out = ModelProto()
    out.ParseFromString(model(vectors.node("Identity")))
    graph = out.graph.SerializeToString()
    out.ClearField("graph")
    return out.SerializeToString() + field(7, graph + field(15, sparse))


@pytest.mark.parametrize("count", [2, 40])
def test_indices_that_are_not_packed_are_read(count):
    for last, wrong in ((100, []), (1, ["MLS365"])):
        numbers = [*range(2, 2 * count, 2), last]
        tensor = placed(numbers, [101], raw=True)
        indices = b"\x08" + bytes((count,)) + b"\x10\x07" + b"".join(b"\x38" + bytes((item,)) for item in numbers)
        sparse = field(1, tensor.values.SerializeToString()) + field(2, indices) + b"\x18\x65"
        data = with_sparse(sparse)
        assert [problem.code for problem in read_model(MemorySource(data)).problems] == wrong


@pytest.mark.parametrize(("payload", "code"), [(b"\x01\x82", "truncated"), (b"\x01" + b"\xff" * 30, "varint")])
def test_indices_without_an_end_are_refused(payload, code):
    sparse = field(1, placed([1], [4], raw=True).values.SerializeToString()) + b"\x18\x04"
    for size in (1, 2, 30):
        indices = field(2, b"\x08" + bytes((size,)) + b"\x10\x07" + field(7, payload))
        data = with_sparse(sparse + indices)
        with pytest.raises(InputError) as caught:
            read_model(MemorySource(data))
        assert caught.value.code == f"onnx.wire.{code}"


@pytest.mark.parametrize(("end", "code"), [(b"\x82", "truncated"), (b"\xff" * 30, "varint")])
def test_many_more_indices_than_values_are_refused_where_they_have_no_end(end, code):
    """So many that their number cannot be right, and nobody counts them before they are read."""
    sparse = field(1, placed([1], [4], raw=True).values.SerializeToString()) + b"\x18" + varint(2**30)
    payload = b"".join(map(varint, range(400_000))) + end
    indices = field(2, b"\x08\x01\x10\x07" + field(7, payload))
    data = with_sparse(sparse + indices)
    with pytest.raises(InputError) as caught:
        read_model(MemorySource(data))
    assert caught.value.code == f"onnx.wire.{code}"


def test_a_row_of_indices_that_comes_number_by_number_is_put_together():
    tensor = placed([[0, 1]], [2, 2], raw=True)
    for numbers, wrong in ((b"\x38\x00\x38\x01", []), (b"\x38\x00\x38\x02", ["MLS365"])):
        indices = b"\x08\x01\x08\x02\x10\x07" + numbers
        sparse = field(1, tensor.values.SerializeToString()) + field(2, indices) + b"\x18\x02\x18\x02"
        data = with_sparse(sparse)
        assert [problem.code for problem in read_model(MemorySource(data)).problems] == wrong


def test_a_machine_of_the_other_byte_order_reads_the_same(monkeypatch):
    tensor = placed([0, 3], [4], raw=True)
    tensor.indices.raw_data = np.array([0, 3], ">i8").tobytes()
    data = model(vectors.node("Identity"), sparse=[tensor])
    assert [problem.code for problem in read_model(MemorySource(data)).problems] == ["MLS365"]
    monkeypatch.setattr(sys, "byteorder", {"little": "big", "big": "little"}[sys.byteorder])
    assert read_model(MemorySource(data)).problems == ()


def test_indices_of_another_length_are_said_once():
    tensor = placed([0, 1], [4], raw=True)
    tensor.indices.raw_data = tensor.indices.raw_data[:-3]
    assert codes(vectors.node("Identity"), sparse=[tensor]) == ["MLS355"]
    tensor = placed([0, 1], [4], raw=True)
    tensor.dims[0] = -4
    assert codes(vectors.node("Identity"), sparse=[tensor]) == ["MLS357"]
