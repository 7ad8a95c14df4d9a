"""Shards hashed in the pass that hashes the file: wherever its chunks end, the digests are those of the ranges."""

import hashlib
from itertools import pairwise

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from mlsign.digest import Algorithm
from mlsign.formats.statement import Sharding
from mlsign.package.hashing import ShardHasher, hash_shards

HASHES = {
    Algorithm.SHA256: lambda data: hashlib.sha256(data).digest(),
    Algorithm.BLAKE2B: lambda data: hashlib.blake2b(data).digest(),
    Algorithm.BLAKE3: lambda data: blake3(data).digest(),
}


def expected(data: bytes, sharding: Sharding) -> list[bytes]:
    size = sharding.shard_size
    return [HASHES[sharding.algorithm](data[at : at + size]) for at in range(0, len(data), size)]


@given(
    data=st.binary(max_size=200),
    size=st.integers(1, 60) | st.just(2**53 - 1),
    cuts=st.lists(st.integers(0, 200), max_size=8).map(sorted),
    algorithm=st.sampled_from(Algorithm),
)
def test_chunks_and_shards_have_nothing_to_do_with_each_other(data, size, cuts, algorithm):
    sharding = Sharding(algorithm=algorithm, shard_size=size)
    hasher = ShardHasher(sharding, size=len(data))
    for start, end in pairwise([0, *cuts, 200]):
        hasher.update(memoryview(data[start:end]))
    digests = hasher.digests()
    assert [digest.value for digest in digests] == expected(data, sharding)
    assert {digest.algorithm for digest in digests} <= {algorithm}
    assert [digest.value for digest in hash_shards(memoryview(data), sharding=sharding)] == expected(data, sharding)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_shards_large_enough_for_several_threads(algorithm):
    data = bytes(range(256)) * (33 * 4096)
    sharding = Sharding(algorithm=algorithm, shard_size=32 * 1024 * 1024 + 1)
    assert [d.value for d in hash_shards(memoryview(data), sharding=sharding)] == expected(data, sharding)


def test_an_empty_file_has_no_shard():
    assert hash_shards(memoryview(b""), sharding=Sharding(algorithm=Algorithm.SHA256, shard_size=1)) == ()
