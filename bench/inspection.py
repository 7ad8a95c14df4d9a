"""Time and memory of the inspector as models grow: nodes, functions, depth, attributes and weights, with ``onnx.load`` beside it.

Prints tables with the time for one unit, so that one sees whether it grows in proportion. Each number is taken in a process of its own.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from contenders import Command, Samples, Taken, duration, environment, of_bytes, python, until_enough
from growing_models import CURVES, Curve
from page import heading, progress, row
from plot import BLUE, BYTES, RED, SECONDS, Axis, Box, Line, diagram, legend, picture
from workbench import MLSIGN, Workbench, alone

PICTURE = "inspection.svg"
ROUNDS = 3
ENOUGH_SECONDS = 1.0
"""What has taken so long is not measured again."""
LEAST_BYTES = 4096
"""What no measurement of memory is finer than."""
WIDTH, HEIGHT, LEFT, TOP, GAP = 330, 220, 62, 62, 78
SERIES = {
    "reader": (BLUE, ""),
    "onnx.load": (RED, ""),
    "mlsign inspect --findings": (BLUE, "4 4"),
    "process with onnx.load": (RED, "4 4"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One model, and what each of ``SERIES`` took for it: the reader and ``onnx.load`` after their imports, and both as whole
    processes. Memory of the first two is what they add to that of the imports."""

    size: int
    file_bytes: int
    taken: Mapping[str, Taken]


def print_inspection(bench: Workbench) -> None:
    """A table for each curve; the picture, if it is wanted."""
    results: dict[str, list[Point]] = {}
    for curve in CURVES:
        sizes = curve.sizes[:2] if bench.quick else curve.sizes
        results[curve.name] = [measured(curve, size, bench) for size in sizes]
        print_curve(curve, results[curve.name])
    if bench.pictures is not None:
        (bench.pictures / PICTURE).write_text(drawn(results), encoding="utf-8")


# measuring


def measured(curve: Curve, size: int, bench: Workbench) -> Point:
    """One point of a curve. The file is in the page cache, and is removed afterwards."""
    progress(f"reading a model with {size:,} {curve.name}")
    path = bench.folder / "model.onnx"
    curve.write(path, size)
    command = [MLSIGN, "inspect", "--findings", "--policy", bench.policy_without_limits(), path]
    ours = Command(name="inspect", argv=command, allowed=frozenset({0, 1}))
    theirs = Command(name="load", argv=python("import onnx, sys; onnx.load(sys.argv[1])", path))
    runs = (
        in_process("reader", path),
        in_process("load", path),
        *(whole_process(each, rounds=bench.rounds(ROUNDS)) for each in (ours, theirs)),
    )
    point = Point(size=size, file_bytes=path.stat().st_size, taken=dict(zip(SERIES, runs, strict=True)))
    path.unlink()
    return point


def whole_process(command: Command, *, rounds: int) -> Taken:
    """The median of some, and the highest peak."""
    samples: Samples = until_enough(command, rounds=rounds, seconds=ENOUGH_SECONDS)
    return Taken(clock=samples.clock, processor=samples.processor, peak=samples.peak)


def in_process(what: str, path: Path) -> Taken:
    """One of the two, after its imports. Ends the benchmark when it fails."""
    command = [sys.executable, __file__, "--measure", what, path]
    done = subprocess.run(command, capture_output=True, check=False, text=True, env=environment())
    if done.returncode != 0:
        raise SystemExit(f"the {what} fails:\n{done.stderr}")
    seconds, added = json.loads(done.stdout)
    return Taken(clock=seconds, processor=seconds, peak=added)


def measure(what: str, path: Path) -> None:
    """In a process of its own: imports, then reads the file, and says how long that took and what memory it added."""
    work = {"reader": reader, "load": loader}[what](path)
    gc.disable()  # as the commands do while they read
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts again from here
    before = peak()
    started = time.process_time()
    work()
    seconds = [time.process_time() - started]
    added = peak() - before
    while len(seconds) < ROUNDS and sum(seconds) < ENOUGH_SECONDS:
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    print(json.dumps([statistics.median(seconds), added]))


def peak() -> int:
    """Bytes at the peak since it was last set back."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def reader(path: Path) -> Callable[[], object]:
    """The reader on an open file, with the limits that a model of a million nodes needs."""
    from mlsign.limits import Limits
    from mlsign.onnx.inspect import read_model
    from mlsign.package.file_source import FileSource

    limits = Limits(max_evaluations=10_000_000)
    source = FileSource(os.open(path, os.O_RDONLY), where="model")

    def read() -> None:
        summary = read_model(source, limits=limits)
        assert summary.problems == (), summary.problems[:3]

    return read


def loader(path: Path) -> Callable[[], object]:
    """``onnx.load``."""
    import onnx

    return partial(onnx.load, path)


# the tables and the picture


def print_curve(curve: Curve, points: Sequence[Point]) -> None:
    """The points of one curve, with the time for one unit."""
    columns = [cell for name in SERIES for cell in (name, "memory")]
    heading(curve.name, "file", *columns, f"reader, for one {curve.unit}")
    for point in points:
        cells = [cell for taken in point.taken.values() for cell in (duration(taken.processor), of_bytes(taken.peak))]
        each = point.taken["reader"].processor / (curve.units or point.size)
        row(f"{point.size:,}", of_bytes(point.file_bytes), *cells, f"{each * 1e6:,.2f} us")


def drawn(results: Mapping[str, Sequence[Point]]) -> str:
    """Time on the left, memory on the right, a row for each curve."""
    out = legend(LEFT, 22, [line(name, ()) for name in SERIES])
    for number, (curve, points) in enumerate(results.items()):
        y = TOP + number * (HEIGHT + GAP)
        times = [line(name, [(point.size, point.taken[name].processor) for point in points]) for name in SERIES]
        memory = [line(name, [(point.size, max(point.taken[name].peak, LEAST_BYTES)) for point in points]) for name in SERIES]
        for place, title, lines, up in ((0, "time", times, SECONDS), (1, "peak memory", memory, BYTES)):
            box = Box(x=LEFT + place * (WIDTH + LEFT + 20), y=y, width=WIDTH, height=HEIGHT)
            out += diagram(box, f"{title} over {curve}", lines, across=Axis(), up=Axis(spell=up))
    return picture(out, width=2 * (WIDTH + LEFT) + 60, height=TOP + len(results) * (HEIGHT + GAP))


def line(name: str, points: Sequence[tuple[float, float]]) -> Line:
    colour, dashes = SERIES[name]
    return Line(name=name, colour=colour, points=points, dashes=dashes)


def main() -> None:
    """Measures and prints; or measures one file, as the process of its own does."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "FILE"))
    options, rest = parser.parse_known_args()
    if options.measure:
        measure(options.measure[0], Path(options.measure[1]))
    else:
        alone(print_inspection, about=__doc__, argv=rest)


if __name__ == "__main__":
    main()
