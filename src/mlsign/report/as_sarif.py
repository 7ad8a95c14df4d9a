"""What a scan found as SARIF: the same models under the same policy give the same bytes."""

from __future__ import annotations

from typing import Final

from mlsign.actions.inspection.findings import Found
from mlsign.report.sarif_log import Placed, note_at, render_log

_MAX_LINKS: Final = 100


def render_found(found: Found, *, prefix: str, version: str) -> str:
    """The log. ``prefix`` is the folder of what was scanned below the root of the sources, empty where it is that root."""
    placed = [
        Placed(finding=finding, path=_below(prefix, model.path), lasting=(finding.where, finding.found))
        for model in found.models
        for finding in model.wrong
    ]
    return render_log(
        placed,
        policy=found.policy,
        verdict=found.verdict,
        version=version,
        notes=[note_at(_below(prefix, link), "A link to a folder was not followed.") for link in found.links[:_MAX_LINKS]],
        more={"models": len(found.models)},
    )


def _below(prefix: str, path: str) -> str:
    return f"{prefix}/{path}" if prefix else path
