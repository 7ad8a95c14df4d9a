"""Certificates of an organisation's own authority: who holds one, judged at the time of signing.

The time is a trusted one, or now; never the start of the certificate itself, at which every expired certificate is good.
"""

from __future__ import annotations

from datetime import datetime

from mlsign.digest import sha256
from mlsign.errors import TrustError
from mlsign.identity import CertificateIdentity
from mlsign.times import TrustedTime
from mlsign.trust.certificates import (
    addresses_of,
    alternative_names,
    check_usage,
    check_validity,
    key_digest,
    load_certificate,
    verify_chain,
)
from mlsign.trust.revocation import check_not_revoked
from mlsign.trust.root import CertificateTrust


def verify_holder(
    certificates: tuple[bytes, ...],
    *,
    trust: CertificateTrust,
    times: tuple[TrustedTime, ...],
    now: datetime,
    others: tuple[CertificateTrust, ...] = (),
) -> CertificateIdentity:
    """Whom an authority of ``trust`` vouched for when the signature was made.

    ``certificates`` are those of the bundle in DER, the signer's first. Lists of revoked certificates that ``others`` have
    for the same root count as well: the identity says which root it is, and not on whose terms that was believed. Raises ``TrustError`` (``certificate.…``) and
    ``InputError`` (``certificate.format``).
    """
    leaf = load_certificate(certificates[0])
    # 1. Usage does not change with time.
    check_usage(leaf)
    # 2. At every trusted time, or now where there is none, the certificate was valid and its chain ended in a trusted root.
    intermediates = tuple(dict.fromkeys((*certificates[1:], *trust.intermediates)))
    proven = tuple(time.time for time in times)
    anchor = b""
    for moment in proven or (now,):
        check_validity(leaf, time=moment)
        chain = verify_chain(certificates[0], anchors=trust.anchors, intermediates=intermediates, time=moment)
        # 3. Its authorities have not taken it back, as far as is known now; what they say may reach back to before the signature.
        anchor = chain[-1]
        lists = (*trust.revocations, *(der for other in others if anchor in other.anchors for der in other.revocations))
        check_not_revoked(chain, revocations=tuple(dict.fromkeys(lists)), signed=min(proven, default=None), now=now)
    return CertificateIdentity(
        subject=leaf.subject.rfc4514_string(),
        issuer=leaf.issuer.rfc4514_string(),
        names=alternative_names(leaf),
        fingerprint=sha256(certificates[0]),
        spki=key_digest(leaf),
        anchor=sha256(anchor),
        addresses=addresses_of(leaf),
    )


def no_authority() -> TrustError:
    """The refusal of a certificate where no authority is trusted at all."""
    return TrustError(
        "is signed by a certificate, and no authority for certificates is trusted",
        code="signature.method",
        expected="an authority that the policy names",
        found="none",
        hint="name its root under certificate: in the signers of the policy",
    )
