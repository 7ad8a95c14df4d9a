"""Pieces of HTML that nothing foreign can break out of.

Owns escaping: a page is built from ``element`` alone, every text and every attribute goes through ``shown`` and is escaped, and
there is no way to put markup in as text. Elements that run or load something cannot be named here, nor can attributes that do;
links lead to places on the same page. Leaves the page around it to ``document``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from mlsign.errors import shown

MAX_TEXT_CHARS: Final = 2000
"""Characters of one text on a page: a name of a megabyte is told by its beginning."""

_ELEMENTS: Final = frozenset(
    (
        *("a", "abbr", "article", "aside", "b", "button", "canvas", "caption", "code", "dd", "details", "div", "dl", "dt", "em"),
        *("figcaption", "figure", "footer", "h1", "h2", "h3", "h4", "header", "input", "label", "li", "main", "nav", "ol"),
        *("option", "output", "p", "section", "select", "small", "span", "strong", "summary", "table", "tbody", "td", "tfoot"),
        *("th", "thead", "time", "tr", "ul", "br"),
        *("circle", "g", "line", "path", "rect", "svg", "text", "title"),
    )
)
_ATTRIBUTES: Final = frozenset(
    (
        *("aria_controls", "aria_current", "aria_describedby", "aria_hidden", "aria_label", "aria_labelledby", "aria_live"),
        *("aria_expanded", "class_", "colspan", "datetime", "dir", "disabled", "for_", "hidden", "href", "id", "lang", "max"),
        *("min", "multiple", "name", "open", "placeholder", "role", "rowspan", "scope", "selected", "spellcheck", "tabindex"),
        *("autocomplete", "title", "type", "value"),
        *("cx", "cy", "d", "focusable", "height", "preserveAspectRatio", "r", "rx", "ry", "viewBox", "width"),
        *("x", "x1", "x2", "y", "y1", "y2"),
    )
)
_DATA: Final = re.compile(r"data_[a-z_]{1,30}", re.ASCII)
_ANCHOR: Final = re.compile(r"#[A-Za-z][A-Za-z0-9-]{0,60}", re.ASCII)
_VOID: Final = frozenset({"br", "input"})
_LEFT_OPEN: Final = frozenset({"td", "th", "tr", "li", "dt", "dd"})
"""Elements that HTML ends by itself (HTML, 13.1.2.4 "Optional tags"): in a table of thousands of rows the end tags are a third."""
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_SPECIAL: Final = re.compile(r"[&<>\"']")


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """A piece of a page. Made by ``element`` alone, which looks at names; texts among ``children`` are not escaped yet."""

    name: str
    attributes: tuple[tuple[str, str], ...]
    children: tuple[Child, ...]


Child: TypeAlias = "Element | str | int | None"
Attribute: TypeAlias = "str | int | float | bool | None"


def element(name: str, *children: Child | Iterable[Child], **attributes: Attribute) -> Element:
    """An element. Children are elements, texts, and sequences of both; None is nothing.

    Attributes are spelled as in Python, ``class_`` and ``aria_label``; one that is None or False is left out, and True is one
    without a value. Raises ``ValueError`` for an element or an attribute that a report has no use for: scripts, frames, handlers,
    styles, and links that leave the page.
    """
    if name not in _ELEMENTS:
        raise ValueError(f"{shown(name)} is no element of a report")
    return Element(name=name, attributes=tuple(_checked(attributes)), children=tuple(_flat(children)))


def render_element(root: Element) -> str:
    """The element as HTML."""
    parts: list[str] = []
    _render(root, parts)
    return "".join(parts)


def escaped(text: object) -> str:
    """Any text as it may stand between tags and in an attribute in quotes: cut short, in one line, and all of it visible."""
    safe = shown(text, limit=MAX_TEXT_CHARS)
    return safe.translate(_ESCAPES) if _SPECIAL.search(safe) else safe


def _checked(attributes: dict[str, Attribute]) -> Iterator[tuple[str, str]]:
    for key, value in attributes.items():
        if key not in _ATTRIBUTES and not _DATA.fullmatch(key):
            raise ValueError(f"{shown(key)} is no attribute of a report")
        if key == "href" and not (isinstance(value, str) and _ANCHOR.fullmatch(value)):
            raise ValueError(f"{shown(value)} leads away from the page")
        if value is None or value is False:
            continue
        yield key.rstrip("_").replace("_", "-"), "" if value is True else str(value)


def _flat(children: Iterable[Child | Iterable[Child]]) -> Iterator[Child]:
    for child in children:
        if child is None or isinstance(child, Element | str | int):
            if child is not None:
                yield child
        else:
            yield from (each for each in child if each is not None)


def _render(node: Element, parts: list[str]) -> None:
    parts.append(f"<{node.name}")
    parts.extend(f' {key}="{escaped(value)}"' for key, value in node.attributes)
    parts.append(">")
    for child in node.children:
        if isinstance(child, Element):
            _render(child, parts)
        else:
            parts.append(escaped(child))
    if node.name not in _VOID and node.name not in _LEFT_OPEN:
        parts.append(f"</{node.name}>")
