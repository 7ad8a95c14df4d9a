"""What is trusted: the keys a policy names, the authorities for certificates, and an instance of Sigstore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlsign.trust.keys import PublicKey

if TYPE_CHECKING:
    from mlsign.formats.trusted_root import TrustedRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateTrust:
    """Authorities for one requirement of a policy, in DER.

    ``anchors`` are the roots that a chain must end in, ``revocations`` the lists (CRLs) that say which certificates are
    no longer good; with any, each certificate of a chain below its root must be covered by one that is current.
    """

    anchors: tuple[bytes, ...]
    intermediates: tuple[bytes, ...] = ()
    revocations: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRoot:
    """Everything a signature can be authenticated against; an empty root authenticates nothing.

    ``sigstore`` is also what log entries and timestamps of signatures by key or certificate are held against.
    """

    keys: tuple[PublicKey, ...]
    authorities: tuple[CertificateTrust, ...] = ()
    sigstore: TrustedRoot | None = None
