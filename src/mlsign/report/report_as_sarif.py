"""A report on a package as SARIF: results stand at files of the package, and last from one run to the next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mlsign.actions.verification.verify import Report
from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.policy.exemption import Excepted
from mlsign.report.concessions import concessions
from mlsign.report.places import Base, local, place_of
from mlsign.report.sarif_log import Placed, note, render_log
from mlsign.report.signers import package_name

_OF_MODELS = "MLS3"


def render_report(report: Report, *, base: Base, version: str) -> str:
    """The log of what did not pass. What exceptions cover is no result; it is told in notes and properties of the run."""
    placed = [
        Placed(finding=_localized(finding, report), path=place_of(finding, report, base), lasting=_lasting(finding, report))
        for finding in report.decision.findings
        if finding.outcome is not Outcome.PASS
    ]
    digest, summary = report.evidence.digest, report.decision.summary
    return render_log(
        placed,
        # A policy that is not for the package stops it in audit mode as well: what counts is how it was decided.
        policy=replace(report.policy, mode=report.decision.mode),
        verdict=report.decision.verdict,
        version=version,
        notes=[note(f"{kind.title}: {local('; '.join(kind.lines), report)}") for kind in concessions(report)],
        more={
            "package": package_name(report),
            "digest": None if digest is None else str(digest),
            "summary": None if summary is None else local(summary.bundle, report),
            "exceptions": [_exception(item) for item in report.decision.excepted],
            "loosened": [{"field": each.field, "reason": each.reason} for each in report.policy.lineage.loosened],
        },
    )


def _exception(item: Excepted) -> dict[str, Any]:
    return {
        "findings": sorted({finding.code for finding in item.findings}),
        "reason": item.exemption.reason,
        "until": f"{item.exemption.until:%Y-%m-%dT%H:%M:%SZ}",
    }


def _lasting(finding: Finding, report: Report) -> tuple[str, ...]:
    """Where it is; of a model also what was found there. Elsewhere that may be an age, or a digest of the day."""
    where = local(finding.where, report)
    return (where, finding.found) if finding.code.startswith(_OF_MODELS) else (where,)


def _localized(finding: Finding, report: Report) -> Finding:
    return replace(
        finding,
        message=local(finding.message, report),
        where=shown(local(finding.where, report), limit=1024),
        expected=local(finding.expected, report),
        found=local(finding.found, report),
        hint=local(finding.hint, report),
    )
