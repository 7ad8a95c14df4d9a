"""Verify: a package and a policy to a report. Nothing is kept, and nothing is run but what a policy asks to be replayed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlsign.actions.audit.recording import recording
from mlsign.actions.policies.load_policy import LoadedPolicy
from mlsign.actions.policies.select import select_policy
from mlsign.actions.verification.contents import Storage
from mlsign.actions.verification.examine import Examination, ExamineRequest, examine
from mlsign.actions.verification.known import opened_store
from mlsign.actions.verification.rollback import allowed_but_for_replay, decide_and_remember
from mlsign.actions.verification.summaries import accepting
from mlsign.digest import Algorithm
from mlsign.errors import InputError
from mlsign.evidence.record import Evidence
from mlsign.limits import DEFAULT, Limits
from mlsign.package.read import OpenPackage
from mlsign.package.sealed import SealedMemory
from mlsign.package.stream import Advance
from mlsign.policy.model import Decision, Policy
from mlsign.policy.summaries import Store

if TYPE_CHECKING:
    from mlsign.actions.audit.append_audit import AuditLog


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """A policy, others of which just one may be for the package, where signatures lie that are not in ``signatures/`` of the package
    itself, and where state is kept.

    ``accept`` are names of those whose verification summaries may stand in for signatures, as far as the policy says so. Files of the
    ``store`` may have further names, and are left unread as far as the policy says so.
    With ``audit``, no decision is returned before it is in that log.
    """

    policy: LoadedPolicy
    signatures: tuple[Path, ...] = ()
    accept: tuple[str, ...] = ()
    now: datetime | None = None
    state: Path | None = None
    audit: AuditLog | None = None
    others: tuple[LoadedPolicy, ...] = ()
    store: Path | None = None
    limits: Limits = DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found out, what was decided about it, under which policy and at what time."""

    path: str
    policy: Policy
    evidence: Evidence
    decision: Decision
    now: datetime


def verify(path: Path, request: VerifyRequest, *, advance: Advance | None = None) -> Report:
    """The report on the package at ``path``.

    A denial is in the report, not an exception. Raises ``InputError`` when there is no package to speak of
    and ``OutsideError`` when disk or memory fail, or the audit log cannot be written.
    """
    with recording(path, request.audit, policy=logged_policy(request)) as record:
        with OpenPackage.open(path) as package:
            report, examination = judge_package(package, selected(package, request), storage=Storage.DISK, advance=advance)
            examination.contents.close()
        record(report)
    return report


def logged_policy(request: VerifyRequest) -> Policy | None:
    """The policy that a log names where a run ends before any is chosen: of several nobody knows which it would have been."""
    return None if request.others else request.policy.policy


def selected(package: OpenPackage, request: VerifyRequest) -> VerifyRequest:
    """The request with the one policy that is for the package, which from then on is held against the others."""
    policy = select_policy(package, (request.policy, *request.others), limits=request.limits)
    return replace(request, policy=policy, others=())


def _may_share(policy: Policy, request: VerifyRequest) -> bool:
    """Where summaries may stand in for signatures, it is for the policy to say whether memory may stand in for reading as well."""
    return not request.accept or (policy.vsa is not None and Store.SEALED_MEMORY in policy.vsa.stores)


def judge_package(
    package: OpenPackage,
    request: VerifyRequest,
    *,
    storage: Storage,
    sharing: tuple[SealedMemory, ...] = (),
    keep_golden: bool = False,
    advance: Advance | None = None,
) -> tuple[Report, Examination]:
    """The whole sequence of verifying over an open package, steps 2 to 8. The caller closes the contents.

    With ``keep_golden`` golden test data stays in memory also where the policy does not ask for a replay.
    """
    policy = accepting(request.policy, request.accept)
    now = request.now or datetime.now(UTC)
    if now.utcoffset() is None:
        raise InputError("has no time zone, so it is no time to judge by", code="usage.now", where="now")
    replays = policy.golden.replay
    with opened_store(request.store) as store:
        examination = examine(
            package,
            ExamineRequest(
                root=request.policy.root,
                named=policy.names,
                summarizers=policy.names_summarizer,
                now=now,
                trust=request.policy.trust,
                signatures=request.signatures,
                unsigned=frozenset(policy.unsigned_files),
                # A revoked package is found by any of its digests, whichever signature it shows today.
                algorithms=frozenset(Algorithm) if policy.revoked else frozenset(),
                accepted=policy.digests,
                formats=policy.formats,
                # Only what cannot change any more is run.
                storage=Storage.SEALED if replays and storage is Storage.DISK else storage,
                keep_golden=replays or keep_golden,
                sharing=sharing if _may_share(policy, request) else (),
                store=store,
                hashing=policy.hashing,
                limits=policy.model.tightened(request.limits),
            ),
            advance=advance,
        )
    evidence = examination.evidence
    try:
        # Run on its golden test data what everything else allows, and nothing that is denied anyway.
        if replays and allowed_but_for_replay(policy, evidence, now=now, state=request.state):
            from mlsign.actions.golden.demanded import replay

            evidence = replace(evidence, replay=replay(examination, policy, limits=request.limits))
        # 8. Decide: the policy, the evidence and the time, and nothing else.
        evidence, decision = decide_and_remember(policy, evidence, now=now, state=request.state)
    except BaseException:
        examination.contents.close()
        raise
    report = Report(path=package.where, policy=policy, evidence=evidence, decision=decision, now=now)
    return report, examination
