"""Certificates of an organisation's own authority: whose signature counts, at which time, and whose does not."""

from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from certificate_authority import (
    AUTHORITY,
    CODE_SIGNING,
    NOW,
    SERVER_AUTH,
    SIGNER,
    YEAR,
    issue,
    key_usage,
    make_organisation,
    name_of,
    rsa_key,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from mlsign.digest import sha256
from mlsign.errors import InputError, MlsignError, TrustError
from mlsign.identity import Method
from mlsign.times import TimeSource, TrustedTime
from mlsign.trust.authenticate import authenticate_envelope
from mlsign.trust.certificates import (
    MAX_PEM_CERTIFICATES,
    check_is_no_authority,
    decode_certificates,
    is_self_signed,
    load_certificate,
    verify_chain,
)
from mlsign.trust.chain import verify_holder
from mlsign.trust.keyless import holder_key
from mlsign.trust.root import CertificateTrust, TrustRoot

ORGANISATION = make_organisation()


def refused(call, *args, kind=MlsignError, **how):
    with pytest.raises(kind) as caught:
        call(*args, **how)
    assert str(caught.value)[:1].islower()
    assert not str(caught.value).endswith(".")
    return caught.value.code


def hold(leaf, *above, anchors, times=(), now=NOW, **trust):
    found = CertificateTrust(anchors=tuple(a.der for a in anchors), **trust)
    proven = tuple(TrustedTime(time=time, source=TimeSource.TIMESTAMP) for time in times)
    return verify_holder((leaf.der, *(c.der for c in above)), trust=found, times=proven, now=now)


def below(middle, **how):
    """The refusal of a good leaf below that authority."""
    return refused(hold, issue("release", middle), middle, anchors=[ORGANISATION.root], **how)


def test_a_holder_is_known_by_all_that_was_certified():
    o = ORGANISATION
    found = hold(o.leaf, o.middle, anchors=[o.root])
    assert found.method is Method.CERTIFICATE
    assert found.subject == "CN=release,O=Acme"
    assert found.issuer == "CN=models,O=Acme"
    assert found.names == ("email:release@acme.example",)
    assert str(found.anchor).endswith(load_certificate(o.root.der).fingerprint(hashes.SHA256()).hex())
    assert found.describe()["names"] == "email:release@acme.example"


@pytest.mark.parametrize("extra", ["order", "unrelated", "repeated", "with the root", "known here"])
def test_how_the_chain_comes_is_of_no_matter(extra):
    root = issue("root", ca=True)
    upper = issue("upper", root, ca=True)
    lower = issue("lower", upper, ca=True)
    leaf = issue("release", lower)
    stranger, namesake = issue("stranger", ca=True), issue("lower", ca=True)
    above = {
        "order": (upper, lower),
        "unrelated": (stranger, namesake, lower, upper),
        "repeated": (lower, lower, upper, upper),
        "with the root": (lower, upper, root),
        "known here": (),
    }[extra]
    trust = {"intermediates": (lower.der, upper.der)} if extra == "known here" else {}
    assert hold(leaf, *above, anchors=[stranger, root], **trust).subject == "CN=release"


def test_times_of_other_zones_are_the_same_times():
    o = ORGANISATION
    east = timezone(timedelta(hours=11))
    assert hold(o.leaf, o.middle, anchors=[o.root], now=(NOW + YEAR).astimezone(east))
    assert refused(hold, o.leaf, o.middle, anchors=[o.root], now=(NOW + YEAR + timedelta(seconds=1)).astimezone(east))


def test_nothing_is_trusted_where_nobody_is():
    o = ORGANISATION
    assert refused(hold, o.leaf, o.middle, anchors=[], kind=TrustError) == "certificate.chain"
    bundle = o.sign(b"{}")
    assert refused(authenticate_envelope, bundle, root=TrustRoot(keys=()), now=NOW) == "signature.method"
    none = replace(bundle, material=replace(bundle.material, certificates=()))
    root = TrustRoot(keys=(), authorities=(o.trust,))
    assert refused(authenticate_envelope, none, root=root, now=NOW) == "signature.method"


def test_any_authority_is_enough_and_a_failure_of_all_is_told():
    o, other = ORGANISATION, make_organisation()
    bundle = o.sign(b"{}")
    root = TrustRoot(keys=(), authorities=(other.trust, o.trust))
    signer, payload = authenticate_envelope(bundle, root=root, now=NOW)
    assert (signer.identity.unique, payload) == ("certificate:CN=release,O=Acme by CN=models,O=Acme", b"{}")
    strangers = TrustRoot(keys=(), authorities=(other.trust, other.trust))
    assert refused(authenticate_envelope, bundle, root=strangers, now=NOW, kind=TrustError) == "certificate.chain"
    stolen = replace(bundle, material=replace(bundle.material, certificates=other.chain))
    assert refused(authenticate_envelope, stolen, root=strangers, now=NOW, kind=TrustError) == "signature.invalid"


# Time


def test_an_expired_certificate_is_none_however_good_it_was():
    o = make_organisation(until=NOW - timedelta(days=1))
    assert refused(hold, o.leaf, o.middle, anchors=[o.root], kind=TrustError) == "certificate.time"
    root = TrustRoot(keys=(), authorities=(o.trust,))
    bundle = o.signer(now=NOW - timedelta(days=2)).sign(b"{}")
    assert refused(authenticate_envelope, bundle, root=root, now=NOW) == "certificate.time"


def test_a_trusted_time_within_its_validity_keeps_it_good_and_one_outside_does_not():
    o = make_organisation(until=NOW - timedelta(days=1))
    good, late, early = NOW - timedelta(days=2), NOW - timedelta(hours=1), NOW - 2 * YEAR
    assert hold(o.leaf, o.middle, anchors=[o.root], times=[good])
    for times in ([late], [early], [good, late]):
        assert refused(hold, o.leaf, o.middle, anchors=[o.root], times=times) == "certificate.time"


def test_a_certificate_that_is_not_yet_valid():
    o = make_organisation(since=NOW + timedelta(days=1))
    assert refused(hold, o.leaf, o.middle, anchors=[o.root]) == "certificate.time"


@pytest.mark.parametrize("which", ["root", "middle"])
@pytest.mark.parametrize(
    "when", [{"until": NOW - timedelta(days=1)}, {"since": NOW + timedelta(days=1)}], ids=["over", "to come"]
)
def test_every_authority_is_valid_at_that_time_too(which, when):
    root = issue("root", ca=True, **(when if which == "root" else {}))
    middle = issue("middle", root, ca=True, **(when if which == "middle" else {}))
    leaf = issue("release", middle)
    assert refused(hold, leaf, middle, anchors=[root], kind=TrustError) == "certificate.chain"
    other = NOW + (timedelta(days=2) if "since" in when else -timedelta(days=2))
    assert hold(leaf, middle, anchors=[root], times=[other])


# Authorities


@pytest.mark.parametrize(
    "how",
    [
        {"constraints": None},
        {"constraints": x509.BasicConstraints(ca=False, path_length=None)},
        {"usage": None},
        {"usage": SIGNER},
        {"usage": {"crl_sign"}},
        {"extended": SERVER_AUTH},
        {"extended": (ExtendedKeyUsageOID.TIME_STAMPING,)},
        {"key": ed25519.Ed25519PrivateKey.generate()},
        {"key": ec.generate_private_key(ec.SECP224R1())},
        {"key": rsa_key(1024)},
        {"more": [(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]},
        {"more": [(x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None), True)]},
    ],
    ids=lambda how: next(iter(how)),
)
def test_an_authority_that_may_issue_no_such_certificate(how):
    assert below(issue("middle", ORGANISATION.root, ca=True, **how), kind=TrustError) == "certificate.chain"


@pytest.mark.parametrize("extended", [CODE_SIGNING, (*SERVER_AUTH, *CODE_SIGNING), (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)])
@pytest.mark.parametrize("critical", [True, False])
def test_an_authority_for_code_signing_among_others(extended, critical):
    middle = issue("middle", ORGANISATION.root, ca=True, more=[(x509.ExtendedKeyUsage(extended), critical)])
    assert hold(issue("release", middle), middle, anchors=[ORGANISATION.root])


def test_of_two_certificates_of_an_authority_the_one_that_fits_is_taken():
    key = ec.generate_private_key(ec.SECP256R1())
    web = issue("middle", ORGANISATION.root, ca=True, key=key, extended=SERVER_AUTH)
    code = issue("middle", ORGANISATION.root, ca=True, key=key)
    for above in ((web, code), (code, web)):
        assert hold(issue("release", code), *above, anchors=[ORGANISATION.root])


def test_the_root_itself_is_held_to_what_it_says():
    for how in ({"extended": SERVER_AUTH}, {"usage": SIGNER}, {"constraints": None}, {"key": rsa_key(1024)}):
        root = issue("root", ca=True, **how)
        assert refused(hold, issue("release", root), anchors=[root], kind=TrustError) == "certificate.chain"


def test_paths_are_as_long_as_the_authorities_allow():
    root = issue("root", ca=True, path_length=1)
    upper = issue("upper", root, ca=True)
    lower = issue("lower", upper, ca=True)
    assert hold(issue("release", upper), upper, anchors=[root])
    assert refused(hold, issue("release", lower), lower, upper, anchors=[root], kind=TrustError) == "certificate.chain"


def test_no_path_has_more_than_eight_authorities():
    above = [issue("root", ca=True)]
    for number in range(9):
        above.insert(0, issue(f"level {number}", above[0], ca=True))
    assert hold(issue("release", above[1]), *above[1:-1], anchors=[above[-1]])
    assert refused(hold, issue("release", above[0]), *above[:-1], anchors=[above[-1]], kind=TrustError) == "certificate.chain"


def test_signers_certify_nobody():
    o = ORGANISATION
    forged = issue("somebody else", o.leaf)
    assert refused(hold, forged, o.leaf, o.middle, anchors=[o.root], kind=TrustError) == "certificate.chain"
    # Tools in use write such certificates; without the key usage of an authority they issue nothing.
    loose = issue("release", o.middle, constraints=x509.BasicConstraints(ca=True, path_length=None))
    assert hold(loose, o.middle, anchors=[o.root])
    forged = issue("somebody else", loose)
    assert refused(hold, forged, loose, o.middle, anchors=[o.root], kind=TrustError) == "certificate.chain"
    assert refused(check_is_no_authority, loose.certificate) == "certificate.usage"
    check_is_no_authority(o.leaf.certificate)


# Anchors


def test_a_certificate_by_itself_is_good_only_where_it_is_named():
    alone = issue("release")
    assert refused(hold, alone, anchors=[ORGANISATION.root], kind=TrustError) == "certificate.chain"
    assert refused(hold, alone, alone, anchors=[ORGANISATION.root], kind=TrustError) == "certificate.chain"
    assert hold(alone, anchors=[alone]).anchor == hold(alone, anchors=[alone]).fingerprint


def test_a_root_that_comes_with_the_signature_is_nobody():
    o, other = make_organisation(), ORGANISATION
    assert refused(hold, o.leaf, o.middle, o.root, anchors=[other.root], kind=TrustError) == "certificate.chain"


def test_a_namesake_with_another_key_is_nobody():
    o = ORGANISATION
    root = issue(o.root.certificate.subject, ca=True)
    middle = issue(o.middle.certificate.subject, root, ca=True)
    leaf = issue(o.leaf.certificate.subject, middle)
    for above in ((middle,), (o.middle,), (middle, root), (o.middle, middle, root, o.root)):
        assert refused(hold, leaf, *above, anchors=[o.root], kind=TrustError) == "certificate.chain"
    # In the name of the authority, and by another key.
    forged = issue("release", o.middle, signed_by=ec.generate_private_key(ec.SECP256R1()))
    assert refused(hold, forged, o.middle, anchors=[o.root], kind=TrustError) == "certificate.chain"


def test_an_authority_below_the_root_may_be_the_anchor():
    o = ORGANISATION
    assert hold(o.leaf, anchors=[o.middle]).anchor == sha256(o.middle.der)
    assert refused(hold, issue("release", o.root), anchors=[o.middle], kind=TrustError) == "certificate.chain"


# The certificate of the signer


@pytest.mark.parametrize(
    "how",
    [
        {"extended": SERVER_AUTH},
        {"extended": (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)},
        {"extended": None},
        {"usage": None},
        {"usage": {"content_commitment"}},
        {"usage": {"digital_signature", "key_cert_sign"}},
        {"usage": AUTHORITY},
    ],
    ids=["for web servers", "for anything", "for nothing", "no usage", "no signatures", "and certificates", "authority"],
)
def test_a_certificate_that_is_for_something_else(how):
    leaf = issue("release", ORGANISATION.middle, **how)
    assert refused(hold, leaf, ORGANISATION.middle, anchors=[ORGANISATION.root], kind=TrustError) == "certificate.usage"


@pytest.mark.parametrize(
    "how",
    [
        {"more": [(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]},
        {"more": [(x509.NameConstraints([x509.DNSName("acme.example")], None), True)]},
    ],
    ids=["critical extension", "constraints on names"],
)
def test_a_certificate_that_says_what_nobody_understands(how):
    leaf = issue("release", ORGANISATION.middle, **how)
    assert refused(hold, leaf, ORGANISATION.middle, anchors=[ORGANISATION.root], kind=TrustError) == "certificate.chain"


def test_what_is_not_critical_may_be_unknown():
    leaf = issue(
        "release",
        ORGANISATION.middle,
        key_identifier=False,
        more=[(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\xff"), False)],
    )
    assert hold(leaf, ORGANISATION.middle, anchors=[ORGANISATION.root])


@pytest.mark.parametrize(
    "key",
    [rsa_key(), ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256K1())],
    ids=["RSA", "Ed25519", "another curve"],
)
def test_keys_that_sign_no_models(key):
    leaf = issue("release", ORGANISATION.middle, key=key)
    assert refused(holder_key, leaf.der, kind=InputError) == "key.kind"
    bundle = ORGANISATION.sign(b"{}")
    bundle = replace(bundle, material=replace(bundle.material, certificates=(leaf.der, ORGANISATION.middle.der)))
    root = TrustRoot(keys=(), authorities=(ORGANISATION.trust,))
    assert refused(authenticate_envelope, bundle, root=root, now=NOW, kind=InputError) == "key.kind"


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda c: c.name)
def test_keys_of_every_curve_and_authorities_with_rsa(curve):
    root = issue("root", ca=True, key=rsa_key(3072))
    leaf = issue("release", root, key=ec.generate_private_key(curve))
    assert hold(leaf, anchors=[root])


@pytest.mark.parametrize("where", ["leaf", "middle"])
def test_certificates_signed_with_a_broken_hash(where):
    """No library makes one any more, so the algorithm is written over: the refusal comes before the signature is looked at."""
    root = issue("root", ca=True, key=rsa_key())
    middle = issue("middle", root, ca=True, key=rsa_key())
    leaf = issue("release", middle)
    good, bad = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    ders = {"leaf": leaf.der, "middle": middle.der}
    assert ders[where].count(good) == 2
    ders[where] = ders[where].replace(good, bad)
    with pytest.raises(TrustError) as caught:
        verify_chain(ders["leaf"], anchors=(root.der,), intermediates=(ders["middle"],), time=NOW)
    assert caught.value.code == "certificate.chain"
    assert "algorithm" in caught.value.found


# Constraints on names


def constrained(permitted=None, excluded=None, *, critical=False):
    """Not critical, though they should be: then nothing refuses them for what the library does not know."""
    constraints = x509.NameConstraints(permitted or None, excluded or None)
    return issue("middle", ORGANISATION.root, ca=True, more=[(constraints, critical)])


def directory(*, organization, common=None):
    return x509.DirectoryName(x509.Name([*name_of(common or "x", organization=organization)][: 2 if common else 1]))


def named(name, *names, by, **how):
    leaf = issue(name, by, names=names)
    return hold(leaf, by, anchors=[ORGANISATION.root], **how)


def test_names_that_an_authority_may_certify():
    middle = constrained([x509.RFC822Name("acme.example"), x509.DNSName("acme.example"), directory(organization="Acme")])
    assert named(name_of("release", organization="Acme"), x509.RFC822Name("a@acme.example"), by=middle)
    assert named(name_of("release", organization="  aCME "), x509.DNSName("build.acme.example"), by=middle)
    assert named(x509.Name([]), x509.RFC822Name("a@acme.example"), by=middle)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        (name_of("release", organization="Acme"), x509.RFC822Name("a@other.example")),
        (name_of("release", organization="Acme"), x509.DNSName("other.example")),
        (name_of("release", organization="Acme"), directory(organization="Other")),
        (name_of("release", organization="Other"), x509.DNSName("acme.example")),
        (name_of("release"), x509.DNSName("acme.example")),
        (name_of("release", organization="Acme", email="a@other.example"), x509.DNSName("acme.example")),
    ],
    ids=["address", "host", "directory name", "subject", "subject without", "address in the subject"],
)
def test_names_that_it_may_not(name, other):
    middle = constrained([x509.RFC822Name("acme.example"), x509.DNSName("acme.example"), directory(organization="Acme")])
    with pytest.raises(TrustError) as caught:
        named(name, other, by=middle)
    assert caught.value.code == "certificate.chain"


@pytest.mark.parametrize("other", [x509.DNSName("a.example"), directory(organization="OTHER", common="y")])
def test_names_that_are_excluded(other):
    middle = constrained(excluded=[directory(organization="Other"), x509.RFC822Name("other.example")])
    name = name_of("release", organization="Acme" if isinstance(other, x509.DirectoryName) else "other")
    with pytest.raises(TrustError) as caught:
        named(name, other, by=middle)
    assert caught.value.code == "certificate.chain"
    assert named(name_of("release", organization="Acme"), by=middle)


@pytest.mark.parametrize("critical", [True, False])
def test_constraints_hold_whether_critical_or_not(critical):
    for permitted in ([x509.DNSName("acme.example")], [directory(organization="Acme")]):
        with pytest.raises(TrustError) as caught:
            named(name_of("release"), x509.DNSName("other.example"), by=constrained(permitted, critical=critical))
        assert caught.value.code == "certificate.chain"
    middle = constrained([x509.DNSName("acme.example")], critical=critical)
    assert named("release", x509.DNSName("acme.example"), by=middle)


def test_constraints_that_nobody_can_check():
    middle = constrained([x509.UniformResourceIdentifier("acme.example")])
    assert named("release", x509.DNSName("a.example"), by=middle)
    with pytest.raises(TrustError) as caught:
        named("release", x509.UniformResourceIdentifier("https://acme.example/"), by=middle)
    assert caught.value.code == "certificate.chain"


def test_constraints_bind_authorities_below_and_renewals_of_the_same_one_do_not_end_them():
    middle = constrained([directory(organization="Acme")])
    lower = issue(name_of("lower", organization="Other"), middle, ca=True)
    leaf = issue(name_of("release", organization="Acme"), lower)
    assert refused(hold, leaf, lower, middle, anchors=[ORGANISATION.root], kind=TrustError) == "certificate.chain"
    renewed = issue("middle", middle, ca=True)
    assert hold(issue(name_of("release", organization="Acme"), renewed), renewed, middle, anchors=[ORGANISATION.root])
    leaf = issue(name_of("release", organization="Other"), renewed)
    assert refused(hold, leaf, renewed, middle, anchors=[ORGANISATION.root], kind=TrustError) == "certificate.chain"
    # A signer that is called as its authority is bound all the same.
    leaf = issue("middle", middle)
    assert refused(hold, leaf, middle, anchors=[ORGANISATION.root], kind=TrustError) == "certificate.chain"


def test_names_in_bits_are_compared_as_they_are():
    unique = x509.NameAttribute(x509.NameOID.X500_UNIQUE_IDENTIFIER, b"\x00\x07", x509.name._ASN1Type.BitString)
    middle = constrained([x509.DirectoryName(x509.Name([unique]))])
    assert named(x509.Name([unique, *name_of("release")]), by=middle)
    with pytest.raises(TrustError):
        named(name_of("release"), by=middle)


# Bytes


def test_a_certificate_with_an_extension_twice():
    leaf = issue(
        "release", ORGANISATION.middle, names=[x509.DNSName("a")], more=[(x509.IssuerAlternativeName([x509.DNSName("b")]), False)]
    )
    twice = leaf.der.replace(bytes.fromhex("0603551d12"), bytes.fromhex("0603551d11"))
    assert twice != leaf.der
    assert refused(load_certificate, twice, kind=InputError) == "certificate.format"


GARBAGE = [
    (x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.17"), b"\xff\xff"), False),
    (x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.17"), b"\x30\x80\x00\x00"), False),
    (x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.17"), b"\x30\x04\x82\x02\xff\xfe"), False),
    (x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.17"), b"\x30\x02\xa3\x00"), False),
    (x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.31"), b"\x30\x01"), False),
]


@pytest.mark.parametrize("extension", GARBAGE, ids=lambda e: e[0].value.hex())
def test_a_certificate_with_an_extension_that_cannot_be_read(extension):
    leaf = issue("release", ORGANISATION.middle, more=[extension])
    assert refused(hold, leaf, ORGANISATION.middle, anchors=[ORGANISATION.root], kind=InputError) == "certificate.format"
    good = ORGANISATION
    assert refused(hold, good.leaf, good.middle, leaf, anchors=[good.root], kind=InputError) == "certificate.format"


@pytest.mark.parametrize("depth", [1000, 15000])
def test_a_name_that_is_deeper_than_any(no_hang, depth):
    value = b""
    for _ in range(depth):
        size = len(value)
        length = (
            bytes([size])
            if size < 128
            else bytes([0x82]) + size.to_bytes(2, "big")
            if size < 65536
            else b"\x83" + size.to_bytes(3, "big")
        )
        value = b"\x30" + length + value
    for kind in (x509.OtherName(ObjectIdentifier("1.2.3"), value),):
        leaf = issue("release", ORGANISATION.middle, names=[kind])
        assert hold(leaf, ORGANISATION.middle, anchors=[ORGANISATION.root]).names == ()
    raw = x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.17"), value)
    leaf = issue("release", ORGANISATION.middle, more=[(raw, False)])
    assert refused(hold, leaf, ORGANISATION.middle, anchors=[ORGANISATION.root], kind=InputError) == "certificate.format"


def test_whatever_is_changed_in_a_certificate_is_a_refusal():
    o = ORGANISATION
    # Of the last octet of a signature some bits may be declared unused: another spelling of the same certificate.
    unused = o.leaf.der.index(o.leaf.certificate.signature) - 1
    for position in {*range(0, len(o.leaf.der), 3)} - {unused}:
        for bit in (1, 0x80):
            changed = bytearray(o.leaf.der)
            changed[position] ^= bit
            for certificates in ((bytes(changed), o.middle.der), (o.leaf.der[:position], o.middle.der)):
                with pytest.raises((TrustError, InputError)):
                    verify_holder(certificates, trust=o.trust, times=(), now=NOW)


# Files


def test_certificates_in_files():
    o = ORGANISATION
    text = b"subject: CN = release\n" + o.leaf.pem + b"\n" + o.middle.pem
    assert decode_certificates(text, where="f") == o.chain
    assert decode_certificates(text.replace(b"\n", b"\r\n"), where="f") == o.chain


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "certificate.pem"),
        (ORGANISATION.leaf.der, "certificate.pem"),
        (ORGANISATION.leaf.pem + ORGANISATION.leaf.private_pem, "certificate.private"),
        (ORGANISATION.leaf.pem * (MAX_PEM_CERTIFICATES + 1), "certificate.pem"),
        (ORGANISATION.leaf.pem + b"-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n", "certificate.pem"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate.pem"),
        (ORGANISATION.leaf.pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n", "certificate.pem"),
        (ORGANISATION.leaf.pem.replace(b"-----END CERTIFICATE-----", b""), "certificate.pem"),
        (issue("x", more=GARBAGE[:1]).pem, "certificate.format"),
    ],
    ids=["empty", "DER", "private key", "too many", "public key", "no certificate", "cut", "without end", "garbage inside"],
)
def test_files_that_are_none(data, code):
    with pytest.raises(InputError) as caught:
        decode_certificates(data, where="f")
    assert caught.value.code == code


def test_roots_are_signed_by_themselves():
    o = ORGANISATION
    assert [is_self_signed(c.der) for c in (o.root, o.middle, o.leaf)] == [True, False, False]
    assert not is_self_signed(issue("root", ca=True, signed_by=ec.generate_private_key(ec.SECP256R1())).der)
    assert key_usage(AUTHORITY).crl_sign
