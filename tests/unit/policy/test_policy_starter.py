"""The text of a policy to start from: it can be read, it has no warnings, and its caps follow from the model."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mlsign.digest import sha256
from mlsign.identity import KeyIdentity
from mlsign.interface import OperatorId, OperatorUse
from mlsign.limits import GIB
from mlsign.onnx.summary import ExternalTensor, Unbounded, Unknown
from mlsign.policy.decoding.policy import decode_policy_node
from mlsign.policy.decoding.signers import Bindings
from mlsign.policy.decoding.yaml_source import decode_yaml
from mlsign.policy.lint.checks import lint
from mlsign.policy.lint.remark import Draft, Severity
from mlsign.policy.model import ExternalData, Isolation, Mode, Policy
from mlsign.policy.model import Unbounded as Answer
from mlsign.policy.starter import KeyChoice, KeylessChoice, StarterFacts, render_starter
from mlsign.version import decode_version

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEYLESS = KeylessChoice(issuer="https://issuer.example/a", subject="ci@acme.example")
CUSTOM = OperatorId("com.acme", "Op")


def read(facts: StarterFacts, sets, *, warnings: tuple[str, ...] = ()) -> Policy:
    """The policy that the text is; its remarks are those expected."""
    text = render_starter(facts)
    assert max(map(len, text.splitlines())) <= 120
    node = decode_yaml(text.encode(), source="p.yaml")
    document = decode_policy_node(node, digest=sha256(text.encode()), operator_sets=sets, hazards={})
    keys = {path: KeyIdentity(spki=sha256(b"k"), kind="EC P-256") for path in document.key_references}
    policy = document.bind(Bindings(keys=keys))
    found = lint(Draft(node=node, policy=policy, operator_sets=sets, now=NOW))
    assert tuple(r.code for r in found if r.severity is not Severity.INFORMATION) == warnings
    return policy


@pytest.fixture
def facts(evidence) -> StarterFacts:
    return StarterFacts(
        name="fraud",
        signer=KeyChoice(path="keys/a.pub"),
        mode=Mode.ENFORCE,
        summary=evidence.summary,
        version=decode_version("1.2.0"),
    )


def test_operators_and_caps_are_those_of_the_model(facts, sets):
    policy = read(facts, sets)
    assert policy.operators.allow == {use.operator for use in facts.summary.operators}
    assert policy.model.max_nodes >= 10 * facts.summary.node_count
    assert policy.model.max_parameter_bytes >= 10 * facts.summary.parameter_bytes
    assert policy.model.run.max_bytes >= 10 * facts.summary.bounds.peak_bytes
    assert policy.model.opset["ai.onnx"].minimum == 17
    assert policy.model.external_data is ExternalData.DENY
    assert str(policy.minimum_version) == "1.2.0"
    assert policy.mode is Mode.ENFORCE


def test_without_a_package_there_are_reviewed_sets(facts, sets):
    policy = read(replace(facts, summary=None, version=None), sets)
    assert policy.operators.allow == sets["inference-v1"] | sets["ml-v1"]
    assert policy.minimum_version is None


def test_keyless_signers_are_named_whole_and_must_be_logged(facts, sets):
    policy = read(replace(facts, signer=KEYLESS), sets)
    ((wanted,),) = (group.any for group in policy.signers)
    assert wanted.subject.is_exact
    assert policy.needs_trust_root
    pattern = replace(KEYLESS, subject="https://github.com/acme/fraud/.github/workflows/r.yml@refs/tags/v*")
    assert not read(replace(facts, signer=pattern), sets).signers[0].any[0].subject.is_exact


def test_an_audit_is_warned_about(facts, sets):
    assert read(replace(facts, mode=Mode.AUDIT), sets, warnings=("mode.audit",)).mode is Mode.AUDIT


def test_external_weights_are_let_in_only_where_there_are_any(facts, sets):
    tensor = ExternalTensor(name="w", where="", location="w.data", offset=0, length=None, size=4)
    policy = read(replace(facts, summary=replace(facts.summary, external=(tensor,))), sets)
    assert policy.model.external_data is ExternalData.PACKAGED


@pytest.mark.parametrize(("kind", "name"), [(Unbounded.SIZE, "unknown_sizes"), (Unbounded.TURNS, "unknown_turns")])
def test_what_only_the_run_decides_is_left_to_the_whole_sandbox(facts, sets, kind, name):
    unknown = (Unknown(kind=kind, where="graph", operator="ai.onnx:Loop"),)
    bounds = replace(facts.summary.bounds, unknown=unknown)
    policy = read(replace(facts, summary=replace(facts.summary, bounds=bounds)), sets)
    assert getattr(policy.model.run, name) is Answer.ALLOW
    assert [policy.model.run.unknown_sizes, policy.model.run.unknown_turns].count(Answer.ALLOW) == 1
    assert policy.sandbox.isolation is Isolation.FULL


def test_a_loop_without_end_is_never_let_in(facts, sets):
    unknown = (Unknown(kind=Unbounded.ENDLESS, where="graph", operator="ai.onnx:Loop"),)
    policy = read(replace(facts, summary=replace(facts.summary, bounds=replace(facts.summary.bounds, unknown=unknown))), sets)
    assert {policy.model.run.unknown_sizes, policy.model.run.unknown_turns} == {Answer.DENY}


def test_a_model_without_bounds_gets_the_usual_ones(facts, sets):
    assert read(replace(facts, summary=replace(facts.summary, bounds=None)), sets).model.run.max_bytes == 2 * GIB


def test_large_models_have_a_sandbox_that_holds_them(facts, sets):
    for size in (3 * 2**20, 7 * GIB, 1 << 60):
        bounds = replace(facts.summary.bounds, peak_bytes=size, steps=10**30, operations=10**30)
        policy = read(replace(facts, summary=replace(facts.summary, parameter_bytes=size, bounds=bounds)), sets)
        assert policy.sandbox.memory_bytes >= policy.model.max_parameter_bytes


def test_operators_of_other_domains_are_named_with_a_warning_in_the_text(facts, sets):
    summary = replace(facts.summary, operators=(*facts.summary.operators, OperatorUse(CUSTOM, 1)))
    policy = read(replace(facts, summary=summary), sets)
    assert CUSTOM in policy.operators.allow
    assert "native code" in render_starter(replace(facts, summary=summary))


def test_what_does_more_than_compute_is_left_out(facts, sets):
    summary = replace(facts.summary, operators=(*facts.summary.operators, OperatorUse(CUSTOM, 1)))
    told = replace(facts, summary=summary, left_out=(CUSTOM,))
    assert CUSTOM not in read(told, sets).operators.allow
    assert "Left out" in render_starter(told)


def test_a_range_is_only_given_for_domains_that_have_operators(facts, sets):
    assert "opset:" not in render_starter(replace(facts, summary=replace(facts.summary, opsets=())))


def test_names_cannot_become_fields(facts, sets):
    name = 'x"\nmode: audit\n# '
    assert read(replace(facts, name=name), sets).name == name
