"""How many values a JSON text has and how deep they are, told before a single one is built.

Each value costs far more memory than its bytes.
"""

from __future__ import annotations

import re
from typing import Final

from mlsign.errors import InputError

_MARKS: Final = b',"[]{}'
_NOT_MARKS: Final = bytes(sorted(set(range(256)) - set(_MARKS)))
_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_QUOTED: Final = re.compile(rb'"[^"]*+"?')
"""With an optional closing quote and possessive, so that no input makes it go back."""


def check_json_size(data: bytes, *, max_values: int, max_depth: int, where: str) -> None:
    """Returns when the text has no more values and is no deeper than that.

    Every step is one pass of C over the bytes: a loop of our own over 16 MiB of ``]`` would take ten seconds.
    Raises ``InputError`` (``json.values``, ``json.depth``, ``json.syntax``).
    """
    marks = data.translate(None, _NOT_MARKS)
    values = max(sum(map(marks.count, (b",", b"[", b"{"))), marks.count(b"]") + marks.count(b"}"), marks.count(b'"') // 2)
    if values > max_values:
        raise InputError(f"has about {values} values, allowed are {max_values}", code="json.values", where=where)
    left = _brackets(data, marks)
    for _ in range(max_depth):
        shorter = left.replace(b"[]", b"")  # the innermost level
        if len(shorter) == len(left):
            break
        left = shorter
    if left.startswith(b"]"):
        raise InputError("is not JSON: closes more brackets than it opens", code="json.syntax", where=where)
    # What cannot be paired at all is left to the reader, which says where the syntax breaks.
    if b"[]" in left or left.count(b"[") > max_depth:
        raise InputError(f"is nested deeper than {max_depth} levels", code="json.depth", where=where)


def _brackets(data: bytes, marks: bytes) -> bytes:
    """The brackets outside of strings, ``{}`` as ``[]``; as the reader sees them up to the first syntax error."""
    if b"\\" in data:
        marks = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NOT_MARKS)
    # Two quotes in a row open and close nothing for what stands around them; honest text has hardly a quote left then.
    return _QUOTED.sub(b"", marks.translate(_SQUARE, b",").replace(b'""', b""))
