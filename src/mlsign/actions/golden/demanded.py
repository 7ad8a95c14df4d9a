"""Replay as a policy asks for it: the model that was verified, run on its golden test data. Gathers; a rule of the policy judges."""

from __future__ import annotations

import time

from mlsign.actions.golden.runs import Clock, RunLimits, run_golden
from mlsign.actions.scoring.jailing import jail_spec
from mlsign.actions.verification.examine import Examination
from mlsign.evidence.record import ReplayedSet
from mlsign.limits import Limits
from mlsign.policy.model import Policy


def replay(examination: Examination, policy: Policy, *, limits: Limits, clock: Clock = time.monotonic) -> tuple[ReplayedSet, ...]:
    """What the model answers to every set of its manifest. Raises nothing that is about the package or the sandbox."""
    within = RunLimits(limits=limits, seconds=policy.golden.replay_seconds, clock=clock)
    return run_golden(examination, (jail_spec(policy.sandbox),), within).runs[0].sets
