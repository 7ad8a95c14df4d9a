"""The section with the graph: a picture for whoever has a screen and a script, and lists of all nodes for everybody."""

from __future__ import annotations

from typing import Final

from mlsign.report.html.elements import Child, Element, element
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
)


def graph(sheets: Sheets, picture: Picture, marks: Marks) -> Element:
    """Toolbar, picture, details and lists."""
    parts: list[Child] = [_left_out(sheets, picture), _tools(sheets, marks), _search(), _picture(), _help()]
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
    right = element(
        "div",
        element("output", id="zoom", aria_label="Zoom"),
        element("button", "−", type="button", id="out", aria_label="Zoom out"),  # noqa: RUF001 - a minus
        element("button", "+", type="button", id="in", aria_label="Zoom in"),
        element("button", "Show all", type="button", id="fit"),
    )
    return element("div", left, right, class_="row tools needs-script")


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
    details = element("div", id="details", class_="beside", tabindex=-1, role="region", aria_label="Details", aria_live="polite")
    return element("div", canvas, details, class_="graph needs-script")


def _help() -> Element:
    keys = [part for key, words in _KEYS for part in (element("b", key), f" {words}", "; ")][:-1]
    words = "Keys in the picture: "
    wheel = ". With the wheel: click into the picture first, or hold Ctrl. A double line under a node: it opens."
    return element("p", words, *keys, wheel, id="keys", class_="note keys needs-script")
