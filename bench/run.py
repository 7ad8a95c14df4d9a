"""Speed and memory beside the peers, measured side by side in one run, printed as a table of ratios.

Every contender runs once in each round, one after the other, and medians are compared: what else the machine does then
hurts all of them alike. Files are random bytes, written by this script, in the page cache when the measuring begins. What
verifying costs inside a process that runs already is in ``signing.py``, what policies cost in ``policy.py``, what a call costs
in the sandbox in ``sandbox.py``, and what it costs over HTTP in ``serving.py``: their tables come last.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before onnxruntime is imported: it writes files and starts a thread otherwise

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from policy import QUICK_ROUNDS as QUICK_POLICY_ROUNDS
from policy import ROUNDS as POLICY_ROUNDS
from policy import print_policy_table
from sandbox import print_sandbox_table
from serving import print_serving_table
from signing import QUICK_ROUNDS, ROUNDS, print_table

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024
MEASURE = """
import os, sys, time
started = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
_, status, usage = os.wait4(pid, 0)
print(time.perf_counter() - started, usage.ru_maxrss)
sys.exit(status != 0)
"""
# A process of its own, because the peak of a child is never below the memory of the process that started it.


@dataclass(slots=True)
class Samples:
    """What the runs of one contender took: seconds on the clock, peak resident bytes."""

    seconds: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A command, and what has to be done before each run of it."""

    name: str
    command: list[str]
    before: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much there is to do."""

    big_bytes: int
    files: int
    file_bytes: int
    rounds: int


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a sixteenth of the data, fewer rounds: to see that it works")
    parser.add_argument("--dir", type=Path, default=ROOT, help="where to make the temporary folder; it is removed at the end")
    options = parser.parse_args()
    sizes = (
        Sizes(big_bytes=64 * MIB, files=125, file_bytes=100_000, rounds=3)
        if options.quick
        else Sizes(big_bytes=1024 * MIB, files=2000, file_bytes=100_000, rounds=5)
    )
    print(
        f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}"
    )
    print("\n| what | mlsign | beside it | ratio | peak memory | beside it |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=options.dir) as folder:
        bench = Bench(Path(folder), sizes)
        bench.packages()
        bench.start_up()
    print_table(rounds=QUICK_ROUNDS if options.quick else ROUNDS)
    print_policy_table(rounds=QUICK_POLICY_ROUNDS if options.quick else POLICY_ROUNDS)
    print()
    print_sandbox_table(quick=options.quick)
    print()
    print_serving_table(
        workers=os.cpu_count() or 1, connections=8, rounds=1 if options.quick else 5, seconds=1 if options.quick else 3
    )


class Bench:
    """The working folder and what is measured in it."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self.folder = folder
        self.sizes = sizes
        self.log = folder / "log"
        (folder / "keys").mkdir()
        self.policy = folder / "policy.yaml"
        shutil.copy(ROOT / "policies" / "baseline.yaml", self.policy)
        self.once([str(BIN / "mlsign"), "keygen", "-o", str(folder / "keys" / "release"), "--no-password"])

    def packages(self) -> None:
        """Pack, sign and verify on one big file and on many small ones."""
        big = self.folder / "big"
        write_big_model(big, self.sizes.big_bytes)
        size = f"1 file of {self.sizes.big_bytes // MIB} MiB"
        self.package_rows(big, [], f"{size}, defaults", digest="auto")
        self.package_rows(big, [], f"{size}, both sha256", digest="sha256")
        shutil.rmtree(big)
        many = self.folder / "many"
        write_small_model(many / "model.onnx", many)
        for index in range(self.sizes.files):
            path = many / "data" / f"{index % 16:02}" / f"{index:05}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(np.random.default_rng(index).bytes(self.sizes.file_bytes))
        self.package_rows(many, ["--include", str(many / "data")], f"{self.sizes.files} files of 100 kB", digest="auto")
        shutil.rmtree(many)

    def package_rows(self, source: Path, extra: list[str], what: str, *, digest: str) -> None:
        """Three rows for one model: mlsign on its package, model_signing on the folder that it was made from."""
        mlsign, peer = str(BIN / "mlsign"), str(BIN / "model_signing")
        package, copy, theirs = self.folder / "pkg-1.0.0", self.folder / "copy", self.folder / "model.sig"
        private, public = self.folder / "keys" / "release.key", self.folder / "keys" / "release.pub"

        def clear(*paths: Path) -> Callable[[], None]:
            return lambda: [shutil.rmtree(p) if p.is_dir() else p.unlink(missing_ok=True) for p in paths] and None

        pack = [mlsign, "pack", str(source / "model.onnx"), "-o", str(package), "--digest", digest, *extra]
        self.row(
            f"pack, {what}",
            Contender(name="pack", command=pack, before=clear(package)),
            Contender(name="cp -r", command=["cp", "-r", str(source), str(copy)], before=clear(copy)),
        )
        clear(copy)()
        self.row(
            f"sign, {what}",
            Contender(
                name="sign", command=[mlsign, "sign", str(package), "--key", str(private)], before=clear(package / "signatures")
            ),
            Contender(
                name="model_signing",
                command=[peer, "sign", "key", str(source), "--private_key", str(private), "--signature", str(theirs)],
                before=clear(theirs),
            ),
        )
        self.row(
            f"verify, {what}",
            Contender(name="verify", command=[mlsign, "verify", str(package), "--policy", str(self.policy)]),
            Contender(
                name="model_signing",
                command=[peer, "verify", "key", str(source), "--public_key", str(public), "--signature", str(theirs)],
            ),
        )
        clear(package, theirs)()

    def start_up(self) -> None:
        """How long until a person sees the help."""
        help_of = {name: Contender(name=name, command=[str(BIN / name), "--help"]) for name in ("mlsign", "model_signing")}
        bare = Contender(name="python -c pass", command=[sys.executable, "-c", "pass"])
        self.row("start, --help", help_of["mlsign"], help_of["model_signing"], bare, rounds=3 * self.sizes.rounds)

    def row(self, what: str, ours: Contender, *others: Contender, rounds: int | None = None) -> None:
        """Runs the contenders round by round and prints how they compare; the first round only warms up."""
        samples = {contender.name: Samples() for contender in (ours, *others)}
        for number in range((rounds or self.sizes.rounds) + 1):
            for contender in (ours, *others):
                contender.before()
                seconds, peak = self.once(contender.command)
                if number:
                    samples[contender.name].seconds.append(seconds)
                    samples[contender.name].peak.append(peak)
        seconds = {name: statistics.median(sample.seconds) for name, sample in samples.items()}
        peak = {name: max(sample.peak) / MIB for name, sample in samples.items()}
        beside = ", ".join(f"{other.name}: {seconds[other.name]:.2f} s" for other in others)
        ratio = ", ".join(f"{seconds[ours.name] / seconds[other.name]:.2f}" for other in others)
        memory = ", ".join(f"{peak[other.name]:.0f} MiB" for other in others)
        print(f"| {what} | {seconds[ours.name]:.2f} s | {beside} | {ratio} | {peak[ours.name]:.0f} MiB | {memory} |", flush=True)

    def once(self, command: list[str]) -> tuple[float, int]:
        """Seconds and peak resident bytes of one run; a command that fails ends the benchmark."""
        with self.log.open("wb") as log:
            done = subprocess.run(
                [sys.executable, "-S", "-c", MEASURE, *command], stdout=subprocess.PIPE, stderr=log, check=False, text=True
            )
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{self.log.read_text(errors='replace')}")
        seconds, kibibytes = done.stdout.split()
        return float(seconds), int(kibibytes) * 1024


def write_big_model(folder: Path, size: int) -> None:
    """A matrix multiplication whose matrix, ``size`` bytes, lies in a file beside the model."""
    folder.mkdir()
    rows = size // 4 // 1024
    matrix = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1024, rows], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "model.onnx.data"), ("offset", "0"), ("length", str(size))):
        matrix.external_data.add(key=key, value=value)
    save(folder / "model.onnx", [helper.make_node("MatMul", ["x", "w"], ["y"])], [matrix], width=1024, out=rows)
    generator = np.random.default_rng(0)
    with (folder / "model.onnx.data").open("wb") as file:
        for _ in range(size // (16 * MIB)):
            file.write(generator.bytes(16 * MIB))


def write_small_model(path: Path, folder: Path) -> None:
    """A perceptron of two layers, 64 inputs and 8 outputs."""
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(generator.standard_normal(shape, dtype=np.float32), name)
        for name, shape in (("w1", (64, 64)), ("b1", (64,)), ("w2", (64, 8)), ("b2", (8,)))
    ]
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"]),
        helper.make_node("Relu", ["h"], ["a"]),
        helper.make_node("Gemm", ["a", "w2", "b2"], ["y"]),
    ]
    save(path, nodes, weights, width=64, out=8)


def save(path: Path, nodes: list[onnx.NodeProto], weights: list[TensorProto], *, width: int, out: int) -> None:
    """Writes a model with one input ``x`` and one output ``y``, any number of rows each."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, width])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, out])
    graph = helper.make_graph(nodes, "bench", [x], [y], initializer=weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
