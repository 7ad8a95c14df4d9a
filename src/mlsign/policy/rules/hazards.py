"""Operators that do more than compute are let in by their own name only, never with their domain."""

from __future__ import annotations

from typing import Final

from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome, listed
from mlsign.evidence.record import Evidence
from mlsign.interface import OperatorId, OperatorUse
from mlsign.policy.hazards import WHOLE_DOMAIN
from mlsign.policy.model import Hazard, OperatorSettings

FILES: Final = "MLS385"
CODE: Final = "MLS386"
NETWORK: Final = "MLS387"
ADDRESS: Final = "MLS388"

_OF: Final = {
    Hazard.READS_FILES: (FILES, "reads files that the model or its input names"),
    Hazard.RUNS_CODE: (CODE, "runs code that no inspection of the model can see"),
    Hazard.HOLDS_COMPILED_PROGRAM: (CODE, "holds or names a compiled program"),
    Hazard.REACHES_NETWORK: (NETWORK, "opens network connections"),
    Hazard.USES_ADDRESS: (ADDRESS, "reads or writes memory at an address that a value gives"),
}


def check(evidence: Evidence, settings: OperatorSettings) -> tuple[Finding, ...]:
    """A finding for each hazard of each operator that the policy does not name; nothing where there is none."""
    if evidence.summary is None:
        return ()
    return listed([finding for use in evidence.summary.operators for finding in _judge(use, settings)])


def _judge(use: OperatorUse, settings: OperatorSettings) -> list[Finding]:
    operator = use.operator
    denied = operator in settings.deny or operator.domain in settings.denied_domains
    named = operator in settings.allow and not denied
    whole = settings.hazards.get(OperatorId(operator.domain, WHOLE_DOMAIN), frozenset())
    by_code = {_OF[hazard][0]: _OF[hazard][1] for hazard in settings.hazards.get(operator, frozenset()) | whole}
    name = shown(operator)
    return [
        Finding(
            code=code,
            outcome=Outcome.PASS if named else Outcome.FAIL,
            message=f"operator {name} {what}" + (", and the policy names it" if named else ""),
            where=name,
            expected="operators that compute",
            found=name,
            hint=""
            if named
            else "name it in operators.allow only if whoever runs the model needs it and trusts the model's maker",
        )
        for code, what in sorted(by_code.items())
    ]
