"""The example workflow says what the command line takes, and gives nothing away."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def workflow() -> dict:
    return YAML(typ="safe").load((ROOT / "examples" / "github-actions.yml").read_text(encoding="utf-8"))


def test_its_command_is_one_that_exists_and_its_files_are_those_it_writes(workflow):
    steps = workflow["jobs"]["verify"]["steps"]
    (command,) = [shlex.split(step["run"]) for step in steps if step.get("run", "").startswith("mlsign ")]
    shown = subprocess.run(
        [sys.executable, "-m", "mlsign", command[1], "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert all(word in shown for word in command if word.startswith("--"))
    reports = dict(command[at + 1].split("=") for at, word in enumerate(command) if word == "--report")
    upload, keep = (next(step for step in steps if name in step.get("uses", "")) for name in ("upload-sarif", "upload-artifact"))
    assert upload["with"]["sarif_file"] == reports["sarif"]
    assert set(keep["with"]["path"].split()) == {reports["json"], reports["markdown"]}


def test_it_has_no_right_that_it_does_not_need_and_runs_no_text_of_others(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["verify"]["permissions"] == {"contents": "read", "security-events": "write"}
    assert "pull_request_target" not in workflow.get("on", workflow.get(True))
    assert not any("${{" in step.get("run", "") for step in workflow["jobs"]["verify"]["steps"])
