"""The errors of mlsign: one root and four families, each named for who must act.

Owns the exception types and the spelling of foreign text in messages. Leaves findings (facts about a
package that a policy judges) to ``evidence``: a denial is a value, an error is something that could not
be done at all.
"""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Iterator
from typing import Final

MAX_SHOWN_CHARS: Final = 160
"""Foreign text longer than this is cut in messages; a reader needs the start, a log needs a bound."""

_MAX_MARKS: Final = 4
"""Marks that a letter has at most in the scripts of the world; fonts pile up any number, over the lines above and below."""

_URI_SCHEME: Final = "pkcs11:"
_FILLERS: Final = (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0)
_SELECTORS: Final = (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
UNSEEN: Final = frozenset(map(chr, (*_FILLERS, *_SELECTORS)))
"""Letters and marks that nobody sees, with which two names read alike (Unicode, Default_Ignorable_Code_Point; Braille's blank)."""


def shown(text: object, *, limit: int = MAX_SHOWN_CHARS) -> str:
    """Foreign text as it may stand in a message: no control, bidirectional or unseen characters, no piles of marks, cut short.

    A file name or a field of a hostile document must not move the cursor, colour the terminal, forge a
    second log line, reorder what a reviewer reads (CVE-2021-42574), or be drawn over the lines around it.
    """
    raw = str(text)
    cut = raw[:limit]
    if cut.isascii() and cut.isprintable():
        return raw if len(raw) <= limit else f"{cut}… ({len(raw)} characters)"
    parts: list[str] = []
    marks = _MAX_MARKS  # a text that begins with one has no letter for it
    for char in cut:
        marks = marks + 1 if unicodedata.category(char)[0] == "M" else 0
        parts.append(char if marks <= _MAX_MARKS and _is_plain(char) else f"\\u{{{ord(char):x}}}")
    out = "".join(parts)
    return out if len(raw) <= limit else f"{out}… ({len(raw)} characters)"


def _is_plain(char: str) -> bool:
    return char == " " or (unicodedata.category(char)[0] not in "CZ" and char not in UNSEEN)


def shown_path(path: object) -> str:
    """A path that the user gave, as it may stand in a message; a PKCS #11 URI in its place may hold a PIN."""
    return f"{_URI_SCHEME}…" if str(path).casefold().startswith(_URI_SCHEME) else shown(path)


class MlsignError(Exception):
    """The root of all errors that mlsign raises on purpose.

    ``code`` is stable and dotted (``manifest.path.escapes``), ``where`` is a place inside the input
    (``files[3].path``), ``expected`` and ``found`` are what was wanted and what was there, and ``hint``
    says what to do next. The message itself is one lower-case sentence without a full stop.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        where: str = "",
        expected: str = "",
        found: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.where = where
        self.expected = expected
        self.found = found
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class InputError(MlsignError):
    """The bytes are not what they claim to be, or not what was asked for: fix the input."""


class TrustError(MlsignError):
    """The bytes are readable but nothing vouches for them: do not use them."""


class OutsideError(MlsignError):
    """Disk, network or token failed: nothing is known about the input; a retry may work."""


class JailError(MlsignError):
    """The sandbox could not be built, or its worker broke the contract: there is no result."""


@contextlib.contextmanager
def naming(where: str, *, hint: str = "") -> Iterator[None]:
    """What is wrong inside says in which file, or other source, it is; ``hint`` is for errors that have none."""
    try:
        yield
    except InputError as err:
        err.where = f"{where}: {err.where}" if err.where else where
        err.hint = err.hint or hint
        raise
