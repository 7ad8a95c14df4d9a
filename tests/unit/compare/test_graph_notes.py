"""Words beside what is computed: told one by one where they are not the same, and never as a difference of the graph."""

from __future__ import annotations

import copy

import numpy as np
import onnx
from graph_kit import compared, record
from onnx import helper, numpy_helper

from mlsign.compare.graphs import notes
from mlsign.compare.graphs.comparing import compare_graphs
from mlsign.onnx import structure_notes

HOW = "sha256:"


def model() -> onnx.ModelProto:
    inner = helper.make_graph([helper.make_node("Neg", ["h"], ["t"])], "b", [], [helper.make_tensor_value_info("t", 1, [1])])
    nodes = [
        helper.make_node("Add", ["x", "w"], ["h"], name="add"),
        helper.make_node("Strange", ["h"], ["s"], domain="local", body=inner, alpha=0.5, beta=2),
        helper.make_node("Constant", [], ["c"], name="held", value=numpy_helper.from_array(np.ones(1, np.float32), "c")),
        helper.make_node("f", ["s", "c"], ["y"], name="call", domain="local"),
    ]
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(1, np.float32), "z"), numpy_helper.from_array(np.zeros(1, np.int64), "i"), [4]
    )
    ends = ([helper.make_tensor_value_info(name, 1, [1])] for name in "xy")
    graph = helper.make_graph(
        nodes, "g", *ends, [numpy_helper.from_array(np.ones(1, np.float32), "w")], sparse_initializer=[sparse]
    )
    graph.value_info.append(helper.make_tensor_value_info("h", 1, [1]))
    function = helper.make_function(
        "local", "f", ["p", "q"], ["r"], [helper.make_node("Mul", ["p", "q"], ["r"], name="mul")], [helper.make_opsetid("", 21)]
    )
    function.attribute_proto.append(helper.make_attribute("d", 1))
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=[function], ir_version=11)


PLACES = {
    "Add add": lambda m: m.graph.node[0],
    "Strange at graph.node[1]": lambda m: m.graph.node[1],
    "Strange at graph.node[1] attribute alpha": lambda m: m.graph.node[1].attribute[0],
    "Strange at graph.node[1] attribute body": lambda m: m.graph.node[1].attribute[2],
    "Constant held": lambda m: m.graph.node[2],
    "graph": lambda m: m.graph,
    "graph value x": lambda m: m.graph.input[0],
    "graph value h": lambda m: m.graph.value_info[0],
    "graph value y": lambda m: m.graph.output[0],
    "weight w": lambda m: m.graph.initializer[0],
    "weight c": lambda m: m.graph.node[2].attribute[0].t,
    "weight z": lambda m: m.graph.sparse_initializer[0].indices,
    "graph.node[1].body": lambda m: m.graph.node[1].attribute[2].g,
    "Neg at graph.node[1].body.node[0]": lambda m: m.graph.node[1].attribute[2].g.node[0],
    "graph.node[1].body value t": lambda m: m.graph.node[1].attribute[2].g.output[0],
    "function local:f": lambda m: m.functions[0],
    "Mul mul": lambda m: m.functions[0].node[0],
    "f at function local:f defaults.node[0] attribute d": lambda m: m.functions[0].attribute_proto[0],
}


def told(found) -> list[tuple[str, str | None, str | None]]:
    return [(each.field, each.before, each.after) for each in found.notes]


def test_words_of_every_part_are_told_and_change_nothing_of_the_graph() -> None:
    plain = model()
    for place, write in PLACES.items():
        before, after = model(), model()
        write(before).doc_string, write(after).doc_string = "was", "is"
        assert told(compared(plain, after)) == [(f"{place} doc_string", None, "is")]
        assert told(compared(before, plain)) == [(f"{place} doc_string", "was", None)]
        changed = compared(before, after)
        assert told(changed) == [(f"{place} doc_string", "was", "is")]
        assert changed.difference.is_same
        assert changed.difference.identical == changed.difference.after
        assert not changed.difference.renames.count
        assert told(compared(after, after)) == []


def test_properties_are_told_by_key_and_twice_as_often_as_they_are_there() -> None:
    before, after = model(), model()
    for made, values in ((before, "abc"), (after, "adc")):
        for key, value in zip(("k", "k", "m"), values, strict=True):
            made.graph.node[0].metadata_props.add(key=key, value=value)
    assert told(compared(before, after)) == [("Add add metadata k[2]", "b", "d")]


def test_annotations_are_told() -> None:
    before, after = model(), model()
    after.configuration.add(name="pair", num_devices=2)
    before.graph.quantization_annotation.add(tensor_name="w")
    assert told(compared(before, after)) == [
        ("model configuration", None, "8 bytes"),
        ("graph quantization_annotation", "3 bytes", None),
    ]


def test_what_differs_behind_the_beginning_is_told_by_digest(monkeypatch) -> None:
    before, after, swapped = model(), model(), model()
    before.graph.node[0].doc_string, after.graph.node[0].doc_string = "a" * 900 + "b", "a" * 900 + "c"
    ((field, old, new),) = told(compared(before, after))
    assert field == "Add add doc_string, metadata"
    assert old.startswith(HOW)
    assert new.startswith(HOW)
    assert old != new
    for made, keys in ((before, "km"), (swapped, "mk")):
        made.graph.node[0].doc_string = ""
        for key in keys:
            made.graph.node[0].metadata_props.add(key=key, value="v")
    assert [field for field, _, _ in told(compared(before, swapped))] == ["Add add doc_string, metadata"]
    models = [record(model())]
    monkeypatch.setattr(structure_notes, "_MAX_KEPT", 0)
    models.append(record(before))
    assert [(field, old) for field, old, _ in told(compare_graphs(*models))] == [("Add add doc_string, metadata", None)]


def test_changes_that_are_too_many_to_tell_are_counted(monkeypatch) -> None:
    before, after = model(), model()
    for made, word in ((before, "a"), (after, "b")):
        for node in made.graph.node:
            node.doc_string = word
    assert len(told(compared(before, after))) == len(before.graph.node)
    monkeypatch.setattr(notes, "_MAX_TOLD", 1)
    *_, last = told(compared(before, after))
    assert last == ("notes", "1 changes are listed", f"{len(before.graph.node) - 1} more are not")


def test_values_that_are_called_otherwise_keep_their_words() -> None:
    before = model()
    before.graph.value_info[0].doc_string = before.graph.input[0].doc_string = "what it is"
    after = copy.deepcopy(before)
    after.graph.node[0].output[0] = after.graph.value_info[0].name = after.graph.node[1].input[0] = "other"
    after.graph.node[1].attribute[2].g.node[0].input[0] = "other"
    found = compared(before, after)
    assert found.difference.renames.count == 1
    assert told(found) == []


def test_nodes_that_only_one_model_has_are_told_as_nodes() -> None:
    after = model()
    after.graph.node.add(op_type="Relu", input=["x"], output=["loose"], doc_string="new")
    found = compared(model(), after)
    assert len(found.difference.added) == 1
    assert told(found) == []
