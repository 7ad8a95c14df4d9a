"""The end of a process that this one started, seen and brought about in a way that no interrupt spoils.

``Popen.poll`` and ``Popen.wait`` take a lock that an interrupt at a bad moment leaves taken: from then on the one says for ever
that the process runs, and the other never returns. So nothing in here calls them, or waits without a bound.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import Final

_FIRST_PAUSE_SECONDS: Final = 0.0005
_LONGEST_PAUSE_SECONDS: Final = 0.05

Child = subprocess.Popen[bytes]


def has_ended(child: Child) -> bool:
    """It has ended and is reaped. Waits for nothing."""
    if child.returncode is None:
        try:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
        except ChildProcessError:  # reaped: by somebody else, or here before an interrupt came in between
            child.returncode = 0
        else:
            if pid:
                child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode is not None


def end(child: Child, *, patience_seconds: float) -> None:
    """It is gone and reaped: killed, unless it ends by itself in time. One that the kernel does not let die is left to the kernel."""
    if not _ends_within(child, patience_seconds):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        _ends_within(child, patience_seconds)


def disown(child: Child) -> None:
    """There is nothing to wait for: in a fork it is not this process's child."""
    child.returncode = child.returncode or 0


def _ends_within(child: Child, seconds: float) -> bool:
    deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE_SECONDS
    while not has_ended(child):
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
    return True
