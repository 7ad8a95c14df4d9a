"""Whom a group of signers asks for: a key, a keyless identity, the holder of a certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Final, TypeAlias

from mlsign.digest import Digest
from mlsign.identity import CertificateIdentity, Identity, KeyIdentity, KeylessIdentity
from mlsign.policy.patterns import TextPattern

CLAIMS: Final = (
    "source_repository",
    "source_ref",
    "source_digest",
    "source_owner",
    "workflow",
    "workflow_digest",
    "trigger",
    "runner_environment",
    "signer_uri",
    "signer_digest",
    "source_repository_id",
    "source_owner_id",
    "run",
    "visibility",
)
"""What a policy may ask of a keyless certificate beside subject and issuer; the names are those of ``trust.fulcio``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequirement:
    """Somebody who signs with this key. ``reference`` is what the policy calls it, for messages."""

    reference: str
    identity: KeyIdentity

    @property
    def asks_for(self) -> Digest:
        """What nobody else has."""
        return self.identity.spki

    def is_met_by(self, identity: Identity) -> bool:
        """Whether ``identity`` is this one."""
        return isinstance(identity, KeyIdentity) and identity.spki == self.identity.spki

    def __str__(self) -> str:
        return self.reference


@dataclass(frozen=True, slots=True, kw_only=True)
class KeylessRequirement:
    """Somebody that this issuer calls so. Each of ``claims`` must be in the certificate and match."""

    issuer: TextPattern
    subject: TextPattern
    claims: tuple[tuple[str, TextPattern], ...] = ()

    @property
    def asks_for(self) -> str | None:
        """A subject that whoever is meant has, None where there may be many."""
        return self.subject.text if self.subject.is_exact else None

    def is_met_by(self, identity: Identity) -> bool:
        """Whether ``identity`` is one of those meant."""
        return (
            isinstance(identity, KeylessIdentity)
            and self.issuer.matches(identity.issuer)
            and self.subject.matches(identity.subject)
            and all(name in identity.claims and wanted.matches(identity.claims[name]) for name, wanted in self.claims)
        )

    def __str__(self) -> str:
        asked = "".join(f", {name} {wanted}" for name, wanted in self.claims)
        return f"{self.subject} by {self.issuer}{asked}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequirement:
    """The holder of a certificate that chains to one of ``anchors`` (sha256 of certificates); what is None is not asked.

    ``subject`` and ``issuer`` are distinguished names as RFC 4514 writes them, ``name`` one of the alternative names as
    ``email:…``, ``uri:…`` or ``dns:…``.
    """

    reference: str
    anchors: frozenset[Digest]
    subject: TextPattern | None = None
    name: TextPattern | None = None
    issuer: TextPattern | None = None
    fingerprint: Digest | None = None

    @property
    def asks_for(self) -> Digest | str | None:
        """A fingerprint, subject or name that whoever is meant has, None where there may be many."""
        exact = (pattern.text for pattern in (self.subject, self.name) if pattern is not None and pattern.is_exact)
        return self.fingerprint or next(exact, None)

    def is_met_by(self, identity: Identity) -> bool:
        """Whether ``identity`` is one of those meant."""
        return (
            isinstance(identity, CertificateIdentity)
            and identity.anchor in self.anchors
            and (self.subject is None or self.subject.matches(identity.subject))
            and (self.issuer is None or self.issuer.matches(identity.issuer))
            and (self.name is None or any(map(self.name.matches, identity.names)))
            and (self.fingerprint is None or self.fingerprint == identity.fingerprint)
        )

    def __str__(self) -> str:
        fields = ("subject", self.subject), ("name", self.name), ("issuer", self.issuer), ("fingerprint", self.fingerprint)
        asked = ", ".join(f"{name} {wanted}" for name, wanted in fields if wanted is not None)
        return f"certificate under {self.reference} with {asked}"


Requirement: TypeAlias = KeyRequirement | KeylessRequirement | CertificateRequirement


def whoever_meets(requirements: Iterable[Requirement]) -> Callable[[Identity], bool]:
    """Tells whether somebody meets one of the requirements.

    Only those are tried that ask for something that the identity has, and those that ask for nothing in particular: a policy may
    name a thousand people, and a thousand may have signed.
    """
    likely: dict[Digest | str | None, list[Requirement]] = {}
    for requirement in requirements:
        likely.setdefault(requirement.asks_for, []).append(requirement)

    def is_met_by(identity: Identity) -> bool:
        tried = chain.from_iterable(likely.get(value, ()) for value in (None, *_values(identity)))
        return any(requirement.is_met_by(identity) for requirement in tried)

    return is_met_by


def _values(identity: Identity) -> tuple[Digest | str, ...]:
    """Everything that a requirement may ask for."""
    if isinstance(identity, KeyIdentity):
        return (identity.spki,)
    if isinstance(identity, KeylessIdentity):
        return (identity.subject,)
    return (identity.fingerprint, identity.subject, *identity.names) if isinstance(identity, CertificateIdentity) else ()


def is_one_person(requirement: Requirement) -> bool:
    """Whether only one person can meet it; a pattern may stand for any number of them."""
    if isinstance(requirement, KeyRequirement):
        return True
    if isinstance(requirement, KeylessRequirement):
        return requirement.subject.is_exact
    exact = (pattern for pattern in (requirement.subject, requirement.name) if pattern is not None)
    return requirement.fingerprint is not None or any(pattern.is_exact for pattern in exact)
