"""Rules, exceptions and several policies, as the command line tells of them."""

import json
from pathlib import Path

import jsonschema
from making import write_policy

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "schemas" / "report.v1.schema.json").read_text())


def policy(folder: Path, keys, rest: str) -> Path:
    return write_policy(folder, {"release": (1, [keys.release.public])}, rest=rest)


def test_a_rule_denies_in_the_words_of_its_author(run, package, keys, tmp_path):
    path = policy(tmp_path / "p", keys, "rules: [{id: small, when: model.nodes > 0, message: nothing with nodes}]\n")
    done = run("verify", package, "--policy", path)
    assert done.code == 1
    assert "MLS420  the rule small denies: nothing with nodes" in done.out


def test_a_misspelt_variable_is_an_error_with_its_line(run, package, keys, tmp_path):
    path = policy(tmp_path / "p", keys, "rules: [{id: small, when: model.nods > 0, message: m}]\n")
    done = run("verify", package, "--policy", path)
    assert (done.code, done.out) == (3, "")
    assert "rules[0].when" in done.err
    assert "undeclared reference to 'model.nods'" in done.err


def test_a_used_exception_is_in_the_text_and_in_the_json(run, package, keys, tmp_path):
    demand = "versions: {minimum: 9.0.0}\n"
    path = policy(tmp_path / "p", keys, demand)
    digest = json.loads(run("verify", package, "--policy", path, "--format", "json").out)["package"]["digest"]
    bears = f"exceptions: [{{digest: '{digest}', findings: [MLS402], reason: INC-1, until: 2999-01-01T00:00:00Z}}]\n"
    path = policy(tmp_path / "p", keys, demand + bears)
    text = run("verify", package, "--policy", path)
    assert (text.code, "NOT HELD AGAINST IT, BY EXCEPTION" in text.out) == (0, True)
    report = json.loads(run("verify", package, "--policy", path, "--format", "json").out)
    jsonschema.validate(report, SCHEMA)
    assert [item["reason"] for item in report["exceptions"]] == ["INC-1"]


def test_of_several_policies_one_is_for_the_package(run, package, keys, tmp_path):
    churn, every = policy(tmp_path / "a", keys, "match: {names: [churn]}\n"), policy(tmp_path / "b", keys, "")
    assert run("verify", package, "--policy", churn, "--policy", every).code == 0
    alone = run("verify", package, "--policy", churn)
    assert (alone.code, "MLS423" in alone.out) == (1, True)
    both = run("verify", package, "--policy", every, "--policy", every)
    assert (both.code, "is for this package as well" in both.out) == (1, True)


def test_score_says_on_standard_error_by_which_exception_it_runs(run, package, keys, tmp_path):
    demand = "versions: {minimum: 9.0.0}\n"
    path = policy(tmp_path / "p", keys, demand)
    digest = json.loads(run("verify", package, "--policy", path, "--format", "json").out)["package"]["digest"]
    bears = f"exceptions: [{{digest: '{digest}', findings: [MLS402], reason: INC-1, until: 2999-01-01T00:00:00Z}}]\n"
    path = policy(tmp_path / "p", keys, demand + bears)
    rows, answers = tmp_path / "rows.json", tmp_path / "answers.json"
    rows.write_text(json.dumps({"x": [[1.0, 2.0, 3.0, 4.0]]}))
    done = run("score", package, "--policy", path, "--input", rows, "--output", answers)
    assert done.code == 0, done.err
    assert "mlsign: EXCEPTION: 1 exception used" in done.err
    assert "MLS402 not held against it until 2999-01-01T00:00:00Z: INC-1" in done.err
    assert "EXCEPTION" not in done.out
