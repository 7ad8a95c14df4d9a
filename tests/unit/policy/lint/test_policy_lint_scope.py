"""Remarks on what newer fields of a policy say: each by what brings it about, and by its nearest neighbour that does not."""

from datetime import UTC, datetime

import pytest

from mlsign.digest import sha256
from mlsign.identity import KeyIdentity
from mlsign.interface import OperatorId
from mlsign.policy.decoding.extend_source import decode_source
from mlsign.policy.decoding.policy import decode_policy_node
from mlsign.policy.decoding.signers import Bindings
from mlsign.policy.decoding.yaml_source import decode_yaml
from mlsign.policy.extend import combine
from mlsign.policy.lint import scope
from mlsign.policy.lint.checks import lint
from mlsign.policy.lint.remark import Draft, Severity
from mlsign.policy.lint.scope import check_overlaps
from mlsign.policy.lint.standing import check_loosened

SETS = {"inference-v1": frozenset({OperatorId("ai.onnx", "Gemm")})}
KEYS = {name: KeyIdentity(spki=sha256(name.encode()), kind="EC P-256") for name in ("a.pub", "b.pub")}
NOW = datetime(2026, 11, 1, tzinfo=UTC)
DIGEST = "sha256:" + "11" * 32


def decoded(node, digest=None):
    return decode_policy_node(node, digest=digest or sha256(b""), operator_sets=SETS, hazards={})


def draft_of(rest: str, *, signed: bool = False, operators: str = "{allow: [inference-v1]}") -> Draft:
    text = (
        "apiVersion: mlsign/v1\nkind: Policy\nname: tests\nsigners: [{name: release, require: 1, any: [{key: a.pub}]}]\n"
        f"operators: {operators}\nage: {{max: 30d}}\n{rest}\n"
    )
    node = decode_yaml(text.encode(), source="p.yaml")
    policy = decoded(node).bind(Bindings(keys=KEYS))
    return Draft(node=node, policy=policy, operator_sets=SETS, now=NOW, is_signed=signed)


def told(rest: str, **more) -> list[tuple[str, str]]:
    return [(remark.code, remark.path) for remark in lint(draft_of(rest, **more))]


def rule(when: str) -> str:
    return f'rules: [{{id: r, when: "{when}", message: m}}]'


def exception(until: str, findings: str = "[MLS301]") -> str:
    return f"exceptions: [{{digest: '{DIGEST}', findings: {findings}, reason: r, until: {until}}}]"


VSA = "vsa: {accept: [{key: %s}], max_age: 1d}"
RUNS = "golden: {platforms: [linux/arm64], run_by: [{key: %s}]}"
ATTESTED = "provenance: {attested: {signed_by: [{key: %s}], builders: ['https://ci.example/1']}}"
LOOP = "{allow: [inference-v1, 'ai.onnx:Loop']}"
DOMAIN = "{allow: [inference-v1, 'com.acme:*'], custom_domains: allow%s}"

REMARKS = [
    ("match: {names: ['*']}", "match.every", "match.names[0]"),
    ("match: {names: [fraud, '**']}", "match.every", "match.names[1]"),
    (rule("1 > 2"), "rules.never", "rules[0].when"),
    (rule("false && model.nodes > 3"), "rules.never", "rules[0].when"),
    (rule("1 < 2"), "rules.always", "rules[0].when"),
    (rule("model.nodes > 3 || true"), "rules.always", "rules[0].when"),
    (rule("'Loop' in model.operators"), "rules.never", "rules[0].when"),
    (rule("'ai.onnx:Loop' in model.operators"), "rules.idle", "rules[0].when"),
    (rule("'ai.onnx:Loop' in model.operators && model.nodes > 3"), "rules.idle", "rules[0].when"),
    (rule("model.nodes > 3 && 'com.acme:Op' in model.operators"), "rules.idle", "rules[0].when"),
    (exception("2026-10-31T00:00:00Z"), "exceptions.ended", "exceptions[0].until"),
    (exception("2026-11-01T00:00:00Z"), "exceptions.ended", "exceptions[0].until"),
    (exception("2026-11-08T00:00:00Z"), "exceptions.soon", "exceptions[0].until"),
    *(
        (exception("2027-11-08T00:00:00Z", f"[MLS301, {code}]"), "exceptions.idle", "exceptions[0].findings[1]")
        for code in ("MLS302", "MLS304", "MLS305", "MLS306", "MLS402")
    ),
    ("expires: 2026-11-01T00:00:00Z", "expires.past", "expires"),
    ("expires: 2026-12-01T00:00:00Z", "expires.soon", "expires"),
    (VSA % "a.pub", "vsa.signer", "vsa.accept[0]"),
    (ATTESTED % "a.pub", "provenance.signer", "provenance.attested.signed_by[0]"),
    ("golden: {required: true}", "golden.unused", "golden"),
    ("golden: {replay: true, max_rtol: 1}", "golden.wide", "golden.max_rtol"),
    ("golden: {replay: true, max_atol: 1}", "golden.wide", "golden.max_atol"),
    (RUNS % "a.pub", "golden.signer", "golden.run_by[0]"),
]

SILENT = [
    "match: {names: ['fraud-*']}",
    rule("model.nodes > 3"),
    rule("now > timestamp('2020-01-01T00:00:00Z')"),
    # What it needs may be another operator, or none at all.
    rule("'ai.onnx:Loop' in model.operators || model.nodes > 3"),
    rule("!('ai.onnx:Loop' in model.operators)"),
    rule("'ai.onnx:Gemm' in model.operators"),
    rule("'x' in model.inputs"),
    exception("2026-11-08T00:00:01Z"),
    exception("2027-11-08T00:00:00Z", "[MLS302]") + "\n",
    "expires: 2026-12-01T00:00:01Z",
    VSA % "b.pub",
    ATTESTED % "b.pub",
    "golden: {replay: true}",
    "golden: {replay: true, max_rtol: 0.5, max_atol: 0.9}",
    RUNS % "b.pub",
]


@pytest.mark.parametrize(("rest", "code", "path"), REMARKS, ids=range(len(REMARKS)))
def test_what_is_likely_not_meant_is_remarked_on_where_it_stands(rest, code, path):
    assert told(rest) == [(code, path)]


@pytest.mark.parametrize("rest", SILENT, ids=range(len(SILENT)))
def test_what_may_be_meant_is_left_alone(rest):
    operators = "{allow: [inference-v1], deny: ['ai.onnx:Loop']}" if "[MLS302]" in rest else "{allow: [inference-v1]}"
    assert not [code for code, _ in told(rest, operators=operators) if not code.startswith("operators.")]


def test_codes_that_a_policy_asks_for_can_occur():
    caps = "model: {opset: {ai.onnx: '>=13'}, max_nodes: 9, max_parameter_bytes: 9KiB}\nversions: {minimum: 1.0.0}\n"
    assert told(caps + exception("2027-11-08T00:00:00Z", "[MLS304, MLS305, MLS306, MLS402]")) == []


@pytest.mark.parametrize(
    ("operators", "idle"),
    [
        (LOOP, False),
        (DOMAIN % "", False),
        (DOMAIN % ", deny: ['com.acme:*']", True),
        (DOMAIN % ", deny: ['com.acme:Op', 'ai.onnx:Loop']", True),
    ],
)
def test_an_operator_is_idle_only_where_no_model_with_it_is_let_in(operators, idle):
    name = "ai.onnx:Loop" if operators == LOOP else "com.acme:Op"
    assert (("rules.idle", "rules[0].when") in told(rule(f"'{name}' in model.operators"), operators=operators)) is idle


def test_a_signed_policy_has_a_revision():
    assert told("", signed=True) == [("revision.missing", "")]
    assert told("revision: 1", signed=True) == told("") == []


def test_information_is_no_warning():
    severities = {remark.severity for remark in lint(draft_of("golden: {required: true}"))}
    assert severities == {Severity.INFORMATION}


# Several policies.


def overlaps(*names: str | None) -> list[list[str]]:
    drafts = [draft_of("" if name is None else f"match: {{names: {name}}}") for name in names]
    found = check_overlaps(drafts)
    assert all(remark.code == "match.overlap" for remarks in found for remark in remarks)
    return [[remark.message for remark in remarks] for remarks in found]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[fraud]", "[churn, fraud]"),
        ("['fraud-*']", "[fraud-eu]"),
        ("[fraud-eu]", "['fraud-*']"),
        ("['fraud-*']", "['*-eu']"),
        ("['a*b*c']", "['*b**']"),
        ("['*']", "['**']"),
        ("['*a']", "['a*']"),
        ("['fraud*']", "[fraud]"),
        ("[fraud]", "['fraud*']"),
    ],
)
def test_names_that_two_policies_are_both_for_are_found(one, other):
    first, second = overlaps(one, other)
    assert first == []
    assert len(second) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[fraud]", "[churn]"),
        ("['fraud-*']", "['churn-*']"),
        ("['*-eu']", "['*-us']"),
        ("['a*b']", "[ac, b, a]"),
        ("[a]", "[aa]"),
    ],
)
def test_names_that_no_package_has_twice_are_not(one, other):
    assert overlaps(one, other) == [[], []]


def test_a_policy_for_every_package_meets_each_that_says_which():
    assert [len(found) for found in overlaps(None, "[fraud]", None)] == [0, 1, 1]
    # Without any word on it they are likely for different places.
    assert overlaps(None, None) == [[], []]


def test_the_search_for_names_ends(monkeypatch):
    """Stars upon stars: what is compared is bounded, and beyond it nothing is said."""
    wild = f"['{'*a' * 120}']"
    other = f"['{'*a' * 119}*b']"
    assert overlaps(wild, other) == [[], []]
    monkeypatch.setattr(scope, "MAX_STEPS", 2)
    assert overlaps("['fraud-*']", "['*-eu']") == [[], []]


# Parents.


def chain(*texts: str) -> Draft:
    sources = tuple(decode_source(text.encode(), name=f"{index}.yaml") for index, text in enumerate(texts))
    policy = combine(sources, decoded).bind(Bindings(keys=KEYS))
    return Draft(node=decode_yaml(texts[0].encode(), source="0.yaml"), policy=policy, operator_sets=SETS, now=NOW)


HEAD = "apiVersion: mlsign/v1\nkind: Policy\nname: {}\n"
BASE = (
    HEAD.format("base")
    + "signers: [{name: release, require: 1, any: [{key: a.pub}]}]\noperators: {allow: [inference-v1]}\nmodel: {max_nodes: 10}\n"
)
LOOSER = "model: {{max_nodes: {}}}\nloosens: [{{field: model.max_nodes, reason: pilot}}]\n"


def test_each_loosened_field_is_told_at_its_line():
    (remark,) = check_loosened(chain(HEAD.format("child") + "extends: 1.yaml\n" + LOOSER.format(20), BASE))
    assert (remark.code, remark.path, remark.place.line) == ("extends.loosened", "loosens[0]", 6)
    assert "model.max_nodes is 20, looser than 10 in base (1.yaml): pilot" in remark.message
    assert remark.severity is Severity.INFORMATION


def test_what_a_parent_loosens_is_told_where_it_is_extended():
    middle = HEAD.format("middle") + "extends: 2.yaml\n" + LOOSER.format(20)
    (remark,) = check_loosened(chain(HEAD.format("child") + "extends: 1.yaml\n", middle, BASE))
    assert (remark.path, remark.place.line) == ("extends", 4)
