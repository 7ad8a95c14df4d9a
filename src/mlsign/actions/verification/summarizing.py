"""What is said of a report in a verification summary."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from mlsign.actions.policies.load_policy import LoadedPolicy
from mlsign.actions.verification.summaries import trusted_digest
from mlsign.errors import InputError
from mlsign.evidence.record import Evidence, SignatureRecord
from mlsign.formats.verification_summary import (
    UNEVALUATED,
    VERIFIER_ID,
    Judged,
    ResourceReference,
    Result,
    VerificationSummary,
    package_uri,
    policy_uri,
)
from mlsign.paths import SIGNATURES_NAME
from mlsign.policy.model import Decision, Verdict

SLSA_VERSION: Final = "1.0"


def summarize(loaded: LoadedPolicy, evidence: Evidence, decision: Decision, *, now: datetime) -> VerificationSummary:
    """What can be said of a package that was allowed.

    Raises ``InputError`` (``attest.…``) for one that was not, whatever the mode; that rests on somebody else's summary, which
    would be young again without anybody having looked; or that has no manifest to say what the files are called.
    """
    manifest = evidence.manifest
    if decision.verdict is not Verdict.ALLOW:
        raise InputError("is denied, and only what is allowed is attested", code="attest.denied")
    if decision.summary is not None:
        raise InputError(
            "is allowed by a verification summary, and no second one is made from that",
            code="attest.second_hand",
            where=decision.summary.bundle,
            hint="attest where the signatures themselves are verified",
        )
    if manifest is None or evidence.manifest_digest is None or evidence.digest is None:
        raise InputError(
            "has no manifest, so a summary could not say what its files are called",
            code="attest.manifest",
            hint="pack the model with mlsign pack and sign the package",
        )
    counted = {record.bundle: record for group in decision.met for record in group.signatures}
    return VerificationSummary(
        name=f"{manifest.name}-{manifest.version}",
        subject=evidence.digest,
        verifier=VERIFIER_ID,
        version=_version(),
        verified=now.replace(microsecond=0),
        resource=package_uri(manifest.name, manifest.version.text),
        policy=ResourceReference(uri=policy_uri(loaded.policy.name), digest=loaded.policy.digest),
        inputs=tuple(_input(counted[name]) for name in sorted(counted)),
        result=Result.PASSED,
        levels=(UNEVALUATED,),
        slsa=SLSA_VERSION,
        judged=Judged(
            manifest=evidence.manifest_digest, trusted=trusted_digest(loaded), signed=_earliest(tuple(counted.values()))
        ),
    )


def _input(record: SignatureRecord) -> ResourceReference:
    # Where a signature lay on the machine of whoever verified is nobody's business.
    inside = record.bundle.startswith(f"{SIGNATURES_NAME}/")
    return ResourceReference(uri=record.bundle if inside else "", digest=record.digest)


def _earliest(records: tuple[SignatureRecord, ...]) -> datetime | None:
    """The time of the oldest signature, None where one of them has no time that can be trusted."""
    if not records or not all(record.times for record in records):
        return None
    return min(time.time for record in records for time in record.times).replace(microsecond=0)


def _version() -> str:
    try:
        return version("mlsign")
    except PackageNotFoundError:
        return ""  # run from a folder that was never installed
