"""Who signed: identities as values that can be compared, counted and shown.

A key is known by the sha256 of its SubjectPublicKeyInfo (RFC 5280, section 4.1), never by a name that
somebody gave it, so the same key under two names is one identity. A person is known by what an authority vouched
for: the subject of a certificate, and all its alternative names.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

from mlsign.digest import Digest

_MAX_CHOICES: Final = 2_000
"""How many choices are looked at among people who share marks; those of one policy take a handful."""


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


_People: TypeAlias = list[tuple[Identity, frozenset[str]]]


def _name_mark(name: str) -> str:
    return f"name:{_normal(name)}"


def _normal(name: str) -> str:
    """A name as people read it: in one form of Unicode, one case, single spaces, without a dot at the end."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split()).rstrip(".")


def distinct(identities: Iterable[Identity]) -> tuple[Identity, ...]:
    """As many identities as there are of which no two share a mark, in the order given; of equally many the earlier ones.

    One that shares marks with two others makes no single person of these: whoever holds the package could leave its signature
    out, and a signature less must never let anything in. What takes too long to count comes to fewer, never to more.
    """
    found: dict[frozenset[str], Identity] = {}
    for identity in identities:
        found.setdefault(identity.marks, identity)
    if sum(map(len, found)) == len(frozenset().union(*found)):
        return tuple(found.values())
    circles = _circles([(identity, marks) for marks, identity in found.items()])
    chosen = {id(identity) for circle in circles for identity in _most(circle)}
    return tuple(identity for identity in found.values() if id(identity) in chosen)


def _circles(people: _People) -> list[_People]:
    """The people apart by whom they share marks with, directly or through others; one circle does not bear upon another."""
    holders: dict[str, list[int]] = {}
    for number, (_, marks) in enumerate(people):
        for mark in marks:
            holders.setdefault(mark, []).append(number)
    circles: list[_People] = []
    seen: set[int] = set()
    for start in range(len(people)):
        circle, ahead = set[int](), {start} - seen
        while ahead:
            circle |= ahead
            ahead = {other for number in ahead for mark in people[number][1] for other in holders.pop(mark, ())} - circle
        seen |= circle
        if circle:
            circles.append([people[number] for number in sorted(circle)])
    return circles


def _most(people: _People) -> tuple[Identity, ...]:
    """As many as there are of whom no two share a mark, as far as ``_MAX_CHOICES`` go."""
    best: tuple[Identity, ...] = ()
    stack: list[tuple[tuple[Identity, ...], _People]] = [((), people)]
    for _ in range(_MAX_CHOICES):
        if not stack:
            break
        chosen, left = stack.pop()
        if len(chosen) > len(best):
            best = chosen
        if len(chosen) + _at_most(left) > len(best):
            (first, marks), *rest = left
            stack.append((chosen, rest))
            stack.append(((*chosen, first), [person for person in rest if not person[1] & marks]))
    return best


def _at_most(people: _People) -> int:
    """No more than so many share no mark: everybody is in one of so many circles that each have a mark in common."""
    counts = Counter(mark for _, marks in people for mark in marks)
    circles: set[str] = set()
    for _, marks in people:
        if not marks & circles:
            circles.add(max(marks, key=lambda mark: (counts[mark], mark)))
    return len(circles)
