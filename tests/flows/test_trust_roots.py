"""Trust roots from a repository, by network and by folder; and everything that an attacker in its place may try."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fake_http import Breakage
from fake_pki import wall_clock
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root
from tuf_repository import SIGNING_CONFIG, TRUSTED_ROOT, TufRepository

from mlsign.actions.trust.trust_export import export_trust
from mlsign.actions.trust.trust_import import ImportFileRequest, ImportFolderRequest, import_trust_file, import_trust_folder
from mlsign.actions.trust.trust_pin import pin_trust, unpin_trust
from mlsign.actions.trust.trust_show import show_trust
from mlsign.actions.trust.trust_update import UpdateRequest, update_trust
from mlsign.digest import Algorithm, Digest, sha256
from mlsign.errors import InputError, MlsignError, OutsideError, TrustError
from mlsign.report.trust_roots import render_trust_json, render_trust_text
from mlsign.roots.cache import OpenInstance, read_instance
from mlsign.roots.embedded import PUBLIC_GOOD, find_embedded
from mlsign.roots.load import load_signing_config, load_trust_data
from mlsign.roots.record import Origin, Versions

NOW = datetime.now(UTC).replace(microsecond=0)
FIRST = find_embedded(PUBLIC_GOOD).read("trusted_root.json")
SECOND = FIRST + b"\n"


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("MLSIGN_STATE", str(tmp_path / "state"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "state" / "trust" / "acme"


@pytest.fixture
def repository():
    with TufRepository(now=lambda: NOW) as repository:
        repository.publish({TRUSTED_ROOT: FIRST, SIGNING_CONFIG: b'{"a":1}'})
        yield repository


@pytest.fixture
def update(repository, state, tmp_path):
    """Updates; the first time with what a private instance needs once."""
    (tmp_path / "bootstrap.json").write_bytes(repository.bootstrap)

    def go(*, now=NOW, **fields):
        known = (state / "record.json").exists()
        once = {} if known else {"url": repository.url, "tuf_root": tmp_path / "bootstrap.json"}
        return update_trust(UpdateRequest(name="acme", **{**once, **fields}), now=now)

    return go


def snapshot_of(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refused(code, call, *arguments, error: type[MlsignError] = TrustError, folder=None, **named):
    """The call is refused with this code, and changes nothing."""
    before = snapshot_of(folder) if folder else {}
    with pytest.raises(error) as caught:
        call(*arguments, **named)
    assert (caught.value.code, type(caught.value)) == (code, error)
    assert caught.value.hint or caught.value.expected
    assert (snapshot_of(folder) if folder else {}) == before
    return caught.value


def test_an_update_and_what_it_leaves(update, repository, state):
    kept = update()
    assert (kept.before, kept.data.content, kept.data.source) == (None, FIRST, "cache of acme")
    assert kept.versions == Versions(root=1, timestamp=1, snapshot=1, targets=1)
    assert kept.data == load_trust_data(instance="acme")
    assert (kept.data.fetched, kept.data.expires) == (NOW, NOW + timedelta(days=1))
    assert load_signing_config(instance="acme") == b'{"a":1}'
    record = read_instance("acme").cached.record
    assert (record.origin, record.url, record.bootstrap) == (Origin.REPOSITORY, repository.url, sha256(repository.bootstrap))
    assert [file.path for file in record.metadata] == ["1.root.json", "1.snapshot.json", "1.targets.json", "timestamp.json"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in state.rglob("*"))


def test_the_next_update_needs_no_options_and_takes_what_is_new(update, repository):
    update()
    repository.publish({TRUSTED_ROOT: SECOND})
    kept = update(now=NOW + timedelta(hours=1))
    assert (kept.before, kept.data.digest) == (sha256(FIRST), sha256(SECOND))
    assert (kept.versions.targets, kept.data.fetched) == (2, NOW + timedelta(hours=1))
    assert load_signing_config(instance="acme") is None


def test_an_update_without_news_says_when_it_was_confirmed(update):
    update()
    later = NOW + timedelta(hours=2)
    kept = update(now=later)
    assert (kept.before, kept.data.fetched) == (kept.data.digest, later)


def test_the_earliest_expiry_counts(update, repository):
    repository.publish(lifetimes={"targets": timedelta(hours=3)})
    assert update().data.expires == NOW + timedelta(hours=3)


def test_roots_are_followed_one_after_the_other(update, repository):
    update()
    for _ in range(3):
        repository.rotate_root()
    assert update().versions.root == 4
    # The old roots are not asked for again.
    asked = repository.requests
    update()
    assert repository.requests - asked < 5


def test_a_root_that_expired_is_passed_on_the_way_to_one_that_has_not(update, repository):
    repository.rotate_root(lifetime=timedelta(days=-1))
    refused("trust.expired", update)
    repository.rotate_root()
    assert update().versions.root == 3


def test_a_root_without_the_signatures_of_the_one_before_is_refused(update, repository, state):
    update()
    repository.rotate_root(vouched=False)
    refused("trust.signatures", update, folder=state)


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_signatures_are_checked(update, repository, state, role):
    update()
    repository.publish({TRUSTED_ROOT: SECOND})
    repository.break_signature("timestamp.json" if role == "timestamp" else f"2.{role}.json")
    refused("trust.signatures", update, folder=state)


def test_one_of_two_signatures_is_not_enough(update, repository, state):
    update()
    repository.publish({TRUSTED_ROOT: SECOND})
    value = json.loads(repository.files["2.targets.json"])
    del value["signatures"][0]
    repository.files["2.targets.json"] = json.dumps(value).encode()
    refused("trust.signatures", update, folder=state)


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_what_expired_is_refused(update, repository, state, role):
    update()
    if role == "root":
        repository.rotate_root(lifetime=timedelta(seconds=-1))
    else:
        repository.publish({TRUSTED_ROOT: SECOND}, lifetimes={role: timedelta(seconds=-1)})
    refused("trust.expired", update, folder=state)


def test_expiry_is_judged_at_the_given_time(update, state):
    update(now=NOW)
    refused("trust.expired", update, now=NOW + timedelta(days=2), folder=state)


def test_being_kept_from_news_is_noticed(update, repository, state):
    update()
    repository.freeze()
    refused("trust.expired", update, now=NOW + timedelta(days=1), folder=state)


def test_an_old_state_played_back_is_refused(update, repository, state):
    repository.publish({TRUSTED_ROOT: SECOND})
    update()
    repository.roll_back(1)
    refused("trust.rollback", update, folder=state)


def test_an_old_state_is_refused_also_where_all_metadata_is_gone(update, repository, state):
    repository.publish({TRUSTED_ROOT: SECOND})
    update()
    repository.roll_back(1)
    shutil.rmtree(state / "files")
    (state / "files").mkdir(mode=0o700)
    error = refused("trust.rollback", update, tuf_root=state.parents[2] / "bootstrap.json")
    assert (error.expected, error.found) == ("timestamp 2 or newer", "timestamp 1")


def test_an_older_root_is_refused_also_where_all_metadata_is_gone(update, repository, state, tmp_path):
    repository.rotate_root()
    update()
    shutil.rmtree(state / "files")
    (state / "files").mkdir(mode=0o700)
    # Somebody has the first keys, and nobody to show the second root.
    del repository.files["2.root.json"]
    assert refused("trust.signatures", update, tuf_root=tmp_path / "bootstrap.json")


def test_parts_of_two_states_do_not_fit_together(update, repository, state):
    update()
    repository.publish({TRUSTED_ROOT: SECOND})
    repository.publish({TRUSTED_ROOT: SECOND + b"\n"})
    mixed = repository.files["2.snapshot.json"]
    repository.files["3.snapshot.json"] = mixed
    refused("trust.rollback", update, folder=state)


def test_a_target_that_was_not_signed_for_is_refused(update, repository, state):
    update()
    repository.publish({TRUSTED_ROOT: SECOND})
    repository.change_target(TRUSTED_ROOT, SECOND[:-1] + b" ")
    refused("trust.mismatch", update, folder=state)
    repository.change_target(TRUSTED_ROOT, SECOND + b"longer")
    refused("trust.mismatch", update, folder=state)


@pytest.mark.parametrize("data", [b"", b"[]", b"{" * 5000, b'{"signed": {}}', b"\xff\xfe", b" " * 20_000])
def test_garbage_in_place_of_metadata(update, repository, state, data):
    update()
    repository.files["timestamp.json"] = data
    code = "trust.mismatch" if len(data) > 16_384 else "trust.repository"
    refused(code, update, folder=state)


def test_a_repository_for_something_else(update, repository):
    repository.publish({"other.json": b"{}"})
    assert TRUSTED_ROOT in refused("trust.repository", update).message


def test_a_root_that_is_none_is_not_kept(update, repository, state):
    update()
    repository.publish({TRUSTED_ROOT: b'{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=9"}'})
    with pytest.raises(InputError) as caught:
        update()
    assert caught.value.code == "root.value"
    assert load_trust_data(instance="acme").content == FIRST


@pytest.mark.parametrize(("length", "words"), [(190, ""), (210, "a role has a name"), (300, "a role has a name")])
def test_a_role_whose_name_cannot_be_kept(update, repository, state, length, words):
    update()
    repository.publish({TRUSTED_ROOT: SECOND}, delegate="a" * length)
    if words:
        message = refused("trust.repository", update, folder=state).message
        assert (words in message, "aaaa" in message) == (True, True)
    else:
        update()
    assert load_trust_data(instance="acme").content == (FIRST if words else SECOND)


@pytest.mark.parametrize("version", [2**53, 2**70])
def test_a_version_that_no_record_can_hold_is_the_fault_of_the_repository(update, repository, state, version):
    update()
    repository.publish(version=version)
    assert str(2**53 - 1) in refused("trust.repository", update, folder=state).message


def test_a_record_that_could_not_be_read_again_is_not_written(update, state):
    update()
    with OpenInstance.open("acme") as instance:
        longer = replace(instance.record, url="https://" + "a" * 5000)
        assert "url: has 5008 characters" in refused("trust.record", instance.replace, longer, [b"new"], folder=state).message


def test_a_target_of_too_many_bytes_is_not_fetched(update, repository):
    repository.publish({TRUSTED_ROOT: b" " * (4 << 20) + FIRST})
    assert "allowed are" in refused("trust.repository", update).message


@pytest.mark.parametrize("how", [Breakage.UNAVAILABLE, Breakage.DROP])
def test_a_repository_that_fails_leaves_everything_as_it_was(update, repository, state, how, capfd):
    update()
    repository.break_service(how)
    refused("trust.network", update, error=OutsideError, folder=state)
    repository.repair_service()
    assert capfd.readouterr() == ("", "")
    assert update().before == sha256(FIRST)


def test_nobody_there(update, repository, state):
    update()
    repository.close()
    refused("trust.network", update, error=OutsideError, folder=state)


def test_a_library_that_keeps_its_time_elsewhere(update, monkeypatch):
    from mlsign.roots import refresh

    class Elsewhere(refresh.Updater):
        def __init__(self, **arguments):
            super().__init__(**arguments)
            del self._trusted_set.reference_time

    monkeypatch.setattr(refresh, "Updater", Elsewhere)
    refused("trust.library", update, error=OutsideError)


def test_without_the_library(update, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "mlsign.roots.refresh", None)
    assert "install mlsign again" in refused("trust.library", update, error=OutsideError).hint


@pytest.mark.parametrize(
    "url",
    [
        *("", "ftp://a.example/", "file:///etc", "https://", "https://u:p@a.example", "https://a.example/?x"),
        *("https://a.example/#x", "https://[::1", "https://a.example:0", "https://a.example:99999", "https://a b"),
        "https://a.example/" + "a" * 4096,
    ],
)
def test_addresses_that_are_none(update, url):
    refused("usage.tuf_url" if not url else "usage.url", update, url=url, error=InputError)


def test_what_a_new_instance_needs(update, tmp_path):
    refused("usage.tuf_url", update, url=None, error=InputError)
    refused("usage.tuf_root", update, tuf_root=None, error=InputError)
    refused("usage.name", update_trust, UpdateRequest(name="../x"), now=NOW, error=InputError)
    refused("usage.tuf_root", update_trust, UpdateRequest(tuf_root=tmp_path / "bootstrap.json"), now=NOW, error=InputError)


@pytest.mark.parametrize("data", [b"", b"{}", FIRST])
def test_a_first_root_that_is_none(update, tmp_path, data):
    (tmp_path / "bootstrap.json").write_bytes(data)
    refused("trust.bootstrap", update, error=InputError)


def test_a_first_root_that_did_not_sign_itself(update, repository, tmp_path):
    metadata = Metadata[Root].from_bytes(repository.bootstrap)
    metadata.sign(CryptoSigner.generate_ed25519(), append=False)
    (tmp_path / "bootstrap.json").write_bytes(metadata.to_bytes())
    refused("trust.bootstrap", update, error=InputError)


def test_an_instance_keeps_the_root_it_began_with(update, repository, state, tmp_path):
    update()
    update(tuf_root=tmp_path / "bootstrap.json")
    with TufRepository(now=wall_clock) as other:
        (tmp_path / "other.json").write_bytes(other.bootstrap)
    refused("trust.bootstrap.changed", update, tuf_root=tmp_path / "other.json", folder=state)


def test_the_repository_of_somebody_else_under_the_same_address(update, repository, state):
    update()
    with TufRepository(now=wall_clock) as other:
        for _ in range(3):
            other.publish({TRUSTED_ROOT: SECOND})
        refused("trust.signatures", update, url=other.url, folder=state)


def test_a_mirror_is_taken_and_remembered(update, repository):
    update()
    with TufRepository(now=lambda: NOW) as mirror:
        mirror.files = repository.files
        update(url=mirror.url)
        assert read_instance("acme").cached.record.url == mirror.url


def test_an_update_mends_a_damaged_cache(update, state):
    update()
    file = state / "files" / f"sha256-{sha256(FIRST).hex}"
    file.write_bytes(b"x")
    refused("trust.cache.changed", load_trust_data, instance="acme")
    update()
    assert load_trust_data(instance="acme").content == FIRST


def test_a_lost_first_root_has_to_be_given_again(update, repository, state, tmp_path):
    update()
    (state / "files" / f"sha256-{sha256(repository.bootstrap).hex}").unlink()
    refused("trust.cache.missing", update)
    assert update(tuf_root=tmp_path / "bootstrap.json").versions.root == 1


def test_a_pinned_root_is_not_replaced(update, repository, state):
    update()
    assert pin_trust(name="acme") == sha256(FIRST)
    assert update().data.pinned
    repository.publish({TRUSTED_ROOT: SECOND})
    error = refused("trust.pin", update, folder=state)
    assert (error.expected, error.found) == (str(sha256(FIRST)), str(sha256(SECOND)))
    assert unpin_trust(name="acme") == sha256(FIRST)
    assert unpin_trust(name="acme") is None
    assert not update().data.pinned


def test_a_pin_may_come_first(update):
    pin_trust(sha256(SECOND), name="acme")
    refused("trust.pin", update)
    pin_trust(sha256(FIRST), name="acme")
    update()


def test_pins_are_sha256():
    refused("usage.sha256", pin_trust, Digest(algorithm=Algorithm.BLAKE3, value=b"0" * 32), error=InputError)


# Without a network.


@pytest.fixture
def carried(update, tmp_path):
    """A repository in a folder, as a connected machine exports it, and the request to take it in on another one."""
    update()
    export_trust(tmp_path / "carried", name="acme")
    return tmp_path / "carried", ImportFolderRequest(
        name="acme", tuf_root=tmp_path / "bootstrap.json", state=tmp_path / "offline"
    )


def test_what_is_exported_can_be_imported(carried):
    folder, request = carried
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert [name.rpartition(".")[0][-20:] for name in names] == [
        *("1.root", "1.snapshot", "1.targets"),
        *(names[3][:-5][-20:], names[4][:-5][-20:], "timestamp"),
    ]
    kept = import_trust_folder(folder, request, now=NOW)
    assert (kept.data.content, kept.data.fetched, kept.data.expires) == (FIRST, None, NOW + timedelta(days=1))
    record = read_instance("acme", state=request.state).cached.record
    assert (record.origin, record.stored) == (Origin.FOLDER, NOW)
    assert load_signing_config(instance="acme", state=request.state) == b'{"a":1}'


def test_a_timestamp_may_run_out_on_the_way_and_is_shown_as_stale(carried):
    folder, request = carried
    now = NOW + timedelta(days=4)
    kept = import_trust_folder(folder, request, now=now)
    assert kept.data.expires == NOW + timedelta(days=1)
    trust = show_trust(now=now, name="acme", state=request.state)
    assert "STALE for 3 days" in render_trust_text(trust)
    assert "folder that was carried here" in render_trust_text(trust)
    assert json.loads(render_trust_json(trust))["stale"] is True


def test_nothing_else_may_run_out_on_the_way(carried):
    folder, request = carried
    for days, role in ((8, "snapshot"), (91, "snapshot"), (400, "root")):
        error = refused("trust.expired", import_trust_folder, folder, request, now=NOW + timedelta(days=days))
        assert role in error.message


def test_an_old_folder_is_refused(carried, repository, update, tmp_path):
    folder, request = carried
    repository.publish({TRUSTED_ROOT: SECOND})
    update()
    export_trust(tmp_path / "newer", name="acme")
    import_trust_folder(tmp_path / "newer", request, now=NOW)
    refused("trust.rollback", import_trust_folder, folder, request, now=NOW, folder=request.state)
    # Also when the timestamp of the old one has run out, with which the library would not compare.
    refused("trust.rollback", import_trust_folder, folder, request, now=NOW + timedelta(days=2), folder=request.state)


def test_new_roots_travel_along(carried, repository, update, tmp_path):
    folder, request = carried
    import_trust_folder(folder, request, now=NOW)
    repository.rotate_root()
    repository.rotate_root()
    update()
    export_trust(tmp_path / "newer", name="acme")
    kept = import_trust_folder(tmp_path / "newer", replace(request, tuf_root=None), now=NOW)
    assert kept.versions.root == 3


def test_a_pin_holds_for_folders_and_files(carried, tmp_path):
    folder, request = carried
    pin_trust(sha256(SECOND), name="acme", state=request.state)
    refused("trust.pin", import_trust_folder, folder, request, now=NOW)
    (tmp_path / "root.json").write_bytes(FIRST)
    file_request = ImportFileRequest(name="acme", digest=sha256(FIRST), state=request.state)
    refused("trust.pin", import_trust_file, tmp_path / "root.json", file_request, now=NOW)


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.targets.json"])
def test_a_folder_with_a_file_less(carried, name):
    folder, request = carried
    (folder / name).unlink()
    error = refused("trust.mirror", import_trust_folder, folder, request, now=NOW, error=InputError)
    assert name in error.message


def test_a_folder_with_a_link_in_it(carried, tmp_path):
    folder, request = carried
    (folder / "1.targets.json").rename(tmp_path / "elsewhere")
    (folder / "1.targets.json").symlink_to(tmp_path / "elsewhere")
    refused("trust.mirror", import_trust_folder, folder, request, now=NOW, error=InputError)
    (folder / "1.targets.json").unlink()
    (folder / "1.targets.json").mkdir()
    refused("trust.mirror", import_trust_folder, folder, request, now=NOW, error=InputError)


def test_a_folder_that_was_changed(carried):
    folder, request = carried
    (target,) = (folder / "targets").glob("*.trusted_root.json")
    target.write_bytes(SECOND[1:])
    refused("trust.mismatch", import_trust_folder, folder, request, now=NOW)
    value = json.loads((folder / "timestamp.json").read_bytes())
    value["signed"]["expires"] = "2099-01-01T00:00:00Z"
    (folder / "timestamp.json").write_text(json.dumps(value))
    refused("trust.signatures", import_trust_folder, folder, request, now=NOW)
    for expires in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        value["signed"]["expires"] = expires
        (folder / "timestamp.json").write_text(json.dumps(value))
        refused("trust.signatures", import_trust_folder, folder, request, now=NOW)
    (folder / "timestamp.json").write_bytes((folder / "1.snapshot.json").read_bytes())
    refused("trust.repository", import_trust_folder, folder, request, now=NOW)


def test_no_folder(carried, tmp_path):
    _, request = carried
    error = refused("trust.mirror", import_trust_folder, tmp_path / "none", request, now=NOW, error=InputError)
    assert "none" in error.where


def test_nothing_to_export(update, tmp_path):
    refused("trust.export", export_trust, tmp_path / "x", name="acme", error=InputError)
    update()
    (tmp_path / "x").mkdir()
    refused("output.exists", export_trust, tmp_path / "x", name="acme", error=InputError)
    refused("disk.write", export_trust, tmp_path / "bootstrap.json" / "x", name="acme", error=OutsideError)


def test_a_file_needs_its_digest(tmp_path):
    file = tmp_path / "root.json"
    file.write_bytes(FIRST)
    wrong = ImportFileRequest(name="acme", digest=sha256(SECOND))
    error = refused("trust.digest", import_trust_file, file, wrong, now=NOW)
    assert (error.expected, error.found) == (str(sha256(SECOND)), str(sha256(FIRST)))
    kept = import_trust_file(file, ImportFileRequest(name="acme", digest=sha256(FIRST)), now=NOW)
    assert (kept.data.content, kept.data.fetched, kept.data.expires, kept.versions) == (FIRST, None, None, None)
    refused("trust.export", export_trust, tmp_path / "x", name="acme", error=InputError)
    shown = render_trust_text(show_trust(now=NOW, name="acme"))
    assert "file whose digest was confirmed" in shown
    assert "never by itself" in shown


@pytest.mark.parametrize("data", [b"", b"{}", b"[]"])
def test_a_file_that_is_no_trust_root(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(InputError) as caught:
        import_trust_file(tmp_path / "x", ImportFileRequest(name="acme", digest=sha256(data)), now=NOW)
    assert caught.value.code.partition(".")[0] in {"json", "root"}


def test_a_client_configuration_is_a_file_as_well(tmp_path):
    media = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
    data = json.dumps({"mediaType": media, "trustedRoot": json.loads(FIRST), "signingConfig": {"b": 2}}).encode()
    (tmp_path / "x").write_bytes(data)
    kept = import_trust_file(tmp_path / "x", ImportFileRequest(name="acme", digest=sha256(data)), now=NOW)
    assert kept.data.content == data
    assert load_signing_config(instance="acme") == b'{"b":2}'
    assert show_trust(now=NOW, name="acme").logs


def test_a_file_does_not_make_an_old_repository_new(update, repository, tmp_path):
    repository.publish({TRUSTED_ROOT: SECOND})
    update()
    (tmp_path / "root.json").write_bytes(FIRST)
    import_trust_file(tmp_path / "root.json", ImportFileRequest(name="acme", digest=sha256(FIRST)), now=NOW)
    repository.roll_back(1)
    refused("trust.rollback", update)


def test_the_public_instance_starts_from_what_is_embedded(repository):
    """The root in the package is not the one of this repository, so nothing that this repository signs is believed."""
    expires = Metadata[Root].from_bytes(find_embedded(PUBLIC_GOOD).read("root.json")).signed.expires
    request = UpdateRequest(url=repository.url)
    refused("trust.signatures", update_trust, request, now=expires - timedelta(days=1))
    # And it expires itself, unless the repository shows one that follows.
    refused("trust.expired", update_trust, request, now=expires)
