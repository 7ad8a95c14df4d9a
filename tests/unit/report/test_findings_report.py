"""What a scan found, as text, as JSON after its schema, and as SARIF that code scanning takes."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from jsonschema import Draft202012Validator
from making import linear_model, write_model, write_policy

from mlsign.actions.inspection.findings import FindRequest, Found, FoundModel, find, load_model_policy
from mlsign.evidence.catalogue.pages import ENTRIES
from mlsign.evidence.findings import Finding, Outcome
from mlsign.policy.model import Mode, Verdict
from mlsign.report import as_sarif, sarif_log
from mlsign.report.findings_as_json import render_found as as_json
from mlsign.report.findings_as_text import render_found as as_text

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "schemas" / "findings.v1.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
EVIL = "\x1b[2J\u202e[click](http://evil.example)\r\n\x85\u2028✓ all is well"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two good models, one with two things wrong, one that is none, one link, and a link to a folder."""
    folder = tmp_path / "models"
    write_model(folder / "a.onnx")
    write_model(folder / "sub" / "b b.onnx", operator="Relu")
    model = linear_model()
    del model.graph.node[0].input[1:]
    model.graph.node[0].op_type = "Bernoulli"
    model.metadata_props.add(key="ort_config", value="{}")
    (folder / "c.onnx").write_bytes(model.SerializeToString())
    (folder / "d.ort").write_bytes(b"")
    (folder / "e.onnx").symlink_to("a.onnx")
    (folder / "linked").symlink_to("sub")
    return folder


@pytest.fixture
def found(folder) -> Found:
    return find(folder, FindRequest())


def bad(path: str, *findings: Finding) -> FoundModel:
    return FoundModel(path=path, size=None, summary=None, findings=findings, verdict=Verdict.DENY)


def one(**more) -> Finding:
    return Finding(**({"code": "MLS309", "outcome": Outcome.FAIL, "message": "is no model"} | more))


# text


def text(found: Found, **more) -> str:
    return as_text(found, **({"width": 100, "color": False} | more))


def test_text_has_a_line_for_each_file_and_the_findings_beneath(found):
    page = text(found)
    lines = page.splitlines()
    assert [line[2:] for line in lines if line.startswith(("  ✓", "  ✗"))] == [
        "✓ a.onnx",
        "✗ c.onnx  2 findings",
        "✗ d.ort  1 finding",
        "✗ e.onnx  1 finding",
        "✓ sub/b b.onnx",
    ]
    for part in (
        "      ✗ MLS301  operator ai.onnx:Bernoulli in 1 node",
        "      ? MLS104  is a symbolic link",
        "do       was the model written",
        "· linked",
        "5 models judged by the policy baseline: 3 with findings",
        "mlsign explain MLS301",
    ):
        assert part in page
    assert "In order" not in page
    assert page.endswith("\n")
    assert all(line == line.rstrip() for line in lines)


def test_text_of_nothing_found(tmp_path):
    page = text(find(write_model(tmp_path / "m.onnx"), FindRequest()))
    assert page == "  ✓ m.onnx\n\n  1 model judged by the policy baseline: nothing found\n"


def test_text_says_audit_mode(found):
    assert "Audit mode" in text(replace(found, policy=replace(found.policy, mode=Mode.AUDIT)))


@pytest.mark.parametrize("width", [0, 60, 80, 1000])
def test_text_of_any_width(found, width):
    long = bad("x.onnx", one(message="word " * 60, where="w" * 500, hint="do " * 80))
    page = text(replace(found, models=(*found.models, long)), width=width)
    assert max(map(len, page.splitlines())) <= max(60, min(width, 120))


def test_colour_is_asked_for(found):
    assert "\x1b[" not in text(found)
    coloured = text(found, color=True)
    assert "\x1b[1;31m✗" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == text(found)


def test_text_is_bounded(found):
    flood = tuple(one(where=f"n{number}") for number in range(5000))
    models = tuple(bad(f"{number:05}.onnx", *flood[:200]) for number in range(5000))
    page = text(replace(found, models=models, links=tuple(f"l{n}" for n in range(99))))
    assert page.count("is no model") == 500
    assert page.count("✗ 0") == 5000
    assert "and 180 more: --format json lists them all" in page
    assert "and 200 more: --format json lists them all" in page
    assert "· and 87 more" in page


# JSON


def test_json_is_what_its_schema_describes(found, folder):
    value = json.loads(as_json(found))
    VALIDATOR.validate(value)
    assert (value["decision"], value["mode"], value["path"], value["links"]) == ("deny", "enforce", str(folder), ["linked"])
    assert (value["policy"]["name"], value["policy"]["digest"]) == ("baseline", str(found.policy.digest))
    assert [(m["path"], m["uri"], m["decision"]) for m in value["models"]] == [
        ("a.onnx", "a.onnx", "allow"),
        ("c.onnx", "c.onnx", "deny"),
        ("d.ort", "d.ort", "deny"),
        ("e.onnx", "e.onnx", "deny"),
        ("sub/b b.onnx", "sub/b%20b.onnx", "allow"),
    ]
    assert value["models"][3]["size"] is None
    assert {f["outcome"] for f in value["models"][0]["findings"]} == {"pass"}
    assert as_json(find(folder, FindRequest())) == as_json(found)


def test_the_schema_refuses_other_documents(found):
    Draft202012Validator.check_schema(SCHEMA)
    value = json.loads(as_json(found))
    for change in ({"decision": "maybe"}, {"zz": 1}, {"models": []}, {"schema": "mlsign/findings/v2"}, {"mode": "x"}):
        assert not VALIDATOR.is_valid(value | change)
    for name in value:
        assert not VALIDATOR.is_valid({k: v for k, v in value.items() if k != name})
    model = value["models"][0]
    for change in ({"decision": "maybe"}, {"zz": 1}, {"findings": []}, {"size": -1}, {"uri": "a b"}):
        assert not VALIDATOR.is_valid(value | {"models": [model | change]})
    for name in model:
        assert not VALIDATOR.is_valid(value | {"models": [{k: v for k, v in model.items() if k != name}]})


@pytest.mark.parametrize("name", [os.fsdecode(b"\xff.onnx"), "a\nb.onnx", "100%#?.onnx", "模.onnx", "c:d.onnx"])
def test_names_come_back_byte_for_byte(tmp_path, name):
    write_model(tmp_path / name)
    found = find(tmp_path, FindRequest())
    page = as_json(found)
    page.encode("ascii")
    value = json.loads(page)
    VALIDATOR.validate(value)
    (model,) = value["models"]
    assert unquote_to_bytes(model["uri"]) == os.fsencode(name)
    model["path"].encode("utf-8")


# SARIF

LEVELS = {"note", "warning", "error"}


def sarif(found: Found, *, prefix: str = "") -> dict:
    """The one run of the log; every property that GitHub calls required, and no value that it does not take."""
    page = as_sarif.render_found(found, prefix=prefix, version="1.2.3")
    assert page.isascii()
    log = json.loads(page)
    assert set(log) == {"$schema", "version", "runs"}
    assert (log["$schema"], log["version"]) == ("https://json.schemastore.org/sarif-2.1.0.json", "2.1.0")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("mlsign", "1.2.3")
    assert [rule["id"] for rule in driver["rules"]] == sorted({rule["id"] for rule in driver["rules"]})
    for rule in driver["rules"]:
        assert 0 < len(rule["name"]) <= 255
        assert rule["name"].isalnum()
        for name in ("shortDescription", "fullDescription"):
            assert 0 < len(rule[name]["text"]) <= 1024
        assert rule["help"]["text"]
        assert rule["help"]["markdown"].startswith(f"# {rule['id']}: ")
        assert rule["defaultConfiguration"]["level"] in LEVELS
        assert "security" in rule["properties"]["tags"]
        assert len(rule["properties"]["tags"]) <= 10
        assert rule["properties"]["precision"] in {"very-high", "high", "medium", "low"}
        assert 0 < float(rule["properties"]["security-severity"]) <= 10
    assert len(run["results"]) <= 25_000
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in LEVELS
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
        assert re.fullmatch(r"[A-Za-z0-9_.~/%-]+", place["artifactLocation"]["uri"])
        assert not place["artifactLocation"]["uri"].startswith(("/", "."))
        assert place["region"] == {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2}
        assert all(logical["fullyQualifiedName"] for logical in location.get("logicalLocations", ()))
        assert result["partialFingerprints"]["primaryLocationLineHash"]
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(set(prints)) == len(prints)
    return run


def test_sarif_has_a_result_for_everything_that_did_not_pass(found):
    run = sarif(found)
    results = [
        (r["ruleId"], r["level"], r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]) for r in run["results"]
    ]
    assert results == [
        ("MLS301", "error", "c.onnx"),
        ("MLS338", "error", "c.onnx"),
        ("MLS323", "error", "d.ort"),
        ("MLS104", "warning", "e.onnx"),
    ]
    assert run["results"][1]["locations"][0]["logicalLocations"] == [{"fullyQualifiedName": "metadata_props"}]
    assert "logicalLocations" not in run["results"][2]["locations"][0]
    assert run["properties"]["decision"] == "deny"
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "linked"


def test_sarif_of_nothing_found(tmp_path):
    run = sarif(find(write_model(tmp_path / "m.onnx"), FindRequest()))
    assert (run["results"], run["tool"]["driver"]["rules"], run["properties"]["decision"]) == ([], [], "allow")


def test_sarif_is_the_same_on_every_machine_and_at_every_time(found, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "other", symlinks=True)
    again = find(tmp_path / "other", FindRequest())
    assert as_sarif.render_found(again, prefix="m", version="1") == as_sarif.render_found(found, prefix="m", version="1")


def fingerprints(run: dict) -> dict[tuple[str, str], str]:
    return {
        (r["ruleId"], r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]): r["partialFingerprints"][
            "primaryLocationLineHash"
        ]
        for r in run["results"]
    }


def test_fingerprints_follow_a_finding(found, folder):
    before = fingerprints(sarif(found))
    (folder / "d.ort").write_bytes(b"\x80\x04")
    (folder / "0.onnx").write_bytes(b"")
    after = fingerprints(sarif(find(folder, FindRequest())))
    kept = before.keys() & after.keys()
    assert {key for key in kept if before[key] == after[key]} == {
        ("MLS301", "c.onnx"),
        ("MLS338", "c.onnx"),
        ("MLS104", "e.onnx"),
    }
    assert fingerprints(sarif(found, prefix="x")).keys() == {(code, f"x/{uri}") for code, uri in before}


def test_equal_findings_have_fingerprints_of_their_own(found):
    twice = replace(found, models=(bad("x.onnx", one(message="a"), one(message="b")),))
    assert len(sarif(twice)["results"]) == 2


def test_foreign_text_is_no_link_and_no_control_code(found):
    evil = one(message=EVIL, where=EVIL, expected=EVIL, found=EVIL, hint=EVIL, cause=EVIL)
    run = sarif(replace(found, models=(bad(EVIL, evil), bad("z.onnx", evil))))
    for result in run["results"]:
        assert not set("\x1b\u202e\r\n\x85\u2028") & set(result["message"]["text"])
        assert "](" not in result["message"]["text"]
    value = json.loads(as_json(replace(found, models=(bad(EVIL, evil),), links=(EVIL,))))
    VALIDATOR.validate(value)
    page = text(replace(found, models=(bad(EVIL, evil),), links=(EVIL,), path=EVIL, policy=replace(found.policy, name=EVIL)))
    for char in "\x1b\u202e\r\x85\u2028":
        assert char not in page
    assert not any(line.strip().startswith("✓ all is well") for line in page.split("\n"))


def test_what_is_too_much_for_one_upload_is_cut_and_said(found, monkeypatch):
    monkeypatch.setattr(sarif_log, "_MAX_RESULTS", 3)
    models = (
        bad("a.onnx", one(code="MLS104", outcome=Outcome.UNKNOWN), one(where="1")),
        bad("b.onnx", one(where="2"), one(where="3"), one(where="4")),
    )
    run = sarif(replace(found, models=models, links=()))
    assert [r["level"] for r in run["results"]] == ["error"] * 3
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["MLS309"]
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert "2 more findings" in note["message"]["text"]


def test_every_code_makes_a_rule(found):
    everything = tuple(one(code=code) for code in [*ENTRIES, "MLS999"])
    run = sarif(replace(found, models=(bad("x.onnx", *everything),)))
    assert len(run["tool"]["driver"]["rules"]) == len(ENTRIES) + 1
    assert set(sarif_log._SEVERITIES) <= ENTRIES.keys()


def test_sarif_of_an_audit(found, tmp_path):
    policy = write_policy(tmp_path / "p", {"r": (1, [b"x"])}, rest="mode: audit\n")
    run = sarif(replace(found, policy=load_model_policy(policy)))
    assert run["properties"]["mode"] == "audit"
    assert "this would have been denied" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    assert all(result["message"]["text"].endswith(" Audit mode: nothing was stopped.") for result in run["results"])
