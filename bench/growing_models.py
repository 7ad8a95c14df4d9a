"""Models that grow in one thing at a time: nodes, functions, depth, attributes or weights.

Written by hand: protobuf objects of a million nodes would take longer than what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TENSOR_BYTES = 10_000_000
DEEP_NODES = 3200


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One thing that grows: its sizes, and what writes a model of a size into a file."""

    name: str
    unit: str
    sizes: tuple[int, ...]
    write: Callable[[Path, int], None]
    units: int = 0
    """How many units there are in every one of the models, where their number is not what grows."""


def varint(number: int) -> bytes:
    """An unsigned integer."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def integer(number: int, value: int) -> bytes:
    """A field of one integer."""
    return varint(number << 3) + varint(value)


def node(operator: bytes, inputs: list[bytes], output: bytes, *, domain: bytes = b"", attributes: bytes = b"") -> bytes:
    """The message of a node, without its tag."""
    names = b"".join(field(1, name) for name in inputs) + field(2, output) + field(3, b"node_of_" + output)
    return names + field(4, operator) + attributes + (field(7, domain) if domain else b"")


def chain(count: int, *, first: bytes, prefix: bytes, last: bytes, tag: int = 1) -> Iterator[bytes]:
    """So many nodes, each taking what the one before it made, with their tags. Every second one adds a weight."""
    made = first
    for number in range(count):
        output = last if number == count - 1 else b"%s%d" % (prefix, number)
        yield field(tag, node(b"Relu", [made], output) if number % 2 else node(b"Add", [made, first], output))
        made = output


def value(name: bytes, dimensions: tuple[int, ...], *, element: int = 1) -> bytes:
    """An input or output with its type."""
    shape = b"".join(field(1, integer(1, size)) for size in dimensions)
    return field(1, name) + field(2, field(1, integer(1, element) + field(2, shape)))


def model(graph: list[bytes], *, functions: list[bytes] = (), width: int = 4) -> Iterator[bytes]:
    """The pieces of a model with one input ``x`` and one output ``y``; ``graph`` are fields of its graph."""
    ends = [field(2, b"g"), field(11, value(b"x", (1, width))), field(12, value(b"y", (1, width)))]
    yield integer(1, 8) + field(2, b"bench") + field(8, integer(2, 17)) + field(8, field(1, b"own") + integer(2, 1))
    yield varint(7 << 3 | 2) + varint(sum(map(len, graph)) + sum(map(len, ends)))
    yield from graph
    yield from ends
    for function in functions:
        yield field(25, function)


def save(path: Path, pieces: Iterator[bytes]) -> None:
    """Writes the pieces one after the other."""
    with path.open("wb") as file:
        file.writelines(pieces)


def write_nodes(path: Path, count: int) -> None:
    """A chain of nodes."""
    save(path, model(list(chain(count, first=b"x", prefix=b"v", last=b"y"))))


def write_functions(path: Path, count: int, *, nodes: int = 10) -> None:
    """Functions of ten nodes, each called once."""
    imports = field(9, integer(2, 17))
    body = b"".join(chain(nodes, first=b"a", prefix=b"t", last=b"b", tag=7))
    functions = [
        field(1, b"F%d" % i) + field(4, b"a") + field(5, b"b") + body + imports + field(10, b"own") for i in range(count)
    ]
    calls = []
    made = b"x"
    for number in range(count):
        output = b"y" if number == count - 1 else b"v%d" % number
        calls.append(field(1, node(b"F%d" % number, [made], output, domain=b"own")))
        made = output
    save(path, model(calls, functions=functions))


def write_depth(path: Path, depth: int, *, nodes: int = DEEP_NODES) -> None:
    """Branches in branches, so many deep. However deep, there are the same number of nodes, the same on each level."""
    nodes_each = nodes // depth
    inner: list[bytes] = []
    for level in reversed(range(depth)):
        name = b"l%d_" % level
        result = b"y" if level == 0 else name + b"out"
        before = name + b"in"
        parts = list(chain(nodes_each, first=b"x", prefix=name, last=before if inner else result))
        if inner:
            # the branches end in values of the same name pattern: the deeper graph, and one that is a single node
            then = b"".join(inner) + field(2, b"t") + field(12, value(b"l%d_out" % (level + 1), (1, 4)))
            other = field(1, node(b"Identity", [b"x"], name + b"e")) + field(2, b"e") + field(12, value(name + b"e", (1, 4)))
            branches = b"".join(
                field(5, field(1, label) + field(6, graph) + integer(20, 5))
                for label, graph in ((b"then_branch", then), (b"else_branch", other))
            )
            parts.append(field(1, node(b"If", [b"c"], result, attributes=branches)))
        inner = parts
    save(path, model([*inner, field(11, value(b"c", (), element=9))]))


def write_attributes(path: Path, count: int, *, each: int = 10) -> None:
    """Nodes of an operator of one's own with ten attributes each: numbers, texts and lists."""
    kinds = (
        lambda n: field(1, b"alpha%d" % n) + b"\x15\0\0\x80\x3f" + integer(20, 1),
        lambda n: field(1, b"axis%d" % n) + integer(3, n) + integer(20, 2),
        lambda n: field(1, b"mode%d" % n) + field(4, b"linear") + integer(20, 3),
        lambda n: field(1, b"pads%d" % n) + b"".join(integer(8, i) for i in range(4)) + integer(20, 7),
    )
    attributes = b"".join(field(5, kinds[n % 4](n)) for n in range(each))
    nodes = []
    made = b"x"
    for number in range(count // each):
        output = b"y" if number == count // each - 1 else b"v%d" % number
        nodes.append(field(1, node(b"Op", [made], output, domain=b"own", attributes=attributes)))
        made = output
    save(path, model(nodes))


def write_weights(path: Path, size: int) -> None:
    """Matrices of 10 MB of random bytes in the one file of the model, and a node for each."""
    width = 1000
    rows = TENSOR_BYTES // 4 // width
    count = size // TENSOR_BYTES
    payload = np.random.default_rng(0).bytes(TENSOR_BYTES)
    graph = [field(1, node(b"Gather", [b"w%d" % i, b"i"], b"r%d" % i)) for i in range(count)]
    graph += [field(1, node(b"Sum", [b"x", *(b"r%d" % i for i in range(count))], b"y"))]
    graph.append(field(5, integer(2, 7) + field(8, b"i") + field(9, bytes(8))))
    for i in range(count):
        tensor = integer(1, rows) + integer(1, width) + integer(2, 1) + field(8, b"w%d" % i)
        head = varint(9 << 3 | 2) + varint(TENSOR_BYTES)
        graph += [varint(5 << 3 | 2) + varint(len(tensor) + len(head) + TENSOR_BYTES), tensor, head, payload]
    save(path, model(graph, width=width))


CURVES = (
    Curve(name="nodes", unit="node", sizes=(1000, 10_000, 100_000, 1_000_000), write=write_nodes),
    Curve(name="functions of 10 nodes", unit="function", sizes=(1, 100, 10_000), write=write_functions),
    Curve(name=f"levels of {DEEP_NODES} nodes", unit="node", sizes=(1, 2, 4, 8, 16, 32), write=write_depth, units=DEEP_NODES),
    Curve(name="attributes", unit="attribute", sizes=(1000, 10_000, 100_000, 1_000_000), write=write_attributes),
    Curve(name="MB of weights", unit="MB", sizes=(10, 100, 1500), write=lambda path, size: write_weights(path, size * 1_000_000)),
)
