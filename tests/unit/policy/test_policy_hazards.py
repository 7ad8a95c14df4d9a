"""The catalogue of what operators can do: exact, and every hazard in it is one that somebody acts on."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlsign.errors import InputError
from mlsign.interface import OperatorId
from mlsign.limits import Limits
from mlsign.policy.hazards import decode_hazards
from mlsign.policy.model import STANDARD_DOMAINS, Hazard
from mlsign.policy.operator_sets import decode_operator_set

OPERATORS = Path(__file__).resolve().parents[3] / "policies" / "operators"
WORDS = {hazard.value: "does this" for hazard in Hazard} | {"random": "gives other results"}
ENTRY = {"properties": ["runs_code"], "source": "https://example.com"}


def document(**changes: object) -> dict[str, Any]:
    return {
        "schema": "mlsign/operator-properties/v1",
        "description": "for tests",
        "properties": WORDS,
        "operators": {
            "com.acme:Op": ENTRY,
            "com.acme.all:*": {"properties": ["reads_files", "random", "uses_address"], "source": "x", "note": "y"},
            "com.acme:Dice": {"properties": ["random"], "source": "x"},
        },
    } | changes


def decoded(**changes: object) -> dict[OperatorId, frozenset[Hazard]]:
    return decode_hazards(json.dumps(document(**changes)).encode(), where="properties.json")


def test_operators_and_whole_domains_have_hazards_and_other_properties_are_none() -> None:
    assert decoded() == {
        OperatorId("com.acme", "Op"): {Hazard.RUNS_CODE},
        OperatorId("com.acme.all", "*"): {Hazard.READS_FILES, Hazard.USES_ADDRESS},
    }
    assert decoded(operators={}) == {}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"schema": "mlsign/operator-properties/v2"}, "operator_properties.value"),
        ({"description": 1}, "operator_properties.type"),
        ({"more": 1}, "operator_properties.unknown"),
        *(
            ({"properties": {k: v for k, v in WORDS.items() if k != word.value}}, "operator_properties.missing")
            for word in Hazard
        ),
        ({"properties": []}, "operator_properties.type"),
        ({"operators": []}, "operator_properties.type"),
        ({"operators": {"com.acme:Op": ENTRY | {"properties": ["run_code"]}}}, "operator_properties.value"),
        ({"operators": {"com.acme:Op": ENTRY | {"properties": ["runs_code", "Random"]}}}, "operator_properties.value"),
        ({"operators": {"com.acme:Op": ENTRY | {"properties": []}}}, "operator_properties.length"),
        ({"operators": {"com.acme:Op": ENTRY | {"properties": "runs_code"}}}, "operator_properties.type"),
        ({"operators": {"com.acme:Op": ENTRY | {"notes": "x"}}}, "operator_properties.unknown"),
        ({"operators": {"com.acme:Op": ENTRY | {"note": 1}}}, "operator_properties.type"),
        ({"operators": {"com.acme:Op": {"properties": ["runs_code"]}}}, "operator_properties.missing"),
        ({"operators": {"com.acme:Op": {"source": "x"}}}, "operator_properties.missing"),
        ({"operators": {"com.acme:Op": 1}}, "operator_properties.type"),
        ({"operators": {"Op": ENTRY}}, "operator.spelling"),
        ({"operators": {":Op": ENTRY}}, "operator.spelling"),
    ],
)
def test_other_files_are_refused(changes: dict[str, object], code: str) -> None:
    with pytest.raises(InputError) as caught:
        decoded(**changes)
    assert caught.value.code == code


def test_a_misspelled_hazard_and_one_without_an_explanation_are_named() -> None:
    with pytest.raises(InputError) as caught:
        decoded(operators={"com.acme:Op": ENTRY | {"properties": ["runs_cod"]}})
    assert caught.value.message == "runs_cod is no property"
    with pytest.raises(InputError) as caught:
        decoded(properties={word: "x" for word in WORDS if word != "uses_address"})
    assert caught.value.message == "does not explain uses_address"


def test_repeated_keys_missing_fields_and_size_are_refused() -> None:
    whole = json.dumps(document())
    twice = whole.replace('"com.acme:Dice":', '"com.acme:Op":')
    for data, code in ((twice, "json.duplicate_key"), ("{}", "operator_properties.missing"), ("[]", "operator_properties.type")):
        with pytest.raises(InputError) as caught:
            decode_hazards(data.encode())
        assert caught.value.code == code
    with pytest.raises(InputError) as caught:
        decode_hazards(whole.encode(), limits=Limits(max_policy_bytes=10))
    assert caught.value.code == "json.size"


def test_the_shipped_catalogue_names_what_runs_code_and_reads_files() -> None:
    found = decode_hazards((OPERATORS / "properties.json").read_bytes())
    assert Hazard.RUNS_CODE in found[OperatorId("ai.onnx.contrib", "*")]
    assert found[OperatorId("com.microsoft", "EPContext")] >= {Hazard.READS_FILES, Hazard.HOLDS_COMPILED_PROGRAM}
    assert set(Hazard) == set().union(*found.values())


def test_no_operator_of_a_shipped_set_does_more_than_compute() -> None:
    found = decode_hazards((OPERATORS / "properties.json").read_bytes())
    assert not [operator for operator in found if operator.name == "*" and operator.domain in STANDARD_DOMAINS]
    for path in OPERATORS.glob("*-v*.json"):
        assert decode_operator_set(path.read_bytes()).operators.isdisjoint(found), path.name
