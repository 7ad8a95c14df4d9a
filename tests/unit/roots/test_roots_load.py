"""Where a trust root is taken from, and that nothing takes the place of a cache that is damaged."""

import json
import os
from dataclasses import replace

import pytest
from roots_now import NOW

from mlsign.actions.trust.cache import stored
from mlsign.actions.trust.trust_import import ImportFileRequest, import_trust_file
from mlsign.actions.trust.trust_pin import pin_trust
from mlsign.digest import sha256
from mlsign.errors import InputError, OutsideError, TrustError
from mlsign.roots import cache
from mlsign.roots.cache import OpenInstance
from mlsign.roots.load import load_signing_config, load_trust_data


@pytest.fixture
def cached(root, state, tmp_path):
    """A cache of the public instance that differs from what is embedded; the folder it lies in."""
    file = tmp_path / "carried.json"
    file.write_bytes(root + b"\n")
    import_trust_file(file, ImportFileRequest(digest=sha256(root + b"\n")), now=NOW)
    return state / "trust" / "public-good"


def refused(code, error=TrustError, **arguments):
    with pytest.raises(error) as caught:
        load_trust_data(**arguments)
    assert caught.value.code == code
    return caught.value


def test_without_anything_it_is_the_embedded_one(root, state):
    data = load_trust_data()
    assert data.source.startswith("embedded with sigstore ")
    assert (data.content, data.digest) == (root, sha256(root))
    assert (data.fetched, data.expires, data.pinned) == (None, None, False)
    assert load_signing_config() is not None
    assert not state.exists()


def test_a_cache_goes_before_the_embedded_one(root, cached):
    data = load_trust_data()
    assert (data.source, data.content) == ("cache of public-good", root + b"\n")
    assert load_signing_config() is None


def test_a_file_goes_before_everything(cached, tmp_path):
    pin_trust(sha256(b"something else"))
    file = tmp_path / "own.json"
    file.write_bytes(b"{}")
    data = load_trust_data(file=file)
    assert (data.source, data.content, data.pinned) == (f"file {file}", b"{}", False)


def test_another_state_folder(cached, tmp_path):
    assert load_trust_data(state=tmp_path / "other").source.startswith("embedded")


def test_a_client_configuration_brings_its_signing_configuration(root, tmp_path):
    file = tmp_path / "config.json"
    value = {"mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json", "trustedRoot": json.loads(root)}
    file.write_text(json.dumps({**value, "signingConfig": {"a": 1}}))
    assert load_signing_config(file=file) == b'{"a":1}'
    file.write_bytes(root)
    assert load_signing_config(file=file) is None


def test_an_instance_that_nobody_knows(state):
    assert "--tuf-url" in refused("trust.instance", InputError, instance="acme").hint
    refused("usage.name", InputError, instance="../x")


def test_files_that_are_none(tmp_path):
    refused("trust_root.missing", InputError, file=tmp_path / "none")
    refused("trust_root.kind", InputError, file=tmp_path)
    (tmp_path / "big").write_bytes(b" " * (4 << 20) + b"x")
    refused("trust_root.size", InputError, file=tmp_path / "big")
    refused("file.read", OutsideError, file=tmp_path / ("x" * 300))


def files_of(cached):
    return sorted((cached / "files").iterdir())


def test_changed_content_is_refused(cached):
    (file,) = files_of(cached)
    file.write_bytes(b"{}")
    error = refused("trust.cache.changed")
    assert (error.expected, error.found) == (file.name.replace("-", ":"), str(sha256(b"{}")))


def test_truncated_content_is_refused(cached):
    (file,) = files_of(cached)
    os.truncate(file, file.stat().st_size - 1)
    refused("trust.cache.changed")


def test_longer_content_is_refused(cached):
    (file,) = files_of(cached)
    with file.open("ab") as opened:
        opened.write(b" ")
    refused("trust.cache.size")


def test_missing_content_is_refused(cached):
    (file,) = files_of(cached)
    file.unlink()
    refused("trust.cache.missing")
    (cached / "files").rmdir()
    refused("trust.cache.missing")


def test_content_behind_a_link_is_refused(cached):
    (file,) = files_of(cached)
    file.rename(cached / "elsewhere")
    file.symlink_to(cached / "elsewhere")
    refused("trust.cache.kind")


@pytest.mark.parametrize(
    "change", [lambda data: data[:-1], lambda data: data[:0], lambda data: data.replace(b"trust-record", b"trust-rumour")]
)
def test_a_damaged_record_is_refused(cached, change):
    record = cached / "record.json"
    record.write_bytes(change(record.read_bytes()))
    assert "remove the folder" in refused("trust.cache.format").hint


def test_the_record_of_another_instance_is_refused(cached):
    cached.rename(cached.parent / "acme")
    assert "record of public-good" in refused("trust.cache.format", instance="acme").message


def test_a_damaged_pin_is_refused(cached):
    pin_trust()
    (cached / "pin.json").write_bytes(b"{}")
    refused("trust.cache.format")


def test_what_others_can_write_to_is_refused(cached, state):
    for place in (state, state / "trust", cached, cached / "files", cached / "record.json", *files_of(cached)):
        mode = place.stat().st_mode
        place.chmod(0o777)
        refused("trust.cache.private")
        place.chmod(mode)
    load_trust_data()


def test_a_pin_holds_for_the_cache_and_for_the_embedded_root(root, cached):
    pin_trust(sha256(root))
    error = refused("trust.pin")
    assert (error.expected, error.found) == (str(sha256(root)), str(sha256(root + b"\n")))
    pin_trust(sha256(root + b"\n"))
    assert load_trust_data().pinned
    (cached / "record.json").unlink()
    refused("trust.pin")
    pin_trust(sha256(root))
    data = load_trust_data()
    assert data.pinned
    assert data.source.startswith("embedded")


def test_the_files_of_the_record_before_are_kept_for_who_reads_it_now(cached, root, tmp_path):
    file = tmp_path / "next.json"
    for count in (2, 3):
        file.write_bytes(root + b"\n" * count)
        import_trust_file(file, ImportFileRequest(digest=sha256(root + b"\n" * count)), now=NOW)
    digests = (sha256(root + b"\n" * count) for count in (2, 3))
    assert {file.name for file in files_of(cached)} == {f"sha256-{digest.hex}" for digest in digests}


@pytest.mark.parametrize(("times", "found"), [(1, True), (4, True), (5, False)])
def test_a_cache_that_is_replaced_while_it_is_read(cached, root, monkeypatch, times, found):
    """Twice between the record and its files, so that the files of the one that was read are gone."""
    lengths, read = iter(range(2, 20)), cache._read_record
    left = times

    def replaced(*arguments, **named):
        nonlocal left
        record = read(*arguments, **named)
        if left > 0:
            left -= 1
            with monkeypatch.context() as patch:
                patch.setattr(cache, "_read_record", read)
                for _ in range(2):
                    content = root + b"\n" * next(lengths)
                    with OpenInstance.open("public-good") as instance:
                        trusted_root = stored("trusted_root.json", content)
                        instance.replace(replace(instance.record, trusted_root=trusted_root), [content])
        return record

    monkeypatch.setattr(cache, "_read_record", replaced)
    if found:
        assert load_trust_data().content == root + b"\n" * (1 + 2 * times)
    else:
        refused("trust.cache.missing")
    assert left == 0


def test_only_one_process_changes_an_instance(cached):
    with OpenInstance.open("public-good"), pytest.raises(OutsideError) as caught, OpenInstance.open("public-good"):
        pass
    assert caught.value.code == "trust.busy"
