"""The command line as a person meets it: a process, its two outputs and its exit code."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from making import make_package, write_model, write_policy
from running import CLEAN, Done, on_terminal

COMMANDS = ("pack", "keygen", "sign", "verify", "inspect", "score", "explain")
SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "schemas" / "report.v1.schema.json").read_text())


def conforms(text: str, schema: str) -> dict:
    value = json.loads(text)
    assert value["schema"] == schema
    Draft202012Validator(SCHEMA).validate(value)
    return value


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


def test_bare_mlsign_explains_itself(run):
    done = run()
    assert done.code == 2
    assert "Example" in done.err + done.out
    assert all(name in done.err + done.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example(run, name):
    done = run(name, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"mlsign {name}" in done.out
    assert "Example" in done.out


def test_version(run, command):
    from importlib.metadata import version

    assert run("--version") == Done(code=0, out=f"mlsign {version('mlsign')}\n", err="")
    # Once as everybody starts it: the script that the installation made, and the module.
    for argv in ([str(Path(sys.executable).with_name("mlsign"))], command):
        done = subprocess.run([*argv, "--version"], capture_output=True, text=True, env=CLEAN)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"mlsign {version('mlsign')}\n", "")


@pytest.mark.parametrize(
    "argv",
    [
        ("bogus",),
        ("verify",),
        ("verify", "x"),
        ("verify", "x", "--policy"),
        ("verify", "x", "-p", "y", "--format", "xml"),
        ("--nope",),
    ],
)
def test_wrong_usage_is_2(run, argv):
    done = run(*argv)
    assert (done.code, done.out) == (2, "")
    assert done.err


def test_from_a_model_to_an_answer(run, tmp_path):
    """The example of the help text, word for word where it can be."""
    write_model(tmp_path / "fraud.onnx")
    np.savez(tmp_path / "rows.npz", x=np.ones((2, 4), np.float32))
    done = run("pack", "fraud.onnx", "-o", "fraud-1.2.0")
    assert (done.code, done.out) == (0, "fraud-1.2.0\n")
    assert "packed fraud 1.2.0: 1 file" in done.err
    done = run("keygen", "-o", "keys/release", "--no-password")
    assert (done.code, done.out) == (0, "keys/release.pub\n")
    assert "not encrypted" in done.err
    assert (tmp_path / "keys" / "release.key").stat().st_mode & 0o777 == 0o600
    done = run("sign", "fraud-1.2.0", "--key", "keys/release.key")
    assert done.code == 0
    assert (tmp_path / "fraud-1.2.0" / done.out.strip()).is_file()
    done = run("sign", "fraud-1.2.0", "--key", "keys/release.key")
    assert done.code == 0
    assert "nothing added" in done.err
    baseline = Path(__file__).resolve().parents[2] / "policies" / "baseline.yaml"
    (tmp_path / "policy.yaml").write_bytes(baseline.read_bytes())
    done = run("verify", "fraud-1.2.0", "--policy", "policy.yaml")
    assert (done.code, done.err) == (0, "")
    assert "fraud 1.2.0 is allowed by the policy baseline" in done.out
    done = run("score", "fraud-1.2.0", "-p", "policy.yaml", "-i", "rows.npz", "-o", "out.npz")
    assert done.code == 0, done.err
    assert np.load(tmp_path / "out.npz")["y"].shape == (2, 3)
    done = run("inspect", "fraud-1.2.0")
    assert done.code == 0
    assert "Gemm" in done.out
    assert "Claims are not checked" in done.out
    (tmp_path / "fraud-1.2.0" / "model.onnx").write_bytes(b"x")
    done = run("verify", "fraud-1.2.0", "--policy", "policy.yaml")
    assert (done.code, done.err) == (1, "")
    assert "DENIED" in done.out
    assert "MLS101" in done.out
    done = run("score", "fraud-1.2.0", "-p", "policy.yaml", "-i", "rows.npz", "-o", "never.npz")
    assert (done.code, done.out) == (1, "")
    assert "DENIED" in done.err
    assert not (tmp_path / "never.npz").exists()


def test_quiet_leaves_the_exit_code(run, package, policy_file):
    assert run("verify", package, "-p", policy_file, "--quiet") == Done(code=0, out="", err="")
    (package / "extra").write_text("x")
    assert run("verify", package, "-p", policy_file, "--quiet") == Done(code=1, out="", err="")
    conforms(run("verify", package, "-p", policy_file, "-q", "--format", "json").out, "mlsign/report/v1")


def test_json_is_the_report_that_its_schema_describes(run, package, policy_file):
    done = run("verify", package, "-p", policy_file, "--format", "json")
    report = conforms(done.out, "mlsign/report/v1")
    assert (done.code, report["decision"], report["mode"]) == (0, "allow", "enforce")
    assert [s["group"] for s in report["signers"]] == ["release", "review"]
    assert report["package"]["name"] == "fraud"
    (package / "signatures" / "junk\u202egpj").write_text("{}")
    (package / "MODEL_CARD.md").write_text("changed")
    (package / "x\x1b[31m").write_text("x")
    done = run("verify", package, "-p", policy_file, "--format", "json")
    report = conforms(done.out, "mlsign/report/v1")
    assert (done.code, report["decision"]) == (1, "deny")
    assert {f["code"] for f in report["findings"] if f["outcome"] != "pass"} >= {"MLS101", "MLS105", "MLS205"}
    assert done.out.isascii()


def test_json_of_what_is_no_package(run, tmp_path, policy_file):
    (tmp_path / "empty").mkdir()
    done = run("verify", "empty", "-p", policy_file, "--format", "json")
    report = conforms(done.out, "mlsign/report/v1")
    assert (done.code, report["package"]["digest"], report["model"]) == (1, None, None)


def test_json_of_inspections(run, package, tmp_path):
    found = conforms(run("inspect", package, "--format", "json").out, "mlsign/inspection/v1")
    assert [s["method"] for s in found["claimed_signers"]] == ["key", "key"]
    assert found["model"]["external"]
    (package / "signatures" / "0").write_text("junk")
    assert conforms(run("inspect", package, "--format", "json").out, "mlsign/inspection/v1")["claimed_signers"][0]["problem"]
    model = write_model(tmp_path / "m.onnx")
    assert conforms(run("inspect", model, "--format", "json").out, "mlsign/inspection/v1")["package"] is None


def test_json_of_errors(run, policy_file):
    done = run("verify", "gone", "-p", policy_file, "--format", "json")
    assert conforms(done.out, "mlsign/error/v1")["code"] == "package.missing"
    assert done.code == 3
    done = run("inspect", "gone", "--format", "json")
    assert conforms(done.out, "mlsign/error/v1")["code"] == "package.missing"


@pytest.mark.parametrize("verb", ["verify", "inspect", "sign", "pack"])
@pytest.mark.parametrize("kind", ["missing", "empty file", "text", "loop"])
def test_input_that_is_nothing(run, tmp_path, policy_file, keys, verb, kind):
    place = tmp_path / "it"
    if kind == "empty file":
        place.write_bytes(b"")
    elif kind == "text":
        place.write_text("hello")
    elif kind == "loop":
        place.symlink_to(place)
    (tmp_path / "k").write_bytes(keys.release.private)
    rest = {"verify": ("-p", policy_file), "inspect": (), "sign": ("--key", "k"), "pack": ("-o", "out")}[verb]
    done = run(verb, "it", *rest)
    if verb == "verify" and kind in {"empty file", "text"}:
        assert done.code == 1  # a file that nobody signed: a report, and a denial
    else:
        assert done.code == (4 if kind == "loop" else 3)
        assert done.out == ""
        assert "it" in done.err
    assert not (tmp_path / "out").exists()


def test_a_directory_instead_of_a_model(run, tmp_path):
    (tmp_path / "folder").mkdir()
    done = run("pack", "folder", "-o", "p")
    assert done.code == 3
    assert "no regular file" in done.err
    done = run("inspect", "folder")
    assert done.code == 3
    assert "0 ONNX files" in done.err


def test_a_truncated_bundle(run, package, policy_file):
    for bundle in (package / "signatures").iterdir():
        bundle.write_bytes(bundle.read_bytes()[:200])
    done = run("verify", package, "-p", policy_file)
    assert done.code == 1
    assert "MLS202" in done.out
    assert "is not JSON" in " ".join(done.out.split())


def test_a_policy_with_a_typo_names_line_field_and_the_nearest_name(run, package, keys, tmp_path):
    policy = write_policy(tmp_path / "p", {"release": (1, [keys.release.public])})
    lines = policy.read_text().replace("digests:", "digest:").splitlines()
    policy.write_text("\n".join(lines))
    line = next(i for i, text in enumerate(lines, 1) if text.startswith("digest:"))
    done = run("verify", package, "-p", policy)
    assert (done.code, done.out) == (3, "")
    assert f"line {line}" in done.err or f":{line}" in done.err
    assert "digest" in done.err
    assert "digests" in done.err


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: p.unlink(), "no policy file"),
        (lambda p: p.write_text(""), "policy"),
        (lambda p: p.write_text("a: [b"), "policy"),
        (lambda p: p.write_bytes(b"\xff\xfe"), "policy"),
        (lambda p: (p.parent / "keys" / "release-0.pub").unlink(), "keys/release-0.pub"),
        (lambda p: (p.parent / "keys" / "release-0.pub").write_text("junk"), "PEM"),
        (lambda p: p.write_text(p.read_text().replace("inference-v1", "inference-v2")), "inference-v1"),
    ],
)
def test_a_policy_that_cannot_be_used(run, package, keys, tmp_path, spoil, words):
    policy = write_policy(tmp_path / "p", {"release": (1, [keys.release.public])})
    spoil(policy)
    done = run("verify", package, "-p", policy)
    assert (done.code, done.out) == (3, "")
    assert words in done.err


def test_a_private_key_in_a_policy_is_refused_and_not_shown(run, package, keys, tmp_path):
    policy = write_policy(tmp_path / "p", {"release": (1, [keys.release.private])})
    done = run("verify", package, "-p", policy)
    assert done.code == 3
    assert "private key" in done.err
    assert "BEGIN" not in done.err


def test_passwords(run, tmp_path):
    package = make_package(tmp_path)
    (tmp_path / "pw").write_text("right\n")
    (tmp_path / "bad").write_text("wrong\n")
    (tmp_path / "none").write_text("\n")
    assert run("keygen", "-o", "k", "--password-file", "pw").code == 0
    assert b"ENCRYPTED" in (tmp_path / "k.key").read_bytes()
    done = run("sign", package, "--key", "k.key", "--password-file", "bad")
    assert done.code == 3
    assert "cannot be opened with this password" in done.err
    done = run("sign", package, "--key", "k.key", "--password-file", "none")
    assert done.code == 3
    assert "empty" in done.err
    done = run("sign", package, "--key", "k.key", "--password-file", "gone")
    assert done.code == 3
    done = run("sign", package, "--key", "k.key")
    assert done.code == 2
    assert "no terminal" in done.err
    assert "--password-file" in done.err
    done = run("sign", package, "--key", "k.pub", "--password-file", "pw")
    assert done.code == 3
    assert "public key" in done.err
    assert run("sign", package, "--key", "k.key", "--password-file", "pw").code == 0


def test_keygen_needs_a_password_or_a_word(run, tmp_path):
    done = run("keygen", "-o", "k")
    assert done.code == 2
    assert "--no-password" in done.err
    assert list(tmp_path.glob("k*")) == []
    assert run("keygen", "-o", "k", "--no-password", "--password-file", "x").code == 2
    assert run("keygen", "-o", "k", "--no-password").code == 0
    done = run("keygen", "-o", "k", "--no-password")
    assert done.code == 3
    assert "never overwritten" in done.err
    for kind in ("p384", "p521"):
        done = run("keygen", "-o", kind, "--no-password", "--type", kind)
        assert done.code == 0
        assert f"EC P-{kind[1:]}" in done.err


def test_packing_twice_says_that_it_is_there(run, tmp_path):
    write_model(tmp_path / "m.onnx")
    assert run("pack", "m.onnx", "-o", "p").code == 0
    done = run("pack", "m.onnx", "-o", "p")
    assert done.code == 3
    assert "already there" in done.err


def test_the_time_comes_from_source_date_epoch(run, tmp_path):
    write_model(tmp_path / "m.onnx")
    assert run("pack", "m.onnx", "-o", "p", env={"SOURCE_DATE_EPOCH": "1769860800"}).code == 0
    assert json.loads((tmp_path / "p" / "mlsign.json").read_bytes())["provenance"]["time"] == "2026-01-31T12:00:00Z"
    done = run("pack", "m.onnx", "-o", "q", env={"SOURCE_DATE_EPOCH": "now"})
    assert done.code in {2, 3}
    assert "SOURCE_DATE_EPOCH" in done.err


def test_a_disk_that_cannot_be_written_is_4(run, tmp_path):
    write_model(tmp_path / "m.onnx")
    done = run("pack", "m.onnx", "-o", "/proc/nowhere/p")
    assert done.code == 4
    assert "/proc/nowhere/p" in done.err


def test_signing_what_was_altered_is_refused(run, tmp_path, keys):
    package = make_package(tmp_path)
    (tmp_path / "k").write_bytes(keys.release.private)
    (package / "MODEL_CARD.md").write_text("x")
    done = run("sign", package, "--key", "k")
    assert done.code == 3
    assert "MLS101" in done.err


def test_explain(run):
    listed = run("explain")
    assert listed.code == 0
    codes = [line.split()[0] for line in listed.out.splitlines()]
    assert len(codes) > 30
    assert codes == sorted(codes)
    page = run("explain", "mls101")
    assert page.code == 0
    assert page.out.startswith("# MLS101: ")
    unknown = run("explain", "MLS999")
    assert unknown.code == 2
    assert "MLS999" in unknown.err


def test_names_cannot_colour_the_terminal(run, package, policy_file):
    (package / "a\x1b[31mred\nmlsign: all is well").write_text("x")
    done = run("verify", package, "-p", policy_file)
    assert done.code == 1
    assert "\\u{1b}" in done.out
    assert not any(line.startswith("mlsign: all is well") for line in done.out.splitlines())


def test_a_reader_that_leaves_is_no_defect(command, package, policy_file):
    for argv in (["verify", package, "-p", policy_file, "--format", "json"], ["explain"], ["inspect", package]):
        line = " ".join(f"'{a}'" for a in [*command, *map(str, argv)])
        done = subprocess.run(
            ["bash", "-c", f"{line} | head -1 >/dev/null; exit ${{PIPESTATUS[0]}}"], capture_output=True, env=CLEAN
        )
        assert b"Traceback" not in done.stderr
        assert b"Exception" not in done.stderr
        assert b"defect" not in done.stderr
        assert done.returncode in {0, 1, 4}
        closed = subprocess.run(["bash", "-c", f"{line} >&-"], capture_output=True, env=CLEAN)
        assert b"Traceback" not in closed.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_colour_on_a_terminal_only_and_never_with_no_color(command, package, policy_file, tmp_path):
    argv = [*command, "verify", str(package), "-p", str(policy_file)]
    code, out = on_terminal(argv, tmp_path, {"TERM": "xterm-256color"})
    assert code == 0
    assert b"\x1b[" in out
    for env in ({"NO_COLOR": "1", "TERM": "xterm"}, {"TERM": "dumb"}):
        code, out = on_terminal(argv, tmp_path, env)
        assert code == 0
        assert b"\x1b[" not in out
        assert b"is allowed" in out


def test_what_the_scorer_was_given_wrong(run, package, policy_file, tmp_path):
    cases = {
        "shape": {"x": np.ones((2, 5), np.float32)},
        "dtype": {"x": np.array([["a"] * 4])},
        "name": {"z": np.ones((2, 4), np.float32)},
    }
    for name, arrays in cases.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
        done = run("score", package, "-p", policy_file, "-i", f"{name}.npz", "-o", "o.npz")
        assert done.code == 3, (name, done.err)
        assert "x" in done.err
        assert not (tmp_path / "o.npz").exists()
