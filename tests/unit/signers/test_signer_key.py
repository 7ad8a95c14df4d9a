"""Signing where the library cannot make nonces from the message (RFC 6979): the signature is good all the same."""

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from making import make_key

from mlsign.formats.dsse import pre_authentication_encoding
from mlsign.signers.key import KeySigner
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


@pytest.mark.parametrize("kind", list(KeyType))
def test_a_library_without_deterministic_signatures(kind):
    signer = KeySigner(OlderLibrary(make_key(kind).signer._key))
    bundle = signer.sign(b"payload")
    message = pre_authentication_encoding(bundle.envelope.payload_type, b"payload")
    verify_signature(signer.public, message=message, signature=bundle.envelope.signature)
    assert signer.identity == signer.public.identity
