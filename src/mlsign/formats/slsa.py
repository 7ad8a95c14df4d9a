"""SLSA provenance: an in-toto Statement v1 by a build platform about what it built, from what and how.

Follows https://slsa.dev/spec/v1.0/provenance and in-toto's rules for statements: fields that nobody knows are ignored, known
ones have their type. Which build was wanted is for policies to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from mlsign.digest import Algorithm, Digest, decode_hex
from mlsign.errors import InputError
from mlsign.formats.predicate_types import MAX_PROVENANCE_BYTES, PROVENANCE_TYPE
from mlsign.formats.statement import STATEMENT_TYPE
from mlsign.limits import DEFAULT, Limits
from mlsign.strict import Fields, JsonValue, decode_json, encode_json

MAX_SUBJECTS: Final = 4096
MAX_DEPENDENCIES: Final = 10_000
MAX_PARAMETERS: Final = 10_000
_DESCRIPTOR: Final = ("uri", "digest", "name")
_BUILD: Final = ("buildtype", "externalparameters", "internalparameters", "resolveddependencies")

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Something that a build took in. ``digests`` are algorithm and value in hex, in the builder's words."""

    uri: str
    digests: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One value among the external parameters, by the names (and places in lists) that lead to it."""

    path: tuple[str, ...]
    value: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class SlsaProvenance:
    """How something was built, as far as policies ask."""

    builder: str
    build_type: str
    parameters: tuple[Parameter, ...]
    dependencies: tuple[Dependency, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlsaStatement:
    """Provenance and the sha256 of each thing that it is about."""

    subjects: frozenset[Digest]
    provenance: SlsaProvenance


def decode_slsa_statement(payload: bytes, *, limits: Limits = DEFAULT) -> SlsaStatement:
    """The statement. Raises ``InputError`` (``json.…``, ``slsa.…``, ``digest.…``)."""
    value = decode_json(payload, where="statement", max_bytes=MAX_PROVENANCE_BYTES, limits=limits)
    top = Fields(value, where="statement", format_name="slsa")
    top.literal("_type", allowed=(STATEMENT_TYPE,))
    top.literal("predicateType", allowed=(PROVENANCE_TYPE,))
    subjects = [
        digest for item, where in top.items("subject", minimum=1, maximum=MAX_SUBJECTS) for digest in _subject(item, where)
    ]
    provenance = _decode_predicate(top.fields("predicate"))
    top.done_but_extensible(("_type", "predicatetype", "subject", "predicate"))
    return SlsaStatement(subjects=frozenset(subjects), provenance=provenance)


def decode_slsa_predicate(data: bytes, *, limits: Limits = DEFAULT) -> SlsaProvenance:
    """A predicate on its own, as people write one to have it signed. Raises as ``decode_slsa_statement`` does."""
    return _decode_predicate(Fields(_predicate_value(data, limits=limits), where="", format_name="slsa"))


def encode_slsa_statement(data: bytes, *, name: str, digest: Digest, limits: Limits = DEFAULT) -> bytes:
    """The payload that says the predicate in ``data``, with everything in it, of the package with this subject digest."""
    predicate = _predicate_value(data, limits=limits)
    payload = encode_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": digest.hex}}],
            "predicateType": PROVENANCE_TYPE,
            "predicate": predicate,
        }
    )
    decode_slsa_statement(payload, limits=limits)  # what nobody could read is not signed
    return payload


def _predicate_value(data: bytes, *, limits: Limits) -> JsonValue:
    value = decode_json(data, where="", max_bytes=MAX_PROVENANCE_BYTES, limits=limits)
    if isinstance(value, dict) and "predicateType" in value:
        raise InputError(
            "is a whole statement, expected the predicate alone",
            code="slsa.predicate",
            expected="an object with buildDefinition and runDetails",
            hint="take what stands under predicate in it; who it is about follows from the package",
        )
    return value


def _subject(item: JsonValue, where: str) -> tuple[Digest, ...]:
    fields = Fields(item, where=where, format_name="slsa")
    digests = dict(_digests(fields))
    _check_text(fields, "name")
    fields.done_but_extensible(_DESCRIPTOR)
    if not digests:
        raise fields.wrong("has no digest, so it is about nothing", code="subject", name="digest")
    return (decode_hex(Algorithm.SHA256, digests["sha256"], where=f"{where}.digest.sha256"),) if "sha256" in digests else ()


def _digests(fields: Fields) -> tuple[tuple[str, str], ...]:
    if not fields.has("digest"):
        return ()
    out: list[tuple[str, str]] = []
    for key, value, where in fields.entries("digest", maximum=16):
        if not isinstance(value, str) or not 0 < len(value) <= 256:
            raise InputError("is no digest in hex", code="slsa.type", where=where)
        out.append((key, value))
    return tuple(out)


def _check_text(fields: Fields, *names: str) -> None:
    for name in names:
        fields.optional(name, lambda field: fields.text(field, empty=True))


def _check_object(fields: Fields, name: str) -> None:
    if fields.has(name):
        fields.fields(name)


def _decode_predicate(predicate: Fields) -> SlsaProvenance:
    build = predicate.fields("buildDefinition")
    run = predicate.fields("runDetails")
    build_type = build.text("buildType")
    external = build.take("externalParameters")
    if not isinstance(external, dict):
        raise build.wrong("is not an object", code="type", name="externalParameters")
    parameters = tuple(_leaves(external, build))
    _check_object(build, "internalParameters")
    dependencies: tuple[Dependency, ...] = ()
    if build.has("resolvedDependencies"):
        items = build.items("resolvedDependencies", maximum=MAX_DEPENDENCIES)
        dependencies = tuple(_dependency(item, where) for item, where in items)
    build.done_but_extensible(_BUILD)
    builder = _decode_run(run)
    predicate.done_but_extensible(("builddefinition", "rundetails"))
    return SlsaProvenance(builder=builder, build_type=build_type, parameters=parameters, dependencies=dependencies)


def _decode_run(run: Fields) -> str:
    builder = run.fields("builder")
    found = builder.text("id")
    _check_object(builder, "version")
    if builder.has("builderDependencies"):
        builder.items("builderDependencies", maximum=MAX_DEPENDENCIES)
    builder.done_but_extensible(("id", "version", "builderdependencies"))
    if run.has("metadata"):
        metadata = run.fields("metadata")
        _check_text(metadata, "invocationId", "startedOn", "finishedOn")
        metadata.done_but_extensible(("invocationid", "startedon", "finishedon"))
    if run.has("byproducts"):
        run.items("byproducts", maximum=MAX_DEPENDENCIES)
    run.done_but_extensible(("builder", "metadata", "byproducts"))
    return found


def _dependency(item: JsonValue, where: str) -> Dependency:
    fields = Fields(item, where=where, format_name="slsa")
    digests = _digests(fields)
    uri = fields.text("uri", empty=True) if fields.has("uri") else ""
    _check_text(fields, "name")
    fields.done_but_extensible(_DESCRIPTOR)
    return Dependency(uri=uri, digests=digests)


def _leaves(value: JsonValue, build: Fields) -> Iterator[Parameter]:
    """Every value that is neither an object nor a list; depth is bounded by the reader."""
    stack: list[tuple[tuple[str, ...], JsonValue]] = [((), value)]
    found = 0
    while stack:
        path, item = stack.pop()
        if isinstance(item, dict):
            stack.extend(((*path, key), inner) for key, inner in item.items())
        elif isinstance(item, list):
            stack.extend(((*path, str(index)), inner) for index, inner in enumerate(item))
        else:
            found += 1
            if found > MAX_PARAMETERS:
                raise build.wrong(f"has more than {MAX_PARAMETERS} values", code="length", name="externalParameters")
            yield Parameter(path=path, value=item)
