"""A jail: one model in one confined process, and the parent's side of it.

Whatever the worker does, the caller gets outputs of the declared names and types, or a ``JailError``. An
error of the model itself (``sandbox.model.…``, ``sandbox.memory``) leaves the jail usable; every other one
ends the worker, and later calls raise ``sandbox.dead``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NoReturn, Self

from mlsign.errors import InputError, JailError, shown
from mlsign.interface import ValueKind, ValueSpec
from mlsign.sandbox import protocol
from mlsign.sandbox.channel import Channel, Watch
from mlsign.sandbox.layers import FULL, Isolation, Layer, missing_layers
from mlsign.sandbox.outputs import decode_outputs
from mlsign.sandbox.process import Process
from mlsign.sandbox.protocol import Kind
from mlsign.sandbox.spec import JailedModel, JailSpec, SealedFile
from mlsign.sandbox.syscalls import ARCHITECTURES
from mlsign.sandbox.tensors import Array, Result, check_feeds
from mlsign.sandbox.values import encode_values
from mlsign.strict import Fields, JsonValue

_F_GET_SEALS: Final = 1034
_SEALS: Final = 0x1 | 0x2 | 0x4 | 0x8
"""F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE (``linux/fcntl.h``)."""

_SURVIVABLE: Final = frozenset({"sandbox.model.run", "sandbox.memory", "sandbox.output.size", "sandbox.output.kind"})
"""Codes of ERROR frames after which the worker goes on serving."""

_ACCEPTED: Final[Mapping[Kind, frozenset[str]]] = MappingProxyType(
    {
        Kind.CONFINED: frozenset(
            {"sandbox.layer", "sandbox.proof", "sandbox.threads", "sandbox.runtime", "sandbox.model.start", "sandbox.memory"}
        ),
        Kind.READY: frozenset({"sandbox.model.load", "sandbox.external", "sandbox.memory"}),
        Kind.RESULT: _SURVIVABLE,
    }
)
"""Codes a worker may send instead of each answer; another one is a broken frame. A worker that has seen the model
and says that a layer is missing is no honest one: it asks to be started again without walls."""


class Jail:
    """A running worker. Make one with ``start``; use it as a context manager. Calls from threads take turns."""

    def __init__(self, process: Process, channel: Channel, model: JailedModel, spec: JailSpec) -> None:
        self.layers: tuple[Layer, ...] = ()
        self._process = process
        self._channel = channel
        self._model = model
        self._spec = spec
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._request = 0
        self._dead = ""

    @classmethod
    def start(cls, model: JailedModel, *, spec: JailSpec | None = None, allow_unsandboxed: bool = False) -> Self:
        """A worker that is confined as ``spec`` asks and has loaded the model.

        ``allow_unsandboxed`` runs the same worker as a plain process where, and only where, the kernel cannot
        confine it; ``layers`` then says so. It does not weaken ``Isolation.FULL``.
        Raises ``JailError``: ``sandbox.unavailable`` where the kernel cannot confine, ``sandbox.layer`` where a
        layer that was asked for is missing, ``sandbox.unsealed`` for files that can still change,
        ``sandbox.model.load`` for a model that onnxruntime refuses, and whatever a dying worker comes to.
        """
        spec = spec if spec is not None else JailSpec()
        may_fall_back = allow_unsandboxed and spec.isolation is not Isolation.FULL
        if not _can_confine() and not may_fall_back:
            raise JailError(
                f"{sys.platform} on {os.uname().machine} cannot confine a process, nothing is scored",
                code="sandbox.unavailable",
                hint="score on Linux on x86-64 or aarch64, or allow scoring without a sandbox explicitly",
            )
        for file in (model.model, *model.weights):
            check_sealed(file)
        begun = cls._begin_confined(model, spec, may_fail=may_fall_back) if _can_confine() else None
        jail, watch = begun if begun is not None else cls._begin(model, spec, confined=False)
        # Confined or not is decided for good. Nothing that a worker does from here on starts another one.
        jail._load(watch)  # noqa: SLF001  our own instance
        return jail

    @classmethod
    def _begin_confined(cls, model: JailedModel, spec: JailSpec, *, may_fail: bool) -> tuple[Self, Watch] | None:
        """A worker that has confined itself and seen nothing of the model; None where the kernel cannot, and that is allowed."""
        try:
            return cls._begin(model, spec, confined=True)
        except JailError as err:
            if err.code != "sandbox.layer" or not may_fail:
                raise
        return None

    @classmethod
    def _begin(cls, model: JailedModel, spec: JailSpec, *, confined: bool) -> tuple[Self, Watch]:
        fds = tuple(file.fd for file in (model.model, *model.weights))
        watch = Watch(wall_seconds=spec.start_seconds, cpu_seconds=None, pid=-1, threads=1)
        process = Process(pass_fds=fds, threads=spec.threads, confined=confined)
        jail = cls(process, Channel(process.control, pidfd=process.pidfd), model, spec)
        with jail._closed_unless_done():
            jail._await_confined(watch, confined=confined)
        return jail, watch

    @contextlib.contextmanager
    def _closed_unless_done(self) -> Iterator[None]:
        try:
            yield
        except JailError as err:
            self._fall(err)
        except BaseException:
            self.close()
            raise

    def _await_confined(self, watch: Watch, *, confined: bool) -> None:
        task = _task(self._model, self._spec, confined=confined)
        self._channel.send(Kind.START, 0, [protocol.encode_document(task)], watch)
        if confined:
            self._meet(watch)
        reported = _decode_layers(self._answer(Kind.CONFINED, watch))
        self.layers = reported if confined else _open_layers()
        if confined:
            _check_layers(self.layers, isolation=self._spec.isolation)

    def _load(self, watch: Watch) -> None:
        with self._closed_unless_done():
            self._request = 1
            self._channel.send(Kind.LOAD, 1, [protocol.encode_document(None)], watch)
            _check_interface(self._answer(Kind.READY, watch), self._model)

    def _meet(self, watch: Watch) -> None:
        try:
            self._process.meet_worker(watch.timeout())
        except JailError:
            self._answer(Kind.CONFINED, watch)  # raises what the worker said before it ended
            raise
        self._channel.watch_process(self._process.pidfd)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Result]:
        """The outputs for these feeds, by name; sequences as lists, maps as dictionaries.

        Raises ``InputError`` (``input.…``) before the worker sees anything, and ``JailError``.
        """
        values = check_feeds(feeds, inputs=self._model.inputs, limits=self._spec.limits)
        parts = encode_values(values)
        self._own()  # before the lock: in a fork it may be held for ever
        with self._lock:
            if self._dead:
                raise JailError(f"the jail has ended: {self._dead}", code="sandbox.dead", hint="start a new one")
            self._request += 1
            spec = self._spec
            watch = Watch(
                wall_seconds=spec.wall_seconds, cpu_seconds=spec.cpu_seconds, pid=self._process.pid, threads=spec.threads
            )
            try:
                self._channel.send(Kind.RUN, self._request, parts, watch)
                body = self._answer(Kind.RESULT, watch)
                return decode_outputs(body, outputs=self._model.outputs, limits=spec.limits, tick=watch.timeout)
            except JailError as err:
                if err.code in _SURVIVABLE:
                    raise
                self._fall(err)
            except BaseException:  # an interrupt: the answer that is still to come would belong to no request
                self._dead = "a call was interrupted"
                self._end()
                raise

    def _answer(self, kind: Kind, watch: Watch) -> bytearray:
        head, body = self._channel.receive(self._request, watch, limits=self._spec.limits)
        if head.kind is Kind.ERROR:
            raise _reported(body, accepted=_ACCEPTED[kind])
        if head.kind is not kind:
            message = f"the worker sent {head.kind.name.lower()}, expected was {kind.name.lower()}"
            raise JailError(message, code="sandbox.frame", expected=kind.name, found=head.kind.name)
        return body

    def _own(self) -> None:
        if os.getpid() != self._owner:
            raise JailError("this jail belongs to another process, start one after the fork", code="sandbox.fork")

    def _fall(self, err: JailError) -> NoReturn:
        """Ends the worker for ``err`` and raises it, completed by how the worker ended."""
        self._dead = err.message  # first, and the end in a finally: whatever goes wrong below, nobody uses this jail again
        try:
            gone = err.code == "sandbox.worker.died"
            if gone:
                self._process.ended_by_itself(1.0)  # let it finish dying: a kill would hide the reason
            self._process.kill()
            if gone:
                err = JailError(f"the worker ended without an answer: {self._process.explain()}", code=err.code)
                self._dead = err.message
        finally:
            self._end()
        raise err

    def _end(self) -> None:
        self._channel.close()
        self._process.close()

    def close(self) -> None:
        """The worker is gone, reaped, and its descriptors closed. May be called again, and from a fork."""
        if os.getpid() != self._owner:
            self._process.release()
            return
        with self._lock:
            self._dead = self._dead or "it was closed"
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _can_confine() -> bool:
    return sys.platform == "linux" and os.uname().machine in ARCHITECTURES and sys.maxsize > 2**32


def check_sealed(file: SealedFile) -> None:
    """The descriptor is a memfd that cannot change, of the size given. Raises ``JailError`` (``sandbox.unsealed``).

    Without it, whoever shares the memory could change the model between verification and loading.
    """
    try:
        seals = fcntl.fcntl(file.fd, _F_GET_SEALS) if sys.platform == "linux" else _SEALS
        size = os.fstat(file.fd).st_size
    except OSError as err:
        message = f"{shown(file.path)} is not sealed memory: {err.strerror}"
        raise JailError(message, code="sandbox.unsealed", where=shown(file.path)) from err
    if seals & _SEALS != _SEALS or size != file.size:
        message = f"{shown(file.path)} has seals {seals:#x} and {size} bytes, wanted are {_SEALS:#x} and {file.size}"
        raise JailError(message, code="sandbox.unsealed", where=shown(file.path))


def _task(model: JailedModel, spec: JailSpec, *, confined: bool) -> JsonValue:
    def entry(file: SealedFile) -> JsonValue:
        return {"path": file.path, "fd": file.fd, "size": file.size}

    external: list[JsonValue] = []
    for tensor in model.external:
        item: dict[str, JsonValue] = {"name": tensor.name, "location": tensor.location, "offset": tensor.offset}
        if tensor.length is not None:
            item["length"] = tensor.length
        external.append(item)
    return {
        "confined": confined,
        "threads": spec.threads,
        "memory_bytes": spec.memory_bytes,
        "max_input_bytes": spec.limits.max_input_bytes,
        "max_output_bytes": spec.limits.max_output_bytes,
        "model": entry(model.model),
        "weights": [entry(file) for file in model.weights],
        "external": external,
    }


def _check_layers(layers: tuple[Layer, ...], *, isolation: Isolation) -> None:
    """Every layer that is asked for is in force. Raises ``JailError`` (``sandbox.layer``)."""
    if missing := missing_layers(layers, isolation=isolation):
        names = ", ".join(f"{layer.name} ({shown(layer.detail)})" for layer in missing)
        raise JailError(f"not in force: {names}", code="sandbox.layer", where=missing[0].name, found=names)


def _open_layers() -> tuple[Layer, ...]:
    return tuple(Layer(name=name, in_force=False, detail="not confined: allowed explicitly") for name in FULL)


def _decode_layers(body: bytearray) -> tuple[Layer, ...]:
    def layer(value: JsonValue, where: str) -> Layer:
        fields = Fields(value, where=where, format_name="confined")
        return Layer(name=fields.text("name"), in_force=fields.boolean("in_force"), detail=fields.text("detail", empty=True))

    try:
        document = protocol.decode_document(body)
        listed = document if isinstance(document, list) else []
        return tuple(layer(value, f"[{index}]") for index, value in enumerate(listed))
    except InputError as err:
        raise JailError(f"the worker's report cannot be read: {err}", code="sandbox.frame", found=err.code) from err


def _reported(body: bytearray, *, accepted: frozenset[str]) -> JailError:
    """The error that a worker reports, its words escaped and cut."""
    try:
        fields = Fields(protocol.decode_document(body), where="", format_name="error")
        code, message = fields.text("code"), fields.text("message")
    except InputError as err:
        return JailError(f"the worker's error cannot be read: {err}", code="sandbox.frame", found=err.code)
    if code not in accepted:
        return JailError(f"the worker reports {shown(code)}: {shown(message)}", code="sandbox.frame", found=shown(code))
    return JailError(shown(message, limit=600), code=code)


def _check_interface(body: bytearray, model: JailedModel) -> None:
    """The runtime sees the inputs and outputs that verification saw. Raises ``JailError`` (``sandbox.interface``).

    Two readers that disagree about a model are how a reviewed model and a running one come apart.
    """
    try:
        document = protocol.decode_document(body)
        fields = Fields(document, where="", format_name="ready")
        seen = {side: _seen(fields, side) for side in ("inputs", "outputs")}
    except InputError as err:
        raise JailError(f"the worker's report cannot be read: {err}", code="sandbox.frame", found=err.code) from err
    for side, specs in (("inputs", model.inputs), ("outputs", model.outputs)):
        wanted = {spec.name: _runtime_type(spec) for spec in specs}
        if seen[side] != wanted and not _only_unspelled(seen[side], wanted):
            message = f"onnxruntime sees the {side} {shown(seen[side])}, verified are {shown(wanted)}"
            raise JailError(message, code="sandbox.interface", where=side, expected=shown(wanted), found=shown(seen[side]))


def _seen(fields: Fields, side: str) -> dict[str, str]:
    out = {}
    for value, where in fields.items(side, maximum=100_000):
        item = Fields(value, where=where, format_name="ready")
        out[item.text("name", maximum=65536)] = item.text("type")
    return out


def _runtime_type(spec: ValueSpec) -> str:
    """A tensor type as onnxruntime spells it, empty for the others."""
    return f"tensor({spec.type.element})" if spec.type.kind is ValueKind.TENSOR else ""


def _only_unspelled(seen: dict[str, str], wanted: dict[str, str]) -> bool:
    return seen.keys() == wanted.keys() and all(not text or text == seen[name] for name, text in wanted.items())
