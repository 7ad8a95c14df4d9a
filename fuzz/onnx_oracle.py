"""The onnx library in a process of its own: models in, what it says of them out, and an end to each that takes too long.

A signal handler cannot stop the library's C++, and a crash of it would end the fuzzer; so it stands aside. As a script
this is that process: length and bytes on standard input, length and a JSON document on the descriptor it was given.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import struct
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Any, BinaryIO

_LENGTH = struct.Struct("<Q")
_SPACE_BYTES = 4 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What the library said: one of ``parse`` and ``facts``, and perhaps what its checker complains about."""

    parse: str = ""
    facts: dict[str, Any] | None = None
    check: str = ""
    ended: str = ""


class Library:
    """The process, started when it is first asked, and again after it ended."""

    def __init__(self, *, seconds: float = 20.0) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._answers = -1

    def ask(self, data: bytes, *, check: bool) -> Opinion:
        """What the library says of ``data``; ``ended`` says how it went down over it, or that it had to be stopped."""
        if self._process is None:
            self._start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            process.stdin.write(_LENGTH.pack(len(data)) + bytes((check,)) + data)
            process.stdin.flush()
            (length,) = _LENGTH.unpack(self._read(8))
            return Opinion(**json.loads(self._read(length)))
        except TimeoutError:
            self.close()
            return Opinion(ended=f"no answer within {self._seconds:g} seconds")
        except (EOFError, BrokenPipeError):
            status = process.wait()
            self.close()
            return Opinion(ended=f"the library ended with {status}")

    def _start(self) -> None:
        self._answers, theirs = os.pipe()
        command = [sys.executable, "-X", "faulthandler", __file__, str(theirs)]
        null = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=null, stderr=null, pass_fds=(theirs,))  # noqa: S603 - ourselves
        os.close(theirs)
        self._wait(60.0)
        os.read(self._answers, 1)  # it is there: importing does not count as time to think

    def _wait(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        if not poll.poll(max(0.0, seconds) * 1000):
            raise TimeoutError

    def _read(self, length: int) -> bytes:
        out, deadline = b"", time.monotonic() + self._seconds
        while len(out) < length:
            self._wait(deadline - time.monotonic())
            piece = os.read(self._answers, length - len(out))
            if not piece:
                raise EOFError
            out += piece
        return out

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            os.close(self._answers)
        self._process = None


def opinion(data: bytes, *, check: bool) -> dict[str, Any]:
    """The fields of an ``Opinion``."""
    import onnx
    from onnx_facts import as_document, expected_facts

    try:
        model = onnx.load_from_string(data)
    except Exception as err:  # noqa: BLE001  whatever the library raises is its opinion
        return {"parse": str(err) or type(err).__name__}
    out: dict[str, Any] = {}
    try:
        out["facts"] = as_document(expected_facts(model))
    except Exception as err:  # noqa: BLE001  such as a type that is none of those there are
        return {"parse": f"{type(err).__name__}: {err}"}
    if check:
        close_outputs(model)
        try:
            onnx.checker.check_model(model)
        except Exception as err:  # noqa: BLE001  see above
            out["check"] = str(err) or type(err).__name__
    return out


def close_outputs(model: Any) -> None:
    """Gives outputs without a shape one: exporters leave it open where branches differ, onnx refuses that, runtimes do not."""
    for output in model.graph.output:
        kind = output.type.WhichOneof("value")
        if kind in ("tensor_type", "sparse_tensor_type"):
            getattr(output.type, kind).shape.SetInParent()


def _exactly(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        sys.exit(0)
    return data


def main() -> None:
    answers = int(sys.argv[1])
    import onnx.checker
    import onnx_facts

    assert onnx.checker is not None
    assert onnx_facts is not None
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (_SPACE_BYTES, _SPACE_BYTES))
    os.write(answers, b"!")
    while True:
        head = _exactly(sys.stdin.buffer, 9)
        data = _exactly(sys.stdin.buffer, _LENGTH.unpack(head[:8])[0])
        text = json.dumps(opinion(data, check=head[8] == 1)).encode()
        view = memoryview(_LENGTH.pack(len(text)) + text)
        while view:
            view = view[os.write(answers, view) :]


if __name__ == "__main__":
    main()
