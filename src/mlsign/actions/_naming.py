"""The digests by which a package is known: the one that reports show, and all by which it can be revoked.

A package that mlsign packed has one name whatever signatures it shows: the subject digest over the files of its
manifest, in our own order. A folder that others signed has only the name that its signature gives it, where that is
over whole files: a digest over shards is another one for each size of shards, so it is gone with the signature, and old
signatures give none. Such folders are named as one by us would be, over the files that were signed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mlsign.compare.content import Content
from mlsign.digest import Algorithm, Digest
from mlsign.evidence.record import SignatureRecord, Standing
from mlsign.formats.manifest import Manifest
from mlsign.formats.statement import Resource, Statement, StatementFormat, subject_digest
from mlsign.paths import MANIFEST_NAME, PackagePath
from mlsign.trust.authenticate import Authentic

_MANIFEST_PATH: Final = PackagePath(MANIFEST_NAME)


def package_digest(
    content: Content,
    manifest: Manifest | None,
    signed: Iterable[tuple[Authentic | None, SignatureRecord]],
    *,
    accepted: frozenset[Algorithm],
) -> Digest | None:
    """The digest that a report shows, None where the files that give it could not all be read."""
    if manifest is not None:
        return _subject(_resources(content, manifest.algorithm, paths=_paths(manifest)))
    for authentic, record in signed:
        # What the policy does not accept names nothing: it could be taken away, and the name with it.
        if record.standing is Standing.COUNTED and authentic is not None and authentic.statement.algorithm in accepted:
            return _name(authentic.statement, content)
    return _subject(_resources(content, Algorithm.SHA256, paths=content))


def known_digests(
    content: Content, manifest: Manifest | None, signed: Iterable[tuple[Authentic | None, SignatureRecord]]
) -> frozenset[Digest]:
    """Every digest by which this package or a file of it can be revoked, whichever of its signatures is shown.

    A signature over other content says nothing of this one: the bundle of a revoked release could be put beside any.
    A subject digest depends on the signer's algorithm and order of files (ours is by name, the OMS reference
    signer's by parts of the path), so every one that the content can have is here: dropping a signature does
    not bring a revoked package back.
    """
    found = {digest for seen in content.values() for digest in seen.digests.values()}
    for authentic, record in signed:
        if authentic is not None and record.standing in (Standing.COUNTED, Standing.STRANGER):
            found |= {d for d in (authentic.statement.subject_digest, _name(authentic.statement, content)) if d is not None}
    for algorithm in Algorithm:
        resources = _resources(content, algorithm, paths=content if manifest is None else _paths(manifest))
        by_parts = sorted(resources, key=lambda resource: resource.path.parts)
        found |= {d for d in (_subject(resources), _subject(tuple(by_parts))) if d is not None}
    return frozenset(found)


def needs_sha256(statements: Iterable[Statement]) -> bool:
    """Whether a package that is signed by these has a name only over digests that the signatures may not have asked for."""
    return any(statement.format is not StatementFormat.OMS_1 for statement in statements)


def _name(statement: Statement, content: Content) -> Digest | None:
    """What a signature lets the package be called."""
    if statement.format is StatementFormat.OMS_1:
        return statement.subject_digest
    return _subject(_resources(content, Algorithm.SHA256, paths=(resource.path for resource in statement.resources)))


def _paths(manifest: Manifest) -> tuple[PackagePath, ...]:
    return (*(entry.path for entry in manifest.files), _MANIFEST_PATH)


def _resources(content: Content, algorithm: Algorithm, *, paths: Iterable[PackagePath]) -> tuple[Resource, ...]:
    """The files at these paths in our order, or nothing when one of them has no digest of this algorithm."""
    resources = []
    for path in sorted(paths):
        seen = content.get(path)
        if seen is None or algorithm not in seen.digests:
            return ()
        resources.append(Resource(path=path, digest=seen.digests[algorithm]))
    return tuple(resources)


def _subject(resources: tuple[Resource, ...]) -> Digest | None:
    return subject_digest(resources) if resources else None
