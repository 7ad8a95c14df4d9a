"""A remedy: one step by which a refusal would be overcome, in words, and as a change that can be decided over again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence
from mlsign.policy.model import Policy


class Party(Enum):
    """Who can do something about it, those first who loosen nothing."""

    OPERATOR = "operator"
    RELEASER = "releaser"
    OWNER = "owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is decided over, and changed by remedies."""

    policy: Policy
    evidence: Evidence
    now: datetime


Change = Callable[[State], State]


def unchanged(state: State) -> State:
    """Nothing that can be computed: what comes of the remedy is only known when it was done."""
    return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One step. ``codes`` are the findings it is about."""

    who: Party
    codes: tuple[str, ...]
    words: str
    change: Change = field(default=unchanged, compare=False)


Findings = tuple[Finding, ...]
Answer = Callable[[State, Findings], list[Remedy]]


def codes_of(findings: Findings) -> tuple[str, ...]:
    return tuple(sorted({finding.code for finding in findings}))


def is_wrong(finding: Finding) -> bool:
    """Whether a finding stands in the way."""
    return finding.outcome is not Outcome.PASS
