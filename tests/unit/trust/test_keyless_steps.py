"""Keyless signatures: all that must hold together, with one thing wrong at a time."""

from dataclasses import replace
from datetime import timedelta

import pytest
from certificate_authority import CODE_SIGNING, SERVER_AUTH, issue, make_organisation
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from fake_pki import der, wall_clock
from keyless_material import ENVELOPES, PAYLOAD, issue_identity, root_of, sign_keyless

from mlsign.errors import InputError, MlsignError, TrustError
from mlsign.formats.bundle import FileBundle, FileSignature, Material, decode_bundle, encode_bundle
from mlsign.formats.trusted_root import Period
from mlsign.identity import Method
from mlsign.times import TimeSource
from mlsign.trust.authenticate import authenticate_envelope, authenticate_file
from mlsign.trust.root import TrustRoot

KINDS = pytest.mark.parametrize("kind", ENVELOPES)


def check(bundle, trusted, *, now=None):
    return authenticate_envelope(bundle, root=TrustRoot(keys=(), sigstore=trusted), now=now or wall_clock())[0]


def refused(*args, kind=TrustError, **how):
    with pytest.raises(kind) as caught:
        check(*args, **how)
    assert str(caught.value)[:1].islower()
    return caught.value.code


def with_material(bundle, **changes):
    return replace(bundle, material=replace(bundle.material, **changes))


@KINDS
def test_a_good_one(sigstore, trusted, kind):
    bundle = sign_keyless(sigstore, kind=kind)
    assert decode_bundle(encode_bundle(bundle)) == bundle
    found = check(bundle, trusted)
    assert (found.identity.subject, found.identity.issuer, found.logged) == ("dev@example.com", sigstore.issuer, True)
    source = TimeSource.TIMESTAMP if kind.endswith("2") else TimeSource.LOG
    assert [time.source for time in found.times] == [source]


def test_all_times_are_told_the_earliest_first(sigstore, trusted):
    bundle = sign_keyless(sigstore, kind="dsse", timestamps=2)
    found = check(bundle, trusted)
    assert len(found.times) == 3
    assert list(found.times) == sorted(found.times, key=lambda time: (time.time, time.source.value))


@KINDS
def test_without_a_trust_root_there_is_nothing_to_hold_it_against(sigstore, kind):
    assert refused(sign_keyless(sigstore, kind=kind), None) == "signature.method"


@KINDS
def test_the_twin_is_nobody(sigstore, trusted, kind):
    with sigstore.twin() as twin:
        assert refused(sign_keyless(twin, kind=kind), trusted) == "log.unknown"
        # Even with the logs and the times of the twin its certificates are nobody's.
        mixed = replace(root_of(twin), certificate_authorities=trusted.certificate_authorities)
        assert refused(sign_keyless(twin, kind=kind), mixed) == "certificate.chain"


@KINDS
def test_parts_of_another_signature(sigstore, trusted, kind):
    one, other = sign_keyless(sigstore, kind=kind), sign_keyless(sigstore, kind=kind)
    assert refused(with_material(one, entries=other.material.entries), trusted) in {"log.other", "time.missing"}
    assert refused(with_material(one, certificates=other.material.certificates), trusted) == "log.other"
    swapped = replace(one, envelope=replace(one.envelope, signature=other.envelope.signature))
    assert refused(swapped, trusted) in {"log.other", "time.missing"}
    changed = replace(one, envelope=replace(one.envelope, unauthenticated_payload=PAYLOAD + b" "))
    assert refused(changed, trusted) == "log.other"


def test_the_signature_itself_is_checked_last_and_is(sigstore, trusted):
    """A log that takes in what is not signed proves nothing."""
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = issue_identity(sigstore, ec.generate_private_key(ec.SECP256R1()))
    assert refused(sign_keyless(sigstore, key=key, certificate=leaf), trusted) == "signature.invalid"


# Times


def test_a_time_is_needed(sigstore, trusted):
    bundle = sign_keyless(sigstore, kind="hashedrekord 2", timestamps=0)
    assert refused(bundle, trusted) == "time.missing"
    unpromised = with_material(
        bundle, entries=(replace(bundle.material.entries[0], integrated_time=int(wall_clock().timestamp())),)
    )
    assert refused(unpromised, trusted) == "time.missing"
    with sigstore.twin() as twin:
        stamp = twin.timestamps.stamp_message(bundle.envelope.signature)
        assert refused(with_material(bundle, timestamps=(stamp,)), trusted) == "time.missing"
    assert refused(with_material(bundle, timestamps=(b"\x30\x00",)), trusted, kind=InputError) == "timestamp.format"


def test_a_certificate_is_good_for_minutes(own):
    trusted = root_of(own)
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = issue_identity(own, key)
    for minutes in (-1, 11):
        moment = wall_clock() + timedelta(minutes=minutes)
        own.set_clock(lambda moment=moment: moment)
        late = sign_keyless(own, key=key, certificate=leaf)
        assert refused(late, trusted, now=wall_clock() + timedelta(hours=1)) == "certificate.time"
    # Of several times every one must fit.
    own.shift(timedelta(0))
    bundle = sign_keyless(own, key=key, certificate=leaf, timestamps=1)
    assert check(bundle, trusted)
    own.shift(timedelta(hours=1))
    stamp = own.timestamps.stamp_message(bundle.envelope.signature)
    both = with_material(bundle, timestamps=(*bundle.material.timestamps, stamp))
    assert refused(both, trusted, now=wall_clock() + timedelta(hours=2)) == "certificate.time"


def test_a_time_that_has_not_come(sigstore, trusted):
    bundle = sign_keyless(sigstore)
    assert refused(bundle, trusted, now=wall_clock() - timedelta(minutes=6)) == "time.future"


def test_authorities_are_believed_in_their_time(sigstore, trusted):
    bundle = sign_keyless(sigstore)
    (authority,) = trusted.certificate_authorities
    now = wall_clock()
    over = replace(authority, period=Period(start=authority.period.start, end=now - timedelta(hours=1)))
    to_come = replace(authority, period=Period(start=now + timedelta(hours=1), end=None))
    for authorities in ((), (over,), (to_come, over)):
        assert refused(bundle, replace(trusted, certificate_authorities=authorities)) == "certificate.chain"
    with sigstore.twin() as twin:
        others = root_of(twin).certificate_authorities
    assert check(bundle, replace(trusted, certificate_authorities=(over, *others, authority)))
    assert refused(bundle, replace(trusted, certificate_authorities=(*others, over))) == "certificate.chain"


def test_a_log_of_version_2_is_believed_in_its_time(sigstore, trusted):
    bundle = sign_keyless(sigstore, kind="hashedrekord 2")
    ended = tuple(replace(log, period=replace(log.period, end=wall_clock() - timedelta(hours=1))) for log in trusted.logs)
    assert refused(bundle, replace(trusted, logs=ended)) == "log.period"


# Certificates


def named(own, key, **how):
    """A certificate by the authority of the trust root that Fulcio would not issue."""
    middle = own.fulcio.intermediate
    options = {"names": [x509.RFC822Name("dev@example.com")], "since": wall_clock() - timedelta(minutes=1), "key": key}
    return issue("x", middle, **options | {"until": wall_clock() + timedelta(minutes=9)} | how).certificate


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({}, "sct.missing"),
        ({"extended": SERVER_AUTH}, "sct.missing"),
        ({"usage": {"key_cert_sign"}}, "certificate.chain"),
    ],
    ids=["unlogged", "unlogged and for web servers", "an authority"],
)
def test_certificates_that_fulcio_never_issues(own, how, code):
    key = ec.generate_private_key(ec.SECP256R1())
    assert refused(sign_keyless(own, key=key, certificate=named(own, key, **how)), root_of(own)) == code


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"extended": CODE_SIGNING, "constraints": x509.BasicConstraints(ca=True, path_length=None)}, "certificate.usage"),
        ({"extended": SERVER_AUTH}, "certificate.usage"),
        ({"extended": None}, "certificate.usage"),
        ({"usage": None}, "certificate.usage"),
        ({"usage": {"key_agreement"}}, "certificate.usage"),
        ({}, "certificate.identity"),
    ],
    ids=["authority", "web server", "anything", "no usage", "another usage", "no issuer of a token"],
)
def test_certificates_of_other_uses(own, how, code, monkeypatch):
    """With whatever a certificate log would take."""
    monkeypatch.setattr("mlsign.trust.keyless.verify_certificate_timestamp", lambda *_, **__: None)
    key = ec.generate_private_key(ec.SECP256R1())
    assert refused(sign_keyless(own, key=key, certificate=named(own, key, **how)), root_of(own)) == code


def test_the_certificate_of_an_authority_is_nobodys_identity(own):
    """A trust root may name an authority whose certificate could sign as well; it is no chain by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    alone = issue("x", key=key, since=wall_clock() - timedelta(minutes=1), names=[x509.RFC822Name("dev@example.com")])
    trusted = root_of(own)
    (authority,) = trusted.certificate_authorities
    trusted = replace(trusted, certificate_authorities=(replace(authority, certificates=(alone.der,)),))
    assert refused(sign_keyless(own, key=key, certificate=alone.certificate), trusted) == "certificate.chain"


def test_certificates_that_cannot_be_read(sigstore, trusted):
    bundle = sign_keyless(sigstore)
    broken = with_material(bundle, certificates=(b"\x30\x00",))
    assert refused(broken, trusted, kind=MlsignError) == "certificate.format"
    garbage = replace(trusted.certificate_authorities[0], certificates=(b"\x30\x00",))
    root = replace(trusted, certificate_authorities=(garbage,))
    assert refused(bundle, root, kind=MlsignError) == "certificate.format"


def test_whatever_is_changed_in_the_certificate_is_a_refusal(sigstore, trusted):
    bundle = sign_keyless(sigstore)
    (leaf,) = bundle.material.certificates
    for position in range(0, len(leaf), 7):
        changed = leaf[:position] + bytes([leaf[position] ^ 1]) + leaf[position + 1 :]
        refused(with_material(bundle, certificates=(changed,)), trusted, kind=MlsignError)


# Files


def test_a_file(sigstore, trusted):
    """As a client signs one: an envelope and a file differ in what is signed, and in nothing else."""
    from cryptography.hazmat.primitives import hashes
    from keyless_material import hashed_body, log_1

    from mlsign.digest import sha256
    from mlsign.trust.log import SignedFacts

    key = ec.generate_private_key(ec.SECP256R1())
    leaf = der(issue_identity(sigstore, key))
    signature = key.sign(b"weights", ec.ECDSA(hashes.SHA256()))
    facts = SignedFacts(signature=signature, verifier=leaf, message=b"weights", payload=None)
    bundle = FileBundle(
        method=Method.KEYLESS,
        key_hint="",
        content=FileSignature(digest=sha256(b"weights"), signature=signature),
        material=Material(certificates=(leaf,), entries=(log_1(sigstore, hashed_body(facts)),)),
    )
    root = TrustRoot(keys=(), sigstore=trusted)
    for content in (b"weights", sha256(b"weights")):
        assert authenticate_file(bundle, content, root=root, now=wall_clock()).identity.subject == "dev@example.com"
    with pytest.raises(TrustError) as caught:
        authenticate_file(bundle, b"others", root=root, now=wall_clock())
    assert caught.value.code == "signature.content"


# Timestamps and certificates of an organisation


def test_a_timestamp_keeps_a_certificate_good_and_one_of_a_stranger_does_not(own, sigstore):
    now = wall_clock()
    organisation = make_organisation(since=now - timedelta(days=1), until=now + timedelta(seconds=30))
    bundle = organisation.signer(now=now).sign(PAYLOAD)
    stamped = with_material(bundle, timestamps=(own.timestamps.stamp_message(bundle.envelope.signature),))
    later = now + timedelta(days=30)

    def judge(bundle, sigstore_root):
        root = TrustRoot(keys=(), authorities=(organisation.trust,), sigstore=sigstore_root)
        return authenticate_envelope(bundle, root=root, now=later)[0]

    assert [time.source for time in judge(stamped, root_of(own)).times] == [TimeSource.TIMESTAMP]
    for found, root in ((bundle, root_of(own)), (stamped, root_of(sigstore)), (stamped, None)):
        with pytest.raises(TrustError) as caught:
            judge(found, root)
        assert caught.value.code == "certificate.time"
    own.shift(timedelta(hours=1))
    late = with_material(bundle, timestamps=(own.timestamps.stamp_message(bundle.envelope.signature),))
    with pytest.raises(TrustError) as caught:
        judge(late, root_of(own))
    assert caught.value.code == "certificate.time"
