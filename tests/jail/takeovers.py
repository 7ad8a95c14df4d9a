"""What a worker that a model has taken over tries against its parent: over the socket and the memory that they share.

Each deed runs inside a real confined worker, in place of the runtime's answer to a call. It returns None to answer
honestly after it, returns or raises what came of it, or never comes back. ``CONTROLS`` are run without walls, or are the
same deed where it is allowed: what is denied inside has to work there.
"""

import ctypes
import errno
import mmap
import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlsign.sandbox import kernel, protocol
from mlsign.sandbox.arena import BODY_OFFSET
from mlsign.sandbox.protocol import Head, Kind
from mlsign.sandbox.values import Tensor, encode_values
from mlsign.strict import encode_json

ROWS = struct.pack("<6f", 2, 4, 6, 8, 10, 12)
"""What the model gives for what it is asked: twice the numbers from one to six, as three rows of two."""
ANSWER = "the answer"
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Hand:
    """What a deed has: the call it was asked, the two areas, the model's memory, and how an honest answer is made."""

    head: Head
    feeds: memoryview
    results: memoryview
    model: memoryview


Deed = Callable[[Hand], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """``denied`` is how the call ends at the parent, everywhere, or with namespaces (``root``) and without (``container``); ``by`` is what sees to it, and ``says``
    stands in the message. ``loading`` is done in place of loading the model, before any call.

    The control is ``instead``, if the deed itself would be denied anywhere (the wall is no layer of the sandbox), under
    ``control_spec`` and, if not ``walled``, in a worker without confinement; it has to end in ``works``.
    """

    name: str
    tries: str
    deed: Deed
    denied: str | Mapping[str, str]
    by: str
    says: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    control: str = "without walls"
    instead: Deed | None = None
    control_spec: Mapping[str, Any] = field(default_factory=dict)
    walled: bool = False
    works: str = ANSWER
    loading: bool = False


def address_of(view: memoryview) -> int:
    import numpy as np

    return int(np.frombuffer(view, dtype=np.uint8).ctypes.data)


def send(data: bytes) -> None:
    while data:
        data = data[os.write(3, data) :]


def head(hand: Hand, kind: Kind = Kind.RESULT, *, request: int = 0, length: int = 0) -> bytes:
    return protocol.encode_head(kind=kind, request=hand.head.request + request, length=length)


def wait() -> None:
    """The frame is sent, and nothing honest comes after it."""
    time.sleep(60)


def frame(kind: Kind, body: bytes = b"", *, request: int = 0, length: int | None = None) -> Deed:
    """A frame with this body behind it on the socket."""

    def deed(hand: Hand) -> None:
        send(head(hand, kind, request=request, length=len(body) if length is None else length) + body)
        wait()

    return deed


def raw(data: bytes) -> Deed:
    def deed(_: Hand) -> None:
        send(data)
        wait()

    return deed


def complaint(code: str, message: str = "x") -> Deed:
    return frame(Kind.ERROR, encode_json({"code": code, "message": message}))


def result(body: bytes, *, length: int | None = None) -> Deed:
    """A body in the area of results, and the frame that says so."""

    def deed(hand: Hand) -> None:
        hand.results[BODY_OFFSET : BODY_OFFSET + len(body)] = body
        send(head(hand, length=len(body) if length is None else length))
        wait()

    return deed


def values(**named: Any) -> bytes:
    return b"".join(encode_values(named))


HONEST = values(y=Tensor("float", (3, 2), ROWS))


def in_pieces(hand: Hand) -> None:
    """An honest answer, byte by byte."""
    hand.results[BODY_OFFSET : BODY_OFFSET + len(HONEST)] = HONEST
    for byte in head(hand, length=len(HONEST)):
        send(bytes([byte]))
    wait()


def drip(hand: Hand) -> None:
    send(head(hand, Kind.ERROR, length=1 << 14))
    while True:
        send(b"x")
        time.sleep(0.001)


def flood(hand: Hand) -> None:
    send(head(hand, Kind.ERROR, length=1 << 14))
    while True:
        send(bytes(1 << 16))


def twice(hand: Hand) -> None:
    hand.results[BODY_OFFSET : BODY_OFFSET + len(HONEST)] = HONEST
    send(2 * head(hand, length=len(HONEST)))
    wait()


def ring(hand: Hand) -> None:
    hand.results[:8] = struct.pack("=Q", hand.head.request)
    wait()


def raw_twice(hand: Hand) -> None:
    body = encode_json({"inputs": [], "outputs": []})
    send(2 * (head(hand, Kind.READY, length=len(body)) + body))
    wait()


def asleep(seconds: float) -> Deed:
    return lambda _: time.sleep(seconds)


def burn(seconds: float) -> Deed:
    def deed(_: Hand) -> None:
        until = time.thread_time() + seconds
        while time.thread_time() < until:
            pass

    return deed


def start_threads(_: Hand) -> str | None:
    threading.stack_size(1 << 16)
    started = 0
    try:
        for _ in range(64):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            started += 1
    except RuntimeError:
        return f"{started} threads"
    return None


def write_to(area: str) -> Deed:
    """Makes memory writable that is not, and writes to it."""

    def deed(hand: Hand) -> None:
        view = getattr(hand, area)
        at = address_of(view)
        kernel.syscall(kernel.number("mprotect"), at, len(view), mmap.PROT_READ | mmap.PROT_WRITE)
        ctypes.memset(at + BODY_OFFSET, 1, 1)

    return deed


def write_plainly(area: str) -> Deed:
    return lambda hand: ctypes.memset(address_of(getattr(hand, area)) + BODY_OFFSET, 1, 1) and None


def write_behind(hand: Hand) -> None:
    """Grows the mapping of results beyond its memory, and writes there."""
    size = len(hand.results)
    whole = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    at = kernel.syscall(kernel.number("mremap"), address_of(hand.results), whole, whole + mmap.PAGESIZE, 1, 0)
    ctypes.memset(at + whole, 1, 1)


def write_last(hand: Hand) -> None:
    ctypes.memset(address_of(hand.results) + len(hand.results) - 1, 1, 1)


def fill(count: int) -> Deed:
    def deed(_: Hand) -> None:
        kept = [bytearray(MIB) for _ in range(count)]
        del kept

    return deed


def fill_by_mapping(count: int) -> Deed:
    def deed(_: Hand) -> None:
        kept = [mmap.mmap(-1, MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(count)]
        for area in kept:
            area.close()

    return deed


def signal_itself(number: int) -> Deed:
    def deed(_: Hand) -> None:
        pid = kernel.syscall(kernel.number("getpid"))
        kernel.syscall(kernel.number("tgkill"), pid, pid, number)

    return deed


def abort(_: Hand) -> None:
    os.abort()


def flip(hand: Hand) -> None:
    """From now on a thread writes to the results while the parent reads them; answers are honest."""

    def scribble() -> None:
        at = 0
        while True:
            hand.results[BODY_OFFSET + at % 256] = at & 0xFF
            at += 7

    sys.setswitchinterval(1e-5)
    threading.Thread(target=scribble, daemon=True).start()


def touch_everything(hand: Hand) -> str:
    """Writes every page of the results and reads every page of the inputs."""
    for at in range(0, len(hand.results), mmap.PAGESIZE):
        hand.results[at] = 1
    for at in range(0, len(hand.feeds), mmap.PAGESIZE):
        hand.feeds[at]
    return "took all of them"


def leave(_: Hand) -> None:
    os._exit(0)


def touch_nothing(_: Hand) -> None:
    ctypes.memset(8, 1, 1)


def complain_without_end(_: Hand) -> None:
    for _ in range(1000):
        try:
            os.write(2, b"\x1b[31m" * 2000 + b"\n")
        except BlockingIOError:
            continue
    os._exit(3)


def close_socket(_: Hand) -> None:
    os.close(3)
    time.sleep(60)


def honest(_: Hand) -> None:
    """Does nothing, so that an honest answer follows."""


DEEP = b"[" * 4096
FRAME = "strict frames"
SOON = {"wall_seconds": 0.5}
HONESTLY = {
    "control": "an honest answer, sent the same way",
    "instead": result(HONEST),
    "control_spec": {"wall_seconds": 5},
    "walled": True,
}

READY = {"inputs": [{"name": "x", "type": "tensor(float)"}], "outputs": [{"name": "y", "type": "tensor(float)"}]}
LOADING = {"control": "load it", "instead": honest, "walled": True, "loading": True}


def at_load(name: str, tries: str, deed: Deed, denied: str, by: str, **more: Any) -> Takeover:
    return Takeover(name=name, tries=f"while it loads: {tries}", deed=deed, denied=denied, by=by, **(LOADING | more))


TAKEOVERS = (
    at_load(
        "load_without_end",
        "never end",
        asleep(60),
        "sandbox.deadline",
        "the deadline",
        spec={"start_seconds": 1},
        control_spec={"start_seconds": 60},
    ),
    at_load("load_and_leave", "end", leave, "sandbox.worker.died: it ended with status 0", "the keeper tells"),
    at_load(
        "load_other_interface",
        "name an input that the model does not have",
        frame(Kind.READY, encode_json(READY)),
        "sandbox.interface",
        "what verification saw",
        says="onnxruntime sees the inputs",
    ),
    at_load(
        "load_deep",
        "be ready 4,096 levels deep",
        frame(Kind.READY, DEEP + b"]" * 4096),
        "sandbox.frame",
        FRAME,
        says="nested deeper than 64 levels",
    ),
    at_load(
        "load_huge",
        "announce interfaces of 64 MiB",
        frame(Kind.READY, length=64 * MIB),
        "sandbox.frame",
        FRAME,
        says="67108864 bytes is announced",
    ),
    at_load("load_result", "send results", frame(Kind.RESULT), "sandbox.frame", FRAME, says="sent result, expected was ready"),
    at_load("load_again", "say twice that it is ready", raw_twice, "sandbox.frame", FRAME, says="more than one answer"),
    at_load(
        "load_blame",
        "blame a missing layer, to be started again without walls",
        complaint("sandbox.layer"),
        "sandbox.frame",
        "codes of each phase",
        says="reports sandbox.layer",
    ),
    Takeover(
        name="write_feeds",
        tries="make its inputs writable, and write",
        deed=write_to("feeds"),
        denied="EACCES",
        by="a descriptor that can only be read",
        control="the same in the area of results",
        instead=write_to("results"),
        walled=True,
    ),
    Takeover(
        name="write_feeds_plainly",
        tries="write to its inputs as they are",
        deed=write_plainly("feeds"),
        denied="sandbox.worker.died: SIGSEGV",
        by="a read-only mapping",
        control="the same in the area of results",
        instead=write_plainly("results"),
        walled=True,
    ),
    Takeover(
        name="write_model",
        tries="make the model writable, and write",
        deed=write_to("model"),
        denied="EACCES",
        by="sealed memory",
        control="the same in the area of results",
        instead=write_to("results"),
        walled=True,
    ),
    Takeover(
        name="write_behind",
        tries="grow the area of results, and write behind its end",
        deed=write_behind,
        denied="sandbox.worker.died: SIGBUS",
        by="sealed memory",
        control="write the last byte of it",
        instead=write_last,
        walled=True,
    ),
    Takeover(
        name="no_frame",
        tries="send what is no frame",
        deed=raw(b"x" * 64),
        says="does not start like a frame",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="other_version",
        tries="send a frame of another version",
        deed=raw(struct.pack("<4sBBBBQQ", b"mlsj", 1, 6, 0, 0, 2, 0)),
        says="does not start like a frame",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="unknown_kind",
        tries="send a frame of no kind",
        deed=raw(struct.pack("<4sBBBBQQ", b"mlsj", 2, 99, 0, 0, 2, 0)),
        says="99 is not a kind of frame",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="earlier_request",
        tries="answer an earlier call",
        deed=frame(Kind.RESULT, request=-1),
        says="answered request 1, asked was 2",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="later_request",
        tries="answer a call that was not made",
        deed=frame(Kind.RESULT, request=1),
        says="answered request 3, asked was 2",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="kind_of_the_parent",
        tries="send a frame that only the parent sends",
        deed=frame(Kind.RUN),
        says="sent run, expected was result",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="ready_again",
        tries="say once more that it is ready",
        deed=frame(Kind.READY, b"{}"),
        says="sent ready, expected was result",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="result_again",
        tries="repeat a result that it never gave",
        deed=frame(Kind.RESULT_AGAIN),
        says="repeats a result that it never gave",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="announce_huge",
        tries="announce 2⁶⁰ bytes",
        deed=frame(Kind.RESULT, length=1 << 60),
        says="1152921504606846976 bytes is announced",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="announce_unwritten",
        tries="announce memory that it never wrote",
        deed=frame(Kind.RESULT, length=8 * MIB),
        says="is announced that is not there",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="announce_document",
        tries="announce an error of 64 MiB",
        deed=frame(Kind.ERROR, length=64 * MIB),
        says="67108864 bytes is announced, allowed are 16384",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="deep_document",
        tries="send an error nested 4,096 deep",
        deed=frame(Kind.ERROR, DEEP + b"]" * 4096),
        says="nested deeper than 64 levels",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="no_text",
        tries="send an error that is no text",
        deed=frame(Kind.ERROR, b"\xff\xfe"),
        says="is not UTF-8",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="two_answers",
        tries="send two answers at once",
        deed=twice,
        says="more than one answer",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="flood",
        tries="send without end",
        deed=flood,
        says="more than one answer",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="blame",
        tries="blame a missing layer, to be started again without walls",
        deed=complaint("sandbox.layer"),
        says="reports sandbox.layer",
        denied="sandbox.frame",
        by="codes of each phase",
        control="a code of this phase",
        instead=complaint("sandbox.output.kind"),
        walled=True,
        works="sandbox.output.kind",
    ),
    Takeover(
        name="nonsense",
        tries="results of random bytes",
        deed=result(b"\xa5" * 4096),
        says="bytes are announced",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="trailing",
        tries="bytes behind the results",
        deed=result(HONEST + b"\0"),
        says="1 bytes are left over",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="other_name",
        tries="an output of another name",
        deed=result(values(z=Tensor("float", (3, 2), ROWS))),
        says="not the declared ones: z",
        denied="sandbox.output.name",
        by="the declared outputs",
        **HONESTLY,
    ),
    Takeover(
        name="other_type",
        tries="an output of another type",
        deed=result(values(y=Tensor("int32", (3, 2), ROWS))),
        says="output y is int32[3, 2], declared is float[n, 2]",
        denied="sandbox.output",
        by="the declared outputs",
        **HONESTLY,
    ),
    Takeover(
        name="other_shape",
        tries="an output of another shape",
        deed=result(values(y=Tensor("float", (2, 3), ROWS))),
        says="output y is float[2, 3]",
        denied="sandbox.output",
        by="the declared outputs",
        **HONESTLY,
    ),
    Takeover(
        name="too_large_shape",
        tries="a shape of 2⁶² elements and no bytes",
        deed=result(HONEST.replace(struct.pack("<Q", 3), struct.pack("<Q", 1 << 61), 1)),
        says="dimensions beyond any memory",
        denied="sandbox.frame",
        by=FRAME,
        **HONESTLY,
    ),
    Takeover(
        name="ring",
        tries="ring the bell without an answer",
        deed=ring,
        denied="sandbox.deadline",
        by="the deadline",
        spec=SOON,
        **HONESTLY,
    ),
    Takeover(
        name="sleep",
        tries="not answer",
        deed=asleep(60),
        denied="sandbox.deadline",
        by="the deadline",
        spec=SOON,
        control="answer after a tenth of a second",
        instead=asleep(0.1),
        control_spec={"wall_seconds": 5},
        walled=True,
    ),
    Takeover(
        name="drip",
        tries="answer byte by byte, for ever",
        deed=drip,
        denied="sandbox.deadline",
        by="the deadline",
        spec=SOON,
        control="an honest answer byte by byte",
        instead=in_pieces,
        control_spec={"wall_seconds": 5},
        walled=True,
    ),
    Takeover(
        name="burn",
        tries="burn CPU time",
        deed=burn(60),
        says="CPU time",
        denied="sandbox.cpu",
        by="the parent's look at its CPU clock",
        spec={"cpu_seconds": 0.3, "wall_seconds": 60},
        control="the same for a fifth of a second",
        instead=burn(0.2),
        control_spec={"cpu_seconds": 5, "wall_seconds": 60},
        walled=True,
    ),
    Takeover(
        name="exhaust_threads",
        tries="start 64 threads, where four are allowed",
        deed=start_threads,
        denied={"root": "7 threads", "container": "sandbox.worker.died: SIGSYS"},
        by="limits (root, user), seccomp",
        spec={"threads": 4},
    ),
    Takeover(
        name="one_thread",
        tries="start a thread, where one is allowed",
        deed=start_threads,
        denied="sandbox.worker.died: SIGSYS",
        by="seccomp",
    ),
    Takeover(
        name="fill_memory",
        tries="write to 256 MiB, where 64 are allowed",
        deed=fill(256),
        denied="sandbox.memory",
        by="limits",
        spec={"memory_bytes": 64 * MIB},
        control="the same, where 1 GiB is allowed",
        control_spec={"memory_bytes": 1024 * MIB},
        walled=True,
    ),
    Takeover(
        name="fill_by_mapping",
        tries="map 256 MiB, where 64 are allowed",
        deed=fill_by_mapping(256),
        denied="ENOMEM",
        by="limits",
        spec={"memory_bytes": 64 * MIB},
        control="the same, where 1 GiB is allowed",
        control_spec={"memory_bytes": 1024 * MIB},
        walled=True,
    ),
    Takeover(
        name="leave",
        tries="end without an answer",
        deed=leave,
        denied="sandbox.worker.died: it ended with status 0",
        by="the keeper tells",
        control="stay",
        instead=honest,
        walled=True,
    ),
    Takeover(
        name="crash",
        tries="touch memory that is not there",
        deed=touch_nothing,
        denied="sandbox.worker.died: SIGSEGV",
        by="the keeper tells",
        control="not touch it",
        instead=honest,
        walled=True,
    ),
    Takeover(
        name="abort",
        tries="abort, as the runtime does where memory is short",
        deed=abort,
        denied={
            "root": "sandbox.worker.died: SIGSEGV",  # process 1 of its namespace is deaf to SIGABRT; the C library then faults
            "container": "sandbox.worker.died: SIGABRT",
        },
        by="the keeper tells",
        works="sandbox.worker.died: SIGABRT",
    ),
    Takeover(
        name="stop",
        tries="stop itself (SIGSTOP)",
        deed=signal_itself(signal.SIGSTOP),
        denied={"root": ANSWER, "container": "sandbox.deadline"},
        by="pid namespace (root, user), the deadline",
        spec=SOON,
        works="sandbox.deadline",
    ),
    Takeover(
        name="close_socket",
        tries="close the control socket and stay",
        deed=close_socket,
        denied="sandbox.worker.died: it closed its socket, went on, and was killed",
        by="the end of the socket",
        control="keep it open",
        instead=honest,
        walled=True,
    ),
    Takeover(
        name="complain",
        tries="write complaints without end, with colours",
        deed=complain_without_end,
        denied="sandbox.worker.died: it ended with status 3",
        by="a pipe that loses what is too much",
        control="not complain",
        instead=honest,
        walled=True,
    ),
)

OTHERS: Mapping[str, Deed] = {"honest": honest, "flip": flip, "touch_everything": touch_everything}
NOTHING_YET = memoryview(b"")
DEEDS: tuple[Deed, ...] = (
    *(deed for each in TAKEOVERS for deed in (each.deed, each.instead or each.deed)),
    *OTHERS.values(),
)
"""Each deed and its control, by the number that a call brings; then those that are tested on their own."""


def number_of(name: str) -> int:
    """The number of one of ``OTHERS``."""
    return 2 * len(TAKEOVERS) + list(OTHERS).index(name)


def outcome(err: BaseException) -> str:
    """What a deed that raised came to, in one word."""
    return errno.errorcode.get(err.errno or 0, str(err)) if isinstance(err, OSError) else str(err)
