"""``mlsign replay`` as a person meets it."""

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from making import make_package, write_golden, write_policy

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "schemas" / "replay.v1.schema.json").read_text())
REPLAY = ("replay", "fraud-1.2.0")
POLICY = (*REPLAY, "--policy", "policy.yaml")
ATTEST = (*REPLAY, "--attest", "--key", "lab.key")


@pytest.fixture
def there(run, tmp_path, package, keys):
    """A package that is signed, a lab with a key, and a policy that asks for its runs."""
    (tmp_path / "lab.key").write_bytes(keys.outsider.private)
    (tmp_path / "lab.key").chmod(0o600)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "lab.pub").write_bytes(keys.outsider.public)
    rest = "golden: {platforms: [linux/amd64, linux/arm64], run_by: [{key: keys/lab.pub}]}\n"
    write_policy(tmp_path, {"release": (1, [keys.release.public])}, rest=rest)
    return package


def test_answers_within_the_tolerances_are_told_with_their_errors(run, there):
    done = run(*REPLAY)
    assert (done.code, done.err) == (0, "")
    lines = [line.strip() for line in done.out.splitlines()]
    assert lines[0] == "✓ fraud-1.2.0 answers as its golden test data says"
    assert "No signature was checked" in lines[1]
    assert any(line.startswith("Machine") and "linux/" in line for line in lines)
    assert any(line.startswith("Runtime") and "onnxruntime" in line and "thread" in line for line in lines)
    assert any(line.startswith("Confined") and "process" in line for line in lines)
    assert any(line.startswith("✓ onnxruntime y: 6 elements") for line in lines)


def test_an_answer_that_is_off_is_exit_code_1_and_says_by_how_much(run, tmp_path):
    made = make_package(tmp_path / "made", scale=1.001)
    shutil.move(made, tmp_path / "fraud-1.2.0")
    done = run(*REPLAY, "--runtime", "all")
    assert done.code == 1
    assert "does NOT answer as it should" in done.out
    assert "ULPs" in done.out
    assert "6 of 6 elements are too far off" in done.out
    assert "✗ reference y" in done.out
    assert run(*REPLAY, "--quiet").out == ""


def test_a_run_that_showed_nothing_is_no_wrong_answer(run, tmp_path):
    made = make_package(tmp_path / "made", golden=(write_golden(tmp_path / "empty", rows=0),))
    shutil.move(made, tmp_path / "fraud-1.2.0")
    done = run(*REPLAY)
    assert done.code == 1
    assert done.out.splitlines()[0].strip() == "✗ fraud-1.2.0 was NOT held against all of its golden test data"
    assert "shows nothing" in done.out


def test_as_json(run, there):
    done = run(*REPLAY, "--runtime", "all", "--format", "json", "--quiet")
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out)
    Draft202012Validator(SCHEMA).validate(document)
    assert (document["result"], document["policy"], document["signed"]) == ("passed", None, [])
    assert [found["runtime"] for found in document["runs"]] == ["onnxruntime", "reference"]


def test_a_run_is_signed_for_the_policy_that_asks_for_it(run, there, tmp_path):
    done = run(*POLICY, "--attest", "--key", "lab.key")
    assert done.code == 0
    assert "allowed by tests, but for its demands on golden runs" in done.out
    first, second = done.err.splitlines()
    assert first.startswith("signed that the run with onnxruntime on linux/")
    assert " passed: signatures/sha256-" in first
    assert second.startswith("by EC P-256 key sha256:")
    seen = run("inspect", "fraud-1.2.0")
    assert "claims to be a golden run of fraud-1.2.0, passed with" in " ".join(seen.out.split())
    # One of the two platforms is this one, and nobody has run it on the other.
    report = run("verify", "fraud-1.2.0", "--policy", "policy.yaml")
    assert report.code == 1
    assert report.out.count("no signed golden run on linux/") == 1
    why = run("verify", "fraud-1.2.0", "--policy", "policy.yaml", "--why-not")
    assert "have somebody whom golden.run_by names run the package" in " ".join(why.out.split())


def test_a_failed_run_is_signed_as_one(run, tmp_path, keys):
    shutil.move(make_package(tmp_path / "made", scale=1.001), tmp_path / "fraud-1.2.0")
    (tmp_path / "lab.key").write_bytes(keys.outsider.private)
    (tmp_path / "lab.key").chmod(0o600)
    done = run(*ATTEST)
    assert done.code == 1
    assert " FAILED: signatures/" in done.err


def test_what_is_denied_is_not_run_and_its_report_is_told(run, there):
    shutil.rmtree(there / "signatures")
    done = run(*POLICY)
    assert (done.code, done.out) == (1, "")
    assert "is DENIED by the policy tests" in done.err
    assert "mlsign: fraud-1.2.0: denied by the policy tests" in done.err


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("--key", "lab.key"), 2, "go with --attest"),
        (("--signature", "x.json"), 2, "go with --policy"),
        (("--trust-root", "x.json"), 2, "go with --policy"),
        (("--policy-key", "x.pub"), 2, "without --policy"),
        (("--runtime", "tensorrt"), 2, "tensorrt"),
        (("--policy", "policy.yaml", "--time", "9"), 2, "does not go with --policy"),
        (("--time", "0"), 2, "--time"),
        (("--time", "1e9"), 2, "--time"),
        (("--attest",), 2, "--key"),
        (("--attest", "--key", "none.key"), 3, "none.key"),
        (("--policy", "none.yaml"), 3, "none.yaml"),
        (("--sandbox", "gvisor", "--allow-unsandboxed"), 2, "does not go with"),
        (("--format", "sarif"), 2, "sarif"),
    ],
)
def test_what_cannot_be_meant_is_refused(run, there, argv, code, words):
    before = sorted((there / "signatures").iterdir())
    done = run(*REPLAY, *argv)
    assert done.code == code
    assert words in done.err
    assert sorted((there / "signatures").iterdir()) == before


def test_what_is_no_package_or_has_no_golden_data_says_what_to_do(run, tmp_path):
    assert run("replay", "nowhere").code == 3
    (tmp_path / "empty").mkdir()
    done = run("replay", "empty")
    assert (done.code, "mlsign pack" in done.err) == (3, True)
    shutil.move(make_package(tmp_path / "made", golden=()), tmp_path / "fraud-1.2.0")
    done = run(*REPLAY)
    assert done.code == 3
    assert "no golden test data" in done.err
    assert "mlsign pack --golden DIR" in done.err


def test_content_that_changed_is_not_run(run, there):
    (there / "model.onnx").write_bytes(b"")
    done = run(*REPLAY)
    assert done.code == 3
    assert "is not what its manifest says" in done.err


def test_help_has_an_example(run):
    done = run("replay", "--help")
    assert done.code == 0
    assert "mlsign replay fraud-1.2.0 --policy policy.yaml --runtime all" in done.out
