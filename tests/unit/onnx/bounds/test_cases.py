"""Values whose number of dimensions depends on a branch: each of the ranks is followed by itself."""

from paper import bounds, kinds, shape, value

from mlsign.onnx.bounds.amounts import fixed, upto
from mlsign.onnx.bounds.space import Space
from mlsign.onnx.bounds.tensors import FLOAT, INT64
from mlsign.onnx.summary import Unbounded

BRANCH = """z = If <then_branch = t () => (float[] p) {{ {then} }}, else_branch = e () => (float[] q) {{ {other} }}> (c)"""
SQUEEZED = BRANCH.format(then="o = Constant <value_ints = [0]> () p = Unsqueeze(x, o)", other="q = Identity(x)")


def ranks(text: str, name: str = "y") -> list[tuple[object, ...]]:
    _, tensor = value(text, name)
    return [tuple(dim.high for dim in case.dims or ()) for case in tensor.cases]


def test_each_rank_is_a_case():
    assert ranks(f"(float[4, 3] x, bool c) => (float[] y) {{ {SQUEEZED} y = Relu(z) }}") == [(4, 3), (1, 4, 3)]


def test_the_size_is_that_of_the_largest_case():
    twice = BRANCH.format(then="p = Concat <axis = 0> (x, x)", other="o = Constant <value_ints = [0]> () q = Unsqueeze(x, o)")
    assert bounds(f"(float[4, 3] x, bool c) => (float[] y) {{ {twice} y = Relu(z) }}").largest_bytes == 4 * 24


def test_a_case_in_which_the_operator_cannot_run_is_none():
    text = f"""(float[4, 3] x, float[1, 8, 3] w, float[1, 8, 8] r, bool c) => (float[] y) {{ {SQUEEZED}
        y, h = RNN <hidden_size = 8> (z, w, r) }}"""
    run, tensor = value(text, "h")
    assert run.unknown == []
    assert shape(text, "h") == [1, 4, 8]
    assert tensor.cases == ()


def test_where_one_case_can_run_the_operator_is_not_misused():
    assert kinds(f"(float[3, 7] x, float[2, 3, 1] w, bool c) => (float[] y) {{ {SQUEEZED} y = Conv(z, w) }}") == set()


def test_where_no_case_can_run_the_operator_is_misused():
    text = f"""(float[4, 3] x, float[2, 3, 1] w, bool c) => (float[] y) {{ {SQUEEZED}
        o = Constant <value_ints = [0, 1, 2]> () v = Unsqueeze(z, o) y = Conv(v, w) }}"""
    (item,) = bounds(text).unknown
    assert (item.kind, item.detail) == (Unbounded.MISUSE, "6 dimensions in place of 3")


def test_shapes_of_a_value_of_several_ranks_keep_their_numbers():
    text = f"(float[n, 3] x, bool c) => (float[] y) {{ {SQUEEZED} s = Shape(z) y = ConstantOfShape(s) }}"
    assert kinds(text) == set()
    _, shapes = value(text, "s")
    assert [len(case.values or ()) for case in shapes.cases] == [2, 3]


def test_two_such_values_are_followed_in_every_combination():
    other = SQUEEZED.replace("z = If", "u = If")
    text = f"(float[4, 3] x, bool c) => (float[] y) {{ {SQUEEZED} {other} y = Add(z, u) }}"
    assert ranks(text) == [(4, 3), (1, 4, 3)]


def test_more_combinations_than_are_looked_at_leave_the_rank_unknown():
    wider, last = "", "x"
    for index in range(4):
        inner = SQUEEZED.replace("(x, o)", f"({last}, o)").replace("Identity(x)", f"Identity({last})")
        wider, last = wider + inner.replace("z = If", f"z{index} = If") + " ", f"z{index}"
    text = f"(float[4] x, bool c) => (float[] y) {{ {wider} y = Add({last}, {last}) }}"
    run, tensor = value(text)
    assert (tensor.cases, tensor.rank) == ((), None)
    assert run.unknown == []
    assert tensor.size is not None


def test_a_loop_that_hands_on_another_rank_in_each_turn_is_given_up_or_stays_bounded():
    text = """(float[4] x, bool c) => (float[] y) { n = Constant <value_int = 9> () t = Constant <value = bool {1}> ()
        y = Loop <body = b (int64 i, bool g, float[] a) => (bool h, float[] d) {
            h = Identity(g) o = Constant <value_ints = [0]> () d = Unsqueeze(a, o) }> (n, t, x) }"""
    _, tensor = value(text)
    assert tensor.cases == ()
    assert tensor.dims is None


def test_a_loop_may_keep_a_value_of_several_ranks():
    text = f"""(float[4, 3] x, float[2] w, bool c) => (float[] y) {{ {SQUEEZED}
        n = Constant <value_int = 9> () t = Constant <value = bool {{1}}> ()
        y, k = Loop <body = b (int64 i, bool g, float[] a, float[] m) => (bool h, float[] d, float[] l) {{
            h = Identity(g) d = Relu(a) l = Concat <axis = 0> (m, w) }}> (n, t, z, w) }}"""
    assert ranks(text) == [(4, 3), (1, 4, 3)]
    assert kinds(text) == set()


def test_joined_tensors_know_what_holds_for_each_case():
    space = Space()
    one, other = space.tensor(FLOAT, (fixed(4),)), space.tensor(FLOAT, (fixed(2), fixed(3)))
    both = space.joined(one, other)
    assert both.cases == (one, other)
    assert (both.count, both.size) == (6, 24)
    assert space.joined(both, one) is both
    assert space.joined(space.joined(both, space.tensor(FLOAT, (fixed(5),))), both).cases[0].dims == (upto(5)._replace(low=4),)


def test_a_tensor_of_unknown_rank_takes_the_cases_with_it():
    space = Space()
    both = space.joined(space.tensor(FLOAT, (fixed(4),)), space.tensor(FLOAT, ()))
    lost = space.joined(both, space.tensor(FLOAT, None, count=9))
    assert (lost.cases, lost.dims, lost.count) == ((), None, 9)
    assert space.joined(both, space.unknown()).size is None


def test_tensors_of_different_types_are_no_cases_of_one():
    space = Space()
    assert space.joined(space.tensor(FLOAT, ()), space.tensor(INT64, (fixed(1),))).cases == ()


def test_more_ranks_than_are_kept_leave_it_unknown():
    space = Space()
    joined = space.tensor(FLOAT, ())
    for rank in range(1, 6):
        joined = space.joined(joined, space.tensor(FLOAT, (fixed(2),) * rank))
    assert len(joined.cases) == 6
    joined = space.joined(joined, space.tensor(FLOAT, (fixed(2),) * 6))
    assert (joined.cases, joined.count) == ((), 64)
