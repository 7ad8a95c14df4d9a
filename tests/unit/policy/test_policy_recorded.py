"""What a record cannot show is unknown: each condition of gathering, held against the policy that is tried."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest

from mlsign.digest import Algorithm, sha256
from mlsign.errors import InputError
from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import TrustFacts
from mlsign.formats.statement import StatementFormat
from mlsign.paths import PackagePath
from mlsign.policy.decide import decide
from mlsign.policy.freshness import Freshness, TrustSettings
from mlsign.policy.model import SignerGroup, Verdict
from mlsign.policy.patterns import PatternKind, TextPattern
from mlsign.policy.recorded import GAP, decide_recorded, decode_recording, encode_recording, record
from mlsign.policy.requirements import CertificateRequirement

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def gaps(policy, recording) -> list[str]:
    decision = decide_recorded(policy, recording, now=NOW)
    found = [f for f in decision.findings if f.code == GAP]
    assert all(f.outcome is Outcome.UNKNOWN for f in found)
    assert not found or decision.verdict is Verdict.DENY
    return [f.message for f in found]


def test_a_record_decides_as_the_evidence_does(policy, evidence):
    recording = record(policy, evidence, now=NOW)
    assert decide_recorded(policy, recording, now=NOW) == decide(policy, evidence, now=NOW)
    assert decide_recorded(policy, recording, now=NOW).verdict is Verdict.ALLOW


def test_a_record_comes_back(policy, evidence):
    recording = record(policy, evidence, now=NOW)
    assert decode_recording(encode_recording(recording), where="r") == recording


def test_a_record_of_another_format_is_refused(policy, evidence):
    recording = replace(record(policy, evidence, now=NOW), schema="mlsign/evidence/v2")
    with pytest.raises(InputError, match="expected mlsign/evidence/v1"):
        decode_recording(encode_recording(recording), where="r")


def with_model(policy, **changes):
    return replace(policy, model=replace(policy.model, **changes))


def test_a_policy_that_asks_for_more_is_not_answered(policy, evidence):
    recording = record(policy, evidence, now=NOW)
    limits = {**policy.model.limits, "max_nodes": policy.model.limits["max_nodes"] - 1}
    assert gaps(with_model(policy, limits=MappingProxyType(limits)), recording)
    assert gaps(with_model(policy, limits=MappingProxyType({**policy.model.limits, "max_graphs": 3})), recording)
    assert gaps(with_model(policy, run=replace(policy.model.run, open_dimension=9)), recording)
    assert gaps(replace(policy, unsigned_files=()), recording)
    assert gaps(replace(policy, digests=frozenset({Algorithm.SHA256})), recording)
    old = record(replace(policy, formats=frozenset(StatementFormat)), evidence, now=NOW)
    assert gaps(policy, old)
    assert gaps(policy, record(replace(policy, revoked=()), evidence, now=NOW))


def test_a_policy_that_asks_for_less_is_answered(policy, evidence):
    recording = record(policy, evidence, now=NOW)
    assert not gaps(with_model(policy, limits=MappingProxyType({})), recording)
    assert not gaps(replace(policy, unsigned_files=(*policy.unsigned_files, PackagePath("README.md"))), recording)
    assert not gaps(replace(policy, formats=frozenset(StatementFormat)), recording)
    assert not gaps(replace(policy, revoked=()), recording)
    assert not gaps(replace(policy, digest=sha256(b"other")), recording)


def test_certificates_are_only_shown_for_the_policy_that_they_were_held_against(policy, evidence):
    wanted = CertificateRequirement(
        reference="ca.pem", anchors=frozenset({sha256(b"ca")}), subject=TextPattern(kind=PatternKind.EXACT, text="CN=a")
    )
    asked = replace(policy, signers=(*policy.signers, SignerGroup(name="c", require=1, any=(wanted,))))
    facts = TrustFacts(source="s", digest=sha256(b"t"), fetched=None, expires=None)
    recording = record(asked, replace(evidence, trust=facts), now=NOW)
    assert not gaps(asked, recording)
    assert gaps(replace(asked, digest=sha256(b"other")), recording)


def test_another_trust_root_or_none_shows_nothing(policy, evidence):
    aged = replace(policy, freshness=Freshness(max_age=timedelta(days=90)))
    facts = TrustFacts(source="s", digest=sha256(b"t"), fetched=None, expires=None)
    recording = record(aged, replace(evidence, trust=facts), now=NOW)
    assert not gaps(aged, recording)
    assert gaps(aged, record(aged, evidence, now=NOW))
    for trust in (TrustSettings(file="other.json"), TrustSettings(instance="acme")):
        assert gaps(replace(aged, freshness=replace(aged.freshness, trust=trust)), recording)
