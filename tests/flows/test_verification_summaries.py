"""Verification summaries from end to end, by real keys: what is attested, what is accepted, and what an attacker may try."""

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from making import Meanwhile, canonical, make_key, make_package, put_signatures, statement_over, write_model

from mlsign.actions.inspection.inspect import inspect
from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.signing.countersign import countersign
from mlsign.actions.signing.sign import Agreement, sign
from mlsign.actions.verification.admit import Denied, admit
from mlsign.actions.verification.attest_verdict import attest_verdict
from mlsign.actions.verification.gate import Gate
from mlsign.actions.verification.summarizing import summarize
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.digest import Algorithm
from mlsign.errors import InputError, TrustError
from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import Standing
from mlsign.formats.bundle import decode_bundle, encode_bundle
from mlsign.formats.dsse import Envelope
from mlsign.formats.verification_summary import decode_summary
from mlsign.limits import DEFAULT
from mlsign.policy.model import Verdict
from mlsign.report.as_text import render_report

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
GATE = "keys/gate.pub"


@pytest.fixture(scope="module")
def gatekeeper():
    return make_key()


@pytest.fixture
def policy(tmp_path, keys, gatekeeper):
    """Releases are signed by release and reviewed; the gate may vouch for both."""
    return policy_in(tmp_path / "policy", keys, gatekeeper)


def policy_in(folder, keys, gatekeeper, rest="", release=None):
    (folder / "keys").mkdir(parents=True)
    for name, pair in (("release", release or keys.release), ("review", keys.review), ("gate", gatekeeper)):
        (folder / "keys" / f"{name}.pub").write_bytes(pair.public)
    (folder / "policy.yaml").write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: gated\nsigners:\n"
        "  - {name: release, require: 1, any: [{key: keys/release.pub}]}\n"
        "  - {name: review, require: 1, any: [{key: keys/review.pub}]}\n"
        "operators: {allow: [inference-v1]}\n"
        f"vsa: {{accept: [{{key: {GATE}}}], max_age: 24h}}\n{rest}"
    )
    return load_policy(folder / "policy.yaml")


def bundles(package):
    return sorted((package / "signatures").iterdir())


def payload_of(file):
    return decode_bundle(file.read_bytes()).envelope.unauthenticated_payload


def vouch(package, policy, gatekeeper, now=NOON):
    """A summary of the package, in place of all its signatures."""
    made = attest_verdict(package, VerifyRequest(policy=policy, now=now), gatekeeper.signer)
    assert made.bundle is not None
    for file in bundles(package):
        if f"signatures/{file.name}" != made.bundle:
            file.unlink()
    return package / made.bundle


def judged(package, policy, now=NOON, **options):
    request = VerifyRequest(policy=policy, now=now, accept=(GATE,), **options)
    report = verify(package, request)
    bad = {f.code: f for f in report.decision.findings if f.outcome is not Outcome.PASS}
    assert (report.decision.verdict is Verdict.ALLOW) == (not bad)
    return report, bad


def forged(package, gatekeeper, payload, edit, pair=None):
    """Another summary, properly signed, in place of everything else."""
    statement = json.loads(payload)
    edit(statement)
    put_signatures(package, canonical(statement), [pair or gatekeeper])


def test_what_is_attested_says_what_was_verified(package, policy, gatekeeper, keys):
    before = bundles(package)
    made = attest_verdict(package, VerifyRequest(policy=policy, now=NOON), gatekeeper.signer)
    assert made.identity == gatekeeper.signer.identity
    summary = decode_summary(payload_of(package / made.bundle))
    assert (summary.name, summary.resource) == ("fraud-1.2.0", "pkg:generic/fraud@1.2.0")
    assert summary.subject == made.report.evidence.digest
    assert summary.policy.digest == policy.policy.digest
    assert summary.verified == NOON
    assert {(i.uri, i.digest.hex) for i in summary.inputs} == {
        (f"signatures/{file.name}", hashlib.sha256(file.read_bytes()).hexdigest()) for file in before
    }
    assert summary.judged.manifest.hex == hashlib.sha256((package / "mlsign.json").read_bytes()).hexdigest()
    assert summary.judged.signed is None
    # beside the signatures it neither helps nor harms
    report = verify(package, VerifyRequest(policy=policy, now=NOON))
    assert report.decision.verdict is Verdict.ALLOW
    assert {r.standing for r in report.evidence.signatures} == {Standing.COUNTED, Standing.SUMMARY}
    both = judged(package, policy)[0]
    assert {f.code for f in both.decision.findings} == {f.code for f in report.decision.findings} | {"MLS220"}


def test_it_stands_in_for_signatures_where_the_caller_asks(package, policy, gatekeeper):
    vouch(package, policy, gatekeeper)
    report, bad = judged(package, policy)
    assert not bad
    assert report.decision.summary is not None
    page = " ".join(render_report(report, width=100, color=False).split())
    assert "Vouched by verification summary: EC P-256 key" in page
    assert "verified 2026-01-31 12:00:00Z" in page
    assert "nobody this policy trusts" not in page
    quiet = verify(package, VerifyRequest(policy=policy, now=NOON))
    assert quiet.decision.verdict is Verdict.DENY


def test_a_policy_that_accepts_none_is_an_error_and_no_allowance(package, policy, gatekeeper, gate):
    vouch(package, policy, gatekeeper)
    with pytest.raises(InputError) as caught:
        verify(package, VerifyRequest(policy=gate.policy, accept=(GATE,)))
    assert caught.value.code == "usage.accept_vsa"


def test_the_bytes_that_were_summarized_are_those_that_are_admitted(package, policy, gatekeeper):
    vouch(package, policy, gatekeeper)
    request = VerifyRequest(policy=policy, now=NOON, accept=(GATE,))
    with admit(package, request) as model:
        assert hashlib.sha256(model.model.view).digest() == hashlib.sha256((package / "model.onnx").read_bytes()).digest()
        assert len(model.weights) == 1
    with pytest.raises(Denied):
        admit(package, replace(request, accept=()))
    with pytest.raises(Denied):
        admit(package, replace(request, now=NOON + timedelta(days=2)))


def test_a_large_package_is_read_on_the_word_of_a_summary_alone(package, policy, gatekeeper):
    vouch(package, policy, gatekeeper)
    small = replace(DEFAULT, max_unvouched_bytes=10)
    assert not judged(package, policy, limits=small)[1]
    assert "MLS114" in {f.code for f in verify(package, VerifyRequest(policy=policy, now=NOON, limits=small)).decision.findings}


@pytest.mark.parametrize("name", ["model.onnx", "fraud.onnx.data", "MODEL_CARD.md", "mlsign.json"])
def test_every_byte_is_hashed_again(package, policy, gatekeeper, name):
    vouch(package, policy, gatekeeper)
    data = bytearray((package / name).read_bytes())
    data[len(data) // 2] ^= 1
    (package / name).write_bytes(data)
    assert judged(package, policy)[1]


def test_files_that_are_missing_more_linked_or_renamed(package, policy, gatekeeper, tmp_path):
    vouch(package, policy, gatekeeper)

    def spoiled(name, change):
        copy = Path(shutil.copytree(package, tmp_path / name))
        change(copy)
        return set(judged(copy, policy)[1])

    assert spoiled("more", lambda p: (p / "tokenizer.py").write_text("x")) >= {"MLS103"}
    assert spoiled("fewer", lambda p: (p / "MODEL_CARD.md").unlink()) >= {"MLS102", "MLS220"}
    assert spoiled("linked", lambda p: (tmp_path / "second").hardlink_to(p / "model.onnx")) >= {"MLS107"}
    assert spoiled("soft", lambda p: ((p / "model.onnx").rename(tmp_path / "m"), (p / "model.onnx").symlink_to(tmp_path / "m")))
    assert spoiled("named", lambda p: (p / "MODEL_CARD.md").rename(p / "MODEL_CARE.md")) >= {"MLS102", "MLS103"}
    # junk in signatures/ under a second name is content
    linked = spoiled("junk", lambda p: (p / "x.py").hardlink_to(bundles(p)[0]))
    assert linked >= {"MLS103"}


def test_what_a_genuine_signature_ignores_is_still_too_much(package, policy, gatekeeper, keys):
    """A trusted signer may leave a folder out of its signature. The manifest that was summarized lists everything."""
    payload = payload_of(vouch(package, policy, gatekeeper))
    (package / "plugins").mkdir()
    (package / "plugins" / "hook.py").write_text("x")
    statement = statement_over(package, leave_out=["plugins/hook.py"], ignore=["plugins"])
    put_signatures(package, canonical(statement), [keys.release])
    put_signatures(package, payload, [gatekeeper], keep=True)
    report, bad = judged(package, policy)
    assert report.decision.summary is not None
    assert bad.keys() >= {"MLS103"}


def test_a_stale_signature_beside_it_neither_helps_nor_harms(package, policy, gatekeeper, keys):
    payload = payload_of(vouch(package, policy, gatekeeper))
    put_signatures(package, payload, [gatekeeper])
    genuine = statement_over(package)
    genuine["predicate"]["resources"][0]["digest"] = "ab" * 32
    genuine["subject"][0]["digest"]["sha256"] = hashlib.sha256(
        b"".join(bytes.fromhex(r["digest"]) for r in genuine["predicate"]["resources"])
    ).hexdigest()
    put_signatures(package, canonical(genuine), [keys.release], keep=True)
    assert not judged(package, policy)[1]
    # when the summary does not hold, the signature is what it was: over something else
    assert judged(package, policy, now=NOON + timedelta(days=2))[1].keys() >= {"MLS205", "MLS210", "MLS220"}
    (package / "model.onnx").write_bytes(b"x")
    assert judged(package, policy)[1].keys() >= {"MLS101", "MLS220"}


def test_a_manifest_that_calls_the_same_files_otherwise(package, policy, gatekeeper):
    """The subject digest is over digests in the order of names: another manifest among the files would be another set of names."""
    payload = payload_of(vouch(package, policy, gatekeeper))
    manifest = json.loads((package / "mlsign.json").read_text())
    manifest["description"] = "finds no fraud"
    (package / "mlsign.json").write_bytes(canonical(manifest))
    subject = hashlib.sha256(b"".join(bytes.fromhex(r["digest"]) for r in statement_over(package)["predicate"]["resources"]))
    forged(package, gatekeeper, payload, lambda s: s["subject"][0]["digest"].update(sha256=subject.hexdigest()))
    assert "another manifest" in judged(package, policy)[1]["MLS220"].message


EDITS = {
    "failed": lambda s: s["predicate"].update(verificationResult="FAILED"),
    "another package": lambda s: s["subject"][0]["digest"].update(sha256="ab" * 32),
    "another name": lambda s: s["predicate"].update(resourceUri="pkg:generic/credit@1.2.0"),
    "another policy": lambda s: s["predicate"]["policy"]["digest"].update(sha256="ab" * 32),
    "no policy digest": lambda s: s["predicate"]["policy"].pop("digest"),
    "no extension": lambda s: s["predicate"].pop("mlsign_judged"),
    "old": lambda s: s["predicate"].update(timeVerified="2026-01-30T11:59:59Z"),
    "future": lambda s: s["predicate"].update(timeVerified="2026-01-31T12:05:01Z"),
    "type of an old version": lambda s: s.update(predicateType="https://slsa.dev/verification_summary/v0.2"),
    "type of a signature": lambda s: s.update(predicateType="https://model_signing/signature/v1.0"),
    "type of a countersignature": lambda s: s.update(predicateType="https://mlsign/countersignature/v1"),
}


@pytest.mark.parametrize("name", EDITS)
def test_genuine_summaries_that_say_something_else(package, policy, gatekeeper, name):
    payload = payload_of(vouch(package, policy, gatekeeper))
    forged(package, gatekeeper, payload, lambda _: None)
    assert not judged(package, policy)[1]
    forged(package, gatekeeper, payload, EDITS[name])
    assert judged(package, policy)[1].keys() >= {"MLS205", "MLS220"}


def test_summaries_by_somebody_else(package, policy, gatekeeper, keys):
    payload = payload_of(vouch(package, policy, gatekeeper))
    for pair in (keys.outsider, keys.release, keys.review):
        forged(package, gatekeeper, payload, lambda _: None, pair)
        assert judged(package, policy)[1].keys() >= {"MLS205", "MLS220"}


def test_whoever_the_caller_did_not_name(package, policy, gatekeeper):
    vouch(package, policy, gatekeeper)
    for accept in (("keys/release.pub",), ("*",), ("EC P-256",), ("keys/gate.pub ",)):
        report = verify(package, VerifyRequest(policy=policy, now=NOON, accept=accept))
        assert report.decision.verdict is Verdict.DENY
    by_digest = (str(gatekeeper.signer.identity.spki),)
    assert verify(package, VerifyRequest(policy=policy, now=NOON, accept=by_digest)).decision.verdict is Verdict.ALLOW


def test_one_that_was_changed_after_it_was_signed(package, policy, gatekeeper):
    file = vouch(package, policy, gatekeeper)
    bundle = decode_bundle(file.read_bytes())
    payload = bundle.envelope.unauthenticated_payload.replace(b"2026-01-31T12:00:00Z", b"2026-02-09T12:00:00Z")
    envelope = Envelope(
        payload_type=bundle.envelope.payload_type, unauthenticated_payload=payload, signature=bundle.envelope.signature
    )
    file.write_bytes(encode_bundle(replace(bundle, envelope=envelope)))
    bad = judged(package, policy, now=NOON + timedelta(days=9))[1]
    assert bad.keys() >= {"MLS203", "MLS205", "MLS220"}


def test_another_payload_type(package, policy, gatekeeper):
    file = vouch(package, policy, gatekeeper)
    file.write_text(file.read_text().replace("application/vnd.in-toto+json", "application/json"))
    assert judged(package, policy)[1].keys() >= {"MLS202", "MLS205", "MLS220"}


def test_the_summary_of_another_package(package, policy, gatekeeper, keys, tmp_path):
    other = make_package(tmp_path / "other", signers=keys.both, scale=2.0)
    file = vouch(other, policy, gatekeeper)
    shutil.rmtree(package / "signatures")
    (package / "signatures").mkdir()
    shutil.copy(file, package / "signatures")
    assert "another package" in " ".join(f.message for f in _all_of(package, policy))


def _all_of(package, policy):
    return [f for f in judged(package, policy)[0].decision.findings if f.code == "MLS220"]


def test_the_same_policy_with_another_key_under_the_same_name(package, policy, gatekeeper, keys, tmp_path):
    """A stolen key is taken out of keys/; the text of the policy, and so its digest, stay what they were."""
    vouch(package, policy, gatekeeper)
    rotated = policy_in(tmp_path / "rotated", keys, gatekeeper, release=make_key())
    assert rotated.policy.digest == policy.policy.digest
    assert "the keys, certificates or revocations" in judged(package, rotated)[1]["MLS220"].message


def test_a_policy_that_changed_since(package, policy, gatekeeper, keys, tmp_path):
    vouch(package, policy, gatekeeper)
    stricter = policy_in(tmp_path / "stricter", keys, gatekeeper, rest="versions: {minimum: 1.0.0}\n")
    assert "another policy" in judged(package, stricter)[1]["MLS220"].message


def test_what_is_revoked_is_revoked(package, keys, gatekeeper, tmp_path):
    digest = hashlib.sha256((package / "model.onnx").read_bytes()).hexdigest()
    policy = policy_in(tmp_path / "policy", keys, gatekeeper)
    payload = payload_of(vouch(package, policy, gatekeeper))
    revoking = policy_in(
        tmp_path / "revoking", keys, gatekeeper, rest=f'revoked: [{{digest: "sha256:{digest}", reason: stolen}}]\n'
    )

    def for_this_policy(statement):
        statement["predicate"]["policy"]["digest"]["sha256"] = revoking.policy.digest.hex

    forged(package, gatekeeper, payload, for_this_policy)
    report, bad = judged(package, revoking)
    assert bad.keys() == {"MLS401"}
    assert report.decision.summary is not None


def test_an_older_release_stays_out_where_a_newer_one_was_seen(package, keys, gatekeeper, tmp_path):
    policy = policy_in(tmp_path / "policy", keys, gatekeeper, rest="versions: {rollback: deny}\n")
    state = tmp_path / "state"
    newer = make_package(tmp_path / "newer", name="fraud-1.3.0", signers=keys.both)
    made = attest_verdict(package, VerifyRequest(policy=policy, now=NOON, state=tmp_path / "gate"), gatekeeper.signer)
    for file in bundles(package):
        if f"signatures/{file.name}" != made.bundle:
            file.unlink()
    assert verify(newer, VerifyRequest(policy=policy, now=NOON, state=state)).decision.verdict is Verdict.ALLOW
    assert judged(package, policy, state=state)[1].keys() == {"MLS403"}


def test_a_summary_is_no_signature_and_a_signature_no_summary(package, policy, gatekeeper, keys, tmp_path):
    # The gate signs the package: no group asks for it, and a signature is no summary.
    sign(package, gatekeeper.signer)
    for file in bundles(package):
        if b"verification_summary" in payload_of(file) or decode_bundle(file.read_bytes()).key_hint != _hint(gatekeeper):
            file.unlink()
    assert len(bundles(package)) == 1
    bad = judged(package, policy)[1]
    assert bad.keys() >= {"MLS205", "MLS220"}
    # The release key summarizes: that is no signature of the release, nor is it accepted.
    shutil.rmtree(package / "signatures")
    for pair in keys.both:
        sign(package, pair.signer)
    vouch(package, policy, keys.release)
    assert judged(package, policy)[1].keys() >= {"MLS205", "MLS220"}


def _hint(pair):
    return pair.signer.trust.keys[0].hint


def test_a_summary_cannot_be_countersigned(package, policy, gatekeeper, keys):
    made = attest_verdict(package, VerifyRequest(policy=policy, now=NOON), gatekeeper.signer)
    with pytest.raises(InputError):
        countersign(package, keys.outsider.signer, bundle=made.bundle)


def test_inspect_tells_a_summary_from_a_signature(package, policy, gatekeeper):
    file = vouch(package, policy, gatekeeper)
    (claimed,) = inspect(package).signers
    assert claimed.bundle == f"signatures/{file.name}"
    assert claimed.problem == "claims to be a verification summary of fraud-1.2.0, which signs no files"


def test_a_denial_is_not_attested_whatever_the_mode(package, keys, gatekeeper, tmp_path):
    watching = policy_in(tmp_path / "watching", keys, gatekeeper, rest="mode: audit\n")
    (package / "MODEL_CARD.md").write_text("x")
    before = bundles(package)
    request = VerifyRequest(policy=watching, now=NOON)
    made = attest_verdict(package, request, gatekeeper.signer, output=tmp_path / "out.json")
    assert made.report.decision.verdict is Verdict.DENY
    assert made.report.decision.enforced_verdict is Verdict.ALLOW
    assert (made.bundle, made.identity) == (None, None)
    assert bundles(package) == before
    assert not (tmp_path / "out.json").exists()
    with pytest.raises(InputError) as caught:
        summarize(watching, made.report.evidence, made.report.decision, now=NOON)
    assert caught.value.code == "attest.denied"


def test_an_allowance_in_audit_mode_is_one(package, keys, gatekeeper, tmp_path):
    watching = policy_in(tmp_path / "watching", keys, gatekeeper, rest="mode: audit\n")
    assert attest_verdict(package, VerifyRequest(policy=watching, now=NOON), gatekeeper.signer).bundle is not None


def test_no_summary_is_made_from_a_summary(package, policy, gatekeeper):
    vouch(package, policy, gatekeeper)
    report, _ = judged(package, policy)
    with pytest.raises(InputError) as caught:
        summarize(policy, report.evidence, report.decision, now=NOON)
    assert caught.value.code == "attest.second_hand"
    with pytest.raises(InputError) as caught:
        attest_verdict(package, VerifyRequest(policy=policy, now=NOON, accept=(GATE,)), gatekeeper.signer)
    assert caught.value.code == "attest.second_hand"
    assert attest_verdict(package, VerifyRequest(policy=policy, now=NOON), gatekeeper.signer).bundle is None


def test_a_folder_without_a_manifest_is_not_attested(tmp_path, keys, gatekeeper):
    policy = policy_in(tmp_path / "policy", keys, gatekeeper, rest="manifest: optional\n")
    write_model(tmp_path / "plain" / "model.onnx")
    put_signatures(tmp_path / "plain", canonical(statement_over(tmp_path / "plain")), keys.both)
    request = VerifyRequest(policy=policy, now=NOON)
    assert verify(tmp_path / "plain", request).decision.verdict is Verdict.ALLOW
    with pytest.raises(InputError) as caught:
        attest_verdict(tmp_path / "plain", request, gatekeeper.signer)
    assert caught.value.code == "attest.manifest"


def test_into_a_file_that_is_given_with_the_package(package, policy, gatekeeper, tmp_path):
    out = tmp_path / "summary.json"
    before = bundles(package)
    made = attest_verdict(package, VerifyRequest(policy=policy, now=NOON), gatekeeper.signer, output=out)
    assert made.bundle == str(out)
    assert bundles(package) == before
    with pytest.raises(InputError) as caught:
        attest_verdict(package, VerifyRequest(policy=policy, now=NOON), gatekeeper.signer, output=out)
    assert caught.value.code == "output.exists"
    shutil.rmtree(package / "signatures")
    assert not judged(package, policy, signatures=(out,))[1]


def test_a_place_within_the_package_is_none(package, policy, gatekeeper, tmp_path):
    (tmp_path / "link").symlink_to(package)
    before = sorted(package.rglob("*"))
    for place in (
        package / "x.json",
        package / "new" / "x.json",
        tmp_path / "link" / "x.json",
        package / "signatures" / "x.json",
    ):
        with pytest.raises(InputError) as caught:
            attest_verdict(package, VerifyRequest(policy=policy, now=NOON), gatekeeper.signer, output=place)
        assert caught.value.code == "attest.output"
    assert sorted(package.rglob("*")) == before
    attest_verdict(package, VerifyRequest(policy=policy, now=NOON), gatekeeper.signer, output=tmp_path / "new" / "x.json")
    assert (tmp_path / "new" / "x.json").is_file()


def test_an_empty_name_is_nobodys(package, policy, gatekeeper):
    with pytest.raises(InputError) as caught:
        verify(package, VerifyRequest(policy=policy, now=NOON, accept=("", GATE)))
    assert caught.value.code == "usage.accept_vsa"


def test_a_package_that_changes_while_the_summary_is_signed(package, policy, gatekeeper, tmp_path):
    def swap():
        (package / "MODEL_CARD.md").write_text("other")

    before = bundles(package)
    for output in (None, tmp_path / "out.json"):
        with pytest.raises(InputError) as caught:
            attest_verdict(package, VerifyRequest(policy=policy, now=NOON), Meanwhile(gatekeeper, swap), output=output)
        assert caught.value.code == "file.changed"
        assert bundles(package) == before
        assert not (tmp_path / "out.json").exists()
        (package / "MODEL_CARD.md").write_text("# Fraud\nIt finds fraud.\n")


def test_a_signer_whose_signature_does_not_hold_writes_nothing(package, policy, gatekeeper, keys):
    class Broken(Meanwhile):
        def sign(self, payload):
            return keys.outsider.signer.sign(payload)

    before = bundles(package)
    with pytest.raises(TrustError):
        attest_verdict(package, VerifyRequest(policy=policy, now=NOON), Broken(gatekeeper, lambda: None))
    assert bundles(package) == before


def test_no_room_for_one_more(package, policy, gatekeeper):
    full = VerifyRequest(policy=policy, now=NOON, limits=replace(DEFAULT, max_bundles=2))
    with pytest.raises(InputError) as caught:
        attest_verdict(package, full, gatekeeper.signer)
    assert caught.value.code == "package.bundles"


def test_a_signature_from_elsewhere_leaves_no_path_behind(package, policy, gatekeeper, tmp_path):
    outside = shutil.move(package / "signatures", tmp_path / "secret-place")
    request = VerifyRequest(policy=policy, now=NOON, signatures=tuple(sorted(Path(outside).iterdir())))
    made = attest_verdict(package, request, gatekeeper.signer)
    payload = payload_of(package / made.bundle)
    assert b"secret-place" not in payload
    assert [i.uri for i in decode_summary(payload).inputs] == ["", ""]


def test_digests_by_blake3(tmp_path, keys, gatekeeper):
    policy = policy_in(tmp_path / "policy", keys, gatekeeper)
    model = write_model(tmp_path / "m" / "fraud.onnx")
    package = pack(PackRequest(model=model, output=tmp_path / "fraud-1.2.0", algorithm=Algorithm.BLAKE3)).path
    for pair in keys.both:
        sign(package, pair.signer)
    vouch(package, policy, gatekeeper)
    assert not judged(package, policy)[1]
    only = policy_in(tmp_path / "only", keys, gatekeeper, rest="digests: [sha256]\n")
    assert judged(package, only)[1].keys() >= {"MLS220"}


def test_the_library_takes_it_by_the_same_names(package, policy, gatekeeper, keys):
    vouch(package, policy, gatekeeper)
    gate = Gate(policy)
    assert gate.verify(package, now=NOON).decision.verdict is Verdict.DENY
    assert gate.verify(package, now=NOON, accept_vsa=(GATE,)).decision.verdict is Verdict.ALLOW
    with gate.admit(package, now=NOON, accept_vsa=(GATE,)) as model:
        assert model.report.decision.summary is not None


def test_what_may_lie_about_unsigned_is_told(package, keys, gatekeeper, tmp_path):
    policy = policy_in(tmp_path / "policy", keys, gatekeeper, rest="unsigned_files: [notes.txt, fraud.onnx.data]\n")
    (package / "notes.txt").write_text("x")
    # A policy that calls weights unsigned denies every signature, so nothing is attested.
    assert attest_verdict(package, VerifyRequest(policy=policy, now=NOON), gatekeeper.signer).bundle is None
    sane = policy_in(tmp_path / "sane", keys, gatekeeper, rest="unsigned_files: [notes.txt]\n")
    vouch(package, sane, gatekeeper)
    report, bad = judged(package, sane)
    assert not bad
    assert report.evidence.unverified == ("notes.txt",)


def test_whoever_signs_is_told_of_a_summary(package, policy, gatekeeper, keys):
    told = []
    vouch(package, policy, gatekeeper)
    sign(package, keys.release.signer, tell=told.append)
    assert [neighbour.agreement for neighbour in told[0]] == [Agreement.SUMMARY]


def test_run_from_a_folder_that_was_never_installed(package, policy, gatekeeper, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("mlsign.actions.verification.summarizing.version", missing)
    summary = decode_summary(payload_of(vouch(package, policy, gatekeeper)))
    assert summary.version == ""
    assert not judged(package, policy)[1]
