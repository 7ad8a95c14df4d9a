"""Fuzz target: the signed payload. Only ``InputError`` may escape, and what decodes is sound whoever signed it."""

import hashlib
import random
from typing import Any

from json_tree import STRINGS, Object, bent
from oracles import check_refusal, plain_json

from mlsign.errors import InputError
from mlsign.formats.statement import Statement, decode_statement, encode_statement, subject_digest
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
)
WORDS = tuple(f'"{word}"'.encode() for word in (*FIELDS, *VALUES, *STRINGS) if word.isascii() and word.isprintable())
TIGHT = Limits(max_bundle_bytes=1024, max_files=3, max_path_bytes=32, max_path_depth=2, max_json_depth=5, max_json_values=60)


def decoded(data: bytes, *, limits: Limits) -> Statement | None:
    try:
        return decode_statement(data, limits=limits)
    except InputError as err:
        check_refusal(err)
        return None


def check(data: bytes) -> None:
    """Decodes ``data`` as a statement; what mlsign would write for it decodes to the same value."""
    statement = decoded(data, limits=Limits())
    tight = decoded(data, limits=TIGHT)
    if statement is None:
        assert tight is None
        return
    assert tight in (None, statement)
    given = plain_json(data)["predicate"]["resources"]
    assert [(resource.digest.algorithm.value, resource.digest.hex) for resource in statement.resources] == [
        (item["algorithm"], item["digest"]) for item in given
    ]
    names = [resource.path.text for resource in statement.resources]
    assert names in ([item["name"] for item in given], [statement.subject_name])
    assert len({resource.path.folded for resource in statement.resources}) == len(statement.resources)
    assert statement.subject_digest == subject_digest(statement.resources)
    for resource in statement.resources:
        assert ".." not in resource.path.parts
        assert not resource.path.text.startswith("/")
        assert resource.digest.algorithm is statement.algorithm
    for path in statement.ignore_paths:
        assert path
        assert not path.startswith("/")
        assert ".." not in path.split("/")
    written = encode_statement(statement)
    assert decode_statement(written) == statement
    assert encode_statement(decode_statement(written)) == written


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
                resource.put("algorithm", serialization.get("hash_type"))
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
