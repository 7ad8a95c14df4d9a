"""Try a policy: cases of packages and recorded evidence, each decided under it and held against what was expected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from mlsign.actions.policies.load_policy import LoadedPolicy
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.evidence.codec import MAX_RECORD_BYTES
from mlsign.evidence.findings import Outcome
from mlsign.limits import DEFAULT, Limits
from mlsign.package.read import read_user_file
from mlsign.policy.cases import Case, decode_cases
from mlsign.policy.model import Decision
from mlsign.policy.recorded import decide_recorded, decode_recording


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """A case and what came of it. ``differences`` are sentences, none where everything is as expected."""

    case: Case
    decision: Decision
    differences: tuple[str, ...]


def try_policy(
    policy: LoadedPolicy, cases: Path, *, now: datetime | None = None, limits: Limits = DEFAULT
) -> tuple[CaseResult, ...]:
    """What became of every case in the file ``cases``; nothing is remembered of what was allowed.

    Raises ``InputError`` for cases, packages and records that cannot be read: a case that was not tried is no case that passed.
    """
    data, _ = read_user_file(cases, max_bytes=limits.max_policy_bytes, what="cases")
    found = decode_cases(data, source=cases.name, limits=limits)
    return tuple(_result(case, _decide(policy, case, cases.parent, now=now, limits=limits)) for case in found)


def _decide(policy: LoadedPolicy, case: Case, folder: Path, *, now: datetime | None, limits: Limits) -> Decision:
    if case.evidence:
        data, _ = read_user_file(folder / case.evidence, max_bytes=MAX_RECORD_BYTES, what="record")
        recording = decode_recording(data, where=case.evidence, limits=limits)
        return decide_recorded(policy.policy, recording, now=case.now or recording.now)
    # A state of its own: a test neither raises the mark of the newest release nor depends on one.
    with TemporaryDirectory(prefix="mlsign-") as state:
        request = VerifyRequest(
            policy=policy,
            signatures=tuple(folder / name for name in case.signatures),
            now=case.now or now or datetime.now(UTC),
            state=Path(state),
            limits=limits,
        )
        return verify(folder / case.package, request).decision


def _result(case: Case, decision: Decision) -> CaseResult:
    wrong = {finding.code for finding in decision.findings if finding.outcome is not Outcome.PASS}
    differences = []
    if decision.verdict is not case.expect:
        told = ", ".join(f"{f.code} {f.message}" for f in decision.findings if f.outcome is not Outcome.PASS)
        differences.append(f"expected {case.expect.value}, decided {decision.verdict.value}" + (f": {told}" if told else ""))
    differences += [f"expected the finding {code}, which is not there" for code in case.findings if code not in wrong]
    for finding in decision.findings:
        if finding.code in case.not_findings and finding.outcome is not Outcome.PASS:
            differences.append(f"did not expect {finding.code}: {finding.message}")
    return CaseResult(case=case, decision=decision, differences=tuple(differences))
