"""Foreign text in a Markdown file with a head in YAML: nothing of it is read as markup, as HTML, as a link, or as the end of the head."""

from __future__ import annotations

import re
from typing import Final

from mlsign.errors import shown
from mlsign.report.workflow import LEGACY

_MAX_CODE_CHARS: Final = 300
_MAX_PROSE_CHARS: Final = 8192
_MAX_YAML_CHARS: Final = 1000
_PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")
_ENTITIES: Final = {"\\<": "&lt;", "\\>": "&gt;", "\\&": "&amp;"}


def code(text: object) -> str:
    """In a code span, on one line, also within a table; a dash for nothing."""
    safe = shown(text, limit=_MAX_CODE_CHARS).strip().replace("`", r"\u{60}").replace("|", r"\u{7c}")
    return f"`{safe}`" if safe else "-"


def prose(text: str) -> str:
    """As paragraphs. Every sign of punctuation is escaped, which Markdown allows for all of them, so none means anything."""
    lines = (shown(line.strip(), limit=_MAX_PROSE_CHARS) for line in text[:_MAX_PROSE_CHARS].splitlines())
    out = "\n\n".join(_escaped(line) for line in lines if line)
    return f"{out}…" if len(text) > _MAX_PROSE_CHARS else out


def _escaped(line: str) -> str:
    escaped = _PUNCTUATION.sub(r"\\\1", line)
    for sign, entity in _ENTITIES.items():
        escaped = escaped.replace(sign, entity)
    return escaped


def yaml_text(text: str) -> str:
    """As a double-quoted scalar of YAML, in ASCII."""
    safe = shown(text, limit=_MAX_YAML_CHARS)
    return '"' + "".join(map(_yaml_char, safe)).replace(LEGACY, r"##\u005b") + '"'


def _yaml_char(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if " " <= char <= "~":
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
