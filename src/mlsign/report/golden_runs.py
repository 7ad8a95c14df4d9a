"""Golden runs as text and as JSON: for each set and output how far the answer was off, and where that was computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from mlsign.actions.golden.replay import Replay
from mlsign.actions.golden.runs import GoldenRun
from mlsign.actions.verification.verify import Report
from mlsign.errors import shown
from mlsign.evidence.record import MeasuredOutput, ReplayedSet
from mlsign.formats.claimed_time import spell_time
from mlsign.policy.model import Verdict
from mlsign.report.findings_as_json import dump, finding_object, policy_object, spelled
from mlsign.report.page import BAD, BOLD, DIM, GOOD, GREEN, HANG, WARNING, Facts, Page
from mlsign.sandbox.layers import Isolation, missing_layers
from mlsign.strict import MAX_SAFE_INTEGER
from mlsign.words import counted

SCHEMA: Final = "mlsign/replay/v1"
_MANY: Final = 40
"""Sets, and outputs of one set, that are told one by one: a person reads the first ones."""


def render_replay_text(replay: Replay, *, width: int, color: bool) -> str:
    """For people: whether the answers are those that were expected, on what, and the largest error of each output."""
    out = Page(width=width, color=color)
    words, style = _headline(replay), GOOD if replay.passed else BAD
    out.line(("✓ " if replay.passed else "✗ ", style), (shown(replay.name), BOLD), (f" {words}", style))
    if replay.report is None:
        out.line(("No signature was checked: the content is what its own manifest says, whoever wrote that.", WARNING))
    facts = Facts()
    facts.add("Digest", str(replay.digest))
    if replay.report is not None:
        facts.add("Policy", f"{_decided(replay.report)}, but for its demands on golden runs")
    facts.add("Machine", ", ".join(filter(None, (replay.platform, shown(replay.processor)))))
    facts.add_each("Runtime", [_runtime(run) for run in replay.runs.runs])
    facts.add_each("Confined", [_confined(replay, run) for run in replay.runs.runs if run.version])
    out.facts(facts)
    for index, golden in enumerate(replay.golden[:_MANY]):
        out.heading(shown(golden.path))
        out.line((f"rtol {golden.rtol:g}, atol {golden.atol:g}", DIM))
        for run in replay.runs.runs:
            _set(out, run.runtime.value, run.sets[index])
    if len(replay.golden) > _MANY:
        out.line((f"and {len(replay.golden) - _MANY} more sets: --format json lists them all", BOLD))
    for poor in replay.runs.poor[:_MANY]:
        always = "the same" if poor.finite else "no finite number"
        words = f"{shown(poor.name)}: {always} in all {poor.answers:,} answers to drawn inputs, so these show little of it"
        out.line(("! ", WARNING), words)
    _agreement(out, replay)
    return out.text()


def _headline(replay: Replay) -> str:
    if replay.passed:
        return "answers as its golden test data says"
    if any(found.different for run in replay.runs.runs for found in run.sets):
        return "does NOT answer as it should"
    return "was NOT held against all of its golden test data"


def _decided(report: Report) -> str:
    name = shown(report.policy.name)
    if report.decision.verdict is Verdict.ALLOW:
        return f"allowed by {name}"
    return f"{name} only watches, and would have DENIED it"


def _runtime(run: GoldenRun) -> str:
    if not run.version:
        return f"{run.runtime.value} was not started"
    return f"{run.runtime.value} {shown(run.version)}, {counted(run.threads, 'thread')}"


def _confined(replay: Replay, run: GoldenRun) -> str:
    wall = replay.confinement.wall
    if not any(layer.in_force for layer in run.layers):
        return "NOT AT ALL: the model could have done anything, its answers included"
    missing = missing_layers(run.layers, isolation=Isolation.FULL, wall=wall)
    without = ", ".join(shown(layer.name) for layer in missing)
    return f"{wall.value}, {f'without {without}' if missing else 'isolated in full'}"


def _set(out: Page, runtime: str, found: ReplayedSet) -> None:
    if found.problem is not None:
        out.line(("? ", WARNING), f"{runtime}: ", shown(found.problem.message, limit=600), hang=HANG)
        if found.problem.hint:
            out.detail("do", shown(found.problem.hint, limit=600))
        return
    if not found.compared and not found.different:
        out.line(("? ", WARNING), f"{runtime}: the set has no element to compare, so it shows nothing")
    for output in found.outputs[:_MANY]:
        mark = ("✓ ", GREEN) if output.difference is None else ("✗ ", BAD)
        out.line(mark, f"{runtime} {shown(output.output)}: ", errors_in_words(output), hang=HANG)
        if output.difference is not None:
            out.detail("wrong", shown(output.difference.message, limit=600))
            out.detail("expected", output.difference.expected)
            out.detail("found", output.difference.found)
    if len(found.outputs) > _MANY:
        out.line(f"and {len(found.outputs) - _MANY} more outputs: --format json lists them all")


def errors_in_words(output: MeasuredOutput) -> str:
    """How far an output was off: ``6 elements, largest error 1.2e-07, relative 3e-08, 1 ULP``."""
    words = [counted(output.compared, "element")]
    if output.unequal:
        words.append(f"{output.unequal:,} not equal")
    if output.absolute is not None and output.ulps is not None:
        relative = "" if output.relative is None else f", relative {output.relative:.3g}"
        steps = counted(output.ulps, "ULP") if output.ulps < MAX_SAFE_INTEGER else "2^53 ULPs or more"
        exact = output.absolute == 0 and output.ulps == 0
        told = f"largest error {output.absolute:.3g}{relative}, {steps}"
        words.append(("the others exact" if output.unequal else "exact") if exact else told)
    elif output.compared and not output.unequal:
        words.append("equal")
    return ", ".join(words)


def _agreement(out: Page, replay: Replay) -> None:
    """How far two implementations are from one another, which no tolerance of a release decides about."""
    if not replay.runs.agreement:
        return
    first, last = replay.runs.runs[0].runtime.value, replay.runs.runs[-1].runtime.value
    out.heading(f"{last} held against {first}")
    for found in replay.runs.agreement[:_MANY]:
        for output in found.outputs[:_MANY]:
            apart = "" if output.difference is None else ", further apart than the set allows from what it expects"
            style = ("✓ ", GREEN) if output.difference is None else ("! ", WARNING)
            out.line(style, f"{shown(found.path)} {shown(output.output)}: {errors_in_words(output)}{apart}")


def render_replay_json(replay: Replay) -> str:
    """For programs, after ``schemas/replay.v1.schema.json``."""
    return dump(
        {
            "schema": SCHEMA,
            "result": "passed" if replay.passed else "failed",
            "path": spelled(replay.path),
            "name": replay.name,
            "digest": str(replay.digest),
            "policy": None if replay.report is None else policy_object(replay.report.policy),
            "decision": None if replay.report is None else replay.report.decision.verdict.value,
            "ran": spell_time(replay.ran),
            "platform": replay.platform,
            "processor": replay.processor,
            "wall": replay.confinement.wall.value,
            "tolerances": [{"path": str(golden.path), "rtol": golden.rtol, "atol": golden.atol} for golden in replay.golden],
            "runs": [_run_object(run) for run in replay.runs.runs],
            "agreement": [_set_object(found) for found in replay.runs.agreement],
            "poor": [{"name": poor.name, "answers": poor.answers, "finite": poor.finite} for poor in replay.runs.poor],
            "signed": [
                {
                    "runtime": signed.runtime.value,
                    "bundle": signed.bundle,
                    "identity": signed.identity.describe(),
                    "passed": signed.passed,
                }
                for signed in replay.signed
            ],
        }
    )


def _run_object(run: GoldenRun) -> dict[str, Any]:
    return {
        "runtime": run.runtime.value,
        "version": run.version or None,
        "threads": run.threads or None,
        "passed": run.passed,
        "layers": [{"name": each.name, "in_force": each.in_force, "detail": each.detail} for each in run.layers],
        "sets": [_set_object(found) for found in run.sets],
    }


def _set_object(found: ReplayedSet) -> dict[str, Any]:
    return {
        "path": found.path,
        "passed": found.passed,
        "problem": None if found.problem is None else finding_object(found.problem),
        "outputs": list(_output_objects(found)),
    }


def _output_objects(found: ReplayedSet) -> Iterator[dict[str, Any]]:
    for output in found.outputs:
        wrong = output.difference
        yield {
            "name": output.output,
            "compared": output.compared,
            "unequal": output.unequal,
            "too_far": output.too_far,
            "absolute": output.absolute,
            "relative": output.relative,
            "ulps": output.ulps,
            "difference": None if wrong is None else {"message": wrong.message, "expected": wrong.expected, "found": wrong.found},
        }
