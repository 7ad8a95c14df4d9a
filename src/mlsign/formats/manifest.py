"""The manifest, ``mlsign.json``: what a release says about itself, and is signed with it.

Canonical JSON (RFC 8785); the schema for people and editors is ``schemas/manifest.v1.schema.json`` and this
decoder is the law: unknown, repeated and missing fields, and any other spelling of the same values, are
refused, so ``encode_manifest(decode_manifest(b)) == b``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mlsign.digest import Algorithm, Digest, decode_algorithm, decode_hex
from mlsign.errors import InputError, shown
from mlsign.interface import OperatorId, OperatorUse, OpsetImport, TypeSpec, ValueKind, ValueSpec, decode_operator
from mlsign.limits import DEFAULT, Limits
from mlsign.paths import MANIFEST_NAME, SIGNATURES_NAME, PackagePath, decode_path
from mlsign.strict import Fields, JsonValue, decode_json, encode_json

SCHEMA: Final = "mlsign/manifest/v1"
ROLES: Final = ("model", "weights", "golden", "document", "other")
ELEMENTS: Final = frozenset(
    "float uint8 int8 uint16 int16 int32 int64 string bool float16 double uint32 uint64 complex64 complex128 bfloat16 "
    "float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz uint4 int4 float4e2m1 float8e8m0 uint2 int2".split()
)
"""Element types of ONNX tensors, in lower case (``TensorProto.DataType``)."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_NUMBER: Final = r"(0|[1-9][0-9]{0,8})"
_PRE: Final = r"(?:0|[1-9][0-9]{0,17}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER: Final = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_PRE}(?:\.{_PRE})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?", re.ASCII
)
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Version:
    """A version after SemVer 2.0.0 (https://semver.org). Ordered by ``key``, where build metadata does not count."""

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def key(self) -> tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]:
        """Sorts as section 11 of SemVer says: a pre-release before its release, numbers before words."""
        match = _SEMVER.fullmatch(self.text)
        assert match is not None  # noqa: S101 - only decode_version makes a Version
        pre = match.group(4)
        parts = tuple(
            (not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in (pre.split(".") if pre else ())
        )
        return int(match.group(1)), int(match.group(2)), int(match.group(3)), pre is None, parts


def decode_version(text: str, *, where: str = "") -> Version:
    """A SemVer 2 version. Raises ``InputError`` (``version.spelling``)."""
    if len(text) > 128 or not _SEMVER.fullmatch(text):
        raise InputError(
            f"{shown(text)} is not a version, write it as 1.2.0 or 1.2.0-rc.1",
            code="version.spelling",
            where=where,
            found=shown(text),
        )
    return Version(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of the package. ``role`` is one of ``ROLES``."""

    path: PackagePath
    size: int
    digest: Digest
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What the release says is in the model; held against the model itself when it is verified."""

    path: PackagePath
    ir_version: int
    opsets: tuple[OpsetImport, ...]
    inputs: tuple[ValueSpec, ...]
    outputs: tuple[ValueSpec, ...]
    operators: tuple[OperatorUse, ...]
    functions: tuple[OperatorId, ...]
    parameter_count: int
    parameter_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSet:
    """A folder of test data in ONNX's layout, and how near an answer must come (``rtol``, ``atol``)."""

    path: PackagePath
    rtol: float
    atol: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """A reference to data that the model was trained on, with a digest where one is known."""

    uri: str
    digest: Digest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where the model comes from, in the words of whoever packed it. ``time`` is RFC 3339 in UTC, seconds."""

    source_repository: str | None = None
    source_commit: str | None = None
    builder: str | None = None
    training_data: tuple[TrainingData, ...] = ()
    tools: MappingProxyType[str, str] = MappingProxyType({})
    time: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A release of a model. ``files`` lists everything but the manifest itself and ``signatures/``."""

    name: str
    version: Version
    license: str | None
    description: str | None
    model: ModelFacts
    allowed_operators: tuple[OperatorId, ...]
    files: tuple[FileEntry, ...]
    algorithm: Algorithm
    golden: tuple[GoldenSet, ...]
    provenance: Provenance | None
