"""``mlsign diff`` as a person, a script and git meet it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from making import linear_model, make_key, make_package, write_model, write_policy

from mlsign.actions.signing.sign import sign

PAGE = Path(__file__).resolve().parents[2] / "docs" / "comparing.md"
GIT = {
    **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Two models that differ in one weight, and a third that is the first under another name."""
    for name, scale in (("a", 1.0), ("b", 2.0), ("same", 1.0)):
        write_model(tmp_path / f"{name}.onnx", scale=scale)
    np.savez(tmp_path / "rows.npz", x=np.ones((2, 4), np.float32))
    return tmp_path


def test_exit_codes_are_those_of_diff(run, models: Path) -> None:
    assert run("diff", "a.onnx", "same.onnx").code == 0
    different = run("diff", "a.onnx", "b.onnx", "--inputs", "rows.npz")
    assert (different.code, different.err) == (1, "")
    assert "weights changed" in different.out
    assert "output y: 6 of 6 values differ" in different.out


@pytest.mark.parametrize(
    "argv",
    [
        ("a.onnx", "missing.onnx"),
        ("a.onnx",),
        ("a.onnx", "b.onnx", "--no-such-option"),
        ("a.onnx", "b.onnx", "--format", "sarif"),
        ("a.onnx", "junk.onnx"),
        ("a.onnx", "empty"),
        ("a.onnx", "fifo"),
        ("/dev/null", "a.onnx"),
        ("a.onnx", ""),
        ("a.onnx", "b.onnx", "--policy", "missing.yaml"),
        ("a.onnx", "b.onnx", "--policy-key", "missing.pub"),
        ("a.onnx", "b.onnx", "--inputs", "missing.npz"),
        ("a.onnx", "b.onnx", "--inputs", "junk.onnx"),
        ("a.onnx", "b.onnx", "--inputs", "other.npz"),
        ("a.onnx", "b.onnx", "--inputs", "rows.npz", "--no-run"),
        ("a.onnx", "b.onnx", "-o", "a.onnx"),
        ("a.onnx", "b.onnx", "-o", "b.onnx"),
        ("a.onnx", "b.onnx", "-o", "no/such/folder/out.txt"),
        ("a.onnx", "x" * 5000),
    ],
    ids=lambda argv: " ".join(argv)[:40],
)
def test_all_trouble_is_two(run, models: Path, argv: tuple[str, ...]) -> None:
    (models / "junk.onnx").write_bytes(b"\x80\x04junk")
    np.savez(models / "other.npz", z=np.ones((2, 4), np.float32))
    (models / "empty").mkdir()
    os.mkfifo(models / "fifo")
    before = (models / "a.onnx").read_bytes()
    done = run("diff", *argv)
    assert done.code == 2
    assert done.out == ""
    assert done.err
    assert "Traceback" not in done.err
    assert (models / "a.onnx").read_bytes() == before


def test_a_defect_is_trouble_and_not_a_difference(run, models: Path) -> None:
    program = "import mlsign.actions.comparison.diff as d\ndef fail(*a, **k): raise RuntimeError('x')\nd.compare_graphs = fail\nd.same_model = fail\n"
    program += "import sys\nfrom mlsign.cli.main import main\nsys.argv = ['mlsign', 'diff', 'a.onnx', 'b.onnx']\nmain()"
    done = subprocess.run([sys.executable, "-c", program], cwd=models, capture_output=True, text=True)
    assert done.returncode == 2
    assert "defect of mlsign" in done.stderr


def test_a_reader_that_has_left_is_trouble(models: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "mlsign", "diff", "a.onnx", "b.onnx", "--format", "json"], cwd=models, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait() == 2


def test_json_and_an_error_as_json(run, models: Path) -> None:
    found = json.loads(run("diff", "a.onnx", "b.onnx", "--format", "json").out)
    assert (found["schema"], found["same"]) == ("mlsign/diff/v1", False)
    done = run("diff", "a.onnx", "missing.onnx", "--format", "json")
    assert done.code == 2
    assert json.loads(done.out)["schema"] == "mlsign/error/v1"


def test_quiet_leaves_the_exit_code(run, models: Path) -> None:
    done = run("diff", "a.onnx", "b.onnx", "--quiet")
    assert (done.code, done.out, done.err) == (1, "", "")


@pytest.mark.parametrize("form", ["text", "json", "html"])
def test_a_file_is_written_whole_and_over_nothing_but_a_report(run, models: Path, form: str) -> None:
    done = run("diff", "a.onnx", "b.onnx", "--format", form, "-o", "out")
    assert (done.code, done.out, done.err) == (1, "", "mlsign: out written\n")
    first = (models / "out").read_bytes()
    again = run("diff", "a.onnx", "b.onnx", "--format", form, "-o", "out")
    assert again.code == 1
    assert (models / "out").read_bytes() == first
    (models / "out").write_text("my notes")
    refused = run("diff", "a.onnx", "b.onnx", "--format", form, "-o", "out")
    assert refused.code == 2
    assert (models / "out").read_text() == "my notes"


def test_packages_under_a_policy(run, tmp_path: Path) -> None:
    key = make_key()
    make_package(tmp_path, signers=[key])
    make_package(tmp_path, name="fraud-1.2.1")
    write_policy(tmp_path, {"release": (1, [key.public])})
    done = run("diff", "fraud-1.2.0", "fraud-1.2.1", "--policy", "policy.yaml", "--no-run")
    assert done.code == 1
    assert "allow → deny: the change alters the decision" in done.out
    assert run("diff", "fraud-1.2.0", "fraud-1.2.0", "--policy", "policy.yaml").code == 0


def test_verbose_lists_what_is_cut_short(run, models: Path) -> None:
    model = linear_model()
    for index in range(30):
        model.metadata_props.add(key=f"key{index}", value="\x1b[2J")
    onnx.save(model, models / "c.onnx")
    short, whole = run("diff", "a.onnx", "c.onnx"), run("diff", "a.onnx", "c.onnx", "--verbose")
    assert "and 18 more: --verbose lists them all" in short.out
    assert whole.out.count("metadata key") == 30
    assert "\x1b" not in whole.out


@pytest.fixture
def repository(tmp_path: Path, models: Path):
    """A repository with two commits of one model, set up as the page on comparing says."""
    home, programs = tmp_path / "repository", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    (programs / "mlsign").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m mlsign "$@"\n')
    (programs / "mlsign").chmod(0o755)
    environment = {**GIT, "PATH": f"{programs}:{GIT['PATH']}"}

    def git(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *argv], cwd=home, env=environment, capture_output=True, text=True, check=True)

    git("init", "--quiet")
    lines = re.findall(r"^    ((?:git config|echo) .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) == 3
    subprocess.run(["sh", "-ec", "\n".join(lines)], cwd=home, env=environment, check=True)
    for index, operator in enumerate(("Tanh", "Relu")):
        write_model(home / "model.onnx", operator=operator)
        git("add", ".")
        git("commit", "--quiet", "-m", str(index))
    return git


def test_git_shows_models_as_text(repository) -> None:
    shown = repository("diff", "HEAD~1", "--", "model.onnx").stdout
    assert "Binary files" not in shown
    removed = [line for line in shown.splitlines() if line.startswith("-")]
    added = [line for line in shown.splitlines() if line.startswith("+")]
    assert any("Tanh" in line for line in removed)
    assert any("Relu" in line for line in added)


def test_git_shows_that_weights_alone_changed_and_what_cannot_be_read(repository, tmp_path: Path) -> None:
    """A diff that shows nothing would hide the change, and one that fails would end ``git log -p`` there."""
    write_model(tmp_path / "repository" / "model.onnx", operator="Relu", scale=2.0)
    changed = [line for line in repository("diff").stdout.splitlines() if line.startswith(("-", "+"))][2:]
    assert [line[:8] for line in changed] == ["-# file ", "+# file "]
    (tmp_path / "repository" / "model.onnx").write_bytes(b"junk")
    assert "+# file " in repository("diff").stdout


def test_git_runs_diff_as_a_difftool(repository) -> None:
    shown = repository("difftool", "-y", "-t", "mlsign", "HEAD~1", "--", "model.onnx").stdout
    assert "mlsign diff: " in shown
    assert "- ai.onnx:Tanh: 1 time" in shown
    assert "+ ai.onnx:Relu: 1 time" in shown


def test_packages_that_share_files_take_their_store(run, tmp_path: Path) -> None:
    pair = make_key()
    write_policy(tmp_path, {"release": (1, [pair.public])})
    (tmp_path / "shared.bin").write_bytes(bytes(2 << 20))
    for name in ("fraud-1.0.0", "fraud-1.1.0"):
        package = make_package(tmp_path, name=name, store=tmp_path / "store", include=(tmp_path / "shared.bin",))
        sign(package, pair.signer, store=tmp_path / "store")
    argv = ("diff", "fraud-1.0.0", "fraud-1.1.0", "--policy", "policy.yaml")
    assert "deny, as before" in run(*argv).out
    assert "allow, as before" in run(*argv, "--store", "store").out
    alone = run("diff", "fraud-1.0.0", "fraud-1.1.0", "--store", "store")
    assert (alone.code, "--store is for --policy" in alone.err) == (2, True)
