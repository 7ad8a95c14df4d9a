"""What a policy asks of golden test data: that there is some, how near answers must come, and that the model is run on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSettings:
    """All of it. A release that allows itself more than ``max_rtol`` and ``max_atol`` has golden data that proves nothing.

    ``replay_seconds`` is what all sets of one package may take together.
    """

    required: bool = False
    replay: bool = False
    max_rtol: float = 0.01
    max_atol: float = 0.01
    replay_seconds: float = 60.0
