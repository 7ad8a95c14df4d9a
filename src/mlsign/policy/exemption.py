"""Exceptions of a policy: findings that do not deny one package, until a day; and which codes can be excepted at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mlsign.digest import Digest
from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome

USED: Final = "MLS421"
EXPIRED: Final = "MLS422"
EXEMPTIBLE: Final = frozenset(
    {
        *("MLS301", "MLS302", "MLS303", "MLS304", "MLS305", "MLS306", "MLS307", "MLS312"),
        *("MLS380", "MLS382", "MLS402"),
    }
)
"""The codes that are a matter of what a policy wants of a model or a version.

Everything else says that content, signatures or the reading of the model are not in order, or that a release was revoked or
rolled back: an exception from these would let in what nobody signed, nobody read or somebody took back.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """Failures with these ``codes`` do not deny the package with this subject digest before ``until``."""

    digest: Digest
    codes: frozenset[str]
    reason: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Excepted:
    """An exception that was used, and the findings that would have denied without it."""

    exemption: Exemption
    findings: tuple[Finding, ...]


def excepted(
    exemptions: Iterable[Exemption], findings: Iterable[Finding], *, digest: Digest | None, now: datetime
) -> tuple[Excepted, ...]:
    """The exceptions that cover a failure of this package now; a package without a digest has none.

    Only ``FAIL`` is covered: an unknown is not the fault that somebody looked at when they wrote the exception. Each finding
    is covered by itself, so one more finding or less takes nothing from the others and gives them nothing.
    """
    found = tuple(findings)
    uses = ((item, _covered(item, found)) for item in exemptions if item.digest == digest and now < item.until)
    return tuple(Excepted(exemption=item, findings=covered) for item, covered in uses if covered)


def told(
    exemptions: Iterable[Exemption], findings: Iterable[Finding], *, digest: Digest | None, now: datetime
) -> tuple[Finding, ...]:
    """What there is to say of exceptions: a pass for each that is used, a failure for each that would be and has ended."""
    found = tuple(findings)
    mine = tuple(item for item in exemptions if item.digest == digest and _covered(item, found))
    return tuple(_used(item) if now < item.until else _expired(item) for item in mine)


def _covered(item: Exemption, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    codes = item.codes & EXEMPTIBLE
    return tuple(finding for finding in findings if finding.code in codes and finding.outcome is Outcome.FAIL)


def _used(item: Exemption) -> Finding:
    return Finding(
        code=USED,
        outcome=Outcome.PASS,
        message=f"an exception from {_names(item)} is used: {shown(item.reason)}",
        where=str(item.digest),
        expected=f"nothing of it after {item.until:%Y-%m-%dT%H:%M:%SZ}",
    )


def _expired(item: Exemption) -> Finding:
    return Finding(
        code=EXPIRED,
        outcome=Outcome.FAIL,
        message=f"the exception from {_names(item)} has ended: {shown(item.reason)}",
        where=str(item.digest),
        expected=f"a decision before {item.until:%Y-%m-%dT%H:%M:%SZ}",
        hint="deploy a release that needs no exception, or decide anew and write a later until",
    )


def _names(item: Exemption) -> str:
    return ", ".join(sorted(item.codes))
