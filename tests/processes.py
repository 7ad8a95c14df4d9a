"""Looking at other processes, and holding them. Any of them may end between two looks: one that has is told as gone, and no look
fails over it.
"""

import contextlib
import gc
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

_GONE = (FileNotFoundError, ProcessLookupError)
"""What the kernel answers about a process that has ended: before its entry in ``/proc`` is opened, and between opening and reading."""


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended: one that only waits for being reaped has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except _GONE:
        return False


def children(pid: int) -> list[int]:
    """The processes that any thread of a process has started."""
    found: list[int] = []
    try:
        for task in list(Path(f"/proc/{pid}/task").iterdir()):
            found += map(int, (task / "children").read_text().split())
    except _GONE:
        pass
    return found


def descendants(pid: int) -> list[int]:
    """All processes below one, those nearest to it first."""
    found = children(pid)
    for each in found:
        found += children(each)
    return found


def command_line(pid: int) -> bytes:
    """The words of a process, each with a NUL after it; none for one that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except _GONE:
        return b""


@contextlib.contextmanager
def standing_still(pids: Iterable[int]) -> Iterator[None]:
    """Processes that are given no processor meanwhile: whatever they are at lasts until this is over, however fast the machine."""
    held = list(pids)
    for pid in held:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in held:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def workers_below(pid: int) -> list[int]:
    """The processes that models run in: a parent has zygotes, each of them has keepers, and each of those has a worker."""
    return [worker for zygote in children(pid) for keeper in children(zygote) for worker in children(keeper)]


def open_descriptors() -> list[str]:
    """The descriptors of this process, once what nothing holds any more is collected: an earlier test may have left what has some."""
    gc.collect()
    return sorted(os.listdir("/proc/self/fd"))
