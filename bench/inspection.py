"""Time and memory of the inspector as models grow: nodes, functions, depth, attributes and weights, with ``onnx.load`` beside it.

Prints tables with the time for one unit, so that one sees whether it grows in proportion. ``--write`` puts them into
``docs/performance.md`` and the curves into ``docs/inspection.svg``. Each number is taken in a process of its own.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from run import BIN, MIB, ROOT

PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "inspection.svg"
BEGIN, END = "<!-- bench/inspection.py writes from here", "<!-- to here -->"
ROUNDS = 5
ENOUGH_SECONDS = 3.0
"""What has taken so long is not measured again."""
TENSOR_BYTES = 10_000_000
DEEP_NODES = 3200
MEASURE = """
import os, sys
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""
# A process of its own, because the peak of a child is never below the memory of the process that started it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One thing that grows: its sizes, and what writes a model of a size into a file."""

    name: str
    unit: str
    sizes: tuple[int, ...]
    write: Callable[[Path, int], None]
    units: int = 0
    """How many units there are in every one of the models, where their number is not what grows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Seconds of the processor, which do not depend on what else the machine does, and bytes of memory at the peak: above
    that of the imports where a part of a process was measured."""

    seconds: float
    peak: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One model: the reader and ``onnx.load`` after their imports, and both as whole processes; None where it fails."""

    size: int
    file_bytes: int
    reader: Taken
    load: Taken | None
    command: Taken
    load_process: Taken | None


# models, written by hand: protobuf objects of a million nodes would take longer than what is measured


def varint(number: int) -> bytes:
    """An unsigned integer."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def integer(number: int, value: int) -> bytes:
    """A field of one integer."""
    return varint(number << 3) + varint(value)


def node(operator: bytes, inputs: list[bytes], output: bytes, *, domain: bytes = b"", attributes: bytes = b"") -> bytes:
    """The message of a node, without its tag."""
    names = b"".join(field(1, name) for name in inputs) + field(2, output) + field(3, b"node_of_" + output)
    return names + field(4, operator) + attributes + (field(7, domain) if domain else b"")


def chain(count: int, *, first: bytes, prefix: bytes, last: bytes, tag: int = 1) -> Iterator[bytes]:
    """So many nodes, each taking what the one before it made, with their tags. Every second one adds a weight."""
    made = first
    for number in range(count):
        output = last if number == count - 1 else b"%s%d" % (prefix, number)
        yield field(tag, node(b"Relu", [made], output) if number % 2 else node(b"Add", [made, first], output))
        made = output


def value(name: bytes, dimensions: tuple[int, ...], *, element: int = 1) -> bytes:
    """An input or output with its type."""
    shape = b"".join(field(1, integer(1, size)) for size in dimensions)
    return field(1, name) + field(2, field(1, integer(1, element) + field(2, shape)))


def model(graph: list[bytes], *, functions: list[bytes] = (), width: int = 4) -> Iterator[bytes]:
    """The pieces of a model with one input ``x`` and one output ``y``; ``graph`` are fields of its graph."""
    ends = [field(2, b"g"), field(11, value(b"x", (1, width))), field(12, value(b"y", (1, width)))]
    yield integer(1, 8) + field(2, b"bench") + field(8, integer(2, 17)) + field(8, field(1, b"own") + integer(2, 1))
    yield varint(7 << 3 | 2) + varint(sum(map(len, graph)) + sum(map(len, ends)))
    yield from graph
    yield from ends
    for function in functions:
        yield field(25, function)


def save(path: Path, pieces: Iterator[bytes]) -> None:
    """Writes the pieces one after the other."""
    with path.open("wb") as file:
        file.writelines(pieces)


def write_nodes(path: Path, count: int) -> None:
    """A chain of nodes."""
    save(path, model(list(chain(count, first=b"x", prefix=b"v", last=b"y"))))


def write_functions(path: Path, count: int, *, nodes: int = 10) -> None:
    """Functions of ten nodes, each called once."""
    imports = field(9, integer(2, 17))
    body = b"".join(chain(nodes, first=b"a", prefix=b"t", last=b"b", tag=7))
    functions = [
        field(1, b"F%d" % i) + field(4, b"a") + field(5, b"b") + body + imports + field(10, b"own") for i in range(count)
    ]
    calls = []
    made = b"x"
    for number in range(count):
        output = b"y" if number == count - 1 else b"v%d" % number
        calls.append(field(1, node(b"F%d" % number, [made], output, domain=b"own")))
        made = output
    save(path, model(calls, functions=functions))


def write_depth(path: Path, depth: int, *, nodes: int = DEEP_NODES) -> None:
    """Branches in branches, so many deep. However deep, there are the same number of nodes, the same on each level."""
    nodes_each = nodes // depth
    inner: list[bytes] = []
    for level in reversed(range(depth)):
        name = b"l%d_" % level
        result = b"y" if level == 0 else name + b"out"
        before = name + b"in"
        parts = list(chain(nodes_each, first=b"x", prefix=name, last=before if inner else result))
        if inner:
            # the branches end in values of the same name pattern: the deeper graph, and one that is a single node
            then = b"".join(inner) + field(2, b"t") + field(12, value(b"l%d_out" % (level + 1), (1, 4)))
            other = field(1, node(b"Identity", [b"x"], name + b"e")) + field(2, b"e") + field(12, value(name + b"e", (1, 4)))
            branches = b"".join(
                field(5, field(1, label) + field(6, graph) + integer(20, 5))
                for label, graph in ((b"then_branch", then), (b"else_branch", other))
            )
            parts.append(field(1, node(b"If", [b"c"], result, attributes=branches)))
        inner = parts
    save(path, model([*inner, field(11, value(b"c", (), element=9))]))


def write_attributes(path: Path, count: int, *, each: int = 10) -> None:
    """Nodes of an operator of one's own with ten attributes each: numbers, texts and lists."""
    kinds = (
        lambda n: field(1, b"alpha%d" % n) + b"\x15\0\0\x80\x3f" + integer(20, 1),
        lambda n: field(1, b"axis%d" % n) + integer(3, n) + integer(20, 2),
        lambda n: field(1, b"mode%d" % n) + field(4, b"linear") + integer(20, 3),
        lambda n: field(1, b"pads%d" % n) + b"".join(integer(8, i) for i in range(4)) + integer(20, 7),
    )
    attributes = b"".join(field(5, kinds[n % 4](n)) for n in range(each))
    nodes = []
    made = b"x"
    for number in range(count // each):
        output = b"y" if number == count // each - 1 else b"v%d" % number
        nodes.append(field(1, node(b"Op", [made], output, domain=b"own", attributes=attributes)))
        made = output
    save(path, model(nodes))


def write_weights(path: Path, size: int) -> None:
    """Matrices of 10 MB of random bytes in the one file of the model, and a node for each."""
    width = 1000
    rows = TENSOR_BYTES // 4 // width
    count = size // TENSOR_BYTES
    payload = np.random.default_rng(0).bytes(TENSOR_BYTES)
    graph = [field(1, node(b"Gather", [b"w%d" % i, b"i"], b"r%d" % i)) for i in range(count)]
    graph += [field(1, node(b"Sum", [b"x", *(b"r%d" % i for i in range(count))], b"y"))]
    graph.append(field(5, integer(2, 7) + field(8, b"i") + field(9, bytes(8))))
    for i in range(count):
        tensor = integer(1, rows) + integer(1, width) + integer(2, 1) + field(8, b"w%d" % i)
        head = varint(9 << 3 | 2) + varint(TENSOR_BYTES)
        graph += [varint(5 << 3 | 2) + varint(len(tensor) + len(head) + TENSOR_BYTES), tensor, head, payload]
    save(path, model(graph, width=width))


CURVES = (
    Curve(name="nodes", unit="node", sizes=(1000, 10_000, 100_000, 1_000_000), write=write_nodes),
    Curve(name="functions of 10 nodes", unit="function", sizes=(1, 100, 10_000), write=write_functions),
    Curve(name=f"levels of {DEEP_NODES} nodes", unit="node", sizes=(1, 2, 4, 8, 16, 32), write=write_depth, units=DEEP_NODES),
    Curve(name="attributes", unit="attribute", sizes=(1000, 10_000, 100_000, 1_000_000), write=write_attributes),
    Curve(name="MB of weights", unit="MB", sizes=(10, 100, 1500), write=lambda path, size: write_weights(path, size * 1_000_000)),
)


# measuring


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


def in_process(what: str, path: Path) -> Taken | None:
    """One of the two, after its imports; None when it fails."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure", what, path],
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode != 0:
        print(done.stderr.strip().splitlines()[-1:], file=sys.stderr)
        return None
    seconds, added = json.loads(done.stdout)
    return Taken(seconds=seconds, peak=added)


def whole_process(command: list[str], *, allowed: set[int]) -> Taken | None:
    """A command from its start to its end, the median of some; None when it ends with another exit code than ``allowed``."""
    seconds: list[float] = []
    highest = 0
    while not seconds or (len(seconds) < ROUNDS and sum(seconds) < ENOUGH_SECONDS):
        done = subprocess.run(
            [sys.executable, "-S", "-c", MEASURE, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
            text=True,
        )
        exit_code, taken, kibibytes = done.stdout.split()
        if int(exit_code) not in allowed:
            return None
        seconds.append(float(taken))
        highest = max(highest, int(kibibytes) * 1024)
    return Taken(seconds=statistics.median(seconds), peak=highest)


def policy_without_limits(folder: Path) -> Path:
    """The shipped baseline without its caps on what reading may cost, so that the largest models are read to the end."""
    text = (ROOT / "policies" / "baseline.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^  limits:\n(?:    .*\n)+", "", text, flags=re.MULTILINE)
    path = folder / "policy.yaml"
    path.write_text(re.sub(r"max_nodes: \d+", "max_nodes: 2000000", text), encoding="utf-8")
    return path


def measured(curve: Curve, size: int, folder: Path) -> Point:
    """One point of a curve. The file is in the page cache, and is removed afterwards."""
    path = folder / "model.onnx"
    curve.write(path, size)
    path.read_bytes()
    taken = in_process("reader", path)
    if taken is None:
        raise SystemExit(f"the reader refuses the model of {size} {curve.name}")
    command = [str(BIN / "mlsign"), "inspect", "--findings", "--policy", str(policy_without_limits(folder)), str(path)]
    point = Point(
        size=size,
        file_bytes=path.stat().st_size,
        reader=taken,
        load=in_process("load", path),
        command=whole_process(command, allowed={0, 1}) or Taken(seconds=math.nan, peak=0),
        load_process=whole_process([sys.executable, "-c", f"import onnx; onnx.load({str(path)!r})"], allowed={0}),
    )
    path.unlink()
    print(f"{curve.name} {size}: {point}", file=sys.stderr)
    return point


# the page


def table(curve: Curve, points: list[Point]) -> list[str]:
    """The points of one curve, with the time for one unit."""
    columns = [curve.name, "file", "reader", f"for one {curve.unit}", "memory", "onnx.load", "memory"]
    columns += ["command", "memory", "process with onnx.load", "memory"]
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for point in points:
        each = f"{point.reader.seconds / (curve.units or point.size) * 1e6:,.2f} us"
        cells = [f"{point.size:,}", of_bytes(point.file_bytes), duration(point.reader.seconds), each, of_bytes(point.reader.peak)]
        for taken in (point.load, point.command, point.load_process):
            cells += [duration(taken.seconds), of_bytes(taken.peak)] if taken else ["fails", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def duration(seconds: float) -> str:
    """Seconds with a unit that fits."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.1f} ms" if seconds >= 0.0001 else f"{seconds * 1e6:.0f} us"


def of_bytes(size: int) -> str:
    """Bytes with a unit that fits."""
    if size < MIB:
        return f"{size / 1024:.0f} KiB"
    return f"{size / MIB:.0f} MiB" if size < 1024 * MIB else f"{size / MIB / 1024:.1f} GiB"


def round_time(seconds: float) -> str:
    """A power of ten of seconds."""
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1e3:g} ms" if seconds > 0.0009 else f"{seconds * 1e6:.0f} us"


def round_bytes(size: float) -> str:
    """A power of ten of bytes."""
    number, unit = next((size / 10**n, unit) for n, unit in ((9, "GB"), (6, "MB"), (3, "kB"), (0, "B")) if size >= 0.9 * 10**n)
    return f"{number:.0f} {unit}"


SERIES = (
    ("reader", "#1b6ca8", ""),
    ("onnx.load", "#c8553d", ""),
    ("mlsign inspect --findings", "#1b6ca8", "4 4"),
    ("process with onnx.load", "#c8553d", "4 4"),
)
WIDTH, HEIGHT, LEFT, TOP, GAP = 330, 220, 62, 62, 78


def taken_of(point: Point) -> tuple[Taken | None, ...]:
    """In the order of ``SERIES``."""
    return point.reader, point.load, point.command, point.load_process


def panel(x: float, y: float, title: str, curves: list[list[tuple[float, float]]], spell: Callable[[float], str]) -> list[str]:
    """One diagram with both axes logarithmic: a line a series, a point a measurement."""
    across = [math.log10(a) for line in curves for a, _ in line]
    up = [math.log10(max(b, 1e-9)) for line in curves for _, b in line]
    low_x, high_x = math.floor(min(across)), max(math.ceil(max(across)), math.floor(min(across)) + 1)
    low_y, high_y = math.floor(min(up)), max(math.ceil(max(up)), math.floor(min(up)) + 1)

    def place(a: float, b: float) -> tuple[float, float]:
        return (
            x + (math.log10(a) - low_x) / (high_x - low_x) * WIDTH,
            y + HEIGHT - (math.log10(max(b, 1e-9)) - low_y) / (high_y - low_y) * HEIGHT,
        )

    out = [f'<text x="{x}" y="{y - 10}" class="title">{title}</text>']
    for power in range(low_x, high_x + 1):
        at = place(10**power, 10**low_y)[0]
        out.append(f'<path d="M{at:.1f} {y}V{y + HEIGHT}" class="grid"/>')
        out.append(f'<text x="{at:.1f}" y="{y + HEIGHT + 16}" text-anchor="middle">{10**power:,}</text>')
    for power in range(low_y, high_y + 1):
        at = place(10**low_x, 10.0**power)[1]
        out.append(f'<path d="M{x} {at:.1f}H{x + WIDTH}" class="grid"/>')
        out.append(f'<text x="{x - 6}" y="{at + 4:.1f}" text-anchor="end">{spell(10.0**power)}</text>')
    for line, (_, colour, dashes) in zip(curves, SERIES, strict=True):
        spots = [place(a, b) for a, b in line]
        if spots:
            way = "L".join(f"{a:.1f} {b:.1f}" for a, b in spots)
            out.append(f'<path d="M{way}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>')
            out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in spots]
    return out


def picture(results: dict[str, list[Point]]) -> str:
    """Time on the left, memory on the right, a row for each curve."""
    total_width = 2 * (WIDTH + LEFT) + 60
    total_height = TOP + len(results) * (HEIGHT + GAP)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total_width} {total_height}" font-family="sans-serif" font-size="11">',
        "<style>.grid{stroke:#ddd}.title{font-size:13px;font-weight:bold}</style>",
        f'<rect width="{total_width}" height="{total_height}" fill="#fff"/>',
    ]
    for index, (label, colour, dashes) in enumerate(SERIES):
        at = LEFT + (0, 90, 200, 410)[index]
        out.append(f'<path d="M{at} 18h28" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>')
        out.append(f'<text x="{at + 34}" y="22">{label}</text>')
    for row, (name, points) in enumerate(results.items()):
        y = TOP + row * (HEIGHT + GAP)
        times = [[(p.size, t.seconds) for p in points if (t := taken_of(p)[i])] for i in range(len(SERIES))]
        memory = [[(p.size, max(t.peak, 4096)) for p in points if (t := taken_of(p)[i])] for i in range(len(SERIES))]
        out += panel(LEFT, y, f"time over {name}", times, round_time)
        out += panel(2 * LEFT + WIDTH + 20, y, f"peak memory over {name}", memory, round_bytes)
    return "\n".join([*out, "</svg>", ""])


def main() -> None:
    """Measures, prints, and with ``--write`` changes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "FILE"), help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="leave the largest size of every curve out")
    parser.add_argument("--write", action="store_true", help="change docs/performance.md and docs/inspection.svg")
    parser.add_argument("--dir", type=Path, default=ROOT, help="where to make the temporary folder; it is removed at the end")
    options = parser.parse_args()
    if options.measure:
        measure(options.measure[0], Path(options.measure[1]))
        return
    results: dict[str, list[Point]] = {}
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=options.dir) as folder:
        for curve in CURVES:
            sizes = curve.sizes[:-1] if options.quick else curve.sizes
            results[curve.name] = [measured(curve, size, Path(folder)) for size in sizes]
    lines = [f"    {os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}", ""]
    for curve in CURVES:
        lines += table(curve, results[curve.name])
    print("\n".join(lines))
    if options.write:
        PICTURE.write_text(picture(results), encoding="utf-8")
        text = PAGE.read_text(encoding="utf-8")
        start, stop = text.index(BEGIN), text.index(END)
        head = text[: text.index("\n", start) + 1]
        PAGE.write_text(head + "\n" + "\n".join(lines) + text[stop:], encoding="utf-8")


if __name__ == "__main__":
    main()
