"""Exceptions: one package, named findings, an end; never what is unknown, unsigned, altered, revoked or unread."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlsign.errors import InputError
from mlsign.evidence.catalogue.pages import ENTRIES
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence, Seen
from mlsign.policy.decide import decide, judge_model
from mlsign.policy.decoding.policy import decode_policy
from mlsign.policy.exemption import EXEMPTIBLE, Exemption
from mlsign.policy.model import Policy, Verdict
from mlsign.version import decode_version

HEX = "73" * 32
ENTRY = f"{{digest: 'sha256:{HEX}', findings: [MLS305], reason: known, until: 2026-06-01T00:00:00Z}}"
UNTIL = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def decoded(text: str, sets: Any, hazards: Any) -> Callable[[str], Policy]:
    def read(exceptions: str) -> Policy:
        data = f"{text}exceptions: {exceptions}\n".encode()
        return decode_policy(data, name="policy.yaml", operator_sets=sets, hazards=hazards).unbound

    return read


@pytest.fixture
def crowded(evidence: Evidence) -> Evidence:
    """More nodes than the policy has room for."""
    assert evidence.summary is not None
    return replace(evidence, summary=replace(evidence.summary, node_count=300))


def exemption(evidence: Evidence, *codes: str, until: datetime = UNTIL) -> Exemption:
    assert evidence.digest is not None
    return Exemption(digest=evidence.digest, codes=frozenset(codes), reason="INC-4711", until=until)


def test_an_exception_is_decoded_whole(decoded: Callable[[str], Policy], evidence: Evidence) -> None:
    assert decoded(f"[{ENTRY}]").exceptions == (replace(exemption(evidence, "MLS305"), reason="known"),)
    assert decoded("[]").exceptions == ()
    quoted = ENTRY.replace("2026-06-01T00:00:00Z", '"2026-06-01T00:00:00Z"')
    assert decoded(f"[{quoted}]").exceptions == decoded(f"[{ENTRY}]").exceptions


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        (", until: 2026-06-01T00:00:00Z", "", "policy.missing", "until is missing"),
        (", reason: known", "", "policy.missing", "reason is missing"),
        ("[MLS305]", "[]", "policy.length", "has 0 elements"),
        ("[MLS305]", "[MLS305, MLS305]", "policy.exceptions", "names MLS305 twice"),
        ("[MLS305]", "['*']", "policy.exceptions", "cannot be excepted"),
        ("[MLS305]", "[mls305]", "policy.exceptions", "cannot be excepted"),
        ("sha256:", "blake3:", "policy.exceptions", "is not a sha256 digest"),
        (HEX, "abcd", "policy.exceptions", "digest"),
        ("until: 2026-06-01T00:00:00Z", "until: never", "policy.exceptions", "is no time in UTC"),
        ("until: 2026-06-01T00:00:00Z", "until: 2026-06-01", "policy.exceptions", "is no time in UTC"),
        ("until: 2026-06-01T00:00:00Z", "until: 2026-06-01T00:00:00+02:00", "policy.exceptions", "is no time in UTC"),
        ("until: 2026-06-01T00:00:00Z", "until: 2026-02-30T00:00:00Z", "policy.exceptions", "is no time in UTC"),
        ("until: 2026-06-01T00:00:00Z", "until: 0000-01-01T00:00:00Z", "policy.exceptions", "is no time in UTC"),
        ("reason: known", "reason: known, who: me", "policy.unknown", "who is not a field"),
    ],
)
def test_what_is_no_exception_is_refused(decoded: Callable[[str], Policy], old: str, new: str, code: str, words: str) -> None:
    assert old in ENTRY
    with pytest.raises(InputError) as caught:
        decoded(f"[{ENTRY.replace(old, new)}]")
    assert (caught.value.code, words in caught.value.message) == (code, True), caught.value.message


def test_one_finding_of_one_package_has_one_end(decoded: Callable[[str], Policy]) -> None:
    later = ENTRY.replace("2026", "2027")
    with pytest.raises(InputError, match="second exception from MLS305"):
        decoded(f"[{ENTRY}, {later}]")
    assert len(decoded(f"[{ENTRY}, {later.replace('MLS305', 'MLS306')}]").exceptions) == 2
    assert len(decoded(f"[{ENTRY}, {later.replace(HEX, '74' * 32)}]").exceptions) == 2


@pytest.mark.parametrize("code", sorted(set(ENTRIES) - EXEMPTIBLE))
def test_what_is_no_matter_of_policy_cannot_be_excepted(decoded: Callable[[str], Policy], code: str) -> None:
    with pytest.raises(InputError, match=f"{code} cannot be excepted"):
        decoded(f"[{ENTRY.replace('MLS305', code)}]")


def test_the_list_of_codes_is_closed_and_holds_nothing_of_content_or_signatures() -> None:
    assert set(ENTRIES) >= EXEMPTIBLE
    assert all(code.startswith("MLS3") or code == "MLS402" for code in EXEMPTIBLE)


def test_it_lets_its_package_in_and_says_so(policy: Policy, crowded: Evidence, now: datetime) -> None:
    assert decide(policy, crowded, now=now).verdict is Verdict.DENY
    decision = decide(replace(policy, exceptions=(exemption(crowded, "MLS305"),)), crowded, now=now)
    assert decision.verdict is Verdict.ALLOW
    ((used),) = decision.excepted
    assert [(f.code, f.outcome) for f in used.findings] == [("MLS305", Outcome.FAIL)]
    assert not set(used.findings) & set(decision.findings)
    told = [f for f in decision.findings if f.code == "MLS421"]
    assert [(f.outcome, "INC-4711" in f.message) for f in told] == [(Outcome.PASS, True)]


@pytest.mark.parametrize("code", ["MLS306", "MLS101", "MLS421"])
def test_it_covers_only_what_it_names(code: str, policy: Policy, crowded: Evidence, now: datetime) -> None:
    decision = decide(replace(policy, exceptions=(exemption(crowded, code),)), crowded, now=now)
    assert (decision.verdict, decision.excepted) == (Verdict.DENY, ())
    assert not {"MLS421", "MLS422"} & {f.code for f in decision.findings}


def test_it_is_for_one_package_alone(policy: Policy, crowded: Evidence, now: datetime) -> None:
    mine = replace(policy, exceptions=(exemption(crowded, "MLS305"),))
    assert crowded.digest is not None
    for digest in (crowded.digest._replace(value=b"x" * 32), None):
        decision = decide(mine, replace(crowded, digest=digest), now=now)
        assert (decision.verdict, decision.excepted) == (Verdict.DENY, ())
        assert not {"MLS421", "MLS422"} & {f.code for f in decision.findings}


def test_one_that_has_nothing_to_cover_says_nothing(policy: Policy, evidence: Evidence, now: datetime) -> None:
    for until in (UNTIL, now - timedelta(days=1)):
        decision = decide(replace(policy, exceptions=(exemption(evidence, "MLS305", until=until),)), evidence, now=now)
        assert (decision.verdict, decision.excepted) == (Verdict.ALLOW, ())
        assert not {"MLS421", "MLS422"} & {f.code for f in decision.findings}


def test_it_ends_at_its_end(policy: Policy, crowded: Evidence) -> None:
    mine = replace(policy, exceptions=(exemption(crowded, "MLS305"),))
    assert decide(mine, crowded, now=UNTIL - timedelta(microseconds=1)).verdict is Verdict.ALLOW
    for now in (UNTIL, UNTIL + timedelta(days=900)):
        decision = decide(mine, crowded, now=now)
        assert (decision.verdict, decision.excepted) == (Verdict.DENY, ())
        assert {("MLS305", Outcome.FAIL), ("MLS422", Outcome.FAIL)} <= {(f.code, f.outcome) for f in decision.findings}


def test_what_is_unknown_is_never_covered(policy: Policy, evidence: Evidence, now: datetime) -> None:
    unread = replace(evidence, summary=None)
    decision = decide(replace(policy, exceptions=(exemption(evidence, *EXEMPTIBLE),)), unread, now=now)
    assert (decision.verdict, decision.excepted) == (Verdict.DENY, ())


def test_a_code_that_slipped_past_the_decoder_covers_nothing(policy: Policy, evidence: Evidence, now: datetime) -> None:
    altered = replace(evidence, findings=(Finding(code="MLS101", outcome=Outcome.FAIL, message="content changed"),))
    unsigned = replace(evidence, signatures=())
    rolled = replace(evidence, seen=Seen(version=decode_version("9.0.0"), digest=None))
    every = replace(policy, exceptions=(exemption(evidence, *ENTRIES),))
    for bad in (altered, unsigned):
        assert decide(every, bad, now=now).verdict is Verdict.DENY
    assert decide(every, rolled, now=now).excepted == ()


def test_a_scan_of_models_knows_no_exceptions(policy: Policy, crowded: Evidence, now: datetime) -> None:
    mine = replace(policy, exceptions=(exemption(crowded, "MLS305"),))
    assert judge_model(mine, crowded, now=now).verdict is Verdict.DENY


def test_hostile_words_of_a_reason_are_escaped(policy: Policy, crowded: Evidence, now: datetime) -> None:
    loud = replace(exemption(crowded, "MLS305"), reason="\x1b[2Jfine")
    decision = decide(replace(policy, exceptions=(loud,)), crowded, now=now)
    assert all("\x1b" not in f.message for f in decision.findings)
