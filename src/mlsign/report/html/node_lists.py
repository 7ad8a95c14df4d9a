"""The nodes of a model as lists that need neither a picture nor a script: every node with what it takes, gives and is set to.

The picture takes its words from here: row ``n<sheet>-<node>`` is a node's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from mlsign.errors import shown
from mlsign.onnx.records import NodeRecord
from mlsign.report.html.elements import Child, Element, element, escaped
from mlsign.report.html.parts import Tone, badge
from mlsign.report.html.sheets import Sheet, Sheets, operator_of
from mlsign.report.html.words import attribute_words, name_of, type_words
from mlsign.words import counted

PAGE: Final = 100
"""Nodes of a list that is folded up as one."""
MAX_WORDS: Final = 8_000_000
"""Characters of what nodes take, give and are set to: a model of a megabyte may say a long type at every node."""
_MAX_VALUES: Final = 12
_MAX_ATTRIBUTES: Final = 12

Marks = Mapping[tuple[int, int], str]
"""What is wrong with a node, by its sheet and number, in a few words."""


@dataclass(slots=True)
class _Room:
    words: int
    untold: int = 0


def identifier(sheet: int, node: int) -> str:
    """The place on the page of a node's row."""
    return f"n{sheet}-{node}"


def node_lists(sheets: Sheets, marks: Marks) -> Iterator[Element]:
    """For each sheet a heading and its nodes, folded up by the hundred. Where words get too many, nodes have operator and name alone."""
    room = _Room(MAX_WORDS)
    for number, sheet in enumerate(sheets.sheets):
        yield element("h3", name_of(sheet.title), id=f"s{number}", tabindex=-1)
        if sheet.parent is not None:
            yield element("p", "Opens from node ", _link(*sheet.parent, sheets), ".", class_="note")
        for start in range(0, len(sheet.nodes), PAGE):
            yield _page(sheets, number, start, marks, room=room)
        if not sheet.nodes:
            yield element("p", "No nodes." if not sheet.left_out else "Its nodes are not listed.", class_="note")
        elif sheet.left_out:
            yield element("p", f"{counted(sheet.left_out, 'further node')} not listed.", class_="note")
    if room.untold:
        told = f"What {counted(room.untold, 'node')} take, give and are set to is more than a page holds, and is not told."
        yield element("p", told, class_="note")


def _page(sheets: Sheets, number: int, start: int, marks: Marks, *, room: _Room) -> Element:
    sheet = sheets.sheets[number]
    nodes = sheet.nodes[start : start + PAGE]
    head = element(
        "tr", (element("th", name, scope="col") for name in ("#", "Operator", "Name", "Inputs", "Outputs", "Attributes"))
    )
    rows = (_row(sheets, number, start + index, node, marks, room=room) for index, node in enumerate(nodes))
    title = f"Nodes {start} to {start + len(nodes) - 1}"
    return element(
        "details",
        element("summary", title),
        element("div", element("table", element("thead", head), element("tbody", rows)), class_="scroll"),
        class_="nodes",
    )


def _row(sheets: Sheets, number: int, index: int, node: NodeRecord, marks: Marks, *, room: _Room) -> Element:
    sheet = sheets.sheets[number]
    operator = operator_of(node)
    name = shown(operator.name if operator.domain == "ai.onnx" else operator, limit=120)
    mark = marks.get((number, index))
    opened = [
        (" ", element("a", f"opens {sheets.sheets[s].title}", href=f"#s{s}", class_="opens")) for s in sheet.opens.get(index, ())
    ]
    return element(
        "tr",
        element("th", index, scope="row"),
        element("td", name, (" ", badge(Tone.BAD, mark)) if mark else None, *opened),
        element("td", shown(node.name, limit=120)),
        *(element("td", _lines(words)) for words in _told(node, sheet, room)),
        id=identifier(number, index),
    )


def _told(node: NodeRecord, sheet: Sheet, room: _Room) -> tuple[list[str], ...]:
    """Inputs, outputs and attributes, within the room that there is."""
    if room.words <= 0:
        room.untold += 1
        return [], [], ["more than a page holds"]
    told = _values(node.inputs, sheet), _values(node.outputs, sheet), _attributes(node)
    room.words -= sum(len(escaped(line)) for lines in told for line in lines)
    return told


def _values(names: tuple[str, ...], sheet: Sheet) -> list[str]:
    """Names with types, a line for each: no name can look like two. A list of ten thousand nodes stays small."""
    words = []
    for name in names[:_MAX_VALUES]:
        known = type_words(sheet.types.get(name)) if name else ""
        words.append(f"{shown(name, limit=80) or '(left out)'}{f' {known}' if known else ''}")
    return _and_more(words, len(names) - _MAX_VALUES)


def _attributes(node: NodeRecord) -> list[str]:
    words = [attribute_words(attribute) for attribute in islice(node.attributes, _MAX_ATTRIBUTES)]
    return _and_more(words, len(node.attributes) - _MAX_ATTRIBUTES)


def _and_more(words: list[str], more: int) -> list[str]:
    return [*words, f"and {more} more"] if more > 0 else words


def _lines(lines: list[str]) -> list[Child]:
    parts: list[Child] = [part for line in lines for part in (element("br"), line)]
    return parts[1:]


def _link(sheet: int, node: int, sheets: Sheets) -> Element:
    words = f"{node}, {name_of(sheets.sheets[sheet].nodes[node].operator)} of {sheets.sheets[sheet].title}"
    return element("a", words, href=f"#{identifier(sheet, node)}")
