"""Whose signatures are missing, and what it would be like if they were there."""

from __future__ import annotations

from dataclasses import replace

from mlsign.errors import shown
from mlsign.evidence.record import SignatureRecord, Standing
from mlsign.policy.catalogue import signer_settings
from mlsign.policy.model import SignerGroup
from mlsign.policy.remedies.remedy import Findings, Party, Remedy, State, codes_of, unchanged
from mlsign.policy.requirements import KeyRequirement
from mlsign.policy.rules import countable
from mlsign.policy.rules.signer import groups_met, signers_of
from mlsign.times import TimeSource, TrustedTime


def answer_signers(state: State, findings: Findings) -> list[Remedy]:
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
        codes=codes_of(findings),
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
