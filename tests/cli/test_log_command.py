"""``pack --previous`` and ``mlsign log`` as a person meets them."""

import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from making import write_model, write_policy

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "schemas" / "log.v1.schema.json").read_text())


@pytest.fixture
def there(run, tmp_path, keys):
    """Two releases, of which the second names the first, and a policy."""
    (tmp_path / "release.key").write_bytes(keys.release.private)
    (tmp_path / "release.key").chmod(0o600)
    write_policy(tmp_path, {"release": (1, [keys.release.public])})
    for version, more in (("1.0.0", ()), ("1.1.0", ("--previous", "releases/iris-1.0.0"))):
        write_model(tmp_path / "iris.onnx", operator="Relu" if more else "Gemm")
        done = run("pack", "iris.onnx", "-o", f"releases/iris-{version}", *more)
        assert done.code == 0, done.err
        assert ("comes after 1.0.0, sha256:" in done.err) is bool(more)
        assert run("sign", f"releases/iris-{version}", "--key", "release.key").code == 0
    return tmp_path / "releases"


def test_from_pack_to_log(run, there):
    done = run("log", "releases", "--policy", "policy.yaml")
    assert done.code == 0, done.err
    assert "verified back to the first release, 1.0.0 (2 releases)" in done.out
    assert "operators +ai.onnx:Relu" in " ".join(done.out.split())
    assert done.err == ""
    done = run("log", "releases", "--policy", "policy.yaml", "--quiet")
    assert (done.code, done.out) == (0, "")
    done = run("log", "releases", "--policy", "policy.yaml", "--name", "iris", "--format", "json")
    found = json.loads(done.out)
    Draft202012Validator(SCHEMA).validate(found)
    assert (found["verified"], found["decision"], len(found["releases"])) == (True, "allow", 2)
    assert found["releases"][0]["changes"]["operators"]["added"] == ["ai.onnx:Relu"]


def test_inspect_shows_the_release_before(run, there):
    done = run("inspect", "releases/iris-1.1.0")
    assert "Previous" in done.out
    assert "1.0.0  sha256:" in done.out
    found = json.loads(run("inspect", "releases/iris-1.1.0", "--format", "json").out)
    assert found["package"]["previous"]["version"] == "1.0.0"
    assert json.loads(run("inspect", "releases/iris-1.0.0", "--format", "json").out)["package"]["previous"] is None


def test_a_denial_is_one_and_a_folder_that_cannot_be_read_is_three(run, there):
    os.rename(there / "iris-1.0.0", there.parent / "gone")
    done = run("log", "releases", "--policy", "policy.yaml")
    assert done.code == 1
    assert "which is not in this folder" in " ".join(done.out.split())
    assert run("log", "releases").code == 0
    (there / "iris-1.1.0" / "mlsign.json").write_bytes(b"")
    assert run("log", "releases").code == 3
    assert run("log", "releases", "--policy", "policy.yaml").code == 1


def test_without_a_policy_nothing_is_decided_and_a_changed_file_is_three(run, there):
    assert json.loads(run("log", "releases", "--format", "json").out)["decision"] is None
    (there / "iris-1.0.0" / "model.onnx").write_bytes(b"another one")
    done = run("log", "releases", "--format", "json")
    found = json.loads(done.out)
    Draft202012Validator(SCHEMA).validate(found)
    assert (done.code, found["decision"], found["releases"][1]["problem"]["code"]) == (3, None, "MLS101")
    done = run("log", "releases", "--policy", "policy.yaml", "--format", "json")
    assert (done.code, json.loads(done.out)["decision"]) == (1, "deny")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--quick", "--policy", "policy.yaml"), 2),
        (("--policy-key", "keys/release-0.pub"), 2),
        (("--trust-root", "root.json"), 2),
        (("--name", ""), 2),
        (("--name", "nobody"), 3),
        (("--policy", "nothing.yaml"), 3),
        (("--policy", "policy.yaml", "--policy-key", "keys/release-0.pub"), 1),
        (("--format", "sarif"), 2),
    ],
)
def test_wrong_words(run, there, more, code):
    done = run("log", "releases", *more)
    assert done.code == code, done.out + done.err
    assert done.out == ""


def test_a_quick_look_says_what_it_is(run, there):
    done = run("log", "releases", "--quick")
    assert done.code == 0
    assert "Only manifests were read" in done.out


def test_packing_onto_a_release_that_is_none(run, there):
    done = run("pack", "iris.onnx", "-o", "releases/iris-1.0.1", "--previous", "releases/iris-1.1.0")
    assert done.code == 3
    assert "is version 1.1.0, which is not lower than 1.0.1" in done.err
    assert "do: give a higher --version" in done.err
    assert not (there / "iris-1.0.1").exists()
