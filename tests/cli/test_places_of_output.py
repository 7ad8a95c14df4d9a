"""What a command writes for somebody never lands in the package, nor over what it read."""

import pytest
from making import make_key, make_package, write_policy


@pytest.fixture(autouse=True)
def package(tmp_path):
    pair = make_key()
    write_policy(tmp_path, {"release": (1, [pair.public])})
    (tmp_path / "link").symlink_to(tmp_path / "pkg")
    (tmp_path / "rows.csv").write_text("a,b,c,d\n1,2,3,4\n")
    return make_package(tmp_path, name="pkg", signers=[pair])


def files_of(package):
    return {path: path.read_bytes() for path in package.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "output", ["pkg/record.json", "link/record.json", "pkg/signatures/record.json", "link/../pkg/mlsign.json"]
)
def test_a_record_is_not_written_into_the_package(run, package, output):
    before = files_of(package)
    done = run("verify", "pkg", "--policy", "policy.yaml", "--record", output)
    assert (done.code, done.out) == (2, "")
    assert "lies in the package" in done.err
    assert files_of(package) == before


@pytest.mark.parametrize("output", ["pkg/mlsign.json", "pkg/new.csv", "link/new.json", "pkg/docs/new.json"])
def test_answers_are_not_written_into_the_package(run, package, output):
    before = files_of(package)
    done = run("score", "pkg", "--policy", "policy.yaml", "--input", "rows.csv", "--output", output)
    assert (done.code, done.out) == (2, "")
    assert "lies in the package that is scored" in done.err
    assert files_of(package) == before


def test_answers_are_not_written_over_the_rows(run, tmp_path):
    done = run("score", "pkg", "--policy", "policy.yaml", "--input", "rows.csv", "--output", "./rows.csv")
    assert done.code == 2
    assert "is the input" in done.err
    assert (tmp_path / "rows.csv").read_text().startswith("a,b,c,d")


@pytest.mark.parametrize(
    "option",
    ["--key", "--password-file", "--pin-file", "--pkcs11-module", "--certificate", "--chain", "--trust-config", "--tuf-root"],
)
def test_a_report_is_not_written_over_what_says_who_signs(run, tmp_path, option):
    # An empty file could be an empty report: it is the option that protects it.
    (tmp_path / "said").touch()
    keyless = ("--keyless",) if option in ("--trust-config", "--tuf-root") else ()
    done = run("verify", "pkg", "-p", "policy.yaml", "--attest", *keyless, option, "said", "--report", "json=./said")
    assert (done.code, done.out) == (2, "")
    assert "--report would write over" in done.err
    assert (tmp_path / "said").read_bytes() == b""


def test_a_report_is_not_written_over_the_identity_token(run, tmp_path):
    (tmp_path / "said").touch()
    done = run(
        "verify", "pkg", "-p", "policy.yaml", "--attest", "--keyless", "--identity-token", "@said", "--report", "json=said"
    )
    assert (done.code, done.out) == (2, "")
    assert "--report would write over" in done.err


def test_score_takes_the_trust_root_that_is_given(run, tmp_path):
    (tmp_path / "root.json").write_text("{}")
    done = run("score", "pkg", "-p", "policy.yaml", "-i", "rows.csv", "-o", "s.csv", "--trust-root", "root.json")
    assert (done.code, done.out) == (3, "")
    assert "root.json" in done.err
    assert not (tmp_path / "s.csv").exists()
