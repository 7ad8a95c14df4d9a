"""Who must have signed: every group of the policy met by enough distinct identities.

Only signatures that were counted by the evidence, over digests that the policy accepts, are looked at. A denial
rests on an unmet group alone, never on a signature that is there: so adding a broken or foreign signature to a
good package cannot deny it, and removing one cannot allow anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlsign.digest import Algorithm
from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence, SignatureRecord
from mlsign.identity import Method
from mlsign.policy.model import GroupResult, KeyRequirement, SignerGroup
from mlsign.policy.rules.digests import accepted, refused

UNSIGNED: Final = "MLS201"
UNMET: Final = "MLS205"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerSettings:
    """The groups, and the digests that a signature must be over to count."""

    groups: tuple[SignerGroup, ...]
    digests: frozenset[Algorithm]


def signers_of(evidence: Evidence, group: SignerGroup, digests: frozenset[Algorithm]) -> tuple[SignatureRecord, ...]:
    """The signatures that count for a group: one for each distinct identity, in the order of bundle names."""
    wanted = {r.identity.unique for r in group.any if isinstance(r, KeyRequirement)}
    found: dict[str, SignatureRecord] = {}
    for record in sorted(accepted(evidence, digests), key=lambda r: r.bundle):
        if record.identity is not None and record.identity.unique in wanted:
            found.setdefault(record.identity.unique, record)
    return tuple(found.values())


def groups_met(evidence: Evidence, settings: SignerSettings) -> tuple[GroupResult, ...]:
    """The groups that are met, each with the signatures that met it."""
    results = (
        GroupResult(name=g.name, require=g.require, signatures=signers_of(evidence, g, settings.digests)) for g in settings.groups
    )
    return tuple(result for result in results if 0 < result.require <= len(result.signatures))


def check(evidence: Evidence, settings: SignerSettings) -> tuple[Finding, ...]:
    """One finding for each group, and with an unmet one every reason for which a signature did not count."""
    if not settings.groups:
        return (Finding(code=UNMET, outcome=Outcome.FAIL, message="the policy names nobody who could sign"),)
    met = {result.name for result in groups_met(evidence, settings)}
    findings = [_finding(evidence, group, settings, is_met=group.name in met) for group in settings.groups]
    unmet = [group for group in settings.groups if group.name not in met]
    if unmet:
        findings += _reasons(evidence, settings)
        findings += [_keyless(group) for group in unmet if _waits_for_keyless(evidence, group)]
    return tuple(findings)


def _finding(evidence: Evidence, group: SignerGroup, settings: SignerSettings, *, is_met: bool) -> Finding:
    signers = signers_of(evidence, group, settings.digests)
    who = ", ".join(sorted(r.identity.unique for r in signers if r.identity is not None)) or "nobody"
    return Finding(
        code=UNMET,
        outcome=Outcome.PASS if is_met else Outcome.FAIL,
        message=f"{len(signers)} of {group.require} required signers of group {shown(group.name)} signed",
        where=f"signers.{shown(group.name)}",
        expected=f"{group.require} of {_names(group)}",
        found=who,
        hint="" if is_met else f"have it signed by {group.require} distinct signers of this group",
    )


def _names(group: SignerGroup) -> str:
    names = (r.reference if isinstance(r, KeyRequirement) else f"{r.subject} by {r.issuer}" for r in group.any)
    return shown(", ".join(names), limit=400)


def _reasons(evidence: Evidence, settings: SignerSettings) -> list[Finding]:
    if not evidence.signatures:
        return [
            Finding(
                code=UNSIGNED,
                outcome=Outcome.FAIL,
                message="the package has no signature",
                expected="a signature by a signer that the policy names",
                found="none",
                hint="sign it with mlsign sign, or ask its publisher for the signed package",
            )
        ]
    reasons = [reason for record in evidence.signatures for reason in record.reasons]
    return [*reasons, *refused(evidence, settings.digests)]


def _waits_for_keyless(evidence: Evidence, group: SignerGroup) -> bool:
    wants = any(not isinstance(requirement, KeyRequirement) for requirement in group.any)
    return wants and any(record.method is Method.KEYLESS for record in evidence.signatures)


def _keyless(group: SignerGroup) -> Finding:
    return Finding(
        code=UNMET,
        outcome=Outcome.UNKNOWN,
        message=f"group {shown(group.name)} could be met by a keyless signature, which this version cannot authenticate",
        where=f"signers.{shown(group.name)}",
        expected=_names(group),
        found="a keyless signature that was not authenticated",
        hint="have the package signed with a key that the group names",
    )
