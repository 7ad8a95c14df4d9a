"""Models judged alone: what a policy says of models, whoever signed, and never more lenient than the whole decision."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import pytest

from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence
from mlsign.interface import OperatorId
from mlsign.policy.catalogue import RULES, Subject
from mlsign.policy.decide import decide, judge_model
from mlsign.policy.decoding.policy import decode_policy
from mlsign.policy.model import Policy, Verdict

UNREAD = Finding(code="MLS309", outcome=Outcome.FAIL, message="not a model")


@pytest.fixture
def bare(evidence: Evidence) -> Evidence:
    """A model by itself: no signature, no manifest, nothing that names it."""
    return replace(evidence, signatures=(), manifest=None, digest=None, digests=frozenset(), findings=())


def test_a_model_in_order_is_allowed_without_anybody_who_signed(policy: Policy, bare: Evidence, now: datetime) -> None:
    judged = judge_model(policy, bare, now=now)
    assert judged.verdict is Verdict.ALLOW
    model_codes = {code for rule in RULES if rule.subject is Subject.MODEL for code in rule.codes}
    assert {finding.code for finding in judged.findings} <= model_codes
    assert {finding.outcome for finding in judged.findings} == {Outcome.PASS}
    assert decide(policy, bare, now=now).verdict is Verdict.DENY


def test_one_finding_that_is_not_a_pass_denies(policy: Policy, bare: Evidence, now: datetime) -> None:
    for outcome in (Outcome.FAIL, Outcome.UNKNOWN):
        found = Finding(code="MLS311", outcome=outcome, message="weights")
        judged = judge_model(policy, replace(bare, findings=(found,)), now=now)
        assert judged.verdict is Verdict.DENY
        assert found in judged.findings
        assert len(judged.findings) > 1
    assert judge_model(replace(policy, model=replace(policy.model, max_nodes=0)), bare, now=now).verdict is Verdict.DENY


def test_a_model_that_was_not_read_has_the_finding_that_says_why_and_no_other(
    policy: Policy, bare: Evidence, now: datetime
) -> None:
    judged = judge_model(policy, replace(bare, summary=None, findings=(UNREAD,)), now=now)
    assert (judged.verdict, judged.findings) == (Verdict.DENY, (UNREAD,))
    # Where nothing says why, the rules say that they know nothing.
    silent = judge_model(policy, replace(bare, summary=None), now=now)
    assert silent.verdict is Verdict.DENY
    assert {finding.outcome for finding in silent.findings} == {Outcome.UNKNOWN}
    passed = replace(UNREAD, outcome=Outcome.PASS)
    assert judge_model(policy, replace(bare, summary=None, findings=(passed,)), now=now).verdict is Verdict.DENY


def test_without_rules_nothing_is_allowed(policy: Policy, bare: Evidence, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlsign.policy.catalogue.RULES", ())
    assert judge_model(policy, bare, now=now).verdict is Verdict.DENY


def test_the_manifest_of_a_package_counts_where_there_is_one(policy: Policy, evidence: Evidence, now: datetime) -> None:
    assert evidence.manifest is not None
    narrow = replace(evidence, manifest=replace(evidence.manifest, allowed_operators=()))
    judged = judge_model(policy, narrow, now=now)
    assert "MLS308" in {finding.code for finding in judged.findings if finding.outcome is Outcome.FAIL}


def test_a_policy_without_its_keys_judges_models_as_with_them_and_allows_no_package(
    text: str, sets: Mapping[str, frozenset[OperatorId]], policy: Policy, evidence: Evidence, bare: Evidence, now: datetime
) -> None:
    keyless = decode_policy(text.encode(), name="policy.yaml", operator_sets=sets, hazards=policy.operators.hazards).unbound
    assert keyless == replace(policy, signers=())
    assert judge_model(keyless, bare, now=now) == judge_model(policy, bare, now=now)
    assert decide(policy, evidence, now=now).verdict is Verdict.ALLOW
    assert decide(keyless, evidence, now=now).verdict is Verdict.DENY
