"""Rules in CEL, against the real library: only a BOOL that is false is not a denial, and nothing a rule says hangs or crashes."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cel_expr_python import cel as library

from mlsign.errors import InputError, OutsideError
from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import Evidence
from mlsign.onnx.summary import Unbounded, Unknown
from mlsign.policy import cel
from mlsign.policy.cel import VARIABLES, Answer, check_condition, evaluate
from mlsign.policy.condition import Condition
from mlsign.policy.decide import decide
from mlsign.policy.decoding.policy import decode_policy
from mlsign.policy.model import Policy, Verdict
from mlsign.policy.rules import conditions

RULE = "{id: no-v0, when: \"manifest.version.startsWith('0.')\", message: stay out}"


@pytest.fixture
def decoded(text: str, sets: Any, hazards: Any) -> Callable[[str], tuple[Condition, ...]]:
    def read(rules: str) -> tuple[Condition, ...]:
        return decode_policy(f"{text}rules: {rules}\n".encode(), name="p", operator_sets=sets, hazards=hazards).unbound.rules

    return read


def ruled(policy: Policy, when: str) -> Policy:
    return replace(policy, rules=(Condition(id="r", when=when, message="m\x1b[2J"),))


def outcome(policy: Policy, evidence: Evidence, when: str, now: datetime) -> Outcome:
    decision = decide(ruled(policy, when), evidence, now=now)
    (found,) = (f for f in decision.findings if f.code == "MLS420")
    assert (decision.verdict is Verdict.ALLOW) == (found.outcome is Outcome.PASS)
    assert "\x1b" not in found.message
    return found.outcome


def test_the_trap_of_the_library_is_there() -> None:
    """The value of an error is true, and so is that of false: whoever asked bool() would judge wrong."""
    environment = library.NewEnv(variables={})
    wrong, no = environment.compile("1/0 == 1").eval(data={}), environment.compile("false").eval(data={})
    assert (wrong.type().name(), bool(wrong)) == ("ERROR", True)
    assert (no.value(), bool(no)) == (False, True)


def test_rules_are_decoded(decoded: Callable[[str], tuple[Condition, ...]]) -> None:
    (rule,) = decoded(f"[{RULE}]")
    assert rule == Condition(id="no-v0", when="manifest.version.startsWith('0.')", message="stay out")
    assert decoded("[]") == ()


@pytest.mark.parametrize(
    ("rules", "code", "words"),
    [
        (f"[{RULE}, {RULE}]", "policy.rules", "two rules"),
        (f"[{RULE.replace('no-v0', 'No V0')}]", "policy.rules", "lower-case"),
        (f"[{RULE.replace('version', 'versoin')}]", "policy.rules", "undeclared reference to 'manifest.versoin'"),
        (f"[{RULE.replace('message: stay out', '')}]", "policy.", ""),
        ("[{id: a, message: m}]", "policy.missing", "when is missing"),
        ("[{id: a, when: true, message: m}]", "policy.type", "a boolean"),
        ("[{id: a, when: '1', message: m}]", "policy.rules", "only BOOL"),
        ("[{id: a, when: 'dyn(true)', message: m}]", "policy.rules", "only BOOL"),
        ('[{id: a, when: "signers.size() == 1", message: m}]', "policy.rules", "undeclared"),
        ('[{id: a, when: "manifest.name == 1", message: m}]', "policy.rules", "no matching overload"),
        ("[{id: a, when: \"manifest.files.exists(f, f == 'x')\", message: m}]", "policy.rules", "macro"),
        ("[{id: a, when: '(', message: m}]", "policy.rules", "Syntax error"),
        (f'[{{id: a, when: "{"x" * 1025}", message: m}}]', "policy.length", "1025"),
        ("{}", "policy.type", "a map"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_line(decoded: Any, rules: str, code: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        decoded(rules)
    assert caught.value.code.startswith(code)
    assert words in caught.value.message
    assert " line " in caught.value.message


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        ("false", Outcome.PASS),
        ("true", Outcome.FAIL),
        ("manifest.version.startsWith('0.')", Outcome.PASS),
        ("manifest.name == 'fraud' && manifest.license == ''", Outcome.FAIL),
        ("'ai.onnx:Loop' in model.operators", Outcome.PASS),
        ("'ai.onnx:Gemm' in model.operators", Outcome.FAIL),
        ("model.nodes > 3 || model.run_bytes > 500 || model.run_steps > 3", Outcome.PASS),
        ("now < timestamp('2026-01-01T00:00:00Z')", Outcome.PASS),
        ("'model.onnx' in manifest.files && digest.startsWith('sha256:')", Outcome.FAIL),
        ("1 / 0 == 1", Outcome.UNKNOWN),
        ("9223372036854775807 + model.nodes == 0", Outcome.UNKNOWN),
        ("manifest.name.matches('(')", Outcome.UNKNOWN),
        ("model.inputs[0] == 'x'", Outcome.UNKNOWN),
        ("1", Outcome.UNKNOWN),
        ("dyn(false)", Outcome.UNKNOWN),
        ("manifest.nome == ''", Outcome.UNKNOWN),
        ("[1].exists(x, x == 2)", Outcome.UNKNOWN),
    ],
)
def test_only_false_is_no_denial(when: str, wanted: Outcome, policy: Policy, evidence: Evidence, now: datetime) -> None:
    assert outcome(policy, evidence, when, now) is wanted


def test_what_is_not_known_denies(policy: Policy, evidence: Evidence, now: datetime) -> None:
    assert evidence.summary is not None
    assert evidence.summary.bounds is not None
    found = Unknown(kind=Unbounded.TURNS, where="g", operator="ai.onnx:Loop", detail="")
    unbounded = replace(evidence, summary=replace(evidence.summary, bounds=replace(evidence.summary.bounds, unknown=(found,))))
    for when, less in (
        ("manifest.name == 'x'", replace(evidence, manifest=None)),
        ("model.nodes > 100", replace(evidence, summary=None)),
        ("digest == ''", replace(evidence, digest=None)),
        ("model.run_bytes > 100000", unbounded),
        ("model.run_steps > 100000", replace(evidence, summary=replace(evidence.summary, bounds=None))),
    ):
        assert outcome(policy, evidence, when, now) is Outcome.PASS
        assert outcome(policy, less, when, now) is Outcome.UNKNOWN


def test_long_lists_and_huge_numbers_are_not_handed_in(
    policy: Policy, evidence: Evidence, now: datetime, monkeypatch: Any
) -> None:
    assert evidence.summary is not None
    huge = replace(evidence.summary, parameter_count=2**64, node_count=3)
    assert outcome(policy, replace(evidence, summary=huge), "model.parameters < 0", now) is Outcome.UNKNOWN
    monkeypatch.setattr(conditions, "MAX_TEXTS", 1)
    assert outcome(policy, evidence, "'x' in manifest.files", now) is Outcome.UNKNOWN


def test_every_variable_is_declared_and_every_declared_one_is_there(evidence: Evidence, now: datetime) -> None:
    assert set(conditions.variables(evidence, now=now)) == set(VARIABLES)


@pytest.mark.parametrize(
    "when",
    [
        "(" * 500 + "true" + ")" * 500,
        "[" * 500 + "]" * 500 + " == []",
        "{1:" * 300 + "1" + "}" * 300 + " == {}",
        "+".join(["manifest.name"] * 70) + " == ''",
        "manifest.files.all(a, manifest.files.all(b, manifest.files.all(c, a == b + c)))",
        "manifest.files.map(x, x + x).map(x, x + x) == []",
        "manifest.files // a remark\n.exists // another\n(f, true)",
        "manifest.files . exists_one (f, true)",
        "99999999999999999999999999 == 1",
        "manifest.name" + ".x" * 500,
        "manifest.name == '\ud800'",
        "true\x00",
        "",
        "true" + " " * 2000,
    ],
    ids=str,
)
def test_hostile_conditions_are_refused_before_they_run(when: str) -> None:
    with pytest.raises(InputError):
        check_condition(when)
    assert evaluate(when, {"manifest.name": "x", "manifest.files": ("x",) * 1000})[0] is Answer.UNKNOWN


@pytest.mark.parametrize(
    "when",
    [
        "!" * 1000 + "true",
        " || ".join(["1==2"] * 120),
        "manifest.name.matches('(x+x+)+y') || manifest.name.matches('(?:x{0,1000}){0,1}y')",
        "manifest.name + manifest.name + manifest.name == ''",
        "manifest.name.matches('((a{1,100}){1,100}){1,100}')",
    ],
    ids=lambda text: text[:20],
)
def test_hostile_conditions_that_are_valid_come_to_an_answer(when: str) -> None:
    assert evaluate(when, {"manifest.name": "x" * 65536})[0] in set(Answer)


def test_without_the_library_a_policy_with_rules_is_an_error_and_no_pass(
    decoded: Any, policy: Policy, evidence: Evidence, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    cel._compiled.cache_clear()
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    with pytest.raises(OutsideError) as caught:
        decoded(f"[{RULE}]")
    assert (caught.value.code, caught.value.hint) == ("cel.binding", "pip install 'mlsign[cel]'")
    assert outcome(policy, evidence, "false", now) is Outcome.UNKNOWN


def test_a_value_of_another_type_at_run_time_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd:
        def compile(self, _: str) -> "Odd":
            return self

        def eval(self, **_: object) -> "Odd":
            return self

        def type(self) -> "Odd":
            return self

        def return_type(self) -> "Odd":
            return self

        def name(self) -> str:
            return "BOOL"

        def serialize(self) -> bytes:
            return b""

        def value(self) -> int:
            return 0

    monkeypatch.setattr(cel, "_environment", Odd)
    assert evaluate("odd", {})[0] is Answer.UNKNOWN
    cel._compiled.cache_clear()


@pytest.mark.parametrize(
    "when",
    [
        "manifest.description.matches(manifest.description)",
        "manifest.name.matches('.*' + manifest.description)",
        "manifest.name.matches(manifest.name.matches('a') ? 'b' : manifest.license)",
        "matches(manifest.name, 'fraud')",
        "manifest.name.matches(('fraud'))",
        "manifest.name. matches // a remark\n (manifest.name)",
        "manifest.name.matches('a') || manifest.name.matches(model.inputs[0])",
        "manifest.name.matches('''a''' + manifest.name)",
    ],
)
def test_a_package_never_brings_the_expression_that_it_is_held_against(when: str) -> None:
    with pytest.raises(InputError) as caught:
        check_condition(when)
    assert caught.value.code == "cel.pattern"
    assert evaluate(when, {"manifest.name": "x", "manifest.description": "x"})[0] is Answer.UNKNOWN


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        ("manifest.name.matches('^fr')", Answer.YES),
        ('manifest.name . matches ( "^ch" )', Answer.NO),
        (r"manifest.name.matches(r'\w')", Answer.YES),
        (r"manifest.name.matches('it\'s')", Answer.NO),
        ("manifest.name == 'mismatches'", Answer.NO),
    ],
)
def test_an_expression_that_is_written_out_is_matched(when: str, wanted: Answer) -> None:
    assert evaluate(when, {"manifest.name": "fraud"}) == (wanted, "")


def test_one_condition_is_asked_by_many_threads() -> None:
    def ask(number: int) -> Answer:
        return evaluate("model.nodes > 5 && manifest.name != ''", {"model.nodes": number, "manifest.name": "x"})[0]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, [number % 11 for number in range(2000)]))
    assert answers == [Answer.YES if number % 11 > 5 else Answer.NO for number in range(2000)]


def test_time_is_the_one_that_is_handed_in(policy: Policy, evidence: Evidence) -> None:
    when = "now >= timestamp('2026-06-01T00:00:00Z')"
    assert outcome(policy, evidence, when, datetime(2026, 5, 31, tzinfo=UTC)) is Outcome.PASS
    assert outcome(policy, evidence, when, datetime(2026, 6, 1, tzinfo=UTC)) is Outcome.FAIL


def test_a_text_with_a_nul_is_not_taken_for_what_stands_before_it(policy: Policy, evidence: Evidence, now: datetime) -> None:
    """The library ends a text at a NUL: what a rule looks for could be hidden behind one."""
    assert library.NewEnv(variables={"a": library.Type.STRING}).compile("a").eval(data={"a": "x\x00y"}).value() == "x"
    assert evidence.manifest is not None
    hidden = replace(evidence, manifest=replace(evidence.manifest, description="fine\x00evil", license="MIT"))
    assert outcome(policy, hidden, "manifest.description.contains('evil')", now) is Outcome.UNKNOWN
    assert outcome(policy, hidden, "manifest.license == 'GPL'", now) is Outcome.PASS
    assert evaluate("!('x' in model.inputs)", {"model.inputs": ("y", "x\x00debug")})[0] is Answer.UNKNOWN
    assert evaluate("'x' in model.inputs", {"model.inputs": ("y",), "manifest.name": "a\x00b"})[0] is Answer.NO
    with pytest.raises(InputError, match="has a NUL") as caught:
        check_condition("false\x00 || true")
    assert caught.value.code == "cel.syntax"
