"""Loops by induction: what grows by as much in each turn is bounded, what doubles is not, and how often is said."""

import pytest
from paper import bounds, kinds

from mlsign.onnx.summary import Unbounded

COUNT = "m = Constant <value_int = 10> () go = Constant <value_int = 1> () c0 = Cast <to = 9> (go) "
LOOP = "s = Loop <body = b (int64 i, bool c, float[k] a) => (bool d, float[k] e) { %s }> (m, c0, x)"


def grown(body: str, *, head: str = COUNT, inputs: str = "float[4] x") -> str:
    return f"({inputs}) => (float[k] y) {{ {head} {LOOP % body} y = Identity(s) }}"


def test_a_state_that_stays_as_it_is():
    found = bounds(grown("d = Identity(c) e = Relu(a)"))
    assert found.unknown == ()
    assert found.largest_bytes == 16
    assert found.steps == 5 + 10 * 2


def test_a_state_that_grows_by_as_much_in_each_turn():
    found = bounds(grown("d = Identity(c) e = Concat <axis = 0> (a, x)"))
    assert found.unknown == ()
    assert found.largest_bytes == 4 * 4 * 12  # after ten turns eleven, and the one that an eleventh would make
    assert found.peak_bytes >= found.largest_bytes


def test_a_state_that_doubles_has_no_bound():
    assert kinds(grown("d = Identity(c) e = Concat <axis = 0> (a, a)")) == {Unbounded.SIZE}


def test_a_state_that_shrinks_is_no_larger_than_at_first():
    body = "one = Constant <value_ints = [1]> () end = Constant <value_ints = [100]> () d = Identity(c) e = Slice(a, one, end)"
    found = bounds(grown(body))
    assert found.unknown == ()
    assert found.largest_bytes == 16


def test_a_body_that_loses_a_bound_says_so_however_often_it_is_tried():
    text = """(float[4] x, int64[9] p) => (float[k] y) { m = Constant <value_int = 10> () go = Constant <value_int = 1> ()
        c0 = Cast <to = 9> (go) s = Loop <body = b (int64 i, bool c, float[k] a) => (bool d, float[k] e)
        { d = Identity(c) w = ConstantOfShape(p) e = Concat <axis = 0> (a, a) }> (m, c0, x) y = Identity(s) }"""
    assert {item.operator for item in bounds(text).unknown} == {"ai.onnx:ConstantOfShape", "ai.onnx:Loop"}


def test_the_number_of_a_turn_bounds_what_is_made_of_it():
    body = """d = Identity(c) one = Constant <value_ints = [1]> () flat = Constant <value_ints = [-1]> ()
        r = Reshape(i, flat) n = Add(r, one) e = ConstantOfShape(n)"""
    found = bounds(grown(body))
    assert found.unknown == ()
    assert found.largest_bytes <= 4 * 12


@pytest.mark.parametrize(
    ("head", "inputs", "expected"),
    [
        (COUNT, "float[4] x", set()),
        (COUNT.replace("= 10", "= 9223372036854775807"), "float[4] x", {Unbounded.ENDLESS}),
        (COUNT.replace("= 10", "= 2147483648"), "float[4] x", {Unbounded.ENDLESS}),
        (COUNT.replace("m = Constant <value_int = 10> ()", ""), "float[4] x, int64 m", {Unbounded.TURNS}),
        (COUNT.replace("m = Constant <value_int = 10> ()", ""), "float[4] x, int64[9] q, int64[1] m", {Unbounded.TURNS}),
        (COUNT.replace("m = Constant <value_int = 10> ()", "m = Size(z)"), "float[4] x, float[n] z", set()),
        (
            COUNT.replace("m = Constant <value_int = 10> ()", "m = ReduceMax <keepdims = 0> (q)"),
            "float[4] x, int64[9] q",
            {Unbounded.TURNS},
        ),
        (COUNT.replace("= 10", "= -3"), "float[4] x", set()),
        (COUNT.replace("value_int = 1>", "value_int = 0>").replace("= 10", "= 9223372036854775807"), "float[4] x", set()),
    ],
)
def test_how_often_a_loop_turns(head, inputs, expected):
    assert kinds(grown("d = Identity(c) e = Relu(a)", head=head, inputs=inputs)) == expected


def test_a_loop_without_a_count_that_ends_after_a_turn():
    head = COUNT.replace("= 10", "= 9223372036854775807")
    found = bounds(grown("no = Constant <value_int = 0> () d = Cast <to = 9> (no) e = Relu(a)", head=head))
    assert found.unknown == ()
    assert found.steps == 5 + 3


def test_a_loop_that_ends_when_its_data_say_so():
    head = COUNT.replace("= 10", "= 9223372036854775807")
    body = "t = ReduceSum <keepdims = 0> (a) d = Cast <to = 9> (t) e = Relu(a)"
    assert kinds(grown(body, head=head)) == {Unbounded.TURNS}


def test_loops_in_loops_multiply():
    inner = (
        "n = Constant <value_int = 100> () e = Loop <body = b2 (int64 j, bool f, float[k] g) => (bool h, float[k] o) "
        "{ h = Identity(f) o = Relu(g) }> (n, c, a) d = Identity(c)"
    )
    assert bounds(grown(inner)).steps > 10 * 100 * 2


def test_what_turns_put_out_is_kept():
    text = """(float[100] x) => (float[k, 100] y) { m = Constant <value_int = 50> () go = Constant <value_int = 1> ()
        c0 = Cast <to = 9> (go) y = Loop <body = b (int64 i, bool c) => (bool d, float[100] e)
        { d = Identity(c) e = Relu(x) }> (m, c0) }"""
    found = bounds(text)
    assert found.largest_bytes == 400 * 50
    assert found.peak_bytes >= 2 * found.largest_bytes


def test_a_scan_takes_one_place_after_the_other():
    text = """(float[n, 4] x, float[4] z) => (float[4] y, float[n, 4] w) { y, w = Scan <num_scan_inputs = 1, body = b
        (float[4] a, float[4] p) => (float[4] q, float[4] r) { q = Add(a, p) r = Relu(q) }> (z, x) }"""
    found = bounds(text)
    assert found.unknown == ()
    assert found.steps == 1 + 10 * 2
    assert found.largest_bytes == 10 * 16


def test_a_scan_over_what_has_no_rank():
    text = """(float[n, 4] x, float[4] z, int64[k] s) => (float[4] y) { v = Reshape(x, s) y = Scan <num_scan_inputs = 1, body = b
        (float[4] a, float[4] p) => (float[4] q) { q = Identity(a) }> (z, v) }"""
    assert kinds(text) == {Unbounded.TURNS}
