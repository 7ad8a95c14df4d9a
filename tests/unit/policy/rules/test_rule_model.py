"""Rules about the model: operators, opsets, sizes, external data, problems, and what the manifest says of it."""

from dataclasses import replace
from types import MappingProxyType

import pytest

from mlsign.evidence.findings import MAX_LISTED, Finding, Outcome
from mlsign.evidence.record import Evidence
from mlsign.interface import OperatorId, OperatorUse, OpsetImport
from mlsign.onnx.summary import ExternalTensor, ModelSummary, Problem
from mlsign.paths import PackagePath
from mlsign.policy.model import (
    CustomDomains,
    ExternalData,
    ManifestMode,
    ModelSettings,
    OperatorSettings,
    VersionRange,
)
from mlsign.policy.rules import declared, external_data, manifest, operators, opset, problems, size

GEMM, RELU = OperatorId("ai.onnx", "Gemm"), OperatorId("ai.onnx", "Relu")
LOOP, CUSTOM = OperatorId("ai.onnx", "Loop"), OperatorId("com.acme", "Op")
ALLOW = OperatorSettings(allow=frozenset({GEMM, RELU}))


def with_summary(evidence: Evidence, **changes: object) -> Evidence:
    assert isinstance(evidence.summary, ModelSummary)
    return replace(evidence, summary=replace(evidence.summary, **changes))


def with_operators(evidence: Evidence, *names: OperatorId) -> Evidence:
    return with_summary(evidence, operators=tuple(OperatorUse(name, 1) for name in names))


def unread(evidence: Evidence) -> Evidence:
    return replace(evidence, summary=None)


def outcomes(findings: tuple[Finding, ...]) -> list[tuple[str, Outcome]]:
    return [(finding.code, finding.outcome) for finding in findings]


def test_allowed_operators_pass(evidence: Evidence) -> None:
    (finding,) = operators.check(evidence, ALLOW)
    assert (finding.code, finding.outcome, finding.found) == ("MLS301", Outcome.PASS, "2")


def test_operators_that_nobody_allowed_are_named(evidence: Evidence) -> None:
    (finding,) = operators.check(with_operators(evidence, GEMM, LOOP), ALLOW)
    assert (finding.code, finding.outcome, finding.where) == ("MLS301", Outcome.FAIL, "ai.onnx:Loop")
    assert finding.message == "operator ai.onnx:Loop in 1 node is not allowed by the policy"
    many = with_summary(evidence, operators=(OperatorUse(LOOP, 3),))
    assert "in 3 nodes" in operators.check(many, ALLOW)[0].message


def test_deny_wins_over_allow(evidence: Evidence) -> None:
    by_name = replace(ALLOW, deny=frozenset({GEMM}))
    assert outcomes(operators.check(evidence, by_name)) == [("MLS302", Outcome.FAIL)]
    by_domain = replace(ALLOW, denied_domains=frozenset({"ai.onnx"}))
    assert outcomes(operators.check(evidence, by_domain)) == [("MLS302", Outcome.FAIL)] * 2


def test_custom_domains_need_to_be_named(evidence: Evidence) -> None:
    custom = with_operators(evidence, GEMM, CUSTOM)
    assert outcomes(operators.check(custom, ALLOW)) == [("MLS303", Outcome.FAIL)]
    named = replace(ALLOW, allow=ALLOW.allow | {CUSTOM})
    assert outcomes(operators.check(custom, named)) == [("MLS301", Outcome.PASS)]
    whole = replace(ALLOW, allowed_domains=frozenset({"com.acme"}), custom_domains=CustomDomains.ALLOW)
    assert outcomes(operators.check(custom, whole)) == [("MLS301", Outcome.PASS)]
    assert outcomes(operators.check(with_operators(evidence, OperatorId("com.acme.x", "Op")), whole)) == [
        ("MLS303", Outcome.FAIL)
    ]
    # a settings value that was put together by hand opens nothing that the switch does not
    assert outcomes(operators.check(custom, replace(whole, custom_domains=CustomDomains.DENY))) == [("MLS303", Outcome.FAIL)]
    standard = replace(ALLOW, allowed_domains=frozenset({"ai.onnx"}), custom_domains=CustomDomains.ALLOW)
    assert outcomes(operators.check(with_operators(evidence, LOOP), standard)) == [("MLS301", Outcome.FAIL)]


def test_names_in_a_model_cannot_forge_a_report(evidence: Evidence) -> None:
    (finding,) = operators.check(with_operators(evidence, OperatorId("x\x1b[2J", "Op\u202e")), ALLOW)
    assert "\x1b" not in finding.message + finding.where + finding.found
    assert "\u202e" not in finding.message + finding.where + finding.found


def test_a_hostile_number_of_operators_does_not_make_a_hostile_report(evidence: Evidence) -> None:
    names = [OperatorId("com.evil", f"Op{i:05}") for i in range(5000)]
    found = operators.check(with_operators(evidence, *names), ALLOW)
    assert len(found) == MAX_LISTED + 1
    assert (found[-1].message, found[-1].outcome) == ("and 4900 more of this kind", Outcome.FAIL)
    assert len(operators.check(with_operators(evidence, *names[:MAX_LISTED]), ALLOW)) == MAX_LISTED


def test_the_first_findings_do_not_depend_on_the_order(evidence: Evidence) -> None:
    names = [OperatorId("com.evil", f"Op{i:05}") for i in range(200)]
    assert operators.check(with_operators(evidence, *names), ALLOW) == operators.check(
        with_operators(evidence, *names[::-1]), ALLOW
    )


RANGES = MappingProxyType({"ai.onnx": VersionRange(text=">=13,<=17", minimum=13, maximum=17)})


@pytest.mark.parametrize(("version", "outcome"), [(12, Outcome.FAIL), (13, Outcome.PASS), (17, Outcome.PASS), (18, Outcome.FAIL)])
def test_opsets_are_held_against_their_range(version: int, outcome: Outcome, evidence: Evidence) -> None:
    imports = (OpsetImport("ai.onnx", version), OpsetImport("ai.onnx.ml", 1))
    (finding,) = opset.check(with_summary(evidence, opsets=imports), RANGES)
    assert (finding.code, finding.outcome) == ("MLS304", outcome)


def test_every_import_of_a_domain_is_held_against_its_range(evidence: Evidence) -> None:
    imports = (OpsetImport("ai.onnx", 17), OpsetImport("ai.onnx", 99))
    (finding,) = opset.check(with_summary(evidence, opsets=imports), RANGES)
    assert (finding.outcome, finding.found, finding.expected) == (Outcome.FAIL, "99", ">=13,<=17")


def test_no_range_no_finding(evidence: Evidence) -> None:
    assert opset.check(evidence, MappingProxyType({})) == ()


@pytest.mark.parametrize(("cap", "outcome"), [(2, Outcome.FAIL), (3, Outcome.PASS)])
def test_nodes_are_capped(cap: int, outcome: Outcome, evidence: Evidence) -> None:
    (finding,) = size.check(evidence, ModelSettings(max_nodes=cap))
    assert (finding.code, finding.outcome, finding.found, finding.expected) == ("MLS305", outcome, "3", f"at most {cap}")


@pytest.mark.parametrize(("cap", "outcome"), [(0, Outcome.FAIL), (15, Outcome.FAIL), (16, Outcome.PASS)])
def test_parameters_are_capped(cap: int, outcome: Outcome, evidence: Evidence) -> None:
    (finding,) = size.check(evidence, ModelSettings(max_parameter_bytes=cap))
    assert (finding.code, finding.outcome, finding.found) == ("MLS306", outcome, "16")


def test_no_cap_no_finding(evidence: Evidence) -> None:
    assert size.check(evidence, ModelSettings()) == ()


def external(evidence: Evidence, *locations: str) -> Evidence:
    tensors = tuple(ExternalTensor(name="w", where="graph", location=x, offset=0, length=16, size=16) for x in locations)
    return with_summary(evidence, external=tensors)


def test_packaged_weights_pass(evidence: Evidence) -> None:
    (finding,) = external_data.check(external(evidence, "w/model.data", "w/model.data"), ExternalData.PACKAGED)
    assert (finding.code, finding.outcome, finding.found) == ("MLS307", Outcome.PASS, "1 file")
    (finding,) = external_data.check(evidence, ExternalData.DENY)
    assert (finding.outcome, finding.found) == (Outcome.PASS, "0 files")


@pytest.mark.parametrize(
    "location",
    [
        "../w/model.data",
        "/etc/passwd",
        "w/../w/model.data",
        "other.data",
        "model.onnx",
        "W/model.data",
        "",
        "w\\model.data",
        "w/model.data\0",
    ],
)
def test_any_other_location_is_refused(location: str, evidence: Evidence) -> None:
    found = external_data.check(external(evidence, "w/model.data", location), ExternalData.PACKAGED)
    assert outcomes(found) == [("MLS307", Outcome.FAIL)]


def test_locations_are_relative_to_the_model(evidence: Evidence) -> None:
    assert evidence.manifest is not None
    facts = replace(evidence.manifest.model, path=PackagePath("w/model.onnx"))
    moved = replace(evidence, manifest=replace(evidence.manifest, model=facts))
    assert outcomes(external_data.check(external(moved, "model.data"), ExternalData.PACKAGED)) == [("MLS307", Outcome.PASS)]
    assert outcomes(external_data.check(external(moved, "w/model.data"), ExternalData.PACKAGED)) == [("MLS307", Outcome.FAIL)]


def test_without_a_manifest_names_are_still_checked(evidence: Evidence) -> None:
    bare = replace(evidence, manifest=None)
    assert outcomes(external_data.check(external(bare, "any.data"), ExternalData.PACKAGED)) == [("MLS307", Outcome.PASS)]
    assert outcomes(external_data.check(external(bare, "../any.data"), ExternalData.PACKAGED)) == [("MLS307", Outcome.FAIL)]


def test_external_data_can_be_denied(evidence: Evidence) -> None:
    found = external_data.check(external(evidence, "w/model.data"), ExternalData.DENY)
    assert outcomes(found) == [("MLS307", Outcome.FAIL)]
    assert "denies external data" in found[0].message


def test_every_problem_fails_under_its_own_code(evidence: Evidence) -> None:
    (finding,) = problems.check(evidence)
    assert (finding.code, finding.outcome) == ("MLS410", Outcome.PASS)
    bad = (Problem(code="MLS340", message="cycle", where="graph", expected="a", found="b"), Problem(code="MLS333", message="x"))
    found = problems.check(with_summary(evidence, problems=bad))
    assert outcomes(found) == [("MLS333", Outcome.FAIL), ("MLS340", Outcome.FAIL)]
    assert (found[1].message, found[1].where, found[1].expected, found[1].found) == ("cycle", "graph", "a", "b")


def test_a_model_keeps_to_what_its_manifest_allows(evidence: Evidence) -> None:
    (finding,) = declared.check(evidence)
    assert (finding.code, finding.outcome) == ("MLS308", Outcome.PASS)
    found = declared.check(with_operators(evidence, GEMM, LOOP))
    assert outcomes(found) == [("MLS308", Outcome.FAIL)]
    assert "ai.onnx:Loop" in found[0].message
    assert declared.check(replace(evidence, manifest=None)) == ()


def test_a_manifest_can_be_required(evidence: Evidence) -> None:
    (finding,) = manifest.check(evidence, ManifestMode.REQUIRED)
    assert (finding.code, finding.outcome, finding.found) == ("MLS108", Outcome.PASS, "fraud 1.2.0")
    bare = replace(evidence, manifest=None)
    assert outcomes(manifest.check(bare, ManifestMode.REQUIRED)) == [("MLS108", Outcome.FAIL)]
    assert manifest.check(bare, ManifestMode.OPTIONAL) == ()


def test_what_was_not_read_is_unknown_to_every_rule(evidence: Evidence) -> None:
    nothing = unread(evidence)
    found = (
        *operators.check(nothing, ALLOW),
        *opset.check(nothing, RANGES),
        *size.check(nothing, ModelSettings(max_nodes=1, max_parameter_bytes=1)),
        *external_data.check(nothing, ExternalData.PACKAGED),
        *declared.check(nothing),
        *problems.check(nothing),
    )
    codes = ["MLS301", "MLS304", "MLS305", "MLS306", "MLS307", "MLS308", "MLS410"]
    assert outcomes(found) == [(code, Outcome.UNKNOWN) for code in codes]
