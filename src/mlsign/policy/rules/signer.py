"""Who must have signed: every group of the policy met by enough distinct people.

Only signatures that may count at all are looked at. A denial rests on an unmet group alone, never on a signature that is
there: so adding a broken or foreign signature to a good package cannot deny it, and removing one cannot allow anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence, SignatureRecord
from mlsign.identity import distinct
from mlsign.policy.model import GroupResult, SignerGroup
from mlsign.policy.requirements import whoever_meets
from mlsign.policy.rules.countable import CountSettings, countable, countersigning, refused

UNSIGNED: Final = "MLS201"
UNMET: Final = "MLS205"
SOMEBODY_ELSE: Final = "MLS215"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerSettings:
    """The groups, and what a signature must be to count for any."""

    groups: tuple[SignerGroup, ...]
    count: CountSettings


def signers_of(evidence: Evidence, group: SignerGroup, settings: SignerSettings, *, now: datetime) -> tuple[SignatureRecord, ...]:
    """The signatures that count for a group: one for each distinct person, in the order of bundle names.

    People are told apart by everything they are known by: the same key under two names, or one name with two keys, is
    one person, by whatever methods they sign.
    """
    meant = _meant(evidence, group, settings, now=now)
    people = distinct(record.identity for record in meant if record.identity is not None)
    # One person's signatures may have one identity between them: the first stands for all.
    first: dict[int, SignatureRecord] = {}
    for record in meant:
        first.setdefault(id(record.identity), record)
    return tuple(first[id(person)] for person in people)


def _meant(evidence: Evidence, group: SignerGroup, settings: SignerSettings, *, now: datetime) -> list[SignatureRecord]:
    """Every signature that counts for a group, however many are by one person."""
    if group.countersigns:
        found = _countersigning(evidence, group, settings, now=now)
    else:
        found = countable(evidence, settings.count, now=now)
    is_meant = whoever_meets(group.any)
    return [
        record for record in sorted(found, key=lambda r: r.bundle) if record.identity is not None and is_meant(record.identity)
    ]


def _countersigning(
    evidence: Evidence, group: SignerGroup, settings: SignerSettings, *, now: datetime
) -> tuple[SignatureRecord, ...]:
    """Countersignatures over what counts for the other group, none of them by the one who made it."""
    others = [other for other in settings.groups if other.name == group.countersigns and not other.countersigns]
    signed = {
        record.digest: record.identity.marks
        for other in others
        for record in _meant(evidence, other, settings, now=now)
        if record.digest is not None and record.identity is not None
    }
    return tuple(
        record
        for record in countersigning(evidence, settings.count, now=now)
        if record.about in signed and record.identity is not None and not record.identity.marks & signed[record.about]
    )


def groups_met(evidence: Evidence, settings: SignerSettings, *, now: datetime) -> tuple[GroupResult, ...]:
    """The groups that are met, each with the signatures that met it."""
    found = ((group, signers_of(evidence, group, settings, now=now)) for group in settings.groups)
    return tuple(
        GroupResult(name=group.name, require=group.require, signatures=signers)
        for group, signers in found
        if _is_met(group, signers)
    )


def _is_met(group: SignerGroup, signers: tuple[SignatureRecord, ...]) -> bool:
    return 0 < group.require <= len(signers)


def check(evidence: Evidence, settings: SignerSettings, *, now: datetime) -> tuple[Finding, ...]:
    """One finding for each group, and with an unmet one every reason for which a signature did not count."""
    if not settings.groups:
        return (Finding(code=UNMET, outcome=Outcome.FAIL, message="the policy names nobody who could sign"),)
    findings = [_finding(group, signers_of(evidence, group, settings, now=now)) for group in settings.groups]
    if any(finding.outcome is not Outcome.PASS for finding in findings):
        findings += _reasons(evidence, settings, now=now)
    return tuple(findings)


def _finding(group: SignerGroup, signers: tuple[SignatureRecord, ...]) -> Finding:
    is_met = _is_met(group, signers)
    who = ", ".join(sorted(r.identity.unique for r in signers if r.identity is not None)) or "nobody"
    return Finding(
        code=UNMET,
        outcome=Outcome.PASS if is_met else Outcome.FAIL,
        message=f"{len(signers)} of {group.require} required signers of group {shown(group.name)} {_done(group)}",
        where=f"signers.{shown(group.name)}",
        expected=f"{group.require} of {_names(group)}",
        found=shown(who, limit=400),
        hint="" if is_met else f"have it signed by {group.require} distinct signers of this group",
    )


def _done(group: SignerGroup) -> str:
    return f"countersigned for group {shown(group.countersigns)}" if group.countersigns else "signed"


def _names(group: SignerGroup) -> str:
    return shown(", ".join(map(str, group.any)), limit=400)


def _reasons(evidence: Evidence, settings: SignerSettings, *, now: datetime) -> list[Finding]:
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
    return [*reasons, *refused(evidence, settings.count, now=now), *_strangers(evidence, settings, now=now)]


def _strangers(evidence: Evidence, settings: SignerSettings, *, now: datetime) -> list[Finding]:
    """Genuine signatures by people whom no group names: found beside wanted, since a typo in a policy looks like this."""
    wanted = [requirement for group in settings.groups for requirement in group.any]
    is_wanted = whoever_meets(wanted)
    names = shown(", ".join(dict.fromkeys(map(str, wanted))), limit=400)
    return [
        Finding(
            code=SOMEBODY_ELSE,
            outcome=Outcome.FAIL,
            message="the signature is genuine, by somebody whom the policy does not name",
            where=shown(record.bundle),
            expected=names,
            found=shown(_told(record), limit=400),
            hint="check who this is; if the signer should count, name exactly this identity in the policy",
        )
        for record in (*countable(evidence, settings.count, now=now), *evidence.strangers)
        if record.identity is not None and not is_wanted(record.identity)
    ]


def _told(record: SignatureRecord) -> str:
    return "" if record.identity is None else ", ".join(f"{name} {value}" for name, value in record.identity.describe().items())
