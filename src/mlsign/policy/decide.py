"""The decision: all that was found, one verdict. Whatever is not known to be in order is a denial."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence
from mlsign.policy.catalogue import Rule, Subject, rules_for, signer_settings, summary_settings
from mlsign.policy.exemption import excepted, told
from mlsign.policy.model import Decision, Mode, Policy, Verdict
from mlsign.policy.rules import match, validity
from mlsign.policy.rules.signer import groups_met
from mlsign.policy.rules.summary import accepted


def decide(policy: Policy, evidence: Evidence, *, now: datetime) -> Decision:
    """What ``policy`` makes of ``evidence`` at the time ``now``.

    ``ALLOW`` only when every group of signers is met, or a verification summary stands in for them that the policy accepts and the
    caller asked for; some rule passed, and neither a rule nor the evidence has a finding that is unknown, or that failed and no
    exception covers. More findings, fewer signatures or less knowledge never turn a denial into an allowance, and the order of
    anything in the evidence changes nothing.
    """
    met = groups_met(evidence, signer_settings(policy), now=now)
    signed = 0 < len(policy.signers) == len(met)
    # A policy without signers denies: there is nothing that a summary could stand in for.
    summary = accepted(evidence, summary_settings(policy), now=now) if policy.signers and not signed else None
    rules = rules_for(policy, evidence)
    if summary is not None:
        rules = tuple(rule for rule in rules if rule.subject is not Subject.SIGNERS)
    judged = _judge(rules, policy, evidence, now=now)
    # Without a manifest a digest says nothing of names: the same files with another one in the place of the model have it too.
    known = None if evidence.manifest is None else evidence.digest
    used = excepted(policy.exceptions, judged.findings, digest=known, now=now)
    said = told(policy.exceptions, judged.findings, digest=known, now=now)
    covered = {finding for item in used for finding in item.findings}
    left = tuple(finding for finding in judged.findings if finding not in covered) if covered else judged.findings
    clean = all(finding.outcome is Outcome.PASS for finding in (*left, *said))
    complete = signed or summary is not None
    return Decision(
        verdict=Verdict.ALLOW if complete and clean and judged.passed else Verdict.DENY,
        # A policy that is not for the package, not alone in that, or past its end has no say in letting it through.
        mode=policy.mode if _has_say(left) else Mode.ENFORCE,
        findings=tuple(sorted({*left, *said}, key=_order)) if said else left,
        met=met,
        excepted=used,
        summary=summary,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What rules make of the evidence. ``findings`` are those of both, sorted, each once; ``passed`` says that a rule passed."""

    verdict: Verdict
    passed: bool
    findings: tuple[Finding, ...]


def judge_model(policy: Policy, evidence: Evidence, *, now: datetime) -> Judgement:
    """What the rules about models make of ``evidence``; who signed it, and whether anybody did, plays no part.

    ``ALLOW`` only when a rule passed and nothing that was found failed or is unknown. Of a model that was not
    read the findings that say so are all there is, but for those about the policy itself.
    """
    told = evidence.summary is None and any(finding.outcome is not Outcome.PASS for finding in evidence.findings)
    subjects = {Subject.POLICY} if told else {Subject.MODEL, Subject.POLICY}
    rules = tuple(rule for rule in rules_for(policy, evidence) if rule.subject in subjects)
    return _judge(rules, policy, evidence, now=now)


def _has_say(findings: Iterable[Finding]) -> bool:
    return all(finding.outcome is Outcome.PASS for finding in findings if finding.code in {match.CODE, validity.CODE})


def _judge(rules: Iterable[Rule], policy: Policy, evidence: Evidence, *, now: datetime) -> Judgement:
    found = tuple((rule.subject, finding) for rule in rules for finding in rule.run(policy, evidence, now))
    judged = tuple(finding for _, finding in found)
    # That the policy itself is in order says nothing about a package.
    passed = any(finding.outcome is Outcome.PASS for subject, finding in found if subject is not Subject.POLICY)
    clean = all(finding.outcome is Outcome.PASS for finding in (*evidence.findings, *judged))
    return Judgement(
        verdict=Verdict.ALLOW if passed and clean else Verdict.DENY,
        passed=passed,
        findings=tuple(sorted({*evidence.findings, *judged}, key=_order)),
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
