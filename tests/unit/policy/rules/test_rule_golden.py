"""Golden test data: what is missing, too wide, not replayed or answered otherwise, and that only a whole replay passes."""

from dataclasses import replace

import pytest

from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Difference, MeasuredOutput, ReplayedSet
from mlsign.formats.manifest import GoldenSet
from mlsign.paths import PackagePath
from mlsign.policy.decide import decide
from mlsign.policy.golden import GoldenSettings
from mlsign.policy.model import Verdict
from mlsign.policy.rules import golden

ASKED = GoldenSettings(required=True)
REPLAYED = GoldenSettings(required=True, replay=True)
SETS = (
    GoldenSet(path=PackagePath("golden/test_data_set_0"), rtol=1e-3, atol=1e-5),
    GoldenSet(path=PackagePath("golden/test_data_set_1"), rtol=0.0, atol=0.0),
)
NEAR = MeasuredOutput(output="y", compared=6, absolute=0.0, relative=0.0, ulps=0)
FAR = MeasuredOutput(output="z", compared=6, difference=Difference(message="m", expected="1", found="2"))
GOOD = tuple(ReplayedSet(path=str(found.path), outputs=(NEAR,)) for found in SETS)


@pytest.fixture
def released(evidence):
    return replace(evidence, manifest=replace(evidence.manifest, golden=SETS))


def outcomes(found):
    return [(finding.code, finding.outcome) for finding in found]


def test_a_policy_that_asks_for_nothing_finds_nothing(evidence):
    assert golden.check(replace(evidence, manifest=None), GoldenSettings()) == ()


def test_without_manifest_it_is_unknown_and_without_data_it_fails(evidence):
    assert outcomes(golden.check(replace(evidence, manifest=None), ASKED)) == [("MLS405", Outcome.UNKNOWN)]
    assert outcomes(golden.check(evidence, ASKED)) == [("MLS405", Outcome.FAIL)]


@pytest.mark.parametrize("wide", [{"rtol": 0.5}, {"atol": 1e300}])
def test_data_that_takes_any_answer_fails(released, wide):
    assert outcomes(golden.check(released, ASKED)) == [("MLS405", Outcome.PASS)] * 2
    sets = (replace(SETS[0], **wide), SETS[1])
    found = golden.check(replace(released, manifest=replace(released.manifest, golden=sets)), ASKED)
    assert sorted(f.outcome.value for f in found) == ["fail", "pass"]


@pytest.mark.parametrize(
    ("replay", "outcome"),
    [
        (None, Outcome.UNKNOWN),
        ((), Outcome.UNKNOWN),
        (GOOD[:1], Outcome.UNKNOWN),
        ((GOOD[0], replace(GOOD[1], outputs=(replace(NEAR, compared=0),))), Outcome.UNKNOWN),
        ((GOOD[0], replace(GOOD[1], problem=Finding(code="MLS406", outcome=Outcome.UNKNOWN, message="died"))), Outcome.UNKNOWN),
        ((GOOD[0], replace(GOOD[1], path="golden/other")), Outcome.UNKNOWN),
        ((GOOD[0], replace(GOOD[1], outputs=(NEAR, FAR))), Outcome.FAIL),
        (GOOD, Outcome.PASS),
    ],
)
def test_only_a_replay_of_every_set_passes(policy, released, now, replay, outcome):
    found = golden.check(replace(released, replay=replay), REPLAYED)
    worst = {f.outcome for f in found if f.code == "MLS406"} - {Outcome.PASS}
    assert worst == (set() if outcome is Outcome.PASS else {outcome})
    decision = decide(replace(policy, golden=REPLAYED), replace(released, replay=replay), now=now)
    assert (decision.verdict is Verdict.ALLOW) is (outcome is Outcome.PASS)
