"""The first and only process inside gVisor: warms the runtime, takes its descriptors and lives as a worker.

gVisor's kernel hands on what comes over the socket at descriptor 0, so nothing of the host is named by a path. From there on
it is the worker of ``worker``, which confines itself once more, within gVisor.
"""

from __future__ import annotations

import gc
import os
import socket
from typing import NoReturn

from mlsign.limits import Limits
from mlsign.sandbox import worker
from mlsign.sandbox.onnxruntime.engine import OnnxRuntime
from mlsign.sandbox.seccomp import CONTROL_FD
from mlsign.sandbox.zygote import receive


def main() -> NoReturn:
    """The entry point of the container. Ends when the parent has gone."""
    os.dup2(0, CONTROL_FD)  # held by the socket that is read here, so that nothing which is taken comes to lie there
    nothing = os.open("/dev/null", os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.set_blocking(2, False)  # a full pipe loses words; gVisor does not take that over from the pipe outside
    requests = socket.socket(fileno=CONTROL_FD)
    engine = OnnxRuntime()
    engine.warm()
    gc.collect()
    descriptors = receive(requests)
    requests.detach()
    if not descriptors:
        os._exit(0)
    control, feeds, results, *files = descriptors
    os.dup2(control, CONTROL_FD)
    os.close(control)
    pipe = worker.Pipe(CONTROL_FD, limits=Limits())
    worker.run(pipe, worker.Handed(status=None, feeds=feeds, results=results, files=tuple(files)), engine)


if __name__ == "__main__":
    main()
