"""What a policy says of verification summaries: whose stand in for signatures, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from mlsign.digest import Digest
from mlsign.identity import CertificateIdentity, Identity, KeyIdentity, KeylessIdentity
from mlsign.policy.requirements import KeyRequirement, Requirement


class Store(Enum):
    """What keeps bytes as they were when they were hashed, so that a summary admits them without hashing them again."""

    SEALED_MEMORY = "sealed-memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class SummarySettings:
    """Whose summaries may stand in for signatures, up to which age.

    The policy alone accepts none: ``chosen`` are the names of those whom the caller is ready to take one from, and ``trusted``
    binds what the files hold that the policy names. Both are empty until somebody asks. Of bytes in one of ``stores`` nothing is
    hashed again; all others are.
    """

    accept: tuple[Requirement, ...]
    max_age: timedelta
    chosen: frozenset[str] = frozenset()
    trusted: Digest | None = None
    stores: frozenset[Store] = frozenset()

    def names(self, identity: Identity) -> bool:
        """Whether the policy accepts summaries by ``identity`` and the caller asked for them."""
        return any(
            requirement.is_met_by(identity) and not self.chosen.isdisjoint(_names_of(requirement, identity))
            for requirement in self.accept
        )


def _names_of(requirement: Requirement, identity: Identity) -> frozenset[str]:
    """What somebody may be called: as the policy writes a key, or as reports show who signed."""
    names = {identity.unique}
    names |= {requirement.reference} if isinstance(requirement, KeyRequirement) else set()
    names |= {str(identity.spki)} if isinstance(identity, KeyIdentity) else set()
    names |= {identity.subject} if isinstance(identity, (KeylessIdentity, CertificateIdentity)) else set()
    names |= {str(identity.fingerprint), *identity.names} if isinstance(identity, CertificateIdentity) else set()
    return frozenset(names - {""})
