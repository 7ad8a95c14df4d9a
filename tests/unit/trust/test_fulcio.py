"""What a certificate of Sigstore says: one subject, one issuer, and claims in one spelling each."""

import pytest
from certificate_authority import issue, name_of
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ObjectIdentifier
from fake_oidc import workflow_claims
from keyless_material import issue_identity

from mlsign.errors import TrustError
from mlsign.trust.certificates import load_certificate
from mlsign.trust.fulcio import keyless_identity

ARC = "1.3.6.1.4.1.57264.1"
ISSUER = "https://issuer.example"
MAIL = x509.RFC822Name("a@b.example")


def utf8(text, *, tag=0x0C, length=None):
    data = text if isinstance(text, bytes) else text.encode()
    if length is None:
        length = (
            bytes([len(data)])
            if len(data) < 128
            else bytes([0x81, len(data)])
            if len(data) < 256
            else b"\x82" + len(data).to_bytes(2, "big")
        )
    return bytes([tag]) + length + data


def certificate(extensions, *, names=(MAIL,), critical=False):
    more = [(x509.UnrecognizedExtension(ObjectIdentifier(f"{ARC}.{n}"), value), critical) for n, value in extensions.items()]
    return load_certificate(issue("x", names=names, more=more).der)


def refused(*args, **how):
    with pytest.raises(TrustError) as caught:
        keyless_identity(certificate(*args, **how))
    assert caught.value.code == "certificate.identity"
    assert str(caught.value)[:1].islower()
    return caught.value.message


GOOD = {8: utf8(ISSUER)}


def test_who_and_by_whom():
    for extensions in ({8: utf8(ISSUER)}, {1: ISSUER.encode()}, {1: ISSUER.encode(), 8: utf8(ISSUER)}):
        found = keyless_identity(certificate(extensions))
        assert (found.subject, found.issuer, dict(found.claims)) == ("a@b.example", ISSUER, {})


def test_claims_of_a_workflow(sigstore):
    uri = x509.UniformResourceIdentifier("https://forge.example/acme/fraud/.workflows/release.yml@refs/tags/v1")
    claims = workflow_claims()
    found = keyless_identity(issue_identity(sigstore, ec.generate_private_key(ec.SECP256R1()), name=uri, claims=claims))
    assert found.subject == uri.value
    assert found.issuer == sigstore.issuer
    assert len(found.claims) == 14
    assert found.claims["source_ref"] == claims["ref"]
    assert found.claims["trigger"] == claims["event_name"]


@pytest.mark.parametrize("length", [1, 127, 128, 255, 256, 4000])
def test_texts_of_every_length(length):
    text = "x" * length
    assert keyless_identity(certificate(GOOD | {9: utf8(text)})).claims["signer_uri"] == text
    assert keyless_identity(certificate(GOOD | {9: utf8("é" * (length // 2))})).claims["signer_uri"] == "é" * (length // 2)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x0c",
        ISSUER.encode(),
        utf8(ISSUER, tag=0x13),
        utf8(ISSUER, tag=0x16),
        utf8(ISSUER, tag=0x2C),
        utf8(ISSUER) + b"\0",
        utf8(ISSUER)[:-1],
        utf8(ISSUER, length=bytes([0x81, len(ISSUER)])),
        utf8(ISSUER, length=bytes([0x82, 0, len(ISSUER)])),
        utf8(ISSUER, length=b"\x80") + b"\0\0",
        utf8("x" * 200, length=b"\x82\x00\xc8"),
        utf8("x" * 200, length=b"\x83\x00\x00\xc8"),
        utf8(b"\xff\xfe"),
        utf8(b"\xed\xa0\x80"),
        utf8("x" * 4095),
    ],
    ids=lambda v: v[:6].hex() or "empty",
)
@pytest.mark.parametrize("number", [8, 9, 14])
def test_other_spellings_of_a_text(value, number):
    assert "extension" in refused(GOOD | {number: value} if number != 8 else {8: value})


@pytest.mark.parametrize(
    "extensions",
    [{}, {1: b""}, {8: utf8("")}, {1: b"https://a", 8: utf8("https://b")}, {1: b"", 8: utf8(ISSUER)}, {9: utf8("x")}],
    ids=["none", "empty", "empty text", "two that differ", "one is empty", "claims alone"],
)
def test_issuers_that_are_none_or_contradict(extensions):
    assert "issuers of the token" in refused(extensions)


@pytest.mark.parametrize("value", [b"\xff", b"\xed\xa0\x80", b"x" * 4097], ids=["no UTF-8", "half a pair", "too long"])
def test_an_old_issuer_that_is_no_text(value):
    assert f"{ARC}.1" in refused({1: value})


def test_older_extensions_say_nothing():
    found = keyless_identity(certificate(GOOD | {2: b"\xff", 3: b"", 5: b"acme/fraud", 7: b"x", 23: b"x"}))
    assert dict(found.claims) == {}


def other_name(value, oid=f"{ARC}.7"):
    return x509.OtherName(ObjectIdentifier(oid), value)


def test_a_user_name_of_sigstore():
    assert keyless_identity(certificate(GOOD, names=[other_name(utf8("somebody!acme"))])).subject == "somebody!acme"


@pytest.mark.parametrize(
    "names",
    [
        (),
        (MAIL, x509.RFC822Name("b@b.example")),
        (MAIL, MAIL),
        (MAIL, x509.UniformResourceIdentifier("https://a")),
        (x509.DNSName("a.example"),),
        (x509.DirectoryName(name_of("x")),),
        (other_name(utf8("x"), oid="1.2.3"),),
        (other_name(utf8("x", tag=0x13)),),
        (other_name(utf8("")),),
        (x509.UniformResourceIdentifier(""),),
        (x509.UniformResourceIdentifier("https://" + "a" * 4096),),
    ],
    ids=[
        *("none", "two", "the same twice", "two kinds", "host", "directory", "another user name", "no text", "empty text"),
        *("empty", "too long"),
    ],
)
def test_subjects_that_are_none_or_several(names):
    assert "subject" in refused(GOOD, names=names) or names[0] == other_name(utf8("x", tag=0x13))


def test_an_extension_that_stands_twice_is_in_no_certificate():
    leaf = issue(
        "x",
        names=[MAIL],
        more=[
            (x509.UnrecognizedExtension(ObjectIdentifier(f"{ARC}.8"), utf8("https://a.example")), False),
            (x509.UnrecognizedExtension(ObjectIdentifier(f"{ARC}.9"), utf8("https://b.example")), False),
        ],
    )
    nine, eight = (x509.UnrecognizedExtension(ObjectIdentifier(f"{ARC}.{n}"), b"").oid for n in (9, 8))
    from asn1crypto import core

    twice = leaf.der.replace(core.ObjectIdentifier(nine.dotted_string).dump(), core.ObjectIdentifier(eight.dotted_string).dump())
    assert twice != leaf.der
    with pytest.raises(Exception, match="readable") as caught:
        load_certificate(twice)
    assert caught.value.code == "certificate.format"
