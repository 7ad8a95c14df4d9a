"""Scoring inside gVisor: the same answers, the same limits, nothing left behind, and no other wall in its place."""

import functools
import gc
import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from jail_models import Memory, X, graph_model, keeper_of, tensor
from onnx import TensorProto, helper
from pooling import pool_of, until
from processes import command_line, open_descriptors

from mlsign.errors import JailError
from mlsign.sandbox.channel import Watch
from mlsign.sandbox.gvisor.process import descendants
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.layers import FULL, Isolation, Wall, missing_layers, wanted_layers
from mlsign.sandbox.spec import JailSpec

pytestmark = pytest.mark.usefixtures("gvisor")
PLACES = ("/tmp", "/run", "/mnt", "/media", "/srv", "/var/tmp")
OURS = ("config.json", "root", "state")


@pytest.fixture
def within(start):
    """``start`` inside gVisor."""
    return lambda proto, **more: start(proto, wall=Wall.GVISOR, **more)


def zip_map():
    value = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    out = helper.make_value_info("z", helper.make_sequence_type_proto(value))
    node = helper.make_node("ZipMap", ["x"], ["z"], domain="ai.onnx.ml", classlabels_strings=["no", "yes"])
    return graph_model([node], [tensor("x")], [out], ml=True)


def conversion(source, target, shape=("n", 2)):
    node = helper.make_node("Cast", ["x"], ["y"], to=target)
    return graph_model([node], [tensor("x", source, shape)], [tensor("y", target, shape)])


def convolution():
    generator = np.random.default_rng(1)
    weights = helper.make_tensor("w", TensorProto.FLOAT, [4, 3, 3, 3], generator.standard_normal(108).astype(np.float32))
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    return graph_model(nodes, [tensor("x", shape=["n", 3, 8, 8])], [tensor("y", shape=["n", 4, 6, 6])], initializers=[weights])


GENERATOR = np.random.default_rng(2)
TEXTS = np.array([["1", "-3"], ["ü\U0001f600", ""]], dtype=object)
MODELS = {
    "double to half": (conversion(TensorProto.DOUBLE, TensorProto.FLOAT16), GENERATOR.standard_normal((5, 2))),
    "int to bool": (conversion(TensorProto.INT64, TensorProto.BOOL), np.array([[0, 1], [-5, 2**40]])),
    "bytes to float": (conversion(TensorProto.UINT8, TensorProto.FLOAT), np.array([[0, 255]], np.uint8)),
    "nothing": (conversion(TensorProto.FLOAT, TensorProto.DOUBLE), np.zeros((0, 2), np.float32)),
    "one": (conversion(TensorProto.FLOAT, TensorProto.INT32, []), np.array(7, np.float32)),
    "bfloat16": (conversion(TensorProto.BFLOAT16, TensorProto.BFLOAT16), np.array([[1, 0x7FC0]], np.uint16)),
    "texts": (
        graph_model(
            [helper.make_node("Identity", ["x"], ["y"])], [tensor("x", TensorProto.STRING)], [tensor("y", TensorProto.STRING)]
        ),
        TEXTS,
    ),
    "maps": (zip_map(), X),
    "convolution": (convolution(), GENERATOR.standard_normal((3, 3, 8, 8)).astype(np.float32)),
}


def same(one, other) -> bool:
    if isinstance(one, np.ndarray):
        bits = one.tolist() == other.tolist() if one.dtype == object else one.tobytes() == other.tobytes()
        return bits and (one.dtype, one.shape) == (other.dtype, other.shape)
    return one == other


def answers_agree(name: str) -> list[bool]:
    model, x = MODELS[name]
    memory, agree = Memory(), []
    jailed = memory.model(model)
    with Jail.start(jailed, spec=JailSpec(wall=Wall.GVISOR)) as one, Jail.start(jailed) as other:
        for _ in range(3):  # the first call lays the values out, the next ones repeat it
            found, expected = one.run({"x": x}), other.run({"x": x})
            agree.append(found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected))
    for fd in memory.fds:
        os.close(fd)
    return agree


@functools.cache
def agreements() -> dict[str, list[bool]]:
    """Of all models, several at once: it takes a while to start gVisor."""
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(MODELS, pool.map(answers_agree, MODELS), strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_the_answers_are_those_of_a_plain_worker(name):
    assert agreements()[name] == [True] * 3


def test_shapes_and_values_change_from_call_to_call(within, doubler):
    jail = within(doubler, threads=2)
    for count in (1, 1, 7, 7, 0, 3, 300_000, 2):
        x = np.full((count, 2), count, np.float32)
        assert np.array_equal(jail.run({"x": x})["y"], x + x)


def test_external_weights_are_the_sealed_memory_itself(within):
    weights = np.arange(1 << 16, dtype=np.float32)
    lent = helper.make_tensor("w", TensorProto.FLOAT, [1 << 16], weights)
    lent.ClearField("float_data")
    lent.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "w.bin"), ("length", str(weights.nbytes))):
        lent.external_data.add(key=key, value=value)
    model = graph_model(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        [tensor("x", shape=[1])],
        [tensor("y", shape=[1 << 16])],
        initializers=[lent],
    )
    found = within(model, weights={"w.bin": weights.tobytes()}).run({"x": np.array([1], np.float32)})
    assert np.array_equal(found["y"], weights + 1)


def test_gvisor_is_in_force_and_full_isolation_can_be_met(within, doubler):
    jail = within(doubler, isolation=Isolation.FULL)
    held = {layer.name for layer in jail.layers if layer.in_force}
    assert {"gvisor", "seccomp", "user", "capabilities", "rlimits", "no_new_privs", "descriptors"} <= held
    assert all(layer.detail for layer in jail.layers)
    assert set(wanted_layers(Isolation.FULL, wall=Wall.GVISOR)) == {"gvisor", *FULL} - {"landlock", "empty_root"}


def test_a_plain_worker_is_none_in_gvisor(start, doubler):
    jail = start(doubler)
    assert [layer.name for layer in missing_layers(jail.layers, isolation=Isolation.AVAILABLE, wall=Wall.GVISOR)] == ["gvisor"]


def test_a_call_can_be_waited_for_elsewhere(within, doubler):
    exchange = within(doubler).begin({"x": X})
    while (found := exchange.advance()) is None:
        select.select([exchange], [], [], exchange.due_seconds())
    assert np.array_equal(found["y"], X + X)


@pytest.mark.parametrize(
    ("limits", "code"), [({"wall_seconds": 0.5}, "sandbox.deadline"), ({"wall_seconds": 60.0, "cpu_seconds": 0.5}, "sandbox.cpu")]
)
def test_a_loop_without_end_is_ended_by_its_limit(limits, code, within, spinner):
    jail = within(spinner, **limits)
    processes = [jail.pid, *descendants(jail.pid)]
    feeds = {"n": np.array(2**60), "x": np.zeros(64, np.float32)}
    with pytest.raises(JailError) as caught:
        jail.run(feeds)
    assert caught.value.code == code
    assert not [pid for pid in processes if Path(f"/proc/{pid}").exists()]
    with pytest.raises(JailError) as caught:
        jail.run(feeds)
    assert caught.value.code == "sandbox.dead"


def test_time_is_counted_though_a_process_has_gone():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    watch = Watch(wall_seconds=60.0, cpu_seconds=0.05, pid=os.getpid(), threads=1, others=(gone.pid,))
    until_burnt = time.process_time() + 0.1
    while time.process_time() < until_burnt:
        pass
    with pytest.raises(JailError) as caught:
        watch.timeout()
    assert caught.value.code == "sandbox.cpu"


def test_short_calls_do_not_add_up_to_the_limit_on_cpu(within, spinner):
    jail = within(spinner, cpu_seconds=0.3, wall_seconds=60.0)
    begun = time.monotonic()
    while time.monotonic() < begun + 1.0:
        jail.run({"n": np.array(1000), "x": np.zeros(64, np.float32)})


def test_too_much_memory_is_an_error_of_that_call_alone(within, filler):
    jail = within(filler, memory_bytes=256 << 20)
    with pytest.raises(JailError) as caught:
        jail.run({"shape": np.array([1 << 28])})
    assert caught.value.code == "sandbox.memory"
    assert jail.run({"shape": np.array([4])})["y"] == 0


@pytest.mark.parametrize("which", ["runsc", "keeper", "kernel"])
def test_whatever_of_it_is_killed_everything_ends(which, within, doubler):
    jail = within(doubler)
    processes = [keeper_of(jail.pid), jail.pid, *descendants(jail.pid)]
    kernel = next(pid for pid in processes if command_line(pid).startswith(b"runsc-sandbox"))
    os.kill({"runsc": jail.pid, "keeper": processes[0], "kernel": kernel}[which], signal.SIGKILL)
    until(lambda: not jail.alive())
    with pytest.raises(JailError) as caught:
        jail.run({"x": X})
    assert caught.value.code == "sandbox.worker.died"
    until(lambda: not [pid for pid in processes if Path(f"/proc/{pid}").exists()])


def test_nothing_outlives_a_parent_that_is_killed(within, doubler):
    script = f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from jail_models import Memory, graph_model, tensor
        from onnx import helper
        from mlsign.sandbox.gvisor.process import descendants
        from mlsign.sandbox.jail import Jail
        from mlsign.sandbox.layers import Wall
        from mlsign.sandbox.spec import JailSpec
        model = graph_model([helper.make_node("Add", ["x", "x"], ["y"])], [tensor("x")], [tensor("y")])
        jail = Jail.start(Memory().model(model), spec=JailSpec(wall=Wall.GVISOR))
        print(*descendants(os.getpid()), flush=True)
        sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        processes = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(processes) >= 4
        parent.kill()
    until(lambda: not [pid for pid in processes if Path(f"/proc/{pid}").exists()])


def test_a_parent_without_standard_streams_has_workers_too():
    script = f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from jail_models import X, Memory, graph_model, tensor
        from onnx import helper
        from mlsign.sandbox.jail import Jail
        from mlsign.sandbox.layers import Wall
        from mlsign.sandbox.spec import JailSpec
        model = graph_model([helper.make_node("Add", ["x", "x"], ["y"])], [tensor("x")], [tensor("y")])
        model, report = Memory().model(model), os.dup(1)
        for fd in range(3):  # the areas come to lie there
            os.close(fd)
        with Jail.start(model, spec=JailSpec(wall=Wall.GVISOR)) as jail:
            os.write(report, str(jail.run({{"x": X}})["y"].tolist()).encode())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, timeout=60, text=True)
    assert (done.returncode, done.stdout) == (0, "[[2.0, 4.0], [6.0, 8.0], [10.0, 12.0]]")


def everything() -> tuple:
    """Descriptors, processes, mounts, and what a container's description and the state of ``runsc`` would be called outside."""
    gc.collect()
    mounts = Path("/proc/self/mountinfo").read_text().count("\n")
    files = [each for place in map(Path, PLACES) for each in place.iterdir() if each.name in OURS or "runsc" in each.name]
    return open_descriptors(), descendants(os.getpid()), mounts, sorted(files)


def test_starts_leave_nothing_behind(memory, doubler):
    model = memory.model(doubler)

    def once(number: int) -> None:
        jail = Jail.start(model, spec=JailSpec(wall=Wall.GVISOR))
        jail.run({"x": X})
        if number % 2 == 0:
            os.kill(jail.pid, signal.SIGKILL)
        jail.close()

    once(1)
    before = everything()
    for number in (2, 3):
        once(number)
        assert everything() == before


def test_a_umask_that_hides_from_others_hides_nothing_from_the_worker(within, doubler):
    old = os.umask(0o077)
    try:
        jail = within(doubler)
    finally:
        os.umask(old)
    assert np.array_equal(jail.run({"x": X})["y"], X + X)


def test_a_fork_of_the_parent_ends_nothing(within, doubler):
    jail = within(doubler)
    child = os.fork()
    if child == 0:
        jail.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert np.array_equal(jail.run({"x": X})["y"], X + X)


def test_a_pool_replaces_a_worker_that_is_killed(memory, doubler):
    with pool_of(memory, doubler, workers=1, wall=Wall.GVISOR) as pool:
        assert np.array_equal(pool.run({"x": X}, timeout=60.0)["y"], X + X)
        (worker,) = list(pool._held.shift.crew._workers)
        os.kill(worker.jail.pid, signal.SIGKILL)
        until(lambda: pool.health().restarts == 1 and pool.health().ready == 1)
        assert np.array_equal(pool.run({"x": X}, timeout=60.0)["y"], X + X)
        assert "gvisor" in {layer.name for layer in pool.layers if layer.in_force}
    assert not [pid for pid in descendants(os.getpid()) if b"runsc" in command_line(pid)]
