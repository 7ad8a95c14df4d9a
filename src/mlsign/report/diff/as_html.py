"""What ``diff`` found, as one page for a browser, in the look that all reports have."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from mlsign.report.diff.lines import Line, Section, Sign
from mlsign.report.diff.models import distance_of
from mlsign.report.diff.words import headline_of, sections_of, sizes_of, subject_of
from mlsign.report.html.document import Page, document
from mlsign.report.html.elements import Element, element
from mlsign.report.html.parts import Tone, code, contents, facts, headline, note, section, table

if TYPE_CHECKING:
    from mlsign.actions.comparison.difference import Difference, Side, WeightChange

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
"""Colours as those of diff; none of them says that a change is right or wrong, and the signs are those of the text."""
_COLUMNS: Final = ("Weight", "Type", "Became", "Values that differ", "Largest difference", "Mean", "Relative L2")


def render_difference(found: Difference) -> str:
    """The page, whole: it needs no network and no other file."""
    sections = sections_of(found, most=_MOST)
    parts = [section("compared", "Compared", facts([("Before", _side(found.before)), ("After", _side(found.after))]))]
    parts += [section(part.title.lower(), part.title, *_section(part, found)) for part in sections]
    titles = [("compared", "Compared"), *((part.title.lower(), part.title) for part in sections)]
    tone = Tone.GOOD if found.is_same else Tone.BAD if found.is_breaking else Tone.WARNING
    title = f"{subject_of(found.before)} → {subject_of(found.after)}"
    sign = Sign.CHANGED.value if tone is Tone.WARNING else ""
    head = headline(tone, headline_of(found), subject=title, above="Comparison of", explained=sizes_of(found), sign=sign)
    body = element("div", contents(titles), element("main", *parts, id="report", tabindex=-1), class_="columns")
    foot = element("footer", note(f"Made by mlsign {version('mlsign')}. This page loads nothing and sends nothing."))
    return document(Page(title=f"{title} · mlsign diff", body=(element("div", head, body, foot, class_="frame"),)))


def _side(side: Side) -> list[Element]:
    """Where it lies, and which file of a package is the model."""
    return [code(side.path)] if PurePath(side.path).name == side.model_path else [code(side.path), code(side.model_path)]


def _section(part: Section, found: Difference) -> list[Element]:
    if part.title != "Weights" or not found.weights.changed:
        return _lines(part)
    head, *rest = part.lines
    others = replace(part, lines=tuple(line for line in rest if line.sign is not Sign.CHANGED), more=0)
    changed = sorted(found.weights.changed, key=distance_of, reverse=True)
    rows = [_row(change) for change in changed[:_MOST]]
    out = [element("p", head.text), table("Weights that are not the same", _COLUMNS, rows, class_="tall")]
    out += _lines(others) if others.lines else []
    return [*out, note(f"And {part.more:,} more, which --format json has.")] if part.more else out


def _row(change: WeightChange) -> list[Element | str]:
    name = change.before if change.before == change.after else f"{change.before} → {change.after}"
    old, new = change.types
    kind = old if old == new else f"{old} → {new}"
    found = change.difference
    if found is None:
        return [code(name), kind, f"not compared: {change.problem}", "", "", "", ""]
    differ = "" if found.different is None else f"{found.different:,} of {found.elements:,}"
    numbers = ("" if value is None else f"{value:.3g}" for value in (found.largest, found.mean, found.relative_l2))
    became = f"{found.change.value}, transposed" if change.transposed else found.change.value
    return [code(name), kind, became, differ, *numbers]


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
    if known is None:
        return element("li", words)
    tone, word = known
    sign = element("span", line.sign.value, aria_hidden="true")
    return element("li", element("span", sign, f" {word}", class_=f"badge {tone.value}"), " ", words)
