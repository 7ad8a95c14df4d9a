"""One line of an audit log: one spelling, exact fields, the digest of itself; the schema says the same."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from audit_lines import ALLOWED, CHAIN, DENIED, FAILED, KNOWN, NOW, PACKAGE, line_after, log_of, torn_of
from jsonschema import Draft202012Validator

from mlsign.digest import sha256
from mlsign.errors import InputError
from mlsign.formats.audit import MAX_ENTRIES, MAX_TEXT_CHARS, MAX_TORN_BYTES, Head, LoggedFinding, NotedHead, decode_head
from mlsign.formats.audit_codec import decode_line, decode_note, encode_line, encode_note
from mlsign.strict import encode_json

SCHEMA = Draft202012Validator(json.loads((Path(__file__).parents[3] / "schemas" / "audit.v1.schema.json").read_text()))
EVENTS = {"denied": DENIED, "allowed": ALLOWED, "failed": FAILED, "known": KNOWN, "torn": torn_of(b"x")}
HEAD = Head(7, sha256(b"head"))


def sealed(value):
    """The value as a line with the digest over itself, whatever is in it."""
    value = {key: item for key, item in value.items() if key != "digest"}
    return encode_json({**value, "digest": str(sha256(encode_json(value)))})


def refused(data, code):
    with pytest.raises(InputError) as caught:
        decode_line(data)
    assert caught.value.code == code


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
@pytest.mark.parametrize("head", [None, HEAD], ids=["first", "later"])
def test_a_line_has_one_spelling(event, head):
    data, after = line_after(head, event)
    found = decode_line(data)
    assert encode_line(found.line) == data
    assert found.line.event == event
    assert found.head == after
    assert b"\n" not in data
    SCHEMA.validate(json.loads(data))


def test_the_digest_is_over_the_rest_of_the_line():
    data, head = line_after(None, DENIED)
    value = json.loads(data)
    assert value.pop("digest") == str(head.digest) == str(sha256(encode_json(value)))


def _places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*path, key))


def _at(value, path):
    for step in path:
        value = value[step]
    return value


PLACES = [(name, place) for name, event in EVENTS.items() for place in _places(json.loads(line_after(HEAD, event)[0])) if place]
IDS = [f"{name}-{'.'.join(map(str, place))}" for name, place in PLACES]


@pytest.mark.parametrize(("name", "place"), PLACES, ids=IDS)
def test_schema_and_decoder_refuse_the_same(name, place):
    """Each value by each other type, too long, out of range, and each field left out or added."""
    good = line_after(HEAD, EVENTS[name])[0]
    for wrong in (
        {"x": 1},
        [1],
        1.5,
        True,
        None,
        -1,
        2**53 - 1,
        "",
        "x" * (MAX_TEXT_CHARS + 1),
        ["x"] * (MAX_ENTRIES + 1),
        "torn",
    ):
        document = json.loads(good)
        _at(document, place[:-1])[place[-1]] = wrong
        # The digest itself is held against the rest, which a schema cannot.
        data = encode_json(document) if place == ("digest",) else sealed(document)
        try:
            decode_line(data)
            taken = True
        except InputError:
            taken = False
        assert taken == SCHEMA.is_valid(json.loads(data)), wrong
    if isinstance(place[-1], str):
        document = json.loads(good)
        del _at(document, place[:-1])[place[-1]]
        data = encode_json(document) if place == ("digest",) else sealed(document)
        assert not SCHEMA.is_valid(json.loads(data))
        with pytest.raises(InputError):
            decode_line(data)
    if isinstance(_at(json.loads(good), place), dict):
        document = json.loads(good)
        _at(document, place)["surprise"] = 1
        assert not SCHEMA.is_valid(document)
        with pytest.raises(InputError):
            decode_line(sealed(document))


def test_every_byte_counts():
    data, _ = line_after(HEAD, FAILED)
    for index in range(len(data)):
        for other in (
            data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :],
            data[:index] + data[index + 1 :],
            data[:index],
        ):
            with pytest.raises(InputError):
                decode_line(other)


def test_another_spelling_of_the_same_line_is_none():
    data, _ = line_after(None, FAILED)
    refused(json.dumps(json.loads(data)).encode(), "audit.canonical")
    refused(data + b" ", "audit.canonical")


def test_a_line_that_was_changed_says_so():
    data, _ = line_after(None, DENIED)
    refused(data.replace(b'"verdict":"deny"', b'"verdict":"allow"'), "audit.digest")


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        ({"sequence": 1}, "audit.previous"),
        ({"previous": None}, "audit.previous"),
        ({"sequence": 0}, "audit.range"),
        ({"chain": CHAIN.upper()}, "audit.chain"),
        ({"previous": "blake3:" + "0" * 64}, "audit.digest"),
        ({"previous": "sha256:0"}, "digest.hex"),
        ({"time": "2026-02-30T00:00:00.000Z"}, "audit.time"),
        ({"time": "2026-02-03T00:00:00Z"}, "audit.time"),
        ({"schema": "mlsign/audit/v2"}, "audit.value"),
    ],
)
def test_fields_that_are_wrong(edit, code):
    data, _ = line_after(HEAD, FAILED)
    refused(sealed(json.loads(data) | edit), code)


def test_a_line_is_bounded():
    finding = LoggedFinding(code="c" * 512, outcome="fail", where="\u00fc" * 512, message='"' * 512)
    used = (replace(DENIED.exceptions[0], reason="\u20ac" * 512),) * MAX_ENTRIES
    many = replace(DENIED, findings=(finding,) * MAX_ENTRIES, exceptions=used)
    with pytest.raises(InputError) as caught:
        line_after(None, replace(many, loosened=("\U0001f600" * 512,) * MAX_ENTRIES))
    assert caught.value.code == "audit.size"
    refused(b" " * (1 << 20), "json.size")


def test_the_largest_torn_write_is_what_the_schema_says():
    line_after(None, replace(torn_of(b""), size=MAX_TORN_BYTES))
    with pytest.raises(InputError):
        line_after(None, replace(torn_of(b""), size=MAX_TORN_BYTES + 1))


@pytest.mark.parametrize("text", [str(HEAD), f"1:{sha256(b'')}"])
def test_heads_are_spelled_and_read(text):
    assert str(decode_head(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "7", "7:", f"0:{sha256(b'')}", f"07:{sha256(b'')}", f"-1:{sha256(b'')}", f"7:blake3:{'0' * 64}", "7:sha256:ff", "x" * 5000,
     f"{2**53}:{sha256(b'')}", f" 7:{sha256(b'')}"],
)  # fmt: skip
def test_what_is_no_head(text):
    with pytest.raises(InputError) as caught:
        decode_head(text, where="--head")
    assert (caught.value.code, caught.value.where) == ("usage.head", "--head")
    assert len(str(caught.value)) < 500


def test_notes_are_exact():
    note = NotedHead(chain=CHAIN, head=HEAD)
    data = encode_note(note)
    assert decode_note(data) == note
    for bad in (data + b" ", data[:-1], b"", b"{}", data.replace(b"audit-head/v1", b"audit-head/v2"), b"x" * 600):
        with pytest.raises(InputError):
            decode_note(bad)


def test_a_package_may_have_no_name():
    (data,), _ = log_of(replace(DENIED, package=replace(PACKAGE, name=None, version=None, digest=None)))
    assert decode_line(data).line.event.package.digest is None
    assert decode_line(data).line.time == NOW
