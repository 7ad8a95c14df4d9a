"""Random graphs that run: chains of the operators that shapes are made of, with numbers at the edges of their types.

Each node is run as soon as it is drawn, on the values that it gets in this run, and dropped when it cannot run on them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import numpy as np
from bounds_oracle import session
from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

__all__ = ["Grown", "grow"]

OPSET = 21
KINDS = (np.int64, np.int64, np.int64, np.int32, np.float32, np.float64, np.float16)
WHOLE = [0, 1, 1, 2, 2, 3, 4, 5, 7, -1, -1, -2, -3, -5, 10, 100, 1000, -1000, 255, 256, 65535, 2**24, 2**24 + 1, 2**31 - 1]
WIDE = [-(2**31), 2**31, 2**32 + 3, 2**53 + 1, 3**33, 2**62, 2**63 - 1, -(2**63), -(2**63) + 2, 10**18]
REAL = [0.0, 1.0, 2.0, 3.0, 0.5, 0.1, 0.7, 1 / 3, -0.7, -1.0, 10.0, 100.0, 1e-5, 2.0**24, 16777217.0, 65504.0]
ODD = [1e30, -1e30, 3e38, 1e-40, float("nan"), float("inf"), float("-inf")]
SMALL = 64
"""How large the numbers may be that sizes are made of, so that a test stays small."""


@dataclass
class Grown:
    """A model, what it was run on and what came out of each of its nodes."""

    feeds: dict[str, object]
    inputs: list[ValueInfoProto]
    nodes: list[NodeProto] = field(default_factory=list)
    values: dict[str, object] = field(default_factory=dict)
    functions: list[FunctionProto] = field(default_factory=list)
    outer: dict[str, object] = field(default_factory=dict)
    count: list[int] = field(default_factory=lambda: [0])

    def pool(self) -> dict[str, object]:
        return self.outer | self.feeds | self.values

    def fresh(self) -> str:
        self.count[0] += 1
        return f"v{self.count[0]}"

    def model(self) -> ModelProto:
        last = [helper.make_empty_tensor_value_info(name) for name in self.values]
        outputs = [typed(item.name, self.values[item.name]) for item in last]
        graph = helper.make_graph(self.nodes, "grown", self.inputs, outputs)
        return _model(graph, self.functions)

    def add(self, node: NodeProto) -> bool:
        """Runs the node and keeps it; False where it cannot be run."""
        pool = self.pool()
        wanted = {name for name in _used(node) if name in pool}
        graph = helper.make_graph(
            [node],
            "one",
            [typed(name, pool[name]) for name in sorted(wanted)],
            [helper.make_empty_tensor_value_info(name) for name in node.output if name],
        )
        try:
            made = session(_model(graph, self.functions)).run(None, {name: pool[name] for name in wanted})
        except Exception:  # noqa: BLE001 - whatever a runtime says of a node that it does not take
            return False
        if sum(item.nbytes if isinstance(item, np.ndarray) else 0 for item in made) > 1 << 20:
            return False
        self.nodes.append(node)
        self.values |= dict(zip((name for name in node.output if name), made, strict=True))
        return True


def _model(graph: GraphProto, functions: list[FunctionProto]) -> ModelProto:
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets[: 1 + bool(functions)], functions=functions, ir_version=10)


def _used(node: NodeProto) -> set[str]:
    graphs = [attribute.g for attribute in node.attribute if attribute.type == AttributeProto.GRAPH]
    inner = {name for graph in graphs for item in graph.node for name in _used(item)}
    return set(node.input) | inner | {output.name for graph in graphs for output in graph.output}


def typed(name: str, value: object) -> ValueInfoProto:
    if isinstance(value, list):
        kind = helper.np_dtype_to_tensor_dtype(value[0].dtype) if value else TensorProto.FLOAT
        return helper.make_tensor_sequence_value_info(name, kind, None)
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def grow(rng: Random, *, nodes: int = 12) -> Grown:
    """A random graph of so many nodes that run."""
    n, m = rng.randrange(5), rng.randrange(5)
    feeds: dict[str, object] = {
        "x": np.asarray(np.random.default_rng(1).standard_normal((n, m)), np.float32),
        "y": np.zeros((m, 3), np.float32),
        "z": np.ones((rng.randrange(4), 2, n), np.float32),
        "k": np.array([rng.randrange(-8, 9), rng.randrange(9)], np.int64),
        "s": np.array(rng.randrange(9), np.int32),
        "c": np.array(rng.random() < 0.5),
        "p": np.array([rng.randrange(-3, 4) for _ in range(n)], np.int64),
    }
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "m"]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["m", 3]),
        helper.make_tensor_value_info("z", TensorProto.FLOAT, [None, 2, "n"]),
        helper.make_tensor_value_info("k", TensorProto.INT64, [2]),
        helper.make_tensor_value_info("s", TensorProto.INT32, []),
        helper.make_tensor_value_info("c", TensorProto.BOOL, []),
        helper.make_tensor_value_info("p", TensorProto.INT64, ["n"]),
    ]
    grown = Grown(feeds, inputs)
    _fill(rng, grown, nodes=nodes, depth=0)
    return grown


def _fill(rng: Random, grown: Grown, *, nodes: int, depth: int) -> None:
    for _ in range(nodes * 4):
        if sum(node.op_type != "Constant" for node in grown.nodes) >= nodes:
            return
        made = rng.choice(MAKERS[: None if depth == 0 else -_DEEP])(rng, grown)
        if made is not None:
            grown.add(made)


def const(rng: Random, grown: Grown, array: np.ndarray) -> str:
    name = grown.fresh()
    grown.add(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array)))
    return name


def number(rng: Random, kind: type) -> object:
    with np.errstate(over="ignore"):
        if np.issubdtype(kind, np.integer):
            found = rng.choice(WHOLE if rng.random() < 0.8 or kind != np.int64 else WIDE)
            return np.array(found).astype(kind)
        return np.array(rng.choice(REAL if rng.random() < 0.8 else ODD)).astype(kind)


def numbers(rng: Random, kind: type) -> np.ndarray:
    shape = rng.choice([(), (1,), (1,), (2,), (2,), (3,), (0,), (2, 2), (1, 3), (4,)])
    count = int(np.prod(shape))
    return np.array([number(rng, kind) for _ in range(count)], dtype=kind).reshape(shape)


def small(rng: Random, *choices: int, length: int | None = None, grown: Grown) -> str:
    size = rng.choice([1, 1, 2, 3]) if length is None else length
    return const(rng, grown, np.array([rng.choice(choices) for _ in range(size)], np.int64))


def some(rng: Random, grown: Grown, test: Callable[[object], bool]) -> str | None:
    names = [name for name, value in grown.pool().items() if test(value)]
    # the youngest are the most entangled
    return rng.choice(names[-8:] if rng.random() < 0.6 else names) if names else None


def is_tensor(value: object) -> bool:
    return isinstance(value, np.ndarray)


def is_row(value: object) -> bool:
    return is_tensor(value) and value.dtype == np.int64 and value.ndim == 1 and value.size <= 6


def is_size(value: object) -> bool:
    return is_row(value) and bool(np.all(np.abs(value) <= SMALL)) and int(np.prod(np.maximum(np.abs(value), 1))) <= 1 << 16


def is_kind(kind: object) -> Callable[[object], bool]:
    return lambda value: is_tensor(value) and value.dtype == kind


def node(grown: Grown, operator: str, *inputs: str | None, outputs: int = 1, **attributes: object) -> NodeProto | None:
    if any(name is None for name in inputs):
        return None
    return helper.make_node(operator, list(inputs), [grown.fresh() for _ in range(outputs)], **attributes)


def make_constant(rng: Random, grown: Grown) -> NodeProto | None:
    const(rng, grown, numbers(rng, rng.choice(KINDS)))
    return None


def make_shape(rng: Random, grown: Grown) -> NodeProto | None:
    name = some(rng, grown, is_tensor)
    ends = {}
    if rng.random() < 0.3:
        ends = {"start": rng.randrange(-3, 3), "end": rng.randrange(-2, 4)}
    return node(grown, "Shape", name, **ends) if rng.random() < 0.8 else node(grown, "Size", name)


def make_two(rng: Random, grown: Grown) -> NodeProto | None:
    kind = rng.choice(KINDS)
    one = some(rng, grown, is_kind(kind))
    other = const(rng, grown, numbers(rng, kind)) if rng.random() < 0.5 else some(rng, grown, is_kind(kind))
    if one is None or other is None:
        return None
    if rng.random() < 0.5:
        one, other = other, one
    operator = rng.choice(["Add", "Sub", "Mul", "Div", "Mod", "Min", "Max", "Pow", "Equal", "Less", "Greater", "Sum", "Mean"])
    pool = grown.pool()
    if operator in ("Div", "Mod") and np.issubdtype(kind, np.integer) and np.any(np.isin(pool[other], [0, -1])):
        return None  # stops the process
    told = {"fmod": 1} if operator == "Mod" and (not np.issubdtype(kind, np.integer) or rng.random() < 0.5) else {}
    return node(grown, operator, one, other, **told)


def make_one(rng: Random, grown: Grown) -> NodeProto | None:
    operator = rng.choice(
        ["Neg", "Abs", "Floor", "Ceil", "Round", "Identity", "Relu", "Sign", "Sqrt", "Not", "NonZero", "Reciprocal"]
    )
    return node(grown, operator, some(rng, grown, is_tensor))


def make_cast(rng: Random, grown: Grown) -> NodeProto | None:
    kinds = [1, 6, 7, 7, 7, 9, 10, 11, 2, 3, 13]
    return node(grown, "Cast", some(rng, grown, is_tensor), to=rng.choice(kinds))


def make_clip(rng: Random, grown: Grown) -> NodeProto | None:
    kind = rng.choice([np.int64, np.float32, np.int32])
    ends = [rng.choice(["", const(rng, grown, np.array(number(rng, kind)))]) for _ in range(2)]
    found = some(rng, grown, lambda value: is_kind(kind)(value) and value.ndim == 0)
    if found and rng.random() < 0.5:
        ends[rng.randrange(2)] = found
    return node(grown, "Clip", some(rng, grown, is_kind(kind)), *ends)


def make_where(rng: Random, grown: Grown) -> NodeProto | None:
    kind = rng.choice(KINDS)
    other = const(rng, grown, numbers(rng, kind))
    return node(grown, "Where", some(rng, grown, is_kind(np.dtype(bool))), some(rng, grown, is_kind(kind)), other)


def make_gather(rng: Random, grown: Grown) -> NodeProto | None:
    indices = const(rng, grown, np.array(rng.choice([0, 1, -1, [0], [1, 0], [0, 0, -1], [[0, 1]], []]), np.int64))
    if rng.random() < 0.2:
        indices = some(rng, grown, is_kind(np.int64)) or indices
    return node(grown, "Gather", some(rng, grown, is_tensor), indices, axis=rng.choice([0, 0, 1, -1]))


def make_slice(rng: Random, grown: Grown) -> NodeProto | None:
    ends = [0, 1, 2, -1, -2, -5, 5, 2**31 - 1, 2**63 - 1, -(2**63), -(2**31)]
    length = rng.choice([1, 1, 1, 2])
    start, end = (small(rng, *ends, length=length, grown=grown) for _ in range(2))
    if rng.random() < 0.3:
        end = some(rng, grown, lambda value: is_row(value) and len(value) == length) or end
    if rng.random() < 0.2:
        start = some(rng, grown, lambda value: is_row(value) and len(value) == length) or start
    axes = const(rng, grown, np.array(rng.choice([[0], [-1], [1]]) if length == 1 else [0, 1], np.int64))
    steps = small(rng, 1, 1, 2, -1, -2, 3, -7, length=length, grown=grown)
    more = [axes, steps][: rng.randrange(3)] if rng.random() < 0.5 else [axes, steps]
    return node(grown, "Slice", some(rng, grown, is_tensor), start, end, *more)


def make_concat(rng: Random, grown: Grown) -> NodeProto | None:
    one = some(rng, grown, lambda value: is_tensor(value) and value.ndim > 0)
    if one is None:
        return None
    like = grown.pool()[one]
    others = [
        some(rng, grown, lambda value: is_tensor(value) and value.dtype == like.dtype and value.ndim == like.ndim)
        for _ in range(rng.randrange(1, 3))
    ]
    inputs = [one, *others]
    rng.shuffle(inputs)
    return node(grown, "Concat", *inputs, axis=rng.choice([0, 0, -1, 1]))


def make_reduce(rng: Random, grown: Grown) -> NodeProto | None:
    operator = rng.choice(["ReduceProd", "ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceMean", "ReduceL1"])
    axes = rng.choice(["", const(rng, grown, np.array(rng.choice([[0], [-1], [], [0, 1]]), np.int64))])
    if rng.random() < 0.1:
        axes = some(rng, grown, is_row) or axes
    told = {"keepdims": rng.randrange(2), "noop_with_empty_axes": rng.choice([0, 0, 1])}
    if rng.random() < 0.1:
        return node(
            grown,
            rng.choice(["ArgMax", "ArgMin"]),
            some(rng, grown, is_tensor),
            axis=rng.choice([0, -1]),
            keepdims=rng.randrange(2),
        )
    return node(grown, operator, some(rng, grown, is_tensor), axes, **told)


def make_squeeze(rng: Random, grown: Grown) -> NodeProto | None:
    axes = const(rng, grown, np.array(rng.choice([[0], [-1], [1], [0, 1], []]), np.int64))
    if rng.random() < 0.4:
        return node(grown, "Squeeze", some(rng, grown, is_tensor), rng.choice([axes, ""]))
    return node(grown, "Unsqueeze", some(rng, grown, is_tensor), axes)


def make_reshape(rng: Random, grown: Grown) -> NodeProto | None:
    shape = small(rng, 0, -1, 1, 2, 3, 4, 0, -1, grown=grown)
    if rng.random() < 0.6:
        shape = some(rng, grown, is_size) or shape
    if rng.random() < 0.1:
        return node(grown, "Flatten", some(rng, grown, is_tensor), axis=rng.choice([0, 1, -1, 2]))
    return node(grown, "Reshape", some(rng, grown, is_tensor), shape, allowzero=rng.choice([0, 0, 1]))


def make_larger(rng: Random, grown: Grown) -> NodeProto | None:
    operator = rng.choice(["Expand", "Tile", "Pad", "ConstantOfShape", "CenterCropPad"])
    size = some(rng, grown, is_size) if rng.random() < 0.7 else small(rng, 0, 1, 2, 3, -1, grown=grown)
    if size is None:
        return None
    if operator == "ConstantOfShape":
        value = numpy_helper.from_array(np.array([number(rng, rng.choice(KINDS))]))
        return node(grown, operator, size, **({"value": value} if rng.random() < 0.7 else {}))
    data = some(rng, grown, is_tensor)
    if data is None:
        return None
    if operator in ("Pad", "Tile"):
        rank = grown.pool()[data].ndim
        wanted = some(rng, grown, lambda value: is_size(value) and len(value) == rank * (1 + (operator == "Pad")))
        size = wanted or small(rng, 0, 1, 2, -1, -2, length=rank * (1 + (operator == "Pad")), grown=grown)
    if operator == "CenterCropPad":
        if not len(grown.pool()[size]):
            return None
        return node(grown, operator, data, size, axes=list(range(len(grown.pool()[size]))))
    return node(grown, operator, data, size)


def make_range(rng: Random, grown: Grown) -> NodeProto | None:
    kind = rng.choice([np.int64, np.int64, np.int32, np.float32])
    ends = [
        some(rng, grown, lambda value: is_kind(kind)(value) and value.ndim == 0)
        if rng.random() < 0.6
        else const(rng, grown, np.array(number(rng, kind)))
        for _ in range(2)
    ]
    step = const(rng, grown, np.array(rng.choice([1, 1, 2, -1, -3, 0.7, 0.1]), kind))
    if None in ends:
        return None
    start, limit, delta = (grown.pool()[name] for name in (*ends, step))
    with np.errstate(all="ignore"):
        distance = float(limit) - float(start), float(limit - start)
    if not delta or max(map(abs, distance)) / abs(float(delta)) > 1000 or not np.isfinite(distance[0]):
        return None
    return node(grown, "Range", *ends, step)


def make_one_hot(rng: Random, grown: Grown) -> NodeProto | None:
    depth = some(
        rng, grown, lambda value: is_tensor(value) and value.size == 1 and value.dtype == np.int64 and 0 < value.item() < SMALL
    )
    values = const(rng, grown, np.array([0, 1], rng.choice([np.float32, np.int64])))
    return node(grown, "OneHot", some(rng, grown, is_kind(np.int64)), depth, values, axis=rng.choice([-1, 0, 1]))


def make_resize(rng: Random, grown: Grown) -> NodeProto | None:
    data = some(rng, grown, lambda value: is_tensor(value) and value.dtype == np.float32 and 1 <= value.ndim <= 3 and value.size)
    if data is None:
        return None
    rank = grown.pool()[data].ndim
    if rng.random() < 0.5:
        scales = const(rng, grown, np.array([rng.choice([1, 2, 0.5, 0.7, 1 / 3, 1.9, 2.1]) for _ in range(rank)], np.float32))
        if rng.random() < 0.4:
            scales = (
                some(rng, grown, lambda v: is_tensor(v) and v.dtype == np.float32 and v.shape == (rank,) and np.all(v < 9))
                or scales
            )
        return node(grown, "Resize", data, "", scales, mode="nearest")
    sizes = some(rng, grown, lambda value: is_size(value) and len(value) == rank)
    policy = rng.choice(["stretch", "not_larger", "not_smaller"])
    return node(grown, "Resize", data, "", "", sizes, mode="nearest", keep_aspect_ratio_policy=policy)


def make_split(rng: Random, grown: Grown) -> NodeProto | None:
    parts = rng.randrange(1, 4)
    data = some(rng, grown, lambda value: is_tensor(value) and value.ndim > 0)
    if rng.random() < 0.5:
        return node(grown, "Split", data, outputs=parts, num_outputs=parts, axis=rng.choice([0, -1]))
    sizes = some(rng, grown, lambda value: is_size(value) and len(value) == parts)
    return node(grown, "Split", data, sizes, outputs=parts, axis=rng.choice([0, -1]))


def make_pick(rng: Random, grown: Grown) -> NodeProto | None:
    data = some(rng, grown, lambda value: is_tensor(value) and value.ndim > 0)
    operator = rng.choice(["TopK", "Compress", "Unique", "Transpose", "GatherND", "GatherElements", "ScatterElements"])
    if operator == "TopK":
        count = (
            some(rng, grown, lambda value: is_size(value) and value.size == 1)
            if rng.random() < 0.6
            else small(rng, 0, 1, 2, length=1, grown=grown)
        )
        return node(grown, operator, data, count, outputs=2, axis=rng.choice([0, -1]))
    if operator == "Compress":
        where = const(rng, grown, np.array([rng.random() < 0.6 for _ in range(rng.randrange(1, 4))]))
        return node(grown, operator, data, where, **({"axis": 0} if rng.random() < 0.5 else {}))
    if operator == "Unique":
        if data is None or not grown.pool()[data].size:
            return None  # stops the process
        return node(grown, operator, data, outputs=4, **({"axis": 0} if rng.random() < 0.5 else {}))
    if operator == "Transpose":
        return node(grown, operator, data)
    if operator == "ScatterElements":
        indices = some(rng, grown, is_kind(np.int64))
        return node(grown, operator, data, indices, some(rng, grown, is_tensor))
    return node(grown, operator, data, some(rng, grown, is_kind(np.int64)))


def make_product(rng: Random, grown: Grown) -> NodeProto | None:
    kinds = [np.float32, np.float32, np.int64]
    kind = rng.choice(kinds)
    one, other = (some(rng, grown, is_kind(kind)) for _ in range(2))
    if rng.random() < 0.3:
        rank = min(getattr(grown.pool().get(name), "ndim", 9) for name in (one, other))
        equations = {1: ["i,j->ij", "i,i->", "i,j"], 2: ["ij,jk->ik", "ij,kl->il", "ij,jk"]}
        return node(grown, "Einsum", one, other, equation=rng.choice(equations.get(rank, ["...i,...i->..."])))
    return node(grown, "MatMul", one, other)


def make_sequence(rng: Random, grown: Grown) -> NodeProto | None:
    found = some(rng, grown, lambda value: isinstance(value, list))
    operator = rng.choice(
        ["SequenceConstruct", "SplitToSequence", "SequenceInsert", "SequenceAt", "ConcatFromSequence", "SequenceLength"]
    )
    if operator == "SequenceConstruct":
        one = some(rng, grown, is_tensor)
        kind = getattr(grown.pool().get(one), "dtype", None)
        return node(grown, operator, one, some(rng, grown, is_kind(kind)))
    if operator == "SplitToSequence":
        parts = [some(rng, grown, is_size)] if rng.random() < 0.4 else []
        return node(grown, operator, some(rng, grown, is_tensor), *parts, axis=rng.choice([0, -1]), keepdims=rng.randrange(2))
    if operator == "SequenceInsert":
        kind = next((item.dtype for item in grown.pool().get(found) or ()), None)
        return node(grown, operator, found, some(rng, grown, is_kind(kind)))
    if operator == "SequenceAt":
        return node(grown, operator, found, const(rng, grown, np.array(rng.choice([0, -1]), np.int64)))
    if operator == "SequenceLength":
        return node(grown, operator, found)
    return node(grown, operator, found, axis=rng.choice([0, -1]), new_axis=rng.choice([0, 0, 1]))


def _inner(rng: Random, grown: Grown, stand_ins: dict[str, object]) -> Grown:
    """A graph in a node: drawn on the values of its first turn."""
    inner = Grown({}, [], outer=grown.pool() | stand_ins, functions=grown.functions, count=grown.count)
    _fill(rng, inner, nodes=rng.randrange(1, 5), depth=1)
    return inner


def make_loop(rng: Random, grown: Grown) -> NodeProto | None:
    carried = [name for _ in range(rng.randrange(1, 4)) if (name := some(rng, grown, is_tensor))]
    pool = grown.pool()
    turn, alive = grown.fresh(), grown.fresh()
    states = [grown.fresh() for _ in carried]
    scalar = rng.random() < 0.7
    stand_ins = {turn: np.array(0 if scalar else [0], np.int64), alive: np.array(True if scalar else [True])}
    stand_ins |= {state: pool[name] for state, name in zip(states, carried, strict=True)}
    inner = _inner(rng, grown, stand_ins)
    after = []
    for name in carried:
        like = [made for made, value in inner.pool().items() if is_tensor(value) and value.dtype == pool[name].dtype]
        after.append(rng.choice([made for made in like if made in inner.values] or like))
    extra = rng.sample(
        [name for name, value in inner.values.items() if is_tensor(value)],
        k=min(rng.randrange(3), len(inner.values)) if all(map(is_tensor, inner.values.values())) else 0,
    )
    outer_names = [*after, *extra]
    made = [grown.fresh() for _ in outer_names]
    wraps = [helper.make_node("Identity", [name], [wrap]) for name, wrap in zip(outer_names, made, strict=True)]
    condition = rng.choice(
        [alive, alive, *(n for n, v in inner.values.items() if is_tensor(v) and v.dtype == bool and v.size == 1)]
    )
    ends = grown.fresh()
    wraps.append(helper.make_node("Identity", [condition], [ends]))
    everything = inner.pool()
    body = helper.make_graph(
        [*inner.nodes, *wraps],
        "body",
        [
            helper.make_tensor_value_info(turn, TensorProto.INT64, stand_ins[turn].shape),
            helper.make_tensor_value_info(alive, TensorProto.BOOL, stand_ins[alive].shape),
            *(_open(state, stand_ins[state]) for state in states),
        ],
        [
            _open(ends, everything[condition]),
            *(_open(wrap, everything[name]) for wrap, name in zip(made, outer_names, strict=True)),
        ],
    )
    count = const(rng, grown, np.array(rng.choice([0, 1, 2, 3, 5]), np.int64))
    if rng.random() < 0.3:
        small_one = some(
            rng, grown, lambda value: is_tensor(value) and value.dtype == np.int64 and value.size == 1 and value.item() < 8
        )
        count = small_one or count
    return node(grown, "Loop", count, rng.choice(["", "c"]), *carried, outputs=len(outer_names), body=body)


def _open(name: str, value: object) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), None)


def make_branch(rng: Random, grown: Grown) -> NodeProto | None:
    condition = some(rng, grown, lambda value: is_tensor(value) and value.dtype == bool and value.size == 1)
    one, other = (_inner(rng, grown, {}) for _ in range(2))
    left = [name for name, value in one.values.items() if is_tensor(value)]
    if not left:
        return None
    chosen = rng.choice(left)
    right = [name for name, value in other.values.items() if is_tensor(value) and value.dtype == one.values[chosen].dtype]
    if not right:
        return None
    picked = rng.choice(right)
    graphs = [
        helper.make_graph(inner.nodes, "branch", [], [_open(name, inner.values[name])])
        for inner, name in ((one, chosen), (other, picked))
    ]
    return node(grown, "If", condition, then_branch=graphs[0], else_branch=graphs[1])


def make_scan(rng: Random, grown: Grown) -> NodeProto | None:
    scanned = some(rng, grown, lambda value: is_tensor(value) and value.ndim > 0 and value.shape[0] > 0)
    state = some(rng, grown, is_tensor)
    if scanned is None or state is None:
        return None
    pool, names = grown.pool(), [grown.fresh(), grown.fresh()]
    stand_ins = {names[0]: pool[state], names[1]: pool[scanned][0]}
    inner = _inner(rng, grown, stand_ins)
    like = [name for name, value in inner.values.items() if is_tensor(value) and value.dtype == pool[state].dtype]
    extra = [name for name, value in inner.values.items() if is_tensor(value)]
    if not like or not extra:
        return None
    outs = [rng.choice(like), rng.choice(extra)]
    wraps = [helper.make_node("Identity", [name], [grown.fresh()]) for name in outs]
    body = helper.make_graph(
        [*inner.nodes, *wraps],
        "body",
        [_open(name, value) for name, value in stand_ins.items()],
        [_open(wrap.output[0], inner.values[name]) for wrap, name in zip(wraps, outs, strict=True)],
    )
    return node(grown, "Scan", state, scanned, outputs=2, body=body, num_scan_inputs=1)


def make_call(rng: Random, grown: Grown) -> NodeProto | None:
    """A function of its own for some nodes, called with whatever is there."""
    taken = [name for _ in range(rng.randrange(1, 4)) if (name := some(rng, grown, is_tensor))]
    pool, inside = grown.pool(), {grown.fresh(): name for name in taken}
    inner = Grown({}, [], outer={own: pool[name] for own, name in inside.items()}, functions=grown.functions, count=grown.count)
    _fill(rng, inner, nodes=rng.randrange(1, 6), depth=1)
    if not inner.values:
        return None
    outputs = rng.sample(sorted(inner.values), k=min(2, len(inner.values)))
    name = f"F{grown.fresh()}"
    function = helper.make_function(
        "own", name, list(inside), outputs, inner.nodes, [helper.make_opsetid("", OPSET), helper.make_opsetid("own", 1)]
    )
    grown.functions.append(function)
    call = helper.make_node(name, list(inside.values()), [grown.fresh() for _ in outputs], domain="own")
    if not grown.add(call):
        grown.functions.remove(function)
    return None


MAKERS = (
    [make_constant] * 2
    + [make_shape] * 5
    + [make_two] * 9
    + [make_one] * 2
    + [make_cast] * 5
    + [make_clip, make_where, make_where, make_gather, make_gather, make_gather, make_slice, make_slice, make_slice]
    + [make_concat] * 3
    + [make_reduce] * 2
    + [make_squeeze] * 2
    + [make_reshape] * 3
    + [make_larger] * 4
    + [make_range, make_one_hot, make_resize, make_split, make_pick, make_pick, make_product, make_sequence, make_sequence]
    + [make_loop, make_loop, make_branch, make_scan, make_call]
)
_DEEP = 5
"""The last makers draw graphs of their own, which are not drawn in one another."""
