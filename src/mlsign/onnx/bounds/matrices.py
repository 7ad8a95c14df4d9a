"""Products of matrices, recurrences and attention.

Besides the shapes, what they compute: a product costs more than its elements, and a chain of large ones is a model that
never answers.
"""

from __future__ import annotations

from typing import Final

from mlsign.onnx.bounds.amounts import (
    CEILING,
    UNKNOWN,
    Amount,
    Value,
    added,
    fixed,
    multiplied,
    number,
    times,
    upper,
    upto,
)
from mlsign.onnx.bounds.elementwise import broadcast, dimension
from mlsign.onnx.bounds.numbers import BOOL
from mlsign.onnx.bounds.tensors import Tensor, counted
from mlsign.onnx.bounds.use import MisusedError, Rule, Use, check_rank

INT32: Final = 6


UINT8: Final = 2


def _matmul(use: Use) -> list[Tensor]:
    return [_multiplied(use, use.first(), use.arg(1) or use.space.unknown(), element=use.first().element)]


def _matmul_integer(use: Use) -> list[Tensor]:
    return [_multiplied(use, use.first(), use.arg(1) or use.space.unknown(), element=INT32)]


def _qlinear_matmul(use: Use) -> list[Tensor]:
    zero = use.arg(7)
    element = zero.element if zero is not None else UINT8
    return [_multiplied(use, use.first(), use.arg(3) or use.space.unknown(), element=element)]


def _multiplied(use: Use, left: Tensor, right: Tensor, *, element: int) -> Tensor:
    """The matrix product (``numpy.matmul``)."""
    if not left.dims or not right.dims:
        use.work = None
        return use.space.unknown(element)
    a = left.dims if len(left.dims) > 1 else (fixed(1), *left.dims)
    b = right.dims if len(right.dims) > 1 else (*right.dims, fixed(1))
    check_inner(a[-1], b[-2])
    batch = broadcast(use, (use.sized(a[:-2], element=BOOL), use.sized(b[:-2], element=BOOL)), element=BOOL).dims or ()
    dims = batch + ((a[-2],) if len(left.dims) > 1 else ()) + ((b[-1],) if len(right.dims) > 1 else ())
    out = use.space.tensor(element, dims)
    use.worked(out.count, a[-1].high if b[-2].high is None or number(a[-1]) is not None else b[-2].high)
    return out


def check_inner(one: Value, other: Value) -> None:
    sizes = number(one), number(other)
    if None not in sizes and sizes[0] != sizes[1]:
        raise MisusedError(f"dimensions {sizes[0]} and {sizes[1]} do not go together")


def _gemm(use: Use) -> list[Tensor]:
    left, right = use.first(), use.arg(1) or use.space.unknown()
    if left.dims is None or right.dims is None or len(left.dims) != 2 or len(right.dims) != 2:
        use.work = None
        return [use.space.unknown(left.element)]
    rows, inner = left.dims[::-1] if use.whole(b"transA", 0) else left.dims
    columns, other = right.dims if use.whole(b"transB", 0) else right.dims[::-1]
    check_inner(inner, other)
    out = use.space.tensor(left.element, (rows, columns))
    use.worked(out.count, inner.high)
    return [out]


def _einsum(use: Use) -> list[Tensor]:
    equation = use.text(b"equation").replace(" ", "")
    inputs, arrow, output = equation.partition("->")
    terms = inputs.split(",")
    tensors = [tensor or use.space.unknown() for tensor in use.args]
    total: Amount | None = 1
    for tensor in tensors:
        filled = counted(use.least_one(tensor).dims)
        total = None if total is None or filled is None else times(total, filled)
    sizes: dict[str, Value] = {}
    plain = "." not in equation and len(terms) == len(tensors)
    for term, tensor in zip(terms, tensors, strict=False):
        if tensor.dims is None or len(tensor.dims) != len(term):
            plain = False
            break
        for letter, dim in zip(term, tensor.dims, strict=True):
            sizes[letter] = dimension(sizes.get(letter, fixed(1)), dim)
    if not plain:
        use.worked(total)
        return [use.space.tensor(tensors[0].element, None, count=total)]
    if not arrow:
        letters = "".join(terms)
        output = "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    use.worked(counted(tuple(sizes.values())))
    if len(tensors) > 2:  # two of them at a time, and what comes of them is multiplied by the next
        work = use.space.tensor(tensors[0].element, tuple(sizes.values())).size
        use.scratch = CEILING if work is None else work
    return [use.space.tensor(tensors[0].element, tuple(sizes.get(letter, fixed(1)) for letter in output))]


def _recurrent(use: Use) -> list[Tensor]:
    """``RNN``, ``GRU`` and ``LSTM``: X [seq, batch, input], W [directions, gates*hidden, input], R [directions, gates*hidden, hidden]."""
    data, weight = use.first(), use.arg(2) or use.space.unknown()
    check_rank(data, 3)
    check_rank(weight, 3)
    if weight.dims is None or data.count is None:
        return [use.space.unknown(data.element) for _ in range(use.outputs)]
    if data.dims is None:
        # no more steps and rows together than there are numbers: unless each row has none of them
        inputs = use.arg(1)
        if inputs is None or not inputs.dims or (inputs.dims[-1].low or 0) < 1:
            return [use.space.unknown(data.element) for _ in range(use.outputs)]
        size = counted((weight.dims[0], weight.dims[2]))
        count = None if size is None else times(upper(data.count), size)
        use.worked(data.count, counted(weight.dims))
        return [use.space.tensor(data.element, None, count=count) for _ in range(use.outputs)]
    directions, hidden = weight.dims[0], weight.dims[2]
    if use.has(b"hidden_size"):
        check_inner(hidden, fixed(use.whole(b"hidden_size", 0)))
    if use.whole(b"layout", 0):
        batch, steps = data.dims[:2]
        shapes = ((batch, steps, directions, hidden), (batch, directions, hidden))
    else:
        steps, batch = data.dims[:2]
        shapes = ((steps, directions, batch, hidden), (directions, batch, hidden))
    use.worked(steps.high, batch.high, counted(weight.dims))
    return [use.sized(shapes[0], element=data.element), *(use.sized(shapes[1], element=data.element),) * 2]


def _attention(use: Use) -> list[Tensor]:
    """``Attention`` (ai.onnx 23): query, key and value of rank 3 or 4, and a cache of past keys and values."""
    query, key, value = (use.arg(index) or use.space.unknown() for index in range(3))
    heads, shared = max(1, use.whole(b"q_num_heads", 1)), max(1, use.whole(b"kv_num_heads", 1))
    split = tuple(_heads(tensor, count) for tensor, count in ((query, heads), (key, shared), (value, shared)))
    if any(dims is None for dims in split):
        use.work = None
        return [use.space.unknown(query.element) for _ in range(use.outputs)]
    q, k, v = (dims or () for dims in split)
    total, cached = _lengthened(k[2], use.arg(4)), _lengthened(v[2], use.arg(5))
    out = (*q[:3], v[3]) if query.rank == 4 else (q[0], q[2], multiplied(q[1], v[3]))
    scores = use.sized((q[0], q[1], q[2], total), element=query.element)
    use.worked(scores.count, q[3].high, 2)
    use.scratch = CEILING if scores.size is None else scores.size
    return [
        use.sized(out, element=query.element),
        use.sized((k[0], k[1], total, k[3]), element=key.element),
        use.sized((v[0], v[1], cached, v[3]), element=value.element),
        scores,
    ]


def _lengthened(length: Value, past: Tensor | None) -> Value:
    """Steps of keys or values behind those that are kept of earlier runs."""
    if past is None:
        return length
    return added(length, past.dims[2]) if past.dims is not None and len(past.dims) == 4 else UNKNOWN


def _heads(tensor: Tensor, count: int) -> tuple[Value, ...] | None:
    """The dimensions as [batch, heads, sequence, size]."""
    if tensor.dims is None or len(tensor.dims) not in (3, 4):
        return None
    if len(tensor.dims) == 4:
        return tensor.dims
    batch, sequence, hidden = tensor.dims
    size = number(hidden)
    each = fixed(size // count) if size is not None else upto(hidden.high)
    return (batch, fixed(count), sequence, each)


def _cached_convolution(use: Use) -> list[Tensor]:
    data, weight = use.first(), use.arg(1)
    kernel = weight.dims[-1] if weight is not None and weight.dims else upto(None)
    state = None if data.dims is None or len(data.dims) < 3 else (*data.dims[:2], upto(kernel.high))
    use.worked(data.count, kernel.high)
    return [use.like(data), use.sized(state, element=data.element)]


def _linear_attention(use: Use) -> list[Tensor]:
    """``LinearAttention``: packed as [batch, steps, heads*size]; queries may have more heads than keys and values."""
    query, value, past = use.first(), use.arg(2) or use.space.unknown(), use.arg(3)
    heads, shared = max(1, use.whole(b"q_num_heads", 1)), max(1, use.whole(b"kv_num_heads", 1))
    split = _heads(value, shared) if value.rank == 3 else None
    dims = None if split is None else (split[0], split[2], multiplied(split[3], fixed(heads)))
    out = use.space.tensor(value.element, dims, count=None if value.count is None else times(upper(value.count), heads))
    if past is None or value.count is None or query.count is None:
        product = None if value.count is None or query.count is None else times(upper(query.count), upper(value.count))
        return [out, use.space.tensor(query.element, None, count=product)]
    return [out, use.like(past)]


def _determinant(use: Use) -> list[Tensor]:
    data = use.first()
    return [use.space.unknown(data.element) if data.dims is None else use.sized(data.dims[:-2], element=data.element)]


RULES: Final[dict[str, Rule]] = {
    "MatMul": _matmul,
    "MatMulInteger": _matmul_integer,
    "QLinearMatMul": _qlinear_matmul,
    "Gemm": _gemm,
    "Einsum": _einsum,
    "RNN": _recurrent,
    "GRU": _recurrent,
    "LSTM": _recurrent,
    "Attention": _attention,
    "CausalConvWithState": _cached_convolution,
    "LinearAttention": _linear_attention,
    "Det": _determinant,
}
