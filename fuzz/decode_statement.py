"""Fuzz target: the signed payload. Only ``InputError`` may escape, and what decodes is sound whoever signed it."""

import hashlib
import random
from typing import Any

from json_tree import STRINGS, Object, bent
from oracles import check_refusal, plain_json

from mlsign.errors import InputError
from mlsign.formats.statement import (
    Resource,
    ShardedResource,
    Statement,
    StatementFormat,
    decode_statement,
    encode_statement,
    subject_digest,
)
from mlsign.limits import Limits

FIELDS = (
    *(
        "_type",
        "algorithm",
        "allow_symlinks",
        "annotations",
        "digest",
        "hash_type",
        "ignore_paths",
        "method",
        "name",
        "predicate",
    ),
    *(
        "predicateType",
        "resources",
        "serialization",
        "sha256",
        "sha512",
        "shard_size",
        "shards",
        "subject",
        "Name",
        "DIGEST",
        "uri",
        "actual_hash_algorithm",
        "unused",
    ),
)
VALUES = (
    "https://in-toto.io/Statement/v1",
    "https://model_signing/signature/v1.0",
    "files",
    "signatures",
    ".git",
    "./a/",
    "././",
    "shards",
    "https://model_signing/Digests/v0.1",
    "file-sha256",
    "sha256-sharded-10",
    "a:0:10",
    "a:10:13",
    "a:0:0",
    ".:0:10",
    "a:-1:9",
    "a:0:9223372036854775808",
)
WORDS = tuple(f'"{word}"'.encode() for word in (*FIELDS, *VALUES, *STRINGS) if word.isascii() and word.isprintable())
TIGHT = Limits(max_bundle_bytes=1024, max_files=3, max_path_bytes=32, max_path_depth=2, max_json_depth=5, max_json_values=60)


EVERY = frozenset(StatementFormat)


def decoded(data: bytes, *, limits: Limits = Limits(), formats: frozenset[StatementFormat] = EVERY) -> Statement | None:  # noqa: B008
    try:
        return decode_statement(data, limits=limits, formats=formats)
    except InputError as err:
        check_refusal(err)
        return None


def check(data: bytes) -> None:
    """Decodes ``data`` as a statement; what mlsign would write for it decodes to the same value."""
    statement = decoded(data)
    tight = decoded(data, limits=TIGHT)
    if statement is None:
        assert tight is None
        return
    assert tight in (None, statement)
    # Whoever accepts one format only reads the same, or nothing.
    for accepted in StatementFormat:
        assert decoded(data, formats=frozenset({accepted})) == (statement if accepted is statement.format else None)
    given = plain_json(data)
    if statement.format is StatementFormat.OMS_1_SHARDS:
        check_shards(statement, given["predicate"])
    elif statement.format is StatementFormat.OMS_0_2:
        check_old(statement, given)
    else:
        check_files(statement, given["predicate"]["resources"])
    assert len({resource.path.folded for resource in statement.resources}) == len(statement.resources)
    assert statement.subject_digest == subject_digest(statement.resources)
    for resource in statement.resources:
        assert ".." not in resource.path.parts
        assert not resource.path.text.startswith("/")
        assert ":" not in resource.path.text
        assert {digest.algorithm for digest in resource.digests} == {statement.algorithm}
    for path in statement.ignore_paths:
        assert path
        assert not path.startswith("/")
        assert ".." not in path.split("/")


def check_files(statement: Statement, given: list[Any]) -> None:
    files = [resource for resource in statement.resources if isinstance(resource, Resource)]
    assert len(files) == len(statement.resources)
    assert [(file.digest.algorithm.value, file.digest.hex) for file in files] == [
        (item["algorithm"], item["digest"]) for item in given
    ]
    names = [file.path.text for file in files]
    assert names in ([item["name"] for item in given], [statement.subject_name])
    written = encode_statement(statement)
    assert decode_statement(written) == statement
    assert encode_statement(decode_statement(written)) == written


def check_shards(statement: Statement, predicate: Any) -> None:
    """Spells the shards of every file again: what was read is what is written there, and no byte is in none."""
    size = predicate["serialization"]["shard_size"]
    again = []
    for file in statement.resources:
        assert isinstance(file, ShardedResource)
        assert size == file.sharding.shard_size > 0
        assert (len(file.digests) - 1) * file.sharding.shard_size < file.size <= len(file.digests) * file.sharding.shard_size
        for index, digest in enumerate(file.digests):
            start = index * file.sharding.shard_size
            end = min(start + file.sharding.shard_size, file.size)
            again.append(
                (f"{file.path}:{start}:{end}", f"{statement.algorithm.value}-sharded-{file.sharding.shard_size}", digest.hex)
            )
    names = [item["name"] for item in predicate["resources"]]
    if names[0].startswith(".:"):
        names = [f"{statement.subject_name}{name.removeprefix('.')}" for name in names]
    assert again == [(name, item["algorithm"], item["digest"]) for name, item in zip(names, predicate["resources"], strict=True)]


def check_old(statement: Statement, given: Any) -> None:
    assert (statement.subject_name, statement.ignore_paths) == ("", ())
    assert [(str(file.path), file.digests[0].hex) for file in statement.resources] == [
        (item["name"], item["digest"]["sha256"]) for item in given["subject"]
    ]
    assert set(given["predicate"]) == {"unused"}


def spelled(serialization: Any) -> Any:
    """The algorithm that resources name under this serialization."""
    algorithm, size = serialization.get("hash_type"), serialization.get("shard_size")
    if serialization.get("method") != "shards" or not isinstance(size, (int, float)) or not 0 < size < 2**53:
        return algorithm
    return f"{algorithm}-sharded-{int(size)}"


def settle(tree: Any, rng: random.Random) -> None:
    """Mostly lets every resource name the algorithm of the statement, and the subject have their digest."""
    predicate = tree.get("predicate") if isinstance(tree, Object) else None
    resources = predicate.get("resources") if isinstance(predicate, Object) else None
    if not isinstance(resources, list):
        return
    serialization = predicate.get("serialization")
    if rng.random() < 0.5 and isinstance(serialization, Object):
        for resource in resources:
            if isinstance(resource, Object):
                resource.put("algorithm", spelled(serialization))
                if serialization.get("hash_type") == "blake2b" and isinstance(resource.get("digest"), str):
                    resource.put("digest", (resource.get("digest") * 2)[:128])
    try:
        total = hashlib.sha256(b"".join(bytes.fromhex(resource.get("digest")) for resource in resources)).hexdigest()
    except (AttributeError, TypeError, ValueError):
        return
    subjects = tree.get("subject")
    for subject in subjects if isinstance(subjects, list) else ():
        digest = subject.get("digest") if isinstance(subject, Object) else None
        if isinstance(digest, Object) and rng.random() < 0.9:
            digest.put("sha256", total)


def mutate(data: bytes, rng: random.Random) -> bytes:
    return bent(data, rng, words=(*FIELDS, *VALUES, *STRINGS), settle=settle)


if __name__ == "__main__":
    from engine import fuzz

    fuzz("statement")
