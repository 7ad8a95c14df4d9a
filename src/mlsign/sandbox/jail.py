"""A jail: one model in one confined process, and the parent's side of it.

Whatever the worker does, the caller gets outputs of the declared names and types, or a ``JailError``. An
error of the model itself (``sandbox.model.…``, ``sandbox.memory``) leaves the jail usable; every other one
ends the worker, and later calls raise ``sandbox.dead``.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn, Self

from mlsign.errors import JailError
from mlsign.sandbox import protocol, zygote_host
from mlsign.sandbox.channel import Channel, Watch
from mlsign.sandbox.exchange import Exchange
from mlsign.sandbox.gvisor.process import GvisorProcess
from mlsign.sandbox.handshake import (
    ACCEPTED,
    SURVIVABLE,
    check_interface,
    check_layers,
    decode_confined,
    open_layers,
    reported,
    task_document,
)
from mlsign.sandbox.layers import Isolation, Layer, Wall
from mlsign.sandbox.preconditions import can_confine, check_runtime, check_sealed, unconfinable
from mlsign.sandbox.process import Process
from mlsign.sandbox.protocol import Kind, Pace
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.sandbox.spec import JailedModel, JailSpec
from mlsign.sandbox.tensors import Array, Result
from mlsign.sandbox.transport import Transport

_LOOKS: Final = 1500
"""How often a caller that may be busy looks at the bell before it sleeps: some 40 microseconds. Being woken takes as long."""

_PATIENT_AFTER_SECONDS: Final = 0.001
"""A model that takes longer than this is not worth a busy wait."""


class Jail:
    """A running worker. Make one with ``start``; use it as a context manager. Calls from threads take turns.

    ``runtime_version`` and ``threads``, with which it computes, are what the worker said before it saw anything of the model.
    """

    def __init__(self, model: JailedModel, spec: JailSpec) -> None:
        self.layers: tuple[Layer, ...] = ()
        self.runtime, self.runtime_version, self.threads = spec.runtime, "", 1
        self._model = model
        self._spec = spec
        self._transport = Transport(model, limits=spec.limits, results_bytes=min(spec.limits.max_output_bytes, spec.memory_bytes))
        areas = (self._transport.feeds, self._transport.results)
        try:
            kind = GvisorProcess if spec.wall is Wall.GVISOR else Process
            self._process = kind(
                [*(area.fd for area in areas), model.model.fd, *(file.fd for file in model.weights)], runtime=spec.runtime
            )
        except BaseException:
            self._transport.close()
            raise
        for area in areas:
            area.hand_over()
        self._channel = Channel(self._process.control, pidfd=-1)
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._request = 0
        self._dead = ""
        self._confined = False
        self._looks = _LOOKS if spec.busy and hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) > 1 else 0
        self._slow = False  # the last answer took so long that looking for it was a waste
        self._exchange: Exchange | None = None

    @staticmethod
    def prepare(runtime: RuntimeName = RuntimeName.ONNXRUNTIME) -> None:
        """The next start with this runtime need not wait for a zygote that has yet to be started; what is wrong with it, that start says."""
        if can_confine():
            with contextlib.suppress(JailError):
                zygote_host.prepare(runtime)

    @classmethod
    def start(cls, model: JailedModel, *, spec: JailSpec | None = None, allow_unsandboxed: bool = False) -> Self:
        """A worker that is confined as ``spec`` asks and has loaded the model.

        ``allow_unsandboxed`` runs the same worker as a plain process where, and only where, the kernel cannot
        confine it; ``layers`` then says so. It weakens neither ``Isolation.FULL`` nor a wall of gVisor.
        Raises ``JailError``: ``sandbox.unavailable`` where the kernel cannot confine, ``sandbox.layer`` where a
        layer that was asked for is missing, ``sandbox.unsealed`` for files that can still change,
        ``sandbox.model.load`` for a model that the runtime refuses, and whatever a dying worker comes to; ``OutsideError``
        (``sandbox.reference``) for a runtime that is not installed.
        """
        spec = spec if spec is not None else JailSpec()
        check_runtime(spec.runtime, wall=spec.wall)
        may_fall_back = allow_unsandboxed and spec.isolation is not Isolation.FULL and spec.wall is Wall.PROCESS
        if not can_confine() and not may_fall_back:
            raise unconfinable()
        for file in (model.model, *model.weights):
            check_sealed(file)
        begun = cls._begin_confined(model, spec, may_fail=may_fall_back) if can_confine() else None
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
        watch = Watch(wall_seconds=spec.start_seconds, cpu_seconds=None, pid=-1, threads=1)
        jail = cls(model, spec)
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
        task = task_document(self._model, self._spec, confined=confined)
        self._channel.send_document(Kind.START, 0, protocol.encode_document(task), watch)
        self._meet(watch)
        told = decode_confined(self._answer(Kind.CONFINED, watch)[1], runtime=self.runtime)
        self.runtime_version, self.threads = told.version, min(told.threads, self._spec.threads)
        self.layers = self._process.confirm(told.layers) if confined else open_layers()
        self._confined = confined
        if confined:
            check_layers(self.layers, isolation=self._spec.isolation, wall=self._spec.wall)
        if self._spec.wall is Wall.PROCESS:  # the kernel of gVisor keeps the size that it saw first
            self._transport.feeds.begin_fitting()

    def _load(self, watch: Watch) -> None:
        with self._closed_unless_done():
            self._request = 1
            self._channel.send_document(Kind.LOAD, 1, protocol.encode_document(None), watch)
            check_interface(self._answer(Kind.READY, watch)[1], self._model, runtime=self.runtime)
            if self._model.load_bytes and self._confined:
                self._process.take_address_space(self._model.load_bytes, timeout=watch.timeout())

    def _meet(self, watch: Watch) -> None:
        try:
            self._process.meet_worker(watch.timeout())
        except JailError:
            self._answer(Kind.CONFINED, watch)  # raises what the worker said before it ended
            raise
        self._channel.watch_process(self._process.pidfd)

    @property
    def pid(self) -> int:
        """The worker's process, as this process sees it."""
        return self._process.pid

    @property
    def pidfd(self) -> int:
        """A descriptor that becomes readable when the worker has ended; -1 where the platform has none."""
        return self._process.pidfd

    def alive(self) -> bool:
        """The worker takes calls, as far as can be seen without asking it."""
        return not self._dead and os.getpid() == self._owner and self._process.alive()

    def idle(self) -> bool:
        """It is alive and at no call: also none that its caller lost sight of."""
        return self.alive() and not self._lock.locked()

    def lend(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        """Arrays for feeds of these shapes in the very memory that the worker reads: a call with them copies nothing in.

        They hold what they held, and are good until a call with other shapes, or other types, is made. Raises
        ``InputError`` (``input.…``) for what the model does not take.
        """
        self._own()
        with self._lock:
            self._check_dead()
            return self._transport.lend(shapes)

    def run(self, feeds: Mapping[str, Any], *, seconds: float | None = None) -> dict[str, Result]:
        """The outputs for these feeds, by name; sequences as lists, maps as dictionaries.

        ``seconds`` is the deadline of this call; it can shorten that of the spec, not extend it. Raises ``InputError``
        (``input.…``) before the worker sees anything, and ``JailError``.
        """
        self._own()  # before the lock: in a fork it may be held for ever
        with self._lock:
            looks = 0 if self._slow else self._looks
            kind, watch = self._send(feeds, seconds, Pace.BUSY if self._looks else Pace.CALM)
            try:
                return self._take(kind, watch, self._wait(looks, watch))
            except JailError as err:
                if err.code in SURVIVABLE:
                    raise
                self._fall(err)
            except BaseException:  # an interrupt: the answer that is still to come would belong to no request
                self._abandon()
                raise

    def _wait(self, looks: int, watch: Watch) -> tuple[protocol.Head, bytes]:
        """The answer to a call: looked for, then waited for asleep."""
        bell, request = self._transport.results.bell, self._request
        for _ in range(looks):
            if bell[0] == request:
                return self._answer(Kind.RESULT, watch)
        begun = time.monotonic()
        found = self._answer(Kind.RESULT, watch)
        self._slow = time.monotonic() - begun > _PATIENT_AFTER_SECONDS
        return found

    def begin(self, feeds: Mapping[str, Any], *, seconds: float | None = None) -> Exchange:
        """The call is sent; its outputs come by way of the exchange. Raises as ``run`` does, and ``sandbox.busy`` while another is under way."""
        self._own()
        held = False
        try:
            # In one step of the interpreter: an interrupt between taking the lock and knowing of it would leave it taken for ever.
            (held,) = map(self._lock.acquire, (False,))
            if held:
                kind, watch = self._send(feeds, seconds, Pace.CALM)
                step, fd = lambda: self._advance(kind, watch), self._channel.fileno()
                self._exchange = Exchange(step, fd=fd, watch=watch, abandon=self._abandon, finished=self._exchanged)
                return self._exchange
        except BaseException:
            if held:
                self._lock.release()
            raise
        raise JailError("another call is under way", code="sandbox.busy", hint="let each caller have a worker of its own")

    def _exchanged(self) -> None:
        self._exchange = None
        self._lock.release()

    def _send(self, feeds: Mapping[str, Any], seconds: float | None, pace: Pace) -> tuple[Kind, Watch]:
        self._check_dead()
        spec = self._spec
        wall = spec.wall_seconds if seconds is None else min(seconds, spec.wall_seconds)
        if not wall > 0:  # nor is what is no number; nothing was sent, so the worker goes on
            raise JailError(f"no time is left for the call: {wall:g} seconds", code="sandbox.deadline")
        kind, length = self._transport.put(feeds)
        self._request += 1
        pid, others = self._process.pid, self._process.others
        watch = Watch(wall_seconds=wall, cpu_seconds=spec.cpu_seconds, pid=pid, threads=spec.threads, others=others)
        try:
            self._channel.send_head(kind, self._request, length, pace)
        except JailError as err:
            self._fall(err)
        except BaseException:
            self._abandon()
            raise
        self._transport.feeds.bell[0] = self._request
        return kind, watch

    def _advance(self, kind: Kind, watch: Watch) -> dict[str, Result] | None:
        try:
            found = self._channel.step(self._request, watch, limits=self._spec.limits)
            if found is None:
                watch.timeout()
                return None
            return self._take(kind, watch, self._accept(Kind.RESULT, found))
        except JailError as err:
            if err.code in SURVIVABLE:
                raise
            self._fall(err, patience=0.1)  # an event loop has others to serve
        except BaseException:
            self._abandon()
            raise

    def _take(self, asked: Kind, watch: Watch, answer: tuple[protocol.Head, bytes]) -> dict[str, Result]:
        head, _ = answer
        return self._transport.take(head.kind, head.length, asked=asked, tick=watch.timeout)

    def _answer(self, kind: Kind, watch: Watch) -> tuple[protocol.Head, bytes]:
        return self._accept(kind, self._channel.receive(self._request, watch, limits=self._spec.limits))

    @staticmethod
    def _accept(kind: Kind, found: tuple[protocol.Head, bytes]) -> tuple[protocol.Head, bytes]:
        head, body = found
        if head.kind is Kind.ERROR:
            raise reported(body, accepted=ACCEPTED[kind])
        if head.kind is not kind and not (kind is Kind.RESULT and head.kind is Kind.RESULT_AGAIN):
            message = f"the worker sent {head.kind.name.lower()}, expected was {kind.name.lower()}"
            raise JailError(message, code="sandbox.frame", expected=kind.name, found=head.kind.name)
        return found

    def _check_dead(self) -> None:
        if self._dead:
            raise JailError(f"the jail has ended: {self._dead}", code="sandbox.dead", hint="start a new one")

    def _own(self) -> None:
        if os.getpid() != self._owner:
            raise JailError("this jail belongs to another process, start one after the fork", code="sandbox.fork")

    def _abandon(self) -> None:
        self._dead = "a call was interrupted"
        self._end()

    def _fall(self, err: JailError, *, patience: float = 1.0) -> NoReturn:
        """Ends the worker for ``err`` and raises it, completed by how the worker ended."""
        self._dead = err.message  # first, and the end in a finally: whatever goes wrong below, nobody uses this jail again
        try:
            gone = err.code == "sandbox.worker.died"
            alone = gone and self._process.ended_by_itself(patience)  # let it finish dying: a kill would hide the reason
            self._process.kill()
            if gone:
                err = self._process.obituary(alone=alone)
                self._dead = err.message
        finally:
            self._end()
        raise err

    def _end(self) -> None:
        self._channel.close()
        self._process.close()
        self._transport.close()

    def close(self) -> None:
        """The worker is gone, reaped, and its descriptors closed. May be called again, and from a fork."""
        if os.getpid() != self._owner:
            self._process.release()
            self._transport.close()
            return
        if (exchange := self._exchange) is not None:
            exchange.abandon()
        with self._lock:
            self._dead = self._dead or "it was closed"
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
