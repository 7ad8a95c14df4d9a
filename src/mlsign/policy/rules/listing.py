"""Findings in bounded number: a hostile model must not make a report as large as itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from mlsign.evidence.findings import Finding

MAX_LISTED: Final = 100
"""Findings of one rule that are spelled out; nobody reads more, and the first ones say what is going on."""


def listed(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The first ``MAX_LISTED`` in a fixed order, and one more finding that counts the rest."""
    ordered = sorted(findings, key=lambda f: (f.code, f.where, f.message))
    rest = ordered[MAX_LISTED:]
    if not rest:
        return tuple(ordered)
    summary = replace(rest[0], message=f"and {len(rest)} more of this kind", where="", expected="", found="", hint="")
    return (*ordered[:MAX_LISTED], summary)
