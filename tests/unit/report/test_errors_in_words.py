"""How far an output was off, for people: what is exact is called so, and no number is made up where none was measured."""

import pytest

from mlsign.evidence.record import MeasuredOutput
from mlsign.report.golden_runs import errors_in_words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"compared": 6, "absolute": 0.0, "relative": 0.0, "ulps": 0}, "6 elements, exact"),
        ({"compared": 1, "absolute": 1e-9, "ulps": 1}, "1 element, largest error 1e-09, 1 ULP"),
        (
            {"compared": 6000, "absolute": 0.008, "relative": 0.006, "ulps": 80536, "too_far": 6},
            "6,000 elements, largest error 0.008, relative 0.006, 80,536 ULPs",
        ),
        (
            {"compared": 2, "absolute": 1.7e308, "relative": 2.0, "ulps": 2**53 - 1},
            "2 elements, largest error 1.7e+308, relative 2, 2^53 ULPs or more",
        ),
        ({"compared": 4}, "4 elements, equal"),
        ({"compared": 4, "unequal": 1}, "4 elements, 1 not equal"),
        ({"compared": 2, "unequal": 1, "absolute": 0.0, "ulps": 0}, "2 elements, 1 not equal, the others exact"),
        ({"compared": 2, "unequal": 1, "absolute": 0.5, "ulps": 3}, "2 elements, 1 not equal, largest error 0.5, 3 ULPs"),
        ({"compared": 0}, "0 elements"),
    ],
)
def test_errors_are_told_as_they_are(fields, words):
    assert errors_in_words(MeasuredOutput(output="y", **fields)) == words
