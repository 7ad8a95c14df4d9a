"""The zygote: a process that has imported and warmed a runtime, and forks one worker for each request.

It never reads a byte of a model: workers confine themselves first, and it only ever reads numbers of descriptors. What it
holds is a clean environment and one socket to its parent, with whose end it ends. Its forks share the layout of
their memory, as those of one program that was started once do.
"""

from __future__ import annotations

import array
import contextlib
import gc
import os
import resource
import signal
import socket
import struct
import sys
from typing import Final, NoReturn

from mlsign.limits import Limits
from mlsign.sandbox import worker
from mlsign.sandbox.engine import Engine
from mlsign.sandbox.seccomp import CONTROL_FD
from mlsign.sandbox.zygote_host import BATCH

_REQUESTS_FD: Final = CONTROL_FD
"""Where the socket stands that a fork does not need: what it is given lies above, and its own control socket comes here."""


def receive(requests: socket.socket) -> list[int]:
    """The descriptors of one request, in their order; none when the parent has gone, or when one was lost on the way."""
    out: list[int] = []
    while True:
        data, ancillary, flags, _ = requests.recvmsg(4, socket.CMSG_SPACE(4 * BATCH))
        if not data:
            return []
        if flags & socket.MSG_CTRUNC:  # waiting for the rest, it would mix them with those of the next request
            sys.stderr.write("some descriptors of a worker could not be taken\n")
            sys.stderr.flush()
            return []
        for _, _, content in ancillary:
            found = array.array("i")
            found.frombytes(content[: len(content) - len(content) % found.itemsize])
            out += found
        (count,) = struct.unpack("<I", data)
        if len(out) >= count:
            return out


def become_worker(descriptors: list[int], engine: Engine) -> NoReturn:
    """A fork takes its descriptors to their places and lives as a worker."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # or the keeper could not reap
    control, status, stderr, feeds, results, *files = descriptors
    os.dup2(control, CONTROL_FD)
    os.dup2(stderr, 2)
    for fd in (control, stderr):
        os.close(fd)
    pipe = worker.Pipe(CONTROL_FD, limits=Limits())
    worker.run(pipe, worker.Handed(status=status, feeds=feeds, results=results, files=tuple(files)), engine)


def main(engine: Engine) -> NoReturn:
    """What the entry point of each runtime does: the socket's number is in the arguments. Ends when the parent has gone."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    os.dup2(requests.fileno(), _REQUESTS_FD)
    if requests.detach() != _REQUESTS_FD:
        os.close(int(sys.argv[1]))
    requests = socket.socket(fileno=_REQUESTS_FD)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # models with many files of weights need many descriptors for a moment
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are reaped by the kernel
    engine.warm()
    gc.collect()
    gc.freeze()  # forks do not touch, and so do not copy, what lies here
    while descriptors := receive(requests):
        try:
            child = os.fork()
        except OSError as err:  # the sockets close below, which the parent sees
            sys.stderr.write(f"no process could be forked: {err.strerror}\n")
            sys.stderr.flush()
        else:
            if child == 0:
                become_worker(descriptors, engine)
        for fd in descriptors:
            os.close(fd)
    os._exit(0)
