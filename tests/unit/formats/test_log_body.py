"""What logs keep of a signature: every kind in its one spelling."""

import copy
import json
from base64 import b64encode

import pytest
from certificate_authority import issue
from cryptography.hazmat.primitives.asymmetric import ec
from fake_pki import b64, spki
from keyless_material import BODIES, dsse_body, hashed_body, hashed_body_2, intoto_body, pem_of, sign_facts

from mlsign.errors import InputError
from mlsign.formats.log_body import Logged, decode_log_body

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = spki(KEY.public_key())
LEAF = issue("x", key=KEY).der


def bodies(verifier=PUBLIC):
    facts = sign_facts(KEY, verifier=verifier)
    return facts, {kind: make(facts) for kind, (_, make) in BODIES.items()}


def decode(body, **names):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    known = {} if isinstance(body, bytes) else {"kind": body.get("kind", "dsse"), "version": body.get("apiVersion", "0.0.1")}
    return decode_log_body(data, **{"kind": "dsse", "version": "0.0.1"} | known | names)


def refused(body, **names):
    with pytest.raises(InputError) as caught:
        decode(body, **names)
    assert str(caught.value)[:1].islower()
    return caught.value.code


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("verifier", [PUBLIC, LEAF], ids=["key", "certificate"])
def test_every_kind(kind, verifier):
    facts, found = bodies(verifier)
    body = decode(found[kind])
    assert (body.signature, body.verifier, body.algorithm) == (facts.signature, verifier, "sha256")
    assert body.logged is (Logged.MESSAGE if kind.startswith("hashed") else Logged.PAYLOAD)
    assert len(body.digest) == 32


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_digests_of_messages(algorithm):
    facts, _ = bodies()
    assert decode(hashed_body(facts, algorithm=algorithm)).algorithm == algorithm
    second = hashed_body_2(facts)
    second["spec"]["hashedRekordV002"]["data"]["algorithm"] = f"SHA2_{algorithm[3:]}"
    assert decode(second).algorithm == algorithm


def at(body, *path):
    for name in path:
        body = body[name]
    return body


PATHS = {
    "hashedrekord": [
        ("spec",),
        ("spec", "data"),
        ("spec", "data", "hash"),
        ("spec", "data", "hash", "algorithm"),
        ("spec", "data", "hash", "value"),
        ("spec", "signature"),
        ("spec", "signature", "content"),
        ("spec", "signature", "publicKey"),
        ("spec", "signature", "publicKey", "content"),
    ],
    "dsse": [
        ("spec",),
        ("spec", "envelopeHash"),
        ("spec", "payloadHash"),
        ("spec", "payloadHash", "algorithm"),
        ("spec", "payloadHash", "value"),
        ("spec", "signatures"),
        ("spec", "signatures", 0, "signature"),
        ("spec", "signatures", 0, "verifier"),
    ],
    "intoto": [
        ("spec",),
        ("spec", "content"),
        ("spec", "content", "envelope"),
        ("spec", "content", "envelope", "signatures"),
        ("spec", "content", "envelope", "signatures", 0, "publicKey"),
        ("spec", "content", "envelope", "signatures", 0, "sig"),
        ("spec", "content", "payloadHash"),
        ("spec", "content", "payloadHash", "algorithm"),
        ("spec", "content", "payloadHash", "value"),
    ],
    "hashedrekord 2": [
        ("spec",),
        ("spec", "hashedRekordV002"),
        ("spec", "hashedRekordV002", "data"),
        ("spec", "hashedRekordV002", "data", "algorithm"),
        ("spec", "hashedRekordV002", "data", "digest"),
        ("spec", "hashedRekordV002", "signature"),
        ("spec", "hashedRekordV002", "signature", "content"),
        ("spec", "hashedRekordV002", "signature", "verifier"),
        ("spec", "hashedRekordV002", "signature", "verifier", "keyDetails"),
        ("spec", "hashedRekordV002", "signature", "verifier", "publicKey"),
        ("spec", "hashedRekordV002", "signature", "verifier", "publicKey", "rawBytes"),
    ],
    "dsse 2": [
        ("spec",),
        ("spec", "dsseV002"),
        ("spec", "dsseV002", "payloadHash"),
        ("spec", "dsseV002", "payloadHash", "algorithm"),
        ("spec", "dsseV002", "payloadHash", "digest"),
        ("spec", "dsseV002", "signatures"),
        ("spec", "dsseV002", "signatures", 0, "content"),
        ("spec", "dsseV002", "signatures", 0, "verifier"),
        ("spec", "dsseV002", "signatures", 0, "verifier", "keyDetails"),
        ("spec", "dsseV002", "signatures", 0, "verifier", "publicKey"),
        ("spec", "dsseV002", "signatures", 0, "verifier", "publicKey", "rawBytes"),
    ],
}


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, paths in PATHS.items() for path in paths], ids=str)
def test_every_field_is_needed_and_of_its_type(kind, path):
    _, found = bodies()
    missing = copy.deepcopy(found[kind])
    del at(missing, *path[:-1])[path[-1]]
    assert refused(missing) == "log.missing"
    for value in (None, 7, [], {}, "", "!", True):
        changed = copy.deepcopy(found[kind])
        at(changed, *path[:-1])[path[-1]] = value
        if path[-1] == "envelopeHash" or (path[-1] == "keyDetails" and value == "!"):
            assert decode(changed)
        else:
            assert refused(changed).partition(".")[0] in {"log", "base64"}


# What intoto has beside the signature is the log's own, and is left alone.
CLOSED = [(k, p) for k, paths in PATHS.items() for p in paths if k != "intoto" or p[-1] == "payloadHash"]


@pytest.mark.parametrize(("kind", "path"), CLOSED, ids=str)
def test_nothing_else_is_in_it(kind, path):
    _, found = bodies()
    place = at(found[kind], *path)
    if isinstance(place, dict) and path[-1] != "envelopeHash":
        place["more"] = 1
        assert refused(found[kind]) == "log.unknown"
    found[kind]["more"] = 1
    assert refused(found[kind]) == "log.unknown"


@pytest.mark.parametrize("kind", ["dsse", "dsse 2", "intoto"])
@pytest.mark.parametrize("count", [0, 2])
def test_there_is_one_signature(kind, count):
    _, found = bodies()
    places = {"dsse": ("spec",), "dsse 2": ("spec", "dsseV002"), "intoto": ("spec", "content", "envelope")}
    holder = at(found[kind], *places[kind])
    holder["signatures"] = holder["signatures"] * count
    assert refused(found[kind]) == "log.length"


def test_kinds_that_nobody_reads():
    _, found = bodies()
    for kind, version in (("rpm", "0.0.1"), ("dsse", "0.0.3"), ("hashedrekord", "0.0.3"), ("intoto", "0.0.1")):
        assert refused(found["dsse"] | {"kind": kind, "apiVersion": version}) == "log.kind"
    assert refused(found["dsse"], kind="hashedrekord") == "log.value"
    assert refused(found["dsse"], version="0.0.2") == "log.value"
    for name in ("kind", "apiVersion"):
        less = {key: value for key, value in found["dsse"].items() if key != name}
        assert refused(less) == "log.missing"


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"null", b'{"kind":"dsse","kind":"dsse"}', b"\xff", b"[" * 100])
def test_what_is_no_body(data):
    assert refused(data).partition(".")[0] in {"json", "log"}


@pytest.mark.parametrize("value", ["AB" * 32, "ab" * 65, "a", "zz" * 32, " " + "ab" * 32, "ab " * 32, "0x" + "ab" * 31, "٠" * 64])
def test_digests_in_another_spelling(value):
    _, found = bodies()
    found["dsse"]["spec"]["payloadHash"]["value"] = value
    assert refused(found["dsse"]) in {"log.hex", "log.length"}


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("dsse", "sha512"), ("intoto", "sha1"), ("hashedrekord", "sha1"), ("hashedrekord", "SHA256"), ("hashedrekord 2", "sha256")],
)
def test_other_hashes(kind, algorithm):
    _, found = bodies()
    place = {
        "dsse": ("spec", "payloadHash"),
        "intoto": ("spec", "content", "payloadHash"),
        "hashedrekord": ("spec", "data", "hash"),
        "hashedrekord 2": ("spec", "hashedRekordV002", "data"),
    }[kind]
    at(found[kind], *place)["algorithm"] = algorithm
    assert refused(found[kind]) == "log.value"


PEM = pem_of(LEAF)


@pytest.mark.parametrize(
    "pem",
    [
        PEM + PEM,
        PEM[:-5],
        PEM.replace(b"CERTIFICATE", b"X509 CRL"),
        PEM.replace(b"-----END CERTIFICATE-----", b"-----END PUBLIC KEY-----"),
        PEM.replace(b"\n", b"\r\n"),
        b"text\n" + PEM,
        PEM + b"text",
        LEAF,
        b"-----BEGIN CERTIFICATE-----",
        PEM.replace(b"\n", b"\n ", 2),
        PEM.replace(b"=\n", b"\n").replace(b"M", b"\xff", 1),
    ],
    ids=["two", "cut", "a list", "labels differ", "carriage returns", "before", "behind", "DER", "a line", "blanks", "no ASCII"],
)
def test_verifiers_in_another_spelling(pem):
    _, found = bodies(LEAF)
    found["dsse"]["spec"]["signatures"][0]["verifier"] = b64encode(pem).decode()
    assert refused(found["dsse"]) in {"log.pem", "base64"}


def test_a_verifier_may_end_its_lines_or_not():
    _, found = bodies(LEAF)
    for pem in (PEM.rstrip(b"\n"), PEM + b"\n", b"\n" + PEM):
        found["dsse"]["spec"]["signatures"][0]["verifier"] = b64encode(pem).decode()
        assert decode(found["dsse"]).verifier == LEAF


def test_a_signature_that_is_wrapped_in_text_that_is_none():
    _, found = bodies()
    found["intoto"]["spec"]["content"]["envelope"]["signatures"][0]["sig"] = b64(b"\xff\xfe")
    assert refused(found["intoto"]) == "base64"
    assert dsse_body(sign_facts(KEY, verifier=PUBLIC))["kind"] != intoto_body(sign_facts(KEY, verifier=PUBLIC))["kind"]
