"""What the installed ``sigstore`` brings is found without importing it, and missed loudly."""

import importlib.util
import subprocess
import sys
from types import SimpleNamespace

import pytest

from mlsign.errors import OutsideError
from mlsign.formats.trusted_root import decode_trusted_root
from mlsign.roots.embedded import INSTANCES, find_embedded


@pytest.mark.parametrize("instance", INSTANCES)
def test_each_instance_has_its_files(instance):
    found = find_embedded(instance)
    assert decode_trusted_root(found.read("trusted_root.json")).logs
    assert found.read("root.json") != found.read("signing_config.v0.2.json")
    assert found.url.startswith("https://")


def test_it_is_what_the_package_itself_uses():
    from sigstore import __version__
    from sigstore._internal import tuf
    from sigstore._utils import read_embedded

    found = find_embedded("public-good")
    assert (found.version, found.url) == (__version__, tuf.DEFAULT_TUF_URL)
    assert found.read("root.json") == read_embedded("root.json", tuf.DEFAULT_TUF_URL)
    assert find_embedded("staging").url == tuf.STAGING_TUF_URL


def test_nothing_heavy_is_imported():
    probe = "import sys; from mlsign.roots.load import load_trust_data; load_trust_data(); print('\\n'.join(sys.modules))"
    environment = {"MLSIGN_STATE": "/nowhere/state", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, env=environment)
    assert set(done.stdout.split()).isdisjoint({"sigstore", "tuf", "securesystemslib", "cryptography", "importlib.metadata"})


def place(monkeypatch, folder):
    spec = None if folder is None else SimpleNamespace(submodule_search_locations=[str(folder)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)


def refused(monkeypatch, folder):
    place(monkeypatch, folder)
    with pytest.raises(OutsideError) as caught:
        find_embedded("public-good").read("trusted_root.json")
    assert caught.value.code == "trust.embedded"
    return caught.value


def test_without_the_package(monkeypatch):
    assert "install mlsign again" in refused(monkeypatch, None).hint


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, "cannot be read"),
        ("", "is empty"),
        ("OTHER = 1\n", "does not say"),
        ('DEFAULT_TUF_URL = "https://a.example"\nDEFAULT_TUF_URL = "https://b.example"\n', "does not say"),
        ('DEFAULT_TUF_URL = "https://a.example"\n', "cannot be read"),  # and no file of this instance
    ],
)
def test_with_a_package_that_is_laid_out_differently(monkeypatch, tmp_path, source, words):
    (tmp_path / "_internal").mkdir()
    (tmp_path / "__init__.py").write_text('__version__ = "1"\n')
    if source is not None:
        (tmp_path / "_internal" / "tuf.py").write_text(source)
    assert words in refused(monkeypatch, tmp_path).message
