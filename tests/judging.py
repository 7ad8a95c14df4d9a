"""Packages under a policy, and all that stands against them."""

from pathlib import Path
from typing import Any

from mlsign.actions.policies.load_policy import LoadedPolicy
from mlsign.actions.verification.verify import Report, VerifyRequest, verify
from mlsign.evidence.findings import Outcome
from mlsign.policy.model import Verdict


def judged(package: Path, policy: LoadedPolicy, **request: Any) -> tuple[Report, set[str]]:
    """The report, and the codes of what stands against the package: none of them if and only if it is allowed."""
    report = verify(package, VerifyRequest(policy=policy, **request))
    bad = {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}
    assert (report.decision.verdict is Verdict.ALLOW) == (not bad)
    return report, bad
