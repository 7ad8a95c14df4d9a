"""What sign and inspect say of bundles in a package that are no signatures over its files."""

import json

import pytest
from making import make_key, make_package, write_policy

PREDICATE = {
    "buildDefinition": {"buildType": "https://b.example/t", "externalParameters": {}, "resolvedDependencies": []},
    "runDetails": {"builder": {"id": "https://b.example/##[error]"}},
}


@pytest.fixture
def everything(run, tmp_path):
    """A package with a signature, a countersignature, a provenance statement and a verification summary."""
    pair, other = make_key(), make_key()
    package = make_package(tmp_path, name="pkg", signers=[pair])
    write_policy(tmp_path, {"release": (1, [pair.public])})
    (tmp_path / "other.key").write_bytes(other.private)
    (tmp_path / "slsa.json").write_text(json.dumps(PREDICATE))
    (bundle,) = (package / "signatures").iterdir()
    assert run("attest", "pkg", "--provenance", "slsa.json", "--key", "other.key").code == 0
    assert run("sign", "pkg", "--key", "other.key", "--countersign", bundle.name).code == 0
    assert run("verify", "pkg", "-p", "policy.yaml", "--attest", "--key", "other.key", "-q").code == 0


@pytest.mark.usefixtures("everything")
def test_sign_says_what_lies_beside_its_signature(run):
    told = run("sign", "pkg", "--key", "other.key").err
    for words in ("a provenance statement", "a countersignature", "a verification summary", "over the same files"):
        assert told.count(words) == 1
    assert "does not count" not in told
    assert "give --policy FILE" in told


@pytest.mark.usefixtures("everything")
def test_whoever_gave_a_policy_is_not_asked_for_one(run):
    told = run("sign", "pkg", "--key", "other.key", "--policy", "policy.yaml").err
    assert "nobody whom the policy names" in told
    assert "give --policy" not in told


@pytest.mark.usefixtures("everything")
def test_inspect_names_each_kind(run):
    done = run("inspect", "pkg")
    assert done.code == 0
    for words in (
        "claims to be provenance, built by https://b.example/",
        "claims to be a countersignature",
        "claims to be a verification",
    ):
        assert done.out.count(words) == 1
    assert "##[" not in done.out
    assert "predicateType" not in done.out
