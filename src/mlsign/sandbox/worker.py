"""The sandboxed process: confine, load one model, answer. Forked by the ``zygote``, never imported by the parent.

Everything that Python, numpy and onnxruntime load lazily is loaded and used once in the zygote; the model is read
after confinement.
"""

from __future__ import annotations

import base64
import gc
import math
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

import numpy as np
import onnxruntime as ort

from mlsign.errors import JailError, MlsignError, shown
from mlsign.limits import Limits
from mlsign.sandbox import kernel, protocol
from mlsign.sandbox.arena import attach
from mlsign.sandbox.calls import Calls
from mlsign.sandbox.confine import Plan, confine, fork_keeper
from mlsign.sandbox.externals import External, check_externals, find_externals, region
from mlsign.sandbox.layers import Layer
from mlsign.sandbox.protocol import HEAD_BYTES, Head, Kind, Pace
from mlsign.sandbox.runtime import ort_value, warm_runtime
from mlsign.sandbox.seccomp import CONTROL_FD
from mlsign.strict import Fields, JsonValue
from mlsign.tensors.elements import BY_NUMBER

_SMALL_BYTES: Final = 65536
"""A reply up to this size is joined and written at once."""

_LOOKS: Final = 4000
"""How often the bell is looked at after an answer to a caller that may call again at once: some 150 microseconds."""

_SHARED_BYTES: Final = 64 << 20
"""From this size on external weights are not packed: memory counts for more then than the last bit of a sum, and what packing saves."""

_WARMING: Final = (
    "CAg6sAEKEAoBcxIBdCIISWRlbnRpdHkKDwoBeAoBdxIBZyIER2VtbQoPCgFnEgFwIgdTb2Z0bWF4Cg4KAXASAWkiBkFyZ01heBIE"
    "d2FybSobCAIIAhABIhAAAIA/AAAAQAAAQEAAAIBAQgF3WhQKAXgSDwoNCAESCQoDEgFuCgIIAloQCgFzEgsKCQgIEgUKAxIBbmIJ"
    "CgFwEgQKAggBYgkKAWkSBAoCCAdiCQoBdBIECgIICEIECgAQEQ=="
)
"""A model of four nodes, opset 17: t = Identity(s) over strings; p = Softmax(Gemm(x, w)), i = ArgMax(p)."""

Entry = tuple[str, int]
"""Path and size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The start document."""

    confined: bool
    threads: int
    memory_bytes: int
    load_bytes: int
    limits: Limits
    model: Entry
    weights: tuple[Entry, ...]
    external: frozenset[tuple[str, str, int, int | None]]


def _entry(value: JsonValue, where: str) -> Entry:
    fields = Fields(value, where=where, format_name="start")
    out = (fields.text("path"), fields.integer("size"))
    fields.done()
    return out


def _expected(value: JsonValue, where: str) -> tuple[str, str, int, int | None]:
    fields = Fields(value, where=where, format_name="start")
    length = fields.integer("length") if fields.has("length") else None
    out = (fields.text("name", empty=True), fields.text("location", empty=True), fields.integer("offset"), length)
    fields.done()
    return out


def decode_task(document: JsonValue) -> Task:
    """The task from the start document. Raises ``InputError`` (``start.…``)."""
    fields = Fields(document, where="", format_name="start")
    limits = Limits(max_input_bytes=fields.integer("max_input_bytes"), max_output_bytes=fields.integer("max_output_bytes"))
    task = Task(
        confined=fields.boolean("confined"),
        threads=fields.integer("threads", minimum=1),
        memory_bytes=fields.integer("memory_bytes"),
        load_bytes=fields.integer("load_bytes"),
        limits=limits,
        model=_entry(fields.take("model"), "model"),
        weights=tuple(_entry(item, where) for item, where in fields.items("weights", maximum=limits.max_files)),
        external=frozenset(_expected(i, where) for i, where in fields.items("external", maximum=limits.max_tensors)),
    )
    fields.done()
    return task


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


def options(threads: int) -> ort.SessionOptions:
    """Session options: ONNX only, no spinning threads, no words but fatal ones."""
    out = ort.SessionOptions()
    out.intra_op_num_threads = threads
    out.inter_op_num_threads = 1
    out.log_severity_level = 4
    out.add_session_config_entry("session.load_model_format", "ONNX")
    out.add_session_config_entry("session.intra_op.allow_spinning", "0")
    out.add_session_config_entry("session.use_env_allocators", "1")
    return out


def share_allocator() -> None:
    """Sessions take memory as they need it.

    By default the runtime doubles what it takes, and at a limit takes all that is left, so that whatever is allocated
    next fails.
    """
    cpu = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    same_as_requested = 1
    ort.create_and_register_allocator(cpu, ort.OrtArenaCfg(0, same_as_requested, -1, -1))


def _session(model: bytes, settings: ort.SessionOptions) -> ort.InferenceSession:
    return ort.InferenceSession(model, settings, providers=["CPUExecutionProvider"])


def warm(threads: int) -> None:
    """Everything that is loaded at first use has been: a tiny model ran, and failed, once."""
    os.urandom(1)  # a C library that draws numbers without the kernel maps droppable memory for it, refused later on
    session = _session(base64.b64decode(_WARMING), options(threads))
    texts = np.array(["a", "b"], dtype=object)
    session.run(None, {"x": np.ones((2, 2), np.float32), "s": texts})
    try:
        session.run(None, {"x": np.ones((2, 3), np.float32), "s": texts})
    except Exception as err:  # noqa: BLE001  the binding's exceptions share no narrower type
        shown(err)
    else:
        raise JailError("the runtime took a wrong shape", code="sandbox.runtime")
    warm_runtime(lambda model: _session(model, options(threads)))
    del session
    gc.collect()


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


def load(task: Task, model: memoryview, weights: Mapping[str, memoryview]) -> tuple[ort.InferenceSession, list[ort.OrtValue]]:
    """A session over the model, external initializers tied to mapped memory; the values must outlive the session."""
    settings = options(task.threads)
    found = find_externals(model) if task.external or weights else ()
    check_externals(found, task.external)
    values = [_external_value(item, weights, model_path=task.model[0]) for item in found]
    if values:
        if task.load_bytes >= _SHARED_BYTES:  # packed for its kernels, each worker would have a copy of them to itself
            settings.add_session_config_entry("session.disable_prepacking", "1")
        settings.add_external_initializers([item.name for item in found], values)
        for item, value in zip(found, values, strict=True):
            settings.add_initializer(item.name, value)  # the runtime works on this memory, instead of on a copy of it
    return _session(bytes(model), settings), values


def _external_value(item: External, weights: Mapping[str, memoryview], *, model_path: str) -> ort.OrtValue:
    element = BY_NUMBER.get(item.element)
    if element is None:
        message = f"external tensor {shown(item.name)} has element type {item.element}, which cannot be carried"
        raise JailError(message, code="sandbox.external", where=shown(item.name))
    view = region(item, weights, model_path=model_path, size=element.bytes_of(math.prod(item.shape)))
    return ort_value(element, item.shape, view)


def _names(values: Any) -> JsonValue:
    return [{"name": value.name, "type": value.type} for value in values]


def _layers(layers: tuple[Layer, ...]) -> JsonValue:
    return [{"name": layer.name, "in_force": layer.in_force, "detail": layer.detail} for layer in layers]


def _complaint(err: BaseException, *, doing: str) -> JsonValue:
    """An error as the document of an ERROR frame."""
    text = str(err)
    if isinstance(err, MlsignError):
        return {"code": err.code, "message": err.message[:2000]}
    memory = isinstance(err, MemoryError) or "bad_alloc" in text or "allocate memory" in text or "bad allocation" in text
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


def serve(pipe: Pipe, handed: Handed) -> NoReturn:
    """The life of a worker: start, confine, load, then calls until the parent closes."""
    head = pipe.read_head()
    task = decode_task(protocol.decode_document(pipe.read_body(head)))
    pipe.limits = task.limits
    feeds, results = attach(handed.feeds, read_only=True), attach(handed.results, read_only=False)
    model, *mapped = (_map(entry, fd) for entry, fd in zip((task.model, *task.weights), handed.files, strict=True))
    weights = {entry[0]: view for entry, view in zip(task.weights, mapped, strict=True)}
    ort.set_seed(int.from_bytes(os.urandom(4), "little") >> 1)  # or all workers of one zygote would draw the same numbers
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
    pipe.write_document(Kind.CONFINED, head.request, _layers(layers))
    head = pipe.read_head()
    pipe.read_body(head)
    try:
        session, _values = load(task, model, weights)
        calls = Calls(session, feeds=feeds, results=results, limits=task.limits)
        ready: JsonValue = {"inputs": _names(session.get_inputs()), "outputs": _names(session.get_outputs())}
    except Exception as err:  # noqa: BLE001  whatever the runtime says of a hostile model is an answer, not an end
        pipe.write_document(Kind.ERROR, head.request, _complaint(err, doing="load"))
        os._exit(0)
    pipe.write_document(Kind.READY, head.request, ready)
    answer_calls(pipe, calls, feeds=feeds, results=results)


def answer_calls(pipe: Pipe, calls: Calls, *, feeds: memoryview, results: memoryview) -> NoReturn:
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


def run(pipe: Pipe, handed: Handed) -> NoReturn:
    """What a fork of the zygote does. Leaves without Python's own clean-up."""
    try:
        serve(pipe, handed)
    except Exception as err:  # noqa: BLE001  the entry point of the process: everything becomes an answer
        pipe.write_document(Kind.ERROR, 0, _complaint(err, doing="start"))
    finally:
        os._exit(1)
