"""A portrait as one page: the verdict first, then what a reviewer asks, then everything else."""

from __future__ import annotations

from collections.abc import Sequence

from mlsign.actions._collector import collector_paused
from mlsign.actions.inspection.portray import Portrait
from mlsign.errors import shown
from mlsign.report.html.changes import changes
from mlsign.report.html.document import Page, Plain, document
from mlsign.report.html.elements import Element, element
from mlsign.report.html.findings import findings, marks_of
from mlsign.report.html.golden import golden
from mlsign.report.html.graph import graph
from mlsign.report.html.model import interface, operators
from mlsign.report.html.origin import files, is_vouched, origin
from mlsign.report.html.parts import contents, note, section
from mlsign.report.html.picture import picture_of
from mlsign.report.html.sheets import sheets_of
from mlsign.report.html.verdict import decided, identity, signers, subject_of, top
from mlsign.report.html.weights import weights

_SCRIPTS = (
    *("tables.js", "graph_model.js", "graph_paint.js", "graph_map.js", "graph_details.js", "graph_search.js", "graph_hands.js"),
    *("graph_links.js", "graph.js"),
)


@collector_paused()
def render_portrait(portrait: Portrait, *, version: str = "") -> str:
    """The page, whole: it needs no network and no other file. ``version`` is that of mlsign, where the page is to say it."""
    sheets = sheets_of(portrait.structure) if portrait.structure is not None else None
    marks = marks_of(portrait.findings, sheets, portrait.summary, portrait.policy)
    data: dict[str, Plain] = {}
    parts: list[Element | None] = [
        signers(portrait),
        section("judged", "Judged by", identity(portrait)),
        findings(portrait.findings, sheets, about=_about(portrait)),
    ]
    if portrait.summary is not None:
        parts += [interface(portrait.summary), operators(portrait.summary, portrait.policy, sheets)]
    if sheets is not None:
        picture = picture_of(sheets, marks)
        data["graph-data"] = picture.data
        parts.append(graph(sheets, picture, marks))
    else:
        parts.append(section("graph", "Graph", note(f"There is no graph to be shown: {shown(portrait.problem, limit=400)}.")))
    parts.append(weights(portrait.weights, sheets) if portrait.weights is not None else None)
    before = changes(portrait.before, vouched=is_vouched(portrait)) if portrait.before is not None else None
    parts += [golden(portrait), origin(portrait), before, files(portrait)]
    return document(
        Page(
            title=f"{decided(portrait)}: {subject_of(portrait)} · mlsign",
            body=(_frame(top(portrait), [part for part in parts if part is not None], version=version),),
            scripts=_SCRIPTS,
            data=data,
        )
    )


def _about(portrait: Portrait) -> str:
    policy = shown(portrait.policy.name)
    if portrait.report is None:
        return f"What the policy {policy} finds of the model itself. Signatures and digests play no part in it."
    return f"All that was checked under the policy {policy}."


def _frame(head: Element, parts: Sequence[Element], *, version: str) -> Element:
    titles = [(dict(part.attributes)["id"], _title(part)) for part in parts]
    body = element("div", contents(titles), element("main", *parts, id="report", tabindex=-1), class_="columns")
    foot = element("footer", note(f"Made by {f'mlsign {version}'.rstrip()}. This page loads nothing and sends nothing."))
    return element("div", head, body, foot, class_="frame")


def _title(part: Element) -> str:
    heading = part.children[0]
    assert isinstance(heading, Element)  # noqa: S101 - what every section begins with
    return "".join(str(child) for child in heading.children)
