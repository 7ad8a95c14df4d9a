"""Signing without a key, and what a policy makes of it: identities, logs, times, trust roots, and services that fail."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fake_http import ask
from fake_oidc import email_claims
from making import make_key
from tuf_repository import TufRepository

from mlsign.actions.comparison.diff import DiffRequest, diff
from mlsign.actions.inspection.inspect import inspect
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.releases.list_releases import list_releases
from mlsign.actions.releases.reading import LogRequest
from mlsign.actions.signing.load_keyless import KeylessRequest, Login, load_keyless
from mlsign.actions.signing.sign import Agreement, sign
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.errors import InputError, OutsideError, TrustError
from mlsign.evidence.findings import Outcome
from mlsign.formats.bundle import decode_bundle
from mlsign.policy.model import Verdict
from mlsign.report.inspection_as_text import render_inspection
from mlsign.report.log.words import signer_words
from mlsign.trust.merkle import decode_checkpoint

ALICE = "alice@acme.example"
WORKFLOW = "https://github.com/acme/fraud/.github/workflows/release.yml@refs/tags/v1.2.0"


@pytest.fixture(scope="module")
def bare(good_package, tmp_path_factory):
    """The good package without signatures."""
    folder = Path(shutil.copytree(good_package, tmp_path_factory.mktemp("bare") / "fraud-1.2.0"))
    shutil.rmtree(folder / "signatures")
    return folder


@pytest.fixture
def package(bare, tmp_path):
    return Path(shutil.copytree(bare, tmp_path / "fraud-1.2.0"))


@pytest.fixture(scope="module")
def signed(bare, sigstore, tmp_path_factory):
    """Packages signed by Alice on both versions of the log, and by a workflow; nobody writes to them."""
    out = {}
    for name, rekor, token in (
        ("v1", 1, sigstore.oidc.email_token(ALICE)),
        ("v2", 2, sigstore.oidc.email_token(ALICE)),
        ("workflow", 2, sigstore.oidc.workflow_token()),
    ):
        out[name] = Path(shutil.copytree(bare, tmp_path_factory.mktemp(name) / "fraud-1.2.0"))
        sign(out[name], signer(sigstore, tmp_path_factory.mktemp("config"), token, rekor=rekor))
    return out


def signer(sigstore, folder, token=None, **options):
    config = folder / "config.json"
    config.write_text(json.dumps(sigstore.trust_config(**options)))
    return load_keyless(KeylessRequest(token=token or sigstore.oidc.email_token(ALICE), config=config, login=Login.NEVER))


def policy(folder, sigstore, subject=ALICE, *, more="", rest="", issuer=None, root=None, trust=""):
    (folder / "root.json").write_text(json.dumps(root or sigstore.trusted_root()))
    issuer = issuer or "{regex: '" + sigstore.issuer.replace(".", "[.]") + "'}"
    path = folder / "policy.yaml"
    path.write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: keyless\n"
        f"signers: [{{name: release, require: 1, any: [{{keyless: {{issuer: {issuer}, subject: {subject}{more}}}}}]}}]\n"
        f"operators: {{allow: [inference-v1]}}\ntrust: {{root: root.json{trust}}}\n{rest}"
    )
    return load_policy(path)


def judged(package, loaded, now=None):
    report = verify(package, VerifyRequest(policy=loaded, now=now))
    bad = {f.code: f for f in report.decision.findings if f.outcome is not Outcome.PASS}
    assert (report.decision.verdict is Verdict.ALLOW) == (not bad)
    return report, bad


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_what_is_signed_keyless_is_allowed_where_the_signer_is_named(signed, sigstore, tmp_path, name):
    asked = "transparency: {log: required, timestamp: either}\nage: {max: 1h}\n"
    report, bad = judged(signed[name], policy(tmp_path, sigstore, rest=asked))
    assert not bad
    (met,) = report.decision.met
    (record,) = met.signatures
    assert record.identity.describe() == {"subject": ALICE, "issuer": sigstore.issuer}
    assert record.logged
    assert {time.source.value for time in record.times} == ({"log"} if name == "v1" else {"timestamp"})
    assert report.evidence.trust.source.startswith("file ")


def test_a_demand_for_a_timestamp_is_not_met_by_the_time_of_a_log(signed, sigstore, tmp_path):
    asked = policy(tmp_path, sigstore, rest="transparency: {timestamp: required}\n")
    assert not judged(signed["v2"], asked)[1]
    assert set(judged(signed["v1"], asked)[1]) == {"MLS205", "MLS217"}


def test_somebody_else_is_shown_beside_who_was_wanted(signed, sigstore, tmp_path):
    _, bad = judged(signed["v2"], policy(tmp_path, sigstore, subject="bob@acme.example"))
    assert set(bad) == {"MLS205", "MLS215"}
    assert ALICE in bad["MLS215"].found
    assert "bob@acme.example" in bad["MLS215"].expected


@pytest.mark.parametrize(
    ("subject", "allowed"),
    [
        (WORKFLOW, True),
        ("{pattern: 'https://github.com/acme/*/.github/workflows/release.yml@refs/tags/*'}", True),
        ("{pattern: 'https://github.com/acme/**'}", True),
        ("{regex: 'https://github[.]com/acme/[a-z]+/[.]github/workflows/release[.]yml@refs/tags/v[0-9.]+'}", True),
        ("{pattern: 'https://github.com/acme/*'}", False),
        ("{regex: 'https://github[.]com/acme/[a-z]+'}", False),
        ("{pattern: 'https://github.com/acme/*/.github/workflows/release.yml@refs/heads/*'}", False),
        (WORKFLOW.upper(), False),
    ],
)
def test_workflows_are_named_exactly_with_wildcards_or_by_expression(signed, sigstore, tmp_path, subject, allowed):
    assert (not judged(signed["workflow"], policy(tmp_path, sigstore, subject=subject))[1]) == allowed


@pytest.mark.parametrize(
    ("claims", "allowed"),
    [
        ("source_repository: https://github.com/acme/fraud, source_ref: refs/tags/v1.2.0", True),
        ("workflow: {pattern: 'https://github.com/acme/fraud/**'}, trigger: release, runner_environment: github-hosted", True),
        ("source_ref: {regex: 'refs/tags/v[0-9]+[.][0-9]+[.][0-9]+'}", True),
        ("source_repository: https://github.com/acme/fraud2", False),
        ("runner_environment: self-hosted", False),
        ("trigger: push, source_ref: refs/tags/v1.2.0", False),
    ],
)
def test_claims_of_the_certificate_are_pinned(signed, sigstore, tmp_path, claims, allowed):
    assert (not judged(signed["workflow"], policy(tmp_path, sigstore, WORKFLOW, more=f", claims: {{{claims}}}"))[1]) == allowed


def test_a_claim_that_is_not_there_is_not_met(signed, sigstore, tmp_path):
    assert judged(signed["v2"], policy(tmp_path, sigstore, more=", claims: {trigger: release}"))[1]


def test_the_one_who_calls_itself_the_same_is_not_trusted(signed, sigstore, tmp_path):
    with sigstore.twin() as twin:
        _, bad = judged(signed["v2"], policy(tmp_path, sigstore, root=twin.trusted_root()))
    assert set(bad) == {"MLS205", "MLS213"}


def test_signatures_do_not_outlive_the_root_that_ended_before_they_were_made(signed, sigstore, tmp_path):
    ended = sigstore.trusted_root(end=datetime.now(UTC) - timedelta(hours=1))
    for name in ("v1", "v2"):
        assert set(judged(signed[name], policy(tmp_path, sigstore, root=ended))[1]) <= {"MLS205", "MLS213", "MLS214"}


def test_age_counts_from_the_trusted_time(signed, sigstore, tmp_path):
    loaded = policy(tmp_path, sigstore, rest="age: {max: 90d}\n")
    assert not judged(signed["v1"], loaded, now=datetime.now(UTC) + timedelta(days=89))[1]
    _, bad = judged(signed["v1"], loaded, now=datetime.now(UTC) + timedelta(days=91))
    assert set(bad) == {"MLS205", "MLS216"}
    assert (bad["MLS216"].expected, bad["MLS216"].found) == ("at most 90 days", "91 days")


def test_a_clock_that_is_behind_is_named(signed, sigstore, tmp_path):
    _, bad = judged(signed["v1"], policy(tmp_path, sigstore), now=datetime.now(UTC) - timedelta(hours=2))
    assert set(bad) == {"MLS205", "MLS214"}
    assert "check the clock" in bad["MLS214"].hint


def test_without_a_trusted_time_an_age_is_unknown_and_denies(package, sigstore, tmp_path, keys):
    sign(package, keys.release.signer)
    (tmp_path / "release.pub").write_bytes(keys.release.public)
    (tmp_path / "policy.yaml").write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: aged\n"
        "signers: [{name: release, require: 1, any: [{key: release.pub}]}]\n"
        "operators: {allow: [inference-v1]}\nage: {max: 90d}\n"
    )
    _, bad = judged(package, load_policy(tmp_path / "policy.yaml"))
    assert set(bad) == {"MLS205", "MLS216"}
    assert bad["MLS216"].outcome is Outcome.UNKNOWN


def test_two_ways_of_one_person_are_one_signer(package, sigstore, tmp_path):
    for rekor in (1, 2):
        sign(package, signer(sigstore, tmp_path, rekor=rekor))
    loaded = policy(tmp_path, sigstore, subject="{pattern: '*@acme.example'}")
    text = (tmp_path / "policy.yaml").read_text().replace("require: 1", "require: 2")
    (tmp_path / "policy.yaml").write_text(text)
    two = load_policy(tmp_path / "policy.yaml")
    assert not judged(package, loaded)[1]
    assert set(judged(package, two)[1]) == {"MLS205"}
    sign(package, signer(sigstore, tmp_path, sigstore.oidc.email_token("bob@acme.example")))
    assert not judged(package, two)[1]


def test_whoever_looks_without_a_policy_sees_whom_the_certificate_names(signed, sigstore):
    claimed = {name: inspect(package).signers for name, package in signed.items()}
    assert [[(s.method, s.holder, s.issuer, s.key_hint, s.problem) for s in found] for found in claimed.values()] == [
        [("keyless", holder, sigstore.issuer, "", "")] for holder in (ALICE, ALICE, WORKFLOW)
    ]
    text = " ".join(render_inspection(inspect(signed["v2"]), width=200, color=False).split())
    assert f"claims to be by {ALICE} by {sigstore.issuer}, over fraud-1.2.0" in text
    (release,) = list_releases(signed["v2"].parent, LogRequest()).releases
    assert list(signer_words(release)) == [f"claims to be signed by {ALICE} by {sigstore.issuer}, over fraud-1.2.0; not checked"]
    signers = diff(signed["v2"], signed["workflow"], DiffRequest()).signers
    assert ([ALICE in name for name in signers.removed], [WORKFLOW in name for name in signers.added]) == ([True], [True])


def test_a_certificate_that_cannot_be_read_is_told_and_ends_nothing(signed, tmp_path):
    package = Path(shutil.copytree(signed["v2"], tmp_path / "fraud-1.2.0"))
    (path,) = (package / "signatures").iterdir()
    bundle = json.loads(path.read_bytes())
    bundle["verificationMaterial"]["certificate"]["rawBytes"] = "MAA="
    path.write_text(json.dumps(bundle))
    (claimed,) = inspect(package).signers
    assert (claimed.holder, claimed.subject) == ("", "fraud-1.2.0")
    assert "is not a readable certificate" in claimed.problem


def test_signing_beside_others_says_who_they_are(package, sigstore, tmp_path, keys):
    sign(package, keys.release.signer)
    told = []
    made = sign(package, signer(sigstore, tmp_path), tell=told.append)
    ((neighbour,),) = told
    assert (neighbour.agreement, neighbour.identity) == (Agreement.SAME, None)
    told.clear()
    again = sign(package, make_key().signer, tell=told.append, known=policy(tmp_path, sigstore).root)
    (found,) = told
    assert [n.identity.describe()["subject"] for n in found if n.bundle == made.bundle] == [ALICE]
    assert {n.bundle for n in again.others} == {n.bundle for n in found}


@pytest.mark.parametrize("rekor", [1, 2])
@pytest.mark.parametrize(
    ("service", "how", "code"),
    [
        ("fulcio", "unavailable", "keyless.certificate"),
        ("fulcio", "drop", "keyless.unreachable"),
        ("rekor", "unavailable", "keyless.log"),
        ("rekor", "drop", "keyless.unreachable"),
        ("tsa", "unavailable", "keyless.timestamp"),
    ],
)
def test_a_service_that_fails_leaves_nothing_and_a_retry_works(package, own, tmp_path, rekor, service, how, code):
    if service == "tsa" and rekor == 1:
        pytest.skip("that log signs the time itself")
    own.break_service(service, how)
    with pytest.raises(OutsideError) as caught:
        sign(package, signer(own, tmp_path, rekor=rekor))
    assert caught.value.code == code
    assert "nothing was written" in caught.value.hint
    assert not (package / "signatures").exists()
    own.repair_service(service)
    sign(package, signer(own, tmp_path, rekor=rekor))
    assert not judged(package, policy(tmp_path, own))[1]


def test_answers_that_are_not_those_of_the_instance_are_not_kept(package, sigstore, tmp_path):
    """The services of one instance with the trust root of another: what they sign would not verify."""
    with sigstore.twin() as twin:
        mixed = sigstore.trust_config() | {"trustedRoot": twin.trusted_root()}
        (tmp_path / "config.json").write_text(json.dumps(mixed))
        request = KeylessRequest(token=sigstore.oidc.email_token(ALICE), config=tmp_path / "config.json")
        with pytest.raises((TrustError, OutsideError)):
            sign(package, load_keyless(request))
    assert not (package / "signatures").exists()


@pytest.mark.parametrize(
    ("make", "code", "hint"),
    [
        (lambda oidc: oidc.expired_token(), "token.expired", "new one"),
        (lambda oidc: oidc.email_token(audience="somebody"), "token.audience", "audience sigstore"),
        (lambda oidc: oidc.email_token(age=timedelta(minutes=-30)), "token.clock", "clock"),
        (lambda _: "nonsense", "token.invalid", ""),
    ],
)
def test_tokens_that_cannot_be_used_are_named(sigstore, tmp_path, make, code, hint):
    with pytest.raises(OutsideError) as caught:
        signer(sigstore, tmp_path, make(sigstore.oidc))
    assert caught.value.code == code
    assert hint in caught.value.hint


@pytest.mark.parametrize("make", [lambda oidc: oidc.forged_token(), lambda oidc: oidc.email_token(ALICE, verified=False)])
def test_tokens_that_the_authority_refuses_leave_nothing(package, sigstore, tmp_path, make):
    with pytest.raises(OutsideError) as caught:
        sign(package, signer(sigstore, tmp_path, make(sigstore.oidc)))
    assert caught.value.code == "keyless.certificate"
    assert not (package / "signatures").exists()


def test_services_whose_clock_is_ahead_are_found_out(package, own, tmp_path):
    own.shift(timedelta(hours=3))
    token = own.oidc.email_token(ALICE, age=timedelta(hours=3), lifetime=timedelta(hours=4))
    with pytest.raises((TrustError, OutsideError)) as caught:
        sign(package, signer(own, tmp_path, token, rekor=1))
    assert caught.value.code in {"time.future", "keyless.untrusted"}
    assert not (package / "signatures").exists()


def test_the_environment_of_a_workflow_gives_the_token(package, sigstore, tmp_path, monkeypatch):
    for name, value in sigstore.oidc.actions_environment().items():
        monkeypatch.setenv(name, value)
    (tmp_path / "config.json").write_text(json.dumps(sigstore.trust_config()))
    made = sign(package, load_keyless(KeylessRequest(config=tmp_path / "config.json", login=Login.NEVER)))
    assert made.identity.describe()["subject"] == WORKFLOW


def test_without_a_token_and_nobody_to_ask_it_is_said(sigstore, tmp_path, monkeypatch):
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "BUILDKITE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config.json").write_text(json.dumps(sigstore.trust_config()))
    with pytest.raises(InputError) as caught:
        load_keyless(KeylessRequest(config=tmp_path / "config.json", login=Login.NEVER))
    assert caught.value.code == "token.missing"


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda found: json.dumps(found["trustedRoot"]), "keyless.config", "is a trust root"),
        (lambda found: json.dumps(found["signingConfig"]), "keyless.config", "is no client configuration"),
        ("[]".format, "keyless.config", "is no client configuration"),
        ("-----BEGIN".format, "json.syntax", "is not JSON"),
        (lambda found: json.dumps(found | {"trustedRoot": {}}), "root.missing", "is missing"),
    ],
)
def test_a_file_that_is_no_client_configuration_is_named(sigstore, tmp_path, make, code, words):
    file = tmp_path / "given.json"
    file.write_text(make(sigstore.trust_config()))
    with pytest.raises(InputError) as caught:
        load_keyless(KeylessRequest(token=sigstore.oidc.email_token(ALICE), config=file, login=Login.NEVER))
    assert (caught.value.code, words in caught.value.message) == (code, True)
    assert caught.value.where.startswith(str(file))
    assert "ClientTrustConfig" in caught.value.hint


def test_a_policy_names_a_trust_root_that_is_none(sigstore, tmp_path):
    policy(tmp_path, sigstore)
    (tmp_path / "other.json").write_text("-----BEGIN")
    with pytest.raises(InputError) as caught:
        load_policy(tmp_path / "policy.yaml", trust_root=tmp_path / "other.json")
    assert (caught.value.code, "other.json" in caught.value.where) == ("json.syntax", True)


def test_a_token_may_stand_in_a_file(package, sigstore, tmp_path):
    (tmp_path / "token").write_text(sigstore.oidc.email_token(ALICE) + "\n")
    sign(package, signer(sigstore, tmp_path, f"@{tmp_path / 'token'}"))
    assert not judged(package, policy(tmp_path, sigstore))[1]


@pytest.mark.parametrize("text", ["{}", '{"trustedRoot": {}}', "[]", "nonsense"])
def test_a_configuration_that_is_none_is_refused(tmp_path, sigstore, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError):
        load_keyless(KeylessRequest(token=sigstore.oidc.email_token(), config=tmp_path / "config.json"))


def test_a_trust_root_alone_is_not_enough_to_sign_with(tmp_path, sigstore):
    (tmp_path / "config.json").write_text(json.dumps(sigstore.trusted_root()))
    with pytest.raises(InputError) as caught:
        load_keyless(KeylessRequest(token=sigstore.oidc.email_token(), config=tmp_path / "config.json"))
    assert caught.value.code == "keyless.config"


def test_root_and_age_of_trust_data_are_judged(signed, sigstore, tmp_path):
    _, bad = judged(signed["v2"], policy(tmp_path, sigstore, trust=", max_age: 30d"))
    assert set(bad) == {"MLS218"}
    assert bad["MLS218"].outcome is Outcome.UNKNOWN
    assert "mlsign trust update" in bad["MLS218"].hint


@pytest.fixture
def repository(sigstore):
    with TufRepository() as served:
        served.publish_sigstore(sigstore.trust_config())
        yield served


def test_a_private_instance_is_fetched_once_and_kept(package, sigstore, repository, tmp_path, monkeypatch):
    """Named by its repository for signing, and from then on by its name, offline: for signing and for verifying."""
    monkeypatch.setenv("MLSIGN_STATE", str(tmp_path / "state"))
    (tmp_path / "1.root.json").write_bytes(repository.bootstrap)
    token = sigstore.oidc.email_token(ALICE)
    where = {"instance": "acme", "tuf_url": repository.url, "tuf_root": tmp_path / "1.root.json"}
    with pytest.raises(InputError) as caught:
        load_keyless(KeylessRequest(token=token, **(where | {"instance": "public-good"})))
    assert caught.value.code == "usage.trust_name"
    sign(package, load_keyless(KeylessRequest(token=token, **where)))
    repository.break_service("drop")
    sign(package, load_keyless(KeylessRequest(token=token, instance="acme")))
    path = tmp_path / "policy.yaml"
    policy(tmp_path, sigstore)
    path.write_text(path.read_text().replace("{root: root.json}", "{instance: acme}"))
    report, bad = judged(package, load_policy(path))
    assert not bad
    assert report.evidence.trust.source == "cache of acme"
    # A day later the timestamp of the repository has expired: what it says may have been taken back since.
    tomorrow = datetime.now(UTC) + timedelta(days=2)
    _, bad = judged(package, load_policy(path), now=tomorrow)
    assert set(bad) == {"MLS218"}
    assert "expired 1 day ago" in bad["MLS218"].message or "expired" in bad["MLS218"].message
    path.write_text(path.read_text().replace("{instance: acme}", "{instance: acme, stale: allow}"))
    report, bad = judged(package, load_policy(path), now=tomorrow)
    assert not bad
    assert any("past its expiry" in f.message for f in report.decision.findings if f.code == "MLS218")
    path.write_text(path.read_text().replace("stale: allow", "stale: allow, max_age: 1d"))
    assert set(judged(package, load_policy(path), now=tomorrow)[1]) == {"MLS218"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the client leaves a socket open
def test_a_person_logs_in_elsewhere_and_types_a_code(package, sigstore, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("builtins.input", lambda _: ask(capsys.readouterr().err.split()[-1])[1].decode())
    monkeypatch.setattr("mlsign.signers.keyless.detect_credential", lambda: None)
    sigstore.oidc.person = email_claims(ALICE)
    (tmp_path / "config.json").write_text(json.dumps(sigstore.trust_config()))
    made = sign(package, load_keyless(KeylessRequest(config=tmp_path / "config.json", login=Login.CODE)))
    assert made.identity.describe()["subject"] == ALICE


def heads(bundle):
    """The bundle with each checkpoint as it is read: what a witness says of the log decides nothing."""
    read = decode_bundle(bytes(bundle))
    entries = tuple(
        replace(entry, proof=replace(entry.proof, checkpoint=str(decode_checkpoint(entry.proof.checkpoint))))
        for entry in read.material.entries
    )
    return replace(read, material=replace(read.material, entries=entries))


def test_one_changed_byte_anywhere_in_a_keyless_bundle_is_refused(signed, sigstore, tmp_path, package):
    """Each field of the material changed in turn: never allowed, and never anything but a report."""
    loaded = policy(tmp_path, sigstore)
    for name in ("v1", "v2"):
        (path,) = (signed[name] / "signatures").iterdir()
        good = path.read_bytes()
        target = package / "signatures" / path.name
        target.parent.mkdir(exist_ok=True)
        step = max(1, len(good) // 150)
        for at in range(0, len(good), step):
            changed = bytearray(good)
            changed[at] = ord("A") if changed[at] != ord("A") else ord("B")
            target.write_bytes(bytes(changed))
            report = verify(package, VerifyRequest(policy=loaded))
            allowed = report.decision.verdict is Verdict.ALLOW
            assert not allowed or heads(changed) == heads(good), (name, at, good[at - 30 : at + 10])
        target.write_bytes(good)
        assert not judged(package, loaded)[1]
        target.unlink()
