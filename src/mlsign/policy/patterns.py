"""Text that a policy compares names with: as it stands, with wildcards, or by a regular expression, always as a whole.

Every kind takes time in proportion to the text (RE2 has no backtracking), whoever wrote the pattern or the name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from mlsign.errors import InputError, shown

MAX_PATTERN_CHARS: Final = 1024
_MAX_PROGRAM_BYTES: Final = 1 << 20


class PatternKind(Enum):
    """How text is compared.

    In a ``GLOB`` a ``*`` stands for any characters but ``/`` (in a mail address but ``@`` as well), and ``**`` for any
    characters at all: with one star that crossed slashes, a branch whose name ends like a release would be a release.
    """

    EXACT = "exact"
    GLOB = "pattern"
    REGEX = "regex"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPattern:
    """What a name must be. A ``REGEX`` is in the syntax of RE2 and matches whole names only."""

    kind: PatternKind
    text: str

    @property
    def is_exact(self) -> bool:
        """Whether just one name matches."""
        return self.kind is PatternKind.EXACT

    def matches(self, name: str) -> bool:
        """Whether ``name`` is one of those meant, all of it."""
        if self.kind is PatternKind.EXACT:
            return name == self.text
        if "\n" in name or "\x00" in name:
            return False  # no identity has these, and some expressions stop at them
        return _compiled(_expression(self)).fullmatch(name) is not None

    def __str__(self) -> str:
        return self.text if self.is_exact else f"{self.text} ({self.kind.value})"


def check_pattern(pattern: TextPattern) -> None:
    """Returns for a pattern that can be used. Raises ``InputError`` (``pattern.syntax``)."""
    if not pattern.is_exact:
        _compiled(_expression(pattern))


def _expression(pattern: TextPattern) -> str:
    if pattern.kind is PatternKind.REGEX:
        return pattern.text
    one = "[^/]*" if "://" in pattern.text else "[^/@]*"
    parts = [one.join(map(_escaped, part.split("*"))) for part in pattern.text.split("**")]
    return ".*".join(parts)


def _escaped(text: str) -> str:
    return "".join(char if char.isalnum() or char == "_" else f"\\x{{{ord(char):x}}}" for char in text)


@lru_cache(maxsize=256)
def _compiled(expression: str) -> Any:
    import re2  # noqa: PLC0415 - a policy that names keys alone has no need of it

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_PROGRAM_BYTES
    try:
        return re2.compile(expression, options=options)
    except re2.error as err:
        raise InputError(
            f"{shown(expression)} is not a regular expression that RE2 takes: {shown(_reason(err))}",
            code="pattern.syntax",
            found=shown(expression),
            hint="back references and look-around are not in RE2: they can take for ever",
        ) from err


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode("utf-8", errors="replace") if isinstance(reason, bytes) else str(reason)
