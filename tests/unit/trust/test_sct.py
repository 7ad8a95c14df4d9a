"""Timestamps by certificate logs: every certificate of Sigstore has one, by a log that is trusted, over just this certificate."""

import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from asn1crypto import core
from certificate_authority import issue
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.certificate_transparency import LogEntryType, Version
from fake_fulcio import SCT_LIST, FakeCtLog
from fake_pki import P256, der, sha256, spki, wall_clock
from keyless_material import issue_identity, root_of

import mlsign.trust.sct
from mlsign.errors import InputError, MlsignError, TrustError
from mlsign.formats.trusted_root import Period
from mlsign.trust.certificates import load_certificate
from mlsign.trust.sct import verify_certificate_timestamp

KEY = ec.generate_private_key(ec.SECP256R1())


def check(sigstore, leaf, *, trusted=None, issuer=None, **how):
    logs = how.get("logs", (trusted or root_of(sigstore)).ct_logs)
    verify_certificate_timestamp(load_certificate(der(leaf)), issuer=issuer or der(sigstore.fulcio.chain[0]), logs=logs)


def refused(*args, kind=TrustError, **how):
    with pytest.raises(kind) as caught:
        check(*args, **how)
    assert str(caught.value)[:1].islower()
    return caught.value.code


class Listing:
    """A certificate log whose lists are made by a test, of timestamps as it makes them."""

    def __init__(self, *edits, log=None):
        self.log = log or FakeCtLog()
        self.edits = edits or (lambda sct: sct,)

    @property
    def log_id(self):
        return self.log.log_id

    @property
    def key(self):
        return self.log.key

    def sct_list(self, tbs, *, issuer, now):
        made = core.OctetString.load(self.log.sct_list(tbs, issuer=issuer, now=now)).native[4:]
        listed = b"".join(struct.pack("!H", len(sct)) + sct for sct in (edit(made) for edit in self.edits))
        return core.OctetString(struct.pack("!H", len(listed)) + listed).dump()


def issued(own, *edits):
    """A certificate with timestamps after changes, by the log that the trust root names."""
    own.fulcio.ct_log = Listing(*edits, log=getattr(own.fulcio.ct_log, "log", own.fulcio.ct_log))
    return issue_identity(own, KEY)


def test_a_certificate_that_a_log_has_seen(sigstore, trusted):
    check(sigstore, issue_identity(sigstore, KEY), trusted=trusted)


def test_a_certificate_that_no_log_has_seen(own):
    trusted = root_of(own)
    own.fulcio.ct_log = None
    assert refused(own, issue_identity(own, KEY), trusted=trusted) == "sct.missing"


def test_a_log_that_nobody_named(own, sigstore):
    leaf = issue_identity(own, KEY)
    assert refused(own, leaf, logs=()) == "sct.untrusted"
    assert refused(own, leaf, trusted=root_of(sigstore)) == "sct.untrusted"
    # Another log in the name of the one that is trusted.
    (log,) = root_of(own).ct_logs
    assert refused(own, leaf, logs=(replace(log, key=spki(KEY.public_key())),)) == "log.signature"
    assert refused(own, leaf, logs=(replace(log, log_id=bytes(32)),)) == "sct.untrusted"


def test_a_log_is_believed_in_its_time(own):
    leaf = issue_identity(own, KEY)
    (log,) = root_of(own).ct_logs
    now = wall_clock()
    over = replace(log, period=Period(start=log.period.start, end=now - timedelta(hours=1)))
    to_come = replace(log, period=Period(start=now + timedelta(hours=1), end=None))
    assert refused(own, leaf, logs=(over, to_come)) == "sct.untrusted"
    check(own, leaf, logs=(over, log))


def test_the_timestamp_is_over_this_certificate_and_its_issuer(own):
    leaf, other = issue_identity(own, KEY), issue_identity(own, KEY)
    value = leaf.extensions.get_extension_for_oid(SCT_LIST).value.public_bytes()
    changed = der(other).replace(other.extensions.get_extension_for_oid(SCT_LIST).value.public_bytes(), value)
    if len(changed) == len(der(other)):
        assert refused(own, x509.load_der_x509_certificate(changed)) == "log.signature"
    assert refused(own, leaf, issuer=der(own.fulcio.chain[1])) == "log.signature"
    same_name = issue(own.fulcio.chain[0].subject, ca=True)
    assert refused(own, leaf, issuer=same_name.der) == "log.signature"


def at(start, data):
    return lambda sct: sct[:start] + data + sct[start + len(data) :]


# One timestamp: version 0, id 1 to 32, milliseconds 33 to 40, length of extensions 41 and 42, hash 43, signature 44, length.
@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (at(1, bytes(32)), "sct.untrusted"),
        (at(33, bytes(8)), "sct.untrusted"),
        (at(33, b"\xff" * 8), "sct.format"),
        (at(33, (253402300800000).to_bytes(8, "big")), "sct.format"),
        (at(40, b"\xee"), "log.signature"),
        (lambda sct: sct[:-1] + bytes([sct[-1] ^ 1]), "log.signature"),
        (lambda sct: sct[:41] + b"\0\x02ab" + sct[43:], "log.signature"),
    ],
    ids=["another log", "no time", "beyond any time", "after the last year", "another millisecond", "signature", "extensions"],
)
def test_a_timestamp_that_was_changed(own, edit, code):
    assert refused(own, issued(own, edit), kind=MlsignError) == code


@pytest.mark.parametrize(
    "edit",
    [lambda _: b"", lambda sct: b"\x01" + sct[1:], lambda sct: sct[:20], at(43, b"\x09"), at(44, b"\x09")],
    ids=["empty", "version", "cut", "hash", "signature"],
)
def test_a_timestamp_that_cannot_be_read_is_in_a_certificate_that_cannot(own, edit):
    try:
        leaf = issued(own, edit)
    except ValueError:
        return
    assert refused(own, leaf, kind=MlsignError) in {"certificate.format", "sct.format", "log.signature"}


def test_one_good_timestamp_is_enough(own):
    def false(sct):
        return sct[:-1] + bytes([sct[-1] ^ 1])

    def good(sct):
        return sct

    for edits in ((false, good), (good, false), (at(33, b"\xff" * 8), good)):
        check(own, issued(own, *edits))
    assert refused(own, issued(own, false, at(1, bytes(32)))) == "sct.untrusted"
    assert refused(own, issued(own, *[good] * 17), kind=InputError) == "sct.format"
    check(own, issued(own, *[false] * 15, good))


def test_extensions_of_a_timestamp_are_signed(own):
    class Extended(FakeCtLog):
        def sct_list(self, tbs, *, issuer, now):
            milliseconds = int(now.timestamp() * 1000)
            entry = sha256(spki(issuer)) + len(tbs).to_bytes(3, "big") + tbs
            signature = self.key.sign(struct.pack("!BBQH", 0, 0, milliseconds, 1) + entry + b"\0\x02ab", P256)
            sct = struct.pack("!B32sQH2sBBH", 0, self.log_id, milliseconds, 2, b"ab", 4, 3, len(signature)) + signature
            listed = struct.pack("!H", len(sct)) + sct
            return core.OctetString(struct.pack("!H", len(listed)) + listed).dump()

    own.fulcio.ct_log = Extended()
    check(own, issue_identity(own, KEY))


def test_other_kinds_of_timestamps(own):
    """The library reads none of them out of a certificate; should it come to, they are not taken for what they are not."""
    leaf = issue_identity(own, KEY)
    good = next(iter(leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value))
    fields = ("entry_type", "version", "timestamp", "log_id", "signature", "extension_bytes")
    plain = {name: getattr(good, name) for name in fields}
    issuer = own.fulcio.chain[0]
    (log,) = root_of(own).ct_logs
    mlsign.trust.sct._verify(SimpleNamespace(**plain), leaf, issuer=issuer, logs=(log,))
    for change in ({"entry_type": LogEntryType.X509_CERTIFICATE}, {"version": None}):
        with pytest.raises(InputError) as caught:
            mlsign.trust.sct._verify(SimpleNamespace(**plain | change), leaf, issuer=issuer, logs=(log,))
        assert caught.value.code == "sct.format"
    assert good.version is Version.v1


def test_a_certificate_of_too_many_bytes(own, monkeypatch):
    leaf = issue_identity(own, KEY)
    monkeypatch.setattr(mlsign.trust.sct, "_MAX_TBS", 100)
    assert refused(own, leaf, kind=InputError) == "sct.format"


def test_milliseconds_are_exact(own):
    for millisecond in (0, 1, 499, 500, 501, 998, 999):
        moment = datetime(2026, 5, 4, 3, 2, 1, millisecond * 1000, tzinfo=UTC)
        log = FakeCtLog()
        made = log.sct_list(b"tbs", issuer=KEY.public_key(), now=moment)
        assert made
        own.set_clock(lambda moment=moment: moment)
        own.fulcio.ct_log = FakeCtLog()
        (named,) = root_of(own).ct_logs
        named = replace(named, period=Period(start=moment - timedelta(days=1), end=None))
        check(own, issue_identity(own, KEY), logs=(named,))
    assert isinstance(hashes.SHA256(), hashes.HashAlgorithm)
