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
from mlsign.limits import DEFAULT
from mlsign.policy.decoding.policy import PolicyDocument, decode_policy
from mlsign.policy.decoding.signers import Bindings
from mlsign.policy.freshness import LogDemand
from mlsign.policy.hazards import decode_hazards
from mlsign.policy.model import Isolation, ManifestMode, Mode, Unbounded
from mlsign.policy.operator_sets import decode_operator_set
from mlsign.policy.requirements import KeylessRequirement

ROOT = Path(__file__).resolve().parents[3]
GRADIENT = OperatorId("ai.onnx.preview.training", "Gradient")
POLICIES = sorted((ROOT / "policies").glob("*.yaml"))
Key = Callable[[str], KeyIdentity]


def document(path: Path) -> PolicyDocument:
    files = (ROOT / "policies" / "operators").glob("*-v*.json")
    sets = {found.name: found.operators for found in (decode_operator_set(file.read_bytes()) for file in files)}
    hazards = decode_hazards((ROOT / "policies" / "operators" / "properties.json").read_bytes())
    return decode_policy(path.read_bytes(), name=path.name, operator_sets=sets, hazards=hazards)


def test_there_are_three() -> None:
    assert [path.stem for path in POLICIES] == ["baseline", "keyless", "strict"]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_shipped_policy_is_good(path: Path, key: Key) -> None:
    schema = json.loads((ROOT / "schemas" / "policy.v1.schema.json").read_text())
    loaded: Any = YAML(typ="safe", pure=True).load(path.read_text())
    jsonschema.Draft202012Validator(schema).validate(loaded)
    found = document(path)
    assert found.unbound.name == path.stem
    policy = found.bind(Bindings(keys={reference: key(chr(97 + i)) for i, reference in enumerate(found.key_references)}))
    assert (policy.mode, policy.manifest) == (Mode.ENFORCE, ManifestMode.REQUIRED)
    assert policy.description
    left = policy.operators.allow - policy.operators.deny
    assert OperatorId("ai.onnx", "Gemm") in left
    assert left.isdisjoint(OperatorId("ai.onnx", name) for name in ("RandomNormal", "Multinomial", "ImageDecoder"))
    assert left.isdisjoint(policy.operators.hazards)
    assert not policy.operators.allowed_domains
    assert {operator for operator in left if operator.domain not in {"ai.onnx", "ai.onnx.ml"}} <= {GRADIENT}
    assert "ai.onnx" in policy.model.opset
    assert policy.model.max_nodes is not None
    assert policy.model.max_parameter_bytes is not None
    run = policy.model.run
    assert policy.sandbox.memory_bytes > policy.model.max_parameter_bytes + run.max_bytes
    assert (run.unknown_sizes, run.unknown_turns) == (Unbounded.DENY, Unbounded.DENY)
    # Each limit is tighter than the program's own, or it would be there for nothing.
    assert policy.model.limits
    assert all(value < getattr(DEFAULT, name) for name, value in policy.model.limits.items())
    assert policy.model.limits["max_nodes"] >= policy.model.max_nodes


def test_keyless_differs_from_baseline_in_its_signers_alone() -> None:
    keyless, baseline = (document(ROOT / "policies" / f"{name}.yaml").unbound for name in ("keyless", "baseline"))
    assert (keyless.operators, keyless.model, keyless.sandbox) == (baseline.operators, baseline.model, baseline.sandbox)
    assert (keyless.manifest, keyless.digests, keyless.mode) == (baseline.manifest, baseline.digests, baseline.mode)


def test_strict_is_tighter_than_baseline_in_everything() -> None:
    strict, baseline = (document(ROOT / "policies" / f"{name}.yaml").unbound for name in ("strict", "baseline"))
    assert strict.operators.allow - strict.operators.deny < baseline.operators.allow - baseline.operators.deny
    run, loose = strict.model.run, baseline.model.run
    assert (run.max_bytes, run.max_steps, run.max_operations) < (loose.max_bytes, loose.max_steps, loose.max_operations)
    assert run.max_steps < loose.max_steps
    assert run.max_operations < loose.max_operations
    assert run.open_dimension >= loose.open_dimension
    assert strict.model.limits.keys() >= baseline.model.limits.keys()
    assert all(strict.model.limits[name] <= value for name, value in baseline.model.limits.items())
    assert strict.sandbox.memory_bytes < baseline.sandbox.memory_bytes


def test_strict_asks_for_two_reviewers_beside_the_release_and_the_whole_sandbox(key: Key) -> None:
    found = document(ROOT / "policies" / "strict.yaml")
    policy = found.bind(Bindings(keys={reference: key(chr(97 + i)) for i, reference in enumerate(found.key_references)}))
    assert [(group.name, group.require, len(group.any)) for group in policy.signers] == [("release", 1, 1), ("review", 2, 3)]
    assert policy.sandbox.isolation is Isolation.FULL
    assert policy.operators.deny >= {OperatorId("ai.onnx", name) for name in ("If", "Loop", "Scan", "RandomNormal")}
    assert policy.minimum_version is not None


def test_keyless_pins_the_workflow_and_asks_for_the_log() -> None:
    found = document(ROOT / "policies" / "keyless.yaml")
    (group,) = found.groups
    (requirement,) = group.any
    assert isinstance(requirement, KeylessRequirement)
    assert {name for name, _ in requirement.claims} == {"source_repository", "runner_environment", "trigger"}
    base = "https://github.com/acme/fraud-model/.github/workflows/release.yml@refs/"
    assert requirement.subject.matches(base + "tags/v1.2.0")
    assert not any(map(requirement.subject.matches, (base + "heads/v1", base + "tags/v1/x", base + "tags/v1\n", "")))
    assert found.unbound.freshness.transparency.log is LogDemand.REQUIRED
