"""Functions of a model on their way into the reference evaluator: every call has a function of its own. Runs in the confined process.

The evaluator hands attributes of a call to the operators within a function as arguments, which few of its operators take, and looks
neither at what a function has defaults for nor at its overload. Here they stand in the operators before the evaluator is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count
from typing import Final

from onnx import AttributeProto, FunctionProto, ModelProto, NodeProto

from mlsign.errors import JailError, shown
from mlsign.sandbox.reference.room import Room

OWN_DOMAINS: Final = frozenset({"", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training", "experimental"})
"""Where the evaluator has operators; functions of the model do not take their places."""

_DEEPEST: Final = 64
"""Calls within functions and graphs within nodes, one in the other."""

_MOST_NODES: Final = 50_000
"""In functions, one for each way in which they are called: there can be twice as many with every call within another."""

Key = tuple[str, str, str]
"""Domain, name and overload."""
Given = Mapping[str, AttributeProto]


def bind_calls(model: ModelProto, functions: Mapping[Key, FunctionProto], room: Room) -> None:
    """No node of the model, nor of the functions that it then has, takes an attribute from a call.

    Raises ``JailError`` (``sandbox.model.load``) for calls without end, for functions that come to too many nodes, for a node that is
    neither an operator nor calls one of them, and for an attribute outside of functions that is to be taken from a call; and
    ``MemoryError`` where all that is made takes too much.
    """
    binding = _Binding(functions, room)
    binding.bind(model.graph.node, None, depth=0)
    del model.functions[:]
    model.functions.extend(binding.made)


class _Binding:
    """``made`` are the functions so far, each after those that it calls, as the evaluator wants them."""

    def __init__(self, functions: Mapping[Key, FunctionProto], room: Room) -> None:
        self.made: list[FunctionProto] = []
        self._room = room
        self._functions = functions
        self._names: dict[tuple[Key, tuple[bytes, ...]], str] = {}
        self._taken: set[tuple[str, str]] = set()
        self._numbers: dict[tuple[str, str], Iterator[int]] = {}
        self._left = _MOST_NODES

    def bind(self, nodes: Iterable[NodeProto], given: Given | None, *, depth: int) -> None:
        """``given`` is what the call of the function gives in which the nodes are; None outside of functions."""
        if depth > _DEEPEST:
            raise JailError(
                "functions call one another too deep, or without end", code="sandbox.model.load", expected=str(_DEEPEST)
            )
        for node in nodes:
            self._left -= given is not None
            if self._left < 0:
                message = f"the functions that the model calls come to more than {_MOST_NODES} nodes"
                raise JailError(message, code="sandbox.model.load")
            for attribute in node.attribute:  # before those that are given: their graphs are bound where they are from
                for graph in chain([attribute.g] if attribute.HasField("g") else [], attribute.graphs):
                    self.bind(graph.node, given, depth=depth + 1)
            _take(node, given, self._room)
            key = (node.domain, node.op_type, node.overload)
            function = self._functions.get(key)
            if function is not None:
                self._call(node, key, function, depth=depth)
            elif node.domain not in OWN_DOMAINS:  # by its name it could be one of those that are made here
                raise _unknown(node)

    def _call(self, node: NodeProto, key: Key, function: FunctionProto, *, depth: int) -> None:
        """The node calls the function for its attributes, and gives every input; one that is left out is empty."""
        # Graphs are left out: one could call the function that it is a default of.
        given = {item.name: item for item in function.attribute_proto if not item.HasField("g") and not item.graphs}
        given |= {item.name: item for item in node.attribute}
        alike = key, tuple(given[name].SerializeToString(deterministic=True) for name in sorted(given))
        name = self._names.get(alike)
        if name is None:
            name = self._names[alike] = self._make(function, given, depth=depth)
        node.op_type = name
        node.ClearField("overload")
        del node.attribute[:]
        node.input.extend([""] * (len(function.input) - len(node.input)))

    def _make(self, function: FunctionProto, given: Given, *, depth: int) -> str:
        """A function for calls with these attributes, by a name that no other one has."""
        self._room.take(function.ByteSize())
        made = FunctionProto()
        made.CopyFrom(function)
        self.bind(made.node, given, depth=depth + 1)
        numbers = self._numbers.setdefault((function.domain, function.name), count(1))
        while (made.domain, made.name) in self._taken:
            made.name = f"{function.name}_{next(numbers)}"
        self._taken.add((made.domain, made.name))
        for field in ("attribute", "attribute_proto", "overload"):
            made.ClearField(field)
        self.made.append(made)
        return made.name


def _unknown(node: NodeProto) -> JailError:
    overload = f" with the overload {shown(node.overload)}" if node.overload else ""
    return JailError(
        f"there is no operator and no function {shown(node.op_type)} in {shown(node.domain)}{overload}",
        code="sandbox.model.load",
        where=shown(node.name),
    )


def _take(node: NodeProto, given: Given | None, room: Room) -> None:
    """The attributes of the node are its own. What neither the call nor a default gives is left out, as ONNX wants it."""
    if not any(attribute.ref_attr_name for attribute in node.attribute):
        return
    if given is None:
        message = f"node {shown(node.name)} takes an attribute from a call, and is in no function"
        raise JailError(message, code="sandbox.model.load", where=shown(node.name))
    bound = []
    for attribute in node.attribute:
        own = attribute
        if attribute.ref_attr_name:
            if attribute.ref_attr_name not in given:
                continue
            room.take(given[attribute.ref_attr_name].ByteSize())  # a graph can hold the same one twice, at every call anew
            own = AttributeProto()
            own.CopyFrom(given[attribute.ref_attr_name])
            own.name = attribute.name
        bound.append(own)
    kept = NodeProto()
    kept.attribute.extend(bound)
    del node.attribute[:]
    node.attribute.extend(kept.attribute)
