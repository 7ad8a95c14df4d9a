"""Records and pins: one spelling, and a refusal for every other."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mlsign.digest import sha256
from mlsign.errors import InputError, TrustError
from mlsign.roots.record import (
    Origin,
    Record,
    Stored,
    Versions,
    check_name,
    check_versions,
    decode_pin,
    decode_record,
    encode_pin,
    encode_record,
)

TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FULL = Record(
    name="acme",
    origin=Origin.REPOSITORY,
    stored=TIME,
    fetched=TIME,
    expires=TIME,
    url="https://tuf.acme.example",
    trusted_root=Stored(path="targets/ab.trusted_root.json", digest=sha256(b"r"), size=1),
    signing_config=Stored(path="targets/cd.signing_config.v0.2.json", digest=sha256(b"s"), size=2),
    bootstrap=sha256(b"b"),
    versions=Versions(root=1, timestamp=4, snapshot=3, targets=2),
    metadata=(Stored(path="1.root.json", digest=sha256(b"m"), size=3),),
)
SMALL = replace(FULL, fetched=None, expires=None, url=None, signing_config=None, bootstrap=None, versions=None, metadata=())


@pytest.mark.parametrize("record", [FULL, SMALL])
def test_records_survive(record):
    assert decode_record(encode_record(record)) == record


def test_times_are_kept_to_the_second_in_utc():
    record = replace(FULL, stored=TIME.replace(microsecond=7), expires=datetime(1, 1, 1, tzinfo=UTC))
    again = decode_record(encode_record(record))
    assert again.stored == TIME
    assert again.expires == datetime(1, 1, 1, tzinfo=UTC)


def change(record, **fields):
    value = json.loads(encode_record(record))
    for name, new in fields.items():
        if new is None:
            del value[name]
        else:
            value[name] = new
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"schema": "mlsign/trust-record/v2"}, "trust_record.value"),
        ({"name": "../x"}, "usage.name"),
        ({"origin": "rumour"}, "trust_record.value"),
        ({"stored": None}, "trust_record.missing"),
        ({"stored": "2026-1-2T03:04:05Z"}, "trust_record.canonical"),
        ({"stored": "2026-01-02T03:04:05"}, "trust_record.time"),
        ({"extra": 1}, "trust_record.unknown"),
        ({"bootstrap": "AB"}, "digest.hex"),
        ({"versions": {"root": 0, "timestamp": 1, "snapshot": 1, "targets": 1}}, "trust_record.range"),
        ({"versions": {"root": True, "timestamp": 1, "snapshot": 1, "targets": 1}}, "trust_record.type"),
        ({"metadata": [{"path": "../../x", "sha256": "0" * 64, "bytes": 1}]}, "trust_record.path"),
        ({"metadata": [{"path": "/etc/passwd", "sha256": "0" * 64, "bytes": 1}]}, "trust_record.path"),
        ({"metadata": [{"path": "a", "sha256": "0" * 64, "bytes": 9 << 20}]}, "trust_record.range"),
        ({"metadata": [{"path": "a", "sha256": "0" * 64, "bytes": 1}] * 1025}, "trust_record.length"),
    ],
)
def test_a_record_that_is_none(fields, code):
    with pytest.raises(InputError) as caught:
        decode_record(change(FULL, **fields))
    assert caught.value.code == code


def test_a_record_in_another_spelling():
    with pytest.raises(InputError) as caught:
        decode_record(json.dumps(json.loads(encode_record(FULL)), indent=1).encode())
    assert caught.value.code == "trust_record.canonical"


def test_pins_survive():
    assert decode_pin(encode_pin(sha256(b"x"))) == sha256(b"x")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "json.syntax"),
        (b"{}", "trust_pin.missing"),
        (encode_pin(sha256(b"x"))[:-1] + b',"x":1}', "trust_pin.unknown"),
        (encode_pin(sha256(b"x")) + b"\n", "trust_pin.canonical"),
        (encode_pin(sha256(b"x")).replace(b"pin/v1", b"pin/v2"), "trust_pin.value"),
    ],
)
def test_a_pin_that_is_none(data, code):
    with pytest.raises(InputError) as caught:
        decode_pin(data)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["public-good", "a", "acme.2_x", "a" * 64])
def test_names(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "A", "-a", "a" * 65, "ä", "a\n"])
def test_names_that_are_none(name):
    with pytest.raises(InputError) as caught:
        check_name(name)
    assert caught.value.code == "usage.name"


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_no_version_goes_down(role):
    seen = Versions(root=5, timestamp=5, snapshot=5, targets=5)
    check_versions(seen, seen=None, name="x")
    check_versions(seen, seen=seen, name="x")
    check_versions(replace(seen, **{role: 6}), seen=seen, name="x")
    with pytest.raises(TrustError) as caught:
        check_versions(replace(seen, **{role: 4}), seen=seen, name="x")
    assert (caught.value.code, caught.value.expected, caught.value.found) == (
        "trust.rollback",
        f"{role} 5 or newer",
        f"{role} 4",
    )
