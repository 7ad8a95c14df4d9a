"""The cases of the Sigstore conformance suite that are at hand, through its own command-line protocol."""

import hashlib
import os
from pathlib import Path

import client
import pytest

IDENTITY = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/"
    "extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
ISSUER = "https://token.actions.githubusercontent.com"
FOLDER = Path(os.environ.get("MLSIGN_VECTORS", "/nowhere")) / "sigstore-bundles"
CASES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir()) if FOLDER.is_dir() else []


def arguments(case: Path, content: str) -> list[str]:
    def beside(name: str, default: str) -> str:
        return (case / name).read_text().strip() if (case / name).exists() else default

    found = ["verify-bundle", "--bundle", str(case / "bundle.sigstore.json")]
    root = case / "trusted_root.json"
    found += ["--trusted-root", str(root if root.exists() else FOLDER.parent / "prod_trusted_root.json")]
    if (case / "key.pub").exists():
        return [*found, "--key", str(case / "key.pub"), content]
    identity = ["--certificate-identity", beside("identity", IDENTITY)]
    return [*found, *identity, "--certificate-oidc-issuer", beside("issuer", ISSUER), content]


def artifact(case: Path) -> Path:
    return case / "artifact" if (case / "artifact").exists() else FOLDER / "a.txt"


@pytest.fixture(autouse=True)
def _without_a_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MLSIGN_STATE", str(tmp_path / "state"))


@pytest.mark.skipif(not CASES, reason="MLSIGN_VECTORS names no folder with the bundles of the conformance suite")
@pytest.mark.parametrize("name", CASES or ["none"])
@pytest.mark.parametrize("how", ["file", "digest"])
def test_a_case_comes_out_as_its_name_says(name, how, capsys):
    case = FOLDER / name
    path = artifact(case)
    content = str(path) if how == "file" else f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    code = client.main(arguments(case, content))
    assert code == (1 if name.endswith("_fail") else 0), capsys.readouterr().err


@pytest.mark.skipif(not CASES, reason="MLSIGN_VECTORS names no folder with the bundles of the conformance suite")
@pytest.mark.parametrize("name", [name for name in CASES if not name.endswith("_fail")] or ["none"])
def test_a_good_case_is_of_its_file_identity_and_key_alone(name, tmp_path):
    case = FOLDER / name
    other = tmp_path / "other"
    other.write_bytes(artifact(case).read_bytes() + b"\n")
    assert client.main(arguments(case, str(other))) == 1
    assert client.main(arguments(case, "sha256:" + "ab" * 32)) == 1
    good = arguments(case, str(artifact(case)))
    for option in ("--certificate-identity", "--certificate-oidc-issuer"):
        if option in good:
            at = good.index(option) + 1
            assert client.main([*good[:at], good[at] + "x", *good[at + 1 :]]) == 1
    if "--key" in good:
        without = [word for at, word in enumerate(good) if at not in {good.index("--key"), good.index("--key") + 1}]
        assert client.main(without) == 1


def test_what_cannot_be_read_is_refused(tmp_path, capsys):
    (tmp_path / "b").write_text("{}")
    assert client.main(["verify-bundle", "--bundle", str(tmp_path / "b"), "sha256:" + "ab" * 32]) == 1
    assert client.main(["verify-bundle", "--bundle", str(tmp_path / "none"), str(tmp_path / "b")]) == 1
    assert client.main(["verify-bundle", "--bundle", str(tmp_path / "b"), "--trusted-root", str(tmp_path / "b"), "x"]) == 1
    assert "refused" in capsys.readouterr().err
