"""Folders without a model: allowed only when asked for, and only when there certainly is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import ModelPresence
from mlsign.policy.catalogue import RULES, Subject, rules_for
from mlsign.policy.model import Presence


def _subjects(policy, evidence) -> set[Subject]:
    return {rule.subject for rule in rules_for(policy, evidence)}


@pytest.fixture
def lenient(policy):
    return replace(policy, model=replace(policy.model, presence=Presence.OPTIONAL))


@pytest.fixture
def bare(evidence):
    return replace(evidence, manifest=None, summary=None, model=ModelPresence.ABSENT)


def test_no_model_and_a_policy_that_does_without(lenient, bare) -> None:
    rules = rules_for(lenient, bare)
    assert {rule.subject for rule in rules} == {Subject.PACKAGE, Subject.SIGNERS, Subject.ABSENCE, Subject.POLICY}
    (finding,) = [f for r in rules if r.subject is Subject.ABSENCE for f in r.run(lenient, bare, None)]
    assert (finding.code, finding.outcome) == ("MLS411", Outcome.PASS)


def test_model_rules_stay_in_every_other_case(policy, lenient, bare, evidence) -> None:
    for judged, facts in (
        (policy, bare),
        (lenient, evidence),
        (lenient, replace(bare, model=ModelPresence.PRESENT)),
        (lenient, replace(bare, summary=evidence.summary)),
        (lenient, replace(bare, manifest=evidence.manifest)),
    ):
        assert _subjects(judged, facts) == {Subject.PACKAGE, Subject.SIGNERS, Subject.MODEL, Subject.POLICY}


def test_every_rule_is_about_something() -> None:
    assert {rule.subject for rule in RULES} == set(Subject)
