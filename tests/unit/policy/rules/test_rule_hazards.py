"""Operators that do more than compute: let in by their own name, never with their domain."""

from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

import pytest

from mlsign.evidence.findings import MAX_LISTED, Finding, Outcome
from mlsign.evidence.record import Evidence
from mlsign.interface import OperatorId, OperatorUse
from mlsign.policy.decide import decide
from mlsign.policy.decoding.policy import decode_policy
from mlsign.policy.model import CustomDomains, Hazard, OperatorSettings, Policy, Verdict
from mlsign.policy.rules import hazards, operators

GEMM = OperatorId("ai.onnx", "Gemm")
CONTEXT = OperatorId("com.microsoft", "EPContext")
GELU = OperatorId("com.microsoft", "Gelu")
CODES = {
    Hazard.READS_FILES: "MLS385",
    Hazard.RUNS_CODE: "MLS386",
    Hazard.HOLDS_COMPILED_PROGRAM: "MLS386",
    Hazard.REACHES_NETWORK: "MLS387",
    Hazard.USES_ADDRESS: "MLS388",
}


def using(evidence: Evidence, *names: OperatorId) -> Evidence:
    assert evidence.summary is not None
    return replace(evidence, summary=replace(evidence.summary, operators=tuple(OperatorUse(name, 1) for name in names)))


def settings(
    table: dict[OperatorId, frozenset[Hazard]], *allow: OperatorId, deny: tuple[OperatorId, ...] = ()
) -> OperatorSettings:
    """Whole domains allowed, which must not matter."""
    return OperatorSettings(
        allow=frozenset(allow) | {GEMM},
        allowed_domains=frozenset({"com.microsoft", "ai.onnx.contrib"}),
        deny=frozenset(deny),
        custom_domains=CustomDomains.ALLOW,
        hazards=MappingProxyType(table),
    )


def outcomes(findings: tuple[Finding, ...]) -> list[tuple[str, Outcome]]:
    return [(finding.code, finding.outcome) for finding in findings]


@pytest.mark.parametrize("hazard", Hazard)
def test_every_hazard_has_a_code_and_fails_although_the_domain_is_allowed(hazard: Hazard, evidence: Evidence) -> None:
    given = settings({CONTEXT: frozenset({hazard})})
    model = using(evidence, CONTEXT, GELU, GEMM)
    assert outcomes(operators.check(model, given)) == [("MLS301", Outcome.PASS)]
    (finding,) = hazards.check(model, given)
    assert (finding.code, finding.outcome) == (CODES[hazard], Outcome.FAIL)
    assert (finding.where, finding.found) == ("com.microsoft:EPContext", "com.microsoft:EPContext")
    assert "operators.allow" in finding.hint


@pytest.mark.parametrize("hazard", Hazard)
def test_an_operator_that_is_named_passes_and_the_report_says_so(hazard: Hazard, evidence: Evidence) -> None:
    (finding,) = hazards.check(using(evidence, CONTEXT), settings({CONTEXT: frozenset({hazard})}, CONTEXT))
    assert (finding.code, finding.outcome, finding.hint) == (CODES[hazard], Outcome.PASS, "")
    assert finding.message.endswith("and the policy names it")


def test_a_denied_operator_fails_even_if_it_is_named(evidence: Evidence) -> None:
    table = {CONTEXT: frozenset({Hazard.RUNS_CODE})}
    by_name = settings(table, CONTEXT, deny=(CONTEXT,))
    by_domain = replace(settings(table, CONTEXT), denied_domains=frozenset({"com.microsoft"}))
    for given in (by_name, by_domain):
        assert outcomes(hazards.check(using(evidence, CONTEXT), given)) == [("MLS386", Outcome.FAIL)]


def test_a_whole_domain_can_be_hazardous_and_naming_one_operator_names_no_other(evidence: Evidence) -> None:
    py, other = OperatorId("ai.onnx.contrib", "PyOp"), OperatorId("ai.onnx.contrib", "NotInTheCatalogue")
    table = {
        OperatorId("ai.onnx.contrib", "*"): frozenset({Hazard.RUNS_CODE}),
        py: frozenset({Hazard.READS_FILES}),
    }
    found = hazards.check(using(evidence, py, other), settings(table, py))
    assert [(f.code, f.outcome, f.where) for f in found] == [
        ("MLS385", Outcome.PASS, "ai.onnx.contrib:PyOp"),
        ("MLS386", Outcome.FAIL, "ai.onnx.contrib:NotInTheCatalogue"),
        ("MLS386", Outcome.PASS, "ai.onnx.contrib:PyOp"),
    ]
    assert hazards.check(using(evidence, OperatorId("ai.onnx.contrib.x", "PyOp")), settings(table)) == ()


def test_two_hazards_of_one_code_are_one_finding(evidence: Evidence) -> None:
    both = frozenset({Hazard.RUNS_CODE, Hazard.HOLDS_COMPILED_PROGRAM})
    assert outcomes(hazards.check(using(evidence, CONTEXT), settings({CONTEXT: both}))) == [("MLS386", Outcome.FAIL)]


def test_where_there_is_no_hazard_or_no_model_there_is_nothing_to_say(evidence: Evidence) -> None:
    given = settings({CONTEXT: frozenset({Hazard.RUNS_CODE})})
    assert hazards.check(using(evidence, GELU, GEMM), given) == ()
    assert hazards.check(replace(evidence, summary=None), given) == ()


def test_a_hostile_number_of_them_does_not_make_a_hostile_report(evidence: Evidence) -> None:
    names = [OperatorId("ai.onnx.contrib", f"Op{index:05}") for index in range(3000)]
    found = hazards.check(using(evidence, *names), settings({OperatorId("ai.onnx.contrib", "*"): frozenset({Hazard.RUNS_CODE})}))
    assert len(found) == MAX_LISTED + 1
    assert found[-1].outcome is Outcome.FAIL


def test_the_decision_refuses_what_an_allowed_domain_would_bring_along(
    text: str,
    sets: MappingProxyType[str, frozenset[OperatorId]],
    policy: Policy,
    evidence: Evidence,
    now: datetime,
    hazards: MappingProxyType[OperatorId, frozenset[Hazard]],
) -> None:
    model = using(evidence, GEMM, CONTEXT)
    assert model.manifest is not None
    model = replace(model, manifest=replace(model.manifest, allowed_operators=(GEMM, CONTEXT)))

    def verdict(allow: str) -> Verdict:
        written = text.replace('"ai.onnx:Add"]', f'"ai.onnx:Add", {allow}]').replace(
            "custom_domains: deny", "custom_domains: allow"
        )
        document = decode_policy(written.encode(), name="policy.yaml", operator_sets=sets, hazards=hazards)
        decoded = replace(document.unbound, signers=policy.signers)
        return decide(decoded, model, now=now).verdict

    assert verdict('"com.microsoft:*"') is Verdict.DENY
    assert verdict('"com.microsoft:*", "com.microsoft:Gelu"') is Verdict.DENY
    assert verdict('"com.microsoft:*", "com.microsoft:EPContext"') is Verdict.ALLOW
