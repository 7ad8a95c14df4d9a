"""Readmit: a model that this process admitted before, and holds in sealed memory, by a fresh verification summary.

Nothing is opened by name but the summaries, and no byte of the model is hashed again: the kernel has kept them as they were when they
were. That is only so for memory that this process sealed and hashed itself, and only where the policy trusts it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mlsign.actions.audit.recording import recording
from mlsign.actions.policies.select import select_by_name
from mlsign.actions.verification.admit import AdmittedModel, Denied
from mlsign.actions.verification.rollback import decide_and_remember
from mlsign.actions.verification.signatures import read_statements
from mlsign.actions.verification.summaries import accepting
from mlsign.actions.verification.verify import Report, VerifyRequest, logged_policy
from mlsign.errors import InputError
from mlsign.policy.model import Verdict
from mlsign.policy.recorded import record as recording_of
from mlsign.policy.recorded import with_gaps


def readmit(model: AdmittedModel, request: VerifyRequest) -> Report:
    """The report by which the model is admitted once more; it is that of the model from then on.

    ``request`` names whose summaries are accepted, and the files that hold them, and provenance and golden runs where the policy asks
    for those. Who signed the package is not asked again, a summary stands in for it; every other rule is judged now. What another policy would have had to look at in the package itself is
    unknown, and denies. Raises ``Denied``, ``InputError`` (``usage.…``), ``TrustError`` (``sealed.open``), ``OutsideError``.
    """
    if not request.accept:
        raise InputError("nobody is named whose summary is accepted", code="usage.accept_vsa", hint="give accept_vsa")
    now = request.now or datetime.now(UTC)
    if now.utcoffset() is None:
        raise InputError("has no time zone, so it is no time to judge by", code="usage.now", where="now")
    before = model.report
    manifest = before.evidence.manifest
    with recording(Path(before.path), request.audit, policy=logged_policy(request)) as log:
        policies = (request.policy, *request.others)
        loaded = policies[0] if len(policies) == 1 else select_by_name(None if manifest is None else manifest.name, policies)
        policy = accepting(loaded, request.accept)
        # 1. The bytes are the ones that were hashed: all of them are sealed.
        for memory in model.sealed.values():
            memory.check_sealed()
        # 2. What was found out then, without what rests on who signed or on the state of that day.
        statements = read_statements(
            request.signatures, root=loaded.root, summarizers=policy.names_summarizer, now=now, limits=request.limits
        )
        since = before.evidence.sealed_since or before.now
        evidence = replace(
            with_gaps(policy, recording_of(before.policy, before.evidence, now=before.now)),
            signatures=statements,
            trust=loaded.trust,
            seen=None,
            sealed_since=since,
        )
        # 3. Decide: the policy, the evidence and the time, and nothing else.
        evidence, decision = decide_and_remember(policy, evidence, now=now, state=request.state)
        report = Report(path=before.path, policy=policy, evidence=evidence, decision=decision, now=now)
        log(report)
        if decision.enforced_verdict is not Verdict.ALLOW:
            raise Denied(report)
    model.report = report
    return report
