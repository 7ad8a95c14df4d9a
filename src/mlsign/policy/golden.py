"""What a policy asks of golden test data: that there is some, how near answers must come, and who runs the model on it, and where."""

from __future__ import annotations

from dataclasses import dataclass

from mlsign.policy.requirements import Requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSettings:
    """All of it. A release that allows itself more than ``max_rtol`` and ``max_atol`` has golden data that proves nothing.

    ``replay`` is a run by whoever verifies; ``replay_seconds`` is what starting the model and all sets of one package may take together then. ``platforms``
    are those on which somebody else must have run it, under each of ``runtimes``, and signed that it passed: one of ``run_by``, who
    are never empty where there are platforms in a policy that is bound, and never filled from the groups that sign packages.
    """

    required: bool = False
    replay: bool = False
    max_rtol: float = 0.01
    max_atol: float = 0.01
    replay_seconds: float = 60.0
    platforms: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    run_by: tuple[Requirement, ...] = ()
