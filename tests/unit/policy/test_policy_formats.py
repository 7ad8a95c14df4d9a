"""The formats of statements that a policy accepts: those it lists, and without a list the one of the specification."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from mlsign.errors import InputError
from mlsign.formats.statement import ACCEPTED_FORMATS, StatementFormat
from mlsign.interface import OperatorId
from mlsign.policy.decoding.policy import decode_policy
from mlsign.policy.model import Policy

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas" / "policy.v1.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
SETS: Mapping[str, frozenset[OperatorId]] = {"inference-v1": frozenset({OperatorId("ai.onnx", "Gemm")})}
TEXT = """\
apiVersion: mlsign/v1
kind: Policy
name: minimal
signers: [{name: release, require: 1, any: [{key: release.pub}]}]
operators: {allow: [inference-v1]}
"""


def decoded(line: str) -> Policy:
    return decode_policy((TEXT + line).encode(), name="policy.yaml", operator_sets=SETS, hazards={}).unbound


def schema_accepts(line: str) -> bool:
    loaded: Any = YAML(typ="safe", pure=True).load(TEXT + line)
    return VALIDATOR.is_valid(loaded)


def test_without_a_list_it_is_the_specification() -> None:
    assert decoded("").formats == ACCEPTED_FORMATS == frozenset({StatementFormat.OMS_1})
    assert SCHEMA["properties"]["formats"]["default"] == [f.value for f in ACCEPTED_FORMATS]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[oms-1.0]", {StatementFormat.OMS_1}),
        ("[oms-0.2]", {StatementFormat.OMS_0_2}),
        ("[oms-1.0-shards, oms-1.0]", {StatementFormat.OMS_1, StatementFormat.OMS_1_SHARDS}),
        ("[oms-1.0, oms-0.2, oms-1.0-shards]", set(StatementFormat)),
        ("[oms-0.2, oms-0.2]", {StatementFormat.OMS_0_2}),
    ],
)
def test_what_is_listed_is_accepted_and_nothing_else(text: str, expected: set[StatementFormat]) -> None:
    assert decoded(f"formats: {text}").formats == expected
    assert schema_accepts(f"formats: {text}")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[]", "policy.length"),
        ("[oms-1.0, oms-1.0, oms-1.0, oms-1.0]", "policy.length"),
        ("[oms-2.0]", "policy.value"),
        ("[OMS-1.0]", "policy.value"),
        ("[1.0]", "policy.type"),
        ("oms-1.0", "policy.type"),
        ("{oms-1.0: true}", "policy.type"),
    ],
)
def test_lists_that_are_none(text: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        decoded(f"formats: {text}")
    assert caught.value.code == code
    assert "formats" in caught.value.where
    assert not schema_accepts(f"formats: {text}")


def test_the_schema_lists_every_format() -> None:
    assert SCHEMA["properties"]["formats"]["items"]["enum"] == [f.value for f in StatementFormat]
