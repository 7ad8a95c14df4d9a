"""Runs every takeover against real workers of one hostile zygote, several at a time; outcomes as JSON on stdout.

    takeover_runner.py SETTING inside|control|attempts|reference|gvisor [NAME...]

With ``attempts`` it is the attempts of ``inmate`` that are made, from inside workers that have a model, and with ``reference`` the
same from inside such as hold the reference evaluator; with ``gvisor`` the workers are inside gVisor, each in one of its own.
"""

import functools
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import surroundings
from attempts import ATTEMPTS
from inmate import MEMORY_BYTES
from jail_models import Memory, graph_model, popen_of, tensor
from onnx import TensorProto, helper
from takeovers import ANSWER, TAKEOVERS, Takeover, number_of

from mlsign.errors import JailError
from mlsign.sandbox import jail as jail_module
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.layers import Wall
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.sandbox.spec import JailedModel, JailSpec

AT_ONCE = 4
"""Most of the time is spent waiting: for deadlines, and for what is started."""
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


def is_walled(takeover: Takeover, *, control: bool) -> bool:
    return takeover.walled or not control


def run(model: JailedModel, takeover: Takeover, *, control: bool, wall: Wall = Wall.PROCESS) -> dict[str, object]:
    spec = {"wall_seconds": 5.0, **takeover.spec, **(takeover.control_spec if control else {})}
    walled = is_walled(takeover, control=control)
    which = 2 * TAKEOVERS.index(takeover) + control
    if takeover.loading:  # the name says it, and the call is honest
        model = replace(model, model=replace(model.model, path=f"model-{which}"))
        which = number_of("honest")
    try:
        jail = Jail.start(model, spec=JailSpec(wall=wall, **spec), allow_unsandboxed=not walled or takeover.loading)
    except JailError as err:
        return {"walls": None, "dead": True, **words_of(err)}
    with jail:
        walls = [layer.name for layer in jail.layers if layer.in_force]
        try:
            y = jail.run({"x": X, "which": np.array(which)})["y"]
            ended = ANSWER if np.array_equal(y, 2 * X) else "a wrong answer"
            return {"walls": walls, "dead": False, "ended": ended, "says": "", "clean": True}
        except JailError as err:
            words = words_of(err)
        dead = False
        try:
            jail.run({"x": X, "which": np.array(number_of("honest"))})
        except JailError as err:
            dead = err.code == "sandbox.dead"
        return {"walls": walls, "dead": dead, **words}


def words_of(err: JailError) -> dict[str, object]:
    return {"ended": told(err), "says": err.message, "clean": err.message.isprintable() and len(err.message) < 1500}


def attempt(model: JailedModel, which: int, *, runtime: RuntimeName) -> str:
    """How an attempt ended that was made in a worker: as ``inmate`` tells it."""
    with Jail.start(model, spec=JailSpec(memory_bytes=MEMORY_BYTES, wall_seconds=10.0, runtime=runtime)) as jail:
        try:
            jail.run({"x": X, "which": np.array(which)})
        except JailError as err:
            if err.code == "sandbox.memory":
                return "MemoryError"
            return told(err).removeprefix("sandbox.worker.died: ")
        return "an answer"


def each_of(deed: Callable[[Any], Any], given: Sequence[Any]) -> list[Any]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(deed, given))


def main(setting: str, mode: str, *names: str) -> None:
    surroundings.enter(setting)
    attempting = {"attempts": RuntimeName.ONNXRUNTIME, "reference": RuntimeName.REFERENCE}
    subprocess.Popen = popen_of("attempting" if mode in attempting else "chosen")
    model = Memory().model(doubler())
    if mode in attempting:
        picked = [which for which, attempt_ in enumerate(ATTEMPTS) if not names or attempt_.name in names]
        ended = each_of(functools.partial(attempt, model, runtime=attempting[mode]), picked)
        print(json.dumps({ATTEMPTS[which].name: {"ended": how} for which, how in zip(picked, ended, strict=True)}))
        return
    control, wall = mode == "control", Wall.GVISOR if mode == "gvisor" else Wall.PROCESS
    found = {}
    for walled in (True, False):
        jail_module.can_confine = lambda walled=walled: walled
        chosen = [each for each in TAKEOVERS if (not names or each.name in names) and is_walled(each, control=control) == walled]
        outcomes = each_of(functools.partial(run, model, control=control, wall=wall), chosen)
        found |= dict(zip((each.name for each in chosen), outcomes, strict=True))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
