"""The boxes of one sheet: what comes in, its nodes, what goes out, and which of these take what from which.

Owns what is a box of its own. Weights are none, wherever they are from, and constants that somebody takes are none either: both
are told in the box that takes them, or a picture of a transformer would be one of its constants.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from mlsign.errors import shown
from mlsign.interface import ONNX_DOMAIN, TypeSpec
from mlsign.onnx.records import NodeRecord, SparseRecord, TensorRecord
from mlsign.report.html.sheets import Sheet
from mlsign.report.html.words import attribute_words, type_words
from mlsign.report.onnx.values import values_words

MAX_ENDS: Final = 2_000
"""Inputs, and outputs, of a sheet that are drawn, and of a node that lines are looked for from."""
_MAX_TOLD: Final = 3
"""Weights of one node that are told in its box, and values at its end."""
_MAX_VALUES: Final = 4
_MAX_DIMS: Final = 6
_MAX_CHARS: Final = 34
_CONSTANTS: Final = frozenset({"Constant", "ConstantOfShape"})
_WHOLE: Final = frozenset({"int32", "int64", "bool"})
_PLAIN: Final = _WHOLE | {"float", "double"}
"""Elements of which a number is told as it is; a few of them only where they are whole."""


class Boxes:
    """Boxes are numbered: what comes in, then the nodes, then what goes out. ``folded`` nodes have a number and no place."""

    def __init__(self, sheet: Sheet, *, marked: frozenset[int] = frozenset(), room: int = MAX_ENDS) -> None:
        """``marked`` are nodes that stay boxes of their own, whatever they are; ``room`` is for so many ends of each kind."""
        self._sheet = sheet
        self._made = {name for node in sheet.nodes for name in node.outputs[:MAX_ENDS]}
        room = min(room, MAX_ENDS)
        inputs, outputs = list(dict.fromkeys(sheet.inputs)), list(dict.fromkeys(sheet.outputs))
        self._inputs, self._outputs = inputs[:room], outputs[:room]
        self.inputs_left_out = sum(max(0, len(node.inputs) - MAX_ENDS) for node in sheet.nodes)
        outer = self._from_around(inputs) if sheet.parent is not None else []
        self._outer = outer[:room]
        self.ends_left_out = sum(max(0, len(ends) - room) for ends in (inputs, outputs, outer))
        self.before = [self._end("in", name) for name in self._inputs] + [self._end("around", name) for name in self._outer]
        self.after = [self._end("out", name) for name in self._outputs]
        self.first = len(self.before)
        self.folded = self._fold(marked)

    def edges(self) -> Iterator[tuple[int, int]]:
        """From what makes a value to what takes it, by the numbers of their boxes; of several makers the first."""
        makers: dict[str, int] = {}
        for box, name in enumerate((*self._inputs, *self._outer)):
            makers.setdefault(name, box)
        for box, node in enumerate(self._sheet.nodes, start=self.first):
            for name in node.outputs[:MAX_ENDS]:
                makers.setdefault(name, box)
        makers.pop("", None)  # what is left out
        for box, node in enumerate(self._sheet.nodes, start=self.first):
            yield from ((makers[name], box) for name in node.inputs[:MAX_ENDS] if makers.get(name, box) != box)
        last = self.first + len(self._sheet.nodes)
        yield from ((makers[name], box) for box, name in enumerate(self._outputs, start=last) if name in makers)

    def weights(self, node: NodeRecord) -> str:
        """What a node has from the model itself rather than from other nodes: shapes of weights, and few values as they are."""
        told = [words for name in node.inputs[:MAX_ENDS] if name and (words := self._stored(name))]
        more = [f"+{len(told) - _MAX_TOLD}"] if len(told) > _MAX_TOLD else []
        return shown("  ".join(told[:_MAX_TOLD] + more), limit=2 * _MAX_CHARS)

    def gives(self, node: NodeRecord) -> str:
        """Types of what a node makes, as far as the model says them."""
        names = [name for name in node.outputs[:MAX_ENDS] if name]
        told = [words for name in names[:_MAX_TOLD] if (words := self._type(name))]
        return ", ".join(told) + (", …" if told and len(names) > len(told) else "")

    def _from_around(self, inputs: list[str]) -> list[str]:
        """What a body takes from the graph around it."""
        outer: list[str] = []
        known = self._made | set(inputs) | self._sheet.stored | {""}
        for name in (name for node in self._sheet.nodes for name in node.inputs[:MAX_ENDS]):
            if name not in known:
                known.add(name)
                if self._record(name) is None:
                    outer.append(name)
        return outer

    def _fold(self, marked: frozenset[int]) -> Mapping[int, str]:
        """Nodes that make a constant for other nodes and for nothing else, by their index, with the words for it."""
        sheet = self._sheet
        found: dict[str, int] = {}
        given = frozenset(("", *sheet.outputs))
        for index, node in enumerate(sheet.nodes):
            if node.operator not in _CONSTANTS or (node.domain or ONNX_DOMAIN) != ONNX_DOMAIN or len(node.outputs) != 1:
                continue
            alone = index not in marked and index not in sheet.opens and node.outputs[0] not in given
            if alone and all(not name or self._record(name) is not None for name in node.inputs[:MAX_ENDS]):
                found.setdefault(node.outputs[0], index)
        taken = {name for node in sheet.nodes for name in node.inputs[:MAX_ENDS] if name in found}
        self._constants = {name: self._constant(sheet.nodes[found[name]]) for name in found if name in taken}
        return {found[name]: words for name, words in self._constants.items()}

    def _constant(self, node: NodeRecord) -> str:
        for attribute in node.attributes if node.operator == "Constant" else ():
            if isinstance(attribute.value, TensorRecord | SparseRecord):
                return tensor_words(attribute.value)
            return attribute_words(attribute).partition("=")[2]
        shape = self._record(node.inputs[0]) if node.inputs else None
        filled = tensor_words(shape, values=_MAX_DIMS) if shape is not None else ""
        return filled.strip("{}").replace(", ", "×") or "constant"  # noqa: RUF001 - times

    def _stored(self, name: str) -> str:
        if name in self._constants:
            return self._constants[name]
        record = self._record(name)
        return "" if record is None else tensor_words(record)

    def _record(self, name: str) -> TensorRecord | SparseRecord | None:
        """The weight that a name stands for, unless a node of this sheet has made something of that name."""
        found = self._sheet.types.get(name) if name not in self._made else None
        return None if isinstance(found, TypeSpec) else found

    def _type(self, name: str) -> str:
        return shown(type_words(self._sheet.types.get(name)), limit=_MAX_CHARS)

    def _end(self, kind: str, name: str) -> tuple[str, str, str]:
        return kind, shown(name, limit=80), type_words(self._sheet.types.get(name))


def tensor_words(tensor: TensorRecord | SparseRecord, *, values: int = _MAX_VALUES) -> str:
    """``64×3×7×7``, or what a tensor of few whole numbers has: ``{0, -1}``; of one that is a number the number."""  # noqa: RUF002
    plain = _WHOLE if tensor.shape else _PLAIN
    if isinstance(tensor, TensorRecord) and 0 < tensor.count <= values and tensor.element in plain:
        notes: list[str] = []
        words = values_words(tensor, "", notes)
        if not notes and words.startswith("{"):
            return words if tensor.shape else words.strip("{}")
    dims = "×".join(map(str, islice(tensor.shape, _MAX_DIMS)))  # noqa: RUF001 - times
    return (dims if len(tensor.shape) <= _MAX_DIMS else f"{dims}×…") or "a number"  # noqa: RUF001 - times
