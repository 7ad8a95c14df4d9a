"""ML-DSA-65 keys: one identity, one length, one way to sign; every mix-up with other keys is refused."""

import hashlib
from dataclasses import replace

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA65PrivateKey, MLDSA87PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from making import Pair, make_key

import mlsign.signers.key
import mlsign.trust.keys
from mlsign.errors import InputError, TrustError
from mlsign.formats.dsse import IN_TOTO_TYPE, pre_authentication_encoding
from mlsign.identity import KeyIdentity
from mlsign.signers.key import KeySigner, decode_private_key, generate_key
from mlsign.signers.key_types import KeyType, note_on
from mlsign.trust.keys import KINDS, PublicKey, check_signature_length, decode_public_key, describe_public_key, verify_signature

MESSAGE = pre_authentication_encoding(IN_TOTO_TYPE, b"payload")
SIGNATURE_BYTES = 3309


@pytest.fixture(scope="module")
def pair() -> Pair:
    return make_key(KeyType.ML_DSA_65)


@pytest.fixture(scope="module")
def signature(pair: Pair) -> bytes:
    return pair.signer.sign(b"payload").envelope.signature


def refused(kind, call, *args, **how) -> str:
    with pytest.raises(kind) as caught:
        call(*args, **how)
    return caught.value.code


def verify(key: PublicKey, signature: bytes, message: bytes = MESSAGE) -> None:
    verify_signature(key, message=message, signature=signature)


def test_a_key_has_one_identity_however_it_is_written(pair):
    key = decode_public_key(pair.public)
    assert key == pair.signer.public
    assert key.identity.kind == "ML-DSA-65"
    assert key.identity.kind in KINDS
    assert key.hint == hashlib.sha256(pair.public).hexdigest()
    assert decode_public_key(b"\n" + pair.public.replace(b"\n", b"\r\n")) == key


def test_round_trip_with_and_without_a_password(pair, signature):
    assert len(signature) == SIGNATURE_BYTES
    verify(pair.signer.public, signature)
    locked = make_key(KeyType.ML_DSA_65, password=b"right")
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in locked.private
    signer = decode_private_key(locked.private, where="k", ask_password=lambda: b"right")
    verify(locked.signer.public, signer.sign(b"payload").envelope.signature)
    assert refused(InputError, decode_private_key, locked.private, where="k", ask_password=lambda: b"wrong") == "key.password"


def test_the_message_is_the_encoding_itself_and_the_context_is_empty(pair):
    """Pure ML-DSA: neither a context nor a hash before it makes a signature that counts."""
    private = pair.signer._key
    verify(pair.signer.public, private.sign(MESSAGE))
    for made in (
        private.sign(MESSAGE, b"context"),
        private.sign(hashlib.sha256(MESSAGE).digest()),
        private.sign(hashlib.sha512(MESSAGE).digest()),
        private.sign(b"payload"),
    ):
        assert refused(TrustError, verify, pair.signer.public, made) == "signature.invalid"


def test_another_key_and_another_message(pair, signature):
    other = make_key(KeyType.ML_DSA_65)
    assert refused(TrustError, verify, other.signer.public, signature) == "signature.invalid"
    assert refused(TrustError, verify, pair.signer.public, signature, MESSAGE + b"x") == "signature.invalid"


def test_a_wrong_length_is_refused_before_the_key_is_loaded(pair, signature, monkeypatch):
    loaded = []
    load = mlsign.trust.keys._load
    monkeypatch.setattr(mlsign.trust.keys, "_load", lambda der: loaded.append(der) or load(der))
    for junk in (b"", signature[:-1], signature + b"\0", signature * 2, bytes(2420), bytes(4627)):
        assert refused(TrustError, verify, pair.signer.public, junk) == "signature.invalid"
    assert loaded == []
    assert refused(TrustError, verify, pair.signer.public, bytes(SIGNATURE_BYTES)) == "signature.invalid"
    assert len(loaded) == 1


def test_one_flipped_bit_anywhere(pair, signature):
    for position in (*range(0, SIGNATURE_BYTES, 101), SIGNATURE_BYTES - 1):
        for bit in (0, 7):
            damaged = bytearray(signature)
            damaged[position] ^= 1 << bit
            assert refused(TrustError, verify, pair.signer.public, bytes(damaged)) == "signature.invalid"


@pytest.mark.parametrize("kind", [KeyType.P256, KeyType.P384, KeyType.P521])
def test_no_signature_counts_under_a_key_of_the_other_kind(pair, signature, kind):
    classical = make_key(kind)
    ecdsa = classical.signer.sign(b"payload").envelope.signature
    assert refused(TrustError, verify, pair.signer.public, ecdsa) == "signature.invalid"
    assert refused(TrustError, verify, classical.signer.public, signature) == "signature.invalid"
    assert refused(TrustError, verify, pair.signer.public, ecdsa.ljust(SIGNATURE_BYTES, b"\0")) == "signature.invalid"
    assert refused(TrustError, verify, classical.signer.public, signature[: len(ecdsa)]) == "signature.invalid"


def test_a_key_under_the_name_of_another_kind_verifies_nothing(pair, signature):
    """The length is checked for the kind that the identity names: both must be of one key."""
    classical = make_key()
    posing = replace(classical.signer.public, identity=replace(pair.signer.identity))
    assert refused(TrustError, verify, posing, signature) == "key.kind"
    ecdsa = classical.signer.sign(b"payload").envelope.signature
    posing = replace(pair.signer.public, identity=classical.signer.identity)
    assert refused(TrustError, verify, posing, ecdsa) == "key.kind"


def test_a_kind_that_nobody_knows_has_no_possible_length(pair, signature):
    nobody = KeyIdentity(spki=pair.signer.identity.spki, kind="ML-DSA-44")
    assert (
        refused(TrustError, check_signature_length, replace(pair.signer.public, identity=nobody), signature=signature)
        == "key.kind"
    )


def test_private_and_public_are_not_confused(pair):
    assert refused(InputError, decode_public_key, pair.private) == "key.private"
    locked = make_key(KeyType.ML_DSA_65, password=b"x")
    assert refused(InputError, decode_public_key, locked.private) == "key.private"
    call = {"where": "k", "ask_password": lambda: b"x"}
    assert refused(InputError, decode_private_key, pair.public, **call) == "key.public"
    assert refused(InputError, decode_private_key, pair.private * 2, **call) == "key.several"


@pytest.mark.parametrize("other", [MLDSA44PrivateKey, MLDSA87PrivateKey])
def test_other_parameter_sets_are_refused(other):
    key = other.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert refused(InputError, decode_public_key, public) == "key.kind"
    for encryption in (NoEncryption(), BestAvailableEncryption(b"x")):
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        assert refused(InputError, decode_private_key, private, where="k", ask_password=lambda: b"x") == "key.kind"


def test_a_damaged_key_is_refused(pair):
    lines = pair.public.splitlines(keepends=True)
    for pem in (b"".join(lines[:5] + lines[6:]), pair.public.replace(lines[1][:12], b"A" * 12), pair.public * 2):
        assert refused(InputError, decode_public_key, pem) == "key.pem"
    lines = pair.private.splitlines(keepends=True)
    assert refused(InputError, decode_private_key, lines[0] + lines[-1], where="k", ask_password=lambda: b"") == "key.pem"


def raise_unsupported(*_args, **_how):
    raise UnsupportedAlgorithm("not in this build")


def test_a_library_without_ml_dsa_says_so(pair, monkeypatch):
    """Builds of cryptography on an OpenSSL before 3.5 raise this from everything that touches such a key."""
    locked = make_key(KeyType.ML_DSA_65, password=b"x")
    classical = make_key()
    monkeypatch.setattr(mlsign.trust.keys, "load_pem_public_key", raise_unsupported)
    monkeypatch.setattr(mlsign.signers.key, "load_pem_private_key", raise_unsupported)
    monkeypatch.setattr(MLDSA65PrivateKey, "generate", raise_unsupported)
    call = {"where": "k", "ask_password": lambda: b"x"}
    assert refused(InputError, decode_public_key, pair.public) == "key.unsupported"
    assert refused(InputError, decode_private_key, pair.private, **call) == "key.unsupported"
    assert refused(InputError, decode_private_key, locked.private, **call) == "key.unsupported"
    assert refused(InputError, generate_key, KeyType.ML_DSA_65, password=None) == "key.unsupported"
    # Whatever else such a build cannot read is no readable key, as before.
    assert refused(InputError, decode_public_key, classical.public) == "key.pem"
    assert refused(InputError, decode_private_key, classical.private, **call) == "key.pem"
    crooked = classical.public.replace(b"MFkw", b"MFk")
    assert refused(InputError, decode_public_key, crooked) == "key.pem"


def test_only_the_new_kind_carries_a_note():
    assert note_on("ML-DSA-65").startswith("experimental: ")
    assert [note_on(kind) for kind in KINDS if kind != "ML-DSA-65"] == ["", "", ""]


def test_a_signer_tells_the_key_that_it_has():
    private = MLDSA65PrivateKey.generate()
    assert KeySigner(private).public == describe_public_key(private.public_key())
