"""A repository of two trust roots, and a state folder that is not the one of whoever runs the tests."""

import pytest
from roots_now import NOW
from tuf_repository import SIGNING_CONFIG, TRUSTED_ROOT, TufRepository

from mlsign.roots.embedded import PUBLIC_GOOD, find_embedded


@pytest.fixture
def root() -> bytes:
    return find_embedded(PUBLIC_GOOD).read("trusted_root.json")


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("MLSIGN_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def repository(root):
    with TufRepository(now=lambda: NOW) as repository:
        repository.publish({TRUSTED_ROOT: root, SIGNING_CONFIG: b"{}"})
        yield repository
