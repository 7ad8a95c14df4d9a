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
_ADDRESS: Final = re.compile(r"@|:/|\w\.[^\W\d_]{2}|\bwww\.|mailto:|xmpp:", re.IGNORECASE)
"""What GitHub's Markdown and others make a link of: addresses of mail, with a scheme, and names of hosts."""
_ENTITIES: Final = {"\\<": "&lt;", "\\>": "&gt;", "\\&": "&amp;"}


def code(text: object) -> str:
    """In a code span, on one line, also within a table; a dash for nothing."""
    safe = shown(text, limit=_MAX_CODE_CHARS).strip().replace("`", r"\u{60}").replace("|", r"\u{7c}")
    return f"`{safe}`" if safe else "-"


def quoted_prose(text: str) -> str:
    """As a quotation in paragraphs, so that it is not taken for what the card itself says.

    Every sign of punctuation is escaped, which Markdown allows for all of them, so none means anything. Renderers that make links of
    bare addresses look at text after that, so what may be one stands in a code span.
    """
    lines = (shown(line.strip(), limit=_MAX_PROSE_CHARS) for line in text[:_MAX_PROSE_CHARS].splitlines())
    paragraphs = [" ".join(map(_word, line.split(" "))) for line in lines if line]
    if len(text) > _MAX_PROSE_CHARS:
        paragraphs.append("…")
    return "\n>\n".join(f"> {paragraph}" for paragraph in paragraphs)


def _word(word: str) -> str:
    return code(word) if _ADDRESS.search(word) else _escaped(word)


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
