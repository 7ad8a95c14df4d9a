"""The decision: deny unless everything is known to be in order, the same way whatever the order."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

import pytest

from mlsign.digest import Algorithm
from mlsign.evidence.catalogue import model_run, policy_scope
from mlsign.evidence.catalogue.pages import ENTRIES as PAGES
from mlsign.evidence.catalogue.policy import ENTRIES
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence, SignatureRecord
from mlsign.interface import OperatorId, OperatorUse
from mlsign.onnx.summary import Unbounded, Unknown
from mlsign.policy.catalogue import RULES
from mlsign.policy.decide import decide
from mlsign.policy.model import Mode, Policy, RunSettings, Verdict

CONTENT = Finding(code="MLS101", outcome=Outcome.FAIL, message="content changed", where="model.onnx")


def test_a_good_package_is_allowed_and_the_report_can_show_what_was_checked(
    policy: Policy, evidence: Evidence, now: datetime
) -> None:
    decision = decide(policy, evidence, now=now)
    assert decision.verdict is Verdict.ALLOW
    assert decision.enforced_verdict is Verdict.ALLOW
    assert {finding.outcome for finding in decision.findings} == {Outcome.PASS}
    assert {finding.code for finding in decision.findings} >= {
        "MLS108", "MLS112", "MLS205", "MLS301", "MLS304", "MLS305", "MLS306", "MLS307", "MLS308", "MLS380", "MLS382", "MLS401", "MLS402", "MLS410",
    }  # fmt: skip
    assert [(result.name, len(result.signatures)) for result in decision.met] == [("release", 1)]


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.UNKNOWN])
def test_one_finding_that_is_not_a_pass_denies(outcome: Outcome, policy: Policy, evidence: Evidence, now: datetime) -> None:
    bad = replace(evidence, findings=(replace(CONTENT, outcome=outcome),))
    assert decide(policy, bad, now=now).verdict is Verdict.DENY
    good = replace(evidence, findings=(replace(CONTENT, outcome=Outcome.PASS),))
    assert decide(policy, good, now=now).verdict is Verdict.ALLOW


def test_passing_findings_of_others_allow_nothing_by_themselves(policy: Policy, evidence: Evidence, now: datetime) -> None:
    passed = (replace(CONTENT, outcome=Outcome.PASS),)
    empty = replace(evidence, signatures=(), summary=None, manifest=None, digest=None, findings=passed)
    assert decide(policy, empty, now=now).verdict is Verdict.DENY


def test_without_rules_or_groups_nothing_is_allowed(
    policy: Policy, evidence: Evidence, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert decide(replace(policy, signers=()), evidence, now=now).verdict is Verdict.DENY
    monkeypatch.setattr("mlsign.policy.catalogue.RULES", ())
    assert decide(policy, evidence, now=now).verdict is Verdict.DENY


def test_a_rule_that_were_lost_would_not_open_the_gate(
    policy: Policy, evidence: Evidence, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlsign.policy.catalogue.RULES", tuple(rule for rule in RULES if "MLS410" in rule.codes))
    assert decide(policy, evidence, now=now).verdict is Verdict.ALLOW
    assert decide(policy, replace(evidence, signatures=()), now=now).verdict is Verdict.DENY
    assert decide(replace(policy, signers=()), evidence, now=now).verdict is Verdict.DENY


def test_every_rule_can_deny_through_the_decision(policy: Policy, evidence: Evidence, now: datetime) -> None:
    assert evidence.summary is not None
    assert evidence.manifest is not None
    assert evidence.summary.bounds is not None
    bounds = evidence.summary.bounds

    def without(kind: Unbounded) -> Evidence:
        found = Unknown(kind=kind, where="graph.node[0]", operator="ai.onnx:Loop", detail="")
        return replace(evidence, summary=replace(evidence.summary, bounds=replace(bounds, unknown=(found,))))

    def capped(**changes: int) -> Policy:
        return replace(policy, model=replace(policy.model, run=replace(policy.model.run, **changes)))

    def using(name: str, domain: str) -> Evidence:
        return replace(evidence, summary=replace(evidence.summary, operators=(OperatorUse(OperatorId(domain, name), 1),)))

    loop = (OperatorUse(OperatorId("ai.onnx", "Loop"), 1),)
    changes: dict[str, tuple[Policy, Evidence]] = {
        "MLS201": (policy, replace(evidence, signatures=())),
        "MLS112": (replace(policy, digests=frozenset({Algorithm.BLAKE3})), evidence),
        "MLS108": (policy, replace(evidence, manifest=None)),
        "MLS410": (policy, replace(evidence, summary=None)),
        "MLS302": (policy, replace(evidence, summary=replace(evidence.summary, operators=loop))),
        "MLS308": (policy, replace(evidence, manifest=replace(evidence.manifest, allowed_operators=()))),
        "MLS304": (
            policy,
            replace(evidence, summary=replace(evidence.summary, opsets=(replace(evidence.summary.opsets[0], version=9),))),
        ),
        "MLS305": (replace(policy, model=replace(policy.model, max_nodes=1)), evidence),
        "MLS378": (policy, without(Unbounded.MISUSE)),
        "MLS380": (capped(max_bytes=499), evidence),
        "MLS381": (policy, without(Unbounded.SIZE)),
        "MLS382": (capped(max_steps=2), evidence),
        "MLS383": (replace(policy, model=replace(policy.model, run=RunSettings())), without(Unbounded.TURNS)),
        "MLS384": (policy, without(Unbounded.ENDLESS)),
        "MLS385": (policy, using("EPContext", "com.microsoft")),
        "MLS386": (policy, using("Anything", "ai.onnx.contrib")),
        "MLS402": (policy, replace(evidence, manifest=None)),
        "MLS401": (policy, replace(evidence, digest=None)),
    }
    for code, (some_policy, some_evidence) in changes.items():
        decision = decide(some_policy, some_evidence, now=now)
        assert decision.verdict is Verdict.DENY
        assert any(f.code == code and f.outcome is not Outcome.PASS for f in decision.findings), code


def test_audit_never_touches_the_verdict(policy: Policy, evidence: Evidence, now: datetime) -> None:
    bad = replace(evidence, findings=(CONTENT,))
    decision = decide(replace(policy, mode=Mode.AUDIT), bad, now=now)
    assert (decision.verdict, decision.enforced_verdict, decision.mode) == (Verdict.DENY, Verdict.ALLOW, Mode.AUDIT)
    assert decide(policy, bad, now=now).enforced_verdict is Verdict.DENY


def test_findings_are_sorted_and_each_is_there_once(policy: Policy, evidence: Evidence, now: datetime) -> None:
    first, last = replace(CONTENT, code="MLS001"), replace(CONTENT, code="MLS999")
    decision = decide(policy, replace(evidence, findings=(last, CONTENT, first, CONTENT)), now=now)
    assert (decision.findings[0], decision.findings[-1]) == (first, last)
    assert decision.findings.count(CONTENT) == 1
    assert [f.code for f in decision.findings] == sorted(f.code for f in decision.findings)


def test_a_bad_signature_beside_a_good_one_stops_nobody(
    policy: Policy, evidence: Evidence, now: datetime, record: Callable[..., SignatureRecord]
) -> None:
    other = replace(record("b"), algorithms=frozenset({Algorithm.BLAKE2B}))
    assert decide(policy, replace(evidence, signatures=(*evidence.signatures, other)), now=now).verdict is Verdict.ALLOW


def test_the_codes_of_the_rules_have_pages() -> None:
    known = {entry.code for entry in ENTRIES}
    mine = {code for rule in RULES for code in rule.codes if code[:4] in {"MLS3", "MLS4"}}
    # Signatures of operators are problems that the reader finds; what a run takes is judged here.
    judged = {entry.code for entry in model_run.ENTRIES if entry.code >= "MLS378"}
    # What is said of exceptions is said by the decision itself, after the rules.
    scope = {entry.code for entry in policy_scope.ENTRIES} - {"MLS421", "MLS422"}
    assert mine == known | judged | scope
    assert mine <= PAGES.keys()
    assert len(known) == len(ENTRIES)
    assert [entry.code for entry in ENTRIES] == sorted(known)
    for entry in ENTRIES:
        assert all((entry.title, entry.meaning, entry.abuse, entry.action))


def test_the_verdict_has_two_values() -> None:
    assert [verdict.value for verdict in Verdict] == ["allow", "deny"]


def test_settings_do_not_share_a_mutable_default(policy: Policy) -> None:
    assert isinstance(policy.model.opset, MappingProxyType)
    with pytest.raises(TypeError):
        policy.model.opset["x"] = None  # type: ignore[index]
