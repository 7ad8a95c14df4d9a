"""Keys, certificates and signatures as the local Sigstore makes and checks them."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID, ObjectIdentifier
from fake_http import RefusedError

Clock = Callable[[], datetime]
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
P256 = ec.ECDSA(hashes.SHA256())
ORGANIZATION = "local sigstore"


def wall_clock() -> datetime:
    return datetime.now(UTC)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def unb64(text: object, *, what: str) -> bytes:
    if not isinstance(text, str):
        raise RefusedError(f"{what} is not a base64 string")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        raise RefusedError(f"{what} is not base64") from err


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def spki(key: PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def pem(key: PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def known(key: object) -> PublicKey:
    if not isinstance(key, (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey, rsa.RSAPublicKey)):
        raise RefusedError(f"keys of type {type(key).__name__} are not supported")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        raise RefusedError(f"RSA keys of {key.key_size} bits are too short")
    return key


def key_of_pem(data: bytes) -> PublicKey:
    """The key of a verifier: a PEM certificate or a PEM public key."""
    try:
        if b"BEGIN CERTIFICATE" in data:
            return known(x509.load_pem_x509_certificate(data).public_key())
        return known(serialization.load_pem_public_key(data))
    except (ValueError, UnsupportedAlgorithm) as err:
        raise RefusedError(f"verifier is neither a certificate nor a public key: {err}") from err


def hash_for(key: PublicKey) -> hashes.HashAlgorithm:
    """The hash that goes with a key: that of its curve, and SHA-256 for RSA."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[key.key_size]
    return hashes.SHA256()


def check_message(key: PublicKey, signature: bytes, message: bytes) -> None:
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature, message, ec.ECDSA(hash_for(key)))
    except InvalidSignature as err:
        raise RefusedError("signature could not be verified") from err


def check_digest(key: PublicKey, signature: bytes, digest: bytes, *, algorithm: hashes.HashAlgorithm) -> None:
    """Checks a signature over something of which only the digest is known."""
    if len(digest) != algorithm.digest_size:
        raise RefusedError(f"digest has {len(digest)} bytes, {algorithm.name} has {algorithm.digest_size}")
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            raise RefusedError("Ed25519 signs messages, not digests")
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, padding.PKCS1v15(), Prehashed(algorithm))
        else:
            key.verify(signature, digest, ec.ECDSA(Prehashed(algorithm)))
    except InvalidSignature as err:
        raise RefusedError("signature could not be verified") from err


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that a DSSE signature covers."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A certificate that signs, with its key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def make_authority(
    name: str,
    *,
    since: datetime,
    issuer: Authority | None = None,
    usage: ObjectIdentifier | None = None,
    path_length: int | None = None,
    end_entity: bool = False,
    curve: ec.EllipticCurve | None = None,
) -> Authority:
    """An authority that signs itself or is signed by ``issuer``; with ``end_entity``, one that signs no certificates."""
    key = ec.generate_private_key(curve or ec.SECP384R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(not end_entity, path_length), critical=True)
        .add_extension(key_usage(end_entity=end_entity), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=end_entity)
    return Authority(key=key, certificate=builder.sign(signer, hash_for(signer.public_key())))


def key_usage(*, end_entity: bool) -> x509.KeyUsage:
    """Signatures for an end entity, certificates and revocation lists for an authority."""
    return x509.KeyUsage(
        digital_signature=end_entity,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not end_entity,
        crl_sign=not end_entity,
        encipher_only=False,
        decipher_only=False,
    )
