"""Provenance: each claim and each attested fact alone, and that nothing but a whole, counted statement about the package passes."""

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import pytest

from mlsign.digest import Algorithm, Digest
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Standing
from mlsign.formats.manifest import Provenance, TrainingData
from mlsign.formats.slsa import Dependency, Parameter, SlsaProvenance, SlsaStatement
from mlsign.policy.decide import decide
from mlsign.policy.freshness import Freshness
from mlsign.policy.model import Verdict
from mlsign.policy.patterns import PatternKind, TextPattern
from mlsign.policy.provenance import (
    AttestedDemands,
    ClaimDemands,
    DependencyDemand,
    ParameterDemand,
    ProvenanceSettings,
    SourceDemand,
)
from mlsign.policy.requirements import KeyRequirement
from mlsign.policy.rules import provenance
from mlsign.policy.rules.attested import shortfalls, split_source
from mlsign.policy.rules.countable import CountSettings

DIGEST = Digest(algorithm=Algorithm.SHA256, value=b"s" * 32)
OTHER = Digest(algorithm=Algorithm.SHA256, value=b"o" * 32)
REPOSITORY = "https://github.com/acme/fraud"
COMMIT = "ab" * 20
BUILD = SlsaProvenance(
    builder="https://builder.example/1",
    build_type="https://types.example/v1",
    parameters=(
        Parameter(path=("workflow", "ref"), value="refs/tags/v1"),
        Parameter(path=("debug",), value=False),
        Parameter(path=("count",), value=1),
    ),
    dependencies=(
        Dependency(uri=f"git+{REPOSITORY}@refs/tags/v1", digests=(("gitCommit", COMMIT),)),
        Dependency(uri="pkg:pypi/numpy@2.0", digests=()),
    ),
)


def exact(text):
    return TextPattern(kind=PatternKind.EXACT, text=text)


def glob(text):
    return TextPattern(kind=PatternKind.GLOB, text=text)


@pytest.fixture
def asked(key):
    return AttestedDemands(
        signed_by=(KeyRequirement(reference="keys/builder.pub", identity=key("b")),),
        builders=(exact("https://builder.example/1"),),
        build_types=(exact("https://types.example/v1"),),
        sources=(SourceDemand(uri=exact(REPOSITORY), ref=glob("refs/tags/*"), commit=""),),
        parameters=(
            ParameterDemand(path=("workflow", "ref"), wanted=glob("refs/tags/*")),
            ParameterDemand(path=("debug",), wanted=False),
            ParameterDemand(path=("count",), wanted=1),
        ),
        dependencies=(DependencyDemand(uri=glob("pkg:pypi/**")),),
    )


@pytest.fixture
def attested(evidence, record):
    statement = SlsaStatement(subjects=frozenset({DIGEST}), provenance=BUILD)
    made = replace(record("b", bundle="signatures/p.json"), standing=Standing.PROVENANCE, provenance=statement)
    return replace(evidence, signatures=(*evidence.signatures, made))


def with_record(evidence, **change):
    return replace(evidence, signatures=(*evidence.signatures[:-1], replace(evidence.signatures[-1], **change)))


def outcome_of(policy, asked, evidence, now, **settings):
    asked = ProvenanceSettings(required=True, attested=asked) if isinstance(asked, AttestedDemands) else asked
    decision = decide(replace(policy, provenance=asked, **settings), evidence, now=now)
    bad = {f.code for f in decision.findings if f.outcome is not Outcome.PASS}
    assert (decision.verdict is Verdict.ALLOW) is (not bad)
    return bad


def test_a_statement_that_is_as_asked_passes(policy, asked, attested, now):
    assert not outcome_of(policy, asked, attested, now)
    assert not shortfalls(BUILD, asked)


def test_without_it_the_package_is_denied(policy, asked, evidence, now):
    assert outcome_of(policy, asked, evidence, now) == {"MLS404"}
    assert not outcome_of(policy, ProvenanceSettings(), evidence, now)


def test_it_is_no_signature_of_the_package(policy, asked, attested, now):
    alone = replace(attested, signatures=attested.signatures[-1:])
    assert "MLS205" in outcome_of(policy, asked, alone, now)


def test_nobody_attests_who_is_not_named_to(policy, asked, attested, now, key):
    other = with_record(attested, identity=key("a"))  # who may sign packages
    assert outcome_of(policy, asked, other, now) == {"MLS404", "MLS219"}
    assert outcome_of(policy, replace(asked, signed_by=()), attested, now) == {"MLS404", "MLS219"}
    assert outcome_of(policy, asked, with_record(attested, identity=None), now) == {"MLS404", "MLS219"}
    assert outcome_of(policy, asked, with_record(attested, provenance=None), now) == {"MLS404", "MLS219"}


@pytest.mark.parametrize(
    "subjects", [frozenset(), frozenset({OTHER}), frozenset({Digest(algorithm=Algorithm.SHA256, value=b"m" * 32)})]
)
def test_about_something_else_or_a_single_file_does_not_count(policy, asked, attested, now, subjects):
    other = with_record(attested, provenance=SlsaStatement(subjects=subjects, provenance=BUILD))
    assert outcome_of(policy, asked, other, now) == {"MLS404", "MLS219"}


def test_one_that_does_not_count_does_no_harm_beside_one_that_does(policy, asked, attested, now, record):
    stray = replace(attested.signatures[-1], bundle="signatures/a.json", identity=record("x").identity)
    both = replace(attested, signatures=(*attested.signatures, stray))
    assert not outcome_of(policy, asked, both, now)


def test_the_reasons_of_a_broken_one_are_told_where_it_is_missed(policy, asked, evidence, now, record):
    reason = Finding(code="MLS203", outcome=Outcome.FAIL, message="the signature is wrong")
    broken = replace(record("b", bundle="p"), standing=Standing.REJECTED, reasons=(reason,), claims_provenance=True)
    there = replace(evidence, signatures=(*evidence.signatures, broken))
    assert outcome_of(policy, asked, there, now) == {"MLS404", "MLS203"}
    assert not outcome_of(policy, ProvenanceSettings(), there, now)


def test_a_package_without_digest_is_unknown(asked, attested, now):
    settings = provenance.Settings(
        provenance=ProvenanceSettings(required=True, attested=asked),
        count=CountSettings(digests=frozenset(Algorithm), freshness=Freshness()),
    )
    found = provenance.check(replace(attested, digest=None), settings, now=now)
    assert [(f.code, f.outcome) for f in found] == [("MLS404", Outcome.UNKNOWN)]


def test_age_is_asked_of_statements_too(asked, attested, now):
    settings = provenance.Settings(
        provenance=ProvenanceSettings(required=True, attested=asked),
        count=CountSettings(digests=frozenset(Algorithm), freshness=Freshness(max_age=timedelta(days=1))),
    )
    assert {f.code for f in provenance.check(attested, settings, now=now)} == {"MLS404", "MLS216"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"builder": "https://builder.example/2"}, "the builder is another one"),
        ({"build_type": "https://types.example/v2"}, "the build is of another type"),
        ({"dependencies": ()}, "the source is another one"),
        (
            {"dependencies": (replace(BUILD.dependencies[0], uri=f"git+{REPOSITORY}@refs/heads/main"),)},
            "the source is another one",
        ),
        ({"dependencies": (replace(BUILD.dependencies[0], uri=f"git+{REPOSITORY}"),)}, "the source is another one"),
        ({"dependencies": (replace(BUILD.dependencies[0], digests=()),)}, "the source is another one"),
        ({"dependencies": (replace(BUILD.dependencies[0], digests=(("md5", COMMIT),)),)}, "the source is another one"),
        (
            {"dependencies": (replace(BUILD.dependencies[0], uri=f"git+{REPOSITORY}@refs/heads/x@refs/tags/v1"),)},
            "the source is another one",
        ),
        (
            {"dependencies": (*BUILD.dependencies, Dependency(uri="git+https://evil.example/x@refs/tags/v1", digests=()))},
            "there is another source beside the one that is asked for",
        ),
        (
            {"dependencies": (*BUILD.dependencies, Dependency(uri="GIT+https://evil.example/x@refs/tags/v1", digests=()))},
            "there is another source beside the one that is asked for",
        ),
        (
            {"dependencies": (*BUILD.dependencies, Dependency(uri="git://evil.example/x", digests=()))},
            "there is another source beside the one that is asked for",
        ),
        (
            {"dependencies": (*BUILD.dependencies, Dependency(uri="git@evil.example:x.git", digests=()))},
            "there is another source beside the one that is asked for",
        ),
        (
            {"dependencies": (*BUILD.dependencies, Dependency(uri="pkg:npm/evil", digests=()))},
            "a dependency is not one that the policy allows",
        ),
        (
            {"dependencies": (*BUILD.dependencies, Dependency(uri="", digests=()))},
            "a dependency is not one that the policy allows",
        ),
        ({"parameters": BUILD.parameters[1:]}, "an external parameter is missing"),
        (
            {"parameters": (*BUILD.parameters[1:], Parameter(path=("workflow.ref",), value="refs/tags/v1"))},
            "an external parameter is missing",
        ),
        (
            {"parameters": (*BUILD.parameters[1:], Parameter(path=("workflow", "ref"), value="refs/heads/main"))},
            "an external parameter is another one",
        ),
        (
            {"parameters": (BUILD.parameters[0], Parameter(path=("debug",), value="False"), BUILD.parameters[2])},
            "an external parameter is another one",
        ),
        (
            {"parameters": (*BUILD.parameters[:2], Parameter(path=("count",), value=True))},
            "an external parameter is another one",
        ),
        (
            {"parameters": (*BUILD.parameters, Parameter(path=("run",), value="curl"))},
            "an external parameter is not named in the policy",
        ),
    ],
)
def test_each_difference_is_told(policy, asked, attested, now, change, message):
    build = replace(BUILD, **change)
    assert message in {short.message for short in shortfalls(build, asked)}
    statement = SlsaStatement(subjects=frozenset({DIGEST}), provenance=build)
    assert outcome_of(policy, asked, with_record(attested, provenance=statement), now) == {"MLS404"}


def test_what_is_not_asked_is_not_looked_at(asked):
    anything = AttestedDemands(signed_by=asked.signed_by)
    assert not shortfalls(BUILD, anything)
    more = replace(BUILD, parameters=(*BUILD.parameters, Parameter(path=("run",), value="x")))
    assert not shortfalls(more, replace(asked, other_parameters=True))


def test_a_commit_and_a_digest_can_be_pinned(asked):
    def source(commit):
        return replace(asked, sources=(SourceDemand(uri=exact(REPOSITORY), commit=commit),))

    assert not shortfalls(BUILD, source(COMMIT))
    assert shortfalls(BUILD, source("cd" * 20))
    two = replace(BUILD, dependencies=(replace(BUILD.dependencies[0], digests=(("gitCommit", COMMIT), ("sha1", "cd" * 20))),))
    assert shortfalls(two, source(COMMIT))
    assert str(source(COMMIT).sources[0]).endswith(f"commit {COMMIT}")
    digested = replace(asked, dependencies=(DependencyDemand(uri=glob("pkg:pypi/**"), digest=True),))
    assert [short.found for short in shortfalls(BUILD, digested)] == ["pkg:pypi/numpy@2.0 without a digest"]


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("git+https://h.example/a/b@refs/tags/v1", ("https://h.example/a/b", "refs/tags/v1")),
        ("git+ssh://git@h.example/a/b@refs/heads/a@b", ("ssh://git@h.example/a/b", "refs/heads/a@b")),
        ("https://h.example", ("https://h.example", "")),
        ("pkg:x", ("pkg:x", "")),
        ("", ("", "")),
    ],
)
def test_a_source_is_divided_at_the_first_at_of_its_path(uri, parts):
    assert split_source(uri) == parts


CLAIMS = Provenance(
    source_repository=REPOSITORY,
    source_commit=COMMIT,
    builder="b",
    training_data=(TrainingData(uri="u", digest=DIGEST),),
    tools=MappingProxyType({}),
    time="2026-01-01T00:00:00Z",
)
DEMANDS = ClaimDemands(builders=(exact("b"),), sources=(exact(REPOSITORY),), commit=True, time=True, training_data=True)


@pytest.mark.parametrize(
    ("claims", "outcome"),
    [
        (CLAIMS, None),
        (None, Outcome.FAIL),
        (Provenance(), Outcome.FAIL),
        (replace(CLAIMS, builder=None), Outcome.FAIL),
        (replace(CLAIMS, builder="c"), Outcome.FAIL),
        (replace(CLAIMS, source_repository="https://evil.example/x"), Outcome.FAIL),
        (replace(CLAIMS, source_commit=None), Outcome.FAIL),
        (replace(CLAIMS, time=None), Outcome.FAIL),
        (replace(CLAIMS, training_data=()), Outcome.FAIL),
        (replace(CLAIMS, training_data=(*CLAIMS.training_data, TrainingData(uri="v", digest=None))), Outcome.FAIL),
    ],
)
def test_each_claim_is_asked_for(policy, evidence, now, claims, outcome):
    claimed = replace(evidence, manifest=replace(evidence.manifest, provenance=claims))
    asked = ProvenanceSettings(required=True, claimed=DEMANDS)
    assert outcome_of(policy, asked, claimed, now) == ({"MLS404"} if outcome else set())


def test_required_alone_asks_for_any_claim_and_claims_attest_nothing(policy, evidence, now, asked):
    claimed = replace(evidence, manifest=replace(evidence.manifest, provenance=CLAIMS))
    assert not outcome_of(policy, ProvenanceSettings(required=True), claimed, now)
    assert outcome_of(policy, ProvenanceSettings(required=True), evidence, now) == {"MLS404"}
    assert outcome_of(policy, asked, claimed, now) == {"MLS404"}


def test_claims_are_unknown_without_a_manifest(evidence, now):
    settings = provenance.Settings(
        provenance=ProvenanceSettings(required=True), count=CountSettings(digests=frozenset(Algorithm), freshness=Freshness())
    )
    found = provenance.check(replace(evidence, manifest=None), settings, now=now)
    assert [f.outcome for f in found] == [Outcome.UNKNOWN]
