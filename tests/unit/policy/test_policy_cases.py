"""Cases are read as strictly as policies, and their schema says the same."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from mlsign.errors import InputError
from mlsign.policy.cases import MAX_CASES, decode_cases
from mlsign.policy.model import Verdict

_SCHEMA = Path(__file__).resolve().parents[3] / "schemas" / "policy-cases.v1.schema.json"
SCHEMA = Draft202012Validator(json.loads(_SCHEMA.read_text()))


def plain(text: str) -> object:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = "1.2"
    yaml.resolver.yaml_implicit_resolvers  # noqa: B018 - builds the table
    value = yaml.load(text)
    return json.loads(json.dumps(value, default=lambda time: time.isoformat().replace("+00:00", "") + "Z"))


def test_a_case_says_what_it_says():
    text = (
        "- name: release\n  package: fraud-1.2.0\n  signatures: [a.sig]\n  now: 2026-01-31T12:00:00Z\n  expect: deny\n"
        "  findings: [MLS301]\n  not_findings: [MLS201]\n- {name: old, evidence: old.json, expect: allow}\n"
    )
    first, second = decode_cases(text.encode(), source="cases.yaml")
    assert SCHEMA.is_valid(plain(text))
    assert (first.package, first.signatures, first.expect) == ("fraud-1.2.0", ("a.sig",), Verdict.DENY)
    assert first.now == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert (first.findings, first.not_findings, first.place.line) == (("MLS301",), ("MLS201",), 1)
    assert (second.evidence, second.now, second.expect) == ("old.json", None, Verdict.ALLOW)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[]", "policy.length"),
        ("{}", "policy.type"),
        ("[7]", "policy.type"),
        ("- {name: a, expect: allow}", "policy.cases.subject"),
        ("- {name: a, package: b, evidence: c, expect: allow}", "policy.cases.subject"),
        ("- {name: a, evidence: c, signatures: [d], expect: allow}", "policy.cases.signatures"),
        ("- {name: a, package: b}", "policy.missing"),
        ("- {package: b, expect: allow}", "policy.missing"),
        ("- {name: a, package: b, expect: alow}", "policy.value"),
        ("- {name: a, package: b, expects: allow}", "policy.unknown"),
        ("- {name: a, package: b, expect: allow, findings: [MLS301]}", "policy.cases.findings"),
        ("- {name: a, package: b, expect: deny, findings: [301]}", "policy.type"),
        ("- {name: a, package: b, expect: deny, findings: []}", "policy.length"),
        ("- {name: a, package: b, expect: deny, findings: [MLS1]}", "policy.cases.code"),
        ("- {name: a, package: b, expect: deny, now: 2026-01-31}", "policy.cases.time"),
        ("- {name: a, package: b, expect: deny, now: [1]}", "policy.cases.time"),
        ("- {name: a, package: b, expect: deny, signatures: []}", "policy.length"),
    ],
)
def test_what_is_no_case_is_refused(text, code):
    with pytest.raises(InputError) as caught:
        decode_cases(text.encode(), source="cases.yaml")
    assert caught.value.code == code
    assert caught.value.where.startswith("cases.yaml:1:")
    assert not SCHEMA.is_valid(plain(text))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("- {name: a, package: b, expect: allow}\n- {name: a, package: c, expect: allow}", "policy.cases.name"),
        ("- {name: a, package: b, expect: deny, findings: [MLS301], not_findings: [MLS301]}", "policy.cases.findings"),
        ("- {name: a, package: b, expect: deny, not_findings: [MLS999]}", "policy.cases.code"),
        ("- {name: a, package: b, expect: deny, now: '2026-02-31T00:00:00Z'}", "policy.cases.time"),
    ],
)
def test_what_a_schema_cannot_say_is_refused_as_well(text, code):
    with pytest.raises(InputError) as caught:
        decode_cases(text.encode(), source="cases.yaml")
    assert caught.value.code == code


def test_an_empty_file_has_no_cases():
    with pytest.raises(InputError, match="cases are a list"):
        decode_cases(b" \n", source="cases.yaml")


def test_cases_are_capped():
    text = "\n".join(f"- {{name: n{i}, package: b, expect: deny}}" for i in range(MAX_CASES + 1))
    with pytest.raises(InputError, match="1001 elements"):
        decode_cases(text.encode(), source="cases.yaml")
