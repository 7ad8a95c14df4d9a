"""The page of the benchmarks: prose written by hand, and between markers one block for each section that a program writes.

A section prints its block to the standard output, whoever runs it, and says what it is doing to the standard error.
"""

from __future__ import annotations

import contextlib
import io
import os
import platform
import re
import sys
import time
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TextIO

from contenders import ROOT

PAGE = ROOT / "docs" / "performance.md"
PACKAGES = ("onnxruntime", "onnx", "blake3", "cryptography", "model-signing")
END = "<!-- end -->"
STARTED = time.monotonic()


class LeftOut(Exception):  # noqa: N818 - no error: something that is not here
    """A section cannot be measured on this machine, and why."""


def progress(what: str) -> None:
    """A line with the minutes since the start, for whoever waits."""
    seconds = time.monotonic() - STARTED
    print(f"{int(seconds // 60)}:{int(seconds % 60):02}  {what}", file=sys.stderr, flush=True)


def heading(*columns: str) -> None:
    """The head of a table."""
    print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)


def row(*cells: str) -> None:
    """A line of a table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def machine() -> str:
    """What all of it was measured on."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processors = f"{os.cpu_count()} processors, {memory:.0f} GiB, {platform.machine()}, Linux {platform.release()}"
    return f"{processors}, Python {platform.python_version()}, {versions}"


class Tee(io.TextIOBase):
    """Shows what is printed, and keeps it."""

    def __init__(self, shown: TextIO) -> None:
        self._shown = shown
        self._kept: list[str] = []

    def write(self, text: str) -> int:
        self._shown.write(text)
        self._kept.append(text)
        return len(text)

    def flush(self) -> None:
        self._shown.flush()

    @property
    def text(self) -> str:
        return "".join(self._kept).strip()


@contextlib.contextmanager
def printed() -> Iterator[Tee]:
    """What is printed within, on the screen and as the ``text`` of what it gives."""
    tee = Tee(sys.stdout)
    with contextlib.redirect_stdout(tee):
        yield tee


def begin(command: str) -> str:
    """The marker before the block that a command makes."""
    return f"<!-- {command} writes from here to the end of the block -->"


def place(command: str) -> re.Pattern[str]:
    """What finds the block of a command."""
    return re.compile(f"{re.escape(begin(command))}\n.*?{re.escape(END)}\n", re.DOTALL)


def check_places(page: Path, commands: Iterable[str]) -> None:
    """Ends the benchmark, before it has measured anything, when the page does not have one block for each command."""
    text = page.read_text(encoding="utf-8")
    for command in commands:
        if len(place(command).findall(text)) != 1:
            raise SystemExit(f"{page} does not have one block between {begin(command)} and {END}")


def write_block(page: Path, command: str, block: str) -> None:
    """Puts the block of a command into its place on the page, which is there."""
    text = page.read_text(encoding="utf-8")
    page.write_text(place(command).sub(lambda _: f"{begin(command)}\n\n{block}\n\n{END}\n", text), encoding="utf-8")
