"""Signatures by transparency logs: over checkpoints, promises and certificate timestamps, with keys of a trust root."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mlsign.errors import TrustError, shown
from mlsign.formats.trusted_root import Log

_LogKey: TypeAlias = ec.EllipticCurvePublicKey | Ed25519PublicKey | rsa.RSAPublicKey
_CURVE_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
_MIN_RSA_BITS: Final = 2048


@lru_cache(maxsize=64)
def _load(der: bytes) -> _LogKey:
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as err:
        raise TrustError("the trust root has a log whose key cannot be read", code="root.key") from err
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVE_HASHES:
        return key
    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS:
        return key
    raise TrustError("the trust root has a log whose key is of no kind that logs use", code="root.key")


def verify_by_log(log: Log, *, message: bytes, signature: bytes, what: str) -> None:
    """Returns when ``signature`` over ``message`` is by the log; raises ``TrustError`` (``log.signature``) if not.

    ``what`` names the signed thing for the message. The hash follows from the key.
    """
    key = _load(log.key)
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature, message, ec.ECDSA(_CURVE_HASHES[key.curve.name]))
    except InvalidSignature as err:
        raise TrustError(
            f"{what} is not signed by the log {shown(log.url) or log.log_id.hex()[:16]}", code="log.signature"
        ) from err
