"""What was to be reached: a limit, held against what was measured."""

from __future__ import annotations

from dataclasses import dataclass

MET, MISSED = "met", "**not met**"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A limit that a measured value may not exceed, or where ``least`` is set may not fall below."""

    limit: float
    words: str
    """How a person says it: at most 1.5 times, under 120 MB."""
    least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.limit if self.least else value <= self.limit

    def judged(self, value: float) -> str:
        """The goal, and whether it is met."""
        return f"{self.words}: {MET if self.met(value) else MISSED}"


def at_most(limit: float, what: str = "times") -> Goal:
    return Goal(limit=limit, words=f"at most {limit:g} {what}".rstrip())


def at_least(limit: float, what: str = "times") -> Goal:
    return Goal(limit=limit, words=f"at least {limit:g} {what}".rstrip(), least=True)
