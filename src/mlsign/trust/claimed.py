"""Whom a bundle names as its signer, before anything is proven: for people who look, never for a decision."""

from __future__ import annotations

from mlsign.formats.bundle import Material
from mlsign.identity import Method
from mlsign.trust.certificates import alternative_names, load_certificate
from mlsign.trust.fulcio import keyless_identity


def claimed_holder(material: Material, *, method: Method) -> tuple[str, str]:
    """Whom the first certificate that a bundle brings along says that it was issued to, and by whom.

    For a keyless one the issuer is that of the token, as in policies.

    Raises ``TrustError`` and ``InputError`` (``certificate.…``) for a certificate that cannot be read.
    """
    certificate = load_certificate(material.certificates[0])
    if method is Method.KEYLESS:
        identity = keyless_identity(certificate)
        return identity.subject, identity.issuer
    subject = certificate.subject.rfc4514_string() or ", ".join(alternative_names(certificate))
    return subject, certificate.issuer.rfc4514_string()
