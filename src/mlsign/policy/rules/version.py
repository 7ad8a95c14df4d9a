"""How old a release may be by its version: an old one, signed as well as ever, may have a fault that is known by now."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence
from mlsign.paths import MANIFEST_NAME
from mlsign.version import Version

CODE: Final = "MLS402"


def check(evidence: Evidence, settings: Version | None) -> tuple[Finding, ...]:
    """A finding when the policy sets a minimum; unknown without a manifest, which alone says the version."""
    if settings is None:
        return ()
    expected = f"{settings} or newer"
    if evidence.manifest is None:
        message = f"the version is not known without a manifest, the policy asks for {expected}"
        return (Finding(code=CODE, outcome=Outcome.UNKNOWN, message=message, where=MANIFEST_NAME, expected=expected),)
    version = evidence.manifest.version
    old = version < settings
    return (
        Finding(
            code=CODE,
            outcome=Outcome.FAIL if old else Outcome.PASS,
            message=f"the version is {version}, the policy asks for {expected}",
            where=f"{MANIFEST_NAME} version",
            expected=expected,
            found=str(version),
            hint="deploy a newer release" if old else "",
        ),
    )
