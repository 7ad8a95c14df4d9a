"""Operator sets: strict files, and the shipped ones as policies see them."""

import json
from pathlib import Path

import pytest

from mlsign.errors import InputError
from mlsign.interface import OperatorId
from mlsign.limits import Limits
from mlsign.policy.operator_sets import OperatorSet, decode_operator_set

SHIPPED = sorted((Path(__file__).resolve().parents[3] / "policies" / "operators").glob("*-v*.json"))
GOOD = {"schema": "mlsign/operator-set/v1", "name": "some-v1", "operators": ["ai.onnx:Gemm", "com.acme:Op"]}


def decoded(**changes: object) -> OperatorSet:
    return decode_operator_set(json.dumps(GOOD | changes).encode())


def test_a_set_is_a_name_and_operators() -> None:
    wanted = OperatorSet(name="some-v1", operators=frozenset({OperatorId("ai.onnx", "Gemm"), OperatorId("com.acme", "Op")}))
    assert decoded() == wanted
    assert decoded(description="for tests", generated_from="onnx 1") == wanted


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"schema": "mlsign/operator-set/v2"}, "operator_set.value"),
        ({"name": "Some v1"}, "operator_set.value"),
        ({"name": ""}, "operator_set.length"),
        ({"name": 1}, "operator_set.type"),
        ({"operators": []}, "operator_set.length"),
        ({"operators": ["ai.onnx:Gemm", "ai.onnx:Gemm"]}, "operator_set.repeated"),
        ({"operators": ["Gemm"]}, "operator.spelling"),
        ({"operators": ["ai.onnx:*"]}, "operator.spelling"),
        ({"operators": [1]}, "operator_set.type"),
        ({"operators": "ai.onnx:Gemm"}, "operator_set.type"),
        ({"more": 1}, "operator_set.unknown"),
    ],
)
def test_other_files_are_refused(changes: dict[str, object], code: str) -> None:
    with pytest.raises(InputError) as caught:
        decoded(**changes)
    assert caught.value.code == code


def test_missing_fields_repeated_keys_and_size_are_refused() -> None:
    for data, code in (
        (b'{"schema":"mlsign/operator-set/v1","name":"a"}', "operator_set.missing"),
        (b'{"schema":"mlsign/operator-set/v1","name":"a","name":"b","operators":["a:b"]}', "json.duplicate_key"),
        (b"[]", "operator_set.type"),
    ):
        with pytest.raises(InputError) as caught:
            decode_operator_set(data, where="set.json")
        assert caught.value.code == code
    with pytest.raises(InputError) as caught:
        decode_operator_set(json.dumps(GOOD).encode(), limits=Limits(max_policy_bytes=10))
    assert caught.value.code == "json.size"


def test_errors_name_the_place() -> None:
    for where, wanted in (("set.json", "set.json.operators"), ("", "operators")):
        for operators in (["a:b", "a:b"], ["x"]):
            with pytest.raises(InputError) as caught:
                decode_operator_set(json.dumps(GOOD | {"operators": operators}).encode(), where=where)
            assert caught.value.where == wanted


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_sets_are_named_like_their_files(path: Path) -> None:
    found = decode_operator_set(path.read_bytes(), where=path.name)
    assert found.name == path.stem
    assert {operator.domain for operator in found.operators} <= {"ai.onnx", "ai.onnx.ml"}


def test_the_expected_sets_are_shipped() -> None:
    wanted = {"inference-v1", "ml-v1", "quantized-v1", "control-flow-v1", "sequence-v1", "random-v1"}
    assert wanted <= {path.stem for path in SHIPPED}
