"""What tests of the command line share: an environment without settings, what a run came to, and a terminal."""

import os
import pty
import subprocess
from dataclasses import dataclass
from pathlib import Path

CLEAN = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "SOURCE_DATE_EPOCH", "FORCE_COLOR", "COLUMNS"}}


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


def on_terminal(argv: list[str], cwd: Path, env: dict[str, str]) -> tuple[int, bytes]:
    """The output of a command whose standard output is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, cwd=cwd, env=CLEAN | env)
    os.close(theirs)
    out = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        out += part
    os.close(ours)
    return process.wait(), out
