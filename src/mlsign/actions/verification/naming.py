"""The digests by which a package is known: the one that reports show, and all by which it can be revoked.

A package that mlsign packed has one name whatever signatures it shows: the subject digest over the files of its
manifest, in our own order. A folder that others signed has only the name that its signature gives it, where that is
over whole files: a digest over shards is another one for each size of shards, so it is gone with the signature, and old
signatures give none. Such folders are named as one by us would be, over the files that were signed.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from operator import methodcaller
from typing import Final

from mlsign.compare.content import Content
from mlsign.digest import Algorithm, Digest
from mlsign.evidence.record import SignatureRecord, Standing
from mlsign.formats.manifest import Manifest
from mlsign.formats.statement import Statement, StatementFormat
from mlsign.formats.statement_parts import digest_of_digests
from mlsign.paths import MANIFEST_NAME, PackagePath
from mlsign.trust.authenticate import Authentic

_MANIFEST_PATH: Final = PackagePath(MANIFEST_NAME)


def package_digest(
    content: Content,
    manifest: Manifest | None,
    signed: Iterable[tuple[Authentic[Statement] | None, SignatureRecord]],
    *,
    accepted: frozenset[Algorithm],
) -> Digest | None:
    """The digest that a report shows, None where the files that give it could not all be read."""
    if manifest is not None:
        return _subject(content, manifest.algorithm, paths=sorted(_paths(manifest)))
    for authentic, record in signed:
        # What the policy does not accept names nothing: it could be taken away, and the name with it.
        if record.standing is Standing.COUNTED and authentic is not None and authentic.statement.algorithm in accepted:
            return _name(authentic.statement, content)
    return _subject(content, Algorithm.SHA256, paths=sorted(content))


def known_digests(
    content: Content, manifest: Manifest | None, signed: Iterable[tuple[Authentic[Statement] | None, SignatureRecord]]
) -> frozenset[Digest]:
    """Every digest by which this package or a file of it can be revoked, whichever of its signatures is shown.

    A signature over other content says nothing of this one: the bundle of a revoked release could be put beside any.
    A subject digest depends on the signer's algorithm and order of files (ours is by name, the OMS reference
    signer's by parts of the path), so every one that the content can have is here: dropping a signature does
    not bring a revoked package back.
    """
    found = set(chain.from_iterable(seen.digests.values() for seen in content.values()))
    names: set[Digest | None] = set()
    for authentic, record in signed:
        if authentic is not None and record.standing in (Standing.COUNTED, Standing.STRANGER):
            names |= {authentic.statement.subject_digest, _name(authentic.statement, content)}
    by_name = sorted(content if manifest is None else _paths(manifest))
    by_parts = sorted(by_name, key=methodcaller("replace", "/", "\0"))
    names |= {_subject(content, algorithm, paths=paths) for algorithm in Algorithm for paths in (by_name, by_parts)}
    return frozenset(found | {name for name in names if name is not None})


def needs_sha256(statements: Iterable[Statement]) -> bool:
    """Whether a package that is signed by these has a name only over digests that the signatures may not have asked for."""
    return any(statement.format is not StatementFormat.OMS_1 for statement in statements)


def _name(statement: Statement, content: Content) -> Digest | None:
    """What a signature lets the package be called."""
    if statement.format is StatementFormat.OMS_1:
        return statement.subject_digest
    return _subject(content, Algorithm.SHA256, paths=sorted(resource.path for resource in statement.resources))


def _paths(manifest: Manifest) -> tuple[PackagePath, ...]:
    return (*(entry.path for entry in manifest.files), _MANIFEST_PATH)


def _subject(content: Content, algorithm: Algorithm, *, paths: Iterable[PackagePath]) -> Digest | None:
    """What the files at these paths are called in this order, None where one has no digest of this algorithm, or there are none."""
    try:
        digests = [content[path].digests[algorithm] for path in paths]
    except KeyError:
        return None
    return digest_of_digests(digests) if digests else None
