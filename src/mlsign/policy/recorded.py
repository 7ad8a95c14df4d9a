"""Recorded evidence: what was found out about a package, written down to try policies on, and never in place of the package.

Gathering already depends on the policy that it was gathered under (which statements are read, which files may lie about
unsigned, what reading may cost). ``decide_recorded`` holds a policy against that: what the record cannot show is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from mlsign.digest import Algorithm, Digest
from mlsign.errors import InputError, shown
from mlsign.evidence.codec import decode_record, encode_record
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence
from mlsign.formats.statement import StatementFormat
from mlsign.limits import DEFAULT, Limits
from mlsign.paths import PackagePath
from mlsign.policy.decide import decide
from mlsign.policy.model import Decision, Policy
from mlsign.policy.requirements import CertificateRequirement

SCHEMA: Final = "mlsign/evidence/v1"
GAP: Final = "MLS490"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What of a policy gathering depends on. ``every_digest`` says that files were hashed by every algorithm there is."""

    policy: Digest
    formats: frozenset[StatementFormat]
    unsigned_files: tuple[PackagePath, ...]
    digests: frozenset[Algorithm]
    every_digest: bool
    limits: Mapping[str, int]
    open_dimension: int
    trust_file: str
    trust_instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Evidence, the conditions that it was gathered under, and the time."""

    schema: str
    now: datetime
    conditions: Conditions
    evidence: Evidence


def record(policy: Policy, evidence: Evidence, *, now: datetime) -> Recording:
    """The recording of evidence that was gathered under ``policy``."""
    return Recording(schema=SCHEMA, now=now, conditions=_conditions(policy), evidence=evidence)


def _conditions(policy: Policy) -> Conditions:
    return Conditions(
        policy=policy.digest,
        formats=policy.formats,
        unsigned_files=policy.unsigned_files,
        digests=policy.digests,
        every_digest=bool(policy.revoked),
        limits=policy.model.limits,
        open_dimension=policy.model.run.open_dimension,
        trust_file=policy.freshness.trust.file,
        trust_instance=policy.freshness.trust.instance,
    )


def encode_recording(recording: Recording) -> bytes:
    """The canonical bytes. Raises ``InputError`` for what JSON cannot carry exactly."""
    return encode_record(recording)


def decode_recording(data: bytes, *, where: str, limits: Limits = DEFAULT) -> Recording:
    """The recording. Raises ``InputError`` (``evidence.…`` and the codes of what is in it)."""
    recording = decode_record(data, Recording, where=where, limits=limits)
    if recording.schema != SCHEMA:
        raise InputError(f"is {shown(recording.schema)}, expected {SCHEMA}", code="evidence.schema", where=f"{where}.schema")
    return recording


def decide_recorded(policy: Policy, recording: Recording, *, now: datetime) -> Decision:
    """What ``policy`` would make of the package that was recorded; what the recording does not show is unknown, and denies."""
    return decide(policy, with_gaps(policy, recording), now=now)


def with_gaps(policy: Policy, recording: Recording) -> Evidence:
    """The evidence, with a finding for each thing that gathering under ``policy`` could have found and the recording does not show."""
    gaps = tuple(
        Finding(
            code=GAP,
            outcome=Outcome.UNKNOWN,
            message=f"the record does not show what the policy needs: {message}",
            hint="record the evidence again under this policy, with mlsign verify --record",
        )
        for message in _gaps(policy, recording)
    )
    return replace(recording.evidence, findings=(*recording.evidence.findings, *gaps))


def _gaps(policy: Policy, recording: Recording) -> list[str]:
    """Each way in which gathering under ``policy`` could have found something worse than what was recorded."""
    then, wanted = recording.conditions, _conditions(policy)
    looser = [name for name, value in wanted.limits.items() if then.limits.get(name, value + 1) > value]
    certificates = any(isinstance(asked, CertificateRequirement) for asked in policy.asked)
    same_trust = (then.trust_file, then.trust_instance) == (wanted.trust_file, wanted.trust_instance)
    found = {
        "signatures of further formats were counted": not then.formats <= wanted.formats,
        "further files were let lie unsigned": not set(then.unsigned_files) <= set(wanted.unsigned_files),
        "the package was named by other digests": then.digests != wanted.digests,
        "files were not hashed by every algorithm, so a revoked one may not show": wanted.every_digest and not then.every_digest,
        f"models were read with looser limits ({', '.join(looser)})": bool(looser),
        "runs were computed with another size of open dimensions": then.open_dimension != wanted.open_dimension,
        "certificates were held against the lists of another policy": certificates and then.policy != wanted.policy,
        "the model was run on its golden test data under another policy": policy.golden.replay and then.policy != wanted.policy,
        "signatures were held against another trust root": policy.needs_trust_root and not same_trust,
        "it was recorded without a trust root": policy.needs_trust_root and recording.evidence.trust is None,
    }
    return [message for message, is_gap in found.items() if is_gap]
