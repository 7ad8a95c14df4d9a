"""Whether a newer release of the same package was allowed before: replaying an old one, signed as well as ever, is refused."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence
from mlsign.paths import MANIFEST_NAME
from mlsign.policy.model import Rollback

CODE: Final = "MLS403"
_WHERE: Final = f"{MANIFEST_NAME} version"


def check(evidence: Evidence, settings: Rollback) -> tuple[Finding, ...]:
    """A finding when the policy refuses older releases; unknown where nobody knows the version, or what was seen."""
    if settings is not Rollback.DENY:
        return ()
    seen = evidence.seen
    if evidence.manifest is None:
        return (_unknown("the version is not known without a manifest, so an older release would not be noticed"),)
    if seen is None:
        return (_unknown("nothing was looked up of what was allowed before"),)
    if seen.problem is not None:
        return (seen.problem,)
    version = evidence.manifest.version
    if seen.version is None:
        return (
            _finding(Outcome.PASS, f"{version} is the first release of {evidence.manifest.name} seen here", found=str(version)),
        )
    expected = f"{seen.version} or newer"
    if version < seen.version:
        message = f"{version} is older than {seen.version}, which was allowed before"
        return (_finding(Outcome.FAIL, message, expected=expected, found=str(version), hint="deploy the newer release"),)
    if not seen.version < version and seen.digest != evidence.digest:
        message = f"{version} was allowed before with other content"
        hint = "a release never changes: give the changed package a new version"
        return (_finding(Outcome.FAIL, message, expected=str(seen.digest), found=str(evidence.digest), hint=hint),)
    return (_finding(Outcome.PASS, f"{version} is not older than {seen.version}", expected=expected, found=str(version)),)


def _finding(outcome: Outcome, message: str, *, expected: str = "", found: str = "", hint: str = "") -> Finding:
    return Finding(code=CODE, outcome=outcome, message=message, where=_WHERE, expected=expected, found=found, hint=hint)


def _unknown(message: str) -> Finding:
    return _finding(Outcome.UNKNOWN, message, expected="the newest release that was allowed before")
