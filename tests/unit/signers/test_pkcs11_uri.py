"""PKCS #11 URIs: what RFC 7512 allows, what is refused, and that no PIN gets through or out."""

from dataclasses import replace

import pytest

from mlsign.errors import InputError
from mlsign.signers.pkcs11_uri import Pkcs11Uri, decode_pkcs11_uri


def refused(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        decode_pkcs11_uri(text)
    return caught.value


FULL = (
    "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;serial=a1b2;model=1.0;"
    "object=my-certificate;id=%69%95%3E%5C%F4%BD%EC%91;type=private;slot-id=327;slot-manufacturer=M;slot-description=D;"
    "library-manufacturer=LM;library-description=LD;library-version=3.20"
    "?module-path=/usr/lib/p%20k.so&module-name=pk&pin-source=file:/etc/token_pin"
)


def test_every_attribute():
    assert decode_pkcs11_uri(FULL) == Pkcs11Uri(
        token="The Software PKCS#11 Softtoken",
        manufacturer="Snake Oil, Inc.",
        serial="a1b2",
        model="1.0",
        key_label="my-certificate",
        key_id=bytes.fromhex("69953e5cf4bdec91"),
        slot_id=327,
        slot_manufacturer="M",
        slot_description="D",
        library_manufacturer="LM",
        library_description="LD",
        library_version=(3, 20),
        module_path="/usr/lib/p k.so",
        module_name="pk",
        pin_source="file:/etc/token_pin",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pkcs11:", Pkcs11Uri()),
        ("pkcs11:object=a", Pkcs11Uri(key_label="a")),
        ("pkcs11:object=%C3%A9", Pkcs11Uri(key_label="é")),
        ("pkcs11:id=%00%ff", Pkcs11Uri(key_id=b"\x00\xff")),
        ("pkcs11:id=ab", Pkcs11Uri(key_id=b"ab")),
        ("pkcs11:object=a=b&c", Pkcs11Uri(key_label="a=b&c")),
        ("pkcs11:object=%3B%3F", Pkcs11Uri(key_label=";?")),
        ("pkcs11:library-version=2", Pkcs11Uri(library_version=(2, 0))),
        ("pkcs11:?module-path=/a?b|c", Pkcs11Uri(module_path="/a?b|c")),
        ("pkcs11:slot-id=0", Pkcs11Uri(slot_id=0)),
    ],
)
def test_parts(text, expected):
    assert decode_pkcs11_uri(text) == expected
    assert replace(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "token=a",
        "PKCS11:token=a",
        "file:/etc/passwd",
        " pkcs11:token=a",
        "pkcs11:" + "token=" + "a" * 5000,
        "pkcs11:token",
        "pkcs11:token=",
        "pkcs11:=a",
        "pkcs11:;",
        "pkcs11:token=a;",
        "pkcs11:;token=a",
        "pkcs11:token=a;;object=b",
        "pkcs11:token=a;token=a",
        "pkcs11:token=a?",
        "pkcs11:token=a?module-path=/a&",
        "pkcs11:?module-path=/a&module-path=/b",
        "pkcs11:module-path=/a",
        "pkcs11:token=a?object=b",
        "pkcs11:Token=a",
        "pkcs11:tok%65n=a",
        "pkcs11:x-vendor=a",
        "pkcs11:token=a b",
        "pkcs11:token=a/b",
        "pkcs11:token=a#b",
        'pkcs11:token="a"',
        "pkcs11:token=é",
        "pkcs11:token=a\n",
        "pkcs11:token=%",
        "pkcs11:token=%4",
        "pkcs11:token=%4g",
        "pkcs11:token=%%41",
        "pkcs11:token=%ff",
        "pkcs11:token=%C3",
        "pkcs11:token=%00",
        "pkcs11:token=a%0Ab",
        "pkcs11:token=%7F",
        "pkcs11:?module-path=/a;b",
        "pkcs11:?module-path=%00",
        "pkcs11:?pin-source=file:%2Fa%0D",
        "pkcs11:slot-id=-1",
        "pkcs11:slot-id=0x1",
        "pkcs11:slot-id=1%30",
        "pkcs11:slot-id=" + "9" * 21,
        "pkcs11:library-version=2.",
        "pkcs11:library-version=.2",
        "pkcs11:library-version=2.4.1",
        "pkcs11:library-version=two",
        "pkcs11:library-version=%32",
    ],
)
def test_what_is_no_such_uri(text):
    assert refused(text).code == "pkcs11.uri"


@pytest.mark.parametrize("kind", ["public", "cert", "secret-key", "data", "Private", "%66"])
def test_only_a_private_key_signs(kind):
    error = refused(f"pkcs11:object=a;type={kind}")
    assert error.code == "pkcs11.type"
    assert decode_pkcs11_uri("pkcs11:type=%70rivate") == Pkcs11Uri()


@pytest.mark.parametrize(
    "text",
    [
        "pkcs11:token=a?pin-value=871236",
        "pkcs11:token=a;pin-value=871236",
        "pkcs11:?pin-value=871236&module-path=/a",
        "pkcs11:?pin-value=",
        "pkcs11:?pin-value",
        "pkcs11:?pin-source=file:/a&pin-value=871236",
    ],
)
def test_a_pin_in_the_uri_is_refused_and_not_repeated(text):
    error = refused(text)
    assert error.code == "pkcs11.pin"
    for way in ("--pin-file", "MLSIGN_PKCS11_PIN", "asked"):
        assert way in error.hint
    assert "871236" not in f"{error} {error.found} {error.expected} {error.hint} {error.where}"


@pytest.mark.parametrize(
    "text",
    ["pkcs11:pin=871236", "pkcs11:?PIN-VALUE=871236", "pkcs11:token=871236 ", "pkcs11:slot-id=x871236", "pin-value=871236"],
)
def test_no_refusal_repeats_a_value(text):
    error = refused(text)
    assert error.code == "pkcs11.uri"
    assert "871236" not in f"{error} {error.found} {error.expected} {error.hint} {error.where}"
