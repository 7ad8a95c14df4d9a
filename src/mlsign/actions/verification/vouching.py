"""What may be read and copied into memory: only what somebody who is trusted says is there, and as much as they say."""

from __future__ import annotations

from typing import Final

from mlsign.actions.verification.contents import Contents, Sizes, Storage
from mlsign.errors import InputError
from mlsign.evidence.findings import Finding, Outcome
from mlsign.formats.manifest import Manifest
from mlsign.formats.statement import Resource, ShardedResource, Statement
from mlsign.limits import Limits
from mlsign.package.hashing import hash_memory, hash_shards
from mlsign.paths import MANIFEST_NAME, PackagePath
from mlsign.words import size

_MANIFEST_PATH: Final = PackagePath(MANIFEST_NAME)


def allow_sealing(
    contents: Contents,
    statements: tuple[Statement, ...],
    summarized: Manifest | None,
    *,
    storage: Storage,
    golden: tuple[PackagePath, ...] = (),
) -> None:
    """Says which files may be sealed, and keeps the ``golden`` ones in memory where somebody vouches for them, or nobody has to.

    ``statements`` are by whom the policy names; ``summarized`` is the manifest where an acceptable verification summary
    names exactly its bytes, else None.
    """
    if storage is Storage.DISK:
        return
    if _is_vouched(contents, statements):
        paths = tuple(resource.path for s in statements for resource in s.resources)
    elif summarized is not None:
        paths = tuple(entry.path for entry in summarized.files)
    else:
        if storage is Storage.SEALED_UNVOUCHED:
            contents.keep(golden, max_bytes=contents.limits.max_golden_bytes)
            contents.allow_sealing(contents.paths, sizes=Sizes.CLAIMED)
        return
    contents.keep(golden, max_bytes=contents.limits.max_golden_bytes)
    contents.allow_sealing(paths, sizes=Sizes.TRUSTED)


def check_effort(contents: Contents, statements: tuple[Statement, ...], *, limits: Limits) -> tuple[Finding, ...]:
    """A finding instead of hours of hashing: what nobody trusted has signed is denied anyway, whatever its size."""
    total = sum(f.size for f in contents.files)
    if statements or total <= limits.max_unvouched_bytes:
        return ()
    return (
        Finding(
            code="MLS114",
            outcome=Outcome.UNKNOWN,
            message=f"{size(total)} that no trusted key has signed were not read",
            expected=f"{limits.max_unvouched_bytes} bytes at most without a signature",
            found=f"{total} bytes",
            hint="have the package signed by a signer that the policy names",
        ),
    )


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
