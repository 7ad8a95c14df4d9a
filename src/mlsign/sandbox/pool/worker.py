"""One worker of a pool and the place it fills: how often that place was refilled in vain, and when it is again."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import Final

from mlsign.sandbox.jail import Jail

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 5.0


def pause_seconds(failures: int) -> float:
    """How long a place stays empty after so many failures in a row: after the first not at all, then twice as long each time."""
    if failures <= 1:
        return 0.0
    return float(min(FIRST_PAUSE_SECONDS * 2 ** min(failures - 2, 32), LONGEST_PAUSE_SECONDS))


class Place:
    """A place for one worker. ``failures`` counts workers and starts since one last answered a call."""

    __slots__ = ("due", "failures", "lives")

    def __init__(self) -> None:
        self.due = 0.0
        self.failures = 0
        self.lives = 0

    def failed(self, *, now: float) -> None:
        """The next worker is due after a pause."""
        self.failures += 1
        self.due = now + pause_seconds(self.failures)


class Worker:
    """A running jail. ``answered`` is set by whoever got an answer out of it."""

    __slots__ = ("_lock", "answered", "jail", "pidfd", "place")

    def __init__(self, jail: Jail, place: Place) -> None:
        """Raises ``OSError`` where no descriptor is left; the jail is then still to be closed."""
        self.jail = jail
        self.place = place
        self.answered = False
        self._lock = threading.Lock()
        # An own copy: the jail closes its own one when a call fails, in another thread, and its number is given to others.
        self.pidfd = os.dup(jail.pidfd) if jail.pidfd >= 0 else -1

    def kill(self) -> None:
        """The process gets SIGKILL; nothing waits for it. For calls that another thread is in the midst of."""
        with self._lock, contextlib.suppress(OSError):  # gone already
            if self.pidfd >= 0:
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)  # type: ignore[attr-defined,unused-ignore]  # Linux only

    def forget(self) -> None:
        """Closes the own descriptor; the process lives on."""
        with self._lock:
            self.close_pidfd()

    def close_pidfd(self) -> None:
        """``forget`` without the lock: for a fork, where a thread that is no more may have held it."""
        fd, self.pidfd = self.pidfd, -1
        if fd >= 0:
            os.close(fd)
