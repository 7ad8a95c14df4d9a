"""Decisions under policies that ask for everything there is: less to go by never lets anything in, and order means nothing.

Policies and evidence of ``test_policy_decisions`` and ``test_summary_decisions``, with provenance, golden data and its replay,
marks of older releases, ages and logs, countersignatures, people of every kind, an end of the policy and what it loosens.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from test_policy_decisions import NOW, digest, evidences, findings, key, policies, verdict
from test_summary_decisions import GATE, RARELY, summarized

from mlsign.digest import Algorithm
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Difference, Evidence, MeasuredOutput, ReplayedSet, Seen, SignatureRecord, Standing, TrustFacts
from mlsign.formats.golden_run import CONFINING, GoldenRunStatement, RunOutput, RunPlace, RunSet, SetOutcome
from mlsign.formats.manifest import GoldenSet, Provenance, TrainingData
from mlsign.formats.slsa import Dependency, Parameter, SlsaProvenance, SlsaStatement
from mlsign.identity import CertificateIdentity, KeylessIdentity, Method, distinct
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.paths import PackagePath
from mlsign.policy.condition import Condition
from mlsign.policy.decide import decide
from mlsign.policy.exemption import EXEMPTIBLE, Exemption
from mlsign.policy.freshness import AgeProof, Freshness, LogDemand, TimeDemand, Transparency, TrustSettings
from mlsign.policy.golden import GoldenSettings
from mlsign.policy.lineage import Lineage, Loosened
from mlsign.policy.match import EVERY_PACKAGE
from mlsign.policy.model import Policy, Rollback, SignerGroup, Verdict
from mlsign.policy.patterns import PatternKind, TextPattern
from mlsign.policy.provenance import (
    AttestedDemands,
    ClaimDemands,
    DependencyDemand,
    ParameterDemand,
    ProvenanceSettings,
    SourceDemand,
)
from mlsign.policy.requirements import CertificateRequirement, KeylessRequirement, KeyRequirement
from mlsign.policy.rules.countable import CountSettings
from mlsign.policy.rules.signer import SignerSettings, groups_met
from mlsign.times import TimeSource, TrustedTime
from mlsign.version import decode_version

ANY = TextPattern(kind=PatternKind.GLOB, text="**")
ISSUER = TextPattern(kind=PatternKind.EXACT, text="https://id.example")
SET = PackagePath("golden/test_data_set_0")
OFTEN = st.integers(0, 19).map(bool)
rngs = st.randoms(use_true_random=False)
sides = st.sampled_from(["1", "2", "3"])
people = st.one_of(
    st.builds(key, st.sampled_from("abc")),
    st.builds(
        lambda name, spki: KeylessIdentity(subject=f"{name}@acme.example", issuer="https://id.example", spki=digest(spki)),
        st.sampled_from("xyz"),
        sides,
    ),
    st.builds(
        lambda name, spki: CertificateIdentity(
            subject=f"CN={name}",
            issuer="CN=ca",
            names=(f"email:{name}@acme.example",),
            fingerprint=digest(spki),
            spki=digest(spki),
            anchor=digest("r"),
        ),
        st.sampled_from("xyz"),
        sides,
    ),
)
ANYBODY = (
    KeylessRequirement(issuer=ISSUER, subject=ANY),
    CertificateRequirement(reference="ca.pem", anchors=frozenset({digest("r")}), subject=ANY),
)
times = st.lists(
    st.builds(
        TrustedTime,
        time=st.sampled_from([NOW - timedelta(hours=1), NOW - timedelta(days=40)]),
        source=st.sampled_from(TimeSource),
    ),
    min_size=1,
    max_size=2,
).map(tuple)


@st.composite
def attestations(draw: st.DrawFn) -> SignatureRecord:
    """Mostly one by the build platform, about the package, of the build that is asked for."""
    return SignatureRecord(
        bundle=f"signatures/p{draw(st.integers(0, 3))}.json",
        method=Method.KEY,
        standing=Standing.PROVENANCE if draw(OFTEN) else draw(st.sampled_from(Standing)),
        identity=key("q" if draw(OFTEN) else "a") if draw(OFTEN) else None,
        times=draw(times) if draw(OFTEN) else (),
        algorithms=frozenset(),
        reasons=(),
        logged=draw(OFTEN),
        provenance=SlsaStatement(
            subjects=frozenset({digest("s" if draw(OFTEN) else "x")}),
            provenance=SlsaProvenance(
                builder="https://build.example" if draw(OFTEN) else "https://other.example",
                build_type="https://type.example/1",
                parameters=(Parameter(path=("workflow", "ref"), value="refs/tags/v1" if draw(OFTEN) else True),),
                dependencies=(
                    Dependency(uri="git+https://code.example/fraud@refs/tags/v1", digests=(("gitCommit", "ab" * 20),)),
                ),
            ),
        ),
        claims_provenance=True,
    )


PASSED = RunSet(
    path=SET,
    rtol=1e-4,
    atol=1e-4,
    outcome=SetOutcome.PASSED,
    outputs=1,
    compared=3,
    unequal=0,
    too_far=0,
)
TOLD = RunOutput(name="y", sets=1, worst=SET, compared=3, unequal=0, too_far=0, absolute=0.0, ulps=0)


@st.composite
def golden_runs(draw: st.DrawFn) -> SignatureRecord:
    """Mostly one by the lab, of the package, on a platform that is asked for, that passed."""
    found = PASSED if draw(OFTEN) else replace(PASSED, outcome=draw(st.sampled_from(SetOutcome)))
    if draw(RARELY):
        found = replace(found, path=PackagePath("golden/other"))
    place = RunPlace(
        platform=draw(st.sampled_from(["linux/amd64", "linux/arm64"])),
        processor="",
        runtime=draw(st.sampled_from(["onnxruntime", "reference"])),
        version="1",
        threads=1,
        wall="process",
        layers=CONFINING if draw(OFTEN) else (),
    )
    run = GoldenRunStatement(
        name="fraud",
        subject=digest("s" if draw(OFTEN) else "x"),
        manifest=digest("j" if draw(OFTEN) else "x"),
        ran=NOW,
        place=place,
        sets=(found,) if draw(OFTEN) else (),
        outputs=(TOLD,),
        mlsign="1",
    )
    return SignatureRecord(
        bundle=f"signatures/r{draw(st.integers(0, 9))}.json",
        method=Method.KEY,
        standing=Standing.GOLDEN_RUN if draw(OFTEN) else draw(st.sampled_from(Standing)),
        identity=key("l" if draw(OFTEN) else "a") if draw(OFTEN) else None,
        times=draw(times) if draw(OFTEN) else (),
        algorithms=frozenset(),
        reasons=(),
        logged=draw(OFTEN),
        golden_run=run,
        claims_golden_run=True,
    )


@st.composite
def signatures(draw: st.DrawFn) -> SignatureRecord:
    """A signature or a countersignature, by anybody."""
    standing = Standing.COUNTED if draw(st.booleans()) else Standing.COUNTERSIGNATURE
    if draw(RARELY):
        standing = draw(st.sampled_from(Standing))
    letter = draw(st.sampled_from("123"))
    return SignatureRecord(
        bundle=f"signatures/s{draw(st.integers(0, 9))}.json",
        method=draw(st.sampled_from(Method)),
        standing=standing,
        identity=draw(people) if draw(OFTEN) else None,
        times=draw(times) if draw(OFTEN) else (),
        algorithms=frozenset({Algorithm.SHA256}),
        reasons=(),
        logged=draw(OFTEN),
        digest=digest(letter),
        about=digest(draw(st.sampled_from("123"))) if standing is Standing.COUNTERSIGNATURE else None,
    )


def signed_by(letter: str) -> SignatureRecord:
    return SignatureRecord(
        bundle=f"signatures/{letter}.json",
        method=Method.KEY,
        standing=Standing.COUNTED,
        identity=key(letter),
        times=(TrustedTime(time=NOW - timedelta(hours=1), source=TimeSource.TIMESTAMP),),
        algorithms=frozenset({Algorithm.SHA256}),
        reasons=(),
        logged=True,
        digest=digest("1"),
    )


NEAR = MeasuredOutput(output="y", compared=3, absolute=1e-7, relative=1e-7, ulps=1)
DIFFERENT = replace(NEAR, output="z", difference=Difference(message="m", expected="1", found="2"))


@st.composite
def wholes(draw: st.DrawFn) -> Evidence:
    """Evidence of everything."""
    evidence = draw(evidences())
    if draw(OFTEN):
        evidence = replace(evidence, findings=tuple(f for f in evidence.findings if f.outcome is Outcome.PASS))
        evidence = replace(evidence, signatures=(*evidence.signatures, *map(signed_by, "abc")))
    more = [draw(signatures()) for _ in range(draw(st.integers(1, 6)))]
    more += [draw(summarized()) for _ in range(draw(st.integers(0, 2)))]
    more += [draw(attestations()) for _ in range(draw(st.integers(0, 2)))]
    more += [draw(golden_runs()) for _ in range(draw(st.integers(0, 4)))]
    manifest = evidence.manifest
    if manifest is not None:
        data = (TrainingData(uri="s3://x", digest=digest("t") if draw(OFTEN) else None),)
        claims = Provenance(
            source_repository="https://code.example/fraud", source_commit="ab", builder="b", training_data=data, time="t"
        )
        tolerance = 1e-4 if draw(OFTEN) else 0.5
        golden = (GoldenSet(path=SET, rtol=tolerance, atol=tolerance),) if draw(OFTEN) else ()
        output = ValueSpec(name="y", type=TypeSpec(kind=ValueKind.TENSOR, element="float", shape=(3,)))
        model = replace(manifest.model, outputs=(output,))
        manifest = replace(manifest, provenance=claims if draw(OFTEN) else None, golden=golden, model=model)
    problem = draw(findings.filter(lambda f: f.outcome is not Outcome.PASS))
    replayed = ReplayedSet(
        path=str(SET),
        outputs=(replace(NEAR, compared=3 if draw(OFTEN) else 0), *(() if draw(OFTEN) else (DIFFERENT,))),
        problem=None if draw(OFTEN) else problem,
    )
    seen = Seen(
        version=draw(st.sampled_from([None, decode_version("1.0.0"), decode_version("1.2.0"), decode_version("2.0.0")])),
        digest=digest("s" if draw(OFTEN) else "x"),
        problem=None if draw(OFTEN) else problem,
    )
    facts = TrustFacts(
        source="t", digest=digest("t"), fetched=NOW - timedelta(hours=1), expires=NOW + timedelta(days=1 if draw(OFTEN) else -1)
    )
    return replace(
        evidence,
        manifest=manifest,
        signatures=(*evidence.signatures, *more),
        replay=(replayed,) if draw(OFTEN) else None,
        seen=seen if draw(OFTEN) else None,
        trust=facts if draw(OFTEN) else None,
        manifest_digest=digest("j") if draw(OFTEN) else None,
    )


attested = st.builds(
    AttestedDemands,
    signed_by=st.just((KeyRequirement(reference="q.pub", identity=key("q")),)),
    builders=st.sampled_from([(), (TextPattern(kind=PatternKind.EXACT, text="https://build.example"),)]),
    build_types=st.sampled_from([(), (ANY,)]),
    sources=st.sampled_from([(), (SourceDemand(uri=ANY, ref=ANY, commit=""),)]),
    parameters=st.sampled_from([(), (ParameterDemand(path=("workflow", "ref"), wanted=ANY),)]),
    other_parameters=st.booleans(),
    dependencies=st.sampled_from([(), (DependencyDemand(uri=ANY, digest=True),)]),
)
claimed = st.builds(
    ClaimDemands, builders=st.sampled_from([(), (ANY,)]), commit=st.booleans(), time=st.booleans(), training_data=st.booleans()
)
freshness = st.builds(
    Freshness,
    transparency=st.builds(Transparency, log=st.sampled_from(LogDemand), timestamp=st.sampled_from(TimeDemand)),
    max_age=st.sampled_from([None, timedelta(days=30)]),
    age_proof=st.sampled_from(AgeProof),
    trust=st.builds(TrustSettings, max_age=st.sampled_from([None, timedelta(days=7)])),
)
LAB = (KeyRequirement(reference="l.pub", identity=key("l")),)
golden = st.sampled_from(
    [
        GoldenSettings(),
        GoldenSettings(required=True),
        GoldenSettings(required=True, replay=True),
        GoldenSettings(required=True, platforms=("linux/amd64",), runtimes=("onnxruntime",), run_by=LAB),
        GoldenSettings(required=True, replay=True, platforms=("linux/arm64",), runtimes=("onnxruntime", "reference"), run_by=LAB),
    ]
)
HARMLESS = Condition(id="harmless", when="manifest.name == 'nobody'", message="m")
LOOSENED = Loosened(field="age", reason="r", parent="p", child="c", tight="1", loose="2")


@st.composite
def demanding(draw: st.DrawFn) -> Policy:
    """A policy that asks for a good deal of all there is to ask for."""
    policy = draw(policies())
    if draw(OFTEN):
        policy = replace(policy, match=EVERY_PACKAGE, rivals=(), rules=(), revoked=())
    open_groups = tuple(
        replace(group, require=draw(st.integers(1, 3)), any=(*group.any, *ANYBODY)) if draw(st.booleans()) else group
        for group in policy.signers
    )
    if not draw(st.integers(0, 3)):
        open_groups += (SignerGroup(name="over", require=draw(st.integers(1, 2)), any=ANYBODY, countersigns=open_groups[0].name),)
    ask = draw(st.booleans())
    return replace(
        policy,
        signers=open_groups,
        rollback=draw(st.sampled_from(Rollback)),
        vsa=GATE if draw(st.booleans()) else None,
        freshness=draw(freshness)
        if draw(RARELY)
        else draw(st.sampled_from([Freshness(), Freshness(max_age=timedelta(days=30))])),
        rules=policy.rules if draw(st.integers(0, 3)) else (*policy.rules, HARMLESS),
        expires=None if draw(OFTEN) else draw(st.sampled_from([NOW - timedelta(days=1), NOW + timedelta(days=1)])),
        lineage=Lineage(loosened=(LOOSENED,) if draw(st.booleans()) else ()),
        provenance=ProvenanceSettings(required=ask, claimed=draw(st.none() | claimed), attested=draw(st.none() | attested))
        if ask
        else ProvenanceSettings(),
        golden=draw(golden),
    )


@dataclass(frozen=True)
class Less:
    """One way of knowing less, or of something being worse."""

    name: str
    change: Callable[[Evidence, Random], Evidence]


def each_record(change: Callable[[SignatureRecord], SignatureRecord]) -> Callable[[Evidence, Random], Evidence]:
    def changed(evidence: Evidence, rng: Random) -> Evidence:
        return replace(evidence, signatures=tuple(change(r) if rng.random() < 0.5 else r for r in evidence.signatures))

    return changed


def each_run(change: Callable[[GoldenRunStatement], GoldenRunStatement]) -> Callable[[Evidence, Random], Evidence]:
    return each_record(lambda r: r if r.golden_run is None else replace(r, golden_run=change(r.golden_run)))


def with_outcome(wanted: Outcome) -> Callable[[Evidence, Random], Evidence]:
    def changed(evidence: Evidence, rng: Random) -> Evidence:
        return replace(
            evidence,
            findings=tuple(
                replace(f, outcome=wanted) if f.outcome is Outcome.PASS and rng.random() < 0.5 else f for f in evidence.findings
            ),
        )

    return changed


def replayed(change: Callable[[ReplayedSet], ReplayedSet]) -> Callable[[Evidence, Random], Evidence]:
    return lambda e, _: e if e.replay is None else replace(e, replay=tuple(map(change, e.replay)))


UNKNOWN = Finding(code="MLS406", outcome=Outcome.UNKNOWN, message="m")
LESS = (
    Less("fewer-bundles", lambda e, d: replace(e, signatures=tuple(r for r in e.signatures if d.random() < 0.5))),
    Less(
        "one-bundle-less",
        lambda e, d: replace(e, signatures=e.signatures[: (n := d.randint(0, len(e.signatures)))] + e.signatures[n + 1 :]),
    ),
    Less("rejected", each_record(lambda r: replace(r, standing=Standing.REJECTED, identity=None))),
    Less("nobody", each_record(lambda r: replace(r, identity=None))),
    Less("not-logged", each_record(lambda r: replace(r, logged=False))),
    Less("no-times", each_record(lambda r: replace(r, times=()))),
    Less(
        "older",
        each_record(lambda r: replace(r, times=(*r.times, TrustedTime(time=NOW - timedelta(days=400), source=TimeSource.LOG)))),
    ),
    Less("no-summary-in-it", each_record(lambda r: replace(r, summary=None))),
    Less("no-provenance-in-it", each_record(lambda r: replace(r, provenance=None))),
    Less("no-run-in-it", each_record(lambda r: replace(r, golden_run=None))),
    Less("another-platform", each_run(lambda run: replace(run, place=replace(run.place, platform="linux/s390x")))),
    Less("the-run-of-another", each_run(lambda run: replace(run, subject=digest("y")))),
    Less("a-run-without-walls", each_run(lambda run: replace(run, place=replace(run.place, layers=CONFINING[1:])))),
    Less("a-run-over-less", each_run(lambda run: replace(run, sets=(replace(PASSED, outputs=0),)))),
    Less("a-run-that-failed", each_run(lambda run: replace(run, sets=(replace(PASSED, outcome=SetOutcome.FAILED),)))),
    Less("about-nothing", each_record(lambda r: replace(r, about=None))),
    Less("no-digest-of-a-bundle", each_record(lambda r: replace(r, digest=None))),
    Less(
        "one-finding-more",
        lambda e, d: replace(e, findings=(*e.findings, replace(UNKNOWN, code="MLS301", outcome=d.choice(list(Outcome))))),
    ),
    Less("a-gap-more", lambda e, _: replace(e, findings=(*e.findings, UNKNOWN))),
    Less("unknown", with_outcome(Outcome.UNKNOWN)),
    Less("failed", with_outcome(Outcome.FAIL)),
    Less("no-model-read", lambda e, _: replace(e, summary=None)),
    Less("no-digest", lambda e, _: replace(e, digest=None)),
    Less("no-digest-of-the-manifest", lambda e, _: replace(e, manifest_digest=None)),
    Less("not-looked-up", lambda e, _: replace(e, seen=None)),
    Less("not-readable-what-was-seen", lambda e, _: replace(e, seen=Seen(version=None, digest=None, problem=UNKNOWN))),
    Less("not-replayed", lambda e, _: replace(e, replay=None)),
    Less("no-set-replayed", lambda e, _: replace(e, replay=())),
    Less("another-set-replayed", replayed(lambda s: replace(s, path="golden/other"))),
    Less("nothing-compared", replayed(lambda s: replace(s, outputs=tuple(replace(o, compared=0) for o in s.outputs)))),
    Less("another-answer", replayed(lambda s: replace(s, outputs=(*s.outputs, DIFFERENT)))),
    Less("no-answer", replayed(lambda s: replace(s, problem=s.problem or UNKNOWN))),
    Less("trust-not-confirmed", lambda e, _: e if e.trust is None else replace(e, trust=replace(e.trust, fetched=None))),
)


@pytest.mark.parametrize("less", LESS, ids=lambda less: less.name)
@settings(max_examples=25, deadline=None)
@given(demanding(), wholes(), rngs)
def test_less_to_go_by_never_allows(less: Less, policy: Policy, evidence: Evidence, rng: Random) -> None:
    before, after = verdict(policy, evidence), verdict(policy, less.change(evidence, rng))
    assert (before, after) != (Verdict.DENY, Verdict.ALLOW)


@settings(max_examples=60, deadline=None)
@given(demanding(), wholes(), rngs)
def test_nor_does_it_after_one_fault(policy: Policy, evidence: Evidence, rng: Random) -> None:
    """Random evidence is denied for several reasons at once; one that has just been turned into a denial shows each way back."""
    if verdict(policy, evidence) is Verdict.ALLOW:
        for fault in rng.sample(LESS, 4):
            worse = fault.change(evidence, rng)
            if verdict(policy, worse) is Verdict.DENY:
                for less in rng.sample(LESS, 6):
                    assert verdict(policy, less.change(worse, rng)) is Verdict.DENY, (fault.name, less.name)


@pytest.mark.parametrize("code", ["MLS404", "MLS405", "MLS406", "MLS407", "MLS403", "MLS423", "MLS431", "MLS205", "MLS420"])
@settings(max_examples=15, deadline=None)
@given(demanding(), wholes())
def test_no_exception_covers_what_is_no_matter_of_policy(code: str, policy: Policy, evidence: Evidence) -> None:
    until = NOW + timedelta(days=1)
    excepting = Exemption(digest=digest("s"), codes=frozenset({code}), reason="r", until=until)
    assert verdict(replace(policy, exceptions=(*policy.exceptions, excepting)), evidence) is verdict(policy, evidence)


@settings(max_examples=100, deadline=None)
@given(demanding(), wholes(), st.sampled_from(sorted(EXEMPTIBLE)))
def test_an_exception_covers_failures_and_no_gap(policy: Policy, evidence: Evidence, code: str) -> None:
    excepting = Exemption(digest=digest("s"), codes=frozenset({code}), reason="r", until=NOW + timedelta(days=1))
    lenient = replace(policy, exceptions=(excepting,))
    found = Finding(code=code, outcome=Outcome.FAIL, message="m", where="w")
    failed = replace(evidence, findings=(*evidence.findings, found))
    assert verdict(lenient, failed) is verdict(lenient, evidence) or evidence.digest is None
    for outcome in (Outcome.UNKNOWN, Outcome.FAIL):
        other = replace(found, outcome=outcome, code=code if outcome is Outcome.UNKNOWN else "MLS101")
        assert verdict(lenient, replace(failed, findings=(*failed.findings, other))) is Verdict.DENY
    for later in (replace(excepting, until=NOW), replace(excepting, digest=digest("x"))):
        assert verdict(replace(policy, exceptions=(later,)), failed) is Verdict.DENY


@settings(max_examples=150, deadline=None)
@given(demanding(), wholes())
def test_unknown_is_never_a_pass(policy: Policy, evidence: Evidence) -> None:
    decision = decide(policy, evidence, now=NOW)
    if any(finding.outcome is Outcome.UNKNOWN for finding in (*decision.findings, *evidence.findings)):
        assert decision.verdict is Verdict.DENY
    if decision.verdict is Verdict.ALLOW:
        assert {finding.outcome for finding in decision.findings} == {Outcome.PASS}


@settings(max_examples=150, deadline=None)
@given(demanding(), wholes(), st.timedeltas(timedelta(0), timedelta(days=800)))
def test_time_that_passes_never_allows_what_has_ended(policy: Policy, evidence: Evidence, later: timedelta) -> None:
    """An exception that begins there is none: all that time does to a policy without rules of its own is to end something."""
    evidence = replace(evidence, signatures=tuple(replace(r, summary=None, times=()) for r in evidence.signatures))
    assume(verdict(policy, evidence) is Verdict.DENY)
    assert decide(policy, evidence, now=NOW + later).verdict is Verdict.DENY


@settings(deadline=None)
@given(demanding(), wholes(), st.randoms(use_true_random=False))
def test_the_order_of_anything_means_nothing(policy: Policy, evidence: Evidence, random: Any) -> None:
    def mixed(items: Iterable[Any]) -> tuple[Any, ...]:
        out = list(items)
        random.shuffle(out)
        return tuple(out)

    other = replace(
        evidence,
        signatures=mixed(replace(r, times=mixed(r.times), reasons=mixed(r.reasons)) for r in evidence.signatures),
        findings=mixed(evidence.findings),
        replay=None if evidence.replay is None else mixed(evidence.replay),
    )
    if evidence.manifest is not None:
        other = replace(
            other,
            manifest=replace(evidence.manifest, files=mixed(evidence.manifest.files), golden=mixed(evidence.manifest.golden)),
        )
    shuffled = replace(
        policy,
        signers=mixed(replace(group, any=mixed(group.any)) for group in policy.signers),
        revoked=mixed(policy.revoked),
        rules=mixed(policy.rules),
        exceptions=mixed(policy.exceptions),
        rivals=mixed(policy.rivals),
    )
    first, second = decide(policy, evidence, now=NOW), decide(shuffled, other, now=NOW)
    assert (first.verdict, first.mode) == (second.verdict, second.mode)
    assert {group.name for group in first.met} == {group.name for group in second.met}
    assert {(e.exemption, frozenset(e.findings)) for e in first.excepted} == {
        (e.exemption, frozenset(e.findings)) for e in second.excepted
    }
    assert {(f.code, f.outcome) for f in first.findings} == {(f.code, f.outcome) for f in second.findings}


@settings(max_examples=300, deadline=None)
@given(st.lists(people, max_size=7), st.data())
def test_a_person_less_is_never_counted_as_more(identities: list[Any], data: st.DataObject) -> None:
    fewer = [identity for identity in identities if data.draw(st.booleans())]
    assert len(distinct(fewer)) <= len(distinct(identities))
    assert len(distinct(data.draw(st.permutations(identities)))) == len(distinct(identities))
    counted = distinct(identities)
    marks = [mark for identity in counted for mark in identity.marks]
    assert len(marks) == len(set(marks))


def test_a_signature_in_between_that_is_taken_away_adds_nobody() -> None:
    """Two people, and a third signature with the name of one and the key of the other, which anybody could leave out."""
    names = (("x", "1"), ("x", "2"), ("y", "2"))
    records = tuple(
        SignatureRecord(
            bundle=f"signatures/{number}.json",
            method=Method.KEYLESS,
            standing=Standing.COUNTED,
            identity=KeylessIdentity(subject=f"{name}@acme.example", issuer="https://id.example", spki=digest(spki)),
            times=(),
            algorithms=frozenset({Algorithm.SHA256}),
            reasons=(),
        )
        for number, (name, spki) in enumerate(names)
    )
    asked = SignerSettings(
        groups=(SignerGroup(name="review", require=2, any=ANYBODY),),
        count=CountSettings(digests=frozenset(Algorithm), freshness=Freshness()),
    )
    bare = Evidence(
        digest=digest("s"), digests=frozenset(), manifest=None, summary=None, signatures=(), findings=(), unverified=()
    )

    def met(*some: SignatureRecord) -> int:
        return len(groups_met(replace(bare, signatures=some), asked, now=NOW))

    first, between, last = records
    assert met(first, last) == met(first, between, last) == 1
    assert met(first, between) == met(between, last) == 0


WAYS: dict[str, Callable[[Policy, Evidence], bool]] = {
    "claims": lambda p, _: p.provenance.claimed is not None,
    "attested": lambda p, _: p.provenance.attested is not None,
    "replayed": lambda p, _: p.golden.replay,
    "not-rolled-back": lambda p, e: p.rollback is Rollback.DENY and e.seen is not None and e.seen.version is not None,
    "by-a-summary": lambda p, e: decide(p, e, now=NOW).summary is not None,
    "countersigned": lambda p, _: any(group.countersigns for group in p.signers),
    "by-several": lambda p, _: any(group.require > 1 for group in p.signers),
    "excepted": lambda p, e: bool(decide(p, e, now=NOW).excepted),
    "by-rules": lambda p, _: bool(p.rules),
    "before-its-end": lambda p, _: p.expires is not None,
    "fresh": lambda p, _: p.freshness.max_age is not None,
    "loosened": lambda p, _: bool(p.lineage.loosened),
}


def test_most_demands_are_met_by_some_of_what_is_drawn() -> None:
    """The properties above would hold of evidence that is always denied; no run draws every rare thing."""
    met: set[str] = set()
    allowed: list[Policy] = []

    @settings(max_examples=800, database=None, deadline=None, derandomize=True, phases=(Phase.generate,))
    @given(demanding(), wholes())
    def look(policy: Policy, evidence: Evidence) -> None:
        if verdict(policy, evidence) is Verdict.ALLOW:
            allowed.append(policy)
            met.update(way for way, is_there in WAYS.items() if is_there(policy, evidence))

    look()
    assert len(met) > 8, set(WAYS) - met
    assert len(allowed) > 15
