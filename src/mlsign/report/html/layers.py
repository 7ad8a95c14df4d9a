"""Where the parameters of a model are: sums over all of its weights by the part of the network that takes them.

Parts are what exporters write into names: ``/encoder/layer.3/MatMul`` of a node, ``encoder.layer.3.weight`` of what it takes. A model
without such names is told by the operators that take its weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mlsign.errors import shown
from mlsign.onnx.records import NodeRecord, TensorRecord
from mlsign.report.html.boxes import MAX_ENDS
from mlsign.report.html.elements import Child, Element, element
from mlsign.report.html.model import bar, short_count
from mlsign.report.html.parts import Tone, code, note, table
from mlsign.report.html.sheets import Sheet, Sheets, operator_of
from mlsign.words import counted, size

MAX_ROWS: Final = 40
_MAX_DEPTH: Final = 6
_MAX_NAME_CHARS: Final = 1_000
_FEW: Final = 2
"""Fewer rows say nothing: it is looked one part deeper, however many rows there are then."""
_PARTS: Final = re.compile(r"[./]+")
_MADE_UP: Final = "onnx::"
"""How names begin that PyTorch's exporter gives to weights whose own it has lost: their numbers are no parts of a network."""


@dataclass(slots=True)
class _Sum:
    tensors: int = 0
    count: int = 0
    size: int = 0


def layers(sheets: Sheets) -> Iterator[Element]:
    """A chart of sums, the most parameters first; nothing where one row would be all of it."""
    weights = list(_weights(sheets))
    sums = _summed(weights)
    if len(sums) < _FEW:
        return
    ordered = sorted(sums.items(), key=lambda each: (-each[1].count, each[0]))
    most = max(each.count for each in sums.values()) or 1
    total = sum(each.count for each in sums.values()) or 1
    rows = (_row(name, each, most=most, total=total) for name, each in ordered[:MAX_ROWS])
    yield element("h3", "By part of the network")
    which = "Weights of the nodes that are shown, and of no others" if sheets.left_out else "All weights that nodes take"
    yield note(f"{which}, by the names of weights and nodes; a tensor that several take is counted once.")
    yield table(
        "Parameters by part of the network, the most first",
        ("Part", "How many", "Share", "Parameters", "Size", "Tensors"),
        rows,
        class_="layers tall",
    )
    if len(ordered) > MAX_ROWS:
        yield note(f"{counted(len(ordered) - MAX_ROWS, 'smaller part')} not listed.")


def _row(name: str, each: _Sum, *, most: int, total: int) -> tuple[Child, ...]:
    return (
        code(shown(name, limit=80)),
        bar(each.count, most, Tone.GOOD),
        f"{100 * each.count / total:.1f} %",
        short_count(each.count),
        size(each.size),
        f"{each.tensors:,}",
    )


def _weights(sheets: Sheets) -> Iterator[tuple[TensorRecord, tuple[str, ...], str]]:
    """Each weight once, with its path and the operator that takes it first."""
    known: set[int] = set()
    for sheet in sheets.sheets:
        for node in sheet.nodes:
            for record in _taken(sheet, node):
                if id(record) not in known:
                    known.add(id(record))
                    yield record, _path(record, node), f"{shown(operator_of(node), limit=60)} nodes"


def _taken(sheet: Sheet, node: NodeRecord) -> Iterator[TensorRecord]:
    for name in node.inputs[:MAX_ENDS]:
        record = sheet.types.get(name) if name else None
        if isinstance(record, TensorRecord):
            yield record
    for attribute in node.attributes:
        if isinstance(attribute.value, TensorRecord):
            yield attribute.value


def _path(record: TensorRecord, node: NodeRecord) -> tuple[str, ...]:
    """The parts of the node's name before its last one, or of the weight's where the node has no such name."""
    for name in (node.name[:_MAX_NAME_CHARS], record.name[:_MAX_NAME_CHARS]):
        parts = [part for part in _PARTS.split(name) if part]
        if len(parts) > 1 and not name.startswith(_MADE_UP):
            return tuple(parts[:-1][:_MAX_DEPTH])
    return ()


def _summed(weights: list[tuple[TensorRecord, tuple[str, ...], str]]) -> dict[str, _Sum]:
    """Sums at the greatest depth of paths that is still told in ``MAX_ROWS`` rows."""
    sums: dict[str, _Sum] = {}
    for depth in range(1, _MAX_DEPTH + 1):
        deeper: dict[str, _Sum] = {}
        for record, path, operator in weights:
            each = deeper.setdefault(".".join(path[:depth]) or operator, _Sum())
            each.tensors += 1
            each.count += record.count
            each.size += record.size
        if depth > 1 and len(deeper) > MAX_ROWS and len(sums) >= _FEW:
            break
        sums = deeper
    return sums
