"""Memory by what is alive, branches, functions and the effort that is allowed."""

from paper import bounds, kinds, model, read

from mlsign.onnx.summary import Unbounded


def chain(count: int, *, size: int = 25_000_000) -> str:
    nodes = " ".join(f"v{index + 1} = Relu(v{index})" for index in range(count))
    return (
        f"(float[1] x) => (float[k] y) {{ s = Constant <value_ints = [{size}]> () v0 = Expand(x, s) {nodes} y = Relu(v{count}) }}"
    )


def test_values_that_nobody_uses_any_more_are_gone():
    each = 4 * 25_000_000
    found = bounds(chain(20))
    assert found.largest_bytes == each
    assert found.peak_bytes == 2 * each  # one is read while the next is written


def test_small_values_are_added_up():
    found = bounds(chain(20, size=1000))
    assert found.peak_bytes == 8 + 22 * 4000


def test_values_that_are_used_at_the_end_stay_alive():
    nodes = " ".join(f"v{index} = Expand(x, s)" for index in range(5))
    text = f"(float[1] x) => (float[k] y) {{ s = Constant <value_ints = [25000000]> () {nodes} y = Sum(v0, v1, v2, v3, v4) }}"
    assert bounds(text).peak_bytes == 6 * 100_000_000


def test_a_value_that_only_a_branch_uses_stays_alive_until_then():
    text = """(float[1] x, bool c) => (float[k] y) { s = Constant <value_ints = [100000000]> () v = Expand(x, s)
        a = Expand(x, s) b = ReduceSum(a) y = If <then_branch = t () => (float[k] p) { p = Identity(v) },
        else_branch = e () => (float[k] q) { q = Identity(b) }> (c) }"""
    found = bounds(text)
    assert found.unknown == ()
    assert found.peak_bytes >= 3 * 400_000_000


def test_branches_cost_what_the_dearer_one_does():
    text = """(float[4] x, bool c) => (float[k] y) { y = If <then_branch = t () => (float[k] p) { a = Relu(x) b = Relu(a) p = Relu(b) },
        else_branch = e () => (float[k] q) { q = Concat <axis = 0> (x, x) }> (c) }"""
    found = bounds(text)
    assert (found.steps, found.largest_bytes) == (1 + 3, 32)


def test_branches_that_give_a_sequence_and_a_tensor_have_no_bound():
    text = """(float[4] x, bool c) => (float[k] y) { z = If <then_branch = t () => (seq(float[4]) p) { p = SequenceConstruct(x) },
        else_branch = e () => (float[4] q) { q = Identity(x) }> (c) y = OptionalGetElement(z) }"""
    assert kinds(text) == {Unbounded.SIZE}


def doubling(depth: int) -> str:
    functions = [f"F{index} (a) => (b) {{ t = own.F{index + 1} (a) b = own.F{index + 1} (t) }}" for index in range(depth)]
    return "(float[4] x) => (float[4] y) { y = own.F0 (x) }//" + "//".join([*functions, f"F{depth} (a) => (b) {{ b = Relu(a) }}"])


def test_functions_that_call_each_other_twice_are_evaluated_once():
    assert bounds(doubling(16), evaluations=40).steps == 2**16


def test_what_takes_too_long_is_said_to():
    assert kinds(doubling(16), evaluations=10) == {Unbounded.COMPLEXITY}


def test_a_function_that_nothing_calls_counts():
    text = """(float[4] x) => (float[4] y) { y = Relu(x) }//
        F (a) => (b) { s = Constant <value_ints = [1000000]> () w = ConstantOfShape(s) b = ReduceSum(w) }"""
    assert bounds(text).largest_bytes == 4_000_000


def test_what_a_function_that_nothing_calls_is_given_is_not_held_against_it():
    assert kinds("(float[4] x) => (float[4] y) { y = Relu(x) }// F (a, s) => (b) { b = Expand(a, s) }") == set()


def test_a_function_that_is_called_with_less_leaves_the_rest_out():
    text = """(float[4] x) => (float[4] y) { y = own.F (x) }//
        F (a, s) => (b) { b = Clip(a, s) }"""
    assert kinds(text) == set()


def test_a_function_that_is_called_with_more_is_misused():
    assert kinds("(float[4] x) => (float[4] y) { y = own.F (x, x) }// F (a) => (b) { b = Relu(a) }") == {Unbounded.MISUSE}


def test_an_output_without_a_name_is_nobodys_input():
    made = model("(float[4] x) => (float[4] y) { u = own.F (x) y = Clip(x, , x) }// F (a) => (b) { b = Relu(a) }")
    made.graph.node[0].output[0] = ""
    assert read(made).unknown == ()


def test_attributes_of_a_call_reach_the_nodes_of_a_function():
    text = """(float[n, 4] x) => (float[k] y) { y = own.F <width = 7> (x) }//
        F <width> (a) => (b) { s = Constant <value_ints: ints = @width> () b = Expand(a, s) }"""
    made = model(text.replace("width = 7", "width = [7, 1, 1]"))
    assert read(made).largest_bytes == 7 * 10 * 4 * 4


def test_operators_of_other_domains_have_no_bound():
    made = model("(float[4] x) => (float[4] y) { y = own.Unheard (x) }// F (a) => (b) { b = Relu(a) }")
    assert {item.kind for item in read(made).unknown} == {Unbounded.SIZE}


def test_places_of_one_kind_are_kept_up_to_a_point():
    nodes = " ".join(f"o{index} = own.Unheard{index} (x)" for index in range(40))
    made = model(
        f"(float[4] x) => (float[4] y) {{ {nodes} z = Gemm(x, x) w = Gather <axis = 5> (x, x) y = Relu(x) }}// F (a) => (b) {{ b = Relu(a) }}"
    )
    found = read(made).unknown
    assert [item.kind for item in found].count(Unbounded.SIZE) == 16
    assert [item.kind for item in found].count(Unbounded.MISUSE) == 1  # of one kind many do not hide another


def test_an_attribute_that_no_caller_gives_is_left_out():
    text = """(float[4, 6] x) => (float[k] y) { y = own.F (x) }//
        F <places> (a) => (b) { b = own.G <axis : int = @places> (a) }//
        G <axis> (a) => (b) { b = Softmax <axis : int = @axis> (a) }"""
    assert kinds(text) == set()


def test_an_attribute_that_no_caller_gives_has_its_default():
    text = """(float[4, 6] x) => (float[k] y) { y = own.F (x) }//
        F <places> (a) => (b) { b = own.G <axis : int = @places> (a) }//
        G <axis : int = 5> (a) => (b) { b = Softmax <axis : int = @axis> (a) }"""
    assert [item.detail for item in bounds(text).unknown] == ["axis 5 of 2 dimensions"]


def nested(depth: int) -> str:
    functions = [f"F{index} (a) => (b) {{ b = own.F{index + 1} (a) }}" for index in range(depth)]
    return "(float[4] x) => (float[4] y) { y = own.F0 (x) }//" + "//".join([*functions, f"F{depth} (a) => (b) {{ b = Relu(a) }}"])


def test_calls_are_followed_to_a_depth():
    assert kinds(nested(63)) == set()
    assert kinds(nested(64)) == {Unbounded.COMPLEXITY}
