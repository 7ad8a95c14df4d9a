"""What happens when the surroundings of a command fail: its outputs, its environment, its user."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from making import write_model

import mlsign.cli.main
from mlsign.cli.console import print_error
from mlsign.errors import InputError

MLSIGN = (sys.executable, "-m", "mlsign")


def run(*argv: object, **how) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*MLSIGN, *map(str, argv)], stderr=subprocess.PIPE, text=True, timeout=60, check=False, **how)
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr
    return done


@pytest.mark.parametrize("name", [".", "/", "..", "x/.."])
def test_a_key_needs_a_name(tmp_path, name):
    done = run("keygen", "--no-password", "-o", name, cwd=tmp_path, stdout=subprocess.PIPE)
    assert done.returncode == 2
    assert "is no name for a key" in done.stderr
    assert "do:" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (("verify", "pkg", "--policy", ""), " for --policy"),
        (("verify", "pkg", "--policy="), " for --policy"),
        (("verify", "pkg", "-p", ""), " for -p"),
        (("verify", "", "-p", "policy.yaml"), ""),
        (("verify", "-p", "policy.yaml", "--", ""), ""),
        (("verify", "pkg", "-p", "policy.yaml", "--policy-key", ""), " for --policy-key"),
        (("keygen", "--no-password", "-o", ""), " for -o"),
        (("verify", "pkg", "-p", "policy.yaml", "--report", ""), " for --report"),
        (("policy", "check", ""), ""),
        (("",), ""),
    ],
)
def test_a_variable_that_is_not_set_is_not_the_current_folder(tmp_path, argv, named):
    # Whoever may write into the folder that a pipeline runs in would bring the policy along.
    (tmp_path / "policy.yaml").write_text("apiVersion: mlsign/v1\n")
    done = run(*argv, cwd=tmp_path, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"an empty value{named}\n" in done.stderr
    assert "is the variable set" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["policy.yaml"]


@pytest.mark.parametrize(
    "argv",
    [
        ("inspect", "{}"),
        ("inspect", "--findings", "{}"),
        ("pack", "{}", "-o", "p-1.0.0"),
        ("pack", "m.onnx", "-o", "p-1.0.0", "--include", "{}"),
        ("pack", "m.onnx", "-o", "p-1.0.0", "--store", "{}"),
        ("sign", "{}", "--key", "{}"),
        ("verify", "{}", "--policy", "policy.yaml"),
        ("verify", "m.onnx", "--policy", "{}"),
        ("policy", "check", "{}"),
        ("trust", "import", "{}"),
        ("store", "list", "{}"),
    ],
)
def test_a_path_that_cannot_be_looked_at_is_no_defect(tmp_path, argv):
    """As one too long to be a name is, or one in a folder that is closed to this user."""
    write_model(tmp_path / "m.onnx")
    (tmp_path / "policy.yaml").write_text("apiVersion: mlsign/v1\n")
    done = run(*(part.format("a" * 300) for part in argv), cwd=tmp_path, stdout=subprocess.PIPE)
    assert done.returncode in {1, 2, 3, 4}
    assert not (tmp_path / "p-1.0.0").exists()


def test_a_password_too_long_is_an_input_error(tmp_path):
    (tmp_path / "p").write_text("x" * 1024)
    done = run("keygen", "-o", tmp_path / "k", "--password-file", tmp_path / "p", stdout=subprocess.PIPE)
    assert done.returncode == 3
    assert "1023" in done.stderr
    assert not (tmp_path / "k.key").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_report_that_cannot_be_written(tmp_path, form):
    model = write_model(tmp_path / "m.onnx")
    with Path("/dev/full").open("w") as full:
        done = run("inspect", model, "--format", form, stdout=full)
    assert done.returncode == 4
    assert "cannot write the report" in done.stderr
    closed = subprocess.run(
        ["/bin/sh", "-c", '"$@" >&-', "sh", *MLSIGN, "inspect", str(model), "--format", form],
        stderr=subprocess.PIPE, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert closed.returncode == 4
    assert "cannot write the report" in closed.stderr
    assert "Traceback" not in closed.stderr


def test_a_reader_that_has_left_is_no_denial(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    done = run("explain", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (4, "")


def test_completion_without_a_shell():
    done = run("verify", env=os.environ | {"_MLSIGN_COMPLETE": "complete_bash"}, stdout=subprocess.PIPE)
    assert done.returncode == 2


@pytest.mark.parametrize("name", ["app", "_fill_closed_descriptors"])
def test_an_interruption_is_130(name, monkeypatch, capsys):
    """Wherever in the command it comes, and never the 1 of a denial."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mlsign.cli.main, name, interrupted)
    with pytest.raises(SystemExit) as ended:
        mlsign.cli.main.main()
    assert ended.value.code == 130
    assert "interrupted" in capsys.readouterr().err


def test_an_interruption_within_a_command_is_told(monkeypatch, capsys):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mlsign.cli.main._Commands, "get_command", interrupted)
    monkeypatch.setattr(sys, "argv", ["mlsign", "explain", "MLS201"])
    with pytest.raises(SystemExit) as ended:
        mlsign.cli.main.main()
    assert (ended.value.code, capsys.readouterr().err) == (130, "mlsign: interrupted, nothing was allowed\n")


def test_an_error_is_its_own_lines_only(capsys):
    evil = "\x1b[2J\n✓ all is well\r\u202e"
    print_error(InputError(evil, code="a.b", where=evil, expected=evil, found=evil, hint=evil))
    text = capsys.readouterr().err
    assert not {"\x1b", "\r", "\u202e"} & set(text)
    assert len(text.splitlines()) == 4
