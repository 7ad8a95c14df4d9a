"""The manifest, ``mlsign.json``: what a release says about itself, and is signed with it.

Canonical JSON (RFC 8785); the schema for people and editors is ``schemas/manifest.v1.schema.json`` and this
decoder is the law: unknown, repeated and missing fields, and any other spelling of the same values, are
refused, so ``encode_manifest(decode_manifest(b)) == b``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

from mlsign.digest import Algorithm, Digest
from mlsign.interface import OperatorId, OperatorUse, OpsetImport, ValueSpec
from mlsign.paths import PackagePath
from mlsign.version import Version

SCHEMA: Final = "mlsign/manifest/v1"


class Role(Enum):
    """What a file is for. Only ``MODEL`` and ``WEIGHTS`` are ever loaded."""

    MODEL = "model"
    WEIGHTS = "weights"
    GOLDEN = "golden"
    DOCUMENT = "document"
    OTHER = "other"


class FileEntry(NamedTuple):
    """One file of the package; ``size`` in bytes. A tuple, since there are hundreds of thousands."""

    path: PackagePath
    size: int
    digest: Digest
    role: Role


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


class GoldenInputs(Enum):
    """Where the inputs of a set come from whose outputs were computed while packing."""

    GIVEN = "given"
    DRAWN = "drawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeBy:
    """What computed the expected outputs of a set from its inputs while the model was packed.

    ``platform`` is spelled as container images spell it: ``linux/amd64``.
    """

    runtime: str
    version: str
    platform: str
    inputs: GoldenInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSet:
    """A folder of test data in ONNX's layout, and how near an answer must come (``rtol``, ``atol``).

    ``made_by`` is None for expected outputs that were given.
    """

    path: PackagePath
    rtol: float
    atol: float
    made_by: MadeBy | None = None


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
    tools: MappingProxyType[str, str] = field(default_factory=lambda: MappingProxyType({}))
    time: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """The release of the same model that this one comes after: its version, and the digest that signatures over it are about.

    That digest is over the manifest of that release as well, which names the one before it, and so on to the first.
    """

    version: Version
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A release of a model. ``files`` lists everything but the manifest itself and ``signatures/``. ``previous`` is None for a
    first release, and where nobody recorded one.
    """

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
    previous: Previous | None = None
