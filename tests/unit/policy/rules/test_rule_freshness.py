"""Logs, times, age and trust data: which signatures count, and what is said of the others."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlsign.digest import Algorithm, sha256
from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import TrustFacts
from mlsign.identity import Method
from mlsign.policy.freshness import AgeProof, Freshness, LogDemand, StaleTrust, TimeDemand, Transparency, TrustSettings
from mlsign.policy.rules.countable import CountSettings, countable, refused, spelled
from mlsign.policy.rules.trust_data import check
from mlsign.times import TimeSource, TrustedTime

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SHA256 = frozenset({Algorithm.SHA256})


def at(*days: float, source: TimeSource = TimeSource.LOG) -> tuple[TrustedTime, ...]:
    return tuple(TrustedTime(time=NOW - timedelta(days=day), source=source) for day in days)


def settings(*, log=LogDemand.OPTIONAL, timestamp=TimeDemand.OPTIONAL, days: int | None = None) -> CountSettings:
    age = None if days is None else timedelta(days=days)
    asked = Freshness(transparency=Transparency(log=log, timestamp=timestamp), max_age=age)
    assert asked.needs_times == (log is LogDemand.REQUIRED or timestamp is not TimeDemand.OPTIONAL or days is not None)
    return CountSettings(digests=SHA256, freshness=asked)


def codes(evidence, wanted) -> list[tuple[str, Outcome]]:
    found = refused(evidence, wanted, now=NOW)
    assert bool(found) == (not countable(evidence, wanted, now=NOW))
    return [(finding.code, finding.outcome) for finding in found]


@pytest.mark.parametrize(
    ("times", "logged", "asked", "expected"),
    [
        ((), False, {}, []),
        ((), False, {"log": LogDemand.REQUIRED}, [("MLS217", Outcome.FAIL)]),
        ((), True, {"log": LogDemand.REQUIRED}, []),
        ((), True, {"timestamp": TimeDemand.EITHER}, [("MLS217", Outcome.FAIL)]),
        (at(1), True, {"timestamp": TimeDemand.EITHER}, []),
        (at(1), True, {"timestamp": TimeDemand.REQUIRED}, [("MLS217", Outcome.FAIL)]),
        (at(1, source=TimeSource.TIMESTAMP), False, {"timestamp": TimeDemand.REQUIRED}, []),
        ((), False, {"days": 90}, [("MLS216", Outcome.UNKNOWN)]),
        (at(90), False, {"days": 90}, []),
        (at(91), False, {"days": 90}, [("MLS216", Outcome.FAIL)]),
        (at(200, 1), False, {"days": 90}, [("MLS216", Outcome.FAIL)]),
        (
            (),
            False,
            {"log": LogDemand.REQUIRED, "timestamp": TimeDemand.EITHER, "days": 1},
            [("MLS217", Outcome.FAIL), ("MLS217", Outcome.FAIL), ("MLS216", Outcome.UNKNOWN)],
        ),
    ],
)
def test_what_is_asked_of_a_signature(evidence, record, times, logged, asked, expected) -> None:
    one = replace(evidence, signatures=(replace(record("a"), times=times, logged=logged),))
    assert codes(one, settings(**asked)) == expected


@pytest.mark.parametrize(("method", "expected"), [(Method.KEYLESS, []), (Method.KEY, [("MLS216", Outcome.UNKNOWN)])])
def test_only_a_certificate_of_minutes_bounds_an_age(evidence, record, method, expected) -> None:
    """An old signature by a key may be stamped anew by whoever serves it."""
    one = replace(evidence, signatures=(replace(record("a"), times=at(1), method=method),))
    asked = CountSettings(digests=SHA256, freshness=Freshness(max_age=timedelta(days=90), age_proof=AgeProof.BOUNDED))
    assert codes(one, asked) == expected


def test_one_that_falls_short_does_not_harm_one_that_does_not(evidence, record) -> None:
    good = replace(record("b"), times=at(1))
    both = replace(evidence, signatures=(record("a"), good))
    assert countable(both, settings(days=90), now=NOW) == (good,)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(days=1), "1 day"),
        (timedelta(days=91, hours=5), "91 days"),
        (timedelta(hours=2), "2 hours"),
        (timedelta(minutes=1, seconds=59), "1 minute"),
        (timedelta(seconds=3), "less than a minute"),
    ],
)
def test_spans_in_words(span, words) -> None:
    assert spelled(span) == words


def facts(*, fetched: float | None = None, expires: float | None = None) -> TrustFacts:
    def moment(days: float | None) -> datetime | None:
        return None if days is None else NOW + timedelta(days=days)

    return TrustFacts(source="cache of acme", digest=sha256(b"root"), fetched=moment(fetched), expires=moment(expires))


@pytest.mark.parametrize(
    ("trust", "asked", "outcome"),
    [
        (facts(), TrustSettings(), Outcome.PASS),
        (facts(fetched=-1, expires=1), TrustSettings(), Outcome.PASS),
        (facts(fetched=-9, expires=-2), TrustSettings(), Outcome.UNKNOWN),
        (facts(fetched=-9, expires=-2), TrustSettings(stale=StaleTrust.ALLOW), Outcome.PASS),
        (facts(fetched=-9, expires=-2), TrustSettings(stale=StaleTrust.ALLOW, max_age=timedelta(days=5)), Outcome.UNKNOWN),
        (facts(fetched=-3, expires=9), TrustSettings(max_age=timedelta(days=2)), Outcome.UNKNOWN),
        (facts(fetched=-1, expires=9), TrustSettings(max_age=timedelta(days=2)), Outcome.PASS),
        (facts(), TrustSettings(max_age=timedelta(days=2)), Outcome.UNKNOWN),
        (facts(fetched=400, expires=500), TrustSettings(), Outcome.UNKNOWN),
    ],
)
def test_how_fresh_trust_data_must_be(evidence, trust, asked, outcome) -> None:
    (finding,) = check(replace(evidence, trust=trust), asked, now=NOW)
    assert (finding.code, finding.outcome) == ("MLS218", outcome)


def test_without_trust_data_nothing_is_said(evidence) -> None:
    assert check(evidence, TrustSettings(), now=NOW) == ()
