r"""The words of ONNX's textual syntax: names, text, numbers and types, so that neither its parser nor a terminal is fooled.

The syntax (https://onnx.ai/onnx/repo-docs/Syntax.html, ``onnx/defs/parser.cc``) quotes a name between double quotes, where a
backslash takes the next character as it is. It has no way to write a character that a terminal acts on or that nobody sees, so
those are spelled out, ``\\u{1b}``, and every other backslash of such a text too: two different names never read alike. So is the
sign of a command to the runner of GitHub Actions.
"""

from __future__ import annotations

import contextlib
import math
import re
import struct
from typing import Final

from mlsign.errors import UNSEEN
from mlsign.interface import TypeSpec, ValueKind
from mlsign.onnx.schema import ELEMENTS
from mlsign.report.workflow import LEGACY

MAX_TEXT_CHARS: Final = 4096
"""Longer texts, doc strings and metadata say, are cut."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_TYPES: Final = frozenset((*(element.name for element in ELEMENTS.values()), "seq", "map", "optional", "sparse_tensor", "opaque"))
"""Identifiers that the parser takes for a type where a type may stand."""
_NUMBERS: Final = frozenset(("inf", "infinity", "nan"))
_SPELLED: Final = "\\u{"


def is_bare(text: str) -> bool:
    """Whether the parser takes ``text`` for a name wherever a name may stand, without quotes."""
    return _IDENTIFIER.fullmatch(text) is not None and text not in _TYPES and text.lower() not in _NUMBERS


def is_word(text: str) -> bool:
    """The same where nothing but a name may stand: operators, domains, attributes."""
    return _IDENTIFIER.fullmatch(text) is not None


def name(text: str) -> str:
    """A name where the syntax has quotes for it."""
    return text if is_bare(text) else quoted(text)


def quoted(text: str) -> str:
    """Text between quotes, on one line, without a character that a terminal acts on."""
    if not text.isprintable() or _SPELLED in text or LEGACY in text or not UNSEEN.isdisjoint(text):
        text = "".join(c if c.isprintable() and c != "\\" and c not in UNSEEN else f"\\u{{{ord(c):x}}}" for c in text)
        text = text.replace(LEGACY, "##\\u{5b}")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def string(value: bytes | str, what: str, notes: list[str]) -> str:
    """Text that may be long, or bytes that may be no text; where it is cut, ``notes`` says so."""
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
    if len(text) > MAX_TEXT_CHARS:
        notes.append(f"{what} is cut, it has {len(text):,} characters")
        text = text[:MAX_TEXT_CHARS] + "…"
    return quoted(text)


def float_word(value: float) -> str:
    """A number of at most nine digits that reads as the same ``float``, with a point or an exponent."""
    if not math.isfinite(value):
        return str(value)
    for digits in (6, 7, 8):
        spelled = f"{value:.{digits}g}"
        with contextlib.suppress(OverflowError):  # rounded up, the largest float is none any more
            if struct.pack("<f", float(spelled)) == struct.pack("<f", value):
                return _pointed(spelled)
    return _pointed(f"{value:.9g}")


def _pointed(spelled: str) -> str:
    return spelled if "." in spelled or "e" in spelled else f"{spelled}.0"


def type_word(spec: TypeSpec) -> str | None:
    """The type; None for one that the syntax has no words for, because it does not say what it holds."""
    if spec.kind in (ValueKind.TENSOR, ValueKind.SPARSE_TENSOR):
        if not spec.element:
            return None
        word = spec.element + _shape(spec.shape)
        return word if spec.kind is ValueKind.TENSOR else f"sparse_tensor({word})"
    inner = type_word(spec.inner) if spec.inner is not None else None
    if inner is None:
        return None
    if spec.kind is ValueKind.MAP:
        return f"map({spec.element}, {inner})" if spec.element else None
    return f"{_WORDS[spec.kind]}({inner})"


_WORDS: Final = {ValueKind.SEQUENCE: "seq", ValueKind.OPTIONAL: "optional"}


def _shape(shape: tuple[int | str | None, ...] | None) -> str:
    """Nothing for a scalar, and empty brackets where not even the rank is known."""
    if shape is None:
        return "[]"
    return f"[{', '.join(_dimension(size) for size in shape)}]" if shape else ""


def _dimension(size: int | str | None) -> str:
    if size is None:
        return "?"
    if isinstance(size, int):
        return str(size)
    return size if is_word(size) else quoted(size)
