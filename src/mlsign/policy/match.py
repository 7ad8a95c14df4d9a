"""Which packages a policy is for, by the name in the manifest."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mlsign.policy.patterns import TextPattern


class Fit(Enum):
    """Whether a policy is for a package; ``UNKNOWN`` where nothing says what the package is called."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Packages with one of these ``names``; None is every package, named or not."""

    names: tuple[TextPattern, ...] | None = None

    def fits(self, name: str | None) -> Fit:
        """Whether a package of this name is meant; ``name`` is None for one whose manifest is not there or not readable."""
        if self.names is None:
            return Fit.YES
        if name is None:
            return Fit.UNKNOWN
        return Fit.YES if any(pattern.matches(name) for pattern in self.names) else Fit.NO


EVERY_PACKAGE = Match()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """Another policy that was given for the same decision; it must not be for the package as well.

    ``enforces`` says that it stops what it denies, so that whoever could choose another policy could get around it.
    """

    policy: str
    match: Match
    enforces: bool = True
