"""A worker that a model has taken over: honest until it is told to load, then it does what its first argument says.

    hostile.py MODE REQUESTS_FD

The attacks run where a real one would: after confinement, in place of the runtime's own code.
"""

import ctypes
import mmap
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))  # an isolated interpreter does not look beside the script

import takeovers
from attempt import STAGE, WORKS
from attempts import ATTEMPTS

from mlsign.sandbox import kernel, protocol, zygote
from mlsign.sandbox.protocol import Kind
from mlsign.sandbox.values import decode_values
from mlsign.strict import encode_json


class HELD:
    """The runtime that is taken over: what loads a model, and whose calls are answered."""

    load = calls = None


def hold(module, calls) -> None:
    HELD.load, HELD.calls = module.load, calls


def honest_load(task, model, weights):
    return HELD.load(task, model, weights)


def write(data: bytes) -> None:
    while data:
        data = data[os.write(3, data) :]


def frame(kind: Kind, request: int, body: bytes) -> None:
    write(protocol.encode_head(kind=kind, request=request, length=len(body)) + body)


def say(code: str, message: str, *, request: int) -> None:
    frame(Kind.ERROR, request, encode_json({"code": code, "message": message}))


def blame(code: str):
    """Claims, in answer to LOAD, an error of ``code``; without walls around it, it is content."""

    def attack(task, model, weights):
        if task.confined:
            say(code, "it could not be put in force", request=1)
            os._exit(0)
        return honest_load(task, model, weights)

    return attack


def in_first_call(deed):
    """Loads honestly; at the first call does the deed and answers with what came of it, as the model's error."""

    def attack(task, model, weights):
        loaded = honest_load(task, model, weights)

        def answer(*_):
            raise RuntimeError(str(deed(model, weights)))

        HELD.calls.answer = answer
        return loaded

    return attack


def chosen(task, model, weights):
    """Each call says by its number which of the deeds in ``takeovers`` is done in place of the answer, or before it.

    Before that the model's name can say by its number what is done in place of loading it, or before it.
    """
    if at_load := task.model[0].partition("-")[2]:
        head = protocol.Head(Kind.LOAD, 1, 0)
        nothing = takeovers.NOTHING_YET
        takeovers.DEEDS[int(at_load)](takeovers.Hand(head=head, model=model, feeds=nothing, results=nothing))
    loaded = honest_load(task, model, weights)
    honest_answer = HELD.calls.answer

    def answer(self, head):
        which = decode_values(self._feeds[: head.length], limits=self._limits)["which"]
        areas = {"feeds": memoryview(self._feeds.obj), "results": memoryview(self._results.obj)}
        try:
            came = takeovers.DEEDS[int.from_bytes(which.data, "little")](takeovers.Hand(head=head, model=model, **areas))
        except OSError as err:
            raise RuntimeError(takeovers.outcome(err)) from err
        if came is not None:
            raise RuntimeError(str(came))
        return honest_answer(self, head)

    HELD.calls.answer = answer
    return loaded


def attempting(task, model, weights):
    """Loads honestly; each call says by its number which of the attempts is made in place of the answer."""
    loaded = honest_load(task, model, weights)

    def answer(self, head):
        which = decode_values(self._feeds[: head.length], limits=self._limits)["which"]
        attempt = ATTEMPTS[int.from_bytes(which.data, "little")]
        if attempt.takes_slot:
            os.close(0)
        try:
            attempt.do()
        except OSError as err:
            raise RuntimeError(takeovers.outcome(err)) from err
        raise RuntimeError(WORKS)

    HELD.calls.answer = answer
    return loaded


def clear_stage_afterwards() -> None:
    """A process that waits until the zygote and its workers are gone."""
    ours, theirs = os.pipe()
    if os.fork() == 0:
        os.dup2(ours, 0)
        os.closerange(1, 1024)
        os.read(0, 1)
        STAGE.clear()
        os._exit(0)
    os.close(ours)
    os.set_inheritable(theirs, True)


def set_stage() -> None:
    """In the zygote, outside of all walls: what its workers then aim at."""
    STAGE.set_up()
    STAGE.keeper = os.getpid()
    clear_stage_afterwards()
    for attempt in ATTEMPTS:
        if attempt.prepare is not None:
            attempt.prepare()


def map_shared(_model, _weights):
    area = mmap.mmap(-1, 1 << 20, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
    return f"got {len(area)} shared"


def start_threads(_model, _weights):
    threading.stack_size(1 << 16)
    started = 0
    try:
        for _ in range(64):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            started += 1
    except RuntimeError:
        pass
    return f"{started} threads"


def address_of(view) -> int:
    import numpy as np

    return int(np.frombuffer(view, dtype=np.uint8).ctypes.data)


def wake_others(model, _weights):
    woken = kernel.syscall(kernel.number("futex"), address_of(model) & ~4095, 1, 10, None, None, 0)
    return f"woke {woken}"


def advise_huge(_model, _weights):
    area = mmap.mmap(-1, 4 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    return f"errno {kernel.attempt(kernel.number('madvise'), address & ~4095, 4096, 14)}"


def write_weights(_model, weights):
    (view,) = weights.values()
    code = kernel.attempt(kernel.number("mprotect"), address_of(view), len(view), 3)
    if code == 0:
        ctypes.memset(address_of(view), 1, len(view))
    return f"mprotect {code}"


def die_of(number: int):
    return lambda *_: signal.pthread_kill(threading.get_ident(), number)


def drip(_model, _weights):
    write(protocol.encode_head(kind=Kind.ERROR, request=2, length=1 << 14))
    while True:
        os.write(3, b"x")
        time.sleep(0.001)


def announce(_model, _weights):
    write(protocol.encode_head(kind=Kind.RESULT, request=2, length=1 << 30))
    time.sleep(60)


ATTACKS = {
    "blame_layer": blame("sandbox.layer"),
    "blame_proof": blame("sandbox.proof"),
    "blame_start": blame("sandbox.model.start"),
    "map_shared": in_first_call(map_shared),
    "start_threads": in_first_call(start_threads),
    "wake_others": in_first_call(wake_others),
    "advise_huge": in_first_call(advise_huge),
    "write_weights": in_first_call(write_weights),
    "die_of_40": in_first_call(die_of(40)),
    "drip": in_first_call(drip),
    "announce": in_first_call(announce),
    "chosen": chosen,
    "attempting": attempting,
}


def main(module, engine, calls) -> None:
    """The zygote of this runtime, whose workers do what the first argument says."""
    hold(module, calls)
    mode = sys.argv.pop(1)
    module.load = ATTACKS[mode]
    if mode == "attempting":
        set_stage()
    zygote.main(engine)


if __name__ == "__main__":
    from mlsign.sandbox.onnxruntime import calls
    from mlsign.sandbox.onnxruntime import engine as onnxruntime_engine

    main(onnxruntime_engine, onnxruntime_engine.OnnxRuntime(), calls.Calls)
