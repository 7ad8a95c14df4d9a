"""Every rule there is, written out by hand: nothing is discovered, plugged in or put in another order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from mlsign.evidence.findings import Finding
from mlsign.evidence.record import Evidence, ModelPresence
from mlsign.policy.model import Mode, Policy, Presence
from mlsign.policy.rules import (
    conditions,
    countable,
    declared,
    digests,
    external_data,
    golden,
    golden_runs,
    hashing,
    hazards,
    lineage,
    manifest,
    match,
    operators,
    opset,
    presence,
    problems,
    provenance,
    revoked,
    rollback,
    run,
    signer,
    size,
    summary,
    trust_data,
    validity,
    version,
)


class Subject(Enum):
    """What a rule is about: the package, its signatures, the model in it, that there is no model, or the policy itself."""

    PACKAGE = "package"
    SIGNERS = "signers"
    MODEL = "model"
    ABSENCE = "absence"
    POLICY = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A check under its codes. ``run`` hands it its part of the policy, and the time where it asks for one."""

    codes: tuple[str, ...]
    subject: Subject
    run: Callable[[Policy, Evidence, datetime], tuple[Finding, ...]]


def signer_settings(policy: Policy) -> signer.SignerSettings:
    """What the signer rule needs of a policy."""
    count = countable.CountSettings(digests=policy.digests, freshness=policy.freshness)
    return signer.SignerSettings(groups=policy.signers, count=count)


def is_signed(policy: Policy, evidence: Evidence, *, now: datetime) -> bool:
    """Whether there is a group of signers, and every one is met."""
    met = signer.groups_met(evidence, signer_settings(policy), now=now)
    return 0 < len(policy.signers) == len(met)


def summary_settings(policy: Policy) -> summary.SummaryRuleSettings:
    """What the rule about verification summaries needs of a policy."""
    return summary.SummaryRuleSettings(
        summaries=policy.vsa, policy=policy.digest, digests=policy.digests, freshness=policy.freshness
    )


def _is_open(policy: Policy, evidence: Evidence, *, now: datetime) -> bool:
    """Whether a policy that only watches was given a package that nobody whom it trusts vouches for."""
    vouched = bool(evidence.counted) or summary.accepted(evidence, summary_settings(policy), now=now) is not None
    return policy.mode is Mode.AUDIT and not vouched


def provenance_settings(policy: Policy) -> provenance.Settings:
    """What the provenance rule needs of a policy."""
    return provenance.Settings(provenance=policy.provenance, count=signer_settings(policy).count)


def golden_run_settings(policy: Policy) -> golden_runs.Settings:
    """What the rule about signed golden runs needs of a policy."""
    return golden_runs.Settings(golden=policy.golden, count=signer_settings(policy).count)


def _summaries(policy: Policy, evidence: Evidence, *, now: datetime) -> tuple[Finding, ...]:
    if policy.vsa is None:
        return ()  # who signed would be counted once more for nothing
    return summary.check(evidence, summary_settings(policy), now=now, is_signed=is_signed(policy, evidence, now=now))


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        codes=(signer.UNSIGNED, signer.UNMET, signer.SOMEBODY_ELSE, countable.AGE, countable.TRANSPARENCY),
        subject=Subject.SIGNERS,
        run=lambda p, e, now: signer.check(e, signer_settings(p), now=now),
    ),
    Rule(
        codes=(summary.CODE,),
        subject=Subject.PACKAGE,
        run=lambda p, e, now: _summaries(p, e, now=now),
    ),
    Rule(
        codes=(trust_data.CODE,),
        subject=Subject.PACKAGE,
        run=lambda p, e, now: trust_data.check(e, p.freshness.trust, now=now),
    ),
    Rule(codes=(digests.CODE,), subject=Subject.SIGNERS, run=lambda p, e, _: digests.check(e, p.digests)),
    Rule(
        codes=(match.CODE,),
        subject=Subject.PACKAGE,
        run=lambda p, e, now: match.check(e, p.match, p.rivals, is_open=_is_open(p, e, now=now)),
    ),
    Rule(codes=(manifest.CODE,), subject=Subject.PACKAGE, run=lambda p, e, _: manifest.check(e, p.manifest)),
    Rule(codes=(problems.CODE,), subject=Subject.MODEL, run=lambda _p, e, _: problems.check(e)),
    Rule(
        codes=(operators.NOT_ALLOWED, operators.DENIED, operators.CUSTOM_DOMAIN),
        subject=Subject.MODEL,
        run=lambda p, e, _: operators.check(e, p.operators),
    ),
    Rule(
        codes=(hazards.FILES, hazards.CODE, hazards.NETWORK, hazards.ADDRESS),
        subject=Subject.MODEL,
        run=lambda p, e, _: hazards.check(e, p.operators),
    ),
    Rule(
        codes=(run.MISUSE, run.MEMORY, run.SIZE, run.WORK, run.TURNS, run.ENDLESS),
        subject=Subject.MODEL,
        run=lambda p, e, _: run.check(e, p.model.run),
    ),
    Rule(codes=(declared.CODE,), subject=Subject.MODEL, run=lambda _p, e, _: declared.check(e)),
    Rule(codes=(opset.CODE,), subject=Subject.MODEL, run=lambda p, e, _: opset.check(e, p.model.opset)),
    Rule(codes=(size.NODES, size.PARAMETER_BYTES), subject=Subject.MODEL, run=lambda p, e, _: size.check(e, p.model)),
    Rule(codes=(external_data.CODE,), subject=Subject.MODEL, run=lambda p, e, _: external_data.check(e, p.model.external_data)),
    Rule(codes=(version.CODE,), subject=Subject.PACKAGE, run=lambda p, e, _: version.check(e, p.minimum_version)),
    Rule(codes=(rollback.CODE,), subject=Subject.PACKAGE, run=lambda p, e, _: rollback.check(e, p.rollback)),
    Rule(codes=(revoked.CODE,), subject=Subject.PACKAGE, run=lambda p, e, _: revoked.check(e, p.revoked)),
    Rule(codes=(lineage.CODE,), subject=Subject.POLICY, run=lambda p, _e, _: lineage.check(p.lineage)),
    Rule(codes=(validity.CODE,), subject=Subject.POLICY, run=lambda p, _e, now: validity.check(p.expires, now=now)),
    Rule(codes=(conditions.CODE,), subject=Subject.PACKAGE, run=lambda p, e, now: conditions.check(e, p.rules, now=now)),
    Rule(
        codes=(provenance.CODE, provenance.IDLE),
        subject=Subject.PACKAGE,
        run=lambda p, e, now: provenance.check(e, provenance_settings(p), now=now),
    ),
    Rule(codes=(golden.DATA, golden.REPLAY), subject=Subject.PACKAGE, run=lambda p, e, _: golden.check(e, p.golden)),
    Rule(
        codes=(golden_runs.CODE, golden_runs.IDLE),
        subject=Subject.PACKAGE,
        run=lambda p, e, now: golden_runs.check(e, golden_run_settings(p), now=now),
    ),
    Rule(codes=(hashing.CODE,), subject=Subject.PACKAGE, run=lambda p, e, _: hashing.check(e, p.hashing)),
    Rule(codes=(presence.CODE,), subject=Subject.ABSENCE, run=lambda _p, _e, _: presence.check()),
)


def rules_for(policy: Policy, evidence: Evidence) -> tuple[Rule, ...]:
    """The rules that apply: all of them, unless the policy does without a model and there certainly is none."""
    without = policy.model.presence is Presence.OPTIONAL and evidence.model is ModelPresence.ABSENT
    idle = Subject.MODEL if without and evidence.manifest is None and evidence.summary is None else Subject.ABSENCE
    return tuple(rule for rule in RULES if rule.subject is not idle)
