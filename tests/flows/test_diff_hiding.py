"""Ways to keep a change from being seen: fields that nobody knows, values said twice, lists that read alike. None is called the same."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import helper
from structure_protos import spelled as varint

from mlsign.actions.comparison.diff import DiffRequest, diff
from mlsign.report.diff.as_text import render_difference as as_text

QUIET = DiffRequest(run=False)


def field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def model(*, node: bytes = b"", last: bytes = b"", nodes: int = 1) -> bytes:
    """A model of ``nodes`` nodes, with bytes put before and behind the fields of each."""
    graph = b""
    for index in range(nodes):
        name = str(index).encode()
        operator = field(1, name) + field(2, str(index + 1).encode()) + field(4, b"Relu")
        graph += field(1, node + operator + last)
    ends = [helper.make_tensor_value_info(name, 1, [1]).SerializeToString() for name in ("0", str(nodes))]
    graph += field(2, b"g") + field(11, ends[0]) + field(12, ends[1])
    return b"\x08\x0a" + field(8, helper.make_opsetid("", 21).SerializeToString()) + field(7, graph)


def with_function(*attributes: str) -> bytes:
    ends = ([helper.make_tensor_value_info(name, 1, [1])] for name in "xy")
    graph = helper.make_graph([helper.make_node("f", ["x"], ["y"], domain="local")], "g", *ends)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("local", 1)]
    body = [helper.make_node("Relu", ["p"], ["q"])]
    function = helper.make_function("local", "f", ["p"], ["q"], body, opsets[:1], attributes)
    return helper.make_model(graph, opset_imports=opsets, functions=[function], ir_version=10).SerializeToString()


def reference_with_a_value(value: float) -> bytes:
    made = onnx.load_from_string(with_function("a"))
    attribute = made.functions[0].node[0].attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT, f=value, ref_attr_name="a")
    assert attribute.f == value
    return made.SerializeToString()


def output_twice(element: int) -> bytes:
    made = onnx.load_from_string(model())
    made.graph.output.append(helper.make_tensor_value_info("1", element, [1]))
    return made.SerializeToString()


def two_values(number: int) -> bytes:
    made = onnx.load_from_string(model())
    made.graph.node[0].attribute.add(name="a", type=onnx.AttributeProto.INT, i=1, ints=[number])
    return made.SerializeToString()


PAIRS = {
    "fields that nobody knows": (model(last=field(60, b"one")), model(last=field(60, b"two"))),
    "an operator said twice": (model(node=field(4, b"Neg")), model(node=field(4, b"Abs"))),
    "a name that is no text": (model(last=field(7, b"\xff")), model(last=field(7, b"\\xff"))),
    "more problems than are listed": (model(last=field(60, b"z"), nodes=17), model(last=field(60, b"z") * 2, nodes=17)),
    "values that an attribute has besides": (two_values(1), two_values(2)),
    "a value beside a reference": (reference_with_a_value(1.0), reference_with_a_value(2.0)),
    "attributes that read like several": (with_function("a, b"), with_function("a", "b")),
    "an output that is there twice": (output_twice(11), output_twice(7)),
}


@pytest.mark.parametrize("way", PAIRS)
def test_what_hides_is_not_called_the_same(tmp_path: Path, way: str) -> None:
    for name, data in zip("ab", PAIRS[way], strict=True):
        (tmp_path / f"{name}.onnx").write_bytes(data)
    for first, second in ("ab", "ba"):
        found = diff(tmp_path / f"{first}.onnx", tmp_path / f"{second}.onnx", QUIET)
        assert not found.is_same
        assert not found.is_renamed_only
    whole = diff(tmp_path / "a.onnx", tmp_path / "a.onnx", QUIET)
    assert whole.is_same


def test_what_is_behind_a_problem_of_both_is_said_to_be_not_compared(tmp_path: Path) -> None:
    for name, data in zip("ab", PAIRS["fields that nobody knows"], strict=True):
        (tmp_path / f"{name}.onnx").write_bytes(data)
    text = as_text(diff(tmp_path / "a.onnx", tmp_path / "b.onnx", QUIET), width=200, color=False)
    assert "~ MLS330 field 60 is not a field of NodeProto: present → present, and not compared" in text


@pytest.mark.parametrize("width", [60, 100, 120])
def test_long_foreign_text_begins_no_line_like_those_of_the_report(tmp_path: Path, width: int) -> None:
    forged = ("= identical: 6 tensors", "Behaviour", "+ nothing else")
    for name, words in (("a", ()), ("b", forged)):
        made = onnx.load_from_string(model())
        made.producer_name = "maker" + "".join(f"{' ' * 40} {word}" for word in words)
        made.graph.node[0].doc_string = "".join(f"{'e' * 43} {word} " for word in words)
        (tmp_path / f"{name}.onnx").write_bytes(made.SerializeToString())
    text = as_text(diff(tmp_path / "a.onnx", tmp_path / "b.onnx", QUIET), width=width, color=False)
    lines = [line for line in text.splitlines() if line.lstrip().startswith(forged) and not line.startswith("      ")]
    assert lines == ["  Behaviour"]
