"""A report on a package as SARIF: results stand at files of the package, and last from one run to the next."""

from __future__ import annotations

from dataclasses import replace

from mlsign.actions.verify import Report
from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.report.places import Base, local, place_of
from mlsign.report.sarif_log import Placed, render_log
from mlsign.report.signers import package_name

_OF_MODELS = "MLS3"


def render_report(report: Report, *, base: Base, version: str) -> str:
    """The log of what did not pass."""
    placed = [
        Placed(finding=_localized(finding, report), path=place_of(finding, report, base), lasting=_lasting(finding, report))
        for finding in report.decision.findings
        if finding.outcome is not Outcome.PASS
    ]
    digest = report.evidence.digest
    return render_log(
        placed,
        policy=report.policy,
        verdict=report.decision.verdict,
        version=version,
        more={"package": package_name(report), "digest": None if digest is None else str(digest)},
    )


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
