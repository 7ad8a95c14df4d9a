"""Products of matrices, equations, recurrences and attention: dimensions, arithmetic and memory at most."""

import pytest
from paper import bounds, kinds, model, operations, read, shape, size

from mlsign.onnx.bounds.amounts import CEILING
from mlsign.onnx.summary import Unbounded

SIGNATURE = """(float[4, 6] x, float[n, 6] w, int64[r] q, uint8[4, 6] b, uint8[6, 5] c, uint8 z, float f, float[n] v,
    float[8, n, 6] s, float[1, 4, 6] u, float[1, 4, 4] h, float[k, l] p) => (float[e] y)"""
HEAD = "loose = Reshape(x, q) turned = Transpose(w) across = Transpose(x) "


def text(node: str) -> str:
    return f"{SIGNATURE} {{ {HEAD} {node} }}"


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("y = MatMul(w, across)", [10, 4]),
        ("y = MatMul(x, turned)", [4, 10]),
        ("y = MatMul(s, across)", [8, 10, 4]),
        ("y = MatMul(v, w)", [6]),
        ("y = MatMul(turned, v)", [6]),
        ("y = MatMul(v, v)", []),
        ("y = MatMul(x, loose)", None),
        ("y = MatMul(f, x)", None),
        ("y = MatMulInteger(b, c)", [4, 5]),
        ("y = QLinearMatMul(b, f, z, c, f, z, f, z)", [4, 5]),
        ("y = Gemm(w, across)", [10, 4]),
        ("y = Gemm <transA = 1, transB = 1> (across, x)", [4, 4]),
        ("y = Gemm <transB = 1> (w, x)", [10, 4]),
        ("y = Gemm <transA = 1> (w, w)", [6, 6]),
        ("y = Gemm(x, loose)", None),
        ("y = Gemm(s, x)", None),
        ('y = Einsum <equation = "ij,kj->ik"> (x, w)', [4, 10]),
        ('y = Einsum <equation = "ij, kj"> (x, w)', [4, 10]),
        ('y = Einsum <equation = "ij->"> (x)', []),
        ('y = Einsum <equation = "...j->..."> (x)', None),
        ('y = Einsum <equation = "ijk->i"> (x)', None),
        ('y = Einsum <equation = "ij->i"> (loose)', None),
        ("y = Det(s)", [8]),
        ("y = Det(loose)", None),
        ("y = RNN <hidden_size = 4> (s, u, h)", [8, 1, 10, 4]),
        ("y = RNN(s, u, h)", [8, 1, 10, 4]),
        ("o, y = GRU(s, u, h)", [1, 10, 4]),
        ("o, m, y = LSTM(s, u, h)", [1, 10, 4]),
        ("y = RNN <layout = 1> (s, u, h)", [8, 10, 1, 4]),
        ("o, y = RNN <layout = 1> (s, u, h)", [8, 1, 4]),
        ("y = RNN(s, u, loose)", None),
        ("y = RNN(loose, u, h)", None),
    ],
)
def test_the_dimensions_at_most(node, expected):
    if expected is None:
        assert shape(text(node)) is None
    else:
        assert shape(text(node)) == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("y = MatMulInteger(b, c)", 4 * 20),
        ("y = QLinearMatMul(b, f, z, c, f, z, f, z)", 20),
        ('y = Einsum <equation = "...j->..."> (x)', 4 * 24),
        ('y = Einsum <equation = "ij,kj->ik"> (x, loose)', None),
        ("y = RNN(loose, u, h)", 4 * 24 * 4),
        ("y = RNN(loose, loose, h)", None),
        ("y = RNN(loose, p, h)", None),  # as the second dimension of p may be zero, so may be that of the data
        ("y = RNN(loose, u, loose)", None),
        ("o = Expand(x, q) y = RNN(o, u, h)", None),
    ],
)
def test_the_bytes_at_most(node, expected):
    assert size(text(node)) == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("y = MatMul(w, across)", 10 * 6 * 4),
        ("y = Gemm <transA = 1> (w, w)", 6 * 6 * 10),
        ('y = Einsum <equation = "ij,kj->ik"> (x, w)', 4 * 6 * 10),
        # nobody knows which letters stand for which: as many products as both have together, where one of no rows has one
        ('y = Einsum <equation = "...j,kj->...k"> (x, w)', 24 + 60 + 24 * 6 * (10 + 1)),
        ("y = RNN(s, u, h)", 8 * 10 * 4 * 4),
        ("y = RNN(loose, u, h)", 24 * 4 * 4),
    ],
)
def test_the_arithmetic(node, expected):
    assert operations(node, signature=SIGNATURE, head=HEAD) == expected


def test_products_of_numbers_without_a_bound_take_more_memory_than_there_is():
    node = 'o = ReduceSum <keepdims = 0> (q) l = HannWindow(o) y = Einsum <equation = "i,kj,kj->j"> (l, x, x)'
    assert bounds(text(node)).peak_bytes >= CEILING


def test_more_than_two_matrices_are_multiplied_by_way_of_all_places():
    found = bounds('(float[4, 6] x, float[n, 6] w) => (float[k] y) { y = Einsum <equation = "ij,kj,kj->ik"> (x, w, w) }')
    assert found.peak_bytes == 4 * (4 * 10) + 4 * (4 * 6 * 10)


ATTENTION = (
    "(float[2, 5, 24] q, float[2, 7, 24] k, float[2, 7, 18] v, float[2, 4, 9, 6] r, float[2, 6, n] o, int64[z] t) => (float[k] y)"
)
TOLD = "q_num_heads = 4, kv_num_heads = 3"


@pytest.mark.parametrize(
    ("node", "name", "expected"),
    [
        (f"y = Attention <{TOLD}> (q, k, v)", "y", [2, 5, 24]),
        (f"y, p, u, s = Attention <{TOLD}> (q, k, v)", "p", [2, 3, 7, 8]),
        (f"y, p, u, s = Attention <{TOLD}> (q, k, v, , r, r)", "p", [2, 3, 16, 8]),
        (f"y, p, u, s = Attention <{TOLD}> (q, k, v)", "u", [2, 3, 7, 6]),
        (f"y, p, u, s = Attention <{TOLD}> (q, k, v)", "s", [2, 4, 5, 7]),
        (f"y, p, u, s = Attention <{TOLD}> (q, k, v, , q, q)", "s", [2, 4, 5, None]),
        (f"y = Attention <{TOLD}> (q, k, o)", "y", [2, 5, 40]),
        ("y = Attention(r, r, r)", "y", [2, 4, 9, 6]),
        ("l = Reshape(q, t) y = Attention(l, k, v)", "y", None),
        ("y, s = CausalConvWithState(k, o)", "y", [2, 7, 24]),
        ("y, s = CausalConvWithState(k, o)", "s", [2, 7, 10]),
        ("l = Reshape(q, t) y, s = CausalConvWithState(l, o)", "s", None),
        (f"y, s = LinearAttention <{TOLD}> (q, k, v)", "y", [2, 7, 24]),
        (f"y, s = LinearAttention <{TOLD}> (q, k, v)", "s", None),
    ],
)
def test_attention(node, name, expected):
    opset = 27 if "Linear" in node or "Causal" in node else 23
    assert shape(f"{ATTENTION} {{ {node} }}", name, opset=opset) == expected


def test_scores_without_a_bound_take_more_memory_than_there_is():
    made = model(f"{ATTENTION} {{ y = Attention <{TOLD}> (q, k, v, , q, q) }}", opset=23)
    assert read(made).peak_bytes >= CEILING


def test_attention_to_what_has_no_rank_has_no_bound():
    made = model(f"{ATTENTION} {{ l = Reshape(q, t) y = Attention(l, k, v) }}", opset=23)
    assert {item.kind for item in read(made).unknown} == {Unbounded.SIZE}


def test_what_is_kept_of_a_linear_attention_is_a_product():
    node = f"y, s = LinearAttention <{TOLD}> (q, k, v)"
    assert size(f"{ATTENTION} {{ {node} }}", "s", opset=27) == 4 * (2 * 5 * 24) * (2 * 7 * 18)
    node = f"l = Expand(v, t) y, s = LinearAttention <{TOLD}> (q, k, l)"
    assert size(f"{ATTENTION} {{ {node} }}", "s", opset=27) is None


@pytest.mark.parametrize(
    ("node", "detail"),
    [
        ("y = Gemm(x, x)", "dimensions 6 and 4 do not go together"),
        ("y = RNN <hidden_size = 5> (s, u, h)", "dimensions 4 and 5 do not go together"),
        ("y = RNN(x, u, h)", "2 dimensions in place of 3"),
        ("y = RNN(s, u, x)", "2 dimensions in place of 3"),
    ],
)
def test_what_does_not_go_together(node, detail):
    found = bounds(f"{SIGNATURE} {{ {node} }}").unknown
    assert [(item.kind, item.detail) for item in found] == [(Unbounded.MISUSE, detail)]


def test_a_product_of_unknown_matrices_has_no_bound():
    assert kinds(text("y = MatMul(x, loose)")) == {Unbounded.SIZE}
