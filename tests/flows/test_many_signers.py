"""Many signatures at once: what they share is read once and each is judged by itself; junk costs only so much."""

import gc
import json
from dataclasses import replace

import pytest
from making import bundle_of, canonical, make_key, put_signatures, resign, statement_over, write_policy

import mlsign
from mlsign.actions.policies.load_policies import load_policies
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import Standing
from mlsign.limits import DEFAULT
from mlsign.policy.model import Verdict
from mlsign.trust.authenticate import Signed


@pytest.fixture
def crowd():
    return [make_key() for _ in range(40)]


def judged(package, policy, *, signatures=(), **limits):
    (loaded,) = load_policies([policy])
    return verify(package, VerifyRequest(policy=loaded, signatures=signatures, limits=replace(DEFAULT, **limits)))


def kept(package):
    return {path.name: path.read_bytes() for path in (package / "signatures").iterdir()}


def nameless(package, pair, *, copies=1):
    """The bundle of a signer without a word of which key made it, as old signers left it, so many times."""
    path = bundle_of(package, pair)
    value = json.loads(path.read_bytes())
    value["verificationMaterial"]["publicKey"] = {"rawBytes": "AAAA"}
    path.unlink()
    for number in range(copies):
        path.with_name(f"{number}.json").write_text(json.dumps(value))


def test_everybody_counts_once_and_whoever_signed_something_else_does_not(package, crowd, tmp_path):
    honest, liars = crowd[:30], crowd[30:]
    resign(package, honest)
    policy = write_policy(tmp_path / "p", {"all": (30, [pair.public for pair in crowd])})
    assert judged(package, policy).decision.verdict is Verdict.ALLOW
    bundles = kept(package)
    other = statement_over(package)
    other["predicate"]["resources"].pop()  # and so its subject is wrong
    put_signatures(package, canonical(other), liars[:5])
    bundles |= kept(package)
    resign(package, liars[5:], lambda value: value["predicate"]["serialization"]["ignore_paths"].append("model.onnx"))
    for name, data in bundles.items():
        (package / "signatures" / name).write_bytes(data)
    report = judged(package, policy)
    assert report.decision.verdict is Verdict.ALLOW
    standings = [record.standing for record in report.evidence.signatures]
    assert (standings.count(Standing.COUNTED), standings.count(Standing.REJECTED)) == (30, 10)
    all_of_them = write_policy(tmp_path / "q", {"all": (31, [pair.public for pair in crowd])})
    assert judged(package, all_of_them).decision.verdict is Verdict.DENY


def test_two_signatures_by_one_key_are_one_signer(package, keys, tmp_path):
    resign(package, [keys.release])
    path = bundle_of(package, keys.release)
    path.with_name("again.json").write_text(json.dumps(json.loads(path.read_bytes()), indent=1))
    policy = write_policy(tmp_path / "p", {"all": (2, [keys.release.public, keys.review.public])})
    report = judged(package, policy)
    assert [record.standing for record in report.evidence.counted] == [Standing.COUNTED] * 2
    assert report.decision.verdict is Verdict.DENY


def test_signatures_that_name_no_key_share_a_number_of_trials(package, keys, tmp_path):
    resign(package, [keys.release])
    nameless(package, keys.release, copies=3)
    policy = write_policy(tmp_path / "p", {"all": (1, [keys.review.public, keys.release.public])})
    assert judged(package, policy).decision.verdict is Verdict.ALLOW
    enough = judged(package, policy, max_key_trials=3)
    assert enough.decision.verdict is Verdict.ALLOW
    assert [record.standing for record in enough.evidence.signatures] == [Standing.COUNTED, *[Standing.REJECTED] * 2]
    report = judged(package, policy, max_key_trials=1)
    assert report.decision.verdict is Verdict.DENY
    (reason, *_) = [f for f in report.decision.findings if f.cause == "signature.trials"]
    assert (reason.code, reason.outcome, reason.where) == ("MLS206", Outcome.FAIL, "signatures/0.json")


def test_junk_that_names_no_key_takes_nothing_from_who_does(package, keys, tmp_path):
    resign(package, [keys.release, keys.review])
    nameless(package, keys.review, copies=50)
    policy = write_policy(tmp_path / "p", {"all": (1, [keys.release.public])})
    report = judged(package, policy, max_key_trials=10)
    assert report.decision.verdict is Verdict.ALLOW
    assert [record.bundle for record in report.evidence.counted] == [str(bundle_of(package, keys.release).relative_to(package))]


def test_junk_in_the_package_takes_nothing_from_a_signature_that_the_user_names(package, keys, tmp_path):
    resign(package, [keys.release])
    nameless(package, keys.release)
    mine = (package / "signatures" / "0.json").rename(tmp_path / "mine.json")
    resign(package, [keys.review])
    nameless(package, keys.review, copies=20)
    policy = write_policy(tmp_path / "p", {"all": (1, [keys.release.public])})
    report = judged(package, policy, signatures=[mine], max_key_trials=1)
    assert report.decision.verdict is Verdict.ALLOW
    assert [record.bundle for record in report.evidence.counted] == [str(mine)]
    assert [record.bundle for record in report.evidence.signatures][-1] == str(mine)


def test_a_trial_over_a_long_payload_counts_as_many(package, keys, tmp_path):
    policy = write_policy(tmp_path / "p", {"all": (1, [keys.release.public])})
    long = statement_over(package)
    long["predicate"]["serialization"]["ignore_paths"] = ["x" * 4000] * 600  # more than two MiB
    put_signatures(package, canonical(long), [keys.release])
    assert judged(package, policy, max_key_trials=1).decision.verdict is Verdict.ALLOW
    nameless(package, keys.release)
    assert judged(package, policy, max_key_trials=3).decision.verdict is Verdict.ALLOW
    report = judged(package, policy, max_key_trials=2)
    assert report.decision.verdict is Verdict.DENY
    assert "signature.trials" in [finding.cause for finding in report.decision.findings]


@pytest.mark.parametrize("formats", ["[oms-1.0]", "[oms-1.0, oms-0.2]"])
def test_of_refused_signatures_no_copy_is_left(package, keys, tmp_path, formats):
    resign(package, [keys.review])
    nameless(package, keys.review, copies=5)
    policy = write_policy(tmp_path / "p", {"all": (1, [keys.release.public, make_key().public])}, rest=f"formats: {formats}\n")
    gc.collect()
    gc.disable()
    try:
        report = judged(package, policy)
        left = [found for found in gc.get_objects() if isinstance(found, Signed)]
    finally:
        gc.enable()
    assert [record.standing for record in report.evidence.signatures] == [Standing.REJECTED] * 5
    assert left == []


def test_a_thousand_signatures_are_looked_at(package, gate):
    for number in range(1000):
        (package / "signatures" / f"{number}.json").write_bytes(b"{}")
    assert gate.verify(package).decision.verdict is Verdict.ALLOW
    for number in range(1000, DEFAULT.max_bundles + 1):
        (package / "signatures" / f"{number}.json").write_bytes(b"{}")
    with pytest.raises(mlsign.InputError) as caught:
        gate.verify(package)
    assert caught.value.code == "package.bundles"
