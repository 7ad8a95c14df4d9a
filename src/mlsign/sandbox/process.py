"""A worker as a process: asked of the zygote, watched, killed, explained."""

from __future__ import annotations

import array
import contextlib
import os
import select
import signal
import socket
import struct
import weakref
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final, Protocol

from mlsign.errors import JailError
from mlsign.sandbox import zygote_host
from mlsign.sandbox.layers import Layer
from mlsign.sandbox.runtimes import RuntimeName

_PATIENCE_SECONDS: Final = 5.0
"""How long a killed process may take to be gone; kernels need milliseconds."""

_CLOSE_ON_EXEC: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
"""A program that another thread starts meanwhile is not to inherit the right to signal the worker."""

_DIED: Final = "mlsign explain MLS504 says what that can mean"

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


class Host(Protocol):
    """What started a worker."""

    def complaint(self) -> str:
        """What it wrote to its error pipe, escaped and cut."""
        ...


class Process:
    """A worker and its keeper, forked from the zygote. ``close`` leaves no process and no descriptor behind."""

    pidfd = _complaints = -1

    def __init__(self, descriptors: Sequence[int], *, runtime: RuntimeName = RuntimeName.ONNXRUNTIME) -> None:
        """Starts them, with that runtime in them; ``descriptors`` are handed to the worker, in this order. Raises ``JailError`` (``sandbox.spawn``)."""
        self.pid = -1
        self.runtime = runtime
        self.others: tuple[int, ...] = ()
        """Further processes that work for this worker."""
        self._how: int | None = None
        self._gone = False
        with zygote_host.no_forks(), contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            try:
                self.control, control = _pair(ours, theirs)
                self._status, status = _pair(ours, theirs)
                complaints, stderr = zygote_host.pipe(ours, theirs)
                os.set_blocking(stderr, False)  # a full pipe loses words rather than stopping the worker
                self._host = self._spawn(control.fileno(), status.fileno(), stderr, descriptors)
            except OSError as err:  # a worker that did start sees the end of its sockets, and ends
                raise JailError(f"the worker could not be started: {err.strerror}", code="sandbox.spawn") from err
            ours.pop_all()
            self._complaints = complaints
            _LIVING.add(self)

    def _spawn(self, control: int, status: int, stderr: int, descriptors: Sequence[int]) -> Host:
        return zygote_host.spawn([control, status, stderr, *descriptors], runtime=self.runtime)

    def meet_worker(self, timeout: float) -> None:
        """Takes the worker's pid and pidfd from the keeper. Raises ``JailError`` (``sandbox.worker.died``, ``sandbox.spawn``)."""
        self._readable(self._status, timeout)  # waited for here: an interrupt that comes while it is taken loses the descriptor
        self._status.settimeout(0)
        try:
            data, ancillary, flags, _ = self._status.recvmsg(4, socket.CMSG_SPACE(4), _CLOSE_ON_EXEC)
        except OSError as err:
            raise JailError("the keeper of the worker said nothing", code="sandbox.worker.died") from err
        descriptors = array.array("i")
        for _, _, content in ancillary:
            descriptors.frombytes(content[:4])
        if descriptors:
            self.pidfd = descriptors[0]
        if flags & socket.MSG_CTRUNC:
            raise JailError("this process may open no descriptor for the worker", code="sandbox.spawn")
        if len(data) != 4:
            raise JailError("the keeper of the worker ended", code="sandbox.worker.died")
        (self.pid,) = struct.unpack("=i", data)

    def confirm(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """The layers that a worker reports, completed by what is seen from here. Raises ``JailError``."""
        return layers

    def alive(self) -> bool:
        """The worker has not ended, as far as can be seen without waiting."""
        if self.pidfd < 0:
            return self.pid > 0 and not self._gone
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return not poll.poll(0)

    def take_address_space(self, count: int, *, timeout: float) -> None:
        """The worker's limit is lower by so many bytes. Raises ``JailError`` (``sandbox.layer``, ``sandbox.worker.died``)."""
        self._status.settimeout(timeout)
        try:
            self._status.send(struct.pack("=Q", count), zygote_host.NO_SIGNAL)
            answer = self._status.recv(4)
        except OSError as err:
            raise JailError("the keeper of the worker said nothing", code="sandbox.worker.died") from err
        if len(answer) != 4:
            raise JailError("the keeper of the worker ended", code="sandbox.worker.died")
        (code,) = struct.unpack("=i", answer)
        if code and not self.alive():  # no answer, but how the worker ended meanwhile
            self._how = code
            raise JailError("the worker ended while it loaded", code="sandbox.worker.died")
        if code:
            message = f"the limit on address space could not be set after loading: {os.strerror(code)}"
            raise JailError(message, code="sandbox.layer", where="rlimits", found=os.strerror(code))

    def kill(self) -> None:
        """The worker is dead and reaped; ``explain`` knows how it ended."""
        if self._gone:
            return
        if self._how is None and self.pid > 0:
            with contextlib.suppress(OSError):  # gone already
                if self.pidfd >= 0:
                    signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)  # type: ignore[attr-defined,unused-ignore]  # Linux only
                else:
                    os.kill(self.pid, signal.SIGKILL)
        self._reap()

    def _reap(self) -> None:
        """Hears from the keeper how the worker ended; a keeper that was not yet split in two ends with its sockets."""
        with contextlib.suppress(OSError):
            if self.pid > 0 and self._how is None and self._readable(self._status, _PATIENCE_SECONDS):
                data = self._status.recv(4)
                self._how = struct.unpack("=i", data)[0] if len(data) == 4 else None
            self.control.close()
            self._status.shutdown(socket.SHUT_WR)  # a keeper that is still there ends its worker now
            while self._readable(self._status, _PATIENCE_SECONDS) and self._status.recv(4):
                pass  # until the end: nothing of the worker is left
        self._gone = True

    @staticmethod
    def _readable(target: socket.socket | int, timeout: float) -> bool:
        poll = select.poll()
        poll.register(target, select.POLLIN)
        return poll.poll(timeout * 1000) != []

    def ended_by_itself(self, timeout: float) -> bool:
        """Whether the worker ends within ``timeout`` without being told."""
        return self._gone or self._readable(self.pidfd if self.pidfd >= 0 else self._status, timeout)

    def exit_code(self) -> int | None:
        """The status with which the worker ended, the negative number of a signal, None where that is not known."""
        return None if self._how is None else os.waitstatus_to_exitcode(self._how)

    def last_words(self) -> str:
        """What it complained about, escaped and cut; said once."""
        return zygote_host.last_words(self._complaints) or self._host.complaint()

    def explain(self) -> str:
        """How the worker ended and what it complained about, as part of a sentence."""
        code = self.exit_code()
        text = "nobody knows how"
        if code is not None:
            text = f"it ended with status {code}" if code >= 0 else _signal_words(-code)
        complaint = self.last_words()
        return f"{text}; its last words: {complaint}" if complaint else text

    def obituary(self, *, alone: bool) -> JailError:
        """What there is to say of a worker that ended without an answer, ``alone`` if nobody had to end it."""
        how = self.explain()
        if not alone and how.startswith("SIGKILL"):
            how = "it closed its socket, went on, and was killed"
        return JailError(f"the worker ended without an answer: {how}", code="sandbox.worker.died", hint=_DIED)

    def release(self) -> None:
        """Closes this side's descriptors and touches no process: for a fork of the parent."""
        self._gone = True
        self._close_descriptors()

    def close(self) -> None:
        """Kills, reaps, closes. May be called again."""
        self.kill()
        self._close_descriptors()

    def _close_descriptors(self) -> None:
        self.control.close()
        self._status.close()
        descriptors = (self._complaints, self.pidfd)
        self._complaints = self.pidfd = -1  # first: closed twice, a number could be somebody else's
        for fd in descriptors:
            if fd >= 0:
                os.close(fd)

    def __del__(self) -> None:
        """One that nobody closed, such as after an interrupt at a bad moment, keeps no descriptor; its sockets end the worker."""
        for fd in (self._complaints, self.pidfd):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)


def _pair(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[socket.socket, socket.socket]:
    """A pair of sockets that are closed with these. Raises ``OSError``."""
    one, other = socket.socketpair()
    return ours.enter_context(one), theirs.enter_context(other)


def _signal_words(number: int) -> str:
    """What a deadly signal is called and means; real-time signals have neither, and a worker can pick one."""
    try:
        found = signal.Signals(number)
    except ValueError:
        return f"signal {number}"
    return f"{found.name}: {REASONS[found]}" if found in REASONS else found.name
