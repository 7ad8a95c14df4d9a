"""The shipped policies are what people copy: they decode, the schema takes them, and they mean what they say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from mlsign.identity import KeyIdentity
from mlsign.interface import OperatorId
from mlsign.policy.decode import PolicyDocument, decode_policy
from mlsign.policy.model import Isolation, KeylessRequirement, ManifestMode, Mode
from mlsign.policy.operator_sets import decode_operator_set

ROOT = Path(__file__).resolve().parents[3]
POLICIES = sorted((ROOT / "policies").glob("*.yaml"))
Key = Callable[[str], KeyIdentity]


def document(path: Path) -> PolicyDocument:
    files = (ROOT / "policies" / "operators").glob("*-v*.json")
    sets = {found.name: found.operators for found in (decode_operator_set(file.read_bytes()) for file in files)}
    return decode_policy(path.read_bytes(), name=path.name, operator_sets=sets)


def test_there_are_three() -> None:
    assert [path.stem for path in POLICIES] == ["baseline", "keyless", "strict"]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_shipped_policy_is_good(path: Path, key: Key) -> None:
    schema = json.loads((ROOT / "schemas" / "policy.v1.schema.json").read_text())
    loaded: Any = YAML(typ="safe", pure=True).load(path.read_text())
    jsonschema.Draft202012Validator(schema).validate(loaded)
    found = document(path)
    assert found.name == path.stem
    policy = found.bind({reference: key(chr(97 + i)) for i, reference in enumerate(found.key_references)})
    assert (policy.mode, policy.manifest) == (Mode.ENFORCE, ManifestMode.REQUIRED)
    assert policy.description
    left = policy.operators.allow - policy.operators.deny
    assert OperatorId("ai.onnx", "Gemm") in left
    assert left.isdisjoint(OperatorId("ai.onnx", name) for name in ("Loop", "Scan", "RandomNormal"))
    assert {operator.domain for operator in left} == {"ai.onnx", "ai.onnx.ml"}
    assert "ai.onnx" in policy.model.opset
    assert policy.model.max_nodes is not None
    assert policy.model.max_parameter_bytes is not None
    assert policy.sandbox.memory_bytes > policy.model.max_parameter_bytes


def test_strict_asks_for_two_reviewers_beside_the_release_and_the_whole_sandbox(key: Key) -> None:
    found = document(ROOT / "policies" / "strict.yaml")
    policy = found.bind({reference: key(chr(97 + i)) for i, reference in enumerate(found.key_references)})
    assert [(group.name, group.require, len(group.any)) for group in policy.signers] == [("release", 1, 1), ("review", 2, 3)]
    assert policy.sandbox.isolation is Isolation.FULL
    assert OperatorId("ai.onnx", "If") in policy.operators.deny
    assert policy.minimum_version is not None


def test_keyless_says_plainly_that_it_cannot_be_met_yet() -> None:
    path = ROOT / "policies" / "keyless.yaml"
    (group,) = document(path).groups
    assert any(isinstance(requirement, KeylessRequirement) for requirement in group.any)
    assert "cannot authenticate" in path.read_text()
