"""Groups of signers: who counts, who counts twice, and what the report says when nobody did."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from mlsign.digest import Algorithm
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence, SignatureRecord, Standing
from mlsign.identity import KeyIdentity
from mlsign.policy.freshness import Freshness
from mlsign.policy.model import SignerGroup
from mlsign.policy.requirements import KeyRequirement
from mlsign.policy.rules import digests
from mlsign.policy.rules.countable import CountSettings
from mlsign.policy.rules.signer import SignerSettings, groups_met
from mlsign.policy.rules.signer import check as check_at

Record = Callable[..., SignatureRecord]
Key = Callable[[str], KeyIdentity]
SHA256 = frozenset({Algorithm.SHA256})
NOW = datetime(2026, 11, 1, tzinfo=UTC)
REASON = Finding(code="MLS202", outcome=Outcome.FAIL, message="the signature does not verify", where="signatures/x.json")


def group(key: Key, letters: str, *, require: int = 1, name: str = "release") -> SignerGroup:
    members = tuple(KeyRequirement(reference=f"{letter}.pub", identity=key(letter)) for letter in letters)
    return SignerGroup(name=name, require=require, any=members)


def settings(*groups: SignerGroup) -> SignerSettings:
    return SignerSettings(groups=groups, count=CountSettings(digests=SHA256, freshness=Freshness()))


def check(evidence: Evidence, wanted: SignerSettings) -> tuple[Finding, ...]:
    return check_at(evidence, wanted, now=NOW)


def outcomes(findings: tuple[Finding, ...]) -> list[tuple[str, Outcome]]:
    return [(finding.code, finding.outcome) for finding in findings]


def test_a_met_group_passes_and_says_by_whom(evidence: Evidence, record: Record, key: Key) -> None:
    (finding,) = check(evidence, settings(group(key, "ab")))
    assert (finding.code, finding.outcome, finding.where) == ("MLS205", Outcome.PASS, "signers.release")
    assert (finding.found, finding.expected) == (key("a").unique, "1 of a.pub, b.pub")
    assert finding.message == "1 of 1 required signers of group release signed"
    (result,) = groups_met(evidence, settings(group(key, "ab")), now=NOW)
    assert (result.name, result.require, result.signatures) == ("release", 1, (record("a"),))


def test_one_key_twice_is_one_signer(evidence: Evidence, record: Record, key: Key) -> None:
    twice = replace(evidence, signatures=(record("a"), record("a", bundle="signatures/other.json")))
    wanted = settings(group(key, "ab", require=2))
    assert outcomes(check(twice, wanted)) == [("MLS205", Outcome.FAIL)]
    assert groups_met(twice, wanted, now=NOW) == ()
    one = record("a")
    same = replace(evidence, signatures=(one, replace(one, bundle="signatures/other.json")))  # down to the identity itself
    assert outcomes(check(same, wanted)) == [("MLS205", Outcome.FAIL)]
    both = replace(evidence, signatures=(record("a"), record("b")))
    assert outcomes(check(both, wanted)) == [("MLS205", Outcome.PASS)]


def test_one_key_listed_twice_is_one_signer(evidence: Evidence, key: Key) -> None:
    assert outcomes(check(evidence, settings(group(key, "aa", require=2)))) == [("MLS205", Outcome.FAIL)]


def test_every_group_must_be_met(evidence: Evidence, key: Key) -> None:
    wanted = settings(group(key, "a"), group(key, "b", name="review"))
    assert outcomes(check(evidence, wanted)) == [("MLS205", Outcome.PASS), ("MLS205", Outcome.FAIL)]
    assert [result.name for result in groups_met(evidence, wanted, now=NOW)] == ["release"]


def test_a_stranger_counts_for_nothing(evidence: Evidence, record: Record, key: Key) -> None:
    strange = replace(evidence, signatures=(record("z"),))
    finding, who = check(strange, settings(group(key, "ab")))
    assert (finding.outcome, finding.found) == (Outcome.FAIL, "nobody")
    assert (who.code, who.outcome, who.expected, who.where) == ("MLS215", Outcome.FAIL, "a.pub, b.pub", "signatures/z.json")
    assert str(key("z").spki) in who.found


def test_a_rejected_signature_counts_for_nothing_and_its_reasons_are_told(evidence: Evidence, record: Record, key: Key) -> None:
    rejected = replace(record("a"), standing=Standing.REJECTED, reasons=(REASON,))
    found = check(replace(evidence, signatures=(rejected,)), settings(group(key, "a")))
    assert outcomes(found) == [("MLS205", Outcome.FAIL), ("MLS202", Outcome.FAIL)]
    assert found[1] is REASON


def test_a_broken_signature_beside_good_ones_denies_nothing(evidence: Evidence, record: Record, key: Key) -> None:
    rejected = replace(record("x"), standing=Standing.REJECTED, identity=None, reasons=(REASON,))
    found = check(replace(evidence, signatures=(rejected, record("a"))), settings(group(key, "a")))
    assert outcomes(found) == [("MLS205", Outcome.PASS)]


def test_a_counted_signature_without_identity_counts_for_nothing(evidence: Evidence, record: Record, key: Key) -> None:
    nobody = replace(record("a"), identity=None)
    assert outcomes(check(replace(evidence, signatures=(nobody,)), settings(group(key, "a")))) == [("MLS205", Outcome.FAIL)]


def test_an_unsigned_package_is_called_unsigned(evidence: Evidence, key: Key) -> None:
    found = check(replace(evidence, signatures=()), settings(group(key, "a")))
    assert outcomes(found) == [("MLS205", Outcome.FAIL), ("MLS201", Outcome.FAIL)]


def test_no_groups_and_groups_that_ask_for_nobody_are_not_met(evidence: Evidence, key: Key) -> None:
    assert outcomes(check(evidence, settings())) == [("MLS205", Outcome.FAIL)]
    assert outcomes(check(evidence, settings(group(key, "", require=0)))) == [("MLS205", Outcome.FAIL), ("MLS215", Outcome.FAIL)]


def test_other_digests_do_not_count(evidence: Evidence, record: Record, key: Key) -> None:
    other = replace(record("a"), algorithms=frozenset({Algorithm.SHA256, Algorithm.BLAKE2B}))
    found = check(replace(evidence, signatures=(other,)), settings(group(key, "a")))
    assert outcomes(found) == [("MLS205", Outcome.FAIL), ("MLS112", Outcome.FAIL)]
    assert (found[1].found, found[1].where) == ("blake2b, sha256", "signatures/a.json")
    none = replace(record("a"), algorithms=frozenset())
    assert outcomes(check(replace(evidence, signatures=(none,)), settings(group(key, "a"))))[0] == ("MLS205", Outcome.FAIL)
    both = replace(evidence, signatures=(other, record("a", bundle="signatures/z.json")))
    assert outcomes(check(both, settings(group(key, "a")))) == [("MLS205", Outcome.PASS)]


def test_the_digest_rule_says_what_content_is_known_by(evidence: Evidence, record: Record) -> None:
    (finding,) = digests.check(evidence, SHA256)
    assert (finding.code, finding.outcome, finding.found) == ("MLS112", Outcome.PASS, "sha256")
    (finding,) = digests.check(evidence, frozenset({Algorithm.BLAKE3}))
    assert (finding.outcome, finding.expected, finding.found) == (Outcome.FAIL, "blake3", "sha256")
    assert digests.check(replace(evidence, signatures=()), SHA256) == ()
    none = replace(record("a"), algorithms=frozenset())
    (finding,) = digests.check(replace(evidence, signatures=(none,)), SHA256)
    assert (finding.outcome, finding.found) == (Outcome.FAIL, "none")
