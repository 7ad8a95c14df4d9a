"""Decisions over random evidence: denial is monotone, order means nothing, one person is one person."""

from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from making import plain_facts

from mlsign.digest import Algorithm, Digest
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence, SignatureRecord, Standing
from mlsign.formats.manifest import FileEntry, Manifest, Role
from mlsign.identity import KeyIdentity, Method
from mlsign.interface import OperatorId, OperatorUse, OpsetImport
from mlsign.onnx.summary import ExternalTensor, ModelSummary, Problem, RunBounds, Unknown
from mlsign.onnx.summary import Unbounded as Kind
from mlsign.paths import PackagePath
from mlsign.policy.condition import Condition
from mlsign.policy.decide import decide
from mlsign.policy.exemption import EXEMPTIBLE, Exemption
from mlsign.policy.match import EVERY_PACKAGE, Match, Rival
from mlsign.policy.model import (
    CustomDomains,
    ExternalData,
    Hazard,
    ManifestMode,
    Mode,
    ModelSettings,
    OperatorSettings,
    Policy,
    RevokedFile,
    RevokedPackage,
    RevokedRelease,
    RunSettings,
    SandboxSettings,
    SignerGroup,
    Unbounded,
    Verdict,
    VersionRange,
)
from mlsign.policy.patterns import PatternKind, TextPattern
from mlsign.policy.requirements import KeylessRequirement, KeyRequirement
from mlsign.version import decode_version

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LETTERS = "abc"
OPERATORS = [OperatorId("ai.onnx", "Gemm"), OperatorId("ai.onnx", "Loop"), OperatorId("com.acme", "Op")]
ALGORITHMS = list(Algorithm)
# Most draws are of the harmless kind, so that allowances are common enough to be lost.
MOSTLY = st.integers(0, 9).map(bool)


def digest(letter: str) -> Digest:
    return Digest(algorithm=Algorithm.SHA256, value=letter.encode() * 32)


def key(letter: str) -> KeyIdentity:
    return KeyIdentity(spki=digest(letter), kind="EC P-256")


findings = st.builds(
    Finding,
    code=st.sampled_from(["MLS101", "MLS110", "MLS202", "MLS333"]),
    outcome=st.sampled_from([Outcome.PASS, Outcome.PASS, Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN]),
    message=st.sampled_from(["one", "two"]),
    where=st.sampled_from(["", "model.onnx"]),
)


@st.composite
def records(draw: st.DrawFn) -> SignatureRecord:
    counted = draw(MOSTLY)
    letter = draw(st.sampled_from(LETTERS))
    return SignatureRecord(
        bundle=f"signatures/{draw(st.integers(0, 5))}.json",
        method=draw(st.sampled_from([Method.KEY, Method.KEY, Method.KEYLESS])),
        standing=Standing.COUNTED if counted else Standing.REJECTED,
        identity=key(letter) if counted and draw(MOSTLY) else None,
        times=(),
        algorithms=frozenset({Algorithm.SHA256} if draw(MOSTLY) else draw(st.sets(st.sampled_from(ALGORITHMS)))),
        reasons=() if counted else tuple(draw(st.lists(findings, min_size=1, max_size=2))),
    )


unknowns = st.builds(
    Unknown, kind=st.sampled_from(Kind), where=st.sampled_from(["a", "b"]), operator=st.just("ai.onnx:Loop"), detail=st.just("")
)


@st.composite
def bounds(draw: st.DrawFn) -> RunBounds:
    number = st.just(1) if draw(MOSTLY) else st.sampled_from([0, 1, 10**6, 2**128])
    return RunBounds(
        peak_bytes=draw(number),
        largest_bytes=draw(number),
        largest="graph.node[0]",
        steps=draw(number),
        operations=draw(number),
        open_dimension=8 if draw(MOSTLY) else 1,
        unknown=() if draw(MOSTLY) else tuple(draw(st.lists(unknowns, max_size=3))),
    )


@st.composite
def summaries(draw: st.DrawFn) -> ModelSummary:
    names = OPERATORS[:1] if draw(MOSTLY) else draw(st.lists(st.sampled_from(OPERATORS), unique=True))
    locations = ["w.data"] if draw(MOSTLY) else draw(st.lists(st.sampled_from(["w.data", "../w", "x"])))
    problems = (
        () if draw(MOSTLY) else tuple(Problem(code=c, message="m") for c in draw(st.lists(st.sampled_from(["MLS330", "MLS340"]))))
    )
    return ModelSummary(
        ir_version=8,
        producer_name="",
        producer_version="",
        opsets=(OpsetImport("ai.onnx", 17 if draw(MOSTLY) else 9),),
        operators=tuple(OperatorUse(name, 1) for name in names),
        functions=(),
        function_calls=(),
        inputs=(),
        outputs=(),
        node_count=3 if draw(MOSTLY) else 300,
        graph_count=1,
        graph_depth=1,
        parameter_count=4,
        parameter_bytes=16,
        external=tuple(ExternalTensor(name=x, where="g", location=x, offset=0, length=None, size=1) for x in locations),
        metadata_keys=(),
        problems=problems,
        bounds=None if problems or not draw(MOSTLY) else draw(bounds()),
    )


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    files = (
        FileEntry(path=PackagePath("model.onnx"), size=9, digest=digest("m"), role=Role.MODEL),
        FileEntry(path=PackagePath("w.data"), size=9, digest=digest("w"), role=Role.WEIGHTS),
    )
    facts = plain_facts(PackagePath("model.onnx"), parameters=4)
    return Manifest(
        name=draw(st.sampled_from(["fraud", "churn"])),
        version=decode_version("1.2.0" if draw(MOSTLY) else "1.0.0"),
        license=None,
        description=None,
        model=facts,
        allowed_operators=tuple(OPERATORS if draw(MOSTLY) else OPERATORS[1:]),
        files=files,
        algorithm=Algorithm.SHA256,
        golden=(),
        provenance=None,
    )


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    return Evidence(
        digest=digest("s") if draw(MOSTLY) else None,
        digests=frozenset({digest("s"), digest("m"), digest("w")}),
        manifest=draw(manifests()) if draw(MOSTLY) else None,
        summary=draw(summaries()) if draw(MOSTLY) else None,
        signatures=tuple(draw(st.lists(records(), max_size=5))),
        findings=tuple(draw(st.lists(findings, max_size=2))),
        unverified=(),
    )


KEYLESS = KeylessRequirement(
    issuer=TextPattern(kind=PatternKind.EXACT, text="https://id.example"),
    subject=TextPattern(kind=PatternKind.EXACT, text="a@b.example"),
)


@st.composite
def groups(draw: st.DrawFn) -> SignerGroup:
    members = [KeyRequirement(reference=f"{x}.pub", identity=key(x)) for x in draw(st.sets(st.sampled_from(LETTERS), min_size=1))]
    extra = [] if draw(MOSTLY) else [KEYLESS]
    return SignerGroup(
        name=draw(st.sampled_from(["one", "two", "three"])), require=draw(st.integers(1, len(members))), any=(*members, *extra)
    )


REVOKED = [
    RevokedPackage(digest=digest("x"), reason="r"),
    RevokedPackage(digest=digest("w"), reason="r"),
    RevokedFile(digests=(digest("y"),), reason="r"),
    RevokedRelease(name="churn", version=None, reason="r"),
]


run_settings = st.builds(
    RunSettings,
    max_bytes=st.sampled_from([1, 2**30]),
    max_steps=st.sampled_from([1, 10**6]),
    max_operations=st.sampled_from([1, 10**13]),
    open_dimension=st.sampled_from([1, 8]),
    unknown_sizes=st.sampled_from(Unbounded),
    unknown_turns=st.sampled_from(Unbounded),
)


MATCH = Match(names=(TextPattern(kind=PatternKind.EXACT, text="fraud"),))
RIVAL = Match(names=(TextPattern(kind=PatternKind.EXACT, text="churn"),))
rules = st.builds(
    Condition,
    id=st.just("r"),
    when=st.sampled_from(["manifest.name == 'churn'", "model.nodes > 100 || model.run_bytes > 9", "1 / 0 == 1", "false", "true"]),
    message=st.just("m"),
)
exemptions = st.builds(
    Exemption,
    digest=st.sampled_from([digest("s"), digest("s"), digest("x")]),
    codes=st.frozensets(st.sampled_from(sorted({*EXEMPTIBLE, "MLS101", "MLS330"})), min_size=1),
    reason=st.just("r"),
    until=st.sampled_from([datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)]),
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    return Policy(
        name="p",
        description="",
        digest=digest("p"),
        manifest=draw(st.sampled_from(ManifestMode)),
        signers=tuple(draw(st.lists(groups(), min_size=1, max_size=2, unique_by=lambda g: g.name))),
        digests=frozenset({Algorithm.SHA256, *draw(st.sets(st.sampled_from(ALGORITHMS)))}),
        operators=OperatorSettings(
            allow=frozenset(OPERATORS[: draw(st.integers(1, 3))]),
            allowed_domains=frozenset({"com.acme"}) if draw(st.booleans()) else frozenset(),
            custom_domains=draw(st.sampled_from(CustomDomains)),
            hazards=MappingProxyType({OPERATORS[2]: frozenset({draw(st.sampled_from(Hazard))})} if draw(st.booleans()) else {}),
        ),
        model=ModelSettings(
            opset=MappingProxyType({"ai.onnx": VersionRange(text=">=13", minimum=13, maximum=99)} if draw(st.booleans()) else {}),
            max_nodes=draw(st.sampled_from([None, 100])),
            external_data=ExternalData.PACKAGED,
            run=draw(run_settings),
        ),
        minimum_version=decode_version("1.1.0") if draw(st.booleans()) else None,
        revoked=tuple(draw(st.lists(st.sampled_from(REVOKED), max_size=1))),
        mode=draw(st.sampled_from(Mode)),
        sandbox=SandboxSettings(),
        unsigned_files=(),
        exceptions=tuple(draw(st.lists(exemptions, max_size=2))),
        rules=() if draw(MOSTLY) else tuple(draw(st.lists(rules, max_size=2))),
        match=EVERY_PACKAGE if draw(MOSTLY) else MATCH,
        rivals=() if draw(MOSTLY) else (Rival(policy="other", match=RIVAL),),
    )


def verdict(policy: Policy, evidence: Evidence) -> Verdict:
    return decide(policy, evidence, now=NOW).verdict


@given(policies(), evidences(), st.data())
def test_fewer_signatures_never_allow(policy: Policy, evidence: Evidence, data: st.DataObject) -> None:
    assume(verdict(policy, evidence) is Verdict.DENY and evidence.signatures)
    gone = data.draw(st.integers(0, len(evidence.signatures) - 1))
    fewer = replace(evidence, signatures=evidence.signatures[:gone] + evidence.signatures[gone + 1 :])
    assert verdict(policy, fewer) is Verdict.DENY


@given(policies(), evidences(), findings)
def test_one_more_finding_never_allows(policy: Policy, evidence: Evidence, finding: Finding) -> None:
    assume(verdict(policy, evidence) is Verdict.DENY)
    assert verdict(policy, replace(evidence, findings=(*evidence.findings, finding))) is Verdict.DENY


@given(policies(), evidences(), st.data())
def test_knowing_less_never_allows(policy: Policy, evidence: Evidence, data: st.DataObject) -> None:
    before = verdict(policy, evidence)
    unknown = tuple(
        replace(f, outcome=Outcome.UNKNOWN) if f.outcome is Outcome.PASS and data.draw(st.booleans()) else f
        for f in evidence.findings
    )
    for less in (replace(evidence, findings=unknown), replace(evidence, summary=None), replace(evidence, digest=None)):
        assert verdict(policy, less) is Verdict.DENY or (before is Verdict.ALLOW and less == evidence)


def with_bounds(evidence: Evidence, changed: RunBounds | None) -> Evidence:
    assert evidence.summary is not None
    return replace(evidence, summary=replace(evidence.summary, bounds=changed))


@given(policies(), evidences(), unknowns, st.integers(1, 2**64))
def test_a_run_that_takes_more_or_is_known_less_never_allows(
    policy: Policy, evidence: Evidence, unknown: Unknown, more: int
) -> None:
    assume(evidence.summary is not None and evidence.summary.bounds is not None)
    assert evidence.summary is not None
    assert evidence.summary.bounds is not None
    known = evidence.summary.bounds
    assume(verdict(policy, evidence) is Verdict.DENY)
    for worse in (
        None,
        replace(known, peak_bytes=known.peak_bytes + more),
        replace(known, steps=known.steps + more),
        replace(known, operations=known.operations + more),
        replace(known, open_dimension=max(1, known.open_dimension - more)),
        replace(known, unknown=(*known.unknown, unknown)),
        replace(known, unknown=(unknown, *known.unknown)),
    ):
        assert verdict(policy, with_bounds(evidence, worse)) is Verdict.DENY


@given(policies(), evidences(), st.sampled_from([Kind.ENDLESS, Kind.MISUSE]), st.integers(0, 40))
def test_no_policy_allows_what_never_ends_or_cannot_run(policy: Policy, evidence: Evidence, kind: Kind, before: int) -> None:
    assume(evidence.summary is not None and evidence.summary.bounds is not None)
    assert evidence.summary is not None
    assert evidence.summary.bounds is not None
    items = [Unknown(kind=Kind.SIZE, where=str(n), operator="o") for n in range(before)]
    bad = replace(evidence.summary.bounds, unknown=(*items, Unknown(kind=kind, where="x", operator="o")))
    settings_ = replace(policy.model.run, unknown_sizes=Unbounded.ALLOW, unknown_turns=Unbounded.ALLOW)
    lenient = replace(policy, model=replace(policy.model, run=settings_))
    assert verdict(lenient, with_bounds(evidence, bad)) is Verdict.DENY


@given(policies(), evidences(), run_settings)
def test_tighter_caps_never_allow(policy: Policy, evidence: Evidence, other: RunSettings) -> None:
    assume(verdict(policy, evidence) is Verdict.DENY)
    own = policy.model.run
    tighter = RunSettings(
        max_bytes=min(own.max_bytes, other.max_bytes),
        max_steps=min(own.max_steps, other.max_steps),
        max_operations=min(own.max_operations, other.max_operations),
        open_dimension=max(own.open_dimension, other.open_dimension),
        unknown_sizes=own.unknown_sizes if other.unknown_sizes is Unbounded.ALLOW else Unbounded.DENY,
        unknown_turns=own.unknown_turns if other.unknown_turns is Unbounded.ALLOW else Unbounded.DENY,
    )
    assert verdict(replace(policy, model=replace(policy.model, run=tighter)), evidence) is Verdict.DENY


@given(policies(), evidences(), st.sampled_from(Hazard))
def test_one_more_hazard_never_allows(policy: Policy, evidence: Evidence, hazard: Hazard) -> None:
    assume(verdict(policy, evidence) is Verdict.DENY)
    for operator in (*OPERATORS, OperatorId("com.acme", "*")):
        table = policy.operators.hazards | {operator: policy.operators.hazards.get(operator, frozenset()) | {hazard}}
        more = replace(policy, operators=replace(policy.operators, hazards=MappingProxyType(table)))
        assert verdict(more, evidence) is Verdict.DENY


@given(policies(), evidences(), records())
def test_a_rejected_signature_changes_nothing(policy: Policy, evidence: Evidence, record: SignatureRecord) -> None:
    rejected = replace(record, standing=Standing.REJECTED, identity=None)
    assert verdict(policy, replace(evidence, signatures=(*evidence.signatures, rejected))) is verdict(policy, evidence)


@given(policies(), evidences(), st.randoms(use_true_random=False))
def test_order_means_nothing(policy: Policy, evidence: Evidence, random: object) -> None:
    def shuffled(items: tuple[object, ...]) -> tuple[object, ...]:
        out = list(items)
        random.shuffle(out)  # type: ignore[attr-defined]
        return tuple(out)

    other = replace(evidence, signatures=shuffled(evidence.signatures), findings=shuffled(evidence.findings))
    if evidence.summary is not None:
        summary = evidence.summary
        other = replace(
            other,
            summary=replace(
                summary,
                operators=shuffled(summary.operators),
                external=shuffled(summary.external),
                problems=shuffled(summary.problems),
            ),
        )
    if evidence.manifest is not None:
        other = replace(other, manifest=replace(evidence.manifest, files=shuffled(evidence.manifest.files)))
    mixed = replace(
        policy,
        signers=tuple(replace(g, any=shuffled(g.any)) for g in shuffled(policy.signers)),  # type: ignore[type-var]
        revoked=shuffled(policy.revoked),
    )
    first, second = decide(policy, evidence, now=NOW), decide(mixed, other, now=NOW)
    assert (first.verdict, {g.name for g in first.met}) == (second.verdict, {g.name for g in second.met})
    if policy == mixed:
        assert first.findings == second.findings


@given(policies(), evidences(), st.data())
def test_the_same_person_twice_counts_once(policy: Policy, evidence: Evidence, data: st.DataObject) -> None:
    assume(evidence.signatures)
    again = replace(data.draw(st.sampled_from(evidence.signatures)), bundle="signatures/again.json")
    twice = replace(evidence, signatures=(*evidence.signatures, again))
    assert verdict(policy, twice) is verdict(policy, evidence)
    for result in decide(policy, twice, now=NOW).met:
        people = [r.identity.unique for r in result.signatures if r.identity is not None]
        assert len(people) == len(set(people)) == len(result.signatures)


@settings(max_examples=300)
@given(policies(), evidences())
def test_allow_means_that_everything_passed(policy: Policy, evidence: Evidence) -> None:
    decision = decide(policy, evidence, now=NOW)
    clean = all(finding.outcome is Outcome.PASS for finding in decision.findings)
    assert (decision.verdict is Verdict.ALLOW) == (clean and len(decision.met) == len(policy.signers))
    assert len(set(decision.findings)) == len(decision.findings)


@given(policies(), evidences())
def test_what_an_exception_covers_denies_without_it_and_nothing_else_does(policy: Policy, evidence: Evidence) -> None:
    plain = decide(replace(policy, exceptions=()), evidence, now=NOW)
    decision = decide(policy, evidence, now=NOW)
    covered = {finding for used in decision.excepted for finding in used.findings}
    assert all(finding.code in EXEMPTIBLE and finding.outcome is Outcome.FAIL for finding in covered)
    assert covered | set(decision.findings) >= set(plain.findings)
    if decision.verdict is not plain.verdict:
        assert {f for f in plain.findings if f.outcome is not Outcome.PASS} == covered != set()


def test_allowances_are_common_enough_for_these_properties_to_mean_something() -> None:
    seen: set[Verdict] = set()

    @settings(max_examples=300, database=None, derandomize=True)
    @given(policies(), evidences())
    def look(policy: Policy, evidence: Evidence) -> None:
        seen.add(verdict(policy, evidence))

    look()
    assert seen == set(Verdict)
