"""What a release allows itself: an operator that its manifest does not allow was not meant to be in the model."""

from __future__ import annotations

from typing import Final

from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome, listed
from mlsign.evidence.record import Evidence
from mlsign.interface import OperatorId
from mlsign.paths import MANIFEST_NAME

CODE: Final = "MLS308"


def check(evidence: Evidence) -> tuple[Finding, ...]:
    """A finding for each operator beyond the manifest's ``allowed_operators``; none where there is no manifest."""
    if evidence.manifest is None:
        return ()
    if evidence.summary is None:
        message = "the operators of the model are not known: it was not read"
        return (Finding(code=CODE, outcome=Outcome.UNKNOWN, message=message, where=MANIFEST_NAME),)
    allowed = frozenset(evidence.manifest.allowed_operators)
    beyond = [use.operator for use in evidence.summary.operators if use.operator not in allowed]
    if beyond:
        return listed([_refusal(operator) for operator in beyond])
    message = "the model keeps to the operators that its manifest allows"
    return (Finding(code=CODE, outcome=Outcome.PASS, message=message, where=MANIFEST_NAME),)


def _refusal(operator: OperatorId) -> Finding:
    name = shown(operator)
    return Finding(
        code=CODE,
        outcome=Outcome.FAIL,
        message=f"operator {name} is in the model but not in allowed_operators of the manifest",
        where=f"{MANIFEST_NAME} {name}",
        expected="an operator of allowed_operators",
        found=name,
        hint="pack the release again; if nobody meant this operator to be there, find out how it came in",
    )
