"""Every way in which a record is refused."""

import json
import sys
from dataclasses import replace

import pytest

from mlsign.digest import sha256
from mlsign.errors import InputError
from mlsign.evidence.codec import MAX_TEXT, decode_record, encode_record
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence, MeasuredOutput, SignatureRecord, Standing, TrustFacts
from mlsign.identity import KeyIdentity, Method
from mlsign.interface import TypeSpec, ValueKind

FINDING = Finding(code="MLS301", outcome=Outcome.FAIL, message="no")
SIGNATURE = SignatureRecord(
    bundle="a",
    method=Method.KEY,
    standing=Standing.COUNTED,
    identity=KeyIdentity(spki=sha256(b"a"), kind="EC P-256"),
    times=(),
    algorithms=frozenset(),
    reasons=(FINDING,),
)
EVIDENCE = Evidence(
    digest=sha256(b"e"),
    digests=frozenset({sha256(b"e"), sha256(b"f")}),
    manifest=None,
    summary=None,
    signatures=(SIGNATURE,),
    findings=(),
    unverified=("a",),
    trust=TrustFacts(source="s", digest=sha256(b"t"), fetched=None, expires=None),
)


def refused(value: object, kind: type = Evidence) -> InputError:
    data = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    with pytest.raises(InputError) as caught:
        decode_record(data, kind, where="e")
    return caught.value


def changed(*path, value) -> dict:
    tree = json.loads(encode_record(EVIDENCE))
    at = tree
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return tree


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("digest",), "sha256:00", "digest.hex"),
        (("digest",), 7, "evidence.type"),
        (("digests",), {}, "evidence.type"),
        (("digests", 0), "sha256:" + "zz" * 32, "digest.hex"),
        (("manifest",), {"name": "x"}, "evidence.manifest"),
        (("manifest",), [], "evidence.manifest"),
        (("signatures",), None, "evidence.type"),
        (("signatures", 0), [], "evidence.type"),
        (("signatures", 0, "standing"), "welcome", "evidence.value"),
        (("signatures", 0, "standing"), 1, "evidence.value"),
        (("signatures", 0, "identity"), {"method": "word", "kind": "x"}, "evidence.value"),
        (("signatures", 0, "identity"), {"kind": "x"}, "evidence.value"),
        (("signatures", 0, "identity", "more"), 1, "evidence.unknown"),
        (("signatures", 0, "logged"), 1, "evidence.type"),
        (("signatures", 0, "bundle"), None, "evidence.type"),
        (("signatures", 0, "reasons", 0, "outcome"), "allow", "evidence.value"),
        (("trust", "fetched"), "yesterday", "evidence.time"),
        (("trust", "fetched"), "0001-01-01T00:00:00+23:59", "evidence.time"),
        (("trust", "fetched"), "9999-12-31T23:59:59-23:59", "evidence.time"),
        (("trust", "fetched"), "2026-01-01T00:00:00", "evidence.time"),
        (("trust", "fetched"), "2026-01-01T00:00:00Z", "evidence.canonical"),
        (("trust", "fetched"), "2026-01-01T01:00:00+01:00", "evidence.canonical"),
        (("unverified",), ["x" * (MAX_TEXT + 1)], "evidence.length"),
        (("surprise",), 1, "evidence.unknown"),
    ],
)
def test_what_is_no_record_is_refused(path, value, code):
    assert refused(changed(*path, value=value)).code == code


def test_what_is_missing_is_refused():
    tree = json.loads(encode_record(EVIDENCE))
    del tree["findings"]
    error = refused(tree)
    assert (error.code, error.where) == ("evidence.missing", "e.findings")


def test_a_set_is_sorted_and_has_nothing_twice():
    tree = json.loads(encode_record(EVIDENCE))
    assert refused({**tree, "digests": tree["digests"][::-1]}).code == "evidence.canonical"
    assert refused({**tree, "digests": [tree["digests"][0]] * 2}).code == "evidence.canonical"


def test_white_space_is_another_spelling():
    with pytest.raises(InputError, match="canonical"):
        decode_record(encode_record(EVIDENCE) + b"\n", Evidence, where="e")


def test_lists_are_capped(monkeypatch):
    monkeypatch.setattr("mlsign.evidence.codec.MAX_ITEMS", 1)
    assert refused(json.loads(encode_record(EVIDENCE))).code == "evidence.length"


def test_records_are_capped(monkeypatch):
    monkeypatch.setattr("mlsign.evidence.codec.MAX_RECORD_BYTES", 10)
    assert refused(json.loads(encode_record(EVIDENCE))).code == "json.size"


def test_large_numbers_are_told_from_names_of_dimensions():
    kinds = (
        TypeSpec(kind=ValueKind.TENSOR, element="float", shape=(2**60, str(2**60), None)),
        TypeSpec(kind=ValueKind.SEQUENCE, inner=TypeSpec(kind=ValueKind.TENSOR, element="float", shape=None)),
    )
    for kind in kinds:
        assert decode_record(encode_record(kind), TypeSpec, where="t") == kind
    tree = json.loads(encode_record(kinds[0]))
    for integer in ("12", "x", "0" * 30, "9" * 500):
        assert refused({**tree, "shape": [{"integer": integer}]}, TypeSpec).code == "evidence.range"
    assert refused({**tree, "shape": [{"integer": 1}]}, TypeSpec).code == "evidence.type"
    assert refused({**tree, "shape": [{"number": "1"}]}, TypeSpec).code == "evidence.type"
    # a number that fits has one spelling, and that is not this one
    assert refused({**tree, "shape": [{"integer": str(2**53 - 1)}]}, TypeSpec).code == "evidence.canonical"


MEASURED = MeasuredOutput(output="y", compared=4, absolute=0.25, relative=0.0, ulps=2**53 - 1)


def test_errors_are_written_down_exactly():
    largest = sys.float_info.max
    for value in (0.0, 5e-324, 1.0, 2.0**53 - 1, 2.0**53, 2.0**53 + 2, 1e16, 1e20, 1e21, 1.2345678901234567e300, largest):
        measured = replace(MEASURED, absolute=value, relative=-value)
        assert decode_record(encode_record(measured), MeasuredOutput, where="m") == measured
    tree = json.loads(encode_record(MEASURED))
    for number in ("1", "1e20", "1e+1000", "x", "Infinity", "01e+20", "1e+20 ", "9" * 400):
        assert refused({**tree, "absolute": {"number": number}}, MeasuredOutput).code == "evidence.range"
    assert refused({**tree, "absolute": {"number": 1}}, MeasuredOutput).code == "evidence.type"
    assert refused({**tree, "absolute": {"integer": "9" * 17}}, MeasuredOutput).code == "evidence.type"
    for odd in (True, "1", [], 10**16):
        assert refused({**tree, "absolute": odd}, MeasuredOutput).code in ("evidence.type", "evidence.canonical")
    assert refused({**tree, "absolute": {"number": "1e+10"}}, MeasuredOutput).code == "evidence.canonical"


def test_what_cannot_be_written_down_exactly_is_refused():
    for odd in (float("nan"), float("inf")):
        with pytest.raises(InputError) as caught:
            encode_record(replace(MEASURED, absolute=odd))
        assert caught.value.code == "evidence.range"
    with pytest.raises(InputError) as caught:
        encode_record(TypeSpec(kind=ValueKind.TENSOR, shape=(10**500,)))
    assert caught.value.code == "evidence.range"
    with pytest.raises(InputError) as caught:
        encode_record(replace(FINDING, message="x" * (MAX_TEXT + 1)))
    assert caught.value.code == "evidence.length"
    with pytest.raises(InputError) as caught:
        encode_record(replace(FINDING, message="\ud800"))
    assert caught.value.code == "json.canonical"
