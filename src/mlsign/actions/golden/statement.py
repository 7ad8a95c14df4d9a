"""What is signed of a golden run: the run, the sets it was held to, and where it was made.

Whether a statement about so many sets can be signed is said before one of them is run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from typing import Final

from mlsign.actions.golden.runs import GoldenRun
from mlsign.canonical import MAX_SAFE_INTEGER
from mlsign.digest import Algorithm, Digest
from mlsign.errors import InputError, shown
from mlsign.evidence.record import MeasuredOutput, ReplayedSet
from mlsign.formats.golden_run import (
    MAX_NAME,
    MAX_SETS,
    MAX_TOLD,
    GoldenRunStatement,
    RunOutput,
    RunPlace,
    RunSet,
    SetOutcome,
    size_of,
)
from mlsign.formats.manifest import GoldenSet, Manifest
from mlsign.formats.predicate_types import MAX_GOLDEN_RUN_BYTES
from mlsign.paths import PackagePath
from mlsign.sandbox.layers import REQUIRED, Layer, Wall

_LONG: Final = sys.float_info.max
"""A number of as many digits as any has."""


def statement_of(
    run: GoldenRun,
    *,
    sets: tuple[GoldenSet, ...],
    name: str,
    subject: Digest,
    manifest: Digest,
    ran: datetime,
    platform: str,
    processor: str,
    wall: Wall,
) -> GoldenRunStatement:
    """The statement about one run. Raises ``InputError`` (``replay.…``) for one that nobody should vouch for.

    A model that was not confined may have written its own result, and one that was never started was not run.
    """
    if not run.version:
        problem = next((found.problem for found in run.sets if found.problem is not None), None)
        raise InputError(
            f"{run.runtime.value} was not started, so there is no run to sign",
            code="replay.not_run",
            found="" if problem is None else problem.message,
            hint="" if problem is None else problem.hint,
        )
    _check_confined(run.layers)
    place = RunPlace(
        platform=platform,
        processor=processor,
        runtime=run.runtime.value,
        version=run.version,
        threads=run.threads,
        wall=wall.value,
        layers=tuple(layer.name for layer in run.layers if layer.in_force),
    )
    tolerances = {str(found.path): found for found in sets}
    return GoldenRunStatement(
        name=name,
        subject=subject,
        manifest=manifest,
        ran=ran,
        place=place,
        sets=tuple(_set(found, tolerances[found.path]) for found in run.sets),
        outputs=_outputs(run.sets),
        mlsign=version("mlsign"),
    )


def _check_confined(layers: tuple[Layer, ...]) -> None:
    held = {layer.name for layer in layers if layer.in_force}
    if missing := [name for name in REQUIRED if name not in held]:
        raise unconfined(f"without {', '.join(missing)}")


def unconfined(found: str) -> InputError:
    """The error for a run that nobody should vouch for."""
    return InputError(
        "the model was not confined, so it may have written its own result, and nobody should sign that",
        code="replay.unconfined",
        expected=", ".join(REQUIRED),
        found=found,
        hint="run it where models can be confined, or leave out --attest",
    )


def _set(found: ReplayedSet, wanted: GoldenSet) -> RunSet:
    outcome = SetOutcome.FAILED if found.different and found.problem is None else SetOutcome.UNKNOWN
    return RunSet(
        path=wanted.path,
        rtol=wanted.rtol,
        atol=wanted.atol,
        outcome=SetOutcome.PASSED if found.passed else outcome,
        outputs=len(found.outputs),
        compared=found.compared,
        unequal=sum(output.unequal for output in found.outputs),
        too_far=sum(output.too_far for output in found.outputs),
    )


_Held = list[tuple[MeasuredOutput, str]]
"""One output in each set that it was measured in, and the path of the set."""


def _outputs(sets: Iterable[ReplayedSet]) -> tuple[RunOutput, ...]:
    """Each output over all sets, in the order of the model; of too many those that are furthest off."""
    by_name: dict[str, _Held] = {}
    for found in sets:
        for output in found.outputs:
            by_name.setdefault(output.output, []).append((output, found.path))
    worst = {name: max(held, key=_how_far) for name, held in by_name.items()}
    told = set(sorted(worst, key=lambda name: _how_far(worst[name]), reverse=True)[:MAX_TOLD])
    return tuple(_over_sets(name, held, worst=worst[name][1]) for name, held in by_name.items() if name in told)


def _how_far(held: tuple[MeasuredOutput, str]) -> tuple[float, ...]:
    """Whether an output is not as it should be at all, then in how many elements, then how far off the furthest is."""
    found, _ = held
    return (found.difference is not None, found.unequal + found.too_far, found.ulps or 0, found.absolute or 0.0)


def _over_sets(name: str, held: _Held, *, worst: str) -> RunOutput:
    found = [output for output, _ in held]
    return RunOutput(
        name=shown(name)[:MAX_NAME],
        sets=len(found),
        worst=PackagePath(worst),
        compared=sum(output.compared for output in found),
        unequal=sum(output.unequal for output in found),
        too_far=sum(output.too_far for output in found),
        absolute=max((output.absolute for output in found if output.absolute is not None), default=None),
        relative=max((output.relative for output in found if output.relative is not None), default=None),
        ulps=max((output.ulps for output in found if output.ulps is not None), default=None),
    )


def check_signable(manifest: Manifest, *, subject: Digest, ran: datetime, processor: str) -> None:
    """Returns when a run over the sets of this manifest can be signed, whatever comes of it. Raises ``InputError`` (``replay.sets``)."""
    sets, most = manifest.golden, MAX_SETS
    if len(sets) <= MAX_SETS:
        size = size_of(_largest(manifest, subject=subject, ran=ran, processor=processor))
        if size <= MAX_GOLDEN_RUN_BYTES:
            return
        most = len(sets) * MAX_GOLDEN_RUN_BYTES // size
    raise InputError(
        f"has {len(sets)} golden sets, which are more than a signed run can list",
        code="replay.sets",
        expected=f"some {most} sets at most, with paths as long as these",
        found=str(len(sets)),
        hint="replay it without --attest, or pack it with fewer sets of more rows",
    )


def _largest(manifest: Manifest, *, subject: Digest, ran: datetime, processor: str) -> GoldenRunStatement:
    """A statement that none about a run of these sets is larger than. It is of no run, and goes nowhere."""
    most, text = MAX_SAFE_INTEGER, "x" * MAX_NAME
    longest = max((each.path for each in manifest.golden), key=lambda path: len(path.text.encode()))
    names = sorted((shown(spec.name)[:MAX_NAME] for spec in manifest.model.outputs), key=lambda name: len(name.encode()))
    output = RunOutput(
        name="", sets=most, worst=longest, compared=most, unequal=most, too_far=most, absolute=_LONG, relative=_LONG, ulps=most
    )
    return GoldenRunStatement(
        name=f"{manifest.name}-{manifest.version}",
        subject=subject,
        manifest=Digest(algorithm=Algorithm.SHA256, value=bytes(32)),
        ran=ran,
        place=RunPlace(
            platform=text, processor=processor, runtime=text, version=text, threads=most, wall=text, layers=(text,) * 8
        ),
        sets=tuple(
            RunSet(
                path=each.path,
                rtol=each.rtol,
                atol=each.atol,
                outcome=SetOutcome.UNKNOWN,
                outputs=most,
                compared=most,
                unequal=most,
                too_far=most,
            )
            for each in manifest.golden
        ),
        outputs=tuple(replace(output, name=name) for name in names[-MAX_TOLD:]),
        mlsign=version("mlsign"),
    )
