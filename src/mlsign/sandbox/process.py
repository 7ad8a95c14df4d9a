"""The worker as a process of this one: started in a clean environment, watched, killed, reaped, explained."""

from __future__ import annotations

import array
import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import weakref
from types import MappingProxyType
from typing import Final

from mlsign.errors import JailError, shown

_PATIENCE_SECONDS: Final = 5.0
"""How long a killed process may take to be gone; kernels need milliseconds."""

_COMPLAINT_CHARS: Final = 600

_CLOSE_ON_EXEC: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
"""A program that another thread starts meanwhile is not to inherit the right to signal the worker."""

ENVIRONMENT: Final = MappingProxyType(
    {
        "ORT_DISABLE_TELEMETRY": "1",  # since 1.29 the wheels start a thread and write files otherwise
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "NUMPY_MADVISE_HUGEPAGE": "0",  # the filter refuses that advice
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
    }
)
"""The whole environment of a worker: nothing of the parent's, which may hold tokens, reaches it."""

REASONS: Final = MappingProxyType(
    {
        signal.SIGSYS: "it made a system call that is forbidden",
        signal.SIGKILL: "it was killed from outside, most likely because the machine ran out of memory",
        signal.SIGSEGV: "it touched memory that is not its own",
        signal.SIGABRT: "the runtime gave up, most likely for lack of memory",
        signal.SIGBUS: "it touched memory that is not there",
    }
)


_LIVING: Final[weakref.WeakSet[Process]] = weakref.WeakSet()
"""For forks of this process. A copy of the sockets there would keep a worker alive after its parent has gone."""


def _forget_in_fork() -> None:
    for process in list(_LIVING):
        process.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_fork)


class Process:
    """A worker, or a keeper and its worker. ``close`` leaves no process and no descriptor behind."""

    def __init__(self, *, pass_fds: tuple[int, ...], threads: int, confined: bool) -> None:
        self.pid = -1
        self.pidfd = -1
        self._confined = confined
        self._how: int | None = None
        self.control, theirs = socket.socketpair()
        self._status, status = socket.socketpair()
        self._complaints, stderr = os.pipe()
        os.set_blocking(self._complaints, False)
        os.set_blocking(stderr, False)  # a full pipe loses words rather than stopping the worker
        arenas = {"MALLOC_ARENA_MAX": str(threads)}  # each arena reserves 64 MiB of address space
        try:
            self._popen = subprocess.Popen(  # noqa: S603  this interpreter, our own module, numbers as arguments
                [sys.executable, "-I", "-B", "-m", "mlsign.sandbox.worker", str(theirs.fileno()), str(status.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=(theirs.fileno(), status.fileno(), *pass_fds),
                env={**ENVIRONMENT, **arenas},
                cwd="/",
                start_new_session=True,  # an interrupt typed at the parent is the parent's to handle
            )
        except OSError as err:
            self._close_descriptors()
            raise JailError(f"the worker could not be started: {err.strerror}", code="sandbox.spawn") from err
        except BaseException:  # an interrupt: a worker that did start sees the end of its sockets, and ends
            self._close_descriptors()
            raise
        finally:
            theirs.close()
            status.close()
            os.close(stderr)
        _LIVING.add(self)
        if not confined:
            self.pid = self._popen.pid
            self.pidfd = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else -1

    def meet_worker(self, timeout: float) -> None:
        """Takes the confined worker's pid and pidfd from the keeper. Raises ``JailError`` (``sandbox.worker.died``)."""
        self._status.settimeout(timeout)
        try:
            data, ancillary, _, _ = self._status.recvmsg(4, socket.CMSG_SPACE(4), _CLOSE_ON_EXEC)
        except OSError as err:
            raise JailError("the keeper of the worker said nothing", code="sandbox.worker.died") from err
        descriptors = array.array("i")
        for _, _, content in ancillary:
            descriptors.frombytes(content[:4])
        if len(data) != 4 or len(descriptors) != 1:
            raise JailError("the keeper of the worker ended", code="sandbox.worker.died")
        (self.pid,) = struct.unpack("=i", data)
        self.pidfd = descriptors[0]

    def kill(self) -> None:
        """The worker is dead and reaped; ``explain`` knows how it ended."""
        if self._how is None and self._popen.returncode is None:
            if self.pidfd >= 0:
                with contextlib.suppress(OSError):  # gone already
                    signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)  # type: ignore[attr-defined,unused-ignore]  # Linux only
            elif not self._confined:
                self._popen.kill()
        self._reap()

    def _reap(self) -> None:
        if self._popen.returncode is not None:
            return
        if self._confined and self.pidfd >= 0:
            poll = select.poll()
            poll.register(self._status, select.POLLIN)
            if poll.poll(_PATIENCE_SECONDS * 1000):
                with contextlib.suppress(OSError):
                    data = self._status.recv(4)
                    self._how = struct.unpack("=i", data)[0] if len(data) == 4 else None
        self._status.close()  # a keeper that is still there ends its worker now
        if self._confined and self.pidfd < 0:
            self._popen.kill()  # not yet split in two
        try:
            self._popen.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def ended_by_itself(self, timeout: float) -> bool:
        """Whether the worker ends within ``timeout`` without being told."""
        if self.pidfd < 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout)
            return self._popen.returncode is not None
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return poll.poll(timeout * 1000) != []

    def explain(self) -> str:
        """How the worker ended and what it complained about, as part of a sentence."""
        how = self._how
        code = os.waitstatus_to_exitcode(how) if how is not None else (self._popen.returncode or 0)
        text = f"it ended with status {code}" if code >= 0 else _signal_words(-code)
        complaint = self.complaint()
        return f"{text}; its last words: {complaint}" if complaint else text

    def complaint(self) -> str:
        """What the worker wrote to its error pipe, escaped and cut."""
        try:
            data = os.read(self._complaints, 65536)
        except OSError:
            return ""
        lines = data.decode("utf-8", "replace").strip().splitlines()
        return shown(" / ".join(line.strip() for line in lines[-3:]), limit=_COMPLAINT_CHARS)

    def release(self) -> None:
        """Closes this side's descriptors and touches no process: for a fork of the parent."""
        self._close_descriptors()
        self._popen.returncode = self._popen.returncode or 0  # not this process's child: nothing to wait for

    def close(self) -> None:
        """Kills, reaps, closes. May be called again."""
        self.kill()
        self._close_descriptors()

    def _close_descriptors(self) -> None:
        self.control.close()
        self._status.close()
        for fd in (self._complaints, self.pidfd):
            if fd >= 0:
                os.close(fd)
        self._complaints = self.pidfd = -1


def _signal_words(number: int) -> str:
    """What a deadly signal is called and means; real-time signals have neither, and a worker can pick one."""
    try:
        found = signal.Signals(number)
    except ValueError:
        return f"signal {number}"
    return f"{found.name}: {REASONS[found]}" if found in REASONS else found.name
