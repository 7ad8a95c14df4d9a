"""Deciding where older releases than one seen before are refused: reading the mark, the decision and raising it are one step."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from mlsign.errors import MlsignError
from mlsign.evidence.findings import Outcome, finding_of
from mlsign.evidence.record import Evidence, Seen
from mlsign.policy.decide import decide
from mlsign.policy.model import Decision, Policy, Rollback, Verdict
from mlsign.policy.rules.rollback import CODE


def decide_and_remember(policy: Policy, evidence: Evidence, *, now: datetime, state: Path | None) -> tuple[Evidence, Decision]:
    """The decision, and the evidence with what was seen before; a release that is allowed is the newest from then on.

    A mark that cannot be read, or not be raised, is unknown, and denies.
    """
    if policy.rollback is not Rollback.DENY or evidence.manifest is None:
        return evidence, decide(policy, evidence, now=now)
    from mlsign.roots.seen import open_marks

    name, version = evidence.manifest.name, evidence.manifest.version
    try:
        with open_marks(state) as marks:
            informed = replace(evidence, seen=marks.read(policy.name, name))
            decision = decide(policy, informed, now=now)
            if decision.verdict is Verdict.ALLOW:
                marks.write(policy.name, name, Seen(version=version, digest=evidence.digest))
            return informed, decision
    except MlsignError as err:
        problem = finding_of(err, code=CODE, outcome=Outcome.UNKNOWN)
        blind = replace(evidence, seen=Seen(version=None, digest=None, problem=problem))
        return blind, decide(policy, blind, now=now)


def allowed_but_for_replay(policy: Policy, evidence: Evidence, *, now: datetime, state: Path | None) -> bool:
    """Whether everything but the answers to golden test data allows the package, what was allowed before included. Marks nothing."""
    without = replace(policy, golden=replace(policy.golden, replay=False))
    if policy.rollback is Rollback.DENY and evidence.manifest is not None:
        from mlsign.roots.seen import open_marks

        try:
            with open_marks(state) as marks:
                evidence = replace(evidence, seen=marks.read(policy.name, evidence.manifest.name))
        except MlsignError:
            return False  # the decision finds the same, and says it
    return decide(without, evidence, now=now).verdict is Verdict.ALLOW
