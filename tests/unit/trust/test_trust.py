"""Keys, signatures by them, and what is authentic."""

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from making import canonical, make_key

import mlsign.trust.keys
from mlsign.errors import InputError, TrustError
from mlsign.identity import Method
from mlsign.signers.key import decode_private_key
from mlsign.signers.key_types import KeyType
from mlsign.trust.authenticate import authenticate
from mlsign.trust.keys import PublicKey, decode_public_key, verify_signature
from mlsign.trust.root import TrustRoot

NOW = datetime(2026, 11, 1, tzinfo=UTC)

RESOURCES = [{"name": "a", "algorithm": "sha256", "digest": "00" * 32}]
STATEMENT = canonical(
    {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "n", "digest": {"sha256": hashlib.sha256(bytes(32)).hexdigest()}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "resources": RESOURCES,
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
        },
    }
)


def refused(kind, call, *args, **how) -> str:
    with pytest.raises(kind) as caught:
        call(*args, **how)
    return caught.value.code


def public_pem(key) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


FOREIGN = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "secp256k1": ec.generate_private_key(ec.SECP256K1()),
    "p224": ec.generate_private_key(ec.SECP224R1()),
}


@pytest.mark.parametrize("kind", [KeyType.P256, KeyType.P384, KeyType.P521])
def test_a_key_has_one_identity_however_it_is_written(kind):
    pair = make_key(kind)
    key = decode_public_key(pair.public)
    assert key == pair.signer.public
    assert key.identity.kind == f"EC P-{kind.value[1:]}"
    assert key.hint == hashlib.sha256(pair.public).hexdigest()
    crlf = decode_public_key(b"\n" + pair.public.replace(b"\n", b"\r\n"))
    assert crlf == key


@pytest.mark.parametrize("name", FOREIGN)
def test_keys_of_other_kinds_are_refused(name):
    assert refused(InputError, decode_public_key, public_pem(FOREIGN[name])) == "key.kind"
    pem = private_pem(FOREIGN[name])
    assert refused(InputError, decode_private_key, pem, where="k", ask_password=lambda: b"") == "key.kind"


def test_what_is_no_public_key():
    pair = make_key()
    assert refused(InputError, decode_public_key, pair.private) == "key.private"
    for pem in (b"", b"junk", pair.public * 2, pair.public.replace(b"PUBLIC", b"WHAT"), pair.public[:60], pair.signer.public.der):
        assert refused(InputError, decode_public_key, pem) == "key.pem"
    broken = pair.public.replace(b"MFkw", b"AAAA")
    assert refused(InputError, decode_public_key, broken) == "key.pem"


def test_what_is_no_private_key():
    pair = make_key()
    call = {"where": "k", "ask_password": lambda: b"x"}
    assert refused(InputError, decode_private_key, pair.public, **call) == "key.public"
    for pem in (b"", b"junk", pair.private[:80]):
        assert refused(InputError, decode_private_key, pem, **call) == "key.pem"


def test_a_password_is_asked_for_encrypted_keys_only():
    def never() -> bytes:
        raise AssertionError("asked")

    plain = make_key()
    assert decode_private_key(plain.private, where="k", ask_password=never).public == plain.signer.public
    locked = make_key(password=b"right")
    assert decode_private_key(locked.private, where="k", ask_password=lambda: b"right").public == locked.signer.public
    assert refused(InputError, decode_private_key, locked.private, where="k", ask_password=lambda: b"wrong") == "key.password"


def test_a_signature_is_by_one_key_over_one_message():
    pair, other = make_key(), make_key()
    key = pair.signer.public
    bundle = pair.signer.sign(STATEMENT)
    from mlsign.formats.dsse import pre_authentication_encoding

    message = pre_authentication_encoding(bundle.envelope.payload_type, STATEMENT)
    signature = bundle.envelope.signature
    verify_signature(key, message=message, signature=signature)
    for k, m, s in (
        (other.signer.public, message, signature),
        (key, message + b"x", signature),
        (key, message, b""),
        (key, STATEMENT, signature),
    ):
        assert refused(TrustError, verify_signature, k, message=m, signature=s) == "signature.invalid"


def test_a_trusted_key_that_is_none_is_refused():
    der = FOREIGN["rsa"].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = PublicKey(identity=make_key().signer.identity, der=der, hint="")
    assert refused(TrustError, verify_signature, key, message=b"", signature=b"0" * 70) == "key.kind"


def test_signing_twice_gives_the_same_bundle():
    pair = make_key()
    one, two = pair.signer.sign(STATEMENT), pair.signer.sign(STATEMENT)
    assert one.key_hint == pair.signer.public.hint
    assert one.method is Method.KEY
    if one != two:
        pytest.skip("this OpenSSL has no deterministic ECDSA")


def test_authentic():
    pair = make_key()
    found = authenticate(
        pair.signer.sign(STATEMENT), root=TrustRoot(keys=(make_key().signer.public, pair.signer.public)), now=NOW
    )
    assert found.identity == pair.signer.identity
    assert found.payload == STATEMENT
    assert found.times == ()
    assert [str(r.path) for r in found.statement.resources] == ["a"]


def test_a_bundle_without_a_hint_is_tried_with_every_trusted_key():
    pair, other = make_key(), make_key(KeyType.P384)
    bundle = replace(pair.signer.sign(STATEMENT), key_hint="")
    assert (
        authenticate(bundle, root=TrustRoot(keys=(other.signer.public, pair.signer.public)), now=NOW).identity
        == pair.signer.identity
    )
    assert refused(TrustError, authenticate, bundle, root=TrustRoot(keys=(other.signer.public,)), now=NOW) == "signature.invalid"
    assert refused(TrustError, authenticate, bundle, root=TrustRoot(keys=()), now=NOW) == "signature.unknown_key"


@pytest.mark.parametrize(("kind", "longest"), [(KeyType.P256, 72), (KeyType.P384, 104), (KeyType.P521, 139)])
def test_what_cannot_be_a_signature_is_not_tried(kind, longest, monkeypatch):
    """Each bundle without a hint is held against every key: junk must not cost a hash and a curve for each."""
    pair = make_key(kind)
    root = TrustRoot(keys=(pair.signer.public,))
    tried = []
    load = mlsign.trust.keys._load
    monkeypatch.setattr(mlsign.trust.keys, "_load", lambda der: tried.append(der) or load(der))
    good = replace(pair.signer.sign(STATEMENT), key_hint="")
    assert authenticate(good, root=root, now=NOW)
    assert len(tried) == 1
    for junk in (b"", b"0", b"0" * 7, b"0" * (longest + 1), b"\x31" + good.envelope.signature[1:]):
        bundle = replace(good, envelope=replace(good.envelope, signature=junk))
        assert refused(TrustError, authenticate, bundle, root=root, now=NOW) == "signature.invalid"
    assert len(tried) == 1
    for junk in (b"0" * 8, b"0" * longest):
        bundle = replace(good, envelope=replace(good.envelope, signature=junk))
        assert refused(TrustError, authenticate, bundle, root=root, now=NOW) == "signature.invalid"
    assert len(tried) == 3


def test_the_longest_signatures_are_taken():
    """Both integers with their highest bit set: a byte more each."""
    for kind, longest in ((KeyType.P256, 72), (KeyType.P384, 104), (KeyType.P521, 139)):
        pair = make_key(kind)
        lengths = []
        for number in range(40):
            payload = STATEMENT + b" " * number
            bundle = pair.signer.sign(payload)
            lengths.append(len(bundle.envelope.signature))
            assert authenticate(bundle, root=TrustRoot(keys=(pair.signer.public,)), now=NOW).payload == payload
        assert max(lengths) <= longest


def test_a_hint_selects_and_never_adds():
    pair, other = make_key(), make_key()
    bundle = pair.signer.sign(STATEMENT)
    assert (
        refused(TrustError, authenticate, bundle, root=TrustRoot(keys=(other.signer.public,)), now=NOW) == "signature.unknown_key"
    )
    assert refused(TrustError, authenticate, bundle, root=TrustRoot(keys=()), now=NOW) == "signature.unknown_key"
    posing = replace(bundle, key_hint=other.signer.public.hint)
    both = TrustRoot(keys=(other.signer.public, pair.signer.public))
    assert refused(TrustError, authenticate, posing, root=both, now=NOW) == "signature.invalid"


def test_the_payload_is_read_only_after_its_signature_is_good():
    pair = make_key()
    root = TrustRoot(keys=(pair.signer.public,))
    bundle = pair.signer.sign(b"no statement")
    assert refused(InputError, authenticate, bundle, root=root, now=NOW) == "json.syntax"
    changed = replace(bundle, envelope=replace(bundle.envelope, unauthenticated_payload=b"{{{{"))
    assert refused(TrustError, authenticate, changed, root=root, now=NOW) == "signature.invalid"


@pytest.mark.parametrize("method", [Method.CERTIFICATE, Method.KEYLESS])
def test_other_methods_are_not_waved_through(method):
    pair = make_key()
    bundle = replace(pair.signer.sign(STATEMENT), method=method)
    assert refused(TrustError, authenticate, bundle, root=TrustRoot(keys=(pair.signer.public,)), now=NOW) == "signature.method"


def test_every_type_of_payload_is_in_the_signature():
    """A signature over another payload type does not become one over a statement."""
    pair = make_key()
    key = decode_private_key(pair.private, where="k", ask_password=lambda: b"")
    from mlsign.formats.dsse import pre_authentication_encoding

    other = pre_authentication_encoding("text/plain", STATEMENT)
    from cryptography.hazmat.primitives import hashes

    signature = key._key.sign(other, ec.ECDSA(hashes.SHA256()))
    bundle = pair.signer.sign(STATEMENT)
    moved = replace(bundle, envelope=replace(bundle.envelope, signature=signature))
    assert refused(TrustError, authenticate, moved, root=TrustRoot(keys=(pair.signer.public,)), now=NOW) == "signature.invalid"
    assert base64.b64encode(signature)
