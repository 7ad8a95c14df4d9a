"""What ``diff`` found, as one page for a browser, in the look that all reports have."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from mlsign.report.diff_words import Line, Section, Sign, headline_of, sections_of, sizes_of, subject_of
from mlsign.report.html.document import Page, document
from mlsign.report.html.elements import Element, element
from mlsign.report.html.parts import Tone, badge, code, contents, facts, headline, note, section

if TYPE_CHECKING:
    from mlsign.actions.difference import Difference, Side

_MOST: Final = 1000
"""Lines of one kind in the page; JSON has all of them."""
_SHOWN: Final = 40
"""Lines of a section that are open when the page is."""
_BADGES: Final = {
    Sign.ADDED: (Tone.GOOD, "added"),
    Sign.REMOVED: (Tone.BAD, "removed"),
    Sign.CHANGED: (Tone.WARNING, "changed"),
    Sign.SAME: (Tone.PLAIN, "same"),
}


def render_difference(found: Difference) -> str:
    """The page, whole: it needs no network and no other file."""
    sections = sections_of(found, most=_MOST)
    parts = [section("compared", "Compared", facts([("Before", _side(found.before)), ("After", _side(found.after))]))]
    parts += [section(part.title.lower(), part.title, *_lines(part)) for part in sections]
    titles = [("compared", "Compared"), *((part.title.lower(), part.title) for part in sections)]
    tone = Tone.GOOD if found.is_same else Tone.BAD if found.is_breaking else Tone.WARNING
    title = f"{subject_of(found.before)} → {subject_of(found.after)}"
    head = headline(tone, headline_of(found), subject=title, explained=sizes_of(found))
    body = element("div", contents(titles), element("main", *parts, id="report", tabindex=-1), class_="columns")
    foot = element("footer", note(f"Made by mlsign {version('mlsign')}. This page loads nothing and sends nothing."))
    return document(Page(title=f"{title} · mlsign diff", body=(element("div", head, body, foot, class_="frame"),)))


def _side(side: Side) -> list[Element]:
    return [code(side.path), code(side.model_path)]


def _lines(part: Section) -> list[Element]:
    first, rest = part.lines[:_SHOWN], part.lines[_SHOWN:]
    out = [element("ul", map(_line, first))]
    if rest:
        out.append(element("details", element("summary", f"{len(rest):,} more"), element("ul", map(_line, rest))))
    if part.more:
        out.append(note(f"And {part.more:,} more, which --format json has."))
    return out


def _line(line: Line) -> Element:
    known = _BADGES.get(line.sign)
    words = element("strong", line.text) if line.loud else line.text
    return element("li", *((badge(*known), " ") if known is not None else ()), words)
