"""The parent's hold on a zygote: a process in a clean environment that has imported a runtime and forks workers.

There is one for each runtime in each parent process, started when the first worker is wanted and ended with its parent. A zygote
that has died is replaced; workers that it forked live on.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import fcntl
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
from mlsign.sandbox.child import Child, disown, has_ended
from mlsign.sandbox.child import end as end_child
from mlsign.sandbox.runtimes import RuntimeName

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

NO_SIGNAL: Final = getattr(socket, "MSG_NOSIGNAL", 0)
"""A peer that is gone is an error here, not a SIGPIPE, which ends programs that took Python's setting for it back."""

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


def pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[int, int]:
    """A pipe whose ends are closed with these; reading never waits. Raises ``OSError``."""
    read, write = os.pipe()
    ours.callback(os.close, read)
    theirs.callback(os.close, write)
    os.set_blocking(read, False)
    return read, write


def _above_streams(sock: socket.socket, opened: contextlib.ExitStack) -> int:
    """A descriptor of this socket above 2: in a parent without standard streams it may be one that the zygote's streams come over."""
    fd = fcntl.fcntl(sock, fcntl.F_DUPFD_CLOEXEC, 3)
    opened.callback(os.close, fd)
    return fd


def _start(runtime: RuntimeName, requests: int, *, stderr: int) -> Child:
    return subprocess.Popen(  # noqa: S603  this interpreter, our own module, a number as argument
        [sys.executable, "-I", "-B", "-m", f"mlsign.sandbox.zygote_{runtime.value}", str(requests)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        pass_fds=(requests,),
        env=dict(ENVIRONMENT),
        cwd="/",
        start_new_session=True,  # an interrupt typed at the parent is the parent's to handle
    )


class Zygote:
    """A running zygote."""

    def __init__(self, runtime: RuntimeName) -> None:
        """Starts one, without waiting until it is warm. Raises ``JailError`` (``sandbox.spawn``)."""
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            try:
                self._requests, requests = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                ours.enter_context(self._requests)
                theirs.enter_context(requests)
                self._requests.settimeout(_PATIENCE_SECONDS)  # one that reads nothing any more is replaced
                self._complaints, stderr = pipe(ours, theirs)
                self._popen = _start(runtime, _above_streams(requests, theirs), stderr=stderr)
            except OSError as err:
                raise JailError(f"the worker could not be started: {err.strerror}", code="sandbox.spawn") from err
            ours.pop_all()  # up to here, an interrupt closes them: a zygote that did start sees the end of its socket, and ends

    @property
    def ended(self) -> bool:
        """It forks no more workers."""
        return has_ended(self._popen)

    def fork(self, descriptors: Sequence[int]) -> None:
        """Asks for a worker that gets copies of ``descriptors``. Raises ``OSError`` where the zygote is gone."""
        count = struct.pack("<I", len(descriptors))
        for start in range(0, len(descriptors), BATCH):
            batch = array.array("i", descriptors[start : start + BATCH])
            self._requests.sendmsg([count], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, batch)], NO_SIGNAL)

    def complaint(self) -> str:
        """What it wrote to its error pipe, escaped and cut."""
        return last_words(self._complaints)

    def release(self) -> None:
        """Closes this side's descriptors and touches no process: for a fork of the parent."""
        self._close_descriptors()
        disown(self._popen)

    def close(self) -> None:
        """It is gone and reaped. Workers that it forked live on."""
        self._requests.close()
        end_child(self._popen, patience_seconds=_PATIENCE_SECONDS)
        self._close_descriptors()

    def _close_descriptors(self) -> None:
        self._requests.close()
        complaints, self._complaints = self._complaints, -1  # first: closed twice, a number could be somebody else's
        if complaints >= 0:
            os.close(complaints)


class _Current:
    """The zygotes of this process, as far as there are any."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.zygotes: dict[RuntimeName, Zygote] = {}

    def take(self, runtime: RuntimeName) -> Zygote:
        zygote = self.zygotes.get(runtime)
        if zygote is not None and zygote.ended:
            self.drop(runtime)
            zygote = None
        if zygote is None:
            zygote = self.zygotes[runtime] = Zygote(runtime)
        return zygote

    def drop(self, runtime: RuntimeName) -> None:
        self.zygotes[runtime].close()  # first: should an interrupt come now, it is still known
        del self.zygotes[runtime]


_current = _Current()


def no_forks() -> contextlib.AbstractContextManager[object]:
    """Meanwhile other threads do not fork: the child would keep ends of sockets open whose close means something."""
    return _current.lock


def prepare(runtime: RuntimeName = RuntimeName.ONNXRUNTIME) -> None:
    """A zygote of that runtime is starting or there: for callers that will want a worker soon. Raises ``JailError`` (``sandbox.spawn``)."""
    with _current.lock:
        _current.take(runtime)


def spawn(descriptors: Sequence[int], *, runtime: RuntimeName = RuntimeName.ONNXRUNTIME) -> Zygote:
    """Asks for a worker that gets copies of these descriptors; the zygote that forks it. Raises ``JailError`` (``sandbox.spawn``)."""
    reason = ""
    with _current.lock:
        for _ in range(2):  # one that died since it was looked at is replaced once
            zygote = _current.take(runtime)
            try:
                zygote.fork(descriptors)
            except OSError as err:
                reason = err.strerror or str(err)
                _current.drop(runtime)
            else:
                return zygote
        raise JailError(f"the worker could not be started: {reason}", code="sandbox.spawn")


def end() -> None:
    """No zygote is there any more; the next worker starts another."""
    with _current.lock:
        for runtime in tuple(_current.zygotes):
            _current.drop(runtime)


def _await_starts() -> None:
    """What another thread starts just now has been started; but no fork waits for ever."""
    _current.lock.acquire(timeout=_PATIENCE_SECONDS)


def _go_on() -> None:
    with contextlib.suppress(RuntimeError):  # it was waited for in vain, and is another thread's
        _current.lock.release()


def _forget_in_fork() -> None:
    """A fork has no zygote: the parent's belong to the parent, and its lock may be held here for ever."""
    zygotes = tuple(_current.zygotes.values())
    _current.lock = threading.RLock()
    _current.zygotes = {}
    for zygote in zygotes:
        zygote.release()


atexit.register(end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_await_starts, after_in_parent=_go_on, after_in_child=_forget_in_fork)
