"""Entries of logs: what one must prove, and that it must be about this signature."""

import hashlib
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from certificate_authority import rsa_key
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from fake_pki import spki, wall_clock
from keyless_material import (
    ENVELOPES,
    PAYLOAD,
    dsse_body,
    enter,
    hashed_body,
    hashed_body_2,
    intoto_body,
    log_1,
    log_2,
    sign_facts,
)
from making import make_key

from mlsign.digest import sha256
from mlsign.errors import MlsignError, TrustError
from mlsign.formats.bundle import FileBundle, FileSignature, Material
from mlsign.formats.dsse import IN_TOTO_TYPE, pre_authentication_encoding
from mlsign.formats.trusted_root import Log, Period
from mlsign.identity import Method
from mlsign.strict import encode_json
from mlsign.times import TimeSource
from mlsign.trust.authenticate import authenticate_envelope, authenticate_file
from mlsign.trust.log import SignedFacts, verify_entry
from mlsign.trust.log_keys import verify_by_log
from mlsign.trust.root import TrustRoot

KEY = ec.generate_private_key(ec.SECP256R1())
FACTS = sign_facts(KEY, verifier=spki(KEY.public_key()))


def refused(call, *args, kind=TrustError, **how):
    with pytest.raises(kind) as caught:
        call(*args, **how)
    assert str(caught.value)[:1].islower()
    return caught.value.code


def signed_by_log(sigstore, entry):
    """The entry with a promise over what it says now."""
    promised = {
        "body": b64encode(entry.body).decode(),
        "integratedTime": entry.integrated_time,
        "logID": entry.log_id.hex(),
        "logIndex": entry.log_index,
    }
    return replace(entry, promise=sigstore.rekor1.key.sign(encode_json(promised), ec.ECDSA(hashes.SHA256())))


@pytest.mark.parametrize("kind", ENVELOPES)
def test_an_entry_of_every_kind(sigstore, trusted, kind):
    entry = enter(sigstore, FACTS, kind=kind)
    time = verify_entry(entry, FACTS, root=trusted, version=3)
    if kind.endswith("2"):
        assert time is None
    else:
        assert time.source is TimeSource.LOG
        assert time.time == datetime.fromtimestamp(entry.integrated_time, tz=UTC)


def test_an_entry_about_a_file_is_none_about_an_envelope(sigstore, trusted):
    """A signed file that reads like the encoding of a statement: its signer meant no statement."""
    entry = enter(sigstore, FACTS, kind="hashedrekord")
    assert refused(verify_entry, entry, FACTS, root=trusted, version=3) == "log.other"
    file = replace(FACTS, payload=None)
    assert verify_entry(entry, file, root=trusted, version=3).source is TimeSource.LOG
    for what in ({"signature": b"x"}, {"verifier": b"x"}, {"message": b"x"}):
        assert refused(verify_entry, entry, replace(file, **what), root=trusted, version=3) == "log.other"


def test_a_log_that_nobody_knows(sigstore, trusted):
    entry = enter(sigstore, FACTS)
    assert refused(verify_entry, replace(entry, log_id=bytes(32)), FACTS, root=trusted, version=3) == "log.unknown"
    assert refused(verify_entry, entry, FACTS, root=replace(trusted, logs=()), version=3) == "log.unknown"
    with sigstore.twin() as twin:
        assert refused(verify_entry, enter(twin, FACTS), FACTS, root=trusted, version=3) == "log.unknown"
        other = replace(enter(twin, FACTS), log_id=entry.log_id)
        assert refused(verify_entry, other, FACTS, root=trusted, version=3) == "log.signature"


# Proof and promise


@pytest.mark.parametrize("version", [1, 2, 3])
def test_what_an_entry_must_bring_by_version(sigstore, trusted, version):
    entry = enter(sigstore, FACTS)
    promise_only = replace(entry, proof=None)
    no_checkpoint = replace(entry, proof=replace(entry.proof, checkpoint=""))
    proof_only = replace(entry, promise=None)
    nothing = replace(entry, proof=None, promise=None)
    assert verify_entry(entry, FACTS, root=trusted, version=version) is not None
    assert verify_entry(proof_only, FACTS, root=trusted, version=version) is None
    assert refused(verify_entry, nothing, FACTS, root=trusted, version=version) == "log.inclusion"
    if version == 1:
        assert verify_entry(promise_only, FACTS, root=trusted, version=1)
        assert verify_entry(no_checkpoint, FACTS, root=trusted, version=1)
        bare = replace(no_checkpoint, promise=None)
        assert refused(verify_entry, bare, FACTS, root=trusted, version=1) == "log.checkpoint"
    else:
        assert refused(verify_entry, promise_only, FACTS, root=trusted, version=version) == "log.inclusion"
        assert refused(verify_entry, no_checkpoint, FACTS, root=trusted, version=version) == "log.checkpoint"


@pytest.mark.parametrize(
    "change",
    [
        {"integrated_time": 1},
        {"log_index": 1},
        {"promise": b"\x30\x06\x02\x01\x01\x02\x01\x01"},
        {"promise": b"x"},
        {"promise": b"\0" * 1024},
    ],
    ids=["time", "index", "signature", "no signature", "zeros"],
)
def test_a_promise_is_over_all_that_the_entry_says(sigstore, trusted, change):
    entry = replace(enter(sigstore, FACTS), **change)
    assert refused(verify_entry, entry, FACTS, root=trusted, version=3) == "log.signature"


def test_a_promise_of_another_log_key(sigstore, trusted):
    """Version 2 of the log signs no promises; one by its key would not be over what such a log signs, but is checked the same."""
    first, second = enter(sigstore, FACTS), enter(sigstore, FACTS, kind="hashedrekord 2")
    entry = replace(second, promise=first.promise, integrated_time=first.integrated_time)
    assert refused(verify_entry, entry, FACTS, root=trusted, version=3) == "log.signature"


@pytest.mark.parametrize("time", [0, -1, 253402300800, 2**52])
def test_a_promise_for_no_time(sigstore, trusted, time):
    entry = signed_by_log(sigstore, replace(enter(sigstore, FACTS), integrated_time=time))
    assert refused(verify_entry, entry, FACTS, root=trusted, version=3) == "log.time"


def test_a_number_that_json_cannot_carry(sigstore, trusted):
    entry = replace(enter(sigstore, FACTS), log_index=2**60)
    assert refused(verify_entry, entry, FACTS, root=trusted, version=3) == "log.format"


def test_a_promise_before_the_log_was_to_be_trusted(sigstore, trusted):
    entry = signed_by_log(sigstore, replace(enter(sigstore, FACTS), integrated_time=1_000_000_000))
    assert refused(verify_entry, entry, FACTS, root=trusted, version=3) == "log.period"
    ended = replace(trusted, logs=tuple(replace(log, period=replace(log.period, end=wall_clock())) for log in trusted.logs))
    late = signed_by_log(sigstore, replace(entry, integrated_time=int(wall_clock().timestamp()) + 10))
    assert verify_entry(late, FACTS, root=trusted, version=3)
    assert refused(verify_entry, late, FACTS, root=ended, version=3) == "log.period"


# What it is about


@pytest.mark.parametrize("kind", ENVELOPES)
@pytest.mark.parametrize("what", ["signature", "verifier", "message"])
def test_an_entry_about_something_else(sigstore, trusted, kind, what):
    other_key = ec.generate_private_key(ec.SECP256R1())
    other = {
        "signature": sign_facts(KEY, verifier=FACTS.verifier),
        "verifier": replace(FACTS, verifier=spki(other_key.public_key())),
        "message": replace(FACTS, message=FACTS.message + b"x", payload=PAYLOAD + b"x"),
    }[what]
    entry = enter(sigstore, other, kind=kind)
    assert verify_entry(entry, other, root=trusted, version=3) is not None or kind.endswith("2")
    assert refused(verify_entry, entry, FACTS, root=trusted, version=3) == "log.other"


@pytest.mark.parametrize("kind", ENVELOPES)
def test_an_entry_is_of_the_kind_that_it_says(sigstore, trusted, kind):
    entry = enter(sigstore, FACTS, kind=kind)
    for changed in (replace(entry, kind="rpm"), replace(entry, version="0.0.3"), replace(entry, kind="intoto", version="0.0.1")):
        assert refused(verify_entry, changed, FACTS, root=trusted, version=3).startswith("log.")


def test_an_entry_that_cannot_be_read(sigstore, trusted):
    entry = log_1(sigstore, {"apiVersion": "0.0.1", "kind": "dsse", "spec": {}})
    assert refused(verify_entry, entry, FACTS, root=trusted, version=3) == "log.missing"
    entry = log_1(sigstore, {"apiVersion": "0.0.1", "kind": "rpm", "spec": {}})
    assert refused(verify_entry, entry, FACTS, root=trusted, version=3) == "log.kind"
    deep = dsse_body(FACTS)
    deep["spec"]["payloadHash"]["value"] = "zz"
    assert refused(verify_entry, log_1(sigstore, deep), FACTS, root=trusted, version=3) == "log.hex"


def test_files_are_logged_by_their_bytes_alone(sigstore, trusted):
    content = b"weights"
    signature = KEY.sign(content, ec.ECDSA(hashes.SHA256()))
    facts = SignedFacts(signature=signature, verifier=FACTS.verifier, message=content, payload=None)
    digest_only = replace(facts, message=sha256(content))
    for make, log in ((hashed_body, log_1), (hashed_body_2, log_2)):
        entry = log(sigstore, make(facts))
        for known in (facts, digest_only):
            verify_entry(entry, known, root=trusted, version=3)
        other = replace(digest_only, message=sha256(b"other"))
        assert refused(verify_entry, entry, other, root=trusted, version=3) == "log.other"
    longer = log_1(sigstore, hashed_body(facts, algorithm="sha512"))
    assert verify_entry(longer, facts, root=trusted, version=3)
    assert refused(verify_entry, longer, digest_only, root=trusted, version=3) == "log.algorithm"
    for make in (dsse_body, intoto_body):
        entry = log_1(sigstore, make(replace(facts, payload=content)))
        assert refused(verify_entry, entry, facts, root=trusted, version=3) == "log.other"


# In signatures by key, which need no log


def by_key(sigstore, pair, *, kind="dsse"):
    bundle = pair.signer.sign(PAYLOAD)
    facts = SignedFacts(
        signature=bundle.envelope.signature,
        verifier=pair.signer.public.der,
        message=pre_authentication_encoding(IN_TOTO_TYPE, PAYLOAD),
        payload=PAYLOAD,
    )
    return replace(bundle, material=Material(entries=(enter(sigstore, facts, kind=kind),))), facts


@pytest.mark.parametrize("kind", ENVELOPES)
def test_a_key_may_have_an_entry_and_a_false_one_is_a_refusal(sigstore, trusted, kind):
    pair = make_key()
    bundle, facts = by_key(sigstore, pair, kind=kind)
    root = TrustRoot(keys=(pair.signer.public,), sigstore=trusted)
    found, _ = authenticate_envelope(bundle, root=root, now=wall_clock())
    assert found.logged
    assert len(found.times) == (0 if kind.endswith("2") else 1)
    other, _ = by_key(sigstore, make_key(), kind=kind)
    false = replace(bundle, material=other.material)
    assert refused(authenticate_envelope, false, root=root, now=wall_clock()) == "log.other"
    twice = replace(bundle, material=replace(bundle.material, entries=(*bundle.material.entries, *other.material.entries)))
    assert refused(authenticate_envelope, twice, root=root, now=wall_clock()) == "log.other"
    # Without authorities to hold it against it says nothing, true or false.
    alone = TrustRoot(keys=(pair.signer.public,))
    assert not authenticate_envelope(false, root=alone, now=wall_clock())[0].logged
    stamped = replace(bundle, material=replace(bundle.material, timestamps=(sigstore.timestamps.stamp_message(facts.signature),)))
    assert authenticate_envelope(stamped, root=root, now=wall_clock())[0].times


def test_a_time_that_has_not_come(sigstore, trusted):
    pair = make_key()
    bundle, _ = by_key(sigstore, pair)
    root = TrustRoot(keys=(pair.signer.public,), sigstore=trusted)
    early = wall_clock() - timedelta(minutes=6)
    assert refused(authenticate_envelope, bundle, root=root, now=early) == "time.future"
    assert authenticate_envelope(bundle, root=root, now=early + timedelta(minutes=2))


def test_a_log_that_was_not_trusted_at_the_time_that_others_prove(sigstore, trusted):
    pair = make_key()
    bundle, facts = by_key(sigstore, pair, kind="hashedrekord 2")
    stamp = sigstore.timestamps.stamp_message(facts.signature)
    timed = replace(bundle, material=replace(bundle.material, timestamps=(stamp,)))
    over = wall_clock() - timedelta(hours=1)
    ended = replace(trusted, logs=tuple(replace(log, period=replace(log.period, end=over)) for log in trusted.logs))
    for each in (timed, bundle):  # without a time nobody can say that it was taken in while the log was good
        root = TrustRoot(keys=(pair.signer.public,), sigstore=ended)
        assert refused(authenticate_envelope, each, root=root, now=wall_clock()) == "log.period"


def test_a_file_signed_by_key(sigstore, trusted):
    pair = make_key()
    content = b"weights"
    signature = pair.signer._key.sign(content, ec.ECDSA(hashes.SHA256()))
    facts = SignedFacts(signature=signature, verifier=pair.signer.public.der, message=content, payload=None)
    entry = log_1(sigstore, hashed_body(facts))
    bundle = FileBundle(
        method=Method.KEY,
        key_hint=pair.signer.public.hint,
        content=FileSignature(digest=sha256(content), signature=signature),
        material=Material(entries=(entry,)),
    )
    root = TrustRoot(keys=(pair.signer.public,), sigstore=trusted)
    for known in (content, sha256(content)):
        assert authenticate_file(bundle, known, root=root, now=wall_clock()).logged
    claimless = replace(bundle, content=replace(bundle.content, digest=None))
    assert authenticate_file(claimless, content, root=root, now=wall_clock())
    assert refused(authenticate_file, bundle, b"other", root=root, now=wall_clock()) == "signature.content"
    assert refused(authenticate_file, claimless, b"other", root=root, now=wall_clock()) == "signature.invalid"
    assert refused(authenticate_file, claimless, sha256(b"other"), root=root, now=wall_clock()) == "signature.invalid"


def test_a_key_that_hashes_otherwise_needs_the_bytes():
    from mlsign.signers.key_types import KeyType

    for kind in (KeyType.P384, KeyType.ML_DSA_65):
        pair = make_key(kind)
        content = b"weights"
        private = pair.signer._key
        signature = private.sign(content) if kind is KeyType.ML_DSA_65 else private.sign(content, ec.ECDSA(hashes.SHA384()))
        found = FileSignature(digest=None, signature=signature)
        bundle = FileBundle(method=Method.KEY, key_hint="", content=found, material=Material())
        root = TrustRoot(keys=(pair.signer.public,))
        assert authenticate_file(bundle, content, root=root, now=wall_clock())
        assert refused(authenticate_file, bundle, sha256(content), root=root, now=wall_clock()) == "signature.prehashed"


# Keys of logs


def log_with(key, *, url="https://log.example"):
    der = key if isinstance(key, bytes) else spki(key.public_key())
    period = Period(start=wall_clock(), end=None)
    return Log(url=url, log_id=hashlib.sha256(der).digest(), key=der, key_details="", period=period)


def sign_with(key, message):
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    hashed = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[key.key_size]
    return key.sign(message, ec.ECDSA(hashed))


LOG_KEYS = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "RSA": rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("kind", LOG_KEYS)
def test_logs_sign_with_keys_of_these_kinds(kind):
    key = LOG_KEYS[kind]
    verify_by_log(log_with(key), message=b"m", signature=sign_with(key, b"m"), what="it")
    for other in (b"n", b""):
        call = {"message": other, "signature": sign_with(key, b"m"), "what": "it"}
        assert refused(verify_by_log, log_with(key), **call) == "log.signature"
    for junk in (b"", b"\0", b"\x30\x00", bytes(64), bytes(256)):
        assert refused(verify_by_log, log_with(key, url=""), message=b"m", signature=junk, what="it") == "log.signature"
    with pytest.raises(TrustError):
        verify_by_log(log_with(LOG_KEYS["P-256"]), message=b"m", signature=sign_with(LOG_KEYS["Ed25519"], b"m"), what="it")


@pytest.mark.parametrize(
    "key",
    [
        rsa_key(1024),
        ec.generate_private_key(ec.SECP256K1()),
        b"",
        b"\x30\x00",
        b"garbage",
    ],
    ids=["short RSA", "another curve", "nothing", "empty", "garbage"],
)
def test_keys_that_no_log_has(key):
    assert refused(verify_by_log, log_with(key), message=b"m", signature=b"s", what="it", kind=MlsignError) == "root.key"
