"""Where a model is from: what its manifest claims, and what a build platform that the policy names attests.

A statement by somebody else, about something else, or broken neither helps nor harms; it is told where the demand is not met.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from mlsign.digest import Digest
from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome, listed
from mlsign.evidence.record import Evidence, SignatureRecord
from mlsign.formats.manifest import Provenance
from mlsign.identity import Identity
from mlsign.paths import MANIFEST_NAME
from mlsign.policy.patterns import TextPattern
from mlsign.policy.provenance import AttestedDemands, ClaimDemands, ProvenanceSettings
from mlsign.policy.rules.countable import CountSettings, shortcomings

if TYPE_CHECKING:
    from mlsign.formats.slsa import SlsaProvenance, SlsaStatement

CODE: Final = "MLS404"
IDLE: Final = "MLS219"
_CLAIMS: Final = f"{MANIFEST_NAME} provenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The demands, and what every signature must be to count."""

    provenance: ProvenanceSettings
    count: CountSettings


def check(evidence: Evidence, settings: Settings, *, now: datetime) -> tuple[Finding, ...]:
    """Findings where the policy asks for provenance."""
    asked = settings.provenance
    if not asked.required:
        return ()
    claims = () if asked.wanted_claims is None else _claimed(evidence, asked.wanted_claims)
    attested = () if asked.attested is None else _attested(evidence, asked.attested, settings.count, now=now)
    return listed((*claims, *attested))


def _claimed(evidence: Evidence, asked: ClaimDemands) -> tuple[Finding, ...]:
    if evidence.manifest is None:
        message = "what is claimed about the origin of the model is not known without a manifest"
        return (Finding(code=CODE, outcome=Outcome.UNKNOWN, message=message, where=MANIFEST_NAME),)
    found = evidence.manifest.provenance
    if found is None or found == Provenance():
        return (_missing("the manifest says nothing about where the model is from", "provenance"),)
    wrong = (
        *_named(found.builder, asked.builders, "builder"),
        *_named(found.source_repository, asked.sources, "source_repository"),
    )
    if asked.commit and not found.source_commit:
        wrong += (_missing("the manifest names no commit", "source_commit"),)
    if asked.time and not found.time:
        wrong += (_missing("the manifest names no time", "time"),)
    if asked.training_data and not found.training_data:
        wrong += (_missing("the manifest names no training data", "training_data"),)
    if asked.training_data and any(data.digest is None for data in found.training_data):
        wrong += (_missing("the manifest names training data without a digest", "training_data"),)
    if wrong:
        return wrong
    message = "the manifest claims the origin that the policy asks for"
    return (Finding(code=CODE, outcome=Outcome.PASS, message=message, where=_CLAIMS),)


def _missing(message: str, field: str) -> Finding:
    return Finding(
        code=CODE,
        outcome=Outcome.FAIL,
        message=message,
        where=_CLAIMS,
        expected=field,
        found="none",
        hint="pack it with mlsign pack --provenance FILE",
    )


def _named(found: str | None, wanted: tuple[TextPattern, ...], field: str) -> tuple[Finding, ...]:
    if not wanted or (found is not None and any(pattern.matches(found) for pattern in wanted)):
        return ()
    if found is None:
        return (_missing(f"the manifest names no {field}", field),)
    return (
        Finding(
            code=CODE,
            outcome=Outcome.FAIL,
            message=f"the manifest claims another {field} than the policy takes",
            where=f"{_CLAIMS}.{field}",
            expected=shown(" or ".join(map(str, wanted)), limit=400),
            found=shown(found),
        ),
    )


def _attested(evidence: Evidence, asked: AttestedDemands, count: CountSettings, *, now: datetime) -> tuple[Finding, ...]:
    if evidence.digest is None:
        message = "whether provenance is about this package is not known: its content could not be read"
        return (Finding(code=CODE, outcome=Outcome.UNKNOWN, message=message),)
    reasons: list[Finding] = []
    for record in sorted(evidence.provenance, key=lambda r: r.bundle):
        if record.identity is None or record.provenance is None:
            reasons.append(_not_counted(record, "it names nobody", "", ""))
            continue
        idle = _idle(record, record.identity, record.provenance, asked, digest=evidence.digest)
        wrong = idle or shortcomings(record, count.freshness, now=now) or _wrong(record, record.provenance.provenance, asked)
        if not wrong:
            message = "a build platform that the policy names attests how the package was made"
            found = shown(record.identity.unique)
            return (Finding(code=CODE, outcome=Outcome.PASS, message=message, where=shown(record.bundle), found=found),)
        reasons.extend(wrong)
    broken = (reason for record in evidence.signatures if record.claims_provenance for reason in record.reasons)
    return (
        Finding(
            code=CODE,
            outcome=Outcome.FAIL,
            message="no provenance statement about the package meets the policy",
            where="provenance.attested",
            expected=shown(f"a SLSA v1 statement by {' or '.join(map(str, asked.signed_by)) or 'nobody'}", limit=400),
            found=f"{len(evidence.provenance)} genuine",
            hint="put the bundle of the build platform into signatures/, or sign a statement with mlsign attest",
        ),
        *reasons,
        *broken,
    )


def _idle(
    record: SignatureRecord, identity: Identity, statement: SlsaStatement, asked: AttestedDemands, *, digest: Digest
) -> tuple[Finding, ...]:
    """Why a genuine statement is not looked at: it is about something else, or by somebody else."""
    if digest not in statement.subjects:
        found = ", ".join(sorted(map(str, statement.subjects))[:4]) or "no sha256"
        return (_not_counted(record, "it is about other content", str(digest), found),)
    if not any(requirement.is_met_by(identity) for requirement in asked.signed_by):
        wanted = " or ".join(map(str, asked.signed_by))
        return (_not_counted(record, "it is by somebody whom the policy does not name to attest", wanted, identity.unique),)
    return ()


def _not_counted(record: SignatureRecord, message: str, expected: str, found: str) -> Finding:
    return Finding(
        code=IDLE,
        outcome=Outcome.FAIL,
        message=f"the provenance is genuine and does not count: {message}",
        where=shown(record.bundle),
        expected=shown(expected, limit=400),
        found=shown(found, limit=400),
    )


def _wrong(record: SignatureRecord, found: SlsaProvenance, asked: AttestedDemands) -> tuple[Finding, ...]:
    from mlsign.policy.rules.attested import shortfalls

    return tuple(
        Finding(
            code=CODE,
            outcome=Outcome.FAIL,
            message=short.message,
            where=f"{shown(record.bundle)} {short.field}",
            expected=shown(short.expected, limit=400),
            found=shown(short.found),
        )
        for short in shortfalls(found, asked)
    )
