"""Public keys and signatures made by them: ECDSA on the NIST curves that OMS and Sigstore use.

Each curve goes with one hash (FIPS 186-5; Sigstore ``PublicKeyDetails``), so a bundle has no say in it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from mlsign.digest import sha256
from mlsign.errors import InputError, TrustError
from mlsign.identity import KeyIdentity

CURVES: Final = {"secp256r1": "EC P-256", "secp384r1": "EC P-384", "secp521r1": "EC P-521"}
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
_DER_BYTES: Final = {"EC P-256": 72, "EC P-384": 104, "EC P-521": 139}
"""The longest ECDSA signature of each curve: two integers of its order and their DER framing (RFC 3279, section 2.2.3)."""
_MIN_DER_BYTES: Final = 8
_SEQUENCE: Final = 0x30
_HINT: Final = "make a key with mlsign keygen, or openssl ecparam -genkey -name prime256v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A public key that is trusted for something.

    ``der`` is its SubjectPublicKeyInfo; ``hint`` the lower-case hex sha256 of its PEM, by which OMS bundles
    say which key made them.
    """

    identity: KeyIdentity
    der: bytes
    hint: str


def decode_public_key(pem: bytes, *, where: str = "") -> PublicKey:
    """The key of a PEM ``PUBLIC KEY`` block. Raises ``InputError`` (``key.private``, ``key.pem``, ``key.kind``)."""
    if b"PRIVATE KEY" in pem:
        raise InputError(
            "is a private key, a policy needs the public one",
            code="key.private",
            where=where,
            hint="name the .pub file that mlsign keygen wrote beside it, and keep the private key to yourself",
        )
    if pem.count(b"-----BEGIN ") != 1 or b"-----BEGIN PUBLIC KEY-----" not in pem:
        raise InputError("is not one PEM public key (BEGIN PUBLIC KEY)", code="key.pem", where=where, hint=_HINT)
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as err:
        raise InputError("is not a readable PEM public key", code="key.pem", where=where, hint=_HINT) from err
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise InputError(f"is not an elliptic-curve key on {', '.join(CURVES)}", code="key.kind", where=where, hint=_HINT)
    return describe_public_key(key)


def describe_public_key(key: ec.EllipticCurvePublicKey) -> PublicKey:
    """The values by which a loaded key is known and found."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    canonical_pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(
        identity=KeyIdentity(spki=sha256(der), kind=CURVES[key.curve.name]),
        der=der,
        hint=hashlib.sha256(canonical_pem).hexdigest(),
    )


@lru_cache(maxsize=256)
def _load(der: bytes) -> ec.EllipticCurvePublicKey:
    key = load_der_public_key(der)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TrustError("a trusted key is not an elliptic-curve key", code="key.kind")
    return key


def check_signature_length(key: PublicKey, *, signature: bytes) -> None:
    """Refuses what cannot be a signature by this key before any hashing: junk is tried against every key otherwise.

    Raises ``TrustError`` (``signature.invalid``).
    """
    longest = _DER_BYTES[key.identity.kind]
    if not _MIN_DER_BYTES <= len(signature) <= longest or signature[0] != _SEQUENCE:
        raise TrustError(
            f"the signature of {len(signature)} bytes is none that an {key.identity.kind} key makes",
            code="signature.invalid",
            expected=f"a DER sequence of {_MIN_DER_BYTES} to {longest} bytes",
            found=f"{len(signature)} bytes",
        )


def verify_signature(key: PublicKey, *, message: bytes, signature: bytes) -> None:
    """Returns when ``signature`` over ``message`` is by ``key``; raises ``TrustError`` (``signature.invalid``) if not."""
    check_signature_length(key, signature=signature)
    public = _load(key.der)
    try:
        public.verify(signature, message, ec.ECDSA(_HASHES[public.curve.name]))
    except InvalidSignature as err:
        raise TrustError(
            f"the signature is not one by the {key.identity.kind} key {key.identity.spki} over these bytes",
            code="signature.invalid",
        ) from err
