"""Which signatures may count at all: over accepted digests, in a log, with a trusted time, not too old, as far as asked.

A signature that falls short is as if it were not there: it neither helps nor harms, and its reasons are told when a group
of signers is not met.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mlsign.digest import Algorithm
from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence, SignatureRecord
from mlsign.identity import Method
from mlsign.policy.freshness import AgeProof, Freshness, LogDemand, TimeDemand
from mlsign.policy.rules import digests
from mlsign.times import TimeSource

AGE: Final = "MLS216"
TRANSPARENCY: Final = "MLS217"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountSettings:
    """What is asked of a signature before anybody asks whose it is."""

    digests: frozenset[Algorithm]
    freshness: Freshness


def countable(evidence: Evidence, settings: CountSettings, *, now: datetime) -> tuple[SignatureRecord, ...]:
    """The counted signatures that meet every demand."""
    known = digests.accepted(evidence, settings.digests)
    return tuple(record for record in known if not shortcomings(record, settings.freshness, now=now))


def countersigning(evidence: Evidence, settings: CountSettings, *, now: datetime) -> tuple[SignatureRecord, ...]:
    """The countersignatures that meet every demand but that on digests: they are about a bundle, which is known by sha256."""
    found = evidence.countersignatures
    return tuple(record for record in found if not shortcomings(record, settings.freshness, now=now))


def refused(evidence: Evidence, settings: CountSettings, *, now: datetime) -> tuple[Finding, ...]:
    """Why the other counted signatures do not count."""
    known = digests.accepted(evidence, settings.digests)
    short = tuple(finding for record in known for finding in shortcomings(record, settings.freshness, now=now))
    return (*digests.refused(evidence, settings.digests), *short)


def unproven(record: SignatureRecord, asked: Freshness) -> tuple[Finding, ...]:
    """What a record lacks of the log and the times that are asked for, however old it may be."""
    return tuple(finding for finding in (_log(record, asked), _time(record, asked)) if finding is not None)


def shortcomings(record: SignatureRecord, asked: Freshness, *, now: datetime) -> tuple[Finding, ...]:
    """Why a genuine signature does not count, whatever it is over."""
    age = _age(record, asked, now)
    return (*unproven(record, asked), *(() if age is None else (age,)))


def _log(record: SignatureRecord, asked: Freshness) -> Finding | None:
    if asked.transparency.log is LogDemand.OPTIONAL or record.logged:
        return None
    return Finding(
        code=TRANSPARENCY,
        outcome=Outcome.FAIL,
        message="the signature is not proven to be in a transparency log",
        where=shown(record.bundle),
        expected="an entry of a trusted log",
        found="none",
        hint="sign keyless, or take transparency.log out of the policy for signatures by key",
    )


def _time(record: SignatureRecord, asked: Freshness) -> Finding | None:
    demand = asked.transparency.timestamp
    if demand is TimeDemand.OPTIONAL or (demand is TimeDemand.EITHER and record.times):
        return None
    if any(time.source is TimeSource.TIMESTAMP for time in record.times):
        return None
    wanted = "a timestamp" if demand is TimeDemand.REQUIRED else "a timestamp, or the time of a log"
    return Finding(
        code=TRANSPARENCY,
        outcome=Outcome.FAIL,
        message="no trusted time says when the signature was made",
        where=shown(record.bundle),
        expected=wanted,
        found=", ".join(sorted({time.source.value for time in record.times})) or "none",
        hint="sign again with --timestamp-url, or keyless",
    )


def _age(record: SignatureRecord, asked: Freshness, now: datetime) -> Finding | None:
    """Age counts from the earliest proven time: a timestamp that is added to an old signature does not make it young."""
    if asked.max_age is None:
        return None
    allowed = spelled(asked.max_age)
    if not record.times:
        return Finding(
            code=AGE,
            outcome=Outcome.UNKNOWN,
            message="nobody trusted says how old the signature is",
            where=shown(record.bundle),
            expected=f"at most {allowed}",
            found="no trusted time",
            hint="sign again with --timestamp-url, or keyless",
        )
    if asked.age_proof is AgeProof.BOUNDED and record.method is not Method.KEYLESS:
        return Finding(
            code=AGE,
            outcome=Outcome.UNKNOWN,
            message="nobody can tell that the signature is not older than its timestamp",
            where=shown(record.bundle),
            expected=f"at most {allowed}, bounded by a certificate of minutes",
            found=f"a signature by {'nothing known' if record.method is None else record.method.value}",
            hint="sign keyless, or leave age.proof out of the policy",
        )
    age = now - min(time.time for time in record.times)
    if age <= asked.max_age:
        return None
    return Finding(
        code=AGE,
        outcome=Outcome.FAIL,
        message=f"the signature is {spelled(age)} old, the policy allows {allowed}",
        where=shown(record.bundle),
        expected=f"at most {allowed}",
        found=spelled(age),
        hint="have the package checked and signed again",
    )


def spelled(span: timedelta) -> str:
    """A span in its largest unit, rounded down: ``91 days``."""
    for seconds, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        count = int(span.total_seconds()) // seconds
        if count:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"
