"""The OMS statement: an in-toto Statement v1 whose predicate lists every signed file and its digest.

Follows the OpenSSF Model Signing specification 1.0 (https://github.com/ossf/model-signing-spec) and its
schemas. A statement is decoded from the exact bytes that were signed and never written back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import repeat
from typing import Final

from mlsign.canonical import encode_around, encode_rows, quoted
from mlsign.columns import column, rows_of
from mlsign.digest import Algorithm, Digest, decode_algorithm, decode_hex, decode_hexes
from mlsign.errors import InputError
from mlsign.formats.statement_old import OLD_PREDICATE_TYPE, decode_old_files
from mlsign.formats.statement_parts import (
    SINGLE_FILE,
    AnyResource,
    Names,
    Resource,
    ShardedResource,
    Sharding,
    file_name,
    subject_digest,
)
from mlsign.formats.statement_shards import decode_sharding, decode_shards
from mlsign.limits import DEFAULT, Limits
from mlsign.paths import decode_path, decode_paths, folded_names
from mlsign.strict import Fields, JsonValue, decode_json

__all__ = [
    "ACCEPTED_FORMATS",
    "PREDICATE_TYPE",
    "SINGLE_FILE",
    "STATEMENT_TYPE",
    "Resource",
    "ShardedResource",
    "Sharding",
    "Statement",
    "StatementFormat",
    "build_statement",
    "decode_statement",
    "encode_statement",
    "subject_digest",
]

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"
_SUBJECT_FIELDS: Final = ("name", "digest")
_RESOURCE_FIELDS: Final = ("name", "algorithm", "digest")
"""Subjects and resources may have more fields (the OMS schema, in-toto's ResourceDescriptor), which are not ours to read."""


class StatementFormat(Enum):
    """How a statement says what was signed, by the name that policies use."""

    OMS_1 = "oms-1.0"
    OMS_0_2 = "oms-0.2"
    OMS_1_SHARDS = "oms-1.0-shards"


ACCEPTED_FORMATS: Final = frozenset({StatementFormat.OMS_1})
"""What is read where nobody asked for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a signer vouches for: exactly these files, and nothing under ``ignore_paths``.

    ``subject_digest`` has been recomputed from the resources and agrees with them; where the format has none it is
    computed alone, and ``subject_name`` is empty. ``ignore_paths`` are the signer's words, cleaned of a leading ``./``
    and trailing ``/``; entries that lead out of the folder are dropped because there is nothing of the package behind them.
    """

    subject_name: str
    subject_digest: Digest
    algorithm: Algorithm
    resources: tuple[AnyResource, ...]
    ignore_paths: tuple[str, ...]
    format: StatementFormat = StatementFormat.OMS_1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Serialization:
    algorithm: Algorithm
    ignore_paths: tuple[str, ...]
    sharding: Sharding | None


def decode_statement(
    payload: bytes, *, limits: Limits = DEFAULT, formats: frozenset[StatementFormat] = ACCEPTED_FORMATS
) -> Statement:
    """The statement. Raises ``InputError`` (``json.…``, ``statement.…``, ``integer.…``, ``path.…``, ``digest.…``).

    One in another format than ``formats`` is refused whatever it says (``statement.format``).
    """
    value = decode_json(payload, where="statement", max_bytes=limits.max_bundle_bytes, limits=limits)
    top = Fields(value, where="statement", format_name="statement")
    top.literal("_type", allowed=(STATEMENT_TYPE,))
    if top.literal("predicateType", allowed=(PREDICATE_TYPE, OLD_PREDICATE_TYPE)) == OLD_PREDICATE_TYPE:
        _check_format(StatementFormat.OMS_0_2, formats=formats, where="statement.predicateType")
        statement = _decode_old(top, limits=limits)
    else:
        statement = _decode_signature(top, formats=formats, limits=limits)
    top.done()
    return statement


def _check_format(found: StatementFormat, *, formats: frozenset[StatementFormat], where: str) -> None:
    if found not in formats:
        accepted = ", ".join(sorted(f.value for f in formats))
        raise InputError(
            f"is a statement in the format {found.value}, accepted are {accepted}",
            code="statement.format",
            where=where,
            expected=accepted,
            found=found.value,
            hint=f"ask for a signature in one of these, or list {found.value} under formats in the policy",
        )


def _decode_old(top: Fields, *, limits: Limits) -> Statement:
    resources = decode_old_files(top, limits=limits)
    return Statement(
        subject_name="",
        subject_digest=subject_digest(resources),
        algorithm=Algorithm.SHA256,
        resources=resources,
        ignore_paths=(),
        format=StatementFormat.OMS_0_2,
    )


def _decode_signature(top: Fields, *, formats: frozenset[StatementFormat], limits: Limits) -> Statement:
    """A statement of OMS 1.0, by files or by shards."""
    subjects = top.items("subject", maximum=1, minimum=1)
    subject = Fields(subjects[0][0], where=subjects[0][1], format_name="statement")
    name = subject.text("name")
    # A DigestSet may hold several algorithms; OMS fixes sha256 for the subject, and only that one is read.
    digests = subject.fields("digest")
    claimed = decode_hex(Algorithm.SHA256, digests.text("sha256"), where=f"{digests.where}.sha256")
    digests.done_but_extensible(("sha256",))
    subject.done_but_extensible(_SUBJECT_FIELDS)
    predicate = top.fields("predicate")
    serialization = _decode_serialization(predicate.fields("serialization"), formats=formats)
    sharding = serialization.sharding
    resources: tuple[AnyResource, ...]
    if sharding is None:
        resources = _decode_files(predicate, algorithm=serialization.algorithm, subject_name=name, limits=limits)
    else:
        resources = decode_shards(predicate, sharding=sharding, subject_name=name, limits=limits)
    predicate.done()
    actual = subject_digest(resources)
    if actual != claimed:
        raise InputError(
            f"subject digest is {claimed}, the resources give {actual}",
            code="statement.subject",
            where=f"{subject.where}.digest",
            expected=str(actual),
            found=str(claimed),
        )
    return Statement(
        subject_name=name,
        subject_digest=claimed,
        algorithm=serialization.algorithm,
        resources=resources,
        ignore_paths=serialization.ignore_paths,
        format=StatementFormat.OMS_1 if sharding is None else StatementFormat.OMS_1_SHARDS,
    )


def _decode_serialization(fields: Fields, *, formats: frozenset[StatementFormat]) -> _Serialization:
    in_shards = fields.literal("method", allowed=("files", "shards")) == "shards"
    found = StatementFormat.OMS_1_SHARDS if in_shards else StatementFormat.OMS_1
    _check_format(found, formats=formats, where=f"{fields.where}.method")
    algorithm = decode_algorithm(fields.text("hash_type"), where=f"{fields.where}.hash_type")
    if fields.boolean("allow_symlinks"):
        raise fields.wrong(
            "is true, a package with links can be made to show other bytes", code="symlinks", name="allow_symlinks"
        )
    ignored = fields.texts("ignore_paths", maximum=10_000) if fields.has("ignore_paths") else ()
    sharding = decode_sharding(fields, algorithm=algorithm) if in_shards else None
    fields.done()
    return _Serialization(
        algorithm=algorithm,
        ignore_paths=tuple(clean for path in ignored if (clean := _clean_ignored(path))),
        sharding=sharding,
    )


def _clean_ignored(path: str) -> str:
    """An ignored path as a prefix within the folder, or empty where it cannot lie in it."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if path.startswith("/") or ".." in parts:
        return ""
    # "." or "./" would ignore everything: keep it, so that it is seen to cover the model and refused.
    return "/".join(parts) or "."


def _decode_files(predicate: Fields, *, algorithm: Algorithm, subject_name: str, limits: Limits) -> tuple[Resource, ...]:
    values = predicate.elements("resources", maximum=limits.max_files + 1, minimum=1)
    done = _resources_in_order(values, algorithm=algorithm, limits=limits)
    if done is not None:
        return done
    out: list[Resource] = []
    names = Names()
    for value, where in predicate.numbered("resources", values):
        fields = Fields(value, where=where, format_name="statement")
        name = fields.text("name", maximum=limits.max_path_bytes)
        if len(values) == 1:
            name = file_name(name, subject_name=subject_name, fields=fields)
        path = decode_path(name, where=f"{where}.name", limits=limits)
        if fields.literal("algorithm", allowed=tuple(a.value for a in Algorithm)) != algorithm.value:
            raise fields.wrong("is not the hash_type of the statement", code="algorithm", name="algorithm")
        digest = decode_hex(algorithm, fields.text("digest"), where=f"{where}.digest")
        fields.done_but_extensible(_RESOURCE_FIELDS)
        names.add(path, fields=fields)
        out.append(Resource(path=path, digest=digest))
    return tuple(out)


def _resources_in_order(values: list[JsonValue], *, algorithm: Algorithm, limits: Limits) -> tuple[Resource, ...] | None:
    """The resources, read all at once, or None where something is wrong with one, or more is said of one than we read."""
    rows = rows_of(values, _RESOURCE_FIELDS)
    if rows is None:
        return None
    texts, algorithms, hexes = column(rows, 0, str), column(rows, 1, str), column(rows, 2, str)
    if not (texts and algorithms and hexes) or set(algorithms) != {algorithm.value}:
        return None
    paths, digests = decode_paths(texts, limits=limits), decode_hexes(algorithm, hexes)
    if paths is None or digests is None or len(set(folded_names(paths))) != len(paths):
        return None
    return tuple(map(tuple.__new__, repeat(Resource), zip(paths, digests, strict=True)))


def build_statement(
    *, name: str, algorithm: Algorithm, resources: tuple[Resource, ...], ignore_paths: tuple[str, ...]
) -> Statement:
    """The statement that we sign over these files: resources sorted by name, subject digest computed."""
    ordered = tuple(sorted(resources, key=lambda resource: resource.path))
    return Statement(
        subject_name=name,
        subject_digest=subject_digest(ordered),
        algorithm=algorithm,
        resources=ordered,
        ignore_paths=ignore_paths,
    )


def encode_statement(statement: Statement) -> bytes:
    """The canonical payload bytes. The same files and name always give the same bytes.

    Raises ``InputError`` (``statement.encode``) for a statement in another format than the one that we sign.
    """
    files = [resource for resource in statement.resources if isinstance(resource, Resource)]
    if statement.format is not StatementFormat.OMS_1 or len(files) != len(statement.resources):
        raise InputError(f"is in the format {statement.format.value}, which is only read", code="statement.encode")
    serialization: dict[str, JsonValue] = {
        "method": "files",
        "hash_type": statement.algorithm.value,
        "allow_symlinks": False,
        "ignore_paths": list(statement.ignore_paths),
    }
    predicate = encode_around({"serialization": serialization}, "resources", _encode_files(files))
    top: dict[str, JsonValue] = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": statement.subject_name, "digest": {"sha256": statement.subject_digest.hex}}],
        "predicateType": PREDICATE_TYPE,
    }
    return encode_around(top, "predicate", predicate)


def _encode_files(files: list[Resource]) -> bytes:
    names = quoted(path for path, _ in files)
    rows = ((digest.algorithm.value, digest.hex, name) for (_, digest), name in zip(files, names, strict=True))
    return encode_rows('{"algorithm":"%s","digest":"%s","name":%s}', rows)
