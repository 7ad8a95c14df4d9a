"""What tests are made of: a small model, keys, packages, policies, and statements signed by whoever a test likes."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import rfc8785
from blake3 import blake3
from onnx import TensorProto, helper, numpy_helper

from mlsign.actions.golden.request import GoldenCheck, GoldenRequest
from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.signing.sign import sign
from mlsign.formats.bundle import Bundle, decode_bundle, encode_bundle
from mlsign.formats.manifest import ModelFacts
from mlsign.paths import PackagePath
from mlsign.signers.key import KeySigner, decode_private_key, generate_key
from mlsign.signers.key_types import KeyType

WEIGHTS = np.arange(12, dtype=np.float32).reshape(4, 3) / 10
BIAS = np.array([0.5, -0.25, 0.125], dtype=np.float32)
INPUT = np.array([[1, 2, 3, 4], [0, 1, 0, -1]], dtype=np.float32)

UNCHECKED = GoldenRequest(check=GoldenCheck.NEVER)
"""Golden data as it is, right or wrong, and no worker started for it."""


@dataclass(frozen=True)
class Pair:
    """A key in every form that a test may want."""

    private: bytes
    public: bytes
    signer: KeySigner


def make_key(kind: KeyType = KeyType.P256, *, password: bytes | None = None) -> Pair:
    private, public, _ = generate_key(kind, password=password)
    signer = decode_private_key(private, where="key", ask_password=lambda: password or b"")
    return Pair(private=private, public=public, signer=signer)


class Meanwhile:
    """Signs as a key does, after something has happened: services and people take their time."""

    material = None

    def __init__(self, pair: Pair, happen: Callable[[], object]) -> None:
        self.inner, self.happen = pair.signer, happen
        self.identity, self.trust = pair.signer.identity, pair.signer.trust

    def sign(self, payload: bytes) -> Bundle:
        self.happen()
        return self.inner.sign(payload)


def linear_model(*, scale: float = 1.0, operator: str = "Gemm") -> onnx.ModelProto:
    """``y = x W + b``, checked by onnx itself."""
    if operator == "Gemm":
        nodes = [helper.make_node("Gemm", ["x", "W", "b"], ["y"])]
    else:
        nodes = [helper.make_node("Gemm", ["x", "W", "b"], ["h"]), helper.make_node(operator, ["h"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(WEIGHTS * np.float32(scale), "W"), numpy_helper.from_array(BIAS, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="tests")
    onnx.checker.check_model(model, full_check=True)
    return model


def write_model(path: Path, *, external: str | None = None, scale: float = 1.0, operator: str = "Gemm") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    model = linear_model(scale=scale, operator=operator)
    if external is None:
        path.write_bytes(model.SerializeToString())
    else:
        onnx.save(model, path, save_as_external_data=True, location=external, size_threshold=0)
    return path


def write_golden(folder: Path, *, rows: int = len(INPUT)) -> Path:
    taken = INPUT[:rows]
    data_set = folder / "test_data_set_0"
    data_set.mkdir(parents=True)
    (data_set / "input_0.pb").write_bytes(numpy_helper.from_array(taken, "x").SerializeToString())
    (data_set / "output_0.pb").write_bytes(numpy_helper.from_array(taken @ WEIGHTS + BIAS, "y").SerializeToString())
    return data_set


PROVENANCE = {
    "source_repository": "https://example.com/acme/fraud",
    "source_commit": "0123456789abcdef0123456789abcdef01234567",
    "builder": "https://example.com/builders/1",
    "training_data": [{"uri": "s3://data/train.parquet", "digest": "sha256:" + "ab" * 32}],
    "tools": {"scikit-learn": "1.9"},
    "time": "2026-01-31T12:00:00Z",
}


def make_package(folder: Path, *, name: str = "fraud-1.2.0", signers: Iterable[Pair] = (), scale: float = 1.0, **more) -> Path:
    """A package with everything in it, signed by ``signers``."""
    source = folder / f"{name}.source"
    model = write_model(source / "fraud.onnx", external="fraud.onnx.data", scale=scale)
    (source / "MODEL_CARD.md").write_text("# Fraud\nIt finds fraud.\n")
    (source / "provenance.json").write_text(json.dumps(PROVENANCE))
    request = {
        "license": "Apache-2.0",
        "description": "finds fraud",
        "golden": (write_golden(source),),
        "golden_request": UNCHECKED,
        "provenance": source / "provenance.json",
        "include": (source / "MODEL_CARD.md",),
    } | more
    package = pack(PackRequest(model=model, output=folder / name, **request)).path
    for pair in signers:
        sign(package, pair.signer)
    return package


def write_policy(
    folder: Path,
    groups: dict[str, tuple[int, list[bytes]]],
    *,
    name: str = "policy.yaml",
    manifest: str = "required",
    digests: str = "[sha256, blake3]",
    allow: str = "[inference-v1, ml-v1]",
    rest: str = "",
) -> Path:
    """A policy file with its keys beside it; ``groups`` are name: (require, public keys)."""
    (folder / "keys").mkdir(parents=True, exist_ok=True)
    lines = ["apiVersion: mlsign/v1", "kind: Policy", "name: tests", f"manifest: {manifest}", "signers:"]
    for group, (require, keys) in groups.items():
        lines += [f"  - name: {group}", f"    require: {require}", "    any:"]
        for number, key in enumerate(keys):
            (folder / "keys" / f"{group}-{number}.pub").write_bytes(key)
            lines.append(f"      - key: keys/{group}-{number}.pub")
    lines += [f"digests: {digests}", "operators:", f"  allow: {allow}"]
    path = folder / name
    path.write_text("\n".join(lines) + "\n" + rest)
    return path


def plain_facts(path: PackagePath, *, parameters: int = 1) -> ModelFacts:
    """What a manifest says of a model that has so many parameters of four bytes and nothing else."""
    return ModelFacts(
        path=path,
        ir_version=8,
        opsets=(),
        inputs=(),
        outputs=(),
        operators=(),
        functions=(),
        parameter_count=parameters,
        parameter_bytes=4 * parameters,
    )


def digest_hex(algorithm: str, data: bytes) -> str:
    return blake3(data).hexdigest() if algorithm == "blake3" else hashlib.new(algorithm, data).hexdigest()


def canonical(value: object) -> bytes:
    return rfc8785.dumps(value)


def subject_of(resources: list[dict]) -> str:
    return hashlib.sha256(b"".join(bytes.fromhex(r["digest"]) for r in resources)).hexdigest()


def statement_over(
    package: Path, *, algorithm: str = "sha256", leave_out: Iterable[str] = (), ignore: Iterable[str] = ()
) -> dict:
    """A true statement about what lies in the folder now, written by hand and not by mlsign."""
    names = sorted(p.relative_to(package).as_posix() for p in package.rglob("*") if p.is_file())
    resources = [
        {"name": n, "algorithm": algorithm, "digest": digest_hex(algorithm, (package / n).read_bytes())}
        for n in names
        if not n.startswith("signatures/") and n not in set(leave_out)
    ]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "fraud-1.2.0", "digest": {"sha256": subject_of(resources)}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "resources": resources,
            "serialization": {
                "method": "files",
                "hash_type": algorithm,
                "allow_symlinks": False,
                "ignore_paths": ["signatures", *ignore],
            },
        },
    }


def put_signatures(package: Path, payload: bytes, signers: Iterable[Pair], *, keep: bool = False) -> None:
    """Genuine signatures over any bytes, in place of those that are there."""
    folder = package / "signatures"
    folder.mkdir(exist_ok=True)
    if not keep:
        for old in folder.iterdir():
            old.unlink()
    for pair in signers:
        data = encode_bundle(pair.signer.sign(payload))
        (folder / f"sha256-{hashlib.sha256(data).hexdigest()}.sigstore.json").write_bytes(data)


def resign(package: Path, signers: Iterable[Pair], edit: Callable[[dict], object] | None = None, **how) -> None:
    """Genuine signatures over the folder as it is now, or over what ``edit`` makes of the statement."""
    statement = statement_over(package, **how)
    if edit is not None:
        edit(statement)
    put_signatures(package, canonical(statement), signers)


def bundle_of(package: Path, pair: Pair) -> Path:
    """The bundle of one signer."""
    for path in sorted((package / "signatures").iterdir()):
        if decode_bundle(path.read_bytes()).key_hint == pair.signer.public.hint:
            return path
    raise AssertionError("no bundle by this key")
