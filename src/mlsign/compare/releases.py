"""What changed from one release to another, in a line, from what their manifests say; ``graphs`` looks deeper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from mlsign.compare.facts import FieldChange, FileChanges, compare_files, compare_opsets
from mlsign.compare.interfaces import Effect, Interface, compare_interfaces
from mlsign.formats.manifest import Manifest, Role
from mlsign.interface import OperatorId


class Bytes(Enum):
    """Whether files are what they were, by the digests of two manifests."""

    SAME = "same"
    CHANGED = "changed"
    UNKNOWN = "unknown"
    """Their digests are of different algorithms and their sizes the same."""
    NONE = "none"
    """There are no such files, and there were none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseChange:
    """What changed. ``model`` and ``weights`` are the files of those roles: weights within the model file are part of ``model``.

    ``counts`` is how many operators have another number of nodes, ``breaking`` and ``compatible`` how many inputs and outputs
    changed so for callers. ``files`` are the others, without those whose digests cannot be compared.
    """

    model: Bytes
    weights: Bytes
    added: tuple[OperatorId, ...]
    removed: tuple[OperatorId, ...]
    counts: int
    opsets: tuple[FieldChange, ...]
    breaking: int
    compatible: int
    parameters: tuple[int, int]
    files: FileChanges
    allowed: tuple[OperatorId, ...]
    disallowed: tuple[OperatorId, ...]


def compare_releases(before: Manifest, after: Manifest) -> ReleaseChange:
    """What the manifest of a release says differently from that of another one."""
    old, new = ({use.operator: use.count for use in manifest.model.operators} for manifest in (before, after))
    permitted, permits = set(before.allowed_operators), set(after.allowed_operators)
    changes = compare_interfaces(*(Interface(inputs=m.model.inputs, outputs=m.model.outputs) for m in (before, after)))
    breaking = sum(change.effect is Effect.BREAKING for change in changes)
    return ReleaseChange(
        model=_bytes(before, after, Role.MODEL),
        weights=_bytes(before, after, Role.WEIGHTS),
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        counts=sum(old[operator] != new[operator] for operator in old.keys() & new.keys()),
        opsets=compare_opsets(before.model.opsets, after.model.opsets),
        breaking=breaking,
        compatible=len(changes) - breaking,
        parameters=(before.model.parameter_count, after.model.parameter_count),
        files=compare_files(_others(before, after), _others(after, before)),
        allowed=tuple(sorted(permits - permitted)),
        disallowed=tuple(sorted(permitted - permits)),
    )


def _others(manifest: Manifest, other: Manifest) -> dict[str, object]:
    comparable = manifest.algorithm is other.algorithm
    return {
        entry.path: entry.digest if comparable else entry.size
        for entry in manifest.files
        if entry.role not in (Role.MODEL, Role.WEIGHTS)
    }


def _bytes(before: Manifest, after: Manifest, role: Role) -> Bytes:
    old, new = (sorted(_sized(manifest, role)) for manifest in (before, after))
    if not old and not new:
        return Bytes.NONE
    if [entry[:2] for entry in old] != [entry[:2] for entry in new]:
        return Bytes.CHANGED
    if before.algorithm is not after.algorithm:
        return Bytes.UNKNOWN
    return Bytes.SAME if old == new else Bytes.CHANGED


def _sized(manifest: Manifest, role: Role) -> Iterator[tuple[str, int, str]]:
    return ((entry.path, entry.size, entry.digest.hex) for entry in manifest.files if entry.role is role)
