"""The log of the server: one JSON object a line, on standard error, and never anything of what was scored.

Messages of errors can quote inputs, and those of a model anything that it has seen: of a request only codes, sizes and times are
logged.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from enum import IntEnum
from typing import Any, Final, TextIO

from mlsign.errors import InputError, shown


class Level(IntEnum):
    """How much is said; numbers as in Python's ``logging``."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


def level_of(text: str) -> Level:
    """The level of that name. Raises ``InputError`` (``usage.log_level``)."""
    try:
        return Level[text.upper()]
    except KeyError as err:
        names = ", ".join(level.name.lower() for level in Level)
        message = f"{shown(text)} is no level of a log"
        raise InputError(message, code="usage.log_level", expected=names, hint=f"take one of {names}") from err


_LIBRARY: Final = "uvicorn"


class Journal:
    """Writes lines. A standard error that is full or closed changes nothing else."""

    def __init__(self, *, level: Level, stream: TextIO | None = None) -> None:
        self._level = level
        self._stream = sys.stderr if stream is None else stream
        self._second, self._stamp = 0, ""

    def says(self, level: Level) -> bool:
        """Whether a line of this level is written at all."""
        return level >= self._level

    def write(self, level: Level, event: str, **fields: Any) -> None:
        """One line: what happened, and what belongs to it."""
        if level < self._level:
            return
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._stamp = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        stamp = f"{self._stamp}.{int((now - second) * 1000):03d}Z"
        line = _encode({"time": stamp, "level": _WORDS[level], "event": event, **fields})
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    def info(self, event: str, **fields: Any) -> None:
        self.write(Level.INFO, event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        self.write(Level.WARNING, event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        self.write(Level.ERROR, event, **fields)

    def adopt_library(self) -> None:
        """What the HTTP library logs goes into the same lines, from warnings on: the rest is told by us."""
        logger = logging.getLogger(_LIBRARY)
        logger.handlers[:] = [_Adopted(self)]
        logger.setLevel(logging.WARNING)
        logger.propagate = False


class _Adopted(logging.Handler):
    def __init__(self, journal: Journal) -> None:
        super().__init__(level=logging.WARNING)
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        level = Level.ERROR if record.levelno >= logging.ERROR else Level.WARNING
        error = type(record.exc_info[1]).__name__ if record.exc_info and record.exc_info[1] is not None else ""
        self._journal.write(level, "http", message=shown(record.getMessage()), **({"error": error} if error else {}))


def _text(value: object) -> str:
    return shown(value)


_WORDS: Final = {level: level.name.lower() for level in Level}
_encode = json.JSONEncoder(default=_text).encode  # made once: json.dumps makes one for every line
