"""Content against statements that list shards."""

from dataclasses import replace

import pytest

from mlsign.compare.content import Observed, compare_with_statement, is_same, wanted_shards
from mlsign.digest import Algorithm, sha256
from mlsign.formats.statement import (
    Resource,
    ShardedResource,
    Sharding,
    Statement,
    StatementFormat,
    subject_digest,
)
from mlsign.paths import PackagePath

TEN = Sharding(algorithm=Algorithm.SHA256, shard_size=10)
A, B = PackagePath("a"), PackagePath("b")
DATA = bytes(range(25))


def cut(data: bytes, size: int = 10) -> tuple:
    return tuple(sha256(data[at : at + size]) for at in range(0, len(data), size))


def sharded(path: PackagePath, data: bytes = DATA, sharding: Sharding = TEN) -> ShardedResource:
    return ShardedResource(path=path, size=len(data), sharding=sharding, digests=cut(data, sharding.shard_size))


def seen(data: bytes, *shardings: Sharding) -> Observed:
    shards = {sharding: cut(data, sharding.shard_size) for sharding in shardings}
    return Observed(size=len(data), digests={Algorithm.SHA256: sha256(data)}, shards=shards)


def statement(*resources: Resource | ShardedResource) -> Statement:
    return Statement(
        subject_name="n",
        subject_digest=subject_digest(resources),
        algorithm=Algorithm.SHA256,
        resources=resources,
        ignore_paths=(),
        format=StatementFormat.OMS_1_SHARDS,
    )


def test_the_same_bytes_are_the_same():
    assert compare_with_statement(statement(sharded(A), sharded(B, b"x")), {A: seen(DATA, TEN), B: seen(b"x", TEN)}) == ()


OTHER = DATA[:12] + b"!" + DATA[13:]


@pytest.mark.parametrize(
    ("content", "expected", "found"),
    [
        (seen(OTHER, TEN), f"{sha256(DATA[10:20])} for bytes 10 to 20", str(sha256(OTHER[10:20]))),
        (seen(DATA[:-1] + b"!", TEN), f"{sha256(DATA[20:])} for bytes 20 to 25", str(sha256(DATA[20:24] + b"!"))),
        (seen(DATA + b"!"), "25 bytes", "26 bytes"),
        (seen(DATA + b"!", TEN), "25 bytes", "26 bytes"),
        (seen(DATA[:-1], TEN), "25 bytes", "24 bytes"),
        (seen(b""), "25 bytes", "0 bytes"),
        (seen(DATA), "3 shards", "no digest"),
        (seen(DATA, Sharding(algorithm=Algorithm.SHA256, shard_size=11)), "3 shards", "no digest"),
        (seen(DATA, Sharding(algorithm=Algorithm.BLAKE3, shard_size=10)), "3 shards", "no digest"),
        (Observed(size=25, digests={}), "3 shards", "no digest"),
    ],
)
def test_other_bytes_and_what_was_not_hashed_are_not(content, expected, found):
    (finding,) = compare_with_statement(statement(sharded(A)), {A: content})
    assert (finding.code, finding.where, finding.expected, finding.found) == ("MLS101", "a", expected, found)


def test_whole_files_are_not_known_by_their_shards():
    resource = Resource(path=A, digest=sha256(DATA))
    assert is_same(resource, seen(DATA, TEN))
    assert not is_same(resource, seen(DATA, TEN)._replace(digests={}))
    (finding,) = compare_with_statement(statement(resource), {A: seen(OTHER, TEN)})
    assert (finding.expected, finding.found) == (str(sha256(DATA)), str(sha256(OTHER)))


def test_an_empty_file_is_extra():
    (finding,) = compare_with_statement(statement(sharded(A)), {A: seen(DATA, TEN), B: seen(b"")})
    assert (finding.code, finding.where) == ("MLS103", "b")


def test_what_is_wanted_is_what_statements_list_with_its_size():
    eleven = Sharding(algorithm=Algorithm.BLAKE3, shard_size=11)
    one, two = statement(sharded(A), sharded(B, b"x")), statement(sharded(A, DATA[:5]), Resource(path=B, digest=sha256(b"x")))
    three = statement(replace(sharded(A), sharding=eleven))
    assert wanted_shards((one, two, three)) == {A: {(TEN, 25), (TEN, 5), (eleven, 25)}, B: {(TEN, 1)}}
    assert wanted_shards(()) == {}
