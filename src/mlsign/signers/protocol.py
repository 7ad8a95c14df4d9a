"""What signing needs of a signer."""

from __future__ import annotations

from typing import Protocol

from mlsign.formats.bundle import Bundle, Material
from mlsign.identity import Identity
from mlsign.trust.root import TrustRoot


class Signer(Protocol):
    """Somebody who can sign a payload; holds whatever that takes."""

    @property
    def identity(self) -> Identity | None:
        """Who the signature will be by, where that is known before it is made."""

    @property
    def trust(self) -> TrustRoot:
        """What the signatures of this signer are authenticated against: nobody writes one that does not hold."""

    @property
    def material(self) -> Material | None:
        """What every bundle of this signer brings along, or None where each brings a time, so that signing again says more."""

    def sign(self, payload: bytes) -> Bundle:
        """A bundle over exactly these bytes. Raises ``OutsideError`` when the means of signing fail."""
