"""What a run may take: memory, operators and arithmetic, as far as the model says before it runs, and what to do where it does not."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence
from mlsign.onnx.summary import RunBounds, Unknown
from mlsign.onnx.summary import Unbounded as Kind
from mlsign.policy.model import RunSettings, Unbounded
from mlsign.words import size

MEMORY: Final = "MLS380"
SIZE: Final = "MLS381"
WORK: Final = "MLS382"
TURNS: Final = "MLS383"
ENDLESS: Final = "MLS384"
MISUSE: Final = "MLS378"

_WORDS: Final = {
    Kind.SIZE: (SIZE, "the size of what {operator} makes is decided while the model runs"),
    Kind.COMPLEXITY: (SIZE, "what a run takes could not be computed: the model is too entangled"),
    Kind.TURNS: (TURNS, "how often {operator} turns is decided while the model runs"),
    Kind.MISUSE: (MISUSE, "{operator} cannot run as it stands: {detail}"),
    Kind.ENDLESS: (ENDLESS, "{operator} never ends: it has no number of turns, and its condition stays true"),
}


def check(evidence: Evidence, settings: RunSettings) -> tuple[Finding, ...]:
    """Findings about memory, work and everything that has no bound. A model with problems has no bounds, and is denied for them."""
    summary = evidence.summary
    if summary is None:
        return (Finding(code=MEMORY, outcome=Outcome.UNKNOWN, message="what a run takes is not known: the model was not read"),)
    if summary.bounds is None:
        if summary.problems:
            return ()
        return (Finding(code=MEMORY, outcome=Outcome.UNKNOWN, message="what a run takes was not computed"),)
    if summary.bounds.open_dimension < settings.open_dimension:
        return (_computed_for_less(summary.bounds, settings),)
    return (*_caps(summary.bounds, settings), *(_unknown(item, settings) for item in summary.bounds.unknown))


def _computed_for_less(bounds: RunBounds, settings: RunSettings) -> Finding:
    """Whoever reads a model under a policy reads it with the policy's open dimension; bounds for a smaller one say too little."""
    return Finding(
        code=MEMORY,
        outcome=Outcome.UNKNOWN,
        message=f"what a run takes was computed with open dimensions of {bounds.open_dimension} alone",
        expected=f"open dimensions of {settings.open_dimension}",
        found=f"open dimensions of {bounds.open_dimension}",
    )


def _caps(bounds: RunBounds, settings: RunSettings) -> tuple[Finding, ...]:
    opened = f"with open dimensions of {bounds.open_dimension}"
    return (
        Finding(
            code=MEMORY,
            outcome=Outcome.FAIL if bounds.peak_bytes > settings.max_bytes else Outcome.PASS,
            message=f"a run takes up to {size(bounds.peak_bytes)} besides inputs and weights, {opened}",
            where=bounds.largest if bounds.peak_bytes > settings.max_bytes else "",
            expected=f"at most {settings.max_bytes} bytes",
            found=f"{_number(bounds.peak_bytes)} bytes, {_number(bounds.largest_bytes)} of them in one value",
            hint="raise model.run.max_bytes, and sandbox.memory with it, if this model is meant to take so much"
            if bounds.peak_bytes > settings.max_bytes
            else "",
        ),
        _work(("operator", "operators"), bounds.steps, settings.max_steps, "max_steps", opened),
        _work(
            ("step of arithmetic", "steps of arithmetic"), bounds.operations, settings.max_operations, "max_operations", opened
        ),
    )


def _work(words: tuple[str, str], found: int, cap: int, name: str, opened: str) -> Finding:
    return Finding(
        code=WORK,
        outcome=Outcome.FAIL if found > cap else Outcome.PASS,
        message=f"a run takes up to {_number(found)} {words[found != 1]}, {opened}",
        expected=f"at most {cap}",
        found=_number(found),
        hint=f"raise model.run.{name} if this model is meant to run so long" if found > cap else "",
    )


def _unknown(item: Unknown, settings: RunSettings) -> Finding:
    code, words = _WORDS[item.kind]
    certain = item.kind in (Kind.ENDLESS, Kind.MISUSE)
    allowed = _allowed(item.kind, settings)
    hints = {
        Kind.MISUSE: "export the model again; if you did not make it, do not use it",
        Kind.ENDLESS: "give the loop a number of turns",
        Kind.TURNS: "export it with a constant number of turns, or set model.run.unknown_turns: allow and rely on the sandbox's limits",
        Kind.SIZE: "export it with constant shapes, or set model.run.unknown_sizes: allow and rely on the sandbox's limits",
        Kind.COMPLEXITY: "export a simpler model, or allow both unknown sizes and unknown turns and rely on the sandbox's limits",
    }
    message = words.format(operator=item.operator, detail=item.detail)
    if allowed:
        message += "; the policy allows that, and the limits of the sandbox are what stops it"
    outcome = Outcome.FAIL if certain else Outcome.PASS if allowed else Outcome.UNKNOWN
    return Finding(
        code=code,
        outcome=outcome,
        message=message,
        where=item.where,
        found=item.operator,
        hint="" if allowed else hints[item.kind],
    )


def _allowed(kind: Kind, settings: RunSettings) -> bool:
    sizes, turns = settings.unknown_sizes is Unbounded.ALLOW, settings.unknown_turns is Unbounded.ALLOW
    # behind the place where the computation was given up may be a loop as well as a size
    return {Kind.SIZE: sizes, Kind.TURNS: turns, Kind.COMPLEXITY: sizes and turns}.get(kind, False)


def _number(number: int) -> str:
    return f"{number}" if number < 10**18 else "more than 10^18"
