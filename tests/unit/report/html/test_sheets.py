"""A model as sheets, lists and a picture: what opens from where, places of findings, and bounds."""

import json

import pytest
from model_records import FLOATS, attribute, function, graph, model, node, tensor

from mlsign.evidence.findings import Finding, Outcome
from mlsign.interface import TypeSpec, ValueKind
from mlsign.onnx.records import AttributeKind, SparseRecord, Stored, TensorRecord
from mlsign.report.html import boxes, picture, sheets
from mlsign.report.html.document import encode_data
from mlsign.report.html.elements import render_element
from mlsign.report.html.graph import graph as graph_section
from mlsign.report.html.node_lists import node_lists
from mlsign.report.html.picture import picture_of
from mlsign.report.html.sheets import sheets_of
from mlsign.report.html.words import attribute_words, name_of, type_words

WEIGHT = tensor("w", 3, 3)
INNER = graph(node("Tanh", ("x",), ("t",)), node("Add", ("t", "w"), ("u",)), outputs=("u",), name="then")
NESTED = model(
    graph(
        node("Relu", ("x", ""), ("r",), name="first"),
        node(
            "If",
            ("r",),
            ("y",),
            attribute("then", AttributeKind.GRAPH, INNER),
            attribute("more", AttributeKind.GRAPHS, (INNER,)),
        ),
        node("Twice", ("y",), ("z",), domain="f"),
        inputs=("x", "w"),
        outputs=("z",),
        tensors=(WEIGHT,),
    ),
    function("Twice", node("Add", ("a", "a"), ("b",))),
)


def test_sheets_open_from_nodes_and_know_where_they_are():
    made = sheets_of(NESTED)
    assert [sheet.title for sheet in made.sheets] == ["main graph", "then of If #1", "more 0 of If #1", "function f:Twice"]
    assert made.sheets[0].opens == {1: [1, 2], 2: [3]}
    assert [sheet.parent for sheet in made.sheets] == [None, (0, 1), (0, 1), None]
    assert made.sheets[1].place == "graph.node[1].attribute[0].g"
    assert made.sheets[2].place == "graph.node[1].attribute[1].graphs[0]"
    assert made.sheets[0].inputs == ("x",), "a weight is no input"


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("graph.node[0]", (0, 0)),
        ("graph.node[1].attribute[0].g.node[1].attribute[3]", (1, 1)),
        ("graph.node[1].attribute[1].graphs[0].node[0]", (2, 0)),
        ("graph.node[1].attribute[7].g.node[0]", (0, 1)),
        ("functions[0].node[0]", (3, 0)),
        ("golden/graph.node[0]/x", None),
        ("evil.graph.node[0]:Relu", None),
        ("graph.initializer[0]", None),
        ("graph.node[99999999999999999999]", None),
        ("graph.node[3]", None),
        ("", None),
        ("elsewhere", None),
    ],
)
def test_a_place_in_the_file_is_a_node(where, found):
    assert sheets_of(NESTED).find(where) == found


def test_operators_have_a_first_node():
    assert sheets_of(NESTED).first == {
        "ai.onnx:Relu": (0, 0),
        "ai.onnx:If": (0, 1),
        "f:Twice": (0, 2),
        "ai.onnx:Tanh": (1, 0),
        "ai.onnx:Add": (1, 1),
    }


def test_the_picture_has_boxes_for_ends_and_lines_for_values():
    data = picture_of(sheets_of(NESTED), {(0, 1): "MLS301"}).data
    main, inner, *_ = data["sheets"]
    assert main["before"] == [["in", "x", "float[N, 3]"]]
    assert main["after"] == [["out", "z", "float[N, 3]"]]
    assert [data["operators"][each] for each in main["nodes"]] == ["Relu", "If", "Twice"]
    assert main["edges"] == [0, 1, 1, 2, 2, 3, 3, 4]
    assert (main["marks"], main["opens"]) == ({"2": "MLS301"}, {"2": [1, 2], "3": [3]})
    assert inner["before"] == [["around", "x", "float[N, 3]"]], "weights from around are in no picture"
    assert json.loads(encode_data(data))["row"] > 0


def test_lists_say_what_the_picture_shows():
    made = sheets_of(NESTED)
    text = "".join(map(render_element, node_lists(made, {(0, 0): "MLS301"})))
    for words in (
        'id="n0-1"',
        "float[N, 3]",
        "w float[3, 3]",
        "(left out)",
        "✗",
        "MLS301",
        'href="#s1"',
        'href="#n0-1"',
        "f:Twice",
    ):
        assert words in text


def test_limits_hold_and_are_told(monkeypatch):
    monkeypatch.setattr(sheets, "MAX_NODES", 4)
    monkeypatch.setattr(sheets, "MAX_SHEETS", 2)
    monkeypatch.setattr(picture, "MAX_EDGES", 2)
    made = sheets_of(NESTED)
    assert (len(made.sheets), made.left_out, made.sheets_left_out) == (2, 1 + 2 + 1, 2)
    assert [sheet.left_out for sheet in made.sheets] == [0, 1]
    drawn = picture_of(made, {})
    assert sum(len(sheet["edges"]) for sheet in drawn.data["sheets"]) == 4
    assert drawn.edges_left_out > 0
    assert "1 further node not listed" in "".join(map(render_element, node_lists(made, {})))


def test_words_of_very_many_nodes_are_no_more_than_a_page_holds(monkeypatch):
    """A long type is said once in a model, and at every node of a page."""
    monkeypatch.setattr("mlsign.report.html.node_lists.MAX_WORDS", 5_000)
    long = TensorRecord(name="<" * 80, element="float", shape=(10**9,) * 8, count=0, size=0, values=None)
    many = [node("Sum", (long.name,) * 12, (f"v{n}",), name=f"node{n}") for n in range(100)]
    text = "".join(map(render_element, node_lists(sheets_of(model(graph(*many, tensors=(long,)))), {})))
    assert len(text) < 30_000
    assert text.count("more than a page holds") == 99 + 1
    assert "What 99 nodes take, give and are set to is more than a page holds" in text
    assert "node99" in text


def test_what_is_inside_of_what_is_left_out_is_counted_too(monkeypatch):
    """Or a model could hide nodes behind one more than are shown."""
    monkeypatch.setattr(sheets, "MAX_NODES", 1)
    deep = graph(node("If", ("c",), ("y",), attribute("then", AttributeKind.GRAPH, INNER)), name="outer")
    hidden = node("If", ("c",), ("y",), attribute("then", AttributeKind.GRAPH, deep), name="gate")
    made = sheets_of(model(graph(node("Relu", ("x",), ("c",)), hidden)))
    assert (made.left_out, made.sheets_left_out) == (1 + 1 + 2, 2)
    monkeypatch.setattr(sheets, "MAX_NODES", 100)
    monkeypatch.setattr(sheets, "MAX_SHEETS", 1)
    made = sheets_of(model(graph(node("Relu", ("x",), ("c",)), hidden)))
    assert (made.left_out, made.sheets_left_out) == (1 + 2, 2)
    told = render_element(graph_section(made, picture_of(made, {}), {}))
    assert "3 nodes and 2 graphs of the model not shown" in told


def test_titles_tell_bodies_apart_and_are_short():
    gates = [node("If", ("c",), (f"y{n}",), attribute("t" * 999, AttributeKind.GRAPH, INNER), name=f"gate{n}") for n in range(2)]
    one, other = sheets_of(model(graph(*gates))).sheets[1:]
    assert one.title.endswith(" of If gate0")
    assert other.title.endswith(" of If gate1")
    assert len(one.title) < 300


def test_a_value_that_is_made_twice_or_comes_from_itself_draws_no_endless_line():
    loop = model(
        graph(node("A", ("v",), ("v",)), node("B", ("v", "u"), ("v",)), node("C", ("u",), ("u",)), outputs=("v", "v", ""))
    )
    data = picture_of(sheets_of(loop), {}).data["sheets"][0]
    assert all(source != target for source, target in zip(data["edges"][::2], data["edges"][1::2], strict=True))


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (AttributeKind.INT, 3, "a=3"),
        (AttributeKind.FLOAT, 1e-05, "a=1e-05"),
        (AttributeKind.STRING, b"x\xff\0", 'a="x\ufffd\\u{0}"'),
        (AttributeKind.STRING, b"y" * 90, f'a="{"y" * 40}…" (90 bytes)'),
        (AttributeKind.INTS, tuple(range(12)), "a=0, 1, 2, 3, 4, 5, 6, 7, … 12 in all"),
        (AttributeKind.INTS, (), "a=nothing"),
        (AttributeKind.TENSOR, WEIGHT, "a=float[3, 3]"),
        (AttributeKind.GRAPH, INNER, "a=graph then"),
        (AttributeKind.TYPE_PROTO, FLOATS, "a=float[N, 3]"),
        (AttributeKind.FLOATS, Stored(field=7, parts=(b"",)), "a=long, not shown"),
        (AttributeKind.UNDEFINED, None, "a=nothing"),
    ],
)
def test_attributes_are_told_in_a_line(kind, value, words):
    assert attribute_words(attribute("a", kind, value)) == words


def test_types_and_names_are_told_in_a_line():
    assert attribute_words(attribute("a", AttributeKind.INT, None, reference="alpha")) == "a=@alpha"
    assert type_words(None) == ""
    assert type_words(SparseRecord(name="s", shape=(2,) * 9, values=WEIGHT, indices=WEIGHT)) == f"sparse float[{'2, ' * 8}…]"
    assert type_words(TensorRecord(name="", element="", shape=(), count=1, size=0, values=None)) == "unknown type[]"
    assert name_of("") == "(no name)"
    assert len(name_of("x" * 10**6)) < 200


def test_a_type_is_cut_before_it_is_spelled():
    """A type of megabytes may stand at every node."""
    long = TypeSpec(kind=ValueKind.TENSOR, element="float", shape=("d" * 60_000,) * 32)
    assert len(type_words(long)) < 500
    assert type_words(long).endswith(", …]")
    assert type_words(TypeSpec(kind=ValueKind.MAP, element="int64", inner=FLOATS)) == "map(int64, float[N, 3])"
    assert type_words(TypeSpec(kind=ValueKind.SEQUENCE, inner=FLOATS)) == "sequence(float[N, 3])"
    assert type_words(TypeSpec(kind=ValueKind.OPTIONAL)) == "optional(?)"
    assert type_words(TypeSpec(kind=ValueKind.SPARSE_TENSOR, element="float", shape=(None, 2))) == "sparse float[?, 2]"
    assert type_words(TypeSpec(kind=ValueKind.TENSOR, element="float")) == "float[…]"


def test_values_of_one_node_are_bounded_and_what_is_not_drawn_is_told(monkeypatch):
    monkeypatch.setattr(boxes, "MAX_ENDS", 3)
    wide = node("Sum", tuple(f"v{n}" for n in range(9)), ("s",))
    made = sheets_of(model(graph(node("Split", ("x",), tuple(f"v{n}" for n in range(9))), wide, inputs=("x",), outputs=("s",))))
    drawn = picture_of(made, {})
    assert drawn.edges_left_out == 6
    assert "not drawn" in render_element(graph_section(made, drawn, {}))


def test_ends_of_all_graphs_are_bounded_together_and_what_is_not_drawn_is_told(monkeypatch):
    """Bodies may all take the same two thousand values from around, each of which has a long type."""
    monkeypatch.setattr(picture, "MAX_ALL_ENDS", 12)
    names = tuple(f"v{n}" for n in range(5))
    body = graph(node("Sum", names, ("s",)), outputs=("s",))
    gates = [node("If", ("c",), (f"y{n}",), attribute("then", AttributeKind.GRAPH, body)) for n in range(9)]
    made = sheets_of(model(graph(node("Split", ("x",), names), *gates, inputs=("x", "c"), outputs=("y0",))))
    drawn = picture_of(made, {})
    ends = [len(sheet["before"]) + len(sheet["after"]) for sheet in drawn.data["sheets"]]
    assert ends == [3, 6, 4, *[0] * 7]
    assert drawn.ends_left_out == 2 + 7 * 6
    assert "44 ends of graphs not drawn" in render_element(graph_section(made, drawn, {}))


def test_a_finding_marks_its_node_and_an_operator_all_of_its_nodes():
    from mlsign.actions.policies.read_policy import shipped_baseline
    from mlsign.report.html.findings import findings, marks_of

    wrong = Finding(
        code="MLS381", outcome=Outcome.UNKNOWN, message="m", where="graph.node[1].attribute[0].g.node[0]", expected="e"
    )
    fine = Finding(code="MLS301", outcome=Outcome.PASS, message="in order", where="graph.node[0]")
    made = sheets_of(NESTED)
    policy = shipped_baseline().unbound
    marks = marks_of([wrong, fine, wrong], made, None, policy)
    assert marks == {(1, 0): "MLS381", (0, 2): "MLS303"}
    assert marks_of([wrong], None, None, policy) == {}
    text = render_element(findings([wrong, fine], made, about="about"))
    assert 'href="#n1-0"' in text
    assert "1 check in order" in text
    lures = [
        Finding(code="MLS102", outcome=Outcome.FAIL, message="m", where="graph.node[0]"),
        Finding(code="MLS355", outcome=Outcome.FAIL, message="of graph.node[0]", where="graph.initializer[0]"),
    ]
    assert marks_of(lures, made, None, policy) == {(0, 2): "MLS303"}
    assert "No finding is against it" in render_element(findings([], None, about="about"))
