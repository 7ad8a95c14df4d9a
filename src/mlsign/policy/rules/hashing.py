"""Files whose bytes were known from before, so that they were not read for this decision."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence, KnownBy, UnreadFile
from mlsign.policy.model import Hashing
from mlsign.words import counted, size

CODE: Final = "MLS116"
_WORDS: Final = {
    KnownBy.SEALED_MEMORY: "were hashed before, in memory that is sealed since and is used in their place",
    KnownBy.STORE: "were hashed when a store took them in, and nobody has touched them since",
}
_SHOWN: Final = 8


def check(evidence: Evidence, hashing: Hashing) -> tuple[Finding, ...]:
    """Says what was not read. Sealed memory stays as it was hashed by itself; a store is believed where the policy says so."""
    out = []
    for known_by, words in _WORDS.items():
        files = tuple(file for file in evidence.unread if file.known_by is known_by)
        if not files:
            continue
        allowed = known_by is KnownBy.SEALED_MEMORY or hashing is Hashing.ONCE
        out.append(
            Finding(
                code=CODE,
                outcome=Outcome.PASS if allowed else Outcome.UNKNOWN,
                message=f"{counted(len(files), 'file')}, {size(sum(file.size for file in files))}, {words}: not read now",
                expected="" if allowed else f"hashing: {Hashing.ONCE.value}, or files that were read",
                found=_names(files),
                hint="" if allowed else "verify again without --store",
            )
        )
    return tuple(out)


def _names(files: tuple[UnreadFile, ...]) -> str:
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return f"{', '.join(str(file.path) for file in files[:_SHOWN])}{more}"
