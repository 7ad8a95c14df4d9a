"""Replay: the model that was verified, run in the sandbox on its golden test data. Gathers; a rule of the policy judges.

Takes model, weights and data from the memory in which they were hashed and opens nothing by name. Whatever goes wrong is a
problem of the set, which denies: no fault and no lack of time is an answer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from mlsign.actions._jailing import jail_spec, jailed_model
from mlsign.actions.examine import Examination
from mlsign.errors import InputError, JailError, MlsignError, shown
from mlsign.evidence.findings import Outcome, finding_of
from mlsign.evidence.record import Difference, MeasuredOutput, ReplayedSet
from mlsign.formats.manifest import GoldenSet, Manifest, Role
from mlsign.interface import ValueKind, ValueSpec
from mlsign.limits import Limits
from mlsign.onnx.golden_values import GoldenValue, decode_golden_value
from mlsign.onnx.summary import ModelSummary
from mlsign.paths import PackagePath
from mlsign.policy.model import Policy
from mlsign.policy.rules.golden import REPLAY
from mlsign.sandbox.spec import JailSpec

if TYPE_CHECKING:
    from mlsign.sandbox.jail import Jail

_FILE: Final = re.compile(r"(input|output)_(0|[1-9][0-9]{0,3})\.pb", re.ASCII)
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Data:
    """One set, decoded: what to feed and what to expect, by the names of the model."""

    inputs: Mapping[str, GoldenValue]
    outputs: Mapping[str, GoldenValue]


def replay(examination: Examination, policy: Policy, *, limits: Limits, clock: Clock = time.monotonic) -> tuple[ReplayedSet, ...]:
    """What the model answers to every set of its manifest. Raises nothing that is about the package or the sandbox."""
    manifest, summary, model_path = examination.evidence.manifest, examination.evidence.summary, examination.model_path
    if manifest is None or summary is None or model_path is None or not manifest.golden:
        return ()
    sets = manifest.golden
    if model_path not in examination.sealed:
        return _all(sets, JailError("the model is not in sealed memory, so it was not run", code="sandbox.unsealed"))
    from mlsign.sandbox.jail import Jail

    end = clock() + policy.golden.replay_seconds
    try:
        model = jailed_model(examination.sealed, model_path=model_path, summary=summary)
        with Jail.start(model, spec=_spec(policy)) as jail:
            return tuple(
                _replay_in_time(s, examination, manifest, summary, jail, limits=limits, left=end - clock()) for s in sets
            )
    except MlsignError as err:
        return _all(sets, err)


def _spec(policy: Policy) -> JailSpec:
    """The limits of the policy; no start and no run takes longer than all of it may."""
    spec, most = jail_spec(policy.sandbox), policy.golden.replay_seconds
    return replace(spec, start_seconds=min(spec.start_seconds, most), wall_seconds=min(spec.wall_seconds, most))


def _all(sets: tuple[GoldenSet, ...], error: MlsignError) -> tuple[ReplayedSet, ...]:
    return tuple(_unknown(found, error) for found in sets)


def _unknown(found: GoldenSet, error: MlsignError) -> ReplayedSet:
    path = str(found.path)
    return ReplayedSet(path=path, problem=finding_of(error, code=REPLAY, where=shown(path), outcome=Outcome.UNKNOWN))


def _replay_in_time(
    found: GoldenSet,
    examination: Examination,
    manifest: Manifest,
    summary: ModelSummary,
    jail: Jail,
    *,
    limits: Limits,
    left: float,
) -> ReplayedSet:
    if left <= 0:
        hint = "give it more under golden.time of the policy"
        return _unknown(found, JailError("the time for replaying golden data was over", code="sandbox.timeout", hint=hint))
    try:
        data = _data(found, examination, manifest, summary, limits=limits)
        return _replay_set(found, data, jail, outputs=summary.outputs)
    except MlsignError as err:
        return _unknown(found, err)


def _replay_set(found: GoldenSet, data: _Data, jail: Jail, *, outputs: tuple[ValueSpec, ...]) -> ReplayedSet:
    from mlsign.sandbox.golden import feed_of, measure_golden

    types = {spec.name: spec.type for spec in outputs}
    feeds: dict[str, Any] = {name: feed_of(value) for name, value in data.inputs.items()}
    answers = jail.run(feeds)
    measured = [
        _without_answer(name, "no golden data says what it should be", "an output_N.pb for it")
        for name in answers
        if name not in data.outputs
    ]
    for name, expected in data.outputs.items():
        if name in answers:
            measured.append(measure_golden(name, expected, answers[name], type_=types[name], rtol=found.rtol, atol=found.atol))
        else:
            measured.append(_without_answer(name, "there is no such answer", "an answer"))
    return ReplayedSet(path=str(found.path), outputs=tuple(measured))


def _without_answer(name: str, message: str, expected: str) -> MeasuredOutput:
    return MeasuredOutput(output=name, compared=0, difference=Difference(message=message, expected=expected, found="none"))


def _data(found: GoldenSet, examination: Examination, manifest: Manifest, summary: ModelSummary, *, limits: Limits) -> _Data:
    """The set, from the bytes that were hashed. Raises ``InputError`` (``golden.…``, ``onnx.…``)."""
    sides: dict[str, dict[int, tuple[PackagePath, bytes]]] = {"input": {}, "output": {}}
    for path in golden_files(manifest, found):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise InputError("is neither input_N.pb nor output_N.pb", code="golden.file", where=shown(path))
        data = examination.contents.kept(path)
        if data is None:
            raise InputError(
                "was not kept in memory, so it cannot be replayed",
                code="golden.size",
                where=shown(path),
                expected=f"{limits.max_golden_bytes} bytes of golden data at most",
            )
        sides[match[1]][int(match[2])] = (path, data)
    where = str(found.path)
    return _Data(
        inputs=_decode(sides["input"], summary.inputs, what="input", where=where, limits=limits),
        outputs=_decode(sides["output"], summary.outputs, what="output", where=where, limits=limits),
    )


def _decode(
    files: Mapping[int, tuple[PackagePath, bytes]], specs: tuple[ValueSpec, ...], *, what: str, where: str, limits: Limits
) -> dict[str, GoldenValue]:
    """The values by the names of the model. The kind of each is that of the input or output of its number."""
    if sorted(files) != list(range(len(files))):
        raise InputError(f"the numbers of its {what} files have gaps", code="golden.file", where=shown(where))
    if len(files) > len(specs):
        message = f"there are {len(files)} {what} files, and the model has {len(specs)}"
        raise InputError(message, code="golden.file", where=shown(where), expected=str(len(specs)), found=str(len(files)))
    ordered = []
    for number, spec in zip(range(len(files)), specs, strict=False):
        if spec.type.kind is ValueKind.SPARSE_TENSOR:
            message = f"{what} {shown(spec.name)} of the model is {shown(spec.type)}, which is not replayed"
            raise InputError(message, code="golden.kind", where=shown(where), found=shown(spec.type))
        path, data = files[number]
        ordered.append(decode_golden_value(data, kind=spec.type.kind, where=str(path), limits=limits))
    return _named(ordered, specs, what=what, where=where)


def golden_files(manifest: Manifest, found: GoldenSet) -> tuple[PackagePath, ...]:
    """The files of one set, not those of folders below it."""
    return tuple(e.path for e in manifest.files if e.role is Role.GOLDEN and e.path.parts[:-1] == found.path.parts)


def _named(ordered: Sequence[GoldenValue], specs: tuple[ValueSpec, ...], *, what: str, where: str) -> dict[str, GoldenValue]:
    """The values by the names of the model: their own where all have such, their numbers where none has."""
    kinds = {spec.name: spec.type.kind for spec in specs}
    names = [value.name for value in ordered if value.name in kinds]
    if not names:
        return {spec.name: value for spec, value in zip(specs, ordered, strict=False)}
    # A value that is named as one of another kind was read as what it is not.
    strange = any(kinds[name] is not spec.type.kind for name, spec in zip(names, specs, strict=False))
    if len(set(names)) != len(ordered) or strange:
        message = f"which {what} of the model each file is for cannot be told: some are named as one, and some are not"
        raise InputError(message, code="golden.names", where=shown(where), found=shown(", ".join(names)))
    return dict(zip(names, ordered, strict=True))
