"""The parent's hold on the zygote: one process in a clean environment that has imported the runtime and forks workers.

There is one for each parent process, started when the first worker is wanted and ended with its parent. A zygote
that has died is replaced; workers that it forked live on.
"""

from __future__ import annotations

import array
import atexit
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from mlsign.errors import JailError, shown

ENVIRONMENT: Final = MappingProxyType(
    {
        "ORT_DISABLE_TELEMETRY": "1",  # since 1.29 the wheels start a thread and write files otherwise
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",  # each arena reserves 64 MiB of address space; a worker with threads gets more
        "NUMPY_MADVISE_HUGEPAGE": "0",  # the filter refuses that advice
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
    }
)
"""The whole environment of the zygote and its workers: nothing of the parent's, which may hold tokens, reaches them."""

BATCH: Final = 200
"""Descriptors in one message; the kernel takes 253 (``SCM_MAX_FD``)."""

_COMPLAINT_CHARS: Final = 600
_PATIENCE_SECONDS: Final = 5.0


def last_words(fd: int) -> str:
    """What was written to this pipe, its last lines escaped and cut; never waits."""
    try:
        data = os.read(fd, 65536)
    except OSError:
        return ""
    lines = data.decode("utf-8", "replace").strip().splitlines()
    return shown(" / ".join(line.strip() for line in lines[-3:]), limit=_COMPLAINT_CHARS)


class Zygote:
    """A running zygote."""

    def __init__(self) -> None:
        """Starts one, without waiting until it is warm. Raises ``JailError`` (``sandbox.spawn``)."""
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._complaints, stderr = os.pipe()
        os.set_blocking(self._complaints, False)
        try:
            self._popen = subprocess.Popen(  # noqa: S603  this interpreter, our own module, a number as argument
                [sys.executable, "-I", "-B", "-m", "mlsign.sandbox.zygote", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=(theirs.fileno(),),
                env=dict(ENVIRONMENT),
                cwd="/",
                start_new_session=True,  # an interrupt typed at the parent is the parent's to handle
            )
        except OSError as err:
            self._close_descriptors()
            raise JailError(f"the worker could not be started: {err.strerror}", code="sandbox.spawn") from err
        except BaseException:  # an interrupt: a zygote that did start sees the end of its socket, and ends
            self._close_descriptors()
            raise
        finally:
            theirs.close()
            os.close(stderr)

    @property
    def ended(self) -> bool:
        """It forks no more workers."""
        return self._popen.poll() is not None

    def fork(self, descriptors: Sequence[int]) -> None:
        """Asks for a worker that gets copies of ``descriptors``. Raises ``OSError`` where the zygote is gone."""
        count = struct.pack("<I", len(descriptors))
        for start in range(0, len(descriptors), BATCH):
            batch = array.array("i", descriptors[start : start + BATCH])
            self._requests.sendmsg([count], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, batch)])

    def complaint(self) -> str:
        """What it wrote to its error pipe, escaped and cut."""
        return last_words(self._complaints)

    def release(self) -> None:
        """Closes this side's descriptors and touches no process: for a fork of the parent."""
        self._close_descriptors()
        self._popen.returncode = self._popen.returncode or 0  # not this process's child: nothing to wait for

    def close(self) -> None:
        """It is gone and reaped. Workers that it forked live on."""
        self._requests.close()
        try:
            self._popen.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self._close_descriptors()

    def _close_descriptors(self) -> None:
        self._requests.close()
        if self._complaints >= 0:
            os.close(self._complaints)
        self._complaints = -1


class _Current:
    """The zygote of this process, if there is one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.zygote: Zygote | None = None

    def take(self) -> Zygote:
        if self.zygote is not None and self.zygote.ended:
            self.zygote.close()
            self.zygote = None
        if self.zygote is None:
            self.zygote = Zygote()
        return self.zygote


_current = _Current()


def prepare() -> None:
    """A zygote is starting or there: for callers that will want a worker soon. Raises ``JailError`` (``sandbox.spawn``)."""
    with _current.lock:
        _current.take()


def spawn(descriptors: Sequence[int]) -> Zygote:
    """Asks for a worker that gets copies of these descriptors; the zygote that forks it. Raises ``JailError`` (``sandbox.spawn``)."""
    reason = ""
    with _current.lock:
        for _ in range(2):  # one that died since it was looked at is replaced once
            zygote = _current.take()
            try:
                zygote.fork(descriptors)
            except OSError as err:
                reason = err.strerror or ""
                zygote.close()
                _current.zygote = None
            else:
                return zygote
        raise JailError(f"the worker could not be started: {reason}", code="sandbox.spawn")


def end() -> None:
    """No zygote is there any more; the next worker starts another."""
    with _current.lock:
        if _current.zygote is not None:
            _current.zygote.close()
            _current.zygote = None


def _forget_in_fork() -> None:
    """A fork has no zygote: the parent's belongs to the parent, and its lock may be held here for ever."""
    zygote = _current.zygote
    _current.lock = threading.Lock()
    _current.zygote = None
    if zygote is not None:
        zygote.release()


atexit.register(end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_fork)
