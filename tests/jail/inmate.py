"""A process that confines itself and then tries to get out: one attempt per child, outcomes as JSON on stdout.

    inmate.py SETTING inside|outside|unfiltered [NAME...]

``outside`` makes the same attempts without confinement: what is denied inside has to work there, or the denial proves
nothing. ``unfiltered`` leaves out seccomp: the walls behind the wall. The settings stand in ``surroundings``.
"""

import errno
import json
import os
import signal
import socket
import struct
import sys

import surroundings
from attempt import STAGE, WORKS, Attempt
from attempts import ATTEMPTS

from mlsign.sandbox import confine as confinement
from mlsign.sandbox.layers import Layer

MEMORY_BYTES = 64 << 20


def report(text: str) -> None:
    os.write(3, text.encode())


def confine(status_fd: int, *, mode: str) -> None:
    if mode == "unfiltered":
        confinement._filter = lambda *_: Layer(name="seccomp", in_force=False, detail="left out")
    confinement.confine(confinement.Plan(memory_bytes=MEMORY_BYTES, threads=1, status_fd=status_fd))


def child(attempt: Attempt, *, mode: str, status_fd: int) -> None:
    STAGE.keeper = os.getppid() if mode == "outside" else os.getpid()
    if attempt.prepare is not None:
        attempt.prepare()
    try:
        if mode == "outside" and attempt.harmless is not None:
            attempt.harmless()
        elif mode != "outside":
            confine(status_fd, mode=mode)
        report("ready;")
        if attempt.takes_slot:
            os.close(0)
        attempt.do()
    except OSError as err:
        report(errno.errorcode.get(err.errno or 0, str(err.errno)))
    except AssertionError:
        report("no effect")
    except BaseException as err:  # noqa: BLE001  every end is an outcome
        report(f"{type(err).__name__} {err}".strip()[:120])
    else:
        report(WORKS)
    os._exit(0)


def place_descriptors(complaints: int, control: socket.socket, status: socket.socket) -> int:
    """As a worker has them: /dev/null twice, a pipe for complaints, the control socket; and the keeper's."""
    null = os.open("/dev/null", os.O_RDWR)
    high = [os.dup2(fd, 100 + at) for at, fd in enumerate((null, null, complaints, control.fileno(), status.fileno()))]
    for fd, number in zip(high[:4], range(4), strict=True):
        os.dup2(fd, number)
    return high[4]


def run(attempt: Attempt, *, mode: str) -> str:
    mine, theirs = socket.socketpair()
    status, status_theirs = socket.socketpair()
    complaints = os.pipe()
    mine.sendall(b"something to read")
    pid = os.fork()
    if pid == 0:
        mine.close()
        status.close()
        child(attempt, mode=mode, status_fd=place_descriptors(complaints[1], theirs, status_theirs))
    theirs.close()
    status_theirs.close()
    said = b""
    try:
        while data := mine.recv(4096):
            said += data
    except ConnectionResetError:  # what was sent to it had not been read
        pass
    how = wait(pid, status, mode=mode)
    for fd in complaints:
        os.close(fd)
    mine.close()
    status.close()
    ready, _, end = said.decode().partition("ready;")
    if how is None or ready or not said.startswith(b"ready;"):
        return f"never ready: {said.decode()}"
    if os.WIFSIGNALED(how):
        return signal.Signals(os.WTERMSIG(how)).name
    return end.removeprefix("passed;") or (WORKS if how == 0 else f"status {how}")


def wait(pid: int, status: socket.socket, *, mode: str) -> int | None:
    if mode == "outside":
        return os.waitpid(pid, 0)[1]
    status.recv(4)
    how = status.recv(4)
    os.waitpid(pid, 0)
    return struct.unpack("=i", how)[0] if len(how) == 4 else None


def main(setting: str, mode: str, *names: str) -> None:
    surroundings.enter(setting)
    STAGE.set_up()
    try:
        outcomes = {}
        for attempt in ATTEMPTS:
            if not names or attempt.name in names:
                outcomes[attempt.name] = {"ended": run(attempt, mode=mode), "impossible": attempt.impossible()}
        print(json.dumps(outcomes))
    finally:
        STAGE.tear_down()


if __name__ == "__main__":
    main(*sys.argv[1:])
