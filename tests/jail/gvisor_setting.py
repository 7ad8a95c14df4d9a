"""Whether gVisor works on this machine: really tried, once."""

import functools
import os
import shutil

from jail_models import Memory, graph_model, tensor
from onnx import helper

from mlsign.errors import JailError
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.layers import Wall
from mlsign.sandbox.spec import JailSpec


@functools.cache
def why_not() -> str:
    if shutil.which("runsc") is None:
        return "runsc is not installed"
    memory = Memory()
    model = graph_model([helper.make_node("Identity", ["x"], ["y"])], [tensor("x")], [tensor("y")])
    try:
        Jail.start(memory.model(model), spec=JailSpec(wall=Wall.GVISOR)).close()
    except JailError as err:
        if err.code != "sandbox.unavailable":
            raise
        return f"runsc does not work here: {err.message}"
    finally:
        for fd in memory.fds:
            os.close(fd)
    return ""
