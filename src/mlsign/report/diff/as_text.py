"""What ``diff`` found, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlsign.errors import shown
from mlsign.report.diff.lines import Sign
from mlsign.report.diff.words import MANY, headline_of, sections_of, sizes_of, subject_of
from mlsign.report.page import BAD, BOLD, DIM, GREEN, HANG, WARNING, Facts, Page

if TYPE_CHECKING:
    from mlsign.actions.comparison.difference import Difference

_STYLES: Final = {Sign.ADDED: GREEN, Sign.REMOVED: BAD, Sign.CHANGED: WARNING, Sign.SAME: DIM, Sign.NOTE: ""}


def render_difference(found: Difference, *, width: int, color: bool, every: bool = False) -> str:
    """The difference; with ``every`` no list is cut short."""
    out = Page(width=width, color=color)
    out.line((f"mlsign diff: {subject_of(found.before)} → {subject_of(found.after)}", BOLD), hang=HANG)
    out.line((headline_of(found), GREEN if found.is_same else BAD if found.is_breaking else WARNING))
    facts = Facts()
    facts.add("Before", f"{shown(found.before.path)} ({shown(found.before.model_path)})")
    facts.add("After", f"{shown(found.after.path)} ({shown(found.after.model_path)})")
    facts.add("Model", sizes_of(found))
    out.facts(facts)
    for section in sections_of(found, most=None if every else MANY):
        out.heading(section.title)
        for line in section.lines:
            out.line((line.sign.value, _STYLES[line.sign]), (f" {line.text}", BAD if line.loud else ""), hang=HANG)
        if section.more:
            out.line((f"  and {section.more:,} more: --verbose lists them all", DIM))
    return out.text()
