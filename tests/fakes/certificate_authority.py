"""An authority of an organisation for tests: it issues whatever certificate and list a test asks for, good or bad."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mlsign.formats.bundle import Bundle
from mlsign.signers.certificate import CertificateSigner
from mlsign.signers.key import KeySigner
from mlsign.trust.root import CertificateTrust

NOW = datetime(2026, 11, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
SIGNER = {"digital_signature"}
AUTHORITY = {"key_cert_sign", "crl_sign"}
_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
CODE_SIGNING = (ExtendedKeyUsageOID.CODE_SIGNING,)
SERVER_AUTH = (ExtendedKeyUsageOID.SERVER_AUTH,)
_DEFAULT: Any = object()


@dataclass(frozen=True, kw_only=True)
class Certified:
    """A certificate and its key."""

    key: Any
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def private_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def signer(self) -> KeySigner:
        return KeySigner(self.key)


def name_of(common: str, **more: str) -> x509.Name:
    """``organization=`` and ``email=`` stand before and behind the common name."""
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, more["organization"])] if "organization" in more else []
    parts += [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    parts += [x509.NameAttribute(NameOID.EMAIL_ADDRESS, more["email"])] if "email" in more else []
    return x509.Name(parts)


def key_usage(names: Iterable[str]) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in set(names) for usage in _USAGES})


def issue(
    name: str | x509.Name,
    issuer: Certified | None = None,
    *,
    ca: bool = False,
    key: Any = None,
    signed_by: Any = None,
    since: datetime = NOW - YEAR,
    until: datetime = NOW + YEAR,
    usage: Iterable[str] | None = _DEFAULT,
    extended: Sequence[x509.ObjectIdentifier] | None = _DEFAULT,
    constraints: x509.BasicConstraints | None = _DEFAULT,
    path_length: int | None = None,
    names: Sequence[x509.GeneralName] = (),
    key_identifier: bool = True,
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
    hashed: hashes.HashAlgorithm | None = _DEFAULT,
) -> Certified:
    """A certificate for ``name``, issued by ``issuer`` or by itself; good for signing, or with ``ca`` for issuing.

    ``signed_by`` is a key that signs in place of the issuer's; ``more`` are extensions and whether they are critical.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = name if isinstance(name, x509.Name) else name_of(name)
    by = signed_by or (issuer.key if issuer else key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if key_identifier:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    if constraints is _DEFAULT:
        constraints = x509.BasicConstraints(ca=True, path_length=path_length) if ca else None
    usage = (AUTHORITY if ca else SIGNER) if usage is _DEFAULT else usage
    extended = (() if ca else CODE_SIGNING) if extended is _DEFAULT else extended
    for value, critical in (
        (constraints, True),
        (None if usage is None else key_usage(usage), True),
        (x509.ExtendedKeyUsage(extended) if extended else None, False),
        (x509.SubjectAlternativeName(names) if names else None, False),
        *more,
    ):
        if value is not None:
            builder = builder.add_extension(value, critical=critical)
    unhashed = isinstance(by, ed25519.Ed25519PrivateKey)
    return Certified(
        key=key, certificate=builder.sign(by, (None if unhashed else hashes.SHA256()) if hashed is _DEFAULT else hashed)
    )


@dataclass(frozen=True, kw_only=True)
class Organisation:
    """A root, an authority below it, and a signer that it certified."""

    root: Certified
    middle: Certified
    leaf: Certified

    @property
    def chain(self) -> tuple[bytes, bytes]:
        return self.leaf.der, self.middle.der

    @property
    def trust(self) -> CertificateTrust:
        return CertificateTrust(anchors=(self.root.der,))

    def signer(self, *, now: datetime = NOW) -> CertificateSigner:
        return CertificateSigner(self.leaf.signer, chain=self.chain, trust=self.trust, now=now)

    def sign(self, payload: bytes) -> Bundle:
        return self.signer().sign(payload)


def make_organisation(*, since: datetime = NOW - YEAR, until: datetime = NOW + YEAR, **leaf: Any) -> Organisation:
    root = issue(name_of("root", organization="Acme"), ca=True, since=since, until=until)
    middle = issue(name_of("models", organization="Acme"), root, ca=True, path_length=0, since=since, until=until)
    named = {"since": since, "until": until, "names": [x509.RFC822Name("release@acme.example")]} | leaf
    return Organisation(root=root, middle=middle, leaf=issue(name_of("release", organization="Acme"), middle, **named))


def revoke(
    issuer: Certified,
    *revoked: x509.RevokedCertificate,
    start: datetime = NOW - timedelta(days=1),
    end: datetime = NOW + timedelta(days=6),
    signed_by: Any = None,
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
    hashed: hashes.HashAlgorithm | None = _DEFAULT,
) -> x509.CertificateRevocationList:
    """A list by ``issuer``, or in its name by the key ``signed_by``."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject).last_update(start).next_update(end)
    for entry in revoked:
        builder = builder.add_revoked_certificate(entry)
    for value, critical in more:
        builder = builder.add_extension(value, critical=critical)
    by = signed_by or issuer.key
    unhashed = isinstance(by, ed25519.Ed25519PrivateKey)
    return builder.sign(by, (None if unhashed else hashes.SHA256()) if hashed is _DEFAULT else hashed)


def revoked_entry(
    certified: Certified,
    *,
    date: datetime = NOW - timedelta(days=30),
    reason: x509.ReasonFlags | None = None,
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(certified.certificate.serial_number).revocation_date(date)
    if reason is not None:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    for value, critical in more:
        builder = builder.add_extension(value, critical=critical)
    return builder.build()


def der_of(found: x509.CertificateRevocationList) -> bytes:
    return found.public_bytes(Encoding.DER)


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)
