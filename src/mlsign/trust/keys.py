"""Public keys and signatures made by them: ECDSA on the NIST curves that OMS and Sigstore use, and ML-DSA-65.

Each curve goes with one hash (FIPS 186-5; Sigstore ``PublicKeyDetails``), so a bundle has no say in it. ML-DSA-65
(FIPS 204) is the pure variant with an empty context; it is experimental, since other tools cannot read such bundles yet.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias, TypeGuard

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from mlsign.digest import Digest, sha256
from mlsign.errors import InputError, TrustError
from mlsign.identity import KeyIdentity

_Public: TypeAlias = ec.EllipticCurvePublicKey | MLDSA65PublicKey

CURVES: Final = {"secp256r1": "EC P-256", "secp384r1": "EC P-384", "secp521r1": "EC P-521"}
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
ML_DSA_65: Final = "ML-DSA-65"
KINDS: Final = (*CURVES.values(), ML_DSA_65)
"""Every kind of key that a policy may name, as reports spell it."""
ACCEPTED: Final = f"an elliptic-curve key on {', '.join(CURVES)}, or an {ML_DSA_65} key"
_ML_DSA_65_BYTES: Final = 3309
"""FIPS 204, table 2: every signature has this length."""
_ML_DSA_65_OID: Final = bytes.fromhex("0609608648016503040312")
"""id-ml-dsa-65, 2.16.840.1.101.3.4.3.18, in DER (RFC 9881, section 2)."""
_DER_BYTES: Final = {"EC P-256": 72, "EC P-384": 104, "EC P-521": 139}
"""The longest ECDSA signature of each curve: two integers of its order and their DER framing (RFC 3279, section 2.2.3)."""
_MIN_DER_BYTES: Final = 8
_SEQUENCE: Final = 0x30
_NAMED_CURVES: Final[dict[bytes, ec.EllipticCurve]] = {
    bytes.fromhex("06082a8648ce3d030107"): ec.SECP256R1(),
    bytes.fromhex("06052b81040022"): ec.SECP384R1(),
    bytes.fromhex("06052b81040023"): ec.SECP521R1(),
}
"""ECParameters in DER: the object identifier of a curve (RFC 5480, section 2.1.1.1)."""
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
    """The key of a PEM ``PUBLIC KEY`` block.

    Raises ``InputError`` (``key.private``, ``key.pem``, ``key.kind``, ``key.unsupported``).
    """
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
        if isinstance(err, UnsupportedAlgorithm) and names_ml_dsa(pem):
            raise unsupported(where=where) from err
        raise InputError("is not a readable PEM public key", code="key.pem", where=where, hint=_HINT) from err
    if not _is_accepted(key):
        raise InputError(f"is not {ACCEPTED}", code="key.kind", where=where, hint=_HINT)
    return describe_public_key(key)


def decode_public_point(*, parameters: bytes, point: bytes, where: str = "") -> PublicKey:
    """The key of an uncompressed point (SEC 1, section 2.3.3) on the curve that the DER ``parameters`` name.

    Raises ``InputError`` (``key.kind``, ``key.point``).
    """
    curve = _NAMED_CURVES.get(parameters)
    if curve is None:
        raise InputError(f"is not a key on one of {', '.join(CURVES)}", code="key.kind", where=where, found=parameters.hex()[:40])
    try:
        return describe_public_key(ec.EllipticCurvePublicKey.from_encoded_point(curve, point))
    except ValueError as err:
        raise InputError(f"has a public key that is no point of {CURVES[curve.name]}", code="key.point", where=where) from err


def hash_message(key: PublicKey, message: bytes) -> bytes:
    """What an ECDSA signature by this key is computed over. Raises ``TrustError`` (``key.kind``) for keys that hash nothing."""
    for curve, kind in CURVES.items():
        if kind == key.identity.kind:
            return hashlib.new(_HASHES[curve].name, message).digest()
    raise TrustError(f"no hash goes with an {key.identity.kind} key", code="key.kind", found=key.identity.kind)


def _is_accepted(key: object) -> TypeGuard[_Public]:
    return isinstance(key, MLDSA65PublicKey) or (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES)


def names_ml_dsa(pem: bytes) -> bool:
    """Whether the one block of this PEM names ML-DSA-65: asked only where the library could not load it."""
    body = b"".join(line for line in pem.splitlines() if not line.startswith(b"-----"))
    try:
        return _ML_DSA_65_OID in b64decode(body)[:64]
    except ValueError:
        return False


def unsupported(*, where: str) -> InputError:
    """The refusal of a key that this installation can do nothing with, however good it is."""
    return InputError(
        f"needs an algorithm that the OpenSSL behind cryptography does not support ({ML_DSA_65} takes version 3.5)",
        code="key.unsupported",
        where=where,
        hint="install a wheel of cryptography that brings OpenSSL 3.5 or later",
    )


def describe_public_key(key: _Public) -> PublicKey:
    """The values by which a loaded key is known and found."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    canonical_pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(
        identity=KeyIdentity(spki=sha256(der), kind=_kind_of(key)),
        der=der,
        hint=hashlib.sha256(canonical_pem).hexdigest(),
    )


def _kind_of(key: _Public) -> str:
    return ML_DSA_65 if isinstance(key, MLDSA65PublicKey) else CURVES[key.curve.name]


@lru_cache(maxsize=256)
def _load(der: bytes) -> _Public:
    key = load_der_public_key(der)
    if not _is_accepted(key):
        raise TrustError(f"a trusted key is not {ACCEPTED}", code="key.kind")
    return key


def check_signature_length(key: PublicKey, *, signature: bytes) -> None:
    """Refuses what cannot be a signature by this key before any hashing: junk is tried against every key otherwise.

    Raises ``TrustError`` (``signature.invalid``; ``key.kind`` for a key that nothing here can verify with).
    """
    kind = key.identity.kind
    if kind == ML_DSA_65:
        possible, expected = len(signature) == _ML_DSA_65_BYTES, f"{_ML_DSA_65_BYTES} bytes"
    elif kind in _DER_BYTES:
        longest = _DER_BYTES[kind]
        possible = _MIN_DER_BYTES <= len(signature) <= longest and signature[0] == _SEQUENCE
        expected = f"a DER sequence of {_MIN_DER_BYTES} to {longest} bytes"
    else:
        raise TrustError(f"a trusted key is not {ACCEPTED}", code="key.kind", found=kind)
    if not possible:
        raise TrustError(
            f"the signature of {len(signature)} bytes is none that an {kind} key makes",
            code="signature.invalid",
            expected=expected,
            found=f"{len(signature)} bytes",
        )


def verify_signature(key: PublicKey, *, message: bytes, signature: bytes) -> None:
    """Returns when ``signature`` over ``message`` is by ``key``; raises ``TrustError`` (``signature.invalid``) if not."""
    check_signature_length(key, signature=signature)
    public = _load(key.der)
    if _kind_of(public) != key.identity.kind:
        # The length was checked for another kind than the one that would verify.
        raise TrustError(f"a trusted key is {_kind_of(public)}, not {key.identity.kind}", code="key.kind")
    try:
        if isinstance(public, MLDSA65PublicKey):
            public.verify(signature, message)
        else:
            public.verify(signature, message, ec.ECDSA(_HASHES[public.curve.name]))
    except InvalidSignature as err:
        raise TrustError(
            f"the signature is not one by the {key.identity.kind} key {key.identity.spki} over these bytes",
            code="signature.invalid",
        ) from err


def verify_by_sha256(key: PublicKey, *, message: bytes, signature: bytes) -> None:
    """As ``verify_signature``, with sha256 whatever the curve: how signers of OMS 0.2 did it, and nobody else here.

    Raises ``TrustError`` (``signature.invalid``).
    """
    check_signature_length(key, signature=signature)
    public = _load(key.der)
    if not isinstance(public, MLDSA65PublicKey):
        with suppress(InvalidSignature):
            public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
            return
    raise TrustError(
        f"the signature is not one by the {key.identity.kind} key {key.identity.spki} over these bytes, in either encoding",
        code="signature.invalid",
    )


def verify_prehashed(key: PublicKey, *, digest: Digest, signature: bytes) -> None:
    """As ``verify_signature``, where only the sha256 of the message is known: possible for keys that sign just that.

    Raises ``TrustError`` (``signature.invalid``, ``signature.prehashed``).
    """
    check_signature_length(key, signature=signature)
    public = _load(key.der)
    hashed = None if isinstance(public, MLDSA65PublicKey) else _HASHES[public.curve.name]
    if isinstance(public, MLDSA65PublicKey) or hashed is None or hashed.name != digest.algorithm.value:
        raise TrustError(
            f"an {key.identity.kind} key signs no {digest.algorithm.value}, so the bytes themselves are needed",
            code="signature.prehashed",
        )
    try:
        public.verify(signature, digest.value, ec.ECDSA(Prehashed(hashed)))
    except InvalidSignature as err:
        raise TrustError(
            f"the signature is not one by the {key.identity.kind} key {key.identity.spki} over this digest",
            code="signature.invalid",
        ) from err
