"""``mlsign inspect --findings`` as a person and a pipeline meet it."""

import json
import os
import pickle
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from making import linear_model, write_model, write_policy
from running import CLEAN, Done, on_terminal

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
FINDINGS = Draft202012Validator(json.loads((SCHEMAS / "findings.v1.schema.json").read_text()))
REPORTS = Draft202012Validator(json.loads((SCHEMAS / "report.v1.schema.json").read_text()))


def bad_model(path: Path) -> Path:
    model = linear_model()
    del model.graph.node[0].input[1:]
    model.graph.node[0].op_type = "Bernoulli"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_clean_model(run, tmp_path):
    write_model(tmp_path / "m.onnx")
    assert run("inspect", "--findings", "m.onnx") == Done(
        code=0, out="  ✓ m.onnx\n\n  1 model judged by the policy baseline: nothing found\n", err=""
    )


def test_a_folder(run, tmp_path):
    write_model(tmp_path / "models" / "good.onnx")
    bad_model(tmp_path / "models" / "bad.onnx")
    (tmp_path / "models" / "pickled.onnx").write_bytes(pickle.dumps([1]))
    done = run("inspect", "--findings", "models")
    assert (done.code, done.err) == (1, "")
    assert [line.split()[:2] for line in done.out.splitlines() if line.startswith(("  ✓", "  ✗"))] == [
        ["✗", "bad.onnx"],
        ["✓", "good.onnx"],
        ["✗", "pickled.onnx"],
    ]
    assert "MLS301  operator ai.onnx:Bernoulli" in done.out
    assert "a Python pickle" in done.out
    assert "3 models judged by the policy baseline: 2 with findings" in done.out


def test_what_is_no_model_is_1_and_what_is_not_there_is_3(run, tmp_path):
    (tmp_path / "m.onnx").write_bytes(pickle.dumps([1]))
    (tmp_path / "empty").mkdir()
    assert run("inspect", "--findings", "m.onnx").code == 1
    done = run("inspect", "--findings", "gone")
    assert (done.code, done.out) == (3, "")
    assert "there is nothing of this name" in done.err
    done = run("inspect", "--findings", "empty")
    assert (done.code, done.out) == (3, "")
    assert "no ONNX model" in done.err
    (tmp_path / "circle").symlink_to("circle")
    assert run("inspect", "--findings", "circle").code == 4
    os.mkfifo(tmp_path / "fifo.onnx")
    assert run("inspect", "--findings", "fifo.onnx").code == 1
    assert run("inspect", "--findings", "/dev/zero").code == 1


def test_quiet_leaves_the_exit_code(run, tmp_path):
    write_model(tmp_path / "m.onnx")
    bad_model(tmp_path / "bad.onnx")
    assert run("inspect", "--findings", "m.onnx", "--quiet") == Done(code=0, out="", err="")
    assert run("inspect", "--findings", "bad.onnx", "-q") == Done(code=1, out="", err="")
    assert json.loads(run("inspect", "--findings", "bad.onnx", "-q", "-f", "json").out)["decision"] == "deny"
    done = run("inspect", "--findings", "gone", "-q")
    assert done.code == 3
    assert done.err


def test_json(run, tmp_path):
    bad_model(tmp_path / "models" / "bad.onnx")
    done = run("inspect", "--findings", "models", "--format", "json")
    value = json.loads(done.out)
    FINDINGS.validate(value)
    assert (done.code, value["path"], value["models"][0]["path"]) == (1, "models", "bad.onnx")
    done = run("inspect", "--findings", "gone", "--format", "json")
    REPORTS.validate(json.loads(done.out))
    assert (done.code, json.loads(done.out)["code"]) == (3, "package.missing")


@pytest.mark.parametrize(
    ("subject", "uri"),
    [
        (".", "models/sub/bad.onnx"),
        ("models", "models/sub/bad.onnx"),
        ("./models/", "models/sub/bad.onnx"),
        ("models/../models/sub", "models/sub/bad.onnx"),
        ("models/sub/bad.onnx", "models/sub/bad.onnx"),
        ("ABSOLUTE/models", "models/sub/bad.onnx"),
        ("ABSOLUTE/models/sub/bad.onnx", "models/sub/bad.onnx"),
    ],
)
def test_sarif_names_files_from_the_current_folder(run, tmp_path, subject, uri):
    bad_model(tmp_path / "models" / "sub" / "bad.onnx")
    done = run("inspect", "--findings", subject.replace("ABSOLUTE", str(tmp_path)), "--format", "sarif")
    assert (done.code, done.err) == (1, "")
    results = json.loads(done.out)["runs"][0]["results"]
    places = [r["locations"][0]["physicalLocation"]["artifactLocation"] for r in results]
    assert {place["uri"] for place in places} == {uri}
    assert str(tmp_path) not in done.out


def test_sarif_of_what_is_elsewhere_names_no_folder_of_this_machine(run, tmp_path, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    bad_model(elsewhere / "bad.onnx")
    done = run("inspect", "--findings", elsewhere, "--format", "sarif")
    (uri,) = {
        r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in json.loads(done.out)["runs"][0]["results"]
    }
    assert uri == "bad.onnx"
    assert str(elsewhere) not in done.out
    done = run("inspect", "--findings", "gone", "--format", "sarif")
    assert (done.code, done.out) == (3, "")


def test_a_policy_of_ones_own(run, tmp_path):
    bad_model(tmp_path / "m.onnx")
    policy = write_policy(tmp_path / "p", {"release": (1, [b"not a key"])}, allow="[inference-v1, 'ai.onnx:Bernoulli']")
    done = run("inspect", "--findings", "m.onnx", "--policy", policy)
    assert "MLS301" not in done.out
    assert "judged by the policy tests" in done.out
    policy.write_text(policy.read_text() + "mode: audit\n")
    write_policy(tmp_path / "p", {"release": (1, [b"not a key"])}, name="a.yaml", allow="['ai.onnx:Add']", rest="mode: audit\n")
    done = run("inspect", "--findings", "m.onnx", "-p", "p/a.yaml")
    assert done.code == 0
    assert "Audit mode" in done.out
    done = run("inspect", "--findings", "m.onnx", "-p", "gone.yaml")
    assert (done.code, done.out) == (3, "")


@pytest.mark.parametrize(
    "argv",
    [
        ("inspect", "m.onnx", "--policy", "p.yaml"),
        ("inspect", "m.onnx", "--format", "sarif"),
        ("inspect", "--findings"),
        ("inspect", "--findings", "m.onnx", "--format", "xml"),
        ("inspect", "--findings", "m.onnx", "--format", "markdown"),
    ],
)
def test_wrong_usage_is_2(run, tmp_path, argv):
    write_model(tmp_path / "m.onnx")
    done = run(*argv)
    assert (done.code, done.out) == (2, "")
    assert done.err


def test_names_cannot_colour_the_terminal(run, tmp_path):
    for name in ("a\x1b[31m.onnx", "b\nmlsign: all is well.onnx", "\u202eno.onnx", "模.onnx", os.fsdecode(b"\xff.onnx")):
        (tmp_path / "x").mkdir(exist_ok=True)
        (tmp_path / "x" / name).write_bytes(b"")
    done = run("inspect", "--findings", "x")
    assert done.code == 1
    assert "5 models" in done.out
    assert "\\u{1b}" in done.out
    assert not any(line.startswith("mlsign: all is well") for line in done.out.splitlines())
    for form in ("json", "sarif"):
        assert run("inspect", "--findings", "x", "-f", form).out.isascii()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_a_terminal_gets_colour_and_a_bar_and_a_pipe_neither(command, tmp_path):
    data = write_model(tmp_path / "m" / "0.onnx").read_bytes()
    for number in range(1, 40):
        (tmp_path / "m" / f"{number}.onnx").write_bytes(data)
    slow = (
        "import sys, time, mlsign.cli.console as console, mlsign.cli.main as main, mlsign.actions.inspection.findings as f\n"
        "console._PATIENCE_SECONDS = 0\n"
        "real = f.summary_of\n"
        "f.summary_of = lambda *a, **k: (time.sleep(0.01), real(*a, **k))[1]\n"
        "sys.argv = ['mlsign', 'inspect', '--findings', 'm']\n"
        "main.main()"
    )
    code, out = on_terminal([sys.executable, "-c", slow], tmp_path, {"TERM": "xterm-256color", "COLUMNS": "100"})
    assert code == 0
    assert b"scanning" in out
    assert b"/40" in out
    assert b"\x1b[1;32m" in out
    assert b"Traceback" not in out
    done = subprocess.run([sys.executable, "-c", slow], cwd=tmp_path, env=CLEAN, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\x1b" not in done.stdout
    code, out = on_terminal([*command, "inspect", "--findings", "m"], tmp_path, {"NO_COLOR": "1", "TERM": "xterm"})
    assert b"\x1b[1" not in out


def test_a_reader_that_leaves_is_no_defect(command, tmp_path):
    for number in range(200):
        bad_model(tmp_path / "m" / f"{number}.onnx")
    line = shlex.join([*command, "inspect", "--findings", "m", "-f", "json"])
    # Without buffers Python takes a part that was written for the whole, and does not hear that the reader has left.
    buffered = {name: value for name, value in CLEAN.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["bash", "-c", f"{line} | head -1 >/dev/null; exit ${{PIPESTATUS[0]}}"], cwd=tmp_path, capture_output=True, env=buffered
    )
    assert (done.returncode, done.stderr) == (4, b"")


@pytest.mark.parametrize("form", ["text", "json", "sarif"])
def test_scanning_loads_no_arrays_no_runtime_no_keys_and_no_layout(tmp_path, form):
    model = write_model(tmp_path / "m.onnx")
    probe = (
        "import sys\nfrom mlsign.cli.main import app\n"
        f"sys.argv = ['mlsign', 'inspect', '--findings', {str(model)!r}, '-f', {form!r}]\n"
        "try:\n    app()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print('\\n'.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, env=CLEAN)
    heavy = {"numpy", "onnxruntime", "onnx", "cryptography", "blake3", "jsonschema", "rich", "google.protobuf"}
    assert set(done.stdout.split()).isdisjoint(heavy)


def test_the_scan_in_the_quickstart_is_what_comes_out(run, tmp_path):
    root = SCHEMAS.parent
    (tmp_path / "downloads").mkdir()
    for name, source in (("fraud", "model"), ("helpful", "refused")):
        (tmp_path / "downloads" / f"{name}.onnx").write_bytes((root / "examples" / "iris" / f"{source}.onnx").read_bytes())
    done = run("inspect", "--findings", "downloads")
    page = (root / "docs" / "quickstart.md").read_text()
    shown = page.partition("$ mlsign inspect --findings downloads\n")[2].partition("\nExit code")[0]
    assert "".join(line.removeprefix("    ") for line in shown.splitlines(keepends=True)).rstrip("\n") == done.out.rstrip("\n")
