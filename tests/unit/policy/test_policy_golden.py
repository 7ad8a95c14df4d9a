"""The ``golden`` section: what it takes, what it refuses, and what the schema says of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from mlsign.errors import InputError
from mlsign.policy.decoding.policy import decode_policy
from mlsign.policy.golden import GoldenSettings

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "schemas" / "policy.v1.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


def golden(text: str, value: str, sets: Any, hazards: Any) -> GoldenSettings:
    data = f"{text}golden: {value}\n".encode()
    return decode_policy(data, name="policy.yaml", operator_sets=sets, hazards=hazards).unbound.golden


def schema_takes(value: str) -> bool:
    return Draft202012Validator(SCHEMA["properties"]["golden"]).is_valid(YAML(typ="safe").load(value))


@pytest.mark.parametrize(
    ("value", "settings"),
    [
        ("{required: true}", GoldenSettings(required=True)),
        ("{replay: true}", GoldenSettings(required=True, replay=True)),
        ("{required: true, replay: false, max_rtol: 0}", GoldenSettings(required=True, max_rtol=0.0)),
        (
            "{platforms: [linux/arm64, linux/arm/v7], run_by: [{key: keys/a.pub}]}",
            GoldenSettings(required=True, platforms=("linux/arm64", "linux/arm/v7"), runtimes=("onnxruntime",)),
        ),
        (
            "{replay: true, platforms: [linux/amd64], runtimes: [reference, onnxruntime], run_by: [{key: keys/a.pub}]}",
            GoldenSettings(required=True, replay=True, platforms=("linux/amd64",), runtimes=("reference", "onnxruntime")),
        ),
        (
            "{replay: true, max_atol: 1e-3, time: 5s}",
            GoldenSettings(required=True, replay=True, max_atol=0.001, replay_seconds=5.0),
        ),
    ],
)
def test_demands_are_read(value: str, settings: GoldenSettings, text: str, sets: Any, hazards: Any) -> None:
    assert golden(text, value, sets, hazards) == settings
    assert schema_takes(value)


@pytest.mark.parametrize(
    ("value", "code", "seen_by_schema"),
    [
        ("{}", "golden", True),
        ("{required: false}", "golden", False),
        ("{required: true, time: 5s}", "golden", False),
        ("{required: false, replay: true}", "golden", False),
        ("{replay: 'true'}", "type", True),
        ("{replay: [true]}", "type", True),
        ("{replay: True}", "type", False),
        ("{required: true, max_rtol: 2}", "range", True),
        ("{required: true, max_rtol: -1}", "type", True),
        ("{required: true, max_atol: .inf}", "type", False),
        ("{required: true, max_atol: .nan}", "type", False),
        ("{required: true, max_atol: '0.1'}", "type", True),
        ("{required: true, max_atol: []}", "type", True),
        ("{replay: true, time: 2h}", "range", False),
        ("{required: true, sets: 3}", "unknown", True),
        ("[replay]", "type", True),
        ("{platforms: [linux/amd64]}", "golden", True),
        ("{replay: true, platforms: [linux/amd64]}", "golden", True),
        ("{run_by: [{key: a.pub}]}", "golden", True),
        ("{replay: true, run_by: [{key: a.pub}]}", "golden", True),
        ("{replay: true, runtimes: [reference]}", "golden", True),
        ("{runtimes: [reference]}", "golden", True),
        ("{platforms: [], run_by: [{key: a.pub}]}", "length", True),
        ("{platforms: linux/amd64, run_by: [{key: a.pub}]}", "type", True),
        ("{platforms: [linux/amd64], run_by: []}", "length", True),
        ("{platforms: [linux/amd64], run_by: [{}]}", "signers.method", True),
        ("{platforms: [linux/amd64, linux/amd64], run_by: [{key: a.pub}]}", "golden", True),
        ("{platforms: [linux/x86_64], run_by: [{key: a.pub}]}", "golden", False),
        ("{platforms: [linux/aarch64], run_by: [{key: a.pub}]}", "golden", False),
        ("{platforms: [Linux/amd64], run_by: [{key: a.pub}]}", "golden", True),
        ("{platforms: [amd64], run_by: [{key: a.pub}]}", "golden", True),
        ("{platforms: ['linux/amd64 '], run_by: [{key: a.pub}]}", "golden", True),
        ("{platforms: ['linux/*'], run_by: [{key: a.pub}]}", "golden", True),
        ("{platforms: [linux/amd64], runtimes: [tensorrt], run_by: [{key: a.pub}]}", "golden", True),
        ("{platforms: [linux/amd64], runtimes: [], run_by: [{key: a.pub}]}", "length", True),
        ("{required: false, platforms: [linux/amd64], run_by: [{key: a.pub}]}", "golden", False),
    ],
)
def test_what_says_nothing_or_something_else_is_refused(
    value: str, code: str, seen_by_schema: bool, text: str, sets: Any, hazards: Any
) -> None:
    with pytest.raises(InputError) as caught:
        golden(text, value, sets, hazards)
    assert caught.value.code == f"policy.{code}"
    if seen_by_schema:
        assert not schema_takes(value)


def test_nothing_is_asked_for_where_nothing_is_written(policy: Any) -> None:
    assert policy.golden == GoldenSettings(required=False, replay=False)


@pytest.mark.parametrize(
    ("written", "right"),
    [("x86_64", "amd64"), ("x86-64", "amd64"), ("aarch64", "arm64"), ("arm64/v8", "arm64"), ("armv7l", "arm/v7")],
)
def test_a_platform_as_kernels_and_other_tools_call_it_is_spelled_right_in_the_error(
    written: str, right: str, text: str, sets: Any, hazards: Any
) -> None:
    with pytest.raises(InputError) as caught:
        golden(text, f"{{platforms: [linux/{written}], run_by: [{{key: a.pub}}]}}", sets, hazards)
    assert caught.value.expected == f"linux/{right}"
    assert caught.value.hint == f"write linux/{right}"


def test_nobody_signs_runs_who_is_not_written_down(text: str, sets: Any, hazards: Any) -> None:
    """Whoever signs packages is not meant by being left out."""
    with pytest.raises(InputError) as caught:
        golden(text, "{platforms: [linux/amd64]}", sets, hazards)
    assert "run_by" in caught.value.where
