"""What an inspection found, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlsign.errors import shown
from mlsign.report.claims import who_claims
from mlsign.report.model_facts import add_model
from mlsign.report.page import BAD, BOLD, DIM, HANG, Facts, Page
from mlsign.words import size

if TYPE_CHECKING:
    from mlsign.actions.inspection.inspect import Inspection

_MAX_PROBLEMS: Final = 50
_LONG: Final = 600


def render_inspection(inspection: Inspection, *, width: int, color: bool) -> str:
    """What ``mlsign inspect`` found."""
    out = Page(width=width, color=color)
    manifest = inspection.manifest
    name = shown(f"{manifest.name} {manifest.version}" if manifest else inspection.model_path)
    out.line((name, BOLD))
    facts = Facts()
    if manifest is not None:
        for label, value in (("Licence", manifest.license), ("About", manifest.description)):
            if value:
                facts.add(label, shown(value))
        if manifest.previous is not None:
            facts.add("Previous", f"{manifest.previous.version}  {manifest.previous.digest}")
    add_model(facts, inspection.summary)
    facts.add("Size", f"{size(inspection.model_bytes)} model file, {size(sum(f.size for f in inspection.files))} in all")
    if len(inspection.files) > 1:
        facts.add_each("Files", [f"{shown(f.path)}  {size(f.size)}" for f in inspection.files])
    facts.add_each(
        "Signatures",
        [
            shown(s.problem) if s.problem else f"claims to be by {who_claims(s)}, over {shown(s.subject)}"
            for s in inspection.signers
        ],
    )
    out.facts(facts)
    if inspection.signers:
        out.line(("Claims are not checked here; mlsign verify checks them.", DIM))
    if inspection.summary.problems:
        out.heading("Problems")
        for problem in inspection.summary.problems[:_MAX_PROBLEMS]:
            out.line(("✗", BAD), (f" {shown(problem.code)}  ", BOLD), shown(problem.message, limit=_LONG), hang=HANG)
            if problem.where:
                out.detail("where", shown(problem.where, limit=_LONG))
        if len(inspection.summary.problems) > _MAX_PROBLEMS:
            out.line((f"and {len(inspection.summary.problems) - _MAX_PROBLEMS} more: --format json lists them all", BOLD))
    return out.text()
