"""Golden runs: a model, run on every golden set of its manifest by one runtime or by several side by side.

Takes model, weights and data from the memory in which they were hashed and opens nothing by name. Whatever goes wrong is a
problem of the set: no fault and no lack of time is an answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from mlsign.actions.golden.sets import GoldenData, decode_golden_set, feeds_of, golden_files, measure_set
from mlsign.actions.scoring.jailing import jailed_model
from mlsign.actions.verification.examine import Examination
from mlsign.errors import InputError, JailError, MlsignError, shown
from mlsign.evidence.findings import Outcome, finding_of
from mlsign.evidence.record import MeasuredOutput, ReplayedSet
from mlsign.formats.manifest import GoldenInputs, GoldenSet, Manifest
from mlsign.limits import Limits
from mlsign.onnx.summary import ModelSummary
from mlsign.paths import PackagePath
from mlsign.policy.rules.golden import REPLAY
from mlsign.sandbox.layers import Layer
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.sandbox.spec import JailSpec

if TYPE_CHECKING:
    from mlsign.sandbox.golden.variety import PoorOutput
    from mlsign.sandbox.jail import Jail

Clock = Callable[[], float]
Answers = Mapping[str, Any]
_LATE: Final = "give it more under golden.time of the policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenRun:
    """What came of every set under one runtime.

    ``version``, ``threads`` (with which it computed) and ``layers`` are what its worker had; none where there was no worker.
    """

    runtime: RuntimeName
    sets: tuple[ReplayedSet, ...]
    version: str = ""
    threads: int = 0
    layers: tuple[Layer, ...] = ()

    @property
    def passed(self) -> bool:
        """Every set was run, compared something, and is within its tolerances; a run of no sets shows nothing."""
        return bool(self.sets) and all(found.passed for found in self.sets)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenRuns:
    """One run for each runtime, and for each set how far the answer of the last runtime is from that of the first.

    ``poor`` are the outputs of which all sets with drawn inputs expect the same, or no finite number.
    """

    runs: tuple[GoldenRun, ...]
    agreement: tuple[ReplayedSet, ...] = ()
    poor: tuple[PoorOutput, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """How long starting and all sets may take together, None for as long as they do, by which clock; and the limits on what is read."""

    limits: Limits
    seconds: float | None = None
    clock: Clock = time.monotonic


def run_golden(
    examination: Examination, specs: tuple[JailSpec, ...], within: RunLimits, *, allow_unsandboxed: bool = False
) -> GoldenRuns:
    """Runs the model on every set of its manifest, once for each spec. Raises nothing that is about the package or the sandbox."""
    evidence = examination.evidence
    if evidence.manifest is None or evidence.summary is None or not evidence.manifest.golden:
        return GoldenRuns(runs=tuple(GoldenRun(runtime=spec.runtime, sets=()) for spec in specs))
    time_left = _Time(within)
    model = _Sets(examination, evidence.manifest, evidence.summary, limits=within.limits, time_left=time_left)
    with ExitStack() as stack:
        workers = tuple(
            _start(spec, examination, evidence.summary, time_left, stack=stack, allow_unsandboxed=allow_unsandboxed)
            for spec in specs
        )
        rows = tuple(model.run(found, workers) for found in evidence.manifest.golden)
        return GoldenRuns(
            runs=tuple(worker.told(tuple(row.sets[index] for row in rows)) for index, worker in enumerate(workers)),
            agreement=tuple(row.agreement for row in rows if row.agreement is not None),
            poor=model.variety.poor(),
        )


class _Time:
    """What is left of the time for everything, of which each start and each call gets the rest."""

    def __init__(self, within: RunLimits) -> None:
        self._clock = within.clock
        self._end = None if within.seconds is None else within.clock() + within.seconds

    def left(self) -> float | None:
        """In seconds; None where there is no end. Raises ``JailError`` (``sandbox.timeout``) where nothing is left."""
        left = None if self._end is None else self._end - self._clock()
        if left is not None and not left > 0:
            raise JailError("the time for replaying golden data was over", code="sandbox.timeout", hint=_LATE)
        return left

    def told(self, error: MlsignError) -> MlsignError:
        """The error, or that the time is over where that is what ended a start or a call."""
        if error.code != "sandbox.deadline":
            return error
        try:
            self.left()
        except JailError as over:
            return over
        return error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worker:
    """A runtime in its jail, or why there is none."""

    runtime: RuntimeName
    jail: Jail | MlsignError

    def told(self, sets: tuple[ReplayedSet, ...]) -> GoldenRun:
        jail = self.jail
        if isinstance(jail, MlsignError):
            return GoldenRun(runtime=self.runtime, sets=sets)
        return GoldenRun(runtime=self.runtime, sets=sets, version=jail.runtime_version, threads=jail.threads, layers=jail.layers)


def _start(
    spec: JailSpec,
    examination: Examination,
    summary: ModelSummary,
    time_left: _Time,
    *,
    stack: ExitStack,
    allow_unsandboxed: bool,
) -> _Worker:
    """The worker, which ends with the stack."""
    from mlsign.sandbox.jail import Jail

    try:
        model_path = examination.model_path
        if model_path is None or model_path not in examination.sealed:
            raise JailError("the model is not in sealed memory, so it was not run", code="sandbox.unsealed")
        model = jailed_model(examination.sealed, model_path=model_path, summary=summary)
        left = time_left.left()
        within = spec if left is None else replace(spec, start_seconds=min(spec.start_seconds, left))
        jail = stack.enter_context(Jail.start(model, spec=within, allow_unsandboxed=allow_unsandboxed))
    except MlsignError as err:
        return _Worker(runtime=spec.runtime, jail=time_left.told(err))
    return _Worker(runtime=spec.runtime, jail=jail)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One set under every runtime."""

    sets: tuple[ReplayedSet, ...]
    agreement: ReplayedSet | None = None


class _Sets:
    """The sets of one package, until the time for all of them is over. ``variety`` is that of the drawn ones that were read."""

    def __init__(
        self, examination: Examination, manifest: Manifest, summary: ModelSummary, *, limits: Limits, time_left: _Time
    ) -> None:
        from mlsign.sandbox.golden.variety import Variety

        self.variety = Variety(summary.outputs)
        self._examination, self._summary = examination, summary
        self._files = golden_files(manifest)
        self._limits, self._time = limits, time_left

    def run(self, found: GoldenSet, workers: tuple[_Worker, ...]) -> _Row:
        try:
            self._time.left()
            data = self._data(found)
            if found.made_by is not None and found.made_by.inputs is GoldenInputs.DRAWN:
                self.variety.add(data.outputs)
        except MlsignError as err:
            return _Row(sets=tuple(_unknown(found, w.jail if isinstance(w.jail, MlsignError) else err) for w in workers))
        answers = tuple(_answers(data, worker, self._time) for worker in workers)
        return _Row(sets=tuple(self._held(found, data, answer) for answer in answers), agreement=self._agreement(found, answers))

    def _held(self, found: GoldenSet, data: GoldenData, answers: Answers | MlsignError) -> ReplayedSet:
        if isinstance(answers, MlsignError):
            return _unknown(found, answers)
        outputs = measure_set(data, answers, outputs=self._summary.outputs, rtol=found.rtol, atol=found.atol)
        held = ReplayedSet(path=str(found.path), outputs=outputs)
        from mlsign.sandbox.golden.making import show_something

        if held.passed and not show_something(data.outputs.values()):
            message = "expects nothing but NaN, so it shows nothing: a model that computes nothing answers so"
            return _unknown(found, InputError(message, code="golden.nothing", where=str(found.path)))
        return held

    def _agreement(self, found: GoldenSet, answers: tuple[Answers | MlsignError, ...]) -> ReplayedSet | None:
        """How far the last answers are from the first ones; None where one of them is missing, or there are no two."""
        first, last = answers[0], answers[-1]
        if len(answers) == 1 or isinstance(first, MlsignError) or isinstance(last, MlsignError):
            return None
        from mlsign.sandbox.golden.golden import measure

        measured: list[MeasuredOutput] = [
            measure(spec.name, first[spec.name], last[spec.name], type_=spec.type, rtol=found.rtol, atol=found.atol)
            for spec in self._summary.outputs
            if spec.name in first and spec.name in last
        ]
        return ReplayedSet(path=str(found.path), outputs=tuple(measured))

    def _data(self, found: GoldenSet) -> GoldenData:
        """The set, from the bytes that were hashed. Raises ``InputError`` (``golden.…``, ``onnx.…``)."""
        files: list[tuple[PackagePath, bytes]] = []
        for path in self._files[found.path]:
            data = self._examination.contents.kept(path)
            if data is None:
                raise InputError(
                    "was not kept in memory, so it cannot be replayed",
                    code="golden.size",
                    where=shown(path),
                    expected=f"{self._limits.max_golden_bytes} bytes of golden data at most",
                )
            files.append((path, data))
        summary, where = self._summary, str(found.path)
        return decode_golden_set(files, inputs=summary.inputs, outputs=summary.outputs, where=where, limits=self._limits)


def _answers(data: GoldenData, worker: _Worker, time_left: _Time) -> Answers | MlsignError:
    if isinstance(worker.jail, MlsignError):
        return worker.jail
    try:
        return worker.jail.run(feeds_of(data), seconds=time_left.left())
    except MlsignError as err:
        return time_left.told(err)


def _unknown(found: GoldenSet, error: MlsignError) -> ReplayedSet:
    path = str(found.path)
    return ReplayedSet(path=path, problem=finding_of(error, code=REPLAY, where=shown(path), outcome=Outcome.UNKNOWN))
