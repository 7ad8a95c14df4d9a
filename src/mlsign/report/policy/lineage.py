"""What a report says of the policy itself: its chain, who signed it, and what it loosens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlsign.errors import shown
from mlsign.policy.model import Policy

_MANY: Final = 50


def policy_facts(policy: Policy) -> Iterator[str]:
    """A line for its chain, and one for its signer, where there is such a thing."""
    lineage = policy.lineage
    if len(lineage.chain) > 1:
        yield " extends ".join(f"{shown(link.name)} ({shown(link.source)})" for link in lineage.chain)
    if lineage.signer is not None:
        revision = "" if policy.revision is None else f", revision {policy.revision}"
        yield f"signed by {shown(lineage.signer.unique)}{revision}"


def loosenings(policy: Policy) -> Iterator[str]:
    """A line for each field that is looser than in a parent."""
    found = policy.lineage.loosened
    for each in found[:_MANY]:
        yield (
            f"LOOSENED: {shown(each.child)} loosens {shown(each.field)} of {shown(each.parent)} "
            f"from {each.tight} to {each.loose}: {shown(each.reason)}"
        )
    if len(found) > _MANY:
        yield f"and {len(found) - _MANY} more are loosened: --format json lists them all"
