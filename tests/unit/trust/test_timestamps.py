"""Timestamps: by an authority of the trust root, over this signature, in its time, or nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from asn1crypto import cms, tsp
from certificate_authority import issue
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from fake_pki import Authority as Stamping
from fake_pki import der, wall_clock
from fake_timestamps import Rejection
from keyless_material import root_of

from mlsign.errors import InputError, MlsignError, TrustError
from mlsign.formats.trusted_root import Authority, Period
from mlsign.times import TimeSource
from mlsign.trust.timestamps import verify_timestamp

SIGNATURE = b"a signature"


def authorities_of(sigstore):
    return root_of(sigstore).timestamp_authorities


def refused(response, authorities, *, signature=SIGNATURE, kind=TrustError):
    with pytest.raises(kind) as caught:
        verify_timestamp(response, signature=signature, authorities=authorities)
    assert str(caught.value)[:1].islower()
    return caught.value.code


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("certificates", [True, False])
def test_a_timestamp_proves_a_time(sigstore, trusted, algorithm, certificates):
    now = wall_clock()
    response = sigstore.timestamps.stamp_message(SIGNATURE, algorithm=algorithm, certificates=certificates)
    found = verify_timestamp(response, signature=SIGNATURE, authorities=trusted.timestamp_authorities)
    assert found.source is TimeSource.TIMESTAMP
    assert abs(found.time - now) < timedelta(seconds=5)
    assert refused(response, trusted.timestamp_authorities, signature=b"another") == "timestamp.untrusted"


def test_authorities_that_nobody_named(sigstore, trusted):
    response = sigstore.timestamps.stamp_message(SIGNATURE)
    assert refused(response, ()) == "timestamp.untrusted"
    with sigstore.twin() as twin:
        for certificates in (True, False):
            other = twin.timestamps.stamp_message(SIGNATURE, certificates=certificates)
            assert refused(other, trusted.timestamp_authorities) == "timestamp.untrusted"
        both = (*authorities_of(twin), *trusted.timestamp_authorities)
        assert verify_timestamp(response, signature=SIGNATURE, authorities=both)


def test_an_authority_is_believed_in_its_time(sigstore, trusted):
    response = sigstore.timestamps.stamp_message(SIGNATURE)
    (authority,) = trusted.timestamp_authorities
    now = wall_clock()
    over = replace(authority, period=Period(start=authority.period.start, end=now - timedelta(hours=1)))
    to_come = replace(authority, period=Period(start=now + timedelta(hours=1), end=None))
    for outside in ((over,), (to_come,), (over, to_come)):
        assert refused(response, outside) == "timestamp.period"
    assert verify_timestamp(response, signature=SIGNATURE, authorities=(over, authority))


def test_an_authority_whose_certificate_had_expired(own):
    authorities = authorities_of(own)
    own.timestamps.now = lambda: wall_clock() + timedelta(days=4000)
    assert refused(own.timestamps.stamp_message(SIGNATURE), authorities) == "timestamp.untrusted"
    own.timestamps.now = lambda: wall_clock() - timedelta(days=3)
    assert refused(own.timestamps.stamp_message(SIGNATURE), authorities) == "timestamp.untrusted"


STAMPS = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)]


def stamping(root, **how):
    options = {"since": wall_clock() - timedelta(days=1), "until": wall_clock() + timedelta(days=1), "extended": None} | how
    found = issue("timestamp authority", root, **options)
    return Stamping(key=found.key, certificate=found.certificate)


def authority(*chain):
    start = wall_clock() - timedelta(days=2)
    return Authority(url="", certificates=tuple(der(each.certificate) for each in chain), period=Period(start=start, end=None))


@pytest.mark.parametrize(
    ("more", "good"),
    [
        (STAMPS, True),
        ([(STAMPS[0][0], False)], False),
        ([(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), True)], False),
        ([], False),
    ],
    ids=["good", "not critical", "for code", "for anything"],
)
@pytest.mark.parametrize("certificates", [True, False])
def test_certificates_that_stamp_nothing(own, more, good, certificates):
    own.timestamps.leaf = stamping(own.timestamps.root, more=more)
    authorities = (authority(own.timestamps.leaf, own.timestamps.root),)
    response = own.timestamps.stamp_message(SIGNATURE, certificates=certificates)
    if good:
        assert verify_timestamp(response, signature=SIGNATURE, authorities=authorities)
    else:
        assert refused(response, authorities) == "timestamp.untrusted"


@pytest.mark.parametrize("brings", ["its own", "nothing", "that of the authority", "both"])
@pytest.mark.parametrize("who", ["a sibling", "the root"])
def test_others_that_the_same_root_has_certified(own, brings, who):
    """A trust root names the certificate that stamps, not everybody its root certified."""
    authorities = authorities_of(own)
    honest = own.timestamps.leaf
    own.timestamps.leaf = own.timestamps.root if who == "the root" else stamping(own.timestamps.root, more=STAMPS)
    response = tsp.TimeStampResp.load(own.timestamps.stamp_message(SIGNATURE))
    signed = response["time_stamp_token"]["content"]
    theirs = [cms.CertificateChoices.load(der(honest.certificate))]
    own_ones = list(signed["certificates"])
    signed["certificates"] = {"its own": own_ones, "nothing": [], "that of the authority": theirs, "both": theirs + own_ones}[
        brings
    ]
    assert refused(response.dump(force=True), authorities, kind=MlsignError) == "timestamp.untrusted"


def test_a_chain_with_an_authority_in_between(own):
    now = wall_clock()
    middle = issue("between", own.timestamps.root, ca=True, since=now - timedelta(days=1), until=now + timedelta(days=1))
    own.timestamps.leaf = stamping(middle, more=STAMPS)
    chain = (own.timestamps.leaf, middle, own.timestamps.root)
    for certificates in (True, False):
        response = own.timestamps.stamp_message(SIGNATURE, certificates=certificates)
        assert verify_timestamp(response, signature=SIGNATURE, authorities=(authority(*chain),))


def test_an_answer_that_was_not_granted(sigstore, trusted):
    response = tsp.TimeStampResp.load(sigstore.timestamps.stamp_message(SIGNATURE))
    for status in range(1, 7):
        changed = response.dump().replace(bytes.fromhex("3003020100"), bytes.fromhex("30030201") + bytes([status]))
        assert refused(changed, trusted.timestamp_authorities, kind=MlsignError) in {"timestamp.untrusted", "timestamp.format"}
    rejected = Rejection({"status": {"status": "rejection"}}).dump()
    assert refused(rejected, trusted.timestamp_authorities, kind=InputError) == "timestamp.format"


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\x30\x00", b"\x30\x80\x00\x00", b"\x30\x84\xff\xff\xff\xff", b"\x30\x03\x02\x01\x00", bytes(5000)]
)
def test_what_is_no_timestamp(trusted, data):
    assert refused(data, trusted.timestamp_authorities, kind=InputError) == "timestamp.format"


def test_whatever_is_changed_no_other_time_comes_out(sigstore, trusted):
    """What is not signed may change, as the words beside a status; the time and what it is about may not."""
    for certificates in (True, False):
        response = sigstore.timestamps.stamp_message(SIGNATURE, certificates=certificates)
        true = verify_timestamp(response, signature=SIGNATURE, authorities=trusted.timestamp_authorities)
        accepted = 0
        for position in range(int(certificates), len(response), 3):
            for changed in (
                response[:position] + bytes([response[position] ^ 1]) + response[position + 1 :],
                response[:position] + bytes([response[position] ^ 0x80]) + response[position + 1 :],
                response[:position],
            ):
                try:
                    found = verify_timestamp(changed, signature=SIGNATURE, authorities=trusted.timestamp_authorities)
                except (TrustError, InputError):
                    continue
                assert found == true
                accepted += 1
        assert accepted < len(response) // 50


def test_a_trust_root_with_garbage(sigstore):
    bad = Authority(url="", certificates=(b"\x30\x00",), period=Period(start=wall_clock(), end=None))
    assert refused(sigstore.timestamps.stamp_message(SIGNATURE), (bad,), kind=InputError) == "certificate.format"
