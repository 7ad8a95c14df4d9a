"""Evidence says which signatures may be counted."""

import pytest

from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Difference, Evidence, MeasuredOutput, ReplayedSet, SignatureRecord, Standing


def record(standing: Standing) -> SignatureRecord:
    return SignatureRecord(
        bundle=standing.value, method=None, standing=standing, identity=None, times=(), algorithms=frozenset(), reasons=()
    )


def test_only_counted_signatures_are_counted():
    records = tuple(record(standing) for standing in Standing)
    evidence = Evidence(
        digest=None, digests=frozenset(), manifest=None, summary=None, signatures=records, findings=(), unverified=()
    )
    assert [r.bundle for r in evidence.counted] == ["counted"]
    assert [r.bundle for r in evidence.golden_runs] == ["golden-run"]
    assert [r.bundle for r in evidence.provenance] == ["provenance"]


NEAR = MeasuredOutput(output="y", compared=3, absolute=0.0, ulps=0)
FAR = MeasuredOutput(output="z", compared=1, too_far=1, difference=Difference(message="m", expected="1", found="2"))


@pytest.mark.parametrize(
    ("outputs", "problem", "passed"),
    [
        ((NEAR,), None, True),
        ((NEAR, MeasuredOutput(output="e", compared=0)), None, True),
        ((), None, False),
        ((MeasuredOutput(output="e", compared=0),), None, False),
        ((NEAR, FAR), None, False),
        ((NEAR,), Finding(code="MLS406", outcome=Outcome.UNKNOWN, message="died"), False),
    ],
)
def test_only_what_was_compared_and_is_near_has_passed(outputs, problem, passed):
    found = ReplayedSet(path="golden/a", outputs=outputs, problem=problem)
    assert found.passed is passed
    assert found.compared == sum(output.compared for output in outputs)
    assert found.different == tuple((output.output, output.difference) for output in outputs if output is FAR)
