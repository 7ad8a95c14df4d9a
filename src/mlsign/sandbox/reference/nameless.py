"""Values without a name in a model on its way into the reference evaluator. Runs in the confined process.

An empty name stands for a result that nobody takes, and for an input that is left out. The evaluator keeps the one where it looks for
the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from onnx import FunctionProto, GraphProto, NodeProto

from mlsign.errors import JailError


def name_results(messages: Iterable[Any]) -> None:
    """Results and parameters that have no name, in these messages of a model, have one that nothing reads.

    Raises ``JailError`` (``sandbox.model.load``) for an initializer without a name.
    """
    found = [message for message in messages if isinstance(message, NodeProto | FunctionProto | GraphProto)]
    read = {name for message in found for name in _read(message)}
    unread = next(name for number in count() if (name := f"unread {number}") not in read)
    for message in found:
        if isinstance(message, GraphProto):
            _check_initializers(message)
            for item in message.input:
                if not item.name:
                    item.name = unread
        else:
            names = message.output if isinstance(message, NodeProto) else message.input
            for index, name in enumerate(names):
                if not name:
                    names[index] = unread


def _read(message: NodeProto | FunctionProto | GraphProto) -> Iterator[str]:
    if isinstance(message, NodeProto):
        yield from message.input
    elif isinstance(message, FunctionProto):
        yield from message.output
    else:
        yield from (item.name for item in message.output)


def _check_initializers(graph: GraphProto) -> None:
    names = [item.name for item in graph.initializer] + [item.values.name for item in graph.sparse_initializer]
    if not all(names):
        raise JailError("an initializer has no name", code="sandbox.model.load")
