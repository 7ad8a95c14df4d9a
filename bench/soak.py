"""A pool under load while its workers are killed at random: nothing lost, nothing wrong, nothing left behind.

Threads and an event loop call a pool over a signed package as fast as it answers, and hold every answer against what onnxruntime
says in a process of its own. Meanwhile workers, and the keepers beside them, get SIGKILL. Memory, descriptors, processes, threads
and latencies are sampled into FILE; ``soak_plot.py`` draws them. Ends with 1 and says why when an answer was wrong or did
not come, an error was another than that of a killed worker, or anything grew.

    python bench/soak.py --minutes 20 --kills 10000 --calls 1000000 --out soak.json
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import math
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import mlsign
from mlsign.signers.key_types import KeyType

WIDTH = 64
FEEDS = 32
TIMEOUT_SECONDS = 20.0
KEEPER_SHARE = 0.1
"""Of the kills, those that hit a keeper, which takes its worker along."""

PAUSE_SECONDS = 0.001
"""After an error: whoever asks again at once counts the same failure many times."""

HASTE = 3
"""How much faster than on the average the killer becomes when he is behind."""

SAMPLES = 240
EXPECTED_ERRORS = {"sandbox.worker.died"}
"""What a call may end with when its worker is killed."""

GROWTH = 0.05
GROWTH_BYTES = 16 << 20
"""Memory may be so much higher at the end than at the beginning: allocators do not give everything back."""

OBJECT_GROWTH = 0.02
"""Blocks of memory that Python has given out know no fragmentation: one object for each kill would be twice that."""

REFERENCE = """
import sys
import numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
feeds = np.load(sys.argv[2])
np.savez(sys.argv[3], **{name: session.run(None, {"x": feeds[name]})[0] for name in feeds})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One moment, and the latencies of the calls since the last one."""

    seconds: float
    calls: int
    errors: int
    kills: int
    parent_bytes: int
    children_bytes: int
    zygote_bytes: int
    objects: int
    descriptors: int
    zygote_descriptors: int
    processes: int
    threads: int
    p50_ms: float
    p99_ms: float
    worst_ms: float


class Latencies:
    """A histogram whose classes are 4 % wide, from a microsecond up: lists of all times would be what grows in this program."""

    def __init__(self) -> None:
        self._counts = [0] * 512
        self.worst = 0.0

    def add(self, seconds: float) -> None:
        self._counts[min(int(math.log(max(seconds * 1e6, 1.0)) / 0.04), 511)] += 1
        self.worst = max(self.worst, seconds)

    def quantile(self, share: float) -> float:
        """Seconds; 0 where there was no call."""
        left = share * sum(self._counts)
        for index, count in enumerate(self._counts):
            left -= count
            if count and left <= 0:
                return min(math.exp((index + 0.5) * 0.04) / 1e6, self.worst)
        return 0.0

    def clear(self) -> None:
        self._counts[:] = [0] * 512
        self.worst = 0.0


@dataclass(slots=True)
class Tally:
    """What callers and the killer have seen so far; ``latencies`` since the last sample."""

    calls: int = 0
    kills: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    latencies: Latencies = field(default_factory=Latencies)

    def note(self, seconds: float, *, code: str = "") -> None:
        with self.lock:
            self.calls += 1
            self.latencies.add(seconds)
            if code:
                self.errors[code] += 1

    def problem(self, what: str) -> None:
        with self.lock:
            self.problems[what] += 1
            first = self.problems[what] == 1
        if first:
            print(f"WRONG: {what}", file=sys.stderr, flush=True)


# the package


def write_package(folder: Path) -> mlsign.Gate:
    """Two layers with weights in a file of their own, packed and signed; the gate that lets it in."""
    dice = np.random.default_rng(0)
    weights = [dice.standard_normal((WIDTH, WIDTH)).astype(np.float32) for _ in range(2)]
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "w1"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "soak",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", WIDTH])],
        [numpy_helper.from_array(weight, f"w{i}") for i, weight in enumerate(weights)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "soak.onnx", save_as_external_data=True, location="soak.onnx.data", size_threshold=0)
    key = mlsign.keygen(folder / "soak", mlsign.KeygenRequest(kind=KeyType.P256, password=None))
    package = mlsign.pack(mlsign.PackRequest(model=folder / "soak.onnx", output=folder / "package", license="MIT")).path
    mlsign.sign(package, mlsign.load_key(key.private_path, ask_password=bytes))
    (folder / "policy.yaml").write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: soak\nmanifest: required\n"
        "signers:\n  - name: release\n    require: 1\n    any:\n      - key: soak.pub\n"
        "digests: [sha256, blake3]\noperators:\n  allow: [inference-v1]\n",
        encoding="utf-8",
    )
    return mlsign.Gate.load(folder / "policy.yaml")


def questions(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Feeds of one to eight rows, and what onnxruntime itself makes of each."""
    dice = np.random.default_rng(1)
    feeds = {f"f{i}": dice.standard_normal((1 + i % 8, WIDTH)).astype(np.float32) for i in range(FEEDS)}
    np.savez(folder / "feeds.npz", **feeds)
    command = [sys.executable, "-c", REFERENCE, folder / "soak.onnx", folder / "feeds.npz", folder / "answers.npz"]
    subprocess.run(command, check=True, env=os.environ | {"ORT_DISABLE_TELEMETRY": "1"})
    answers = np.load(folder / "answers.npz")
    return [(feeds[name], answers[name]) for name in feeds]


# callers


class Load:
    """Callers that go on until they are told to stop."""

    def __init__(self, pool: mlsign.WorkerPool, known: list[tuple[np.ndarray, np.ndarray]], tally: Tally) -> None:
        self.pool, self.known, self.tally = pool, known, tally
        self.stop = threading.Event()

    def judge(self, started: float, want: np.ndarray, outcome: dict[str, np.ndarray] | mlsign.MlsignError) -> None:
        """One call is over: every one comes by here exactly once."""
        seconds = time.perf_counter() - started
        if isinstance(outcome, mlsign.MlsignError):
            self.tally.note(seconds, code=outcome.code)
            if outcome.code not in EXPECTED_ERRORS:
                self.tally.problem(f"a call ended with {outcome.code}: {outcome}")
        else:
            self.tally.note(seconds)
            if list(outcome) != ["y"] or outcome["y"].tobytes() != want.tobytes() or outcome["y"].shape != want.shape:
                self.tally.problem("an answer was wrong")
        if seconds > TIMEOUT_SECONDS + 1:
            self.tally.problem(f"a call took {seconds:.1f} seconds")

    def thread(self, seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311  chance, not a secret
        while not self.stop.is_set():
            feed, want = dice.choice(self.known)
            started = time.perf_counter()
            try:
                outcome: dict[str, np.ndarray] | mlsign.MlsignError = self.pool.run({"x": feed}, timeout=TIMEOUT_SECONDS)
            except mlsign.MlsignError as err:
                outcome = err
                time.sleep(PAUSE_SECONDS)
            self.judge(started, want, outcome)

    async def task(self, seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311  chance, not a secret
        while not self.stop.is_set():
            feed, want = dice.choice(self.known)
            started = time.perf_counter()
            try:
                outcome: dict[str, np.ndarray] | mlsign.MlsignError = await self.pool.run_async(
                    {"x": feed}, timeout=TIMEOUT_SECONDS
                )
            except mlsign.MlsignError as err:
                outcome = err
                await asyncio.sleep(PAUSE_SECONDS)
            self.judge(started, want, outcome)

    def loop(self, seed: int, tasks: int) -> None:
        async def all_of_them() -> None:
            await asyncio.gather(*(self.task(seed + i) for i in range(tasks)))

        asyncio.run(all_of_them())

    def guarded(self, work, *arguments) -> None:
        """A caller or killer that ends by an error is a problem, not a silence."""
        try:
            work(*arguments)
        except BaseException as err:
            self.tally.problem(f"a thread ended: {type(err).__name__}: {err}")
            raise


# processes


def tree() -> dict[int, list[int]]:
    """The processes below this one by depth: the zygote, its keepers, their workers."""
    out: dict[int, list[int]] = {}
    level = [os.getpid()]
    depth = 0
    while level:
        below: list[int] = []
        for pid in level:
            with contextlib.suppress(OSError):  # it has ended
                for path in Path(f"/proc/{pid}/task").glob("*/children"):
                    below += [int(child) for child in path.read_text().split()]
        depth += 1
        if below:
            out[depth] = below
        level = below
    return out


def status(pid: int | str) -> dict[str, str]:
    with contextlib.suppress(OSError):
        return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    return {}


def resident_bytes(pid: int | str) -> int:
    return int(status(pid).get("VmRSS", "0 kB").split()[0]) * 1024


def descriptors(pid: int | str) -> int:
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/fd"))
    return 0


def kill_one(dice: random.Random) -> bool:
    """Whether a worker or a keeper that lived got SIGKILL. By pidfd: a number may by now be somebody else's."""
    found = tree()
    depth = 2 if dice.random() < KEEPER_SHARE else 3
    if not found.get(depth):
        return False
    pid = dice.choice(found[depth])
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        known = status(pid)
        if known.get("State", "Z")[0] in "ZX" or int(known.get("PPid", "0")) not in found.get(depth - 1, []):
            return False
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


def kill_along(tally: Tally, stop: threading.Event, kills: int, seconds: float) -> None:
    """So many kills, spread over the time at random; goes on after it until there were as many."""
    dice = random.Random(7)  # noqa: S311  chance, not a secret
    ending = time.monotonic() + seconds
    usual = kills / seconds
    while tally.kills < kills:
        needed = (kills - tally.kills) / max(ending - time.monotonic(), 1.0)
        if stop.wait(dice.expovariate(min(needed, HASTE * usual))):
            return
        tally.kills += kill_one(dice)


# samples


def sample(tally: Tally, started: float) -> Sample:
    with tally.lock:
        times = [tally.latencies.quantile(0.5), tally.latencies.quantile(0.99), tally.latencies.worst]
        tally.latencies.clear()
        calls, errors, kills = tally.calls, sum(tally.errors.values()), tally.kills
    gc.collect()  # what only waits for it is not in use
    p50, p99, worst = (round(seconds * 1000, 4) for seconds in times)
    below = tree()
    children = [pid for level in below.values() for pid in level]
    zygote = below.get(1, [])
    return Sample(
        seconds=round(time.monotonic() - started, 3),
        calls=calls,
        errors=errors,
        kills=kills,
        parent_bytes=resident_bytes("self"),
        children_bytes=sum(map(resident_bytes, children)),
        zygote_bytes=sum(map(resident_bytes, zygote)),
        objects=sys.getallocatedblocks(),
        descriptors=descriptors("self"),
        zygote_descriptors=sum(map(descriptors, zygote)),
        processes=len(children),
        threads=int(status("self")["Threads"]),
        p50_ms=p50,
        p99_ms=p99,
        worst_ms=worst,
    )


def footprint() -> dict[str, int]:
    below = tree()
    return {
        "descriptors": descriptors("self"),
        "zygote descriptors": sum(map(descriptors, below.get(1, []))),
        "processes": sum(map(len, below.values())),
        "threads": int(status("self")["Threads"]),
    }


def footprint_at_rest(pool: mlsign.WorkerPool | None = None) -> dict[str, int]:
    """The footprint when all workers are ready and nothing has changed for a while."""
    deadline = time.monotonic() + 60
    last, since = footprint(), time.monotonic()
    while time.monotonic() < min(since + 1.0, deadline):
        time.sleep(0.05)
        now = footprint()
        if now != last or (pool is not None and pool.health().ready < pool.health().workers):
            last, since = now, time.monotonic()
    return last


def growth(samples: list[Sample], name: str) -> tuple[float, float]:
    """The medians of the second tenth of the run and of the last, of moments in which all workers were there."""
    usual = statistics.mode(each.processes for each in samples)
    values = [getattr(each, name) for each in samples if each.processes == usual]
    tenth = max(len(values) // 10, 1)
    return statistics.median(values[tenth : 2 * tenth]), statistics.median(values[-tenth:])


def main() -> int:
    """Runs, writes FILE, says what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=1_000_000, help="how many there have to be at least")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--tasks", type=int, default=2, help="on one event loop, in a thread of its own")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlsign-soak-") as name:
        folder = Path(name)
        gate = write_package(folder)
        known = questions(folder)
        with gate.admit(folder / "package") as model:
            mlsign.Scorer(model).close()  # the zygote is there, and stays
        before = footprint_at_rest()
        with gate.admit(folder / "package") as model:
            pool = mlsign.WorkerPool(model, workers=options.workers)
        result = soak(pool, known, options)
    after = footprint_at_rest()
    if after != before:
        result["problems"].append(f"without the pool there were {before}, and are {after}")
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in result.items() if key != "samples"}, indent=1))
    for problem in result["problems"]:
        print(f"FAILED: {problem}", file=sys.stderr)
    return 1 if result["problems"] else 0


def soak(pool: mlsign.WorkerPool, known: list[tuple[np.ndarray, np.ndarray]], options: argparse.Namespace) -> dict:
    """The run itself. The pool is closed afterwards."""
    tally = Tally()
    load = Load(pool, known, tally)
    for feed, want in known:  # every shape once, before anything is counted as the beginning
        load.judge(time.perf_counter(), want, pool.run({"x": feed}))
    tally.calls = 0
    tally.latencies.clear()
    first_calls = pool.health().calls
    rest = footprint_at_rest(pool)
    callers = [threading.Thread(target=load.guarded, args=(load.thread, seed)) for seed in range(options.threads)]
    if options.tasks:
        callers.append(threading.Thread(target=load.guarded, args=(load.loop, 1000, options.tasks)))
    seconds = options.minutes * 60
    stop_kills = threading.Event()
    killer = threading.Thread(target=load.guarded, args=(kill_along, tally, stop_kills, options.kills, seconds * 0.99))
    started = time.monotonic()
    kept: list[str] = []  # as text: what is sampled is objects, too
    for thread in (*callers, killer):
        thread.start()
    interval = seconds / SAMPLES
    while not (time.monotonic() - started >= seconds and tally.kills >= options.kills and tally.calls >= options.calls):
        if time.monotonic() - started > 2 * seconds:
            tally.problem(f"after twice the time there were {tally.kills} kills and {tally.calls} calls")
            break
        if not all(thread.is_alive() for thread in callers):
            break
        time.sleep(max(interval * (len(kept) + 1) - (time.monotonic() - started), 0.01))
        kept.append(json.dumps(asdict(sample(tally, started))))
        if len(kept) % (SAMPLES // 20) == 0:
            print(kept[-1], file=sys.stderr, flush=True)
    load.stop.set()
    stop_kills.set()
    for thread in (*callers, killer):
        thread.join(TIMEOUT_SECONDS * 2)
        if thread.is_alive():
            tally.problem("a caller did not come back: its call is lost")
    elapsed = time.monotonic() - started
    samples = [Sample(**json.loads(text)) for text in kept]
    return finished(pool, known, tally, samples, rest=rest, first_calls=first_calls, elapsed=elapsed, options=options)


def finished(
    pool: mlsign.WorkerPool,
    known: list[tuple[np.ndarray, np.ndarray]],
    tally: Tally,
    samples: list[Sample],
    *,
    rest: dict[str, int],
    first_calls: int,
    elapsed: float,
    options: argparse.Namespace,
) -> dict:
    """What came of it: the pool is whole again and answers, its own counts are ours, nothing has grown."""
    after = footprint_at_rest(pool)
    if after != rest:
        tally.problem(f"at rest there were {rest} in the beginning, and are {after}")
    health = pool.health()
    for feed, want in known:
        if pool.run({"x": feed}, timeout=TIMEOUT_SECONDS)["y"].tobytes() != want.tobytes():
            tally.problem("an answer was wrong after the run")
    started = sum(tally.errors[code] for code in EXPECTED_ERRORS)
    if health.failures != started or health.calls - first_calls != tally.calls:
        tally.problem(f"the pool counts {health}, callers had {tally.calls} outcomes and {dict(tally.errors)}")
    if started > tally.kills:
        tally.problem(f"{started} calls lost their worker to {tally.kills} kills")
    for name in ("parent_bytes", "children_bytes", "zygote_bytes"):
        early, late = growth(samples, name)
        if late > early * (1 + GROWTH) + GROWTH_BYTES:
            tally.problem(f"{name} grew from {early / 2**20:.1f} MiB to {late / 2**20:.1f} MiB")
    early, late = growth(samples, "objects")
    if late > early * (1 + OBJECT_GROWTH):
        tally.problem(f"there were {early:.0f} objects, and are {late:.0f}")
    pool.close()
    return {
        "machine": f"{os.cpu_count()} processors, {platform.machine()}, Linux {platform.release()}",
        "software": f"Python {platform.python_version()}, onnxruntime {metadata.version('onnxruntime')}",
        "workers": options.workers,
        "threads": options.threads,
        "tasks": options.tasks,
        "seconds": round(elapsed, 1),
        "calls": tally.calls,
        "right": tally.calls - sum(tally.errors.values()) - tally.problems["an answer was wrong"],
        "errors": dict(tally.errors),
        "kills": tally.kills,
        "restarts": health.restarts,
        "at rest before": rest,
        "at rest after": after,
        "problems": [f"{what} ({count} times)" for what, count in tally.problems.items()],
        "samples": [asdict(each) for each in samples],
    }


if __name__ == "__main__":
    sys.exit(main())
