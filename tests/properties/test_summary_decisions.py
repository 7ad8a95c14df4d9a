"""Decisions over random evidence with verification summaries: they add one way to be allowed, and take nothing else away."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from test_policy_decisions import LETTERS, NOW, digest, evidences, key, policies, verdict

from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import Evidence, SignatureRecord, Standing
from mlsign.formats.verification_summary import Judged, ResourceReference, Result, VerificationSummary
from mlsign.identity import Method
from mlsign.policy.catalogue import RULES, Subject
from mlsign.policy.decide import decide
from mlsign.policy.model import Policy, Verdict
from mlsign.policy.requirements import KeyRequirement
from mlsign.policy.summaries import SummarySettings

RARELY = st.integers(0, 19).map(lambda n: n == 0)
GATE = SummarySettings(
    accept=(KeyRequirement(reference="g.pub", identity=key("g")),),
    max_age=timedelta(hours=1),
    chosen=frozenset({"g.pub"}),
    trusted=digest("t"),
)


@st.composite
def summarized(draw: st.DrawFn) -> SignatureRecord:
    """Mostly one that would do for the package, by somebody who may say so."""
    return SignatureRecord(
        bundle=f"signatures/v{draw(st.integers(0, 3))}.json",
        method=Method.KEY,
        standing=Standing.SUMMARY if not draw(RARELY) else draw(st.sampled_from(Standing)),
        identity=key("g" if not draw(RARELY) else draw(st.sampled_from(LETTERS))),
        times=(),
        algorithms=frozenset(),
        reasons=(),
        summary=VerificationSummary(
            name="fraud-1.2.0",
            subject=digest("s" if not draw(RARELY) else "x"),
            verifier="v",
            version="",
            verified=NOW - timedelta(minutes=1 if not draw(RARELY) else 61),
            resource="pkg:generic/fraud@1.2.0",
            policy=ResourceReference(digest=digest("p" if not draw(RARELY) else "x")),
            inputs=(),
            result=Result.PASSED if not draw(RARELY) else Result.FAILED,
            levels=(),
            judged=None if draw(RARELY) else Judged(manifest=digest("j"), trusted=digest("t")),
        ),
    )


@st.composite
def gated(draw: st.DrawFn) -> tuple[Policy, Evidence]:
    """A policy that takes summaries, and evidence with a few of them."""
    evidence = draw(evidences())
    more = tuple(draw(st.lists(summarized(), min_size=1, max_size=2)))
    return replace(draw(policies()), vsa=GATE), replace(
        evidence, signatures=(*evidence.signatures, *more), manifest_digest=digest("j")
    )


@given(gated(), st.data())
def test_fewer_bundles_of_any_kind_never_allow(case: tuple[Policy, Evidence], data: st.DataObject) -> None:
    policy, evidence = case
    assume(verdict(policy, evidence) is Verdict.DENY)
    kept = tuple(record for record in evidence.signatures if data.draw(st.booleans()))
    assert verdict(policy, replace(evidence, signatures=kept)) is Verdict.DENY


@given(gated())
def test_whoever_did_not_ask_gets_what_there_is_without(case: tuple[Policy, Evidence]) -> None:
    policy, evidence = case
    bare = replace(evidence, signatures=tuple(r for r in evidence.signatures if r.summary is None))
    for quiet in (replace(policy, vsa=None), replace(policy, vsa=replace(GATE, chosen=frozenset()))):
        assert verdict(quiet, evidence) is verdict(replace(policy, vsa=None), bare)


@given(gated())
def test_an_allowance_rests_on_signatures_or_on_one_summary_and_every_other_rule(case: tuple[Policy, Evidence]) -> None:
    policy, evidence = case
    decision = decide(policy, evidence, now=NOW)
    event(f"{decision.verdict.value} {'with' if decision.summary else 'without'} a summary")
    if decision.summary is None:
        bare = replace(evidence, signatures=tuple(r for r in evidence.signatures if r.summary is None))
        assert decision.verdict is verdict(replace(policy, vsa=None), bare)
        return
    assert decision.summary.standing is Standing.SUMMARY
    assert len(decision.met) < len(policy.signers)
    others = [f for rule in RULES if rule.subject is Subject.PACKAGE for f in rule.run(policy, evidence, NOW)]
    if any(finding.outcome is not Outcome.PASS for finding in (*evidence.findings, *others)):
        assert decision.verdict is Verdict.DENY


@given(gated(), st.randoms(use_true_random=False))
def test_the_order_of_bundles_means_nothing(case: tuple[Policy, Evidence], random: object) -> None:
    policy, evidence = case
    shuffled = list(evidence.signatures)
    random.shuffle(shuffled)
    assert verdict(policy, replace(evidence, signatures=tuple(shuffled))) is verdict(policy, evidence)


def test_both_ways_to_an_allowance_are_drawn() -> None:
    """The properties above would hold of a strategy that never allows anything."""
    seen: set[bool] = set()

    @settings(max_examples=300, database=None, derandomize=True)
    @given(gated())
    def look(case: tuple[Policy, Evidence]) -> None:
        decision = decide(*case, now=NOW)
        if decision.verdict is Verdict.ALLOW:
            seen.add(decision.summary is not None)

    look()
    assert seen == {True, False}
