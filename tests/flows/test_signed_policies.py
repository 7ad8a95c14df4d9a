"""Policies that somebody has to have signed: what the signature covers, whose it may be, and going back to an older one."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certificate_authority import make_organisation
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fake_pki import wall_clock
from making import make_key, write_policy

import mlsign
from mlsign.actions.inspection.findings import load_model_policy
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.policies.sign_policy import sign_policy
from mlsign.actions.policies.signers import named_signers
from mlsign.actions.policies.verify_policy import PolicyTrust
from mlsign.actions.signing.load_keyless import KeylessRequest, Login, load_keyless
from mlsign.actions.signing.load_signer import SignerRequest, open_signer
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.errors import InputError, MlsignError, OutsideError, TrustError
from mlsign.policy.model import Verdict
from mlsign.policy.patterns import PatternKind, TextPattern
from mlsign.policy.requirements import KeylessRequirement

CHILD = "apiVersion: mlsign/v1\nkind: Policy\nname: child\nextends: ../base.yaml\nrevision: 1\n"


@pytest.fixture(scope="module")
def pair():
    return make_key()


@pytest.fixture
def place(tmp_path, keys, pair):
    """A policy upon another one, each with a key; signed."""
    base = write_policy(tmp_path, {"release": (1, [keys.release.public])}, name="base.yaml")
    (tmp_path / "team" / "keys").mkdir(parents=True)
    (tmp_path / "team" / "keys" / "review.pub").write_bytes(keys.review.public)
    policy = tmp_path / "team" / "policy.yaml"
    policy.write_text(CHILD + "signers: [{name: review, require: 1, any: [{key: keys/review.pub}]}]\n")
    (tmp_path / "policy.pub").write_bytes(pair.public)
    sign_policy(policy, pair.signer)
    assert base.is_file()
    return policy


@pytest.fixture
def trust(tmp_path):
    return PolicyTrust(keys=(tmp_path / "policy.pub",), state=tmp_path / "state")


def refused(path, trust, error=TrustError):
    with pytest.raises(error) as caught:
        load_policy(path, signed=trust)
    return caught.value


def test_a_signed_policy_judges_and_the_report_names_its_signer(place, trust, good_package, pair):
    loaded = load_policy(place, signed=trust)
    report = verify(good_package, VerifyRequest(policy=loaded))
    assert report.decision.verdict is Verdict.ALLOW
    assert loaded.policy.lineage.signer == pair.signer.identity
    assert load_model_policy(place, signed=trust).lineage.signer == pair.signer.identity
    assert mlsign.Gate.load(place, policy_keys=trust.keys).policy.policy.lineage.signer == pair.signer.identity


@pytest.mark.parametrize("named", [{"policy_keys": []}, {"policy_roots": iter(())}, {"policy_keys": (), "policy_roots": ()}])
def test_a_list_of_signers_that_came_out_empty_does_not_ask_for_nobody(place, named):
    with pytest.raises(InputError) as caught:
        mlsign.Gate.load(place, **named)
    assert caught.value.code == "usage.policy_signer"
    assert "nobody could have signed" in caught.value.message


def test_an_empty_path_is_not_the_policies_of_the_current_folder(place, monkeypatch):
    monkeypatch.chdir(place.parent)
    assert mlsign.Gate.load(".").policy.policy.name == "child"
    for paths in [("",), (place, "")]:
        with pytest.raises(InputError) as caught:
            mlsign.Gate.load(*paths)
        assert caught.value.code == "usage.empty"


def test_the_statement_has_every_file(place):
    bundle = json.loads(place.with_name("policy.yaml.sigstore.json").read_bytes())
    import base64

    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    assert statement["predicateType"] == "https://mlsign/policy/v1"
    assert [s["name"] for s in statement["subject"]] == ["policy.yaml"]
    assert [f["name"] for f in statement["predicate"]["files"]] == ["../base.yaml", "../keys/release-0.pub", "keys/review.pub"]


@pytest.mark.parametrize("name", ["policy.yaml", "../base.yaml", "../keys/release-0.pub", "keys/review.pub"])
def test_a_byte_more_in_any_file_is_noticed(place, trust, name, keys):
    file = place.parent / name
    file.write_bytes(file.read_bytes() + b"\n")
    error = refused(place, trust)
    assert error.code in {"policy.signature", "policy.signature.file"}
    assert "was changed after it was signed" in error.message
    if not name.endswith(".pub"):
        with pytest.raises(TrustError):
            load_model_policy(place, signed=trust)


def test_another_key_beside_the_policy_is_noticed(place, trust, keys):
    (place.parent / "keys" / "review.pub").write_bytes(keys.outsider.public)
    assert refused(place, trust).code == "policy.signature.file"
    load_policy(place)  # nobody asked


def test_a_file_that_the_signed_policy_does_not_name_is_not_taken(place, trust, pair, tmp_path, keys):
    """The bundle is by the right signer and over the same policy, but not over the files."""
    from mlsign.digest import sha256
    from mlsign.formats.bundle import encode_bundle
    from mlsign.formats.policy_statement import PolicyStatement, encode_policy_statement

    statement = PolicyStatement(name="policy.yaml", digest=sha256(place.read_bytes()), files={})
    place.with_name("policy.yaml.sigstore.json").write_bytes(encode_bundle(pair.signer.sign(encode_policy_statement(statement))))
    error = refused(place, trust)
    assert (error.code, "was not signed with it" in error.message) == ("policy.signature.file", True)


DAMAGE = {
    "no signature": lambda bundle, _: bundle.unlink(),
    "no bundle": lambda bundle, _: bundle.write_text("{}"),
    "empty": lambda bundle, _: bundle.write_text(""),
    "cut short": lambda bundle, _: bundle.write_bytes(bundle.read_bytes()[:-9]),
    "huge": lambda bundle, _: bundle.write_bytes(b" " * 40_000_000),
    "a folder": lambda bundle, _: (bundle.unlink(), bundle.mkdir()),
    "a pipe": lambda bundle, _: (bundle.unlink(), os.mkfifo(bundle)),
    "of the package": lambda bundle, package: shutil.copy(next((package / "signatures").iterdir()), bundle),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_no_signature_of_the_policy_is_refused(place, trust, good_package, damage):
    DAMAGE[damage](place.with_name("policy.yaml.sigstore.json"), good_package)
    assert refused(place, trust).code == "policy.signature"


def test_a_signature_over_a_package_is_none_over_a_policy_and_the_other_way_round(place, keys, tmp_path, package, gate):
    """The release key signs packages; where it is asked for, its signatures over those do not do."""
    (tmp_path / "release.pub").write_bytes(keys.release.public)
    bundle = place.with_name("policy.yaml.sigstore.json")
    sign_policy(place, keys.release.signer)
    shutil.rmtree(package / "signatures")
    (package / "signatures").mkdir()
    shutil.copy(bundle, package / "signatures" / "policy.sigstore.json")
    assert gate.verify(package).decision.verdict is Verdict.DENY


def test_somebody_elses_signature_is_refused(place, trust, keys):
    sign_policy(place, keys.outsider.signer)
    error = refused(place, trust)
    assert error.code == "policy.signature"
    assert "policy.pub" in error.expected + error.message or error.found


def test_any_of_several_keys_will_do(place, trust, keys, tmp_path):
    (tmp_path / "outsider.pub").write_bytes(keys.outsider.public)
    load_policy(place, signed=PolicyTrust(keys=(tmp_path / "outsider.pub", *trust.keys), state=trust.state))


def test_another_policy_of_the_same_signer_does_not_stand_in(place, trust, pair):
    """Whoever can write there renames a laxer policy, with its signature."""
    other = place.with_name("playground.yaml")
    other.write_bytes(place.read_bytes())
    sign_policy(other, pair.signer)
    other.rename(place)
    other.with_name("playground.yaml.sigstore.json").rename(place.with_name("policy.yaml.sigstore.json"))
    error = refused(place, trust)
    assert "was signed as playground.yaml" in error.message


def test_nobody_signs_what_would_be_refused(place, pair):
    bundle = place.with_name("policy.yaml.sigstore.json")
    before = bundle.read_bytes()
    (place.parent / "keys" / "review.pub").unlink()
    with pytest.raises(InputError):
        sign_policy(place, pair.signer)
    assert bundle.read_bytes() == before


def rewritten(place, pair, text):
    place.write_text(text)
    sign_policy(place, pair.signer)


def test_an_older_revision_is_refused_once_a_newer_was_loaded(place, trust, pair):
    text = place.read_text()
    load_policy(place, signed=trust)
    rewritten(place, pair, text.replace("revision: 1", "revision: 3"))
    load_policy(place, signed=trust)
    load_policy(place, signed=trust)
    for old, words in (
        ("revision: 2", "revision 2 of the policy child is older than 3"),
        ("", "has no revision any more, and revision 3"),
        ("revision: 3\nage: {max: 90d}", "with other content"),
    ):
        rewritten(place, pair, text.replace("revision: 1", old))
        error = refused(place, trust)
        assert (error.code, words in error.message) == ("policy.revision", True)
        with pytest.raises(TrustError):
            load_model_policy(place, signed=trust)
        load_policy(place)  # who asks for no signature has no marks
    rewritten(place, pair, text.replace("revision: 1", "revision: 4"))
    load_policy(place, signed=trust)


def test_a_policy_that_the_holder_of_another_key_signed_before_is_no_way_back(place, trust, pair, tmp_path):
    """While one key follows another both may sign, and what the old one signed is still lying about."""
    old, stranger = make_key(), make_key()
    for name, key in (("old.pub", old), ("stranger.pub", stranger)):
        (tmp_path / name).write_bytes(key.public)
    both = replace(trust, keys=(*trust.keys, tmp_path / "old.pub"))
    text = place.read_text()
    rewritten(place, pair, text.replace("revision: 1", "revision: 5"))
    assert load_policy(place, signed=both).policy.revision == 5
    for number in ("revision: 4", "revision: 5\nage: {max: 90d}", ""):
        rewritten(place, old, text.replace("revision: 1", number))
        assert refused(place, both).code == "policy.revision"
    # The same again, signed by the other one, is no step back; and a new key goes on from there.
    rewritten(place, old, text.replace("revision: 1", "revision: 5"))
    assert load_policy(place, signed=both).policy.revision == 5
    # Whoever may not sign for this caller stops nothing, however high they count.
    rewritten(place, stranger, text.replace("revision: 1", "revision: 99"))
    load_policy(place, signed=replace(trust, keys=(tmp_path / "stranger.pub",)))
    rewritten(place, pair, text.replace("revision: 1", "revision: 6"))
    assert load_policy(place, signed=both).policy.revision == 6


def test_other_files_under_the_same_revision_are_other_content(place, trust, pair, keys):
    load_policy(place, signed=trust)
    (place.parent / "keys" / "review.pub").write_bytes(keys.outsider.public)
    sign_policy(place, pair.signer)
    assert "with other content" in refused(place, trust).message


def test_signing_the_same_again_is_the_same_content(place, trust, pair):
    load_policy(place, signed=trust)
    sign_policy(place, pair.signer)
    load_policy(place, signed=trust)


def test_a_policy_without_a_revision_leaves_no_mark_and_needs_no_state(place, trust, pair, tmp_path):
    rewritten(place, pair, place.read_text().replace("revision: 1\n", ""))
    load_policy(place, signed=trust)
    assert not (tmp_path / "state").exists()


def the_mark(trust):
    (path,) = (trust.state / "policies").glob("*.json")
    return path


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes().replace(b'"revision":1', b'"revision":0')),
        lambda path: path.write_bytes(path.read_bytes().replace(b"child", b"chile")),
        lambda path: path.write_bytes(b"x" * 100_000),
        lambda path: path.chmod(0o666),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), path.symlink_to("/dev/null")),
        lambda path: path.parent.chmod(0o777),
    ],
)
def test_a_mark_that_cannot_be_believed_denies(place, trust, damage):
    load_policy(place, signed=trust)
    damage(the_mark(trust))
    refused(place, trust)


def test_a_state_that_cannot_be_kept_denies(place, trust, tmp_path):
    (tmp_path / "file").write_text("")
    refused(place, PolicyTrust(keys=trust.keys, state=tmp_path / "file" / "state"), error=MlsignError)


def test_a_mark_that_cannot_be_written_denies(place, trust, monkeypatch):
    from mlsign.roots.store import PrivateFolder

    def full(self, name, data):
        raise OutsideError("cannot be written: No space left on device", code="trust.cache.write")

    monkeypatch.setattr(PrivateFolder, "write", full)
    refused(place, trust, error=OutsideError)


def test_many_at_once_leave_the_highest_mark(tmp_path, keys, pair, trust):
    (tmp_path / "policy.pub").write_bytes(pair.public)
    paths = []
    for number in range(1, 7):
        folder = tmp_path / f"r{number}"
        path = write_policy(folder, {"release": (1, [keys.release.public])}, rest=f"revision: {number}\n")
        sign_policy(path, pair.signer)
        paths.append(path)

    def one(path):
        try:
            load_policy(path, signed=trust)
        except TrustError as err:
            return err.code
        return "taken"

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(one, paths * 3))
    assert set(found) <= {"taken", "policy.revision"}
    assert found[5] == "taken"
    assert b'"revision":6' in the_mark(trust).read_bytes()
    assert [one(path) for path in paths] == ["policy.revision"] * 5 + ["taken"]


def test_an_end_is_looked_at_with_every_decision(place, trust, good_package, pair):
    end = datetime(2030, 1, 1, tzinfo=UTC)
    rewritten(place, pair, place.read_text() + "expires: 2030-01-01T00:00:00Z\n")
    loaded = load_policy(place, signed=trust)
    for now, verdict in (
        (end - timedelta(seconds=1), Verdict.ALLOW),
        (end, Verdict.DENY),
        (end + timedelta(days=1), Verdict.DENY),
    ):
        report = verify(good_package, VerifyRequest(policy=loaded, now=now))
        assert report.decision.verdict is verdict
        (found,) = [f for f in report.decision.findings if f.code == "MLS431"]
        assert (found.outcome.value == "pass") == (verdict is Verdict.ALLOW)


def test_nobody_named_is_no_way_to_ask(place, tmp_path):
    assert refused(place, PolicyTrust(state=tmp_path), error=InputError).code == "usage.policy_signer"


def test_keyless(place, sigstore, tmp_path):
    (tmp_path / "root.json").write_text(json.dumps(sigstore.trusted_root()))
    (tmp_path / "config.json").write_text(json.dumps(sigstore.trust_config()))
    tokens = {"alice": sigstore.oidc.email_token("alice@acme.example"), "mallory": sigstore.oidc.email_token("m@evil.example")}

    def trust(subject, **more):
        person = KeylessRequirement(
            issuer=TextPattern(kind=PatternKind.EXACT, text=sigstore.issuer),
            subject=TextPattern(kind=PatternKind.GLOB, text=subject),
        )
        return PolicyTrust(people=(person,), trust_root=tmp_path / "root.json", state=tmp_path / "state", **more)

    for name, taken in (("alice", True), ("mallory", False)):
        signer = load_keyless(KeylessRequest(token=tokens[name], config=tmp_path / "config.json", login=Login.NEVER))
        sign_policy(place, signer)
        if taken:
            loaded = load_policy(place, signed=trust("*@acme.example"))
            assert loaded.policy.lineage.signer.unique.startswith("keyless:alice@acme.example")
            load_policy(place, signed=trust("*@acme.example", keys=(tmp_path / "policy.pub",)))
        else:
            error = refused(place, trust("*@acme.example"))
            assert "is signed by somebody else" in error.message
            assert "m@evil.example" in error.found
    # the root that the policy names, or that is kept, does not decide
    other = PolicyTrust(people=trust("*@evil.example").people, state=tmp_path / "state")
    assert refused(place, other).code == "policy.signature"


def test_a_workflow_is_one_signer_at_every_tag(place, sigstore, tmp_path):
    (tmp_path / "root.json").write_text(json.dumps(sigstore.trusted_root()))
    (tmp_path / "config.json").write_text(json.dumps(sigstore.trust_config()))
    person = KeylessRequirement(
        issuer=TextPattern(kind=PatternKind.EXACT, text=sigstore.issuer),
        subject=TextPattern(kind=PatternKind.GLOB, text="https://github.com/acme/**"),
    )
    trust = PolicyTrust(people=(person,), trust_root=tmp_path / "root.json", state=tmp_path / "state")
    signer = load_keyless(
        KeylessRequest(token=sigstore.oidc.workflow_token(), config=tmp_path / "config.json", login=Login.NEVER)
    )
    sign_policy(place, signer)
    load_policy(place, signed=trust)
    assert "@refs" not in json.loads(the_mark(trust).read_bytes())["signer"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ({"identity": "a@b.example", "issuer": None}, "needs either --policy-issuer or --policy-root"),
        ({"identity": None, "issuer": "https://id.example"}, "--policy-identity is missing"),
        ({"identity": "*", "issuer": "https://id.example"}, "--policy-identity matches too much"),
        ({"identity": "https://github.com/*", "issuer": "https://id.example"}, "--policy-identity matches too much"),
        ({"identity": "a@b.example", "issuer": "id.example"}, "--policy-issuer is not an https address"),
        ({"identity": "a@b.example", "issuer": "https://*/x"}, "--policy-issuer is not an https address"),
        ({"identity": "", "issuer": "https://id.example"}, "--policy-identity has 0 characters"),
        ({"identity": "a@b.example", "issuer": ""}, "--policy-issuer has 0 characters"),
    ],
)
def test_half_a_name_and_everybody_are_refused(words, part):
    with pytest.raises(InputError) as caught:
        named_signers(keys=(), trust_root=None, **words)
    assert caught.value.code == "usage.policy_signer"
    assert part in caught.value.message
    with pytest.raises(InputError):
        named_signers(keys=(), identity=None, issuer=None, trust_root=Path("x"))


def test_names_with_stars_are_patterns():
    found = named_signers(
        keys=(), identity="https://github.com/acme/**", issuer="https://token.example", trust_root=Path("root.json")
    )
    (person,) = found.people
    assert (person.subject.kind, person.issuer.kind) == (PatternKind.GLOB, PatternKind.EXACT)
    assert named_signers(keys=(), identity=None, issuer=None, trust_root=None) is None


def test_by_a_key_that_open_signer_opens(place, trust, pair, tmp_path):
    (tmp_path / "policy.key").write_bytes(pair.private)
    with open_signer(SignerRequest(key=tmp_path / "policy.key")) as signer:
        signed = sign_policy(place, signer)
    assert signed.bundle == place.with_name("policy.yaml.sigstore.json")
    assert load_policy(place, signed=trust).policy.name == "child"


def test_a_shipped_parent_and_a_trust_root_are_covered(tmp_path, sigstore, keys, pair, trust):
    (tmp_path / "policy.pub").write_bytes(pair.public)
    (tmp_path / "k.pub").write_bytes(keys.release.public)
    (tmp_path / "root.json").write_text(json.dumps(sigstore.trusted_root()))
    path = tmp_path / "p.yaml"
    path.write_text(
        CHILD.replace("../base.yaml", "{shipped: baseline}")
        + "signers: [{name: release, require: 1, any: [{key: k.pub}]}]\ntrust: {root: root.json}\nage: {max: 90d}\n"
    )
    with pytest.raises(InputError):  # another root than the parent's has to be said
        sign_policy(path, pair.signer)
    path.write_text(path.read_text() + "loosens: [{field: trust.root, reason: our own instance}]\n")
    assert sign_policy(path, pair.signer).files == ("k.pub", "root.json", "shipped:baseline")
    loaded = load_policy(path, signed=trust)
    assert [each.field for each in loaded.policy.lineage.loosened] == ["trust.root"]
    (tmp_path / "root.json").write_text(json.dumps(sigstore.trusted_root()) + " ")
    error = refused(path, trust)
    assert (error.code, "root.json" in error.message) == ("policy.signature.file", True)


def test_chains_on_disk(tmp_path, keys):
    base = write_policy(tmp_path, {"release": (1, [keys.release.public])}, name="base.yaml")
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    path = folder / "p.yaml"

    def told(extends):
        path.write_text(CHILD.replace("../base.yaml", extends))
        with pytest.raises(InputError) as caught:
            load_policy(path)
        assert caught.value.where.startswith("p.yaml:4:")
        return caught.value.message

    assert "nothing.yaml is missing" in told("nothing.yaml")
    assert "is in this chain already" in told("p.yaml")
    assert "does not travel with mlsign, what does is baseline, keyless, strict" in told("{shipped: nothing}")
    (folder / "link.yaml").symlink_to("p.yaml")
    assert "is in this chain already" in told("link.yaml")
    assert "regular file" in told("../b")
    path.write_text(CHILD.replace("../base.yaml", "../../base.yaml"))
    assert load_policy(path).policy.signers[0].any[0].reference == "../../keys/release-0.pub"
    base.write_text(CHILD.replace("../base.yaml", "a/b/p.yaml"))
    with pytest.raises(InputError) as caught:
        load_policy(path)
    assert "is in this chain already" in caught.value.message
    assert caught.value.where.startswith("../../base.yaml:4:")
    for number in range(6):
        (folder / f"c{number}.yaml").write_text(CHILD.replace("../base.yaml", f"c{number + 1}.yaml"))
    with pytest.raises(InputError) as caught:
        load_policy(folder / "c0.yaml")
    assert caught.value.code == "policy.extends.depth"


def test_by_a_certificate(place, tmp_path):
    files = tmp_path / "ca"
    files.mkdir()
    organisation = make_organisation(since=wall_clock() - timedelta(days=1), until=wall_clock() + timedelta(days=1))
    private = organisation.leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (files / "leaf.key").write_bytes(private)
    for name in ("leaf", "middle", "root"):
        (files / f"{name}.pem").write_bytes(getattr(organisation, name).certificate.public_bytes(Encoding.PEM))
    request = SignerRequest(
        key=files / "leaf.key", certificate=files / "leaf.pem", chain=(files / "middle.pem", files / "root.pem")
    )
    with open_signer(request) as signer:
        sign_policy(place, signer)

    def asked(identity, root="root.pem"):
        found = named_signers(keys=(), identity=identity, issuer=None, trust_root=None, roots=(files / root,))
        return replace(found, state=tmp_path / "state")

    loaded = load_policy(place, signed=asked("email:release@acme.example"))
    subject = loaded.policy.lineage.signer.subject
    load_policy(place, signed=asked(subject))
    load_policy(place, signed=asked("email:*@acme.example"))
    for somebody in ("email:other@acme.example", "CN=other"):
        assert "signed by somebody else" in refused(place, asked(somebody)).message
    assert refused(place, asked(subject, "middle.pem"), error=InputError).code == "usage.policy_signer"
    other = make_organisation(since=wall_clock() - timedelta(days=1), until=wall_clock() + timedelta(days=1))
    (files / "other.pem").write_bytes(other.root.certificate.public_bytes(Encoding.PEM))
    assert refused(place, asked(subject, "other.pem")).code == "policy.signature"
    for words in ({"identity": "*"}, {"identity": None}, {"identity": "CN=a", "issuer": "https://id.example"}):
        with pytest.raises(InputError):
            named_signers(**({"keys": (), "issuer": None, "trust_root": None, "roots": (files / "root.pem",)} | words))
