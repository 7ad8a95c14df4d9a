"""What the reports for a browser are made of: sections, facts, tables, badges. Meaning never hangs on a colour alone: a badge says
its word, and has a sign before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import chain, repeat
from typing import Final

from mlsign.report.html.elements import Child, Element, element


class Tone(Enum):
    """How something stands."""

    GOOD = "good"
    BAD = "bad"
    WARNING = "warning"
    PLAIN = "plain"


_SIGNS: Final = {Tone.GOOD: "✓", Tone.BAD: "✗", Tone.WARNING: "?", Tone.PLAIN: "•"}


def section(identifier: str, title: str, *children: Child | Iterable[Child]) -> Element:
    """A part of the report with a heading that links lead to by ``#identifier``."""
    heading = element("h2", title, id=f"{identifier}-title")
    return element("section", heading, *children, id=identifier, class_="card", aria_labelledby=f"{identifier}-title")


def contents(sections: Sequence[tuple[str, str]]) -> Element:
    """Links to the sections, each by its identifier and title."""
    links = [element("li", element("a", title, href=f"#{identifier}")) for identifier, title in sections]
    return element("nav", element("ul", links), class_="contents", aria_label="Contents")


def facts(rows: Iterable[tuple[str, Child | Sequence[Child]]]) -> Element:
    """Names and what there is to say of each; several values stand one beneath the other."""
    out: list[Element] = []
    for name, value in rows:
        values = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
        out.append(element("dt", name))
        out.extend(element("dd", each) for each in values)
    return element("dl", out, class_="facts")


def table(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[Child | Sequence[Child]]],
    *,
    class_: str = "",
    identifier: str | None = None,
    row_ids: Iterable[str | None] = (),
) -> Element:
    """A table, whose first cell of each row names the row. The caption is for whoever does not see it stand under its heading. Rows
    that links lead to have an identifier of ``row_ids``.
    """
    columns = element("tr", (element("th", name, scope="col") for name in head))
    body = (
        element("tr", element("th", _many(first), scope="row"), (element("td", _many(cell)) for cell in rest), id=own)
        for (first, *rest), own in zip(rows, chain(row_ids, repeat(None)), strict=False)
    )
    inner = element(
        "table",
        element("caption", caption, class_="unseen"),
        element("thead", columns),
        element("tbody", body),
        id=identifier,
    )
    return element("div", inner, class_=f"scroll {class_}".strip(), tabindex=0, role="region", aria_label=caption)


def badge(tone: Tone, words: str) -> Element:
    """A word or two with a sign, and a colour for those who see it."""
    return element("span", element("span", _SIGNS[tone], aria_hidden="true"), f" {words}", class_=f"badge {tone.value}")


def headline(
    tone: Tone,
    verdict: str,
    *,
    subject: str,
    above: str = "",
    explained: Child | Sequence[Child] = (),
    reasons: Sequence[Child | Sequence[Child]] = (),
    sign: str = "",
) -> Element:
    """The top of a report: what it is about, with words above that, what it came to in words that need no context, and why."""
    mark = element("span", sign or _SIGNS[tone], class_="sign", aria_hidden="true")
    words = element("p", mark, element("strong", verdict), class_=f"verdict {tone.value}")
    over = element("p", above, class_="above") if above else None
    lead = (element("p", each, class_="lead") for each in _many(explained))
    why = element("ul", (element("li", _many(each)) for each in reasons), class_="reasons") if reasons else None
    return element("header", over, element("h1", subject), words, *lead, why, class_="top")


def code(text: object) -> Element:
    """A name or a value as it stands in a file."""
    return element("code", str(text), dir="ltr")


def digest(text: object) -> Element:
    """A value that one may want to paste elsewhere: a click takes all of it, and where scripts run there is a button that copies it."""
    return element("code", str(text), dir="ltr", class_="whole", data_copy=True)


def note(*children: Child | Iterable[Child]) -> Element:
    """A remark."""
    return element("p", *children, class_="note")


def tiles(values: Iterable[tuple[str, str]]) -> Element:
    """A few numbers side by side: each with what it counts."""
    return element("dl", (element("div", element("dt", name), element("dd", value)) for name, value in values), class_="tiles")


def _many(value: Child | Sequence[Child]) -> Sequence[Child]:
    return (value,) if value is None or isinstance(value, Element | str | int) else value
