"""What the runner of GitHub Actions reads out of the output of a step, so that foreign text is never read as a command.

The runner takes a line for a command that begins with ``::``, spaces before it left out of account, and an older spelling,
``##[``, wherever it stands in a line. It does so with all that a step prints, whatever format was asked for.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from mlsign.errors import shown

LEGACY: Final = "##["
_COMMAND: Final = re.compile(r"^([^\S\n]*):(?=:)", re.MULTILINE)
_MAX_MESSAGE_CHARS: Final = 1000
_MAX_TITLE_CHARS: Final = 200


class Level(Enum):
    """The commands that make an annotation."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


def inert(text: str) -> str:
    """The same lines, none of which the runner takes for a command."""
    return _COMMAND.sub(r"\1\\u{3a}", text.replace(LEGACY, r"##\u{5b}"))


def annotation(level: Level, message: str, *, title: str, file: str | None = None, at: tuple[int, int] | None = None) -> str:
    """One command on one line. ``file`` is a path from the root of the sources, None for an annotation of the whole step.

    ``at`` is a line and a column in it.
    """
    properties = [] if file is None else [f"file={_property(file, limit=_MAX_MESSAGE_CHARS)}"]
    if at is not None:
        properties += [f"line={at[0]}", f"col={at[1]}"]
    properties.append(f"title={_property(title, limit=_MAX_TITLE_CHARS)}")
    return f"::{level.value} {','.join(properties)}::{_data(message, limit=_MAX_MESSAGE_CHARS)}"


def _data(text: str, *, limit: int) -> str:
    """Text as the runner takes it (GitHub, "Workflow commands"); ``%`` first, or the escapes were escaped again."""
    safe = shown(text, limit=limit).replace(LEGACY, r"##\u{5b}")
    return safe.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str, *, limit: int) -> str:
    return _data(text, limit=limit).replace(":", "%3A").replace(",", "%2C")
