"""A policy, and evidence of a package that it allows; tests change one thing at a time."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import MappingProxyType

import pytest

from mlsign.digest import Algorithm, Digest
from mlsign.evidence.record import Evidence, SignatureRecord, Standing
from mlsign.formats.manifest import FileEntry, Manifest, ModelFacts, Role
from mlsign.identity import KeyIdentity, Method
from mlsign.interface import OperatorId, OperatorUse, OpsetImport
from mlsign.onnx.summary import ModelSummary, RunBounds
from mlsign.paths import PackagePath
from mlsign.policy.decoding.policy import decode_policy
from mlsign.policy.decoding.signers import Bindings
from mlsign.policy.model import Hazard, Policy
from mlsign.version import decode_version

SETS = MappingProxyType(
    {
        "inference-v1": frozenset({OperatorId("ai.onnx", "Gemm"), OperatorId("ai.onnx", "Relu")}),
        "ml-v1": frozenset({OperatorId("ai.onnx.ml", "Scaler")}),
        "control-flow-v1": frozenset({OperatorId("ai.onnx", "Loop"), OperatorId("ai.onnx", "If")}),
    }
)

HAZARDS = MappingProxyType(
    {
        OperatorId("com.microsoft", "EPContext"): frozenset({Hazard.READS_FILES, Hazard.HOLDS_COMPILED_PROGRAM}),
        OperatorId("ai.onnx.contrib", "*"): frozenset({Hazard.RUNS_CODE}),
    }
)

TEXT = """\
apiVersion: mlsign/v1
kind: Policy
name: production
description: for tests
manifest: required
signers:
  - name: release
    require: 1
    any:
      - key: keys/a.pub
      - key: keys/b.pub
digests: [sha256, blake3]
operators:
  allow: [inference-v1, "ai.onnx:Add"]
  deny: ["ai.onnx:Loop"]
  custom_domains: deny
model:
  opset: {ai.onnx: ">=13,<=24"}
  max_nodes: 100
  max_parameter_bytes: 1KiB
  external_data: packaged
  run: {max_bytes: 1MiB, max_steps: 100, max_operations: 1000, open_dimension: 8, unknown_sizes: deny, unknown_turns: allow}
  limits: {nodes: 1000, name_bytes: 1KiB}
versions: {minimum: 1.2.0}
revoked:
  - {digest: "sha256:DIGEST", reason: bad labels}
mode: enforce
sandbox: {memory: 2GiB, cpu: 10s, wall: 15s, threads: 2, isolation: available}
unsigned_files: [model.sig]
""".replace("DIGEST", "ee" * 32)


def digest_of(letter: str) -> Digest:
    return Digest(algorithm=Algorithm.SHA256, value=letter.encode() * 32)


def key_of(letter: str) -> KeyIdentity:
    return KeyIdentity(spki=digest_of(letter), kind="EC P-256")


def record_of(letter: str, *, bundle: str = "") -> SignatureRecord:
    return SignatureRecord(
        bundle=bundle or f"signatures/{letter}.json",
        method=Method.KEY,
        standing=Standing.COUNTED,
        identity=key_of(letter),
        times=(),
        algorithms=frozenset({Algorithm.SHA256}),
        reasons=(),
    )


@pytest.fixture
def sets() -> MappingProxyType[str, frozenset[OperatorId]]:
    return SETS


@pytest.fixture
def hazards() -> MappingProxyType[OperatorId, frozenset[Hazard]]:
    return HAZARDS


@pytest.fixture
def text() -> str:
    return TEXT


@pytest.fixture
def key() -> Callable[[str], KeyIdentity]:
    return key_of


@pytest.fixture
def record() -> Callable[..., SignatureRecord]:
    return record_of


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def policy() -> Policy:
    document = decode_policy(TEXT.encode(), name="policy.yaml", operator_sets=SETS, hazards=HAZARDS)
    return document.bind(Bindings(keys={"keys/a.pub": key_of("a"), "keys/b.pub": key_of("b")}))


@pytest.fixture
def evidence() -> Evidence:
    gemm, relu = OperatorId("ai.onnx", "Gemm"), OperatorId("ai.onnx", "Relu")
    uses = (OperatorUse(gemm, 2), OperatorUse(relu, 1))
    opsets = (OpsetImport("ai.onnx", 17),)
    facts = ModelFacts(
        path=PackagePath("model.onnx"),
        ir_version=8,
        opsets=opsets,
        inputs=(),
        outputs=(),
        operators=uses,
        functions=(),
        parameter_count=4,
        parameter_bytes=16,
    )
    files = (
        FileEntry(path=PackagePath("model.onnx"), size=99, digest=digest_of("m"), role=Role.MODEL),
        FileEntry(path=PackagePath("w/model.data"), size=16, digest=digest_of("w"), role=Role.WEIGHTS),
    )
    manifest = Manifest(
        name="fraud",
        version=decode_version("1.2.0"),
        license=None,
        description=None,
        model=facts,
        allowed_operators=(gemm, relu),
        files=files,
        algorithm=Algorithm.SHA256,
        golden=(),
        provenance=None,
    )
    summary = ModelSummary(
        ir_version=8,
        producer_name="",
        producer_version="",
        opsets=opsets,
        operators=uses,
        functions=(),
        function_calls=(),
        inputs=(),
        outputs=(),
        node_count=3,
        graph_count=1,
        graph_depth=1,
        parameter_count=4,
        parameter_bytes=16,
        external=(),
        metadata_keys=(),
        problems=(),
        bounds=RunBounds(
            peak_bytes=500, largest_bytes=400, largest="graph.node[0]", steps=3, operations=40, open_dimension=32, unknown=()
        ),
    )
    return Evidence(
        digest=digest_of("s"),
        digests=frozenset({digest_of("s"), digest_of("m"), digest_of("w")}),
        manifest=manifest,
        summary=summary,
        signatures=(record_of("a"),),
        findings=(),
        unverified=(),
    )
