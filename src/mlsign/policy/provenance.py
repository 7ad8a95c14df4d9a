"""What a policy asks of provenance: of what whoever packed the model claims, and of what a build platform attests.

The two are kept apart, because a claim is worth as much as the signature over the package, and an attestation as much as
whoever signed that.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlsign.policy.patterns import TextPattern
from mlsign.policy.requirements import Requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimDemands:
    """What the manifest must claim; empty and False is not asked."""

    builders: tuple[TextPattern, ...] = ()
    sources: tuple[TextPattern, ...] = ()
    commit: bool = False
    time: bool = False
    training_data: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDemand:
    """A repository, without ``git+``; at a ref that matches and, with ``commit``, with that digest of the commit or any."""

    uri: TextPattern
    ref: TextPattern | None = None
    commit: str | None = None

    def __str__(self) -> str:
        at = "" if self.ref is None else f"@{self.ref}"
        commit = "" if self.commit is None else f", commit {self.commit or 'named'}"
        return f"{self.uri}{at}{commit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterDemand:
    """The external parameter at ``path``: a text that matches, or exactly this number or boolean."""

    path: tuple[str, ...]
    wanted: TextPattern | int | bool

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {self.wanted}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyDemand:
    """Something that a build may take in; with ``digest`` only by a digest."""

    uri: TextPattern
    digest: bool = False

    def __str__(self) -> str:
        return f"{self.uri}{' with a digest' if self.digest else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedDemands:
    """What a SLSA provenance statement about the package must say, and who may say it. Empty is not asked.

    ``signed_by`` is never empty in a policy that is bound, and never filled from the groups that sign packages.
    """

    signed_by: tuple[Requirement, ...]
    builders: tuple[TextPattern, ...] = ()
    build_types: tuple[TextPattern, ...] = ()
    sources: tuple[SourceDemand, ...] = ()
    parameters: tuple[ParameterDemand, ...] = ()
    other_parameters: bool = False
    dependencies: tuple[DependencyDemand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceSettings:
    """All of it. ``required`` alone asks that the manifest says something about where the model is from."""

    required: bool = False
    claimed: ClaimDemands | None = None
    attested: AttestedDemands | None = None

    @property
    def wanted_claims(self) -> ClaimDemands | None:
        """What the manifest must claim, which may be anything; None where it need not claim any."""
        return ClaimDemands() if self.required and self.claimed is None and self.attested is None else self.claimed
