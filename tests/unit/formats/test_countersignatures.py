"""The statement of a countersignature: what it says comes back, and nothing else is one."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsign.digest import Algorithm, Digest, sha256
from mlsign.errors import InputError
from mlsign.formats.countersignature import Countersignature, decode_countersignature, encode_countersignature
from mlsign.formats.policy_statement import PolicyStatement, encode_policy_statement
from mlsign.formats.predicate_types import MAX_COUNTERSIGNATURE_BYTES, PredicateType, claimed_predicate
from mlsign.limits import DEFAULT

OVER = Countersignature(name="signatures/release.sigstore.json", digest=sha256(b"bundle"))
SUBJECT = {"name": "x", "digest": {"sha256": "ab" * 32}}


def refused(data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        decode_countersignature(data)
    return caught.value.code


@given(
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=50),
    value=st.binary(min_size=32, max_size=32),
)
def test_one_has_one_spelling(name: str, value: bytes) -> None:
    over = Countersignature(name=name, digest=Digest(algorithm=Algorithm.SHA256, value=value))
    data = encode_countersignature(over)
    assert claimed_predicate(data) is PredicateType.COUNTERSIGNATURE
    assert decode_countersignature(data) == over
    assert encode_countersignature(decode_countersignature(data)) == data


BAD: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another predicate": (lambda v: v.update(predicateType="https://model_signing/signature/v1.0"), "countersignature.value"),
    "no predicate type": (lambda v: v.pop("predicateType"), "countersignature.missing"),
    "another statement": (lambda v: v.update(_type="https://in-toto.io/Statement/v0.1"), "countersignature.value"),
    "no subject": (lambda v: v.update(subject=[]), "countersignature.length"),
    "two subjects": (lambda v: v.update(subject=[SUBJECT, SUBJECT]), "countersignature.length"),
    "a subject in no list": (lambda v: v.update(subject=SUBJECT), "countersignature.type"),
    "a subject with more": (lambda v: v["subject"][0].update(uri="x"), "countersignature.unknown"),
    "no name": (lambda v: v["subject"][0].pop("name"), "countersignature.missing"),
    "an empty name": (lambda v: v["subject"][0].update(name=""), "countersignature.length"),
    "a long name": (lambda v: v["subject"][0].update(name="x" * (DEFAULT.max_path_bytes + 1)), "countersignature.length"),
    "no digest": (lambda v: v["subject"][0].update(digest={}), "countersignature.missing"),
    "another digest as well": (lambda v: v["subject"][0]["digest"].update(sha512="00"), "countersignature.unknown"),
    "a short digest": (lambda v: v["subject"][0].update(digest={"sha256": "ab"}), "digest.hex"),
    "a digest in capitals": (lambda v: v["subject"][0].update(digest={"sha256": "AB" * 32}), "digest.hex"),
    "no predicate": (lambda v: v.pop("predicate"), "countersignature.missing"),
    "a predicate that says something": (lambda v: v["predicate"].update(reviewed=True), "countersignature.unknown"),
    "more at the top": (lambda v: v.update(extra=1), "countersignature.unknown"),
}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_refused(name: str) -> None:
    change, code = BAD[name]
    value = json.loads(encode_countersignature(OVER))
    change(value)
    assert refused(json.dumps(value).encode()) == code


def test_it_is_not_json_or_too_long_or_another_statement() -> None:
    assert refused(b"") == "json.syntax"
    assert refused(b"[]") == "countersignature.type"
    assert refused(encode_countersignature(OVER) + b" " * MAX_COUNTERSIGNATURE_BYTES) == "json.size"
    assert refused(encode_policy_statement(PolicyStatement(name="x", digest=sha256(b"x"), files={}))) == "countersignature.value"
