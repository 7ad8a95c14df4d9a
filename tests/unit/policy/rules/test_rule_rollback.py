"""What the rule about older releases makes of what was seen."""

from dataclasses import replace

import pytest

from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Seen
from mlsign.policy.model import Rollback
from mlsign.policy.rules.rollback import check
from mlsign.version import decode_version


def seen(version: str | None, digest=None, problem=None) -> Seen:
    return Seen(version=None if version is None else decode_version(version), digest=digest, problem=problem)


@pytest.mark.parametrize(
    ("before", "outcome"),
    [(None, Outcome.PASS), ("1.0.0", Outcome.PASS), ("9.0.0", Outcome.FAIL), ("9.0.0-rc.1", Outcome.FAIL)],
)
def test_older_than_seen_fails(evidence, before, outcome) -> None:
    (finding,) = check(replace(evidence, seen=seen(before, evidence.digest)), Rollback.DENY)
    assert (finding.code, finding.outcome) == ("MLS403", outcome)


def test_equal_versions_must_be_equal_content(evidence) -> None:
    version = str(evidence.manifest.version)
    assert check(replace(evidence, seen=seen(version, evidence.digest)), Rollback.DENY)[0].outcome is Outcome.PASS
    assert check(replace(evidence, seen=seen(version, None)), Rollback.DENY)[0].outcome is Outcome.FAIL


def test_what_is_not_known_is_unknown(evidence) -> None:
    problem = Finding(code="MLS403", outcome=Outcome.UNKNOWN, message="no space")
    assert check(replace(evidence, seen=None), Rollback.DENY)[0].outcome is Outcome.UNKNOWN
    assert check(replace(evidence, seen=seen(None, problem=problem)), Rollback.DENY) == (problem,)
    assert check(replace(evidence, manifest=None, seen=seen(None)), Rollback.DENY)[0].outcome is Outcome.UNKNOWN


def test_where_nobody_asks_nothing_is_said(evidence) -> None:
    assert check(evidence, Rollback.ALLOW) == ()
