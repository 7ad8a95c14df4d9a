"""List releases: every package in a folder by model and version, who signed it, what changed, and whether it goes back to a first.

Digests are computed from files and never taken from anybody's word. A release that nobody names and that is not in the folder
leaves no gap: nothing here can tell that it was there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mlsign.actions.releases.reading import FoundRelease, Judged, LogRequest, Reading, Unreadable, look, manifest_again
from mlsign.compare.lineage import Lineage, Link, trace
from mlsign.compare.releases import ReleaseChange, compare_releases
from mlsign.digest import Digest
from mlsign.errors import InputError, MlsignError, shown_path
from mlsign.package.package_search import find_packages
from mlsign.package.read import OpenPackage
from mlsign.policy.model import Verdict

__all__ = ["Judged", "LogRequest", "LoggedRelease", "Reading", "ReleaseLog", "Twins", "Unreadable", "list_releases"]

Counted = Callable[[int, int], None]
"""Called with how many packages were looked at, and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRelease:
    """A release and its place among the others.

    ``same_as`` is the path of a package with the same digest that is listed for both; ``before`` is the release that it comes
    after, or, where none is recorded, the one with the next lower version; ``change`` is what is different from that one, None
    where there is none or its manifest changed meanwhile. ``last`` is the release at which the walk back ends. ``broken_at`` is the
    nearest release on that walk, this one included, that is not sound or whose own release before is not found; None where all
    of it is in order, back to a first release. ``next_versions`` are of the releases that name this one: more than one is a fork.
    """

    found: FoundRelease
    lineage: Lineage
    same_as: str | None
    before: FoundRelease | None
    change: ReleaseChange | None
    last: FoundRelease
    broken_at: FoundRelease | None
    next_versions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """Releases of one name and version that are not the same bytes."""

    name: str
    version: str
    digests: tuple[Digest, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseLog:
    """All that was found at ``path``: releases by model, the newest first; ``links`` lead to folders and were not followed, ``partial``
    are packages that are being written.
    """

    path: str
    reading: Reading
    judged: bool
    releases: tuple[LoggedRelease, ...]
    twins: tuple[Twins, ...]
    unreadable: tuple[Unreadable, ...]
    links: tuple[str, ...]
    partial: tuple[str, ...]

    @property
    def verdict(self) -> Verdict | None:
        """None where no policy was asked. ``ALLOW`` only when every folder could be read and, under a policy that stops anything, every
        release is allowed, goes back to a first release through releases that are, and is the only one of its version.
        """
        if not self.judged:
            return None
        enforced = [each for each in self.releases if each.found.judged is not None and each.found.judged.enforces]
        wrong = any(each.broken_at is not None for each in enforced) or bool(enforced and self.twins)
        return Verdict.DENY if wrong or self.unreadable else Verdict.ALLOW

    @property
    def is_sound(self) -> bool:
        """Every folder could be read, and every release is what its manifest says, as far as that was looked at, or is allowed."""
        return not self.unreadable and all(each.found.is_sound for each in self.releases)


def list_releases(path: Path, request: LogRequest, *, advance: Counted | None = None) -> ReleaseLog:
    """The releases in the folder at ``path``, or in folders below.

    Raises ``InputError`` (``usage.log`` for policies, or a store, over manifests alone, ``packages.none``, ``packages.files``, ``package.…``)
    and ``OutsideError`` when ``path`` itself cannot be listed.
    """
    if request.policies and request.reading is not Reading.WHOLE:
        raise InputError("nothing is verified without reading it", code="usage.log", hint="leave out --policy, or --quick")
    if request.store is not None and request.reading is not Reading.WHOLE:
        raise InputError("no file is read that a store could stand for", code="usage.log", hint="leave out --store, or --quick")
    with OpenPackage.open(path) as folder:
        if folder.only is not None:
            raise InputError("is no folder", code="package.kind", where=shown_path(path), hint="name the folder of the packages")
        there = find_packages(folder.fd, limits=request.limits)
        unreadable = [Unreadable(path=name, error=error) for name, error in there.errors]
        found: list[FoundRelease] = []
        for count, name in enumerate(there.packages, start=1):
            one = look(folder.fd, name, request, where=path / name)
            if isinstance(one, Unreadable):
                unreadable.append(one)
            elif one is not None:
                found.append(one)
            if advance is not None:
                advance(count, len(there.packages))
        if not found and not unreadable:
            raise _nothing(path, request)
        releases = _logged(found, lambda before, after: _change(folder.fd, before, after, request))
    return ReleaseLog(
        path=str(path),
        reading=request.reading,
        judged=bool(request.policies),
        releases=releases,
        twins=_twins(releases),
        unreadable=tuple(sorted(unreadable, key=lambda each: each.path)),
        links=there.links,
        partial=there.partial,
    )


def _nothing(path: Path, request: LogRequest) -> InputError:
    of = "" if request.name is None else f" of {request.name}"
    hint = (
        "name the folder that the packages are in" if request.name is None else "leave out --name to see which models there are"
    )
    return InputError(f"has no package{of}", code="packages.none", where=shown_path(path), hint=hint)


Change = Callable[[FoundRelease, FoundRelease], ReleaseChange | None]


def _change(root: int, before: FoundRelease, after: FoundRelease, request: LogRequest) -> ReleaseChange | None:
    """What changed, where both manifests are still there; that they were, and what they said, is known."""
    try:
        manifests = [manifest_again(root, each, limits=request.limits) for each in (before, after)]
    except MlsignError:
        return None
    return compare_releases(*manifests)


def _logged(found: Sequence[FoundRelease], change: Change) -> tuple[LoggedRelease, ...]:
    """By name, the newest version first."""
    ordered = sorted(found, key=lambda each: each.path)
    ordered.sort(key=lambda each: (each.release.version.precedence, each.release.version.text), reverse=True)
    ordered.sort(key=lambda each: each.release.name)
    sound = [index for index, each in enumerate(ordered) if each.is_sound]
    lineages = trace([each.release for each in ordered], preferred=sound)
    broken, lower = _broken(ordered, lineages), _next_lower(ordered)
    listed: dict[Digest, str] = {}
    children: dict[int, set[str]] = {}
    for each, lineage in zip(ordered, lineages, strict=True):
        if lineage.parent is not None:
            children.setdefault(lineage.parent, set()).add(each.release.version.text)
    out: list[LoggedRelease] = []
    for index, (each, lineage) in enumerate(zip(ordered, lineages, strict=True)):
        digest = each.release.digest
        same_as = None if digest is None else listed.get(digest)
        if digest is not None:
            listed.setdefault(digest, each.path)
        parent = lower[index] if lineage.parent is None else lineage.parent
        before, at = None if parent is None else ordered[parent], broken[index]
        out.append(
            LoggedRelease(
                found=each,
                lineage=lineage,
                same_as=same_as,
                before=before,
                change=None if before is None else change(before, each),
                last=ordered[lineage.last],
                broken_at=None if at is None else ordered[at],
                next_versions=tuple(sorted(children.get(index, ()))),
            )
        )
    return tuple(out)


def _broken(ordered: Sequence[FoundRelease], lineages: Sequence[Lineage]) -> list[int | None]:
    """For each release the nearest one on its way back where something is wrong; a parent has a lower version, so it comes later."""
    broken: list[int | None] = [None] * len(ordered)
    for index in reversed(range(len(ordered))):
        lineage = lineages[index]
        wrong = not ordered[index].is_sound or lineage.link not in (Link.FOUND, Link.FIRST)
        broken[index] = index if wrong else None if lineage.parent is None else broken[lineage.parent]
    return broken


def _next_lower(ordered: Sequence[FoundRelease]) -> list[int | None]:
    """For each release the next one of the same name with a lower version."""
    lower: list[int | None] = [None] * len(ordered)
    for index in reversed(range(len(ordered) - 1)):
        one, other = ordered[index].release, ordered[index + 1].release
        if one.name == other.name:
            lower[index] = index + 1 if other.version < one.version else lower[index + 1]
    return lower


def _twins(releases: Sequence[LoggedRelease]) -> tuple[Twins, ...]:
    out: list[Twins] = []
    for (name, version), group in groupby(releases, key=lambda each: (each.found.release.name, each.found.release.version.text)):
        same = [each.found for each in group]
        digests = dict.fromkeys(each.release.digest for each in same if each.release.digest is not None)
        if len(digests) > 1:
            out.append(Twins(name=name, version=version, digests=tuple(digests), paths=tuple(each.path for each in same)))
    return tuple(out)
