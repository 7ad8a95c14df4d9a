"""Names of files inside a package, safe on every system that a package may travel to.

A ``PackagePath`` is relative, in Unicode NFC, separated by ``/`` and free of anything that some file
system reads as something else: ``..``, ``.``, empty parts, backslashes, colons (drives and alternate
streams), control characters, trailing dots and spaces, and the device names of Windows
(https://learn.microsoft.com/windows/win32/fileio/naming-a-file).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from mlsign.errors import InputError, shown
from mlsign.limits import DEFAULT, Limits

MANIFEST_NAME: Final = "mlsign.json"
SIGNATURES_NAME: Final = "signatures"

_FORBIDDEN: Final = frozenset('\\:*?"<>|')
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)( *\..*)?", re.IGNORECASE)
_HIDDEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cn", "Co"})
_MAX_PART_BYTES: Final = 255


@dataclass(frozen=True, slots=True, order=True)
class PackagePath:
    """A checked path; made by ``decode_path`` only."""

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.text.split("/"))

    @property
    def name(self) -> str:
        return self.text.rpartition("/")[2]

    @property
    def folded(self) -> str:
        """The name as a case-insensitive file system sees it; two files must not share one."""
        return unicodedata.normalize("NFC", self.text.casefold())

    def is_under(self, folder: str) -> bool:
        """Whether this is ``folder`` itself or lies beneath it."""
        return self.text == folder or self.text.startswith(f"{folder}/")


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
    # Nearly all paths are ASCII, and what is printable there is in no hidden category.
    plain = text.isascii() and text.isprintable()
    if not _FORBIDDEN.isdisjoint(text) or not (plain or _HIDDEN.isdisjoint(map(unicodedata.category, text))):
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
