"""onnxruntime behind the walls of the sandbox: what it sees of a model, what a run comes to, or how it went down over it.

A worker takes a second to start, nearly all of it imports. As a script this is one that has imported and warmed up and
then splits off a copy of itself for each model; the copy confines itself as every worker does, loads, runs and answers.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, NoReturn

from mlsign.sandbox.zygote_host import ENVIRONMENT

_LENGTH = struct.Struct("<Q")
MEMORY_BYTES = 1 << 30
_SECONDS = 20.0
_HIGH_FD = 64
_MAX_FED = 1 << 20
"""Elements of one input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What came of loading, ``inputs`` and ``outputs`` as name, type and shape, or why there are none; and of one run."""

    inputs: list[Any] | None = None
    outputs: list[Any] | None = None
    refused: str = ""
    run: str = ""
    """Why there were no outputs; empty as well where nothing was run."""
    ended: str = ""


class Runtime:
    """The process, started when it is first asked."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def load(self, data: bytes) -> Loaded:
        """What onnxruntime sees of ``data``."""
        if self._control is None:
            self._control, theirs = socket.socketpair()
            null = subprocess.DEVNULL
            # A worker's environment, without which runtimes make calls that the filter kills for; and where mlsign is.
            environment = {**ENVIRONMENT, "MALLOC_ARENA_MAX": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, __file__, str(theirs.fileno())],
                stdin=null,
                stdout=null,
                stderr=null,
                pass_fds=(theirs.fileno(),),
                env=environment,
            )
            theirs.close()
        self._control.sendall(_LENGTH.pack(len(data)) + data)
        (length,) = _LENGTH.unpack(_exactly(self._control, 8))
        return Loaded(**json.loads(_exactly(self._control, length)))

    def close(self) -> None:
        if self._control is not None and self._process is not None:
            self._control.close()
            self._process.wait()
        self._control = self._process = None


def _exactly(stream: socket.socket, length: int) -> bytes:
    out = bytearray()
    while len(out) < length:
        piece = stream.recv(length - len(out))
        if not piece:
            raise EOFError
        out += piece
    return bytes(out)


def _values(values: Any) -> list[Any]:
    return [[value.name, value.type, value.shape] for value in values]


def _feed(type_: str, shape: list[int | str | None], value: int) -> Any:
    """An array of this type full of one value, two where a size is open; None where the type is no tensor's."""
    import numpy as np

    name = type_.removeprefix("tensor(").removesuffix(")")
    kind = {"float": "float32", "double": "float64", "bool": "bool_", "string": "object_"}.get(name, name)
    sizes = [size if isinstance(size, int) and size >= 0 else 2 for size in shape]
    if not type_.startswith("tensor(") or not hasattr(np, kind) or math.prod(sizes) > _MAX_FED:
        return None
    return np.full(sizes, str(value) if name == "string" else value, dtype=getattr(np, kind))


def _run(session: Any, value: int) -> str:
    feeds = {item.name: _feed(item.type, item.shape, value) for item in session.get_inputs()}
    if any(feed is None for feed in feeds.values()):
        return ""
    try:
        session.run(None, feeds)
    except Exception as err:  # noqa: BLE001  whatever the runtime says of a run is an answer
        return str(err)[:2000] or type(err).__name__
    return ""


def _send(fd: int, document: dict[str, Any]) -> None:
    text = json.dumps(document).encode()
    view = memoryview(_LENGTH.pack(len(text)) + text)
    while view:
        view = view[os.write(fd, view) :]


def _child(data: bytes, *, control: int, status: int) -> NoReturn:
    """Confined as a worker is, the model is loaded and run; the answers go out by the one descriptor that is left."""
    from mlsign.sandbox.confine import Plan, confine
    from mlsign.sandbox.onnxruntime.engine import _session, options
    from mlsign.sandbox.seccomp import CONTROL_FD

    try:
        os.dup2(status, _HIGH_FD + 1)
        os.dup2(control, _HIGH_FD)
        os.dup2(_HIGH_FD, CONTROL_FD)
        confine(Plan(memory_bytes=MEMORY_BYTES, threads=1, status_fd=_HIGH_FD + 1))
        try:
            session = _session(data, options(1))
            answer = {"inputs": _values(session.get_inputs()), "outputs": _values(session.get_outputs())}
        except Exception as err:  # noqa: BLE001  whatever the runtime says of a model is an answer
            _send(CONTROL_FD, {"refused": str(err)[:2000] or type(err).__name__})
            os._exit(0)
        _send(CONTROL_FD, answer)
        _send(CONTROL_FD, {"run": _run(session, len(data) % 3)})
        os._exit(0)
    finally:
        os._exit(9)


def _load(data: bytes) -> dict[str, Any]:
    control, theirs = socket.socketpair()
    status, keeper = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        control.close()
        status.close()
        _child(data, control=theirs.fileno(), status=keeper.fileno())
    theirs.close()
    keeper.close()
    with control, status:
        try:
            return _answer(control, status)
        finally:
            status.close()  # a keeper that is still there ends its worker now
            os.waitpid(pid, 0)


def _answer(control: socket.socket, status: socket.socket) -> dict[str, Any]:
    status.settimeout(_SECONDS)
    control.settimeout(_SECONDS)
    try:
        _, fds, _, _ = socket.recv_fds(status, 4, 1)
    except OSError as err:
        return {"ended": f"not confined: {err}"}
    for fd in fds:
        os.close(fd)
    found: dict[str, Any] = {}
    while not found.keys() & {"refused", "run"}:
        doing = "running" if found else "loading"
        try:
            (length,) = _LENGTH.unpack(_exactly(control, 8))
            found |= json.loads(_exactly(control, length))
        except TimeoutError:
            return found | {"ended": f"no answer within {_SECONDS:g} seconds while {doing}"}
        except (EOFError, ConnectionError):
            return found | {"ended": f"{_how(status)} while {doing}"}
    return found


def _how(status: socket.socket) -> str:
    """How the worker ended, as its keeper saw it."""
    try:
        code = os.waitstatus_to_exitcode(struct.unpack("=i", status.recv(4))[0])
    except (OSError, struct.error):
        return "ended in silence"
    return signal.Signals(-code).name if code < 0 else f"status {code}"


def main() -> None:
    from mlsign.sandbox.onnxruntime.engine import warm

    with socket.socket(fileno=int(sys.argv[1])) as control:
        warm(1)
        while True:
            try:
                (length,) = _LENGTH.unpack(_exactly(control, 8))
            except EOFError:
                return
            text = json.dumps(_load(_exactly(control, length))).encode()
            control.sendall(_LENGTH.pack(len(text)) + text)


if __name__ == "__main__":
    main()
