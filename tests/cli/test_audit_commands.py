"""``--audit-log`` and ``mlsign audit`` as a person meets them: exit codes, and what is printed where."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from making import write_policy
from running import on_terminal

MLSIGN = [sys.executable, "-m", "mlsign"]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "audit.log"


@pytest.fixture
def filled(run, log, package, policy_file):
    """A log of an allowance, a denial and an error."""
    assert run("verify", package, "--policy", policy_file, "--audit-log", log, "-q").code == 0
    (package / "extra").touch()
    assert run("verify", package, "--policy", policy_file, "--audit-log", log, "-q").code == 1
    assert run("verify", "nothing", "--policy", policy_file, "--audit-log", log, "-q").code == 3
    return log


def edited(log, edit):
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(edit(lines)))


@pytest.mark.parametrize("verb", ["verify", "show"])
def test_every_help_has_an_example(run, verb):
    done = run("audit", verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"mlsign audit {verb}" in done.out
    done = run("audit")
    assert done.code == 2
    assert f"  {verb} " in done.out + done.err


def test_a_log_is_verified(run, filled):
    done = run("audit", "verify", "audit.log")
    head = json.loads((filled.parent / "audit.log.head").read_text())
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "INTACT  3 lines in 1 file\n"
        f"  head     3:{head['digest']}\n"
        "  note the head elsewhere: only with it (--head) is it known later that nothing was cut off or written anew\n"
    )
    assert run("audit", "verify", filled, "--head", f"3:{head['digest']}", "-q").out == ""


def test_a_log_is_verified_for_programs(run, filled):
    done = run("audit", "verify", filled, "--format", "json")
    value = json.loads(done.out)
    assert (done.code, value["schema"], value["intact"], value["lines"]) == (0, "mlsign/audit-check/v1", True, 3)
    assert value["files"] == [str(filled)]
    assert value["head"].startswith("3:sha256:")
    assert (value["problems"], value["torn"], value["problems_omitted"]) == ([], [], 0)


@pytest.mark.parametrize(
    ("edit", "line", "words"),
    [
        (lambda lines: lines[1:], 1, "line 1 is missing before it"),
        (lambda lines: [lines[0], lines[2]], 2, "line 2 is missing before it"),
        (lambda lines: [lines[0], lines[1].replace(b"deny", b"allow"), lines[2]], 2, "was changed"),
        (lambda lines: [lines[0], lines[2], lines[1]], 2, "line 2 is missing before it"),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 2, "repeats line 1"),
        (lambda lines: [lines[0], b"junk\n", *lines[1:]], 2, "is no line of an audit log"),
        (lambda lines: lines[:2], 0, "cut off at the end"),
    ],
)
def test_tampering_is_found(run, filled, edit, line, words):
    edited(filled, edit)
    done = run("audit", "verify", filled)
    assert (done.code, done.err) == (1, "")
    assert done.out.startswith("NOT INTACT  ")
    assert words in done.out
    assert (f"audit.log, line {line}: " if line else "audit.log: ") in done.out
    done = run("audit", "verify", filled, "--format", "json")
    assert (done.code, json.loads(done.out)["intact"]) == (1, False)
    assert words in json.loads(done.out)["problems"][0]["message"]
    done = run("audit", "verify", filled, "-q")
    assert (done.code, done.out, done.err) == (1, "", "")


def test_a_head_that_is_known(run, filled):
    head = f"3:{json.loads((filled.parent / 'audit.log.head').read_text())['digest']}"
    edited(filled, lambda lines: lines[:2])
    (filled.parent / "audit.log.head").unlink()
    assert run("audit", "verify", filled).code == 0  # a chain alone cannot show it
    done = run("audit", "verify", filled, "--head", head)
    assert done.code == 1
    assert "line 3 is known to have been there" in done.out
    done = run("audit", "verify", filled, "--head", "3")
    assert done.code == 2
    assert "is no head of an audit log" in done.err


def test_what_is_no_audit_log(run, filled, package, tmp_path):
    for path, words in (
        (package / "mlsign.json", "is no audit log"),
        (tmp_path / "none", "there is no such file"),
        (package, "is no regular file"),
        (tmp_path / "audit.log.head", "is no audit log"),
    ):
        done = run("audit", "verify", path)
        assert (done.code, done.out) == (3, "")
        assert words in done.err
    assert run("audit", "verify").code == 2


def test_the_last_decisions_are_shown(run, filled, package):
    done = run("audit", "show", filled)
    assert (done.code, done.err) == (0, "")
    first, second, third = done.out.splitlines()
    assert "  allow  fraud 1.2.0 (" in first
    assert "  deny   fraud 1.2.0 (" in second
    assert "MLS103 MLS205 MLS210" in second
    assert "  error  " in third
    assert "package.missing" in third
    assert run("audit", "show", filled, "--last", "1").out == f"{third}\n"
    value = json.loads(run("audit", "show", filled, "--format", "json", "-n", "2").out)
    assert value["schema"] == "mlsign/audit-lines/v1"
    assert [each["record"]["event"]["kind"] for each in value["lines"]] == ["decision", "error"]
    with filled.open("ab") as file:
        file.write(b"\x1b[1mjunk")
    assert run("audit", "show", filled).out.splitlines()[-1].startswith("line 4: ")
    assert run("audit", "show", filled, "-n", "1").code == 3


def test_audit_mode_and_torn_lines_are_shown(run, log, package, keys, tmp_path):
    policy = write_policy(tmp_path, {"release": (1, [keys.outsider.public])}, rest="mode: audit\n")
    assert run("verify", package, "-p", policy, "--audit-log", log, "-q").code == 0
    with log.open("ab") as file:
        file.write(b'{"chain":"')
    assert run("verify", package, "-p", policy, "--audit-log", log, "-q").code == 0
    first, _, second, _ = run("audit", "show", log).out.splitlines()
    assert "(audit mode: allow)" in first
    assert "torn   10 B" in second
    done = run("audit", "verify", log)
    assert done.code == 0
    assert "  torn     " in done.out


@pytest.mark.parametrize("place", ["no/audit.log", "folder", "link", "pipe", "/dev/null", "/dev/full", "", ".", "foreign"])
def test_a_log_that_cannot_be_written_allows_nothing(run, package, policy_file, tmp_path, place, no_hang):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "foreign").write_text("shopping list\n")
    os.mkfifo(tmp_path / "pipe")
    for argv in (("verify", package), ("verify", "nothing")):
        done = run(*argv, "--policy", policy_file, "--audit-log", place)
        assert done.code == (2 if place in ("", ".") else 4)
        assert done.out == ""
        assert "mlsign: " in done.err
    assert not (tmp_path / "elsewhere").exists()
    assert (tmp_path / "foreign").read_text() == "shopping list\n"


def test_a_log_that_was_changed_takes_no_more(run, filled, good_package, policy_file):
    edited(filled, lambda lines: lines[:2])
    done = run("verify", good_package, "-p", policy_file, "--audit-log", filled)
    assert (done.code, done.out) == (4, "")
    assert "ends with another line than the one that was written last" in done.err
    assert "mlsign audit verify" in done.err
    filled.rename(filled.with_name("kept"))
    assert run("verify", good_package, "-p", policy_file, "--audit-log", filled, "-q").code == 0
    done = run("audit", "verify", "kept", filled)
    assert done.code == 1
    assert "line 3 is missing before it" in done.out


def test_a_policy_that_cannot_be_read_is_logged(run, log, package):
    assert run("verify", package, "-p", "none.yaml", "--audit-log", log).code == 3
    assert "policy.missing" in run("audit", "show", log).out


def test_scoring_is_logged(run, log, good_package, policy_file, tmp_path):
    (tmp_path / "rows.json").write_text(json.dumps({"x": [[0.1, 0.2, 0.3, 0.4]]}))
    argv = ("--policy", policy_file, "-i", "rows.json", "-o", "y.json", "--audit-log", log)
    assert run("score", good_package, *argv).code == 0
    assert run("score", good_package, *argv, "--allow-unsandboxed").code == 0
    bad = Path(shutil.copytree(good_package, tmp_path / "bad"))
    (bad / "extra").touch()
    assert run("score", bad, *argv).code == 1
    lines = json.loads(run("audit", "show", log, "-f", "json").out)["lines"]
    found = [(each["record"]["event"]["verdict"], bool(each["record"]["event"]["loosened"])) for each in lines]
    assert found == [("allow", False), ("allow", True), ("deny", False)]
    assert {each["record"]["who"]["caller"] for each in lines} == {"mlsign score"}
    done = run("score", good_package, "-p", policy_file, "-i", "rows.json", "-o", "x.json", "--audit-log", "x.json")
    assert done.code == 2
    assert "is the audit log" in done.err


@pytest.mark.parametrize("size", ["0", "-1", "x", "1.5", "9999999"])
def test_sizes_that_are_none(run, package, policy_file, log, size):
    assert run("verify", package, "-p", policy_file, "--audit-log", log, "--audit-log-size", size).code == 2
    assert not log.exists()


def test_a_large_log_shows_a_bar_on_a_terminal(tmp_path, filled):
    line = filled.read_bytes().splitlines(keepends=True)[0]
    big = tmp_path / "big"
    big.write_bytes(line * 500 + b"x" * 70_000_000)
    code, out = on_terminal([*MLSIGN, "audit", "verify", str(big)], tmp_path, {"TERM": "xterm"})
    assert code == 1
    assert b"verifying" in out
    assert b"and " in out
    done = subprocess.run([*MLSIGN, "audit", "verify", big], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "repeats line 1" in done.stdout
    assert done.stdout.count("problem") == 101
