"""Signatures over the encoding that signers of OMS 0.2 had: for their statements, where those are accepted, and for nothing else."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from making import Pair, canonical, make_key

from mlsign.errors import InputError, TrustError
from mlsign.formats.bundle import Bundle
from mlsign.formats.dsse import old_pre_authentication_encoding
from mlsign.formats.statement import ACCEPTED_FORMATS, StatementFormat
from mlsign.identity import Method
from mlsign.signers.key_types import KeyType
from mlsign.trust.authenticate import authenticate, authenticate_envelope
from mlsign.trust.keys import decode_public_key, verify_by_sha256, verify_signature
from mlsign.trust.root import TrustRoot

NOW = datetime(2026, 11, 1, tzinfo=UTC)
OLD = frozenset({StatementFormat.OMS_0_2})
EVERY = frozenset(StatementFormat)
CURVES = (KeyType.P256, KeyType.P384, KeyType.P521)

FILES = [{"name": "a", "digest": {"sha256": "00" * 32}, "annotations": {"actual_hash_algorithm": "file-sha256"}}]
OLD_STATEMENT = canonical(
    {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": FILES,
        "predicateType": "https://model_signing/Digests/v0.1",
        "predicate": {"unused": 'it\'s "unused"'},
    }
)
NEW_STATEMENT = canonical(
    {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "n", "digest": {"sha256": hashlib.sha256(bytes(32)).hexdigest()}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "resources": [{"name": "a", "algorithm": "sha256", "digest": "00" * 32}],
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
        },
    }
)


def sign_as_of_old(pair: Pair, payload: bytes, *, hashed: hashes.HashAlgorithm | None = None) -> Bundle:
    bundle = pair.signer.sign(payload)
    key = load_pem_private_key(pair.private, None)
    message = old_pre_authentication_encoding(bundle.envelope.payload_type, payload)
    signature = key.sign(message, ec.ECDSA(hashed or hashes.SHA256()))
    return replace(bundle, envelope=replace(bundle.envelope, signature=signature))


def root_of(pair: Pair) -> TrustRoot:
    return TrustRoot(keys=(pair.signer.public,))


def refused(bundle: Bundle, pair: Pair, formats: frozenset[StatementFormat]) -> InputError | TrustError:
    with pytest.raises((InputError, TrustError)) as caught:
        authenticate(bundle, root=root_of(pair), now=NOW, formats=formats)
    return caught.value


@pytest.mark.parametrize("kind", CURVES)
def test_an_old_signature_is_good_where_old_statements_are(kind):
    pair = make_key(kind)
    bundle = sign_as_of_old(pair, OLD_STATEMENT)
    for formats in (OLD, EVERY):
        found = authenticate(bundle, root=root_of(pair), now=NOW, formats=formats)
        assert found.statement.format is StatementFormat.OMS_0_2
        assert found.identity.unique == pair.signer.public.identity.unique
        assert found.payload == OLD_STATEMENT


@pytest.mark.parametrize("formats", [ACCEPTED_FORMATS, EVERY - OLD])
def test_and_nowhere_else(formats):
    pair = make_key()
    bundle = sign_as_of_old(pair, OLD_STATEMENT)
    error = refused(bundle, pair, formats)
    assert error.code == "signature.invalid"
    assert "lists oms-0.2 under formats" in error.hint
    with pytest.raises(TrustError) as caught:
        authenticate(bundle, root=root_of(pair), now=NOW)
    assert caught.value.code == "signature.invalid"
    with pytest.raises(TrustError) as caught:
        authenticate_envelope(bundle, root=root_of(pair), now=NOW)
    assert caught.value.code == "signature.invalid"


def test_an_old_signature_vouches_for_old_statements_only():
    """Else whoever finds a payload whose old encoding somebody signed could have it read as something else."""
    pair = make_key()
    assert refused(sign_as_of_old(pair, NEW_STATEMENT), pair, EVERY).code == "statement.format"
    assert refused(sign_as_of_old(pair, NEW_STATEMENT), pair, ACCEPTED_FORMATS).hint == ""
    assert refused(sign_as_of_old(pair, b"{}"), pair, EVERY).code == "statement.missing"


def test_old_statements_over_the_encoding_of_today_are_good_too():
    """Keyless signatures of OMS 0.2 are: Sigstore's own library made them."""
    pair = make_key()
    bundle = pair.signer.sign(OLD_STATEMENT)
    assert authenticate(bundle, root=root_of(pair), now=NOW, formats=EVERY).statement.format is StatementFormat.OMS_0_2
    assert refused(bundle, pair, ACCEPTED_FORMATS).code == "statement.format"


def test_what_was_accepted_before_is_accepted_beside():
    pair = make_key()
    assert authenticate(pair.signer.sign(NEW_STATEMENT), root=root_of(pair), now=NOW, formats=EVERY)
    assert refused(pair.signer.sign(NEW_STATEMENT), pair, OLD).code == "statement.format"


def test_any_changed_byte_is_refused():
    pair = make_key()
    bundle = sign_as_of_old(pair, OLD_STATEMENT)
    for at in range(0, len(OLD_STATEMENT), 7):
        payload = OLD_STATEMENT[:at] + bytes([OLD_STATEMENT[at] ^ 1]) + OLD_STATEMENT[at + 1 :]
        changed = replace(bundle, envelope=replace(bundle.envelope, unauthenticated_payload=payload))
        assert refused(changed, pair, EVERY).code == "signature.invalid"
    for at in range(len(bundle.envelope.signature)):
        signature = bytearray(bundle.envelope.signature)
        signature[at] ^= 1
        changed = replace(bundle, envelope=replace(bundle.envelope, signature=bytes(signature)))
        assert refused(changed, pair, EVERY).code == "signature.invalid"


def test_the_bytes_that_the_old_encoding_only_spells_are_another_payload():
    """``b'…'`` in the payload is not the quotes and escapes that the encoding adds."""
    pair = make_key()
    for payload in (repr(OLD_STATEMENT).encode(), OLD_STATEMENT.replace(b'"', b'\\"'), OLD_STATEMENT + b"\n"):
        bundle = sign_as_of_old(pair, payload)
        forged = replace(bundle, envelope=replace(bundle.envelope, unauthenticated_payload=OLD_STATEMENT))
        assert refused(forged, pair, EVERY).code == "signature.invalid"


def test_old_signatures_are_over_sha256_whatever_the_key():
    pair = make_key(KeyType.P384)
    assert refused(sign_as_of_old(pair, OLD_STATEMENT, hashed=hashes.SHA384()), pair, EVERY).code == "signature.invalid"


def test_somebody_elses_key_and_a_key_of_another_kind():
    pair, other = make_key(), make_key()
    bundle = sign_as_of_old(other, OLD_STATEMENT)
    assert refused(replace(bundle, key_hint=""), pair, EVERY).code == "signature.invalid"
    assert refused(bundle, pair, EVERY).code == "signature.unknown_key"
    lattice = make_key(KeyType.ML_DSA_65)
    signed = lattice.signer.sign(b"junk").envelope
    junk = replace(lattice.signer.sign(OLD_STATEMENT), envelope=replace(signed, unauthenticated_payload=OLD_STATEMENT))
    assert refused(junk, lattice, EVERY).code == "signature.invalid"


def test_keyless_signatures_are_never_old():
    pair = make_key()
    bundle = replace(sign_as_of_old(pair, OLD_STATEMENT), method=Method.KEYLESS)
    assert refused(bundle, pair, EVERY).code == "signature.method"


def test_only_the_function_for_it_takes_sha256_for_another_curve():
    pair = make_key(KeyType.P384)
    public, message = decode_public_key(pair.public), b"message"
    signature = load_pem_private_key(pair.private, None).sign(message, ec.ECDSA(hashes.SHA256()))
    verify_by_sha256(public, message=message, signature=signature)
    for call in (verify_signature, verify_by_sha256):
        with pytest.raises(TrustError) as caught:
            call(public, message=message + b"x" if call is verify_by_sha256 else message, signature=signature)
        assert caught.value.code == "signature.invalid"
