"""Fuzz target: SLSA provenance. Only ``InputError`` may escape, and what is read is what the document says."""

import random
from typing import Any

from json_tree import STRINGS, bent
from oracles import check_refusal, plain_json

from mlsign.errors import InputError
from mlsign.formats.predicate_types import PredicateType, claimed_predicate
from mlsign.formats.slsa import SlsaStatement, decode_slsa_statement
from mlsign.limits import Limits

FIELDS = (
    *("_type", "predicateType", "subject", "predicate", "name", "digest", "sha256", "uri", "buildDefinition", "runDetails"),
    *("buildType", "externalParameters", "internalParameters", "resolvedDependencies", "builder", "id", "version", "metadata"),
    *("builderDependencies", "invocationId", "startedOn", "finishedOn", "byproducts", "gitCommit", "workflow", "ref"),
)
VALUES = ("https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1", "ab" * 32, "ab" * 20)
WORDS = tuple(f'"{word}"'.encode() for word in (*FIELDS, *VALUES, *STRINGS) if word.isascii() and word.isprintable())
TIGHT = Limits(max_json_depth=6, max_json_values=40)


def decoded(data: bytes, *, limits: Limits) -> SlsaStatement | None:
    try:
        return decode_slsa_statement(data, limits=limits)
    except InputError as err:
        check_refusal(err)
        return None


def leaves(value: Any) -> int:
    """Values that are neither objects nor lists."""
    if isinstance(value, dict):
        return sum(map(leaves, value.values()))
    return sum(map(leaves, value)) if isinstance(value, list) else 1


def check(data: bytes) -> None:
    """Decodes ``data`` as a statement, with wide and with tight limits, and holds it against another reader of JSON."""
    claimed = claimed_predicate(data) is PredicateType.PROVENANCE
    statement = decoded(data, limits=Limits())
    assert decoded(data, limits=TIGHT) in (None, statement)
    if statement is None:
        return
    assert claimed  # what the decoder takes is never left to another one
    given = plain_json(data)
    build = given["predicate"]["buildDefinition"]
    assert statement.provenance.builder == given["predicate"]["runDetails"]["builder"]["id"]
    assert statement.provenance.build_type == build["buildType"]
    assert [d.uri for d in statement.provenance.dependencies] == [d.get("uri", "") for d in build.get("resolvedDependencies", [])]
    assert {d.hex for d in statement.subjects} == {s["digest"]["sha256"] for s in given["subject"] if "sha256" in s["digest"]}
    assert len(statement.provenance.parameters) == leaves(build["externalParameters"])
    assert len({p.path for p in statement.provenance.parameters}) == len(statement.provenance.parameters)


def mutate(data: bytes, rng: random.Random) -> bytes:
    return bent(data, rng, words=(*FIELDS, *VALUES, *STRINGS))


if __name__ == "__main__":
    from engine import fuzz

    fuzz("provenance")
