"""``mlsign policy`` of policies that extend others, are for some packages and have rules, as a person meets it."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from making import make_key, make_package, write_policy

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "schemas" / "policy-check.v1.schema.json").read_text())
CHILD = "apiVersion: mlsign/v1\nkind: Policy\nname: child\nextends: lib/policy.yaml\n"
SOUND = "versions: {rollback: deny}\n"


@pytest.fixture(scope="module")
def pair():
    return make_key()


@pytest.fixture
def child(tmp_path, pair):
    """Writes a child and its parent, whose keys are beside the parent."""

    def write(rest: str = "", *, parent: str = SOUND) -> Path:
        write_policy(tmp_path / "lib", {"release": (1, [pair.public])}, rest=parent)
        path = tmp_path / "child.yaml"
        path.write_text(CHILD + rest)
        return path

    return write


def test_a_sound_child_is_in_order(run, child):
    child()
    done = run("policy", "check", "child.yaml", "--strict")
    assert (done.code, done.out, done.err) == (0, "child.yaml: in order\n", "")


def test_errors_of_a_parent_name_its_file_and_line_and_come_first(run, child):
    child("mode: x\n", parent="modes: audit\nsandbox: {memry: 1GiB}\n")
    done = run("policy", "check", "child.yaml")
    assert done.code == 3
    assert "lib/policy.yaml:13:1: error: modes:" in done.out
    assert "lib/policy.yaml:14:" in done.out
    assert "child.yaml: 2 errors" in done.out
    value = json.loads(run("policy", "check", "child.yaml", "-f", "json").out)
    Draft202012Validator(SCHEMA).validate(value)
    assert {remark["file"] for remark in value["policies"][0]["remarks"]} == {"lib/policy.yaml"}
    annotations = run("policy", "check", "child.yaml", "-f", "github").out
    assert annotations.startswith("::error file=lib/policy.yaml,line=13,col=1")


def test_errors_of_a_child_are_told_all_at_once(run, child):
    child("mode: x\noperators: {allow: [nope]}\nsandbox: 3\nloosens: [{field: mode, reason: r}]\n")
    done = run("policy", "check", "child.yaml")
    assert done.code == 3
    assert [line.split(":")[1] for line in done.out.splitlines() if ": error:" in line] == ["5", "6", "7"]


def test_a_child_that_is_looser_is_an_error_at_its_line(run, child):
    child("model: {max_nodes: 9}\n", parent="model: {max_nodes: 5}\n")
    done = run("policy", "check", "child.yaml")
    assert (done.code, "child.yaml:5:20: error: model.max_nodes: is 9, which is looser than 5" in done.out) == (3, True)


@pytest.mark.parametrize(
    ("extends", "words"),
    [
        ("no.yaml", "child.yaml:4:10: error: extends: no.yaml is missing"),
        ("child.yaml", "child.yaml is in this chain already"),
        ("{shipped: nothing}", "does not travel with mlsign"),
        ("../../../../x.yaml", "leads 4 folders up"),
        ("broken.yaml", "broken.yaml:2:1: error: is not YAML"),
    ],
)
def test_a_parent_that_cannot_be_had_is_an_error(run, tmp_path, child, extends, words):
    child()
    (tmp_path / "broken.yaml").write_text("a: [\n")
    (tmp_path / "child.yaml").write_text(CHILD.replace("lib/policy.yaml", extends))
    done = run("policy", "check", "child.yaml")
    assert done.code == 3
    assert words in " ".join(done.out.split())


def test_a_key_of_a_parent_that_is_missing_is_an_error_at_the_line_of_the_parent(run, tmp_path, child):
    child()
    (tmp_path / "lib" / "keys" / "release-0.pub").unlink()
    done = run("policy", "check", "child.yaml")
    assert done.code == 3
    assert "lib/policy.yaml:9:14: error: signers[0].any[0].key" in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("rest", "path"),
    [
        ("vsa: {accept: [{key: gone.pub}], max_age: 1d}\n", "vsa.accept[0].key"),
        (
            "provenance: {attested: {signed_by: [{key: gone.pub}], builders: ['https://ci.example/1']}}\n",
            "provenance.attested.signed_by[0].key",
        ),
    ],
)
def test_other_files_that_are_missing_are_errors_at_the_line_that_names_them(run, tmp_path, pair, rest, path):
    write_policy(tmp_path, {"release": (1, [pair.public])}, rest=SOUND + rest)
    done = run("policy", "check", "policy.yaml")
    assert (done.code, "policy.yaml:14:" in done.out, f"error: {path}:" in done.out) == (3, True, True)


def test_remarks_on_a_parent_name_its_file(run, child):
    child("golden: {required: true}\n", parent=SOUND + "mode: audit\n")
    done = run("policy", "check", "child.yaml", "--strict")
    assert done.code == 1
    lines = [
        line.split(": ")[0] for line in done.out.splitlines() if " [" in line or ": warning" in line or ": information" in line
    ]
    assert any(line.startswith("child.yaml:5:") for line in lines)
    assert any(line.startswith("lib/policy.yaml:14:") for line in lines)
    assert done.out.index("child.yaml:5:") < done.out.index("lib/policy.yaml:14:")


def test_remarks_on_a_policy_that_travels_with_mlsign_are_no_file_of_the_repository(run, tmp_path, pair):
    write_policy(tmp_path, {"release": (1, [pair.public])}, rest=SOUND)
    text = (tmp_path / "policy.yaml").read_text().replace("name: tests\n", "name: tests\nextends: {shipped: strict}\n")
    (tmp_path / "policy.yaml").write_text(text.replace("manifest: required\n", "").partition("digests:")[0])
    done = run("policy", "check", "policy.yaml", "-f", "github")
    assert done.code == 0
    assert "shipped:" not in "".join(line.split("::")[1] for line in done.out.splitlines())


def test_a_signature_beside_a_policy_asks_for_a_revision(run, tmp_path, child):
    path = child()
    path.with_name("child.yaml.sigstore.json").write_text("{}")
    assert "[revision.missing]" in run("policy", "check", "child.yaml").out
    path.write_text(CHILD + "revision: 3\n")
    assert run("policy", "check", "child.yaml").out == "child.yaml: in order\n"


def test_a_name_that_leaves_no_room_for_a_signature_has_none(run, tmp_path, pair):
    name = f"{'p' * 245}.yaml"
    write_policy(tmp_path, {"release": (1, [pair.public])}, rest=SOUND, name=name)
    assert run("policy", "check", name).code == 0


def test_policies_of_a_folder_that_are_for_the_same_packages_are_told(run, tmp_path, pair):
    for name, match in (("a", "['fraud-*']"), ("b", "['*-eu']"), ("c", "[churn]")):
        write_policy(
            tmp_path / "p", {"release": (1, [pair.public])}, rest=f"{SOUND}match: {{names: {match}}}\n", name=f"{name}.yaml"
        )
    done = run("policy", "check", "p", "--strict")
    assert done.code == 1
    assert done.out.count("[match.overlap]") == 1
    assert "p/b.yaml:14:8: warning: match:" in done.out
    assert done.out.count("in order") == 2
    (tmp_path / "empty").mkdir()
    assert run("policy", "check", "empty").code == 3


def test_a_child_is_explained_with_what_it_has_of_its_parent(run, child):
    child("match: {names: [fraud]}\n", parent=SOUND + "model: {max_nodes: 17}\n")
    done = run("policy", "explain", "child.yaml")
    assert (done.code, "17" in done.out, "fraud" in done.out) == (0, True, True)
    child(parent="modes: audit\n")
    broken = run("policy", "explain", "child.yaml")
    assert (broken.code, "lib/policy.yaml:13:1" in broken.err) == (3, True)


def test_a_child_for_some_packages_and_with_rules_is_tried_on_cases(run, tmp_path, pair, child):
    make_package(tmp_path, signers=[pair])
    child("match: {names: ['fraud*']}\nrules: [{id: small, when: model.nodes > 99, message: too many}]\n")
    assert run("verify", "fraud-1.2.0", "--policy", "child.yaml", "--record", "r.json").code == 0
    both = "- {name: package, package: fraud-1.2.0, expect: EXPECT}\n- {name: record, evidence: r.json, expect: EXPECT}\n"
    (tmp_path / "cases.yaml").write_text(both.replace("EXPECT", "allow, not_findings: [MLS420, MLS423]"))
    done = run("policy", "test", "child.yaml", "cases.yaml")
    assert done.code == 0, done.out + done.err
    for rest, code in (
        ("match: {names: [churn]}\n", "MLS423"),
        ("rules: [{id: small, when: model.nodes > 0, message: too many}]\n", "MLS420"),
        ("model: {max_nodes: 1}\nrules: [{id: d, when: digest != '', message: none}]\n", "MLS420"),
    ):
        child(rest)
        (tmp_path / "cases.yaml").write_text(both.replace("EXPECT", f"deny, findings: [{code}]"))
        assert run("policy", "test", "child.yaml", "cases.yaml").code == 0, rest
        (tmp_path / "cases.yaml").write_text(both.replace("EXPECT", "allow"))
        assert run("policy", "test", "child.yaml", "cases.yaml").code == 1, rest


def test_no_word_of_a_policy_is_a_command_to_a_runner(run, tmp_path, pair):
    """Whoever opens a pull request writes the policy that is checked."""
    evil = "x ##[add-mask]y"
    make_package(tmp_path, signers=[pair])
    rest = (
        f"{SOUND}golden: {{required: true}}\ndescription: '{evil}'\nmatch: {{names: ['*']}}\nvsa: {{accept: [{{key: '{evil}'}}], max_age: 1d}}\n"
        f"rules: [{{id: r, when: 'digest != \"\"', message: '{evil} ::error::z'}}, "
        f"{{id: s, when: \"'##[add-mask]y' in model.operators\", message: m}}]\n"
    )
    path = write_policy(tmp_path, {"release": (1, [pair.public])}, rest=rest)
    (tmp_path / "cases.yaml").write_text(f"- {{name: '{evil}', package: fraud-1.2.0, expect: allow}}\n")
    printed = [run("policy", "check", path, "-f", form) for form in ("text", "github", "json")]
    (tmp_path / evil).write_bytes(pair.public)
    printed += [run("policy", "check", path, "-f", form) for form in ("text", "github", "json")]
    printed += [run("policy", "explain", path, "-f", form) for form in ("text", "markdown")]
    printed += [run("policy", "test", path, "cases.yaml", "-f", form) for form in ("text", "json")]
    printed += [
        run("verify", "fraud-1.2.0", "--policy", path, "--why-not", "--audit-log", "a.log"),
        run("audit", "show", "a.log"),
    ]
    assert [done.code for done in printed] == [3, 3, 3, 0, 0, 0, 0, 0, 1, 1, 1, 0]
    for done in printed:
        assert "##[" not in done.out + done.err
        assert "add-mask" in done.out or done is printed[-1]
