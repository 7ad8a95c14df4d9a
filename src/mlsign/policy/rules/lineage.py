"""What a policy loosens of those that it extends, said out loud in every report."""

from __future__ import annotations

from typing import Final

from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.policy.lineage import Lineage

CODE: Final = "MLS430"


def check(settings: Lineage) -> tuple[Finding, ...]:
    """A finding that passed for each field that is looser than in a parent, with both values, both policies and the reason."""
    return tuple(
        Finding(
            code=CODE,
            outcome=Outcome.PASS,
            message=f"LOOSENED: {shown(each.child)} loosens {shown(each.field)} of {shown(each.parent)} "
            f"from {each.tight} to {each.loose}: {shown(each.reason)}",
            where=shown(each.field),
            expected=each.tight,
            found=each.loose,
        )
        for each in settings.loosened
    )
