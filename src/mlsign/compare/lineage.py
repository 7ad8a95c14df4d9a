"""Releases of one model and which comes after which: walked by the digests that manifests record, back to the first release.

A digest is over the files of a release, its manifest among them, so it says which release came before, and that one says it of
the one before itself. Versions and names that a manifest claims of another release count for nothing until the package with
that digest says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from mlsign.digest import Digest
from mlsign.formats.manifest import Previous
from mlsign.version import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What lineage needs to know of a package. ``digest`` is None where not all files that give it could be read."""

    name: str
    version: Version
    digest: Digest | None
    previous: Previous | None


class Link(Enum):
    """What became of looking for the release before."""

    FOUND = "found"
    """The package with the recorded digest is here, of this model, and of the recorded version."""
    FIRST = "first"
    """No release before it is recorded, and none of a lower version is here."""
    UNRECORDED = "unrecorded"
    """No release before it is recorded, though one of a lower version is here."""
    MISSING = "missing"
    """No package here has the recorded digest, and none the recorded version."""
    DIFFERENT = "different"
    """The recorded version is here, with another digest."""
    OTHER_NAME = "other-name"
    """The package with the recorded digest is a release of another model."""
    OTHER_VERSION = "other-version"
    """The package with the recorded digest is of another version than recorded, or not of a lower one, which no manifest may record."""


class Ending(Enum):
    """Where the walk back from a release ends."""

    FIRST = "first"
    """At a first release, with every release in between found."""
    BROKEN = "broken"
    """At a release whose link is neither found nor first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The link of one release, by the places of releases in the list that was given, and where the walk back from it ends.

    ``parent`` is the release before where one is ``FOUND``; ``last`` is the release at which the walk ends, and ``length`` how
    many releases it comes by, this one and the last included.
    """

    link: Link
    parent: int | None
    ending: Ending
    last: int
    length: int


def trace(releases: Sequence[Release], *, preferred: Iterable[int] = ()) -> tuple[Lineage, ...]:
    """The lineage of each release. Of several with one digest, which are one release, the first among ``preferred`` is walked to."""
    by_digest: dict[Digest, int] = {}
    for index in (*preferred, *range(len(releases))):
        digest = releases[index].digest
        if digest is not None:
            by_digest.setdefault(digest, index)
    lowest: dict[str, Version] = {}
    for release in releases:
        lowest[release.name] = min(lowest.get(release.name, release.version), release.version)
    versions = {(release.name, release.version.text) for release in releases}
    found: dict[int, Lineage] = {}
    # A release before has a lower version, so it is walked first, and there are no circles.
    for index in sorted(range(len(releases)), key=lambda index: releases[index].version.precedence):
        release = releases[index]
        link, parent = _link(release, releases, by_digest, versions, lowest[release.name])
        if parent is None:
            ending = Ending.FIRST if link is Link.FIRST else Ending.BROKEN
            found[index] = Lineage(link=link, parent=None, ending=ending, last=index, length=1)
        else:
            before = found[parent]
            found[index] = Lineage(link=link, parent=parent, ending=before.ending, last=before.last, length=before.length + 1)
    return tuple(found[index] for index in range(len(releases)))


def _link(
    release: Release,
    releases: Sequence[Release],
    by_digest: dict[Digest, int],
    versions: set[tuple[str, str]],
    lowest: Version,
) -> tuple[Link, int | None]:
    previous = release.previous
    if previous is None:
        return (Link.UNRECORDED if lowest < release.version else Link.FIRST), None
    parent = by_digest.get(previous.digest)
    if parent is None:
        known = (release.name, previous.version.text) in versions
        return (Link.DIFFERENT if known else Link.MISSING), None
    if releases[parent].name != release.name:
        return Link.OTHER_NAME, None
    if releases[parent].version.text != previous.version.text or not previous.version < release.version:
        return Link.OTHER_VERSION, None
    return Link.FOUND, parent
