"""Where a finding of a report is, for what shows findings beside files: a path from the current folder, and nothing of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from mlsign.actions.verification.verify import Report
from mlsign.errors import shown
from mlsign.evidence.findings import Finding
from mlsign.paths import MANIFEST_NAME

_OF_FILES: Final = frozenset({"MLS101", "MLS102", "MLS103", "MLS104", "MLS105", "MLS107", "MLS111", "MLS115"})
"""Codes whose place, where it is a path at all, is a file of the package, also one that nobody listed."""
_OF_MODELS: Final = "MLS3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """Where the package lies: its folder below the current one, empty for that one, None for elsewhere; and what it is."""

    folder: str | None
    is_folder: bool


def place_of(finding: Finding, report: Report, base: Base) -> str:
    """The file that a finding is about, from the current folder; from the package itself where that lies elsewhere."""
    inner = _inner(finding, report) if base.is_folder else PurePath(report.path).name
    parts = [part for part in (base.folder, inner) if part]
    return "/".join(parts) or PurePath(report.path).name or "."


def _inner(finding: Finding, report: Report) -> str:
    """The file in the package; the manifest for what is about the whole, nothing where there is none."""
    where = finding.where
    for path in _listed(report):
        if where in (path, shown(path)):
            return path
    manifest = report.evidence.manifest
    if manifest is not None and finding.code.startswith(_OF_MODELS):
        return str(manifest.model.path)
    if finding.code in _OF_FILES and where and _is_plain(where):
        return where
    return MANIFEST_NAME if manifest is not None else ""


def _listed(report: Report) -> Iterator[str]:
    manifest = report.evidence.manifest
    if manifest is not None:
        yield MANIFEST_NAME
        yield from (str(entry.path) for entry in manifest.files)
    yield from (record.bundle for record in report.evidence.signatures if _is_plain(record.bundle))
    yield from report.evidence.unverified


def _is_plain(name: str) -> bool:
    return not PurePath(name).is_absolute() and ".." not in PurePath(name).parts


def local(text: str, report: Report) -> str:
    """``text`` with the last part alone of each absolute path that was given to the command: the rest is of this machine."""
    trust = report.evidence.trust
    names = {report.path, *(record.bundle for record in report.evidence.signatures)}
    if trust is not None:
        names.add(trust.source)
    for name in sorted((name for name in names if PurePath(name).is_absolute()), key=len, reverse=True):
        text = text.replace(shown(name), shown(PurePath(name).name))
    return text
