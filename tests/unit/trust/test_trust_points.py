"""Public keys as tokens give them: the name of a curve and a point."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from making import make_key

from mlsign.errors import InputError, TrustError
from mlsign.signers.key_types import KeyType
from mlsign.trust.keys import decode_public_point, hash_message

PARAMETERS = {
    KeyType.P256: "06082a8648ce3d030107",
    KeyType.P384: "06052b81040022",
    KeyType.P521: "06052b81040023",
}
HASHES = {KeyType.P256: hashlib.sha256, KeyType.P384: hashlib.sha384, KeyType.P521: hashlib.sha512}


def refused(kind, call, *args, **how) -> str:
    with pytest.raises(kind) as caught:
        call(*args, **how)
    return caught.value.code


def point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@pytest.mark.parametrize("kind", PARAMETERS)
def test_a_point_is_the_key_that_a_file_would_hold(kind):
    pair = make_key(kind)
    point = point_of(pair.signer._key)
    assert decode_public_point(parameters=bytes.fromhex(PARAMETERS[kind]), point=point) == pair.signer.public
    assert hash_message(pair.signer.public, b"message") == HASHES[kind](b"message").digest()


def test_other_curves_are_refused():
    key = ec.generate_private_key(ec.SECP256K1())
    for parameters in (
        bytes.fromhex("06052b8104000a"),
        b"",
        b"\x13\x0cprime256v1ab",
        bytes.fromhex("06082a8648ce3d030107") + b"\0",
    ):
        assert refused(InputError, decode_public_point, parameters=parameters, point=point_of(key)) == "key.kind"


def test_what_is_no_point_of_the_curve():
    p256 = bytes.fromhex(PARAMETERS[KeyType.P256])
    good = point_of(make_key().signer._key)
    off = good[:-1] + bytes([good[-1] ^ 1])
    other = point_of(make_key(KeyType.P384).signer._key)
    for point in (b"", b"\0", off, good[:-1], good + b"\0", other, b"\x04" + bytes(64)):
        assert refused(InputError, decode_public_point, parameters=p256, point=point) == "key.point"


def test_nothing_is_hashed_for_a_key_that_signs_the_message_itself():
    assert refused(TrustError, hash_message, make_key(KeyType.ML_DSA_65).signer.public, b"message") == "key.kind"
