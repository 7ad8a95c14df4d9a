"""Where weights may lie: in the model, or in files of the package that it was signed with, and nowhere else."""

from __future__ import annotations

from typing import Final

from mlsign.errors import InputError, shown
from mlsign.evidence.findings import Finding, Outcome, listed
from mlsign.evidence.record import Evidence
from mlsign.formats.manifest import Manifest, Role
from mlsign.paths import decode_path
from mlsign.policy.model import ExternalData

CODE: Final = "MLS307"


def check(evidence: Evidence, settings: ExternalData) -> tuple[Finding, ...]:
    """A finding for each location that is refused, or one that all of them are in order."""
    if evidence.summary is None:
        message = "the external data of the model is not known: it was not read"
        return (Finding(code=CODE, outcome=Outcome.UNKNOWN, message=message),)
    locations = sorted({tensor.location for tensor in evidence.summary.external})
    if settings is ExternalData.DENY:
        reasons = [(location, "is a file of its own, and the policy denies external data") for location in locations]
    else:
        reasons = [(x, reason) for x in locations if (reason := _reason(x, evidence.manifest))]
    if reasons:
        return listed([_refusal(location, reason) for location, reason in reasons])
    found = f"{len(locations)} files" if len(locations) != 1 else "1 file"
    return (Finding(code=CODE, outcome=Outcome.PASS, message=f"external data is in {found} of the package", found=found),)


def _reason(location: str, manifest: Manifest | None) -> str:
    """Why a location is refused; empty when it is a file of weights beside the model.

    That the bytes are the signed ones is the content check's; this one keeps the name from meaning another file.
    """
    try:
        path = decode_path(location)
    except InputError as err:
        return f"is no file of the package: {err.message}"
    if manifest is None:
        return ""
    folder = manifest.model.path.text.rpartition("/")[0]
    wanted = f"{folder}/{path.text}" if folder else path.text
    known = {entry.path.text for entry in manifest.files if entry.role is Role.WEIGHTS}
    return "" if wanted in known else "is not listed as weights in the manifest"


def _refusal(location: str, reason: str) -> Finding:
    name = shown(location)
    return Finding(
        code=CODE,
        outcome=Outcome.FAIL,
        message=f"external data in {name} {reason}",
        where=name,
        expected="weights listed in the manifest, or in the model itself",
        found=name,
        hint="pack the model again together with its weights, or save it as one file",
    )
