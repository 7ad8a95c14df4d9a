"""Who signed: identities as values that can be compared, counted and shown.

A key is known by the sha256 of its SubjectPublicKeyInfo (RFC 5280, section 4.1), never by a name that
somebody gave it, so the same key under two names is one identity. A person is known by what an authority vouched
for: the subject of a certificate, and all its alternative names.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Protocol

from mlsign.digest import Digest


class Method(Enum):
    """How an identity is proven; the spelling is the one of the report."""

    KEY = "key"
    CERTIFICATE = "certificate"
    KEYLESS = "keyless"


class Identity(Protocol):
    """Somebody a policy can name."""

    @property
    def method(self) -> Method:
        """How the identity is proven."""

    @property
    def unique(self) -> str:
        """What this identity is called, in one line."""

    @property
    def marks(self) -> frozenset[str]:
        """What it is recognized by: two identities that share a mark are one person when signers are counted."""

    def describe(self) -> dict[str, str]:
        """The fields to show in a report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyIdentity:
    """A public key: ``spki`` is the sha256 of its DER SubjectPublicKeyInfo; ``kind`` as in ``EC P-256``."""

    spki: Digest
    kind: str

    @property
    def method(self) -> Method:
        return Method.KEY

    @property
    def unique(self) -> str:
        return f"key:{self.spki}"

    @property
    def marks(self) -> frozenset[str]:
        return frozenset({self.unique})

    def describe(self) -> dict[str, str]:
        return {"key": str(self.spki), "kind": self.kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeylessIdentity:
    """Somebody an OpenID issuer vouched for, by a certificate of a few minutes.

    ``claims`` are what else the certificate says of the token, by the names in ``CLAIMS``. ``spki`` is the key of the
    certificate, used once and thrown away by honest signers.
    """

    subject: str
    issuer: str
    spki: Digest
    claims: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def method(self) -> Method:
        return Method.KEYLESS

    @property
    def unique(self) -> str:
        return f"keyless:{self.subject} by {self.issuer}"

    @property
    def marks(self) -> frozenset[str]:
        # Whoever vouched: the same address with two issuers is taken for one person, which can only refuse more. A workflow is
        # the same one at every ref, and whoever has a repository has all of its workflows.
        marks = {_name_mark(self.subject), f"key:{self.spki}"}
        if "://" in self.subject:
            marks.add(_name_mark(self.subject.partition("@")[0]))
        if repository := self.claims.get("source_repository"):
            marks.add(f"repository:{_normal(repository)}")
        return frozenset(marks)

    def describe(self) -> dict[str, str]:
        return {"subject": self.subject, "issuer": self.issuer, **self.claims}

    def __hash__(self) -> int:
        return hash((self.subject, self.issuer, self.spki))


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateIdentity:
    """The holder of a certificate that a trusted authority issued.

    ``subject`` and ``issuer`` are distinguished names (RFC 4514), ``names`` the alternative names, ``fingerprint`` the
    sha256 of the certificate, ``spki`` of its key, ``anchor`` of the trusted root that it chains to. ``addresses`` are mail
    addresses in the subject, where old certificates have them.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    fingerprint: Digest
    spki: Digest
    anchor: Digest
    addresses: tuple[str, ...] = ()

    @property
    def method(self) -> Method:
        return Method.CERTIFICATE

    @property
    def unique(self) -> str:
        return f"certificate:{self.subject or ', '.join(self.names)} by {self.issuer}"

    @property
    def marks(self) -> frozenset[str]:
        # Renewed certificates of one holder are one person, whoever issued them; so is whoever uses the same key.
        # An address is the same person whether a certificate of one's own or a keyless one says it.
        bare = (name.partition(":")[2] for name in self.names)
        named = [name for name in (self.subject, *bare, *self.addresses) if name]
        return frozenset({*map(_name_mark, named), f"key:{self.spki}"})

    def describe(self) -> dict[str, str]:
        shown = {"subject": self.subject, "issuer": self.issuer, "fingerprint": str(self.fingerprint), "key": str(self.spki)}
        return shown | ({"names": ", ".join(self.names)} if self.names else {})


def _name_mark(name: str) -> str:
    return f"name:{_normal(name)}"


def _normal(name: str) -> str:
    """A name as people read it: in one form of Unicode, one case, single spaces, without a dot at the end."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split()).rstrip(".")


def distinct(identities: Iterable[Identity]) -> tuple[Identity, ...]:
    """One identity of each person, in the order given: those that share a mark, directly or by others, are one."""
    people: list[tuple[Identity, frozenset[str]]] = []
    for identity in identities:
        marks = identity.marks
        same = [person for person in people if person[1] & marks]
        if not same:
            people.append((identity, marks))
            continue
        merged = (same[0][0], marks.union(*(known for _, known in same)))
        at = people.index(same[0])
        people[at] = merged
        people = [person for person in people if person is merged or person not in same]
    return tuple(identity for identity, _ in people)
