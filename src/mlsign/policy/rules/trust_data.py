"""How fresh the trust data is that keyless signatures, logs and timestamps were held against."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence, TrustFacts
from mlsign.policy.freshness import StaleTrust, TrustSettings
from mlsign.policy.rules.countable import spelled

CODE: Final = "MLS218"
CLOCK_TOLERANCE: Final = timedelta(minutes=5)


def check(evidence: Evidence, settings: TrustSettings, *, now: datetime) -> tuple[Finding, ...]:
    """Says from when the trust data is; denies when it is past its expiry, or older than the policy allows."""
    facts = evidence.trust
    if facts is None:
        return ()
    expired = facts.expires is not None and facts.expires < now
    if expired and settings.stale is StaleTrust.DENY:
        return (
            _stale(facts, f"the trust data expired {spelled(now - (facts.expires or now))} ago", "data that has not expired"),
        )
    if facts.fetched is not None and facts.fetched - now > CLOCK_TOLERANCE:
        message = f"the trust data was confirmed at {facts.fetched:%Y-%m-%dT%H:%M:%SZ}, which has not come yet"
        return (_stale(facts, message, "a time that has passed: check the clock of this machine"),)
    if settings.max_age is not None:
        wanted = f"confirmed within {spelled(settings.max_age)}"
        if facts.fetched is None:
            return (_stale(facts, "nobody has confirmed the trust data since it was installed or written", wanted),)
        if now - facts.fetched > settings.max_age:
            return (_stale(facts, f"the trust data was last confirmed {spelled(now - facts.fetched)} ago", wanted),)
    when = f"confirmed {facts.fetched:%Y-%m-%dT%H:%M:%SZ}" if facts.fetched is not None else "not confirmed by a repository"
    late = ", past its expiry" if expired else ""
    message = f"trust data: {shown(facts.source)}, {when}{late}"
    return (Finding(code=CODE, outcome=Outcome.PASS, message=message, found=str(facts.digest)),)


def _stale(facts: TrustFacts, message: str, wanted: str) -> Finding:
    return Finding(
        code=CODE,
        outcome=Outcome.UNKNOWN,
        message=message,
        where=shown(facts.source),
        expected=wanted,
        found=f"{facts.fetched:%Y-%m-%dT%H:%M:%SZ}" if facts.fetched is not None else "never",
        hint="mlsign trust update fetches it; mlsign trust import takes it from a file where there is no network",
    )
