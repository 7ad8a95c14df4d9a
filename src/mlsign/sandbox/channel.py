"""The parent's end of the control socket: frames under a deadline and a CPU budget.

Nothing in here waits without a bound, and nothing the worker sends is believed before it was decoded. Any
``JailError`` from this module means that the worker is to be killed.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from typing import Final

from mlsign.errors import InputError, JailError
from mlsign.limits import Limits
from mlsign.sandbox.protocol import DOCUMENTS, HEAD_BYTES, Head, Kind, Pace, decode_head, encode_head

_TURN_BYTES: Final = 1 << 20
"""Sent or received in one turn, between two looks at the clock."""

_FIRST_BYTES: Final = 4096
"""Asked for at first: memory is taken for as much, and most answers are a head alone."""

_NO_SIGNAL: Final = getattr(socket, "MSG_NOSIGNAL", 0)
"""A worker that closes its end is an error here, not a SIGPIPE, which ends programs that took Python's setting for it back."""

_CPU_STEP_SECONDS: Final = 0.002
"""The CPU budget is looked at when it can have run out at the earliest, and not more often than this."""


def cpu_time(pid: int) -> float:
    """Seconds of CPU time that a process has used, all threads together. Raises ``OSError`` when it is gone.

    Its CPU clock by number, as ``clock_getcpuclockid(3)`` makes it (``CPUCLOCK_SCHED`` of a process).
    """
    return time.clock_gettime((~pid << 3) | 2)


_LONGEST_WAIT_SECONDS: Final = 3600.0
"""``poll`` counts milliseconds in an int."""


_SLOW: Final = "send less at once, or raise sandbox.{} in the policy if the model is honestly slow"


class Watch:
    """One call's deadline and CPU budget."""

    __slots__ = ("_budget", "_cpu_start", "_deadline", "_others", "_pid", "_spec_cpu", "_spec_wall", "_threads")

    def __init__(
        self, *, wall_seconds: float, cpu_seconds: float | None, pid: int, threads: int, others: tuple[int, ...] = ()
    ) -> None:
        """``others`` are processes whose CPU time counts with that of ``pid``."""
        self._spec_wall = wall_seconds
        self._spec_cpu = cpu_seconds or 0.0
        self._deadline = time.monotonic() + wall_seconds
        self._pid = pid
        self._others = others
        self._threads = threads
        self._cpu_start = self._used() if cpu_seconds is not None else None

    def _used(self) -> float:
        try:
            used = cpu_time(self._pid)
        except OSError:  # gone already: the socket will tell
            return 0.0
        for pid in self._others:
            with contextlib.suppress(OSError):  # the time of the rest still counts
                used += cpu_time(pid)
        return used

    def timeout(self) -> float:
        """Seconds until the next look is due. Raises ``JailError`` (``sandbox.deadline``, ``sandbox.cpu``)."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise JailError(
                f"no answer within {self._spec_wall:g} seconds",
                code="sandbox.deadline",
                hint="" if self._cpu_start is None else _SLOW.format("wall"),
            )
        left = min(left, _LONGEST_WAIT_SECONDS)
        if self._cpu_start is None:
            return left
        budget = self._spec_cpu - (self._used() - self._cpu_start)
        if budget <= 0:
            message = f"the call used more than {self._spec_cpu:g} seconds of CPU time"
            raise JailError(message, code="sandbox.cpu", hint=_SLOW.format("cpu"))
        return min(left, max(budget / self._threads, _CPU_STEP_SECONDS))


class Channel:
    """Frames out and in over one non-blocking socket. ``pidfd`` is -1 where the platform has none."""

    __slots__ = ("_data", "_pidfd", "_poll", "_sock")

    def __init__(self, sock: socket.socket, *, pidfd: int) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._data = bytearray()
        self._poll = select.poll()
        self.watch_process(pidfd)

    def watch_process(self, pidfd: int) -> None:
        """From now on the end of this process ends waiting, too; -1 where the platform has no such descriptors."""
        self._pidfd = pidfd
        if pidfd >= 0:
            self._poll.register(pidfd, select.POLLIN)

    def _wait(self, event: int, watch: Watch) -> None:
        self._poll.register(self._sock, event)
        while True:
            ready = dict(self._poll.poll(watch.timeout() * 1000))
            if self._sock.fileno() in ready:
                return  # also when the process has ended: it may have answered before
            if self._pidfd in ready:
                raise died()

    def send_document(self, kind: Kind, request: int, body: bytes, watch: Watch) -> None:
        """One frame, whole. Raises ``JailError`` (``sandbox.worker.died``, ``sandbox.deadline``, ``sandbox.cpu``)."""
        view = memoryview(encode_head(kind=kind, request=request, length=len(body)) + body)
        while len(view) > 0:
            watch.timeout()  # a peer that always takes a little would keep the wait below from ever being reached
            try:
                view = view[self._sock.send(view[:_TURN_BYTES], _NO_SIGNAL) :]
            except BlockingIOError:
                self._wait(select.POLLOUT, watch)
            except OSError as err:
                raise died() from err

    def send_head(self, kind: Kind, request: int, length: int, pace: Pace) -> None:
        """A frame whose body lies in shared memory, without waiting: a worker reads each call before the next is sent.

        Raises ``JailError`` (``sandbox.worker.died``, ``sandbox.frame``).
        """
        try:
            sent = self._sock.send(encode_head(kind=kind, request=request, length=length, pace=pace), _NO_SIGNAL)
        except BlockingIOError:
            sent = 0
        except OSError as err:
            raise died() from err
        if sent != HEAD_BYTES:
            raise JailError("the worker does not read its calls", code="sandbox.frame", found=f"{sent} bytes")

    def receive(self, request: int, watch: Watch, *, limits: Limits) -> tuple[Head, bytes]:
        """The answer to ``request``. Raises ``JailError`` (also ``sandbox.frame`` for what is no answer to it)."""
        while (found := self.step(request, watch, limits=limits)) is None:
            self._wait(select.POLLIN, watch)
        return found

    def step(self, request: int, watch: Watch, *, limits: Limits) -> tuple[Head, bytes] | None:
        """The answer to ``request`` as far as it came without waiting: None where more is to come. Raises as ``receive`` does."""
        while True:
            try:
                received = self._sock.recv(_TURN_BYTES if self._data else _FIRST_BYTES)
            except BlockingIOError:
                return None
            except OSError as err:
                raise died() from err
            if not received:
                raise died()
            if len(received) == HEAD_BYTES and not self._data:  # what every answer to an ordinary call is
                head = self._head(received, request, limits=limits)
                if head.kind not in DOCUMENTS:
                    return head, b""
            self._data += received  # grows with what came: a length that was only announced takes no memory
            if len(self._data) >= HEAD_BYTES and (found := self._whole(request, limits=limits)) is not None:
                return found
            watch.timeout()  # a worker that always has one byte ready would keep the wait from ever being reached

    def _whole(self, request: int, *, limits: Limits) -> tuple[Head, bytes] | None:
        head = self._head(self._data[:HEAD_BYTES], request, limits=limits)
        length = HEAD_BYTES + (head.length if head.kind in DOCUMENTS else 0)
        if len(self._data) < length:
            return None
        if len(self._data) > length:
            raise JailError("the worker sent more than one answer", code="sandbox.frame", found=f"{len(self._data)} bytes")
        body = bytes(self._data[HEAD_BYTES:])
        self._data.clear()
        return head, body

    @staticmethod
    def _head(data: bytes | bytearray, request: int, *, limits: Limits) -> Head:
        try:
            head = decode_head(data, limits=limits)
        except InputError as err:
            raise JailError(f"the worker sent what is not a frame: {err}", code="sandbox.frame", found=err.code) from err
        if head.request != request:
            message = f"the worker answered request {head.request}, asked was {request}"
            raise JailError(message, code="sandbox.frame", expected=str(request), found=str(head.request))
        return head

    def fileno(self) -> int:
        """The descriptor that becomes readable when an answer comes."""
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()


def died() -> JailError:
    """The worker is gone; ``jail`` says how, once it has been reaped."""
    return JailError("the worker ended without an answer", code="sandbox.worker.died")
