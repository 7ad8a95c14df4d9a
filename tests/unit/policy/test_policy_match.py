"""Which packages a policy is for: its own, no other policy's, and none whose name is not known."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from mlsign.errors import InputError
from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import Evidence
from mlsign.policy.decide import decide
from mlsign.policy.decoding.policy import decode_policy
from mlsign.policy.match import EVERY_PACKAGE, Fit, Match, Rival
from mlsign.policy.model import Decision, Mode, Policy, Verdict


@pytest.fixture
def decoded(text: str, sets: Any, hazards: Any) -> Callable[[str], Match]:
    def read(match: str) -> Match:
        return decode_policy(f"{text}match: {match}\n".encode(), name="p", operator_sets=sets, hazards=hazards).unbound.match

    return read


@pytest.mark.parametrize(
    ("names", "name", "fit"),
    [
        ("[fraud]", "fraud", Fit.YES),
        ("[fraud]", "fraud-2", Fit.NO),
        ("[fraud]", "Fraud", Fit.NO),
        ("[fraud]", "", Fit.NO),
        ("[fraud, churn]", "churn", Fit.YES),
        ("['fraud-*']", "fraud-eu", Fit.YES),
        ("['fraud-*']", "a/fraud-eu", Fit.NO),
        ("['fraud-*']", "fraud-eu/x", Fit.NO),
        ("['fraud-**']", "fraud-eu/x", Fit.YES),
        ("['fraud.*']", "fraudulent", Fit.NO),
        ("['fraud-*']", "fraud-\n", Fit.NO),
        ("['*']", None, Fit.UNKNOWN),
        ("['**']", None, Fit.UNKNOWN),
    ],
)
def test_names_are_compared_whole(decoded: Callable[[str], Match], names: str, name: str | None, fit: Fit) -> None:
    assert decoded(f"{{names: {names}}}").fits(name) is fit


def test_without_names_it_is_for_all() -> None:
    assert (EVERY_PACKAGE.fits("x"), EVERY_PACKAGE.fits(None)) == (Fit.YES, Fit.YES)


@pytest.mark.parametrize(
    ("match", "code"),
    [
        ("{}", "policy.missing"),
        ("{names: []}", "policy.length"),
        ("{names: fraud}", "policy.type"),
        ("{names: [1]}", "policy.type"),
        ("{names: ['']}", "policy.length"),
        ("{names: [x], license: MIT}", "policy.unknown"),
        ("[fraud]", "policy.type"),
        (f"{{names: [{'x' * 257}]}}", "policy.length"),
    ],
)
def test_what_matches_nothing_or_is_not_known_is_refused(decoded: Callable[[str], Match], match: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        decoded(match)
    assert caught.value.code == code


def outcomes(decision: Decision) -> list[Outcome]:
    return [f.outcome for f in decision.findings if f.code == "MLS423"]


def only(policy: Policy, decoded: Callable[[str], Match], *names: str) -> Policy:
    return replace(policy, match=decoded(f"{{names: [{', '.join(names)}]}}"))


def test_a_policy_denies_what_it_is_not_for(policy: Policy, evidence: Evidence, decoded: Any, now: datetime) -> None:
    assert outcomes(decide(policy, evidence, now=now)) == []
    mine = decide(only(policy, decoded, "fraud"), evidence, now=now)
    assert (mine.verdict, outcomes(mine)) == (Verdict.ALLOW, [Outcome.PASS])
    other = decide(only(policy, decoded, "churn", "'x-*'"), evidence, now=now)
    assert (other.verdict, outcomes(other)) == (Verdict.DENY, [Outcome.FAIL])


def test_a_package_without_a_name_is_unknown(policy: Policy, evidence: Evidence, decoded: Any, now: datetime) -> None:
    nameless = replace(evidence, manifest=None)
    assert outcomes(decide(only(policy, decoded, "'**'"), nameless, now=now)) == [Outcome.UNKNOWN]
    rivals = (Rival(policy="other", match=decoded("{names: [churn]}")),)
    decision = decide(replace(policy, rivals=rivals), nameless, now=now)
    assert sorted(outcome.value for outcome in outcomes(decision)) == ["pass", "unknown"]
    assert decision.verdict is Verdict.DENY


@pytest.mark.parametrize(("names", "verdict"), [("churn", Verdict.ALLOW), ("'f*'", Verdict.DENY)])
def test_no_other_policy_may_be_for_it(
    names: str, verdict: Verdict, policy: Policy, evidence: Evidence, decoded: Any, now: datetime
) -> None:
    rival = Rival(policy="other \x1b[2J", match=decoded(f"{{names: [{names}]}}"))
    decision = decide(replace(only(policy, decoded, "fraud"), rivals=(rival,)), evidence, now=now)
    assert decision.verdict is verdict
    assert all("\x1b" not in f.message for f in decision.findings)
    every = decide(replace(policy, rivals=(Rival(policy="all", match=EVERY_PACKAGE),)), evidence, now=now)
    assert every.verdict is Verdict.DENY


def test_audit_is_no_way_in_for_packages_of_other_policies(
    policy: Policy, evidence: Evidence, decoded: Any, now: datetime
) -> None:
    watching = replace(policy, mode=Mode.AUDIT)
    unsigned = replace(evidence, signatures=())
    assert decide(only(watching, decoded, "fraud"), unsigned, now=now).enforced_verdict is Verdict.ALLOW
    for mine in (
        only(watching, decoded, "churn"),
        replace(watching, rivals=(Rival(policy="strict", match=EVERY_PACKAGE),)),
    ):
        decision = decide(mine, unsigned, now=now)
        assert (decision.mode, decision.enforced_verdict) == (Mode.ENFORCE, Verdict.DENY)
