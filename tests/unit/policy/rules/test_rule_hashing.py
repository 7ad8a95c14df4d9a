"""Files that were not read: sealed memory speaks for itself, a store only where the policy believes it."""

from dataclasses import replace

import pytest

from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import KnownBy, UnreadFile
from mlsign.paths import PackagePath
from mlsign.policy.decide import decide
from mlsign.policy.model import Hashing, Verdict
from mlsign.policy.remedies.remedies import remedies_for
from mlsign.policy.remedies.remedy import Party, State
from mlsign.policy.rules import hashing


def unread(known_by, count=1):
    return tuple(UnreadFile(path=PackagePath(f"w{n}.bin"), size=1_000_000, known_by=known_by) for n in range(count))


def test_where_everything_was_read_there_is_nothing_to_say(evidence):
    assert hashing.check(evidence, Hashing.ALWAYS) == hashing.check(evidence, Hashing.ONCE) == ()


@pytest.mark.parametrize(
    ("known_by", "setting", "outcome"),
    [
        (KnownBy.SEALED_MEMORY, Hashing.ALWAYS, Outcome.PASS),
        (KnownBy.SEALED_MEMORY, Hashing.ONCE, Outcome.PASS),
        (KnownBy.STORE, Hashing.ONCE, Outcome.PASS),
        (KnownBy.STORE, Hashing.ALWAYS, Outcome.UNKNOWN),
    ],
)
def test_who_is_believed(evidence, known_by, setting, outcome):
    (found,) = hashing.check(replace(evidence, unread=unread(known_by, 2)), setting)
    assert (found.code, found.outcome) == ("MLS116", outcome)
    assert found.message.startswith("2 files, 2.0 MB, were hashed ")
    assert found.message.endswith("not read now")
    assert found.found == "w0.bin, w1.bin"


def test_each_kind_is_told_by_itself_and_long_lists_are_cut(evidence):
    both = replace(evidence, unread=(*unread(KnownBy.STORE, 9), *unread(KnownBy.SEALED_MEMORY)))
    sealed, stored = hashing.check(both, Hashing.ALWAYS)
    assert (sealed.outcome, sealed.found) == (Outcome.PASS, "w0.bin")
    assert stored.outcome is Outcome.UNKNOWN
    assert stored.found == "w0.bin, w1.bin, w2.bin, w3.bin, w4.bin, w5.bin, w6.bin, w7.bin and 1 more"


def test_a_store_that_the_policy_does_not_know_denies_and_reading_puts_it_right(policy, evidence, now):
    stored = replace(evidence, unread=unread(KnownBy.STORE))
    assert decide(policy, evidence, now=now).verdict is Verdict.ALLOW
    decision = decide(policy, stored, now=now)
    assert decision.verdict is Verdict.DENY
    wrong = tuple(f for f in decision.findings if f.outcome is not Outcome.PASS)
    (remedy,) = remedies_for(State(policy=policy, evidence=stored, now=now), wrong)
    assert (remedy.who, remedy.codes) == (Party.OPERATOR, ("MLS116",))
    better = remedy.change(State(policy=policy, evidence=stored, now=now))
    assert decide(policy, better.evidence, now=now).verdict is Verdict.ALLOW
    assert decide(replace(policy, hashing=Hashing.ONCE), stored, now=now).verdict is Verdict.ALLOW
