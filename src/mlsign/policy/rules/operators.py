"""Which operators a model may contain: all of them allowed by name, none denied, no custom domain by accident."""

from __future__ import annotations

from typing import Final

from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome, listed
from mlsign.evidence.record import Evidence
from mlsign.interface import OperatorUse
from mlsign.policy.model import STANDARD_DOMAINS, CustomDomains, OperatorSettings

NOT_ALLOWED: Final = "MLS301"
DENIED: Final = "MLS302"
CUSTOM_DOMAIN: Final = "MLS303"


def check(evidence: Evidence, settings: OperatorSettings) -> tuple[Finding, ...]:
    """A finding for each operator that is refused, or one that all of them are allowed."""
    if evidence.summary is None:
        return (
            Finding(
                code=NOT_ALLOWED, outcome=Outcome.UNKNOWN, message="the operators of the model are not known: it was not read"
            ),
        )
    uses = evidence.summary.operators
    findings = [finding for use in uses if (finding := judge_operator(use, settings)) is not None]
    if findings:
        return listed(findings)
    message = f"all {len(uses)} operators of the model are allowed"
    return (Finding(code=NOT_ALLOWED, outcome=Outcome.PASS, message=message, found=str(len(uses))),)


def judge_operator(use: OperatorUse, settings: OperatorSettings) -> Finding | None:
    """Why the operator is refused; None for one that is allowed."""
    operator = use.operator
    if operator in settings.deny or operator.domain in settings.denied_domains:
        return _refusal(DENIED, use, "is denied by the policy", "take it out of the model: operators.deny wins over allow")
    if operator in settings.allow:
        return None
    if operator.domain in STANDARD_DOMAINS:
        return _refusal(NOT_ALLOWED, use, "is not allowed by the policy", "name it, or a set with it, in operators.allow")
    if settings.custom_domains is CustomDomains.ALLOW and operator.domain in settings.allowed_domains:
        return None
    hint = "name the operator in operators.allow if whoever runs the model provides it and trusts it"
    return _refusal(CUSTOM_DOMAIN, use, "is of a custom domain that the policy does not allow", hint)


def _refusal(code: str, use: OperatorUse, reason: str, hint: str) -> Finding:
    name = shown(use.operator)
    nodes = "1 node" if use.count == 1 else f"{use.count} nodes"
    return Finding(
        code=code,
        outcome=Outcome.FAIL,
        message=f"operator {name} in {nodes} {reason}",
        where=name,
        expected="an operator of operators.allow",
        found=name,
        hint=hint,
    )
