"""Signed golden runs: each thing that a run must be alone, and that nobody's word counts but that of whom the policy names."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlsign.digest import Algorithm, Digest
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Standing
from mlsign.formats.golden_run import CONFINING, GoldenRunStatement, RunOutput, RunPlace, RunSet, SetOutcome
from mlsign.formats.manifest import GoldenSet
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.paths import PackagePath
from mlsign.policy.decide import decide
from mlsign.policy.freshness import Freshness
from mlsign.policy.golden import GoldenSettings
from mlsign.policy.model import Verdict
from mlsign.policy.requirements import KeyRequirement
from mlsign.policy.rules import golden_runs
from mlsign.sandbox.layers import REQUIRED

OTHER = Digest(algorithm=Algorithm.SHA256, value=b"o" * 32)
MANIFEST = Digest(algorithm=Algorithm.SHA256, value=b"j" * 32)
FIRST, SECOND, THIRD = (PackagePath(f"golden/test_data_set_{i}") for i in range(3))
SETS = (GoldenSet(path=FIRST, rtol=1e-3, atol=1e-5), GoldenSet(path=SECOND, rtol=0.0, atol=0.0))
PLACE = RunPlace(
    platform="linux/arm64", processor="", runtime="onnxruntime", version="1.32.0", threads=1, wall="process", layers=CONFINING
)


def ran(golden, **change):
    held = {"outputs": 1, "compared": 6, "unequal": 0, "too_far": 0}
    found = RunSet(path=golden.path, rtol=golden.rtol, atol=golden.atol, outcome=SetOutcome.PASSED, **held)
    return replace(found, **change)


PASSED = tuple(map(ran, SETS))


@pytest.fixture
def asked(key):
    lab = (KeyRequirement(reference="keys/lab.pub", identity=key("b")),)
    return GoldenSettings(required=True, platforms=("linux/arm64",), runtimes=("onnxruntime",), run_by=lab)


@pytest.fixture
def run(evidence):
    return GoldenRunStatement(
        name="fraud-1.2.0",
        subject=evidence.digest,
        manifest=MANIFEST,
        ran=datetime(2026, 1, 1, tzinfo=UTC),
        place=PLACE,
        sets=PASSED,
        outputs=(
            RunOutput(name="y", sets=2, worst=FIRST, compared=12, unequal=0, too_far=0, absolute=0.0, relative=0.0, ulps=0),
        ),
        mlsign="0.1.0",
    )


@pytest.fixture
def released(evidence):
    output = ValueSpec(name="y", type=TypeSpec(kind=ValueKind.TENSOR, element="float", shape=(None,)))
    model = replace(evidence.manifest.model, outputs=(output,))
    return replace(evidence, manifest=replace(evidence.manifest, model=model, golden=SETS), manifest_digest=MANIFEST)


@pytest.fixture
def signed(released, record, run):
    def sign(change=None, *, by="b", bundle="signatures/run.json", **more):
        made = record(by, bundle=bundle)
        statement = run if change is None else replace(run, **change)
        made = replace(made, **({"standing": Standing.GOLDEN_RUN, "golden_run": statement} | more))
        return replace(released, signatures=(*released.signatures, made))

    return sign


def bad(policy, asked, evidence, now, **settings):
    decision = decide(replace(policy, golden=asked, **settings), evidence, now=now)
    codes = {f.code for f in decision.findings if f.outcome is not Outcome.PASS}
    assert (decision.verdict is Verdict.ALLOW) is (not codes)
    return codes


BOTH = {"MLS407", "MLS221"}


def test_a_run_that_is_as_asked_passes(policy, asked, signed, now):
    assert not bad(policy, asked, signed(), now)


def test_without_one_the_package_is_denied_and_nobody_asks_where_no_platform_is_named(policy, asked, released, now):
    assert bad(policy, asked, released, now) == {"MLS407"}
    assert not bad(policy, replace(asked, platforms=()), released, now)


def test_it_is_no_signature_of_the_package(policy, asked, signed, now):
    alone = signed()
    assert "MLS205" in bad(policy, asked, replace(alone, signatures=alone.signatures[-1:]), now)


def test_nobody_runs_it_who_is_not_named_to(policy, asked, signed, now):
    """Whoever signs the package is not meant."""
    assert bad(policy, asked, signed(by="a"), now) == BOTH
    assert bad(policy, asked, signed(by="z"), now) == BOTH
    assert bad(policy, replace(asked, run_by=()), signed(), now) == BOTH
    assert bad(policy, asked, signed(identity=None), now) == BOTH
    assert bad(policy, asked, signed(golden_run=None), now) == BOTH


@pytest.mark.parametrize("standing", [each for each in Standing if each is not Standing.GOLDEN_RUN])
def test_what_is_no_authentic_run_is_not_looked_at(policy, asked, signed, now, standing):
    assert "MLS407" in bad(policy, asked, signed(standing=standing), now)


@pytest.mark.parametrize(
    "change",
    [
        {"subject": OTHER},
        {"manifest": OTHER},
        {"sets": ()},
        {"sets": PASSED[:1]},
        {"sets": (*PASSED, ran(replace(SETS[0], path=THIRD)))},
        {"sets": (PASSED[0], ran(SETS[1], path=THIRD))},
        {"sets": (PASSED[0], ran(SETS[1], outcome=SetOutcome.FAILED))},
        {"sets": (PASSED[0], ran(SETS[1], outcome=SetOutcome.UNKNOWN))},
        {"sets": (ran(SETS[0], rtol=1.1e-3), PASSED[1])},
        {"sets": (ran(SETS[0], atol=1.1e-5), PASSED[1])},
        {"sets": (PASSED[0], ran(SETS[1], atol=5e-324))},
        {"sets": (PASSED[0], ran(SETS[1], outputs=0))},
        {"sets": (PASSED[0], ran(SETS[1], outputs=2))},
    ],
)
def test_a_run_of_something_else_or_that_shows_less_does_not_count(policy, asked, signed, now, change):
    assert bad(policy, asked, signed(change), now) == BOTH


@pytest.mark.parametrize("missing", [*CONFINING, None])
def test_a_run_of_a_model_that_was_not_confined_does_not_count(policy, asked, signed, now, missing):
    """It may have written its own result, whoever signed that."""
    layers = () if missing is None else tuple(layer for layer in CONFINING if layer != missing)
    assert bad(policy, asked, signed({"place": replace(PLACE, layers=layers)}), now) == BOTH
    assert not bad(policy, asked, signed({"place": replace(PLACE, layers=(*CONFINING, "landlock"))}), now)


def test_what_confines_is_what_the_sandbox_asks_for():
    assert CONFINING == REQUIRED


def test_a_run_may_have_held_the_answers_to_more(policy, asked, signed, now):
    assert not bad(policy, asked, signed({"sets": (ran(SETS[0], rtol=0.0, atol=0.0), PASSED[1])}), now)


@pytest.mark.parametrize(
    "change",
    [
        {"platform": "linux/amd64"},
        {"platform": "linux/aarch64"},
        {"platform": "Linux/arm64"},
        {"platform": "linux/arm64/v8"},
        {"runtime": "reference"},
        {"runtime": "ONNXRuntime"},
    ],
)
def test_another_platform_or_runtime_or_another_spelling_is_another_one(policy, asked, signed, now, change):
    """A run in order, elsewhere: told as found, and not as one that does not count."""
    evidence = signed({"place": replace(PLACE, **change)})
    assert bad(policy, asked, evidence, now) == {"MLS407"}
    (finding,) = golden_runs.check(evidence, golden_runs.Settings(golden=asked, count=_count(policy)), now=now)
    assert next(iter(change.values())) in finding.found


def _count(policy):
    from mlsign.policy.catalogue import golden_run_settings

    return golden_run_settings(policy).count


def test_every_platform_with_every_runtime_is_asked_for(policy, asked, signed, record, run, now):
    wide = replace(asked, platforms=("linux/amd64", "linux/arm64"), runtimes=("onnxruntime", "reference"))
    places = [replace(PLACE, platform=p, runtime=r) for p in wide.platforms for r in wide.runtimes]
    records = [
        replace(record("b", bundle=f"signatures/{i}.json"), standing=Standing.GOLDEN_RUN, golden_run=replace(run, place=place))
        for i, place in enumerate(places)
    ]
    base = signed()
    evidence = replace(base, signatures=(*base.signatures, *records))
    assert not bad(policy, wide, evidence, now)
    for missing in (0, 1, 3):
        rest = [r for i, r in enumerate(records) if i != missing]
        assert bad(policy, wide, replace(base, signatures=(*base.signatures, *rest)), now) == {"MLS407"}
    without = replace(base, signatures=(*base.signatures, *(record for i, record in enumerate(records) if i != 1)))
    (missing,) = (f for f in decide(replace(policy, golden=wide), without, now=now).findings if f.outcome is not Outcome.PASS)
    assert missing.hint.startswith("run mlsign replay --runtime reference --attest there")
    # The same run twice is one run.
    twice = replace(base, signatures=(*base.signatures, records[0], records[0], records[0]))
    assert bad(policy, wide, twice, now) == {"MLS407"}


def test_a_failed_run_beside_one_that_passed_neither_helps_nor_harms(policy, asked, signed, now):
    failed = signed({"sets": (PASSED[0], ran(SETS[1], outcome=SetOutcome.FAILED))}, bundle="signatures/failed.json")
    both = replace(failed, signatures=(*failed.signatures, signed().signatures[-1]))
    assert not bad(policy, asked, both, now)


def test_without_a_manifest_or_a_digest_it_is_unknown(policy, asked, signed, now):
    for change in ({"manifest": None}, {"manifest_digest": None}, {"digest": None}):
        found = golden_runs.check(replace(signed(), **change), golden_runs.Settings(golden=asked, count=_count(policy)), now=now)
        assert [(f.code, f.outcome) for f in found] == [("MLS407", Outcome.UNKNOWN)]


def test_a_release_without_golden_data_has_no_run_that_counts(policy, asked, signed, now):
    bare = signed()
    bare = replace(bare, manifest=replace(bare.manifest, golden=()))
    assert bad(policy, asked, bare, now) == {"MLS405", *BOTH}


def test_a_run_is_as_fresh_as_any_signature(policy, asked, signed, now):
    fresh = Freshness(max_age=timedelta(days=30))
    settings = golden_runs.Settings(golden=asked, count=replace(_count(policy), freshness=fresh))
    found = golden_runs.check(signed(), settings, now=now)
    assert {(f.code, f.outcome) for f in found} == {("MLS407", Outcome.FAIL), ("MLS216", Outcome.UNKNOWN)}


def test_why_a_broken_run_is_none_is_told(policy, asked, released, record, now):
    reason = Finding(code="MLS203", outcome=Outcome.FAIL, message="the signature does not hold")
    broken = replace(record("b", bundle="b"), standing=Standing.REJECTED, reasons=(reason,), claims_golden_run=True)
    evidence = replace(released, signatures=(*released.signatures, broken))
    assert bad(policy, asked, evidence, now) == {"MLS407", "MLS203"}
    assert not bad(policy, replace(asked, platforms=()), evidence, now)
