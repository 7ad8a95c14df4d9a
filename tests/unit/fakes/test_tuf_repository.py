"""The Python client takes trust roots from the repository, and refuses what an attacker would hand out in its place."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from fake_http import ask
from tuf_repository import SIGNING_CONFIG, TRUSTED_ROOT, TufRepository

pytest.importorskip("sigstore.models", reason="the Python client of Sigstore is not installed")

from sigstore.errors import TUFError
from sigstore.models import ClientTrustConfig


@pytest.fixture
def repository(sigstore, tmp_path, monkeypatch):
    """With one version published, and a client that has seen nothing yet."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with TufRepository() as service:
        service.publish_sigstore(sigstore.trust_config())
        yield service


@pytest.fixture
def refresh(repository, tmp_path):
    """What the client then trusts; the first time, it is told the first root."""
    (tmp_path / "root.json").write_bytes(repository.bootstrap)

    def make(*, offline=False):
        config = ClientTrustConfig.from_tuf(repository.url, offline=offline, bootstrap_root=tmp_path / "root.json")
        return json.loads(config.trusted_root._inner.to_json())

    return make


def why(refresh):
    with pytest.raises(TUFError) as caught:
        refresh()
    return type(caught.value.__cause__).__name__


def test_online_and_then_offline(repository, refresh, sigstore):
    trusted = refresh()
    assert [log["logId"] for log in trusted["tlogs"]] == [log["logId"] for log in sigstore.trusted_root()["tlogs"]]
    before = repository.requests
    assert refresh(offline=True) == trusted
    assert repository.requests == before
    repository.break_service("drop")
    assert refresh(offline=True) == trusted
    assert why(refresh) == "DownloadError"


def test_another_version_brings_other_trust(repository, refresh, sigstore):
    first = refresh()
    with sigstore.twin() as twin:
        assert repository.publish_sigstore(twin.trust_config()) == 2
        assert refresh()["tlogs"] != first["tlogs"]


def test_rollback_is_refused(repository, refresh):
    repository.publish()
    refresh()
    repository.roll_back(1)
    assert why(refresh) == "BadVersionNumberError"
    repository.publish(version=1)
    assert why(refresh) == "BadVersionNumberError"


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_what_has_expired_is_refused(repository, refresh, role):
    refresh()
    repository.publish(lifetimes={role: timedelta(hours=-1)})
    assert why(refresh) == "ExpiredMetadataError"


def test_a_frozen_repository_is_refused(repository, refresh):
    end = repository.freeze()
    refresh()
    time.sleep(max(0, (end - datetime.now(UTC)).total_seconds()) + 0.01)
    assert why(refresh) == "ExpiredMetadataError"


def test_root_keys_rotate(repository, refresh):
    refresh()
    assert (repository.rotate_root(), repository.rotate_root()) == (2, 3)
    refresh()
    assert "3.root.json" in repository.files


def test_a_root_for_which_the_old_keys_do_not_vouch_is_refused(repository, refresh):
    refresh()
    repository.rotate_root(vouched=False)
    assert why(refresh) == "UnsignedMetadataError"


def test_an_expired_root_is_refused(repository, refresh):
    refresh()
    repository.rotate_root(lifetime=timedelta(hours=-1))
    assert why(refresh) == "ExpiredMetadataError"


@pytest.mark.parametrize("path", ["timestamp.json", "1.snapshot.json", "1.targets.json"])
def test_a_wrong_signature_is_refused(repository, refresh, path):
    repository.break_signature(path)
    assert why(refresh) == "UnsignedMetadataError"


@pytest.mark.parametrize("name", [TRUSTED_ROOT, SIGNING_CONFIG])
def test_changed_targets_are_refused(repository, refresh, name):
    repository.change_target(name, b"{}")
    assert why(refresh) in {"LengthOrHashMismatchError", "DownloadLengthMismatchError"}


def test_a_repository_that_is_away(repository, refresh):
    repository.break_service(times=1)
    with pytest.raises(TUFError):
        refresh()
    refresh()
    assert ask(f"{repository.url}/nothing.json")[0] == 404
