"""Runs every takeover against real workers of one hostile zygote; outcomes as JSON on stdout.

takeover_runner.py SETTING inside|control [NAME...]
"""

import json
import subprocess
import sys

import numpy as np
import surroundings
from jail_models import Memory, graph_model, popen_of, tensor
from onnx import TensorProto, helper
from takeovers import ANSWER, TAKEOVERS, Takeover, number_of

from mlsign.errors import JailError
from mlsign.sandbox import jail as jail_module
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.spec import JailedModel, JailSpec

X = np.arange(1, 7, dtype=np.float32).reshape(3, 2)


def doubler() -> bytes:
    """y = x + x; ``which`` is there for the worker that was taken over."""
    inputs = [tensor("x"), tensor("which", TensorProto.INT64, [])]
    return graph_model([helper.make_node("Add", ["x", "x"], ["y"])], inputs, [tensor("y")]).SerializeToString()


def told(err: JailError) -> str:
    if err.code == "sandbox.model.run":
        return err.message
    if err.code == "sandbox.worker.died":
        return f"{err.code}: {err.message.partition(': ')[2].partition(':')[0].partition(';')[0]}"
    return err.code


def run(model: JailedModel, takeover: Takeover, *, control: bool) -> dict[str, object]:
    spec = {"wall_seconds": 5.0, **takeover.spec, **(takeover.control_spec if control else {})}
    walled = takeover.walled or not control
    jail_module.can_confine = lambda: walled
    which = 2 * TAKEOVERS.index(takeover) + control
    with Jail.start(model, spec=JailSpec(**spec), allow_unsandboxed=not walled) as jail:
        found = {"walls": sum(layer.in_force for layer in jail.layers), "dead": False, "clean": True, "says": ""}
        try:
            y = jail.run({"x": X, "which": np.array(which)})["y"]
            return found | {"ended": ANSWER if np.array_equal(y, 2 * X) else "a wrong answer"}
        except JailError as err:
            found |= {"ended": told(err), "says": err.message, "clean": err.message.isprintable() and len(err.message) < 1500}
        try:
            jail.run({"x": X, "which": np.array(number_of("honest"))})
        except JailError as err:
            found["dead"] = err.code == "sandbox.dead"
        return found


def main(setting: str, mode: str, *names: str) -> None:
    surroundings.enter(setting)
    subprocess.Popen = popen_of("chosen")
    memory = Memory()
    model = memory.model(doubler())
    chosen = [each for each in TAKEOVERS if not names or each.name in names]
    print(json.dumps({each.name: run(model, each, control=mode == "control") for each in chosen}))


if __name__ == "__main__":
    main(*sys.argv[1:])
