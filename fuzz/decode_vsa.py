"""Fuzz target: verification summaries. Only ``InputError`` may escape, and what decodes is what is there and no more."""

import json
import random
from pathlib import Path
from typing import Any

import jsonschema
from json_tree import STRINGS, bent
from oracles import check_refusal, plain_json

from mlsign.errors import InputError
from mlsign.formats.predicate_types import PredicateType, claimed_predicate
from mlsign.formats.verification_summary import (
    ResourceReference,
    VerificationSummary,
    decode_summary,
    encode_summary,
)
from mlsign.limits import Limits

FIELDS = (
    *("_type", "digest", "id", "inputAttestations", "manifest", "mlsign", "mlsign_judged", "name", "policy", "predicate"),
    *("predicateType", "resourceUri", "sha256", "sha512", "signed", "slsaVersion", "subject", "timeVerified", "trusted"),
    *("uri", "verificationResult", "verifiedLevels", "verifier", "version", "VerificationResult", "URI", "MLSIGN_JUDGED"),
)
VALUES = (
    "https://in-toto.io/Statement/v1",
    "https://slsa.dev/verification_summary/v1",
    "https://slsa.dev/verification_summary/v0.2",
    "https://mlsign/verifier/v1",
    "PASSED",
    "FAILED",
    "passed",
    "SLSA_BUILD_LEVEL_3",
    "2026-01-31T12:00:00Z",
    "2026-02-30T12:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:60Z",
    "2026-01-31T12:00:00+00:00",
    "pkg:generic/fraud@1.2.0",
)
WORDS = tuple(f'"{word}"'.encode() for word in (*FIELDS, *VALUES, *STRINGS) if word.isascii() and word.isprintable())
TIGHT = Limits(max_json_depth=5, max_json_values=30)
_SCHEMA = Path(__file__).resolve().parent.parent / "schemas" / "verification-summary.v1.schema.json"
SCHEMA = jsonschema.Draft202012Validator(json.loads(_SCHEMA.read_bytes()))


def decoded(data: bytes, *, limits: Limits = Limits()) -> VerificationSummary | None:  # noqa: B008
    try:
        return decode_summary(data, limits=limits)
    except InputError as err:
        check_refusal(err)
        return None


def check(data: bytes) -> None:
    """Decodes ``data`` as a summary; what mlsign would write for it decodes to the same value."""
    summary = decoded(data)
    tight = decoded(data, limits=TIGHT)
    if summary is None:
        assert tight is None
        return
    assert tight in (None, summary)
    given = plain_json(data)
    predicate = given["predicate"]
    assert SCHEMA.is_valid(predicate)
    assert (summary.result.value, summary.resource) == (predicate["verificationResult"], predicate["resourceUri"])
    assert [{"sha256": summary.subject.hex}] == [{"sha256": s["digest"]["sha256"]} for s in given["subject"]]
    check_reference(summary.policy, predicate["policy"])
    for found, there in zip(summary.inputs, predicate.get("inputAttestations", []), strict=True):
        check_reference(found, there)
    assert (summary.judged is not None) == ("mlsign_judged" in predicate)
    if summary.judged is not None:
        assert summary.judged.manifest.hex == predicate["mlsign_judged"]["manifest"]["sha256"]
        assert summary.judged.trusted.hex == predicate["mlsign_judged"]["trusted"]["sha256"]
        assert (summary.judged.signed is not None) == ("signed" in predicate["mlsign_judged"])
    written = encode_summary(summary)
    assert claimed_predicate(written) is PredicateType.SUMMARY
    assert json.loads(written)["predicate"]["timeVerified"] == predicate["timeVerified"]
    assert decode_summary(written) == summary
    assert encode_summary(decode_summary(written)) == written


def check_reference(found: ResourceReference, there: Any) -> None:
    assert found.uri == there.get("uri", "")
    assert (None if found.digest is None else found.digest.hex) == there.get("digest", {}).get("sha256")


def mutate(data: bytes, rng: random.Random) -> bytes:
    return bent(data, rng, words=(*FIELDS, *VALUES, *STRINGS))


if __name__ == "__main__":
    from engine import fuzz

    fuzz("vsa")
