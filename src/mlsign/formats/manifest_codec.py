"""``mlsign.json`` to a ``Manifest`` and back; see ``formats/manifest.py`` for what the fields mean.

The decoder is the law, ``schemas/manifest.v1.schema.json`` its description for editors. The bytes must be
the canonical spelling (RFC 8785) of what they say, so ``encode_manifest(decode_manifest(b)) == b`` and
nothing in a signed manifest can be read in two ways.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from datetime import datetime
from types import MappingProxyType
from typing import Final

from mlsign.canonical import encode_around
from mlsign.digest import Algorithm, decode_algorithm, decode_digest
from mlsign.errors import InputError, shown
from mlsign.formats.manifest import (
    SCHEMA,
    GoldenInputs,
    GoldenSet,
    MadeBy,
    Manifest,
    ModelFacts,
    Provenance,
    TrainingData,
)
from mlsign.formats.manifest_files import check_files, decode_files, encode_files
from mlsign.formats.manifest_previous import decode_previous, encode_previous
from mlsign.interface import OperatorId, OperatorUse, OpsetImport, TypeSpec, ValueKind, ValueSpec
from mlsign.limits import DEFAULT, Limits
from mlsign.paths import MANIFEST_NAME, decode_path
from mlsign.strict import MAX_SAFE_INTEGER, Fields, JsonValue, decode_json
from mlsign.version import decode_version

ELEMENTS: Final = frozenset(
    {"float", "double", "float16", "bfloat16", "bool", "string", "complex64", "complex128"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (2, 4, 8, 16, 32, 64)}
    | {"float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float8e8m0", "float6e2m3", "float6e3m2", "float4e2m1"}
)
"""Element types of ONNX tensors, in lower case (``TensorProto.DataType``)."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}", re.ASCII)
_MAX_OPERATORS: Final = 100_000
_MAX_VALUES: Final = 100_000
_MAX_NAME: Final = 65_536
_MAX_TEXT: Final = 65_536


def decode_name(text: str, *, where: str = "name") -> str:
    """A package name: letters, digits, ``.``, ``_`` and ``-``. Raises ``InputError`` (``manifest.name``)."""
    if not _NAME.fullmatch(text):
        raise InputError(
            f"{shown(text)} is not a package name, use up to 128 letters, digits, dots, dashes and underscores",
            code="manifest.name",
            where=where,
            found=shown(text),
        )
    return text


def decode_time(text: str, *, where: str = "time") -> str:
    """A time in UTC as ``2026-01-31T12:00:00Z``. Raises ``InputError`` (``manifest.time``)."""
    with suppress(ValueError):  # no such day, or no such hour
        if _TIME.fullmatch(text):
            datetime.fromisoformat(text)
            return text
    raise InputError(
        f"{shown(text)} is not a time, write it in UTC as 2026-01-31T12:00:00Z",
        code="manifest.time",
        where=where,
        found=shown(text),
    )


def decode_manifest(data: bytes, *, limits: Limits = DEFAULT) -> Manifest:
    """The manifest, exactly. Raises ``InputError`` (``json.…``, ``manifest.…``, ``path.…``, ``digest.…``)."""
    value = decode_json(data, where=MANIFEST_NAME, max_bytes=limits.max_manifest_bytes, limits=limits)
    top = Fields(value, where="", format_name="manifest")
    top.literal("schema", allowed=(SCHEMA,))
    algorithm = decode_algorithm(top.text("digest"), where="digest")
    if algorithm is Algorithm.BLAKE2B:
        raise top.wrong("is blake2b, expected sha256 or blake3", code="value", name="digest", found="blake2b")
    version = decode_version(top.text("version"), where="version")
    manifest = Manifest(
        name=decode_name(top.text("name")),
        version=version,
        license=top.optional("license", top.text),
        description=top.optional("description", lambda name: top.text(name, maximum=_MAX_TEXT)),
        model=_decode_model(top.fields("model"), limits=limits),
        allowed_operators=_decode_allowed(top),
        files=decode_files(top, algorithm=algorithm, limits=limits),
        algorithm=algorithm,
        golden=_decode_golden(top, limits=limits) if top.has("golden") else (),
        provenance=decode_provenance(top.fields("provenance")) if top.has("provenance") else None,
        previous=decode_previous(top.fields("previous"), version=version) if top.has("previous") else None,
    )
    top.done()
    check_files(manifest)
    if encode_manifest(manifest) != data:
        raise InputError(
            "is not in canonical form (RFC 8785, lists sorted)",
            code="manifest.canonical",
            where=MANIFEST_NAME,
            hint="pack the model again; a manifest is never edited by hand",
        )
    return manifest


def _decode_model(model: Fields, *, limits: Limits) -> ModelFacts:
    model.literal("format", allowed=("onnx",))
    facts = ModelFacts(
        path=decode_path(model.text("path"), where="model.path", limits=limits),
        ir_version=model.integer("ir_version", maximum=2**31),
        opsets=model.each("opset_imports", _decode_opset, maximum=_MAX_OPERATORS),
        inputs=model.each("inputs", _decode_value, maximum=_MAX_VALUES),
        outputs=model.each("outputs", _decode_value, maximum=_MAX_VALUES),
        operators=model.each("operators", _decode_use, maximum=_MAX_OPERATORS),
        functions=model.each("functions", _decode_operator, maximum=_MAX_OPERATORS),
        parameter_count=model.integer("parameter_count"),
        parameter_bytes=model.integer("parameter_bytes"),
    )
    model.done()
    return facts


def _decode_opset(item: Fields) -> OpsetImport:
    return OpsetImport(item.text("domain", maximum=_MAX_NAME), item.integer("version"))


def _decode_operator(item: Fields) -> OperatorId:
    return OperatorId(item.text("domain", maximum=_MAX_NAME), item.text("name", maximum=_MAX_NAME))


def _decode_use(item: Fields) -> OperatorUse:
    return OperatorUse(_decode_operator(item), item.integer("count", minimum=1))


def _decode_value(item: Fields) -> ValueSpec:
    return ValueSpec(name=item.text("name", maximum=_MAX_NAME), type=_decode_type(item.fields("type")))


def _decode_type(item: Fields) -> TypeSpec:
    kind = ValueKind(item.literal("kind", allowed=tuple(k.value for k in ValueKind)))
    element, shape, inner = "", None, None
    if kind in (ValueKind.TENSOR, ValueKind.SPARSE_TENSOR):
        element = item.literal("element", allowed=tuple(sorted(ELEMENTS)))
        shape = _decode_shape(item) if item.has("shape") else None
    else:
        if kind is ValueKind.MAP:
            element = item.literal("element", allowed=tuple(sorted(ELEMENTS)))
        # Nesting is bounded by the depth that decode_json allows.
        inner = _decode_type(item.fields("inner"))
    item.done()
    return TypeSpec(kind=kind, element=element, shape=shape, inner=inner)


def _decode_shape(item: Fields) -> tuple[int | str | None, ...]:
    dims: list[int | str | None] = []
    for dim, where in item.items("shape", maximum=1024):
        if (
            dim is None
            or (type(dim) is int and 0 <= dim <= MAX_SAFE_INTEGER)
            or (isinstance(dim, str) and 0 < len(dim) <= _MAX_NAME)
        ):
            dims.append(dim)
        else:
            raise InputError(
                f"is {shown(dim)}, expected a size, a symbol or null", code="manifest.shape", where=where, found=shown(dim)
            )
    return tuple(dims)


def _decode_allowed(top: Fields) -> tuple[OperatorId, ...]:
    allowed: list[OperatorId] = []
    domains = top.fields("allowed_operators")
    for domain in domains.rest():
        allowed.extend(OperatorId(domain, name) for name in domains.texts(domain, maximum=_MAX_OPERATORS, length=_MAX_NAME))
    return tuple(allowed)


def _decode_golden(top: Fields, *, limits: Limits) -> tuple[GoldenSet, ...]:
    def golden(item: Fields) -> GoldenSet:
        return GoldenSet(
            path=decode_path(item.text("path"), where=f"{item.where}.path", limits=limits),
            rtol=item.number("rtol", maximum=1.0),
            atol=item.number("atol"),
            made_by=item.optional("made_by", lambda name: _decode_made_by(item.fields(name))),
        )

    sets = top.each("golden", golden, maximum=limits.max_files, minimum=1)
    if twice := next((path for path, count in Counter(found.path for found in sets).items() if count > 1), None):
        # With two tolerances for one set it would be for each reader to choose which to hold answers to.
        raise top.wrong(f"lists {shown(twice)} twice", code="golden", name="golden", found=twice)
    return sets


def _decode_made_by(item: Fields) -> MadeBy:
    made_by = MadeBy(
        runtime=item.text("runtime"),
        version=item.text("version"),
        platform=item.text("platform"),
        inputs=GoldenInputs(item.literal("inputs", allowed=tuple(i.value for i in GoldenInputs))),
    )
    item.done()
    return made_by


def decode_provenance(item: Fields) -> Provenance:
    """Provenance from its JSON object, as in the manifest and in ``pack --provenance FILE``."""

    def data(entry: Fields) -> TrainingData:
        digest = entry.optional("digest", entry.text)
        return TrainingData(
            uri=entry.text("uri"), digest=None if digest is None else decode_digest(digest, where=f"{entry.where}.digest")
        )

    commit = item.optional("source_commit", item.text)
    if commit is not None and not _COMMIT.fullmatch(commit):
        raise item.wrong(f"{shown(commit)} is not a commit hash in hex", code="commit", name="source_commit", found=commit)
    time = item.optional("time", item.text)
    tools: dict[str, str] = {}
    if item.has("tools"):
        table = item.fields("tools")
        tools = {name: table.text(name) for name in table.rest()}
    provenance = Provenance(
        source_repository=item.optional("source_repository", item.text),
        source_commit=commit,
        builder=item.optional("builder", item.text),
        training_data=item.each("training_data", data, maximum=10_000, minimum=1) if item.has("training_data") else (),
        tools=MappingProxyType(tools),
        time=None if time is None else decode_time(time, where=f"{item.where}.time"),
    )
    item.done()
    return provenance


def _encode_type(spec: TypeSpec) -> JsonValue:
    out: dict[str, JsonValue] = {"kind": spec.kind.value}
    if spec.element:
        out["element"] = spec.element
    if spec.shape is not None:
        out["shape"] = list(spec.shape)
    if spec.inner is not None:
        out["inner"] = _encode_type(spec.inner)
    return out


def _encode_value(value: ValueSpec) -> JsonValue:
    return {"name": value.name, "type": _encode_type(value.type)}


def _encode_operator(operator: OperatorId) -> dict[str, JsonValue]:
    return {"domain": operator.domain, "name": operator.name}


def _encode_golden(golden: GoldenSet) -> JsonValue:
    out: dict[str, JsonValue] = {"path": str(golden.path), "rtol": golden.rtol, "atol": golden.atol}
    if (made := golden.made_by) is not None:
        out["made_by"] = {
            "runtime": made.runtime,
            "version": made.version,
            "platform": made.platform,
            "inputs": made.inputs.value,
        }
    return out


def _encode_provenance(provenance: Provenance) -> JsonValue:
    out: dict[str, JsonValue] = {
        name: value
        for name, value in (
            ("source_repository", provenance.source_repository),
            ("source_commit", provenance.source_commit),
            ("builder", provenance.builder),
            ("time", provenance.time),
        )
        if value is not None
    }
    if provenance.training_data:
        data: list[JsonValue] = []
        for item in provenance.training_data:
            entry: dict[str, JsonValue] = {"uri": item.uri}
            if item.digest is not None:
                entry["digest"] = str(item.digest)
            data.append(entry)
        out["training_data"] = data
    if provenance.tools:
        out["tools"] = dict(provenance.tools)
    return out


def encode_manifest(manifest: Manifest) -> bytes:
    """The canonical bytes; lists without an order of their own are sorted and repeat nothing: equal releases, equal bytes."""
    model = manifest.model
    allowed: dict[str, JsonValue] = {}
    for operator in sorted(set(manifest.allowed_operators)):
        names = allowed.setdefault(operator.domain, [])
        assert isinstance(names, list)  # noqa: S101 - narrows the type of what the line above put there
        names.append(operator.name)
    out: dict[str, JsonValue] = {
        "schema": SCHEMA,
        "name": manifest.name,
        "version": manifest.version.text,
        "model": {
            "path": str(model.path),
            "format": "onnx",
            "ir_version": model.ir_version,
            "opset_imports": [{"domain": o.domain, "version": o.version} for o in sorted(set(model.opsets))],
            "inputs": [_encode_value(value) for value in model.inputs],
            "outputs": [_encode_value(value) for value in model.outputs],
            "operators": [_encode_operator(use.operator) | {"count": use.count} for use in sorted(set(model.operators))],
            "functions": [_encode_operator(function) for function in sorted(set(model.functions))],
            "parameter_count": model.parameter_count,
            "parameter_bytes": model.parameter_bytes,
        },
        "allowed_operators": allowed,
        "digest": manifest.algorithm.value,
    }
    if manifest.license is not None:
        out["license"] = manifest.license
    if manifest.description is not None:
        out["description"] = manifest.description
    if manifest.golden:
        out["golden"] = [_encode_golden(g) for g in sorted(set(manifest.golden), key=lambda g: g.path)]
    if manifest.provenance is not None:
        out["provenance"] = _encode_provenance(manifest.provenance)
    if manifest.previous is not None:
        out["previous"] = encode_previous(manifest.previous)
    return encode_around(out, "files", encode_files(manifest.files))
