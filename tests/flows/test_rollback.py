"""Going back to an older release: the replay of a genuine, well-signed package that was replaced."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import pytest
from making import make_package, write_policy

from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.verification.admit import Denied, admit
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.errors import InputError
from mlsign.evidence.findings import Outcome
from mlsign.policy.model import Mode, Verdict

CODE = "MLS403"


@pytest.fixture(scope="module")
def releases(tmp_path_factory, keys):
    """The releases 1.1.0, 1.2.0 and 1.3.0, and 1.2.0 with other weights; all properly signed."""
    out = {}
    for version, scale in (("1.1.0", 1.0), ("1.2.0", 1.0), ("1.3.0", 1.0), ("1.2.0-changed", 2.0)):
        name = f"fraud-{version.removesuffix('-changed')}"
        out[version] = make_package(
            tmp_path_factory.mktemp("release"),
            name=name,
            signers=[keys.release],
            scale=scale,
            version=version.removesuffix("-changed"),
        )
    return out


@pytest.fixture
def loaded(tmp_path, keys):
    return policy(tmp_path, keys)


def policy(folder, keys, name="production"):
    path = write_policy(folder, {"release": (1, [keys.release.public])}, rest="versions: {rollback: deny}\n")
    path.write_text(
        path.read_text().replace(next(x for x in path.read_text().split("\n") if x.startswith("name:")), f"name: {name}")
    )
    return load_policy(path)


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


def judged(package, loaded, state):
    report = verify(package, VerifyRequest(policy=loaded, state=state))
    (finding,) = [f for f in report.decision.findings if f.code == CODE]
    assert (report.decision.verdict is Verdict.ALLOW) == (finding.outcome is Outcome.PASS)
    return finding


def test_a_newer_release_is_allowed_and_the_older_one_is_not_from_then_on(releases, loaded, state):
    assert judged(releases["1.2.0"], loaded, state).outcome is Outcome.PASS
    assert judged(releases["1.2.0"], loaded, state).outcome is Outcome.PASS
    assert judged(releases["1.3.0"], loaded, state).outcome is Outcome.PASS
    found = judged(releases["1.2.0"], loaded, state)
    assert (found.outcome, found.expected, found.found) == (Outcome.FAIL, "1.3.0 or newer", "1.2.0")
    assert judged(releases["1.3.0"], loaded, state).outcome is Outcome.PASS
    with pytest.raises(Denied):
        admit(releases["1.1.0"], VerifyRequest(policy=loaded, state=state))


def test_the_same_version_with_other_content_is_not_the_same_release(releases, loaded, state):
    assert judged(releases["1.2.0"], loaded, state).outcome is Outcome.PASS
    found = judged(releases["1.2.0-changed"], loaded, state)
    assert found.outcome is Outcome.FAIL
    assert "other content" in found.message
    assert judged(releases["1.2.0"], loaded, state).outcome is Outcome.PASS


def test_what_is_denied_for_another_reason_raises_no_mark(releases, loaded, state, keys):
    nobody = replace(loaded, policy=replace(loaded.policy, signers=()))
    report = verify(releases["1.3.0"], VerifyRequest(policy=nobody, state=state))
    assert report.decision.verdict is Verdict.DENY
    assert judged(releases["1.1.0"], loaded, state).outcome is Outcome.PASS


def test_policies_have_marks_of_their_own(releases, loaded, state, tmp_path, keys):
    (tmp_path / "other").mkdir()
    other = policy(tmp_path / "other", keys, name="staging")
    assert judged(releases["1.3.0"], other, state).outcome is Outcome.PASS
    assert judged(releases["1.2.0"], loaded, state).outcome is Outcome.PASS


def test_an_audit_goes_by_the_verdict(releases, loaded, state):
    watching = replace(loaded, policy=replace(loaded.policy, mode=Mode.AUDIT))
    assert judged(releases["1.3.0"], watching, state).outcome is Outcome.PASS
    assert judged(releases["1.2.0"], watching, state).outcome is Outcome.FAIL
    assert judged(releases["1.2.0"], loaded, state).outcome is Outcome.FAIL


def mark(state):
    (path,) = (state / "seen").glob("*.json")
    return path


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"1.3.0", b"zero")),
        lambda path: path.write_bytes(path.read_bytes().replace(b"fraud", b"fraid")),
        lambda path: path.write_bytes(path.read_bytes().replace(b'"version"', b'"version":"0.0.1","version"')),
        lambda path: path.write_bytes(b"x" * 100_000),
        lambda path: path.chmod(0o666),
        lambda path: (path.unlink(), path.symlink_to("/dev/null")),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: path.parent.chmod(0o777),
        lambda path: path.parent.parent.chmod(0o770),
    ],
)
def test_a_mark_that_cannot_be_believed_denies(releases, loaded, state, damage):
    judged(releases["1.3.0"], loaded, state)
    damage(mark(state))
    assert judged(releases["1.3.0"], loaded, state).outcome is Outcome.UNKNOWN


def test_a_state_that_cannot_be_kept_denies(releases, loaded, tmp_path):
    (tmp_path / "file").write_text("")
    assert judged(releases["1.3.0"], loaded, tmp_path / "file" / "state").outcome is Outcome.UNKNOWN
    assert judged(releases["1.3.0"], loaded, tmp_path / "file").outcome is Outcome.UNKNOWN


def test_a_folder_without_a_manifest_has_no_version(releases, loaded, state, tmp_path):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "fraud.onnx").write_bytes((releases["1.1.0"] / "model.onnx").read_bytes())
    assert judged(tmp_path / "bare", loaded, state).outcome is Outcome.UNKNOWN


def test_many_verifiers_at_once_leave_the_newest_mark(releases, loaded, state):
    """Whatever the order, the newest was allowed, and after it no older one."""
    order = ["1.1.0", "1.2.0", "1.3.0", "1.2.0"] * 6

    def one(version):
        return version, judged(releases[version], loaded, state).outcome

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(one, order))
    assert all(outcome is Outcome.PASS for version, outcome in found if version == "1.3.0")
    assert judged(releases["1.2.0"], loaded, state).outcome is Outcome.FAIL
    assert b'"1.3.0"' in mark(state).read_bytes()


def test_a_write_that_fails_after_the_decision_allows_nothing(releases, loaded, state, monkeypatch):
    from mlsign.roots.store import PrivateFolder

    def full(self, name, data):
        from mlsign.errors import OutsideError

        raise OutsideError("cannot be written: No space left on device", code="trust.cache.write")

    monkeypatch.setattr(PrivateFolder, "write", full)
    assert judged(releases["1.3.0"], loaded, state).outcome is Outcome.UNKNOWN


def test_a_name_in_other_letters_is_the_same_package(releases, loaded, state, tmp_path_factory, keys):
    shouted = make_package(tmp_path_factory.mktemp("shouted"), name="FRAUD-1.1.0", signers=[keys.release])
    assert judged(releases["1.3.0"], loaded, state).outcome is Outcome.PASS
    assert judged(shouted, loaded, state).outcome is Outcome.FAIL


def test_a_time_without_a_zone_is_none_to_judge_by(releases, loaded, state):
    with pytest.raises(InputError) as caught:
        verify(releases["1.2.0"], VerifyRequest(policy=loaded, state=state, now=datetime(2026, 11, 1)))  # noqa: DTZ001
    assert caught.value.code == "usage.now"
