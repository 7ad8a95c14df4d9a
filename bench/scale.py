"""Time and peak memory of whole processes over what grows: bytes, files, keys, signatures and nodes, drawn as curves.

Each thing is made in powers and packed, signed and verified; medians of up to three runs, on the clock. Files are random bytes, and are
in the page cache. The last line of each table says with which power of the size the curve grows at its end: 1 is in proportion.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from borrowed import make_key, resign
from contenders import MIB, Command, Samples, duration, of_bytes, until_enough
from goals import at_most
from growing_models import write_nodes
from models import write_files, write_matrices, write_perceptron, write_random
from page import heading, progress, row
from plot import BLUE, BYTES, GREEN, GREY, RED, SECONDS, Axis, Box, Line, diagram, legend, picture
from workbench import MLSIGN, Workbench, alone, clear

from mlsign.limits import DEFAULT

PICTURE = "scale.svg"
COLOURS = {"pack": GREEN, "sign": RED, "verify": BLUE, "cp -r": GREY}
GROWTH = at_most(1.1, "")
"""The power that a curve may grow with at its end: 1, and a tenth for what else the machine does."""
RANGE = 8
"""The end of a curve: from the last point at so many times less."""
ROUNDS, ENOUGH_SECONDS = 3, 1.5
FILE_BYTES = 1000
KEYS_IN_GROUP = 250
"""No group of a policy may name more than 256."""
SIGNERS = re.compile(r"^signers:\n(?:[ ].*\n|\n)+", re.MULTILINE)
WIDTH, HEIGHT, LEFT, TOP, GAP = 330, 200, 62, 62, 72

Point = Mapping[str, Samples]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One thing that grows: its sizes, and what measures one of them."""

    name: str
    sizes: Sequence[int]
    measure: Callable[[int], Point]
    spell: Callable[[float], str] = "{:,.12g}".format
    axis: Callable[[float], str] = "{:,.12g}".format


def print_scale(bench: Workbench) -> None:
    """A table for each curve; the picture, if it is wanted."""
    taken: dict[str, list[tuple[int, Point]]] = {}
    curves = list(all_curves(bench))
    for curve in curves:
        taken[curve.name] = points = []
        for size in curve.sizes:
            progress(f"{curve.name}: {curve.spell(size)}")
            points.append((size, curve.measure(size)))
        points.sort(key=lambda point: point[0])
        print_curve(curve, points)
    if bench.pictures is not None:
        (bench.pictures / PICTURE).write_text(drawn(curves, taken), encoding="utf-8")


def all_curves(bench: Workbench) -> Iterator[Curve]:
    """Few and small ones for a quick run."""
    quick = bench.quick
    bytes_of = (64, 8, 1) if quick else (8192, 4096, 512, 64, 8, 1)
    sizes = [n * MIB for n in bytes_of]
    yield Curve(name="bytes in one file", sizes=sizes, measure=partial(of_size, bench), spell=mebibytes, axis=BYTES)
    yield Curve(name="files", sizes=powers(2 if quick else 5), measure=partial(of_files, bench))
    yield Curve(name="keys in the policy", sizes=powers(1 if quick else 3), measure=partial(of_keys, bench, all_signed=False))
    most = min(1000, DEFAULT.max_bundles)
    signatures = sorted({*(n for n in powers(1 if quick else 3) if n < most), 10 if quick else most})
    yield Curve(name="signatures", sizes=signatures, measure=partial(of_keys, bench, all_signed=True))
    yield Curve(name="nodes", sizes=[1000 * n for n in powers(1 if quick else 3)], measure=partial(of_nodes, bench))


def mebibytes(size: float) -> str:
    return f"{size / MIB:,.0f} MiB"


def powers(last: int) -> list[int]:
    return [10**power for power in range(last + 1)]


# what is measured


def of_size(bench: Workbench, size: int) -> Point:
    """The weights of the largest model are there or are written on; smaller ones are cut off it."""
    source = bench.folder / "sized"
    if not source.exists():
        big, package = bench.big()
        clear(package)()
        big.rename(source)
    write_random(source / "model.onnx.data", size)
    write_matrices(source / "model.onnx", {"model.onnx.data": size})
    os.sync()
    return packed(bench, source / "model.onnx") | copied(bench, source)


def of_files(bench: Workbench, count: int) -> Point:
    """So many files beside a small model."""
    source = bench.folder / "filed"
    write_files(source / "data", count=count, size=FILE_BYTES)
    write_perceptron(source / "model.onnx")
    os.sync()
    with removed(source):
        return packed(bench, source / "model.onnx", "--include", source / "data") | copied(bench, source)


def of_nodes(bench: Workbench, count: int) -> Point:
    """A chain of nodes."""
    model = bench.folder / "chain.onnx"
    write_nodes(model, count)
    with removed(model):
        return packed(bench, model)


def packed(bench: Workbench, model: Path, *extra: object) -> dict[str, Samples]:
    """A model packed, signed and verified; nothing is left of the package."""
    package = bench.folder / "grown-1.0.0"
    pack = Command(name="pack", argv=[MLSIGN, "pack", model, "-o", package, *extra], before=clear(package))
    sign = Command(name="sign", argv=[MLSIGN, "sign", package, "--key", bench.private], before=clear(package / "signatures"))
    verify = bench.verify(package, policy=bench.policy_without_limits())
    taken = {}
    with removed(package):
        for name, command in (("pack", pack), ("sign", sign), ("verify", verify)):
            taken[name] = until_enough(command, rounds=bench.rounds(ROUNDS), seconds=ENOUGH_SECONDS)
            os.sync()  # what pack still has to write does not get into what comes after it
        return taken


def copied(bench: Workbench, source: Path) -> dict[str, Samples]:
    """The same files copied, which says what of packing is the disk's."""
    copy = bench.folder / "copy"
    command = Command(name="cp -r", argv=["cp", "-r", source, copy], before=clear(copy))
    with removed(copy):
        return {"cp -r": until_enough(command, rounds=bench.rounds(ROUNDS), seconds=ENOUGH_SECONDS)}


def of_keys(bench: Workbench, count: int, *, all_signed: bool) -> Point:
    """A small package under a policy that names so many keys, and wants the signatures of all of them, or of one in each group."""
    folder = bench.folder / "signed"
    package = folder / "small-1.0.0"
    folder.mkdir()
    with removed(folder):
        write_perceptron(folder / "model.onnx")
        bench.run(MLSIGN, "pack", folder / "model.onnx", "-o", package)
        pairs = [make_key() for _ in range(count)]
        groups: list[str] = []
        for number, pair in enumerate(pairs):
            if number % KEYS_IN_GROUP == 0:
                require = min(count - number, KEYS_IN_GROUP) if all_signed else 1
                groups.append(f"  - name: group-{number}\n    require: {require}\n    any:\n")
            (folder / f"{number}.pub").write_bytes(pair.public)
            groups.append(f"      - key: {number}.pub\n")
        resign(package, pairs if all_signed else pairs[::KEYS_IN_GROUP])
        policy = folder / "policy.yaml"
        policy.write_text(
            SIGNERS.sub("".join(["signers:\n", *groups, "\n"]), bench.policy.read_text(encoding="utf-8")), encoding="utf-8"
        )
        command = bench.verify(package, policy=policy)
        return {"verify": until_enough(command, rounds=bench.rounds(ROUNDS), seconds=ENOUGH_SECONDS)}


@contextmanager
def removed(*paths: Path) -> Iterator[None]:
    """Nothing is left of the files and folders afterwards."""
    try:
        yield
    finally:
        clear(*paths)()


# the tables and the picture


def print_curve(curve: Curve, points: Sequence[tuple[int, Point]]) -> None:
    """A line for each size, and one that says how the curve ends."""
    verbs = list(points[0][1])
    heading(curve.name, *(cell for verb in verbs for cell in (f"`{verb}`", "peak memory")))
    for size, point in points:
        row(curve.spell(size), *(cell for verb in verbs for cell in (duration(point[verb].clock), of_bytes(point[verb].peak))))
    cells = []
    for verb in verbs:
        for number in ([point[verb].clock for _, point in points], [float(point[verb].peak) for _, point in points]):
            power = growth([size for size, _ in points], number)
            cells.append(f"{power:.2f}" if verb == "cp -r" else f"{power:.2f} ({GROWTH.judged(power)})")
    row("grows with the power", *cells)


def growth(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The slope of the end of a curve where both axes are logarithmic."""
    before = max((index for index, size in enumerate(sizes) if size * RANGE <= sizes[-1]), default=0)
    return math.log(values[-1] / values[before]) / math.log(sizes[-1] / sizes[before])


def drawn(curves: Sequence[Curve], taken: Mapping[str, Sequence[tuple[int, Point]]]) -> str:
    """Time on the left, memory on the right, a row for each curve."""
    out = legend(LEFT, 22, [Line(name=verb, colour=colour, points=()) for verb, colour in COLOURS.items()])
    out += legend(LEFT + 310, 22, [Line(name="in proportion to the last point", colour="#777", points=(), dashes="2 4")])
    for number, curve in enumerate(curves):
        points = taken[curve.name]
        y = TOP + number * (HEIGHT + GAP)
        verbs = list(points[0][1])
        times = [line(verb, [(size, point[verb].clock) for size, point in points]) for verb in verbs]
        memory = [line(verb, [(size, point[verb].peak) for size, point in points]) for verb in verbs]
        for place, title, lines, up in ((0, "time", times, SECONDS), (1, "peak memory", memory, BYTES)):
            box = Box(x=LEFT + place * (WIDTH + LEFT + 20), y=y, width=WIDTH, height=HEIGHT)
            across, level = Axis(spell=curve.axis), Axis(spell=up)
            out += diagram(box, f"{title} over {curve.name}", lines, across=across, up=level, proportional=True)
    return picture(out, width=2 * (WIDTH + LEFT) + 60, height=TOP + len(curves) * (HEIGHT + GAP))


def line(verb: str, points: Sequence[tuple[float, float]]) -> Line:
    return Line(name=verb, colour=COLOURS[verb], points=points)


if __name__ == "__main__":
    alone(print_scale, about=__doc__)
