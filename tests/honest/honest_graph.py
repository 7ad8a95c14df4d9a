"""What honest models are made of: a writer of graphs in the manner of exporters, a register of models, random inputs.

A model is built anew by each call of its builder and is the same each time: weights come from a fixed seed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

FLOAT, INT64, INT32, BOOL, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL, TensorProto.STRING
NEWEST = 26  # the newest operator set that the shipped policies take
LOWEST = np.float32(np.finfo(np.float32).min)
WORDS = np.array(["fraud", "a", "The", "cat", "house", "ZEBRA", "naïve", "42"], dtype=object)


class Graph:
    """A graph that is written node by node; names and constants look as those of PyTorch's exporters do.

    Calling it with an operator and its inputs adds a node and returns the name of its output, or a tuple of names. Inputs
    are names, or numbers and arrays, which become ``Constant`` nodes; ``None`` is an input that is left out.
    """

    def __init__(self, name: str, *, opset: int = 17, within: "Graph | None" = None) -> None:
        self.name = name
        self.opset = opset if within is None else within.opset
        self._within = within
        self._names = [0] if within is None else within._names
        self._rng = np.random.default_rng(7) if within is None else within._rng
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.initializers: list[TensorProto] = []

    def fresh(self, kind: str) -> str:
        self._names[0] += 1
        return f"/{self.name}/{kind}_{self._names[0]}"

    def __call__(self, operator: str, *inputs: object, outputs: int | Sequence[str] = 1, domain: str = "", **attributes: object):
        names = [self.value(item) for item in inputs]
        node = self.fresh(operator)
        made = [f"{node}_output_{i}" for i in range(outputs)] if isinstance(outputs, int) else list(outputs)
        self.nodes.append(helper.make_node(operator, names, made, name=node, domain=domain, **attributes))
        return made[0] if len(made) == 1 else tuple(made)

    def value(self, item: object) -> str:
        if item is None or isinstance(item, str):
            return item or ""
        return self.const(item)

    def const(self, item: object) -> str:
        array = np.asarray(item)
        if array.dtype == np.float64 and not isinstance(item, np.ndarray | np.generic):
            array = array.astype(np.float32)
        return self("Constant", value=numpy_helper.from_array(array))

    def input(self, name: str, kind: int, shape: Sequence[int | str | None] | None) -> str:
        name = name if self._within is None else self.fresh(name)
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, kind: int, shape: Sequence[int | str | None] | None, *, called: str | None = None) -> None:
        """Declares an output; ``called`` gives it a name of its own by an Identity, as graphs of exporters have at times."""
        if called is not None:
            name = self("Identity", name, outputs=[called])
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def weight(self, *shape: int, kind: np.dtype | type = np.float32, name: str = "weight") -> str:
        """An initializer of small random numbers."""
        if np.issubdtype(kind, np.integer):
            array = self._rng.integers(np.iinfo(kind).min // 2, np.iinfo(kind).max // 2 + 1, shape).astype(kind)
        else:
            array = (self._rng.standard_normal(shape) * 0.1).astype(kind)
        return self.keep(array, name=name)

    def keep(self, array: object, *, name: str = "weight") -> str:
        """An initializer of these very values."""
        name = self.fresh(name).strip("/").replace("/", ".")
        self.initializers.append(array if isinstance(array, TensorProto) else numpy_helper.from_array(np.asarray(array), name))
        if isinstance(array, TensorProto):
            array.name = name
        return name

    def linear(self, x: str, wide: int, out: int) -> str:
        return self("Add", self.weight(out, name="bias"), self("MatMul", x, self.weight(wide, out)))

    def sub(self, name: str) -> "Graph":
        """A graph for an attribute of a node of this one."""
        return Graph(f"{self.name}/{name}", within=self)

    # Operators whose axes moved from attributes to inputs: exporters write what the operator set asks for.

    def unsqueeze(self, x: str, *axes: int) -> str:
        return self("Unsqueeze", x, list(axes)) if self.opset >= 13 else self("Unsqueeze", x, axes=axes)

    def squeeze(self, x: str, *axes: int) -> str:
        return self("Squeeze", x, list(axes)) if self.opset >= 13 else self("Squeeze", x, axes=axes)

    def mean(self, x: str, *axes: int) -> str:
        return self("ReduceMean", x, list(axes)) if self.opset >= 18 else self("ReduceMean", x, axes=axes)

    def split(self, x: str, *sizes: int, axis: int) -> tuple[str, ...]:
        if self.opset >= 13:
            return self("Split", x, list(sizes), outputs=len(sizes), axis=axis)
        return self("Split", x, outputs=len(sizes), axis=axis, split=sizes)

    # What PyTorch's exporter writes for x.size(axis), x.view(...) and x.expand(...).

    def size(self, x: str, axis: int) -> str:
        return self("Gather", self("Shape", x), np.int64(axis), axis=0)

    def shape(self, *parts: int | str) -> str:
        return self("Concat", *[self.unsqueeze(p, 0) if isinstance(p, str) else self.const([p]) for p in parts], axis=0)

    def view(self, x: str, *parts: int | str) -> str:
        return self("Reshape", x, self.shape(*parts))

    def filled(self, shape: str, number: np.generic) -> str:
        return self("ConstantOfShape", shape, value=numpy_helper.from_array(np.array([number])))

    def expand(self, x: str, *parts: int | str) -> str:
        """Where -1 stands for 'as it is': compared with a tensor of -1 that is as long as the shape."""
        shape = self.shape(*parts)
        ones = self.filled(self("Shape", shape), np.int64(1))
        minus = self("Mul", ones, self.const(np.int64(-1)))
        return self("Expand", x, self("Where", self("Equal", shape, minus), ones, shape))

    def arange(self, limit: str) -> str:
        return self("Range", np.int64(0), limit, np.int64(1))

    def proto(self) -> GraphProto:
        return helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.initializers)

    def model(self, *, domains: Mapping[str, int] | None = None, **more: object) -> ModelProto:
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(domain, version) for domain, version in (domains or {}).items()]
        standard = [o for o in opsets if o.domain in {"", "ai.onnx.ml"}]
        more.setdefault("ir_version", max(helper.find_min_ir_version_for(standard), 6))
        return helper.make_model(self.proto(), opset_imports=opsets, producer_name="pytorch", producer_version="2.9.0", **more)


Feed = Callable[[np.random.Generator, Mapping[str, int]], object]


@dataclass(frozen=True)
class Honest:
    """A builder of a model, and what to run it on: sizes for its symbolic dimensions, bounds for its whole numbers.

    ``needs`` is what a policy must allow for it beyond the shipped baseline: operators, sets of them, and ``unknown_sizes``
    or ``unknown_turns``. ``by`` are the packages that make it.
    """

    build: Callable[[], ModelProto]
    sizes: tuple[Mapping[str, int], ...] = ({},)
    below: Mapping[str, int] = field(default_factory=dict)
    given: Mapping[str, Feed] = field(default_factory=dict)
    save: Callable[[Path], Path] | None = None
    needs: tuple[str, ...] = ()
    by: tuple[str, ...] = ("onnx",)

    def __call__(self) -> ModelProto:
        return self.build()

    def write(self, folder: Path) -> Path:
        """The model as a file in ``folder``, with its weights beside it where it is one of those that have them there."""
        if self.save is not None:
            return self.save(folder)
        path = folder / "model.onnx"
        path.write_bytes(self.build().SerializeToString())
        return path


MODELS: dict[str, Honest] = {}


def honest(name: str, *, opsets: Sequence[int] = (17,), **how: object) -> Callable:
    """Registers a builder that takes an operator set, once for each of ``opsets``."""

    def register(build: Callable[[int], ModelProto]) -> Callable[[int], ModelProto]:
        for opset in opsets:
            full = name if len(opsets) == 1 else f"{name}-{opset}"
            assert full not in MODELS
            MODELS[full] = Honest(lambda opset=opset: build(opset), **how)
        return build

    return register


def random_array(kind: int, shape: Sequence[int], rng: np.random.Generator, below: int) -> np.ndarray:
    if kind == STRING:
        return rng.choice(WORDS, shape)
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    if kind == BOOL:
        return rng.integers(0, 2, shape).astype(bool)
    if np.issubdtype(dtype, np.integer):
        return np.asarray(rng.integers(0, below, shape)).astype(dtype)
    return np.asarray(rng.standard_normal(shape)).astype(dtype)


def random_feeds(model: ModelProto, entry: Honest, sizes: Mapping[str, int]) -> dict[str, object]:
    """Inputs for a model; symbolic dimensions that ``sizes`` does not name are 2."""
    rng = np.random.default_rng(11)
    weights = {tensor.name for tensor in model.graph.initializer}
    feeds = {}
    for value in model.graph.input:
        if value.name in weights:
            continue
        if value.name in entry.given:
            feeds[value.name] = entry.given[value.name](rng, sizes)
            continue
        tensor = value.type.tensor_type
        shape = [d.dim_value if d.HasField("dim_value") else sizes.get(d.dim_param, 2) for d in tensor.shape.dim]
        feeds[value.name] = random_array(tensor.elem_type, shape, rng, entry.below.get(value.name, 2))
    return feeds
