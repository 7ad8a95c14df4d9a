"""Findings: made of errors, and cut where there are too many."""

import pytest

from mlsign.errors import InputError
from mlsign.evidence.findings import MAX_LISTED, Finding, Outcome, against, finding_of, listed


def error(where: str = "") -> InputError:
    return InputError("is wrong", code="a.b", where=where, expected="1", found="2", hint="h")


@pytest.mark.parametrize(
    ("inside", "given", "message", "where"),
    [
        ("", "", "is wrong", ""),
        ("field", "", "field: is wrong", "field"),
        ("", "model.onnx", "is wrong", "model.onnx"),
        ("model.onnx", "model.onnx", "is wrong", "model.onnx"),
        ("graph.node[0]", "model.onnx", "graph.node[0]: is wrong", "model.onnx"),
    ],
)
def test_an_error_becomes_a_finding_that_says_each_place_once(inside: str, given: str, message: str, where: str) -> None:
    finding = finding_of(error(inside), code="MLS309", where=given)
    assert (finding.message, finding.where) == (message, where)
    assert (finding.code, finding.outcome, finding.cause) == ("MLS309", Outcome.FAIL, "a.b")
    assert (finding.expected, finding.found, finding.hint) == ("1", "2", "h")
    assert finding_of(error(), code="MLS309", outcome=Outcome.UNKNOWN).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("worst", Outcome)
def test_the_finding_that_counts_the_rest_is_as_bad_as_the_worst_of_them(worst: Outcome) -> None:
    first = [Finding(code="MLS301", outcome=Outcome.PASS, message="m", where=f"{n:04}") for n in range(MAX_LISTED)]
    rest = [Finding(code="MLS301", outcome=outcome, message="m", where="z") for outcome in (Outcome.PASS, worst)]
    assert listed(first) == tuple(first)
    *_, last = listed([*rest, *first])
    assert (last.message, last.outcome) == ("and 2 more of this kind", worst)


def test_what_fails_stands_before_what_is_not_known_for_its_sake():
    found = [
        Finding(code=code, outcome=outcome, message="x")
        for code, outcome in (
            ("MLS101", Outcome.PASS),
            ("MLS406", Outcome.UNKNOWN),
            ("MLS407", Outcome.FAIL),
            ("MLS408", Outcome.FAIL),
        )
    ]
    assert [finding.code for finding in against(found)] == ["MLS407", "MLS408", "MLS406"]
    assert against(found[:1]) == ()
