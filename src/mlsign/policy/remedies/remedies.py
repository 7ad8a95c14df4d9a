"""What would have to be different for each kind of refusal: one small function for each, by the codes that it answers.

A remedy is words for a person, who can do it, and the same as a change of policy or evidence where that can be computed, so
that the whole can be decided again. No remedy takes a check away, lets content in that nobody signed, or believes a stranger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from mlsign.errors import shown
from mlsign.interface import OperatorId
from mlsign.onnx.summary import ModelSummary, RunBounds
from mlsign.policy.catalogue import RULES, Subject
from mlsign.policy.hazards import WHOLE_DOMAIN
from mlsign.policy.model import STANDARD_DOMAINS, ModelSettings, RunSettings
from mlsign.policy.remedies.demands import ANSWERS as DEMANDS
from mlsign.policy.remedies.remedy import Answer, Change, Findings, Party, Remedy, State, codes_of, unchanged
from mlsign.policy.remedies.signers import answer_signers
from mlsign.policy.rules import countable, digests, hazards, manifest, operators, opset, rollback, run, size, trust_data, version
from mlsign.policy.rules import revoked as revoked_rule
from mlsign.policy.rules.signer import SOMEBODY_ELSE, UNMET, UNSIGNED

_MAX_TOLD: Final = 800
"""Characters of what several findings of one code say together."""


def _changed_model(state: State, **changes: object) -> State:
    model: ModelSettings = replace(state.policy.model, **changes)  # type: ignore[arg-type]  # fields of these settings
    return replace(state, policy=replace(state.policy, model=model))


def _changed_summary(state: State, change: Callable[[ModelSummary], ModelSummary]) -> State:
    summary = state.evidence.summary
    return state if summary is None else replace(state, evidence=replace(state.evidence, summary=change(summary)))


def _manifest(_: State, findings: Findings) -> list[Remedy]:
    words = "pack the model with mlsign pack, and sign the package"
    return [Remedy(who=Party.RELEASER, codes=codes_of(findings), words=words)]


def _digests(state: State, findings: Findings) -> list[Remedy]:
    names = " or ".join(sorted(algorithm.value for algorithm in state.policy.digests))
    return [Remedy(who=Party.RELEASER, codes=codes_of(findings), words=f"sign again, with content known by {names}")]


def _unread(findings: Findings) -> list[Remedy]:
    words = "release a model that can be read: as long as this one cannot, nothing is known of what it may do"
    return [Remedy(who=Party.RELEASER, codes=codes_of(findings), words=words)] if findings else []


# What the model is made of.


def _allow_operators(state: State, findings: Findings) -> list[Remedy]:
    """A line for each operator of the standard that only computes; nothing else is ever suggested to be let in."""
    settings, summary = state.policy.operators, state.evidence.summary
    used = () if summary is None else tuple(use.operator for use in summary.operators)
    missing = [op for op in used if op not in settings.allow and op.domain in STANDARD_DOMAINS and op not in settings.deny]
    missing = [op for op in missing if op.domain not in settings.denied_domains and not _is_hazard(state, op)]
    if not missing:
        return [_export(codes_of(findings), "export the model without the operators that were found")]
    lines = ", ".join(f'- "{shown(op)}"' for op in missing)

    def allow(changed: State) -> State:
        wider = replace(changed.policy.operators, allow=changed.policy.operators.allow | set(missing))
        return replace(changed, policy=replace(changed.policy, operators=wider))

    return [
        Remedy(
            who=Party.OWNER,
            codes=codes_of(findings),
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

    return [_export(codes_of(findings), f"export the model without {names}", take_out)]


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

    return [_export(codes_of(findings), f"export the model for the operator sets {wanted}", convert)]


# Caps.


def _raise(findings: Findings, name: str, value: int, change: Change) -> list[Remedy]:
    words = f"if a model of this size is meant to run here, raise {name} of the policy to {value}; otherwise have a smaller one released"
    return [Remedy(who=Party.OWNER, codes=codes_of(findings), words=words, change=change)]


def _nodes(state: State, findings: Findings) -> list[Remedy]:
    count = 0 if state.evidence.summary is None else state.evidence.summary.node_count
    return _raise(findings, "model.max_nodes", count, lambda s: _changed_model(s, max_nodes=count))


def _parameters(state: State, findings: Findings) -> list[Remedy]:
    count = 0 if state.evidence.summary is None else state.evidence.summary.parameter_bytes
    return _raise(findings, "model.max_parameter_bytes", count, lambda s: _changed_model(s, max_parameter_bytes=count))


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
        return [_export(codes_of(findings), "have the model read under this policy again: what a run takes is not known")]
    out: list[Remedy] = []
    for code in codes_of(findings):
        for name, needed in _RUN_CAPS[code]:
            if needed(bounds) > getattr(state.policy.model.run, name):
                out += _raise(findings, f"model.run.{name}", needed(bounds), _raised_run(name, needed(bounds)))
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
    return [_export(codes_of(findings), words, bound)]


# Releases.


def _version(state: State, findings: Findings) -> list[Remedy]:
    wanted = state.policy.minimum_version

    def newer(changed: State) -> State:
        there = changed.evidence.manifest
        if there is None or wanted is None:
            return changed
        return replace(changed, evidence=replace(changed.evidence, manifest=replace(there, version=wanted)))

    words = f"deploy a release of version {wanted} or newer"
    return [Remedy(who=Party.OPERATOR, codes=codes_of(findings), words=words, change=newer)]


def _rollback(_: State, findings: Findings) -> list[Remedy]:
    words = f"deploy the newest release ({shown('; '.join(finding.message for finding in findings))})"
    return [Remedy(who=Party.OPERATOR, codes=codes_of(findings), words=words)]


def _revoked(_: State, findings: Findings) -> list[Remedy]:
    words = f"deploy another release: {shown('; '.join(finding.message for finding in findings), limit=400)}"
    return [Remedy(who=Party.OPERATOR, codes=codes_of(findings), words=words)]


def _trust(_: State, findings: Findings) -> list[Remedy]:
    def update(changed: State) -> State:
        facts = changed.evidence.trust
        if facts is None:
            return changed
        fresh = replace(facts, fetched=changed.now, expires=None)
        return replace(changed, evidence=replace(changed.evidence, trust=fresh))

    words = "fetch the trust root again: mlsign trust update, or mlsign trust import where there is no network"
    return [Remedy(who=Party.OPERATOR, codes=codes_of(findings), words=words, change=update)]


ANSWERS: Final[tuple[tuple[frozenset[str], Answer], ...]] = (
    (frozenset({UNSIGNED, UNMET, SOMEBODY_ELSE, countable.AGE, countable.TRANSPARENCY}), answer_signers),
    (frozenset({trust_data.CODE}), _trust),
    (frozenset({digests.CODE}), _digests),
    (frozenset({manifest.CODE}), _manifest),
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
    *DEMANDS.items(),
)
"""Which function answers which codes; what none answers is put right by whoever released the package."""


UNREAD: Final = frozenset(code for rule in RULES if rule.subject is Subject.MODEL for code in rule.codes)
"""Codes of rules about models, which are unknown of a model that was not read."""


def remedies_for(state: State, wrong: Findings) -> list[Remedy]:
    """A remedy for every finding of ``wrong``, each named in the codes of at least one."""
    unread = tuple(f for f in wrong if state.evidence.summary is None and f.code in UNREAD)
    out: list[Remedy] = _unread(unread)
    for codes, answer in ANSWERS:
        about = tuple(finding for finding in wrong if finding.code in codes and finding not in unread)
        if about:
            out += answer(state, about)
    answered = {code for remedy in out for code in remedy.codes}
    rest = [finding for finding in wrong if finding.code not in answered]
    for code in sorted({finding.code for finding in rest}):
        same = [finding for finding in rest if finding.code == code]
        bare = "; ".join(dict.fromkeys(finding.message for finding in same if not finding.hint))
        told = dict.fromkeys([*(finding.hint for finding in same if finding.hint), *([f"put right that {bare}"] if bare else [])])
        out.append(Remedy(who=Party.RELEASER, codes=(code,), words=shown("; ".join(told), limit=_MAX_TOLD)))
    return out
