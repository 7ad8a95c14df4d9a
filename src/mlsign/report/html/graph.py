"""The section with the graph: a picture for whoever has a screen and a script, and lists of all nodes for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlsign.report.html.elements import Child, Element, element
from mlsign.report.html.families import FAMILIES
from mlsign.report.html.node_lists import Marks, node_lists
from mlsign.report.html.parts import note, section
from mlsign.report.html.picture import MAX_EDGES, Picture
from mlsign.report.html.sheets import MAX_NODES, MAX_SHEETS, Sheets
from mlsign.report.html.words import name_of
from mlsign.words import counted

_KEYS: Final = (
    ("Arrows", "move"),
    ("+ −", "zoom"),  # noqa: RUF001 - a minus
    ("0", "all of it"),
    ("Home", "the beginning"),
    ("N P", "next and previous node"),
    ("Enter", "details"),
    ("O", "open what is inside"),
    ("Backspace", "back out"),
    ("/", "search"),
    ("Enter, Shift+Enter in the search", "next and previous hit"),
)


def graph(sheets: Sheets, picture: Picture, marks: Marks) -> Element:
    """Toolbar, picture, details and lists."""
    parts: list[Child] = [_left_out(sheets, picture), _tools(sheets, marks), _search(), _picture(), *_legend(picture), _help()]
    wrong = counted(len(marks), "node")
    if marks:
        parts.append(note(f"✗ marks {wrong} with findings, and in the list of graphs those that have one."))
    total = sum(len(sheet.nodes) for sheet in sheets.sheets)
    lists = element(
        "details",
        element("summary", f"All nodes as lists ({total:,})"),
        *node_lists(sheets, marks),
        id="lists",
    )
    return section("graph", "Graph", *parts, lists)


def _left_out(sheets: Sheets, picture: Picture) -> Element | None:
    words = []
    missing = ((sheets.left_out, "node"), (sheets.sheets_left_out, "graph"))
    if any(count for count, _ in missing):
        told = " and ".join(counted(count, word) for count, word in missing if count)
        words.append(f"{told} of the model not shown: the first {MAX_NODES:,} nodes are, in the first {MAX_SHEETS:,} graphs")
    if picture.edges_left_out:
        words.append(f"{counted(picture.edges_left_out, 'line')} not drawn: the first {MAX_EDGES:,} are")
    if picture.ends_left_out:
        words.append(
            f"{counted(picture.ends_left_out, 'end')} of graphs not drawn: inputs, outputs, and what bodies take from around"
        )
    return note(". ".join(words) + ".") if words else None


def _tools(sheets: Sheets, marks: Marks) -> Element:
    marked = {sheet for sheet, _ in marks}
    options = (
        element("option", f"{'✗ ' if number in marked else ''}{name_of(sheet.title, limit=200)}", value=number)
        for number, sheet in enumerate(sheets.sheets)
    )
    left = element(
        "div",
        element("label", "Graph", element("select", options, id="sheet", autocomplete="off"), class_="field"),
        element("button", "Back out", type="button", id="up"),
    )
    trail = element("nav", element("ol", id="trail", hidden=True), aria_label="Where this graph is inside of the model")
    right = element(
        "div",
        element("output", id="zoom", aria_label="Zoom"),
        element("button", "−", type="button", id="out", aria_label="Zoom out"),  # noqa: RUF001 - a minus
        element("button", "+", type="button", id="in", aria_label="Zoom in"),
        element("button", "Show all", type="button", id="fit"),
    )
    return element("div", element("div", left, right, class_="row tools"), trail, class_="needs-script")


def _search() -> Element:
    field = element(
        "label",
        "Search",
        element(
            "input",
            id="search",
            type="search",
            placeholder="operator, name, value or attribute",
            autocomplete="off",
            spellcheck="false",
        ),
        class_="field",
    )
    return element(
        "div",
        element("div", field, element("output", id="count", aria_live="polite"), class_="row"),
        element("ol", id="results", class_="results", aria_label="Nodes found"),
        class_="search needs-script",
        role="search",
    )


def _picture() -> Element:
    canvas = element(
        "canvas",
        id="picture",
        tabindex=0,
        role="application",
        aria_label="Picture of the graph. The lists of nodes below say the same in words.",
        aria_describedby="keys",
    )
    stage = element("div", canvas, element("canvas", id="map", hidden=True, aria_hidden="true"), class_="stage")
    details = element("div", id="details", class_="beside", tabindex=-1, role="region", aria_label="Details", aria_live="polite")
    return element("div", stage, details, class_="graph needs-script")


def _legend(picture: Picture) -> Iterator[Element]:
    """Families that the picture has, with a swatch as its boxes are."""
    shown = [(name, count) for name, count in picture.families.items() if count]
    if shown:
        items = (element("li", _swatch(name), f" {FAMILIES[name]} {count:,}") for name, count in shown)
        yield element("ul", items, class_="legend needs-script", aria_label="Colours of nodes, and how many there are of each")
    told = "In a box: operator, name, and in blue the shapes of its weights. Beside a line: what goes down it, as far as the model says it."
    if picture.folded:
        told += f" {counted(picture.folded, 'constant')} told in the boxes that take them."
    yield element("p", told, class_="note needs-script")


def _swatch(family: str) -> Element:
    corner = {"moving": 1, "activation": 7}.get(family, 4)
    return element(
        "svg",
        element("rect", x=1, y=1, width=20, height=14, rx=corner, class_="box"),
        element("rect", x=1, y=1, width=6, height=14, rx=min(corner, 3), class_=f"family-{family}"),
        viewBox="0 0 22 16",
        width=22,
        height=16,
        aria_hidden="true",
        focusable="false",
    )


def _help() -> Element:
    keys = [part for key, words in _KEYS for part in (element("b", key), f" {words}", "; ")][:-1]
    wheel = (
        " With the wheel: click into the picture first, or hold Ctrl. A node with ⊞ and a double line opens, with two clicks too."
    )
    return element(
        "details",
        element("summary", "Keys"),
        element("p", "In the picture: ", *keys, ".", wheel, id="keys"),
        class_="note keys needs-script",
    )
