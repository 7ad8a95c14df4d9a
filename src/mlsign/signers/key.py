"""Signing with a private key in a PEM file, and making such keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from mlsign.errors import InputError
from mlsign.formats.bundle import Bundle, Material
from mlsign.formats.dsse import IN_TOTO_TYPE, Envelope, pre_authentication_encoding
from mlsign.identity import KeyIdentity, Method
from mlsign.signers.key_types import KeyType
from mlsign.trust.keys import ACCEPTED, CURVES, PublicKey, describe_public_key, names_ml_dsa, unsupported
from mlsign.trust.root import TrustRoot

_Private: TypeAlias = ec.EllipticCurvePrivateKey | MLDSA65PrivateKey

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


_PRIVATE_BLOCK: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----")
MAX_PASSWORD_BYTES: Final = 1023
"""What OpenSSL takes for a password of a private key."""

_CURVE_OF: Final[dict[KeyType, ec.EllipticCurve]] = {
    KeyType.P256: ec.SECP256R1(),
    KeyType.P384: ec.SECP384R1(),
    KeyType.P521: ec.SECP521R1(),
}


def generate_key(kind: KeyType, *, password: bytes | None) -> tuple[bytes, bytes, PublicKey]:
    """A new key pair: private PEM (PKCS #8, encrypted when there is a password), public PEM, and its identity.

    Raises ``InputError`` (``password.length``, ``key.unsupported``).
    """
    if password is not None and len(password) > MAX_PASSWORD_BYTES:
        raise InputError(
            f"has {len(password)} bytes, a password may have {MAX_PASSWORD_BYTES}",
            code="password.length",
            where="password",
            hint="a password file holds the password alone",
        )
    key = _generate(kind)
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    public = key.public_key()
    return private, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), describe_public_key(public)


def _generate(kind: KeyType) -> _Private:
    if kind is not KeyType.ML_DSA_65:
        return ec.generate_private_key(_CURVE_OF[kind])
    try:
        return MLDSA65PrivateKey.generate()
    except UnsupportedAlgorithm as err:
        raise unsupported(where=f"--type {kind.value}") from err


class KeySigner:
    """Signs with one private key held in memory."""

    material = Material()

    def __init__(self, key: _Private) -> None:
        self._key = key
        self.public = describe_public_key(key.public_key())

    @property
    def identity(self) -> KeyIdentity:
        return self.public.identity

    @property
    def trust(self) -> TrustRoot:
        return TrustRoot(keys=(self.public,))

    def sign(self, payload: bytes) -> Bundle:
        """A bundle over the payload.

        ECDSA nonces are deterministic (RFC 6979) where OpenSSL can: signing the same package twice gives the
        same bundle, and no weak random source can give the key away. ML-DSA signs the encoding itself, with no
        hash before it and an empty context (FIPS 204, algorithm 2); it mixes randomness in, so no two bundles are equal.
        """
        message = pre_authentication_encoding(IN_TOTO_TYPE, payload)
        signature = self._key.sign(message) if isinstance(self._key, MLDSA65PrivateKey) else _sign_ecdsa(self._key, message)
        envelope = Envelope(payload_type=IN_TOTO_TYPE, unauthenticated_payload=payload, signature=signature)
        return Bundle(method=Method.KEY, key_hint=self.public.hint, envelope=envelope)


def _sign_ecdsa(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    algorithm = _HASHES[key.curve.name]
    try:
        return key.sign(message, ec.ECDSA(algorithm, deterministic_signing=True))
    except UnsupportedAlgorithm:
        return key.sign(message, ec.ECDSA(algorithm))


def decode_private_key(pem: bytes, *, where: str, ask_password: Callable[[], bytes]) -> KeySigner:
    """A signer from a PEM private key; ``ask_password`` is called only when the key is encrypted.

    Raises ``InputError`` (``key.public``, ``key.several``, ``key.pem``, ``key.password``, ``key.kind``,
    ``key.unsupported``).
    """
    if b"-----BEGIN PUBLIC KEY-----" in pem:
        raise InputError(
            "is a public key, signing needs the private one",
            code="key.public",
            where=where,
            hint="name the .key file that mlsign keygen wrote beside it",
        )
    several = len(_PRIVATE_BLOCK.findall(pem))
    if several > 1:
        # The reader would take the first one, and whoever looks at the file may mean the other.
        raise InputError(
            f"holds {several} private keys, expected one",
            code="key.several",
            where=where,
            hint="keep each key in a file of its own",
        )
    encrypted = b"BEGIN ENCRYPTED PRIVATE KEY" in pem or b"Proc-Type: 4,ENCRYPTED" in pem
    password = ask_password() if encrypted else None
    try:
        key = load_pem_private_key(pem, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as err:
        if isinstance(err, UnsupportedAlgorithm) and (encrypted or names_ml_dsa(pem)):
            raise unsupported(where=where) from err
        if encrypted:
            raise InputError(
                "cannot be opened with this password",
                code="key.password",
                where=where,
                hint="check the password or the --password-file; a newline at the end of that file is not part of it",
            ) from err
        raise InputError("is not a readable PEM private key", code="key.pem", where=where) from err
    if not isinstance(key, MLDSA65PrivateKey) and not (isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES):
        raise InputError(
            f"is not {ACCEPTED}",
            code="key.kind",
            where=where,
            hint="make one with mlsign keygen",
        )
    return KeySigner(key)
