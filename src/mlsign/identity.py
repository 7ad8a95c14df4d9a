"""Who signed: identities as values that can be compared, counted and shown.

A key is known by the sha256 of its SubjectPublicKeyInfo (RFC 5280, section 4.1), never by a name that
somebody gave it, so the same key under two names is one identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from mlsign.digest import Digest


class Method(Enum):
    """How an identity is proven; the spelling is the one of the report."""

    KEY = "key"
    CERTIFICATE = "certificate"
    KEYLESS = "keyless"


class Identity(Protocol):
    """Somebody a policy can name. Two equal ``unique`` values are one person when signers are counted."""

    @property
    def method(self) -> Method:
        """How the identity is proven."""

    @property
    def unique(self) -> str:
        """What identities are told apart by."""

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

    def describe(self) -> dict[str, str]:
        return {"key": str(self.spki), "kind": self.kind}
