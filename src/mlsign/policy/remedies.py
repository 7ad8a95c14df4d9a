"""What would have to be different for each kind of refusal: one small function for each, by the codes that it answers.

A remedy is words for a person, who can do it, and the same as a change of policy or evidence where that can be computed, so
that the whole can be decided again. No remedy takes a check away, lets content in that nobody signed, or believes a stranger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Final

from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence, SignatureRecord, Standing
from mlsign.interface import OperatorId
from mlsign.onnx.summary import ModelSummary, RunBounds
from mlsign.policy.catalogue import signer_settings
from mlsign.policy.hazards import WHOLE_DOMAIN
from mlsign.policy.model import STANDARD_DOMAINS, ModelSettings, Policy, RunSettings, SignerGroup
from mlsign.policy.requirements import KeyRequirement
from mlsign.policy.rules import countable, hazards, operators, opset, rollback, run, size, trust_data, version
from mlsign.policy.rules import revoked as revoked_rule
from mlsign.policy.rules.signer import SOMEBODY_ELSE, UNMET, UNSIGNED, groups_met, signers_of
from mlsign.times import TimeSource, TrustedTime


class Party(Enum):
    """Who can do something about it, those first who loosen nothing."""

    OPERATOR = "operator"
    RELEASER = "releaser"
    OWNER = "owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is decided over, and changed by remedies."""

    policy: Policy
    evidence: Evidence
    now: datetime


Change = Callable[[State], State]


def unchanged(state: State) -> State:
    """Nothing that can be computed: what comes of the remedy is only known when it was done."""
    return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One step. ``codes`` are the findings it is about."""

    who: Party
    codes: tuple[str, ...]
    words: str
    change: Change = field(default=unchanged, compare=False)


Findings = tuple[Finding, ...]
Answer = Callable[[State, Findings], list[Remedy]]


def _codes(findings: Findings) -> tuple[str, ...]:
    return tuple(sorted({finding.code for finding in findings}))


def _changed_model(state: State, **changes: object) -> State:
    model: ModelSettings = replace(state.policy.model, **changes)  # type: ignore[arg-type]  # fields of these settings
    return replace(state, policy=replace(state.policy, model=model))


def _changed_summary(state: State, change: Callable[[ModelSummary], ModelSummary]) -> State:
    summary = state.evidence.summary
    return state if summary is None else replace(state, evidence=replace(state.evidence, summary=change(summary)))


# Signers.


def _signers(state: State, findings: Findings) -> list[Remedy]:
    """Every group that is not met: how many more of whom must sign."""
    settings = signer_settings(state.policy)
    met = {result.name for result in groups_met(state.evidence, settings, now=state.now)}
    return [_group(state, group, findings) for group in state.policy.signers if group.name not in met]


def _group(state: State, group: SignerGroup, findings: Findings) -> Remedy:
    have = signers_of(state.evidence, group, signer_settings(state.policy), now=state.now)
    there = [record.identity for record in have if record.identity is not None]
    left = [wanted for wanted in group.any if not any(wanted.is_met_by(identity) for identity in there)]
    names = "; ".join(shown(wanted) for wanted in left) or "somebody else whom the group's patterns match"
    count = group.require - len(have)
    verb = "countersign a signature by" if group.countersigns else "look at the package and sign it"
    over = f" {verb} the group {shown(group.countersigns)} (mlsign sign --countersign)" if group.countersigns else f" {verb}"
    short = sorted({f.message for f in findings if f.code in (countable.AGE, countable.TRANSPARENCY)})
    again = f"; signatures that are there fall short: {'; '.join(map(shown, short))}" if short else ""
    keys = [wanted for wanted in left if isinstance(wanted, KeyRequirement)][:count]

    def sign(changed: State) -> State:
        made = tuple(_signature(changed, wanted) for wanted in keys)
        return replace(changed, evidence=replace(changed.evidence, signatures=(*changed.evidence.signatures, *made)))

    possible = len(keys) == count and not group.countersigns
    return Remedy(
        who=Party.RELEASER,
        codes=_codes(findings),
        words=f"{count} more of the group {shown(group.name)} must{over}: {names}{again}",
        change=sign if possible else unchanged,
    )


def _signature(state: State, wanted: KeyRequirement) -> SignatureRecord:
    """The signature that such a key would make today, with everything that the policy may ask of one by key."""
    return SignatureRecord(
        bundle=f"(still to be made) {wanted}",
        method=wanted.identity.method,
        standing=Standing.COUNTED,
        identity=wanted.identity,
        times=(TrustedTime(time=state.now, source=TimeSource.TIMESTAMP),),
        algorithms=frozenset(sorted(state.policy.digests, key=lambda a: a.value)[:1]),
        reasons=(),
    )


# What the model is made of.


def _allow_operators(state: State, findings: Findings) -> list[Remedy]:
    """A line for each operator of the standard that only computes; nothing else is ever suggested to be let in."""
    settings, summary = state.policy.operators, state.evidence.summary
    used = () if summary is None else tuple(use.operator for use in summary.operators)
    missing = [op for op in used if op not in settings.allow and op.domain in STANDARD_DOMAINS and op not in settings.deny]
    missing = [op for op in missing if op.domain not in settings.denied_domains and not _is_hazard(state, op)]
    if not missing:
        return [_export(_codes(findings), "export the model without the operators that were found")]
    lines = ", ".join(f'- "{shown(op)}"' for op in missing)

    def allow(changed: State) -> State:
        wider = replace(changed.policy.operators, allow=changed.policy.operators.allow | set(missing))
        return replace(changed, policy=replace(changed.policy, operators=wider))

    return [
        Remedy(
            who=Party.OWNER,
            codes=_codes(findings),
            words=(
                f"if the model needs them and you accept what they can do, add to operators.allow of the policy: {lines}; "
                "otherwise have the model exported without them"
            ),
            change=allow,
        )
    ]


def _is_hazard(state: State, operator: OperatorId) -> bool:
    known = state.policy.operators.hazards
    return operator in known or OperatorId(operator.domain, WHOLE_DOMAIN) in known


def _export(codes: tuple[str, ...], words: str, change: Change = unchanged) -> Remedy:
    return Remedy(who=Party.RELEASER, codes=codes, words=f"{words}, pack it as a new version, and sign that", change=change)


def _without_operators(_: State, findings: Findings) -> list[Remedy]:
    names = ", ".join(sorted({finding.found for finding in findings}))

    def take_out(changed: State) -> State:
        gone = {finding.found for finding in findings}
        return _changed_summary(
            changed, lambda s: replace(s, operators=tuple(use for use in s.operators if shown(use.operator) not in gone))
        )

    return [_export(_codes(findings), f"export the model without {names}", take_out)]


def _opset(state: State, findings: Findings) -> list[Remedy]:
    asked = state.policy.model.opset
    wanted = ", ".join(f"{finding.where} {finding.expected}" for finding in findings)

    def convert(changed: State) -> State:
        return _changed_summary(
            changed,
            lambda s: replace(
                s,
                opsets=tuple(
                    replace(item, version=max(asked[item.domain].minimum, min(item.version, asked[item.domain].maximum)))
                    if item.domain in asked
                    else item
                    for item in s.opsets
                ),
            ),
        )

    return [_export(_codes(findings), f"export the model for the operator sets {wanted}", convert)]


# Caps.


def _raise(state: State, findings: Findings, name: str, value: int, change: Change) -> list[Remedy]:
    words = f"if a model of this size is meant to run here, raise {name} of the policy to {value}; otherwise have a smaller one released"
    return [Remedy(who=Party.OWNER, codes=_codes(findings), words=words, change=change)] if state.evidence.summary else []


def _nodes(state: State, findings: Findings) -> list[Remedy]:
    count = 0 if state.evidence.summary is None else state.evidence.summary.node_count
    return _raise(state, findings, "model.max_nodes", count, lambda s: _changed_model(s, max_nodes=count))


def _parameters(state: State, findings: Findings) -> list[Remedy]:
    count = 0 if state.evidence.summary is None else state.evidence.summary.parameter_bytes
    return _raise(state, findings, "model.max_parameter_bytes", count, lambda s: _changed_model(s, max_parameter_bytes=count))


_RUN_CAPS: Final[MappingProxyType[str, tuple[tuple[str, Callable[[RunBounds], int]], ...]]] = MappingProxyType(
    {
        run.MEMORY: (("max_bytes", lambda b: b.peak_bytes),),
        run.WORK: (("max_steps", lambda b: b.steps), ("max_operations", lambda b: b.operations)),
    }
)


def _run_caps(state: State, findings: Findings) -> list[Remedy]:
    summary = state.evidence.summary
    bounds = None if summary is None else summary.bounds
    if bounds is None or bounds.open_dimension < state.policy.model.run.open_dimension:
        return [_export(_codes(findings), "have the model read under this policy again: what a run takes is not known")]
    out: list[Remedy] = []
    for code in _codes(findings):
        for name, needed in _RUN_CAPS[code]:
            if needed(bounds) > getattr(state.policy.model.run, name):
                out += _raise(state, findings, f"model.run.{name}", needed(bounds), _raised_run(name, needed(bounds)))
    return out


def _raised_run(name: str, value: int) -> Change:
    def change(state: State) -> State:
        settings: RunSettings = replace(state.policy.model.run, **{name: value})  # type: ignore[arg-type]  # the caps are numbers
        return _changed_model(state, run=settings)

    return change


def _bounded(_: State, findings: Findings) -> list[Remedy]:
    places = ", ".join(sorted({f"{finding.found} at {finding.where}" for finding in findings})[:5])

    def bound(changed: State) -> State:
        def without(summary: ModelSummary) -> ModelSummary:
            return summary if summary.bounds is None else replace(summary, bounds=replace(summary.bounds, unknown=()))

        return _changed_summary(changed, without)

    words = f"export the model with constant shapes and numbers of turns, and operators that can run ({shown(places, limit=400)})"
    return [_export(_codes(findings), words, bound)]


# Releases.


def _version(state: State, findings: Findings) -> list[Remedy]:
    wanted = state.policy.minimum_version

    def newer(changed: State) -> State:
        manifest = changed.evidence.manifest
        if manifest is None or wanted is None:
            return changed
        return replace(changed, evidence=replace(changed.evidence, manifest=replace(manifest, version=wanted)))

    words = f"deploy a release of version {wanted} or newer"
    return [Remedy(who=Party.OPERATOR, codes=_codes(findings), words=words, change=newer)]


def _rollback(_: State, findings: Findings) -> list[Remedy]:
    words = f"deploy the newest release ({shown('; '.join(finding.message for finding in findings))})"
    return [Remedy(who=Party.OPERATOR, codes=_codes(findings), words=words)]


def _revoked(_: State, findings: Findings) -> list[Remedy]:
    words = f"deploy another release: {shown('; '.join(finding.message for finding in findings), limit=400)}"
    return [Remedy(who=Party.OPERATOR, codes=_codes(findings), words=words)]


def _trust(_: State, findings: Findings) -> list[Remedy]:
    def update(changed: State) -> State:
        facts = changed.evidence.trust
        if facts is None:
            return changed
        fresh = replace(facts, fetched=changed.now, expires=None)
        return replace(changed, evidence=replace(changed.evidence, trust=fresh))

    words = "fetch the trust root again: mlsign trust update, or mlsign trust import where there is no network"
    return [Remedy(who=Party.OPERATOR, codes=_codes(findings), words=words, change=update)]


ANSWERS: Final[tuple[tuple[frozenset[str], Answer], ...]] = (
    (frozenset({UNSIGNED, UNMET, SOMEBODY_ELSE, countable.AGE, countable.TRANSPARENCY}), _signers),
    (frozenset({trust_data.CODE}), _trust),
    (frozenset({operators.NOT_ALLOWED}), _allow_operators),
    (
        frozenset({operators.DENIED, operators.CUSTOM_DOMAIN, hazards.FILES, hazards.CODE, hazards.NETWORK, hazards.ADDRESS}),
        _without_operators,
    ),
    (frozenset({opset.CODE}), _opset),
    (frozenset({size.NODES}), _nodes),
    (frozenset({size.PARAMETER_BYTES}), _parameters),
    (frozenset({run.MEMORY, run.WORK}), _run_caps),
    (frozenset({run.SIZE, run.TURNS, run.ENDLESS, run.MISUSE}), _bounded),
    (frozenset({version.CODE}), _version),
    (frozenset({rollback.CODE}), _rollback),
    (frozenset({revoked_rule.CODE}), _revoked),
)
"""Which function answers which codes; what none answers is put right by whoever released the package."""


def remedies_for(state: State, wrong: Findings) -> list[Remedy]:
    """A remedy for every finding of ``wrong``, each named in the codes of at least one."""
    out: list[Remedy] = []
    for codes, answer in ANSWERS:
        about = tuple(finding for finding in wrong if finding.code in codes)
        if about:
            out += answer(state, about)
    answered = {code for remedy in out for code in remedy.codes}
    rest = [finding for finding in wrong if finding.code not in answered]
    for code in sorted({finding.code for finding in rest}):
        first = next(finding for finding in rest if finding.code == code)
        words = shown(first.hint, limit=400) or f"put right that {shown(first.message, limit=400)}"
        out.append(Remedy(who=Party.RELEASER, codes=(code,), words=words))
    return out


def is_wrong(finding: Finding) -> bool:
    """Whether a finding stands in the way."""
    return finding.outcome is not Outcome.PASS
