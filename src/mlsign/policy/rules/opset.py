"""Which versions of the operator sets a model may be written for."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome, listed
from mlsign.evidence.record import Evidence
from mlsign.interface import OpsetImport
from mlsign.policy.model import VersionRange

CODE: Final = "MLS304"


def check(evidence: Evidence, settings: MappingProxyType[str, VersionRange]) -> tuple[Finding, ...]:
    """A finding for each import that is out of range; a domain without a range is left to the operators rule."""
    if not settings:
        return ()
    if evidence.summary is None:
        message = "the operator set versions of the model are not known: it was not read"
        return (Finding(code=CODE, outcome=Outcome.UNKNOWN, message=message),)
    judged = [item for item in evidence.summary.opsets if item.domain in settings]
    wrong = [item for item in judged if not _is_within(item, settings[item.domain])]
    if wrong:
        return listed([_refusal(item, settings[item.domain]) for item in wrong])
    found = ", ".join(f"{item.domain} {item.version}" for item in judged)
    return (Finding(code=CODE, outcome=Outcome.PASS, message="operator set versions are in range", found=found),)


def _is_within(item: OpsetImport, allowed: VersionRange) -> bool:
    return allowed.minimum <= item.version <= allowed.maximum


def _refusal(item: OpsetImport, allowed: VersionRange) -> Finding:
    return Finding(
        code=CODE,
        outcome=Outcome.FAIL,
        message=f"the model imports {shown(item.domain)} version {item.version}, the policy allows {shown(allowed.text)}",
        where=shown(item.domain),
        expected=allowed.text,
        found=str(item.version),
        hint="export the model for an operator set in this range",
    )
