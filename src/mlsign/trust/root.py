"""What is trusted: the keys a policy names. Roots for certificates and keyless identities join it here."""

from __future__ import annotations

from dataclasses import dataclass

from mlsign.trust.keys import PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRoot:
    """Everything a signature can be authenticated against; an empty root authenticates nothing."""

    keys: tuple[PublicKey, ...]
