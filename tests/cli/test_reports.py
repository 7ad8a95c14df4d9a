"""``mlsign verify`` in a pipeline: formats, files of reports, the summary of a step."""

import json
import os
import shutil

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from making import INPUT, write_policy
from running import Done
from test_transcripts import SCHEMA

BOTH = ("--report", "sarif=r.sarif", "--report", "json=out/r.json")


@pytest.fixture
def audit(package, keys, tmp_path):
    """A policy that stops nothing, and a package that it would deny."""
    shutil.rmtree(package / "signatures")
    return write_policy(tmp_path / "a", {"release": (1, [keys.release.public])}, rest="mode: audit\n")


def report_of(path) -> dict:
    value = json.loads(path.read_text())
    Draft202012Validator(SCHEMA).validate(value)
    return value


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github", "markdown"])
def test_the_exit_code_is_the_same_in_every_format(run, package, policy_file, form):
    assert run("verify", package, "-p", policy_file, "-f", form).code == 0
    (package / "extra").write_text("x")
    done = run("verify", package, "-p", policy_file, "-f", form)
    assert (done.code, done.err) == (1, "")
    assert "MLS103" in done.out


def test_one_run_gives_several_reports(run, package, policy_file, tmp_path):
    (tmp_path / "out").mkdir()
    (package / "extra").write_text("x")
    done = run(
        "verify", "fraud-1.2.0", "-p", policy_file, "-f", "github", *BOTH, "--report", "text=r.txt", "--report", "markdown=r.md"
    )
    assert (done.code, done.err) == (1, "")
    assert all(line.startswith("::") for line in done.out.splitlines())
    assert "file=fraud-1.2.0/extra,title=MLS103" in done.out
    assert report_of(tmp_path / "out" / "r.json")["decision"] == "deny"
    results = json.loads((tmp_path / "r.sarif").read_text())["runs"][0]["results"]
    assert "fraud-1.2.0/extra" in {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in results}
    assert (tmp_path / "r.txt").read_text() == run("verify", "fraud-1.2.0", "-p", policy_file).out
    assert (tmp_path / "r.md").read_text().startswith("## ❌ Denied: ")
    assert (tmp_path / "r.md").stat().st_mode & 0o777 == 0o644
    assert not list(tmp_path.glob(".*partial*"))
    quiet = run("verify", "fraud-1.2.0", "-p", policy_file, "-q", "--report", "json=r.json")
    assert quiet == Done(code=1, out="", err="")
    assert report_of(tmp_path / "r.json")["decision"] == "deny"


@pytest.mark.parametrize("value", ["json", "json=", "=x", "xml=x", "JSON=x", "json:x"])
def test_what_is_no_format_and_file_is_2(run, package, policy_file, value):
    done = run("verify", package, "-p", policy_file, "--report", value)
    assert (done.code, done.out) == (2, "")
    assert "FORMAT=FILE" in done.err


def test_standard_output_is_for_the_format(run, package, policy_file, tmp_path):
    done = run("verify", package, "-p", policy_file, "--report", "json=-")
    assert (done.code, done.out) == (2, "")
    assert "--format is for standard output" in done.err
    assert not (tmp_path / "-").exists()


def test_one_file_for_two_reports_is_2(run, package, policy_file, tmp_path):
    done = run("verify", package, "-p", policy_file, "--report", "json=x", "--report", f"sarif={tmp_path}/./x")
    assert done.code == 2
    assert "twice" in done.err
    done = run("verify", package, "-p", policy_file, *["--report=json=x"] * 21)
    assert done.code == 2
    assert "at most 20" in done.err


@pytest.mark.parametrize(
    "place", ["fraud-1.2.0", "fraud-1.2.0/mlsign.json", "fraud-1.2.0/signatures/r.json", "l/r.json", "p/policy.yaml", "lp.yaml"]
)
def test_a_report_never_goes_over_what_is_read(run, package, keys, tmp_path, place):
    policy = write_policy(tmp_path / "p", {"release": (1, [keys.release.public])})
    (tmp_path / "l").symlink_to("fraud-1.2.0")
    (tmp_path / "lp.yaml").symlink_to("p/policy.yaml")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = run("verify", "l", "-p", "lp.yaml", "--report", f"json={place}")
    assert (done.code, done.out) == (2, "")
    assert "--report would write" in done.err
    seen = tmp_path / ".seen"
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and seen not in p.parents} == {
        p: data for p, data in before.items() if seen not in p.parents
    }
    assert policy.is_file()


def test_a_report_that_cannot_be_written_is_4_and_nothing_is_allowed(run, package, policy_file, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "plain").write_text("x")
    for place in ("gone/r.json", "folder", "link", "fifo", "/dev/null", "plain/r.json", "/proc/r.json", "x" * 300):
        for form in ("text", "github", "json"):
            done = run("verify", package, "-p", policy_file, "-f", form, "--report", f"json={place}")
            assert done.code == 4, place
            assert "allowed by" not in done.out
            assert '"allow"' not in done.out
            assert "report" in done.err
    assert (tmp_path / "link").is_symlink()
    assert not (tmp_path / "elsewhere").exists()
    assert (tmp_path / "plain").read_text() == "x"


def test_no_report_of_an_earlier_run_outlives_one_that_ends_early(run, package, policy_file, tmp_path):
    assert run("verify", package, "-p", policy_file, "--report", "json=r.json").code == 0
    assert report_of(tmp_path / "r.json")["decision"] == "allow"
    assert run("verify", "gone", "-p", policy_file, "--report", "json=r.json").code == 3
    assert not (tmp_path / "r.json").exists()


def test_a_file_that_is_no_report_is_never_written_over(run, package, keys, tmp_path):
    policy = write_policy(tmp_path / "p", {"release": (1, [keys.release.public])})
    for place in ("p/keys/release-0.pub", "notes"):
        (tmp_path / "notes").write_text("mine")
        before = (tmp_path / place).read_bytes()
        done = run("verify", package, "-p", policy, "--report", f"json={place}")
        assert (done.code, done.out) == (4, "")
        assert "is no report" in done.err
        assert (tmp_path / place).read_bytes() == before
    (tmp_path / "empty").touch()
    assert run("verify", package, "-p", policy, "--report", "json=empty").code == 0
    for sign in (False, True):
        for form in ("json", "sarif", "text", "github", "markdown", "json"):
            # Each over the one of another format.
            assert run("verify", package, "-p", policy, "--report", f"{form}=r").code == int(sign), form
        (package / "extra").write_text("x")
    audit = write_policy(tmp_path / "p", {"release": (1, [keys.release.public])}, name="a.yaml", rest="mode: audit\n")
    for form in ("markdown", "github", "text", "markdown"):
        assert run("verify", package, "-p", audit, "--report", f"{form}=r").code == 0


def test_the_summary_is_appended(run, package, policy_file, tmp_path):
    (tmp_path / "s").write_text("before\n")
    env = {"GITHUB_STEP_SUMMARY": str(tmp_path / "s")}
    assert run("verify", package, "-p", policy_file, "-f", "github", env=env).code == 0
    page = (tmp_path / "s").read_text()
    assert page.startswith("before\n")
    assert page.split("\n", 1)[1].lstrip().startswith("## ✅ Allowed")
    (package / "extra").write_text("x")
    assert run("verify", package, "-p", policy_file, "-f", "github", env=env).code == 1
    assert (tmp_path / "s").read_text().startswith(page)
    assert "❌ Denied" in (tmp_path / "s").read_text()
    size = (tmp_path / "s").stat().st_size
    assert run("verify", package, "-p", policy_file, "-f", "text", env=env).code == 1
    assert run("verify", "gone", "-p", policy_file, "-f", "github", env=env).code == 3
    assert (tmp_path / "s").stat().st_size == size
    assert run("verify", package, "-p", policy_file, "-f", "github", env={"GITHUB_STEP_SUMMARY": ""}).code == 1


def test_a_summary_that_cannot_be_written_is_4_and_nothing_is_allowed(run, package, policy_file, tmp_path):
    (tmp_path / "link").symlink_to("s")
    os.mkfifo(tmp_path / "fifo")
    for place in (tmp_path, tmp_path / "link", tmp_path / "fifo", "/dev/null", tmp_path / "gone" / "s"):
        done = run("verify", package, "-p", policy_file, "-f", "github", env={"GITHUB_STEP_SUMMARY": str(place)})
        assert done.code == 4, place
        assert "allowed by" not in done.out
        assert done.out.startswith("::error title=mlsign report.place::no verdict, so nothing is allowed")
    assert not (tmp_path / "s").exists()


def test_a_full_summary_is_left_as_it_is_and_the_verdict_stands(run, package, policy_file, tmp_path):
    (tmp_path / "s").write_bytes(b"x" * (1 << 20))
    done = run("verify", package, "-p", policy_file, "-f", "github", env={"GITHUB_STEP_SUMMARY": str(tmp_path / "s")})
    assert done.code == 0
    assert "no room for a summary" in done.err
    assert (tmp_path / "s").stat().st_size == 1 << 20
    (tmp_path / "s").write_bytes(b"x" * ((1 << 20) - 2500))
    assert run("verify", package, "-p", policy_file, "-f", "github", env={"GITHUB_STEP_SUMMARY": str(tmp_path / "s")}).code == 0
    assert (1 << 20) - 2500 < (tmp_path / "s").stat().st_size <= 1 << 20


def test_an_error_is_an_annotation(run, policy_file):
    done = run("verify", "gone\n::stop-commands::x", "-p", policy_file, "-f", "github")
    assert done.code == 3
    assert done.out.startswith("::error title=mlsign package.missing::no verdict, so nothing is allowed: ")
    assert len(done.out.splitlines()) == 1
    assert not any(line.lstrip().startswith("::") for line in done.err.splitlines())


def test_audit_mode_is_loud_in_every_format(run, package, audit):
    for form, words in (
        ("text", "would have been DENIED"),
        ("json", '"mode": "audit"'),
        ("sarif", "this would have been denied"),
        ("github", "::warning title=mlsign::fraud 1.2.0 would have been DENIED"),
        ("markdown", "Would have been denied"),
    ):
        done = run("verify", "fraud-1.2.0", "-p", audit, "-f", form)
        assert done.code == 0
        assert words in done.out
        assert "audit mode: this would have been DENIED" in done.err
    assert json.loads(run("verify", "fraud-1.2.0", "-p", audit, "-f", "json").out)["decision"] == "deny"
    assert "::error" not in run("verify", "fraud-1.2.0", "-p", audit, "-f", "github").out


def test_names_in_a_package_give_no_command_in_any_format(run, package, policy_file):
    for name in ("::add-mask::x", "a ##[stop-commands]b", "n\n::error::x", " " * 70 + " ::notice::" + "y" * 90, "`|<b>@x"):
        (package / name).write_text("x")
    for form in ("text", "json", "sarif", "github", "markdown"):
        done = run("verify", package, "-p", policy_file, "-f", form)
        assert done.code == 1
        assert "##[" not in done.out
        commands = [line for line in done.out.splitlines() if line.lstrip().startswith("::")]
        assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in commands)
        assert bool(commands) is (form == "github")


@pytest.mark.linux
def test_scoring_writes_reports_too(run, package, policy_file, tmp_path):
    np.savez(tmp_path / "rows.npz", x=INPUT)
    score = ("score", "fraud-1.2.0", "-p", policy_file, "-i", "rows.npz", "-o", "out.npz")
    done = run(*score, "--report", "json=r.json")
    assert done.code == 0, done.err
    assert report_of(tmp_path / "r.json")["decision"] == "allow"
    for place in ("rows.npz", "out.npz"):
        assert run(*score, "--report", f"json={place}").code == 2
    assert (tmp_path / "rows.npz").stat().st_size
    (package / "extra").write_text("x")
    done = run(*score, "--report", "json=r.json", "--report", "sarif=r.sarif")
    assert (done.code, done.out) == (1, "")
    assert report_of(tmp_path / "r.json")["decision"] == "deny"
    assert json.loads((tmp_path / "r.sarif").read_text())["runs"][0]["results"]
