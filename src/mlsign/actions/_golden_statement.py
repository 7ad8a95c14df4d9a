"""What is signed of a golden run: the run, the sets it was held to, and where it was made."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version

from mlsign.actions._runs import GoldenRun
from mlsign.digest import Digest
from mlsign.errors import InputError, shown
from mlsign.evidence.record import MeasuredOutput, ReplayedSet
from mlsign.formats.golden_run import MAX_NAME, GoldenRunStatement, RunOutput, RunPlace, RunSet, SetOutcome
from mlsign.formats.manifest import GoldenSet
from mlsign.sandbox.layers import REQUIRED, Layer, Wall


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
        mlsign=version("mlsign"),
    )


def _check_confined(layers: tuple[Layer, ...]) -> None:
    held = {layer.name for layer in layers if layer.in_force}
    if missing := [name for name in REQUIRED if name not in held]:
        raise InputError(
            "the model was not confined, so it may have written its own result, and nobody should sign that",
            code="replay.unconfined",
            expected=", ".join(REQUIRED),
            found=f"without {', '.join(missing)}",
            hint="run it where models can be confined, or leave out --attest",
        )


def _set(found: ReplayedSet, wanted: GoldenSet) -> RunSet:
    outcome = SetOutcome.FAILED if found.different and found.problem is None else SetOutcome.UNKNOWN
    return RunSet(
        path=wanted.path,
        rtol=wanted.rtol,
        atol=wanted.atol,
        outcome=SetOutcome.PASSED if found.passed else outcome,
        outputs=tuple(map(_output, found.outputs)),
    )


def _output(found: MeasuredOutput) -> RunOutput:
    return RunOutput(
        name=shown(found.output)[:MAX_NAME],
        compared=found.compared,
        unequal=found.unequal,
        too_far=found.too_far,
        absolute=found.absolute,
        relative=found.relative,
        ulps=found.ulps,
    )
