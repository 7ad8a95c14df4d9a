"""The release before the one that is portrayed: whether it is the one that the manifest names, and what changed since."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlsign.actions.packing.previous import vouched_release
from mlsign.actions.signing.sign import RefusedToSign
from mlsign.compare.lineage import Link, Release, trace
from mlsign.compare.releases import ReleaseChange, compare_releases
from mlsign.errors import InputError, shown, shown_path
from mlsign.formats.manifest import Manifest
from mlsign.limits import Limits
from mlsign.package.stream import Advance
from mlsign.version import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """A package that was given as the release before. ``link`` is ``FOUND`` only where its digest, which is over all of its files, is
    the one that the manifest of the portrayed package records; no signature over it was checked.
    """

    name: str
    version: Version
    link: Link
    change: ReleaseChange


def look_before(
    path: Path, manifest: Manifest | None, *, store: Path | None = None, limits: Limits, advance: Advance | None = None
) -> Before:
    """What became of the package at ``path`` being the release before that of ``manifest``.

    Raises ``InputError`` (``inspect.previous`` where there is no manifest to compare, or that package is not what its own says) and
    what opening and reading it raise.
    """
    if manifest is None:
        message = "cannot be compared: what is inspected has no manifest that could be read"
        raise _refused(path, message, hint="give --previous with a package, or compare models with mlsign diff")
    try:
        before, digest = vouched_release(path, store=store, limits=limits, advance=advance)
    except RefusedToSign as err:
        first = err.findings[0]
        message = f"cannot be taken for the release before: {first.code} {shown(first.message, limit=400)}"
        hint = first.hint or "take the release as it was signed; mlsign verify says what is wrong with it"
        raise _refused(path, message, hint=hint) from err
    own = Release(name=manifest.name, version=manifest.version, digest=None, previous=manifest.previous)
    earlier = Release(name=before.name, version=before.version, digest=digest, previous=before.previous)
    return Before(
        name=before.name,
        version=before.version,
        link=trace((own, earlier))[0].link,
        change=compare_releases(before, manifest),
    )


def _refused(path: Path, message: str, *, hint: str) -> InputError:
    return InputError(message, code="inspect.previous", where=shown_path(path), hint=hint)
