"""Content against what was signed: changed, missing and extra files, and files that nobody vouches for."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from types import MappingProxyType
from typing import Final, NamedTuple

from mlsign.digest import Algorithm, Digest
from mlsign.evidence.findings import MAX_LISTED, Finding, Outcome, and_more, listed
from mlsign.formats.manifest import Manifest
from mlsign.formats.statement import Resource, ShardedResource, Sharding, Statement
from mlsign.paths import MANIFEST_NAME, PackagePath

CHANGED = "MLS101"
MISSING = "MLS102"
EXTRA = "MLS103"
IGNORED = "MLS208"
_MANIFEST_PATH: Final = PackagePath(MANIFEST_NAME)


class Observed(NamedTuple):
    """One file as it was read: size in bytes, a digest for each algorithm and those of the shards that were asked for.

    A tuple, since there are hundreds of thousands.
    """

    size: int
    digests: Mapping[Algorithm, Digest]
    shards: Mapping[Sharding, tuple[Digest, ...]] = MappingProxyType({})


Content = Mapping[PackagePath, Observed]


def is_ignored(path: str, *, ignored: Iterable[str]) -> bool:
    """Whether a path is one of the ignored ones or lies beneath one; ``.`` ignores everything."""
    return ignoring(ignored)(path)


def ignoring(ignored: Iterable[str]) -> Callable[[str], bool]:
    """``is_ignored`` for many paths, in time that does not grow with what is ignored: strangers may ignore ten thousand paths."""
    names = frozenset(ignored)
    if "." in names:
        return lambda _: True
    return lambda path: not names.isdisjoint(accumulate(path.split("/"), "{}/{}".format))


def wanted_shards(statements: Iterable[Statement]) -> dict[PackagePath, frozenset[tuple[Sharding, int]]]:
    """What is to be known of which files beyond their digests: shards, and the size that alone makes them worth computing.

    The number of shards of a file is then that of the statement, which has been read under limits.
    """
    out: dict[PackagePath, frozenset[tuple[Sharding, int]]] = {}
    for statement in statements:
        for resource in statement.resources:
            if isinstance(resource, ShardedResource):
                out[resource.path] = out.get(resource.path, frozenset()) | {(resource.sharding, resource.size)}
    return out


def common_ignored(statements: Iterable[Statement], *, default: frozenset[str]) -> frozenset[str]:
    """Paths that every statement ignores, so nobody has to look beneath them; ``default`` without statements."""
    lists = [statement.ignore_paths for statement in statements]
    if not lists:
        return default
    tests = [ignoring(paths) for paths in lists]
    return frozenset(path for path in set().union(*lists) if path != "." and all(test(path) for test in tests))


def is_same(resource: Resource | ShardedResource, seen: Observed) -> bool:
    """Whether a file is, byte for byte, what the statement says; what was not hashed is not."""
    if isinstance(resource, Resource):
        return seen.digests.get(resource.digest.algorithm) == resource.digest
    return seen.size == resource.size and seen.shards.get(resource.sharding) == resource.digests


def compare_with_statement(
    statement: Statement, content: Content, *, unsigned: frozenset[PackagePath] = frozenset()
) -> tuple[Finding, ...]:
    """The ways in which the content is not what the statement says; empty when it is exactly that.

    Of each kind the first hundred by name are spelled out and the rest counted: packages of 200,000 files
    and signatures by the dozen must not make findings by the million.
    """
    if _is_exactly(statement, content):
        return ()
    signed = {resource.path: resource for resource in statement.resources}
    is_left_out = ignoring(statement.ignore_paths)

    def differs(path: PackagePath) -> bool:
        seen = content.get(path)
        return seen is not None and not is_same(signed[path], seen)

    def changed(path: PackagePath) -> Finding:
        return _changed_resource(signed[path], content[path])

    loose = (path for path in content.keys() - signed.keys() - unsigned if not is_left_out(path))
    return (
        *_spelled(filter(differs, signed), code=CHANGED, finding=changed),
        *_spelled(signed.keys() - content.keys(), code=MISSING, finding=_missing),
        *_spelled(loose, code=EXTRA, finding=_extra),
    )


def _is_exactly(statement: Statement, content: Content) -> bool:
    """Whether there are the files that were signed, whole ones all of them, and no other: then nobody has to look at each."""
    if len(statement.resources) != len(content):
        return False
    wanted = {resource.path: resource.digest for resource in statement.resources if isinstance(resource, Resource)}
    return wanted == {path: seen.digests.get(statement.algorithm) for path, seen in content.items()}


def check_coverage(
    statement: Statement, *, needed: Iterable[PackagePath], unsigned: frozenset[PackagePath]
) -> tuple[Finding, ...]:
    """A finding for each file that is loaded but that the signature leaves out on purpose.

    A properly signed statement may ignore paths. One that ignores the model, its weights or the manifest
    would be a valid signature over nothing that matters.
    """
    is_left_out = ignoring(statement.ignore_paths)
    return listed(
        Finding(
            code=IGNORED,
            outcome=Outcome.FAIL,
            message=f"the signature leaves out {path}, which is loaded",
            where=str(path),
            expected=f"{path} among the signed files",
            found=f"ignore_paths: {', '.join(statement.ignore_paths[:8])}"
            if path not in unsigned
            else "unsigned_files of the policy",
            hint="sign again without ignoring this file",
        )
        for path in needed
        if path in unsigned or is_left_out(path)
    )


def compare_with_manifest(
    manifest: Manifest, content: Content, *, unverified: frozenset[PackagePath] = frozenset()
) -> tuple[Finding, ...]:
    """The ways in which the content is not what the manifest lists, spelled out as for a statement.

    The manifest itself is not in its own list.
    """
    if _is_exactly_listed(manifest, content):
        return ()
    entries = {entry.path: entry for entry in manifest.files}

    def differs(path: PackagePath) -> bool:
        seen, entry = content.get(path), entries[path]
        return seen is not None and (seen.digests.get(entry.digest.algorithm) != entry.digest or seen.size != entry.size)

    def changed(path: PackagePath) -> Finding:
        digest = entries[path].digest
        return _changed(path, expected=digest, found=content[path].digests.get(digest.algorithm))

    loose = content.keys() - entries.keys() - unverified - {_MANIFEST_PATH}
    return (
        *_spelled(filter(differs, entries), code=CHANGED, finding=changed),
        *_spelled(entries.keys() - content.keys(), code=MISSING, finding=_missing),
        *_spelled(loose, code=EXTRA, finding=_extra),
    )


def _is_exactly_listed(manifest: Manifest, content: Content) -> bool:
    """Whether there are the files that the manifest lists, and no other but itself: then nobody has to look at each."""
    digests = {path: seen.digests.get(manifest.algorithm) for path, seen in content.items()}
    sizes = {path: seen.size for path, seen in content.items()}
    for found in (digests, sizes):
        found.pop(_MANIFEST_PATH, None)
    return digests == {path: digest for path, _, digest, _ in manifest.files} and sizes == {
        path: length for path, length, _, _ in manifest.files
    }


def _spelled(paths: Iterable[PackagePath], *, code: str, finding: Callable[[PackagePath], Finding]) -> tuple[Finding, ...]:
    """Findings about the first paths by name, and one that counts the others."""
    every = list(paths)
    first = heapq.nsmallest(MAX_LISTED, every)
    rest = len(every) - len(first)
    return (*map(finding, first), *((and_more(rest, code=code),) if rest else ()))


def merge(*groups: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings without repeats: the first about one code and place stands for all."""
    seen: dict[tuple[str, str, Outcome], Finding] = {}
    for group in groups:
        for finding in group:
            seen.setdefault((finding.code, finding.where, finding.outcome), finding)
    return tuple(seen.values())


def _changed(path: PackagePath, *, expected: Digest | str, found: Digest | str | None) -> Finding:
    return Finding(
        code=CHANGED,
        outcome=Outcome.FAIL,
        message=f"{path} is not the file that was signed",
        where=str(path),
        expected=str(expected),
        found="no digest" if found is None else str(found),
        hint="get the package again from its source; if the change was meant, pack and sign a new version",
    )


def _changed_resource(resource: Resource | ShardedResource, seen: Observed) -> Finding:
    if isinstance(resource, Resource):
        return _changed(resource.path, expected=resource.digest, found=seen.digests.get(resource.digest.algorithm))
    shards = seen.shards.get(resource.sharding)
    if seen.size != resource.size:
        return _changed(resource.path, expected=f"{resource.size} bytes", found=f"{seen.size} bytes")
    if shards is None:
        return _changed(resource.path, expected=f"{len(resource.digests)} shards", found=None)
    index, expected, found = next(
        (i, *pair) for i, pair in enumerate(zip(resource.digests, shards, strict=True)) if len(set(pair)) > 1
    )
    start = index * resource.sharding.shard_size
    end = min(start + resource.sharding.shard_size, resource.size)
    return _changed(resource.path, expected=f"{expected} for bytes {start} to {end}", found=str(found))


def _missing(path: PackagePath) -> Finding:
    return Finding(
        code=MISSING,
        outcome=Outcome.FAIL,
        message=f"{path} was signed and is not there",
        where=str(path),
        expected=str(path),
        found="nothing",
        hint="get the package again from its source",
    )


def _extra(path: PackagePath) -> Finding:
    return Finding(
        code=EXTRA,
        outcome=Outcome.FAIL,
        message=f"{path} is there and was not signed",
        where=str(path),
        expected="nothing",
        found=str(path),
        hint="remove the file, or pack and sign a new version with it (--include)",
    )
