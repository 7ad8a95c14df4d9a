"""Releases that name the one before them, packed, signed, listed and walked back, and everything that can be wrong on the way."""

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from making import canonical, make_package, resign, write_model, write_policy

from mlsign.actions.golden.request import GoldenRequest
from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.policies.load_policies import load_policies
from mlsign.actions.releases.list_releases import LogRequest, Reading, list_releases
from mlsign.actions.signing.sign import sign
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.compare.lineage import Ending, Link
from mlsign.errors import InputError, OutsideError
from mlsign.limits import Limits
from mlsign.policy.model import Verdict
from mlsign.report.log.as_json import render_log as as_json
from mlsign.report.log.as_text import render_log as as_text

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "schemas" / "log.v1.schema.json").read_text())


@pytest.fixture
def shelf(tmp_path):
    """A folder for packages, and what makes the next one in it."""
    return Shelf(tmp_path)


class Shelf:
    def __init__(self, base):
        self.base, self.folder = base, base / "releases"
        self.folder.mkdir()

    def add(self, version, *, after=None, name="fraud", signer=None, scale=1.0, at=None, **more):
        model = write_model(self.base / f"{name}-{version}.onnx", scale=scale)
        request = PackRequest(
            model=model,
            output=(at or self.folder) / f"{name}-{version}",
            previous=None if after is None else self.folder / f"{name}-{after}",
            **more,
        )
        path = pack(request).path
        if signer is not None:
            sign(path, signer)
        return path

    def log(self, *policies, **how):
        found = list_releases(self.folder, LogRequest(policies=load_policies(policies) if policies else (), now=NOW, **how))
        Draft202012Validator(SCHEMA).validate(json.loads(as_json(found)))
        return found

    def chain(self, signer=None):
        self.add("1.0.0", signer=signer)
        self.add("1.1.0", after="1.0.0", signer=signer, scale=2.0)
        self.add("2.0.0", after="1.1.0", signer=signer, scale=3.0)


def words(log):
    return " ".join(as_text(log, width=120, color=False).split())


def edit(package, change):
    """Another manifest, written by somebody who can."""
    place = package / "mlsign.json"
    manifest = json.loads(place.read_bytes())
    change(manifest)
    place.write_bytes(canonical(manifest))


@pytest.fixture
def policy(tmp_path, keys):
    return write_policy(tmp_path, {"release": (1, [keys.release.public])})


def test_a_chain_that_is_verified_back_to_the_first_release(shelf, keys, policy):
    shelf.chain(keys.release.signer)
    log = shelf.log(policy)
    assert log.verdict is Verdict.ALLOW
    assert [each.found.release.version.text for each in log.releases] == ["2.0.0", "1.1.0", "1.0.0"]
    assert [each.lineage.length for each in log.releases] == [3, 2, 1]
    assert {each.last.release.version.text for each in log.releases} == {"1.0.0"}
    assert {each.broken_at for each in log.releases} == {None}
    assert words(log).startswith("✓ 3 releases: all allowed, and verified back to a first release")
    assert "after 1.1.0, verified back to the first release, 1.0.0 (3 releases)" in words(log)
    assert "the model file changed, which the weights are in" in words(log)


def test_digests_are_those_that_verify_prints_and_manifests_record(shelf, keys, policy):
    shelf.chain(keys.release.signer)
    log = shelf.log(policy)
    (loaded,) = load_policies([policy])
    for each, after in zip(log.releases, [*log.releases[1:], None], strict=True):
        report = verify(shelf.folder / each.found.path, VerifyRequest(policy=loaded, now=NOW))
        assert report.evidence.digest == each.found.release.digest
        if after is not None:
            assert each.found.release.previous.digest == after.found.release.digest
    quick = shelf.log(reading=Reading.MANIFEST)
    assert [each.found.release.digest for each in quick.releases] == [each.found.release.digest for each in log.releases]


def test_without_a_policy_nobody_is_believed_and_it_says_so(shelf, keys):
    shelf.chain(keys.release.signer)
    log = shelf.log()
    assert log.verdict is None
    assert log.is_sound
    text = words(log)
    assert text.startswith("3 releases: each is what its own manifest says; no signature was checked")
    assert "complete back to the first release, 1.0.0 (3 releases); nobody's signature was checked" in text
    assert "claims to be signed by the key with the hint" in text
    assert "verified" not in text


def test_an_ancestor_that_is_denied(shelf, keys, policy):
    shelf.add("1.0.0", signer=keys.outsider.signer)
    shelf.add("1.1.0", after="1.0.0", signer=keys.release.signer)
    shelf.add("2.0.0", after="1.1.0", signer=keys.release.signer)
    log = shelf.log(policy)
    assert log.verdict is Verdict.DENY
    assert {each.broken_at.release.version.text for each in log.releases} == {"1.0.0"}
    assert words(log).startswith("✗ 3 releases: 1 denied, 2 not verified back to a first release")
    assert "after 1.1.0, not verified: 1.0.0 is denied" in words(log)
    assert [each.found.judged.verdict for each in log.releases] == [Verdict.ALLOW, Verdict.ALLOW, Verdict.DENY]


def test_a_policy_that_only_watches_stops_nothing(shelf, tmp_path, keys):
    policy = write_policy(tmp_path, {"release": (1, [keys.release.public])}, rest="mode: audit\n")
    shelf.add("1.0.0")
    log = shelf.log(policy)
    assert log.verdict is Verdict.ALLOW
    assert words(log).startswith("! 1 release: 1 denied, and the policy only watches")
    assert log.releases[0].broken_at is log.releases[0].found


@pytest.mark.parametrize("with_policy", [True, False])
def test_a_release_before_that_is_not_here(shelf, keys, policy, with_policy):
    shelf.chain(keys.release.signer)
    shutil.rmtree(shelf.folder / "fraud-1.0.0")
    log = shelf.log(*[policy] * with_policy)
    assert log.verdict is (Verdict.DENY if with_policy else None)
    assert [each.lineage.link for each in log.releases] == [Link.FOUND, Link.MISSING]
    assert {each.lineage.ending for each in log.releases} == {Ending.BROKEN}
    assert "which is not in this folder" in words(log)
    assert "not back to a first release: the one before 1.1.0 is not found" in words(log)


def test_a_first_release_taken_away_with_all_that_names_it_leaves_no_gap_and_the_log_says_so(shelf, keys, policy):
    shelf.chain(keys.release.signer)
    shutil.rmtree(shelf.folder / "fraud-2.0.0")
    log = shelf.log(policy)
    assert log.verdict is Verdict.ALLOW
    assert "a newest release that was taken away cannot be missed" in words(log)


def test_a_release_that_was_replaced_by_another_of_its_version(shelf, keys, policy):
    shelf.chain(keys.release.signer)
    shutil.rmtree(shelf.folder / "fraud-1.0.0")
    shelf.add("1.0.0", signer=keys.release.signer, scale=9.0)  # signed by the very same key
    log = shelf.log(policy)
    assert log.verdict is Verdict.DENY
    assert log.releases[1].lineage.link is Link.DIFFERENT
    assert "the 1.0.0 that is here is another one" in words(log)


def test_a_byte_of_an_ancestor_changed(shelf, keys, policy):
    shelf.chain(keys.release.signer)
    place = shelf.folder / "fraud-1.0.0" / "model.onnx"
    place.write_bytes(place.read_bytes()[:-1] + b"\0")
    assert shelf.log(policy).verdict is Verdict.DENY
    log = shelf.log()
    assert log.releases[1].lineage.link is Link.DIFFERENT
    assert log.releases[2].broken_at is log.releases[2].found
    assert words(log).startswith("✗ 3 releases: 1 faulty")
    assert "1.0.0 faulty" in words(log)
    assert not log.is_sound
    # A quick look does not see it, and says what it rests on.
    quick = shelf.log(reading=Reading.MANIFEST)
    assert words(quick).startswith("3 releases: only manifests were read; no signature was checked")
    assert {each.broken_at for each in quick.releases} == {None}
    assert "Only manifests were read: digests are right if every other file is what its manifest says" in words(quick)


def test_what_changed_is_the_word_of_manifests_where_files_are_not_what_they_say(shelf):
    shelf.chain()
    assert "against 1.1.0: the model file changed" in words(shelf.log())
    model = shelf.folder / "fraud-1.1.0" / "model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    text = words(shelf.log())
    assert "against 1.1.0, the version before, as manifests say: the model file changed" in text
    assert "against 1.0.0, as manifests say: the model file changed" in text


def test_a_manifest_that_was_changed_has_another_digest_also_at_a_quick_look(shelf):
    shelf.chain()
    edit(shelf.folder / "fraud-1.0.0", lambda manifest: manifest.update(description="another one"))
    log = shelf.log(reading=Reading.MANIFEST)
    assert log.releases[1].lineage.link is Link.DIFFERENT


def test_a_release_before_of_another_name(shelf, keys, policy):
    """Somebody renames the ancestor, or hangs a release on that of another model, and signs it."""
    other = shelf.add("1.0.0", name="other", signer=keys.release.signer)
    child = shelf.add("1.1.0", signer=keys.release.signer)
    digest = shelf.log(name="other").releases[0].found.release.digest
    edit(child, lambda manifest: manifest.update(previous={"version": "1.0.0", "digest": str(digest)}))
    resign(child, [keys.release])
    log = shelf.log(policy)
    assert log.verdict is Verdict.DENY
    assert log.releases[0].lineage.link is Link.OTHER_NAME
    assert "which is a release of another model" in words(log)
    assert other.name == "other-1.0.0"


def test_a_release_before_of_another_version_than_recorded(shelf, keys, policy):
    shelf.chain(keys.release.signer)
    edit(shelf.folder / "fraud-2.0.0", lambda manifest: manifest["previous"].update(version="1.9.0"))
    resign(shelf.folder / "fraud-2.0.0", [keys.release])
    log = shelf.log(policy)
    assert log.releases[0].lineage.link is Link.OTHER_VERSION
    assert log.verdict is Verdict.DENY


def test_a_signed_claim_of_a_later_release_before_is_no_manifest(shelf, keys, policy):
    shelf.chain(keys.release.signer)
    edit(shelf.folder / "fraud-1.1.0", lambda manifest: manifest["previous"].update(version="999999999.0.0"))
    resign(shelf.folder / "fraud-1.1.0", [keys.release])
    log = shelf.log(policy)
    assert log.verdict is Verdict.DENY
    assert [bad.error.code for bad in log.unreadable] == ["manifest.previous"]
    assert "999999999.0.0, which is not lower than 1.1.0" in words(log)


def test_releases_that_record_nothing_are_not_verified_back_to_a_first_one(shelf, keys, policy):
    shelf.add("1.0.0", signer=keys.release.signer)
    shelf.add("1.1.0", signer=keys.release.signer, scale=2.0)
    log = shelf.log(policy)
    assert log.verdict is Verdict.DENY
    assert [each.lineage.link for each in log.releases] == [Link.UNRECORDED, Link.FIRST]
    assert "no release before it is recorded, though lower versions are here" in words(log)
    assert "against 1.0.0, the version before: the model file changed" in words(log)


def test_two_packages_of_one_version(shelf, keys, policy):
    shelf.add("1.0.0", signer=keys.release.signer)
    shelf.add("1.0.0", signer=keys.release.signer, scale=2.0, at=shelf.folder / "again")
    log = shelf.log(policy)
    assert log.verdict is Verdict.DENY  # both are allowed, and one of them is not the release
    (twins,) = log.twins
    assert (twins.name, twins.version, len(set(twins.digests))) == ("fraud", "1.0.0", 2)
    assert words(log).startswith("✗ 2 releases: 1 version in packages that differ")
    assert "2 packages say they are fraud 1.0.0, and are not the same:" in words(log)
    assert shelf.log().twins


def test_copies_are_one_release_and_the_chain_goes_by_the_one_that_is_allowed(shelf, keys, policy):
    shelf.chain(keys.release.signer)
    copy = shelf.folder / "a copy"
    shutil.copytree(shelf.folder / "fraud-1.0.0", copy)
    log = shelf.log(policy)
    assert log.verdict is Verdict.ALLOW
    assert not log.twins
    assert "fraud-1.0.0, the same release as a copy" in words(log)
    shutil.rmtree(copy / "signatures")
    log = shelf.log(policy)
    assert log.releases[0].broken_at is None
    assert log.verdict is Verdict.DENY  # the copy itself is denied


def test_a_fork(shelf, keys, policy):
    shelf.chain(keys.release.signer)
    shelf.add("1.2.0", after="1.1.0", signer=keys.release.signer, scale=4.0)
    log = shelf.log(policy)
    assert log.verdict is Verdict.ALLOW
    assert "1.2.0, 2.0.0 come after this one" in words(log)


def test_versions_are_sorted_as_semver_says(shelf):
    order = ["1.0.0-alpha", "1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0-rc.1", "1.0.0", "1.10.0", "999999999.999999999.999999999"]
    for version in reversed(order):
        shelf.add(version)
    assert [each.found.release.version.text for each in shelf.log().releases] == order[::-1]


def test_rollback_and_marks_are_left_alone(shelf, tmp_path, keys, monkeypatch):
    """A policy that refuses what is older than what it allowed before: a log is of older releases as well, and raises no mark."""
    monkeypatch.setenv("MLSIGN_STATE", str(tmp_path / "state"))
    policy = write_policy(tmp_path, {"release": (1, [keys.release.public])}, rest="versions: {rollback: deny}\n")
    shelf.chain(keys.release.signer)
    assert shelf.log(policy).verdict is Verdict.ALLOW
    assert not (tmp_path / "state").exists()


def test_what_cannot_be_read_is_listed_with_its_error(shelf):
    shelf.add("1.0.0")
    broken = shelf.add("1.1.0")
    (broken / "mlsign.json").write_bytes(b"{}")
    linked = shelf.add("1.2.0")
    (linked / "mlsign.json").unlink()
    (linked / "mlsign.json").symlink_to(shelf.folder / "fraud-1.0.0" / "mlsign.json")
    (shelf.folder / "pipe").mkdir()
    os.mkfifo(shelf.folder / "pipe" / "mlsign.json")
    log = shelf.log()
    assert not log.is_sound
    assert words(log).startswith("✗ 1 release: 3 folders that could not be read")
    assert [(bad.path, bad.error.code) for bad in log.unreadable] == [
        ("fraud-1.1.0", "manifest.missing"),
        ("fraud-1.2.0", "file.kind"),
        ("pipe", "file.kind"),
    ]
    assert len(log.releases) == 1
    assert "3 folders that could not be read" in words(log)
    assert "✗ fraud-1.2.0/mlsign.json: is, or lies behind, something that is no regular file" in words(log)


def test_missing_files_leave_no_digest(shelf):
    path = shelf.add("1.0.0")
    (path / "model.onnx").unlink()
    log = shelf.log()
    assert log.releases[0].found.release.digest is None
    assert "not known: not all files could be read" in words(log)


def test_hostile_names_of_folders_are_escaped(shelf):
    for name in ("\x1b[2J\u202eevil", "line\nbreak", os.fsdecode(b"\xff\xfe")):
        shelf.add("1.0.0", at=shelf.folder / name)
    (shelf.folder / "\x1b]0;title").symlink_to(shelf.folder)
    log = shelf.log()
    text = as_text(log, width=120, color=False)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert as_json(log).isascii()
    assert len(log.releases) == 3


def test_another_model_is_left_out(shelf):
    shelf.add("1.0.0")
    shelf.add("1.0.0", name="other")
    assert {each.found.release.name for each in shelf.log().releases} == {"fraud", "other"}
    assert {each.found.release.name for each in shelf.log(name="other").releases} == {"other"}
    with pytest.raises(InputError) as caught:
        shelf.log(name="third")
    assert caught.value.code == "packages.none"


def test_a_package_within_a_package_is_a_foreign_file_of_it_and_hides_nothing(shelf):
    outer, inner = shelf.add("1.0.0"), shelf.add("1.1.0")
    inner.rename(outer / inner.name)
    log = shelf.log()
    assert [each.found.path for each in log.releases] == ["fraud-1.0.0"]
    assert not log.is_sound
    assert "MLS103 fraud-1.1.0/mlsign.json is there and was not signed" in words(log)


def test_links_and_packages_that_are_being_written_are_told_and_left_out(shelf):
    path = shelf.add("1.0.0")
    (shelf.folder / "current").symlink_to(path)
    shutil.copytree(path, shelf.folder / ".fraud-1.1.0.partial-abc_1234")
    log = shelf.log()
    assert (log.links, log.partial, len(log.releases)) == (("current",), (".fraud-1.1.0.partial-abc_1234",), 1)
    assert "current is a link to a folder and was not followed" in words(log)
    assert "is being written and was left out" in words(log)


def test_a_manifest_that_changes_meanwhile_is_compared_with_nothing(shelf):
    shelf.add("1.0.0")
    last = shelf.add("1.1.0", after="1.0.0", scale=2.0)

    def advance(done, total):
        if done == total:
            edit(last, lambda manifest: manifest.update(description="other"))

    log = list_releases(shelf.folder, LogRequest(), advance=advance)
    assert log.releases[0].change is None
    assert "a manifest was changed meanwhile" in words(log)


def test_what_is_no_folder_of_packages(shelf, tmp_path, policy):
    with pytest.raises(InputError) as caught:
        shelf.log()
    assert caught.value.code == "packages.none"
    shelf.add("1.0.0")
    with pytest.raises(InputError) as caught:
        shelf.log(policy, reading=Reading.MANIFEST)
    assert caught.value.code == "usage.log"
    with pytest.raises(InputError) as caught:
        shelf.log(store=shelf.folder, reading=Reading.MANIFEST)
    assert caught.value.code == "usage.log"
    for path, code in ((policy, "package.kind"), (tmp_path / "nothing", "package.missing")):
        with pytest.raises(InputError) as caught:
            list_releases(path, LogRequest())
        assert caught.value.code == code
    with pytest.raises(InputError) as caught:
        list_releases(tmp_path, LogRequest(limits=Limits(max_files=2)))
    assert caught.value.code == "packages.files"
    assert list_releases(shelf.folder / "fraud-1.0.0", LogRequest()).releases[0].found.path == ""


def test_folders_that_are_too_deep_or_closed(shelf):
    shelf.add("1.0.0")
    deep = shelf.folder.joinpath(*["d"] * 20)
    deep.mkdir(parents=True)
    log = shelf.log()
    assert [bad.error.code for bad in log.unreadable] == ["packages.depth"]
    if os.geteuid():
        closed = shelf.folder / "closed"
        closed.mkdir(mode=0)
        assert [bad.error.code for bad in shelf.log().unreadable] == ["file.read", "packages.depth"]
        shelf.folder.chmod(0)
        with pytest.raises(OutsideError):
            shelf.log()
        shelf.folder.chmod(0o755)


def test_what_is_wrong_is_told_before_what_is_not_known_for_its_sake(shelf, tmp_path, keys):
    rest = "golden: {replay: true, platforms: [linux/riscv64], run_by: [{key: keys/release-0.pub}]}\n"
    policy = write_policy(tmp_path, {"release": (1, [keys.release.public])}, rest=rest)
    shelf.add("1.0.0", signer=keys.release.signer, golden_request=GoldenRequest(drawn=1))
    (only,) = shelf.log(policy).releases
    assert (only.found.judged.verdict, only.found.problem.code) == (Verdict.DENY, "MLS407")


def test_many_signers_are_cut_short(shelf, keys):
    path = shelf.add("1.0.0")
    (path / "signatures").mkdir()
    for number in range(20):
        (path / "signatures" / f"{number:02}.json").write_bytes(b"junk")
    log = shelf.log()
    assert (len(log.releases[0].found.claims), log.releases[0].found.more) == (8, 12)
    assert "and 12 more" in words(log)


def test_everything_is_told_of_a_package_with_weights_golden_data_and_provenance(tmp_path):
    folder = tmp_path / "releases"
    make_package(folder, name="fraud-1.0.0")
    make_package(folder, name="fraud-1.1.0", scale=2.0, previous=folder / "fraud-1.0.0")
    for source in folder.glob("*.source"):
        shutil.rmtree(source)
    log = list_releases(folder, LogRequest())
    assert "Packed 2026-01-31T12:00:00Z, as its manifest claims" in words(log)
    assert "weights changed, the model file is the same bytes" in words(log)


# --- pack --previous


def test_a_release_before_is_held_against_its_own_manifest(shelf):
    path = shelf.add("1.0.0")
    (path / "model.onnx").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        shelf.add("1.1.0", after="1.0.0")
    assert caught.value.code == "pack.previous"
    assert not (shelf.folder / "fraud-1.1.0").exists()


@pytest.mark.parametrize("version", ["1.0.0", "1.0.0+later", "0.9.0", "1.0.0-rc.1"])
def test_a_release_before_is_lower(shelf, version):
    shelf.add("1.0.0")
    with pytest.raises(InputError) as caught:
        shelf.add(version, after="1.0.0", at=shelf.base)
    assert caught.value.code == "pack.previous"
    assert "not lower" in caught.value.message


def test_a_release_before_is_of_the_same_model(shelf):
    shelf.add("1.0.0", name="other")
    with pytest.raises(InputError) as caught:
        pack(
            PackRequest(
                model=write_model(shelf.base / "m.onnx"),
                output=shelf.folder / "fraud-1.1.0",
                previous=shelf.folder / "other-1.0.0",
            )
        )
    assert caught.value.code == "pack.previous"
    assert "--name other" in caught.value.hint


def test_a_release_before_is_a_package(shelf):
    model = write_model(shelf.base / "m.onnx")
    for previous, code in ((model, "sign.manifest"), (shelf.base / "nothing", "package.missing")):
        with pytest.raises(InputError) as caught:
            pack(PackRequest(model=model, output=shelf.folder / "fraud-1.1.0", previous=previous))
        assert caught.value.code == code


def test_a_release_before_with_files_of_the_store(tmp_path):
    store, folder = tmp_path / "store", tmp_path / "releases"
    first = make_package(folder, name="fraud-1.0.0", store=store)
    second = make_package(folder, name="fraud-1.1.0", store=store, previous=first)
    assert json.loads((second / "mlsign.json").read_bytes())["previous"]["version"] == "1.0.0"
    third = make_package(folder, name="fraud-1.2.0", store=tmp_path / "another", previous=second)
    assert json.loads((third / "mlsign.json").read_bytes())["previous"]["version"] == "1.1.0"
