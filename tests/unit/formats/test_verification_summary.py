"""Verification summaries as bytes: what is written is read, what is foreign is left alone, what is wrong is refused."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from making import canonical

from mlsign.digest import sha256
from mlsign.errors import InputError
from mlsign.formats.countersignature import Countersignature, encode_countersignature
from mlsign.formats.predicate_types import MAX_SUMMARY_BYTES, PredicateType, claimed_predicate
from mlsign.formats.verification_summary import (
    MAX_INPUTS,
    Judged,
    ResourceReference,
    Result,
    VerificationSummary,
    decode_summary,
    encode_summary,
    package_uri,
    policy_uri,
)

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "schemas" / "verification-summary.v1.schema.json").read_text()))
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
FULL = VerificationSummary(
    name="fraud-1.2.0",
    subject=sha256(b"package"),
    verifier="https://mlsign/verifier/v1",
    version="0.1.0",
    verified=NOON,
    resource="pkg:generic/fraud@1.2.0",
    policy=ResourceReference(uri="mlsign:policy/production", digest=sha256(b"policy")),
    inputs=(ResourceReference(uri="signatures/a.json", digest=sha256(b"a")), ResourceReference(digest=sha256(b"b"))),
    result=Result.PASSED,
    levels=("SLSA_BUILD_LEVEL_UNEVALUATED",),
    slsa="1.0",
    judged=Judged(manifest=sha256(b"manifest"), trusted=sha256(b"trusted"), signed=datetime(2026, 1, 30, tzinfo=UTC)),
)
BARE = VerificationSummary(
    name="x",
    subject=sha256(b"package"),
    verifier="https://verifier.example",
    version="",
    verified=NOON,
    resource="x",
    policy=ResourceReference(),
    inputs=(),
    result=Result.FAILED,
    levels=("FAILED",),
)


def document() -> dict[str, Any]:
    return json.loads(encode_summary(FULL))


def changed(path: tuple[Any, ...], value: Any) -> bytes:
    """The full summary with another value in one place, or without what is there."""
    top = document()
    node: Any = top
    for step in path[:-1]:
        node = node[step]
    if value is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return canonical(top)


@pytest.mark.parametrize("summary", [FULL, BARE], ids=["full", "bare"])
def test_what_is_written_is_read_and_is_as_the_schema_says(summary: VerificationSummary) -> None:
    payload = encode_summary(summary)
    assert decode_summary(payload) == summary
    assert encode_summary(decode_summary(payload)) == payload
    assert claimed_predicate(payload) is PredicateType.SUMMARY
    assert SCHEMA.is_valid(json.loads(payload)["predicate"])


def test_the_fields_are_those_of_the_specification() -> None:
    top = document()
    assert set(top) == {"_type", "subject", "predicateType", "predicate"}
    assert top["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert top["predicate"]["timeVerified"] == "2026-01-31T12:00:00Z"
    assert top["predicate"]["verifier"] == {"id": "https://mlsign/verifier/v1", "version": {"mlsign": "0.1.0"}}
    assert top["predicate"]["policy"]["digest"] == {"sha256": sha256(b"policy").hex}


def test_foreign_fields_are_left_alone() -> None:
    top = document()
    top["predicate"]["dependencyLevels"] = {"SLSA_BUILD_LEVEL_3": 1}
    top["predicate"]["verifier"]["name"] = "x"
    top["predicate"]["verifier"]["version"]["slsa-verifier"] = "2"
    top["predicate"]["policy"]["digest"]["gitCommit"] = "ab"
    top["subject"][0]["annotations"] = {}
    top["more"] = 1
    assert decode_summary(canonical(top)) == FULL


def test_a_reference_by_another_digest_is_one_by_none() -> None:
    found = decode_summary(changed(("predicate", "policy", "digest"), {"gitCommit": "ab"}))
    assert found.policy == ResourceReference(uri="mlsign:policy/production")


def test_what_may_be_left_out() -> None:
    top = document()
    for name in ("inputAttestations", "slsaVersion", "mlsign_judged"):
        del top["predicate"][name]
    del top["predicate"]["verifier"]["version"]["mlsign"]
    found = decode_summary(canonical(top))
    assert (found.inputs, found.slsa, found.judged, found.version) == ((), "", None, "")


BAD: dict[str, tuple[tuple[Any, ...], Any, str]] = {
    "no statement": (("_type",), "https://in-toto.io/Statement/v0.1", "summary.value"),
    "another predicate": (("predicateType",), "https://slsa.dev/verification_summary/v0.2", "summary.value"),
    "no subject": (("subject",), [], "summary.length"),
    "two subjects": (("subject",), [{"name": "a", "digest": {}}] * 2, "summary.length"),
    "subject by sha512": (("subject", 0, "digest"), {"sha512": "00" * 64}, "summary.missing"),
    "subject in capitals": (("subject", 0, "digest"), {"sha256": "AB" * 32}, "digest.hex"),
    "subject twice": (("subject", 0, "Digest"), {}, "summary.unknown"),
    "no verifier": (("predicate", "verifier"), ..., "summary.missing"),
    "verifier is text": (("predicate", "verifier"), "x", "summary.type"),
    "no time": (("predicate", "timeVerified"), ..., "summary.missing"),
    "local time": (("predicate", "timeVerified"), "2026-01-31T12:00:00+01:00", "summary.time"),
    "part of a second": (("predicate", "timeVerified"), "2026-01-31T12:00:00.5Z", "summary.time"),
    "no such day": (("predicate", "timeVerified"), "2026-02-30T12:00:00Z", "summary.time"),
    "year nought": (("predicate", "timeVerified"), "0000-01-01T12:00:00Z", "summary.time"),
    "other digits": (("predicate", "timeVerified"), "２０２６-01-31T12:00:00Z", "summary.time"),
    "time is a number": (("predicate", "timeVerified"), 1, "summary.type"),
    "no resource": (("predicate", "resourceUri"), ..., "summary.missing"),
    "no policy": (("predicate", "policy"), ..., "summary.missing"),
    "half a digest": (("predicate", "policy", "digest", "sha256"), "ab", "digest.hex"),
    "passed in small letters": (("predicate", "verificationResult"), "passed", "summary.value"),
    "passed is true": (("predicate", "verificationResult"), True, "summary.type"),
    "no result": (("predicate", "verificationResult"), ..., "summary.missing"),
    "a second result": (("predicate", "VerificationResult"), "FAILED", "summary.unknown"),
    "no levels": (("predicate", "verifiedLevels"), ..., "summary.missing"),
    "a level that is a number": (("predicate", "verifiedLevels"), [3], "summary.type"),
    "too many inputs": (("predicate", "inputAttestations"), [{}] * (MAX_INPUTS + 1), "summary.length"),
    "an input that is text": (("predicate", "inputAttestations"), ["x"], "summary.type"),
    "more in our extension": (("predicate", "mlsign_judged", "exception"), "all", "summary.unknown"),
    "less in our extension": (("predicate", "mlsign_judged", "trusted"), ..., "summary.missing"),
    "two digests in our extension": (("predicate", "mlsign_judged", "manifest", "sha512"), "00", "summary.unknown"),
    "our extension otherwise": (("predicate", "MLSIGN_judged"), {}, "summary.unknown"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_refused(name: str) -> None:
    path, value, code = BAD[name]
    with pytest.raises(InputError) as caught:
        decode_summary(changed(path, value))
    assert caught.value.code == code


def test_a_field_that_stands_twice_is_refused() -> None:
    payload = encode_summary(FULL).replace(
        b'"verificationResult":"PASSED"', b'"verificationResult":"FAILED","verificationResult":"PASSED"'
    )
    assert claimed_predicate(payload) is None
    with pytest.raises(InputError):
        decode_summary(payload)


def test_only_what_calls_itself_a_summary_is_taken_for_one() -> None:
    payload = encode_summary(FULL)
    other = document() | {"predicateType": "https://model_signing/signature/v1.0"}
    other["note"] = "https://slsa.dev/verification_summary/v1"
    assert claimed_predicate(canonical(other)) is None
    assert (
        claimed_predicate(encode_countersignature(Countersignature(name="a", digest=sha256(b"a"))))
        is PredicateType.COUNTERSIGNATURE
    )
    assert claimed_predicate(canonical(["https://slsa.dev/verification_summary/v1"])) is None
    assert claimed_predicate(b"https://slsa.dev/verification_summary/v1") is None
    assert claimed_predicate(payload + b" " * MAX_SUMMARY_BYTES) is None


def test_a_long_one_is_refused_unread() -> None:
    with pytest.raises(InputError, match="bytes"):
        decode_summary(b" " * (MAX_SUMMARY_BYTES + 1))


def test_names_cannot_slide_into_versions() -> None:
    assert package_uri("fraud", "1.2.0") == "pkg:generic/fraud@1.2.0"
    assert package_uri("a/b@1", "2+x") == "pkg:generic/a%2Fb%401@2%2Bx"
    assert policy_uri("a b/ü") == "mlsign:policy/a%20b%2F%C3%BC"


def test_an_early_year_keeps_its_zeros() -> None:
    early = replace(FULL, verified=datetime(987, 1, 2, tzinfo=UTC))
    assert decode_summary(encode_summary(early)) == early
