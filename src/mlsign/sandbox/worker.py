"""The sandboxed process: confine, load one model, answer. Forked by the ``zygote``, never imported by the parent.

Which runtime it holds is its zygote's to say: an ``Engine``. Everything that Python, numpy and the runtime load lazily is loaded
and used once in the zygote; the model is read after confinement.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from mlsign.errors import JailError, MlsignError
from mlsign.limits import Limits
from mlsign.sandbox import kernel, protocol
from mlsign.sandbox.arena import attach
from mlsign.sandbox.confine import Plan, confine, fork_keeper
from mlsign.sandbox.engine import Answering, Engine, Names
from mlsign.sandbox.layers import Layer
from mlsign.sandbox.protocol import HEAD_BYTES, Head, Kind, Pace
from mlsign.sandbox.seccomp import CONTROL_FD
from mlsign.sandbox.task import Entry, decode_task
from mlsign.strict import JsonValue

_SMALL_BYTES: Final = 65536
"""A reply up to this size is joined and written at once."""

_LOOKS: Final = 4000
"""How often the bell is looked at after an answer to a caller that may call again at once: some 150 microseconds."""


_OUT_OF_MEMORY: Final = ("bad_alloc", "allocate memory", "bad allocation", "Arena alloc failed")
"""How the runtimes, numpy and protobuf say so."""


class Pipe:
    """The control socket, by ``read`` and ``write`` alone: the filter lets nothing else through."""

    def __init__(self, fd: int, *, limits: Limits) -> None:
        self.fd = fd
        self.limits = limits

    def read_exactly(self, view: memoryview) -> None:
        """Fills the view. Exits at the end of the stream: the parent has closed, there is nobody to answer."""
        at = 0
        while at < len(view):
            data = os.read(self.fd, min(len(view) - at, 1 << 20))
            if not data:
                os._exit(0)
            view[at : at + len(data)] = data
            at += len(data)

    def read_head(self) -> Head:
        """The head of the next frame. Raises ``InputError`` (``frame.…``)."""
        data = os.read(self.fd, HEAD_BYTES)
        if len(data) != HEAD_BYTES:
            whole = bytearray(HEAD_BYTES)
            whole[: len(data)] = data
            self.read_exactly(memoryview(whole)[len(data) :])
            data = bytes(whole)
        return protocol.decode_head(data, limits=self.limits)

    def read_body(self, head: Head) -> bytearray:
        """The body after a head. Raises ``MemoryError``, with the body thrown away: the next frame can be read."""
        try:
            body = bytearray(head.length)
        except MemoryError:
            self._skip(head.length)
            raise
        self.read_exactly(memoryview(body))
        return body

    def _skip(self, length: int) -> None:
        sink = memoryview(bytearray(_SMALL_BYTES))
        while length > 0:
            count = min(length, _SMALL_BYTES)
            self.read_exactly(sink[:count])
            length -= count

    def write_head(self, kind: Kind, request: int, length: int) -> None:
        """A frame whose body lies in shared memory."""
        self._write(protocol.encode_head(kind=kind, request=request, length=length))

    def write_document(self, kind: Kind, request: int, document: JsonValue) -> None:
        """One frame, whole."""
        body = protocol.encode_document(document)
        self._write(protocol.encode_head(kind=kind, request=request, length=len(body)) + body)

    def _write(self, data: bytes) -> None:
        """Exits when the parent is gone."""
        try:
            while data:
                data = data[os.write(self.fd, data) :]
        except BrokenPipeError:
            os._exit(0)


def _map(entry: Entry, fd: int) -> memoryview:
    _, size = entry
    if size == 0:
        return memoryview(b"")
    try:  # shared, it can never be made writable: writing to private pages makes copies that no address space counts
        return memoryview(mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ))
    except OSError:  # kernels before 6.7 refuse a shared mapping of write-sealed memory, even a read-only one
        return memoryview(mmap.mmap(fd, size, mmap.MAP_PRIVATE, mmap.PROT_READ))


def _one_thread() -> None:
    count = len(os.listdir("/proc/self/task"))  # noqa: PTH208  no pathlib in here
    if count != 1:  # a thread from before confinement would keep its credentials and its namespaces
        raise JailError(f"{count} threads run before confinement", code="sandbox.threads", found=str(count))


def _names(values: Names) -> JsonValue:
    return [{"name": name, "type": type_} for name, type_ in values]


def _confined(layers: tuple[Layer, ...], engine: Engine, *, threads: int) -> JsonValue:
    """What there is to say before anything of the model was seen."""
    listed: list[JsonValue] = [{"name": layer.name, "in_force": layer.in_force, "detail": layer.detail} for layer in layers]
    return {"layers": listed, "runtime": engine.name.value, "version": engine.version, "threads": threads}


def _complaint(err: BaseException, *, doing: str) -> JsonValue:
    """An error as the document of an ERROR frame."""
    if isinstance(err, MlsignError):
        return {"code": err.code, "message": err.message[:2000]}
    text = str(err)
    memory = isinstance(err, MemoryError) or any(words in text for words in _OUT_OF_MEMORY)
    code = "sandbox.memory" if memory else f"sandbox.model.{doing}"
    return {"code": code, "message": text.encode("utf-8", "backslashreplace").decode()[:2000] or type(err).__name__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """The descriptors that a worker was forked with: the keeper's socket, the two areas, the model and its weights.

    There is no such socket where the worker is the only process of a kernel of its own.
    """

    status: int | None
    feeds: int
    results: int
    files: tuple[int, ...]


def serve(pipe: Pipe, handed: Handed, engine: Engine) -> NoReturn:
    """The life of a worker: start, confine, load, then calls until the parent closes."""
    head = pipe.read_head()
    task = decode_task(protocol.decode_document(pipe.read_body(head)))
    task = replace(task, threads=engine.threads(task.threads))
    pipe.limits = task.limits
    feeds, results = attach(handed.feeds, read_only=True), attach(handed.results, read_only=False)
    model, *mapped = (_map(entry, fd) for entry, fd in zip((task.model, *task.weights), handed.files, strict=True))
    weights = {entry[0]: view for entry, view in zip(task.weights, mapped, strict=True)}
    engine.reseed(int.from_bytes(os.urandom(4), "little") >> 1)  # or all workers of one zygote would draw the same numbers
    kernel.limit_arenas(task.threads)
    layers: tuple[Layer, ...] = ()
    if task.confined or handed.status is None:
        _one_thread()
        layers, threads = confine(
            Plan(memory_bytes=task.memory_bytes + task.load_bytes, threads=task.threads, status_fd=handed.status)
        )
        task = replace(task, threads=threads)
    else:
        fork_keeper(handed.status)
        os.closerange(CONTROL_FD + 1, 1 + max(handed.status, handed.feeds, handed.results, *handed.files))
    pipe.write_document(Kind.CONFINED, head.request, _confined(layers, engine, threads=task.threads))
    head = pipe.read_head()
    pipe.read_body(head)
    try:
        loaded = engine.open(task, model, weights, feeds=feeds, results=results)
        ready: JsonValue = {"inputs": _names(loaded.inputs), "outputs": _names(loaded.outputs)}
    except Exception as err:  # noqa: BLE001  whatever the runtime says of a hostile model is an answer, not an end
        pipe.write_document(Kind.ERROR, head.request, _complaint(err, doing="load"))
        os._exit(0)
    pipe.write_document(Kind.READY, head.request, ready)
    answer_calls(pipe, loaded.calls, feeds=feeds, results=results)


def answer_calls(pipe: Pipe, calls: Answering, *, feeds: memoryview, results: memoryview) -> NoReturn:
    """Calls, one after the other. After each the bell is looked at for a while where the caller may call again at once."""
    rung, bell = feeds[:8].cast("Q"), results[:8].cast("Q")
    looks = 0
    while True:
        last = rung[0]
        for _ in range(looks):
            if rung[0] != last:
                break
        else:
            looks = 0  # not as fast as that: the next answer is waited for asleep
        head = pipe.read_head()
        try:
            kind, length = calls.answer(head)
        except Exception as err:  # noqa: BLE001  see above
            pipe.write_document(Kind.ERROR, head.request, _complaint(err, doing="run"))
        else:
            pipe.write_head(kind, head.request, length)
        bell[0] = head.request
        looks = _LOOKS if head.pace is Pace.BUSY else 0


def run(pipe: Pipe, handed: Handed, engine: Engine) -> NoReturn:
    """What a fork of the zygote does. Leaves without Python's own clean-up."""
    try:
        serve(pipe, handed, engine)
    except Exception as err:  # noqa: BLE001  the entry point of the process: everything becomes an answer
        pipe.write_document(Kind.ERROR, 0, _complaint(err, doing="start"))
    finally:
        os._exit(1)
