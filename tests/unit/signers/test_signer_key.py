"""Signing where the library cannot make nonces from the message (RFC 6979): the signature is good all the same."""

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from making import make_key

from mlsign.errors import InputError
from mlsign.formats.dsse import pre_authentication_encoding
from mlsign.signers.key import KeySigner, decode_private_key, generate_key
from mlsign.signers.key_types import KeyType
from mlsign.trust.keys import verify_signature


class OlderLibrary:
    """A private key of a build without deterministic signatures."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.curve = key.curve

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._key.public_key()

    def sign(self, message: bytes, algorithm: ec.ECDSA) -> bytes:
        if algorithm.deterministic_signing:
            raise UnsupportedAlgorithm("not in this build")
        return self._key.sign(message, algorithm)


@pytest.mark.parametrize("kind", [KeyType.P256, KeyType.P384, KeyType.P521])
def test_a_library_without_deterministic_signatures(kind):
    signer = KeySigner(OlderLibrary(make_key(kind).signer._key))
    bundle = signer.sign(b"payload")
    message = pre_authentication_encoding(bundle.envelope.payload_type, b"payload")
    verify_signature(signer.public, message=message, signature=bundle.envelope.signature)
    assert signer.identity == signer.public.identity


@pytest.mark.parametrize("password", [None, b"secret"])
def test_two_private_keys_in_one_file_are_refused(password):
    """The reader takes the first; whoever reviews the file may see the other."""
    one, two = make_key(), make_key(password=password)
    for pem in (one.private + two.private, two.private + one.private, one.private * 2):
        with pytest.raises(InputError) as caught:
            decode_private_key(pem, where="key", ask_password=lambda: b"secret")
        assert caught.value.code == "key.several"


def test_a_password_has_a_greatest_length():
    assert generate_key(KeyType.P256, password=b"x" * 1023)
    with pytest.raises(InputError) as caught:
        generate_key(KeyType.P256, password=b"x" * 1024)
    assert caught.value.code == "password.length"
