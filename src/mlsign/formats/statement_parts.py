"""What a statement lists: whole files, or files in shards. No two names in it are one file on any system."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple, TypeAlias

from mlsign.digest import Algorithm, Digest, sha256
from mlsign.errors import shown
from mlsign.paths import PackagePath
from mlsign.strict import Fields

SINGLE_FILE: Final = "."
"""The resource name that OMS signers give to a model that is one file; the subject then names it."""


class Resource(NamedTuple):
    """One signed file. A tuple, since there are hundreds of thousands."""

    path: PackagePath
    digest: Digest

    @property
    def digests(self) -> tuple[Digest, ...]:
        return (self.digest,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharding:
    """How a file is cut: into pieces of ``shard_size`` bytes, the last one shorter where that is what is left."""

    algorithm: Algorithm
    shard_size: int

    @property
    def name(self) -> str:
        """How resources spell it."""
        return f"{self.algorithm.value}-sharded-{self.shard_size}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardedResource:
    """One signed file of exactly ``size`` bytes, by the digests of its shards in order: every byte is in one of them."""

    path: PackagePath
    size: int
    sharding: Sharding
    digests: tuple[Digest, ...]


AnyResource: TypeAlias = Resource | ShardedResource


class Names:
    """The paths of a statement as they come, until two are one file on some system."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def add(self, path: PackagePath, *, fields: Fields) -> None:
        """Raises ``InputError`` (``statement.duplicate``); ``fields`` is what has the name."""
        if path.folded in self._seen:
            other = shown(self._seen[path.folded])
            raise fields.wrong(f"{shown(path.text)} and {other} are one file on some systems", code="duplicate", found=path.text)
        self._seen[path.folded] = path.text


def file_name(name: str, *, subject_name: str, fields: Fields) -> str:
    """The name of a file that is all there is: that of the subject, where the resource has none.

    Raises ``InputError`` (``statement.single``).
    """
    if name != SINGLE_FILE:
        return name
    if "/" in subject_name:
        raise fields.wrong("is one file, but the subject is no file name", code="single", name="name", found=subject_name)
    return subject_name


def subject_digest(resources: Iterable[AnyResource]) -> Digest:
    """sha256 over the concatenated raw digests, in the order of the statement (OMS 1.0)."""
    return digest_of_digests(chain.from_iterable(resource.digests for resource in resources))


def digest_of_digests(digests: Iterable[Digest]) -> Digest:
    """sha256 over the concatenated values."""
    return sha256(b"".join(digest.value for digest in digests))
