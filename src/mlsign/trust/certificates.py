"""X.509 certificates (RFC 5280): loading, chains at a given time, and what a certificate says of its holder.

Path building and the profile of certificate authorities are ``cryptography``'s; which roots are believed, at what time a
chain must hold, and what of a certificate becomes an identity is decided here. So are the two things that the library, made
for web servers, leaves out: what authorities may issue certificates for, and constraints on directory names.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from mlsign.digest import Digest, sha256
from mlsign.errors import InputError, TrustError, shown

MAX_CHAIN_DEPTH: Final = 8
MAX_RSA_BITS: Final = 8192
MAX_RSA_EXPONENT: Final = 65537
"""Authorities between the certificate of a signer and the root."""
MAX_PEM_CERTIFICATES: Final = 32
_CODE_SIGNING: Final = frozenset({ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})
UNREADABLE: Final = (
    *(ValueError, TypeError, UnsupportedAlgorithm),
    *(x509.DuplicateExtension, x509.UnsupportedGeneralNameType, x509.InvalidVersion),
    *(KeyError, UserWarning),
)
"""What the library raises for certificates that it cannot read, or whose key it does not know.

``KeyError`` is for names in strings of an unknown kind; warnings are errors where whoever runs this says so.
"""
_MAX_KNOWN_AUTHORITIES: Final = 64
_known_authorities: Final[set[tuple[bytes, ...]]] = set()
"""An authority and its root, in DER, which were verified with some certificate below them: one of the slowest steps."""
_E = TypeVar("_E", bound=x509.ExtensionType)


@lru_cache(maxsize=256)
def load_certificate(der: bytes) -> x509.Certificate:
    """The certificate in DER. Raises ``InputError`` (``certificate.format``)."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        # The library reads names and extensions when it is asked; one that cannot be read is found out here, not half-way.
        _ = certificate.extensions, certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        key = certificate.public_key()
    except UNREADABLE as err:
        raise InputError("is not a readable certificate", code="certificate.format", where="certificate") from err
    if isinstance(key, rsa.RSAPublicKey) and (key.key_size > MAX_RSA_BITS or key.public_numbers().e > MAX_RSA_EXPONENT):
        # A few kilobytes with such keys take a second to verify, and anybody can send hundreds.
        raise InputError(
            f"has an RSA key of {key.key_size} bits, allowed are {MAX_RSA_BITS} and exponents up to {MAX_RSA_EXPONENT}",
            code="certificate.key_size",
            where="certificate",
        )
    return certificate


def addresses_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Mail addresses that stand in the subject itself (RFC 5280, section 4.1.2.6, deprecated and in use)."""
    found = certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)
    return tuple(attribute.value for attribute in found if isinstance(attribute.value, str))


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


def decode_certificates(pem: bytes, *, where: str) -> tuple[bytes, ...]:
    """The certificates in a PEM file, in DER and in their order: at least one, and nothing but certificates.

    Raises ``InputError`` (``certificate.private``, ``certificate.pem``, ``certificate.format``).
    """
    if b"PRIVATE KEY-----" in pem:
        raise InputError(
            "holds a private key, expected certificates alone",
            code="certificate.private",
            where=where,
            hint="keep the private key in a file of its own",
        )
    count = pem.count(b"-----BEGIN CERTIFICATE-----")
    if not 1 <= count <= MAX_PEM_CERTIFICATES or pem.count(b"-----BEGIN ") != count:
        raise InputError(
            "is not a file of PEM certificates (BEGIN CERTIFICATE)",
            code="certificate.pem",
            where=where,
            expected=f"1 to {MAX_PEM_CERTIFICATES} certificates",
            found=f"{count} certificates",
        )
    try:
        found = x509.load_pem_x509_certificates(pem)
    except UNREADABLE as err:
        raise InputError("holds a certificate that cannot be read", code="certificate.pem", where=where) from err
    if len(found) != count:
        raise InputError("holds a certificate without its end", code="certificate.pem", where=where)
    ders = tuple(certificate.public_bytes(Encoding.DER) for certificate in found)
    for der in ders:
        load_certificate(der)
    return ders


def is_self_signed(der: bytes) -> bool:
    """Whether a certificate in DER is a root: issued to itself, by its own key. Raises ``InputError`` (``certificate.format``)."""
    certificate = load_certificate(der)
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


@lru_cache(maxsize=64)
def _store(anchors: tuple[bytes, ...]) -> Store:
    return Store([load_certificate(der) for der in anchors])


def verify_chain(
    leaf: bytes, *, anchors: tuple[bytes, ...], intermediates: tuple[bytes, ...], time: datetime
) -> tuple[bytes, ...]:
    """The chain from the leaf up to one of the anchors, all of it valid at ``time``; DER, leaf and anchor included.

    A leaf that is an anchor is a chain by itself. Checked are signatures and their algorithms, sizes of RSA keys, validity,
    path length, basic constraints, key usage, critical extensions and constraints on names (the library's profile), that
    each authority may issue certificates for signing code, and directory names. What the leaf may be used for is for
    ``check_usage``. Raises ``TrustError`` (``certificate.chain``) and ``InputError`` (``certificate.format``).
    """
    return _chain(leaf, anchors, intermediates, time)


@lru_cache(maxsize=128)
def _chain(leaf: bytes, anchors: tuple[bytes, ...], intermediates: tuple[bytes, ...], time: datetime) -> tuple[bytes, ...]:
    """Kept, since it follows from nothing else: a gate sees the same package again and again."""
    known = _known_authority(anchors, intermediates, time)
    if known is not None:
        with suppress(VerificationError, x509.UnsupportedGeneralNameType, ValueError):  # it is found out below what is wrong
            holder, _ = _verified(leaf, anchors=known[:1], intermediates=(), time=time)
            return (holder.public_bytes(Encoding.DER), *known)
    try:
        chain = _verified(leaf, anchors=anchors, intermediates=intermediates, time=time)
    except (VerificationError, x509.UnsupportedGeneralNameType, ValueError) as err:
        raise _no_chain(f"the certificate does not chain to a trusted root at {time:%Y-%m-%dT%H:%M:%SZ}", str(err)) from err
    for depth, authority in enumerate(chain):
        constraints = _extension(authority, x509.NameConstraints)
        if constraints is not None:
            # Renewals of an authority by itself are not bound by it, the certificate of the signer always is.
            bound = (below for at, below in enumerate(chain[:depth]) if at == 0 or below.subject != below.issuer)
            _check_names(constraints, bound)
    found = tuple(certificate.public_bytes(Encoding.DER) for certificate in chain)
    one_way = len(intermediates) == len(anchors) == 1 and found[1:] == (*intermediates, *anchors)
    if one_way and all(_extension(each, x509.NameConstraints) is None for each in chain):
        if len(_known_authorities) >= _MAX_KNOWN_AUTHORITIES:
            _known_authorities.clear()
        _known_authorities.add(found[1:])
    return found


def _verified(
    leaf: bytes, *, anchors: tuple[bytes, ...], intermediates: tuple[bytes, ...], time: datetime
) -> list[x509.Certificate]:
    verifier = _builder(time).store(_store(anchors)).build_client_verifier()
    return verifier.verify(load_certificate(leaf), [load_certificate(der) for der in intermediates]).chain


def _known_authority(anchors: tuple[bytes, ...], intermediates: tuple[bytes, ...], time: datetime) -> tuple[bytes, ...] | None:
    """The one authority and its root, where they certified somebody before and both are valid at this time.

    That the root certified the authority, and that both may do so, follows from their bytes. What depends on the certificate
    below them is verified each time; constraints on its names would be, too, and authorities that have any are not kept.
    """
    known = (*intermediates, *anchors)
    # Which of the two is the root is what the caller trusts, and not what the one or the other says of itself.
    if len(anchors) != 1 or known not in _known_authorities:
        return None
    try:
        for der in known:
            check_validity(load_certificate(der), time=time)
    except TrustError:
        return None
    return known


def _builder(time: datetime) -> PolicyBuilder:
    any_way = Criticality.AGNOSTIC
    authorities = ExtensionPolicy.webpki_defaults_ca().may_be_present(x509.ExtendedKeyUsage, any_way, _may_issue_signers)
    # What is asked of a signer's certificate is in check_usage: web servers, for which these defaults are, need other things.
    leaves = (
        ExtensionPolicy.webpki_defaults_ee()
        .may_be_present(x509.ExtendedKeyUsage, any_way, None)
        .may_be_present(x509.BasicConstraints, any_way, None)
        .may_be_present(x509.SubjectAlternativeName, any_way, None)
        .may_be_present(x509.AuthorityKeyIdentifier, Criticality.NON_CRITICAL, None)
    )
    return PolicyBuilder().time(time).max_chain_depth(MAX_CHAIN_DEPTH).extension_policies(ca_policy=authorities, ee_policy=leaves)


def _may_issue_signers(_policy: Policy, _authority: x509.Certificate, extended: x509.ExtendedKeyUsage | None) -> None:
    """An authority that was made for other uses, as for web servers only, makes nobody a signer."""
    if extended is not None and _CODE_SIGNING.isdisjoint(extended):
        raise ValueError("an authority may not issue certificates for code signing")


def _check_names(constraints: x509.NameConstraints, bound: Iterable[x509.Certificate]) -> None:
    """Constraints on directory names (RFC 5280, section 4.2.1.10), and on addresses that stand in a subject.

    The library holds alternative names against constraints of their kind, and looks at no subject.
    """
    permitted, excluded = constraints.permitted_subtrees or (), constraints.excluded_subtrees or ()
    trees = [tree.value for tree in permitted if isinstance(tree, x509.DirectoryName)]
    without = [tree.value for tree in excluded if isinstance(tree, x509.DirectoryName)]
    addresses = any(isinstance(tree, x509.RFC822Name) for tree in (*permitted, *excluded))
    for certificate in bound:
        names = [certificate.subject] if certificate.subject.rdns else []
        others = _extension(certificate, x509.SubjectAlternativeName)
        names += [] if others is None else others.get_values_for_type(x509.DirectoryName)
        for name in names:
            if (trees and not any(_is_below(name, tree) for tree in trees)) or any(_is_below(name, tree) for tree in without):
                raise _no_chain("a name in the chain is one that its authority may not certify", name.rfc4514_string())
        if addresses and certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
            raise _no_chain(
                "a subject has an address, and its authority may certify some only", certificate.subject.rfc4514_string()
            )


def _is_below(name: x509.Name, tree: x509.Name) -> bool:
    """Whether ``name`` starts with all of ``tree``, in any case and spacing (RFC 5280, section 7.1)."""
    return [_folded(part) for part in name.rdns[: len(tree.rdns)]] == [_folded(part) for part in tree.rdns]


def _folded(part: x509.RelativeDistinguishedName) -> frozenset[tuple[str, str | bytes]]:
    return frozenset(
        (
            attribute.oid.dotted_string,
            " ".join(unicodedata.normalize("NFKC", attribute.value).casefold().split())
            if isinstance(attribute.value, str)
            else attribute.value,
        )
        for attribute in part
    )


def _no_chain(message: str, found: str) -> TrustError:
    return TrustError(message, code="certificate.chain", where="certificate", found=shown(found))


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
