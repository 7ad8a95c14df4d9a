"""What a policy asks of times and logs: proof of publication, age of signatures, and how fresh the trust data must be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum


class LogDemand(Enum):
    """Whether a signature counts only with a proof that a transparency log has it."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class TimeDemand(Enum):
    """Whether a signature counts only with a trusted time: by a timestamp authority, or by whoever vouches for one."""

    REQUIRED = "required"
    EITHER = "either"
    OPTIONAL = "optional"


class AgeProof(Enum):
    """What the age of a signature is taken from.

    A timestamp proves that a signature is no younger than it says, and whoever serves an old one can take the old timestamp
    out and get a new one. Only a certificate of minutes says that it is no older either, so with ``BOUNDED`` other signatures
    have no age that is known.
    """

    STAMPED = "stamped"
    BOUNDED = "bounded"


class StaleTrust(Enum):
    """What follows when the trust data is past its expiry: nothing that rests on it counts, or it is merely said."""

    DENY = "deny"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transparency:
    """Demands on every signature that is to count."""

    log: LogDemand = LogDemand.OPTIONAL
    timestamp: TimeDemand = TimeDemand.OPTIONAL


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSettings:
    """Where the Sigstore trust root comes from and how old it may be.

    ``file`` is a path relative to the policy, or empty for the root that ``mlsign trust`` keeps under ``instance``.
    ``max_age`` counts from the last time that its repository confirmed it.
    """

    file: str = ""
    instance: str = "public-good"
    stale: StaleTrust = StaleTrust.DENY
    max_age: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """All of it. ``max_age`` is that of a signature, from the earliest time at which it is known to have existed."""

    transparency: Transparency = Transparency()
    max_age: timedelta | None = None
    age_proof: AgeProof = AgeProof.STAMPED
    trust: TrustSettings = TrustSettings()

    @property
    def needs_times(self) -> bool:
        """Whether times and logs decide anything, so that signatures by key are held against the trust root as well."""
        asked = (self.transparency.log is LogDemand.REQUIRED, self.transparency.timestamp is not TimeDemand.OPTIONAL)
        return any(asked) or self.max_age is not None
