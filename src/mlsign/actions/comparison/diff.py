"""Diff: two packages or models side by side, read without trusting either; what is run is run in the sandbox."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mlsign.actions._collector import collector_paused
from mlsign.actions.comparison.behaviour import compare_behaviour, read_given
from mlsign.actions.comparison.difference import Behaviour, Difference, PolicyDifference, Ran, WeightsDifference
from mlsign.actions.comparison.sides import OpenSide, changed_files, open_side, same_model
from mlsign.actions.comparison.weights import compare_weights
from mlsign.compare.facts import (
    FieldChange,
    Names,
    compare_manifests,
    compare_metadata,
    compare_names,
    compare_operators,
    compare_opsets,
    unread_problems,
)
from mlsign.compare.graphs.comparing import compare_graphs, count_nodes
from mlsign.compare.graphs.result import Compared, GraphDifference, Renames
from mlsign.compare.interfaces import compare_interfaces
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Standing
from mlsign.limits import DEFAULT, Limits
from mlsign.package.stream import Advance

if TYPE_CHECKING:
    from mlsign.actions.policies.load_policy import LoadedPolicy
    from mlsign.actions.verification.verify import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffRequest:
    """With ``policy`` both are verified under it as well, and their files may have further names in ``store``. ``inputs`` are files that both models are fed with, besides their golden
    inputs; without ``run`` no model is run.
    """

    policy: LoadedPolicy | None = None
    store: Path | None = None
    inputs: tuple[Path, ...] = ()
    run: bool = True
    now: datetime | None = None
    limits: Limits = DEFAULT


def diff(before: Path, after: Path, request: DiffRequest, *, advance: Advance | None = None) -> Difference:
    """What is different between the package or model at ``before`` and the one at ``after``.

    Raises ``InputError`` where one of them cannot be read or changes meanwhile, and ``OutsideError``. What could not be compared
    counts as different.
    """
    limits = request.limits
    with ExitStack() as opened:
        first, second = (open_side(path, opened, limits=limits) for path in (before, after))
        same = same_model(first, second, advance=advance)
        with collector_paused():
            found = _unchanged(first) if same else compare_graphs(first.structure, second.structure)
        weights = (
            WeightsDifference(identical=_tensors(first), changed=(), added=(), removed=())
            if same
            else compare_weights(first, second, found, advance=advance)
        )
        policy = None if request.policy is None else _judged(first, second, request.policy, request, advance)
        summaries = first.inspection.summary, second.inspection.summary
        problems = compare_names(*([f"{found.code} {found.message}" for found in summary.problems] for summary in summaries))
        difference = Difference(
            before=first.told(),
            after=second.told(),
            same_model=same,
            manifest=compare_manifests(first.inspection.manifest, second.inspection.manifest),
            files=changed_files(first, second, limits=limits, advance=advance),
            signers=_signers(first, second, policy),
            authenticated=policy is not None,
            interface=compare_interfaces(first.interface, second.interface),
            opsets=compare_opsets(first.structure.opsets, second.structure.opsets),
            operators=compare_operators(*summaries),
            problems=problems,
            metadata=compare_metadata(first.structure, second.structure) + (() if same else _unread(first, second, problems)),
            notes=found.notes,
            graph=found.difference,
            weights=weights,
            behaviour=_behaviour(first, second, request, same=same),
            policy=policy,
        )
        for side in (first, second):
            side.check_unchanged(limits=limits)
    return difference


def _unchanged(side: OpenSide) -> Compared:
    """What comparing the graphs of a model with itself comes to."""
    count = count_nodes(side.structure)
    difference = GraphDifference(
        before=count,
        after=count,
        identical=count,
        changed=(),
        added=(),
        removed=(),
        outputs=(),
        functions=(),
        renames=Renames(),
        approximate=False,
    )
    return Compared(difference=difference, constants=(), stored=(), only_before=(), only_after=())


def _unread(first: OpenSide, second: OpenSide, problems: Names) -> tuple[FieldChange, ...]:
    """What both have and nobody reads is not known to be the same."""
    hidden = unread_problems(problems)
    if first.structure.has_training and second.structure.has_training:
        return (*hidden, FieldChange(field="training_info", before="present", after="present, and not compared"))
    return hidden


def _tensors(side: OpenSide) -> int:
    return len(side.structure.graph.initializers) + len(side.structure.graph.sparse_initializers)


def _behaviour(first: OpenSide, second: OpenSide, request: DiffRequest, *, same: bool) -> Behaviour:
    if same:
        read_given(request.inputs if request.run else (), first, limits=request.limits)  # a wrong name is one here as well
        return Behaviour(ran=Ran.SAME_BYTES)
    if not request.run:
        return Behaviour(ran=Ran.NOT_ASKED)
    return compare_behaviour(first, second, given=request.inputs, limits=request.limits)


def _signers(first: OpenSide, second: OpenSide, policy: PolicyDifference | None) -> Names:
    """Who signed: with a policy those whose signatures are genuine and trusted, and without one those whom bundles claim."""
    if policy is not None:
        return compare_names(_authentic(policy.before), _authentic(policy.after))
    return compare_names(*(_claimed(side) for side in (first, second)))


def _authentic(report: Report) -> list[str]:
    counted = (record for record in report.evidence.signatures if record.standing is Standing.COUNTED)
    return [" ".join((*record.identity.describe().values(),)) for record in counted if record.identity is not None]


def _claimed(side: OpenSide) -> list[str]:
    return [
        f"{found.bundle}: {found.problem}"
        if found.problem
        else " ".join(filter(None, (found.method, found.holder, found.issuer, found.key_hint)))
        for found in side.inspection.signers
    ]


def _judged(
    first: OpenSide, second: OpenSide, policy: LoadedPolicy, request: DiffRequest, advance: Advance | None
) -> PolicyDifference:
    """Both under the policy at one time. Nothing is remembered of what was allowed."""
    from mlsign.actions.verification.contents import Storage
    from mlsign.actions.verification.verify import VerifyRequest, judge_package

    reports = []
    with TemporaryDirectory(prefix="mlsign-") as state:
        now = request.now or datetime.now(UTC)
        verify = VerifyRequest(policy=policy, now=now, state=Path(state), store=request.store, limits=request.limits)
        for index, side in enumerate((first, second)):
            one = replace(verify, state=Path(state) / str(index))
            report, examination = judge_package(side.package, one, storage=Storage.DISK, advance=advance)
            examination.contents.close()
            reports.append(report)
    wrong = [_wrong(report) for report in reports]
    return PolicyDifference(
        before=reports[0],
        after=reports[1],
        appeared=tuple(finding for key, finding in wrong[1].items() if key not in wrong[0]),
        disappeared=tuple(finding for key, finding in wrong[0].items() if key not in wrong[1]),
    )


def _wrong(report: Report) -> dict[tuple[str, str], Finding]:
    """What counts against a package, by code and words: places move, and digests differ."""
    findings = (finding for finding in report.decision.findings if finding.outcome is not Outcome.PASS)
    return {(finding.code, finding.message): finding for finding in findings}
