"""Why a package is not allowed, turned round: what would have to be different, and whether that would be enough.

Whether it would is not guessed: the changes are made to the policy and the evidence, and ``decide`` is asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mlsign.evidence.record import Evidence
from mlsign.policy.decide import decide
from mlsign.policy.model import Policy, Verdict
from mlsign.policy.remedies.last_resort import exception_for
from mlsign.policy.remedies.remedies import remedies_for
from mlsign.policy.remedies.remedy import Findings, Party, Remedy, State, is_wrong

_CONTENT: Final = "MLS1"
_FETCH: Final = (
    "fetch the package again from whoever released it: what is here is not what was signed, or cannot be read. "
    "Sign nothing and loosen no policy because of it"
)
_ORDER: Final = tuple(Party)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """The remedies, those first that loosen nothing.

    ``would_allow`` says that with all of them the same policy would allow the same model: it was decided again. Else
    ``remaining`` are the codes of what would still stand in the way, or is only known once the rest was done. ``exception`` is
    what could be done in place of some of it, None where nothing can be excepted; it plays no part in ``would_allow``.
    """

    remedies: tuple[Remedy, ...]
    would_allow: Verdict
    remaining: tuple[str, ...]
    exception: Remedy | None = None


def why_not(policy: Policy, evidence: Evidence, *, now: datetime) -> WhyNot:
    """What would have to be different for ``policy`` to allow this; no remedies where it does."""
    state = State(policy=policy, evidence=evidence, now=now)
    first = decide(policy, evidence, now=now)
    remedies = _chosen(state, tuple(filter(is_wrong, first.findings)))
    exception = None if _tampered(evidence) else exception_for(state, first)
    for remedy in remedies:
        state = remedy.change(state)
    decision = decide(state.policy, state.evidence, now=now)
    left = sorted({finding.code for finding in decision.findings if is_wrong(finding)})
    return WhyNot(remedies=remedies, would_allow=decision.verdict, remaining=tuple(left), exception=exception)


def _chosen(state: State, wrong: Findings) -> tuple[Remedy, ...]:
    """All remedies; of content that is not what was signed only that it must be fetched again."""
    if tampered := _tampered(state.evidence):
        codes = tuple(sorted({finding.code for finding in tampered}))
        return (Remedy(who=Party.OPERATOR, codes=codes, words=_FETCH),)
    return tuple(sorted(remedies_for(state, wrong), key=lambda r: (_ORDER.index(r.who), r.codes, r.words)))


def _tampered(evidence: Evidence) -> Findings:
    return tuple(f for f in evidence.findings if is_wrong(f) and f.code.startswith(_CONTENT))
