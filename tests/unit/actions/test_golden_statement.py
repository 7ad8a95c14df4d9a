"""What is signed of a golden run: it always fits, tells the worst, and never more than what was run."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from making import make_package

from mlsign.actions.golden import statement as statement_module
from mlsign.actions.golden.runs import GoldenRun
from mlsign.actions.golden.statement import check_signable, statement_of
from mlsign.digest import Digest, sha256
from mlsign.errors import InputError
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Difference, MeasuredOutput, ReplayedSet
from mlsign.formats.golden_run import MAX_SETS, MAX_TOLD, GoldenRunStatement, SetOutcome, decode_golden_run, encode_golden_run
from mlsign.formats.manifest import GoldenSet, Manifest
from mlsign.formats.manifest_codec import decode_manifest
from mlsign.formats.predicate_types import MAX_GOLDEN_RUN_BYTES
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.paths import PackagePath
from mlsign.sandbox.layers import REQUIRED, Layer, Wall
from mlsign.sandbox.runtimes import RuntimeName

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ABOUT = sha256(b"package")
LAYERS = tuple(Layer(name=name, in_force=True, detail="") for name in REQUIRED)
LONG = "golden/test_data_set_" + "x" * 64


def of(*sets: ReplayedSet) -> GoldenRun:
    return GoldenRun(runtime=RuntimeName.ONNXRUNTIME, sets=sets, version="1.32.0", threads=2, layers=LAYERS)


def stated(run: GoldenRun, subject: Digest = ABOUT) -> GoldenRunStatement:
    golden = tuple(GoldenSet(path=PackagePath(found.path), rtol=1e-4, atol=1e-5) for found in run.sets)
    statement = statement_of(
        run,
        sets=golden,
        name="fraud-1.2.0",
        subject=subject,
        manifest=sha256(b"manifest"),
        ran=NOW,
        platform="linux/amd64",
        processor="EPYC",
        wall=Wall.PROCESS,
    )
    assert decode_golden_run(encode_golden_run(statement)) == statement
    return statement


def near(name: str, **change: object) -> MeasuredOutput:
    found = MeasuredOutput(output=name, compared=6, absolute=1e-7, relative=1e-8, ulps=1)
    return replace(found, **change)  # type: ignore[arg-type]  # the fields are as they are


OFF = Difference(message="too far", expected="1", found="2")


def test_ten_thousand_outputs_fit_and_all_of_them_are_counted() -> None:
    outputs = tuple(near(f"y{number}_{'x' * 200}", ulps=number) for number in range(200))
    run = of(*(ReplayedSet(path=f"golden/test_data_set_{number}", outputs=outputs) for number in range(50)))
    statement = stated(run)
    assert statement.passed
    assert [(each.outputs, each.compared) for each in statement.sets] == [(200, 1200)] * 50
    assert len(statement.outputs) == MAX_TOLD
    assert {each.ulps for each in statement.outputs} == set(range(100, 200))
    assert {(each.sets, each.compared) for each in statement.outputs} == {(50, 300)}


def test_the_largest_errors_and_the_worst_set_of_each_output_are_told() -> None:
    first = ReplayedSet(path="golden/a", outputs=(near("y", ulps=7, absolute=2.0), near("label", absolute=None, ulps=None)))
    second = ReplayedSet(
        path="golden/b", outputs=(near("y", too_far=2, difference=OFF), near("label", unequal=1, difference=OFF))
    )
    y, label = stated(of(first, second)).outputs
    assert (y.name, y.sets, str(y.worst), y.compared, y.too_far) == ("y", 2, "golden/b", 12, 2)
    assert (y.absolute, y.ulps) == (2.0, 7)
    assert (label.unequal, str(label.worst), label.ulps) == (1, "golden/b", 1)
    y, _ = stated(of(second, first)).outputs
    assert str(y.worst) == "golden/b"


def test_what_has_no_elements_that_are_off_and_is_another_thing_is_worst() -> None:
    """Another shape: nothing of it is compared."""
    shape = ReplayedSet(path="golden/b", outputs=(MeasuredOutput(output="y", compared=0, difference=OFF),))
    statement = stated(of(ReplayedSet(path="golden/a", outputs=(near("y", ulps=9),)), shape))
    assert str(statement.outputs[0].worst) == "golden/b"
    assert [each.outcome for each in statement.sets] == [SetOutcome.PASSED, SetOutcome.FAILED]
    assert not statement.passed


def test_a_set_without_an_answer_is_unknown_and_counts_nothing() -> None:
    problem = Finding(code="MLS406", outcome=Outcome.UNKNOWN, message="no time")
    statement = stated(of(ReplayedSet(path="golden/a", outputs=(near("y"),)), ReplayedSet(path="golden/b", problem=problem)))
    assert [(each.outcome, each.outputs) for each in statement.sets] == [(SetOutcome.PASSED, 1), (SetOutcome.UNKNOWN, 0)]
    assert statement.outputs[0].sets == 1
    assert not statement.passed


def test_names_that_are_cut_to_the_same_are_still_two_outputs() -> None:
    long = "y" * 300
    statement = stated(of(ReplayedSet(path="golden/a", outputs=(near(f"{long}1"), near(f"{long}2", ulps=5)))))
    assert [each.ulps for each in statement.outputs] == [1, 5]
    assert len({each.name for each in statement.outputs}) == 1


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    package: Path = make_package(tmp_path_factory.mktemp("golden"))
    return decode_manifest((package / "mlsign.json").read_bytes())


def listing(manifest: Manifest, count: int, *, name: str = "golden/test_data_set_") -> Manifest:
    sets = tuple(GoldenSet(path=PackagePath(f"{name}{number}"), rtol=1e-4, atol=1e-5) for number in range(count))
    return replace(manifest, golden=sets)


def checked(manifest: Manifest) -> None:
    check_signable(manifest, subject=ABOUT, ran=NOW, processor="EPYC")


def worst_of(manifest: Manifest) -> GoldenRun:
    """A run of which nothing is as it should be, each number as long as it comes."""
    most = 2**40
    each = MeasuredOutput(
        output="", compared=most, unequal=most, too_far=most, absolute=1.2345678901234567e-300, relative=1.7e308, ulps=2**53 - 1
    )
    outputs = tuple(replace(each, output=spec.name, difference=OFF) for spec in manifest.model.outputs)
    return of(*(ReplayedSet(path=str(golden.path), outputs=outputs) for golden in manifest.golden))


@pytest.mark.parametrize(
    ("count", "name"), [(3000, "golden/test_data_set_"), (2000, LONG), (400, "golden/" + "é" * 120 + "/" + "é" * 120)]
)
def test_what_is_taken_for_signable_is_signed_whatever_comes_of_it(manifest: Manifest, count: int, name: str) -> None:
    spec = TypeSpec(kind=ValueKind.TENSOR, element="float", shape=(None,))
    outputs = tuple(ValueSpec(name=f"{'ü' * 300}{number}", type=spec) for number in range(MAX_TOLD))
    wide = listing(manifest, count, name=name)
    wide = replace(wide, model=replace(wide.model, outputs=outputs))
    checked(wide)
    assert len(encode_golden_run(stated(worst_of(wide)))) <= MAX_GOLDEN_RUN_BYTES


@pytest.mark.parametrize("count", [8_000, MAX_SETS + 1])
def test_more_sets_than_a_statement_can_list_are_refused(manifest: Manifest, count: int) -> None:
    with pytest.raises(InputError) as caught:
        checked(listing(manifest, count))
    assert caught.value.code == "replay.sets"
    assert caught.value.found == str(count)
    assert "--attest" in caught.value.hint


def test_nothing_smaller_than_the_largest_statement_is_taken_for_it(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size that is reckoned with is never below that of a real one."""
    few = listing(manifest, 5)
    size = len(encode_golden_run(stated(worst_of(few))))
    monkeypatch.setattr(statement_module, "MAX_GOLDEN_RUN_BYTES", size - 1)
    with pytest.raises(InputError, match="more than a signed run can list"):
        checked(few)
