"""What a run takes: caps, what has no bound, and what a policy may and may not let pass."""

from dataclasses import replace
from datetime import datetime

import pytest

from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import Evidence
from mlsign.onnx.summary import Problem, RunBounds, Unknown
from mlsign.onnx.summary import Unbounded as Kind
from mlsign.policy.decide import decide
from mlsign.policy.model import Policy, RunSettings, Unbounded, Verdict
from mlsign.policy.rules import run

CODES = {
    Kind.SIZE: "MLS381",
    Kind.COMPLEXITY: "MLS381",
    Kind.TURNS: "MLS383",
    Kind.MISUSE: "MLS378",
    Kind.ENDLESS: "MLS384",
}
ALLOW, DENY = Unbounded.ALLOW, Unbounded.DENY
BACKSTOP = "the policy allows that, and the limits of the sandbox are what stops it"


def taking(evidence: Evidence, **changes: object) -> Evidence:
    assert evidence.summary is not None
    assert evidence.summary.bounds is not None
    bounds = replace(evidence.summary.bounds, **changes)
    return replace(evidence, summary=replace(evidence.summary, bounds=bounds))


def without_bound(evidence: Evidence, *kinds: Kind, detail: str = "") -> Evidence:
    items = tuple(Unknown(kind=kind, where="graph.node[7]", operator="ai.onnx:Loop", detail=detail) for kind in kinds)
    return taking(evidence, unknown=items)


def outcomes(evidence: Evidence, settings: RunSettings) -> list[tuple[str, Outcome]]:
    return [(finding.code, finding.outcome) for finding in run.check(evidence, settings)]


IN_ORDER = [("MLS380", Outcome.PASS), ("MLS382", Outcome.PASS), ("MLS382", Outcome.PASS)]


def test_a_run_within_its_caps_passes_and_says_what_it_takes(evidence: Evidence) -> None:
    memory, steps, operations = run.check(evidence, RunSettings(open_dimension=8))
    assert [(f.code, f.outcome) for f in (memory, steps, operations)] == IN_ORDER
    assert memory.message == "a run takes up to 500 B besides inputs and weights, with open dimensions of 32"
    assert (memory.found, memory.expected) == ("500 bytes, 400 of them in one value", f"at most {2**31} bytes")
    assert steps.message == "a run takes up to 3 operators, with open dimensions of 32"
    assert operations.message == "a run takes up to 40 steps of arithmetic, with open dimensions of 32"
    assert {f.hint + f.where for f in (memory, steps, operations)} == {""}


def test_one_is_one(evidence: Evidence) -> None:
    _, steps, operations = run.check(taking(evidence, steps=1, operations=1), RunSettings())
    assert steps.message.startswith("a run takes up to 1 operator, ")
    assert operations.message.startswith("a run takes up to 1 step of arithmetic, ")


@pytest.mark.parametrize(
    ("settings", "code", "hint"),
    [
        (RunSettings(max_bytes=499), "MLS380", "model.run.max_bytes"),
        (RunSettings(max_bytes=0), "MLS380", "sandbox.memory"),
        (RunSettings(max_steps=2), "MLS382", "model.run.max_steps"),
        (RunSettings(max_operations=39), "MLS382", "model.run.max_operations"),
    ],
)
def test_a_run_beyond_a_cap_fails_and_says_which(settings: RunSettings, code: str, hint: str, evidence: Evidence) -> None:
    (failed,) = [f for f in run.check(evidence, settings) if f.outcome is not Outcome.PASS]
    assert (failed.code, failed.outcome) == (code, Outcome.FAIL)
    assert hint in failed.hint
    assert failed.where == ("graph.node[0]" if code == "MLS380" else "")


def test_the_caps_themselves_are_allowed(evidence: Evidence) -> None:
    assert outcomes(evidence, RunSettings(max_bytes=500, max_steps=3, max_operations=40)) == IN_ORDER


def test_bounds_for_smaller_dimensions_than_the_policy_says_are_no_bounds(evidence: Evidence) -> None:
    assert outcomes(evidence, RunSettings(open_dimension=32)) == IN_ORDER
    assert outcomes(evidence, RunSettings(open_dimension=33)) == [("MLS380", Outcome.UNKNOWN)]


def test_numbers_without_end_are_spelled_short(evidence: Evidence) -> None:
    huge = taking(evidence, peak_bytes=2**128, steps=2**128, operations=2**128, largest_bytes=2**128)
    found = run.check(huge, RunSettings())
    assert {f.outcome for f in found} == {Outcome.FAIL}
    assert [f.found for f in found[1:]] == ["more than 10^18"] * 2
    assert found[0].found == "more than 10^18 bytes, more than 10^18 of them in one value"


@pytest.mark.parametrize("kind", Kind)
def test_what_has_no_bound_is_denied_where_nothing_is_allowed(kind: Kind, evidence: Evidence) -> None:
    *caps, finding = run.check(without_bound(evidence, kind), RunSettings())
    assert [(f.code, f.outcome) for f in caps] == IN_ORDER
    certain = kind in (Kind.MISUSE, Kind.ENDLESS)
    assert (finding.code, finding.outcome) == (CODES[kind], Outcome.FAIL if certain else Outcome.UNKNOWN)
    assert (finding.where, finding.found) == ("graph.node[7]", "ai.onnx:Loop")
    assert finding.hint
    assert BACKSTOP not in finding.message


@pytest.mark.parametrize("sizes", Unbounded)
@pytest.mark.parametrize("turns", Unbounded)
@pytest.mark.parametrize("kind", Kind)
def test_only_what_the_policy_allows_passes_and_says_that_the_sandbox_is_the_backstop(
    kind: Kind, turns: Unbounded, sizes: Unbounded, evidence: Evidence
) -> None:
    allowed = {
        Kind.SIZE: sizes is ALLOW,
        Kind.TURNS: turns is ALLOW,
        # whoever gives up before the end has seen neither all sizes nor all loops
        Kind.COMPLEXITY: sizes is ALLOW and turns is ALLOW,
    }.get(kind, False)
    *_, finding = run.check(without_bound(evidence, kind), RunSettings(unknown_sizes=sizes, unknown_turns=turns))
    assert (finding.outcome is Outcome.PASS) is allowed
    assert (BACKSTOP in finding.message) is allowed
    assert (finding.hint == "") is allowed


def test_the_hint_names_the_field_that_allows_it(evidence: Evidence) -> None:
    found = run.check(without_bound(evidence, Kind.SIZE, Kind.TURNS), RunSettings())
    assert "model.run.unknown_sizes: allow" in found[-2].hint
    assert "model.run.unknown_turns: allow" in found[-1].hint


def test_misuse_says_what_is_wrong(evidence: Evidence) -> None:
    *_, finding = run.check(without_bound(evidence, Kind.MISUSE, detail="axis 9 of 2"), RunSettings())
    assert finding.message == "ai.onnx:Loop cannot run as it stands: axis 9 of 2"


def test_one_place_that_is_allowed_hides_no_other(evidence: Evidence) -> None:
    mixed = without_bound(evidence, Kind.SIZE, Kind.TURNS, Kind.ENDLESS, Kind.SIZE, Kind.MISUSE)
    assert outcomes(mixed, RunSettings(unknown_sizes=ALLOW, unknown_turns=ALLOW))[3:] == [
        ("MLS381", Outcome.PASS),
        ("MLS383", Outcome.PASS),
        ("MLS384", Outcome.FAIL),
        ("MLS381", Outcome.PASS),
        ("MLS378", Outcome.FAIL),
    ]


def test_without_a_model_or_without_bounds_it_is_unknown(evidence: Evidence) -> None:
    assert evidence.summary is not None
    assert outcomes(replace(evidence, summary=None), RunSettings()) == [("MLS380", Outcome.UNKNOWN)]
    unbounded = replace(evidence, summary=replace(evidence.summary, bounds=None))
    assert outcomes(unbounded, RunSettings(unknown_sizes=ALLOW, unknown_turns=ALLOW)) == [("MLS380", Outcome.UNKNOWN)]


def test_a_model_with_problems_has_no_bounds_and_is_denied_for_the_problems(
    evidence: Evidence, policy: Policy, now: datetime
) -> None:
    assert evidence.summary is not None
    bad = replace(evidence.summary, bounds=None, problems=(Problem(code="MLS340", message="x"),))
    assert outcomes(replace(evidence, summary=bad), RunSettings()) == []
    assert decide(policy, replace(evidence, summary=bad), now=now).verdict is Verdict.DENY


@pytest.mark.parametrize("kind", Kind)
def test_the_decision_denies_what_is_not_allowed_and_allows_what_is(
    kind: Kind, evidence: Evidence, policy: Policy, now: datetime
) -> None:
    def verdict(settings: RunSettings) -> Verdict:
        changed = replace(policy, model=replace(policy.model, run=settings))
        return decide(changed, without_bound(evidence, kind), now=now).verdict

    assert verdict(RunSettings()) is Verdict.DENY
    certain = kind in (Kind.MISUSE, Kind.ENDLESS)
    allowed = verdict(RunSettings(unknown_sizes=ALLOW, unknown_turns=ALLOW))
    assert allowed is (Verdict.DENY if certain else Verdict.ALLOW)


def test_bounds_that_are_all_zero_pass(evidence: Evidence) -> None:
    assert evidence.summary is not None
    nothing = RunBounds(peak_bytes=0, largest_bytes=0, largest="", steps=0, operations=0, open_dimension=32, unknown=())
    empty = replace(evidence, summary=replace(evidence.summary, bounds=nothing))
    assert outcomes(empty, RunSettings(max_bytes=0)) == IN_ORDER
