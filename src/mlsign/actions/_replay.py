"""Replay: the model that was verified, run in the sandbox on its golden test data. Gathers; a rule of the policy judges.

Takes model, weights and data from the memory in which they were hashed and opens nothing by name. Whatever goes wrong is a
problem of the set, which denies: no fault and no lack of time is an answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from mlsign.actions._golden_sets import GoldenData, decode_golden_set, run_golden_set
from mlsign.actions._jailing import jail_spec, jailed_model
from mlsign.actions.examine import Examination
from mlsign.errors import InputError, JailError, MlsignError, shown
from mlsign.evidence.findings import Outcome, finding_of
from mlsign.evidence.record import ReplayedSet
from mlsign.formats.manifest import GoldenSet, Manifest, Role
from mlsign.limits import Limits
from mlsign.onnx.summary import ModelSummary
from mlsign.paths import PackagePath
from mlsign.policy.model import Policy
from mlsign.policy.rules.golden import REPLAY
from mlsign.sandbox.spec import JailSpec

if TYPE_CHECKING:
    from mlsign.sandbox.jail import Jail

Clock = Callable[[], float]


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
        measured = run_golden_set(data, jail, outputs=summary.outputs, rtol=found.rtol, atol=found.atol)
        return ReplayedSet(path=str(found.path), outputs=measured)
    except MlsignError as err:
        return _unknown(found, err)


def _data(found: GoldenSet, examination: Examination, manifest: Manifest, summary: ModelSummary, *, limits: Limits) -> GoldenData:
    """The set, from the bytes that were hashed. Raises ``InputError`` (``golden.…``, ``onnx.…``)."""
    files: list[tuple[PackagePath, bytes]] = []
    for path in golden_files(manifest, found):
        data = examination.contents.kept(path)
        if data is None:
            raise InputError(
                "was not kept in memory, so it cannot be replayed",
                code="golden.size",
                where=shown(path),
                expected=f"{limits.max_golden_bytes} bytes of golden data at most",
            )
        files.append((path, data))
    return decode_golden_set(files, inputs=summary.inputs, outputs=summary.outputs, where=str(found.path), limits=limits)


def golden_files(manifest: Manifest, found: GoldenSet) -> tuple[PackagePath, ...]:
    """The files of one set, not those of folders below it."""
    return tuple(e.path for e in manifest.files if e.role is Role.GOLDEN and e.path.parts[:-1] == found.path.parts)
