"""By which digests a signature may know the content: an algorithm that the policy does not list counts for nothing."""

from __future__ import annotations

from typing import Final

from mlsign.digest import Algorithm
from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence, SignatureRecord

CODE: Final = "MLS112"


def accepted(evidence: Evidence, settings: frozenset[Algorithm]) -> tuple[SignatureRecord, ...]:
    """The counted signatures whose digests are all of listed algorithms; one without any digest is not among them."""
    return tuple(r for r in evidence.counted if r.algorithms and r.algorithms <= settings)


def refused(evidence: Evidence, settings: frozenset[Algorithm]) -> tuple[Finding, ...]:
    """A finding for each counted signature that is over other digests."""
    kept = accepted(evidence, settings)
    return tuple(_refusal(record, settings) for record in evidence.counted if record not in kept)


def check(evidence: Evidence, settings: frozenset[Algorithm]) -> tuple[Finding, ...]:
    """What the content is known by.

    A signature over other digests beside one that is accepted only does not count; without an accepted one it denies.
    """
    kept = accepted(evidence, settings)
    if not kept:
        return refused(evidence, settings)
    names = _names(frozenset[Algorithm]().union(*(record.algorithms for record in kept)))
    return (Finding(code=CODE, outcome=Outcome.PASS, message=f"signed content is known by {names}", found=names),)


def _refusal(record: SignatureRecord, settings: frozenset[Algorithm]) -> Finding:
    found = _names(record.algorithms) or "none"
    return Finding(
        code=CODE,
        outcome=Outcome.FAIL,
        message=f"the signature knows content by {found}, the policy accepts {_names(settings)}",
        where=shown(record.bundle),
        expected=_names(settings),
        found=found,
        hint="sign again over an accepted digest, or list the algorithm under digests",
    )


def _names(algorithms: frozenset[Algorithm]) -> str:
    return ", ".join(sorted(algorithm.value for algorithm in algorithms))
