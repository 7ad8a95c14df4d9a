"""Looking at models and comparing them: a page with histograms of all weights, a page of a large graph in a browser, the graph as
text, and two models side by side, each beside what people write with onnx and numpy for the same.

Weights are normal numbers in files beside the model, in the page cache. Whole processes; the browser is a real Chromium without a
graphics processor, which opens the page from a file.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
from contenders import MIB, ROOT, Command, duration, in_rounds, of_bytes, python
from goals import Goal, at_most
from growing_models import write_nodes
from models import write_matrices
from page import heading, progress, row
from workbench import MLSIGN, Workbench, alone, clear

sys.path[:0] = [str(ROOT / "tests" / "browser")]  # a graph of very many nodes, as the tests have it

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FILES, FILE_BYTES = 48, 32 * MIB
DRAWN_NODES, PRINTED_NODES = 10_000, 100_000
LOAD = "import sys, onnx, numpy\nfrom onnx.numpy_helper import to_array\nmodels = [onnx.load(path) for path in sys.argv[1:]]\n"
HISTOGRAMS = f"{LOAD}\nfor tensor in models[0].graph.initializer:\n    numpy.histogram(to_array(tensor, sys.argv[1]), 64)"
PRINTING = f"{LOAD}\nimport onnx.printer\nprint(onnx.printer.to_text(models[0]))"
DISTANCES = f"""{LOAD}
for one, other in zip(*(model.graph.initializer for model in models)):
    a, b = to_array(one), to_array(other)
    if not numpy.array_equal(a, b):
        off = numpy.abs(a - b)
        print(one.name, off.max(), off.mean(), numpy.linalg.norm(off) / numpy.linalg.norm(a))
"""
READY = "() => document.getElementById('zoom').textContent !== ''"


def print_looking(bench: Workbench) -> None:
    """A table for weights, and one for graphs."""
    print_weights(bench)
    print_graphs(bench)


def print_weights(bench: Workbench) -> None:
    """Pages and differences of models with many bytes of weights: every byte is read."""
    files = 2 if bench.quick else FILES
    size = files * FILE_BYTES
    before, after = bench.folder / "looked-at", bench.folder / "trained-on"
    progress(f"writing two models of {size // MIB} MiB")
    for folder, seed in ((before, 0), (after, 1)):
        write_normal(folder, files=files, seed=seed)
    page = bench.folder / "weights.html"
    one, two = before / "model.onnx", after / "model.onnx"
    pairs = (
        (
            Command(name="mlsign inspect --html", argv=[MLSIGN, "inspect", "--html", page, one], before=clear(page)),
            Command(name="onnx.load, numpy.histogram", argv=python(HISTOGRAMS, one)),
            (at_most(10, "s"), Goal(limit=300e6, words="under 300 MB")),
        ),
        (
            Command(name="mlsign diff", argv=[MLSIGN, "diff", one, two], allowed=frozenset({1})),
            Command(name="onnx.load, numpy", argv=python(DISTANCES, one, two)),
            None,
        ),
    )
    heading(f"{size // MIB:,} MiB of float weights", "takes", "of the processor", "peak memory", "beside the peer", "goals")
    for ours, peer, goals in pairs:
        progress(f"{ours.name} beside {peer.name}")
        print_pair(bench, ours, peer, goals=goals)
    clear(before, after, page)()


def print_graphs(bench: Workbench) -> None:
    """Pages and text of models with many nodes."""
    drawn, printed, page = bench.folder / "drawn.onnx", bench.folder / "printed.onnx", bench.folder / "graph.html"
    write_layers(drawn, 100 if bench.quick else DRAWN_NODES)
    write_nodes(printed, 1000 if bench.quick else PRINTED_NODES)
    heading("graph", "takes", "of the processor", "peak memory", "beside the peer", "goals")
    ours = Command(name="mlsign inspect --html", argv=[MLSIGN, "inspect", "--html", page, drawn], before=clear(page))
    print_rows(bench, [ours], label=f"{DRAWN_NODES:,} nodes")
    size = page.stat().st_size
    small = Goal(limit=5e6, words="under 5 MB").judged(size)
    row(f"its page, {of_bytes(size)}", "", "", "", "", small)
    for what, seconds in opened(page, rounds=bench.rounds(5)):
        row(what, duration(seconds), "", "", "", at_most(2, "s").judged(seconds))
    pair = (
        Command(name="mlsign inspect --text", argv=[MLSIGN, "inspect", "--text", printed]),
        Command(name="onnx.printer.to_text", argv=python(PRINTING, printed)),
    )
    print_rows(bench, pair, label=f"{PRINTED_NODES:,} nodes")
    clear(drawn, printed, page)()


def print_pair(bench: Workbench, ours: Command, peer: Command, *, goals: tuple[Goal, Goal] | None) -> None:
    samples = in_rounds([ours, peer], rounds=bench.rounds(3))
    mine, theirs = samples[ours.name], samples[peer.name]
    judged = "" if goals is None else f"{goals[0].judged(mine.clock)}; {goals[1].judged(mine.peak)}"
    beside = f"{mine.over(theirs):.2f} of it"
    row(f"`{ours.name}`", duration(mine.clock), duration(mine.processor), of_bytes(mine.peak), beside, judged)
    row(peer.name, duration(theirs.clock), duration(theirs.processor), of_bytes(theirs.peak), "", "")


def print_rows(bench: Workbench, commands: Sequence[Command], *, label: str) -> None:
    samples = in_rounds(commands, rounds=bench.rounds(3))
    first = samples[commands[0].name]
    for command in commands:
        found = samples[command.name]
        beside = f"{first.over(samples[commands[-1].name]):.2f} of it" if found is first and len(commands) > 1 else ""
        row(f"`{command.name}`, {label}", duration(found.clock), duration(found.processor), of_bytes(found.peak), beside, "")


def opened(page: Path, *, rounds: int) -> list[tuple[str, float]]:
    """How long a browser takes from the address to the drawn picture; nothing where there is none."""
    if CHROMIUM is None:
        return []
    from playwright.sync_api import sync_playwright

    taken = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for _ in range(rounds):
            window = browser.new_page()
            started = time.perf_counter()
            window.goto(page.as_uri())
            window.wait_for_function(READY)
            taken.append(time.perf_counter() - started)
            window.close()
        browser.close()
    return [("opened in Chromium, until the picture is there", median(taken))]


def write_layers(path: Path, nodes: int) -> None:
    """Blocks with a way around each, named as exporters name them."""
    from graph_models import long_model

    path.write_bytes(long_model(nodes).SerializeToString())


def write_normal(folder: Path, *, files: int, seed: int) -> None:
    """A model of matrices of normal numbers, each in a file of its own."""
    folder.mkdir()
    dice = np.random.default_rng(seed)
    for index in range(files):
        dice.standard_normal(FILE_BYTES // 4, dtype=np.float32).tofile(folder / f"w{index}.bin")
    write_matrices(folder / "model.onnx", {f"w{index}.bin": FILE_BYTES for index in range(files)})


if __name__ == "__main__":
    alone(print_looking, about=__doc__)
