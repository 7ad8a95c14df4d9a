"""Names of files inside a package, safe on every system that a package may travel to.

A ``PackagePath`` is relative, in Unicode NFC, separated by ``/`` and free of anything that some file
system reads as something else: ``..``, ``.``, empty parts, backslashes, colons (drives and alternate
streams), control characters, trailing dots and spaces, and the device names of Windows
(https://learn.microsoft.com/windows/win32/fileio/naming-a-file).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Final

from mlsign.errors import InputError, shown
from mlsign.limits import DEFAULT, Limits

MANIFEST_NAME: Final = "mlsign.json"
SIGNATURES_NAME: Final = "signatures"

_FORBIDDEN: Final = frozenset('\\:*?"<>|')
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)( *\..*)?", re.IGNORECASE)
_HIDDEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cn", "Co"})
_MAX_PART_BYTES: Final = 255
_PLAIN_PART: Final = (
    r"(?!(?i:con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$)(?:[ .]|[/\n]|\Z))"
    r"(?! )[ !#-)+-.0-9;=@-\[\]-{}~]++(?<![ .])"
)
_PLAIN: Final = rf"{_PLAIN_PART}(?:/{_PLAIN_PART})*+"
_PLAIN_PATH: Final = re.compile(_PLAIN, re.ASCII)
_PLAIN_LINES: Final = re.compile(rf"{_PLAIN}(?:\n{_PLAIN})*+", re.ASCII)
"""Names of printable ASCII that nothing is wrong with, lengths aside: nearly all. What matches is never refused below."""


class PackagePath(str):
    """A checked path; made by ``decode_path`` only.

    A string, unlike most values: packages have them by the hundred thousand, and strings are hashed, compared and sorted
    without a line of Python.
    """

    __slots__ = ()

    @property
    def text(self) -> str:
        return str(self)

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.split("/"))

    @property
    def name(self) -> str:
        return self.rpartition("/")[2]

    @property
    def folded(self) -> str:
        """The name as a case-insensitive file system sees it; two files must not share one."""
        return unicodedata.normalize("NFC", self.casefold())

    def is_under(self, folder: str) -> bool:
        """Whether this is ``folder`` itself or lies beneath it."""
        return self == folder or self.startswith(f"{folder}/")


def folded_names(paths: Iterable[PackagePath]) -> list[str]:
    """``folded`` of each path. A line break folds to itself, and nothing composes with it."""
    return unicodedata.normalize("NFC", "\n".join(paths).casefold()).split("\n")


def decode_paths(texts: Sequence[str], *, limits: Limits = DEFAULT) -> list[PackagePath] | None:
    """What ``decode_path`` gives for each of many texts, or None where it may refuse one of them."""
    # No part is longer than its path, so one measure does for both.
    if not texts or max(map(len, texts)) > min(_MAX_PART_BYTES, limits.max_path_bytes):
        return None
    lines = "\n".join(texts)
    if lines.count("\n") >= len(texts) or not _PLAIN_LINES.fullmatch(lines):
        return None
    if max(map(str.count, texts, repeat("/"))) >= limits.max_path_depth:
        return None
    return list(map(PackagePath, texts))


def _refuse(text: str, reason: str, *, code: str, where: str) -> InputError:
    return InputError(
        f"path {shown(text)} {reason}",
        code=f"path.{code}",
        where=where,
        found=shown(text),
        hint="rename the file: package paths are relative, use / and stay inside the package",
    )


def decode_path(text: str, *, where: str = "", limits: Limits = DEFAULT) -> PackagePath:
    """The path, or ``InputError`` with a ``path.…`` code saying what a file system could make of it."""
    short = len(text) <= min(_MAX_PART_BYTES, limits.max_path_bytes)
    if short and _PLAIN_PATH.fullmatch(text) and text.count("/") < limits.max_path_depth:
        return PackagePath(text)
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as err:
        raise _refuse(text, "is not valid Unicode", code="encoding", where=where) from err
    if not text or size > limits.max_path_bytes:
        raise _refuse(text, f"has {size} bytes, allowed are 1 to {limits.max_path_bytes}", code="length", where=where)
    if text.startswith("/"):
        raise _refuse(text, "is absolute", code="absolute", where=where)
    if not unicodedata.is_normalized("NFC", text):
        raise _refuse(text, "is not in Unicode normal form C", code="normal_form", where=where)
    if not _FORBIDDEN.isdisjoint(text) or not _HIDDEN.isdisjoint(map(unicodedata.category, text)):
        raise _refuse(text, "has a character that some file systems refuse or hide", code="character", where=where)
    parts = text.split("/")
    if len(parts) > limits.max_path_depth:
        raise _refuse(text, f"is {len(parts)} levels deep, allowed are {limits.max_path_depth}", code="depth", where=where)
    for part in parts:
        if part == "..":
            raise _refuse(text, "leaves the package", code="escapes", where=where)
        if part in {"", "."}:
            raise _refuse(text, "has an empty part or a dot for a part", code="part", where=where)
        if part[-1] in ". " or part[0] == " " or _DEVICE.fullmatch(part):
            raise _refuse(text, "has a part that Windows reads as another name", code="device", where=where)
        if len(part.encode("utf-8")) > _MAX_PART_BYTES:
            raise _refuse(text, f"has a part of more than {_MAX_PART_BYTES} bytes", code="length", where=where)
    return PackagePath(text)
