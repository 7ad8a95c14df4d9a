"""Whatever evidence is made of comes back as it was written: values are drawn by the declared types themselves."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from random import Random
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from jsonschema import Draft202012Validator
from making import plain_facts

from mlsign.digest import Algorithm, Digest
from mlsign.evidence.codec import IDENTITIES, types_of
from mlsign.formats.manifest import FileEntry, Manifest, Role
from mlsign.identity import Identity
from mlsign.interface import OperatorId
from mlsign.paths import PackagePath, decode_path
from mlsign.policy.recorded import SCHEMA, Recording, decode_recording, encode_recording
from mlsign.strict import MAX_SAFE_INTEGER
from mlsign.version import Version, decode_version

TEXTS = ("", "x", "ai.onnx", "9007199254740993", "ключ", 'a"b\\c', "\u2028\n\t\x00", "😀" * 3, "null")
NUMBERS = (0, 1, -1, 7, MAX_SAFE_INTEGER, MAX_SAFE_INTEGER + 1, -(MAX_SAFE_INTEGER + 2), 1 << 128)


def manifest(rng: Random) -> Manifest:
    path = decode_path("model.onnx")
    facts = plain_facts(path)
    digest = Digest(algorithm=Algorithm.SHA256, value=bytes([rng.randrange(256)]) * 32)
    return Manifest(
        name="fraud",
        version=decode_version("1.0.0"),
        license=None,
        description=rng.choice((None, "what it does")),
        model=facts,
        allowed_operators=(OperatorId("ai.onnx", "Gemm"),),
        files=(FileEntry(path=path, size=1, digest=digest, role=Role.MODEL),),
        algorithm=Algorithm.SHA256,
        golden=(),
        provenance=None,
    )


PLAIN = {
    NoneType: lambda _: None,
    str: lambda rng: rng.choice(TEXTS),
    bool: lambda rng: rng.random() < 0.5,
    int: lambda rng: rng.choice(NUMBERS),
    float: lambda rng: rng.choice((0.5, -1e300, 1e-9, 3.0)),
    datetime: lambda rng: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=rng.choice((0, 1, 10**13))),
    Digest: lambda rng: Digest(algorithm=Algorithm.SHA256, value=bytes([rng.randrange(256)]) * 32),
    Version: lambda rng: decode_version(rng.choice(("1.2.0", "1.0.0-rc.1+build"))),
    PackagePath: lambda rng: decode_path(rng.choice(("model.onnx", "a/b"))),
    Manifest: manifest,
}


def drawn(kind: Any, rng: Random, depth: int = 0) -> Any:
    """A value of a declared type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return None if NoneType in arguments and depth > 8 else drawn(rng.choice(arguments), rng, depth)
    if origin in (tuple, frozenset):
        return origin(drawn(arguments[0], rng, depth + 1) for _ in range(0 if depth > 8 else rng.choice((0, 1, 3))))
    if origin is not None:
        return MappingProxyType({f"key{i}": drawn(arguments[1], rng, depth + 1) for i in range(rng.choice((0, 2)))})
    if kind is Identity:
        return drawn(rng.choice(list(IDENTITIES.values())), rng, depth)
    if kind in PLAIN:
        return PLAIN[kind](rng)
    if issubclass(kind, Enum):
        return rng.choice(list(kind))
    hints = types_of(kind)
    return kind(**{field.name: drawn(hints[field.name], rng, depth + 1) for field in fields(kind)})


def recording(seed: int) -> Recording:
    return replace(drawn(Recording, Random(seed)), schema=SCHEMA)  # noqa: S311 - a seed that repeats is the point


@pytest.mark.parametrize("seed", range(150))
def test_a_record_comes_back_as_it_was_written(seed: int) -> None:
    value = recording(seed)
    data = encode_recording(value)
    assert decode_recording(data, where="record") == value
    assert encode_recording(decode_recording(data, where="record")) == data


def test_equal_evidence_has_one_spelling() -> None:
    assert encode_recording(recording(3)) == encode_recording(recording(3))
    assert len({encode_recording(recording(seed)) for seed in range(50)}) == 50


def test_the_schema_takes_what_is_written() -> None:
    schema = json.loads((Path(__file__).resolve().parents[2] / "schemas" / "evidence.v1.schema.json").read_text())
    validator = Draft202012Validator(schema)
    for seed in range(60):
        value = json.loads(encode_recording(recording(seed)))
        validator.validate(value)
        value["evidence"]["surprise"] = 1
        assert not validator.is_valid(value)
