"""X.509 certificates (RFC 5280): loading, chains at a given time, and what a certificate says of its holder.

Path building and the profile of certificate authorities are ``cryptography``'s; which roots are believed, at what time a
chain must hold, and what of a certificate becomes an identity is decided here.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from mlsign.digest import Digest, sha256
from mlsign.errors import InputError, TrustError

MAX_CHAIN_DEPTH: Final = 8
_UNREADABLE: Final = (
    *(ValueError, TypeError, UnsupportedAlgorithm),
    *(x509.DuplicateExtension, x509.UnsupportedGeneralNameType, x509.InvalidVersion),
)
"""What the library raises for certificates that it cannot read, or whose key it does not know."""
_E = TypeVar("_E", bound=x509.ExtensionType)


@lru_cache(maxsize=256)
def load_certificate(der: bytes) -> x509.Certificate:
    """The certificate in DER. Raises ``InputError`` (``certificate.format``)."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        # The library reads extensions when it is asked; one that cannot be read is found out here and not half-way.
        _ = certificate.extensions
        certificate.public_key()
    except _UNREADABLE as err:
        raise InputError("is not a readable certificate", code="certificate.format", where="certificate") from err
    return certificate


def key_der(certificate: x509.Certificate) -> bytes:
    """The SubjectPublicKeyInfo in DER."""
    key: CertificatePublicKeyTypes = certificate.public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_digest(certificate: x509.Certificate) -> Digest:
    """The sha256 of the SubjectPublicKeyInfo, by which keys are known."""
    return sha256(key_der(certificate))


def key_pem(certificate: x509.Certificate) -> bytes:
    """The public key as PEM, as the keys of a policy are written."""
    return certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@lru_cache(maxsize=64)
def _store(anchors: tuple[bytes, ...]) -> Store:
    return Store([load_certificate(der) for der in anchors])


def verify_chain(
    leaf: bytes, *, anchors: tuple[bytes, ...], intermediates: tuple[bytes, ...], time: datetime
) -> tuple[bytes, ...]:
    """The chain from the leaf up to one of the anchors, all of it valid at ``time``; DER, leaf and anchor included.

    Checked are signatures, validity, names, path length, basic constraints and key usage of the authorities (the
    library's profile); what the leaf may be used for is for ``check_usage``. Raises ``TrustError``
    (``certificate.chain``) and ``InputError`` (``certificate.format``).
    """
    present = Criticality.NON_CRITICAL
    authorities = ExtensionPolicy.webpki_defaults_ca().may_be_present(x509.ExtendedKeyUsage, present, None)
    # What is asked of a signer's certificate is in check_usage: web servers, for which these defaults are, need other things.
    leaves = (
        ExtensionPolicy.webpki_defaults_ee()
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None)
        .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
        .may_be_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
    )
    verifier = (
        PolicyBuilder()
        .store(_store(anchors))
        .time(time)
        .max_chain_depth(MAX_CHAIN_DEPTH)
        .extension_policies(ca_policy=authorities, ee_policy=leaves)
        .build_client_verifier()
    )
    try:
        found = verifier.verify(load_certificate(leaf), [load_certificate(der) for der in intermediates])
    except (VerificationError, x509.UnsupportedGeneralNameType, ValueError) as err:
        raise TrustError(
            f"the certificate does not chain to a trusted root at {time:%Y-%m-%dT%H:%M:%SZ}",
            code="certificate.chain",
            where="certificate",
            found=str(err)[:160],
        ) from err
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in found.chain)


def alternative_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The alternative names that people write down: addresses, URIs, host names, as ``kind:value``."""
    found = _extension(certificate, x509.SubjectAlternativeName)
    kinds: dict[type[x509.GeneralName], str] = {
        x509.RFC822Name: "email",
        x509.UniformResourceIdentifier: "uri",
        x509.DNSName: "dns",
    }
    return tuple(f"{kinds[type(name)]}:{name.value}" for name in found or () if type(name) in kinds)


def check_validity(certificate: x509.Certificate, *, time: datetime) -> None:
    """Returns when the certificate is valid at ``time``, bounds included (RFC 5280, section 4.1.2.5).

    Raises ``TrustError`` (``certificate.time``).
    """
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not start <= time <= end:
        raise TrustError(
            f"the certificate was not valid at {time:%Y-%m-%dT%H:%M:%SZ}",
            code="certificate.time",
            where="certificate",
            expected=f"{start:%Y-%m-%dT%H:%M:%SZ} to {end:%Y-%m-%dT%H:%M:%SZ}",
            found=f"{time:%Y-%m-%dT%H:%M:%SZ}",
        )


def check_usage(certificate: x509.Certificate) -> None:
    """Returns for the certificate of a signer: digital signatures, code signing, and not for issuing certificates.

    Raises ``TrustError`` (``certificate.usage``).
    """
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None or not usage.digital_signature:
        raise _wrong_usage("key usage does not allow digital signatures")
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    if extended is None or ExtendedKeyUsageOID.CODE_SIGNING not in extended:
        raise _wrong_usage("extended key usage does not allow code signing")
    if usage.key_cert_sign:
        raise _wrong_usage("key usage is that of an authority, which signs certificates")


def check_is_no_authority(certificate: x509.Certificate) -> None:
    """Returns where basic constraints do not call it an authority. Raises ``TrustError`` (``certificate.usage``).

    Not asked of every signer: tools in use make signing certificates that say so and lack the key usage that an authority
    needs, with which they can issue nothing.
    """
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise _wrong_usage("it is the certificate of an authority")


def _wrong_usage(reason: str) -> TrustError:
    return TrustError(f"the certificate is none to sign with: {reason}", code="certificate.usage", where="certificate")


def _extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
