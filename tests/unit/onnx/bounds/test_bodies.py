"""Branches and bodies that are run for each element or turn: what goes in, what comes out, and how often they run."""

from itertools import pairwise

import pytest
from paper import bounds, kinds, model, numbers, read, shape, size, value

from mlsign.limits import DEFAULT
from mlsign.onnx.bounds.amounts import Value
from mlsign.onnx.bounds.control import run_control
from mlsign.onnx.bounds.run import ControlNode, Run
from mlsign.onnx.nodes import NO_ATTRIBUTES
from mlsign.onnx.summary import Unbounded

SIGNATURE = """(float[4, 6] x, float[n, 6] w, float[6] v, int64[r] q, int64[9] p, bool g, int64 i,
    seq(float[n, 6]) l) => (float[e] y)"""
TEN = "m = Constant <value_int = 10> () "


def text(node: str) -> str:
    return f"{SIGNATURE} {{ {node} }}"


def loop(
    body: str, *, states: str = "x", outputs: str = "y", head: str = TEN, give: str = "float[j, k] e", take: str = "float[j, k] a"
) -> str:
    taken = f", {take}" if take else ""
    given = f", {give}" if give else ""
    start = f", {states}" if states else ""
    return text(
        f"{head} {outputs} = Loop <body = b (int64 t, bool c{taken}) => (bool d{given}) {{ d = Identity(c) {body} }}> (m, g{start})"
    )


@pytest.mark.parametrize(
    ("domain", "name"), [(b"", b"If"), (b"", b"Loop"), (b"", b"Scan"), (b"", b"SequenceMap"), (b"", b"Later"), (b"own", b"If")]
)
def test_a_node_without_the_bodies_that_it_needs_has_no_bound(domain, name):
    run = Run({}, limits=DEFAULT, control=run_control)
    node = ControlNode(call=(domain, name, b""), args=(), told=NO_ATTRIBUTES, blocks={}, where=None, outputs=2)
    made, cost = run_control(run, node, {}, {})
    assert [tensor.size for tensor in made] == [None, None]
    assert [item.kind for item in run.unknown] == [Unbounded.TURNS]
    assert cost.steps == 1


def test_the_numbers_in_the_file_of_a_body_are_known_in_it():
    body = "q2 = Constant <value_ints = [7]> () e = Expand(k, q2)"
    made = f"{TEN} y = Loop <body = b (int64 t, bool c, float[j] a) => (bool d, float[j] e) <float[1] k = {{5}}> {{ d = Identity(c) {body} }}> (m, g, v)"
    assert shape(text(made)) == [7]


@pytest.mark.parametrize(
    "branches",
    [
        "then_branch = t () => (float[4, 6] o, float[4, 6] u) { o = Identity(x) u = Relu(x) }, else_branch = f () => (float[4, 6] k) { k = Identity(x) }",
        "then_branch = t (float[4, 6] o) => (float[4, 6] u) { u = Relu(x) }, else_branch = f () => (float[4, 6] k) { k = Identity(x) }",
    ],
)
def test_branches_that_take_or_give_other_values_than_their_node(branches):
    found = bounds(text(f"y = If <{branches}> (g)")).unknown
    assert [(item.kind, item.detail) for item in found] == [
        (Unbounded.MISUSE, "the branches do not give as many values as the node")
    ]


@pytest.mark.parametrize(
    ("states", "outputs", "give", "take"),
    [
        ("x", "y", "float[j, k] e, float[] f", "float[j, k] a"),
        ("x", "y, z", "float[j, k] e", "float[j, k] a"),
        ("x", "y", "float[j, k] e", "float[j, k] a, float[j, k] f"),
        ("x, w", "y", "float[j, k] e", "float[j, k] a"),
    ],
)
def test_bodies_that_take_or_give_other_values_than_their_loop(states, outputs, give, take):
    body = " ".join(f"{name.split()[-1]} = Relu(x)" for name in give.split(", float"))
    found = bounds(loop(body, states=states, outputs=outputs, give=give, take=take)).unknown
    assert [(item.kind, item.detail) for item in found] == [
        (Unbounded.MISUSE, "the body takes or gives other values than the loop")
    ]


def test_a_loop_that_hands_on_less_than_it_takes_has_no_bound():
    made = loop("e = Relu(a)", states="x, w", take="float[j, k] a, float[j, k] f")
    assert size(made) is None
    assert kinds(made) == {Unbounded.SIZE}


@pytest.mark.parametrize("empty", ["(z, g, x)", "(m, h, x)"])
def test_a_loop_whose_count_or_condition_is_no_number_is_misused(empty):
    made = loop("e = Relu(a)", head=f"{TEN} z = Constant <value_ints: ints = []> () h = Cast <to = 9> (z)").replace(
        "(m, g, x)", empty
    )
    found = bounds(made).unknown
    assert [(item.kind, item.detail) for item in found] == [
        (Unbounded.MISUSE, "its number of turns, or its condition, is an empty tensor")
    ]


@pytest.mark.parametrize(
    ("body", "give", "head", "expected"),
    [
        ("o = Identity(v)", "float[6] o", TEN + "h = Constant <value = bool {1}> ()", [10, 6]),
        ("o = Identity(v)", "float[6] o", TEN, [10, 6]),
        # there may be no turn, and then nobody knows the shape of nothing: of what type the body says it is
        ("o = Identity(v)", "float o", TEN, None),
        ("o = Identity(v)", "float o", TEN + "h = Constant <value = bool {1}> ()", [10, 6]),
        ("o = Identity(v)", "float[6] o", "m = Constant <value_int = -4> ()", [0, 6]),
        ("o = Reshape(v, q)", "float[6] o", TEN + "h = Constant <value = bool {1}> ()", None),
        ("o = Identity(v)", "float[6] o", "m = ReduceMax <keepdims = 0> (q)", None),
    ],
)
def test_what_turns_put_out(body, give, head, expected):
    made = loop(body, states="", take="", give=give, head=head)
    if "h =" in head:
        made = made.replace("(m, g)", "(m, h)")
    if expected is None:
        assert shape(made) is None
    else:
        assert shape(made) == expected


def test_what_turns_put_out_without_a_shape_is_counted():
    assert size(loop("o = Identity(v)", states="", take="", give="float o")) == 10 * 6 * 4


def test_fewer_turns_than_none_put_out_nothing_and_take_nothing_from_others():
    run, tensor = value(
        loop("o = Identity(x)", states="", take="", give="float[4, 6] o", head="m = Constant <value_int = -4> ()")
    )
    assert run.space.at_most(tensor.count) == 0


SCAN = "o, y = Scan <num_scan_inputs = 1{more}, body = b (float[6] a, float[6] u) => (float[6] s, float[6] r) {{ s = Add(a, u) r = Relu(s) }}> (v, {over})"


@pytest.mark.parametrize(
    ("more", "over", "expected"),
    [
        ("", "w", [10, 6]),
        (", scan_input_axes = [-2]", "w", [10, 6]),
        (", scan_input_axes = [1], scan_output_axes = [1]", "f", [6, 10]),
        (", scan_input_axes = [1], scan_output_axes = [-1]", "f", [6, 10]),
        (", scan_input_axes = [1], scan_output_axes = [-2]", "f", [10, 6]),
        (", scan_input_axes = [2]", "w", None),
        (", scan_input_axes = [0, 0]", "w", None),
        ("", "loose", None),
        ("", "h", None),
    ],
)
def test_what_a_scan_puts_out(more, over, expected):
    head = """f = Transpose(w) loose = Reshape(w, q) sum = ReduceSum <keepdims = 0> (q) l1 = HannWindow(sum)
        two = Constant <value_ints = [1]> () l2 = Unsqueeze(l1, two) h = Add(l2, v) """
    made = text(head + SCAN.format(more=more, over=over))
    if expected is None:
        assert shape(made) is None
        assert Unbounded.TURNS in kinds(made)
    else:
        assert shape(made) == expected
        assert kinds(made) <= {Unbounded.SIZE}


def test_a_scan_of_the_first_version_has_a_batch_and_is_not_looked_into():
    made = model(
        """(float[b, n, 6] w, float[b, 6] v) => (float[k] y) { o, y = Scan <num_scan_inputs = 1, body = b
        (float[6] a, float[6] u) => (float[6] s, float[6] r) { s = Add(a, u) r = Relu(s) }> (, v, w) }""",
        opset=8,
    )
    assert {item.kind for item in read(made).unknown} == {Unbounded.TURNS}


MAP = "y = SequenceMap <body = b ({take}) => (float[j, k] o) {{ {body} }}> ({over})"


@pytest.mark.parametrize(
    ("body", "take", "over", "count", "inside"),
    [
        ("o = Concat <axis = 0> (a, a)", "float[j, k] a", "l", 10, [20, 6]),
        ("o = Concat <axis = 0> (a, u)", "float[j, k] a, float[4, 6] u", "l, x", 10, [14, 6]),
        ("o = Concat <axis = 0> (a, u)", "float[j, k] a, float[j, k] u", "l, l", 10, [20, 6]),
        ("o = Identity(u)", "float[j, k] a, float[j, k] u", "two, l", 2, [10, 6]),
    ],
)
def test_a_body_that_is_run_for_each_element(body, take, over, count, inside):
    made = text("two = SequenceConstruct(x, x) " + MAP.format(body=body, take=take, over=over))
    run, tensor = value(made)
    assert tensor.inside is not None
    assert run.space.at_most(tensor.count) == count
    assert [run.space.at_most(dim.high) for dim in tensor.inside.dims] == inside
    found = bounds(made)
    assert found.unknown == ()
    assert found.steps == 1 + 1 + count


def test_a_body_for_each_element_of_what_is_no_sequence():
    made = text(f"loose = Expand(x, q) {MAP.format(body='o = Relu(a)', take='float[j, k] a', over='loose')}")
    assert kinds(made) == {Unbounded.SIZE, Unbounded.TURNS}


# what holds of the state of a loop


def test_a_number_that_grows_by_as_much_in_each_turn():
    body = "one = Constant <value_ints = [1, 0]> () e = Add(a, one)"
    made = loop(body, states="s", head=TEN + "s = Constant <value_ints = [1, 5]> ()", take="int64[2] a", give="int64[2] e")
    grown, same = numbers(made)
    assert (grown.low, grown.exact) == (1, False)
    assert value(made)[0].space.at_most(grown.high) == 11
    assert same.high == 5


def test_a_number_that_is_one_of_several_in_each_turn():
    body = "e = Gather(all, at)"
    head = (
        TEN
        + "s = Constant <value_ints = [1]> () all = Constant <value_ints = [3, 7, 5]> () f = Constant <value_ints = [1]> () at = Reshape(i, f)"
    )
    made = loop(body, states="s", head=head, take="int64[1] a", give="int64[1] e")
    assert numbers(made) == (Value(1, 7, whole=True),)


def test_a_state_that_gets_several_ranks_in_the_first_turn():
    body = """e = If <then_branch = t () => (float[] o) { z = Constant <value_ints = [0]> () o = Unsqueeze(x, z) },
        else_branch = f () => (float[] k) { k = Identity(x) }> (g)"""
    _, tensor = value(loop(body, take="float[] a", give="float[] e"))
    assert [[dim.high for dim in case.dims] for case in tensor.cases] == [[4, 6], [1, 4, 6]]


def test_a_chain_of_states_is_given_up_one_after_the_other():
    """What doubles is handed on from state to state, and reaches the last one later than states are widened."""
    names = [f"s{index}" for index in range(8)]
    take = ", ".join(f"float[j{name}, 6] {name}" for name in names)
    give = ", ".join(f"float[o{name}, 6] {name}_" for name in names)
    moves = " ".join(f"{after}_ = Identity({before})" for before, after in pairwise(names))
    outputs = ", ".join(f"y{name}" for name in names[:-1]) + ", y"
    made = text(
        f"{TEN} {outputs} = Loop <body = b (int64 t, bool c, {take}) => (bool d, {give}) {{ d = Identity(c) s0_ = Concat <axis = 0> (s0, s0) {moves} }}>"
        f" (m, g, {', '.join('x' * len(names))})"
    )
    assert shape(made) is None
    assert size(made) is None
    assert kinds(made) == {Unbounded.SIZE}


def test_a_state_beside_one_that_is_given_up_stays_bounded():
    take, give = "float[j, k] a, float[4, 6] s", "float[j, k] e, float[4, 6] u"
    made = loop("e = Concat <axis = 0> (a, a) u = Relu(s)", states="x, x", outputs="z, y", take=take, give=give)
    assert shape(made) == [4, 6]
    assert shape(made, "z") is None
