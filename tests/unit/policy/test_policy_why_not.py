"""What would have to be different: concrete, never unsafe, and checked by deciding again."""

from dataclasses import fields, replace
from datetime import timedelta
from types import MappingProxyType

import pytest

from mlsign.digest import Algorithm, sha256
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Seen, Standing, TrustFacts
from mlsign.identity import KeylessIdentity
from mlsign.interface import OperatorId, OperatorUse, OpsetImport
from mlsign.onnx.summary import Unbounded, Unknown
from mlsign.policy.freshness import Freshness, LogDemand, Transparency, TrustSettings
from mlsign.policy.model import Hazard, RevokedRelease, Rollback, SignerGroup, Verdict
from mlsign.policy.patterns import PatternKind, TextPattern
from mlsign.policy.remedies.remedies import ANSWERS, remedies_for
from mlsign.policy.remedies.remedy import Party, State
from mlsign.policy.remedies.why_not import why_not
from mlsign.policy.requirements import KeylessRequirement
from mlsign.version import decode_version

LOOP, ADD = OperatorId("ai.onnx", "Loop"), OperatorId("ai.onnx", "Add")
SIN, CUSTOM = OperatorId("ai.onnx", "Sin"), OperatorId("com.acme", "Op")
CONTEXT = OperatorId("com.microsoft", "EPContext")


def using(evidence, *operators):
    uses = (*evidence.summary.operators, *(OperatorUse(op, 1) for op in operators))
    allowed = tuple(use.operator for use in uses)
    manifest = replace(evidence.manifest, allowed_operators=allowed)
    return replace(evidence, manifest=manifest, summary=replace(evidence.summary, operators=uses))


def summarized(evidence, **changes):
    return replace(evidence, summary=replace(evidence.summary, **changes))


def bounded(evidence, **changes):
    return summarized(evidence, bounds=replace(evidence.summary.bounds, **changes))


def only(found):
    (remedy,) = found.remedies
    return remedy


def test_what_is_allowed_needs_nothing(policy, evidence, now):
    found = why_not(policy, evidence, now=now)
    assert (found.remedies, found.would_allow, found.remaining) == ((), Verdict.ALLOW, ())


def test_an_operator_is_named_with_the_line_that_would_allow_it(policy, evidence, now):
    found = why_not(policy, using(evidence, SIN), now=now)
    remedy = only(found)
    assert (remedy.who, remedy.codes) == (Party.OWNER, ("MLS301",))
    assert '- "ai.onnx:Sin"' in remedy.words
    assert found.would_allow is Verdict.ALLOW


@pytest.mark.parametrize("operator", [LOOP, CUSTOM, CONTEXT])
def test_what_is_denied_custom_or_does_more_than_compute_must_leave_the_model(policy, evidence, now, operator):
    found = why_not(policy, using(evidence, operator), now=now)
    assert {remedy.who for remedy in found.remedies} == {Party.RELEASER}
    assert str(operator) in " ".join(remedy.words for remedy in found.remedies)
    assert found.would_allow is Verdict.ALLOW


def test_an_operator_of_the_standard_that_is_a_hazard_is_not_let_in(policy, evidence, now):
    hazards = MappingProxyType({OperatorId("ai.onnx", "*"): frozenset({Hazard.RUNS_CODE})})
    strict = replace(policy, operators=replace(policy.operators, hazards=hazards))
    found = why_not(strict, using(evidence, SIN), now=now)
    assert all(remedy.who is Party.RELEASER for remedy in found.remedies if "MLS301" in remedy.codes)
    assert not any("operators.allow" in remedy.words for remedy in found.remedies)


def test_an_opset_out_of_range_is_told_with_the_range(policy, evidence, now):
    old = summarized(evidence, opsets=(OpsetImport("ai.onnx", 9), OpsetImport("ai.onnx.ml", 1)))
    found = why_not(policy, old, now=now)
    assert ">=13,<=24" in only(found).words
    assert only(found).who is Party.RELEASER
    assert found.would_allow is Verdict.ALLOW


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        (lambda e: summarized(e, node_count=101), "model.max_nodes", 101),
        (lambda e: summarized(e, parameter_bytes=2000), "model.max_parameter_bytes", 2000),
        (lambda e: bounded(e, peak_bytes=2**21), "model.run.max_bytes", 2**21),
        (lambda e: bounded(e, steps=101), "model.run.max_steps", 101),
        (lambda e: bounded(e, operations=1001), "model.run.max_operations", 1001),
    ],
)
def test_a_cap_is_told_with_the_number_that_would_do(policy, evidence, now, change, name, value):
    found = why_not(policy, change(evidence), now=now)
    assert f"raise {name} of the policy to {value};" in only(found).words
    assert found.would_allow is Verdict.ALLOW
    assert only(found).who is Party.OWNER


@pytest.mark.parametrize("kind", [Unbounded.SIZE, Unbounded.ENDLESS, Unbounded.MISUSE])
def test_what_has_no_bound_must_be_exported_again(policy, evidence, now, kind):
    found = why_not(policy, bounded(evidence, unknown=(Unknown(kind=kind, where="graph", operator="ai.onnx:Loop"),)), now=now)
    assert only(found).who is Party.RELEASER
    assert found.would_allow is Verdict.ALLOW


def test_a_run_that_was_computed_for_less_is_not_answered_by_a_number(policy, evidence, now):
    found = why_not(policy, bounded(evidence, open_dimension=1), now=now)
    assert found.would_allow is Verdict.DENY
    assert found.remaining == ("MLS380",)


def test_who_must_sign_is_named(policy, evidence, now):
    found = why_not(policy, replace(evidence, signatures=()), now=now)
    words = only(found).words
    assert "1 more of the group release must look at the package and sign it: keys/a.pub; keys/b.pub" in words
    assert found.would_allow is Verdict.ALLOW


def test_who_has_signed_is_not_asked_again(policy, evidence, now):
    both = replace(policy, signers=(replace(policy.signers[0], require=2),))
    found = why_not(both, evidence, now=now)
    assert "keys/b.pub" in only(found).words
    assert "keys/a.pub" not in only(found).words
    assert found.would_allow is Verdict.ALLOW


def test_a_stranger_is_never_suggested(policy, evidence, now, record):
    stranger = replace(record("z"), standing=Standing.STRANGER)
    found = why_not(policy, replace(evidence, signatures=(stranger,)), now=now)
    told = " ".join(remedy.words for remedy in found.remedies)
    assert str(stranger.identity.spki) not in told
    assert {remedy.who for remedy in found.remedies} == {Party.RELEASER}


def test_who_is_only_known_by_a_pattern_cannot_be_made_up(policy, evidence, now):
    wanted = KeylessRequirement(
        issuer=TextPattern(kind=PatternKind.EXACT, text="https://issuer.example"),
        subject=TextPattern(kind=PatternKind.GLOB, text="*@acme.example"),
    )
    asked = replace(policy, signers=(SignerGroup(name="people", require=2, any=(wanted,)),))
    facts = TrustFacts(source="s", digest=sha256(b"t"), fetched=None, expires=None)
    ann = replace(
        evidence.signatures[0],
        identity=KeylessIdentity(subject="ann@acme.example", issuer="https://issuer.example", spki=sha256(b"x")),
    )
    found = why_not(asked, replace(evidence, trust=facts, signatures=(ann,)), now=now)
    assert "1 more of the group people must look at the package and sign it: somebody else" in only(found).words
    assert found.would_allow is Verdict.DENY
    assert "MLS205" in found.remaining


def test_a_countersigner_is_told_to_countersign(policy, evidence, now):
    second = SignerGroup(name="witness", require=1, any=policy.signers[0].any, countersigns="release")
    found = why_not(replace(policy, signers=(*policy.signers, second)), evidence, now=now)
    assert "countersign a signature by the group release" in only(found).words
    assert found.would_allow is Verdict.DENY


def test_why_a_signature_falls_short_is_told(policy, evidence, now):
    aged = replace(policy, freshness=Freshness(max_age=timedelta(days=1)))
    found = why_not(aged, evidence, now=now)
    assert "nobody trusted says how old the signature is" in only(found).words
    assert found.would_allow is Verdict.ALLOW
    logged = replace(policy, freshness=Freshness(transparency=Transparency(log=LogDemand.REQUIRED)))
    found = why_not(logged, evidence, now=now)
    # a signature by key is in no log
    assert found.would_allow is Verdict.DENY


def test_releases_that_are_old_or_revoked_give_way_to_others(policy, evidence, now):
    found = why_not(replace(policy, minimum_version=decode_version("2.0.0")), evidence, now=now)
    assert "version 2.0.0 or newer" in only(found).words
    assert found.would_allow is Verdict.ALLOW
    bare = why_not(replace(policy, minimum_version=decode_version("2.0.0")), replace(evidence, manifest=None), now=now)
    assert bare.would_allow is Verdict.DENY
    revoked = replace(policy, revoked=(RevokedRelease(name="fraud", version=None, reason="bad"),))
    found = why_not(revoked, evidence, now=now)
    assert "deploy another release: the release is revoked: bad" in only(found).words
    assert found.remaining == ("MLS401",)
    seen = Seen(version=decode_version("3.0.0"), digest=sha256(b"x"))
    found = why_not(replace(policy, rollback=Rollback.DENY), replace(evidence, seen=seen), now=now)
    assert "deploy the newest release" in only(found).words
    assert found.would_allow is Verdict.DENY


def test_a_trust_root_that_is_old_is_fetched_again(policy, evidence, now):
    facts = TrustFacts(source="s", digest=sha256(b"t"), fetched=now - timedelta(days=9), expires=now - timedelta(days=1))
    asked = replace(policy, freshness=Freshness(trust=TrustSettings(max_age=timedelta(days=7))))
    found = why_not(asked, replace(evidence, trust=facts), now=now)
    assert "mlsign trust update" in only(found).words
    assert found.would_allow is Verdict.ALLOW


def test_content_that_is_not_what_was_signed_is_fetched_again_and_nothing_else(policy, evidence, now):
    """Whoever altered a package must not be helped by whoever would sign it or loosen the policy."""
    altered = Finding(code="MLS101", outcome=Outcome.FAIL, message="a file is changed")
    found = why_not(policy, replace(using(evidence, SIN), findings=(altered,), signatures=()), now=now)
    remedy = only(found)
    assert remedy.who is Party.OPERATOR
    assert "fetch the package again" in remedy.words
    assert found.would_allow is Verdict.DENY


def test_what_nobody_has_an_answer_for_is_told_in_its_own_words(policy, evidence, now):
    hinted = Finding(code="MLS331", outcome=Outcome.FAIL, message="is odd", hint="export it again")
    bare = Finding(code="MLS332", outcome=Outcome.UNKNOWN, message="is odder")
    found = why_not(policy, replace(evidence, findings=(hinted, bare)), now=now)
    assert [remedy.words for remedy in found.remedies] == ["export it again", "put right that is odder"]
    assert found.remaining == ("MLS331", "MLS332")


def test_a_model_that_was_not_read_gets_no_numbers(policy, evidence, now):
    found = why_not(policy, replace(evidence, summary=None), now=now)
    assert not any(remedy.who is Party.OWNER for remedy in found.remedies)
    assert found.would_allow is Verdict.DENY


def test_changes_leave_alone_what_is_not_there(policy, evidence, now):
    """Each remedy can be applied to a state that another one has changed, or that lacks what it is about."""
    codes = sorted({code for answered, _ in ANSWERS for code in answered})
    wrong = tuple(Finding(code=code, outcome=Outcome.FAIL, message="m", where="ai.onnx", found="ai.onnx:X") for code in codes)
    whole = State(policy=replace(policy, minimum_version=None), evidence=evidence, now=now)
    bare = replace(whole, evidence=replace(evidence, summary=None, manifest=None, trust=None))
    unbounded = replace(whole, evidence=summarized(evidence, bounds=None))
    for remedy in remedies_for(whole, wrong):
        for state in (whole, bare, unbounded):
            remedy.change(state)


def test_no_remedy_loosens_more_than_caps_and_named_operators(policy, evidence, now):
    bad = using(summarized(evidence, node_count=999, parameter_bytes=9999, external=()), SIN, LOOP, CUSTOM, CONTEXT)
    bad = replace(bounded(bad, peak_bytes=2**40, steps=10**9, operations=10**12), signatures=())
    strict = replace(policy, digests=frozenset({Algorithm.SHA256}), minimum_version=decode_version("9.0.0"))
    state = State(policy=strict, evidence=bad, now=now)
    found = why_not(strict, bad, now=now)
    for remedy in found.remedies:
        state = remedy.change(state)
    kept = {f.name for f in fields(strict)} - {"operators", "model"}
    assert all(getattr(state.policy, name) == getattr(strict, name) for name in kept)
    assert state.policy.operators == replace(strict.operators, allow=strict.operators.allow | {SIN})
    caps = {"max_nodes": None, "max_parameter_bytes": None, "run": strict.model.run}
    assert replace(state.policy.model, **caps) == replace(strict.model, **caps)
    run = {"max_bytes": 0, "max_steps": 0, "max_operations": 0}
    assert replace(state.policy.model.run, **run) == replace(strict.model.run, **run)
    assert [remedy.who for remedy in found.remedies] == sorted((r.who for r in found.remedies), key=list(Party).index)
    assert found.would_allow is Verdict.ALLOW


def test_what_is_not_read_or_packed_or_hashed_as_asked_is_not_answered_by_loosening(policy, evidence, now):
    bare = replace(evidence, manifest=None, summary=None, signatures=())
    found = why_not(policy, bare, now=now)
    told = [remedy.words for remedy in found.remedies]
    assert sum("a model that can be read" in words for words in told) == 1
    assert any("mlsign pack" in words for words in told)
    assert not any("optional" in words or "raise" in words for words in told)
    blake = replace(evidence.signatures[0], algorithms=frozenset({Algorithm.BLAKE2B}))
    found = why_not(policy, replace(evidence, signatures=(blake,)), now=now)
    assert any("known by blake3 or sha256" in remedy.words for remedy in found.remedies)
    assert {remedy.who for remedy in found.remedies} == {Party.RELEASER}


def test_findings_of_one_code_are_told_together(policy, evidence, now):
    findings = tuple(
        Finding(code="MLS999", outcome=Outcome.FAIL, message=message, hint=hint)
        for message, hint in (("it is old", ""), ("it is odd", "ask again"), ("it is new", ""), ("it is old", ""))
    )
    found = why_not(policy, replace(evidence, findings=findings), now=now)
    assert only(found).words == "ask again; put right that it is new; it is old"
