"""What may be copied into memory: only what somebody who is trusted says is there, and as much as they say."""

from __future__ import annotations

from typing import Final

from mlsign.actions._contents import Contents, Sizes, Storage
from mlsign.errors import InputError
from mlsign.formats.manifest import Manifest
from mlsign.formats.statement import Resource, ShardedResource, Statement
from mlsign.package.hashing import hash_memory, hash_shards
from mlsign.paths import MANIFEST_NAME, PackagePath

_MANIFEST_PATH: Final = PackagePath(MANIFEST_NAME)


def allow_sealing(
    contents: Contents, statements: tuple[Statement, ...], summarized: Manifest | None, *, storage: Storage
) -> None:
    """Says which files may be sealed.

    ``statements`` are by whom the policy names; ``summarized`` is the manifest where an acceptable verification summary
    names exactly its bytes, else None.
    """
    if storage is not Storage.DISK and _is_vouched(contents, statements):
        contents.allow_sealing((resource.path for s in statements for resource in s.resources), sizes=Sizes.TRUSTED)
    elif storage is not Storage.DISK and summarized is not None:
        contents.allow_sealing((entry.path for entry in summarized.files), sizes=Sizes.TRUSTED)
    elif storage is Storage.SEALED_UNVOUCHED:
        contents.allow_sealing(contents.paths, sizes=Sizes.CLAIMED)


def _is_vouched(contents: Contents, statements: tuple[Statement, ...]) -> bool:
    """Whether trusted statements, and a manifest that is the one they are about, say what may be copied into memory."""
    if _MANIFEST_PATH not in contents.paths:
        return bool(statements)
    try:
        data = memoryview(contents.read_whole(_MANIFEST_PATH, max_bytes=contents.limits.max_manifest_bytes))
    except InputError:
        return False
    return any(
        _vouches(resource, data)
        for statement in statements
        for resource in statement.resources
        if resource.path == _MANIFEST_PATH
    )


def _vouches(resource: Resource | ShardedResource, data: memoryview) -> bool:
    if isinstance(resource, Resource):
        (digest,) = hash_memory(data, algorithms=(resource.digest.algorithm,))
        return digest == resource.digest
    return len(data) == resource.size and hash_shards(data, sharding=resource.sharding) == resource.digests
