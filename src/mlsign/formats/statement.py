"""The OMS statement: an in-toto Statement v1 whose predicate lists every signed file and its digest.

Follows the OpenSSF Model Signing specification 1.0 (https://github.com/ossf/model-signing-spec) and its
schemas. A statement is decoded from the exact bytes that were signed and never written back.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from mlsign.digest import Algorithm, Digest, decode_algorithm, decode_hex
from mlsign.errors import InputError, shown
from mlsign.limits import DEFAULT, Limits
from mlsign.paths import PackagePath, decode_path
from mlsign.strict import Fields, decode_json, encode_json

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"
_SUBJECT_FIELDS: Final = ("name", "digest")
_RESOURCE_FIELDS: Final = ("name", "algorithm", "digest")
"""Subjects and resources may have more fields (the OMS schema, in-toto's ResourceDescriptor), which are not ours to read."""
SINGLE_FILE: Final = "."
"""The resource name that early OMS signers gave to a model that is one file; the subject then names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One signed file."""

    path: PackagePath
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a signer vouches for: exactly these files, and nothing under ``ignore_paths``.

    ``subject_digest`` has been recomputed from the resources and agrees with them. ``ignore_paths`` are the
    signer's words, cleaned of a leading ``./`` and trailing ``/``; entries that lead out of the folder are
    dropped because there is nothing of the package behind them.
    """

    subject_name: str
    subject_digest: Digest
    algorithm: Algorithm
    resources: tuple[Resource, ...]
    ignore_paths: tuple[str, ...]


def decode_statement(payload: bytes, *, limits: Limits = DEFAULT) -> Statement:
    """The statement. Raises ``InputError`` (``json.…``, ``statement.…``, ``path.…``, ``digest.…``)."""
    value = decode_json(payload, where="statement", max_bytes=limits.max_bundle_bytes, limits=limits)
    top = Fields(value, where="statement", format_name="statement")
    top.literal("_type", allowed=(STATEMENT_TYPE,))
    top.literal("predicateType", allowed=(PREDICATE_TYPE,))
    subjects = top.items("subject", maximum=1, minimum=1)
    subject = Fields(subjects[0][0], where=subjects[0][1], format_name="statement")
    name = subject.text("name")
    # A DigestSet may hold several algorithms; OMS fixes sha256 for the subject, and only that one is read.
    digests = subject.fields("digest")
    claimed = decode_hex(Algorithm.SHA256, digests.text("sha256"), where=f"{digests.where}.sha256")
    digests.done_but_extensible(("sha256",))
    subject.done_but_extensible(_SUBJECT_FIELDS)
    predicate = top.fields("predicate")
    algorithm, ignored = _decode_serialization(predicate.fields("serialization"))
    resources = _decode_resources(predicate, algorithm=algorithm, subject_name=name, limits=limits)
    predicate.done()
    top.done()
    actual = subject_digest(resources)
    if actual != claimed:
        raise InputError(
            f"subject digest is {claimed}, the resources give {actual}",
            code="statement.subject",
            where=f"{subject.where}.digest",
            expected=str(actual),
            found=str(claimed),
        )
    return Statement(subject_name=name, subject_digest=claimed, algorithm=algorithm, resources=resources, ignore_paths=ignored)


def _decode_serialization(fields: Fields) -> tuple[Algorithm, tuple[str, ...]]:
    method = fields.literal("method", allowed=("files", "shards"))
    if method == "shards":
        raise fields.wrong("is shards, this version reads whole files only", code="shards", name="method", found=method)
    algorithm = decode_algorithm(fields.text("hash_type"), where=f"{fields.where}.hash_type")
    if fields.boolean("allow_symlinks"):
        raise fields.wrong(
            "is true, a package with links can be made to show other bytes", code="symlinks", name="allow_symlinks"
        )
    ignored = fields.texts("ignore_paths", maximum=10_000) if fields.has("ignore_paths") else ()
    fields.done()
    return algorithm, tuple(clean for path in ignored if (clean := _clean_ignored(path)))


def _clean_ignored(path: str) -> str:
    """An ignored path as a prefix within the folder, or empty where it cannot lie in it."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if path.startswith("/") or ".." in parts:
        return ""
    # "." or "./" would ignore everything: keep it, so that it is seen to cover the model and refused.
    return "/".join(parts) or "."


def _decode_resources(predicate: Fields, *, algorithm: Algorithm, subject_name: str, limits: Limits) -> tuple[Resource, ...]:
    out: list[Resource] = []
    seen: dict[str, str] = {}
    items = predicate.items("resources", maximum=limits.max_files + 1, minimum=1)
    for value, where in items:
        fields = Fields(value, where=where, format_name="statement")
        name = fields.text("name", maximum=limits.max_path_bytes)
        if name == SINGLE_FILE and len(items) == 1:
            name = subject_name
            if "/" in name:
                raise fields.wrong("is one file, but the subject is no file name", code="single", name="name", found=name)
        path = decode_path(name, where=f"{where}.name", limits=limits)
        if fields.literal("algorithm", allowed=tuple(a.value for a in Algorithm)) != algorithm.value:
            raise fields.wrong("is not the hash_type of the statement", code="algorithm", name="algorithm")
        digest = decode_hex(algorithm, fields.text("digest"), where=f"{where}.digest")
        fields.done_but_extensible(_RESOURCE_FIELDS)
        if path.folded in seen:
            other = shown(seen[path.folded])
            raise fields.wrong(f"{shown(name)} and {other} are one file on some systems", code="duplicate", found=name)
        seen[path.folded] = path.text
        out.append(Resource(path=path, digest=digest))
    return tuple(out)


def subject_digest(resources: tuple[Resource, ...]) -> Digest:
    """sha256 over the concatenated raw resource digests, in the order of the statement (OMS 1.0)."""
    total = hashlib.sha256()
    for resource in resources:
        total.update(resource.digest.value)
    return Digest(algorithm=Algorithm.SHA256, value=total.digest())


def build_statement(
    *, name: str, algorithm: Algorithm, resources: tuple[Resource, ...], ignore_paths: tuple[str, ...]
) -> Statement:
    """The statement that we sign over these files: resources sorted by name, subject digest computed."""
    ordered = tuple(sorted(resources, key=lambda r: r.path))
    return Statement(
        subject_name=name,
        subject_digest=subject_digest(ordered),
        algorithm=algorithm,
        resources=ordered,
        ignore_paths=ignore_paths,
    )


def encode_statement(statement: Statement) -> bytes:
    """The canonical payload bytes. The same files and name always give the same bytes."""
    return encode_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": statement.subject_name, "digest": {"sha256": statement.subject_digest.hex}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "resources": [
                    {"name": str(r.path), "algorithm": r.digest.algorithm.value, "digest": r.digest.hex}
                    for r in statement.resources
                ],
                "serialization": {
                    "method": "files",
                    "hash_type": statement.algorithm.value,
                    "allow_symlinks": False,
                    "ignore_paths": list(statement.ignore_paths),
                },
            },
        }
    )
