"""One test model: held against the shipped policies, packed with its golden data, and replayed by both runtimes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from conformance_models import Model

from mlsign.actions.golden.replay import ReplayRequest, replay
from mlsign.actions.golden.request import GoldenCheck, GoldenRequest
from mlsign.actions.golden.runs import GoldenRun
from mlsign.actions.inspection.findings import FindRequest, find, load_model_policy
from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.errors import InputError
from mlsign.policy.model import Policy
from mlsign.sandbox.runtimes import RuntimeName

POLICIES = Path(__file__).resolve().parent.parent / "policies"
SECONDS = 300.0
"""For one run: networks take the reference evaluator half a minute on a busy machine."""
SHIPPED = ("baseline", "keyless", "strict")
DIFFERS, EMPTY = "differs", "empty"
"""Codes of outcomes that are no errors: another answer than expected, and an answer without elements, as expected."""
RUNTIMES = (RuntimeName.ONNXRUNTIME, RuntimeName.REFERENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a runtime answered. ``code`` is empty where all was within the tolerance; else that of a finding, ``DIFFERS`` or ``EMPTY``.

    The largest errors are None where nothing was measured.
    """

    code: str = ""
    reason: str = ""
    absolute: float | None = None
    ulps: int | None = None
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a model. ``refused`` says why it was not packed; then there are no outcomes.

    ``denied`` are the codes of each shipped policy, with what was found. ``agree`` is None where one of the runtimes gave no answer.
    """

    model: Model
    denied: dict[str, tuple[tuple[str, str], ...]]
    refused: tuple[str, str] | None = None
    outcomes: dict[RuntimeName, Outcome] | None = None
    agree: bool | None = None


@cache
def policy(name: str) -> Policy:
    return load_model_policy(POLICIES / f"{name}.yaml")


def run(model: Model) -> Result:
    """Raises what is nobody's doing but this machine's."""
    denied = {}
    for name in SHIPPED:
        found = find(model.path, FindRequest(policy=policy(name)))
        denied[name] = tuple(dict.fromkeys((item.code, item.found) for each in found.models for item in each.wrong))
    with tempfile.TemporaryDirectory(prefix="mlsign-conformance-") as folder:
        package = Path(folder) / "package"
        try:
            pack(
                PackRequest(
                    model=model.path,
                    output=package,
                    name=model.name,
                    version="1.17.0",
                    golden=model.sets,
                    golden_request=GoldenRequest(check=GoldenCheck.NEVER),
                    rtol=model.rtol,
                    atol=model.atol,
                )
            )
        except InputError as err:
            return Result(model=model, denied=denied, refused=(err.code, str(err)))
        told = replay(package, ReplayRequest(runtimes=RUNTIMES, seconds=SECONDS)).runs
        outcomes = {each.runtime: outcome(each) for each in told.runs}
        agree = (
            not any(each.problem or each.different for each in told.agreement) if len(told.agreement) == len(model.sets) else None
        )
        return Result(model=model, denied=denied, outcomes=outcomes, agree=agree)


def outcome(run: GoldenRun) -> Outcome:
    code = reason = ""
    absolute: float | None = None
    ulps: int | None = None
    for found in run.sets:
        if found.problem is not None:
            code, reason = found.problem.code, found.problem.message
        elif not found.compared:
            code = EMPTY
        for name, difference in found.different:
            code, reason = DIFFERS, f"{name}: {difference.message}; expected {difference.expected}, found {difference.found}"
        absolute = largest(absolute, *(each.absolute for each in found.outputs))
        ulps = largest(ulps, *(each.ulps for each in found.outputs))
    return Outcome(code=code, reason=reason, absolute=absolute, ulps=ulps, version=run.version)


def largest(*values: float | None) -> float | None:
    return max((value for value in values if value is not None), default=None)
