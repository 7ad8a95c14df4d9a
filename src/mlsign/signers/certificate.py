"""Signing with a key that an authority of the organisation has certified: the signature is the key's, the name the certificate's.

The key may be in memory or on a token. Reading certificates from files is for whoever calls.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from mlsign.errors import InputError
from mlsign.formats.bundle import MAX_CERTIFICATES, Bundle, Material
from mlsign.identity import CertificateIdentity, Method
from mlsign.trust.certificates import is_self_signed
from mlsign.trust.chain import verify_holder
from mlsign.trust.keyless import holder_key
from mlsign.trust.keys import PublicKey
from mlsign.trust.root import CertificateTrust, TrustRoot


class KeyHolder(Protocol):
    """Whatever makes signatures with one key: a key in memory, or one on a token."""

    @property
    def public(self) -> PublicKey:
        """The public half."""

    def sign(self, payload: bytes) -> Bundle:
        """A bundle over exactly these bytes, signed by the key."""


class CertificateSigner:
    """Signs with a key, and says with a certificate whose it is."""

    def __init__(self, key: KeyHolder, *, chain: tuple[bytes, ...], trust: CertificateTrust, now: datetime | None = None) -> None:
        """``chain`` is in DER, the certificate of the key first and each one issued by the next.

        It must lead to an anchor of ``trust`` and be good at ``now``. Raises ``InputError`` (``certificate.key``,
        ``certificate.length``, ``certificate.format``, ``key.kind``) and ``TrustError`` (``certificate.…``).
        """
        held = holder_key(chain[0])
        if held.der != key.public.der:
            raise InputError(
                "the certificate is for another key than the one to sign with",
                code="certificate.key",
                where="certificate",
                expected=str(key.public.identity.spki),
                found=str(held.identity.spki),
                hint="give the private key that the certificate was requested with",
            )
        # Whoever verifies has the root already; one that came along would only look as if it meant something.
        self._certificates = (chain[0], *(der for der in chain[1:] if not is_self_signed(der)))
        if len(self._certificates) > MAX_CERTIFICATES:
            raise InputError(
                f"has {len(self._certificates)} certificates, a bundle may have {MAX_CERTIFICATES}",
                code="certificate.length",
                where="certificate",
                hint="give only those between the certificate and its root",
            )
        self.identity: CertificateIdentity = verify_holder(
            self._certificates, trust=trust, times=(), now=now or datetime.now(UTC)
        )
        self._key = key
        self.trust = TrustRoot(keys=(), authorities=(trust,))

    @property
    def material(self) -> Material:
        return Material(certificates=self._certificates)

    def sign(self, payload: bytes) -> Bundle:
        """A bundle over the payload, as the key signs it. Raises what the key raises."""
        made = self._key.sign(payload)
        return replace(made, method=Method.CERTIFICATE, key_hint="", material=self.material)
