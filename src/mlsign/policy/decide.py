"""The decision: all that was found, one verdict. Whatever is not known to be in order is a denial."""

from __future__ import annotations

from datetime import datetime

from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence
from mlsign.policy.catalogue import rules_for, signer_settings
from mlsign.policy.model import Decision, Policy, Verdict
from mlsign.policy.rules.signer import groups_met


def decide(policy: Policy, evidence: Evidence, *, now: datetime) -> Decision:
    """What ``policy`` makes of ``evidence`` at the time ``now``.

    ``ALLOW`` only when every group of signers is met, some rule passed, and neither a rule nor the evidence has a
    finding that failed or is unknown. More findings, fewer signatures or less knowledge never turn a denial into
    an allowance, and the order of anything in the evidence changes nothing.
    """
    judged = tuple(finding for rule in rules_for(policy, evidence) for finding in rule.run(policy, evidence, now))
    met = groups_met(evidence, signer_settings(policy))
    passed = any(finding.outcome is Outcome.PASS for finding in judged)
    clean = all(finding.outcome is Outcome.PASS for finding in (*evidence.findings, *judged))
    complete = 0 < len(policy.signers) == len(met)
    return Decision(
        verdict=Verdict.ALLOW if passed and clean and complete else Verdict.DENY,
        mode=policy.mode,
        findings=tuple(sorted({*evidence.findings, *judged}, key=_order)),
        met=met,
    )


def _order(finding: Finding) -> tuple[str, ...]:
    return (
        finding.code,
        finding.where,
        finding.outcome.value,
        finding.message,
        finding.expected,
        finding.found,
        finding.cause,
        finding.hint,
    )
