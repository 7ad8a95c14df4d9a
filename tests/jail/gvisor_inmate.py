"""A worker inside gVisor that was taken over; each call says by its number which of ``DEEDS`` is done in place of the answer.

In mode ``alone`` it does not confine itself and only claims to: what denies a deed then is gVisor. In mode ``confined`` it does.
In mode ``chosen`` it confines itself, and the deeds are those of ``takeovers``.
The same deeds are done outside as a control, with the same targets in the environment's place: a file, a port, a process.
"""

import errno
import json
import mmap
import os
import socket
from pathlib import Path

WORKS = "went through"


class Aim:
    """What deeds are aimed at: given by the test outside, and inside by the call."""

    file = folder = ""
    port = pid = 0
    abstract = ""
    feeds = results = model = -1
    """Descriptors of the areas and the model."""


AIM = Aim()


def read_file():
    return Path(AIM.file).read_bytes()


def read_passwords():
    return Path("/etc/passwd").read_bytes()


def list_folder():
    return os.listdir(AIM.folder)


def write_package():
    """Where the package of the worker itself lies. Nothing is written: to open it is enough."""
    import mlsign

    os.close(os.open(mlsign.__file__, os.O_RDWR))


def make_file():
    Path("/var/made").touch()
    Path("/var/made").unlink()


def connect_tcp():
    socket.create_connection(("127.0.0.1", AIM.port), timeout=5).close()


def connect_abstract():
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"\0{AIM.abstract}")


def signal_process():
    os.kill(AIM.pid, 0)


def see_process():
    assert f"{AIM.pid}" in os.listdir("/proc"), "not among those in /proc"


def write_again(descriptor):
    again = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR)
    try:
        os.pwrite(again, b"x", 0)
    finally:
        os.close(again)


def write_feeds():
    os.pwrite(AIM.feeds, b"x", 0)


def map_feeds():
    mmap.mmap(AIM.feeds, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE).close()


def open_feeds_again():
    write_again(AIM.feeds)


def map_feeds_again():
    again = os.open(f"/proc/self/fd/{AIM.feeds}", os.O_RDWR)
    mmap.mmap(again, 4096)[:1] = b"x"


def shorten_results():
    os.ftruncate(AIM.results, os.fstat(AIM.results).st_size - 4096)


def lengthen_results():
    os.ftruncate(AIM.results, os.fstat(AIM.results).st_size + 4096)


def write_model():
    os.pwrite(AIM.model, b"x", 0)


def map_model():
    mmap.mmap(AIM.model, 16, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE).close()


def open_model_again():
    write_again(AIM.model)


DEEDS = (
    read_file, read_passwords, list_folder, write_package, make_file, connect_tcp, connect_abstract, signal_process, see_process,
    write_feeds, map_feeds, open_feeds_again, map_feeds_again, shorten_results, lengthen_results, write_model, map_model, open_model_again,
)  # fmt: skip


def outcome(deed) -> str:
    """What came of a deed, in a word."""
    try:
        deed()
    except AssertionError as err:
        return str(err)
    except OSError as err:
        return errno.errorcode.get(err.errno or 0, str(err))
    except ValueError as err:
        return str(err)
    return WORKS


def claims():
    from mlsign.sandbox.layers import FULL, Layer

    return tuple(Layer(name=name, in_force=True, detail="claimed") for name in (*FULL, "gvisor"))


def main():
    """The entry point of the container."""
    from mlsign.sandbox import worker
    from mlsign.sandbox.gvisor import worker as gvisor_worker
    from mlsign.sandbox.onnxruntime import calls
    from mlsign.sandbox.onnxruntime import engine as onnxruntime_engine
    from mlsign.sandbox.values import decode_values

    honest_run = worker.run

    def run(pipe, handed, engine):
        AIM.feeds, AIM.results, AIM.model = handed.feeds, handed.results, handed.files[0]
        honest_run(pipe, handed, engine)

    def answer(self, head):
        text = decode_values(self._feeds[: head.length], limits=self._limits)["x"].items[0]
        which, aims = json.loads(text)
        for name, value in aims.items():
            setattr(AIM, name, value)
        raise RuntimeError(outcome(DEEDS[which]))

    if os.environ["MODE"] == "chosen":
        import hostile

        hostile.hold(onnxruntime_engine, calls.Calls)
        onnxruntime_engine.load = hostile.chosen
        gvisor_worker.main()
    worker.run = run
    calls.Calls.answer = answer
    if os.environ["MODE"] == "alone":
        worker.confine = lambda plan: (claims(), plan.threads)
    gvisor_worker.main()
