"""Which kind of statement a payload calls itself: read as JSON, however it is spelled, and only at the size of its kind."""

import json

import pytest

from mlsign.formats.predicate_types import (
    MAX_COUNTERSIGNATURE_BYTES,
    MAX_GOLDEN_RUN_BYTES,
    MAX_PROVENANCE_BYTES,
    MAX_SUMMARY_BYTES,
    PredicateType,
    claimed_predicate,
)
from mlsign.limits import Limits

MOST = {
    PredicateType.COUNTERSIGNATURE: MAX_COUNTERSIGNATURE_BYTES,
    PredicateType.SUMMARY: MAX_SUMMARY_BYTES,
    PredicateType.PROVENANCE: MAX_PROVENANCE_BYTES,
    PredicateType.GOLDEN_RUN: MAX_GOLDEN_RUN_BYTES,
}


def calling_itself(kind: PredicateType, **others: object) -> bytes:
    return json.dumps({"predicateType": kind.value} | others).encode()


@pytest.mark.parametrize("kind", PredicateType)
def test_a_kind_is_told_however_its_slashes_are_written(kind):
    assert claimed_predicate(calling_itself(kind)) is kind
    assert claimed_predicate(calling_itself(kind).replace(b"/", b"\\/")) is kind


@pytest.mark.parametrize("kind", PredicateType)
def test_what_only_mentions_a_kind_is_none_of_it(kind):
    other = "https://model_signing/signature/v1.0"
    assert claimed_predicate(json.dumps({"predicateType": other, "note": kind.value}).encode()) is None
    assert claimed_predicate(json.dumps({"predicateType": [kind.value]}).encode()) is None
    assert claimed_predicate(json.dumps({"predicate": {"predicateType": kind.value}}).encode()) is None
    assert claimed_predicate(kind.value.encode()) is None


@pytest.mark.parametrize("kind", PredicateType)
def test_one_that_mentions_every_other_is_still_what_it_calls_itself(kind):
    assert claimed_predicate(calling_itself(kind, notes=[other.value for other in PredicateType])) is kind


@pytest.mark.parametrize("kind", PredicateType)
def test_a_kind_named_twice_is_none(kind):
    """Or two readers could each take the one they like."""
    for other in PredicateType:
        payload = f'{{"predicateType": "{kind.value}", "predicateType": "{other.value}"}}'
        assert claimed_predicate(payload.encode()) is None


@pytest.mark.parametrize(("kind", "most"), MOST.items())
def test_what_is_larger_than_its_kind_may_be_is_none(kind, most):
    payload = calling_itself(kind)
    assert claimed_predicate(payload.ljust(most)) is kind
    assert claimed_predicate(payload.ljust(most + 1)) is None


def test_what_is_nested_too_deep_is_none():
    payload = calling_itself(PredicateType.SUMMARY, nested=[[[[]]]])
    assert claimed_predicate(payload) is PredicateType.SUMMARY
    assert claimed_predicate(payload, limits=Limits(max_json_depth=3)) is None
