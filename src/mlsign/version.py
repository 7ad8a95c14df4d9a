"""Versions of a model, after Semantic Versioning 2.0.0 (https://semver.org)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Final

from mlsign.errors import InputError, shown

_NUMBER: Final = r"(0|[1-9][0-9]{0,8})"
_PRE: Final = r"(?:0|[1-9][0-9]{0,17}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_BUILD: Final = r"[0-9A-Za-z-]+"
_SEMVER: Final = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_PRE}(?:\.{_PRE})*))?(?:\+{_BUILD}(?:\.{_BUILD})*)?", re.ASCII
)
_MAX_CHARS: Final = 128

Precedence = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]


@total_ordering
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Version:
    """A version; compared by precedence (SemVer section 11), in which build metadata does not count."""

    text: str
    precedence: Precedence

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.precedence == other.precedence

    def __lt__(self, other: Version) -> bool:
        return self.precedence < other.precedence

    def __hash__(self) -> int:
        return hash(self.precedence)


def decode_version(text: str, *, where: str = "") -> Version:
    """A version from its one spelling. Raises ``InputError`` (``version.spelling``)."""
    match = _SEMVER.fullmatch(text) if len(text) <= _MAX_CHARS else None
    if match is None:
        raise InputError(
            f"{shown(text)} is not a version, write it as 1.2.0 or 1.2.0-rc.1",
            code="version.spelling",
            where=where,
            found=shown(text),
        )
    major, minor, patch, pre = match.groups()
    # A numeric identifier sorts below a word; fewer identifiers sort below more; a pre-release below its release.
    identifiers = tuple((not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in (pre.split(".") if pre else ()))
    return Version(text=text, precedence=(int(major), int(minor), int(patch), pre is None, identifiers))
