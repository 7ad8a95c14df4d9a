"""Lists of revoked certificates: which are believed, for how long, and what a revocation means for older signatures."""

from datetime import timedelta

import pytest
from certificate_authority import (
    CODE_SIGNING,
    NOW,
    SIGNER,
    YEAR,
    Organisation,
    der_of,
    issue,
    make_organisation,
    name_of,
    revoke,
    revoked_entry,
    rsa_key,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags
from cryptography.x509.oid import ObjectIdentifier

import mlsign.trust.revocation
from mlsign.errors import InputError, TrustError
from mlsign.times import TimeSource, TrustedTime
from mlsign.trust.authenticate import authenticate_envelope
from mlsign.trust.chain import verify_holder
from mlsign.trust.revocation import decode_revocations
from mlsign.trust.root import CertificateTrust, TrustRoot

DAY = timedelta(days=1)
O = make_organisation()  # noqa: E741
REVOKED = NOW - 30 * DAY
EXPIRED_SINCE = ObjectIdentifier("2.5.29.60")


def hold(*lists, organisation=O, times=(), now=NOW):
    trust = CertificateTrust(
        anchors=(organisation.root.der,), revocations=tuple(each if isinstance(each, bytes) else der_of(each) for each in lists)
    )
    proven = tuple(TrustedTime(time=time, source=TimeSource.TIMESTAMP) for time in times)
    return verify_holder(organisation.chain, trust=trust, times=proven, now=now)


def refused(*lists, kind=TrustError, **how):
    with pytest.raises(kind) as caught:
        hold(*lists, **how)
    assert str(caught.value)[:1].islower()
    return caught.value


ROOT = der_of(revoke(O.root))
MIDDLE = der_of(revoke(O.middle))


def test_nobody_asks_without_a_list_and_all_are_asked_for_with_one():
    assert hold()
    assert hold(ROOT, MIDDLE)
    for lists, issuer in (((ROOT,), "CN=models,O=Acme"), ((MIDDLE,), "CN=root,O=Acme")):
        error = refused(*lists)
        assert error.code == "certificate.crl"
        assert issuer in error.hint


@pytest.mark.parametrize("which", ["leaf", "middle"])
@pytest.mark.parametrize("reason", [None, *ReasonFlags])
def test_a_revoked_certificate_is_none(which, reason):
    leaf, middle = [], []
    (leaf if which == "leaf" else middle).append(revoked_entry(getattr(O, which), reason=reason, date=REVOKED))
    lists = revoke(O.middle, *leaf), revoke(O.root, *middle)
    assert refused(*lists).code == "certificate.revoked"
    assert refused(*lists, times=[REVOKED]).code == "certificate.revoked"
    assert refused(*lists, times=[NOW - DAY]).code == "certificate.revoked"
    harmless = {
        ReasonFlags.affiliation_changed,
        ReasonFlags.superseded,
        ReasonFlags.cessation_of_operation,
        ReasonFlags.privilege_withdrawn,
    }
    before = [REVOKED - DAY]
    if reason in harmless:
        assert hold(*lists, times=before)
        assert hold(*lists, times=[NOW - DAY, *before])  # it existed then, whatever else it was shown to later
    else:
        error = refused(*lists, times=before)
        assert error.code == "certificate.revoked"
        assert f"reason {reason.value if reason else 'unspecified'}" in error.found


def test_others_may_be_revoked():
    other = issue("other", O.middle)
    assert hold(ROOT, revoke(O.middle, revoked_entry(other)))


def test_the_date_from_which_the_key_was_somebody_elses_counts():
    invalid = (x509.InvalidityDate((REVOKED - 10 * DAY).replace(tzinfo=None)), False)
    entry = revoked_entry(O.leaf, reason=ReasonFlags.superseded, date=REVOKED, more=[invalid])
    assert refused(ROOT, revoke(O.middle, entry), times=[REVOKED - 5 * DAY]).code == "certificate.revoked"
    assert hold(ROOT, revoke(O.middle, entry), times=[REVOKED - 11 * DAY])


def test_the_worst_entry_of_any_current_list_counts():
    mild = revoke(O.middle, revoked_entry(O.leaf, reason=ReasonFlags.superseded, date=REVOKED))
    grave = revoke(O.middle, revoked_entry(O.leaf, reason=ReasonFlags.key_compromise, date=REVOKED))
    both = revoke(O.middle, *[revoked_entry(O.leaf, reason=r) for r in (ReasonFlags.superseded, ReasonFlags.key_compromise)])
    times = [REVOKED - DAY]
    assert hold(ROOT, mild, MIDDLE, times=times)
    for lists in ((mild, grave), (grave, mild), (both,), (MIDDLE, both)):
        assert refused(ROOT, *lists, times=times).code == "certificate.revoked"


@pytest.mark.parametrize(
    ("start", "end", "good"),
    [
        (NOW, NOW, True),
        (NOW + timedelta(minutes=5), NOW + DAY, True),
        (NOW + timedelta(minutes=5, seconds=1), NOW + DAY, False),
        (NOW - DAY, NOW - timedelta(seconds=1), False),
    ],
)
def test_a_list_is_current_or_none(start, end, good):
    found = revoke(O.middle, start=start, end=end)
    if good:
        assert hold(ROOT, found)
        return
    error = refused(ROOT, found)
    assert error.code == "certificate.crl"
    assert "not current" in error.message
    assert hold(ROOT, found, MIDDLE)


def test_a_list_in_the_name_of_the_authority_is_not_by_it():
    forged = revoke(O.middle, signed_by=ec.generate_private_key(ec.SECP256R1()))
    assert refused(ROOT, forged).code == "certificate.crl"
    assert hold(ROOT, forged, MIDDLE)
    namesake = make_organisation()
    assert refused(ROOT, revoke(namesake.middle)).code == "certificate.crl"
    assert refused(ROOT, revoke(O.root)).code == "certificate.crl"
    # By the key of the authority, in another name.
    assert refused(ROOT, revoke(issue("other", O.root, ca=True, key=O.middle.key))).code == "certificate.crl"


def test_an_authority_that_may_sign_no_lists_signs_none():
    root = issue("root", ca=True)
    middle = issue("middle", root, ca=True, usage={"key_cert_sign"})
    organisation = Organisation(root=root, middle=middle, leaf=issue("release", middle))
    assert hold(organisation=organisation)
    error = refused(revoke(root), revoke(middle), organisation=organisation)
    assert error.code == "certificate.crl"


def test_a_signer_that_is_itself_the_root_is_on_no_list():
    alone = issue("release")
    trust = CertificateTrust(anchors=(alone.der,), revocations=(ROOT,))
    assert verify_holder((alone.der,), trust=trust, times=(), now=NOW)


@pytest.mark.parametrize("key", [rsa_key(), ec.generate_private_key(ec.SECP384R1())], ids=["RSA", "P-384"])
def test_keys_that_sign_lists(key):
    middle = issue("middle", O.root, ca=True, key=key)
    organisation = Organisation(root=O.root, middle=middle, leaf=issue("release", middle))
    assert hold(ROOT, revoke(middle, hashed=hashes.SHA384()), organisation=organisation)


@pytest.mark.parametrize(
    "issuer",
    [
        issue("middle", usage=None),
        issue("middle", usage=SIGNER),
        issue("middle", key=ed25519.Ed25519PrivateKey.generate(), ca=True),
    ],
    ids=["no usage", "another usage", "another kind of key"],
)
def test_issuers_that_no_chain_would_have(issuer):
    leaf = issue("release", issuer)
    by = issuer if isinstance(issuer.key, ec.EllipticCurvePrivateKey) else issue("middle")
    with pytest.raises(TrustError) as caught:
        mlsign.trust.revocation.check_not_revoked((leaf.der, issuer.der), revocations=(der_of(revoke(by)),), signed=None, now=NOW)
    assert caught.value.code == "certificate.crl"


def test_expired_certificates_may_have_been_dropped_from_a_list():
    """A stolen key signs until its certificate expires; then the list forgets it, and the signatures must not become good."""
    gone = make_organisation(until=NOW - 20 * DAY)
    gone = Organisation(root=gone.root, middle=gone.middle, leaf=gone.leaf)
    times = [NOW - 40 * DAY]
    assert hold(organisation=gone, times=times)
    for more in (
        [],
        [(x509.UnrecognizedExtension(EXPIRED_SINCE, b"\x18\x0f20261020000000Z"), False)],
        [(x509.UnrecognizedExtension(EXPIRED_SINCE, b"\x18\x0f2026102000000zZ"), False)],
        [(x509.UnrecognizedExtension(EXPIRED_SINCE, b"\x17\x0d261001000000Z"), False), (x509.CRLNumber(1), False)],
    ):
        error = refused(revoke(gone.root, more=more), revoke(gone.middle, more=more), organisation=gone, times=times)
        assert error.code == "certificate.crl"
        assert "expired" in error.message
    kept = [(x509.UnrecognizedExtension(EXPIRED_SINCE, b"\x18\x0f20261001000000Z"), False)]
    assert hold(revoke(gone.root, more=kept), revoke(gone.middle, more=kept), organisation=gone, times=times)
    # One that was made before they expired knows them all.
    older = {"start": NOW - 21 * DAY}
    assert hold(revoke(gone.root, **older), revoke(gone.middle, **older), organisation=gone, times=times)


def test_where_to_fetch_a_list_is_told():
    def point(*names):
        return (
            x509.DistributionPoint(full_name=names or None, relative_name=None, reasons=None, crl_issuer=None) if names else None
        )

    relative = x509.DistributionPoint(
        full_name=None,
        relative_name=x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")]),
        reasons=None,
        crl_issuer=None,
    )
    for points, said in (
        ([point(x509.UniformResourceIdentifier("https://acme.example/models.crl"))], "https://acme.example/models.crl"),
        ([point(x509.DNSName("acme.example")), relative], "O=Acme and name"),
    ):
        leaf = issue(name_of("release", organization="Acme"), O.middle, more=[(x509.CRLDistributionPoints(points), False)])
        error = refused(ROOT, organisation=Organisation(root=O.root, middle=O.middle, leaf=leaf))
        assert said in error.hint


def test_a_list_counts_for_everybody_who_trusts_the_same_root():
    """Else a revoked certificate would get in by a requirement without lists, and count for the one that has them."""
    lists = (ROOT, der_of(revoke(O.middle, revoked_entry(O.leaf))))
    strict = CertificateTrust(anchors=(O.root.der,), revocations=lists)
    other = make_organisation()
    loose = CertificateTrust(anchors=(other.root.der, O.root.der))
    bundle = O.sign(b"{}")
    for authorities in ((strict, loose), (loose, strict)):
        with pytest.raises(TrustError) as caught:
            authenticate_envelope(bundle, root=TrustRoot(keys=(), authorities=authorities), now=NOW)
        assert caught.value.code == "certificate.revoked"
        # Of another root the lists say nothing.
        assert authenticate_envelope(other.sign(b"{}"), root=TrustRoot(keys=(), authorities=authorities), now=NOW)
    assert authenticate_envelope(bundle, root=TrustRoot(keys=(), authorities=(loose,)), now=NOW)
    current = CertificateTrust(anchors=(O.root.der,), revocations=(ROOT, MIDDLE))
    assert authenticate_envelope(bundle, root=TrustRoot(keys=(), authorities=(loose, current)), now=NOW)


# What is no list


ISSUER_OF_ENTRY = x509.CertificateIssuer([x509.DirectoryName(name_of("other"))])
PART = x509.IssuingDistributionPoint(
    full_name=[x509.UniformResourceIdentifier("https://acme.example/part")],
    relative_name=None,
    only_contains_user_certs=False,
    only_contains_ca_certs=False,
    only_some_reasons=None,
    indirect_crl=False,
    only_contains_attribute_certs=False,
)


@pytest.mark.parametrize(
    "more",
    [
        [(x509.DeltaCRLIndicator(1), True)],
        [(x509.DeltaCRLIndicator(1), False)],
        [(PART, True)],
        [(PART, False)],
        [(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3"), b"\x05\x00"), True)],
        [(x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.20"), b"\xff\xff"), False)],
    ],
    ids=["changes", "changes, not critical", "part", "part, not critical", "unknown", "garbage"],
)
def test_lists_that_leave_something_unsaid(more):
    assert refused(ROOT, revoke(O.middle, more=more), kind=InputError).code == "certificate.crl.format"


def test_what_is_not_critical_may_be_unknown():
    more = [(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3"), b"\xff"), False), (x509.CRLNumber(7), False)]
    assert hold(ROOT, revoke(O.middle, more=more))


@pytest.mark.parametrize(
    ("value", "critical", "good"),
    [
        (ISSUER_OF_ENTRY, True, False),
        (ISSUER_OF_ENTRY, False, False),
        (x509.UnrecognizedExtension(ObjectIdentifier("1.2.3"), b"\x05\x00"), True, False),
        (x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.21"), b"\x0a\x01\x63"), False, False),
        (x509.UnrecognizedExtension(ObjectIdentifier("1.2.3"), b"\x05\x00"), False, True),
        (x509.CRLReason(ReasonFlags.superseded), True, True),
    ],
    ids=["of another", "of another, not critical", "unknown", "no reason", "unknown, not critical", "a critical reason"],
)
def test_entries_that_say_more(value, critical, good):
    other = issue("other", O.middle)
    found = revoke(O.middle, revoked_entry(other, more=[(value, critical)]))
    if good:
        assert hold(ROOT, found)
    else:
        assert refused(ROOT, found, kind=InputError).code == "certificate.crl.format"


def test_a_list_without_an_end_or_with_a_broken_hash():
    found = revoke(O.middle, start=NOW - DAY, end=NOW + DAY)
    # thisUpdate stays, nextUpdate goes; the signature is never looked at.
    end = b"\x17\x0d" + (NOW + DAY).strftime("%y%m%d%H%M%SZ").encode()
    inner = found.tbs_certlist_bytes
    assert inner.count(end) == 1
    shorter = _sequence(_body(inner).replace(end, b""))
    whole = _sequence(_body(der_of(found)).replace(inner, shorter))
    error = refused(ROOT, whole, kind=InputError)
    assert error.code == "certificate.crl.format"
    assert "nextUpdate" in error.message
    sha1 = der_of(revoke(issue("m", key=rsa_key(), ca=True))).replace(
        bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    )
    assert "SHA-2" in refused(ROOT, sha1, kind=InputError).message
    edwards = revoke(issue("m", key=ed25519.Ed25519PrivateKey.generate(), ca=True))
    assert "SHA-2" in refused(ROOT, edwards, kind=InputError).message


def _body(der):
    return der[2 + (der[1] & 0x7F) :] if der[1] & 0x80 else der[2:]


def _sequence(body):
    length = (
        bytes([len(body)])
        if len(body) < 128
        else b"\x81" + bytes([len(body)])
        if len(body) < 256
        else b"\x82" + len(body).to_bytes(2, "big")
    )
    return b"\x30" + length + body


def test_a_list_that_is_too_long(monkeypatch):
    monkeypatch.setattr(mlsign.trust.revocation, "MAX_LIST_BYTES", 100)
    fresh = revoke(O.middle)
    assert refused(ROOT, fresh, kind=InputError).code == "certificate.crl.format"


def test_whatever_is_changed_in_a_list_is_a_refusal():
    unused = MIDDLE.index(x509.load_der_x509_crl(MIDDLE).signature) - 1  # another spelling of the same list
    for position in {*range(0, len(MIDDLE), 3)} - {unused}:
        changed = bytearray(MIDDLE)
        changed[position] ^= 1
        with pytest.raises((TrustError, InputError)):
            hold(ROOT, bytes(changed))


# Files


def test_lists_in_files():
    pem = revoke(O.middle).public_bytes(Encoding.PEM)
    der = decode_revocations(pem, where="f")
    assert decode_revocations(der, where="f") == der == decode_revocations(b"\n" + pem, where="f")
    assert hold(ROOT, der)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nothing",
        b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
        O.leaf.pem,
        O.leaf.der,
        MIDDLE + b"\0",
        MIDDLE[:-1],
        2 * revoke(O.middle).public_bytes(Encoding.PEM),
        der_of(revoke(O.middle, more=[(PART, True)])),
    ],
    ids=["empty", "text", "no list", "a certificate", "a certificate in DER", "followed", "cut", "two", "a part"],
)
def test_files_that_are_none(data):
    with pytest.raises(InputError) as caught:
        decode_revocations(data, where="f")
    assert (caught.value.code, caught.value.where) == ("certificate.crl.format", "f")


def test_certificates_of_tests_are_as_the_rest_of_them():
    assert (O.leaf.certificate.not_valid_after_utc, tuple(CODE_SIGNING)) == (NOW + YEAR, CODE_SIGNING)
