"""Digests and paths are a tuple and a string underneath, and are copied and sent to other processes as any value."""

import copy
import pickle
from dataclasses import asdict

import pytest

from mlsign.digest import Algorithm, Digest, sha256
from mlsign.errors import InputError
from mlsign.formats.manifest import FileEntry, Role
from mlsign.identity import KeyIdentity
from mlsign.paths import PackagePath

DIGEST = sha256(b"x")


@pytest.mark.parametrize(
    "value", [DIGEST, PackagePath("a/b"), FileEntry(path=PackagePath("a/b"), size=1, digest=DIGEST, role=Role.OTHER)]
)
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])  # noqa: S301 - our own
def test_a_copy_is_the_same_and_of_the_same_type(value, again):
    assert again(value) == value
    assert type(again(value)) is type(value)


def test_a_value_with_a_digest_becomes_a_dictionary():
    assert asdict(KeyIdentity(spki=DIGEST, kind="p256"))["spki"] == DIGEST


def test_a_digest_of_another_length_is_none_however_it_is_made():
    for made in (lambda: Digest(algorithm=Algorithm.BLAKE2B, value=b"x" * 32), lambda: Digest(Algorithm.SHA256, b"x" * 33)):
        with pytest.raises(InputError, match=r"has (64|32) bytes"):
            made()
