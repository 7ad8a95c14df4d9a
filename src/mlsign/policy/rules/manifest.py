"""Whether a package must say what it is."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence
from mlsign.paths import MANIFEST_NAME
from mlsign.policy.model import ManifestMode

CODE: Final = "MLS108"


def check(evidence: Evidence, settings: ManifestMode) -> tuple[Finding, ...]:
    """A failure when the policy requires a manifest and no readable one is there."""
    if evidence.manifest is not None:
        name = f"{evidence.manifest.name} {evidence.manifest.version}"
        return (Finding(code=CODE, outcome=Outcome.PASS, message="the package has a manifest", where=MANIFEST_NAME, found=name),)
    if settings is ManifestMode.OPTIONAL:
        return ()
    return (
        Finding(
            code=CODE,
            outcome=Outcome.FAIL,
            message="the package has no manifest that could be read, and the policy requires one",
            where=MANIFEST_NAME,
            expected=MANIFEST_NAME,
            found="none",
            hint="pack the model with mlsign pack, or set manifest: optional for folders that others signed",
        ),
    )
