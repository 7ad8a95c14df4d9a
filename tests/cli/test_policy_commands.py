"""``mlsign policy`` as a person meets it."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from making import make_key, make_package, write_policy

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
SOUND = "versions: {rollback: deny}\n"


@pytest.fixture(scope="module")
def pair():
    return make_key()


def conforms(text: str, name: str) -> dict:
    value = json.loads(text)
    Draft202012Validator(json.loads((SCHEMAS / name).read_text())).validate(value)
    return value


@pytest.mark.parametrize("name", ["check", "explain", "init", "test"])
def test_every_help_of_the_group_has_an_example(run, name):
    done = run("policy", name, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"mlsign policy {name}" in done.out
    assert "Example" in done.out


def test_a_sound_policy_is_in_order(run, tmp_path, pair):
    write_policy(tmp_path, {"release": (1, [pair.public])}, rest=SOUND)
    done = run("policy", "check", "policy.yaml", "--strict")
    assert (done.code, done.out, done.err) == (0, "policy.yaml: in order\n", "")
    assert run("policy", "check", "policy.yaml", "--quiet").out == ""
    assert run("policy", "check", "policy.yaml", "-f", "github").out.strip() == ""


def test_warnings_change_the_exit_code_only_where_asked(run, tmp_path, pair):
    write_policy(tmp_path, {"release": (1, [pair.public])}, rest=SOUND + "mode: audit\n")
    done = run("policy", "check", "policy.yaml")
    assert done.code == 0
    assert "policy.yaml:14:7: warning: mode: the policy stops nothing" in done.out
    assert "policy.yaml: 1 warning" in done.out
    assert run("policy", "check", "policy.yaml", "--strict").code == 1


def test_information_is_no_warning(run, tmp_path, pair):
    write_policy(tmp_path, {"release": (1, [pair.public])})
    done = run("policy", "check", "policy.yaml", "--strict")
    assert done.code == 0
    assert "information" in done.out


def test_errors_are_told_all_at_once_and_end_with_three(run, tmp_path, pair):
    path = write_policy(tmp_path, {"release": (1, [pair.public])}, rest="modes: audit\nsandbox: {memry: 1GiB}\n")
    good = write_policy(tmp_path, {"release": (1, [pair.public])}, rest=SOUND, name="good.yaml")
    done = run("policy", "check", path.name, good.name)
    assert done.code == 3
    assert "did you mean mode" in done.out
    assert "did you mean memory" in done.out
    assert "good.yaml: in order" in done.out


def test_files_that_are_missing_are_errors_each_at_its_line(run, tmp_path, pair):
    path = write_policy(tmp_path, {"release": (1, [pair.public]), "review": (1, [pair.public])}, rest=SOUND)
    (tmp_path / "keys" / "release-0.pub").unlink()
    (tmp_path / "keys" / "review-0.pub").write_text("no key\n")
    done = run("policy", "check", path.name, "--format", "json")
    assert done.code == 3
    (policy,) = conforms(done.out, "policy-check.v1.schema.json")["policies"]
    found = [(remark["path"], remark["line"], remark["severity"]) for remark in policy["remarks"]]
    assert found == [("signers[0].any[0].key", 9, "error"), ("signers[1].any[0].key", 13, "error")]


def test_certificates_that_are_missing_are_errors(run, tmp_path):
    signers = "[{name: r, require: 1, any: [{certificate: {roots: [ca.pem], subject: 'CN=acme'}}]}]"
    (tmp_path / "p.yaml").write_text(
        f"apiVersion: mlsign/v1\nkind: Policy\nname: n\nsigners: {signers}\noperators: {{allow: [inference-v1]}}\n"
    )
    done = run("policy", "check", "p.yaml")
    assert done.code == 3
    assert "signers[0].any[0].certificate" in done.out


def test_one_key_by_two_paths_is_too_few_people(run, tmp_path, pair):
    path = write_policy(tmp_path, {"release": (2, [pair.public, pair.public])}, rest=SOUND)
    done = run("policy", "check", path.name)
    assert done.code == 3
    assert "requires 2 signers and names 1 distinct" in done.out


def test_a_file_that_is_missing_or_no_yaml_hides_no_other(run, tmp_path, pair):
    write_policy(tmp_path, {"release": (1, [pair.public])}, rest=SOUND)
    (tmp_path / "broken.yaml").write_text("a: [\n")
    done = run("policy", "check", "none.yaml", "broken.yaml", "policy.yaml")
    assert done.code == 3
    assert "none.yaml:1:1: error" in done.out
    assert "broken.yaml:2:1: error" in done.out
    assert "policy.yaml: in order" in done.out


def test_annotations_for_github_cannot_be_forged(run, tmp_path):
    name = "a,b:c%.yaml"
    (tmp_path / name).write_text('apiVersion: mlsign/v1\nkind: Policy\nname: n\n"x\\n::error::boo": 1\n')
    done = run("policy", "check", name, "-f", "github")
    assert done.code == 3
    lines = done.out.splitlines()
    assert all(line.startswith("::error file=a%2Cb%3Ac%25.yaml,line=") for line in lines)
    assert "boo" in done.out


def test_a_policy_is_explained_as_text_and_as_markdown(run, tmp_path, pair):
    write_policy(tmp_path, {"release": (1, [pair.public])}, rest="mode: audit\n")
    done = run("policy", "explain", "policy.yaml")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Policy tests\ndigest sha256:")
    assert "AUDIT" in done.out
    assert max(map(len, done.out.splitlines())) <= 100
    assert run("policy", "explain", "policy.yaml", "--format", "markdown").out.startswith("# Policy tests\n")


def test_a_policy_that_cannot_be_read_is_not_explained(run, tmp_path):
    (tmp_path / "p.yaml").write_text("kind: Policy\n")
    done = run("policy", "explain", "p.yaml")
    assert (done.code, done.out) == (3, "")
    assert run("policy", "explain", "none.yaml").code == 3


def test_evidence_is_recorded_once_and_a_policy_tried_on_it(run, tmp_path, pair):
    make_package(tmp_path, signers=[pair])
    write_policy(tmp_path, {"release": (1, [pair.public])})
    assert run("verify", "fraud-1.2.0", "-p", "policy.yaml", "--record", "good.json").code == 0
    conforms((tmp_path / "good.json").read_text(), "evidence.v1.schema.json")
    again = run("verify", "fraud-1.2.0", "-p", "policy.yaml", "--record", "good.json")
    assert (again.code, again.out) == (3, "")
    (tmp_path / "cases.yaml").write_text(
        "- {name: release, package: fraud-1.2.0, expect: allow}\n- {name: recorded, evidence: good.json, expect: allow}\n"
    )
    done = run("policy", "test", "policy.yaml", "cases.yaml")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "ok    release   expect allow  got allow\nok    recorded  expect allow  got allow\n2 cases, none not as expected\n"
    )
    assert run("policy", "test", "policy.yaml", "cases.yaml", "--quiet").out == ""
    report = conforms(run("policy", "test", "policy.yaml", "cases.yaml", "-f", "json").out, "policy-test.v1.schema.json")
    assert [case["as_expected"] for case in report["cases"]] == [True, True]


def test_a_case_that_came_out_otherwise_is_told_in_full(run, tmp_path, pair):
    make_package(tmp_path, signers=[pair])
    write_policy(tmp_path, {"release": (1, [pair.public])}, allow='["ai.onnx:Add"]')
    (tmp_path / "cases.yaml").write_text("- {name: release, package: fraud-1.2.0, expect: allow, not_findings: [MLS301]}\n")
    done = run("policy", "test", "policy.yaml", "cases.yaml", "--quiet")
    assert done.code == 1
    assert "FAIL  release  expect allow  got deny" in done.out
    assert "did not expect MLS301" in done.out
    assert "1 case, 1 not as expected" in done.out


def test_cases_that_cannot_be_read_end_with_three(run, tmp_path, pair):
    write_policy(tmp_path, {"release": (1, [pair.public])})
    (tmp_path / "cases.yaml").write_text("- {name: a, package: b, expects: allow}\n")
    done = run("policy", "test", "policy.yaml", "cases.yaml")
    assert done.code == 3
    assert "cases.yaml:1:25" in done.err
    assert "did you mean expect" in done.err
    (tmp_path / "cases.yaml").write_text("- {name: a, evidence: none.json, expect: deny}\n")
    assert run("policy", "test", "policy.yaml", "cases.yaml").code == 3
    assert run("policy", "test", "policy.yaml", "none.yaml").code == 3


def test_a_record_under_a_trust_root_given_by_hand_is_wrong_usage(run, tmp_path, pair):
    write_policy(tmp_path, {"release": (1, [pair.public])})
    done = run("verify", "x", "-p", "policy.yaml", "--trust-root", "r.json", "--record", "e.json")
    assert done.code == 2
    assert not (tmp_path / "e.json").exists()


def test_a_record_in_place_of_a_package_is_denied(run, tmp_path, pair):
    make_package(tmp_path, signers=[pair])
    write_policy(tmp_path, {"release": (1, [pair.public])})
    run("verify", "fraud-1.2.0", "-p", "policy.yaml", "--record", "good.json")
    assert run("verify", "good.json", "-p", "policy.yaml").code == 1
    (tmp_path / "x.json").write_text('{"x": [[1, 2, 3, 4]]}')
    done = run("score", "good.json", "-p", "policy.yaml", "--input", "x.json", "--output", "y.json")
    assert done.code == 1
    assert not (tmp_path / "y.json").exists()


def start(run, *argv, **how):
    return run("policy", "init", *argv, **how)


@pytest.fixture
def key_file(tmp_path, pair):
    path = tmp_path / "keys" / "release.pub"
    path.parent.mkdir()
    path.write_bytes(pair.public)
    return path


def test_a_policy_that_was_started_allows_the_package_and_denies_it_altered(run, tmp_path, pair, key_file):
    make_package(tmp_path, signers=[pair])
    done = start(run, "--package", "fraud-1.2.0", "--key", "keys/release.pub", "-o", "sub/policy.yaml")
    assert (done.code, done.out) == (0, "sub/policy.yaml\n")
    assert run("policy", "check", "sub/policy.yaml", "--strict").code == 0
    assert run("verify", "fraud-1.2.0", "-p", "sub/policy.yaml").code == 0
    (tmp_path / "fraud-1.2.0" / "docs" / "more.md").parent.mkdir(exist_ok=True)
    (tmp_path / "fraud-1.2.0" / "docs" / "more.md").write_text("more")
    assert run("verify", "fraud-1.2.0", "-p", "sub/policy.yaml").code == 1


def test_a_policy_that_was_started_denies_another_signer(run, tmp_path, key_file):
    make_package(tmp_path, signers=[make_key()])
    assert start(run, "--package", "fraud-1.2.0", "--key", "keys/release.pub", "-o", "policy.yaml").code == 0
    assert run("verify", "fraud-1.2.0", "-p", "policy.yaml").code == 1


def test_a_policy_is_never_overwritten_without_force(run, tmp_path, key_file):
    (tmp_path / "policy.yaml").write_text("mine\n")
    done = start(run, "--key", "keys/release.pub", "-o", "policy.yaml")
    assert (done.code, "give --force" in done.err) == (3, True)
    assert (tmp_path / "policy.yaml").read_text() == "mine\n"
    assert start(run, "--key", "keys/release.pub", "-o", "policy.yaml", "--force").code == 0
    assert "mine" not in (tmp_path / "policy.yaml").read_text()
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != ".seen") == ["keys", "policy.yaml"]


def test_a_policy_is_printed_where_no_file_is_named(run, tmp_path, key_file):
    done = start(run, "--key", "keys/release.pub", "--name", "mine", "--audit")
    assert (done.code, done.err) == (0, "")
    (tmp_path / "p.yaml").write_text(done.out)
    assert run("policy", "check", "p.yaml").code == 0
    assert run("policy", "check", "p.yaml", "--strict").code == 1
    assert 'name: "mine"' in done.out


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("--keyless-issuer", "https://issuer.example"),
        ("--keyless-subject", "ann@acme.example"),
        ("--key", "keys/release.pub", "--keyless-issuer", "https://issuer.example", "--keyless-subject", "ann@acme.example"),
    ],
)
def test_who_signs_must_be_said_and_by_one_method(run, key_file, argv):
    done = start(run, *argv, "-o", "policy.yaml")
    assert done.code == 2
    assert not (key_file.parent.parent / "policy.yaml").exists()


@pytest.mark.parametrize(
    ("issuer", "subject"),
    [("http://issuer.example", "a@b.example"), ("https://issuer.example", "*"), ("https://i.example", "a\nb: c")],
)
def test_identities_that_mean_anybody_start_no_policy(run, tmp_path, issuer, subject):
    done = start(run, "--keyless-issuer", issuer, "--keyless-subject", subject, "-o", "policy.yaml")
    assert (done.code, done.out) == (3, "") or 'subject: "a\\nb: c"' in (tmp_path / "policy.yaml").read_text()


def test_a_private_key_or_none_starts_no_policy(run, tmp_path, pair):
    (tmp_path / "release.key").write_bytes(pair.private)
    for name in ("release.key", "none.pub"):
        assert start(run, "--key", name, "-o", "policy.yaml").code == 3
        assert not (tmp_path / "policy.yaml").exists()


def test_what_is_no_package_starts_no_policy(run, tmp_path, key_file):
    (tmp_path / "x.onnx").write_bytes(b"junk")
    assert start(run, "--package", "x.onnx", "--key", "keys/release.pub").code == 3
    assert start(run, "--package", "none", "--key", "keys/release.pub").code == 3


def test_questions_are_asked_on_a_terminal(tmp_path, pair, key_file):
    import os
    import pty
    import subprocess
    import sys

    from running import CLEAN

    make_package(tmp_path, signers=[pair])
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "mlsign", "policy", "init", "-o", "policy.yaml"]
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=CLEAN) as process:
        os.close(theirs)
        os.write(ours, b"keys/release.pub\nfraud-1.2.0\nn\n")
        said = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            said += part
    os.close(ours)
    assert process.returncode == 0, said
    assert b"Who signs?" in said
    text = (tmp_path / "policy.yaml").read_text()
    assert "mode: audit" in text
    assert '"ai.onnx:Gemm"' in text


REPORT = "report.v1.schema.json"


def test_why_not_says_nothing_where_all_is_well(run, tmp_path, pair):
    make_package(tmp_path, signers=[pair])
    write_policy(tmp_path, {"release": (1, [pair.public])})
    plain = run("verify", "fraud-1.2.0", "-p", "policy.yaml")
    assert plain.code == 0
    assert run("verify", "fraud-1.2.0", "-p", "policy.yaml", "--why-not") == plain
    assert "why_not" not in conforms(run("verify", "fraud-1.2.0", "-p", "policy.yaml", "--why-not", "-f", "json").out, REPORT)


def test_why_not_says_who_could_do_what_and_whether_that_is_enough(run, tmp_path, pair):
    make_package(tmp_path, signers=[pair])
    other = make_key()
    write_policy(tmp_path, {"release": (1, [pair.public]), "review": (1, [other.public])}, allow='["ai.onnx:Add"]')
    done = run("verify", "fraud-1.2.0", "-p", "policy.yaml", "--why-not")
    assert done.code == 1
    told = " ".join(done.out.partition("What would have to be different")[2].split())
    assert told.index("Whoever released it") < told.index("Whoever owns the policy")
    assert "1 more of the group review" in told
    assert '- "ai.onnx:Gemm"' in told
    assert "Checked: with all of this" in told
    report = conforms(run("verify", "fraud-1.2.0", "-p", "policy.yaml", "--why-not", "-f", "json").out, REPORT)
    assert report["why_not"]["would_allow"] is True
    assert [step["who"] for step in report["why_not"]["steps"]] == ["releaser", "owner"]
    assert "why_not" not in conforms(run("verify", "fraud-1.2.0", "-p", "policy.yaml", "-f", "json").out, REPORT)


def test_why_not_helps_nobody_who_altered_a_package(run, tmp_path, pair):
    make_package(tmp_path, signers=[pair])
    (tmp_path / "fraud-1.2.0" / "model.onnx").write_bytes(b"other")
    write_policy(tmp_path, {"release": (1, [pair.public])})
    done = run("verify", "fraud-1.2.0", "-p", "policy.yaml", "--why-not")
    assert done.code == 1
    told = done.out.partition("What would have to be different")[2]
    assert "fetch the package again" in told
    assert "Whoever owns the policy" not in told
    assert "can only be told once it was done" in told
