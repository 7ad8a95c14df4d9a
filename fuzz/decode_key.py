"""Fuzz target: key files, public and private. Only ``InputError`` may escape, and one key has one identity."""

from mlsign.errors import InputError
from mlsign.signers.key import decode_private_key
from mlsign.trust.keys import KINDS, decode_public_key

WORDS = (
    b"-----BEGIN PUBLIC KEY-----",
    b"-----END PUBLIC KEY-----",
    b"-----BEGIN EC PRIVATE KEY-----",
    b"\n",
    b"\r\n",
    b"=",
    b"AAAA",
)


def check(data: bytes) -> None:
    """Reads ``data`` as either half of a key."""
    try:
        key = decode_public_key(data)
    except InputError as err:
        assert err.code.startswith("key.")
    else:
        assert key.identity.kind in KINDS
        assert key == decode_public_key(data)
        assert b"PRIVATE" not in data
    try:
        signer = decode_private_key(data, where="fuzz", ask_password=lambda: b"password")
    except InputError as err:
        assert err.code.startswith("key.")
        assert "BEGIN" not in str(err)
    else:
        assert signer.public.identity.kind in KINDS


if __name__ == "__main__":
    from engine import fuzz

    fuzz("key")
