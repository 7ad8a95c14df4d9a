"""The last resort: an exception from what a policy wants of a model or a version, for one package, until a day.

It is offered only for content that is as it was signed, by those whom the policy asks for or on the word of an accepted
summary; and only for codes that can be excepted, all of whose findings are failures: what is unknown nobody has looked at.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Final

from mlsign.digest import Algorithm
from mlsign.evidence.findings import Outcome
from mlsign.policy.catalogue import is_signed
from mlsign.policy.exemption import EXEMPTIBLE
from mlsign.policy.model import Decision
from mlsign.policy.remedies.remedy import Findings, Party, Remedy, State, is_wrong
from mlsign.policy.rules import match

DAYS: Final = 14
"""How long the suggested exception holds: until the next release, and not until everybody has forgotten it."""
REASON: Final = "say here why, and who decided"


def exception_for(state: State, decision: Decision) -> Remedy | None:
    """The step, with the lines to write; None where there is nothing that an exception could or should cover."""
    digest = state.evidence.digest
    complete = decision.summary is not None or is_signed(state.policy, state.evidence, now=state.now)
    codes = _codes(state, tuple(filter(is_wrong, decision.findings)))
    if digest is None or digest.algorithm is not Algorithm.SHA256 or not complete or not codes:
        return None
    if any(finding.code == match.CODE for finding in filter(is_wrong, decision.findings)):
        return None  # the policy has no say in this package, so neither has an exception of it
    until = f"{(state.now + timedelta(days=DAYS)).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    entry = f"- {{digest: '{digest}', findings: [{', '.join(codes)}], reason: '{REASON}', until: {until}}}"
    loosens = "; and under loosens, since the policy extends another one: - {field: exceptions, reason: '…'}"
    words = (
        "as the last resort, where nothing else can be done in time and somebody answers for it, bear this package as it is for a "
        f"while: write under exceptions of the policy: {entry}{loosens if len(state.policy.lineage.chain) > 1 else ''}"
    )
    return Remedy(who=Party.OWNER, codes=codes, words=words)


def _codes(state: State, wrong: Findings) -> tuple[str, ...]:
    failed = {finding.code for finding in wrong if finding.outcome is Outcome.FAIL}
    unknown = {finding.code for finding in wrong if finding.outcome is not Outcome.FAIL}
    # One that has ended is told by itself, and a second one for the same would be refused.
    there = {code for item in state.policy.exceptions if item.digest == state.evidence.digest for code in item.codes}
    return tuple(sorted(failed & EXEMPTIBLE - unknown - there))
