"""The model's own functions: read, told apart from operators, and expanded on paper.

Owns ``FunctionProto`` and the call graph. A function is a macro: a runtime copies its nodes into every
call, so ten functions that each call the next ten times are ten billion nodes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from mlsign.errors import shown
from mlsign.interface import ONNX_DOMAIN, OperatorId
from mlsign.onnx import problems, schema
from mlsign.onnx.graphs import GraphReader, Steps
from mlsign.onnx.nodes import Attributes, Call
from mlsign.onnx.opsets import read_opsets
from mlsign.onnx.scan import Scan, body, text
from mlsign.onnx.signatures import is_specified, since
from mlsign.onnx.spelling import normal
from mlsign.onnx.wire import Body, Where

_STANDARD: Final = frozenset(
    (
        ONNX_DOMAIN,
        "ai.onnx.ml",
        "ai.onnx.training",
        "ai.onnx.preview",
        "ai.onnx.preview.training",
        "ai.onnxruntime",
        "org.pytorch.aten",
    )
)
_STANDARD_PREFIXES: Final = ("com.microsoft", "ai.onnxruntime", "com.ms.")
"""Domains whose operators runtimes implement themselves (onnxruntime: ``kMSDomain`` and its relatives)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One definition: what names it, what it calls, which opsets it was written for, and its body."""

    key: Call
    calls: Counter[Call]
    opsets: dict[str, int]
    where: Where
    inputs: list[bytes]
    outputs: list[bytes]
    defaults: Attributes
    steps: Steps


def canonical(call: Call) -> Call:
    """One spelling for the standard domain, so that ``""`` and ``ai.onnx`` are the same."""
    domain, name, overload = call
    return (b"" if domain == ONNX_DOMAIN.encode() else domain, name, overload)


def read_function(scan: Scan, graphs: GraphReader, data: Body, where: Where) -> Function:
    """The function and every node in it, used or not."""
    scan.count("functions", where)
    parts = scan.fields(data, schema.FUNCTION, where)
    scan.entries(parts.get(14, ()), where, name="metadata_props")
    opsets = read_opsets(scan, parts.get(9, ()), where)
    calls = graphs.start(opsets, function=True, hidden="a function")
    for index, value in enumerate(parts.get(12, ())):
        graphs.types.value_info(body(value), (where, "value_info", index))
    inputs = [scan.name(value, where) for value in parts.get(4, ())]
    outputs = [scan.name(value, where) for value in parts.get(5, ())]
    declared = [scan.name(value, where) for value in parts.get(6, ())]
    for kind, names in (("output", outputs), ("attribute", declared)):
        if len(set(names)) != len(names):
            scan.problems.add(problems.REPEATED_NAME, f"an {kind} of a function is named twice", where)
    made = graphs.declare(inputs, where)
    defaults = graphs.defaults(parts.get(11, ()), where)
    steps = graphs.nodes(parts.get(7, ()), where, depth=1, made=made)
    for name in outputs:
        if not graphs.is_visible(name):
            scan.problems.add(problems.NOT_PRODUCED, f"output {shown(text(name))} of a function is made by nothing", where)
    key = canonical((scan.last(parts, 10, where), scan.last(parts, 1, where), scan.last(parts, 13, where)))
    _check_name(scan, key, where)
    return Function(
        key=key,
        calls=calls,
        opsets=opsets,
        where=where,
        inputs=inputs,
        outputs=outputs,
        defaults=defaults,
        steps=steps,
    )


def _check_name(scan: Scan, key: Call, where: Where) -> None:
    domain, name = normal(key[0]), text(key[1])
    alike = domain.casefold().strip(".")
    if alike in _STANDARD or alike.startswith(_STANDARD_PREFIXES):
        scan.problems.add(
            problems.STANDARD_SHADOWED,
            f"function {shown(domain)}:{shown(name)} takes a name that belongs to a runtime",
            where,
            expected="a domain of the model's own",
            found=f"{domain}:{name}",
        )


def check_functions(scan: Scan, functions: list[Function], main: Counter[Call], *, maximum: int) -> None:
    """Notes functions that are defined twice, that reach themselves, and calls that expand beyond ``maximum`` nodes."""
    by_key: dict[Call, Function] = {}
    for index, function in enumerate(functions):
        if function.key in by_key:
            scan.problems.add(
                problems.REPEATED_FUNCTION,
                f"function {shown(text(function.key[1]))} is defined twice",
                (None, "functions", index),
                found=f"{normal(function.key[0])}:{text(function.key[1])}",
            )
        by_key[function.key] = function
    sizes: dict[Call, int] = {}
    for function in functions:
        _size(scan, function.key, by_key, sizes)
    total = _expanded(main, by_key, sizes)
    if total > maximum:
        scan.problems.add(
            problems.EXPANSION,
            "calling its functions makes the model too large",
            (None, "functions", -1),
            expected=f"at most {maximum} nodes",
            found=total if total < 10**18 else "more than 10^18",
        )


def check_versions(scan: Scan, functions: list[Function], opsets: dict[str, int]) -> None:
    """Notes operators that mean one thing at the version of their function and another at that of the model.

    A runtime puts the nodes of a function into the graph of the model, where there is one version only.
    """
    for function in functions:
        for call in function.calls:
            domain, name = normal(call[0]), text(call[1])
            own, model = function.opsets.get(domain, 0), opsets.get(domain, 0)
            if is_specified(domain) and own != model and model and since(domain, name, own) != since(domain, name, model):
                scan.problems.add(
                    problems.FUNCTION_OPSET,
                    f"{shown(domain)}:{shown(name)} means one thing in a function and another in the model",
                    function.where,
                    expected=f"{domain} {model}, which the model imports",
                    found=f"{domain} {own}",
                )


def _expanded(calls: Counter[Call], by_key: dict[Call, Function], sizes: dict[Call, int]) -> int:
    return sum(count * (sizes[key] if (key := canonical(call)) in by_key else 1) for call, count in calls.items())


def _size(scan: Scan, key: Call, by_key: dict[Call, Function], sizes: dict[Call, int]) -> None:
    """Fills in the nodes of one call of ``key`` and of all it reaches; a function on its own path is recursive.

    Walks with a stack of its own: a chain of a hundred thousand functions is allowed and Python's is short.
    """
    path: list[tuple[Call, list[Call]]] = []
    active: set[Call] = set()

    def enter(call: Call) -> None:
        active.add(call)
        path.append((call, [other for other in map(canonical, by_key[call].calls) if other in by_key]))

    if key in sizes:
        return
    enter(key)
    while path:
        call, waiting = path[-1]
        if waiting:
            other = waiting.pop()
            if other in active:
                scan.problems.add(
                    problems.RECURSIVE_FUNCTION,
                    f"function {shown(text(other[1]))} reaches itself",
                    (None, "functions", -1),
                    found=f"{normal(other[0])}:{text(other[1])}",
                )
                sizes[other] = 0
            elif other not in sizes:
                enter(other)
            continue
        path.pop()
        active.remove(call)
        sizes[call] = min(_expanded(by_key[call].calls, by_key, sizes), 10**18)


def operator(call: Call) -> OperatorId:
    """How facts name what a node calls."""
    return OperatorId(normal(call[0]), text(call[1]))
